// SPDX-License-Identifier: Apache-2.0
// Bump memory; see arena.h.
#include "arena.h"

#include "check.h"

void arena_init(struct arena *arena, void *memory, size_t bytes)
{
	CHECK(((uintptr_t)memory & 7) == 0);
	*arena = (struct arena){.base = memory, .bytes = bytes};
}

void arena_reset(struct arena *arena)
{
	arena->used = 0;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
	size_t rounded = (bytes + 7) & ~(size_t)7;
	if (rounded < bytes || rounded > arena->bytes - arena->used)
		return NULL;
	void *memory = arena->base + arena->used;
	arena->used += rounded;
	return memory;
}

struct slice arena_copy(struct arena *arena, struct slice from)
{
	char *copy = arena_alloc(arena, from.bytes ? from.bytes : 1);
	if (!copy)
		return (struct slice){0};
	if (from.bytes)
		memcpy(copy, from.at, from.bytes);
	return slice_of(copy, from.bytes);
}
