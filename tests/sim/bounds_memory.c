// SPDX-License-Identifier: Apache-2.0
// Bounds of buffers and packets: pools that are empty, users that do not read, users that write
// slowly; see bounds.h.
#include "bounds.h"

#include "sim_client.h"

#include "check.h"

#include <rte_mbuf.h>

#include <stdio.h>
#include <stdlib.h>

#define SMALL_BUFFERS 1024u
#define LARGE_BUFFERS 512u

// What a test has taken out of a node's pools, so that the node finds them empty.
struct hostage {
	struct buf *bufs[LARGE_BUFFERS + SMALL_BUFFERS];
	unsigned buf_count;
	struct rte_mbuf *mbufs[4096];
	unsigned mbuf_count;
};

// take takes buffers that hold bytes until left of that size are free.
static void take(struct bounds *bounds, struct hostage *hostage, size_t bytes, uint32_t left)
{
	struct buf_pool *pool = &bounds->world.nodes[SIM_EDGE].worker->bufs;
	const uint32_t *count = bytes == BUF_BYTES ? &pool->large_free : &pool->small_free;
	while (*count > left)
		hostage->bufs[hostage->buf_count++] = buf_new(pool, bytes);
}

static void take_mbufs(struct bounds *bounds, struct hostage *hostage, unsigned left)
{
	struct rte_mempool *pool = bounds->world.nodes[SIM_EDGE].memory->mbufs;
	while (rte_mempool_avail_count(pool) > left)
		hostage->mbufs[hostage->mbuf_count++] = rte_pktmbuf_alloc(pool);
}

static void release(struct hostage *hostage)
{
	while (hostage->buf_count)
		buf_unref(hostage->bufs[--hostage->buf_count]);
	while (hostage->mbuf_count)
		rte_pktmbuf_free(hostage->mbufs[--hostage->mbuf_count]);
}

// Fewer than an eighth of the record buffers: established work goes on, new requests are refused.
static void short_of_records(struct bounds *bounds)
{
	static struct hostage hostage;
	bounds_ask(bounds, 0, 1, BOUNDS_GET("/b/1/400000", ""));
	bounds_until_status(bounds, 0, 1, 200, 1000000);
	take(bounds, &hostage, BUF_BYTES, 60);
	bounds_ask(bounds, 1, 3, BOUNDS_PLAIN);
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_overloaded, 3);
	bounds_until_status(bounds, 1, 3, 503, 1000000);
	release(&hostage);
}

// None at all: nothing can be said, nothing is lost, and the node sleeps until there are some.
static void without_records(struct bounds *bounds)
{
	static struct hostage hostage;
	bounds->workload.is_holding = true;
	bounds_ask(bounds, 0, 3, BOUNDS_HELD);
	bounds_run(bounds, 500000);
	bounds_expect(bounds, bounds->workload.request_count == 3, "requests are under way");
	take(bounds, &hostage, BUF_BYTES, 0);
	take(bounds, &hostage, BUF_SMALL_BYTES, 0);
	bounds->workload.is_holding = false;
	bounds_run(bounds, 3000000);
	uint64_t waited =
		sim_world_counter(&bounds->world, SIM_EDGE, COUNTER_exchange_buffers_waited) +
		sim_world_counter(&bounds->world, SIM_EDGE, COUNTER_tls_buffers_short);
	uint64_t busy = sim_world_counter(&bounds->world, SIM_EDGE, COUNTER_worker_loops_busy);
	bounds_run(bounds, 1000000);
	busy = sim_world_counter(&bounds->world, SIM_EDGE, COUNTER_worker_loops_busy) - busy;
	bounds_expect(bounds, waited > 0, "waiting for buffers is counted");
	bounds_expect(bounds, busy < 200, "a node that waits for buffers sleeps");
	release(&hostage);
}

static void without_small(struct bounds *bounds)
{
	static struct hostage hostage;
	take(bounds, &hostage, BUF_SMALL_BYTES, 0);
	bounds_ask(bounds, 0, 5, BOUNDS_PLAIN);
	bounds_until_status(bounds, 0, 5, 200, 1000000);
	release(&hostage);
}

// No packet: frames are lost, and TCP sends them again when there are some.
static void without_mbufs(struct bounds *bounds)
{
	static struct hostage hostage;
	bounds_ask(bounds, 0, 3, BOUNDS_GET("/b/1/100000", ""));
	bounds_run(bounds, 3000);
	take_mbufs(bounds, &hostage, 0);
	bounds_run(bounds, 200000);
	struct sim_link_totals totals = sim_link_totals_of(bounds->world.links[SIM_ACCESS]);
	bounds_expect(bounds,
		      totals.no_mbuf > 0 ||
			      sim_world_counter(&bounds->world, SIM_EDGE, COUNTER_tcp_no_mbuf) > 0,
		      "frames find no packet buffer");
	bounds_expect(bounds, bounds_statuses(bounds, 200) == 0, "nobody is answered");
	release(&hostage);
	bounds_until_status(bounds, 0, 3, 200, 20000000);
}

static void make_deaf(struct bounds *bounds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		bounds->probes[i].is_deaf = true;
}

// Users that ask for much and read nothing: others are served all the while.
static void deaf_users(struct bounds *bounds, unsigned count)
{
	bounds_ask(bounds, 0, count, BOUNDS_GET("/b/1/2000000", "Cache-Control: no-store\r\n"));
	make_deaf(bounds, count);
	bounds_run(bounds, 3000000);
	bounds_expect(bounds, bounds->workload.request_count == count, "all have asked");
	for (unsigned i = 0; i < 4; i++)
		bounds_bystander(bounds, 3000000);
}

static void few_deaf_users(struct bounds *bounds)
{
	deaf_users(bounds, 5);
	bounds_expect(bounds,
		      sim_world_counter(&bounds->world, SIM_EDGE, COUNTER_exchange_shed) == 0,
		      "nobody is given up while there is room");
	bounds_expect(bounds, bounds->bufs_peak[SIM_EDGE] < 5 * 24, "their memory has a bound");
	bounds_expect(bounds, bounds->bufs_peak[SIM_SIDECAR] < 5 * 24, "at the other end, too");
}

// Half of this many would hold a whole connection's window between nodes.
static void many_deaf_users(struct bounds *bounds)
{
	deaf_users(bounds, 30);
}

// As many as there is memory for, when others hold three fifths: the ones that stand still make
// room.
static void all_deaf_users(struct bounds *bounds)
{
	static struct hostage hostage;
	take(bounds, &hostage, BUF_BYTES, 200);
	bounds_ask(bounds, 0, 40, BOUNDS_GET("/b/1/2000000", "Cache-Control: no-store\r\n"));
	make_deaf(bounds, 40);
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_shed, 1);
	bounds_run(bounds, 5000000);
	for (unsigned i = 0; i < 4; i++)
		bounds_bystander(bounds, 3000000);
	release(&hostage);
}

static void end_deaf_users(struct bounds *bounds)
{
	bounds_ask(bounds, 0, 3, BOUNDS_GET("/b/1/2000000", "Cache-Control: no-store\r\n"));
	make_deaf(bounds, 3);
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_body_stalled, 3);
	bounds_run(bounds, 4000000);
	bounds_expect(bounds,
		      proxy_in_use(bounds->world.nodes[SIM_EDGE].worker->proxy).downstream_count ==
			      0,
		      "a reset connection lingers no longer than linger says");
}

// Users that announce much and send little: memory stays flat, nobody else is blamed.
static void slow_uploads(struct bounds *bounds)
{
	bounds_ask(bounds, 0, 30,
		   "POST /u/1/500000 HTTP/1.1\r\nHost: " SIM_HOST
		   "\r\nContent-Length: 500000\r\n\r\nlittle");
	bounds_run(bounds, 1500000); // a lost SYN among them
	for (unsigned second = 0; second < 4; second++) {
		bounds_run(bounds, 1000000);
		for (unsigned i = 0; i < 30; i++)
			bounds_say(bounds, i, "x");
	}
	bounds_bystander(bounds, 1000000);
	bounds_expect(bounds, bounds->bufs_peak[SIM_EDGE] < 120, "memory is flat at the edge");
	bounds_expect(bounds, bounds->bufs_peak[SIM_SIDECAR] < 120, "and at the sidecar");
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_body_stalled, 30);
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++)
		bounds_expect(bounds,
			      sim_world_counter(&bounds->world, n,
						COUNTER_channel_endpoint_failures) == 0,
			      "an endpoint is not blamed for a slow user");
}

// A queue smaller than a window: bodies pass through it all the same.
static void small_buffer(struct bounds *bounds)
{
	struct sim_world *world = &bounds->world;
	struct sim_client client;
	struct sim_plan plan = {.vip = world->vip,
				.port = 443,
				.host = SIM_HOST,
				.conn_count = 2,
				.requests_per_conn = 20,
				.body_bytes_max = 400000,
				.seed = world->now_us};
	uint64_t end_us = world->now_us + 4 * BOUNDS_LIMIT_US;
	sim_client_init(&client, world->client_host.tcp, &world->client_memory->bufs,
			world->contexts[0], &plan);
	while (sim_client_step(&client) && world->now_us < end_us)
		bounds_step(bounds);
	bounds_expect(bounds, client.done_count == 40 && client.retry_count == 0,
		      "bodies larger than the buffer pass");
	bounds_expect(bounds,
		      sim_world_counter(world, SIM_SIDECAR, COUNTER_exchange_overloaded) == 0,
		      "a full queue stops its sender");
	sim_client_fini(&client);
}

// An answer before the end of its request: what is left of the body is no request.
static void early_answer(struct bounds *bounds)
{
	char text[1200] =
		"POST /b/1/100 HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 900\r\n\r\n";
	bounds_ask(bounds, 0, 1, text);
	bounds_until_status(bounds, 0, 1, 404, 1000000);
	bounds_say(bounds, 0, "GET /b/1/777 HTTP/1.1\r\nHost: " SIM_HOST "\r\n\r\n");
	bounds_run(bounds, 2000000);
	bounds_expect(bounds, bounds->workload.request_count == 0, "a body is not a request");
	bounds_expect(bounds, sim_probe_status(&bounds->probes[0]) == 0, "nor is it answered");
}

// A client that leaves while its request is under way gives everything back; so does a retry.
static void leave_early(struct bounds *bounds)
{
	bounds->workload.is_holding = true;
	for (unsigned round = 0; round < 20; round++) {
		bounds_ask(bounds, 0, 8, BOUNDS_HELD);
		bounds_run(bounds, 30000);
		bounds_let_go(bounds);
	}
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_client_gone, 100);
	bounds->workload.is_holding = false;
	bounds_bystander(bounds, 2000000);
}

#define STALL                                                                                      \
	"http = { connections = 64; body_idle_timeout = \"5s\"; keepalive_timeout = \"30s\"; "     \
	"linger = \"1s\"; };\n"
#define SLOW "upstream = { connections = 64; response_timeout = \"8s\"; };\n"

const struct bounds_case bounds_memory[] = {
	{"record_buffers below an eighth", short_of_records, {0}, 1},
	{"record_buffers and small_buffers are all gone", without_records, {0}, 1},
	{"small_buffers are all gone", without_small, {0}, 1},
	{"mbufs are all gone", without_mbufs, {0}, 1},
	{"a few users that do not read", few_deaf_users, {0}, 1},
	{"many users that do not read", many_deaf_users, {0}, 0},
	{"more users that do not read than memory", all_deaf_users, {0}, 0},
	{"users that do not read are given up", end_deaf_users, {.conf_more[SIM_EDGE] = STALL}, 1},
	{"slow uploads",
	 slow_uploads,
	 {.conf_more = {STALL SLOW,
			"upstream = { connections = 64; response_timeout = \"30s\"; };\n",
			"upstream = { connections = 64; response_timeout = \"30s\"; };\n"}},
	 1},
	{"http.body_buffer of 16 KiB",
	 small_buffer,
	 {.conf_more = {"http = { connections = 64; body_buffer = \"16KiB\"; };\n",
			"http = { connections = 64; body_buffer = \"16KiB\"; };\n",
			"http = { connections = 64; body_buffer = \"16KiB\"; };\n"}},
	 0},
	{"an answer before the end of its request", early_answer, {0}, 1},
	{"users that leave early", leave_early, {0}, 1},
};
const size_t bounds_memory_count = ARRAY_LEN(bounds_memory);
