// SPDX-License-Identifier: Apache-2.0
// An HTTP/2 end against a peer that breaks the rules: nghttp2 as an attacker that checks nothing,
// and frames made by hand.
#include "counter.h"
#include "http_side.h"

#include <nghttp2/nghttp2.h>

// A peer without scruples.
struct foe {
	nghttp2_session *session;
	unsigned resets, refusals, goaway_error;
	char status[4];
	int32_t last_streams[4]; // of GOAWAYs
	unsigned goaways;
};

static int foe_on_frame(nghttp2_session *, const nghttp2_frame *frame, void *user)
{
	struct foe *foe = user;
	if (frame->hd.type == NGHTTP2_RST_STREAM) {
		foe->resets++;
		foe->refusals += frame->rst_stream.error_code == NGHTTP2_REFUSED_STREAM;
	}
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		foe->goaway_error = frame->goaway.error_code;
		foe->last_streams[foe->goaways++ % 4] = frame->goaway.last_stream_id;
	}
	return 0;
}

static int foe_on_header(nghttp2_session *, const nghttp2_frame *, const uint8_t *name, size_t,
			 const uint8_t *value, size_t bytes, uint8_t, void *user)
{
	struct foe *foe = user;
	if (name[0] == ':' && bytes == 3)
		memcpy(foe->status, value, 3);
	return 0;
}

static void foe_start(struct foe *foe, bool is_server)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	*foe = (struct foe){0};
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, foe_on_frame);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, foe_on_header);
	nghttp2_option_new(&option);
	nghttp2_option_set_no_http_messaging(option, 1);
	nghttp2_option_set_peer_max_concurrent_streams(option, 1000000);
	if (is_server)
		nghttp2_session_server_new2(&foe->session, callbacks, foe, option);
	else
		nghttp2_session_client_new2(&foe->session, callbacks, foe, option);
	nghttp2_submit_settings(foe->session, 0, NULL, 0);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
}

static void foe_exchange(struct foe *foe, struct side *side)
{
	for (unsigned i = 0; i < 100000; i++) {
		const uint8_t *bytes;
		uint8_t out[4096];
		ssize_t count = nghttp2_session_mem_send(foe->session, &bytes);
		if (count > 0)
			side_feed(side, slice_of(bytes, (size_t)count), SIZE_MAX);
		size_t produced = http_produce(side->conn, out, sizeof(out));
		if (produced)
			nghttp2_session_mem_recv(foe->session, out, produced);
		if (count <= 0 && produced == 0)
			return;
	}
	CU_FAIL("foe_exchange does not come to rest");
}

#define NV(n, v)                                                                                   \
	{                                                                                          \
		(uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, sizeof(v) - 1,                      \
			NGHTTP2_NV_FLAG_NO_COPY_NAME                                               \
	}
#define GOOD NV(":method", "GET"), NV(":scheme", "https"), NV(":authority", "a"), NV(":path", "/")
#define WITH(...)                                                                                  \
	{                                                                                          \
		GOOD, __VA_ARGS__                                                                  \
	}

struct shape {
	nghttp2_nv fields[10];
	int counter;
	const char *status; // answered; "": reset
};

static const struct shape shapes[] = {
	{WITH(NV("connection", "close")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("transfer-encoding", "chunked")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("upgrade", "h2c")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("keep-alive", "1")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("proxy-connection", "1")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("te", "gzip")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("http2-settings", "AA")), COUNTER_http_h2_malformed, "400"},
	{WITH(NV("a b", "c")), COUNTER_http_h2_field_bad, ""},
	{WITH(NV("a", "b\r\nc: d")), COUNTER_http_h2_field_bad, ""},
	{WITH(NV("a", "b\nc")), COUNTER_http_h2_field_bad, ""},
	{WITH(NV("a", "b\0c")), COUNTER_http_h2_field_bad, ""},
	{WITH(NV("a", "\x01")), COUNTER_http_h2_field_bad, ""},
	{WITH(NV("a:", "b")), COUNTER_http_h2_field_bad, ""},
	{WITH(NV(":path", "/x")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("a", "b"), NV(":protocol", "c")), COUNTER_http_h2_malformed, ""},
	{WITH(NV(":status", "200")), COUNTER_http_h2_malformed, ""},
	{WITH(NV(":other", "1")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("content-length", "5")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("content-length", "-1")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("content-length", "0"), NV("content-length", "0")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("host", "b")), COUNTER_http_host_differs, "400"},
	{WITH(NV("host", "a"), NV("host", "a")), COUNTER_http_h2_malformed, ""},
	{WITH(NV("expect", "magic")), COUNTER_http_expect_unknown, "417"},
	{{NV("a", "b"), GOOD}, COUNTER_http_h2_malformed, ""},
	{{NV(":method", "GET"), NV(":scheme", "https"), NV(":path", "/")},
	 COUNTER_http_h2_malformed,
	 ""},
	{{NV(":method", "GET"), NV(":scheme", "https"), NV(":authority", "a")},
	 COUNTER_http_h2_malformed,
	 ""},
	{{NV(":scheme", "https"), NV(":authority", "a"), NV(":path", "/")},
	 COUNTER_http_h2_malformed,
	 ""},
	{{NV(":method", "GET"), NV(":authority", "a"), NV(":path", "/")},
	 COUNTER_http_h2_malformed,
	 ""},
	{{NV(":method", "GET"), NV(":scheme", "ftp"), NV(":authority", "a"), NV(":path", "/")},
	 COUNTER_http_target_bad,
	 "400"},
	{{NV(":method", "GET"), NV(":scheme", "https"), NV(":authority", "u@a"), NV(":path", "/")},
	 COUNTER_http_host_bad,
	 "400"},
	{{NV(":method", "GET"), NV(":scheme", "https"), NV(":authority", "a:99999"),
	  NV(":path", "/")},
	 COUNTER_http_host_bad,
	 "400"},
	{{NV(":method", "GET"), NV(":scheme", "https"), NV(":authority", "a"), NV(":path", "/#a")},
	 COUNTER_http_target_bad,
	 "400"},
	{{NV(":method", "GET"), NV(":scheme", "https"), NV(":authority", "a"),
	  NV(":path", "/\xff")},
	 COUNTER_http_target_bad,
	 "400"},
	{{NV(":method", "CONNECT"), NV(":authority", "a")}, COUNTER_http_host_bad, "400"},
};

static size_t count_fields(const nghttp2_nv *fields)
{
	size_t count = 0;
	while (count < 10 && fields[count].name)
		count++;
	return count;
}

static void every_malformed_request_is_refused_and_counted(void)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct counters counters = {0};
		struct http_limits limits = side_limits;
		struct foe foe;
		limits.counters = &counters;
		struct side *side = side_new(HTTP_VERSION_2, true, &limits);
		foe_start(&foe, false);
		nghttp2_submit_request(foe.session, NULL, shapes[i].fields,
				       count_fields(shapes[i].fields), NULL, NULL);
		foe_exchange(&foe, side);
		bool is_right = counters.value[shapes[i].counter] == 1 &&
				strcmp(foe.status, shapes[i].status) == 0;
		for (int c = COUNTER_http_start_line_bad;
		     !is_right && c <= COUNTER_http_h2_goaway_by_peer; c++)
			if (counters.value[c])
				printf("# shape %zu gives %s, status %s\n", i, counter_info[c].name,
				       foe.status);
		CU_ASSERT(is_right);
		CU_ASSERT_EQUAL(foe.resets, shapes[i].status[0] == 0);
		CU_ASSERT_EQUAL(side->call_count, 0);
		CU_ASSERT_EQUAL(side->closed_count, 0);
		nghttp2_session_del(foe.session);
		side_free(side);
	}
}

static void heads_beyond_their_bounds_are_answered_431_and_414(void)
{
	static uint8_t filler[20000];
	memset(filler, 'a', sizeof(filler));
	filler[0] = '/';
	nghttp2_nv large[] = WITH({(uint8_t *)"a", filler, 1, 9000, 0});
	nghttp2_nv target[] = WITH();
	nghttp2_nv many[50] = WITH();
	target[3].value = filler;
	target[3].valuelen = 600;
	for (size_t i = 4; i < 50; i++)
		many[i] = (nghttp2_nv)NV("a", "b");
	struct {
		const nghttp2_nv *fields;
		size_t count;
		const char *status;
	} cases[] = {{large, 5, "431"}, {target, 4, "414"}, {many, 50, "431"}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct foe foe;
		struct side *side = side_new(HTTP_VERSION_2, true, NULL);
		foe_start(&foe, false);
		nghttp2_submit_request(foe.session, NULL, cases[i].fields, cases[i].count, NULL,
				       NULL);
		foe_exchange(&foe, side);
		CU_ASSERT_STRING_EQUAL(foe.status, cases[i].status);
		CU_ASSERT_EQUAL(side->call_count, 0);
		nghttp2_session_del(foe.session);
		side_free(side);
	}
}

static const nghttp2_nv good[] = {GOOD};

static void a_large_head_in_many_continuations_is_read(void)
{
	static uint8_t filler[8000];
	memset(filler, '!', sizeof(filler)); // no shorter by Huffman coding
	nghttp2_nv fields[10] = WITH();
	struct http_limits limits = side_limits;
	struct foe foe;
	limits.head_bytes = 65536;
	for (size_t i = 4; i < 10; i++)
		fields[i] = (nghttp2_nv){(uint8_t *)"a", filler, 1, sizeof(filler), 0};
	struct side *side = side_new(HTTP_VERSION_2, true, &limits);
	foe_start(&foe, false);
	for (unsigned i = 0; i < 3; i++)
		nghttp2_submit_request(foe.session, NULL, fields, 10, NULL, NULL);
	foe_exchange(&foe, side);
	CU_ASSERT_EQUAL(side->call_count, 3);
	CU_ASSERT_EQUAL(side->closed_count, 0);
	nghttp2_session_del(foe.session);
	side_free(side);
}

// crumbs asks with count cookies of bytes each, apart from each other by another field, or not;
// returns the status when it is refused.
static const char *crumbs(struct side *side, struct foe *foe, unsigned count, size_t bytes,
			  bool is_apart)
{
	static uint8_t filler[2000];
	nghttp2_nv fields[40] = WITH();
	size_t used = 4;
	memset(filler, 'c', sizeof(filler));
	foe_start(foe, false);
	for (unsigned i = 0; i < count; i++) {
		fields[used++] = (nghttp2_nv){(uint8_t *)"cookie", filler, 6, bytes, 0};
		if (is_apart)
			fields[used++] = (nghttp2_nv)NV("x", "y");
	}
	nghttp2_submit_request(foe->session, NULL, fields, used, NULL, NULL);
	foe_exchange(foe, side);
	nghttp2_session_del(foe->session);
	return foe->status;
}

static void cookies_in_several_fields_are_one(void)
{
	static const struct {
		unsigned count;
		size_t bytes;
		bool is_apart;
		const char *status, *fields;
	} cases[] = {
		{1, 2, false, "", "cookie=cc;"},
		{3, 2, false, "", "cookie=cc; cc; cc;"},
		{3, 0, false, "", "cookie=; ; ;"},
		{3, 2, true, "", "cookie=cc; cc; cc;x=y;x=y;x=y;"},
		{4, 1900, false, "", NULL},   // joined where they are
		{4, 1500, true, "431", NULL}, // a copy each, as long as the head may be
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct foe foe;
		struct side *side = side_new(HTTP_VERSION_2, true, NULL);
		CU_ASSERT_STRING_EQUAL(
			crumbs(side, &foe, cases[i].count, cases[i].bytes, cases[i].is_apart),
			cases[i].status);
		CU_ASSERT_EQUAL(side->call_count, cases[i].status[0] == 0);
		if (cases[i].fields)
			CU_ASSERT_STRING_EQUAL(side->calls[0].fields, cases[i].fields);
		side_free(side);
	}
}

static void rapid_resets_end_the_connection_beyond_the_budget(void)
{
	struct foe foe;
	struct side *side = side_new(HTTP_VERSION_2, true, NULL);
	foe_start(&foe, false);
	unsigned sent = 0;
	while (side->closed_count == 0 && sent < 400) {
		int32_t id = nghttp2_submit_request(foe.session, NULL, good, 4, NULL, NULL);
		foe_exchange(&foe, side);
		nghttp2_submit_rst_stream(foe.session, 0, id, NGHTTP2_CANCEL);
		foe_exchange(&foe, side);
		sent++;
	}
	CU_ASSERT_EQUAL(sent, side->limits.reset_budget + 1);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_resets_many);
	CU_ASSERT_EQUAL(foe.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
	CU_ASSERT(http_is_done(side->conn));
	nghttp2_session_del(foe.session);
	side_free(side);
}

static void answer_small(struct side *side, struct call *call)
{
	side_respond(side, call, 200, 5, true);
}

static void exchanges_that_end_well_pay_for_resets(void)
{
	struct foe foe;
	struct side *side = side_new(HTTP_VERSION_2, true, NULL);
	foe_start(&foe, false);
	for (unsigned i = 0; i < 200; i++) {
		side->answer = i % 2 ? answer_small : NULL;
		int32_t id = nghttp2_submit_request(foe.session, NULL, good, 4, NULL, NULL);
		foe_exchange(&foe, side);
		if (i % 2 == 0)
			nghttp2_submit_rst_stream(foe.session, 0, id, NGHTTP2_CANCEL);
		foe_exchange(&foe, side);
	}
	CU_ASSERT_EQUAL(side->closed_count, 0);
	CU_ASSERT_EQUAL(side->call_count, 200);
	nghttp2_session_del(foe.session);
	side_free(side);
}

static void streams_beyond_the_limit_are_refused(void)
{
	struct counters counters = {0};
	struct http_limits limits = side_limits;
	limits.stream_count = 10;
	limits.counters = &counters;
	struct foe foe;
	struct side *side = side_new(HTTP_VERSION_2, true, &limits);
	foe_start(&foe, false);
	for (unsigned i = 0; i < 25; i++)
		nghttp2_submit_request(foe.session, NULL, good, 4, NULL, NULL);
	for (unsigned i = 0; i < 30; i++) { // all at once, before our SETTINGS are known
		const uint8_t *bytes;
		ssize_t count = nghttp2_session_mem_send(foe.session, &bytes);
		if (count > 0)
			side_feed(side, slice_of(bytes, (size_t)count), SIZE_MAX);
	}
	foe_exchange(&foe, side);
	CU_ASSERT_EQUAL(side->call_count, 10);
	CU_ASSERT_EQUAL(foe.refusals, 15);
	CU_ASSERT_EQUAL(counters.value[COUNTER_http_h2_streams_full], 15);
	CU_ASSERT_EQUAL(http_stream_count(side->conn), 10);
	nghttp2_session_del(foe.session);
	side_free(side);
}

// One request of a foe, answered at once by a reset of ours when is_ours.
static struct side *side_with_request(struct foe *foe, bool is_ours)
{
	struct side *side = side_new(HTTP_VERSION_2, true, NULL);
	nghttp2_nv fields[] = {GOOD};
	foe_start(foe, false);
	nghttp2_submit_headers(foe->session, NGHTTP2_FLAG_NONE, -1, NULL, fields, 4, NULL);
	foe_exchange(foe, side);
	if (is_ours)
		http_reset(side->conn, side->calls[0].stream);
	else
		side_feed(side, slice_of("\0\0\4\3\0\0\0\0\1\0\0\0\10", 13), SIZE_MAX);
	side_drain(side, 4096);
	return side;
}

// Feeds DATA frames of 1024 bytes on stream 1; how many it took.
static unsigned feed_data(struct side *side, unsigned count)
{
	static const char frame[9 + 1024] = "\0\4\0\0\0\0\0\0\1";
	unsigned fed = 0;
	for (; fed < count && side->closed_count == 0; fed++) {
		side_feed(side, slice_of(frame, sizeof(frame)), SIZE_MAX);
		side_drain(side, 4096);
	}
	return fed;
}

static void a_body_that_crossed_our_reset_is_no_flood_until_it_goes_on(void)
{
	struct foe foe;
	struct side *side = side_with_request(&foe, true);
	unsigned window = side->limits.stream_window_bytes / 1024;
	CU_ASSERT_EQUAL(feed_data(side, window), window);
	CU_ASSERT(feed_data(side, 5000) <= 1025);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_flooded);
	nghttp2_session_del(foe.session);
	side_free(side);
}

static void a_body_behind_the_peers_own_reset_ends_the_connection(void)
{
	struct foe foe;
	struct side *side = side_with_request(&foe, false);
	CU_ASSERT_EQUAL(feed_data(side, 2), 1);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_stream_closed);
	nghttp2_session_del(foe.session);
	side_free(side);
}

static void what_is_no_http2_is_refused(void)
{
	struct side *side = side_new(HTTP_VERSION_2, true, NULL);
	side_feed(side, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), SIZE_MAX);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_preface_bad);
	CU_ASSERT(http_is_done(side->conn));
	side_free(side);
	side = side_new(HTTP_VERSION_2, true, NULL);
	side_feed(side, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"), SIZE_MAX);
	side_feed(side, slice_of("\0\0\1\0\0\0\0\0\0A", 10), SIZE_MAX); // DATA on stream 0
	side_drain(side, 4096);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_protocol);
	CU_ASSERT(http_is_done(side->conn));
	side_free(side);
}

static void a_body_longer_or_shorter_than_its_length_is_reset(void)
{
	static const char *const frames[] = {"\0\0\3\0\1\0\0\0\1ABC", "\0\0\1\0\1\0\0\0\1A"};
	static const size_t bytes[] = {12, 10};
	for (unsigned i = 0; i < 2; i++) {
		struct foe foe;
		struct side *side = side_new(HTTP_VERSION_2, true, NULL);
		nghttp2_nv fields[] = WITH(NV("content-length", "2"));
		foe_start(&foe, false);
		nghttp2_submit_headers(foe.session, NGHTTP2_FLAG_NONE, -1, NULL, fields, 5, NULL);
		foe_exchange(&foe, side);
		side_feed(side, slice_of(frames[i], bytes[i]), SIZE_MAX);
		side_drain(side, 4096);
		CU_ASSERT_FATAL(side->call_count == 1);
		CU_ASSERT(side->calls[0].is_reset && !side->calls[0].has_ended);
		CU_ASSERT_EQUAL(side->calls[0].fault.counter, COUNTER_http_length_mismatch);
		CU_ASSERT_EQUAL(http_stream_count(side->conn), 0);
		nghttp2_session_del(foe.session);
		side_free(side);
	}
}

static void a_goaway_tells_which_requests_may_be_tried_again(void)
{
	struct foe foe;
	struct side *side = side_new(HTTP_VERSION_2, false, NULL);
	foe_start(&foe, true);
	for (unsigned i = 0; i < 3; i++)
		side_request(side, HTTP_GET, "/", UINT64_MAX, true);
	foe_exchange(&foe, side);
	nghttp2_submit_goaway(foe.session, 0, 3, NGHTTP2_NO_ERROR, NULL, 0);
	foe_exchange(&foe, side);
	CU_ASSERT(!side->calls[0].is_reset && !side->calls[1].is_reset && side->calls[2].is_reset);
	CU_ASSERT_EQUAL(side->calls[2].fault.counter, COUNTER_http_h2_refused_by_peer);
	CU_ASSERT_EQUAL(side->closed_count, 1);
	CU_ASSERT_EQUAL(side->closed_fault.counter, 0);
	nghttp2_session_terminate_session2(foe.session, 1, NGHTTP2_INTERNAL_ERROR);
	foe_exchange(&foe, side);
	CU_ASSERT_EQUAL(side->calls[0].fault.counter, COUNTER_http_conn_lost);
	CU_ASSERT_EQUAL(side->calls[1].fault.counter, COUNTER_http_h2_refused_by_peer);
	CU_ASSERT(http_is_done(side->conn));
	nghttp2_session_del(foe.session);
	side_free(side);
}

static void ask_as_foe(struct foe *foe)
{
	nghttp2_submit_request(foe->session, NULL, good, ARRAY_LEN(good), NULL, NULL);
}

static void a_notice_comes_before_the_last_goaway(void)
{
	struct foe foe;
	struct side *side = side_new(HTTP_VERSION_2, true, NULL);
	foe_start(&foe, false);
	ask_as_foe(&foe);
	foe_exchange(&foe, side);
	http_drain(side->conn);
	ask_as_foe(&foe); // before it has seen the notice
	foe_exchange(&foe, side);
	CU_ASSERT_EQUAL(side->call_count, 2);
	CU_ASSERT_EQUAL(foe.goaways, 2);
	CU_ASSERT_EQUAL(foe.last_streams[0], INT32_MAX);
	CU_ASSERT_EQUAL(foe.last_streams[1], 3);
	CU_ASSERT_EQUAL(foe.goaway_error, NGHTTP2_NO_ERROR);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_FALSE(http_is_done(side->conn));
		CU_ASSERT_EQUAL(side_respond(side, &side->calls[i], 200, 5, true), 0);
		foe_exchange(&foe, side);
	}
	CU_ASSERT(http_is_done(side->conn));
	nghttp2_session_del(foe.session);
	side_free(side);
}

static void a_shutdown_without_notice_names_the_last_stream(void)
{
	struct foe foe;
	struct side *side = side_new(HTTP_VERSION_2, true, NULL);
	foe_start(&foe, false);
	ask_as_foe(&foe);
	foe_exchange(&foe, side);
	http_shutdown(side->conn);
	http_shutdown(side->conn);
	foe_exchange(&foe, side);
	CU_ASSERT_EQUAL(foe.goaways, 1);
	CU_ASSERT_EQUAL(foe.last_streams[0], 1);
	CU_ASSERT_FALSE(http_is_done(side->conn));
	side_respond(side, &side->calls[0], 200, 5, true);
	foe_exchange(&foe, side);
	CU_ASSERT(http_is_done(side->conn));
	nghttp2_session_del(foe.session);
	side_free(side);
}

static void a_malformed_response_is_reset(void)
{
	static const nghttp2_nv bad[][2] = {
		{NV(":status", "200"), NV("connection", "close")},
		{NV(":status", "999"), NV("a", "b")},
		{NV("a", "b"), NV(":status", "200")},
		{NV(":status", "200"), NV("a", "b\rc")},
	};
	static const int counters[] = {COUNTER_http_h2_malformed, COUNTER_http_status_bad,
				       COUNTER_http_h2_malformed, COUNTER_http_h2_field_bad};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct foe foe;
		struct side *side = side_new(HTTP_VERSION_2, false, NULL);
		foe_start(&foe, true);
		struct call *call = side_request(side, HTTP_GET, "/", UINT64_MAX, true);
		foe_exchange(&foe, side);
		nghttp2_submit_response(foe.session, (int32_t)call->stream, bad[i], 2, NULL);
		foe_exchange(&foe, side);
		CU_ASSERT(call->is_reset && !call->has_head);
		CU_ASSERT_EQUAL(call->fault.counter, counters[i]);
		CU_ASSERT_EQUAL(call->fault.status, 502);
		CU_ASSERT_EQUAL(foe.resets, 1);
		CU_ASSERT_EQUAL(http_stream_count(side->conn), 0);
		nghttp2_session_del(foe.session);
		side_free(side);
	}
}

static void a_request_reset_before_it_was_sent_is_never_sent(void)
{
	struct foe foe;
	struct side *side = side_new(HTTP_VERSION_2, false, NULL);
	foe_start(&foe, true);
	struct call *call = side_request(side, HTTP_GET, "/", UINT64_MAX, true);
	http_reset(side->conn, call->stream);
	CU_ASSERT_EQUAL(http_stream_count(side->conn), 0);
	foe_exchange(&foe, side);
	CU_ASSERT_FALSE(call->is_reset);
	struct call *next = side_request(side, HTTP_GET, "/", UINT64_MAX, true);
	foe_exchange(&foe, side);
	CU_ASSERT_FALSE(next->is_reset);
	CU_ASSERT_EQUAL(http_stream_count(side->conn), 1);
	nghttp2_session_del(foe.session);
	side_free(side);
}

UNIT_MAIN("h2_conn",
	  {"every malformed request is refused and counted",
	   every_malformed_request_is_refused_and_counted},
	  {"heads beyond their bounds are answered 431 and 414",
	   heads_beyond_their_bounds_are_answered_431_and_414},
	  {"a large head in many continuations is read",
	   a_large_head_in_many_continuations_is_read},
	  {"cookies in several fields are one", cookies_in_several_fields_are_one},
	  {"rapid resets end the connection beyond the budget",
	   rapid_resets_end_the_connection_beyond_the_budget},
	  {"exchanges that end well pay for resets", exchanges_that_end_well_pay_for_resets},
	  {"streams beyond the limit are refused", streams_beyond_the_limit_are_refused},
	  {"a body that crossed our reset is no flood until it goes on",
	   a_body_that_crossed_our_reset_is_no_flood_until_it_goes_on},
	  {"a body behind the peer's own reset ends the connection",
	   a_body_behind_the_peers_own_reset_ends_the_connection},
	  {"what is no HTTP/2 is refused", what_is_no_http2_is_refused},
	  {"a body longer or shorter than its length is reset",
	   a_body_longer_or_shorter_than_its_length_is_reset},
	  {"a goaway tells which requests may be tried again",
	   a_goaway_tells_which_requests_may_be_tried_again},
	  {"a notice comes before the last goaway", a_notice_comes_before_the_last_goaway},
	  {"a shutdown without notice names the last stream",
	   a_shutdown_without_notice_names_the_last_stream},
	  {"a malformed response is reset", a_malformed_response_is_reset},
	  {"a request reset before it was sent is never sent",
	   a_request_reset_before_it_was_sent_is_never_sent})
