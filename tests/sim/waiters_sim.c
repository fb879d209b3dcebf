// SPDX-License-Identifier: Apache-2.0
// Many who ask an edge for the same at the same time, over bad links: one fetches, the others read
// it while it arrives. Clients abort or stop reading, the workload's connections are reset in the
// middle of bodies. Whatever ends as complete must be complete and right; whatever broke is asked
// for again.
//
//   waiters_sim --seeds A-B [--verbose]
#include "sim_crowd.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { USERS = 10, BODY_BYTES = 300000, PERIOD_US = 500000 };

struct waiters {
	struct sim_crowd crowd;
	bool wants_abort[USERS];
	uint32_t abort_count, fault_count;
};

static struct waiters *waiters_of(const struct sim_crowd *crowd)
{
	return container_of((struct sim_crowd *)(uintptr_t)crowd, struct waiters, crowd);
}

// wish_of is where a user's wish to abort stands.
static bool *wish_of(struct sim_user *user)
{
	return &waiters_of(user->crowd)->wants_abort[user - user->crowd->users];
}

static void start(struct sim_crowd *crowd)
{
	struct waiters *waiters = waiters_of(crowd);
	crowd->disturb_us = crowd->world.now_us + 1000000;
	waiters->abort_count = waiters->fault_count = 0;
	memset(waiters->wants_abort, 0, sizeof(waiters->wants_abort));
}

static void join(struct sim_user *user)
{
	user->is_h2 = random_below(&user->crowd->world.random, 2);
}

// ask asks for what is new.
static void ask(struct sim_user *user)
{
	struct sim_world *world = &user->crowd->world;
	char target[64];
	// Odd ones have a Content-Length, the others are chunked on the way.
	uint64_t seed = 1000 + (world->now_us - world->began_us) / PERIOD_US;
	snprintf(target, sizeof(target), "/b/%" PRIu64 "/%u?age=600", seed, BODY_BYTES);
	sim_body_init(&user->expected, seed, BODY_BYTES);
	sim_user_ask(user, target, NULL, 0);
}

static void body(struct sim_user *user)
{
	struct sim_world *world = &user->crowd->world;
	if (random_below(&world->random, 800) == 0)
		*wish_of(user) = true;
	else if (random_below(&world->random, 400) == 0)
		user->deaf_until_us = world->now_us + random_below(&world->random, 3000000);
}

// leaves ends the request: its stream, or the whole connection.
static bool leaves(struct sim_user *user)
{
	if (!*wish_of(user) || !user->is_asking)
		return false;
	*wish_of(user) = false;
	waiters_of(user->crowd)->abort_count++;
	bool is_stream = user->is_h2 && random_below(&user->crowd->world.random, 2);
	if (is_stream)
		http_reset(user->conn.http, user->stream);
	sim_user_again(user);
	return !is_stream;
}

// disturb resets all connections of the workload.
static void disturb(struct sim_crowd *crowd)
{
	struct sim_world *world = &crowd->world;
	waiters_of(crowd)->fault_count++;
	sim_workload_fini(&crowd->workload);
	crowd->disturb_us = world->now_us + 300000 + random_below(&world->random, 4000000);
}

static const char *judge(const struct sim_crowd *crowd)
{
	uint64_t streamed = sim_world_counter(&crowd->world, SIM_EDGE, COUNTER_cache_streamed);
	return streamed ? NULL : "nobody read what another fetched";
}

static void print(const struct sim_crowd *crowd)
{
	const struct sim_world *world = &crowd->world;
	const struct waiters *waiters = waiters_of(crowd);
	fprintf(stderr,
		", %" PRIu64 " streamed, %" PRIu64 " of these broken, %u aborts, %u faults, the"
		" workload was asked %" PRIu64 " times\n",
		sim_world_counter(world, SIM_EDGE, COUNTER_cache_streamed),
		sim_world_counter(world, SIM_EDGE, COUNTER_cache_streams_broken),
		waiters->abort_count, waiters->fault_count, crowd->workload.request_count);
}

static const struct sim_scene scene = {
	.program = "waiters_sim",
	.what = "many who ask for one",
	.cache = "cache = { memory = \"4MiB\"; objects = 64; max_object = \"512KiB\"; };\n",
	.latency_max_us = 20000,
	.user_count = USERS,
	.answer_count = 12,
	.try_count = 100,
	.status = 200,
	.start = start,
	.join = join,
	.ask = ask,
	.body = body,
	.leaves = leaves,
	.disturb = disturb,
	.judge = judge,
	.print = print,
};

int main(int count, char **arguments)
{
	static struct waiters waiters;
	return sim_crowd_main(count, arguments, &waiters.crowd, &scene);
}
