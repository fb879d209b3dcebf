// SPDX-License-Identifier: Apache-2.0
// Clients that come just when an edge ends: each whose connection was taken and who asks soon is
// answered, on a connection that then ends cleanly; who says nothing is told to go, at once or
// soon; and the edge is done long before its time. A client here is OpenSSL's, slow in thought.
//
//   ──▶ drain ──────────── notice ────────────▶ finish (nobody new) ──────▶ drained
//            clients come ── think ── ask ──────────── ask ──▶
#include "sim_probe.h"
#include "sim_world.h"
#include "unit.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS   12u
#define SEEDS     200u
#define NOTICE_US 200000u
#define DRAIN_US  20000000u
#define COME_US   120000u // before the edge takes nobody any more, at the earliest
#define LAST_US   8000u   // and at the latest: a SYN has to arrive
#define THINK_US  45000u  // at most; what an edge grants is 50 ms, and a way of 0.5 ms is in it
#define SOON_US   300000u // after the end of the notice all have gone
#define QUIET_US  5000000u
#define REQUEST   "GET /a HTTP/1.1\r\nHost: " SIM_HOST "\r\n\r\n"

struct client {
	struct sim_probe probe;
	uint64_t come_us, think_us;
	uint64_t ready_us; // 0: not yet
	bool is_silent;    // it never asks
	bool has_come, has_asked;
};

static struct run {
	struct sim_world world;
	struct sim_origin origin;
	struct client clients[CLIENTS];
	uint64_t finish_us; // when the edge takes nobody any more
} run;

static void come(struct client *client)
{
	struct sim_host *host = &run.world.client_host;
	struct sim_probe_plan plan = {.to = run.world.vip,
				      .port = 443,
				      .context = run.world.contexts[0],
				      .server_name = SIM_HOST};
	sim_probe_start(&client->probe, host->tcp, &host->memory->bufs, &plan);
	client->has_come = true;
}

static void client_step(struct client *client)
{
	uint64_t now_us = run.world.now_us;
	if (!client->has_come && now_us >= client->come_us)
		come(client);
	if (!client->has_come)
		return;
	if (client->probe.conn.is_ready && !client->ready_us)
		client->ready_us = now_us;
	bool is_due = client->ready_us && now_us >= client->ready_us + client->think_us;
	bool is_open = !client->probe.is_gone && !client->probe.conn.is_shut;
	if (is_due && is_open && !client->is_silent && !client->has_asked) {
		sim_conn_send(&client->probe.conn, SLICE(REQUEST));
		client->has_asked = true;
	}
	sim_probe_step(&client->probe);
}

// next_us is when a client does something by itself.
static uint64_t next_us(void)
{
	uint64_t next = UINT64_MAX;
	for (unsigned i = 0; i < CLIENTS; i++) {
		const struct client *client = &run.clients[i];
		if (!client->has_come)
			next = MIN(next, client->come_us);
		else if (client->ready_us && !client->is_silent && !client->has_asked)
			next = MIN(next, client->ready_us + client->think_us);
	}
	return next;
}

static void turn(void)
{
	uint64_t earliest_us = run.world.now_us + 20;
	sim_world_step(&run.world);
	for (unsigned i = 0; i < CLIENTS; i++)
		client_step(&run.clients[i]);
	sim_origin_step(&run.origin);
	sim_world_advance(&run.world);
	run.world.now_us = MAX(earliest_us, MIN(run.world.now_us, next_us()));
}

static void rest(uint64_t us)
{
	for (uint64_t end_us = run.world.now_us + us; run.world.now_us < end_us;)
		turn();
}

// warm_up has one client served and gone, so that neighbours and routes are known.
static void warm_up(void)
{
	run.clients[0] = (struct client){0};
	for (unsigned i = 1; i < CLIENTS; i++)
		run.clients[i] = (struct client){.come_us = UINT64_MAX};
	rest(QUIET_US);
	CHECK(sim_probe_status(&run.clients[0].probe) == 200);
	sim_probe_fini(&run.clients[0].probe);
	rest(QUIET_US);
}

static void draw_clients(void)
{
	struct random_source *random = &run.world.random;
	for (unsigned i = 0; i < CLIENTS; i++)
		run.clients[i] = (struct client){
			.come_us = run.finish_us - LAST_US - random_below(random, COME_US),
			.think_us = random_below(random, THINK_US),
			.is_silent = random_below(random, 4) == 0,
		};
}

static void open_run(uint64_t seed)
{
	struct sim_world *world = &run.world;
	struct sim_world_plan plan = {.seed = seed, .is_edge_alone = true, .is_v6 = seed % 2};
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		plan.links[s] = (struct sim_link_config){.latency_us = 500, .mtu = 1500};
	sim_world_seed(world, seed);
	sim_world_open(world, &plan);
	sim_origin_start(&run.origin, world->workload_host.tcp, &world->workload_memory->bufs,
			 SIM_ORIGIN_GOOD);
	struct sim_node *edge = &world->nodes[SIM_EDGE];
	warm_up();
	sim_world_step(world); // the edge's clock is the world's again
	edge->conf.dataplane.drain_time_ms = DRAIN_US / 1000;
	edge->conf.dataplane.drain_notice_ms = NOTICE_US / 1000;
	run.finish_us = world->now_us + NOTICE_US;
	draw_clients();
	worker_drain(edge->worker);
}

static void close_run(void)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		sim_probe_fini(&run.clients[i].probe);
	rest(QUIET_US);
	CU_ASSERT_PTR_NULL(sim_world_leftovers(&run.world));
	sim_origin_fini(&run.origin);
	sim_world_close(&run.world);
}

// is_ended: both sides said so, and nothing was reset.
static bool is_ended(const struct sim_probe *probe)
{
	return probe->is_gone && probe->reason == COUNTER_tcp_closed;
}

// is_served: one answer, all of it, and a connection that ends as HTTP does.
static bool is_served(const struct client *client)
{
	const struct sim_probe *probe = &client->probe;
	bool is_whole = probe->received_bytes > 4 &&
			memcmp(probe->received + probe->received_bytes - 4, "good", 4) == 0;
	return sim_probe_status(probe) == 200 && is_whole && is_ended(probe);
}

static void is_right(uint64_t seed, unsigned number)
{
	const struct client *client = &run.clients[number];
	const struct sim_probe *probe = &client->probe;
	bool is_good = client->is_silent ? is_ended(probe) && probe->received_bytes == 0
					 : client->has_asked && is_served(client);
	if (!is_good)
		printf("# seed %u, client %u (%s): came %+d us, ready %+d, asked %+d; status "
		       "%u%s\n",
		       (unsigned)seed, number, client->is_silent ? "silent" : "asks",
		       (int)(client->come_us - run.finish_us),
		       (int)(client->ready_us - run.finish_us),
		       (int)(client->ready_us + client->think_us - run.finish_us),
		       sim_probe_status(probe), is_ended(probe) ? ", ended" : "");
	CU_ASSERT(is_good);
}

static void who_comes_at_the_end_is_served_if_he_asks_soon(void)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		open_run(seed);
		rest(NOTICE_US + SOON_US);
		for (unsigned i = 0; i < CLIENTS; i++)
			is_right(seed, i);
		rest(QUIET_US);
		CU_ASSERT_EQUAL(run.world.nodes[SIM_EDGE].worker->drain.life, WORKER_DRAINED);
		close_run();
	}
}

int main(void)
{
	sim_world_init(&run.world);
	static const struct unit_case tests[] = {
		{"who comes at the end is served if he asks soon",
		 who_comes_at_the_end_is_served_if_he_asks_soon},
	};
	int failed = unit_run("drain_sim", tests, ARRAY_LEN(tests));
	sim_world_fini(&run.world);
	return failed;
}
