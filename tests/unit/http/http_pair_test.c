// SPDX-License-Identifier: Apache-2.0
// A client and a server of the same version, joined: requests, bodies, trailers, back-pressure.
#include "http_side.h"

static void answer_hello(struct side *side, struct call *call)
{
	side_respond(side, call, 200, 5, true);
}

static void exchange_simply(enum http_version version, size_t room, size_t split)
{
	struct pair *pair = pair_new(version, NULL);
	pair->room = room;
	pair->split = split;
	pair->server->answer = answer_hello;
	for (unsigned i = 0; i < 5; i++) {
		struct call *call =
			side_request(pair->client, HTTP_GET, "/a?b=c", UINT64_MAX, true);
		pair_run(pair);
		CU_ASSERT_EQUAL(call->status, 200);
		CU_ASSERT_EQUAL(call->content_length, 5);
		CU_ASSERT_EQUAL(call->body_bytes, 5);
		CU_ASSERT_EQUAL(call->body_wrong, 0);
		CU_ASSERT(call->has_ended && call->has_sent && !call->is_reset);
		CU_ASSERT_STRING_EQUAL(call->fields, "server=test;");
		struct call *served = &pair->server->calls[i];
		CU_ASSERT_STRING_EQUAL(served->target, "/a?b=c");
		CU_ASSERT_STRING_EQUAL(served->authority, "shop.example");
		CU_ASSERT_STRING_EQUAL(served->fields, "x-test=1;");
		CU_ASSERT(served->is_head_end && served->has_sent);
		CU_ASSERT_EQUAL(http_stream_count(pair->client->conn), 0);
		CU_ASSERT_EQUAL(http_stream_count(pair->server->conn), 0);
		CU_ASSERT(http_can_request(pair->client->conn));
	}
	CU_ASSERT_EQUAL(pair->client->closed_count + pair->server->closed_count, 0);
	pair_free(pair);
}

static void requests_follow_each_other_on_one_connection(void)
{
	static const size_t rooms[] = {64, 65, 100, 1000, 16384};
	static const size_t splits[] = {1, 2, 7, 1000, SIZE_MAX};
	for (unsigned i = 0; i < 25; i++) {
		exchange_simply(HTTP_VERSION_1, rooms[i % 5], splits[i / 5]);
		exchange_simply(HTTP_VERSION_2, rooms[i % 5], splits[i / 5]);
	}
}

// An echo of lengths: POST a body, the answer has one of the same size; both with trailers.
static const struct http_field two_trailers[] = {{{"t-1", 3}, {"a", 1}}, {{"t-2", 3}, {"b", 1}}};

static void answer_at_end(struct side *side, struct call *call)
{
	memcpy(call->send_trailers, two_trailers, sizeof(two_trailers));
	call->send_trailer_count = 2;
	side_respond(side, call, 200, call->body_bytes, call->content_length != HTTP_LENGTH_NONE);
}

struct big_case {
	enum http_version version;
	uint64_t bytes;
	bool is_length_told;
	bool is_end_silent;
	size_t room, split;
	uint64_t pull_max;
	bool lends;
};

static void exchange_big(const struct big_case *big)
{
	struct pair *pair = pair_new(big->version, NULL);
	pair->room = big->room;
	pair->split = big->split;
	pair->server->on_end = answer_at_end;
	pair->client->pull_max = pair->server->pull_max = big->pull_max;
	pair->client->lends = pair->server->lends = big->lends;
	struct call *call =
		side_request(pair->client, HTTP_POST, "/", big->bytes, big->is_length_told);
	memcpy(call->send_trailers, two_trailers, sizeof(two_trailers));
	call->send_trailer_count = 2;
	call->is_end_silent = big->is_end_silent;
	pair_run(pair);
	struct call *served = &pair->server->calls[0];
	bool has_trailers = big->version == HTTP_VERSION_2 || !big->is_length_told;
	CU_ASSERT_EQUAL(served->body_bytes, big->bytes);
	CU_ASSERT_EQUAL(call->body_bytes, big->bytes);
	CU_ASSERT_EQUAL(served->body_wrong + call->body_wrong, 0);
	CU_ASSERT(call->has_ended || call->is_head_end);
	CU_ASSERT_STRING_EQUAL(served->trailers, has_trailers ? "t-1=a;t-2=b;" : "");
	CU_ASSERT_STRING_EQUAL(call->trailers, has_trailers ? "t-1=a;t-2=b;" : "");
	CU_ASSERT_EQUAL(pair->client->closed_count + pair->server->closed_count, 0);
	bool has_gaps = big->lends && big->bytes >= GAP_BYTES_MIN && big->room > 2 * GAP_BYTES_MIN;
	CU_ASSERT_EQUAL(pair->server->lent_bytes > 0, has_gaps);
	pair_free(pair);
}

static void bodies_of_any_size_arrive_whole_with_their_trailers(void)
{
	static const uint64_t sizes[] = {1, 15, 16, 4095, 4096, 65535, 65536, 65537, 3000000};
	static const size_t rooms[] = {64, 117, 16384, 65536};
	for (unsigned i = 0; i < ARRAY_LEN(sizes) * 4 * 8; i++) {
		struct big_case big = {
			.version = i % 2 ? HTTP_VERSION_2 : HTTP_VERSION_1,
			.is_length_told = i / 2 % 2,
			.is_end_silent = i / 4 % 2 && !(i / 2 % 2),
			.bytes = sizes[i / 8 % ARRAY_LEN(sizes)],
			.room = rooms[i / 8 / ARRAY_LEN(sizes)],
			.split = i / 8 % 3 ? SIZE_MAX : 77,
			.pull_max = i % 3 ? 0 : 1000,
		};
		exchange_big(&big);
	}
}

static void what_is_lent_stands_in_its_gap(void)
{
	static const uint64_t sizes[] = {100, 2048, 4072, 16384, 65536, 1000000};
	static const uint64_t pull_maxes[] = {0, 2048, 4072, 5000};
	for (unsigned i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(pull_maxes) * 4; i++) {
		struct big_case big = {
			.version = i % 2 ? HTTP_VERSION_2 : HTTP_VERSION_1,
			.is_length_told = i / 2 % 2,
			.bytes = sizes[i / 4 % ARRAY_LEN(sizes)],
			.room = i % 3 ? 16384 : 9000,
			.split = SIZE_MAX,
			.pull_max = pull_maxes[i / 4 / ARRAY_LEN(sizes)],
			.lends = true,
		};
		exchange_big(&big);
	}
}

static void answer_endless(struct side *side, struct call *call)
{
	side_respond(side, call, 200, 1u << 24, true);
}

static void a_reader_that_does_not_consume_stops_the_sender(void)
{
	static const enum http_version versions[] = {HTTP_VERSION_1, HTTP_VERSION_1,
						     HTTP_VERSION_2};
	static const uint32_t windows[] = {1u << 20, 20000, 65535};
	static const uint64_t bounds[] = {HTTP1_BODY_WINDOW_BYTES, 20000, 65535};
	for (unsigned i = 0; i < ARRAY_LEN(bounds); i++) {
		struct http_limits limits = side_limits;
		limits.stream_window_bytes = windows[i];
		struct pair *pair = pair_new(versions[i], &limits);
		pair->server->answer = answer_endless;
		pair->client->keeps_body = true;
		struct call *call = side_request(pair->client, HTTP_GET, "/", UINT64_MAX, true);
		pair_run(pair);
		CU_ASSERT_EQUAL(call->body_bytes, bounds[i]);
		for (unsigned loop = 0; loop < 5000 && !call->has_ended; loop++) {
			http_consume(pair->client->conn, call->stream, call->unconsumed);
			call->unconsumed = 0;
			pair_run(pair);
			CU_ASSERT(call->unconsumed <= bounds[i]);
		}
		CU_ASSERT_EQUAL(call->body_bytes, 1u << 24);
		CU_ASSERT_EQUAL(call->body_wrong, 0);
		CU_ASSERT(call->has_ended);
		pair_free(pair);
	}
}

static void a_stalled_sender_goes_on_when_resumed(void)
{
	for (enum http_version version = HTTP_VERSION_1; version <= HTTP_VERSION_2; version++) {
		struct pair *pair = pair_new(version, NULL);
		struct call *call = side_request(pair->client, HTTP_POST, "/", 100000, false);
		call->is_stalled = true;
		pair_run(pair);
		CU_ASSERT_FALSE(http_wants_to_send(pair->client->conn));
		CU_ASSERT_EQUAL(pair->server->calls[0].body_bytes, 0);
		call->is_stalled = false;
		http_resume(pair->client->conn, call->stream);
		CU_ASSERT(http_wants_to_send(pair->client->conn));
		pair_run(pair);
		CU_ASSERT_EQUAL(pair->server->calls[0].body_bytes, 100000);
		CU_ASSERT(pair->server->calls[0].has_ended && call->has_sent);
		pair_free(pair);
	}
}

static void answer_head(struct side *side, struct call *call)
{
	struct http_message interim = {.status = 103, .content_length = HTTP_LENGTH_NONE};
	CU_ASSERT_EQUAL(http_respond(side->conn, call->stream, &interim, false), 0);
	struct http_message m = {.status = call->target[1] == 'n' ? 304 : 200,
				 .content_length = 77};
	CU_ASSERT_EQUAL(http_respond(side->conn, call->stream, &m, false), 0);
}

static void head_and_304_tell_a_length_and_have_no_body(void)
{
	for (enum http_version version = HTTP_VERSION_1; version <= HTTP_VERSION_2; version++) {
		struct pair *pair = pair_new(version, NULL);
		pair->server->answer = answer_head;
		for (unsigned i = 0; i < 4; i++) {
			struct call *call = side_request(pair->client, i % 2 ? HTTP_HEAD : HTTP_GET,
							 i % 2 ? "/" : "/n", UINT64_MAX, true);
			pair_run(pair);
			CU_ASSERT(call->is_head_end && call->has_sent);
			CU_ASSERT_EQUAL(call->content_length, 77);
			CU_ASSERT_EQUAL(call->interim_count, 1);
			CU_ASSERT_EQUAL(http_stream_count(pair->server->conn), 0);
		}
		pair_free(pair);
	}
}

static void a_shutdown_lets_live_exchanges_finish(void)
{
	for (enum http_version version = HTTP_VERSION_1; version <= HTTP_VERSION_2; version++) {
		struct pair *pair = pair_new(version, NULL);
		struct call *call = side_request(pair->client, HTTP_GET, "/", UINT64_MAX, true);
		pair_run(pair);
		http_shutdown(pair->server->conn);
		pair_run(pair);
		CU_ASSERT_FALSE(http_is_done(pair->server->conn));
		side_respond(pair->server, &pair->server->calls[0], 200, 100000, true);
		pair_run(pair);
		CU_ASSERT(call->has_ended && !call->is_reset);
		CU_ASSERT(http_is_done(pair->server->conn));
		CU_ASSERT_FALSE(http_can_request(pair->client->conn));
		CU_ASSERT_EQUAL(pair->client->closed_count, 1);
		CU_ASSERT_EQUAL(pair->client->closed_fault.counter, 0);
		CU_ASSERT(!side_try_request(pair->client, HTTP_GET, "/", UINT64_MAX, true));
		CU_ASSERT(http_is_done(pair->client->conn));
		pair_free(pair);
	}
}

static void a_lost_connection_resets_what_is_unfinished(void)
{
	for (enum http_version version = HTTP_VERSION_1; version <= HTTP_VERSION_2; version++) {
		struct pair *pair = pair_new(version, NULL);
		struct call *call = side_request(pair->client, HTTP_POST, "/", 10, true);
		call->is_stalled = true;
		pair_run(pair);
		http_receive_end(pair->client->conn);
		http_receive_end(pair->server->conn);
		CU_ASSERT(call->is_reset && pair->server->calls[0].is_reset);
		CU_ASSERT_EQUAL(call->fault.counter, COUNTER_http_conn_lost);
		CU_ASSERT_EQUAL(pair->client->closed_count, 1);
		CU_ASSERT(http_is_done(pair->client->conn) && http_is_done(pair->server->conn));
		pair_free(pair);
	}
}

static void a_reset_is_heard_by_the_other_end_only(void)
{
	// By the client and by the server, whose answer has begun; then with a code that they give.
	static const uint32_t errors[] = {HTTP_ERROR_CANCEL, HTTP_ERROR_INTERNAL, HTTP_ERROR_CALM,
					  HTTP_ERROR_CANCEL};
	for (unsigned i = 0; i < 4; i++) {
		struct pair *pair = pair_new(HTTP_VERSION_2, NULL);
		struct side *from = i % 2 ? pair->server : pair->client;
		struct side *to = i % 2 ? pair->client : pair->server;
		pair->server->answer = answer_endless;
		pair->client->keeps_body = true;
		struct call *call = side_request(pair->client, HTTP_GET, "/", UINT64_MAX, true);
		pair_run(pair);
		http_reset_as(from->conn, call->stream, i < 2 ? HTTP_ERROR_NONE : errors[i]);
		http_resume(from->conn, call->stream);
		http_consume(from->conn, call->stream, 5);
		pair_run(pair);
		CU_ASSERT(to->calls[0].is_reset && !from->calls[0].is_reset);
		CU_ASSERT_EQUAL(to->calls[0].fault.counter, COUNTER_http_h2_reset_by_peer);
		CU_ASSERT_EQUAL(to->calls[0].fault.error, errors[i]);
		CU_ASSERT_EQUAL(http_stream_count(from->conn) + http_stream_count(to->conn), 0);
		pair->client->keeps_body = false;
		struct call *next = side_request(pair->client, HTTP_GET, "/", UINT64_MAX, true);
		pair_run(pair); // no window was lost with the reset stream
		CU_ASSERT_EQUAL(next->body_bytes, 1u << 24);
		pair_free(pair);
	}
}

// ask_traced sends a request with a field that is always the same and one that never is; returns
// how many bytes that took.
static size_t ask_traced(struct pair *pair, const struct http_field *fields)
{
	struct http_message message = {.method = HTTP_GET,
				       .method_text = SLICE("GET"),
				       .target = SLICE("/"),
				       .authority = SLICE("shop.example"),
				       .scheme = SLICE("https"),
				       .content_length = HTTP_LENGTH_NONE,
				       .fields = (struct http_field *)(uintptr_t)fields,
				       .field_count = 2};
	struct call *call = &pair->client->calls[pair->client->call_count++];
	*call = (struct call){.is_live = true};
	CU_ASSERT_EQUAL(http_request(pair->client->conn, &message, false, call, &call->stream), 0);
	size_t bytes = pipe_move(&pair->up, pair->client, pair->server, pair->room, SIZE_MAX);
	pair_run(pair);
	CU_ASSERT_EQUAL(call->status, 200);
	return bytes;
}

// HPACK's table has room for some forty of them; what is common would have to make way. It is in
// the table when it has come twice.
static void what_no_other_message_has_takes_no_place_of_what_all_have(void)
{
	static const char *const names[] = {"traceparent",   "tracestate",    "x-request-id",
					    "server-timing", "content-range", "x-unheard-of"};
	for (unsigned n = 0; n < ARRAY_LEN(names); n++) {
		struct pair *pair = pair_new(HTTP_VERSION_2, NULL);
		pair->server->answer = answer_hello;
		size_t first = 0, third = 0;
		for (unsigned i = 0; i < 150; i++) {
			char value[57] = {0};
			for (unsigned j = 0; j < 56; j++) // digits of one length to Huffman
				value[j] = i >> j % 8 & 1 ? '1' : '0';
			struct http_field fields[] = {{SLICE("x-common"), SLICE("the same to all")},
						      {slice_str(names[n]), slice_str(value)}};
			size_t bytes = ask_traced(pair, fields);
			first = i == 0 ? bytes : first;
			third = i == 2 ? bytes : third;
			if (i > 2)
				CU_ASSERT_EQUAL(bytes, third);
		}
		CU_ASSERT(third < first - 15);
		CU_ASSERT(strstr(pair->server->calls[149].fields, names[n]) != NULL);
		pair_free(pair);
	}
}

UNIT_MAIN("http_pair",
	  {"what no other message has takes no place of what all have",
	   what_no_other_message_has_takes_no_place_of_what_all_have},
	  {"requests follow each other on one connection",
	   requests_follow_each_other_on_one_connection},
	  {"bodies of any size arrive whole with their trailers",
	   bodies_of_any_size_arrive_whole_with_their_trailers},
	  {"what is lent stands in its gap", what_is_lent_stands_in_its_gap},
	  {"a reader that does not consume stops the sender",
	   a_reader_that_does_not_consume_stops_the_sender},
	  {"a stalled sender goes on when resumed", a_stalled_sender_goes_on_when_resumed},
	  {"HEAD and 304 tell a length and have no body",
	   head_and_304_tell_a_length_and_have_no_body},
	  {"a shutdown lets live exchanges finish", a_shutdown_lets_live_exchanges_finish},
	  {"a lost connection resets what is unfinished",
	   a_lost_connection_resets_what_is_unfinished},
	  {"a reset is heard by the other end only", a_reset_is_heard_by_the_other_end_only})
