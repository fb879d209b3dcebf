// SPDX-License-Identifier: Apache-2.0
// Bump memory of one fixed block: what a request's head needs, forgotten at once by a reset.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
	uint8_t *base; // borrowed
	size_t bytes;  // size of the block
	size_t used;   // <= bytes
};

// arena_init borrows bytes bytes at memory for as long as the arena is used.
void arena_init(struct arena *arena, void *memory, size_t bytes);

// arena_reset forgets every allocation.
static inline void arena_reset(struct arena *arena)
{
	arena->used = 0;
}

// arena_round_up is what an allocation takes; 0 for what would overflow.
static inline size_t arena_round_up(size_t bytes)
{
	return (bytes + 7) & ~(size_t)7;
}

// arena_alloc returns bytes bytes aligned to 8, not cleared, or NULL when the block is full.
static inline void *arena_alloc(struct arena *arena, size_t bytes)
{
	size_t rounded = arena_round_up(bytes);
	if (rounded < bytes || rounded > arena->bytes - arena->used)
		return NULL;
	void *memory = arena->base + arena->used;
	arena->used += rounded;
	return memory;
}

// arena_grow makes the allocation of bytes at memory longer, to more bytes, where it is; false when
// another was made after it, or the block is full.
bool arena_grow(struct arena *arena, const void *memory, size_t bytes, size_t more);

// arena_copy returns a copy of from in the arena; at is NULL (and bytes 0) when it does not fit.
// An empty slice copies to a non-NULL empty one.
struct slice arena_copy(struct arena *arena, struct slice from);
