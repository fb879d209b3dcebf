// SPDX-License-Identifier: Apache-2.0
// Header blocks that are received. nghttp2 sees their frames, and does with streams and with
// frames out of place what it does, but not what is in them: its reader, byte for byte a machine of
// states and a piece of memory a string, took three times as long as ours. What was in a frame is
// left out of it; fields go where nghttp2 would have told of them (h2_header).
//
//   received:  | head, length n | pad | priority 5 | fragment | padding |    of HEADERS and
//   nghttp2:   | head, length 5 |       priority 5 |                         CONTINUATION
//
// A block is read when it is whole, before nghttp2 sees its last frame: on_frame_recv finds all of
// its fields. One in several frames is gathered; its first frame has begun the head by then.
#include "h2_priv.h"

#define PRIORITY_BYTES 5u

static bool feed(struct h2_conn *c, const void *bytes, size_t count)
{
	if (count == 0 || c->is_dead)
		return true;
	ssize_t taken = nghttp2_session_mem_recv(c->session, bytes, count);
	if (taken != (ssize_t)count)
		h2_give_up(c, taken);
	return taken == (ssize_t)count;
}

static bool has_flag(const struct h2_block *block, unsigned flag)
{
	return block->head[4] & flag;
}

static uint32_t length_of(const uint8_t head[9])
{
	return (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
}

static uint32_t stream_of(const uint8_t head[9])
{
	return (uint32_t)(head[5] & 0x7f) << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 |
	       head[8];
}

// is_ours: the frame that begins is part of a block. What nghttp2 ends the connection for, by its
// head alone, is left to it.
static bool is_ours(const struct h2_conn *c, const uint8_t head[9])
{
	const struct h2_block *block = &c->block;
	if (length_of(head) > H2_FRAME_BYTES)
		return false;
	if (head[3] == NGHTTP2_CONTINUATION)
		return block->is_open && stream_of(head) == block->stream;
	return head[3] == NGHTTP2_HEADERS && !block->is_open && stream_of(head) != 0;
}

// unwrap takes padding off a HEADERS frame's payload, and its priority, which *priority then is;
// false: it has not so much.
static bool unwrap(const struct h2_block *block, struct slice *payload, struct slice *priority)
{
	size_t pad_bytes = 0;
	*priority = SLICE("");
	if (block->head[3] != NGHTTP2_HEADERS)
		return true;
	if (has_flag(block, NGHTTP2_FLAG_PADDED)) {
		if (payload->bytes == 0)
			return false;
		pad_bytes = (uint8_t)payload->at[0];
		*payload = slice_skip(*payload, 1);
	}
	if (has_flag(block, NGHTTP2_FLAG_PRIORITY)) {
		*priority = slice_head(*payload, PRIORITY_BYTES);
		*payload = slice_skip(*payload, PRIORITY_BYTES);
	}
	bool is_cut = has_flag(block, NGHTTP2_FLAG_PRIORITY) && priority->bytes < PRIORITY_BYTES;
	if (is_cut || payload->bytes < pad_bytes)
		return false;
	*payload = slice_head(*payload, payload->bytes - pad_bytes);
	return true;
}

// read_block gives the fields of a whole block to the head that has begun.
static bool read_block(struct h2_conn *c, struct slice text)
{
	uint8_t scratch[HPACK_SCRATCH_BYTES];
	struct hpack_field field;
	bool is_trailer = c->block.is_trailer;
	enum hpack_result result = hpack_read_begin(&c->reader, &text);
	while (result == HPACK_FIELD) {
		result = hpack_read(&c->reader, &text, scratch, &field);
		if (result == HPACK_FIELD)
			h2_header(c, is_trailer, &field);
	}
	if (result == HPACK_BAD)
		h2_end(c, COUNTER_http_h2_protocol, NGHTTP2_COMPRESSION_ERROR);
	else if (result == HPACK_SHORT)
		h2_end(c, COUNTER_http_memory_short, NGHTTP2_INTERNAL_ERROR);
	return result == HPACK_END;
}

// show lets nghttp2 see the frame without its fragment and padding.
static bool show(struct h2_conn *c, struct slice priority)
{
	const struct h2_block *block = &c->block;
	uint8_t frame[sizeof(block->head) + PRIORITY_BYTES];
	memcpy(frame, block->head, sizeof(block->head));
	frame[0] = frame[1] = 0;
	frame[2] = (uint8_t)priority.bytes;
	if (frame[3] == NGHTTP2_HEADERS)
		frame[4] &= (uint8_t)~NGHTTP2_FLAG_PADDED;
	if (priority.bytes)
		memcpy(frame + sizeof(block->head), priority.at, priority.bytes);
	return feed(c, frame, sizeof(block->head) + priority.bytes);
}

// grow makes room for bytes and for what is to come of the frame: no more than the peer sends.
static bool grow(struct h2_conn *c, size_t bytes)
{
	struct h2_block *block = &c->block;
	if (block->used + bytes <= block->room)
		return true;
	size_t room = block->used + bytes + block->left;
	uint8_t *larger = h2_memory_take(c, room);
	if (!larger) {
		h2_end(c, COUNTER_http_memory_short, NGHTTP2_INTERNAL_ERROR);
		return false;
	}
	if (block->used)
		memcpy(larger, block->bytes, block->used);
	h2_memory_give(c, block->bytes);
	block->bytes = larger;
	block->room = room;
	return true;
}

static bool gather(struct h2_conn *c, struct slice bytes)
{
	struct h2_block *block = &c->block;
	if (bytes.bytes == 0)
		return true;
	if (!grow(c, bytes.bytes))
		return false;
	memcpy(block->bytes + block->used, bytes.at, bytes.bytes);
	block->used += bytes.bytes;
	return true;
}

void h2_block_fini(struct h2_conn *c)
{
	h2_memory_give(c, c->block.bytes);
	c->block = (struct h2_block){0};
}

// begin_block begins a block's head with its first frame.
static void begin_block(struct h2_conn *c)
{
	struct h2_block *block = &c->block;
	if (block->is_open)
		return;
	block->is_open = true;
	block->stream = stream_of(block->head);
	const struct h2_stream *stream = c->base.is_server ? NULL : h2_stream_get(c, block->stream);
	block->is_trailer = c->base.is_server ? block->stream <= c->past.last
					      : stream && stream->is_head_received;
	h2_head_begin(c, (int32_t)block->stream);
	c->head.seen.is_tunnel = stream && stream->is_tunnel;
}

// add_fragment puts a frame's fragment behind those before it; what was gathered of the frame is
// there already, with what is wrapped around it.
static bool add_fragment(struct h2_conn *c, struct slice fragment, bool is_gathered)
{
	struct h2_block *block = &c->block;
	if (is_gathered && fragment.bytes)
		memmove(block->bytes + block->whole, fragment.at, fragment.bytes);
	if (is_gathered)
		block->used = block->whole + fragment.bytes;
	else if (!gather(c, fragment))
		return false;
	block->whole = block->used;
	return true;
}

// end_block reads the block and lets nghttp2 see its last frame, whereupon the head is told.
static bool end_block(struct h2_conn *c, struct slice text, struct slice priority)
{
	struct h2_block *block = &c->block;
	block->is_open = false;
	bool is_good = read_block(c, text) && show(c, priority);
	c->head.stream = 0; // also of a stream that nghttp2 passes over
	if (block->bytes)
		h2_block_fini(c);
	return is_good;
}

// take_frame takes a whole frame's payload: where it was received, or where it was gathered behind
// the fragments before it.
static bool take_frame(struct h2_conn *c, struct slice payload, bool is_gathered)
{
	struct h2_block *block = &c->block;
	struct slice fragment = payload, priority;
	uint8_t kept[PRIORITY_BYTES];
	if (!unwrap(block, &fragment, &priority)) // nghttp2 ends the connection
		return feed(c, block->head, sizeof(block->head)) &&
		       feed(c, payload.at, payload.bytes);
	if (priority.bytes)
		priority.at = memcpy(kept, priority.at, priority.bytes);
	begin_block(c);
	bool is_last = has_flag(block, NGHTTP2_FLAG_END_HEADERS);
	if (is_last && !is_gathered && block->used == 0)
		return end_block(c, fragment, priority);
	if (!add_fragment(c, fragment, is_gathered))
		return false;
	if (!is_last)
		return show(c, priority);
	return end_block(c, slice_of(block->bytes, block->used), priority);
}

// take_payload takes bytes of a frame of ours.
static bool take_payload(struct h2_conn *c, struct slice bytes)
{
	struct h2_block *block = &c->block;
	bool is_whole = bytes.bytes == length_of(block->head);
	block->left -= (uint32_t)bytes.bytes;
	if (is_whole && block->used == 0)
		return take_frame(c, bytes, false);
	if (!gather(c, bytes))
		return false;
	if (block->left > 0)
		return true;
	uint8_t *payload = block->bytes + block->whole;
	return take_frame(c, slice_of(payload, block->used - block->whole), true);
}

size_t h2_block_receive(struct h2_conn *c, struct slice bytes)
{
	struct h2_block *block = &c->block;
	bool is_head = c->scan.skip_bytes == 0;
	uint32_t head_before = is_head ? c->scan.head_bytes : 0;
	size_t taken = h2_scan(c, bytes);
	if (c->is_dead)
		return 0;
	if (!is_head) {
		struct slice some = slice_head(bytes, taken);
		bool is_good = block->left ? take_payload(c, some) : feed(c, some.at, some.bytes);
		return is_good ? taken : 0;
	}
	size_t head_bytes = MIN(sizeof(block->head) - head_before, taken);
	uint8_t *head = block->next;
	memcpy(head + head_before, bytes.at, head_bytes);
	if (head_before + head_bytes < sizeof(block->head))
		return taken; // the rest of it comes later
	struct slice payload = slice_skip(slice_head(bytes, taken), head_bytes);
	if (!is_ours(c, head) && head_before == 0)
		return feed(c, bytes.at, taken) ? taken : 0;
	if (!is_ours(c, head))
		return feed(c, head, sizeof(block->head)) && feed(c, payload.at, payload.bytes)
			       ? taken
			       : 0;
	memcpy(block->head, head, sizeof(block->head));
	block->left = length_of(head);
	return take_payload(c, payload) ? taken : 0;
}
