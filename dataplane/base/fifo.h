// SPDX-License-Identifier: Apache-2.0
// Bounded byte queue made of buffers: what a body waits in between its two sides. It takes what
// its bound and the pool allow and says how much that was: all back-pressure starts here.
#pragma once

#include "buf.h"
#include "slice.h"

// All buffers are full but the last, so that a queue holds little more than its bytes.
struct fifo {
	struct buf_pool *pool;
	struct buf *first, *last; // by next, one reference each, owned; NULL: empty
	uint32_t start;           // first byte not yet read, in first
	uint32_t end;             // after the last byte written, in last
	uint32_t queued_bytes;
	uint32_t max_bytes; // bound; fifo_room is max_bytes - queued_bytes
};

// fifo_init makes an empty queue bounded to max_bytes.
void fifo_init(struct fifo *fifo, struct buf_pool *pool, uint32_t max_bytes);

// fifo_room is how many more bytes the bound allows.
static inline uint32_t fifo_room(const struct fifo *fifo)
{
	return fifo->max_bytes > fifo->queued_bytes ? fifo->max_bytes - fifo->queued_bytes : 0;
}

// fifo_write copies as many of the bytes in as the bound and the pool allow; returns that number.
size_t fifo_write(struct fifo *fifo, struct slice bytes);

// fifo_peek borrows the first run of queued bytes, at most max; empty when nothing is queued.
// Valid until the next call.
struct slice fifo_peek(const struct fifo *fifo, size_t max);

// fifo_drop forgets the first bytes (<= queued_bytes) bytes.
void fifo_drop(struct fifo *fifo, size_t bytes);

// fifo_clear forgets everything and returns all buffers.
void fifo_clear(struct fifo *fifo);
