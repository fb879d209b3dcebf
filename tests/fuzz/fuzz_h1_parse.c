// SPDX-License-Identifier: Apache-2.0
// Any bytes to an HTTP/1.1 server and client, split as the first bytes say. Whatever comes, the
// split must not change what is understood: each input runs twice, once in one piece.
#include "check.h"
#include "http.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

// What one run understood, as a checksum, and how it ended.
struct seen {
	struct http_conn *conn;
	uint64_t sum;
	int fault;
	unsigned heads;
	bool is_server;
};

static void mix(struct seen *seen, struct slice text)
{
	for (size_t i = 0; i < text.bytes; i++)
		seen->sum = seen->sum * 1099511628211u + (uint8_t)text.at[i] + 1;
}

static void mix_fields(struct seen *seen, const struct http_field *fields, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		CHECK(fields[i].name.bytes > 0);
		mix(seen, fields[i].name);
		mix(seen, SLICE("="));
		mix(seen, fields[i].value);
	}
}

static void on_head(void *user, uint32_t stream, void *, const struct http_message *m, bool)
{
	struct seen *seen = user;
	seen->heads++;
	mix(seen, m->method_text);
	mix(seen, m->authority);
	mix(seen, m->target);
	mix_fields(seen, m->fields, m->field_count);
	struct http_message answer = {.status = 200, .content_length = HTTP_LENGTH_NONE};
	if (seen->is_server)
		http_respond(seen->conn, stream, &answer, false);
}

static void on_body(void *user, uint32_t stream, void *, struct slice bytes)
{
	struct seen *seen = user;
	mix(seen, bytes);
	http_consume(seen->conn, stream, bytes.bytes);
}

static void on_end(void *user, uint32_t, void *, const struct http_field *trailers, uint32_t count)
{
	mix(user, SLICE("end"));
	mix_fields(user, trailers, count);
}

static void on_reset(void *user, uint32_t, void *, struct http_fault fault)
{
	CHECK(fault.counter > 0);
	((struct seen *)user)->fault = fault.counter;
}

static struct slice on_pull(void *, uint32_t, void *, size_t, bool *is_end,
			    const struct http_field **, uint32_t *)
{
	*is_end = true;
	return SLICE("");
}

static void on_sent(void *, uint32_t, void *) {}

static void on_closed(void *user, struct http_fault fault)
{
	if (fault.counter)
		((struct seen *)user)->fault = fault.counter;
}

static const struct http_events events = {on_head, on_body, on_end,   on_reset,
					  on_pull, on_sent, on_closed};
static const struct http_limits limits = {
	.head_bytes = 1024, .field_count = 16, .target_bytes = 128, .stream_count = 1};

static void ask(struct seen *seen)
{
	struct http_message m = {.method_text = SLICE("GET"),
				 .target = SLICE("/"),
				 .authority = SLICE("a"),
				 .content_length = HTTP_LENGTH_NONE};
	uint32_t stream;
	http_request(seen->conn, &m, false, NULL, &stream);
}

static void drain(struct seen *seen)
{
	uint8_t out[256];
	while (http_produce(seen->conn, out, sizeof(out)) > 0) {
	}
}

static struct seen run(bool is_server, struct slice text, size_t step)
{
	struct seen seen = {.is_server = is_server};
	seen.conn = http_conn_new(HTTP_VERSION_1, is_server, &limits, &events, &seen);
	CHECK(seen.conn);
	while (text.bytes > 0) {
		if (!is_server && http_can_request(seen.conn))
			ask(&seen);
		drain(&seen);
		size_t taken = http_receive(seen.conn, slice_head(text, step));
		text = slice_skip(text, taken);
		if (taken == 0 && http_is_done(seen.conn))
			break;
		if (taken == 0 && !http_wants_to_send(seen.conn))
			break;
	}
	http_receive_end(seen.conn);
	drain(&seen);
	CHECK(http_is_done(seen.conn));
	http_conn_free(seen.conn);
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 2)
		return 0;
	bool is_server = data[0] & 1;
	struct slice text = slice_of(data + 2, bytes - 2);
	struct seen whole = run(is_server, text, SIZE_MAX);
	struct seen split = run(is_server, text, 1u + data[1] % 17u);
	CHECK(!is_server ||
	      (whole.sum == split.sum && whole.fault == split.fault && whole.heads == split.heads));
	return 0;
}
