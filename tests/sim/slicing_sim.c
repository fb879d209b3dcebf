// SPDX-License-Identifier: Apache-2.0
// Ranges of a large object through an edge that keeps it in slices, over bad links, while the file
// changes now and then: each byte of an answer must be the one that its ETag and Content-Range
// promise, whichever slices it came from.
//
//   slicing_sim --seeds A-B [--verbose]
#include "sim_crowd.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { USERS = 4, FILE_BYTES = 300000, AGE_S = 1 };
#define FILE_SEED 1000u

struct slicing {
	struct sim_crowd crowd;
	char ranges[USERS][48]; // that each user asks for
	bool is_h2;
};

static struct slicing *slicing_of(const struct sim_crowd *crowd)
{
	return container_of((struct sim_crowd *)(uintptr_t)crowd, struct slicing, crowd);
}

static char *range_of(struct sim_user *user)
{
	return slicing_of(user->crowd)->ranges[user - user->crowd->users];
}

static void draw_range(struct sim_user *user)
{
	struct random_source *random = &user->crowd->world.random;
	unsigned first = random_below(random, FILE_BYTES);
	unsigned more = random_below(random, random_below(random, 2) ? 100 : FILE_BYTES);
	char *range = range_of(user);
	size_t room = sizeof(slicing_of(user->crowd)->ranges[0]);
	switch (random_below(random, 3)) {
	case 0: snprintf(range, room, "bytes=%u-", first); break;
	case 1: snprintf(range, room, "bytes=-%u", more + 1); break;
	default: snprintf(range, room, "bytes=%u-%u", first, first + more);
	}
}

static void start(struct sim_crowd *crowd)
{
	slicing_of(crowd)->is_h2 = random_below(&crowd->world.random, 2);
	crowd->disturb_us = crowd->world.now_us + 500000;
}

static void join(struct sim_user *user)
{
	user->is_h2 = slicing_of(user->crowd)->is_h2;
	draw_range(user);
}

static void ask(struct sim_user *user)
{
	char target[64];
	snprintf(target, sizeof(target), "/r/%u/%u?age=%u", FILE_SEED, FILE_BYTES, AGE_S);
	struct http_field range = {SLICE("range"), slice_str(range_of(user))};
	sim_user_ask(user, target, &range, 1);
}

// head takes what the answer says of itself: the version by its ETag, the part by Content-Range.
static void head(struct sim_user *user, const struct http_message *message)
{
	char etag[40] = {0}, range[96] = {0};
	uint64_t seed = 0, first = 0, last = 0, total = 0;
	struct slice field = http_field_find(message, SLICE("etag"));
	memcpy(etag, field.at, MIN(field.bytes, sizeof(etag) - 1));
	field = http_field_find(message, SLICE("content-range"));
	memcpy(range, field.at ? field.at : "", MIN(field.bytes, sizeof(range) - 1));
	bool is_read =
		sscanf(etag, "\"%" SCNx64 "\"", &seed) == 1 &&
		sscanf(range, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64, &first, &last, &total) == 3;
	user->is_wrong = !is_read || total != FILE_BYTES || last >= total || first > last;
	sim_body_init(&user->expected, seed, last + 1);
	user->expected.offset = first;
}

// disturb changes the file.
static void disturb(struct sim_crowd *crowd)
{
	struct sim_world *world = &crowd->world;
	crowd->workload.version++;
	crowd->disturb_us = world->now_us + 500000 + random_below(&world->random, 5000000);
}

static const char *judge(const struct sim_crowd *crowd)
{
	uint64_t sliced = sim_world_counter(&crowd->world, SIM_EDGE, COUNTER_cache_slices);
	uint64_t behind = sim_world_counter(&crowd->world, SIM_EDGE, COUNTER_exchange_behind);
	uint64_t fetched = sim_world_counter(&crowd->world, SIM_EDGE, COUNTER_cache_slices_fetched);
	if (behind < fetched)
		return "slices were fetched by nobody who is counted";
	return sliced ? NULL : "nothing came from slices";
}

static void print(const struct sim_crowd *crowd)
{
	fprintf(stderr,
		", %s, %" PRIu64 " slices, %" PRIu64 " versions, the workload sent %" PRIu64
		" bytes\n",
		slicing_of(crowd)->is_h2 ? "h2" : "h1",
		sim_world_counter(&crowd->world, SIM_EDGE, COUNTER_cache_slices),
		crowd->workload.version, crowd->workload.part_bytes);
}

static const struct sim_scene scene = {
	.program = "slicing_sim",
	.what = "ranges",
	.cache = "cache = { memory = \"1MiB\"; objects = 64; max_object = \"64KiB\";"
		 " slice = \"16KiB\"; };\n",
	.latency_max_us = 10000,
	.user_count = USERS,
	.answer_count = 40,
	.try_count = 50,
	.status = 206,
	.start = start,
	.join = join,
	.ask = ask,
	.head = head,
	.done = draw_range,
	.disturb = disturb,
	.judge = judge,
	.print = print,
};

int main(int count, char **arguments)
{
	static struct slicing slicing;
	return sim_crowd_main(count, arguments, &slicing.crowd, &scene);
}
