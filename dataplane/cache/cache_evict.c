// SPDX-License-Identifier: Apache-2.0
// Who has to go: a segmented LRU. New objects enter probation; a second use moves them to the
// protected segment, which may hold four fifths of all chunks and sends its oldest back. A scan of
// things asked for once passes through probation only.
#include "cache_priv.h"

#include "check.h"

#define PROTECTED_PERCENT 80u
#define SKIP_COUNT        16u // lent objects passed over for one eviction

static struct cache_object *oldest(struct list *segment)
{
	return list_is_empty(segment) ? NULL
				      : container_of(segment->next, struct cache_object, link);
}

// chunks_of counts the memory that goes when object goes.
static uint32_t chunks_of(const struct cache_object *object)
{
	const struct cache_object *body = object->body_of;
	return object->chunk_count + object->table_count +
	       (body ? body->chunk_count + body->table_count : 0);
}

static void protect(struct cache *cache, struct cache_object *object)
{
	list_append(&cache->protected, &object->link);
	object->is_protected = true;
	cache->protected_chunks += chunks_of(object);
}

void cache_evict_link(struct cache *cache, struct cache_object *object)
{
	list_append(&cache->probation, &object->link);
	object->is_protected = false;
}

void cache_evict_unlink(struct cache *cache, struct cache_object *object)
{
	list_remove(&object->link);
	if (object->is_protected)
		cache->protected_chunks -= chunks_of(object);
	object->is_protected = false;
}

void cache_evict_touch(struct cache *cache, struct cache_object *object)
{
	uint64_t bound = (uint64_t)cache->chunk_count * PROTECTED_PERCENT / 100;
	cache_evict_unlink(cache, object);
	protect(cache, object);
	while (cache->protected_chunks > bound) {
		struct cache_object *demoted = oldest(&cache->protected);
		cache_evict_unlink(cache, demoted);
		cache_evict_link(cache, demoted);
	}
}

bool cache_evict_one(struct cache *cache)
{
	for (uint32_t i = 0; i < SKIP_COUNT; i++) {
		struct cache_object *object = oldest(&cache->probation);
		if (!object)
			object = oldest(&cache->protected);
		if (!object)
			return false;
		if (object->references == 1) {
			counter_inc(cache->counters, COUNTER_cache_evicted);
			cache_store_forget(cache, object);
			return true;
		}
		// Lent: its memory would not come back now.
		cache_evict_unlink(cache, object);
		cache_evict_link(cache, object);
	}
	return false;
}
