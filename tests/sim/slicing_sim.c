// SPDX-License-Identifier: Apache-2.0
// Ranges of a large object through an edge that keeps it in slices, over bad links, while the file
// changes now and then: each byte of an answer must be the one that its ETag and Content-Range
// promise, whichever slices it came from.
//
//   slicing_sim --seeds A-B [--verbose]
#include "sim_get.h"
#include "sim_workload.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CALLERS = 4, RANGES = 40, TRIES_MAX = 50, FILE_BYTES = 300000, AGE_S = 1 };
#define STALLED_US 900000000ull
#define QUIET_US   90000000ull
#define FILE_SEED  1000u

struct run;

// One user: a range after the other.
struct caller {
	struct sim_conn conn;
	struct run *run;
	struct sim_body expected;
	char range[48];
	uint32_t done_count, try_count;
	uint16_t status;
	bool is_asking, is_wrong, is_over;
};

struct run {
	struct sim_world world;
	struct sim_workload workload;
	struct caller callers[CALLERS];
	uint64_t change_us; // when the file changes next
	uint32_t wrong_count, retry_count, given_up_count;
	bool is_h2;
};

static void draw_range(struct caller *caller)
{
	struct random_source *random = &caller->run->world.random;
	unsigned first = random_below(random, FILE_BYTES);
	unsigned more = random_below(random, random_below(random, 2) ? 100 : FILE_BYTES);
	switch (random_below(random, 3)) {
	case 0: snprintf(caller->range, sizeof(caller->range), "bytes=%u-", first); break;
	case 1: snprintf(caller->range, sizeof(caller->range), "bytes=-%u", more + 1); break;
	default: snprintf(caller->range, sizeof(caller->range), "bytes=%u-%u", first, first + more);
	}
}

static void ask(struct caller *caller)
{
	char target[64];
	uint32_t stream;
	snprintf(target, sizeof(target), "/r/%u/%u?age=%u", FILE_SEED, FILE_BYTES, AGE_S);
	struct http_field range = {SLICE("range"), slice_str(caller->range)};
	caller->status = 0;
	caller->is_wrong = false;
	caller->is_asking = sim_get(
		caller->conn.http,
		&(struct sim_get){.target = target, .fields = &range, .field_count = 1}, &stream);
}

// again counts a try that came to nothing; the same range is asked for once more.
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

// on_part takes what the answer says of itself: the version by its ETag, the part by Content-Range.
static void on_part(struct caller *caller, const struct http_message *message)
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
	caller->is_wrong = !is_read || total != FILE_BYTES || last >= total || first > last;
	sim_body_init(&caller->expected, seed, last + 1);
	caller->expected.offset = first;
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
	if (message->status == 206)
		on_part(caller, message);
	else if (message->status < 500)
		caller->is_wrong = true; // 5xx is honest where links lose
	if (is_end)
		again(caller);
}

static void on_body(void *user, uint32_t stream, void *, struct slice bytes)
{
	struct caller *caller = caller_of(user);
	if (caller->status == 206 && !caller->is_wrong)
		caller->is_wrong = !sim_body_check(&caller->expected, bytes);
	http_consume(caller->conn.http, stream, bytes.bytes);
}

static void on_end(void *user, uint32_t, void *, const struct http_field *, uint32_t)
{
	struct caller *caller = caller_of(user);
	struct run *run = caller->run;
	if (caller->status >= 500) {
		again(caller);
		return;
	}
	bool is_whole = caller->expected.offset == caller->expected.bytes;
	if (caller->is_wrong || !is_whole)
		printf("# wrong: %s status %u at %" PRIu64 " of %" PRIu64 "\n", caller->range,
		       caller->status, caller->expected.offset, caller->expected.bytes);
	run->wrong_count += caller->is_wrong || !is_whole;
	caller->is_asking = false;
	caller->try_count = 0;
	caller->is_over = ++caller->done_count == RANGES;
	draw_range(caller);
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
	sim_get_connect(&caller->run->world, &caller->conn, caller->run->is_h2, &owner);
}

static void step_caller(struct caller *caller)
{
	if (caller->is_over) {
		sim_conn_shut(&caller->conn);
		sim_conn_step(&caller->conn);
		return;
	}
	if (caller->conn.http && !caller->is_asking)
		ask(caller);
	sim_conn_step(&caller->conn);
	bool is_lost =
		caller->conn.is_gone || (caller->conn.http && http_is_done(caller->conn.http));
	if (!is_lost || caller->is_over)
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
	if (world->now_us >= run->change_us) {
		run->workload.version++;
		run->change_us = world->now_us + 500000 + random_below(&world->random, 5000000);
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
					      "cache = { memory = \"1MiB\"; objects = 64;"
					      " max_object = \"64KiB\"; slice = \"16KiB\"; };\n"};
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		plan.links[s] = (struct sim_link_config){
			.loss = s == SIM_HOST_SEGMENT ? 0 : losses[seed % 4],
			.latency_us = 50 + random_below(&world->random, 10000),
			.jitter_us = random_below(&world->random, 1000),
			.queue_bytes = 200000,
			.mtu = 1500};
	sim_world_open(world, &plan);
	CHECK(sim_workload_init(&run->workload, world->workload_host.tcp,
				&world->workload_memory->bufs, 80) == 0);
	run->is_h2 = random_below(&world->random, 2);
	run->change_us = world->now_us + 500000;
	run->wrong_count = run->retry_count = run->given_up_count = 0;
	for (unsigned i = 0; i < CALLERS; i++) {
		run->callers[i] = (struct caller){.run = run};
		draw_range(&run->callers[i]);
		call(&run->callers[i]);
	}
}

static const char *judge(struct run *run, uint64_t sliced)
{
	if (!is_over(run))
		return "stalled";
	if (run->wrong_count)
		return "wrong bytes or status";
	if (run->given_up_count)
		return "a range was never answered";
	if (sliced == 0)
		return "nothing came from slices";
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
	uint64_t sliced = sim_world_counter(world, SIM_EDGE, COUNTER_cache_slices);
	sim_workload_fini(&run->workload);
	for (uint64_t end_us = world->now_us + QUIET_US; is_over(run) && world->now_us < end_us;)
		turn(run);
	const char *failure = judge(run, sliced);
	if (failure)
		fprintf(stderr, "seed %" PRIu64 " failed: %s\n", seed, failure);
	if (failure || is_verbose) {
		fprintf(stderr,
			"  virtual %.1f s, %s, %" PRIu64 " slices, %u tries again, %" PRIu64
			" versions, the workload sent %" PRIu64 " bytes\n",
			(double)(world->now_us - world->began_us) / 1e6, run->is_h2 ? "h2" : "h1",
			sliced, run->retry_count, run->workload.version, run->workload.part_bytes);
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
	int result = sim_seeds_main(count, arguments,
				    &(struct sim_seeds){"slicing_sim", "ranges", &run, run_seed});
	sim_world_fini(&run.world);
	return result;
}
