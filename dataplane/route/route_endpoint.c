// SPDX-License-Identifier: Apache-2.0
// Endpoints and their groups. A group is an array without memory of its own: the endpoint at
// (group, position) is found by a hash index, the last one fills the hole of one that leaves. So
// one random endpoint costs one probe, whatever the size of the group.
#include "route_priv.h"

#include "check.h"

static uint64_t place_hash(const struct route_table *table, uint32_t group, uint32_t position)
{
	return route_hash(table, (uint64_t)group << 32 | position);
}

static uint32_t row_of(const struct route_kind *kind, const void *row)
{
	return pool_id_of(&kind->pool, row).index;
}

struct route_group *route_group_find(const struct route_table *table, uint32_t service_id,
				     uint32_t location_id)
{
	const struct route_kind *groups = &table->groups;
	uint32_t row = hash_index_first(&groups->by_id, route_hash(table, service_id));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&groups->by_id, row)) {
		struct route_group *group = pool_at(&groups->pool, row);
		if (group->service_id == service_id && group->location_id == location_id)
			return group;
	}
	return NULL;
}

struct route_endpoint *route_group_at(const struct route_table *table,
				      const struct route_group *group, uint32_t position)
{
	const struct hash_index *places = &table->endpoint_by_place;
	uint32_t group_row = row_of(&table->groups, group);
	uint32_t row = hash_index_first(places, place_hash(table, group_row, position));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(places, row)) {
		struct route_endpoint *endpoint = pool_at(&table->endpoints.pool, row);
		if (endpoint->group == group_row && endpoint->position == position)
			return endpoint;
	}
	CHECK(row != HASH_INDEX_NONE); // a group has no holes
	return NULL;
}

void route_group_recount(const struct route_table *table, struct route_group *group,
			 uint64_t now_us)
{
	if (now_us < group->recount_us)
		return;
	group->good_count = group->eligible_count = 0;
	group->recount_us = UINT64_MAX;
	for (uint32_t i = 0; i < group->count; i++) {
		const struct route_endpoint *endpoint = route_group_at(table, group, i);
		bool is_open = route_breaker_is_open(endpoint, now_us);
		group->eligible_count += !endpoint->is_draining;
		group->good_count += endpoint->is_healthy && !endpoint->is_draining && !is_open;
		if (is_open && endpoint->ejected_until_us < group->recount_us)
			group->recount_us = endpoint->ejected_until_us;
	}
}

static struct route_group *claim_group(struct route_table *table, uint32_t service_id,
				       uint32_t location_id)
{
	struct route_group *group = route_group_find(table, service_id, location_id);
	if (group)
		return group;
	// There are as many groups as endpoints, so there is always one left.
	struct pool_id id;
	group = pool_new(&table->groups.pool, &id);
	CHECK(group);
	group->service_id = service_id;
	group->location_id = location_id;
	hash_index_add(&table->groups.by_id, id.index, route_hash(table, service_id));
	return group;
}

static void place(struct route_table *table, struct route_endpoint *endpoint, uint32_t group,
		  uint32_t position)
{
	endpoint->group = group;
	endpoint->position = position;
	hash_index_add(&table->endpoint_by_place, row_of(&table->endpoints, endpoint),
		       place_hash(table, group, position));
}

static void displace(struct route_table *table, struct route_endpoint *endpoint)
{
	hash_index_remove(&table->endpoint_by_place, row_of(&table->endpoints, endpoint));
}

static void join(struct route_table *table, struct route_endpoint *endpoint)
{
	struct route_group *group =
		claim_group(table, endpoint->record.service_id, endpoint->record.location_id);
	place(table, endpoint, row_of(&table->groups, group), group->count++);
	group->recount_us = 0;
}

static void leave(struct route_table *table, struct route_endpoint *endpoint)
{
	struct route_group *group = pool_at(&table->groups.pool, endpoint->group);
	struct route_endpoint *last = route_group_at(table, group, group->count - 1);
	displace(table, endpoint);
	if (last != endpoint) {
		displace(table, last);
		place(table, last, endpoint->group, endpoint->position);
	}
	group->recount_us = 0;
	if (--group->count == 0)
		route_drop_row(&table->groups, group);
}

static void fill(struct route_endpoint *endpoint, const struct record_endpoint *record)
{
	if (memcmp(&endpoint->record.to, &record->to, sizeof(record->to)) != 0) {
		endpoint->failures = 0;
		endpoint->ejections = 0;
		endpoint->ejected_until_us = 0;
		endpoint->is_probed = false;
	}
	endpoint->record = *record;
	endpoint->weight = record->weight;
	endpoint->is_healthy = record->is_healthy;
	endpoint->is_draining = record->is_draining;
}

const char *route_endpoint_apply(struct route_table *table, const struct record_endpoint *record)
{
	if (record->service_id && !route_find_row(table, &table->services, record->service_id))
		return "endpoint of an unknown service";
	if (record->location_id && !route_find_row(table, &table->locations, record->location_id))
		return "endpoint in an unknown location";
	bool is_new = !route_find_row(table, &table->endpoints, record->id);
	struct route_endpoint *endpoint = route_claim_row(table, &table->endpoints, record->id);
	if (!endpoint)
		return "too many endpoints";
	if (!is_new)
		leave(table, endpoint);
	fill(endpoint, record);
	join(table, endpoint);
	return NULL;
}

void route_endpoint_drop(struct route_table *table, struct route_endpoint *endpoint)
{
	leave(table, endpoint);
	route_drop_row(&table->endpoints, endpoint);
}

// recount_later makes the group's numbers right before they are used again.
static void recount_later(struct route_table *table, const struct route_endpoint *endpoint)
{
	struct route_group *group = pool_at(&table->groups.pool, endpoint->group);
	group->recount_us = 0;
}

void route_begin(struct route_table *table, uint32_t endpoint_id, uint64_t now_us)
{
	struct route_endpoint *endpoint = route_find_row(table, &table->endpoints, endpoint_id);
	if (!endpoint)
		return;
	endpoint->in_flight++;
	if (route_breaker_begin(endpoint, now_us))
		recount_later(table, endpoint);
}

uint32_t route_finish(struct route_table *table, uint32_t endpoint_id, enum route_outcome outcome,
		      uint64_t now_us)
{
	struct route_endpoint *endpoint = route_find_row(table, &table->endpoints, endpoint_id);
	if (!endpoint)
		return 0;
	// A row that went and came back under its id does not know of earlier tries.
	if (endpoint->in_flight)
		endpoint->in_flight--;
	bool was_probed = endpoint->is_probed;
	bool is_ejected = route_breaker_note(endpoint, outcome, now_us);
	counter_add(table->counters, COUNTER_route_ejected, is_ejected);
	if (was_probed || is_ejected)
		recount_later(table, endpoint);
	return endpoint->failures;
}
