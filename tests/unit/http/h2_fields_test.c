// SPDX-License-Identifier: Apache-2.0
// Heads of responses: those that we write behind nghttp2's frame, and those that are all its own,
// on one connection, through outputs of any size.
#include "http_side.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum { STREAMS = 12, LARGE_BYTES = 9000 };

static char large[LARGE_BYTES];

// answer answers in one of four ways: fields that we write; too many for that; interim responses
// before and trailers behind; a status that enters nghttp2's own table, and no body.
static void answer(struct side *side, struct call *call)
{
	static const uint16_t statuses[] = {200, 200, 206, 418};
	unsigned way = call->stream / 2 % 4;
	struct http_field fields[] = {
		{SLICE("content-type"), SLICE("text/plain")},
		{SLICE("x-way"), slice_of(&"0123"[way], 1)},
		{SLICE("connection"), SLICE("close")}, // HTTP/1.1's, never said
		{SLICE("te"), SLICE("trailers")},
		{SLICE("etag"), slice_of(large, way == 1 ? LARGE_BYTES : 10)},
	};
	struct http_message head = {.status = statuses[way],
				    .content_length = way == 3 ? 0 : 100,
				    .fields = fields,
				    .field_count = ARRAY_LEN(fields)};
	struct http_message interim = {.status = 103,
				       .fields = fields,
				       .field_count = 2,
				       .content_length = HTTP_LENGTH_NONE};
	if (way == 2) {
		CU_ASSERT_EQUAL(http_respond(side->conn, call->stream, &interim, false), 0);
		call->send_trailers[0] = (struct http_field){SLICE("x-sum"), SLICE("7")};
		call->send_trailer_count = 1;
	}
	call->send_bytes = way == 3 ? 0 : 100;
	CU_ASSERT_EQUAL(http_respond(side->conn, call->stream, &head, way != 3), 0);
	memset(fields, 0, sizeof(fields)); // whoever gave it may forget it
}

static void check_answer(const struct call *call)
{
	static const uint16_t statuses[] = {200, 200, 206, 418};
	unsigned way = call->stream / 2 % 4;
	char wanted[128];
	int bytes = snprintf(wanted, sizeof(wanted),
			     "content-type=text/plain;x-way=%u;te=trailers;etag=eeeeeeeeee", way);
	CU_ASSERT_EQUAL(call->status, statuses[way]);
	CU_ASSERT_NSTRING_EQUAL(call->fields, wanted, bytes);
	CU_ASSERT_EQUAL(call->content_length, way == 3 ? 0 : 100);
	CU_ASSERT_EQUAL(call->body_bytes, way == 3 ? 0 : 100);
	CU_ASSERT_EQUAL(call->interim_count, way == 2);
	CU_ASSERT_STRING_EQUAL(call->trailers, way == 2 ? "x-sum=7;" : "");
	CU_ASSERT(call->is_head_end == (way == 3) && !call->is_reset);
}

static void heads_of_both_kinds_are_read_through_outputs_of_any_size(void)
{
	memset(large, 'e', sizeof(large));
	for (size_t room = 64; room < 20000; room += room < 1000 ? 61 : 4993) {
		struct http_limits limits = side_limits;
		struct http_frame_room frames = {malloc(HTTP_FRAME_ROOM), false};
		limits.head_bytes = 2 * LARGE_BYTES;
		limits.frame_room = room % 2 ? &frames : NULL;
		limits.is_shared = room / 61 % 2; // by a table of ours
		struct pair *pair = pair_new(HTTP_VERSION_2, &limits);
		struct call *calls[STREAMS];
		pair->server->answer = answer;
		pair->room = room;
		for (unsigned i = 0; i < STREAMS; i++)
			calls[i] = side_request(pair->client, HTTP_GET, "/", UINT64_MAX, true);
		pair_run(pair);
		for (unsigned i = 0; i < STREAMS; i++)
			check_answer(calls[i]);
		CU_ASSERT_EQUAL(pair->client->closed_count + pair->server->closed_count, 0);
		pair_free(pair);
		free(frames.bytes);
	}
}

// answer_twice answers every second call with a head that is written ahead but for its last field.
static void answer_twice(struct side *side, struct call *call)
{
	static _Alignas(8) uint8_t memory[1024];
	struct http_field fields[] = {
		{SLICE("content-type"), SLICE("text/plain")},
		{SLICE("x-long-name-of-ours"), SLICE("")},
		{SLICE("connection"), SLICE("close")},
		{SLICE("date"), SLICE("Sun, 06 Nov 1994 08:49:37 GMT")},
		{SLICE("age"), SLICE("7")},
	};
	struct http_message head = {.status = side->call_count % 3 == 1 ? 404 : 200,
				    .content_length = 100,
				    .fields = fields,
				    .field_count = ARRAY_LEN(fields) - 1};
	if (side->call_count % 2) {
		size_t bytes = http_write_ahead(&head, memory, sizeof(memory));
		CU_ASSERT_FATAL(bytes > 0);
		memset(memory + bytes, '#', sizeof(memory) - bytes);
		head.written = (void *)memory;
	}
	head.field_count++;
	call->send_bytes = 100;
	CU_ASSERT_EQUAL(http_respond(side->conn, call->stream, &head, true), 0);
}

static void a_head_written_ahead_says_what_it_would(void)
{
	for (int version = HTTP_VERSION_1; version <= HTTP_VERSION_2; version++) {
		struct pair *pair = pair_new((enum http_version)version, NULL);
		pair->server->answer = answer_twice;
		for (unsigned i = 0; i < 12; i++) {
			enum http_method method = i / 6 ? HTTP_HEAD : HTTP_GET;
			struct call *call =
				side_request(pair->client, method, "/", UINT64_MAX, true);
			pair_run(pair);
			CU_ASSERT_EQUAL(call->status, (i + 1) % 3 == 1 ? 404 : 200);
			CU_ASSERT_STRING_EQUAL(call->fields,
					       "content-type=text/plain;x-long-name-of-ours=;"
					       "date=Sun, 06 Nov 1994 08:49:37 GMT;age=7;");
			CU_ASSERT_EQUAL(call->content_length, 100);
			CU_ASSERT_EQUAL(call->body_bytes, method == HTTP_HEAD ? 0 : 100);
		}
		CU_ASSERT_EQUAL(pair->client->closed_count + pair->server->closed_count, 0);
		pair_free(pair);
	}
}

static void a_head_that_does_not_fit_is_not_written_ahead(void)
{
	_Alignas(8) uint8_t memory[2048];
	struct http_field field = {SLICE("x"), SLICE("y")};
	struct http_message head = {.status = 200,
				    .content_length = UINT64_MAX - 1,
				    .fields = &field,
				    .field_count = 1};
	size_t fits = 0;
	for (size_t room = 0; room < sizeof(memory) - 1; room++) {
		memset(memory, '#', sizeof(memory));
		size_t bytes = http_write_ahead(&head, memory, room);
		CU_ASSERT(bytes <= room && memory[room] == '#');
		fits += bytes > 0;
	}
	CU_ASSERT(fits > 0 && fits < sizeof(memory) - sizeof(struct http_written));
}

// A client of nghttp2's own that changes the size of its table between requests.
struct reader {
	nghttp2_session *session;
	unsigned heads, fields;
};

static int on_header(nghttp2_session *, const nghttp2_frame *, const uint8_t *, size_t,
		     const uint8_t *, size_t, uint8_t, void *user)
{
	((struct reader *)user)->fields++;
	return 0;
}

static int on_frame(nghttp2_session *, const nghttp2_frame *frame, void *user)
{
	((struct reader *)user)->heads += frame->hd.type == NGHTTP2_HEADERS;
	return 0;
}

static void exchange(struct reader *reader, struct side *side)
{
	const uint8_t *bytes;
	uint8_t out[700];
	ssize_t count;
	size_t produced;
	do {
		while ((count = nghttp2_session_mem_send(reader->session, &bytes)) > 0)
			side_feed(side, slice_of(bytes, (size_t)count), SIZE_MAX);
		produced = http_produce(side->conn, out, sizeof(out));
		count = nghttp2_session_mem_recv(reader->session, out, produced);
		CU_ASSERT_EQUAL(count, (ssize_t)produced);
	} while (produced);
}

static void reader_begin(struct reader *reader)
{
	nghttp2_session_callbacks *callbacks;
	*reader = (struct reader){0};
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	CU_ASSERT_FATAL(nghttp2_session_client_new(&reader->session, callbacks, reader) == 0);
	nghttp2_session_callbacks_del(callbacks);
}

// check_sizes has heads read between sizes of the table, some of them followed by another at once.
static void check_sizes(const struct http_limits *limits)
{
	static const uint32_t sizes[] = {4096, 4096, 0, 100, 300, 0, 65536, 4096, 200, 4096};
	static const nghttp2_nv request[] = {
		{(uint8_t *)":method", (uint8_t *)"GET", 7, 3, 0},
		{(uint8_t *)":scheme", (uint8_t *)"https", 7, 5, 0},
		{(uint8_t *)":authority", (uint8_t *)"a", 10, 1, 0},
		{(uint8_t *)":path", (uint8_t *)"/", 5, 1, 0},
	};
	struct reader reader;
	struct side *side = side_new(HTTP_VERSION_2, true, limits);
	reader_begin(&reader);
	side->answer = answer;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, sizes[i]};
		const nghttp2_settings_entry none = {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0};
		if (i % 3 == 2)
			nghttp2_submit_settings(reader.session, 0, &none, 1);
		nghttp2_submit_settings(reader.session, 0, &entry, 1);
		exchange(&reader, side);
		for (unsigned j = 0; j < 4; j++)
			nghttp2_submit_request(reader.session, NULL, request, 4, NULL, NULL);
		exchange(&reader, side);
	}
	// Four ways: a head each, an interim one, trailers.
	CU_ASSERT_EQUAL(reader.heads, 6 * ARRAY_LEN(sizes));
	CU_ASSERT_EQUAL(reader.fields, (4 * 6 + 3 + 1) * ARRAY_LEN(sizes));
	CU_ASSERT_EQUAL(side->closed_count, 0);
	nghttp2_session_del(reader.session);
	side_free(side);
}

static void sizes_of_the_table_go_before_a_head(void)
{
	struct http_limits shared = side_limits;
	shared.is_shared = true;
	check_sizes(NULL);
	check_sizes(&shared);
}

UNIT_MAIN("h2_fields",
	  {"heads of both kinds are read through outputs of any size",
	   heads_of_both_kinds_are_read_through_outputs_of_any_size},
	  {"a head written ahead says what it would", a_head_written_ahead_says_what_it_would},
	  {"a head that does not fit is not written ahead",
	   a_head_that_does_not_fit_is_not_written_ahead},
	  {"sizes of the table go before a head", sizes_of_the_table_go_before_a_head})
