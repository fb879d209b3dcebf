// SPDX-License-Identifier: Apache-2.0
// Frame heads (RFC 9113 4.1), seen before nghttp2 sees them: of unknown frames and of bodies of
// streams that are no more it does not tell, and floods are made of those.
#include "h2_priv.h"

#define CONTINUATIONS_MAX 8u // of one field block
#define PRIORITY_BYTES    5u

static bool is_useful(const nghttp2_frame_hd *hd)
{
	switch (hd->type) {
	case NGHTTP2_HEADERS: return hd->length > 0;
	case NGHTTP2_RST_STREAM: return true; // has a budget of its own
	case NGHTTP2_DATA:
		return (hd->length > 0 && !(hd->flags & NGHTTP2_FLAG_PADDED)) ||
		       hd->flags & NGHTTP2_FLAG_END_STREAM;
	default: return false;
	}
}

// A body of a stream that is no more: it may have crossed our reset.
static void note_unwanted_data(struct h2_conn *c, size_t bytes)
{
	if (bytes <= c->junk_bytes)
		c->junk_bytes -= bytes;
	else
		h2_note_frame(c, bytes);
}

// RFC 9113 10.5: a block that does not end.
static void note_block(struct h2_conn *c, const nghttp2_frame_hd *hd)
{
	if (hd->type == NGHTTP2_HEADERS)
		c->scan.continuation_count = 0;
	else if (hd->type == NGHTTP2_CONTINUATION &&
		 ++c->scan.continuation_count > CONTINUATIONS_MAX)
		h2_end(c, COUNTER_http_h2_flooded, NGHTTP2_ENHANCE_YOUR_CALM);
}

// A head for a stream that is no more; nghttp2 decodes and forgets it.
static bool is_late_head(const struct h2_conn *c, const nghttp2_frame_hd *hd)
{
	return c->base.is_server && hd->type == NGHTTP2_HEADERS &&
	       (uint32_t)hd->stream_id <= c->past.last;
}

// RFC 9113 6.3; nghttp2 looks away. Another length is nghttp2's to refuse.
static void note_priority(struct h2_conn *c, const nghttp2_frame_hd *hd)
{
	if (c->base.limits->counters)
		counter_inc(c->base.limits->counters, COUNTER_http_priorities_old);
	if (hd->stream_id == 0)
		h2_end(c, COUNTER_http_h2_protocol, NGHTTP2_PROTOCOL_ERROR);
	else if (hd->length == PRIORITY_BYTES)
		c->scan.dependent = (uint32_t)hd->stream_id;
}

static void on_frame_head(struct h2_conn *c, const nghttp2_frame_hd *hd)
{
	bool is_live = nghttp2_session_find_stream(c->session, hd->stream_id);
	if (!is_useful(hd)) // of DATA only the padding
		h2_note_frame(c, hd->type == NGHTTP2_DATA ? 0 : hd->length);
	else if (!is_live && hd->type == NGHTTP2_DATA)
		note_unwanted_data(c, hd->length);
	else if (!is_live && is_late_head(c, hd))
		h2_note_frame(c, hd->length);
	note_block(c, hd);
	if (hd->type == NGHTTP2_SETTINGS)
		h2_past_settings_begin(c);
	if (hd->type == NGHTTP2_PRIORITY)
		note_priority(c, hd);
	// RFC 9113 8.4: our first SETTINGS forbid pushes, and come before any request. nghttp2
	// waits for their acknowledgement, and would read the block by its own tables.
	if (hd->type == NGHTTP2_PUSH_PROMISE)
		h2_end(c, COUNTER_http_h2_protocol, NGHTTP2_PROTOCOL_ERROR);
	h2_past_check(c, hd);
}

static uint32_t read_stream(const uint8_t bytes[4])
{
	return (uint32_t)(bytes[0] & 0x7f) << 24 | (uint32_t)bytes[1] << 16 |
	       (uint32_t)bytes[2] << 8 | bytes[3];
}

static nghttp2_frame_hd read_head(const uint8_t head[9])
{
	return (nghttp2_frame_hd){
		.length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2],
		.type = head[3],
		.flags = head[4],
		.stream_id = (int32_t)read_stream(head + 5),
	};
}

// RFC 7540 5.3.1: no stream depends on itself. RFC 9113 gave priorities up, not what is no tree.
static void read_dependency(struct h2_conn *c, struct slice bytes)
{
	struct h2_scan *scan = &c->scan;
	size_t taken = MIN(sizeof(uint32_t) - scan->head_bytes, bytes.bytes);
	memcpy(scan->head + scan->head_bytes, bytes.at, taken);
	scan->head_bytes += (uint32_t)taken;
	if (scan->head_bytes < sizeof(uint32_t))
		return;
	if (read_stream(scan->head) == scan->dependent)
		h2_end(c, COUNTER_http_h2_protocol, NGHTTP2_PROTOCOL_ERROR);
	scan->head_bytes = scan->dependent = 0;
}

static size_t skip(struct h2_conn *c, struct slice bytes)
{
	size_t count = MIN(c->scan.skip_bytes, bytes.bytes);
	if (c->scan.dependent && count)
		read_dependency(c, slice_head(bytes, count));
	c->scan.skip_bytes -= count;
	return count;
}

size_t h2_scan(struct h2_conn *c, struct slice bytes)
{
	struct h2_scan *scan = &c->scan;
	if (scan->skip_bytes)
		return skip(c, bytes);
	size_t taken = MIN(sizeof(scan->head) - scan->head_bytes, bytes.bytes);
	memcpy(scan->head + scan->head_bytes, bytes.at, taken);
	scan->head_bytes += (uint32_t)taken;
	if (scan->head_bytes < sizeof(scan->head))
		return taken;
	nghttp2_frame_hd hd = read_head(scan->head);
	scan->head_bytes = 0;
	scan->skip_bytes = hd.length;
	if (hd.type != NGHTTP2_CONTINUATION) // paid for by itself
		scan->frame_bytes = (uint32_t)hd.length;
	on_frame_head(c, &hd);
	return taken + skip(c, slice_skip(bytes, taken));
}
