// SPDX-License-Identifier: Apache-2.0
// Are an event's header and payload what its type demands? See event.h.
#include "event.h"

#include "counters.h"

static const char *check_event_applied(const void *payload)
{
	const struct event_applied *event = payload;
	return event->generation ? NULL : "APPLIED without a generation";
}

static const char *check_event_resync(const void *payload)
{
	const struct event_resync *event = payload;
	return event->reason < COUNTER_COUNT && !event->reserved ? NULL
								 : "RESYNC without a known reason";
}

static const char *check_event_lookup(const void *payload)
{
	const struct event_lookup *event = payload;
	return record_host_is_good(event->host) ? NULL : "LOOKUP without a good host";
}

static const char *check_event_cert_wanted(const void *payload)
{
	const struct event_cert_wanted *event = payload;
	return record_host_is_good(event->host) ? NULL : "CERT_WANTED without a good host";
}

static const char *check_event_endpoint_failed(const void *payload)
{
	const struct event_endpoint_failed *event = payload;
	return event->endpoint_id ? NULL : "ENDPOINT_FAILED without an id";
}

static const char *check_event_alive(const void *)
{
	return NULL;
}

struct event_kind {
	uint32_t bytes;
	const char *(*check)(const void *payload);
};

static const struct event_kind kinds[EVENT_TYPE_COUNT] = {
#define EVENT(name, type, text) [EVENT_##name] = {sizeof(struct type), check_##type},
#include "event.def"
#undef EVENT
};

const char *event_check(const struct record_header *header, const void *payload)
{
	if (header->magic != RECORD_MAGIC)
		return "not an event";
	if (header->version != RECORD_VERSION)
		return "event of another version";
	if (header->type >= EVENT_TYPE_COUNT)
		return "event of an unknown type";
	if (header->bytes != kinds[header->type].bytes)
		return "event of the wrong length for its type";
	return kinds[header->type].check(payload);
}
