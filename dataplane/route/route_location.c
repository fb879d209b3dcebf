// SPDX-License-Identifier: Apache-2.0
// Service to location to endpoint. Locations are ordered by cost; the nearest takes 1.4 times its
// healthy share of the requests, up to all of them, and what is left spills to the next: a
// location keeps everything until less than 72 % of it is healthy, then sheds smoothly.
#include "route_priv.h"

#include "check.h"

#define SHARE_FULL    100u
#define SHARE_PERCENT 140u // the 1.4 rule

struct candidate {
	uint32_t location_id;
	uint32_t cost_us;
	uint32_t share; // 0..SHARE_FULL of the requests it can take
	struct route_group *group;
};

struct candidates {
	uint32_t count;
	struct candidate at[ROUTE_CANDIDATES]; // nearest first
};

struct route_presence *route_presence_find(const struct route_table *table, uint32_t service_id,
					   uint32_t location_id)
{
	const struct route_kind *kind = &table->presences;
	uint32_t row = hash_index_first(&kind->by_id, route_hash(table, service_id));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&kind->by_id, row)) {
		struct route_presence *presence = pool_at(&kind->pool, row);
		if (presence->service_id == service_id && presence->location_id == location_id)
			return presence;
	}
	return NULL;
}

const char *route_presence_apply(struct route_table *table, const struct record_presence *record)
{
	if (!route_find_row(table, &table->services, record->service_id))
		return "presence of an unknown service";
	if (record->location_id && !route_find_row(table, &table->locations, record->location_id))
		return "presence in an unknown location";
	struct route_presence *presence =
		route_presence_find(table, record->service_id, record->location_id);
	if (!presence) {
		struct pool_id id;
		presence = pool_new(&table->presences.pool, &id);
		if (!presence)
			return "too many presences";
		hash_index_add(&table->presences.by_id, id.index,
			       route_hash(table, record->service_id));
	}
	presence->row.mark = table->mark;
	presence->service_id = record->service_id;
	presence->location_id = record->location_id;
	presence->healthy_count = record->healthy_count;
	presence->total_count = record->total_count;
	return NULL;
}

static uint32_t cost_of(const struct route_table *table, uint32_t location_id)
{
	const struct route_location *location =
		route_find_row(table, &table->locations, location_id);
	if (location)
		return location->cost_us;
	return location_id ? UINT32_MAX : 0;
}

static uint32_t share_of(uint32_t healthy_count, uint32_t total_count)
{
	if (total_count == 0 || healthy_count >= total_count)
		return healthy_count ? SHARE_FULL : 0;
	uint64_t share = (uint64_t)healthy_count * SHARE_PERCENT / total_count;
	return (uint32_t)MIN(share, SHARE_FULL);
}

// Inserts in order of cost; beyond the bound the farthest is dropped.
static void consider(struct candidates *candidates, const struct candidate *candidate)
{
	uint32_t i = candidates->count;
	while (i > 0 && candidates->at[i - 1].cost_us > candidate->cost_us)
		i--;
	if (i == ROUTE_CANDIDATES)
		return;
	uint32_t kept = MIN(candidates->count, ROUTE_CANDIDATES - 1);
	memmove(&candidates->at[i + 1], &candidates->at[i], (kept - i) * sizeof(candidates->at[0]));
	candidates->at[i] = *candidate;
	candidates->count = kept + 1;
}

static void consider_presences(struct route_table *table, uint32_t service_id,
			       struct candidates *candidates)
{
	const struct route_kind *kind = &table->presences;
	uint32_t row = hash_index_first(&kind->by_id, route_hash(table, service_id));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&kind->by_id, row)) {
		const struct route_presence *presence = pool_at(&kind->pool, row);
		if (presence->service_id != service_id || presence->total_count == 0)
			continue;
		uint32_t location_id = presence->location_id;
		struct candidate candidate = {
			.location_id = location_id,
			.cost_us = cost_of(table, location_id),
			.share = share_of(presence->healthy_count, presence->total_count),
			.group = route_group_find(table, service_id, location_id),
		};
		if (!candidate.group)
			candidate.group = route_group_find(table, 0, location_id);
		if (candidate.group)
			consider(candidates, &candidate);
	}
}

static void consider_group(struct route_table *table, struct route_group *group, uint64_t now_us,
			   struct candidates *candidates)
{
	route_group_recount(table, group, now_us);
	struct candidate candidate = {
		.location_id = group->location_id,
		.cost_us = cost_of(table, group->location_id),
		.share = share_of(group->good_count, group->eligible_count),
		.group = group,
	};
	consider(candidates, &candidate);
}

// Groups of the service where no presence speaks for them.
static void consider_groups(struct route_table *table, uint32_t service_id, uint64_t now_us,
			    struct candidates *candidates)
{
	const struct route_kind *kind = &table->groups;
	uint32_t row = hash_index_first(&kind->by_id, route_hash(table, service_id));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&kind->by_id, row)) {
		struct route_group *group = pool_at(&kind->pool, row);
		if (group->service_id == service_id &&
		    !route_presence_find(table, service_id, group->location_id))
			consider_group(table, group, now_us, candidates);
	}
	struct route_group *here = route_group_find(table, 0, 0);
	if (candidates->count == 0 && here)
		consider_group(table, here, now_us, candidates);
}

// Draws by the 1.4 rule. When all shares together are less than everything, they are taken as parts
// of what there is; when nothing is healthy anywhere, the nearest.
static uint32_t draw_location(struct route_table *table, const struct candidates *candidates)
{
	uint32_t total = 0;
	for (uint32_t i = 0; i < candidates->count; i++)
		total += candidates->at[i].share;
	total = MIN(total, SHARE_FULL);
	if (total == 0)
		return 0;
	// One location that can take everything is the usual case: no need to draw.
	if (candidates->at[0].share >= total)
		return 0;
	uint32_t drawn = random_below(table->random, total);
	uint32_t i = 0;
	while (drawn >= candidates->at[i].share)
		drawn -= candidates->at[i++].share;
	return i;
}

// Good ones only, or all but draining ones when less than half is good. A group without a single
// good one is left to the second round: another location may be better off.
static struct route_endpoint *pick_good(struct route_table *table, struct route_group *group,
					struct balance_try *try)
{
	route_group_recount(table, group, try->now_us);
	if (group->good_count == 0)
		return NULL;
	try->is_panic = group->good_count * 2 < group->eligible_count;
	counter_add(table->counters, COUNTER_route_panic, try->is_panic);
	return table->balance->pick(table, group, try);
}

// The last resort: healthy but draining, then ejected or unhealthy.
static struct route_endpoint *pick_any(struct route_table *table, struct route_group *group,
				       struct balance_try *try)
{
	struct route_endpoint *draining = NULL;
	for (uint32_t i = 0; i < group->count && !draining; i++) {
		struct route_endpoint *endpoint = route_group_at(table, group, i);
		if (endpoint->is_draining && endpoint->is_healthy &&
		    !route_breaker_is_open(endpoint, try->now_us) &&
		    !balance_is_tried(endpoint, try))
			draining = endpoint;
	}
	if (draining)
		return draining;
	try->is_panic = true;
	struct route_endpoint *endpoint = table->balance->pick(table, group, try);
	if (endpoint)
		counter_inc(table->counters, COUNTER_route_last_resort);
	return endpoint;
}

// The drawn location first, then all others, nearest first.
static struct route_endpoint *pick_among(struct route_table *table,
					 const struct candidates *candidates, uint32_t drawn,
					 struct balance_try *try,
					 struct route_endpoint *(*pick)(struct route_table *,
									struct route_group *,
									struct balance_try *))
{
	struct route_endpoint *endpoint = pick(table, candidates->at[drawn].group, try);
	for (uint32_t i = 0; i < candidates->count && !endpoint; i++)
		if (i != drawn)
			endpoint = pick(table, candidates->at[i].group, try);
	return endpoint;
}

static void describe(const struct route_table *table, const struct route_endpoint *endpoint,
		     uint32_t service_id, struct route_target *target)
{
	const struct record_endpoint *record = &endpoint->record;
	const struct route_location *location =
		route_find_row(table, &table->locations, record->location_id);
	*target = (struct route_target){
		.endpoint_id = endpoint->id,
		.service_id = service_id,
		.location_id = record->location_id,
		.to = record->to,
		.hop = (enum record_hop)record->hop,
		.protocol = (enum record_protocol)record->protocol,
	};
	memcpy(target->peer, record->peer, sizeof(target->peer));
	strncpy(target->service, route_service_name(table, service_id),
		sizeof(target->service) - 1);
	if (location)
		memcpy(target->location, location->name, sizeof(target->location));
}

bool route_pick(struct route_table *table, uint32_t service_id, struct route_tried tried,
		uint64_t now_us, struct route_target *target)
{
	struct candidates candidates;
	struct balance_try try = {tried.ids, tried.count, false, now_us};
	struct route_endpoint *endpoint = NULL;
	candidates.count = 0; // the rest is looked at no further
	if (service_id && route_find_row(table, &table->services, service_id)) {
		consider_presences(table, service_id, &candidates);
		consider_groups(table, service_id, now_us, &candidates);
	}
	if (candidates.count) {
		uint32_t drawn = draw_location(table, &candidates);
		counter_add(table->counters, COUNTER_route_spilled, drawn > 0);
		endpoint = pick_among(table, &candidates, drawn, &try, pick_good);
		if (!endpoint)
			endpoint = pick_among(table, &candidates, drawn, &try, pick_any);
	}
	if (!endpoint) {
		counter_inc(table->counters, COUNTER_route_no_endpoint);
		return false;
	}
	counter_inc(table->counters, COUNTER_route_picked);
	describe(table, endpoint, service_id, target);
	return true;
}
