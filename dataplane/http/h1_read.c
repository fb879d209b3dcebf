// SPDX-License-Identifier: Apache-2.0
// The reading direction of an HTTP/1.1 connection: heads, bodies and their ends to events.
#include "h1_priv.h"

#define INTERIM_MAX 16u // 1xx responses of one exchange

static void fail_by(struct h1_conn *c, int counter)
{
	h1_fail(c, http_fault_of(counter, !c->base.is_server));
}

// RFC 9112 9.3
static bool says_close(const struct h1_head *head)
{
	if (head->message.version == 10)
		return !head->hop.is_keep_alive || head->hop.is_close;
	return head->hop.is_close;
}

// RFC 9112 6.3, for what http_rules let through.
static enum h1_reading body_of(const struct h1_conn *c, const struct http_message *m)
{
	bool has_none = m->status == 204 || m->status == 304 || (m->status && c->is_head_request);
	if (has_none)
		return H1_READ_DONE;
	if (m->is_chunked)
		return H1_READ_CHUNKED;
	if (m->content_length != HTTP_LENGTH_NONE)
		return m->content_length ? H1_READ_LENGTH : H1_READ_DONE;
	return m->status ? H1_READ_TO_END : H1_READ_DONE;
}

static void begin_body(struct h1_conn *c, const struct http_message *m)
{
	c->reading = (uint8_t)body_of(c, m);
	c->body_left_bytes = m->content_length;
	c->will_close |= says_close(&c->work->head) || c->reading == H1_READ_TO_END;
	h1_chunks_start(&c->work->chunks);
}

static void on_request(struct h1_conn *c)
{
	const struct http_message *m = &c->work->head.message;
	c->is_head_request = m->method == HTTP_HEAD;
	c->is_peer_http10 = m->version == 10;
	c->awaits_continue = m->expects_continue;
	c->will_close |= m->method == HTTP_CONNECT; // what follows would be a tunnel's
	begin_body(c, m);
	c->is_tunnel = m->protocol.bytes > 0;
	if (c->is_tunnel) {
		websocket_accept_of(c->work->head.hop.key, c->work->accept);
		c->reading = H1_READ_HELD;
	}
	c->is_live = true;
	c->stream++;
	c->base.events->head(c->base.user, c->stream, c->stream_user, m,
			     c->reading == H1_READ_DONE);
}

static void on_interim(struct h1_conn *c)
{
	const struct http_message *m = &c->work->head.message;
	if (++c->interim_count > INTERIM_MAX)
		fail_by(c, COUNTER_http_interim_many);
	else
		c->base.events->head(c->base.user, c->stream, c->stream_user, m, false);
}

// RFC 6455 4.1: 101 is the answer to what we asked for, or nothing at all.
static void on_switch(struct h1_conn *c)
{
	struct http_message *m = &c->work->head.message;
	struct slice accept = slice_of(c->work->accept, sizeof(c->work->accept));
	if (!c->is_tunnel || !c->work->head.hop.is_websocket ||
	    !slice_equal(c->work->head.hop.accept, accept)) {
		fail_by(c, COUNTER_http_upgrade_refused);
		return;
	}
	m->status = 200;
	m->content_length = HTTP_LENGTH_NONE;
	c->reading = H1_READ_TO_END;
	c->writing = H1_WRITE_BODY;
	c->will_close = true;
	c->base.events->head(c->base.user, c->stream, c->stream_user, m, false);
}

static void on_response(struct h1_conn *c)
{
	struct http_message *m = &c->work->head.message;
	if (m->status == 101) {
		on_switch(c);
		return;
	}
	if (m->status < 200) {
		on_interim(c);
		return;
	}
	if (c->is_tunnel && m->status < 300) { // it would pass for a tunnel further on
		fail_by(c, COUNTER_http_upgrade_refused);
		return;
	}
	if (c->is_tunnel)
		c->writing = H1_WRITE_DONE;
	begin_body(c, m);
	bool is_end = c->reading == H1_READ_DONE;
	uint32_t stream = c->stream;
	void *stream_user = c->stream_user;
	h1_try_finish(c);
	c->base.events->head(c->base.user, stream, stream_user, m, is_end);
	h1_tell_end_of_conn(c);
}

static bool begin_head(struct h1_conn *c)
{
	if (!h1_take_work(c))
		return false;
	h1_head_start(&c->work->head, c->base.limits, c->base.is_server, c->work->head_memory);
	c->has_head_begun = true;
	return true;
}

static size_t read_head(struct h1_conn *c, struct slice bytes)
{
	if (!c->base.is_server && !c->is_live) {
		fail_by(c, COUNTER_http_response_unsolicited);
		return 0;
	}
	if (!c->has_head_begun && !begin_head(c)) {
		fail_by(c, COUNTER_http_memory_short);
		return 0;
	}
	int fault;
	size_t taken = h1_head_read(&c->work->head, bytes, &fault);
	if (fault) {
		fail_by(c, fault);
		return taken;
	}
	if (c->work->head.state != H1_HEAD_DONE)
		return taken;
	c->has_head_begun = false;
	if (c->base.is_server)
		on_request(c);
	else
		on_response(c);
	return taken;
}

static void complete_reading(struct h1_conn *c, const struct http_field *trailers, uint32_t count)
{
	uint32_t stream = c->stream;
	void *stream_user = c->stream_user;
	c->reading = H1_READ_DONE;
	h1_try_finish(c);
	c->base.events->end(c->base.user, stream, stream_user, trailers, count);
	h1_tell_end_of_conn(c);
}

static void give_body(struct h1_conn *c, struct slice data)
{
	c->awaits_continue = false;
	c->unconsumed_bytes += (uint32_t)data.bytes;
	c->base.events->body(c->base.user, c->stream, c->stream_user, data);
}

static size_t window_of(const struct h1_conn *c)
{
	return MIN(HTTP1_BODY_WINDOW_BYTES, c->base.limits->stream_window_bytes) -
	       c->unconsumed_bytes;
}

static size_t read_length(struct h1_conn *c, struct slice bytes)
{
	size_t run = MIN(bytes.bytes, window_of(c));
	run = MIN(run, c->body_left_bytes);
	c->body_left_bytes -= run;
	give_body(c, slice_head(bytes, run));
	if (!c->is_dead && c->body_left_bytes == 0)
		complete_reading(c, NULL, 0);
	return run;
}

static size_t read_to_end(struct h1_conn *c, struct slice bytes)
{
	size_t run = MIN(bytes.bytes, window_of(c));
	give_body(c, slice_head(bytes, run));
	return run;
}

static size_t read_chunked(struct h1_conn *c, struct slice bytes)
{
	struct slice data;
	int fault;
	size_t taken = h1_chunks_read(&c->work->chunks, bytes, window_of(c), &data, &fault);
	if (fault) {
		fail_by(c, fault);
		return taken;
	}
	if (data.bytes)
		give_body(c, data);
	if (!c->is_dead && c->work->chunks.state == H1_CHUNK_LAST) {
		c->reading = H1_READ_TRAILERS;
		h1_head_start_trailers(&c->work->head);
	}
	return taken;
}

static size_t read_trailers(struct h1_conn *c, struct slice bytes)
{
	int fault;
	size_t taken = h1_head_read(&c->work->head, bytes, &fault);
	if (fault)
		fail_by(c, fault);
	else if (c->work->head.state == H1_HEAD_DONE)
		complete_reading(c, c->work->head.message.fields,
				 c->work->head.message.field_count);
	return taken;
}

static size_t read_some(struct h1_conn *c, struct slice bytes)
{
	switch ((enum h1_reading)c->reading) {
	case H1_READ_HEAD: return read_head(c, bytes);
	case H1_READ_LENGTH: return read_length(c, bytes);
	case H1_READ_CHUNKED: return read_chunked(c, bytes);
	case H1_READ_TRAILERS: return read_trailers(c, bytes);
	case H1_READ_TO_END: return read_to_end(c, bytes);
	case H1_READ_HELD:
	case H1_READ_DONE: break;
	}
	return 0;
}

static bool can_read(const struct h1_conn *c)
{
	if (c->is_dead || c->reading == H1_READ_DONE || c->reading == H1_READ_HELD)
		return false;
	return c->reading == H1_READ_HEAD || window_of(c) > 0;
}

static size_t work_bytes(const struct h1_conn *c)
{
	return HTTP_HEAD_OWN_BYTES + h1_head_memory_bytes(c->base.limits);
}

bool h1_take_work(struct h1_conn *c)
{
	if (!c->work)
		c->work = http_head_take(c->base.limits, work_bytes(c));
	return c->work;
}

void h1_drop_idle_memory(struct h1_conn *c)
{
	if (c->is_live || c->has_head_begun || c->is_receiving || !c->work)
		return;
	http_head_give(c->base.limits, c->work, work_bytes(c));
	c->work = NULL;
}

size_t h1_receive(struct http_conn *conn, struct slice bytes)
{
	struct h1_conn *c = h1_of(conn);
	size_t taken = 0;
	if (c->is_receiving)
		return 0;
	c->is_receiving = true;
	while (taken < bytes.bytes && can_read(c)) {
		size_t step = read_some(c, slice_skip(bytes, taken));
		taken += step;
		if (step == 0)
			break;
	}
	c->is_receiving = false;
	h1_drop_idle_memory(c);
	return taken;
}

static void end_idle(struct h1_conn *c)
{
	int counter = c->has_head_begun ? COUNTER_http_truncated : 0;
	c->is_dead = true;
	http_tell_closed(&c->base, (struct http_fault){counter, 0});
}

void h1_receive_end(struct http_conn *conn)
{
	struct h1_conn *c = h1_of(conn);
	if (c->is_dead)
		return;
	c->is_input_ended = true;
	c->will_close = true;
	if (!c->is_live)
		end_idle(c);
	else if (c->reading == H1_READ_TO_END)
		complete_reading(c, NULL, 0);
	else if (c->reading == H1_READ_HEAD && !c->has_head_begun)
		fail_by(c, COUNTER_http_conn_lost);
	else if (c->reading != H1_READ_DONE)
		fail_by(c, COUNTER_http_truncated);
}
