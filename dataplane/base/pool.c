// SPDX-License-Identifier: Apache-2.0
// Fixed object pool with generations; see pool.h.
#include "pool.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define LARGE_BYTES     (4 * HUGE_PAGE_BYTES)

// take_objects takes the memory of a slab; a large one in huge pages where the kernel has them,
// since objects are visited at random.
static uint8_t *take_objects(size_t bytes)
{
	bool is_large = bytes >= LARGE_BYTES;
	bytes = is_large ? (bytes + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1) : bytes;
	uint8_t *objects = aligned_alloc(is_large ? HUGE_PAGE_BYTES : 64, bytes);
	if (objects && is_large)
		madvise(objects, bytes, MADV_HUGEPAGE);
	return objects;
}

int pool_init(struct pool *pool, uint32_t capacity, size_t object_bytes)
{
	object_bytes = (object_bytes + 63) & ~(size_t)63;
	*pool = (struct pool){
		.objects = take_objects((size_t)(capacity ? capacity : 1) * object_bytes),
		.generation = calloc(capacity ? capacity : 1, sizeof(uint32_t)),
		.free_next = calloc(capacity ? capacity : 1, sizeof(uint32_t)),
		.object_bytes = object_bytes,
		.capacity = capacity,
		.free_count = capacity,
	};
	if (!pool->objects || !pool->generation || !pool->free_next) {
		pool_fini(pool);
		return ENOMEM;
	}
	for (uint32_t i = 0; i < capacity; i++)
		pool->free_next[i] = capacity - 1 - i;
	return 0;
}

void pool_fini(struct pool *pool)
{
	free(pool->objects);
	free(pool->generation);
	free(pool->free_next);
	*pool = (struct pool){0};
}

void pool_spans(const struct pool *pool, struct spans *spans)
{
	spans_add(spans, pool->objects, pool->capacity * pool->object_bytes);
	spans_add(spans, pool->generation, pool->capacity * sizeof(uint32_t));
}

void *pool_new(struct pool *pool, struct pool_id *id)
{
	if (pool->free_count == 0)
		return NULL;
	uint32_t index = pool->free_next[--pool->free_count];
	pool->in_use++;
	pool->generation[index]++;
	CHECK(pool->generation[index] & 1);
	if (id)
		*id = (struct pool_id){index, pool->generation[index]};
	void *object = pool->objects + index * pool->object_bytes;
	memset(object, 0, pool->object_bytes);
	return object;
}

void pool_free(struct pool *pool, void *object)
{
	struct pool_id id = pool_id_of(pool, object);
	pool->generation[id.index]++;
	pool->free_next[pool->free_count++] = id.index;
	pool->in_use--;
}

struct pool_id pool_id_of(const struct pool *pool, const void *object)
{
	size_t offset = (size_t)((const uint8_t *)object - pool->objects);
	uint32_t index = (uint32_t)(offset / pool->object_bytes);
	CHECK(index < pool->capacity && offset % pool->object_bytes == 0);
	CHECK(pool->generation[index] & 1);
	return (struct pool_id){index, pool->generation[index]};
}
