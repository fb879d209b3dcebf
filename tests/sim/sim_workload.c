// SPDX-License-Identifier: Apache-2.0
// A simulated workload; see sim_workload.h.
#include "sim_workload.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>

struct workload_conn {
	struct sim_conn conn;
	struct sim_workload *workload;
	struct answer *answer; // owned: under way
	bool is_held;          // it waits for is_holding to end
};

struct answer {
	struct sim_body body;
	uint32_t stream;
	bool is_while_stale;
	bool is_upload, is_wrong;
};

static const struct http_limits http_limits = {.head_bytes = 32768,
					       .field_count = 100,
					       .target_bytes = 8192,
					       .stream_count = 100,
					       .stream_window_bytes = 65536,
					       .conn_window_bytes = 1 << 20,
					       .reset_budget = 100};

// respond sends the head; the body follows by pull.
static void respond(struct workload_conn *wc, struct answer *answer, uint16_t status,
		    unsigned age_s)
{
	char cache_control[64];
	char etag[32];
	const char *format = !age_s                   ? "no-store"
			     : answer->is_while_stale ? "max-age=%u, stale-while-revalidate=600"
						      : "max-age=%u";
	snprintf(cache_control, sizeof(cache_control), format, age_s);
	snprintf(etag, sizeof(etag), "\"%" PRIx64 "\"", answer->body.seed);
	struct http_field fields[] = {
		{SLICE("cache-control"), slice_str(cache_control)},
		{SLICE("content-type"), SLICE("application/octet-stream")},
		{SLICE("etag"), slice_str(etag)},
	};
	bool is_sized = answer->body.seed & 1;
	struct http_message message = {.status = status,
				       .version = 11,
				       .content_length = is_sized || !answer->body.bytes
								 ? answer->body.bytes
								 : HTTP_LENGTH_NONE,
				       .fields = fields,
				       .field_count = ARRAY_LEN(fields)};
	http_respond(wc->conn.http, answer->stream, &message, answer->body.bytes > 0);
}

// read_range puts what a Range of one part asks of the body into its offset and bytes; false: all.
static bool read_range(struct sim_body *body, struct slice range)
{
	char text[64] = {0};
	uint64_t first, last = UINT64_MAX, total = body->bytes;
	memcpy(text, range.at ? range.at : "", MIN(range.bytes, sizeof(text) - 1));
	if (sscanf(text, "bytes=-%" SCNu64, &last) == 1)
		body->offset = total - MIN(last, total);
	else if (sscanf(text, "bytes=%" SCNu64 "-%" SCNu64, &first, &last) >= 1)
		body->offset = first, body->bytes = MIN(last, total - 1) + 1;
	else
		return false;
	return true;
}

// respond_part is the answer to GET /r/ (RFC 9110 13.1.1, 14.2).
static void respond_part(struct workload_conn *wc, struct answer *answer,
			 const struct http_message *request, unsigned age_s)
{
	char cache_control[64], etag[32], range[96];
	struct sim_body *body = &answer->body;
	uint64_t total = body->bytes;
	sim_body_init(body, body->seed + wc->workload->version, total);
	snprintf(cache_control, sizeof(cache_control), age_s ? "max-age=%u" : "no-store", age_s);
	snprintf(etag, sizeof(etag), "\"%" PRIx64 "\"", body->seed);
	struct slice match = http_field_find(request, SLICE("if-match"));
	bool is_changed = match.at && !slice_equal(match, slice_str(etag));
	bool is_part = !is_changed && read_range(body, http_field_find(request, SLICE("range")));
	snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, body->offset,
		 body->bytes - 1, total);
	if (is_changed)
		body->bytes = body->offset = 0;
	struct http_field fields[] = {{SLICE("cache-control"), slice_str(cache_control)},
				      {SLICE("etag"), slice_str(etag)},
				      {SLICE("accept-ranges"), SLICE("bytes")},
				      {SLICE("content-range"), slice_str(range)}};
	struct http_message message = {.status = is_changed ? 412
						 : is_part  ? 206
							    : 200,
				       .version = 11,
				       .content_length = body->bytes - body->offset,
				       .fields = fields,
				       .field_count = is_part ? 4 : 3};
	wc->workload->part_bytes += is_part ? body->bytes - body->offset : 0;
	http_respond(wc->conn.http, answer->stream, &message, body->bytes > body->offset);
}

// finish_upload answers a complete upload: was every byte right?
static void finish_upload(struct workload_conn *wc, struct answer *answer)
{
	bool is_right = !answer->is_wrong && answer->body.offset == answer->body.bytes;
	wc->workload->wrong_count += !is_right;
	sim_body_init(&answer->body, answer->body.seed, 0);
	respond(wc, answer, is_right ? 200 : 500, 0);
}

static void on_head(void *user, uint32_t stream, void *, const struct http_message *message,
		    bool is_end)
{
	struct workload_conn *wc = user;
	char target[256];
	char kind;
	uint64_t seed, bytes;
	unsigned age_s = 0;
	struct answer *answer = calloc(1, sizeof(*answer));
	CHECK(answer && message->target.bytes < sizeof(target));
	memcpy(target, message->target.at, message->target.bytes);
	target[message->target.bytes] = 0;
	CHECK(sscanf(target, "/%c/%" SCNu64 "/%" SCNu64 "?age=%u", &kind, &seed, &bytes, &age_s) >=
	      3);
	wc->workload->request_count++;
	answer->stream = stream;
	answer->is_upload = kind == 'u';
	answer->is_while_stale = kind == 'w';
	sim_body_init(&answer->body, seed, bytes);
	http_set_stream_user(wc->conn.http, stream, answer);
	wc->answer = answer;
	if (kind == 's' && wc->workload->is_holding)
		wc->is_held = true;
	else if (kind == 'r')
		respond_part(wc, answer, message, age_s);
	else if (!answer->is_upload)
		respond(wc, answer, 200, age_s);
	else if (is_end)
		finish_upload(wc, answer);
}

static void on_body(void *user, uint32_t stream, void *stream_user, struct slice bytes)
{
	struct workload_conn *wc = user;
	struct answer *answer = stream_user;
	if (answer && !sim_body_check(&answer->body, bytes))
		answer->is_wrong = true;
	http_consume(wc->conn.http, stream, bytes.bytes);
}

static void on_end(void *user, uint32_t, void *stream_user, const struct http_field *, uint32_t)
{
	struct workload_conn *wc = user;
	struct answer *answer = stream_user;
	if (!answer || !answer->is_upload)
		return;
	finish_upload(wc, answer);
}

static void on_reset(void *user, uint32_t, void *stream_user, struct http_fault)
{
	struct workload_conn *wc = user;
	wc->answer = NULL;
	wc->is_held = false;
	free(stream_user);
}

static struct slice on_pull(void *, uint32_t, void *stream_user, size_t max, bool *is_end,
			    const struct http_field **, uint32_t *)
{
	struct answer *answer = stream_user;
	struct slice run = sim_body_make(&answer->body, max);
	*is_end = answer->body.offset == answer->body.bytes;
	return run;
}

static void on_sent(void *user, uint32_t stream, void *stream_user)
{
	struct workload_conn *wc = user;
	http_set_stream_user(wc->conn.http, stream, NULL);
	wc->answer = NULL;
	free(stream_user);
}

static void on_http_closed(void *, struct http_fault) {}

static const struct http_events http_events = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.reset = on_reset,
	.pull = on_pull,
	.sent = on_sent,
	.closed = on_http_closed,
};

static void on_ready(struct sim_conn *, bool) {}

static void on_gone(struct sim_conn *, enum counter) {}

static void on_raw(struct sim_conn *, struct slice) {}

static const struct sim_conn_owner owner = {.ready = on_ready, .gone = on_gone, .raw = on_raw};

static void *on_accepted(void *user, struct pool_id id, const struct tcp_tuple *)
{
	struct sim_workload *workload = user;
	struct workload_conn *wc = calloc(1, sizeof(*wc));
	CHECK(wc);
	struct sim_conn_plan plan = {.tcp = workload->tcp, .bufs = workload->bufs, .owner = &owner};
	sim_conn_init(&wc->conn, &plan);
	wc->workload = workload;
	wc->conn.id = id;
	wc->conn.is_ready = true;
	wc->conn.http = http_conn_new(HTTP_VERSION_1, true, &http_limits, &http_events, wc);
	CHECK(wc->conn.http);
	list_append(&workload->conns, &wc->conn.link);
	return &wc->conn;
}

int sim_workload_init(struct sim_workload *workload, struct tcp *tcp, struct buf_pool *bufs,
		      uint16_t port)
{
	*workload = (struct sim_workload){.tcp = tcp, .bufs = bufs};
	list_init(&workload->conns);
	struct tcp_listener listener = {.port = port,
					.events = &sim_conn_events,
					.accepted = on_accepted,
					.user = workload};
	return tcp_listen_on(tcp, &listener);
}

static void drop(struct sim_conn *conn)
{
	struct workload_conn *wc = container_of(conn, struct workload_conn, conn);
	list_remove(&conn->link);
	sim_conn_fini(conn);
	free(wc->answer);
	free(wc);
}

void sim_workload_step(struct sim_workload *workload)
{
	struct list *node, *after;
	list_for_each_safe (node, after, &workload->conns) {
		struct sim_conn *conn = container_of(node, struct sim_conn, link);
		struct workload_conn *wc = container_of(conn, struct workload_conn, conn);
		if (wc->is_held && !workload->is_holding) {
			wc->is_held = false;
			respond(wc, wc->answer, 200, 0);
		}
		sim_conn_step(conn);
		if (conn->is_gone)
			drop(conn);
	}
}

void sim_workload_fini(struct sim_workload *workload)
{
	struct list *node, *after;
	list_for_each_safe (node, after, &workload->conns)
		drop(container_of(node, struct sim_conn, link));
}
