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
		CU_ASSERT_FATAL(call != NULL);
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

UNIT_MAIN("http_pair", {"requests follow each other on one connection",
			requests_follow_each_other_on_one_connection})
