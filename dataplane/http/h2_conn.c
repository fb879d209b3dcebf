// SPDX-License-Identifier: Apache-2.0
// An HTTP/2 connection behind http.h: its session with nghttp2, its bounds, its end.
#include "h2_priv.h"

#include <arpa/inet.h>

#define OUTBOUND_ACKS_MAX 64u   // answers to SETTINGS and PING that wait to be sent
#define SETTINGS_MAX      32u   // entries of one SETTINGS
#define IDLE_FRAMES_MAX   1024u // frames without use, beyond what useful ones paid for

#define IDLE_FRAME_BYTES 512u // payload without use that counts as a frame more
#define REFILL_PER_S     10u  // frames, and resets, that a second pays for

static const uint8_t notice_ping[8] = "millrace";

void h2_end_streams(struct h2_conn *c, struct http_fault fault)
{
	c->is_dead = true;
	c->is_goaway_due = false;
	while (!list_is_empty(&c->streams))
		h2_stream_fail(c, h2_stream_at(c->streams.next),
			       (struct http_fault){COUNTER_http_conn_lost, 0});
	http_tell_closed(&c->base, fault);
}

void h2_end(struct h2_conn *c, int counter, uint32_t error)
{
	if (c->is_dead)
		return;
	nghttp2_session_terminate_session(c->session, error);
	h2_end_streams(c, http_fault_of(counter, false));
}

static void charge(struct h2_conn *c, uint64_t frames)
{
	c->idle_frames += frames;
	if (c->idle_frames > IDLE_FRAMES_MAX)
		h2_end(c, COUNTER_http_h2_flooded, NGHTTP2_ENHANCE_YOUR_CALM);
}

void h2_note_reset(struct h2_conn *c)
{
	if (!c->base.is_server)
		return;
	h2_note_waste(c, c->scan.frame_bytes);
	if (++c->resets > c->base.limits->reset_budget)
		h2_end(c, COUNTER_http_h2_resets_many, NGHTTP2_ENHANCE_YOUR_CALM);
}

void h2_note_frame(struct h2_conn *c, size_t bytes)
{
	charge(c, 1 + bytes / IDLE_FRAME_BYTES);
}

void h2_note_waste(struct h2_conn *c, size_t bytes)
{
	charge(c, bytes / IDLE_FRAME_BYTES);
}

// What a long-lived connection does now and then (keepalive PINGs, calls given up) is no flood.
static void refill(struct h2_conn *c)
{
	if (!c->base.limits->now_us)
		return;
	uint64_t seconds = (*c->base.limits->now_us - c->refilled_us) / 1000000;
	uint64_t paid = MIN(seconds * REFILL_PER_S, (uint64_t)UINT32_MAX);
	c->refilled_us += seconds * 1000000;
	c->idle_frames -= MIN(paid, c->idle_frames);
	c->resets -= MIN((uint32_t)paid, c->resets);
}

void h2_note_moved(struct h2_conn *c, size_t bytes)
{
	uint64_t credit = 2 + bytes / 1024;
	c->idle_frames -= MIN(credit, c->idle_frames);
}

// nghttp2 has given up and says no more: the last words are ours, unless a frame is half sent.
static void say_goaway(struct h2_conn *c, uint32_t error)
{
	static const uint8_t head[] = {0, 0, 8, NGHTTP2_GOAWAY, 0, 0, 0, 0, 0};
	uint32_t words[] = {htonl(c->past.last), htonl(error)};
	if (c->rest_bytes > 0)
		return;
	memcpy(c->last_words, head, sizeof(head));
	memcpy(c->last_words + sizeof(head), words, sizeof(words));
	c->rest = c->last_words;
	c->rest_bytes = sizeof(c->last_words);
}

static int fault_of_error(ssize_t error)
{
	switch (error) {
	case NGHTTP2_ERR_BAD_CLIENT_MAGIC: return COUNTER_http_h2_preface_bad;
	case NGHTTP2_ERR_FLOODED: return COUNTER_http_h2_flooded;
	case NGHTTP2_ERR_NOMEM: return COUNTER_http_memory_short;
	default: return COUNTER_http_h2_protocol;
	}
}

void h2_drop_idle_memory(struct h2_conn *c)
{
	if (!c->head_memory || c->stream_count || c->head.stream)
		return;
	http_head_give(c->base.limits, c->head_memory, h2_head_memory_bytes(c->base.limits));
	c->head_memory = NULL;
}

void h2_give_up(struct h2_conn *c, ssize_t error)
{
	if (c->is_dead)
		return;
	c->is_broken = true;
	if (error != NGHTTP2_ERR_BAD_CLIENT_MAGIC) // RFC 9113 3.4: it may not speak HTTP/2
		say_goaway(c, error == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM
							   : NGHTTP2_PROTOCOL_ERROR);
	h2_end_streams(c, http_fault_of(fault_of_error(error), false));
}

static size_t h2_receive(struct http_conn *conn, struct slice bytes)
{
	struct h2_conn *c = h2_of(conn);
	if (c->is_inside || c->is_dead || bytes.bytes == 0)
		return 0;
	c->is_inside = true;
	refill(c);
	size_t taken = 0, step = 1;
	while (taken < bytes.bytes && !c->is_dead && step > 0) {
		step = h2_block_receive(c, slice_skip(bytes, taken));
		taken += step;
	}
	c->is_inside = false;
	h2_drop_idle_memory(c);
	return taken;
}

static void h2_receive_end(struct http_conn *conn)
{
	struct h2_conn *c = h2_of(conn);
	if (c->is_dead)
		return;
	c->is_broken = true;
	c->rest_bytes = 0;
	h2_end_streams(c, (struct http_fault){0});
}

static bool h2_wants_to_send(const struct http_conn *conn)
{
	const struct h2_conn *c = (const struct h2_conn *)conn;
	return c->rest_bytes > 0 ||
	       (!c->is_broken && (c->is_goaway_due || nghttp2_session_want_write(c->session)));
}

static void h2_resume(struct http_conn *conn, uint32_t id)
{
	struct h2_conn *c = h2_of(conn);
	struct h2_stream *stream = h2_stream_get(c, id);
	if (!stream || !stream->is_deferred)
		return;
	stream->is_deferred = false;
	h2_crumb_joins(c, stream);
	nghttp2_session_resume_data(c->session, (int32_t)id);
}

static void h2_consume(struct http_conn *conn, uint32_t id, size_t bytes)
{
	struct h2_conn *c = h2_of(conn);
	struct h2_stream *stream = h2_stream_get(c, id);
	if (!stream || c->is_broken)
		return;
	bytes = MIN(bytes, (size_t)stream->unconsumed_bytes);
	stream->unconsumed_bytes -= (uint32_t)bytes;
	nghttp2_session_consume(c->session, (int32_t)id, bytes);
	h2_window_consumed(c, stream, bytes);
}

// RFC 9113 8.1: a server that has answered needs no more of the request, and says so without blame.
static uint32_t reset_error(const struct h2_conn *c, const struct h2_stream *stream)
{
	if (!c->base.is_server)
		return NGHTTP2_CANCEL;
	return stream->is_sent ? NGHTTP2_NO_ERROR : NGHTTP2_INTERNAL_ERROR;
}

static void h2_reset(struct http_conn *conn, uint32_t id, enum http_error wanted)
{
	struct h2_conn *c = h2_of(conn);
	struct h2_stream *stream = h2_stream_get(c, id);
	if (!stream)
		return;
	uint32_t error = wanted ? wanted : reset_error(c, stream);
	if (!stream->is_recv_ended)
		h2_note_unwanted(c, stream->window_bytes);
	h2_stream_free(c, stream);
	nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, (int32_t)id, error);
}

static void h2_set_stream_user(struct http_conn *conn, uint32_t id, void *stream_user)
{
	struct h2_stream *stream = h2_stream_get(h2_of(conn), id);
	if (stream)
		stream->user = stream_user;
}

static void h2_ping(struct http_conn *conn)
{
	struct h2_conn *c = h2_of(conn);
	if (!c->is_dead)
		nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
}

// RFC 9113 6.8: requests may be on their way, so a server first only gives notice; the PING behind
// it tells when the peer has seen it.
static void h2_drain(struct http_conn *conn)
{
	struct h2_conn *c = h2_of(conn);
	if (c->is_draining || c->is_shutdown || c->is_dead)
		return;
	c->is_draining = true;
	nghttp2_submit_shutdown_notice(c->session);
	nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, notice_ping);
}

static void h2_shutdown(struct http_conn *conn)
{
	struct h2_conn *c = h2_of(conn);
	if (c->is_shutdown || c->is_dead)
		return;
	c->is_shutdown = c->is_goaway_due = true;
}

void h2_notice_seen(struct h2_conn *c, const uint8_t words[8])
{
	if (c->is_draining && memcmp(words, notice_ping, sizeof(notice_ping)) == 0)
		h2_shutdown(&c->base);
}

void h2_say_last(struct h2_conn *c)
{
	int32_t last = c->base.is_server ? nghttp2_session_get_last_proc_stream_id(c->session) : 0;
	if (!c->is_goaway_due)
		return;
	c->is_goaway_due = false;
	nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
}

static bool h2_is_done(const struct http_conn *conn)
{
	const struct h2_conn *c = (const struct h2_conn *)conn;
	bool is_ending = c->is_shutdown || c->is_goaway_received;
	return (c->is_dead || (is_ending && c->stream_count == 0)) && !h2_wants_to_send(conn);
}

static bool h2_has_said_all(const struct http_conn *)
{
	return false;
}

static uint32_t h2_stream_count(const struct http_conn *conn)
{
	return ((const struct h2_conn *)conn)->stream_count;
}

static bool h2_can_request(const struct http_conn *conn)
{
	const struct h2_conn *c = (const struct h2_conn *)conn;
	if (conn->is_server || c->is_dead || c->is_shutdown || c->is_goaway_received)
		return false;
	uint32_t peer_max = nghttp2_session_get_remote_settings(
		c->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
	return c->stream_count < MIN(conn->limits->stream_count, peer_max) &&
	       nghttp2_session_check_request_allowed(c->session);
}

static void free_writer(struct h2_conn *c)
{
	if (c->writer)
		hpack_writer_fini(c->writer);
	free(c->writer);
}

static void h2_free(struct http_conn *conn)
{
	struct h2_conn *c = h2_of(conn);
	CHECK(!c->is_inside);
	h2_window_fini(c);
	nghttp2_session_del(c->session);
	h2_text_fini(c);
	h2_block_fini(c);
	hpack_reader_fini(&c->reader);
	free_writer(c);
	for (struct list *link; (link = list_pop(&c->streams));)
		h2_memory_give(c, h2_stream_at(link));
	h2_memory_give(c, c->kept_rest);
	free(c->head_memory);
	free(c);
}

static const struct http_conn_ops h2_ops = {
	.free = h2_free,
	.receive = h2_receive,
	.receive_end = h2_receive_end,
	.produce = h2_produce,
	.wants_to_send = h2_wants_to_send,
	.request = h2_request,
	.respond = h2_respond,
	.resume = h2_resume,
	.consume = h2_consume,
	.reset = h2_reset,
	.set_stream_user = h2_set_stream_user,
	.drain = h2_drain,
	.ping = h2_ping,
	.shutdown = h2_shutdown,
	.is_done = h2_is_done,
	.has_said_all = h2_has_said_all,
	.stream_count = h2_stream_count,
	.can_request = h2_can_request,
};

static nghttp2_option *new_options(void)
{
	nghttp2_option *options;
	if (nghttp2_option_new(&options))
		return NULL;
	nghttp2_option_set_no_auto_window_update(options, 1);
	nghttp2_option_set_no_closed_streams(options, 1);
	nghttp2_option_set_no_http_messaging(options, 1); // h2_check.c instead
	nghttp2_option_set_max_outbound_ack(options, OUTBOUND_ACKS_MAX);
	nghttp2_option_set_user_recv_extension_type(options, H2_PRIORITY_UPDATE);
	nghttp2_option_set_max_settings(options, SETTINGS_MAX);
	// Its own limit of resets reads a clock; ours (h2_note_reset) is exact and counts more.
	nghttp2_option_set_stream_reset_rate_limit(options, 1ull << 40, 1);
	return options;
}

static int new_session(struct h2_conn *c, bool is_server)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *options = new_options();
	nghttp2_mem memory = h2_memory_of(c);
	nghttp2_session *session = NULL;
	int error = NGHTTP2_ERR_NOMEM;
	if (options && nghttp2_session_callbacks_new(&callbacks) == 0) {
		h2_set_read_callbacks(callbacks);
		h2_set_send_callbacks(callbacks);
		error = (is_server ? nghttp2_session_server_new3 : nghttp2_session_client_new3)(
			&session, callbacks, c, options, &memory);
	}
	c->session = session;
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(options);
	return error;
}

static int submit_settings(struct h2_conn *c, bool is_server, const struct http_limits *limits)
{
	nghttp2_settings_entry entries[] = {
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window_bytes},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->head_bytes},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->stream_count},
		{is_server ? NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL
			   : NGHTTP2_SETTINGS_ENABLE_PUSH,
		 is_server},
		// RFC 9218 2.1. Not a client: nghttp2 would send its requests' bodies one after
		// another, and they are many users'.
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};
	size_t count = ARRAY_LEN(entries) - !is_server;
	if (nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, entries, count))
		return NGHTTP2_ERR_NOMEM;
	return nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
						     (int32_t)limits->conn_window_bytes);
}

struct http_conn *h2_conn_new(bool is_server, const struct http_limits *limits)
{
	CHECK(limits->stream_count > 0 && limits->stream_window_bytes <= INT32_MAX &&
	      limits->conn_window_bytes <= INT32_MAX);
	struct h2_conn *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->base.ops = &h2_ops;
	c->base.limits = limits;
	c->base.is_server = is_server;
	c->refilled_us = limits->now_us ? *limits->now_us : 0;
	c->scan.skip_bytes = is_server ? NGHTTP2_CLIENT_MAGIC_LEN : 0;
	list_init(&c->streams);
	hpack_reader_init(&c->reader, h2_hpack_memory(c));
	// Between nodes: many users' heads, which are alike. Without a slab no head waits for it.
	if (limits->slab && (!is_server || limits->is_shared)) {
		c->writer = malloc(sizeof(*c->writer));
		if (c->writer)
			hpack_writer_init(c->writer, h2_hpack_memory(c));
	}
	if (new_session(c, is_server) || submit_settings(c, is_server, limits)) {
		nghttp2_session_del(c->session);
		free_writer(c);
		free(c);
		return NULL;
	}
	return &c->base;
}
