// SPDX-License-Identifier: Apache-2.0
// Host and path to service. Of the routes that match both, the longest host wins (exact, then
// "*.x" for one label, then "*"), then the longest path prefix. A prefix ends at a segment: "/api"
// is "/api", "/api/x" and "/api?x", not "/apix".
#include "route_priv.h"

static uint64_t expiry_us(uint32_t lifetime_ms, uint64_t now_us)
{
	return lifetime_ms ? now_us + lifetime_ms * 1000ull : 0;
}

uint64_t route_host_hash(const struct route_table *table, struct slice host)
{
	return siphash13(&table->secret, host.at, host.bytes);
}

// recent_hash is route_host_hash, remembered: a host is mostly asked for again, and the hash of
// what strangers choose costs more than to see that it is the same.
static uint64_t recent_hash(struct route_table *table, struct slice host)
{
	if (host.bytes == 0 || host.bytes > ROUTE_RECENT_BYTES)
		return route_host_hash(table, host);
	uint32_t row = (uint32_t)host.bytes ^ (uint8_t)host.at[0];
	struct route_recent *recent = &table->recent[row % ROUTE_RECENT];
	if (slice_equal(slice_of(recent->text, recent->bytes), host))
		return recent->hash;
	recent->hash = route_host_hash(table, host);
	recent->bytes = (uint8_t)host.bytes;
	memcpy(recent->text, host.at, host.bytes);
	return recent->hash;
}

static bool prefix_matches(struct slice path, struct slice prefix)
{
	if (!slice_starts(path, prefix))
		return false;
	if (path.bytes == prefix.bytes || prefix.at[prefix.bytes - 1] == '/')
		return true;
	return path.at[prefix.bytes] == '/' || path.at[prefix.bytes] == '?';
}

static const struct route_match *match_host(struct route_table *table, struct slice host,
					    struct slice path)
{
	const struct route_match *best = NULL;
	uint32_t row = hash_index_first(&table->match_by_host, recent_hash(table, host));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&table->match_by_host, row)) {
		const struct route_match *match = pool_at(&table->matches.pool, row);
		if (!slice_equal(match->host, host) || !prefix_matches(path, match->path))
			continue;
		if (!best || match->path.bytes > best->path.bytes)
			best = match;
	}
	return best;
}

// knows_host is true when routes name host itself: control tells all paths of a host together, so a
// path that none of them has is nobody's, and need not be asked for.
static bool knows_host(const struct route_table *table, struct slice host)
{
	uint32_t row = hash_index_first(&table->match_by_host, route_host_hash(table, host));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&table->match_by_host, row)) {
		const struct route_match *match = pool_at(&table->matches.pool, row);
		if (slice_equal(match->host, host))
			return true;
	}
	return false;
}

// "*.x": the first label of host, which must not be empty, becomes the star.
static const struct route_match *match_wildcard(struct route_table *table, struct slice host,
						struct slice path)
{
	char pattern[RECORD_HOST_BYTES];
	size_t dot = slice_find(host, '.');
	struct slice rest = slice_skip(host, dot);
	if (dot == 0 || rest.bytes < 2 || rest.bytes + 1 > sizeof(pattern))
		return NULL;
	pattern[0] = '*';
	memcpy(pattern + 1, rest.at, rest.bytes);
	return match_host(table, slice_of(pattern, rest.bytes + 1), path);
}

struct route_found route_find(struct route_table *table, struct slice host, struct slice path,
			      uint64_t now_us)
{
	const struct route_match *match = match_host(table, host, path);
	if (!match)
		match = match_wildcard(table, host, path);
	if (!match)
		match = match_host(table, SLICE("*"), path);
	if (match) {
		bool is_stale = match->expires_us && now_us >= match->expires_us;
		counter_inc(table->counters, COUNTER_route_found);
		counter_add(table->counters, COUNTER_route_stale, is_stale);
		return (struct route_found){ROUTE_FOUND, match->service_id, is_stale};
	}
	if (knows_host(table, host) || route_absent_find(table, host, now_us)) {
		counter_inc(table->counters, COUNTER_route_absent);
		return (struct route_found){.answer = ROUTE_ABSENT};
	}
	counter_inc(table->counters, COUNTER_route_unknown);
	return (struct route_found){.answer = ROUTE_UNKNOWN};
}

const char *route_match_apply(struct route_table *table, const struct record_route *record,
			      uint64_t now_us)
{
	if (!route_find_row(table, &table->services, record->service_id))
		return "route to an unknown service";
	if (record->path[0] != '/')
		return "path of a route does not begin with /";
	bool is_new = !route_find_row(table, &table->matches, record->id);
	struct route_match *match = route_claim_row(table, &table->matches, record->id);
	if (!match)
		return "too many routes";
	uint32_t row = pool_id_of(&table->matches.pool, match).index;
	if (!is_new)
		hash_index_remove(&table->match_by_host, row);
	match->service_id = record->service_id;
	match->expires_us = expiry_us(record->lifetime_ms, now_us);
	memcpy(match->host_text, record->host, sizeof(match->host_text));
	memcpy(match->path_text, record->path, sizeof(match->path_text));
	match->host = slice_str(match->host_text);
	match->path = slice_str(match->path_text);
	hash_index_add(&table->match_by_host, row, route_host_hash(table, match->host));
	route_absent_forget(table, match->host);
	return NULL;
}

void route_match_drop(struct route_table *table, struct route_match *match)
{
	hash_index_remove(&table->match_by_host, pool_id_of(&table->matches.pool, match).index);
	route_drop_row(&table->matches, match);
}
