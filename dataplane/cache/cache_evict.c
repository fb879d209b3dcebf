// SPDX-License-Identifier: Apache-2.0
// Who has to go: W-TinyLFU over a segmented LRU. New objects enter a small window; who leaves it
// stays only when it is asked for more often, for the memory it takes, than the one that would go
// instead. Those who stay are in probation; a use, in the window too, moves them to the protected
// segment, which sends its oldest back. So things asked for once, however many, pass through the
// window only.
#include "cache_disk_priv.h"

#include "check.h"

#define WINDOW_PERCENT    1u
#define MAIN_PERCENT      95u // filled without asking; the rest is the window's, and of fills
#define PROTECTED_PERCENT 80u
#define SKIP_COUNT        16u // lent objects passed over for one eviction
#define ADMIT_COUNT       64u // objects that leave the window in one step

// chunks_of counts the memory that goes when object goes.
static uint32_t chunks_of(const struct cache_object *object)
{
	const struct cache_object *body = object->body_of;
	return object->chunk_count + object->table_count +
	       (body ? body->chunk_count + body->table_count : 0);
}

static struct cache_object *oldest(const struct cache_segment *segment)
{
	return list_is_empty(&segment->objects)
		       ? NULL
		       : container_of(segment->objects.next, struct cache_object, link);
}

static void enter(struct cache *cache, struct cache_object *object, enum cache_segment_name name)
{
	struct cache_segment *segment = &cache->segments[name];
	list_append(&segment->objects, &object->link);
	segment->chunks += chunks_of(object);
	object->segment = (uint8_t)name;
}

void cache_evict_unlink(struct cache *cache, struct cache_object *object)
{
	list_remove(&object->link);
	cache->segments[object->segment].chunks -= chunks_of(object);
}

static void move(struct cache *cache, struct cache_object *object, enum cache_segment_name to)
{
	cache_evict_unlink(cache, object);
	enter(cache, object, to);
}

static uint64_t share(const struct cache *cache, uint32_t percent)
{
	return (uint64_t)cache->chunk_count * percent / 100;
}

// protect makes room for object among those that are used, whose oldest go back.
static void protect(struct cache *cache, struct cache_object *object)
{
	struct cache_segment *protected = &cache->segments[CACHE_PROTECTED];
	move(cache, object, CACHE_PROTECTED);
	while (protected->chunks > share(cache, PROTECTED_PERCENT))
		move(cache, oldest(protected), CACHE_PROBATION);
}

// admit lets an object out of the window.
static void admit(struct cache *cache, struct cache_object *object)
{
	if (object->is_used)
		protect(cache, object);
	else
		move(cache, object, CACHE_PROBATION);
}

static bool is_window_full(const struct cache *cache)
{
	return cache->segments[CACHE_WINDOW].chunks > share(cache, WINDOW_PERCENT);
}

void cache_evict_link(struct cache *cache, struct cache_object *object)
{
	enter(cache, object, CACHE_WINDOW);
	for (uint32_t i = 0; i < ADMIT_COUNT && is_window_full(cache); i++) {
		struct cache_object *next = oldest(&cache->segments[CACHE_WINDOW]);
		uint64_t main = cache->segments[CACHE_PROBATION].chunks +
				cache->segments[CACHE_PROTECTED].chunks;
		if (main + chunks_of(next) > share(cache, MAIN_PERCENT))
			return; // it must make its case
		admit(cache, next);
	}
}

void cache_evict_touch(struct cache *cache, struct cache_object *object)
{
	if (cache->disk && !object->is_on_disk && object->is_indexed)
		cache_disk_offer(cache, object);
	if (object->segment != CACHE_WINDOW) {
		protect(cache, object);
		return;
	}
	object->is_used = true;
	move(cache, object, CACHE_WINDOW);
}

// candidate_of returns the oldest object of a segment that is not lent; NULL when there is none
// within reach. Lent ones, whose memory would not come back now, become the newest.
static struct cache_object *candidate_of(struct cache *cache, enum cache_segment_name name)
{
	for (uint32_t i = 0; i < SKIP_COUNT; i++) {
		struct cache_object *object = oldest(&cache->segments[name]);
		if (!object || object->references == 1)
			return object;
		move(cache, object, name);
	}
	return NULL;
}

// is_worth_more compares what is asked for in a chunk of memory. When in doubt who is there stays.
static bool is_worth_more(const struct cache *cache, const struct cache_object *candidate,
			  const struct cache_object *victim)
{
	uint64_t asked = cache_sketch_estimate(&cache->sketch, candidate->key.hash);
	uint64_t asked_victim = cache_sketch_estimate(&cache->sketch, victim->key.hash);
	return asked * chunks_of(victim) > asked_victim * chunks_of(candidate);
}

bool cache_evict_one(struct cache *cache)
{
	struct cache_object *victim = candidate_of(cache, CACHE_PROBATION);
	struct cache_object *candidate =
		is_window_full(cache) ? candidate_of(cache, CACHE_WINDOW) : NULL;
	if (!victim)
		victim = candidate_of(cache, CACHE_PROTECTED);
	if (!victim)
		victim = candidate_of(cache, CACHE_WINDOW);
	if (candidate && candidate != victim && is_worth_more(cache, candidate, victim)) {
		admit(cache, candidate);
		counter_inc(cache->counters, COUNTER_cache_admitted);
	} else if (candidate && candidate != victim) {
		victim = candidate;
		counter_inc(cache->counters, COUNTER_cache_rejected);
	}
	if (!victim)
		return false;
	counter_inc(cache->counters, COUNTER_cache_evicted);
	cache_disk_offer(cache, victim);
	cache_store_forget(cache, victim);
	return true;
}
