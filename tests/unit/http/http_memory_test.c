// SPDX-License-Identifier: Apache-2.0
// A connection that gets no memory for a head refuses that request, by name, and lives or dies as
// its version can. malloc is wrapped by the linker, in this program alone.
#include "counter.h"
#include "http_side.h"

#include <stdlib.h>

static size_t refused_bytes; // a request for at least so many fails; 0: none does

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);

void *__wrap_malloc(size_t bytes)
{
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

UNIT_MAIN("http_memory",
	  {"a request without memory is answered 503", a_request_without_memory_is_answered_503},
	  {"a response without memory is reset", a_response_without_memory_is_reset},
	  {"a stream without memory leaves the next its chance",
	   a_stream_without_memory_leaves_the_next_its_chance})
