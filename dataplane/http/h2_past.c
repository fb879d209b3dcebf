// SPDX-License-Identifier: Apache-2.0
// Streams that are no more (RFC 9113 5.1, "closed"), of which nghttp2 remembers nothing: a frame on
// one that its sender had ended is an error, a frame that crossed our own reset is not. Few are
// remembered: one forgotten is only ignored.
#include "h2_priv.h"

void h2_past_ended(struct h2_conn *c, uint32_t id)
{
	c->past.ended[c->past.ended_count++ % H2_PAST_ENDED] = id;
}

void h2_past_opened(struct h2_conn *c, uint32_t id)
{
	struct h2_past *past = &c->past;
	if (id > past->last + 2)
		past->skipped[past->skipped_count++ % H2_PAST_SKIPPED] =
			(struct h2_gap){past->last + 2, id - 2};
	past->last = MAX(past->last, id);
}

static bool is_ended(const struct h2_past *past, uint32_t id)
{
	for (unsigned i = 0; i < MIN(past->ended_count, H2_PAST_ENDED); i++)
		if (past->ended[i] == id)
			return true;
	return false;
}

static bool is_skipped(const struct h2_past *past, uint32_t id)
{
	for (unsigned i = 0; i < MIN(past->skipped_count, H2_PAST_SKIPPED); i++)
		if (past->skipped[i].first <= id && id <= past->skipped[i].last)
			return true;
	return false;
}

void h2_past_check(struct h2_conn *c, const nghttp2_frame_hd *hd)
{
	uint32_t id = (uint32_t)hd->stream_id;
	if (!c->base.is_server || id == 0 || id > c->past.last || id % 2 == 0)
		return;
	if (hd->type != NGHTTP2_DATA && hd->type != NGHTTP2_HEADERS)
		return;
	if (nghttp2_session_find_stream(c->session, hd->stream_id))
		return; // nghttp2 knows its state
	if (is_ended(&c->past, id))
		h2_end(c, COUNTER_http_h2_stream_closed, NGHTTP2_STREAM_CLOSED);
	else if (is_skipped(&c->past, id)) // RFC 9113 5.1.1: closed by the first higher number
		h2_end(c, COUNTER_http_h2_protocol, NGHTTP2_PROTOCOL_ERROR);
}

// The widest window that the peer has given to a live stream.
static int64_t widest_window(const struct h2_conn *c)
{
	int64_t widest = 0;
	struct list *link;
	list_for_each (link, &c->streams) {
		int64_t bytes = nghttp2_session_get_stream_remote_window_size(
			c->session, (int32_t)h2_stream_at(link)->id);
		widest = MAX(widest, bytes);
	}
	return widest;
}

void h2_past_settings_begin(struct h2_conn *c)
{
	c->past.initial_window = nghttp2_session_get_remote_settings(
		c->session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
	c->past.widest_window = widest_window(c);
}

void h2_past_settings_end(struct h2_conn *c)
{
	uint32_t now = nghttp2_session_get_remote_settings(c->session,
							   NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
	if (c->past.widest_window + now - c->past.initial_window > INT32_MAX)
		h2_end(c, COUNTER_http_h2_protocol, NGHTTP2_FLOW_CONTROL_ERROR);
}
