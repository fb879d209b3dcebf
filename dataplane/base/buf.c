// SPDX-License-Identifier: Apache-2.0
// Reference-counted buffers; see buf.h.
#include "buf.h"

#include "check.h"

#include <errno.h>

size_t buf_pool_bytes(uint32_t large_count, uint32_t small_count)
{
	return (size_t)large_count * BUF_BYTES + (size_t)small_count * BUF_SMALL_BYTES;
}

int buf_pool_init(struct buf_pool *pool, void *memory, uint64_t base_iova, uint32_t large_count,
		  uint32_t small_count)
{
	size_t count = (size_t)large_count + small_count;
	*pool = (struct buf_pool){
		.memory = memory,
		.bufs = calloc(count ? count : 1, sizeof(struct buf)),
		.large_count = large_count,
		.small_count = small_count,
		.large_free = large_count,
		.small_free = small_count,
	};
	if (!pool->bufs)
		return ENOMEM;
	uint8_t *at = memory;
	for (size_t i = 0; i < count; i++) {
		struct buf *buf = &pool->bufs[i];
		struct buf **list = i < large_count ? &pool->free_large : &pool->free_small;
		buf->data = at;
		buf->bytes = i < large_count ? BUF_BYTES : BUF_SMALL_BYTES;
		buf->pool = pool;
		buf->iova = base_iova + (uint64_t)(at - (uint8_t *)memory);
		buf->next = *list;
		*list = buf;
		at += buf->bytes;
	}
	return 0;
}

void buf_pool_fini(struct buf_pool *pool)
{
	free(pool->bufs);
	*pool = (struct buf_pool){0};
}

static struct buf *pop(struct buf **list, uint32_t *free_count)
{
	struct buf *buf = *list;
	if (!buf)
		return NULL;
	*list = buf->next;
	--*free_count;
	CHECK(buf->references == 0);
	buf->references = 1;
	return buf;
}

struct buf *buf_new(struct buf_pool *pool, size_t bytes)
{
	CHECK(bytes <= BUF_BYTES);
	struct buf *buf = NULL;
	if (bytes <= BUF_SMALL_BYTES)
		buf = pop(&pool->free_small, &pool->small_free);
	return buf ? buf : pop(&pool->free_large, &pool->large_free);
}

void buf_unref(struct buf *buf)
{
	CHECK(buf->references > 0);
	if (--buf->references > 0)
		return;
	struct buf_pool *pool = buf->pool;
	bool is_large = buf->bytes == BUF_BYTES;
	struct buf **list = is_large ? &pool->free_large : &pool->free_small;
	buf->next = *list;
	*list = buf;
	if (is_large)
		pool->large_free++;
	else
		pool->small_free++;
}
