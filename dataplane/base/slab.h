// SPDX-License-Identifier: Apache-2.0
// Memory in pieces of any size, for a library that would have malloc's. A page holds pieces of one
// size, an empty page is anyone's: no mix of sizes wears it out. Memory is taken once, at start.
#pragma once

#include "list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_PAGE_BYTES 16384u
#define SLAB_PIECE_MAX  8192u // bytes of the largest piece
#define SLAB_SMALL_MAX  1024u // up to here sizes are multiples of 32, beyond of 1024
#define SLAB_SIZE_COUNT (SLAB_SMALL_MAX / 32 + SLAB_PIECE_MAX / 1024 - 1)

struct slab_page {
	struct list link; // among the empty ones, or those of its size with a free piece
	uint8_t *given;   // pieces given back; each holds the next one's address
	uint8_t *fresh;   // this and all behind it were never taken
	uint32_t used;    // pieces taken
	uint32_t room;    // pieces
	uint32_t size;    // index of its size
	uint32_t piece_bytes;
};

struct slab {
	uint8_t *memory;         // owned: page_count * SLAB_PAGE_BYTES
	struct slab_page *pages; // owned
	uint32_t page_count;
	struct list empty;
	struct list open[SLAB_SIZE_COUNT]; // pages with a free piece, by size
};

// slab_init takes memory for as many whole pages as bytes has; none is touched before it is used.
// A slab is not moved afterwards. Returns 0 or ENOMEM.
int slab_init(struct slab *slab, size_t bytes);

// slab_fini gives the memory back; pieces still in use are forgotten. Harmless on zeroes.
void slab_fini(struct slab *slab);

// slab_take returns a piece of at least bytes bytes, aligned to 32, not cleared; NULL when bytes is
// above SLAB_PIECE_MAX, or no piece of that size and no page is free.
void *slab_take(struct slab *slab, size_t bytes);

// slab_give takes back a piece that slab_take returned.
void slab_give(struct slab *slab, void *piece);

// slab_piece_bytes is the size of a piece in use: at least what was asked for.
size_t slab_piece_bytes(const struct slab *slab, const void *piece);

// slab_has tells a piece of this slab from other memory.
static inline bool slab_has(const struct slab *slab, const void *piece)
{
	uintptr_t place = (uintptr_t)piece - (uintptr_t)slab->memory;
	return place < (size_t)slab->page_count * SLAB_PAGE_BYTES;
}
