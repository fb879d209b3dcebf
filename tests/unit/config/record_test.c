// SPDX-License-Identifier: Apache-2.0
// Each record and event type: one good example, and every way to break it that the check names.
#include "counters.h"
#include "event.h"

#include "unit.h"

#include <string.h>

static struct record_header header_of(unsigned type, size_t bytes)
{
	return (struct record_header){RECORD_MAGIC, RECORD_VERSION, (uint8_t)type, (uint32_t)bytes,
				      1};
}

// check returns what is wrong with a payload, "" when nothing is.
static const char *check(unsigned type, const void *payload, size_t bytes)
{
	struct record_header header = header_of(type, bytes);
	const char *why = record_check(&header, payload);
	return why ? why : "";
}

static const char *check_up(unsigned type, const void *payload, size_t bytes)
{
	struct record_header header = header_of(type, bytes);
	const char *why = event_check(&header, payload);
	return why ? why : "";
}

#define GOOD(type, row) CU_ASSERT_STRING_EQUAL(check(RECORD_##type, &(row), sizeof(row)), "")
#define BAD(type, row, reason)                                                                     \
	CU_ASSERT_STRING_EQUAL(check(RECORD_##type, &(row), sizeof(row)), reason)
// BREAK sets one member, expects the reason, and sets it back.
#define BREAK(type, row, member, value, reason)                                                    \
	do {                                                                                       \
		__typeof__(row) kept_ = (row);                                                     \
		(row).member = (value);                                                            \
		BAD(type, row, reason);                                                            \
		(row) = kept_;                                                                     \
	} while (0)

static void headers_that_are_none_are_refused(void)
{
	struct record_commit row = {.generation = 1};
	struct record_header header = header_of(RECORD_COMMIT, sizeof(row));
	CU_ASSERT_PTR_NULL(record_check(&header, &row));
	header.magic = 0;
	CU_ASSERT_STRING_EQUAL(record_check(&header, &row), "not a record");
	header = header_of(RECORD_COMMIT, sizeof(row));
	header.version = 9;
	CU_ASSERT_STRING_EQUAL(record_check(&header, &row), "record of another version");
	CU_ASSERT_STRING_EQUAL(check(RECORD_TYPE_COUNT, &row, sizeof(row)),
			       "record of an unknown type");
	CU_ASSERT_STRING_EQUAL(check(255, &row, sizeof(row)), "record of an unknown type");
	CU_ASSERT_STRING_EQUAL(check(RECORD_COMMIT, &row, RECORD_MAX_BYTES), "record too long");
	CU_ASSERT_STRING_EQUAL(check(RECORD_COMMIT, &row, 0), "record too short for its type");
	CU_ASSERT_STRING_EQUAL(check(RECORD_COMMIT, &row, sizeof(row) + 1),
			       "record too long for its type");
	for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++)
		CU_ASSERT_STRING_EQUAL(check(type, &row, 0), "record too short for its type");
	CU_ASSERT_STRING_EQUAL(record_type_name(RECORD_ROUTE), "ROUTE");
	CU_ASSERT_STRING_EQUAL(record_type_name(200), "?");
}

static void transactions_name_a_generation(void)
{
	struct record_begin begin = {.generation = 1, .set = RECORD_SET_DELTA};
	struct record_commit commit = {.generation = 1, .row_count = 7};
	GOOD(BEGIN, begin);
	GOOD(COMMIT, commit);
	BREAK(BEGIN, begin, generation, 0, "BEGIN without a generation");
	BREAK(BEGIN, begin, set, RECORD_SET_COUNT, "BEGIN of an unknown kind of set");
	BREAK(BEGIN, begin, reserved, 1, "BEGIN of an unknown kind of set");
	BREAK(COMMIT, commit, generation, 0, "COMMIT without a generation");
	BREAK(COMMIT, commit, reserved, 1, "COMMIT with reserved bits");
}

static void rows_have_ids_and_names(void)
{
	struct record_service service = {.id = 1, .name = "shop"};
	struct record_location location = {.id = 1, .name = "par"};
	struct record_presence presence = {1, 1, 2, 2};
	GOOD(SERVICE, service);
	GOOD(LOCATION, location);
	GOOD(PRESENCE, presence);
	BREAK(SERVICE, service, id, 0, "SERVICE without an id or with unknown flags");
	BREAK(SERVICE, service, flags, 1, "SERVICE without an id or with unknown flags");
	BREAK(SERVICE, service, name[0], 0, "SERVICE without a good name");
	BREAK(SERVICE, service, name[2], '\n', "SERVICE without a good name");
	BREAK(LOCATION, location, id, 0, "LOCATION without an id");
	BREAK(LOCATION, location, name[0], 0, "LOCATION without a good name");
	memset(service.name, 'x', sizeof(service.name));
	BAD(SERVICE, service, "SERVICE without a good name");
	BREAK(PRESENCE, presence, service_id, 0, "PRESENCE without its ids");
	BREAK(PRESENCE, presence, location_id, 0, "PRESENCE without its ids");
	BREAK(PRESENCE, presence, healthy_count, 3, "PRESENCE with more healthy than there are");
}

static void endpoints_are_reachable_and_named(void)
{
	struct record_endpoint row = {
		.id = 1, .service_id = 2, .hop = RECORD_HOP_SIDECAR, .weight = 1};
	endpoint_addr_parse("192.0.2.1:8443", &row.to);
	strcpy(row.peer, "spiffe://mesh.example/svc/shop");
	GOOD(ENDPOINT, row);
	BREAK(ENDPOINT, row, id, 0, "ENDPOINT without an id");
	BREAK(ENDPOINT, row, hop, RECORD_HOP_COUNT, "ENDPOINT with an unknown hop or protocol");
	BREAK(ENDPOINT, row, protocol, RECORD_PROTOCOL_COUNT,
	      "ENDPOINT with an unknown hop or protocol");
	BREAK(ENDPOINT, row, is_healthy, 2, "ENDPOINT with a claim that is neither true nor false");
	BREAK(ENDPOINT, row, is_draining, 2,
	      "ENDPOINT with a claim that is neither true nor false");
	BREAK(ENDPOINT, row, to.port, 0, "ENDPOINT without an address");
	BREAK(ENDPOINT, row, to.reserved, 1, "ENDPOINT without an address");
	BREAK(ENDPOINT, row, to.addr, (struct addr){0}, "ENDPOINT without an address");
	BREAK(ENDPOINT, row, weight, 0, "ENDPOINT with a weight out of range");
	BREAK(ENDPOINT, row, weight, 1001, "ENDPOINT with a weight out of range");
	BREAK(ENDPOINT, row, service_id, 0, "ENDPOINT without a service");
	BREAK(ENDPOINT, row, peer[0], 0, "ENDPOINT without a peer");
	BREAK(ENDPOINT, row, peer[0], 'x', "ENDPOINT without a peer");
	row.hop = RECORD_HOP_WORKLOAD;
	BAD(ENDPOINT, row, "ENDPOINT of a workload with a peer");
	row.peer[0] = 0;
	GOOD(ENDPOINT, row);
	memset(row.peer, 'x', sizeof(row.peer));
	BAD(ENDPOINT, row, "ENDPOINT with an endless peer");
}

static void hosts_are_lower_case_names_or_patterns(void)
{
	static const struct {
		const char *host;
		bool is_route, is_absent;
	} hosts[] = {
		{"shop.example", true, true},
		{"*", true, false},
		{"*.example.com", true, false},
		{"192.0.2.1", true, true},
		{"[2001:db8::1]", true, true},
		{"a_b-c.d", true, true},
		{"", false, false},
		{"Shop.example", false, false},
		{"a b", false, false},
		{"*x", false, false},
		{"a.*", false, false},
		{"*.", false, false},
		{"a/b", false, false},
		{"a\x80", false, false},
	};
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct record_route route = {.id = 1, .service_id = 1, .path = "/"};
		struct record_route_absent absent = {0};
		struct record_cert_absent cert = {0};
		struct event_lookup lookup = {0};
		snprintf(route.host, sizeof(route.host), "%s", hosts[i].host);
		memcpy(absent.host, route.host, sizeof(absent.host));
		memcpy(cert.host, route.host, sizeof(cert.host));
		memcpy(lookup.host, route.host, sizeof(lookup.host));
		CU_ASSERT_STRING_EQUAL(check(RECORD_ROUTE, &route, sizeof(route)),
				       hosts[i].is_route ? "" : "ROUTE without a good host");
		CU_ASSERT_STRING_EQUAL(check(RECORD_ROUTE_ABSENT, &absent, sizeof(absent)),
				       hosts[i].is_absent ? ""
							  : "ROUTE_ABSENT without a good host");
		CU_ASSERT_STRING_EQUAL(check(RECORD_CERT_ABSENT, &cert, sizeof(cert)),
				       hosts[i].is_absent ? "" : "CERT_ABSENT without a good host");
		CU_ASSERT_STRING_EQUAL(check_up(EVENT_LOOKUP, &lookup, sizeof(lookup)),
				       hosts[i].is_absent ? "" : "LOOKUP without a good host");
		CU_ASSERT_STRING_EQUAL(check_up(EVENT_CERT_WANTED, &lookup, sizeof(lookup)),
				       hosts[i].is_absent ? "" : "CERT_WANTED without a good host");
	}
}

static void routes_start_with_a_slash(void)
{
	struct record_route row = {.id = 1, .service_id = 1, .host = "*", .path = "/api"};
	struct record_route_absent absent = {.host = "a", .reserved = 1};
	struct record_cert_absent cert = {.host = "a", .reserved = 1};
	GOOD(ROUTE, row);
	BREAK(ROUTE, row, id, 0, "ROUTE without its ids");
	BREAK(ROUTE, row, service_id, 0, "ROUTE without its ids");
	BREAK(ROUTE, row, reserved, 1, "ROUTE without its ids");
	BREAK(ROUTE, row, path[0], 'a', "ROUTE without a good path");
	BREAK(ROUTE, row, path[2], ' ', "ROUTE without a good path");
	memset(row.host, 'a', sizeof(row.host));
	BAD(ROUTE, row, "ROUTE without a good host");
	BAD(ROUTE_ABSENT, absent, "ROUTE_ABSENT with reserved bits");
	BAD(CERT_ABSENT, cert, "CERT_ABSENT with reserved bits");
}

static void tails_add_up(void)
{
	struct {
		struct record_cert row;
		char tail[12];
	} cert = {.row = {1, 0, 7, 5}};
	struct {
		struct record_identity row;
		char tail[12];
	} identity = {
		.row = {.id = 1, .chain_bytes = 7, .key_bytes = 5, .name = "spiffe://m/edge/p/e"}};
	struct {
		struct record_trust row;
		char tail[8];
	} trust = {.row = {.epoch = 1, .bundle_bytes = 8, .mesh = "m"}};
	GOOD(CERT, cert);
	GOOD(IDENTITY, identity);
	GOOD(TRUST, trust);
	struct record record = {RECORD_CERT, 1, sizeof(cert), &cert};
	size_t bytes;
	CU_ASSERT_PTR_EQUAL(record_tail(&record, &bytes), (uint8_t *)cert.tail);
	CU_ASSERT_EQUAL(bytes, 12);
	BREAK(CERT, cert, row.id, 0, "CERT without an id");
	BREAK(CERT, cert, row.is_default, 2, "CERT without an id");
	BREAK(CERT, cert, row.chain_bytes, 0, "CERT without a chain or a key");
	BREAK(CERT, cert, row.key_bytes, 0, "CERT without a chain or a key");
	BREAK(CERT, cert, row.key_bytes, 6, "CERT whose parts do not add up");
	BREAK(CERT, cert, row.chain_bytes, UINT32_MAX - 4, "CERT whose parts do not add up");
	BREAK(IDENTITY, identity, row.id, 0, "IDENTITY without an id");
	BREAK(IDENTITY, identity, row.key_bytes, 0, "IDENTITY without a chain or a key");
	BREAK(IDENTITY, identity, row.key_bytes, 4, "IDENTITY whose parts do not add up");
	BREAK(IDENTITY, identity, row.name[0], 'S', "IDENTITY without a good name");
	BREAK(TRUST, trust, row.epoch, 0, "TRUST without an epoch");
	BREAK(TRUST, trust, row.bundle_bytes, 7, "TRUST whose parts do not add up");
	BREAK(TRUST, trust, row.mesh[0], 0, "TRUST without a mesh");
}

static void purges_and_removals_name_what_they_mean(void)
{
	struct {
		struct record_purge_row row;
		char url[16];
	} purge = {.row = {1, RECORD_PURGE_URL, 16, 0, 0}, .url = "https://a/bcd?ef"};
	struct record_purge_row all = {1, RECORD_PURGE_ALL, 0, 0, 0};
	struct record_purge_row known = {7, RECORD_PURGE_KNOWN, 0, 0, 0};
	struct record_remove remove = {RECORD_ROUTE, 0, 5};
	struct record_ticket_key key = {.id = 1};
	GOOD(PURGE, purge);
	GOOD(PURGE, all);
	GOOD(PURGE, known);
	GOOD(REMOVE, remove);
	GOOD(TICKET_KEY, key);
	BREAK(PURGE, purge, row.kind, RECORD_PURGE_COUNT, "PURGE of an unknown kind");
	BREAK(PURGE, purge, row.kind, RECORD_PURGE_ALL, "PURGE whose parts do not add up");
	BREAK(PURGE, purge, row.text_bytes, 15, "PURGE whose parts do not add up");
	BREAK(PURGE, purge, url[3], '\r', "PURGE with a bad character");
	BREAK(PURGE, purge, row.is_soft, 2, "PURGE of an unknown kind");
	BREAK(PURGE, purge, row.unsure, 1, "PURGE whose parts do not add up");
	known.unsure = 7;
	GOOD(PURGE, known);
	BREAK(PURGE, known, unsure, 8, "PURGE whose parts do not add up");
	BREAK(PURGE, purge, row.kind, RECORD_PURGE_KNOWN, "PURGE whose parts do not add up");
	BREAK(PURGE, all, kind, RECORD_PURGE_TAG, "PURGE whose parts do not add up");
	BREAK(PURGE, all, kind, RECORD_PURGE_URL, "PURGE whose parts do not add up");
	BREAK(REMOVE, remove, id, 0, "REMOVE without an id");
	BREAK(REMOVE, remove, reserved, 1, "REMOVE without an id");
	BREAK(REMOVE, remove, id, 1ull << 32, "REMOVE with an id out of range");
	BREAK(REMOVE, remove, type, RECORD_TRUST, "REMOVE of what cannot be removed");
	BREAK(REMOVE, remove, type, RECORD_REMOVE, "REMOVE of what cannot be removed");
	BREAK(REMOVE, remove, type, UINT32_MAX, "REMOVE of what cannot be removed");
	BREAK(REMOVE, remove, type, RECORD_PRESENCE, "REMOVE without both ids");
	remove = (struct record_remove){RECORD_PRESENCE, 0, 1ull << 32 | 1};
	GOOD(REMOVE, remove);
	BREAK(TICKET_KEY, key, id, 0, "TICKET_KEY without an id");
}

static void events_are_checked_like_records(void)
{
	struct event_applied applied = {1, 2, 3};
	struct event_resync resync = {1, COUNTER_channel_sequence_gap, 0};
	struct event_endpoint_failed failed = {1, 5};
	struct event_alive alive = {0};
	CU_ASSERT_STRING_EQUAL(check_up(EVENT_APPLIED, &applied, sizeof(applied)), "");
	CU_ASSERT_STRING_EQUAL(check_up(EVENT_RESYNC, &resync, sizeof(resync)), "");
	CU_ASSERT_STRING_EQUAL(check_up(EVENT_ENDPOINT_FAILED, &failed, sizeof(failed)), "");
	CU_ASSERT_STRING_EQUAL(check_up(EVENT_ALIVE, &alive, sizeof(alive)), "");
	CU_ASSERT_STRING_EQUAL(check_up(EVENT_ALIVE, &alive, sizeof(alive) + 1),
			       "event of the wrong length for its type");
	CU_ASSERT_STRING_EQUAL(check_up(EVENT_TYPE_COUNT, &alive, sizeof(alive)),
			       "event of an unknown type");
	applied.generation = 0;
	CU_ASSERT_STRING_EQUAL(check_up(EVENT_APPLIED, &applied, sizeof(applied)),
			       "APPLIED without a generation");
	resync.reason = COUNTER_COUNT;
	CU_ASSERT_STRING_EQUAL(check_up(EVENT_RESYNC, &resync, sizeof(resync)),
			       "RESYNC without a known reason");
	failed.endpoint_id = 0;
	CU_ASSERT_STRING_EQUAL(check_up(EVENT_ENDPOINT_FAILED, &failed, sizeof(failed)),
			       "ENDPOINT_FAILED without an id");
	struct record_header header = header_of(EVENT_ALIVE, sizeof(alive));
	header.version = 2;
	CU_ASSERT_STRING_EQUAL(event_check(&header, &alive), "event of another version");
	header.magic = 1;
	CU_ASSERT_STRING_EQUAL(event_check(&header, &alive), "not an event");
}

UNIT_MAIN("record", {"headers that are none are refused", headers_that_are_none_are_refused},
	  {"transactions name a generation", transactions_name_a_generation},
	  {"rows have ids and names", rows_have_ids_and_names},
	  {"endpoints are reachable and named", endpoints_are_reachable_and_named},
	  {"hosts are lower case names or patterns", hosts_are_lower_case_names_or_patterns},
	  {"routes start with a slash", routes_start_with_a_slash}, {"tails add up", tails_add_up},
	  {"purges and removals name what they mean", purges_and_removals_name_what_they_mean},
	  {"events are checked like records", events_are_checked_like_records})
