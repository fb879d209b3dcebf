// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 connection behind http.h: its life, its end, and the small calls.
#include "h1_priv.h"

bool h1_try_finish(struct h1_conn *c)
{
	if (!c->is_live || c->reading != H1_READ_DONE || c->writing != H1_WRITE_DONE)
		return false;
	c->is_live = false;
	c->stream_user = NULL;
	c->unconsumed_bytes = 0;
	c->interim_count = 0;
	c->is_tunnel = false;
	c->reading = H1_READ_HEAD;
	c->writing = H1_WRITE_IDLE;
	if (c->will_close || c->is_input_ended)
		c->is_dead = true;
	return true;
}

void h1_tell_end_of_conn(struct h1_conn *c)
{
	if (c->is_dead)
		http_tell_closed(&c->base, (struct http_fault){0});
}

// RFC 9112 9.6: the last words of a server that cannot go on.
static void answer_fault(struct h1_conn *c, uint16_t status)
{
	struct http_message message = {.status = status, .version = 11};
	struct h1_frame frame = {H1_LENGTH, 0, H1_CONNECTION_CLOSE};
	h1_write_response(&c->out, &message, &frame);
}

void h1_fail(struct h1_conn *c, struct http_fault fault)
{
	bool was_live = c->is_live, is_begun = was_live && c->writing != H1_WRITE_IDLE;
	if (!c->base.is_server || (is_begun && c->writing != H1_WRITE_DONE))
		h1_out_clear(&c->out);
	else if (fault.status && !is_begun)
		answer_fault(c, fault.status);
	c->is_live = false;
	c->is_dead = true;
	if (was_live) {
		c->base.events->reset(c->base.user, c->stream, c->stream_user, fault);
		fault = (struct http_fault){0};
	}
	http_tell_closed(&c->base, fault);
}

static void h1_free(struct http_conn *conn)
{
	struct h1_conn *c = h1_of(conn);
	CHECK(!c->is_receiving);
	h1_out_clear(&c->out);
	free(c->work);
	free(c);
}

static bool h1_wants_to_send(const struct http_conn *conn)
{
	const struct h1_conn *c = (const struct h1_conn *)conn;
	return h1_out_pending(&c->out) > 0 ||
	       (c->is_live && c->writing == H1_WRITE_BODY && !c->is_waiting);
}

static size_t h1_produce_most(const struct http_conn *conn)
{
	const struct h1_conn *c = (const struct h1_conn *)conn;
	bool is_body_due = c->is_live && c->writing == H1_WRITE_BODY && !c->is_body_over;
	if (is_body_due && c->framing != H1_LENGTH)
		return SIZE_MAX;
	size_t head = h1_out_pending(&c->out);
	return is_body_due ? head + MIN(c->send_left_bytes, SIZE_MAX - head) : head;
}

static bool is_live_stream(const struct h1_conn *c, uint32_t stream)
{
	return c->is_live && c->stream == stream;
}

static void h1_resume(struct http_conn *conn, uint32_t stream)
{
	struct h1_conn *c = h1_of(conn);
	if (is_live_stream(c, stream))
		c->is_waiting = false;
}

static void h1_consume(struct http_conn *conn, uint32_t stream, size_t bytes)
{
	struct h1_conn *c = h1_of(conn);
	if (!is_live_stream(c, stream))
		return;
	c->unconsumed_bytes -= (uint32_t)MIN(bytes, (size_t)c->unconsumed_bytes);
}

static void h1_reset(struct http_conn *conn, uint32_t stream, enum http_error)
{
	struct h1_conn *c = h1_of(conn);
	if (!is_live_stream(c, stream))
		return;
	if (c->writing != H1_WRITE_DONE)
		h1_out_clear(&c->out);
	c->is_live = false;
	c->is_dead = true;
	c->base.is_closed_told = true; // the owner knows: it did it
}

static void h1_set_stream_user(struct http_conn *conn, uint32_t stream, void *stream_user)
{
	struct h1_conn *c = h1_of(conn);
	if (is_live_stream(c, stream))
		c->stream_user = stream_user;
}

static void h1_drain(struct http_conn *conn)
{
	h1_of(conn)->is_draining = true;
}

static void h1_shutdown(struct http_conn *conn)
{
	struct h1_conn *c = h1_of(conn);
	c->will_close = true;
	if (c->is_live || c->has_head_begun || c->is_dead)
		return;
	c->is_dead = true;
	c->base.is_closed_told = true;
}

static bool h1_is_done(const struct http_conn *conn)
{
	const struct h1_conn *c = (const struct h1_conn *)conn;
	return c->is_dead && !c->is_live && h1_out_pending(&c->out) == 0;
}

static bool h1_has_said_all(const struct http_conn *conn)
{
	const struct h1_conn *c = (const struct h1_conn *)conn;
	return c->is_live && c->is_tunnel && c->reading == H1_READ_TO_END &&
	       c->writing == H1_WRITE_DONE && h1_out_pending(&c->out) == 0;
}

static bool h1_is_reading(const struct http_conn *conn)
{
	const struct h1_conn *c = (const struct h1_conn *)conn;
	return c->reading == H1_READ_HEAD ? c->has_head_begun : c->reading != H1_READ_DONE;
}

static uint32_t h1_stream_count(const struct http_conn *conn)
{
	return ((const struct h1_conn *)conn)->is_live;
}

static bool h1_can_request(const struct http_conn *conn)
{
	const struct h1_conn *c = (const struct h1_conn *)conn;
	return !conn->is_server && !c->is_live && !c->is_dead && !c->will_close;
}

static const struct http_conn_ops h1_ops = {
	.free = h1_free,
	.receive = h1_receive,
	.receive_end = h1_receive_end,
	.produce = h1_produce,
	.wants_to_send = h1_wants_to_send,
	.produce_most = h1_produce_most,
	.request = h1_request,
	.respond = h1_respond,
	.resume = h1_resume,
	.consume = h1_consume,
	.reset = h1_reset,
	.set_stream_user = h1_set_stream_user,
	.drain = h1_drain,
	.shutdown = h1_shutdown,
	.is_done = h1_is_done,
	.has_said_all = h1_has_said_all,
	.is_reading = h1_is_reading,
	.stream_count = h1_stream_count,
	.can_request = h1_can_request,
};

struct http_conn *h1_conn_new(const struct http_limits *limits)
{
	struct h1_conn *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->base.ops = &h1_ops;
	c->out.spare = limits->spare;
	return &c->base;
}
