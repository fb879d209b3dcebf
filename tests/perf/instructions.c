// SPDX-License-Identifier: Apache-2.0
// What an edge executes for one unit of work, in instructions: the same mesh as in tests/sim, a few
// closed-loop clients, and callgrind counting inside the edge's worker_step only. A machine may be
// as noisy as it likes, and the count does not move; so CI can hold a line
// (tests/perf/instructions.py).
//
// Without valgrind it runs all the same and prints what a unit took of this thread's time. The
// simulated wire is in that, so it is only good to compare two builds, in turn, by their minima.
#include "counted_step.h"
#include "sim_get.h"
#include "sim_workload.h"

#include "check.h"

#include <stdio.h>
#include <valgrind/callgrind.h>

enum { CALLERS_MAX = 8 };

struct work {
	const char *name; // of the row, and of callgrind's dump
	const char *target;
	uint32_t callers;
	uint32_t streams; // requests in flight, each caller
	uint32_t units;   // to measure, after as many to warm up
	bool is_h2;
	bool is_one_shot; // a connection a request
	bool is_resumed;
	bool is_edge_alone; // its upstream is the workload, plain
};

static const struct work works[] = {
	{"hit, 1 KiB, HTTP/1.1", "/b/1/1024?age=600", 8, 1, 400},
	{"hit, 1 KiB, HTTP/2, 4 x 32 streams", "/b/1/1024?age=600", 4, 32, 800, .is_h2 = true},
	{"hit, one MiB", "/b/2/1048576?age=600", 2, 1, 4},
	{"miss, 1 KiB, mTLS upstream", "/b/3/1024", 8, 1, 400},
	{"full handshake and a hit", "/b/1/1024?age=600", 4, 1, 24, .is_one_shot = true},
	{"resumed handshake and a hit", "/b/1/1024?age=600", 4, 1, 24, .is_one_shot = true,
	 .is_resumed = true},
	{"miss, 1 KiB, plain upstream", "/b/3/1024", 8, 1, 400, .is_edge_alone = true},
};

struct bench;

struct caller {
	struct sim_conn conn;
	struct bench *bench;
	uint32_t in_flight;
	bool is_done; // a one-shot's request
};

struct bench {
	struct sim_world world;
	struct sim_workload workload;
	const struct work *work;
	struct caller callers[CALLERS_MAX];
	SSL_SESSION *session;
	uint32_t caller_count; // that live
	uint32_t done_count;
	uint32_t turn_count;
	uint64_t run_ns; // of the edge's steps, its port's wire included
	bool is_busy;    // the edge, in its last step
};

static const struct http_limits client_limits = {.head_bytes = 16384,
						 .field_count = 64,
						 .target_bytes = 1024,
						 .stream_count = 128,
						 .stream_window_bytes = 1 << 20,
						 .conn_window_bytes = 4 << 20,
						 .reset_budget = 100};

static void ask(struct caller *caller)
{
	uint32_t stream;
	struct sim_get get = {.target = caller->bench->work->target};
	while (caller->in_flight < caller->bench->work->streams &&
	       sim_get(caller->conn.http, &get, &stream))
		caller->in_flight++;
}

static void on_head(void *, uint32_t, void *, const struct http_message *message, bool is_end)
{
	CHECK(message->status == 200 && !is_end);
}

static void on_body(void *user, uint32_t stream, void *, struct slice bytes)
{
	http_consume(((struct caller *)user)->conn.http, stream, bytes.bytes);
}

static void on_end(void *user, uint32_t, void *, const struct http_field *, uint32_t)
{
	struct caller *caller = user;
	caller->in_flight--;
	caller->bench->done_count++;
	caller->is_done = caller->bench->work->is_one_shot;
}

static void on_reset(void *, uint32_t, void *, struct http_fault)
{
	CHECK(false);
}

static const struct http_events http_events = {on_head,      on_body,      on_end,        on_reset,
					       sim_get_pull, sim_get_sent, sim_get_closed};

static void on_ready(struct sim_conn *conn, bool is_h2)
{
	struct caller *caller = container_of(conn, struct caller, conn);
	CHECK(is_h2 == caller->bench->work->is_h2);
	CHECK(!caller->bench->work->is_resumed || !caller->bench->session ||
	      SSL_session_reused(conn->ssl));
	conn->http = http_conn_new(is_h2 ? HTTP_VERSION_2 : HTTP_VERSION_1, false, &client_limits,
				   &http_events, caller);
	CHECK(conn->http);
}

static const struct sim_conn_owner owner = {
	.ready = on_ready, .gone = sim_get_gone, .raw = sim_get_raw};

static void call(struct bench *bench, struct caller *caller)
{
	caller->bench = bench;
	caller->in_flight = 0;
	caller->is_done = false;
	sim_get_connect(&bench->world, &caller->conn, bench->work->is_h2, &owner);
	CHECK(!caller->conn.is_gone);
	if (bench->work->is_resumed && bench->session)
		CHECK(SSL_set_session(caller->conn.ssl, bench->session));
}

// hang_up ends a one-shot's connection politely, keeping its ticket, and calls again when it is
// gone.
static void hang_up(struct bench *bench, struct caller *caller)
{
	if (!bench->session)
		bench->session = SSL_get1_session(caller->conn.ssl);
	sim_conn_shut(&caller->conn);
	if (!caller->conn.is_gone)
		return;
	sim_conn_fini(&caller->conn);
	call(bench, caller);
}

static void step_callers(struct bench *bench)
{
	for (uint32_t i = 0; i < bench->caller_count; i++) {
		struct caller *caller = &bench->callers[i];
		if (caller->conn.http && !caller->is_done)
			ask(caller);
		sim_conn_step(&caller->conn);
		if (caller->is_done)
			hang_up(bench, caller);
	}
}

static void step_nodes(struct bench *bench)
{
	struct sim_world *world = &bench->world;
	uint64_t wall_s = SIM_WALL_S + (world->now_us - world->began_us) / 1000000;
	uint64_t begin_ns = run_ns();
	bench->is_busy = step_edge(world->nodes[SIM_EDGE].worker, world->now_us, wall_s);
	bench->run_ns += run_ns() - begin_ns;
	worker_step(world->nodes[SIM_GATEWAY].worker, world->now_us, wall_s);
	worker_step(world->nodes[SIM_SIDECAR].worker, world->now_us, wall_s);
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++)
		sim_control_step(&world->nodes[n].control);
}

static void turn(struct bench *bench)
{
	struct sim_world *world = &bench->world;
	sim_host_step(&world->client_host, world->now_us, 64);
	step_nodes(bench);
	sim_host_step(&world->workload_host, world->now_us, 64);
	step_callers(bench);
	sim_workload_step(&bench->workload);
	sim_world_advance(world);
	bench->turn_count++;
}

static void run_until(struct bench *bench, uint32_t done_count)
{
	uint64_t end_us = bench->world.now_us + 60000000;
	while (bench->done_count < done_count) {
		turn(bench);
		CHECK(bench->world.now_us < end_us);
	}
}

// prepare lets the edge make what it makes ahead for handshakes, while no caller moves: so that
// those that are measured pay for what they use.
static void prepare(struct bench *bench)
{
	uint32_t caller_count = bench->caller_count;
	if (!bench->work->is_one_shot)
		return;
	bench->caller_count = 0;
	do
		turn(bench);
	while (bench->is_busy);
	bench->caller_count = caller_count;
}

// rest lets everything end that was begun.
static void rest(struct bench *bench)
{
	for (uint64_t end_us = bench->world.now_us + 90000000; bench->world.now_us < end_us;)
		turn(bench);
}

static void measure(struct bench *bench, const struct work *work)
{
	bench->work = work;
	bench->done_count = 0;
	for (uint32_t i = 0; i < work->callers; i++)
		call(bench, &bench->callers[i]);
	bench->caller_count = work->callers;
	run_until(bench, work->units);
	prepare(bench);
	uint32_t before = bench->done_count;
	bench->turn_count = 0;
	bench->run_ns = 0;
	CALLGRIND_ZERO_STATS;
	run_until(bench, before + work->units);
	prepare(bench);
	CALLGRIND_DUMP_STATS_AT(work->name);
	printf("%s: %u units, %u turns, %.2f us a unit\n", work->name, bench->done_count - before,
	       bench->turn_count, (double)bench->run_ns / 1e3 / (bench->done_count - before));
	for (uint32_t i = 0; i < work->callers; i++)
		sim_conn_fini(&bench->callers[i].conn);
	bench->caller_count = 0;
	SSL_SESSION_free(bench->session);
	bench->session = NULL;
	rest(bench);
}

static void open_world(struct sim_world *world, bool is_edge_alone)
{
	struct sim_world_plan plan = {
		.seed = 1,
		.is_edge_alone = is_edge_alone,
		.conf_more[SIM_EDGE] =
			"cache = { memory = \"16MiB\"; objects = 64; max_object = \"4MiB\"; };\n"};
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		plan.links[s] = (struct sim_link_config){.latency_us = 20, .mtu = 1500};
	sim_world_seed(world, 1);
	sim_world_open(world, &plan);
}

// run_works does the works of one kind of world, each behind the other.
static void run_works(struct bench *bench, bool is_edge_alone)
{
	open_world(&bench->world, is_edge_alone);
	CHECK(sim_workload_init(&bench->workload, bench->world.workload_host.tcp,
				&bench->world.workload_memory->bufs, 80) == 0);
	for (size_t i = 0; i < ARRAY_LEN(works); i++)
		if (works[i].is_edge_alone == is_edge_alone)
			measure(bench, &works[i]);
	sim_workload_fini(&bench->workload);
	rest(bench);
	CHECK(!sim_world_leftovers(&bench->world));
	sim_world_close(&bench->world);
}

int main(void)
{
	static struct bench bench;
	sim_world_init(&bench.world);
	run_works(&bench, false);
	run_works(&bench, true);
	sim_world_fini(&bench.world);
	return 0;
}
