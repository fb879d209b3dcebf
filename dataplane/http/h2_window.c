// SPDX-License-Identifier: Apache-2.0
// Receive windows that follow the path (RFC 9113 5.2, 6.9): a window that is narrower than what a
// round trip carries makes the sender wait. A PING measures a round trip, a *turn*, without a
// clock; a stream whose owner consumed half of its window or more in one gets twice the window. So
// a reader that does not read keeps the window it has. The connection's window is as much wider as
// those of its streams together, so that one of them never stops the others.
//
//   DATA -> body -> consume: half a window ..... PING   a turn
//                   consume: as much as comes ..   |
//                                    window x 2 <- PING ACK, next turn at once, until none grows
#include "h2_priv.h"

#define PAUSE_BYTES_MAX (1u << 20)

const uint8_t h2_window_ping[8] = "a turn?";

static void count(const struct h2_conn *c, int counter)
{
	const struct http_limits *limits = c->base.limits;
	if (!limits->counters)
		return;
	counter_inc(limits->counters, (enum counter)counter);
	counter_set(limits->counters, COUNTER_http_window_bytes,
		    limits->window_budget->granted_bytes);
}

// note_grown books bytes more (or less) of windows, and moves the connection's.
static void note_grown(struct h2_conn *c, int64_t bytes)
{
	const struct http_limits *limits = c->base.limits;
	limits->window_budget->granted_bytes += (uint64_t)bytes;
	c->grown_bytes += (uint32_t)bytes;
	uint64_t all = (uint64_t)limits->conn_window_bytes + c->grown_bytes;
	if (!c->is_broken)
		nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
						      (int32_t)MIN(all, (uint64_t)INT32_MAX));
}

static void set_window(struct h2_conn *c, struct h2_stream *stream, uint32_t bytes)
{
	int64_t more = (int64_t)bytes - stream->window_bytes;
	stream->window_bytes = bytes;
	nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, (int32_t)stream->id,
					      (int32_t)bytes);
	note_grown(c, more);
}

// grow doubles a stream's window, within all bounds; false when it stays.
static bool grow(struct h2_conn *c, struct h2_stream *stream)
{
	const struct http_limits *limits = c->base.limits;
	const struct http_window_budget *budget = limits->window_budget;
	uint32_t wanted = (uint32_t)MIN(2ull * stream->window_bytes,
					(uint64_t)limits->stream_window_max_bytes);
	uint32_t more = wanted - stream->window_bytes;
	if (budget->is_low || budget->granted_bytes + more > budget->max_bytes ||
	    (uint64_t)c->grown_bytes + more > limits->window_growth_bytes) {
		count(c, COUNTER_http_windows_denied);
		return false;
	}
	set_window(c, stream, wanted);
	count(c, COUNTER_http_windows_grown);
	return true;
}

static void begin_turn(struct h2_conn *c, bool is_again)
{
	if (nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, h2_window_ping) != 0)
		return;
	c->turn = (struct h2_turn){c->turn.number + 1, true, is_again};
}

void h2_window_consumed(struct h2_conn *c, struct h2_stream *stream, size_t bytes)
{
	const struct http_limits *limits = c->base.limits;
	if (!limits->window_budget || c->is_dead)
		return;
	if (limits->window_budget->is_low && stream->window_bytes > limits->stream_window_bytes) {
		// What the peer may send already it may send once more.
		set_window(c, stream, limits->stream_window_bytes);
		count(c, COUNTER_http_windows_shrunk);
	}
	if (stream->window_bytes >= limits->stream_window_max_bytes)
		return;
	if (stream->turn != c->turn.number)
		stream->turn_bytes = 0;
	stream->turn = c->turn.number;
	stream->turn_bytes += bytes;
	stream->rest_bytes -= (uint32_t)MIN(bytes, (size_t)stream->rest_bytes);
	if (!c->turn.is_open && stream->rest_bytes == 0)
		begin_turn(c, false);
}

// judge looks at what a stream's owner consumed in the turn; true when its window grew.
static bool judge(struct h2_conn *c, struct h2_stream *stream)
{
	if (stream->turn_bytes >= stream->window_bytes / 2 && grow(c, stream)) {
		stream->pause_bytes = 0;
		stream->rest_bytes = 0;
		return true;
	}
	uint32_t twice = MIN(2 * stream->pause_bytes, PAUSE_BYTES_MAX);
	stream->pause_bytes = MAX(twice, stream->window_bytes / 2);
	stream->rest_bytes = stream->pause_bytes;
	return false;
}

void h2_window_turned(struct h2_conn *c)
{
	if (!c->turn.is_open || !c->base.limits->window_budget)
		return;
	bool has_grown = false, has_moved = false;
	c->turn.is_open = false;
	struct list *link;
	list_for_each (link, &c->streams) {
		struct h2_stream *stream = h2_stream_at(link);
		if (stream->turn != c->turn.number)
			continue;
		has_moved = true;
		has_grown |= judge(c, stream);
	}
	// The PING of a first turn went behind half a window, and is answered before what that
	// opens: only a turn that begins with an answer has a whole window in it.
	if (has_grown || (has_moved && !c->turn.is_again))
		begin_turn(c, true);
}

void h2_window_release(struct h2_conn *c, struct h2_stream *stream)
{
	uint32_t first = c->base.limits->stream_window_bytes;
	if (stream->window_bytes == first)
		return;
	note_grown(c, (int64_t)first - stream->window_bytes);
	stream->window_bytes = first;
	if (c->base.limits->counters)
		counter_set(c->base.limits->counters, COUNTER_http_window_bytes,
			    c->base.limits->window_budget->granted_bytes);
}

void h2_window_fini(struct h2_conn *c)
{
	c->is_broken = true;
	struct list *link;
	list_for_each (link, &c->streams)
		h2_window_release(c, h2_stream_at(link));
}
