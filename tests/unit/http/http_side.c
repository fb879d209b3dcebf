// SPDX-License-Identifier: Apache-2.0
// One end of an HTTP connection for tests; see http_side.h.
#include "http_side.h"

#include <stdlib.h>

static uint8_t pattern_byte(uint64_t offset)
{
	return (uint8_t)('A' + offset % 61 % 26 + offset / 4093 % 7);
}

static struct call *side_call(struct side *side, uint32_t stream)
{
	for (uint32_t i = side->call_count; i > 0; i--)
		if (side->calls[i - 1].stream == stream)
			return &side->calls[i - 1];
	CHECK(side->call_count < SIDE_CALLS);
	struct call *call = &side->calls[side->call_count++];
	*call = (struct call){.stream = stream, .is_live = true};
	return call;
}

static void side_print(char *to, size_t room, struct slice text)
{
	snprintf(to, room, "%.*s", (int)text.bytes, text.at ? text.at : "");
}

static void side_print_fields(char *to, size_t room, const struct http_field *fields,
			      uint32_t count)
{
	size_t used = 0;
	to[0] = 0;
	for (uint32_t i = 0; i < count && used < room; i++)
		used += (size_t)snprintf(to + used, room - used, "%.*s=%.*s;",
					 (int)fields[i].name.bytes, fields[i].name.at,
					 (int)fields[i].value.bytes, fields[i].value.at);
}

static void side_on_head(void *user, uint32_t stream, void *, const struct http_message *m,
			 bool is_end)
{
	struct side *side = user;
	struct call *call = side_call(side, stream);
	if (m->status && m->status < 200) {
		call->interim_count++;
		return;
	}
	CHECK(!call->has_head);
	call->has_head = true;
	call->is_head_end = is_end;
	call->status = m->status;
	call->method = m->method;
	call->content_length = m->content_length;
	call->expects_continue = m->expects_continue;
	call->has_upgrade = m->has_upgrade;
	side_print(call->target, sizeof(call->target), m->target);
	side_print(call->authority, sizeof(call->authority), m->authority);
	side_print(call->scheme, sizeof(call->scheme), m->scheme);
	side_print_fields(call->fields, sizeof(call->fields), m->fields, m->field_count);
	if (!m->status && side->answer)
		side->answer(side, call);
	if (is_end && side->on_end)
		side->on_end(side, call);
}

static void side_on_body(void *user, uint32_t stream, void *, struct slice bytes)
{
	struct side *side = user;
	struct call *call = side_call(side, stream);
	CHECK(call->has_head && !call->has_ended && !call->is_reset);
	for (size_t i = 0; i < bytes.bytes; i++, call->body_bytes++) {
		call->body_wrong += (uint8_t)bytes.at[i] != pattern_byte(call->body_bytes);
		if (call->body_bytes + 1 < sizeof(call->body_text))
			call->body_text[call->body_bytes] = bytes.at[i];
	}
	if (side->keeps_body)
		call->unconsumed += bytes.bytes;
	else
		http_consume(side->conn, stream, bytes.bytes);
}

static void side_on_end(void *user, uint32_t stream, void *, const struct http_field *trailers,
			uint32_t count)
{
	struct side *side = user;
	struct call *call = side_call(side, stream);
	CHECK(call->has_head && !call->has_ended && !call->is_head_end && !call->is_reset);
	call->has_ended = true;
	side_print_fields(call->trailers, sizeof(call->trailers), trailers, count);
	if (side->on_end)
		side->on_end(side, call);
}

static void side_on_reset(void *user, uint32_t stream, void *, struct http_fault fault)
{
	struct call *call = side_call(user, stream);
	CHECK(!call->is_reset && fault.counter > 0);
	call->is_reset = true;
	call->is_live = false;
	call->fault = fault;
}

static struct slice side_pull(void *user, uint32_t stream, void *, size_t max, bool *is_end,
			      const struct http_field **trailers, uint32_t *trailer_count)
{
	static char run[65536];
	struct side *side = user;
	struct call *call = side_call(side, stream);
	CHECK(!call->has_sent && !call->is_reset && max > 0);
	if (call->is_stalled)
		return (struct slice){0};
	uint64_t left = call->send_bytes - call->sent_bytes;
	size_t bytes = MIN(MIN(max, left), sizeof(run));
	if (side->pull_max)
		bytes = MIN(bytes, side->pull_max - call->sent_bytes % side->pull_max);
	char *to = run;
	if (side->lends && http_lend(side->conn, MIN(bytes, sizeof(side->lent[0])))) {
		bytes = MIN(bytes, sizeof(side->lent[0]));
		to = side->lent[side->lent_count++];
		side->lent_bytes += bytes;
	}
	for (size_t i = 0; i < bytes; i++)
		to[i] = (char)pattern_byte(call->sent_bytes + i);
	call->sent_bytes += bytes;
	*is_end = bytes == left && (!call->is_end_silent || bytes == 0);
	if (*is_end) {
		*trailers = call->send_trailers;
		*trailer_count = call->send_trailer_count;
	}
	return slice_of(to, bytes);
}

static void side_on_sent(void *user, uint32_t stream, void *)
{
	struct call *call = side_call(user, stream);
	CHECK(!call->has_sent && !call->is_reset);
	call->has_sent = true;
}

static void side_on_closed(void *user, struct http_fault fault)
{
	struct side *side = user;
	side->closed_count++;
	side->closed_fault = fault;
}

static const struct http_events side_events = {
	.head = side_on_head,
	.body = side_on_body,
	.end = side_on_end,
	.reset = side_on_reset,
	.pull = side_pull,
	.sent = side_on_sent,
	.closed = side_on_closed,
};

const struct http_limits side_limits = {
	.head_bytes = 8192,
	.field_count = 32,
	.target_bytes = 512,
	.stream_count = 100,
	.stream_window_bytes = 65535,
	.conn_window_bytes = 1u << 20,
	.reset_budget = 50,
};

struct side *side_new(enum http_version version, bool is_server, const struct http_limits *limits)
{
	struct side *side = calloc(1, sizeof(*side));
	CHECK(side);
	side->limits = limits ? *limits : side_limits;
	if (version == HTTP_VERSION_2 && !side->limits.slab) {
		CHECK(slab_init(&side->slab, 1 << 20) == 0);
		side->limits.slab = &side->slab;
	}
	side->conn = http_conn_new(version, is_server, &side->limits, &side_events, side);
	CHECK(side->conn);
	return side;
}

void side_free(struct side *side)
{
	http_conn_free(side->conn);
	slab_fini(&side->slab);
	free(side);
}

size_t side_feed(struct side *side, struct slice text, size_t step)
{
	size_t taken = 0;
	while (taken < text.bytes) {
		size_t bytes = http_receive(side->conn, slice_head(slice_skip(text, taken), step));
		taken += bytes;
		if (bytes == 0)
			break;
	}
	return taken;
}

const char *side_drain(struct side *side, size_t room)
{
	static char text[65536];
	size_t used = 0, bytes;
	while (used + room < sizeof(text) &&
	       (bytes = http_produce(side->conn, (uint8_t *)text + used, room)) > 0)
		used += bytes;
	text[used] = 0;
	return text;
}

// produce gets a connection's bytes; gaps are filled when all is there, as who seals them does.
static size_t produce(struct side *side, uint8_t *out, size_t room)
{
	if (!side->lends)
		return http_produce(side->conn, out, room);
	struct gaps gaps = {.count = 0};
	side->lent_count = 0;
	memset(out, 0xee, room);
	size_t bytes = http_produce_gaps(side->conn, out, room, &gaps);
	CHECK(gaps.count <= side->lent_count);
	gaps_fill(&gaps, out);
	return bytes;
}

size_t pipe_move(struct pipe *pipe, struct side *from, struct side *to, size_t room, size_t split)
{
	size_t moved = 0;
	while (PIPE_BYTES - pipe->used >= room) {
		size_t bytes = produce(from, pipe->bytes + pipe->used, room);
		pipe->used += bytes;
		moved += bytes;
		if (bytes == 0)
			break;
	}
	size_t taken = 0;
	while (taken < pipe->used) {
		size_t bytes = http_receive(
			to->conn, slice_of(pipe->bytes + taken, MIN(split, pipe->used - taken)));
		taken += bytes;
		if (bytes == 0)
			break;
	}
	memmove(pipe->bytes, pipe->bytes + taken, pipe->used - taken);
	pipe->used -= taken;
	return moved + taken;
}

struct pair *pair_new(enum http_version version, const struct http_limits *limits)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	CHECK(pair);
	pair->client = side_new(version, false, limits);
	pair->server = side_new(version, true, limits);
	pair->room = 16384;
	pair->split = SIZE_MAX;
	return pair;
}

void pair_free(struct pair *pair)
{
	side_free(pair->client);
	side_free(pair->server);
	free(pair);
}

void pair_run(struct pair *pair)
{
	for (unsigned i = 0; i < 1000000; i++) {
		size_t moved =
			pipe_move(&pair->up, pair->client, pair->server, pair->room, pair->split);
		moved +=
			pipe_move(&pair->down, pair->server, pair->client, pair->room, pair->split);
		if (moved == 0)
			return;
	}
	CU_FAIL("pair_run does not come to rest");
}

struct call *side_try_request(struct side *side, enum http_method method, const char *target,
			      uint64_t bytes, bool is_length_told)
{
	static const char *const names[] = {"GET", "HEAD", "POST", "PUT"};
	struct http_field fields[] = {{SLICE("x-test"), SLICE("1")}};
	bool has_body = bytes != UINT64_MAX;
	struct http_message m = {
		.method = method,
		.method_text = slice_str(names[method]),
		.scheme = SLICE("https"),
		.authority = SLICE("shop.example"),
		.target = slice_str(target),
		.content_length = has_body && is_length_told ? bytes : HTTP_LENGTH_NONE,
		.fields = fields,
		.field_count = 1,
	};
	uint32_t stream;
	if (http_request(side->conn, &m, has_body, NULL, &stream))
		return NULL;
	struct call *call = side_call(side, stream);
	call->send_bytes = has_body ? bytes : 0;
	return call;
}

struct call *side_request(struct side *side, enum http_method method, const char *target,
			  uint64_t bytes, bool is_length_told)
{
	struct call *call = side_try_request(side, method, target, bytes, is_length_told);
	CHECK(call);
	return call;
}

int side_respond(struct side *side, struct call *call, uint16_t status, uint64_t bytes,
		 bool is_length_told)
{
	struct http_field fields[] = {{SLICE("server"), SLICE("test")}};
	bool has_body = bytes != UINT64_MAX;
	struct http_message m = {
		.status = status,
		.content_length = has_body && is_length_told ? bytes : HTTP_LENGTH_NONE,
		.fields = fields,
		.field_count = 1,
	};
	call->send_bytes = has_body ? bytes : 0;
	return http_respond(side->conn, call->stream, &m, has_body);
}
