// SPDX-License-Identifier: Apache-2.0
// Bounded byte queue; see fifo.h.
#include "fifo.h"

#include "check.h"

void fifo_init(struct fifo *fifo, struct buf_pool *pool, uint32_t max_bytes)
{
	*fifo = (struct fifo){.pool = pool, .max_bytes = max_bytes};
}

// make_room sees to it that the last buffer can take a byte; false when the pool is empty.
static bool make_room(struct fifo *fifo, size_t wanted)
{
	if (fifo->last && fifo->end < fifo->last->bytes)
		return true;
	struct buf *buf = buf_new(fifo->pool, MIN(wanted, (size_t)BUF_BYTES));
	if (!buf)
		return false;
	buf->next = NULL;
	if (fifo->last)
		fifo->last->next = buf;
	else
		fifo->first = buf;
	fifo->last = buf;
	fifo->end = 0;
	return true;
}

size_t fifo_write(struct fifo *fifo, struct slice bytes)
{
	size_t left = MIN(bytes.bytes, (size_t)fifo_room(fifo));
	size_t written = 0;
	// A queue that grows past one small buffer is a body: give it large ones.
	while (left > 0 && make_room(fifo, fifo->last ? BUF_BYTES : left)) {
		size_t run = MIN(left, (size_t)(fifo->last->bytes - fifo->end));
		memcpy(fifo->last->data + fifo->end, bytes.at + written, run);
		fifo->end += (uint32_t)run;
		fifo->queued_bytes += (uint32_t)run;
		written += run;
		left -= run;
	}
	return written;
}

// first_bytes is how many bytes the first buffer still holds.
static size_t first_bytes(const struct fifo *fifo)
{
	return (fifo->first == fifo->last ? fifo->end : fifo->first->bytes) - fifo->start;
}

struct slice fifo_peek(const struct fifo *fifo, size_t max)
{
	if (!fifo->first)
		return (struct slice){0};
	return slice_of(fifo->first->data + fifo->start, MIN(first_bytes(fifo), max));
}

static void drop_first(struct fifo *fifo)
{
	struct buf *buf = fifo->first;
	fifo->first = buf == fifo->last ? NULL : buf->next;
	if (!fifo->first)
		fifo->last = NULL;
	fifo->start = 0;
	buf_unref(buf);
}

void fifo_drop(struct fifo *fifo, size_t bytes)
{
	CHECK(bytes <= fifo->queued_bytes);
	fifo->queued_bytes -= (uint32_t)bytes;
	while (fifo->first) {
		size_t run = MIN(bytes, first_bytes(fifo));
		fifo->start += (uint32_t)run;
		bytes -= run;
		if (first_bytes(fifo) > 0)
			break;
		drop_first(fifo);
	}
}

void fifo_clear(struct fifo *fifo)
{
	fifo_drop(fifo, fifo->queued_bytes);
}
