// SPDX-License-Identifier: Apache-2.0
// The cache through the whole mesh: one fetch for many, conditions, ages, purge, and its bounds;
// see bounds.h.
#include "bounds.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

static uint64_t edge(const struct bounds *bounds, enum counter counter)
{
	return sim_world_counter(&bounds->world, SIM_EDGE, counter);
}

// says is true when a user's response holds text, compared without case.
static bool says(const struct bounds *bounds, unsigned index, const char *text)
{
	return strcasestr(bounds->probes[index].received, text) != NULL;
}

static void collapse(struct bounds *bounds)
{
	bounds_ask(bounds, 0, 30, BOUNDS_GET("/b/7/50000?age=600", ""));
	bounds_until_status(bounds, 0, 30, 200, 5000000);
	bounds_run(bounds, 1000000);
	bounds_expect(bounds, bounds->workload.request_count == 1, "the workload is asked once");
	bounds_expect(bounds,
		      edge(bounds, COUNTER_cache_collapsed) + edge(bounds, COUNTER_cache_hit) >= 29,
		      "the others are served by that fetch");
	for (unsigned i = 0; i < 30; i++)
		bounds_expect(bounds, bounds->probes[i].received_bytes > 50000, "whole bodies");
}

static void fetch(struct bounds *bounds, unsigned index, const char *request, unsigned status)
{
	bounds_ask(bounds, index, 1, request);
	bounds_until_status(bounds, index, 1, status, 2000000);
}

static void age(struct bounds *bounds)
{
	fetch(bounds, 0, BOUNDS_GET("/b/1/100?age=600", ""), 200);
	bounds_expect(bounds,
		      says(bounds, 0,
			   "cache-status: millrace-edge-1; fwd=uri-miss; "
			   "fwd-status=200; stored; key=\"https://"),
		      "a miss says what was done");
	bounds_run(bounds, 5000000);
	fetch(bounds, 1, BOUNDS_GET("/b/1/100?age=600", ""), 200);
	bool is_five = says(bounds, 1, "\r\nage: 5\r\n");
	bounds_expect(bounds, is_five || says(bounds, 1, "\r\nage: 6\r\n"), "Age counts seconds");
	bounds_expect(bounds,
		      says(bounds, 1,
			   is_five ? "cache-status: millrace-edge-1; hit; ttl=595; key=\"https://"
				   : "cache-status: millrace-edge-1; hit; ttl=594; key=\"https://"),
		      "a hit says what is left");
	bounds_expect(bounds, says(bounds, 1, "\r\ndate: "), "a stored response is dated");
	fetch(bounds, 2, BOUNDS_GET("/b/1/100?age=600", "If-None-Match: \"1\"\r\n"), 304);
	bounds_expect(bounds, says(bounds, 2, "etag: \"1\"\r\n"), "304 names what it speaks of");
	bounds_expect(bounds, !says(bounds, 2, "content-type"), "304 has no fields of a body");
	bounds_expect(bounds, edge(bounds, COUNTER_cache_not_modified) == 1, "304 is the cache's");
	fetch(bounds, 3, BOUNDS_GET("/b/1/100?age=600", "If-None-Match: \"2\"\r\n"), 200);
	bounds_expect(bounds, bounds->workload.request_count == 1, "the workload was asked once");
}

static void purge(struct bounds *bounds)
{
	static const char url[] = "https://" SIM_HOST "/b/1/100?age=600";
	struct sim_control *control = &bounds->world.nodes[SIM_EDGE].control;
	struct record_purge_row row = {
		.sequence = 1, .kind = RECORD_PURGE_URL, .text_bytes = sizeof(url) - 1};
	fetch(bounds, 0, BOUNDS_GET("/b/1/100?age=600", ""), 200);
	fetch(bounds, 1, BOUNDS_GET("/b/1/100?age=600", ""), 200);
	bounds_expect(bounds, bounds->workload.request_count == 1, "stored");
	sim_control_row(control,
			&(struct sim_row_parts){RECORD_PURGE, &row, sizeof(row), {url, NULL}});
	sim_control_kill(control);
	sim_control_start(control);
	bounds_until(bounds, SIM_EDGE, COUNTER_cache_purged, 1);
	fetch(bounds, 2, BOUNDS_GET("/b/1/100?age=600", ""), 200);
	bounds_expect(bounds, bounds->workload.request_count == 2, "purged: fetched again");
}

static void evict(struct bounds *bounds)
{
	char request[30][160];
	for (unsigned i = 0; i < 30; i++) {
		snprintf(request[i], sizeof(request[i]), BOUNDS_GET("/b/%u/60000?age=600", ""), i);
		fetch(bounds, i, request[i], 200);
		bounds_run(bounds, 100000);
	}
	bounds_expect(bounds, edge(bounds, COUNTER_cache_evicted) > 0, "old ones make room");
	bounds_expect(bounds, edge(bounds, COUNTER_cache_bytes) <= 1 << 20, "within its memory");
	bounds_expect(bounds, edge(bounds, COUNTER_cache_objects) <= 16, "within its count");
	fetch(bounds, 30, request[29], 200);
	bounds_expect(bounds, bounds->workload.request_count == 30, "the newest is kept");
	bounds_ask(bounds, 31, 1, BOUNDS_GET("/b/1/70000?age=600", ""));
	bounds_until(bounds, SIM_EDGE, COUNTER_cache_not_stored_body_large, 1);
}

static void wait_in_vain(struct bounds *bounds)
{
	bounds->workload.is_holding = true;
	bounds_ask(bounds, 0, 12, BOUNDS_GET("/s/1/100?age=600", ""));
	bounds_until(bounds, SIM_EDGE, COUNTER_cache_pass_waiters, 9);
	bounds_expect(bounds, edge(bounds, COUNTER_cache_waiting) <= 2, "no more than two wait");
	bounds->workload.is_holding = false;
	bounds_until_status(bounds, 0, 12, 200, 12000000);
}

// The one that fetches leaves: another of those that wait fetches.
static void fetcher_leaves(struct bounds *bounds)
{
	bounds->workload.is_holding = true;
	bounds_ask(bounds, 0, 1, BOUNDS_GET("/s/1/100?age=600", ""));
	bounds_run(bounds, 200000);
	bounds_ask(bounds, 1, 10, BOUNDS_GET("/s/1/100?age=600", ""));
	bounds_run(bounds, 200000);
	bounds_expect(bounds, bounds->workload.request_count == 1, "one fetches");
	sim_probe_fini(&bounds->probes[0]);
	bounds->is_live[0] = false;
	bounds_run(bounds, 200000);
	bounds->workload.is_holding = false;
	bounds_until_status(bounds, 1, 10, 200, 12000000);
}

// A stale response is used, but nobody can be sent to validate it until there is room.
static void no_room_behind(struct bounds *bounds)
{
	bounds->workload.is_holding = true;
	fetch(bounds, 0, BOUNDS_GET("/w/1/100?age=1", ""), 200);
	bounds_run(bounds, 3000000);
	bounds_ask(bounds, 1, 7, BOUNDS_HELD);
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_active, 7);
	fetch(bounds, 8, BOUNDS_GET("/w/1/100?age=1", ""), 200);
	bounds_expect(bounds, says(bounds, 8, "detail=stale"), "the user gets what is stale");
	bounds_expect(bounds, edge(bounds, COUNTER_cache_background_busy) == 1, "nobody validates");
	bounds_expect(bounds, edge(bounds, COUNTER_exchange_behind) == 0, "no fetch behind it");
	bounds->workload.is_holding = false;
	bounds_until_status(bounds, 1, 7, 200, 12000000);
	fetch(bounds, 9, BOUNDS_GET("/w/1/100?age=1", ""), 200);
	bounds_until(bounds, SIM_EDGE, COUNTER_cache_background, 1);
	bounds_expect(bounds, edge(bounds, COUNTER_exchange_behind) == 1, "one fetch behind it");
	bounds_expect(bounds, edge(bounds, COUNTER_cache_background_busy) == 1,
		      "now there is room");
}

const struct bounds_case bounds_cache[] = {
	{"one fetch for many", collapse, {0}, 1},
	{"age, condition, Cache-Status", age, {0}, 1},
	{"purge", purge, {0}, 1},
	{"cache.memory, cache.objects, cache.max_object",
	 evict,
	 {.conf_more[SIM_EDGE] =
		  "cache = { memory = \"1MiB\"; objects = 16; max_object = \"64KiB\"; };\n"},
	 1},
	{"cache.waiters",
	 wait_in_vain,
	 {.conf_more[SIM_EDGE] = "cache = { memory = \"1MiB\"; objects = 64; max_object = "
				 "\"64KiB\"; waiters = 2; };\n"},
	 1},
	{"the fetcher leaves", fetcher_leaves, {0}, 1},
	{"no room to validate behind",
	 no_room_behind,
	 {.conf_more[SIM_EDGE] = "http = { connections = 64; exchanges = 8; };\n"},
	 1},
};
const size_t bounds_cache_count = ARRAY_LEN(bounds_cache);
