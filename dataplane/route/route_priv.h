// SPDX-License-Identifier: Apache-2.0
// The tables of one worker's routing and what the files of this room offer each other. Rows are
// named by the ids that control chose; one row never points at another, so any of them may come,
// change or go while tries are in flight.
#pragma once

#include "list.h"
#include "pool.h"
#include "route.h"
#include "hash_index.h"

#include "balance.h"

#define ROUTE_CANDIDATES 64u // locations weighed for one pick: the nearest ones

struct route_row {
	uint32_t mark; // table.mark when last applied
};

struct route_service {
	struct route_row row;
	uint32_t id;
	char name[RECORD_NAME_BYTES];
};

struct route_location {
	struct route_row row;
	uint32_t id;
	uint32_t cost_us;
	char name[RECORD_NAME_BYTES];
};

struct route_presence {
	struct route_row row;
	uint32_t service_id;
	uint32_t location_id;
	uint32_t healthy_count;
	uint32_t total_count;
};

struct route_match {
	struct route_row row;
	uint32_t id;
	uint32_t service_id;
	uint64_t expires_us; // 0: never
	struct slice host;   // of the text below
	struct slice path;
	char host_text[RECORD_HOST_BYTES];
	char path_text[RECORD_PATH_BYTES];
};

struct route_absent {
	struct list link; // LRU, newest last
	uint64_t expires_us;
	size_t host_bytes;
	char host[RECORD_HOST_BYTES];
};

struct route_endpoint {
	struct route_row row;
	uint32_t id;
	uint32_t group;    // pool index of its group
	uint32_t position; // 0..group.count - 1
	uint32_t weight;   // 1..1000
	uint32_t in_flight;
	uint32_t failures;  // in a row
	uint32_t ejections; // how long the next one lasts
	uint64_t ejected_until_us;
	bool is_probed; // the try that finds out whether it is back is under way
	bool is_healthy;
	bool is_draining;
	struct record_endpoint record;
};

// All endpoints of one service in one location; an array by way of an index: (group, position).
struct route_group {
	uint32_t service_id;
	uint32_t location_id;
	uint32_t count;
	uint32_t good_count;     // healthy, not draining, not ejected
	uint32_t eligible_count; // not draining
	uint64_t recount_us;     // the two above are right before this time; 0: wrong
};

struct route_kind {
	struct pool pool;
	struct hash_index by_id;
};

// The hash of a host that was asked for lately.
#define ROUTE_RECENT       16u // a power of two
#define ROUTE_RECENT_BYTES 47u // of a host, at most

struct route_recent {
	uint64_t hash;
	uint8_t bytes; // of text; 0: free
	char text[ROUTE_RECENT_BYTES];
};

struct route_table {
	struct random_source *random; // borrowed
	struct counters *counters;    // borrowed
	const struct balance *balance;
	struct siphash_key secret;
	uint32_t mark;
	unsigned swept_kinds;  // how many kinds this sweep is done with
	uint32_t swept_places; // of the next kind
	struct route_kind services;
	struct route_kind locations;
	struct route_kind presences; // by_id: service, all its locations
	struct route_kind matches;
	struct hash_index match_by_host;
	struct route_recent recent[ROUTE_RECENT]; // by length and a letter of the host
	struct route_kind absents;                // by_id: host
	struct list absent_order;
	struct route_kind endpoints;
	struct hash_index endpoint_by_place; // (group, position)
	struct route_kind groups;            // by_id: service, all its locations
};

// route_hash hashes a number under the table's secret.
uint64_t route_hash(const struct route_table *table, uint64_t number);

// route_find_row returns the row of kind whose first id after the mark is id, or NULL: services,
// locations, endpoints and matches start with mark and id.
void *route_find_row(const struct route_table *table, const struct route_kind *kind, uint32_t id);

// route_claim_row returns the row with this id, new and cleared when there was none; NULL at the
// bound. The row is marked.
void *route_claim_row(struct route_table *table, struct route_kind *kind, uint32_t id);

// route_drop_row unlinks a row from by_id and frees it.
void route_drop_row(struct route_kind *kind, void *row);

// route_match_apply and route_absent_apply take a checked record; NULL, or why not.
const char *route_match_apply(struct route_table *table, const struct record_route *record,
			      uint64_t now_us);
const char *route_absent_apply(struct route_table *table, const struct record_route_absent *record,
			       uint64_t now_us);

// route_match_drop forgets a route.
void route_match_drop(struct route_table *table, struct route_match *match);

// route_absent_find is true while control's "there is none" for host holds; it refreshes the LRU.
bool route_absent_find(struct route_table *table, struct slice host, uint64_t now_us);

// route_absent_forget drops what is known to be absent for host.
void route_absent_forget(struct route_table *table, struct slice host);

// route_host_hash hashes a host name.
uint64_t route_host_hash(const struct route_table *table, struct slice host);

// route_presence_apply takes a checked record; NULL, or why not.
const char *route_presence_apply(struct route_table *table, const struct record_presence *record);

// route_presence_find returns the presence of a service in a location, or NULL.
struct route_presence *route_presence_find(const struct route_table *table, uint32_t service_id,
					   uint32_t location_id);

// route_endpoint_apply takes a checked record; NULL, or why not.
const char *route_endpoint_apply(struct route_table *table, const struct record_endpoint *record);

// route_endpoint_drop forgets an endpoint, and its group when it was the last.
void route_endpoint_drop(struct route_table *table, struct route_endpoint *endpoint);

// route_group_find returns the endpoints of a service in a location, or NULL when there are none.
struct route_group *route_group_find(const struct route_table *table, uint32_t service_id,
				     uint32_t location_id);

// route_group_at returns the endpoint at position (< count).
struct route_endpoint *route_group_at(const struct route_table *table,
				      const struct route_group *group, uint32_t position);

// route_group_recount makes good_count and eligible_count right for now_us.
void route_group_recount(const struct route_table *table, struct route_group *group,
			 uint64_t now_us);

// route_breaker_begin hears of a try that begins; true when it is the one that finds out whether
// the endpoint is back: it is ejected meanwhile.
bool route_breaker_begin(struct route_endpoint *endpoint, uint64_t now_us);

// route_breaker_note feeds one result to ejection; true when the endpoint was ejected by it.
bool route_breaker_note(struct route_endpoint *endpoint, enum route_outcome outcome,
			uint64_t now_us);

// route_breaker_is_open is true while the endpoint is ejected.
static inline bool route_breaker_is_open(const struct route_endpoint *endpoint, uint64_t now_us)
{
	return now_us < endpoint->ejected_until_us;
}
