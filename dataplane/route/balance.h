// SPDX-License-Identifier: Apache-2.0
// How one endpoint of a group is chosen. One file a policy (lb_*.c), each a const table.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct route_table;
struct route_group;
struct route_endpoint;

// What one choice may use.
struct balance_try {
	const uint32_t *tried; // endpoint ids that must not be chosen; borrowed
	uint32_t tried_count;
	bool is_panic; // less than half is healthy: ejected and unhealthy ones are used too
	uint64_t now_us;
};

struct balance {
	const char *name;
	// pick returns a usable endpoint of the group, or NULL when there is none.
	struct route_endpoint *(*pick)(struct route_table *table, struct route_group *group,
				       const struct balance_try *try);
};

// balance_is_tried is true when the endpoint's id is among those tried.
bool balance_is_tried(const struct route_endpoint *endpoint, const struct balance_try *try);

// balance_is_usable is true when the endpoint may be chosen: not tried, not draining, and healthy
// and not ejected unless in panic.
bool balance_is_usable(const struct route_endpoint *endpoint, const struct balance_try *try);

// balance_p2c: two at random, the one with fewer requests in flight for its weight.
extern const struct balance balance_p2c;
