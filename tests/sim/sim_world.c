// SPDX-License-Identifier: Apache-2.0
// A whole mesh in one process on a virtual clock; see sim_world.h. What its controls say is in
// sim_world_rows.c.
#include "sim_world.h"

#include "sim_world_rows.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HANDOFF_PACKETS = 1024, MBUFS = 4096, LARGE_BUFFERS = 512, SMALL_BUFFERS = 1024 };

const char *const sim_node_names[SIM_NODE_COUNT] = {"edge", "gateway", "sidecar"};

static const char *const conf_text =
	"version = 1; run_dir = \"/nonexistent\";\n"
	"node = { id = \"%s-1\"; role = \"%s\"; location = \"%s\"; mesh = \"" SIM_MESH "\"; };\n"
	"dataplane = { mbufs = 4096; record_buffers = 512; small_buffers = 1024; neighbours = 32;\n"
	" ports = (\n"
	" { name = \"a\"; device = \"net_null0\"; addresses = [\"%s\", \"%s\"]; },\n"
	" { name = \"b\"; device = \"net_null1\"; addresses = [\"%s\", \"%s\"]; } ); };\n"
	"listen = ( { port = %u; protocol = \"%s\"; } );\n"
	"%s";

// Sections that a scenario may replace: patient, for bad links.
static const char *const conf_usual[] = {
	"tcp = { connections = 256; half_open = 64; time_wait = 256; time_wait_life = \"1s\";\n"
	"  syn_retries = 10; retries = 15; send_buffer = \"128KiB\"; receive_buffer = \"128KiB\"; "
	"};\n",
	"route = { services = 16; endpoints = 16; routes = 16; presences = 16; absent = 16; };\n",
	"cache = { memory = \"1MiB\"; objects = 64; max_object = \"64KiB\"; };\n",
	"tls = { handshake_timeout = \"60s\"; };\n",
	"http = { connections = 128; exchanges = 256; head_timeout = \"120s\"; linger = \"20s\";\n"
	"  keepalive_timeout = \"120s\"; body_idle_timeout = \"120s\"; min_rate = \"0B\"; };\n",
	"upstream = { connections = 64; idle = \"5s\"; connect_timeout = \"60s\";\n"
	"  response_timeout = \"120s\"; lookup_timeout = \"30s\"; silence_timeout = \"60s\"; };\n",
};

// add_usual appends the usual sections that text does not have.
static void add_usual(char *text, size_t room)
{
	for (size_t i = 0; i < ARRAY_LEN(conf_usual); i++) {
		char name[16] = {0};
		memcpy(name, conf_usual[i], strcspn(conf_usual[i], "{"));
		size_t end = strlen(text);
		if (!strstr(text, name))
			snprintf(text + end, room - end, "%s", conf_usual[i]);
	}
}

static void load_conf(struct sim_world *world, enum sim_node_name node)
{
	static const char *const addresses[SIM_NODE_COUNT][4] = {
		{"10.0.0.100/24", "fd00::100/64", "10.1.0.1/24", "fd01::1/64"},
		{"10.1.0.2/24", "fd01::2/64", "10.2.0.1/24", "fd02::1/64"},
		{"10.2.0.2/24", "fd02::2/64", "10.0.0.100/24", "fd00::100/64"}};
	const struct sim_world_plan *plan = &world->plan;
	const char *name = sim_node_names[node];
	const char *const *at = addresses[node];
	const char *listen = plan->listen[node] ? plan->listen[node]
			     : node == SIM_EDGE ? "https"
						: "mesh";
	const char *more = plan->conf_more[node] ? plan->conf_more[node] : "";
	char text[4096];
	snprintf(text, sizeof(text), conf_text, name, name, node == SIM_EDGE ? "par" : "fra", at[0],
		 at[1], at[2], at[3], node == SIM_EDGE ? 443u : 8443u, listen, more);
	add_usual(text, sizeof(text));
	CHECK(conf_parse(text, name, &world->nodes[node].conf, stderr) == 0);
}

static const enum sim_segment sides[SIM_NODE_COUNT][2] = {
	{SIM_ACCESS, SIM_WIDE}, {SIM_WIDE, SIM_LOCAL}, {SIM_LOCAL, SIM_HOST_SEGMENT}};

static void open_links(struct sim_world *world)
{
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		world->links[s] = sim_link_new(&world->plan.links[s], &world->now_us,
					       random_key(&world->random));
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++)
		for (unsigned p = 0; p < 2; p++)
			world->nodes[n].ports[p] =
				sim_link_attach(world->links[sides[n][p]],
						(uint8_t[6]){2, 1, 0, 0, (uint8_t)n, (uint8_t)p},
						world->nodes[n].memory->mbufs);
}

static void open_hosts(struct sim_world *world)
{
	struct sim_host_config client = {.number = 1,
					 .memory = world->client_memory,
					 .link = world->links[SIM_ACCESS],
					 .limits = sim_limits(),
					 .seed = random_key(&world->random),
					 .now_us = world->now_us};
	if (world->plan.host_window_bytes) {
		client.limits.send_buffer_bytes = world->plan.host_window_bytes;
		client.limits.receive_buffer_bytes = world->plan.host_window_bytes;
	}
	struct sim_host_config workload = client;
	workload.number = 2;
	workload.memory = world->workload_memory;
	workload.link = world->links[world->plan.is_edge_alone ? SIM_ACCESS : SIM_HOST_SEGMENT];
	workload.seed = random_key(&world->random);
	sim_host_open(&world->client_host, &client);
	sim_host_open(&world->workload_host, &workload);
}

static struct worker *open_worker(const struct worker_params *params)
{
	struct worker *worker = worker_alloc();
	CHECK(worker);
	const char *why = worker_init(worker, params);
	if (why)
		fprintf(stderr, "%s: %s\n", params->conf->node.id, why);
	CHECK(!why);
	return worker;
}

// open_second makes the second worker of a node, with memory and views of the ports of its own.
static void open_second(struct sim_world *world, enum sim_node_name n, struct worker_params params)
{
	struct sim_second *second = &world->nodes[n].second;
	char name[32];
	snprintf(name, sizeof(name), "%s_second", sim_node_names[n]);
	if (!second->memory)
		second->memory = sim_memory_new(name, MBUFS, LARGE_BUFFERS, SMALL_BUFFERS);
	for (unsigned p = 0; p < 2; p++)
		second->ports[p] =
			sim_link_share(world->links[sides[n][p]], world->nodes[n].ports[p],
				       second->memory->mbufs, world->plan.is_spread);
	params.index = 1;
	params.ports = second->ports;
	params.mbufs = second->memory->mbufs;
	params.buffer_memory = second->memory->block;
	params.seed = random_key(&world->random);
	second->worker = open_worker(&params);
}

// open_offload gives the edge the helper cores of the plan.
static void open_offload(struct sim_world *world, enum sim_node_name n)
{
	const struct sim_world_plan *plan = &world->plan;
	struct sim_node *node = &world->nodes[n];
	node->offload = NULL;
	if (n != SIM_EDGE || plan->handshake_cores == 0)
		return;
	node->conf.dataplane.cores.count = plan->has_two_workers ? 2 : 1;
	node->conf.dataplane.handshake_cores.count = plan->handshake_cores;
	node->conf.tls.handshake_jobs = plan->handshake_jobs;
	node->conf.tls.handshake_job_time_ms = plan->handshake_job_time_ms;
	node->offload = worker_offload_new(&node->conf);
	CHECK(node->offload);
	memset(node->core_free_us, 0, sizeof(node->core_free_us));
}

static void open_node(struct sim_world *world, enum sim_node_name n)
{
	struct sim_node *node = &world->nodes[n];
	load_conf(world, n);
	CHECK(node->conf.dataplane.record_buffers == LARGE_BUFFERS &&
	      node->conf.dataplane.small_buffers == SMALL_BUFFERS);
	open_offload(world, n);
	struct worker_params params = {
		.conf = &node->conf,
		.count = 1,
		.ports = node->ports,
		.mbufs = node->memory->mbufs,
		.buffer_memory = node->memory->block,
		.seed = random_key(&world->random),
		.cache_secret = random_key(&world->random),
		.now_us = world->now_us,
		.wall_s = SIM_WALL_S,
		.offload = node->offload,
	};
	if (world->plan.has_two_workers) {
		params.count = 2;
		params.handoff = node->handoff = handoff_new(2, HANDOFF_PACKETS);
		CHECK(node->handoff);
	}
	node->worker = open_worker(&params);
	if (world->plan.has_two_workers)
		open_second(world, n, params);
	struct worker *workers[] = {node->worker, node->second.worker};
	sim_control_init(&node->control, workers, params.count);
}

void sim_world_init(struct sim_world *world)
{
	sim_start();
	sim_pki_seed_random(1);
	sim_pki_init(&world->pki, SIM_WALL_S);
	sim_pki_init(&world->other_pki, SIM_WALL_S);
	world->contexts[0] = sim_pki_client_context(&world->pki, false);
	world->contexts[1] = sim_pki_client_context(&world->pki, true);
	world->stranger = sim_pki_client_context(&world->pki, true);
	SSL_CTX_set_verify(world->stranger, SSL_VERIFY_NONE, NULL);
	world->caller = sim_pki_caller_context(&world->pki,
					       "URI:spiffe://" SIM_MESH "/gateway/fra/gateway-1");
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++)
		world->nodes[n].memory =
			sim_memory_new(sim_node_names[n], MBUFS, LARGE_BUFFERS, SMALL_BUFFERS);
	world->client_memory = sim_memory_new("client", 2 * MBUFS, LARGE_BUFFERS, LARGE_BUFFERS);
	world->workload_memory = sim_memory_new("workload", MBUFS, LARGE_BUFFERS, LARGE_BUFFERS);
}

void sim_world_fini(struct sim_world *world)
{
	SSL_CTX_free(world->contexts[0]);
	SSL_CTX_free(world->contexts[1]);
	SSL_CTX_free(world->stranger);
	SSL_CTX_free(world->caller);
	sim_pki_fini(&world->pki);
	sim_pki_fini(&world->other_pki);
}

void sim_world_seed(struct sim_world *world, uint64_t seed)
{
	random_init(&world->random, (struct siphash_key){{seed, 0x6a6f75726e6579}});
	sim_pki_seed_random(seed);
	world->now_us = 1000000 + random_u64(&world->random) % 1000000000000ull;
	world->began_us = world->now_us;
}

static uint64_t wall_s(const struct sim_world *world)
{
	return SIM_WALL_S + (world->now_us - world->began_us) / 1000000;
}

// step_cores lets those helpers work whose time has come.
static void step_cores(struct sim_world *world, struct sim_node *node)
{
	struct random_source *random = &world->random;
	for (uint32_t i = 0; node->offload && i < node->offload->core_count; i++) {
		if (node->core_free_us[i] > world->now_us ||
		    worker_offload_turn(node->offload, i) == 0)
			continue;
		uint32_t most_us = random_below(random, 8) == 0   ? 300000
				   : random_below(random, 4) == 0 ? 20000
								  : 150;
		node->core_free_us[i] = world->now_us + random_below(random, most_us);
	}
}

// step_node runs a node's workers, in either order when both receive.
static void step_node(struct sim_world *world, struct sim_node *node)
{
	struct worker *workers[] = {node->worker, node->second.worker};
	bool is_second_first = world->plan.is_spread && random_below(&world->random, 2);
	for (unsigned i = 0; i < 2; i++)
		if (workers[i ^ is_second_first])
			worker_step(workers[i ^ is_second_first], world->now_us, wall_s(world));
	step_cores(world, node);
	sim_control_step(&node->control);
}

// sync runs nodes and controls until every node has its first full set.
static void sync(struct sim_world *world)
{
	for (bool is_synced = false; !is_synced; world->now_us += 1000) {
		is_synced = true;
		CHECK(world->now_us - world->began_us < 10000000);
		for (unsigned n = 0; n < SIM_NODE_COUNT; n++) {
			step_node(world, &world->nodes[n]);
			is_synced &= world->nodes[n].control.applied != 0 ||
				     (n == SIM_EDGE && world->plan.has_no_edge_control);
		}
	}
}

void sim_world_open(struct sim_world *world, const struct sim_world_plan *plan)
{
	world->plan = *plan;
	CHECK(addr_parse(plan->is_v6 ? "fd00::100" : "10.0.0.100", &world->vip) == 0);
	open_links(world);
	open_hosts(world);
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++)
		open_node(world, n);
	sim_world_fill_controls(world);
	for (unsigned n = world->plan.has_no_edge_control; n < SIM_NODE_COUNT; n++)
		sim_control_start(&world->nodes[n].control);
	sync(world);
}

void sim_world_step(struct sim_world *world)
{
	sim_host_step(&world->client_host, world->now_us, 64);
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++)
		step_node(world, &world->nodes[n]);
	sim_host_step(&world->workload_host, world->now_us, 64);
}

static uint64_t node_next_us(const struct sim_world *world, const struct sim_node *node)
{
	const struct worker *second = node->second.worker;
	uint64_t next_us = worker_next_us(node->worker);
	if (worker_has_input(node->worker) || (second && worker_has_input(second)))
		return world->now_us;
	return second ? MIN(next_us, worker_next_us(second)) : next_us;
}

void sim_world_advance(struct sim_world *world)
{
	uint64_t next = world->now_us + 250000;
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		next = MIN(next, sim_link_next_us(world->links[s]));
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++)
		next = MIN(next, node_next_us(world, &world->nodes[n]));
	next = MIN(next, sim_host_next_us(&world->client_host, world->now_us));
	next = MIN(next, sim_host_next_us(&world->workload_host, world->now_us));
	world->now_us = MAX(next, world->now_us + 20);
}

static const char *worker_leftovers(struct worker *worker, struct sim_memory *memory)
{
	struct proxy_in_use proxy = proxy_in_use(worker->proxy);
	struct tcp_in_use tcp = tcp_in_use(worker->tcp);
	if (proxy.exchange_count)
		return "an exchange is left";
	if (proxy.downstream_count || proxy.upstream_count)
		return "a proxy's connection is left";
	if (tcp.conn_count || tcp.half_open_count || tcp.time_wait_count)
		return "a TCP connection is left";
	if (tls_conn_count(worker->tls))
		return "a TLS connection is left";
	if (tls_jobs_count(worker->tls))
		return "a job of a helper core is left";
	if (worker->cache && cache_in_flight(worker->cache))
		return "the cache waits for somebody";
	if (buf_pool_in_use(&worker->bufs))
		return "a buffer is left";
	if (worker->handoff && handoff_has_input(worker->handoff, worker->index))
		return "something between workers is left";
	if (rte_mempool_in_use_count(memory->mbufs))
		return "an mbuf is left";
	return NULL;
}

static const char *node_leftovers(struct sim_node *node)
{
	const char *what = worker_leftovers(node->worker, node->memory);
	if (!what && node->second.worker)
		what = worker_leftovers(node->second.worker, node->second.memory);
	return what;
}

const char *sim_world_leftovers(struct sim_world *world)
{
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		sim_link_release(world->links[s]);
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++) {
		const char *what = node_leftovers(&world->nodes[n]);
		if (what)
			fprintf(stderr, "%s: ", sim_node_names[n]);
		if (what)
			return what;
	}
	return NULL;
}

static void print_worker(const struct worker *worker, bool has_journal)
{
	const uint64_t *value = worker->counters.value;
	for (unsigned c = 0; c < COUNTER_COUNT; c++)
		if (value[c] && strcmp(counter_info[c].module, "worker") != 0)
			fprintf(stderr, "  %s worker %u: %s_%s %" PRIu64 "\n",
				worker->conf->node.id, worker->index, counter_info[c].module,
				counter_info[c].name, value[c]);
	if (has_journal)
		journal_print(&worker->journal, stderr);
}

void sim_world_print(struct sim_world *world, bool has_journals)
{
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++) {
		print_worker(world->nodes[n].worker, has_journals);
		if (world->nodes[n].second.worker)
			print_worker(world->nodes[n].second.worker, has_journals);
	}
}

uint64_t sim_world_counter(const struct sim_world *world, enum sim_node_name node,
			   enum counter counter)
{
	const struct worker *second = world->nodes[node].second.worker;
	return world->nodes[node].worker->counters.value[counter] +
	       (second ? second->counters.value[counter] : 0);
}

void sim_world_close(struct sim_world *world)
{
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++) {
		struct sim_node *node = &world->nodes[n];
		sim_control_fini(&node->control);
		worker_close(node->worker);
		if (node->second.worker) {
			worker_close(node->second.worker);
			worker_free(node->second.worker);
			node->second.worker = NULL;
		}
		worker_free(node->worker);
		worker_offload_free(node->offload);
		handoff_free(node->handoff);
		node->handoff = NULL;
	}
	sim_host_close(&world->client_host);
	sim_host_close(&world->workload_host);
	for (unsigned s = 0; s < SIM_SEGMENT_COUNT; s++)
		sim_link_free(world->links[s]);
}
