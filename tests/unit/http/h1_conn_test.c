// SPDX-License-Identifier: Apache-2.0
// What goes over the wire in HTTP/1.1, byte for byte: framing, persistence, pipelining,
// 100-continue.
#include "http_side.h"

static void answer_small(struct side *side, struct call *call)
{
	side_respond(side, call, 200, 5, true);
}

static void answer_unknown(struct side *side, struct call *call)
{
	side_respond(side, call, 200, 5, false);
}

static void answer_nothing(struct side *side, struct call *call)
{
	side_respond(side, call, 404, UINT64_MAX, true);
}

struct talk {
	const char *request;
	void (*answer)(struct side *side, struct call *call);
	const char *response;
	bool is_done;
};

#define LENGTH_5(more) "HTTP/1.1 200 OK\r\nserver: test\r\ncontent-length: 5\r\n" more "\r\nABCDE"

static const struct talk talks[] = {
	{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", answer_small, LENGTH_5(""), false},
	{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", answer_small,
	 LENGTH_5("connection: close\r\n"), true},
	{"GET / HTTP/1.0\r\n\r\n", answer_small, LENGTH_5("connection: close\r\n"), true},
	{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", answer_small,
	 LENGTH_5("connection: keep-alive\r\n"), false},
	{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", answer_unknown,
	 "HTTP/1.1 200 OK\r\nserver: test\r\ntransfer-encoding: "
	 "chunked\r\n\r\n5\r\nABCDE\r\n0\r\n\r\n",
	 false},
	{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", answer_unknown,
	 "HTTP/1.1 200 OK\r\nserver: test\r\nconnection: close\r\n\r\nABCDE", true},
	{"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", answer_small,
	 "HTTP/1.1 200 OK\r\nserver: test\r\ncontent-length: 5\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", answer_nothing,
	 "HTTP/1.1 404 Not Found\r\nserver: test\r\ncontent-length: 0\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n",
	 answer_nothing,
	 "HTTP/1.1 404 Not Found\r\nserver: test\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
	 false},
	{"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", answer_nothing,
	 "HTTP/1.1 404 Not Found\r\nserver: test\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
	 true},
};

static void a_response_is_framed_for_its_reader(void)
{
	for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
		struct side *side = side_new(HTTP_VERSION_1, true, NULL);
		side->answer = talks[i].answer;
		struct slice request = slice_str(talks[i].request);
		CU_ASSERT_EQUAL(http_receive(side->conn, request), request.bytes);
		CU_ASSERT_STRING_EQUAL(side_drain(side, 64), talks[i].response);
		CU_ASSERT_EQUAL(http_is_done(side->conn), talks[i].is_done);
		side_free(side);
	}
}

static void a_request_is_framed_by_its_body(void)
{
	static const char head[] = " / HTTP/1.1\r\nhost: shop.example\r\nx-test: 1\r\n";
	static const struct {
		enum http_method method;
		uint64_t bytes;
		bool is_length_told;
		const char *method_text, *rest;
	} cases[] = {
		{HTTP_GET, UINT64_MAX, true, "GET", "\r\n"},
		{HTTP_POST, UINT64_MAX, true, "POST", "content-length: 0\r\n\r\n"},
		{HTTP_POST, 0, true, "POST", "content-length: 0\r\n\r\n"},
		{HTTP_POST, 5, true, "POST", "content-length: 5\r\n\r\nABCDE"},
		{HTTP_PUT, 5, false, "PUT",
		 "transfer-encoding: chunked\r\n\r\n5\r\nABCDE\r\n0\r\n\r\n"},
		{HTTP_PUT, 0, false, "PUT", "transfer-encoding: chunked\r\n\r\n0\r\n\r\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char wanted[256];
		struct side *side = side_new(HTTP_VERSION_1, false, NULL);
		side_request(side, cases[i].method, "/", cases[i].bytes, cases[i].is_length_told);
		snprintf(wanted, sizeof(wanted), "%s%s%s", cases[i].method_text, head,
			 cases[i].rest);
		CU_ASSERT_STRING_EQUAL(side_drain(side, 64), wanted);
		CU_ASSERT(side->calls[0].has_sent);
		side_free(side);
	}
}

static void the_next_request_waits_for_the_response(void)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	struct slice one = SLICE("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
	struct slice two =
		SLICE("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
	CU_ASSERT_EQUAL(http_receive(side->conn, two), one.bytes);
	CU_ASSERT_EQUAL(http_receive(side->conn, slice_skip(two, one.bytes)), 0);
	CU_ASSERT_EQUAL(side->call_count, 1);
	side_respond(side, &side->calls[0], 200, 5, true);
	CU_ASSERT_EQUAL(http_receive(side->conn, slice_skip(two, one.bytes)), 0);
	CU_ASSERT_STRING_EQUAL(side_drain(side, 64), LENGTH_5(""));
	CU_ASSERT_EQUAL(http_receive(side->conn, slice_skip(two, one.bytes)), one.bytes);
	CU_ASSERT_EQUAL(side->call_count, 2);
	CU_ASSERT_STRING_EQUAL(side->calls[1].target, "/2");
	side_free(side);
}

static void a_client_that_waits_for_100_gets_it(void)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	side_feed(side,
		  SLICE("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
			"5\r\n\r\n"),
		  SIZE_MAX);
	CU_ASSERT(side->calls[0].expects_continue);
	struct http_message m = {.status = 100, .content_length = HTTP_LENGTH_NONE};
	CU_ASSERT_EQUAL(http_respond(side->conn, side->calls[0].stream, &m, false), 0);
	CU_ASSERT_STRING_EQUAL(side_drain(side, 64), "HTTP/1.1 100 Continue\r\n\r\n");
	side_feed(side, SLICE("ABCDE"), SIZE_MAX);
	CU_ASSERT(side->calls[0].has_ended);
	side_respond(side, &side->calls[0], 200, 5, true);
	CU_ASSERT_STRING_EQUAL(side_drain(side, 64), LENGTH_5(""));
	CU_ASSERT_FALSE(http_is_done(side->conn));
	side_free(side);
}

static struct side *client_that_asked(enum http_method method)
{
	struct side *side = side_new(HTTP_VERSION_1, false, NULL);
	side_request(side, method, "/", UINT64_MAX, true);
	side_drain(side, 64);
	return side;
}

static void a_response_ends_where_its_framing_says(void)
{
	static const struct {
		const char *text, *body;
		enum http_method method;
		bool can_go_on, needs_end;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nAB", "AB", HTTP_GET, true, false},
		{"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", HTTP_GET, true, false},
		{"HTTP/1.1 200 OK\r\n\r\nAB", "AB", HTTP_GET, false, true},
		{"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nAB", "AB", HTTP_GET, false, false},
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nAB", "AB",
		 HTTP_GET, true, false},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nAB", "AB",
		 HTTP_GET, false, false},
		{"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n", "", HTTP_GET, true, false},
		{"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", "", HTTP_GET, true,
		 false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "", HTTP_HEAD, true, false},
		{"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: a\r\n\r\n"
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nAB\r\n0\r\n\r\n",
		 "AB", HTTP_GET, true, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases) * 2; i++) {
		struct side *side = client_that_asked(cases[i / 2].method);
		struct call *call = &side->calls[0];
		struct slice text = slice_str(cases[i / 2].text);
		CU_ASSERT_EQUAL(side_feed(side, text, i % 2 ? 1 : SIZE_MAX), text.bytes);
		CU_ASSERT_EQUAL(call->is_head_end || call->has_ended, !cases[i / 2].needs_end);
		http_receive_end(side->conn);
		CU_ASSERT(call->is_head_end || call->has_ended);
		CU_ASSERT_STRING_EQUAL(call->body_text, cases[i / 2].body);
		CU_ASSERT_EQUAL(side->closed_fault.counter, 0);
		CU_ASSERT(!call->is_reset && http_is_done(side->conn));
		side_free(side);
		side = client_that_asked(cases[i / 2].method);
		side_feed(side, text, SIZE_MAX);
		CU_ASSERT_EQUAL(http_can_request(side->conn), cases[i / 2].can_go_on);
		side_free(side);
	}
}

static void a_server_that_speaks_unasked_is_cut_off(void)
{
	struct side *side = side_new(HTTP_VERSION_1, false, NULL);
	CU_ASSERT_EQUAL(http_receive(side->conn, SLICE("HTTP/1.1 200 OK\r\n")), 0);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_response_unsolicited);
	side_free(side);
	side = client_that_asked(HTTP_GET);
	side_feed(side, SLICE("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nAX"), SIZE_MAX);
	CU_ASSERT(side->calls[0].has_ended && !side->calls[0].is_reset);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_response_unsolicited);
	CU_ASSERT_FALSE(http_can_request(side->conn));
	side_free(side);
}

static void interim_responses_without_end_are_cut_off(void)
{
	struct side *side = client_that_asked(HTTP_GET);
	for (unsigned i = 0; i < 20; i++)
		side_feed(side, SLICE("HTTP/1.1 100 Continue\r\n\r\n"), SIZE_MAX);
	CU_ASSERT_EQUAL(side->calls[0].fault.counter, COUNTER_http_interim_many);
	CU_ASSERT_EQUAL(side->calls[0].interim_count, 16);
	side_free(side);
}

static void a_message_cut_short_is_reset(void)
{
	static const char *const texts[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nAB",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nAB\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nAB\r\n0\r\nA: b\r\n",
		"HTTP/1.1 200 OK\r\n"};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct side *side = client_that_asked(HTTP_GET);
		side_feed(side, slice_str(texts[i]), SIZE_MAX);
		http_receive_end(side->conn);
		CU_ASSERT_EQUAL(side->calls[0].fault.counter, COUNTER_http_truncated);
		CU_ASSERT_EQUAL(side->closed_count, 1);
		CU_ASSERT_EQUAL(side->closed_fault.counter, 0);
		side_free(side);
	}
}

static void a_body_that_breaks_its_promise_ends_the_connection(void)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	side_feed(side, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), SIZE_MAX);
	side_respond(side, &side->calls[0], 200, 10, true);
	side->calls[0].send_bytes = 5;
	side_drain(side, 64);
	CU_ASSERT_EQUAL(side->calls[0].fault.counter, COUNTER_http_body_length_wrong);
	CU_ASSERT(http_is_done(side->conn));
	side_free(side);
}

static void a_bad_chunk_after_the_answer_began_cuts_without_a_second_answer(void)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	side->answer = answer_unknown;
	side_feed(side, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
		  SIZE_MAX);
	side->calls[0].is_stalled = true;
	CU_ASSERT(strlen(side_drain(side, 64)) > 0);
	side_feed(side, SLICE("x"), SIZE_MAX);
	CU_ASSERT_EQUAL(side->calls[0].fault.counter, COUNTER_http_chunk_bad);
	CU_ASSERT_STRING_EQUAL(side_drain(side, 64), "");
	CU_ASSERT(http_is_done(side->conn));
	side_free(side);
}

static void reset_and_idle_shutdown_end_the_connection_silently(void)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	side_feed(side, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), SIZE_MAX);
	side_respond(side, &side->calls[0], 200, 10, true);
	http_reset(side->conn, side->calls[0].stream);
	CU_ASSERT(http_is_done(side->conn));
	CU_ASSERT_EQUAL(side->closed_count, 0);
	CU_ASSERT_FALSE(http_wants_to_send(side->conn));
	side_free(side);
	side = side_new(HTTP_VERSION_1, true, NULL);
	http_shutdown(side->conn);
	CU_ASSERT(http_is_done(side->conn));
	CU_ASSERT_EQUAL(http_receive(side->conn, SLICE("G")), 0);
	side_free(side);
}

static void a_connection_that_drains_says_so_with_its_next_answer(void)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	side_feed(side, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), SIZE_MAX);
	side_respond(side, &side->calls[0], 200, 5, true);
	http_drain(side->conn); // too late for this head: the client may ask once more
	CU_ASSERT_STRING_EQUAL(side_drain(side, 64), LENGTH_5(""));
	CU_ASSERT_FALSE(http_is_done(side->conn));
	side_feed(side, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), SIZE_MAX);
	side_respond(side, &side->calls[1], 200, 5, true);
	CU_ASSERT_STRING_EQUAL(side_drain(side, 64), LENGTH_5("connection: close\r\n"));
	CU_ASSERT(http_is_done(side->conn));
	CU_ASSERT_EQUAL(side->closed_count, 1);
	side_free(side);
}

static void a_half_closed_client_still_gets_its_answer(void)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	side_feed(side, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), SIZE_MAX);
	http_receive_end(side->conn);
	CU_ASSERT_FALSE(http_is_done(side->conn));
	side_respond(side, &side->calls[0], 200, 5, true);
	CU_ASSERT_STRING_EQUAL(side_drain(side, 64), LENGTH_5("connection: close\r\n"));
	CU_ASSERT(http_is_done(side->conn));
	CU_ASSERT_EQUAL(side->closed_count, 1);
	side_free(side);
	side = side_new(HTTP_VERSION_1, true, NULL);
	side_feed(side, SLICE("GET / HT"), SIZE_MAX);
	http_receive_end(side->conn);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_truncated);
	side_free(side);
}

// The head's 10 KiB are with a connection only while it has a message: what an idle one would keep
// is what the next one reads with.
static void an_idle_connection_lends_its_heads_memory(void)
{
	struct http_spare spare = {0};
	struct http_limits limits = side_limits;
	limits.spare = &spare;
	struct side *a = side_new(HTTP_VERSION_1, true, &limits);
	struct side *b = side_new(HTTP_VERSION_1, true, &limits);
	side_feed(a, SLICE("GET / HTTP/1.1\r\nhost: a\r\n\r\n"), SIZE_MAX);
	CU_ASSERT_PTR_NULL(spare.heads.first); // it has not been answered
	side_respond(a, &a->calls[0], 200, 5, true);
	side_drain(a, 4096);
	void *memory = spare.heads.first, *out = spare.outs.first;
	CU_ASSERT_PTR_NOT_NULL(memory);
	CU_ASSERT_PTR_NOT_NULL(out); // in which the answer's head was written
	side_feed(b, SLICE("GET / HT"), SIZE_MAX);
	CU_ASSERT_PTR_NULL(spare.heads.first); // b reads with it
	side_feed(b, SLICE("TP/1.1\r\nhost: b\r\n\r\n"), 1);
	CU_ASSERT_STRING_EQUAL(b->calls[0].authority, "b");
	side_respond(b, &b->calls[0], 200, 5, true);
	CU_ASSERT_PTR_NULL(spare.outs.first);
	side_drain(b, 4096);
	CU_ASSERT_PTR_EQUAL(spare.heads.first, memory);
	CU_ASSERT_PTR_EQUAL(spare.outs.first, out);
	spare.head_bytes++; // of other limits: not to be used
	side_feed(a, SLICE("GET / HT"), SIZE_MAX);
	CU_ASSERT_PTR_EQUAL(spare.heads.first, memory);
	side_free(a);
	side_free(b);
	http_spare_fini(&spare);
}

// As many as come at once, but not more than the bound.
static void connections_leave_heads_for_as_many_as_come_at_once(void)
{
	enum { SIDES = HTTP_SPARE_MAX + 3 };
	struct http_spare spare = {0};
	struct http_limits limits = side_limits;
	struct side *sides[SIDES];
	limits.spare = &spare;
	for (unsigned i = 0; i < SIDES; i++)
		sides[i] = side_new(HTTP_VERSION_1, true, &limits);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < SIDES; i++)
			side_feed(sides[i], SLICE("GET / HTTP/1.1\r\nhost: a\r\n\r\n"), SIZE_MAX);
		CU_ASSERT_EQUAL(spare.heads.count, 0);
		for (unsigned i = 0; i < SIDES; i++)
			side_respond(sides[i], &sides[i]->calls[round], 200, 5, true);
		CU_ASSERT_EQUAL(spare.outs.count, 0);
		for (unsigned i = 0; i < SIDES; i++)
			side_drain(sides[i], 4096);
		CU_ASSERT_EQUAL(spare.heads.count, HTTP_SPARE_MAX);
		CU_ASSERT_EQUAL(spare.outs.count, HTTP_SPARE_MAX);
	}
	for (unsigned i = 0; i < SIDES; i++)
		side_free(sides[i]);
	http_spare_fini(&spare);
	CU_ASSERT_PTR_NULL(spare.heads.first);
}

UNIT_MAIN("h1_conn", {"a response is framed for its reader", a_response_is_framed_for_its_reader},
	  {"a request is framed by its body", a_request_is_framed_by_its_body},
	  {"the next request waits for the response", the_next_request_waits_for_the_response},
	  {"a client that waits for 100 gets it", a_client_that_waits_for_100_gets_it},
	  {"a response ends where its framing says", a_response_ends_where_its_framing_says},
	  {"a server that speaks unasked is cut off", a_server_that_speaks_unasked_is_cut_off},
	  {"interim responses without end are cut off", interim_responses_without_end_are_cut_off},
	  {"a message cut short is reset", a_message_cut_short_is_reset},
	  {"a body that breaks its promise ends the connection",
	   a_body_that_breaks_its_promise_ends_the_connection},
	  {"a bad chunk after the answer began cuts without a second answer",
	   a_bad_chunk_after_the_answer_began_cuts_without_a_second_answer},
	  {"reset and idle shutdown end the connection silently",
	   reset_and_idle_shutdown_end_the_connection_silently},
	  {"a connection that drains says so with its next answer",
	   a_connection_that_drains_says_so_with_its_next_answer},
	  {"a half closed client still gets its answer",
	   a_half_closed_client_still_gets_its_answer},
	  {"an idle connection lends its head's memory", an_idle_connection_lends_its_heads_memory},
	  {"connections leave heads for as many as come at once",
	   connections_leave_heads_for_as_many_as_come_at_once})
