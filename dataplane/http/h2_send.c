// SPDX-License-Identifier: Apache-2.0
// The writing side of an HTTP/2 connection: heads to nghttp2, bodies pulled straight into the
// owner's buffer behind the frame head that nghttp2 wrote.
#include "h2_priv.h"

#include "http_field.h"

#include <errno.h>

#define ROOM_MIN        64u // less room is left for the next call
#define HEAD_FIELDS_MAX (HTTP_FIELDS_MAX + 32u)

// A head on its way to nghttp2. head_begin leaves the fields alone: zeroing them
// costs more than the rest of a small answer's head.
struct head_out {
	struct h2_conn *conn;
	size_t count;
	uint8_t status_text[H2_STATUS_BYTES];
	char length_text[DECIMAL_BYTES_MAX];
	bool is_full; // something did not fit
	nghttp2_nv fields[HEAD_FIELDS_MAX];
};

static void head_begin(struct head_out *head, struct h2_conn *conn)
{
	head->conn = conn;
	head->count = 0;
	head->is_full = false;
}

// Names are lower case already (http.h): nghttp2 takes those that are not to be copied as they are.
// It enters none into HPACK's table where that is ours (h2_fields.c).
static void add(struct head_out *head, struct slice name, struct slice value)
{
	if (head->count == HEAD_FIELDS_MAX) {
		head->is_full = true;
		return;
	}
	uint8_t flags = head->conn->writer ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
	uint8_t *text = h2_text_take(head->conn, name.bytes + value.bytes);
	if (text) {
		memcpy(text, name.at, name.bytes);
		if (value.bytes)
			memcpy(text + name.bytes, value.at, value.bytes);
		head->fields[head->count++] = (nghttp2_nv){
			text, text + name.bytes, name.bytes, value.bytes,
			flags | NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
		return;
	}
	// nghttp2 takes uint8_t * and does not write
	head->fields[head->count++] = (nghttp2_nv){
		(uint8_t *)(uintptr_t)name.at,
		(uint8_t *)(uintptr_t)value.at,
		name.bytes,
		value.bytes,
		flags,
	};
}

static void add_fields(struct head_out *head, const struct http_field *fields, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (h2_field_is_said(&fields[i]))
			add(head, fields[i].name, fields[i].value);
}

struct slice h2_length_text(uint64_t length, char digits[DECIMAL_BYTES_MAX])
{
	return slice_of(digits, (size_t)(decimal_write(digits, length) - digits));
}

static void add_length(struct head_out *head, uint64_t length)
{
	add(head, SLICE("content-length"), h2_length_text(length, head->length_text));
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *, size_t length,
		       uint32_t *flags, nghttp2_data_source *, void *user)
{
	struct h2_conn *c = user;
	struct h2_stream *stream = h2_stream_get(c, (uint32_t)id);
	size_t room = c->out_room - c->out_used;
	if (!stream || room <= H2_FRAME_HEAD_BYTES || h2_crumb_waits(c, stream, length))
		return NGHTTP2_ERR_DEFERRED;
	bool is_end = false;
	const struct http_field *trailers = NULL;
	uint32_t trailer_count = 0;
	size_t max = MIN(length, room - H2_FRAME_HEAD_BYTES);
	c->base.is_lent = false;
	c->pulled = c->base.events->pull(c->base.user, stream->id, stream->user, max, &is_end,
					 &trailers, &trailer_count);
	CHECK(c->pulled.bytes <= max);
	stream = h2_stream_get(c, (uint32_t)id); // pull may have reset it
	if (!stream || (c->pulled.bytes == 0 && !is_end)) {
		if (stream)
			stream->is_deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	h2_crumb_served(c, stream, c->pulled.bytes);
	stream->is_spent = c->pulled.bytes == length && length < H2_FRAME_BYTES;
	c->is_dribble = stream->is_spent && length < H2_CRUMB_BYTES;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (!is_end)
		return (ssize_t)c->pulled.bytes;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	struct head_out head;
	head_begin(&head, c);
	add_fields(&head, trailers, trailer_count);
	if (head.count && nghttp2_submit_trailer(session, id, head.fields, head.count) == 0)
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	return (ssize_t)c->pulled.bytes;
}

static int on_send_data(nghttp2_session *, nghttp2_frame *frame, const uint8_t *frame_head,
			size_t length, nghttp2_data_source *, void *user)
{
	struct h2_conn *c = user;
	CHECK(frame->data.padlen == 0 && length == c->pulled.bytes);
	CHECK(c->out_room - c->out_used >= H2_FRAME_HEAD_BYTES + length);
	memcpy(c->out + c->out_used, frame_head, H2_FRAME_HEAD_BYTES);
	http_put_run(&c->base, c->out + c->out_used + H2_FRAME_HEAD_BYTES, c->pulled);
	c->out_used += H2_FRAME_HEAD_BYTES + length;
	c->pulled = (struct slice){0};
	// The next frame in the same call, where it finds room.
	return c->out_room - c->out_used >= ROOM_MIN ? 0 : NGHTTP2_ERR_PAUSE;
}

// The last frame of a message has left.
static void on_last_frame(struct h2_conn *c, int32_t id)
{
	struct h2_stream *stream = h2_stream_get(c, (uint32_t)id);
	if (stream) {
		stream->is_sent = true;
		c->base.events->sent(c->base.user, stream->id, stream->user);
		return;
	}
	// Refused by ourselves (h2_refuse): the rest of the request is not wanted.
	if (c->base.is_server && nghttp2_session_get_stream_remote_close(c->session, id) == 0)
		nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
}

static int on_frame_send(nghttp2_session *, const nghttp2_frame *frame, void *user)
{
	struct h2_conn *c = user;
	if (frame->hd.type == NGHTTP2_DATA) {
		h2_crumb_sent(c, frame->hd.length);
		if (!c->is_dribble) // who makes us send crumbs pays for its frames
			h2_note_moved(c, frame->hd.length);
	}
	bool is_message = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
	if (is_message && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		on_last_frame(c, frame->hd.stream_id);
	bool is_fatal =
		frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR;
	if (is_fatal && !c->is_dead)
		h2_end_streams(c, http_fault_of(COUNTER_http_h2_protocol, false));
	return 0;
}

// A request that could not be sent any more, after GOAWAY.
static int on_frame_not_send(nghttp2_session *, const nghttp2_frame *frame, int, void *user)
{
	struct h2_conn *c = user;
	if (frame->hd.type != NGHTTP2_HEADERS || c->base.is_server)
		return 0;
	struct h2_stream *stream = h2_stream_get(c, (uint32_t)frame->hd.stream_id);
	if (stream)
		h2_stream_fail(c, stream,
			       (struct http_fault){COUNTER_http_h2_refused_by_peer, 503});
	return 0;
}

void h2_set_send_callbacks(nghttp2_session_callbacks *callbacks)
{
	nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
	nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, h2_fields_due);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
}

// RFC 8441 3: a peer says whether it takes tunnels. One that has not spoken yet is asked: our own
// nodes do, and another one resets the stream.
static bool h2_refuses_tunnels(const struct h2_conn *c)
{
	return c->is_settled && !nghttp2_session_get_remote_settings(
					c->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL);
}

// add_request adds all of a request's head.
static void add_request(struct head_out *head, const struct http_message *m, bool has_length)
{
	add(head, SLICE(":method"), m->method_text);
	bool is_tunnel = m->protocol.bytes > 0;
	if (is_tunnel)
		add(head, SLICE(":protocol"), m->protocol);
	if (m->method != HTTP_CONNECT || is_tunnel) {
		add(head, SLICE(":scheme"), m->scheme.bytes ? m->scheme : SLICE("https"));
		add(head, SLICE(":path"), m->target);
	}
	add(head, SLICE(":authority"), m->authority);
	if (m->expects_continue)
		add(head, SLICE("expect"), SLICE("100-continue"));
	add_fields(head, m->fields, m->field_count);
	if (has_length)
		add_length(head, m->content_length);
}

int h2_request(struct http_conn *conn, const struct http_message *m, bool has_body,
	       void *stream_user, uint32_t *id)
{
	struct h2_conn *c = h2_of(conn);
	if (c->is_dead || c->is_shutdown || c->is_goaway_received)
		return EPIPE;
	if (!http_can_request(conn))
		return EBUSY;
	if (m->protocol.bytes && h2_refuses_tunnels(c))
		return EPROTONOSUPPORT;
	struct head_out head;
	head_begin(&head, c);
	bool has_length = has_body && m->content_length != HTTP_LENGTH_NONE;
	if (h2_fields_wait_request(c, m, has_length, head.fields))
		head.count = 1;
	else
		add_request(&head, m, has_length);
	uint32_t next = nghttp2_session_get_next_stream_id(c->session);
	struct h2_stream *stream = head.is_full ? NULL : h2_stream_new(c, next);
	if (!stream)
		return EBUSY;
	stream->user = stream_user;
	stream->is_head_request = m->method == HTTP_HEAD;
	stream->is_tunnel = m->protocol.bytes > 0;
	nghttp2_data_provider body = {.read_callback = on_read};
	int32_t taken = nghttp2_submit_request(c->session, NULL, head.fields, head.count,
					       has_body ? &body : NULL, stream);
	if (taken != (int32_t)next) {
		h2_stream_free(c, stream);
		return EPIPE;
	}
	*id = next;
	return 0;
}

void h2_status_text(uint16_t status, uint8_t text[H2_STATUS_BYTES])
{
	text[0] = (uint8_t)('0' + status / 100);
	text[1] = (uint8_t)('0' + status / 10 % 10);
	text[2] = (uint8_t)('0' + status % 10);
}

// What a final response says of its length: HEAD and 304 tell that of the body they have not.
static bool has_length(const struct h2_stream *stream, const struct http_message *m, bool has_body)
{
	bool is_told =
		has_body || stream->is_head_request || m->status == 304 || m->content_length == 0;
	return is_told && m->content_length != HTTP_LENGTH_NONE && m->status != 204;
}

// add_response adds all of a response's head.
static void add_response(struct head_out *head, const struct http_message *m, bool has_length)
{
	h2_status_text(m->status, head->status_text);
	add(head, SLICE(":status"), slice_of(head->status_text, sizeof(head->status_text)));
	add_fields(head, m->fields, m->field_count);
	if (has_length)
		add_length(head, m->content_length);
}

static int say_interim(struct h2_conn *c, uint32_t id, const struct http_message *m)
{
	struct head_out head;
	head_begin(&head, c);
	add_response(&head, m, false);
	return nghttp2_submit_headers(c->session, NGHTTP2_FLAG_NONE, (int32_t)id, NULL, head.fields,
				      head.count, NULL);
}

int h2_respond(struct http_conn *conn, uint32_t id, const struct http_message *m, bool has_body)
{
	struct h2_conn *c = h2_of(conn);
	struct h2_stream *stream = h2_stream_get(c, id);
	if (!stream || stream->is_answered)
		return ESRCH;
	if (m->status < 200)
		return say_interim(c, id, m) ? ESRCH : 0;
	if (stream->is_head_request || m->status == 204 || m->status == 304)
		has_body = false;
	struct head_out head;
	head_begin(&head, c);
	bool is_length_said = has_length(stream, m, has_body);
	if (h2_fields_wait(c, m, is_length_said, head.fields))
		head.count = 1;
	else
		add_response(&head, m, is_length_said);
	nghttp2_data_provider body = {.read_callback = on_read};
	h2_priority_answer(c, stream, m);
	int error = nghttp2_submit_response(c->session, (int32_t)id, head.fields, head.count,
					    has_body ? &body : NULL);
	stream->is_answered = error == 0;
	return error || head.is_full ? ESRCH : 0;
}

// Moves what fits of the frame that nghttp2 lent.
static void put_rest(struct h2_conn *c)
{
	size_t bytes = MIN(c->rest_bytes, c->out_room - c->out_used);
	if (bytes == 0)
		return;
	memcpy(c->out + c->out_used, c->rest, bytes);
	c->out_used += bytes;
	c->rest += bytes;
	c->rest_bytes -= bytes;
}

// lose_rest ends the connection: half a frame was said, and there is no memory for the other half.
static void lose_rest(struct h2_conn *c)
{
	c->rest_bytes = 0;
	c->is_broken = true;
	if (!c->is_dead)
		h2_end_streams(c, http_fault_of(COUNTER_http_memory_short, false));
}

// join_fields puts a response's fields behind its frame: in the output, or where the rest of it
// waits for more.
static void join_fields(struct h2_conn *c)
{
	size_t bytes = c->rest_bytes + c->fields.bytes;
	if (bytes <= c->out_room - c->out_used) {
		h2_fields_join(c, c->out + c->out_used);
		c->out_used += bytes;
		c->rest_bytes = 0;
		return;
	}
	h2_memory_give(c, c->kept_rest); // nothing of it is left
	c->kept_rest = h2_memory_take(c, bytes);
	if (!c->kept_rest) {
		lose_rest(c);
		return;
	}
	h2_fields_join(c, c->kept_rest);
	c->rest = c->kept_rest;
	c->rest_bytes = bytes;
}

// Asks nghttp2 for one frame; false when it has none.
static bool send_frame(struct h2_conn *c)
{
	size_t before = c->out_used;
	ssize_t bytes = nghttp2_session_mem_send(c->session, &c->rest);
	if (bytes < 0) {
		c->is_broken = true;
		if (!c->is_dead)
			h2_end_streams(c, http_fault_of(COUNTER_http_memory_short, false));
		return false;
	}
	c->rest_bytes = (size_t)bytes;
	if (c->fields.bytes)
		join_fields(c);
	put_rest(c);
	return c->out_used > before;
}

// keep_rest moves what is left of a frame out of the room that others write to next.
static void keep_rest(struct h2_conn *c)
{
	const struct http_frame_room *frames = c->base.limits->frame_room;
	bool is_lent =
		frames && c->rest >= frames->bytes && c->rest < frames->bytes + HTTP_FRAME_ROOM;
	if (c->rest_bytes > 0 && !is_lent)
		return;
	h2_memory_give(c, c->kept_rest);
	c->kept_rest = c->rest_bytes ? h2_memory_take(c, c->rest_bytes) : NULL;
	if (c->rest_bytes == 0)
		return;
	if (c->kept_rest) {
		c->rest = memcpy(c->kept_rest, c->rest, c->rest_bytes);
		return;
	}
	lose_rest(c);
}

size_t h2_produce(struct http_conn *conn, uint8_t *out, size_t room)
{
	struct h2_conn *c = h2_of(conn);
	if (c->is_inside)
		return 0;
	struct http_frame_room *frames = c->base.limits->frame_room;
	if (frames) {
		CHECK(!frames->is_used);
		frames->is_used = true;
	}
	c->is_inside = true;
	c->out = out;
	c->out_room = room;
	c->out_used = 0;
	put_rest(c);
	h2_say_last(c);
	while (c->rest_bytes == 0 && !c->is_broken && room - c->out_used >= ROOM_MIN &&
	       send_frame(c)) {
	}
	h2_text_written(c);
	if (c->rest_bytes || c->kept_rest)
		keep_rest(c);
	if (frames)
		frames->is_used = false;
	h2_drop_idle_memory(c);
	c->out = NULL;
	c->is_inside = false;
	return c->out_used;
}
