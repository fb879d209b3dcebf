// SPDX-License-Identifier: Apache-2.0
// A small routing table and one-line rows for its tests.
#pragma once

#include "route.h"
#include "unit.h"

#include <stdlib.h>

struct fixture {
	struct route_table *table;
	struct random_source random;
	struct counters counters;
	uint64_t now_us;
	uint32_t lifetime_ms; // of the routes that follow
};

// fixture_new makes a table with room for count rows of each kind.
static inline struct fixture *fixture_new(uint32_t count, uint64_t seed)
{
	struct fixture *f = calloc(1, sizeof(*f));
	random_init(&f->random, (struct siphash_key){{seed, 7}});
	struct route_limits limits = {count, count, count, count, count, count};
	f->table = route_new(&limits, &f->random, &f->counters);
	f->now_us = 1000000;
	return f;
}

// fixture_free ends it.
static inline void fixture_free(struct fixture *f)
{
	route_free(f->table);
	free(f);
}

// apply gives one payload to the table.
static inline const char *apply(struct fixture *f, enum record_type type, const void *payload,
				size_t bytes)
{
	struct record record = {type, 1, (uint32_t)bytes, payload};
	return route_apply(f->table, &record, f->now_us);
}

// service, location, presence, endpoint, route_for, absent and removal apply one row each and
// return why it was refused, or NULL.
static inline const char *service(struct fixture *f, uint32_t id, const char *name)
{
	struct record_service row = {.id = id};
	snprintf(row.name, sizeof(row.name), "%s", name);
	return apply(f, RECORD_SERVICE, &row, sizeof(row));
}

// location applies a location loc<id>.
static inline const char *location(struct fixture *f, uint32_t id, uint32_t cost_us)
{
	struct record_location row = {.id = id, .cost_us = cost_us};
	snprintf(row.name, sizeof(row.name), "loc%u", id);
	return apply(f, RECORD_LOCATION, &row, sizeof(row));
}

// presence applies healthy of total instances.
static inline const char *presence(struct fixture *f, uint32_t service_id, uint32_t location_id,
				   uint32_t healthy, uint32_t total)
{
	struct record_presence row = {service_id, location_id, healthy, total};
	return apply(f, RECORD_PRESENCE, &row, sizeof(row));
}

// endpoint_row makes a healthy one of weight 1.
static inline struct record_endpoint endpoint_row(uint32_t id, uint32_t service_id,
						  uint32_t location_id)
{
	struct record_endpoint row = {.id = id,
				      .service_id = service_id,
				      .location_id = location_id,
				      .to = {.port = (uint16_t)id},
				      .hop = RECORD_HOP_SIDECAR,
				      .is_healthy = 1,
				      .weight = 1};
	snprintf(row.peer, sizeof(row.peer), "spiffe://m/svc/%u", service_id);
	return row;
}

// endpoint applies endpoint_row.
static inline const char *endpoint(struct fixture *f, uint32_t id, uint32_t service_id,
				   uint32_t location_id)
{
	struct record_endpoint row = endpoint_row(id, service_id, location_id);
	return apply(f, RECORD_ENDPOINT, &row, sizeof(row));
}

// route_for applies a route of f->lifetime_ms.
static inline const char *route_for(struct fixture *f, uint32_t id, uint32_t service_id,
				    const char *host, const char *path)
{
	struct record_route row = {
		.id = id, .service_id = service_id, .lifetime_ms = f->lifetime_ms};
	snprintf(row.host, sizeof(row.host), "%s", host);
	snprintf(row.path, sizeof(row.path), "%s", path);
	return apply(f, RECORD_ROUTE, &row, sizeof(row));
}

// absent applies a negative answer.
static inline const char *absent(struct fixture *f, const char *host, uint32_t lifetime_ms)
{
	struct record_route_absent row = {.lifetime_ms = lifetime_ms};
	snprintf(row.host, sizeof(row.host), "%s", host);
	return apply(f, RECORD_ROUTE_ABSENT, &row, sizeof(row));
}

// removal removes a row.
static inline const char *removal(struct fixture *f, enum record_type type, uint64_t id)
{
	struct record_remove row = {.type = type, .id = id};
	return apply(f, RECORD_REMOVE, &row, sizeof(row));
}

// find answers a lookup; *service_id and staleness as route_find gives them.
static inline enum route_answer find(struct fixture *f, const char *host, const char *path,
				     uint32_t *service_id, bool *is_stale)
{
	struct route_found found =
		route_find(f->table, slice_str(host), slice_str(path), f->now_us);
	*service_id = found.service_id;
	*is_stale = found.is_stale;
	return found.answer;
}

// pick_id returns the chosen endpoint's id, or 0.
static inline uint32_t pick_id(struct fixture *f, uint32_t service_id, const uint32_t *tried,
			       uint32_t tried_count)
{
	struct route_target target = {0};
	if (!route_pick(f->table, service_id, (struct route_tried){tried, tried_count}, f->now_us,
			&target))
		return 0;
	return target.endpoint_id;
}
