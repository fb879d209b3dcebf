// SPDX-License-Identifier: Apache-2.0
// HTTP/2 receive windows on a long path (RFC 9113 5.2, 6.9): what is sent arrives half a round trip
// later, whatever it is. Windows grow for readers that keep up, and for nobody else.
#include "counter.h"
#include "http_side.h"

#include <stdlib.h>

enum { FIRST = 65535, WIDEST = 1 << 20, FLIGHT_BYTES = 8 << 20 };

struct flight {
	uint8_t *bytes;
	size_t used;
};

// A client and a server, a link between them, and what their windows may take.
struct path {
	struct side *client, *server;
	struct flight up, down;
	struct http_window_budget budget;
	struct counters counters;
	unsigned halves; // of round trips, so far
};

static void open_path(struct path *path, uint64_t budget_bytes, uint32_t growth_bytes)
{
	struct http_limits limits = side_limits;
	limits.conn_window_bytes = limits.stream_count * FIRST;
	limits.stream_window_max_bytes = WIDEST;
	limits.window_growth_bytes = growth_bytes;
	limits.window_budget = &path->budget;
	limits.counters = &path->counters;
	*path = (struct path){.budget.max_bytes = budget_bytes};
	path->client = side_new(HTTP_VERSION_2, false, NULL);
	path->server = side_new(HTTP_VERSION_2, true, &limits);
	path->up.bytes = malloc(FLIGHT_BYTES);
	path->down.bytes = malloc(FLIGHT_BYTES);
	CHECK(path->up.bytes && path->down.bytes);
}

static void close_path(struct path *path)
{
	side_free(path->client);
	side_free(path->server);
	CU_ASSERT_EQUAL(path->budget.granted_bytes, 0);
	free(path->up.bytes);
	free(path->down.bytes);
}

static void land(struct flight *flight, struct side *to)
{
	size_t bytes = flight->used;
	flight->used = 0;
	CU_ASSERT_EQUAL_FATAL(side_feed(to, slice_of(flight->bytes, bytes), SIZE_MAX), bytes);
}

static void start(struct flight *flight, struct side *from)
{
	size_t bytes;
	while ((bytes = http_produce(from->conn, flight->bytes + flight->used,
				     MIN((size_t)16384, FLIGHT_BYTES - flight->used))) > 0)
		flight->used += bytes;
}

// half lets half a round trip pass.
static void half(struct path *path)
{
	land(&path->up, path->server);
	land(&path->down, path->client);
	start(&path->up, path->client);
	start(&path->down, path->server);
	path->halves++;
}

// at_server is the server's view of the client's call.
static struct call *at_server(struct path *path, const struct call *call)
{
	for (uint32_t i = 0; i < path->server->call_count; i++)
		if (path->server->calls[i].stream == call->stream)
			return &path->server->calls[i];
	CHECK(false);
}

// upload sends a body; returns how many round trips it took.
static unsigned upload(struct path *path, uint64_t bytes)
{
	struct call *call = side_request(path->client, HTTP_POST, "/", bytes, true);
	unsigned before = path->halves;
	while (!call->has_sent && path->halves - before < 1000)
		half(path);
	half(path);
	struct call *seen = at_server(path, call);
	CU_ASSERT(seen->has_ended && seen->body_bytes == bytes && seen->body_wrong == 0);
	CU_ASSERT_EQUAL(side_respond(path->server, seen, 204, UINT64_MAX, false), 0);
	half(path);
	half(path);
	return (path->halves - before) / 2;
}

static uint64_t counted(const struct path *path, enum counter counter)
{
	return path->counters.value[counter];
}

static void a_reader_that_keeps_up_gets_a_window_for_the_path(void)
{
	struct path narrow, wide;
	open_path(&narrow, 0, 0);
	open_path(&wide, 4 << 20, 4 << 20);
	unsigned before = upload(&narrow, 8 << 20), after = upload(&wide, 8 << 20);
	printf("# 8 MiB: %u round trips, %u with windows that grow\n", before, after);
	CU_ASSERT(before >= 128);
	CU_ASSERT(after <= 26);
	CU_ASSERT_EQUAL(counted(&wide, COUNTER_http_windows_grown), 5);
	CU_ASSERT_EQUAL(counted(&wide, COUNTER_http_window_bytes), 0);
	CU_ASSERT(counted(&narrow, COUNTER_http_windows_denied) > 0);
	close_path(&narrow);
	close_path(&wide);
}

static void many_streams_of_one_connection_grow_beside_each_other(void)
{
	struct path path;
	open_path(&path, 16 << 20, 16 << 20);
	struct call *calls[8];
	for (unsigned i = 0; i < 8; i++)
		calls[i] = side_request(path.client, HTTP_POST, "/", 16 << 20, true);
	while (path.budget.granted_bytes < 8 * (WIDEST - FIRST) && path.halves < 100)
		half(&path);
	CU_ASSERT_EQUAL(path.budget.granted_bytes, 8 * (WIDEST - FIRST));
	CU_ASSERT(path.halves / 2 <= 16);
	CU_ASSERT(!calls[0]->has_sent && !calls[7]->has_sent);
	close_path(&path);
}

static void a_reader_that_does_not_read_keeps_its_first_window(void)
{
	struct path path;
	open_path(&path, 4 << 20, 4 << 20);
	path.server->keeps_body = true;
	struct call *call = side_request(path.client, HTTP_POST, "/", 8 << 20, true);
	for (unsigned i = 0; i < 100; i++)
		half(&path);
	CU_ASSERT_EQUAL(at_server(&path, call)->body_bytes, FIRST);
	CU_ASSERT_EQUAL(counted(&path, COUNTER_http_windows_grown), 0);
	close_path(&path);
}

static void a_reader_that_stops_holds_one_widest_window_and_stops_nobody_else(void)
{
	struct path path;
	open_path(&path, 4 << 20, 4 << 20);
	struct call *call = side_request(path.client, HTTP_POST, "/", 64 << 20, true);
	while (path.budget.granted_bytes < WIDEST - FIRST && path.halves < 100)
		half(&path);
	path.server->keeps_body = true;
	for (unsigned i = 0; i < 100; i++)
		half(&path);
	CU_ASSERT_EQUAL(at_server(&path, call)->unconsumed, WIDEST);
	path.server->keeps_body = false;
	CU_ASSERT(upload(&path, 1 << 20) < 20);
	close_path(&path);
}

static void a_reader_slower_than_its_window_gets_no_wider_one(void)
{
	struct path path;
	open_path(&path, 4 << 20, 4 << 20);
	path.server->keeps_body = true;
	struct call *call = side_request(path.client, HTTP_POST, "/", 2 << 20, true);
	half(&path);
	half(&path);
	for (unsigned i = 0; i < 200; i++) { // 16 KiB a round trip
		struct call *seen = at_server(&path, call);
		uint64_t bytes = MIN(seen->unconsumed, (uint64_t)8192);
		seen->unconsumed -= bytes;
		http_consume(path.server->conn, call->stream, bytes);
		half(&path);
	}
	CU_ASSERT(at_server(&path, call)->body_bytes > 1000000);
	CU_ASSERT_EQUAL(counted(&path, COUNTER_http_windows_grown), 0);
	close_path(&path);
}

static void the_connections_and_the_workers_bounds_hold(void)
{
	struct path conn, worker;
	open_path(&conn, 4 << 20, 200000);
	open_path(&worker, 100000, 4 << 20);
	upload(&conn, 8 << 20);
	upload(&worker, 8 << 20);
	CU_ASSERT_EQUAL(counted(&conn, COUNTER_http_windows_grown), 2);
	CU_ASSERT_EQUAL(counted(&worker, COUNTER_http_windows_grown), 1);
	CU_ASSERT(counted(&conn, COUNTER_http_windows_denied) > 0);
	CU_ASSERT(counted(&worker, COUNTER_http_windows_denied) > 0);
	close_path(&conn);
	close_path(&worker);
}

static void windows_shrink_and_stay_while_memory_is_short(void)
{
	struct path path;
	open_path(&path, 4 << 20, 4 << 20);
	struct call *call = side_request(path.client, HTTP_POST, "/", 64 << 20, true);
	while (path.budget.granted_bytes < WIDEST - FIRST && path.halves < 100)
		half(&path);
	path.budget.is_low = true;
	for (unsigned i = 0; i < 20; i++)
		half(&path);
	CU_ASSERT_EQUAL(path.budget.granted_bytes, 0);
	CU_ASSERT_EQUAL(counted(&path, COUNTER_http_windows_shrunk), 1);
	uint64_t bytes = at_server(&path, call)->body_bytes;
	half(&path);
	half(&path);
	uint64_t a_turn = at_server(&path, call)->body_bytes - bytes;
	CU_ASSERT(a_turn > 0 && a_turn <= FIRST);
	path.budget.is_low = false;
	for (unsigned i = 0; i < 60; i++)
		half(&path);
	CU_ASSERT_EQUAL(path.budget.granted_bytes, WIDEST - FIRST);
	close_path(&path);
}

static void answers_that_nobody_asked_for_widen_nothing(void)
{
	static const char answer[] = "\0\0\x8\x6\x1\0\0\0\0a turn?";
	struct path path;
	open_path(&path, 4 << 20, 4 << 20);
	side_request(path.client, HTTP_POST, "/", 40000, true);
	half(&path);
	half(&path);
	start(&path.down, path.server); // its PING is on the way
	for (unsigned i = 0; i < 100; i++)
		side_feed(path.server, slice_of(answer, 17), SIZE_MAX);
	CU_ASSERT(path.budget.granted_bytes <= FIRST);
	close_path(&path);
}

UNIT_MAIN("h2_window",
	  {"a reader that keeps up gets a window for the path",
	   a_reader_that_keeps_up_gets_a_window_for_the_path},
	  {"many streams of one connection grow beside each other",
	   many_streams_of_one_connection_grow_beside_each_other},
	  {"a reader that does not read keeps its first window",
	   a_reader_that_does_not_read_keeps_its_first_window},
	  {"a reader that stops holds one widest window, and stops nobody else",
	   a_reader_that_stops_holds_one_widest_window_and_stops_nobody_else},
	  {"a reader slower than its window gets no wider one",
	   a_reader_slower_than_its_window_gets_no_wider_one},
	  {"the connection's and the worker's bounds hold",
	   the_connections_and_the_workers_bounds_hold},
	  {"windows shrink, and stay, while memory is short",
	   windows_shrink_and_stay_while_memory_is_short},
	  {"answers that nobody asked for widen nothing",
	   answers_that_nobody_asked_for_widen_nothing})
