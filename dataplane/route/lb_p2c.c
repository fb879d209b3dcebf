// SPDX-License-Identifier: Apache-2.0
// Power of two choices (Mitzenmacher 2001) by requests in flight for the weight. Small groups are
// walked, so a usable endpoint is always found there; large ones are sampled, and walked only when
// the samples were all unusable.
#include "route_priv.h"

#define WALK_COUNT 16u // groups up to this are walked
#define DRAW_COUNT 8u  // samples from a larger one

struct pair {
	struct route_endpoint *a;
	struct route_endpoint *b;
};

bool balance_is_tried(const struct route_endpoint *endpoint, const struct balance_try *try)
{
	for (uint32_t i = 0; i < try->tried_count; i++)
		if (try->tried[i] == endpoint->id)
			return true;
	return false;
}

bool balance_is_usable(const struct route_endpoint *endpoint, const struct balance_try *try)
{
	if (endpoint->is_draining || balance_is_tried(endpoint, try))
		return false;
	if (try->is_panic)
		return true;
	return endpoint->is_healthy && !route_breaker_is_open(endpoint, try->now_us);
}

// Reservoir sampling: every pair of usable endpoints is equally likely.
static struct pair draw_by_walk(struct route_table *table, const struct route_group *group,
				const struct balance_try *try)
{
	struct pair pair = {0};
	uint32_t seen = 0;
	for (uint32_t i = 0; i < group->count; i++) {
		struct route_endpoint *endpoint = route_group_at(table, group, i);
		if (!balance_is_usable(endpoint, try))
			continue;
		uint32_t slot = seen < 2 ? seen : random_below(table->random, seen + 1);
		if (slot == 0)
			pair.a = endpoint;
		else if (slot == 1)
			pair.b = endpoint;
		seen++;
	}
	return pair;
}

static struct pair draw_by_chance(struct route_table *table, const struct route_group *group,
				  const struct balance_try *try)
{
	struct pair pair = {0};
	for (uint32_t i = 0; i < DRAW_COUNT && !pair.b; i++) {
		uint32_t position = random_below(table->random, group->count);
		struct route_endpoint *endpoint = route_group_at(table, group, position);
		if (endpoint == pair.a || !balance_is_usable(endpoint, try))
			continue;
		if (pair.a)
			pair.b = endpoint;
		else
			pair.a = endpoint;
	}
	return pair;
}

// With equal load (an idle service above all) weights decide by chance, or the heavier one of two
// would take everything.
static struct route_endpoint *less_loaded(struct route_table *table, struct pair pair)
{
	uint64_t load_a = (uint64_t)pair.a->in_flight * pair.b->weight;
	uint64_t load_b = (uint64_t)pair.b->in_flight * pair.a->weight;
	if (load_a != load_b)
		return load_a < load_b ? pair.a : pair.b;
	uint32_t draw = random_below(table->random, pair.a->weight + pair.b->weight);
	return draw < pair.a->weight ? pair.a : pair.b;
}

static struct route_endpoint *pick(struct route_table *table, struct route_group *group,
				   const struct balance_try *try)
{
	struct pair pair = {0};
	if (group->count > WALK_COUNT)
		pair = draw_by_chance(table, group, try);
	if (!pair.a)
		pair = draw_by_walk(table, group, try);
	return pair.b ? less_loaded(table, pair) : pair.a;
}

const struct balance balance_p2c = {"p2c", pick};
