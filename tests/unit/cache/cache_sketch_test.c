// SPDX-License-Identifier: Apache-2.0
// How often was a key asked for: counted up, bounded, told apart, forgotten.
#include "cache_sketch.h"

#include "unit.h"

static struct cache_sketch sketch;

static uint64_t hash_of(uint64_t key)
{
	uint64_t mixed = key * 0x9e3779b97f4a7c15ull;
	return (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9ull;
}

static void add(uint64_t key, uint32_t times)
{
	for (uint32_t i = 0; i < times; i++)
		cache_sketch_add(&sketch, hash_of(key));
}

static uint32_t estimate(uint64_t key)
{
	return cache_sketch_estimate(&sketch, hash_of(key));
}

static void each_request_counts_up_to_the_most(void)
{
	CU_ASSERT_EQUAL_FATAL(cache_sketch_init(&sketch, 1024), 0);
	CU_ASSERT_EQUAL(estimate(1), 0);
	for (uint32_t i = 1; i <= CACHE_SKETCH_MAX; i++) {
		add(1, 1);
		CU_ASSERT_EQUAL(estimate(1), i);
	}
	add(1, 100);
	CU_ASSERT(estimate(1) >= CACHE_SKETCH_MAX - 1);
	cache_sketch_fini(&sketch);
}

static void keys_are_told_apart(void)
{
	uint32_t wrong = 0;
	CU_ASSERT_EQUAL_FATAL(cache_sketch_init(&sketch, 1024), 0);
	for (uint64_t key = 0; key < 1000; key++)
		add(key, 1 + key % 4);
	for (uint64_t key = 0; key < 1000; key++)
		wrong += estimate(key) > 2 + key % 4;
	CU_ASSERT(wrong < 20);
	cache_sketch_fini(&sketch);
}

static void what_is_seen_once_costs_the_counters_nothing(void)
{
	CU_ASSERT_EQUAL_FATAL(cache_sketch_init(&sketch, 1024), 0);
	for (uint64_t key = 0; key < 500; key++)
		add(key, 1);
	uint32_t touched = 0;
	for (uint32_t i = 0; i <= sketch.mask; i++)
		touched += sketch.words[i] != 0;
	CU_ASSERT(touched < 50); // of 2000: the doorkeeper errs now and then
	cache_sketch_fini(&sketch);
}

static void old_fame_is_forgotten(void)
{
	CU_ASSERT_EQUAL_FATAL(cache_sketch_init(&sketch, 256), 0);
	add(1, 16);
	for (uint64_t key = 100; key < 100 + 256 * 60; key++)
		add(key, 1);
	CU_ASSERT(estimate(1) <= 2);
	cache_sketch_fini(&sketch);
}

static void memory_is_as_told(void)
{
	CU_ASSERT_EQUAL(cache_sketch_bytes(1), 64 * 9);
	CU_ASSERT_EQUAL(cache_sketch_bytes(16384), 16384 * 9);
	CU_ASSERT_EQUAL(cache_sketch_bytes(16385), 32768 * 9);
}

UNIT_MAIN("cache_sketch",
	  {"each request counts up to the most", each_request_counts_up_to_the_most},
	  {"keys are told apart", keys_are_told_apart},
	  {"what is seen once costs the counters nothing",
	   what_is_seen_once_costs_the_counters_nothing},
	  {"old fame is forgotten", old_fame_is_forgotten},
	  {"memory is as told", memory_is_as_told})
