// SPDX-License-Identifier: Apache-2.0
// Chained hash index over pool rows; see hash_index.h.
#include "hash_index.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hash_index_init(struct hash_index *index, uint32_t row_count)
{
	uint32_t buckets = 16;
	while (buckets < row_count && buckets < 1u << 30)
		buckets *= 2;
	uint32_t rows = row_count ? row_count : 1;
	*index = (struct hash_index){
		.bucket = malloc(buckets * sizeof(uint32_t)),
		.next = calloc(rows, sizeof(uint32_t)),
		.hash = calloc(rows, sizeof(uint64_t)),
		.mask = buckets - 1,
		.rows = rows,
	};
	if (!index->bucket || !index->next || !index->hash) {
		hash_index_fini(index);
		return ENOMEM;
	}
	memset(index->bucket, 0xff, buckets * sizeof(uint32_t));
	return 0;
}

void hash_index_fini(struct hash_index *index)
{
	free(index->bucket);
	free(index->next);
	free(index->hash);
	*index = (struct hash_index){0};
}

void hash_index_spans(const struct hash_index *index, struct spans *spans)
{
	spans_add(spans, index->next, index->rows * sizeof(uint32_t));
	spans_add(spans, index->hash, index->rows * sizeof(uint64_t));
}

void hash_index_add(struct hash_index *index, uint32_t row, uint64_t hash)
{
	uint32_t *head = &index->bucket[hash & index->mask];
	index->hash[row] = hash;
	index->next[row] = *head;
	*head = row;
}

void hash_index_remove(struct hash_index *index, uint32_t row)
{
	uint32_t *link = &index->bucket[index->hash[row] & index->mask];
	while (*link != row) {
		CHECK(*link != HASH_INDEX_NONE);
		link = &index->next[*link];
	}
	*link = index->next[row];
}

static uint32_t skip_to(const struct hash_index *index, uint32_t row, uint64_t hash)
{
	while (row != HASH_INDEX_NONE && index->hash[row] != hash)
		row = index->next[row];
	return row;
}

uint32_t hash_index_first(const struct hash_index *index, uint64_t hash)
{
	return skip_to(index, index->bucket[hash & index->mask], hash);
}

uint32_t hash_index_next(const struct hash_index *index, uint32_t row)
{
	return skip_to(index, index->next[row], index->hash[row]);
}
