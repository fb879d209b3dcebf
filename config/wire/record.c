// SPDX-License-Identifier: Apache-2.0
// Are a record's header and payload what its type demands? See record.h. One check function a type,
// named after its struct; the table comes from record.def.
#include "record.h"

#include "policy.h"

#include <assert.h>

static_assert(sizeof(struct record_header) == 16);
static_assert(RECORD_TYPE_COUNT <= 256);

// ends is true when text has its NUL within bytes bytes.
static bool ends(const char *text, size_t bytes)
{
	return memchr(text, 0, bytes) != NULL;
}

// is_name is true for a non-empty, terminated name of visible ASCII.
static bool is_name(const char *text, size_t bytes)
{
	if (!ends(text, bytes) || !*text)
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

bool record_host_is_good(const char host[RECORD_HOST_BYTES])
{
	if (!ends(host, RECORD_HOST_BYTES) || !*host)
		return false;
	for (; *host; host++) {
		bool is_good = (*host >= 'a' && *host <= 'z') || (*host >= '0' && *host <= '9') ||
			       strchr(".-_:[]", *host);
		if (!is_good)
			return false;
	}
	return true;
}

// is_host_pattern accepts "*", "*.host" and "host".
static bool is_host_pattern(const char host[RECORD_HOST_BYTES])
{
	if (!ends(host, RECORD_HOST_BYTES))
		return false;
	if (strcmp(host, "*") == 0)
		return true;
	char rest[RECORD_HOST_BYTES] = {0};
	if (strncmp(host, "*.", 2) != 0)
		return record_host_is_good(host);
	memcpy(rest, host + 2, strlen(host + 2));
	return record_host_is_good(rest);
}

static bool is_spiffe(const char name[RECORD_PEER_BYTES])
{
	return is_name(name, RECORD_PEER_BYTES) && strncmp(name, "spiffe://", 9) == 0;
}

static const char *check_record_begin(const void *payload, uint32_t)
{
	const struct record_begin *row = payload;
	if (row->set >= RECORD_SET_COUNT || row->reserved)
		return "BEGIN of an unknown kind of set";
	return row->generation ? NULL : "BEGIN without a generation";
}

static const char *check_record_commit(const void *payload, uint32_t)
{
	const struct record_commit *row = payload;
	if (row->reserved)
		return "COMMIT with reserved bits";
	return row->generation ? NULL : "COMMIT without a generation";
}

static const char *check_record_service(const void *payload, uint32_t)
{
	const struct record_service *row = payload;
	if (row->id == 0 || row->flags)
		return "SERVICE without an id or with unknown flags";
	return is_name(row->name, sizeof(row->name)) ? NULL : "SERVICE without a good name";
}

static const char *check_record_location(const void *payload, uint32_t)
{
	const struct record_location *row = payload;
	if (row->id == 0)
		return "LOCATION without an id";
	return is_name(row->name, sizeof(row->name)) ? NULL : "LOCATION without a good name";
}

static const char *check_record_presence(const void *payload, uint32_t)
{
	const struct record_presence *row = payload;
	if (row->service_id == 0 || row->location_id == 0)
		return "PRESENCE without its ids";
	return row->healthy_count <= row->total_count ? NULL
						      : "PRESENCE with more healthy than there are";
}

static const char *check_record_endpoint(const void *payload, uint32_t)
{
	const struct record_endpoint *row = payload;
	if (row->id == 0)
		return "ENDPOINT without an id";
	if (row->hop >= RECORD_HOP_COUNT || row->protocol >= RECORD_PROTOCOL_COUNT)
		return "ENDPOINT with an unknown hop or protocol";
	if (row->is_healthy > 1 || row->is_draining > 1)
		return "ENDPOINT with a claim that is neither true nor false";
	if (row->to.port == 0 || row->to.reserved || addr_is_zero(&row->to.addr))
		return "ENDPOINT without an address";
	if (row->weight < 1 || row->weight > 1000)
		return "ENDPOINT with a weight out of range";
	if (row->service_id == 0 && row->hop != RECORD_HOP_GATEWAY)
		return "ENDPOINT without a service";
	if (!ends(row->peer, sizeof(row->peer)))
		return "ENDPOINT with an endless peer";
	if (row->hop == RECORD_HOP_WORKLOAD)
		return row->peer[0] == 0 ? NULL : "ENDPOINT of a workload with a peer";
	return is_spiffe(row->peer) ? NULL : "ENDPOINT without a peer";
}

static const char *check_record_route(const void *payload, uint32_t)
{
	const struct record_route *row = payload;
	if (row->id == 0 || row->service_id == 0 || row->reserved)
		return "ROUTE without its ids";
	if (!is_host_pattern(row->host))
		return "ROUTE without a good host";
	if (!is_name(row->path, sizeof(row->path)) || row->path[0] != '/')
		return "ROUTE without a good path";
	return NULL;
}

static const char *check_record_route_absent(const void *payload, uint32_t)
{
	const struct record_route_absent *row = payload;
	if (row->reserved)
		return "ROUTE_ABSENT with reserved bits";
	return record_host_is_good(row->host) ? NULL : "ROUTE_ABSENT without a good host";
}

static const char *check_record_cert(const void *payload, uint32_t tail_bytes)
{
	const struct record_cert *row = payload;
	if (row->id == 0 || row->is_default > 1)
		return "CERT without an id";
	if (row->chain_bytes == 0 || row->key_bytes == 0)
		return "CERT without a chain or a key";
	return (uint64_t)row->chain_bytes + row->key_bytes == tail_bytes
		       ? NULL
		       : "CERT whose parts do not add up";
}

static const char *check_record_cert_absent(const void *payload, uint32_t)
{
	const struct record_cert_absent *row = payload;
	if (row->reserved)
		return "CERT_ABSENT with reserved bits";
	return record_host_is_good(row->host) ? NULL : "CERT_ABSENT without a good host";
}

static const char *check_record_identity(const void *payload, uint32_t tail_bytes)
{
	const struct record_identity *row = payload;
	if (row->id == 0 || row->reserved)
		return "IDENTITY without an id";
	if (row->chain_bytes == 0 || row->key_bytes == 0)
		return "IDENTITY without a chain or a key";
	if ((uint64_t)row->chain_bytes + row->key_bytes != tail_bytes)
		return "IDENTITY whose parts do not add up";
	return is_spiffe(row->name) ? NULL : "IDENTITY without a good name";
}

static const char *check_record_trust(const void *payload, uint32_t tail_bytes)
{
	const struct record_trust *row = payload;
	if (row->epoch == 0 || row->reserved)
		return "TRUST without an epoch";
	if (row->bundle_bytes == 0 || row->bundle_bytes != tail_bytes)
		return "TRUST whose parts do not add up";
	return is_name(row->mesh, sizeof(row->mesh)) ? NULL : "TRUST without a mesh";
}

static const char *check_record_ticket_key(const void *payload, uint32_t)
{
	const struct record_ticket_key *row = payload;
	return row->id ? NULL : "TICKET_KEY without an id";
}

static const char *check_record_purge_row(const void *payload, uint32_t tail_bytes)
{
	const struct record_purge_row *row = payload;
	const char *text = (const char *)(row + 1);
	bool has_text = row->kind != RECORD_PURGE_ALL && row->kind != RECORD_PURGE_KNOWN;
	if (row->kind >= RECORD_PURGE_COUNT || row->is_soft > 1)
		return "PURGE of an unknown kind";
	bool is_known = row->kind == RECORD_PURGE_KNOWN;
	if (row->text_bytes != tail_bytes || has_text == (tail_bytes == 0) ||
	    row->unsure > (is_known ? row->sequence : 0))
		return "PURGE whose parts do not add up";
	for (uint32_t i = 0; i < tail_bytes; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return "PURGE with a bad character";
	return NULL;
}

static const char *check_record_policy(const void *payload, uint32_t tail_bytes)
{
	const struct record_policy *row = payload;
	char text[POLICY_TEXT_BYTES], why[POLICY_WHY_BYTES];
	struct policy policy;
	if (row->service_id == 0)
		return "POLICY without a service";
	if (row->rule_bytes != tail_bytes || tail_bytes > sizeof(text))
		return "POLICY whose parts do not add up";
	memcpy(text, row + 1, tail_bytes);
	return policy_parse(text, tail_bytes, &policy, why) ? NULL : "POLICY with a bad rule";
}

static const char *check_record_remove(const void *payload, uint32_t)
{
	const struct record_remove *row = payload;
	if (row->reserved || row->id == 0)
		return "REMOVE without an id";
	switch (row->type) {
	case RECORD_PRESENCE:
		return row->id >> 32 && (uint32_t)row->id ? NULL : "REMOVE without both ids";
	case RECORD_SERVICE:
	case RECORD_LOCATION:
	case RECORD_ENDPOINT:
	case RECORD_ROUTE:
	case RECORD_CERT:
	case RECORD_IDENTITY:
	case RECORD_POLICY: return row->id <= UINT32_MAX ? NULL : "REMOVE with an id out of range";
	case RECORD_TICKET_KEY: return NULL;
	default: return "REMOVE of what cannot be removed";
	}
}

struct record_kind {
	uint32_t bytes; // of the fixed struct
	bool has_tail;
	const char *name;
	const char *(*check)(const void *payload, uint32_t tail_bytes);
};

static const struct record_kind kinds[RECORD_TYPE_COUNT] = {
#define RECORD(name, type, tail, text)                                                             \
	[RECORD_##name] = {sizeof(struct type), tail, #name, check_##type},
#include "record.def"
#undef RECORD
};

const uint8_t *record_tail(const struct record *record, size_t *bytes)
{
	size_t fixed = kinds[record->type].bytes;
	*bytes = record->payload_bytes - fixed;
	return (const uint8_t *)record->payload + fixed;
}

const char *record_check(const struct record_header *header, const void *payload)
{
	if (header->magic != RECORD_MAGIC)
		return "not a record";
	if (header->version != RECORD_VERSION)
		return "record of another version";
	if (header->type >= RECORD_TYPE_COUNT)
		return "record of an unknown type";
	if (header->bytes > RECORD_MAX_BYTES - sizeof(*header))
		return "record too long";
	const struct record_kind *kind = &kinds[header->type];
	if (header->bytes < kind->bytes)
		return "record too short for its type";
	if (header->bytes > kind->bytes && !kind->has_tail)
		return "record too long for its type";
	return kind->check(payload, header->bytes - kind->bytes);
}

const char *record_type_name(unsigned type)
{
	return type < RECORD_TYPE_COUNT ? kinds[type].name : "?";
}
