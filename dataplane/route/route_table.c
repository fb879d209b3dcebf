// SPDX-License-Identifier: Apache-2.0
// The tables as a whole: memory, records in, full sets by mark and sweep.
#include "route_priv.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>

// What services, locations, endpoints and matches begin with.
struct numbered_row {
	struct route_row row;
	uint32_t id;
};

uint64_t route_hash(const struct route_table *table, uint64_t number)
{
	// Control's numbers, not a stranger's: mixed, so that any bits of it will do.
	uint64_t mixed = (number ^ table->secret.half[0]) * 0x9e3779b97f4a7c15u;
	return (mixed ^ mixed >> 32) * 0x9e3779b97f4a7c15u ^ mixed >> 29;
}

static int kind_init(struct route_kind *kind, uint32_t count, size_t row_bytes)
{
	int error = pool_init(&kind->pool, count, row_bytes);
	return error ? error : hash_index_init(&kind->by_id, count);
}

static void kind_fini(struct route_kind *kind)
{
	pool_fini(&kind->pool);
	hash_index_fini(&kind->by_id);
}

static int take_memory(struct route_table *table, const struct route_limits *limits)
{
	int error = 0;
	error |= kind_init(&table->services, limits->service_count, sizeof(struct route_service));
	error |=
		kind_init(&table->locations, limits->location_count, sizeof(struct route_location));
	error |=
		kind_init(&table->presences, limits->presence_count, sizeof(struct route_presence));
	error |= kind_init(&table->matches, limits->route_count, sizeof(struct route_match));
	error |= kind_init(&table->absents, limits->absent_count, sizeof(struct route_absent));
	error |=
		kind_init(&table->endpoints, limits->endpoint_count, sizeof(struct route_endpoint));
	error |= kind_init(&table->groups, limits->endpoint_count, sizeof(struct route_group));
	error |= hash_index_init(&table->match_by_host, limits->route_count);
	error |= hash_index_init(&table->endpoint_by_place, limits->endpoint_count);
	return error;
}

struct route_table *route_new(const struct route_limits *limits, struct random_source *random,
			      struct counters *counters)
{
	struct route_table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->random = random;
	table->counters = counters;
	table->balance = &balance_p2c;
	table->secret = random_key(random);
	list_init(&table->absent_order);
	if (take_memory(table, limits) != 0) {
		route_free(table);
		return NULL;
	}
	return table;
}

void route_free(struct route_table *table)
{
	if (!table)
		return;
	kind_fini(&table->services);
	kind_fini(&table->locations);
	kind_fini(&table->presences);
	kind_fini(&table->matches);
	kind_fini(&table->absents);
	kind_fini(&table->endpoints);
	kind_fini(&table->groups);
	hash_index_fini(&table->match_by_host);
	hash_index_fini(&table->endpoint_by_place);
	free(table);
}

static void kind_spans(const struct route_kind *kind, struct spans *spans)
{
	pool_spans(&kind->pool, spans);
	hash_index_spans(&kind->by_id, spans);
}

void route_spans(const struct route_table *table, struct spans *spans)
{
	kind_spans(&table->services, spans);
	kind_spans(&table->locations, spans);
	kind_spans(&table->presences, spans);
	kind_spans(&table->matches, spans);
	kind_spans(&table->absents, spans);
	kind_spans(&table->endpoints, spans);
	kind_spans(&table->groups, spans);
	hash_index_spans(&table->match_by_host, spans);
	hash_index_spans(&table->endpoint_by_place, spans);
}

void *route_find_row(const struct route_table *table, const struct route_kind *kind, uint32_t id)
{
	uint32_t row = hash_index_first(&kind->by_id, route_hash(table, id));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&kind->by_id, row)) {
		struct numbered_row *numbered = pool_at(&kind->pool, row);
		if (numbered->id == id)
			return numbered;
	}
	return NULL;
}

void *route_claim_row(struct route_table *table, struct route_kind *kind, uint32_t id)
{
	struct numbered_row *numbered = route_find_row(table, kind, id);
	if (!numbered) {
		struct pool_id row;
		numbered = pool_new(&kind->pool, &row);
		if (!numbered)
			return NULL;
		numbered->id = id;
		hash_index_add(&kind->by_id, row.index, route_hash(table, id));
	}
	numbered->row.mark = table->mark;
	return numbered;
}

void route_drop_row(struct route_kind *kind, void *row)
{
	hash_index_remove(&kind->by_id, pool_id_of(&kind->pool, row).index);
	pool_free(&kind->pool, row);
}

static const char *apply_service(struct route_table *table, const struct record_service *record)
{
	struct route_service *service = route_claim_row(table, &table->services, record->id);
	if (!service)
		return "too many services";
	memcpy(service->name, record->name, sizeof(service->name));
	return NULL;
}

static const char *apply_location(struct route_table *table, const struct record_location *record)
{
	struct route_location *location = route_claim_row(table, &table->locations, record->id);
	if (!location)
		return "too many locations";
	location->cost_us = record->cost_us;
	memcpy(location->name, record->name, sizeof(location->name));
	return NULL;
}

static const char *remove_presence(struct route_table *table, uint64_t id)
{
	struct route_presence *presence =
		route_presence_find(table, (uint32_t)(id >> 32), (uint32_t)id);
	if (presence)
		route_drop_row(&table->presences, presence);
	return NULL;
}

static void drop_plain(struct route_kind *kind, void *row)
{
	if (row)
		route_drop_row(kind, row);
}

// Removing what is not there is fine: a delta may follow a full set that lacked the row.
static const char *apply_remove(struct route_table *table, const struct record_remove *record)
{
	if (record->type == RECORD_PRESENCE)
		return remove_presence(table, record->id);
	if (record->id > UINT32_MAX)
		return "id of the row to remove is too large";
	uint32_t id = (uint32_t)record->id;
	void *row;
	switch (record->type) {
	case RECORD_SERVICE:
		drop_plain(&table->services, route_find_row(table, &table->services, id));
		return NULL;
	case RECORD_LOCATION:
		drop_plain(&table->locations, route_find_row(table, &table->locations, id));
		return NULL;
	case RECORD_ENDPOINT:
		row = route_find_row(table, &table->endpoints, id);
		if (row)
			route_endpoint_drop(table, row);
		return NULL;
	case RECORD_ROUTE:
		row = route_find_row(table, &table->matches, id);
		if (row)
			route_match_drop(table, row);
		return NULL;
	default: return "remove of a row that is not routing";
	}
}

static const char *apply(struct route_table *table, const struct record *record, uint64_t now_us)
{
	switch (record->type) {
	case RECORD_SERVICE: return apply_service(table, record->payload);
	case RECORD_LOCATION: return apply_location(table, record->payload);
	case RECORD_PRESENCE: return route_presence_apply(table, record->payload);
	case RECORD_ENDPOINT: return route_endpoint_apply(table, record->payload);
	case RECORD_ROUTE: return route_match_apply(table, record->payload, now_us);
	case RECORD_ROUTE_ABSENT: return route_absent_apply(table, record->payload, now_us);
	case RECORD_REMOVE: return apply_remove(table, record->payload);
	default: return "not a record of routing";
	}
}

static void set_gauges(struct route_table *table)
{
	counter_set(table->counters, COUNTER_route_services, table->services.pool.in_use);
	counter_set(table->counters, COUNTER_route_routes, table->matches.pool.in_use);
	counter_set(table->counters, COUNTER_route_endpoints, table->endpoints.pool.in_use);
	counter_set(table->counters, COUNTER_route_absents, table->absents.pool.in_use);
}

const char *route_apply(struct route_table *table, const struct record *record, uint64_t now_us)
{
	const char *why = apply(table, record, now_us);
	if (why)
		counter_inc(table->counters, COUNTER_route_row_refused);
	set_gauges(table);
	return why;
}

void route_mark(struct route_table *table)
{
	table->mark++;
	table->swept_kinds = 0;
	table->swept_places = 0;
}

// Rows of every kind that is swept begin with struct route_row.
static bool is_swept(const struct route_table *table, const struct route_row *row)
{
	return row && row->mark != table->mark;
}

static void forget(struct route_table *table, struct route_kind *kind, void *row)
{
	if (kind == &table->endpoints)
		route_endpoint_drop(table, row);
	else if (kind == &table->matches)
		route_match_drop(table, row);
	else
		route_drop_row(kind, row);
}

// sweep_kind goes on with kind; returns what is left of budget, at most 0 when it may do no more.
static int64_t sweep_kind(struct route_table *table, struct route_kind *kind, int64_t budget)
{
	while (table->swept_places < kind->pool.capacity && budget > 0) {
		struct route_row *row = pool_at(&kind->pool, table->swept_places++);
		bool is_old = is_swept(table, row);
		budget -= is_old ? (int64_t)ROUTE_SWEEP_ROW : 1;
		if (is_old)
			forget(table, kind, row);
	}
	return budget;
}

bool route_sweep(struct route_table *table, uint32_t budget)
{
	struct route_kind *const kinds[] = {&table->endpoints, &table->matches, &table->presences,
					    &table->services, &table->locations};
	int64_t left = budget;
	while (table->swept_kinds < ARRAY_LEN(kinds) && left > 0) {
		struct route_kind *kind = kinds[table->swept_kinds];
		left = sweep_kind(table, kind, left);
		if (table->swept_places == kind->pool.capacity) {
			table->swept_places = 0;
			table->swept_kinds++;
		}
	}
	set_gauges(table);
	return table->swept_kinds < ARRAY_LEN(kinds);
}

const char *route_service_name(const struct route_table *table, uint32_t service_id)
{
	const struct route_service *service = route_find_row(table, &table->services, service_id);
	return service ? service->name : "";
}
