// SPDX-License-Identifier: Apache-2.0
// Reference-counted buffers of two fixed sizes in one block of memory per worker. A record buffer
// holds one whole TLS record; it is sealed in place, attached to packets as external memory, and
// *is* the retransmit queue until acknowledged. Single worker: counts are not atomic.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUF_BYTES       18432u // a record: 5 + 16384 + 256, and room for frame heads
#define BUF_SMALL_BYTES 2048u  // answers and acknowledgements: most writes are small

struct buf_pool;

struct buf {
	uint8_t *data;         // bytes bytes
	uint32_t bytes;        // BUF_BYTES or BUF_SMALL_BYTES
	uint32_t references;   // 0 only while in the pool
	struct buf_pool *pool; // where it returns to
	struct buf *next;      // free, or in a fifo: the one behind it
	uint64_t iova;         // I/O address of data: pool's base_iova + offset
	uint64_t
		packet[3]; // for the layer that attaches data to packets (rte_mbuf_ext_shared_info)
};

struct buf_pool {
	uint8_t *memory;  // borrowed; the data of all buffers
	struct buf *bufs; // owned: descriptors
	struct buf *free_large;
	struct buf *free_small;
	uint32_t large_count; // configured
	uint32_t small_count;
	uint32_t large_free;
	uint32_t small_free;
};

// buf_pool_bytes is the size of the block that buf_pool_init needs.
size_t buf_pool_bytes(uint32_t large_count, uint32_t small_count);

// buf_pool_init borrows memory (buf_pool_bytes long, aligned to 64) whose first byte has the I/O
// address base_iova. Returns 0 or ENOMEM.
int buf_pool_init(struct buf_pool *pool, void *memory, uint64_t base_iova, uint32_t large_count,
		  uint32_t small_count);

// buf_pool_fini frees the descriptors. Buffers still referenced are forgotten.
void buf_pool_fini(struct buf_pool *pool);

// buf_new returns a buffer of at least bytes (<= BUF_BYTES) bytes with one reference, owned by the
// caller, or NULL when the pool is at its bound. A small request falls back to a large buffer.
struct buf *buf_new(struct buf_pool *pool, size_t bytes);

// buf_ref takes one more reference.
static inline void buf_ref(struct buf *buf)
{
	buf->references++;
}

// buf_unref gives one reference back; the last one returns the buffer to its pool.
void buf_unref(struct buf *buf);

// buf_pool_in_use counts the buffers out of the pool: 0 when nothing leaks.
static inline uint32_t buf_pool_in_use(const struct buf_pool *pool)
{
	return pool->large_count - pool->large_free + pool->small_count - pool->small_free;
}

// buf_pool_is_low is true when less than an eighth of the large buffers are free: stop taking on
// new work.
static inline bool buf_pool_is_low(const struct buf_pool *pool)
{
	return pool->large_free < pool->large_count / 8;
}
