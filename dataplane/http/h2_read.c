// SPDX-License-Identifier: Apache-2.0
// nghttp2's reading callbacks: frames to heads, bodies, ends and resets. What RFC 9113 section 8
// asks (names, pseudo fields, lengths) is checked by h2_check.c; on top of it come the rules that
// both versions share (http_rules.h), targets, and our bounds.
#include "h2_priv.h"

#include "http_field.h"
#include "http_uri.h"

#define EMPTY_WEIGHT 4u // a size of the table is a byte or three, and works like a frame

void h2_count_unheard(struct h2_conn *c, int counter)
{
	if (c->base.limits->counters)
		counter_inc(c->base.limits->counters, (enum counter)counter);
}

// A head has begun, and may be whole, when nghttp2 tells of it (h2_block.c).
static int on_begin_headers(nghttp2_session *, const nghttp2_frame *frame, void *user)
{
	struct h2_conn *c = user;
	if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		h2_past_opened(c, (uint32_t)frame->hd.stream_id);
	if (c->head_memory && c->head.stream == frame->hd.stream_id)
		return 0;
	if (!c->head_memory)
		h2_count_unheard(c, COUNTER_http_memory_short);
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

// RFC 9113 8.3.1, where nghttp2 leaves off.
static int check_target(const struct h2_conn *c, struct http_message *m)
{
	struct http_uri uri;
	if (m->protocol.bytes && !slice_equal(m->protocol, SLICE("websocket")))
		return COUNTER_http_upgrade_unsupported;
	if (m->method == HTTP_CONNECT && !m->protocol.bytes)
		return http_uri_parse(m->authority, HTTP_CONNECT, &uri) ? 0 : COUNTER_http_host_bad;
	if (m->target.bytes > c->base.limits->target_bytes)
		return COUNTER_http_target_too_long;
	if (!slice_equal(m->scheme, SLICE("http")) && !slice_equal(m->scheme, SLICE("https")))
		return COUNTER_http_target_bad;
	enum http_method method = m->protocol.bytes ? HTTP_GET : m->method;
	if (!http_uri_parse(m->target, method, &uri) || uri.form == HTTP_TARGET_ABSOLUTE)
		return COUNTER_http_target_bad;
	bool is_named = m->authority.bytes > 0;
	return is_named && !http_authority_is_valid(m->authority) ? COUNTER_http_host_bad : 0;
}

static int check_request(struct h2_conn *c)
{
	struct http_hop hop;
	int fault = c->head.fault;
	if (!fault)
		fault = http_rules_apply(&c->head.message, &hop);
	bool is_framed = c->head.message.content_length != HTTP_LENGTH_NONE;
	return !fault && is_framed && c->head.message.protocol.bytes ? COUNTER_http_upgrade_bad
								     : fault;
}

static void on_request(struct h2_conn *c, int32_t id, bool is_end)
{
	const struct http_message *m = &c->head.message;
	int fault = check_request(c);
	if (fault) {
		h2_refuse(c, id, fault);
		return;
	}
	struct h2_stream *stream = h2_stream_new(c, (uint32_t)id);
	if (!stream) {
		h2_count_unheard(c, COUNTER_http_h2_streams_full);
		nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, id,
					  NGHTTP2_REFUSED_STREAM);
		h2_note_reset(c);
		return;
	}
	nghttp2_session_set_stream_user_data(c->session, id, stream);
	stream->is_head_request = m->method == HTTP_HEAD;
	stream->is_head_received = true;
	stream->content_length = m->content_length;
	stream->is_recv_ended = is_end;
	stream->head_bytes = c->scan.frame_bytes;
	h2_priority_begin(c, stream, m);
	c->base.events->head(c->base.user, stream->id, stream->user, m, is_end);
}

// RFC 9110 9.3.6: a tunnel has no length, whatever is said of one.
static void drop_lengths(struct http_message *m)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < m->field_count; i++)
		if (http_field_kind_of(m->fields[i].name) != HTTP_FIELD_LENGTH)
			m->fields[kept++] = m->fields[i];
	m->field_count = kept;
}

static int check_response(struct h2_conn *c, const struct h2_stream *stream)
{
	struct http_message *m = &c->head.message;
	struct http_hop hop;
	if (c->head.fault)
		return c->head.fault;
	if (m->status < 100 || m->status > 599)
		return COUNTER_http_status_bad;
	if (stream->is_tunnel && m->status / 100 == 2)
		drop_lengths(m);
	int fault = http_rules_apply(m, &hop);
	if (m->status == 204)
		m->content_length = HTTP_LENGTH_NONE; // it was 0, or h2_check.c refused it
	return fault;
}

// body_length is how long a response's body has to be, HTTP_LENGTH_NONE: it tells by its end.
static uint64_t body_length(const struct h2_stream *stream, const struct http_message *m)
{
	if (stream->is_head_request || m->status == 204 || m->status == 304)
		return 0;
	return stream->is_tunnel ? HTTP_LENGTH_NONE : m->content_length;
}

static void on_response(struct h2_conn *c, struct h2_stream *stream, bool is_end)
{
	const struct http_message *m = &c->head.message;
	int fault = check_response(c, stream);
	if (fault) {
		nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, (int32_t)stream->id,
					  NGHTTP2_PROTOCOL_ERROR);
		h2_stream_fail(c, stream, http_fault_of(fault, true));
		return;
	}
	stream->is_head_received = m->status >= 200;
	stream->content_length = body_length(stream, m);
	stream->is_recv_ended = is_end;
	c->base.events->head(c->base.user, stream->id, stream->user, m, is_end);
}

static void on_trailers(struct h2_conn *c, struct h2_stream *stream)
{
	struct h2_head *head = &c->head;
	if (!head->fault)
		head->fault = http_rules_trailers(head->fields, &head->message.field_count);
	if (head->fault) {
		struct http_fault fault = http_fault_of(head->fault, !c->base.is_server);
		nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, (int32_t)stream->id,
					  NGHTTP2_PROTOCOL_ERROR);
		h2_stream_fail(c, stream, fault);
		h2_note_reset(c);
		return;
	}
	stream->is_recv_ended = true;
	c->base.events->end(c->base.user, stream->id, stream->user, head->fields,
			    head->message.field_count);
}

// What of a block became no field: sizes of the table, of which any number may begin it (RFC 7541
// 4.2), and padding.
static void note_empty_bytes(struct h2_conn *c)
{
	uint32_t bytes = c->scan.frame_bytes;
	h2_note_waste(c, (size_t)EMPTY_WEIGHT * (bytes - MIN(bytes, c->head.list_bytes)));
}

static void on_headers(struct h2_conn *c, const nghttp2_frame *frame)
{
	note_empty_bytes(c);
	if (c->is_dead)
		return;
	bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	bool is_request = c->base.is_server && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
	struct h2_stream *stream =
		is_request ? NULL : h2_stream_get(c, (uint32_t)frame->hd.stream_id);
	if (is_request)
		on_request(c, frame->hd.stream_id, is_end);
	else if (stream && !stream->is_head_received)
		on_response(c, stream, is_end);
	else if (stream)
		on_trailers(c, stream);
	c->head.stream = 0;
}

static void on_end(struct h2_conn *c, int32_t id)
{
	struct h2_stream *stream = h2_stream_get(c, (uint32_t)id);
	if (!stream)
		return;
	stream->is_recv_ended = true;
	c->base.events->end(c->base.user, stream->id, stream->user, NULL, 0);
}

// first_above is a stream with a higher number than last, or NULL.
static struct h2_stream *first_above(struct h2_conn *c, uint32_t last)
{
	struct list *link;
	list_for_each (link, &c->streams)
		if (h2_stream_at(link)->id > last)
			return h2_stream_at(link);
	return NULL;
}

static void on_goaway(struct h2_conn *c, const nghttp2_goaway *goaway)
{
	c->is_goaway_received = true;
	if (goaway->error_code == NGHTTP2_NO_ERROR) {
		http_tell_closed(&c->base, (struct http_fault){0});
		return;
	}
	struct h2_stream *stream;
	while (!c->base.is_server && (stream = first_above(c, (uint32_t)goaway->last_stream_id)))
		h2_stream_fail(c, stream,
			       (struct http_fault){COUNTER_http_h2_refused_by_peer, 503});
	h2_end_streams(c, http_fault_of(COUNTER_http_h2_goaway_by_peer, false));
}

static void on_ping_ack(struct h2_conn *c, const uint8_t words[8])
{
	if (memcmp(words, h2_window_ping, 8) == 0) {
		h2_window_turned(c);
		return;
	}
	if (memcmp(words, h2_crumb_ping, 8) == 0) {
		h2_crumb_turned(c);
		return;
	}
	h2_notice_seen(c, words);
}

// The peer's last frame on a stream.
static void note_end(struct h2_conn *c, const nghttp2_frame *frame)
{
	bool is_message = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
	if (frame->hd.type == NGHTTP2_RST_STREAM ||
	    (is_message && frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		h2_past_ended(c, (uint32_t)frame->hd.stream_id);
}

// forget_message ends what a stream's reset, which is on its way, is about.
static void forget_message(struct h2_conn *c, int32_t id, int counter)
{
	c->head.stream = 0;
	struct h2_stream *stream = h2_stream_get(c, (uint32_t)id);
	if (stream)
		h2_stream_fail(c, stream, http_fault_of(counter, !c->base.is_server));
	else
		h2_count_unheard(c, counter);
	h2_note_reset(c);
}

// Also one that ends before the final response began (RFC 9113 8.1).
static bool is_ended_short(const struct h2_stream *stream)
{
	if (!stream)
		return false;
	return !stream->is_head_received || (stream->content_length != HTTP_LENGTH_NONE &&
					     stream->received_bytes != stream->content_length);
}

// check_answer is check_head of a response.
static int check_answer(const struct h2_head *head, const struct h2_stream *stream, bool is_end)
{
	uint64_t length = head->seen.content_length;
	bool is_final = head->message.status >= 200;
	bool is_bodyless = stream->is_head_request || stream->is_tunnel ||
			   head->message.status == 304 || length == HTTP_LENGTH_NONE;
	bool is_short = is_end && (!is_final || (!is_bodyless && length > 0));
	return h2_check_has_status(&head->seen) && !is_short ? 0 : COUNTER_http_h2_malformed;
}

// check_head is what RFC 9113 8 says of a whole head, or trailers; 0: nothing.
static int check_head(struct h2_conn *c, const nghttp2_frame *frame)
{
	struct h2_head *head = &c->head;
	bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	struct h2_stream *stream = h2_stream_get(c, (uint32_t)frame->hd.stream_id);
	if (!c->base.is_server && !stream) // we have reset it
		return 0;
	if (head->broken)
		return head->broken;
	if (stream && !stream->is_head_received) {
		bool is_cut = head->fault == COUNTER_http_head_too_large;
		return is_cut ? 0 : check_answer(head, stream, is_end);
	}
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return is_end && !is_ended_short(stream) ? 0 : COUNTER_http_h2_malformed;
	if (head->fault == COUNTER_http_head_too_large) // not all of it is here
		return 0;
	int broken = h2_check_request(&head->seen, &head->message, is_end);
	if (!broken && !head->fault)
		head->fault = check_target(c, &head->message);
	if (!broken && head->fault && !h2_check_is_text(&head->message))
		broken = COUNTER_http_h2_malformed;
	return broken;
}

// is_broken resets the stream of a message that is none (RFC 9113 8.1.1).
static bool is_broken(struct h2_conn *c, const nghttp2_frame *frame)
{
	int32_t id = frame->hd.stream_id;
	if (frame->hd.type == NGHTTP2_HEADERS) {
		int broken = check_head(c, frame);
		if (!broken)
			return false;
		nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, id,
					  NGHTTP2_PROTOCOL_ERROR);
		forget_message(c, id, broken);
		return true;
	}
	bool is_end = frame->hd.type == NGHTTP2_DATA && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	if (!is_end || !is_ended_short(h2_stream_get(c, (uint32_t)id)))
		return false;
	nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_PROTOCOL_ERROR);
	return true;
}

// nghttp2 says what becomes of its own table, and of ours, at the beginning of the next block (RFC
// 7541 4.2).
static void note_table_size(struct h2_conn *c, const nghttp2_settings *settings)
{
	for (size_t i = 0; c->writer && i < settings->niv; i++)
		if (settings->iv[i].settings_id == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE)
			hpack_table_limit(&c->writer->table,
					  MIN(settings->iv[i].value, HPACK_TABLE_BYTES));
}

static int on_frame_recv(nghttp2_session *, const nghttp2_frame *frame, void *user)
{
	struct h2_conn *c = user;
	if (c->is_dead || is_broken(c, frame))
		return 0;
	note_end(c, frame);
	struct h2_stream *stream;
	switch (frame->hd.type) {
	case NGHTTP2_HEADERS: on_headers(c, frame); break;
	case NGHTTP2_DATA:
		if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			on_end(c, frame->hd.stream_id);
		break;
	case NGHTTP2_RST_STREAM:
		stream = h2_stream_get(c, (uint32_t)frame->hd.stream_id);
		if (stream) {
			stream->is_reset_by_peer = true;
			h2_note_waste(c, stream->head_bytes);
		}
		h2_note_reset(c);
		break;
	case H2_PRIORITY_UPDATE: h2_priority_update(c, &frame->hd); break;
	case NGHTTP2_GOAWAY: on_goaway(c, &frame->goaway); break;
	case NGHTTP2_PING:
		if (frame->hd.flags & NGHTTP2_FLAG_ACK)
			on_ping_ack(c, frame->ping.opaque_data);
		break;
	case NGHTTP2_WINDOW_UPDATE:
		h2_crumb_window(c, frame->hd.stream_id,
				(uint32_t)frame->window_update.window_size_increment);
		break;
	case NGHTTP2_SETTINGS:
		c->is_settled = true;
		note_table_size(c, &frame->settings);
		h2_past_settings_end(c);
		break;
	default: break;
	}
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t, int32_t id, const uint8_t *bytes,
		   size_t count, void *user)
{
	struct h2_conn *c = user;
	struct h2_stream *stream = h2_stream_get(c, (uint32_t)id);
	if (!stream) {
		nghttp2_session_consume(session, id, count);
		return 0;
	}
	bool is_long = count > stream->content_length - stream->received_bytes;
	if (!stream->is_head_received || is_long) {
		nghttp2_session_consume_connection(session, count);
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_PROTOCOL_ERROR);
		return 0;
	}
	h2_note_moved(c, count);
	stream->unconsumed_bytes += (uint32_t)count;
	stream->received_bytes += count;
	c->base.events->body(c->base.user, stream->id, stream->user, slice_of(bytes, count));
	return 0;
}

static int on_update_chunk(nghttp2_session *, const nghttp2_frame_hd *, const uint8_t *bytes,
			   size_t count, void *user)
{
	h2_priority_chunk(user, slice_of(bytes, count));
	return 0;
}

static int on_update(nghttp2_session *, void **, const nghttp2_frame_hd *, void *)
{
	return 0; // on_frame_recv follows
}

// nghttp2 refuses one stream (it is reset), or the connection (GOAWAY follows).
static int on_invalid_frame(nghttp2_session *, const nghttp2_frame *frame, int error, void *user)
{
	struct h2_conn *c = user;
	if (!c->is_dead && error == NGHTTP2_ERR_REFUSED_STREAM)
		forget_message(c, frame->hd.stream_id, COUNTER_http_h2_streams_full);
	return 0;
}

static struct http_fault fault_of_close(const struct h2_conn *c, const struct h2_stream *stream,
					uint32_t error)
{
	bool is_length_known = stream->content_length != HTTP_LENGTH_NONE;
	if (error == NGHTTP2_REFUSED_STREAM)
		return (struct http_fault){COUNTER_http_h2_refused_by_peer, 503, error};
	if (stream->is_reset_by_peer) {
		struct http_fault fault =
			http_fault_of(COUNTER_http_h2_reset_by_peer, !c->base.is_server);
		fault.error = error;
		return fault;
	}
	if (is_length_known && stream->received_bytes != stream->content_length)
		return http_fault_of(COUNTER_http_length_mismatch, !c->base.is_server);
	return http_fault_of(COUNTER_http_h2_malformed, !c->base.is_server);
}

static int on_stream_close(nghttp2_session *, int32_t id, uint32_t error, void *user)
{
	struct h2_conn *c = user;
	struct h2_stream *stream = h2_stream_get(c, (uint32_t)id);
	if (!stream)
		return 0;
	if (stream->is_recv_ended && stream->is_sent) {
		c->resets -= c->resets > 0;
		h2_note_moved(c, 8192);
		h2_stream_closed(c, stream);
		return 0;
	}
	// RFC 9113 8.1: a server that answered may stop the request; the answer counts.
	if (!c->base.is_server && stream->is_recv_ended && error == NGHTTP2_NO_ERROR) {
		void *stream_user = stream->user;
		h2_stream_free(c, stream);
		c->base.events->sent(c->base.user, (uint32_t)id, stream_user);
		return 0;
	}
	if (!stream->is_reset_by_peer)
		h2_note_reset(c);
	if (h2_stream_get(c, (uint32_t)id)) // unless that ended the connection
		h2_stream_fail(c, stream, fault_of_close(c, stream, error));
	return 0;
}

void h2_set_read_callbacks(nghttp2_session_callbacks *callbacks)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
	nghttp2_session_callbacks_set_on_extension_chunk_recv_callback(callbacks, on_update_chunk);
	nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, on_update);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
