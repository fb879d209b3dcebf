// SPDX-License-Identifier: Apache-2.0
// Chained hash index over the rows of a pool: rows are named by pool index, hashes are the
// caller's. Several rows may share a hash on purpose (all presences of one service), so a walk
// yields all of them and the caller compares keys. Memory is taken once.
#pragma once

#include "spans.h"

#include <stdint.h>

#define HASH_INDEX_NONE UINT32_MAX

struct hash_index {
	uint32_t *bucket; // owned: first row, or NONE
	uint32_t *next;   // owned: one a row
	uint64_t *hash;   // owned: one a row
	uint32_t mask;    // buckets - 1
	uint32_t rows;    // of next and hash
};

// hash_index_init takes memory for row_count rows. Returns 0 or ENOMEM.
int hash_index_init(struct hash_index *index, uint32_t row_count);

// hash_index_fini gives the memory back; harmless on a zeroed index.
void hash_index_fini(struct hash_index *index);

// hash_index_spans adds the index's memory to spans.
void hash_index_spans(const struct hash_index *index, struct spans *spans);

// hash_index_add links row, which is not linked, under hash.
void hash_index_add(struct hash_index *index, uint32_t row, uint64_t hash);

// hash_index_remove unlinks row, which is linked.
void hash_index_remove(struct hash_index *index, uint32_t row);

// hash_index_first returns the newest row under hash, or NONE.
uint32_t hash_index_first(const struct hash_index *index, uint64_t hash);

// hash_index_next returns the next row under the same hash as row, or NONE.
uint32_t hash_index_next(const struct hash_index *index, uint32_t row);
