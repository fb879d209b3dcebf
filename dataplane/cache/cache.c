// SPDX-License-Identifier: Apache-2.0
// One shard as a whole: memory, time, what is done once a loop.
#include "cache_disk_priv.h"

#include "check.h"

#include <stdlib.h>

struct cache *cache_new(const struct cache_limits *limits, cache_answered answered, void *owner,
			struct counters *counters)
{
	CHECK(limits->worker_index < limits->worker_count);
	CHECK(limits->worker_count == 1 || limits->send);
	struct cache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return NULL;
	cache->limits = *limits;
	cache->answered = answered;
	cache->owner = owner;
	cache->counters = counters;
	if (cache_store_init(cache) != 0 || cache_ask_init(cache) != 0 ||
	    cache_label_init(cache) != 0 || cache_channel_init(cache) != 0 ||
	    cache_disk_init(cache) != 0) {
		cache_free(cache);
		return NULL;
	}
	return cache;
}

void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	cache_store_fini(cache);
	cache_ask_fini(cache);
	cache_label_fini(cache);
	cache_channel_fini(cache);
	cache_disk_fini(cache);
	free(cache);
}

void cache_set_time(struct cache *cache, uint64_t now_us, uint64_t wall_s)
{
	cache->now_us = now_us;
	cache->wall_s = wall_s;
}

// All waits are equally long, so the list is in the order of their ends.
static void end_long_waits(struct cache *cache)
{
	while (!list_is_empty(&cache->waiting)) {
		struct cache_waiter *waiter =
			container_of(cache->waiting.next, struct cache_waiter, order);
		struct cache_answer answer = {.verdict = CACHE_PASS,
					      .forward = CACHE_FORWARD_URI_MISS};
		if (cache->now_us < waiter->due_us)
			return;
		uint32_t from_worker = waiter->from_worker;
		void *errand = waiter->errand;
		counter_inc(cache->counters, COUNTER_cache_pass_wait_long);
		cache_waiter_drop(cache, waiter);
		cache_ask_tell_errand(cache, from_worker, errand, &answer);
	}
}

void cache_run(struct cache *cache)
{
	cache_channel_run(cache);
	end_long_waits(cache);
	cache_disk_run(cache);
	cache_purge_sweep(cache);
	counter_set(cache->counters, COUNTER_cache_objects, cache->objects.in_use);
	counter_set(cache->counters, COUNTER_cache_bytes,
		    (uint64_t)(cache->chunk_count - cache->free_count) * CACHE_CHUNK_BYTES);
	counter_set(cache->counters, COUNTER_cache_waiting, cache->waiters.in_use);
}

uint32_t cache_in_flight(const struct cache *cache)
{
	uint32_t count = cache->errands.in_use + cache->waiters.in_use + cache->fills.in_use +
			 cache->parcels.in_use + cache->loans + cache->mirrors.in_use +
			 cache->watches.in_use + cache_disk_in_flight(cache);
	for (uint32_t i = 0; cache->outboxes && i < cache->limits.worker_count; i++)
		count += cache->outboxes[i].count;
	return count;
}
