// SPDX-License-Identifier: Apache-2.0
// Fixed object pool. Objects are named by handle (index + generation), so a handle kept too long
// finds nothing instead of a stranger. Memory is taken once, at start.
#pragma once

#include "spans.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A pool_id of all zeros is never valid: generations start at 1.
struct pool_id {
	uint32_t index;
	uint32_t generation; // odd while the object is in use
};

struct pool {
	uint8_t *objects;     // owned: capacity * object_bytes
	uint32_t *generation; // owned: one an object, odd = in use
	uint32_t *free_next;  // owned: stack of free indexes
	size_t object_bytes;
	uint32_t capacity;
	uint32_t free_count;
	uint32_t in_use; // capacity - free_count
};

// pool_init takes memory for capacity objects of object_bytes each. Returns 0 or ENOMEM.
int pool_init(struct pool *pool, uint32_t capacity, size_t object_bytes);

// pool_fini gives the memory back; objects still in use are forgotten.
void pool_fini(struct pool *pool);

// pool_spans adds the pool's memory to spans.
void pool_spans(const struct pool *pool, struct spans *spans);

// pool_new returns a cleared object and its handle, or NULL when the pool is at its bound.
void *pool_new(struct pool *pool, struct pool_id *id);

// pool_get returns the object of id, or NULL when id is stale, free or out of range.
static inline void *pool_get(const struct pool *pool, struct pool_id id)
{
	if (id.index >= pool->capacity || !(id.generation & 1) ||
	    pool->generation[id.index] != id.generation)
		return NULL;
	return pool->objects + id.index * pool->object_bytes;
}

// pool_free ends the life of the object at object (which must be in use); its handles go stale.
void pool_free(struct pool *pool, void *object);

// pool_id_of returns the handle of an object in use.
struct pool_id pool_id_of(const struct pool *pool, const void *object);

// pool_at returns the object at index when it is in use, else NULL: for walking a pool.
static inline void *pool_at(const struct pool *pool, uint32_t index)
{
	if (index >= pool->capacity || !(pool->generation[index] & 1))
		return NULL;
	return pool->objects + index * pool->object_bytes;
}

// pool_id_is_null is true for the all-zero handle.
static inline bool pool_id_is_null(struct pool_id id)
{
	return id.generation == 0;
}

// pool_id_equal compares handles.
static inline bool pool_id_equal(struct pool_id a, struct pool_id b)
{
	return a.index == b.index && a.generation == b.generation;
}
