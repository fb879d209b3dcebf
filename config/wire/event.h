// SPDX-License-Identifier: Apache-2.0
// Events: what a worker tells control, up the ring. Same framing as records (record.h): header,
// then one of these structs. The ring is lossy: a full one drops the event and counts it;
// everything that matters is asked again.
#pragma once

#include "record.h"

enum event_type {
#define EVENT(name, type, text) EVENT_##name,
#include "event.def"
#undef EVENT
	EVENT_TYPE_COUNT
};

struct event_applied { // COMMIT of this generation was applied
	uint64_t generation;
	uint32_t row_count;
	uint32_t refused_count; // rows refused since the last APPLIED
};

struct event_resync { // a gap, a bad record or a new start: send a full set
	uint64_t last_sequence;
	uint32_t reason; // enum counter of channel.def
	uint32_t reserved;
};

struct event_lookup { // who serves this host? Answer: routes, or ROUTE_ABSENT
	char host[RECORD_HOST_BYTES];
};

struct event_cert_wanted { // a certificate for this name? Answer: CERT, or CERT_ABSENT
	char host[RECORD_HOST_BYTES];
};

struct event_endpoint_failed {
	uint32_t endpoint_id;
	uint32_t failure_count; // in a row
};

struct event_alive {
	uint64_t loop_count;
	uint32_t is_leaving; // the data plane ends politely: nothing new should be sent here
	uint32_t reserved;
};

// event_check tells whether header and payload are what their type demands. NULL, or what is wrong.
const char *event_check(const struct record_header *header, const void *payload);
