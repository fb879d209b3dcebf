// SPDX-License-Identifier: Apache-2.0
// Many who ask an edge for the same at the same time, over bad links: one fetches, the others read
// it while it arrives. Clients abort or stop reading, the workload's connections are reset in the
// middle of bodies. Whatever ends as complete must be complete and right; whatever broke is asked
// for again.
//
//   waiters_sim --seeds A-B [--verbose]
#include "sim_get.h"
#include "sim_workload.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CALLERS = 10, BODIES = 12, TRIES_MAX = 100, BODY_BYTES = 300000, PERIOD_US = 500000 };
#define STALLED_US 900000000ull
#define QUIET_US   90000000ull

struct run;

// One user: what is new, again and again.
struct caller {
	struct sim_conn conn;
	struct run *run;
	struct sim_body expected;
	uint64_t seed;
	uint32_t stream, done_count, try_count;
	uint64_t deaf_until_us;
	uint16_t status;
	bool is_asking, is_wrong, is_over, is_h2, wants_abort;
};

struct run {
	struct sim_world world;
	struct sim_workload workload;
	struct caller callers[CALLERS];
	uint64_t fault_us; // when the workload's connections are reset next
	uint32_t wrong_count, retry_count, abort_count, fault_count, given_up_count;
};

static void ask(struct caller *caller)
{
	struct sim_world *world = &caller->run->world;
	char target[64];
	// Odd ones have a Content-Length, the others are chunked on the way.
	uint64_t seed = 1000 + (world->now_us - world->began_us) / PERIOD_US;
	snprintf(target, sizeof(target), "/b/%" PRIu64 "/%u?age=600", seed, BODY_BYTES);
	caller->status = 0;
	caller->is_wrong = false;
	sim_body_init(&caller->expected, seed, BODY_BYTES);
	caller->is_asking =
		sim_get(caller->conn.http, &(struct sim_get){.target = target}, &caller->stream);
}

// again counts a try that came to nothing.
static void again(struct caller *caller)
{
	if (!caller->is_asking)
		return;
	caller->is_asking = false;
	caller->run->retry_count++;
	if (++caller->try_count < TRIES_MAX)
		return;
	caller->run->given_up_count++;
	caller->is_over = true;
}

// caller_of is who has the connection, the user of its HTTP.
static struct caller *caller_of(void *conn)
{
	return container_of((struct sim_conn *)conn, struct caller, conn);
}

static void on_head(void *user, uint32_t, void *, const struct http_message *message, bool is_end)
{
	struct caller *caller = caller_of(user);
	caller->status = message->status;
	caller->is_wrong = message->status != 200 && message->status < 500;
	if (is_end)
		again(caller);
}

static void on_body(void *user, uint32_t stream, void *, struct slice bytes)
{
	struct caller *caller = caller_of(user);
	struct sim_world *world = &caller->run->world;
	if (caller->status == 200 && !caller->is_wrong)
		caller->is_wrong = !sim_body_check(&caller->expected, bytes);
	http_consume(caller->conn.http, stream, bytes.bytes);
	if (random_below(&world->random, 800) == 0)
		caller->wants_abort = true;
	else if (random_below(&world->random, 400) == 0)
		caller->deaf_until_us = world->now_us + random_below(&world->random, 3000000);
}

static void on_end(void *user, uint32_t, void *, const struct http_field *, uint32_t)
{
	struct caller *caller = caller_of(user);
	if (caller->status >= 500) {
		again(caller);
		return;
	}
	bool is_whole = caller->expected.offset == BODY_BYTES;
	if (caller->is_wrong || !is_whole)
		printf("# wrong: status %u at %" PRIu64 "\n", caller->status,
		       caller->expected.offset);
	caller->run->wrong_count += caller->is_wrong || !is_whole;
	caller->is_asking = false;
	caller->try_count = 0;
	caller->is_over = ++caller->done_count == BODIES;
}

static void on_reset(void *user, uint32_t, void *, struct http_fault)
{
	again(caller_of(user));
}

static const struct http_events http_events = {on_head,      on_body,      on_end,        on_reset,
					       sim_get_pull, sim_get_sent, sim_get_closed};

static void on_ready(struct sim_conn *conn, bool is_h2)
{
	sim_get_ready(conn, is_h2, &http_events);
}

static const struct sim_conn_owner owner = {
	.ready = on_ready, .gone = sim_get_gone, .raw = sim_get_raw};

static void call(struct caller *caller)
{
	sim_get_connect(&caller->run->world, &caller->conn, caller->is_h2, &owner);
}

// abort_now ends the request: its stream, or the whole connection.
static bool abort_now(struct caller *caller)
{
	if (!caller->wants_abort || !caller->is_asking)
		return false;
	caller->wants_abort = false;
	caller->run->abort_count++;
	bool is_stream = caller->is_h2 && random_below(&caller->run->world.random, 2);
	if (is_stream)
		http_reset(caller->conn.http, caller->stream);
	again(caller);
	return !is_stream;
}

static void step_caller(struct caller *caller)
{
	struct sim_world *world = &caller->run->world;
	if (caller->is_over) {
		caller->conn.is_deaf = false;
		sim_conn_shut(&caller->conn);
		sim_conn_step(&caller->conn);
		return;
	}
	if (caller->conn.http && !caller->is_asking)
		ask(caller);
	caller->conn.is_deaf = world->now_us < caller->deaf_until_us;
	sim_conn_step(&caller->conn);
	bool is_lost =
		caller->conn.is_gone || (caller->conn.http && http_is_done(caller->conn.http));
	if ((!abort_now(caller) && !is_lost) || caller->is_over)
		return;
	again(caller);
	sim_conn_fini(&caller->conn);
	call(caller);
}

static bool is_over(const struct run *run)
{
	for (unsigned i = 0; i < CALLERS; i++)
		if (!run->callers[i].is_over)
			return false;
	return true;
}

static void turn(struct run *run)
{
	struct sim_world *world = &run->world;
	sim_world_step(world);
	for (unsigned i = 0; i < CALLERS; i++)
		step_caller(&run->callers[i]);
	if (world->now_us >= run->fault_us && !is_over(run)) {
		run->fault_count++;
		sim_workload_fini(&run->workload);
		run->fault_us = world->now_us + 300000 + random_below(&world->random, 4000000);
	}
	sim_workload_step(&run->workload);
	sim_world_advance(world);
}

static void open_run(struct run *run, uint64_t seed)
{
	static const uint32_t losses[] = {0, 50, 200, 500};
	struct sim_world *world = &run->world;
	sim_world_seed(world, seed);
	struct sim_world_plan plan = {.seed = seed,
				      .is_v6 = random_below(&world->random, 2),
				      .has_two_workers = random_below(&world->random, 2),
				      .conf_more[SIM_EDGE] =
					      "cache = { memory = \"4MiB\"; objects = 64;"
					      " max_object = \"512KiB\"; };\n"};
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		plan.links[s] = (struct sim_link_config){
			.loss = s == SIM_HOST_SEGMENT ? 0 : losses[seed % 4],
			.latency_us = 50 + random_below(&world->random, 20000),
			.jitter_us = random_below(&world->random, 1000),
			.queue_bytes = 200000,
			.mtu = 1500};
	sim_world_open(world, &plan);
	CHECK(sim_workload_init(&run->workload, world->workload_host.tcp,
				&world->workload_memory->bufs, 80) == 0);
	run->fault_us = world->now_us + 1000000;
	run->wrong_count = run->retry_count = run->given_up_count = 0;
	run->abort_count = run->fault_count = 0;
	for (unsigned i = 0; i < CALLERS; i++) {
		run->callers[i] = (struct caller){.run = run};
		run->callers[i].is_h2 = random_below(&world->random, 2);
		call(&run->callers[i]);
	}
}

static const char *judge(struct run *run, uint64_t streamed)
{
	if (!is_over(run))
		return "stalled";
	if (run->wrong_count)
		return "wrong bytes, status or length";
	if (run->given_up_count)
		return "a request was never answered";
	if (streamed == 0)
		return "nobody read what another fetched";
	return sim_world_leftovers(&run->world);
}

// run_seed runs one seed; true when it passed.
static bool run_seed(void *user, uint64_t seed, bool is_verbose)
{
	struct run *run = user;
	struct sim_world *world = &run->world;
	open_run(run, seed);
	while (!is_over(run) && world->now_us - world->began_us < STALLED_US)
		turn(run);
	uint64_t streamed = sim_world_counter(world, SIM_EDGE, COUNTER_cache_streamed);
	uint64_t broken = sim_world_counter(world, SIM_EDGE, COUNTER_cache_streams_broken);
	sim_workload_fini(&run->workload);
	for (uint64_t end_us = world->now_us + QUIET_US; is_over(run) && world->now_us < end_us;)
		turn(run);
	const char *failure = judge(run, streamed);
	if (failure)
		fprintf(stderr, "seed %" PRIu64 " failed: %s\n", seed, failure);
	if (failure || is_verbose) {
		fprintf(stderr,
			"  virtual %.1f s, %" PRIu64 " streamed, %" PRIu64 " of these broken, %u"
			" aborts, %u faults, %u tries again, the workload was asked %" PRIu64
			" times\n",
			(double)(world->now_us - world->began_us) / 1e6, streamed, broken,
			run->abort_count, run->fault_count, run->retry_count,
			run->workload.request_count);
		sim_world_print(world, failure);
	}
	for (unsigned i = 0; i < CALLERS; i++)
		sim_conn_fini(&run->callers[i].conn);
	sim_workload_fini(&run->workload);
	sim_world_close(world);
	return !failure;
}

int main(int count, char **arguments)
{
	static struct run run;
	sim_world_init(&run.world);
	int result = sim_seeds_main(
		count, arguments,
		&(struct sim_seeds){"waiters_sim", "many who ask for one", &run, run_seed});
	sim_world_fini(&run.world);
	return result;
}
