// SPDX-License-Identifier: Apache-2.0
// What requests that wait for a place at an endpoint cost a node: a sidecar whose workload holds
// its answers back on all of its 64 connections while 448 more want one. Callgrind counts the
// sidecar's worker_step only (--toggle-collect=step_edge, as in instructions.c). Two rows: a turn
// in which none comes free; a request that waited, from then on.
#include "counted_step.h"
#include "sim_get.h"
#include "sim_workload.h"

#include "check.h"

#include <stdio.h>
#include <valgrind/callgrind.h>

enum { CALLERS = 4, STREAMS = 128, REQUESTS = CALLERS * STREAMS, TURNS = 200 };

struct bench {
	struct sim_world world;
	struct sim_workload workload;
	struct sim_conn callers[CALLERS];
	uint32_t asked, done_count;
	uint64_t run_ns; // of the sidecar's steps
};

static struct bench bench;

static void on_head(void *, uint32_t, void *, const struct http_message *message, bool)
{
	CHECK(message->status == 200);
}

static void on_body(void *conn, uint32_t stream, void *, struct slice bytes)
{
	http_consume(((struct sim_conn *)conn)->http, stream, bytes.bytes);
}

static void on_end(void *, uint32_t, void *, const struct http_field *, uint32_t)
{
	bench.done_count++;
}

static void on_reset(void *, uint32_t, void *, struct http_fault)
{
	CHECK(false);
}

static const struct http_events http_events = {on_head,      on_body,      on_end,        on_reset,
					       sim_get_pull, sim_get_sent, sim_get_closed};

static void on_ready(struct sim_conn *conn, bool is_h2)
{
	sim_get_ready(conn, is_h2, &http_events);
}

static const struct sim_conn_owner owner = {
	.ready = on_ready, .gone = sim_get_gone, .raw = sim_get_raw};

static void turn(void)
{
	struct sim_world *world = &bench.world;
	uint64_t wall_s = SIM_WALL_S + (world->now_us - world->began_us) / 1000000;
	sim_host_step(&world->client_host, world->now_us, 64);
	worker_step(world->nodes[SIM_EDGE].worker, world->now_us, wall_s);
	worker_step(world->nodes[SIM_GATEWAY].worker, world->now_us, wall_s);
	uint64_t begin_ns = run_ns();
	step_edge(world->nodes[SIM_SIDECAR].worker, world->now_us, wall_s);
	bench.run_ns += run_ns() - begin_ns;
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++)
		sim_control_step(&world->nodes[n].control);
	sim_host_step(&world->workload_host, world->now_us, 64);
	for (uint32_t i = 0; i < CALLERS; i++)
		sim_conn_step(&bench.callers[i]);
	sim_workload_step(&bench.workload);
	sim_world_advance(world);
}

static void ask(uint32_t count)
{
	static const struct http_field alone = {SLICE("cache-control"), SLICE("no-store")};
	struct sim_get get = {.target = "/s/1/1000", .fields = &alone, .field_count = 1};
	uint32_t stream;
	for (uint32_t i = 0; i < count; i++)
		CHECK(sim_get(bench.callers[i / STREAMS].http, &get, &stream));
	bench.asked = count;
}

static void measure(const char *name, uint32_t turns, uint32_t units)
{
	CALLGRIND_ZERO_STATS;
	bench.run_ns = 0;
	for (uint32_t i = 0; turns ? i < turns : bench.done_count < bench.asked; i++)
		turn();
	CALLGRIND_DUMP_STATS_AT(name);
	printf("%s: %u units, %.2f us a unit\n", name, units, (double)bench.run_ns / 1e3 / units);
}

static void open_world(struct sim_world *world)
{
	struct sim_world_plan plan = {.seed = 1};
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++)
		plan.conf_more[n] =
			"http = { connections = 64; exchanges = 1024; min_rate = \"0B\"; };\n"
			"upstream = { connections = 64; per_endpoint = 64;\n"
			"  connect_timeout = \"120s\"; response_timeout = \"600s\";\n"
			"  silence_timeout = \"0s\"; };\n";
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		plan.links[s] = (struct sim_link_config){.latency_us = 20, .mtu = 1500};
	sim_world_seed(world, 1);
	sim_world_open(world, &plan);
}

static void run_for(uint64_t us)
{
	for (uint64_t end_us = bench.world.now_us + us; bench.world.now_us < end_us;)
		turn();
}

int main(void)
{
	struct sim_world *world = &bench.world;
	sim_world_init(world);
	open_world(world);
	CHECK(sim_workload_init(&bench.workload, world->workload_host.tcp,
				&world->workload_memory->bufs, 80) == 0);
	for (uint32_t i = 0; i < CALLERS; i++)
		sim_get_connect(world, &bench.callers[i], true, &owner);
	run_for(1000000);
	bench.workload.is_holding = true;
	ask(REQUESTS);
	run_for(1000000);
	struct proxy_in_use in_use = proxy_in_use(world->nodes[SIM_SIDECAR].worker->proxy);
	printf("# %u exchanges over %u connections\n", in_use.exchange_count,
	       in_use.upstream_count);
	measure("turn while 448 wait for 64 connections", TURNS, TURNS);
	bench.workload.is_holding = false;
	measure("request that waited for one of 64 connections", 0, REQUESTS);
	for (uint32_t i = 0; i < CALLERS; i++)
		sim_conn_fini(&bench.callers[i]);
	sim_workload_fini(&bench.workload);
	run_for(90000000);
	CHECK(!sim_world_leftovers(world));
	sim_world_close(world);
	sim_world_fini(world);
	return 0;
}
