// SPDX-License-Identifier: Apache-2.0
// A connection that gets no memory for a head refuses that request, by name, and lives or dies as
// its version can. malloc is wrapped by the linker, in this program alone.
#include "counter.h"
#include "http_side.h"
#include "slab.h"

#include <stdlib.h>

static size_t refused_bytes; // a request for at least so many fails; 0: none does
static unsigned malloc_count;
static size_t malloc_bytes;

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);

void *__wrap_malloc(size_t bytes)
{
	malloc_count++;
	malloc_bytes += bytes;
	return refused_bytes && bytes >= refused_bytes ? NULL : __real_malloc(bytes);
}

static void a_request_without_memory_is_answered_503(void)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	refused_bytes = side_limits.head_bytes;
	side_feed(side, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), SIZE_MAX);
	refused_bytes = 0;
	CU_ASSERT_EQUAL(side->call_count, 0);
	CU_ASSERT_EQUAL(side->closed_count, 1);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_memory_short);
	CU_ASSERT_EQUAL(side->closed_fault.status, 503);
	CU_ASSERT_NSTRING_EQUAL(side_drain(side, 64), "HTTP/1.1 503 ", 13);
	CU_ASSERT(http_is_done(side->conn));
	side_free(side);
}

static void a_response_without_memory_is_reset(void)
{
	struct side *side = side_new(HTTP_VERSION_1, false, NULL);
	struct call *call = side_request(side, HTTP_GET, "/", UINT64_MAX, true);
	refused_bytes = side_limits.head_bytes;
	side_feed(side, SLICE("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), SIZE_MAX);
	refused_bytes = 0;
	CU_ASSERT(call->is_reset && !call->has_head);
	CU_ASSERT_EQUAL(call->fault.counter, COUNTER_http_memory_short);
	CU_ASSERT_EQUAL(side->closed_count, 1);
	side_free(side);
}

static void answer_empty(struct side *side, struct call *call)
{
	side_respond(side, call, 204, UINT64_MAX, true);
}

static void a_stream_without_memory_leaves_the_next_its_chance(void)
{
	struct counters counters = {0};
	struct http_limits limits = side_limits;
	limits.counters = &counters;
	struct pair *pair = pair_new(HTTP_VERSION_2, &limits);
	pair->server->answer = answer_empty;
	pair_run(pair);
	struct call *first = side_request(pair->client, HTTP_GET, "/", UINT64_MAX, true);
	refused_bytes = limits.head_bytes;
	pair_run(pair);
	refused_bytes = 0;
	CU_ASSERT_EQUAL(counters.value[COUNTER_http_memory_short], 1);
	CU_ASSERT_EQUAL(pair->server->call_count, 0);
	CU_ASSERT(first->is_reset);
	CU_ASSERT_EQUAL(first->fault.counter, COUNTER_http_h2_reset_by_peer);
	struct call *second = side_request(pair->client, HTTP_GET, "/", UINT64_MAX, true);
	pair_run(pair);
	CU_ASSERT_EQUAL(second->status, 204);
	CU_ASSERT_EQUAL(pair->client->closed_count + pair->server->closed_count, 0);
	pair_free(pair);
}

static void answer_some(struct side *side, struct call *call)
{
	side_respond(side, call, 200, 1024, true);
}

// An HTTP/2 pair whose ends share a slab, with exchanges at once, as many as it is told.
struct pool_test {
	struct slab slab;
	struct http_spare spare;
	struct counters counters;
	struct http_limits limits;
	struct pair *pair;
};

static void pool_test_begin(struct pool_test *test, size_t bytes)
{
	*test = (struct pool_test){.limits = side_limits};
	CU_ASSERT_FATAL(slab_init(&test->slab, bytes) == 0);
	test->limits.slab = &test->slab;
	test->limits.counters = &test->counters;
	test->limits.spare = &test->spare;
	test->pair = pair_new(HTTP_VERSION_2, &test->limits);
	test->pair->server->answer = answer_some;
	pair_run(test->pair);
}

static void pool_test_ask(struct pool_test *test, unsigned count)
{
	struct call *calls[32];
	for (unsigned i = 0; i < count; i++)
		calls[i] = side_request(test->pair->client, HTTP_GET, "/", UINT64_MAX, true);
	pair_run(test->pair);
	for (unsigned i = 0; i < count; i++)
		CU_ASSERT(calls[i]->status == 200 && calls[i]->body_bytes == 1024);
}

static uint32_t pieces_used(const struct slab *slab)
{
	uint32_t used = 0;
	for (uint32_t i = 0; i < slab->page_count; i++)
		used += slab->pages[i].used;
	return used;
}

// heads_used counts the large pieces, in which heads wait to be written.
static uint32_t heads_used(const struct slab *slab)
{
	uint32_t used = 0;
	for (uint32_t i = 0; i < slab->page_count; i++)
		if (slab->pages[i].piece_bytes == SLAB_PIECE_MAX)
			used += slab->pages[i].used;
	return used;
}

static void pool_test_end(struct pool_test *test)
{
	CU_ASSERT_EQUAL(test->pair->client->closed_count + test->pair->server->closed_count, 0);
	pair_free(test->pair);
	CU_ASSERT_EQUAL(pieces_used(&test->slab), 0);
	slab_fini(&test->slab);
	http_spare_fini(&test->spare);
}

// A server alone: a client beside it would have its head's block at the same time.
static void a_request_after_rest_takes_none_either(void)
{
	static const char request[] = "\0\0\6\1\5\0\0\0\1\x82\x84\x87\x41\1a"
				      "\0\0\6\1\5\0\0\0\3\x82\x84\x87\x41\1a";
	struct http_spare spare = {0};
	struct http_limits limits = side_limits;
	limits.spare = &spare;
	struct side *side = side_new(HTTP_VERSION_2, true, &limits);
	side->answer = answer_empty;
	side_feed(side, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"), SIZE_MAX);
	for (unsigned i = 0; i < 2; i++) {
		malloc_count = 0;
		side_feed(side, slice_of(request + i * 15, 15), SIZE_MAX);
		side_drain(side, 16384);
		CU_ASSERT_PTR_NOT_NULL(spare.heads.first); // at rest, once the answer is written
		side_feed(side, SLICE("\0\0\0\4\1\0\0\0\0"), SIZE_MAX);
		CU_ASSERT_EQUAL(malloc_count, i == 0);
		CU_ASSERT_EQUAL(side->call_count, i + 1);
		CU_ASSERT_PTR_NOT_NULL(spare.heads.first);
	}
	struct side *other = side_new(HTTP_VERSION_1, true, &limits);
	side_feed(other, SLICE("GET / HT"), SIZE_MAX);
	CU_ASSERT_PTR_NULL(spare.heads.first); // the same block serves HTTP/1.1
	side_free(other);
	side_free(side);
	http_spare_fini(&spare);
}

static void streams_take_none_of_the_systems_memory(void)
{
	struct pool_test test;
	pool_test_begin(&test, 1 << 20);
	struct call *open = side_request(test.pair->client, HTTP_POST, "/", 10, true);
	open->is_stalled = true; // heads have their block as long as a stream lives
	pool_test_ask(&test, 32);
	malloc_count = 0;
	for (unsigned i = 0; i < 5; i++)
		pool_test_ask(&test, 32);
	CU_ASSERT_EQUAL(malloc_count, 0);
	CU_ASSERT_EQUAL(test.counters.value[COUNTER_http_h2_memory_outside], 0);
	CU_ASSERT(pieces_used(&test.slab) > 0);
	pool_test_end(&test);
}

static void a_session_at_rest_holds_little_of_the_slab(void)
{
	struct pool_test test;
	pool_test_begin(&test, 1 << 20);
	CU_ASSERT(pieces_used(&test.slab) < 8); // SETTINGS of both ends
	pool_test_end(&test);
}

static void a_full_slab_is_counted_and_ends_nothing(void)
{
	static const size_t sizes[] = {0, SLAB_PAGE_BYTES, 4 * SLAB_PAGE_BYTES};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct pool_test test;
		pool_test_begin(&test, sizes[i]);
		for (unsigned j = 0; j < 4; j++)
			pool_test_ask(&test, 32);
		CU_ASSERT(test.counters.value[COUNTER_http_h2_memory_outside] > 0);
		pool_test_end(&test);
	}
}

static void answer_long_by(struct side *side, struct call *call, char letter)
{
	static char text[900];
	memset(text, letter, sizeof(text));
	struct http_field field = {SLICE("etag"), slice_of(text, sizeof(text))};
	struct http_message head = {
		.status = 200, .content_length = 0, .fields = &field, .field_count = 1};
	CU_ASSERT_EQUAL(http_respond(side->conn, call->stream, &head, false), 0);
	memset(text, 'y', sizeof(text)); // whoever gave it may forget it
}

static void answer_long(struct side *side, struct call *call)
{
	answer_long_by(side, call, 'x');
}

static void answer_otherwise(struct side *side, struct call *call)
{
	answer_long_by(side, call, 'z');
}

static void heads_that_wait_hold_little_of_the_slab(void)
{
	enum { STREAMS = 100 };
	struct call *calls[STREAMS];
	struct pool_test test;
	pool_test_begin(&test, 1 << 20);
	struct pair *pair = test.pair;
	pair->server->answer = answer_long;
	for (unsigned i = 0; i < STREAMS; i++)
		calls[i] = side_request(pair->client, HTTP_GET, "/", UINT64_MAX, true);
	CU_ASSERT_EQUAL(heads_used(&test.slab), 1);
	pipe_move(&pair->up, pair->client, pair->server, 16384, SIZE_MAX);
	CU_ASSERT_EQUAL(pair->server->call_count, STREAMS);
	CU_ASSERT_EQUAL(heads_used(&test.slab), 8);
	pair_run(pair);
	CU_ASSERT_EQUAL(heads_used(&test.slab), 0);
	for (unsigned i = 0; i < STREAMS; i++) {
		CU_ASSERT_EQUAL(calls[i]->status, 200);
		CU_ASSERT(strncmp(calls[i]->fields, "etag=x", 6) == 0);
		CU_ASSERT(strspn(calls[i]->fields + 5, "x") == 900);
	}
	pool_test_end(&test);
}

static void answer_and_reset(struct side *side, struct call *call)
{
	answer_long(side, call);
	http_reset(side->conn, call->stream);
}

static void a_head_whose_stream_was_reset_gives_its_memory_back(void)
{
	struct pool_test test;
	pool_test_begin(&test, 1 << 20);
	test.pair->server->answer = answer_and_reset;
	struct call *call = side_request(test.pair->client, HTTP_GET, "/", UINT64_MAX, true);
	pair_run(test.pair);
	CU_ASSERT_EQUAL(heads_used(&test.slab), 0);
	CU_ASSERT(call->is_reset && !call->has_head);
	pool_test_end(&test);
}

// move_in_turn moves what fits into little room, of both pairs in turn, so that each is stopped in
// the middle of a frame while the other makes its own.
static void move_in_turn(struct pair *pairs[2], size_t room)
{
	uint8_t bytes[2048];
	for (size_t moved = 1; moved > 0;) {
		moved = 0;
		for (unsigned i = 0; i < 2; i++) {
			size_t some = http_produce(pairs[i]->server->conn, bytes, room);
			size_t taken = http_receive(pairs[i]->client->conn, slice_of(bytes, some));
			CU_ASSERT_EQUAL(taken, some);
			moved += some;
		}
	}
}

static void servers_of_a_worker_make_frames_in_the_same_place(void)
{
	struct http_frame_room frames = {malloc(HTTP_FRAME_ROOM), false};
	for (size_t room = 64; room < 1400; room += 37) {
		struct http_limits limits = side_limits;
		struct pair *pairs[2];
		struct call *calls[2][4];
		limits.frame_room = &frames;
		for (unsigned i = 0; i < 2; i++) {
			pairs[i] = pair_new(HTTP_VERSION_2, &limits);
			pair_run(pairs[i]);
			pairs[i]->server->answer = i ? answer_otherwise : answer_long;
			for (unsigned j = 0; j < 4; j++)
				calls[i][j] = side_request(pairs[i]->client, HTTP_GET, "/",
							   UINT64_MAX, true);
			pipe_move(&pairs[i]->up, pairs[i]->client, pairs[i]->server, 16384,
				  SIZE_MAX);
		}
		move_in_turn(pairs, room);
		for (unsigned j = 0; j < 4; j++) {
			CU_ASSERT(calls[0][j]->is_head_end && calls[1][j]->is_head_end);
			CU_ASSERT_EQUAL(strspn(calls[0][j]->fields + 5, "x"), 900);
			CU_ASSERT_EQUAL(strspn(calls[1][j]->fields + 5, "z"), 900);
		}
		pair_free(pairs[0]);
		pair_free(pairs[1]);
	}
	CU_ASSERT(!frames.is_used);
	free(frames.bytes);
}

static void half_a_frame_without_memory_ends_the_connection(void)
{
	struct http_frame_room frames = {malloc(HTTP_FRAME_ROOM), false};
	struct http_limits limits = side_limits;
	limits.frame_room = &frames;
	struct pair *pair = pair_new(HTTP_VERSION_2, &limits);
	pair_run(pair);
	pair->server->answer = answer_long;
	side_request(pair->client, HTTP_GET, "/", UINT64_MAX, true);
	pipe_move(&pair->up, pair->client, pair->server, 16384, SIZE_MAX);
	while (slab_take(&pair->server->slab, 600)) {
	}
	refused_bytes = 600;
	pipe_move(&pair->down, pair->server, pair->client, 100, SIZE_MAX);
	refused_bytes = 0;
	CU_ASSERT_EQUAL(pair->server->closed_count, 1);
	CU_ASSERT_EQUAL(pair->server->closed_fault.counter, COUNTER_http_memory_short);
	CU_ASSERT(http_is_done(pair->server->conn));
	pair_free(pair);
	free(frames.bytes);
}

static void a_server_takes_little_when_it_begins(void)
{
	struct http_frame_room frames = {malloc(HTTP_FRAME_ROOM), false};
	struct http_limits limits = side_limits;
	limits.frame_room = &frames;
	struct side *before = side_new(HTTP_VERSION_2, true, &limits); // whatever is taken once
	malloc_bytes = 0;
	struct side *side = side_new(HTTP_VERSION_2, true, &limits);
	CU_ASSERT(malloc_bytes > 0 && malloc_bytes < 6144);
	side_free(side);
	side_free(before);
	free(frames.bytes);
}

UNIT_MAIN("http_memory",
	  {"servers of a worker make frames in the same place",
	   servers_of_a_worker_make_frames_in_the_same_place},
	  {"half a frame without memory ends the connection",
	   half_a_frame_without_memory_ends_the_connection},
	  {"a server takes little when it begins", a_server_takes_little_when_it_begins},
	  {"a request without memory is answered 503", a_request_without_memory_is_answered_503},
	  {"a response without memory is reset", a_response_without_memory_is_reset},
	  {"a stream without memory leaves the next its chance",
	   a_stream_without_memory_leaves_the_next_its_chance},
	  {"streams take none of the system's memory", streams_take_none_of_the_systems_memory},
	  {"a request after rest takes none either", a_request_after_rest_takes_none_either},
	  {"a session at rest holds little of the slab",
	   a_session_at_rest_holds_little_of_the_slab},
	  {"heads that wait hold little of the slab", heads_that_wait_hold_little_of_the_slab},
	  {"a head whose stream was reset gives its memory back",
	   a_head_whose_stream_was_reset_gives_its_memory_back},
	  {"a full slab is counted, and ends nothing", a_full_slab_is_counted_and_ends_nothing})
