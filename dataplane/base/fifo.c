// SPDX-License-Identifier: Apache-2.0
// Bounded byte queue; see fifo.h.
#include "fifo.h"

#include "check.h"

void fifo_init(struct fifo *fifo, struct buf_pool *pool, uint32_t max_bytes)
{
	CHECK(max_bytes <= FIFO_PARTS * BUF_BYTES / 2);
	*fifo = (struct fifo){.pool = pool, .max_bytes = max_bytes};
}

static struct fifo_part *part_at(struct fifo *fifo, uint32_t n)
{
	return &fifo->parts[(fifo->first + n) % FIFO_PARTS];
}

// tail_with_room returns the part that can take the next byte, adding one when needed.
static struct fifo_part *tail_with_room(struct fifo *fifo, size_t wanted)
{
	if (fifo->count > 0) {
		struct fifo_part *last = part_at(fifo, fifo->count - 1);
		if (last->end < last->buf->bytes)
			return last;
	}
	if (fifo->count == FIFO_PARTS)
		return NULL;
	struct buf *buf = buf_new(fifo->pool, wanted < BUF_BYTES ? wanted : BUF_BYTES);
	if (!buf)
		return NULL;
	struct fifo_part *part = part_at(fifo, fifo->count++);
	*part = (struct fifo_part){.buf = buf};
	return part;
}

size_t fifo_write(struct fifo *fifo, struct slice bytes)
{
	size_t left = MIN(bytes.bytes, (size_t)fifo_room(fifo));
	size_t written = 0;
	while (left > 0) {
		// A queue that grows past one small buffer is a body: give it large ones.
		struct fifo_part *part = tail_with_room(fifo, fifo->count ? BUF_BYTES : left);
		if (!part)
			break;
		size_t run = MIN(left, (size_t)(part->buf->bytes - part->end));
		memcpy(part->buf->data + part->end, bytes.at + written, run);
		part->end += (uint32_t)run;
		fifo->queued_bytes += (uint32_t)run;
		written += run;
		left -= run;
	}
	return written;
}

struct slice fifo_peek(const struct fifo *fifo, size_t max)
{
	if (fifo->count == 0)
		return (struct slice){0};
	const struct fifo_part *part = &fifo->parts[fifo->first];
	return slice_of(part->buf->data + part->start, MIN((size_t)(part->end - part->start), max));
}

void fifo_drop(struct fifo *fifo, size_t bytes)
{
	CHECK(bytes <= fifo->queued_bytes);
	fifo->queued_bytes -= (uint32_t)bytes;
	while (fifo->count > 0) {
		struct fifo_part *part = &fifo->parts[fifo->first];
		size_t run = MIN(bytes, (size_t)(part->end - part->start));
		part->start += (uint32_t)run;
		bytes -= run;
		if (part->start < part->end)
			break;
		buf_unref(part->buf);
		fifo->first = (fifo->first + 1) % FIFO_PARTS;
		fifo->count--;
	}
}

void fifo_clear(struct fifo *fifo)
{
	fifo_drop(fifo, fifo->queued_bytes);
}
