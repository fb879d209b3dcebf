// SPDX-License-Identifier: Apache-2.0
// Bump memory; see arena.h.
#include "arena.h"

#include "check.h"

void arena_init(struct arena *arena, void *memory, size_t bytes)
{
	CHECK(((uintptr_t)memory & 7) == 0);
	*arena = (struct arena){.base = memory, .bytes = bytes};
}

bool arena_grow(struct arena *arena, const void *memory, size_t bytes, size_t more)
{
	size_t start = (size_t)((const uint8_t *)memory - arena->base),
	       rounded = arena_round_up(more);
	if (start + arena_round_up(bytes) != arena->used)
		return false;
	if (rounded < more || rounded > arena->bytes - start)
		return false;
	arena->used = start + rounded;
	return true;
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
