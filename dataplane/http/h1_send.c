// SPDX-License-Identifier: Apache-2.0
// The writing direction of an HTTP/1.1 connection: heads into out, bodies pulled straight into the
// owner's buffer.
#include "h1_priv.h"

#include <errno.h>

#define CHUNK_FRAME_BYTES 20u // size line (16 digits at most, CRLF) and CRLF behind the data
#define BODY_ROOM_MIN     32u // less room is left for the next call

static void begin_writing(struct h1_conn *c, struct h1_frame frame)
{
	c->framing = (uint8_t)frame.framing;
	c->send_left_bytes = frame.content_length;
	c->writing = H1_WRITE_BODY;
	c->is_waiting = false;
	c->is_body_over = frame.framing == H1_NO_BODY ||
			  (frame.framing == H1_LENGTH && frame.content_length == 0);
}

// RFC 9110 8.6: a request without body says so only where its method suggests one.
static struct h1_frame frame_request(const struct http_message *m, bool has_body)
{
	bool is_length_expected =
		m->method == HTTP_POST || m->method == HTTP_PUT || m->method == HTTP_PATCH;
	struct h1_frame frame = {.content_length = HTTP_LENGTH_NONE};
	if (!has_body) {
		frame.framing = H1_NO_BODY;
		if (is_length_expected)
			frame.content_length = 0;
	} else if (m->content_length != HTTP_LENGTH_NONE) {
		frame.framing = H1_LENGTH;
		frame.content_length = m->content_length;
	} else {
		frame.framing = H1_CHUNKED;
	}
	return frame;
}

// A tunnel is bytes to the end of the connection, once the peer has answered for it.
static void ask_tunnel(struct h1_conn *c, const struct http_message *m, struct h1_frame *frame,
		       char key[static WEBSOCKET_KEY_BYTES])
{
	websocket_key_of(m->nonce, key);
	*frame = (struct h1_frame){
		.framing = H1_TO_END,
		.content_length = HTTP_LENGTH_NONE,
		.websocket = slice_of(key, WEBSOCKET_KEY_BYTES),
	};
	websocket_accept_of(frame->websocket, c->work->accept);
}

int h1_request(struct http_conn *conn, const struct http_message *message, bool has_body,
	       void *stream_user, uint32_t *stream)
{
	struct h1_conn *c = h1_of(conn);
	if (c->is_dead || c->will_close)
		return EPIPE;
	if (c->is_live)
		return EBUSY;
	char key[WEBSOCKET_KEY_BYTES];
	struct h1_frame frame = frame_request(message, has_body);
	c->is_tunnel = message->protocol.bytes > 0;
	if (c->is_tunnel && !h1_take_work(c)) {
		c->is_dead = true;
		return EPIPE;
	}
	if (c->is_tunnel)
		ask_tunnel(c, message, &frame, key);
	if (h1_write_request(&c->out, message, &frame)) {
		h1_out_clear(&c->out);
		c->is_dead = true;
		return EPIPE;
	}
	c->is_live = true;
	c->is_head_request = message->method == HTTP_HEAD;
	c->stream_user = stream_user;
	*stream = ++c->stream;
	begin_writing(c, frame);
	if (c->is_tunnel)
		c->writing = H1_WRITE_HELD;
	return 0;
}

static int respond_interim(struct h1_conn *c, const struct http_message *m)
{
	static const struct h1_frame frame = {.content_length = HTTP_LENGTH_NONE};
	if (c->is_peer_http10) // RFC 9110 15.2: it would not understand
		return 0;
	c->awaits_continue &= m->status != 100;
	return h1_write_response(&c->out, m, &frame) ? ESRCH : 0;
}

// RFC 9112 6.1, 6.3
static struct h1_frame frame_response(const struct h1_conn *c, const struct http_message *m,
				      bool has_body)
{
	struct h1_frame frame = {.content_length = m->content_length};
	if (c->is_head_request || m->status == 304 || m->status == 204) {
		frame.framing = H1_NO_BODY;
		if (m->status == 204)
			frame.content_length = HTTP_LENGTH_NONE;
	} else if (!has_body) {
		frame.framing = H1_LENGTH;
		frame.content_length = 0;
	} else if (m->content_length != HTTP_LENGTH_NONE) {
		frame.framing = H1_LENGTH;
	} else {
		frame.framing = c->is_peer_http10 ? H1_TO_END : H1_CHUNKED;
	}
	return frame;
}

int h1_respond(struct http_conn *conn, uint32_t stream, const struct http_message *message,
	       bool has_body)
{
	struct h1_conn *c = h1_of(conn);
	if (!c->is_live || c->stream != stream || c->writing != H1_WRITE_IDLE)
		return ESRCH;
	if (message->status < 200)
		return respond_interim(c, message);
	struct h1_frame frame = frame_response(c, message, has_body);
	if (c->is_tunnel && message->status < 300) {
		frame = (struct h1_frame){
			.framing = H1_TO_END,
			.content_length = HTTP_LENGTH_NONE,
			.websocket = slice_of(c->work->accept, sizeof(c->work->accept)),
		};
		c->reading = H1_READ_TO_END;
	} else if (c->is_tunnel) {
		c->reading = H1_READ_DONE;
	}
	// A client that still waits for 100 may send its body or not: nobody could tell what
	// follows.
	bool is_unclear = c->awaits_continue && c->reading != H1_READ_DONE;
	c->will_close |= frame.framing == H1_TO_END || is_unclear || c->is_draining;
	if (c->will_close && !frame.websocket.bytes)
		frame.connection = H1_CONNECTION_CLOSE;
	else if (c->is_peer_http10)
		frame.connection = H1_CONNECTION_KEEP_ALIVE;
	if (h1_write_response(&c->out, message, &frame))
		return ESRCH;
	begin_writing(c, frame);
	return 0;
}

static void complete_writing(struct h1_conn *c)
{
	uint32_t stream = c->stream;
	void *stream_user = c->stream_user;
	c->writing = H1_WRITE_DONE;
	h1_try_finish(c);
	c->base.events->sent(c->base.user, stream, stream_user);
	h1_tell_end_of_conn(c);
}

static size_t pull_max(const struct h1_conn *c, size_t room)
{
	if (c->framing == H1_CHUNKED)
		return room - CHUNK_FRAME_BYTES;
	return c->framing == H1_LENGTH ? MIN(room, c->send_left_bytes) : room;
}

static size_t put_chunk(struct h1_conn *c, uint8_t *out, struct slice bytes)
{
	static const char hex[] = "0123456789abcdef";
	unsigned digits = 1;
	while (digits < 16 && bytes.bytes >> (4 * digits))
		digits++;
	for (unsigned i = 0; i < digits; i++)
		out[i] = (uint8_t)hex[bytes.bytes >> (4 * (digits - 1 - i)) & 15];
	memcpy(out + digits, "\r\n", 2);
	http_put_run(&c->base, out + digits + 2, bytes);
	memcpy(out + digits + 2 + bytes.bytes, "\r\n", 2);
	return digits + 4 + bytes.bytes;
}

static size_t put_body(struct h1_conn *c, uint8_t *out, struct slice bytes)
{
	if (bytes.bytes == 0)
		return 0;
	if (c->framing == H1_CHUNKED)
		return put_chunk(c, out, bytes);
	http_put_run(&c->base, out, bytes);
	if (c->framing == H1_LENGTH)
		c->send_left_bytes -= bytes.bytes;
	return bytes.bytes;
}

// The body has ended: does it agree with what the head said?
static void end_body(struct h1_conn *c, const struct http_field *trailers, uint32_t count)
{
	c->is_body_over = true;
	if (c->framing == H1_LENGTH && c->send_left_bytes > 0)
		h1_fail(c, (struct http_fault){COUNTER_http_body_length_wrong, 0});
	else if (c->framing == H1_CHUNKED && h1_write_last_chunk(&c->out, trailers, count))
		h1_fail(c, (struct http_fault){COUNTER_http_memory_short, 0});
}

// Pulls one run of the body into out; returns how many bytes out got.
static size_t produce_body(struct h1_conn *c, uint8_t *out, size_t room)
{
	bool is_end = false;
	const struct http_field *trailers = NULL;
	uint32_t trailer_count = 0;
	size_t max = pull_max(c, room);
	c->base.is_lent = false;
	c->is_waiting = true; // unless bytes come, or http_resume is called meanwhile
	struct slice bytes = c->base.events->pull(c->base.user, c->stream, c->stream_user, max,
						  &is_end, &trailers, &trailer_count);
	if (!c->is_live)
		return 0;
	CHECK(bytes.bytes <= max);
	if (bytes.bytes || is_end)
		c->is_waiting = false;
	size_t written = put_body(c, out, bytes);
	if (is_end || (c->framing == H1_LENGTH && c->send_left_bytes == 0))
		end_body(c, trailers, trailer_count);
	return written;
}

size_t h1_produce(struct http_conn *conn, uint8_t *out, size_t room)
{
	struct h1_conn *c = h1_of(conn);
	size_t written = h1_out_take(&c->out, out, room);
	while (c->is_live && c->writing == H1_WRITE_BODY && h1_out_pending(&c->out) == 0) {
		if (c->is_body_over) {
			complete_writing(c);
			break;
		}
		if (room - written < BODY_ROOM_MIN)
			break;
		size_t step = produce_body(c, out + written, room - written);
		step += h1_out_take(&c->out, out + written + step, room - written - step);
		written += step;
		if (step == 0 && !c->is_body_over)
			break;
	}
	if (h1_out_pending(&c->out) == 0 && !c->is_live) {
		h1_out_clear(&c->out);
		h1_drop_idle_memory(c);
	}
	return written;
}
