// SPDX-License-Identifier: Apache-2.0
// Extensible priorities (RFC 9218): in what order a server's streams send, seen by a client that
// is nghttp2.
#include "counter.h"
#include "http_side.h"

#include <nghttp2/nghttp2.h>

#include <stdlib.h>

enum { BODY = 60000, ORDER_MAX = 4096 };

// A client, and in which order streams' DATA came.
struct browser {
	nghttp2_session *session;
	struct side *server;
	struct counters counters;
	struct http_limits limits;
	int32_t order[ORDER_MAX];
	unsigned order_count;
	unsigned goaway_error;
	const char *answer_priority; // of the next response, or NULL
};

static int on_data(nghttp2_session *, uint8_t, int32_t id, const uint8_t *, size_t, void *user)
{
	struct browser *browser = user;
	if (browser->order_count < ORDER_MAX)
		browser->order[browser->order_count++] = id;
	return 0;
}

static int on_frame(nghttp2_session *, const nghttp2_frame *frame, void *user)
{
	if (frame->hd.type == NGHTTP2_GOAWAY)
		((struct browser *)user)->goaway_error = frame->goaway.error_code;
	return 0;
}

static void on_request(struct side *side, struct call *call)
{
	struct browser *browser = side->peer;
	struct http_field field = {SLICE("priority"), {0}};
	struct http_message m = {.status = 200, .content_length = HTTP_LENGTH_NONE};
	if (browser->answer_priority) {
		field.value = slice_str(browser->answer_priority);
		m.fields = &field;
		m.field_count = 1;
	}
	call->send_bytes = BODY;
	CU_ASSERT_EQUAL(http_respond(side->conn, call->stream, &m, true), 0);
}

// to_server moves what the client says.
static void to_server(struct browser *browser)
{
	const uint8_t *bytes;
	ssize_t count;
	while ((count = nghttp2_session_mem_send(browser->session, &bytes)) > 0)
		side_feed(browser->server, slice_of(bytes, (size_t)count), SIZE_MAX);
}

// to_client moves at most count runs of what the server says.
static void to_client(struct browser *browser, unsigned count)
{
	uint8_t out[4096];
	size_t bytes;
	while (count-- && (bytes = http_produce(browser->server->conn, out, sizeof(out))) > 0)
		nghttp2_session_mem_recv(browser->session, out, bytes);
}

static void open_browser(struct browser *browser, bool is_shared)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20};
	*browser = (struct browser){.limits = side_limits};
	browser->limits.is_shared = is_shared;
	browser->limits.counters = &browser->counters;
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	CHECK(nghttp2_session_client_new(&browser->session, callbacks, browser) == 0);
	nghttp2_session_callbacks_del(callbacks);
	browser->server = side_new(HTTP_VERSION_2, true, &browser->limits);
	browser->server->answer = on_request;
	browser->server->peer = browser;
	nghttp2_submit_settings(browser->session, 0, &window, 1);
	nghttp2_session_set_local_window_size(browser->session, 0, 0, 1 << 24);
	to_server(browser);
	to_client(browser, 10);
	to_server(browser);
}

static void close_browser(struct browser *browser)
{
	nghttp2_session_del(browser->session);
	side_free(browser->server);
}

static nghttp2_nv field(const char *name, const char *value)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
			    strlen(value), NGHTTP2_NV_FLAG_NONE};
}

// ask requests a body with a Priority field, or with none.
static int32_t ask(struct browser *browser, const char *priority)
{
	nghttp2_nv fields[] = {field(":method", "GET"), field(":scheme", "https"),
			       field(":authority", "a"), field(":path", "/"),
			       field("priority", priority ? priority : "")};
	int32_t id = nghttp2_submit_request(browser->session, NULL, fields, priority ? 5 : 4, NULL,
					    NULL);
	CHECK(id > 0);
	return id;
}

static void update(struct browser *browser, int32_t id, const char *priority)
{
	CHECK(nghttp2_submit_priority_update(browser->session, 0, id, (const uint8_t *)priority,
					     strlen(priority)) == 0);
}

// position is where in the order the stream's last byte came.
static unsigned position(const struct browser *browser, int32_t id)
{
	unsigned at = 0;
	for (unsigned i = 0; i < browser->order_count; i++)
		if (browser->order[i] == id)
			at = i + 1;
	return at;
}

// switches counts how often the next DATA was another stream's.
static unsigned switches(const struct browser *browser)
{
	unsigned count = 0;
	for (unsigned i = 1; i < browser->order_count; i++)
		count += browser->order[i] != browser->order[i - 1];
	return count;
}

static void the_urgent_ones_go_first(void)
{
	struct browser b;
	open_browser(&b, false);
	int32_t last = ask(&b, "u=7"), usual = ask(&b, NULL), first = ask(&b, "u=0"),
		second = ask(&b, "u=1, i, x=\"unknown\"");
	to_server(&b);
	to_client(&b, 1000);
	CU_ASSERT(position(&b, first) < position(&b, second));
	CU_ASSERT(position(&b, second) < position(&b, usual));
	CU_ASSERT(position(&b, usual) < position(&b, last));
	CU_ASSERT_EQUAL(switches(&b), 3);
	close_browser(&b);
}

static void a_late_urgent_one_overtakes(void)
{
	struct browser b;
	open_browser(&b, false);
	int32_t big[4];
	for (unsigned i = 0; i < 4; i++)
		big[i] = ask(&b, "u=5");
	to_server(&b);
	to_client(&b, 5);
	unsigned before = b.order_count;
	int32_t small = ask(&b, "u=2");
	to_server(&b);
	to_client(&b, 1000);
	CU_ASSERT(position(&b, small) < position(&b, big[0]));
	CU_ASSERT_EQUAL(b.order[before], small);
	close_browser(&b);
}

static void equals_go_one_after_another_or_in_turn_as_they_ask(void)
{
	struct browser b;
	open_browser(&b, false);
	for (unsigned i = 0; i < 4; i++)
		ask(&b, NULL);
	to_server(&b);
	to_client(&b, 1000);
	CU_ASSERT_EQUAL(switches(&b), 3);
	CU_ASSERT(position(&b, 1) < position(&b, 3) && position(&b, 3) < position(&b, 5));
	b.order_count = 0;
	for (unsigned i = 0; i < 4; i++)
		ask(&b, "i");
	to_server(&b);
	to_client(&b, 1000);
	CU_ASSERT(switches(&b) > 40);
	close_browser(&b);
}

static void an_update_moves_a_stream_that_sends(void)
{
	struct browser b;
	open_browser(&b, false);
	int32_t first = ask(&b, "u=1"), second = ask(&b, "u=2");
	to_server(&b);
	to_client(&b, 3);
	update(&b, second, "u=0");
	to_server(&b);
	to_client(&b, 1000);
	CU_ASSERT(position(&b, second) < position(&b, first));
	CU_ASSERT_EQUAL(b.counters.value[COUNTER_http_priority_updates], 1);
	close_browser(&b);
}

static void an_update_before_its_stream_is_kept_and_wins_over_the_field(void)
{
	struct browser b;
	open_browser(&b, false);
	update(&b, 5, "u=0");
	update(&b, 5, "u=6");
	int32_t first = ask(&b, "u=4"), second = ask(&b, "u=5"), third = ask(&b, "u=0");
	to_server(&b);
	to_client(&b, 1000);
	CU_ASSERT(position(&b, first) < position(&b, second));
	CU_ASSERT(position(&b, second) < position(&b, third));
	close_browser(&b);
}

static void updates_of_streams_to_come_are_bounded(void)
{
	struct browser b;
	open_browser(&b, false);
	for (int32_t i = 0; i < 50; i++)
		update(&b, 1001 + 2 * i, "u=0");
	to_server(&b);
	CU_ASSERT_EQUAL(b.counters.value[COUNTER_http_priority_updates], 50);
	CU_ASSERT_EQUAL(b.counters.value[COUNTER_http_priorities_forgotten], 34);
	CU_ASSERT_EQUAL(b.goaway_error, 0);
	for (int32_t i = 0; i < 2000; i++)
		update(&b, 1001, "u=0");
	to_server(&b);
	to_client(&b, 10);
	CU_ASSERT_EQUAL(b.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
	close_browser(&b);
}

static void the_response_has_the_last_word(void)
{
	struct browser b;
	open_browser(&b, false);
	int32_t first = ask(&b, "u=2");
	to_server(&b);
	b.answer_priority = "u=0"; // and is_incremental stays as asked
	int32_t second = ask(&b, "u=5"), third = ask(&b, "u=6");
	to_server(&b);
	update(&b, third, "u=7");
	to_server(&b);
	to_client(&b, 1000);
	CU_ASSERT(position(&b, second) < position(&b, third));
	CU_ASSERT(position(&b, third) < position(&b, first));
	close_browser(&b);
}

static void what_cannot_be_read_says_nothing(void)
{
	static const char *const bad[] = {"u=0, ,", "U=0", "u=0;", "\"u=0\"", "u=0 i"};
	static const char *const senseless[] = {"u=8",  "u=-1",         "u=0.5",
						"u=?1", "i=1, u=\"0\"", "uu=0"};
	for (size_t i = 0; i < ARRAY_LEN(bad) + ARRAY_LEN(senseless); i++) {
		struct browser b;
		bool is_bad = i < ARRAY_LEN(bad);
		open_browser(&b, false);
		int32_t first = ask(&b, "u=2");
		int32_t second = ask(&b, is_bad ? bad[i] : senseless[i - ARRAY_LEN(bad)]);
		int32_t third = ask(&b, "u=4");
		to_server(&b);
		update(&b, third, is_bad ? bad[i] : "u=4");
		to_server(&b);
		to_client(&b, 1000);
		CU_ASSERT(position(&b, first) < position(&b, second));
		CU_ASSERT(position(&b, second) < position(&b, third));
		CU_ASSERT_EQUAL(b.counters.value[COUNTER_http_priorities_bad], is_bad ? 2 : 0);
		close_browser(&b);
	}
}

static void an_endless_value_is_not_kept(void)
{
	struct browser b;
	char value[5000];
	open_browser(&b, false);
	ask(&b, NULL);
	memset(value, 'a', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	update(&b, 1, value);
	to_server(&b);
	CU_ASSERT_EQUAL(b.counters.value[COUNTER_http_priorities_bad], 1);
	update(&b, 1, "u=0");
	to_server(&b);
	CU_ASSERT_EQUAL(b.counters.value[COUNTER_http_priority_updates], 1);
	close_browser(&b);
}

static void frames_against_the_rules_end_the_connection(void)
{
	static const struct {
		const char *frame;
		size_t bytes;
		unsigned error;
	} cases[] = {
		{"\0\0\x7\x10\0\0\0\0\x1\0\0\0\x1u=0", 16, NGHTTP2_PROTOCOL_ERROR}, // on a stream
		{"\0\0\x7\x10\0\0\0\0\0\0\0\0\0u=0", 16, NGHTTP2_PROTOCOL_ERROR},
		{"\0\0\x7\x10\0\0\0\0\0\0\0\0\x2u=0", 16, NGHTTP2_PROTOCOL_ERROR}, // a push
		{"\0\0\x3\x10\0\0\0\0\0\0\0\0", 12, NGHTTP2_FRAME_SIZE_ERROR},
		{"\0\0\0\x10\0\0\0\0\0", 9, NGHTTP2_FRAME_SIZE_ERROR},
		{"\0\0\x5\x2\0\0\0\0\x1\0\0\0\x1\x10", 14, NGHTTP2_PROTOCOL_ERROR}, // on itself
		{"\0\0\x5\x2\0\x80\0\0\x1\x80\0\0\x1\x10", 14, NGHTTP2_PROTOCOL_ERROR},
	};
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		struct browser b;
		open_browser(&b, false);
		const size_t at = i / 2, step = i % 2 ? SIZE_MAX : 1;
		side_feed(b.server, slice_of(cases[at].frame, cases[at].bytes), step);
		to_client(&b, 10);
		CU_ASSERT_EQUAL(b.goaway_error, cases[at].error);
		CU_ASSERT_EQUAL(b.server->closed_fault.counter, COUNTER_http_h2_protocol);
		close_browser(&b);
	}
}

static void priorities_of_rfc_7540_are_counted_and_ignored(void)
{
	struct browser b;
	open_browser(&b, false);
	int32_t first = ask(&b, NULL), second = ask(&b, NULL);
	to_server(&b);
	static const char frame[] = "\0\0\x5\x2\0\0\0\0\x3\x80\0\0\0\xff";
	side_feed(b.server, slice_of(frame, 14), SIZE_MAX);
	to_client(&b, 1000);
	CU_ASSERT(position(&b, first) < position(&b, second));
	CU_ASSERT_EQUAL(b.counters.value[COUNTER_http_priorities_old], 1);
	close_browser(&b);
}

static void streams_of_many_users_share_alike(void)
{
	struct browser b;
	open_browser(&b, true);
	ask(&b, "u=0");
	ask(&b, "u=7");
	to_server(&b);
	update(&b, 1, "u=0");
	to_server(&b);
	to_client(&b, 1000);
	CU_ASSERT(switches(&b) > 15);
	close_browser(&b);
}

static void bodies_of_requests_share_alike(void)
{
	struct pair *pair = pair_new(HTTP_VERSION_2, NULL);
	pair_run(pair); // SETTINGS
	struct call *first = side_request(pair->client, HTTP_POST, "/", 60000, true);
	struct call *second = side_request(pair->client, HTTP_POST, "/", 60000, true);
	uint8_t out[4096];
	for (unsigned i = 0; i < 12; i++)
		http_produce(pair->client->conn, out, sizeof(out));
	CU_ASSERT(first->sent_bytes > 15000 && second->sent_bytes > 15000);
	pair_free(pair);
}

UNIT_MAIN("h2_priority", {"the urgent ones go first", the_urgent_ones_go_first},
	  {"a late urgent one overtakes", a_late_urgent_one_overtakes},
	  {"equals go one after another, or in turn, as they ask",
	   equals_go_one_after_another_or_in_turn_as_they_ask},
	  {"an update moves a stream that sends", an_update_moves_a_stream_that_sends},
	  {"an update before its stream is kept, and wins over the field",
	   an_update_before_its_stream_is_kept_and_wins_over_the_field},
	  {"updates of streams to come are bounded", updates_of_streams_to_come_are_bounded},
	  {"the response has the last word", the_response_has_the_last_word},
	  {"what cannot be read says nothing", what_cannot_be_read_says_nothing},
	  {"an endless value is not kept", an_endless_value_is_not_kept},
	  {"frames against the rules end the connection",
	   frames_against_the_rules_end_the_connection},
	  {"priorities of RFC 7540 are counted and ignored",
	   priorities_of_rfc_7540_are_counted_and_ignored},
	  {"streams of many users share alike", streams_of_many_users_share_alike},
	  {"bodies of requests share alike", bodies_of_requests_share_alike})
