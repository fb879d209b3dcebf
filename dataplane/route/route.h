// SPDX-License-Identifier: Apache-2.0
// Routing of one worker: host and path to service, service to location, location to endpoint. Each
// worker owns a private copy, fed by records; nothing is shared. Pure but for its own memory.
#pragma once

#include "counter.h"
#include "random.h"
#include "record.h"
#include "slice.h"
#include "spans.h"

#include <stdbool.h>
#include <stdint.h>

struct route_table; // one a worker

struct route_limits {
	uint32_t service_count;
	uint32_t location_count;
	uint32_t endpoint_count;
	uint32_t route_count;
	uint32_t presence_count;
	uint32_t absent_count; // negative answers (LRU: a stranger cannot evict real routes)
};

enum route_answer {
	ROUTE_FOUND,   // service_id is set
	ROUTE_UNKNOWN, // nothing known: ask control (a lookup)
	ROUTE_ABSENT,  // control said there is none, or told other paths of this host
	ROUTE_ANSWER_COUNT
};

// An endpoint chosen for one try. Copied out: valid whatever records come later.
struct route_target {
	uint32_t endpoint_id;
	uint32_t service_id;
	uint32_t location_id;
	struct endpoint_addr to;
	enum record_hop hop;
	enum record_protocol protocol;
	char peer[RECORD_PEER_BYTES];
	char service[RECORD_NAME_BYTES];
	char location[RECORD_NAME_BYTES];
};

// route_new takes all memory for limits; counters and random are borrowed. NULL when memory is
// short. route_free gives it back.
struct route_table *route_new(const struct route_limits *limits, struct random_source *random,
			      struct counters *counters);
void route_free(struct route_table *table);

// route_spans adds the tables' memory to spans.
void route_spans(const struct route_table *table, struct spans *spans);

// route_apply takes a SERVICE, LOCATION, PRESENCE, ENDPOINT, ROUTE, ROUTE_ABSENT or REMOVE record
// that passed record_check. Returns NULL, or why it was refused (a literal; table at a bound,
// unknown id).
const char *route_apply(struct route_table *table, const struct record *record, uint64_t now_us);

// route_mark and route_sweep bracket a full set: rows not applied in between are forgotten, by one
// sweep or piece by piece. A piece costs at most budget: a place of a table looked at is 1, a row
// forgotten ROUTE_SWEEP_ROW. True: the sweep is not over. Rows may be applied between pieces; they
// stay.
#define ROUTE_SWEEP_ROW 16u
void route_mark(struct route_table *table);
bool route_sweep(struct route_table *table, uint32_t budget);

// route_find looks up host (lower case, without port) and path (a query may follow). Of the routes
// that match both, the longest host wins, then the longest path; "/api" ends at a segment. An
// expired row still answers FOUND and is_stale: serve, and ask again.
struct route_found {
	enum route_answer answer;
	uint32_t service_id; // 0 unless FOUND
	bool is_stale;
};
struct route_found route_find(struct route_table *table, struct slice host, struct slice path,
			      uint64_t now_us);

// Endpoints that were tried for a request already: borrowed ids.
struct route_tried {
	const uint32_t *ids;
	uint32_t count;
};

// route_pick chooses an endpoint for a service: nearest location with healthy presence (spill by
// the 1.4 rule), then power of two choices by requests in flight; draining and ejected ones last,
// after good ones of other locations; those `tried` are never chosen. Below half
// healthy all of a location are used (panic). Endpoints of the service where it has no presence
// count as their own presence; a location's own endpoints go before its gateways (service_id 0).
// False: none.
bool route_pick(struct route_table *table, uint32_t service_id, struct route_tried tried,
		uint64_t now_us, struct route_target *target);

enum route_outcome {
	ROUTE_TRY_ANSWERED,
	ROUTE_TRY_FAILED,
	ROUTE_TRY_UNTOLD, // ended before the endpoint could say anything: its client left, a bound
			  // of ours
};

// route_begin and route_finish count a try in flight; its outcome feeds ejection (5 failures in a
// row eject for 1 s, doubling to 30 s; then one try at a time finds out whether the endpoint is
// back). An id that is gone is ignored. route_finish returns the failures in a row.
void route_begin(struct route_table *table, uint32_t endpoint_id, uint64_t now_us);
uint32_t route_finish(struct route_table *table, uint32_t endpoint_id, enum route_outcome outcome,
		      uint64_t now_us);

// route_service_name borrows a service's name; "" when the id is unknown.
const char *route_service_name(const struct route_table *table, uint32_t service_id);
