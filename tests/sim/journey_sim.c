// SPDX-License-Identifier: Apache-2.0
// The whole journey on a virtual clock: users, edge, gateway, sidecar and workload, every one a
// real stack, over four bad links, with control killed and started again. Every body is checked
// byte for byte; at the end nothing may be left anywhere.
//
//   client --access-- edge ==wide== gateway ==local== sidecar --host-- workload
//
//   journey_sim --seeds A-B [--loss PERCENT] [--verbose]      a failing seed replays with --seeds
//   N-N
#include "sim_client.h"
#include "sim_control.h"
#include "sim_host.h"
#include "sim_pki.h"
#include "sim_workload.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WALL_S     1800000000u
#define MESH       "mesh.test"
#define HOST       "shop.test"
#define STALLED_US 900000000ull // virtual time after which a run has failed
#define QUIET_US   90000000ull  // for idle connections and TIME-WAIT to end

enum node { EDGE, GATEWAY, SIDECAR, NODE_COUNT };
enum segment { ACCESS, WIDE, LOCAL, HOST_SEGMENT, SEGMENT_COUNT };

static const char *const roles[NODE_COUNT] = {"edge", "gateway", "sidecar"};

struct node_state {
	struct conf conf;
	struct sim_memory *memory;
	struct worker *worker;
	struct port *ports[2];
	struct sim_control control;
};

struct options {
	uint64_t first, last;
	int loss_percent; // -1: drawn from the seed
	bool is_verbose;
};

struct world {
	uint64_t seed;
	uint64_t now_us, began_us;
	struct random_source random;
	struct sim_link *links[SEGMENT_COUNT];
	struct node_state nodes[NODE_COUNT];
	struct sim_memory *client_memory, *workload_memory;
	struct sim_host client_host, workload_host;
	struct sim_client client;
	struct sim_workload workload;
	struct sim_pki pki;
	SSL_CTX *contexts[2]; // http/1.1, h2
	bool is_v6;
	uint32_t kill_count;
	const char *failure;
};

static const char *const conf_text =
	"version = 1; run_dir = \"/nonexistent\";\n"
	"node = { id = \"%s-1\"; role = \"%s\"; location = \"%s\"; mesh = \"" MESH "\"; };\n"
	"dataplane = { mbufs = 4096; record_buffers = 512; small_buffers = 1024; ports = (\n"
	" { name = \"a\"; device = \"net_null0\"; addresses = [\"%s\", \"%s\"]; },\n"
	" { name = \"b\"; device = \"net_null1\"; addresses = [\"%s\", \"%s\"]; } ); };\n"
	"listen = ( { port = %u; protocol = \"%s\"; } );\n"
	"tcp = { connections = 256; half_open = 64; time_wait = 256; time_wait_life = \"1s\";\n"
	"  syn_retries = 10; retries = 15; send_buffer = \"128KiB\"; receive_buffer = \"128KiB\"; "
	"};\n"
	"tls = { handshake_timeout = \"60s\"; };\n"
	"http = { connections = 128; exchanges = 256; head_timeout = \"120s\"; linger = \"20s\";\n"
	"  keepalive_timeout = \"120s\"; body_idle_timeout = \"120s\"; };\n"
	"upstream = { connections = 64; idle = \"5s\"; connect_timeout = \"60s\"; response_timeout = \"120s\";\n"
	"  lookup_timeout = \"30s\"; };\n"
	"route = { services = 16; endpoints = 16; routes = 16; presences = 16; absent = 16; };\n"
	"cache = { memory = \"1MiB\"; objects = 64; max_object = \"64KiB\"; };\n";

static void load_conf(struct conf *conf, enum node node)
{
	static const char *const addresses[NODE_COUNT][4] = {
		{"10.0.0.100/24", "fd00::100/64", "10.1.0.1/24", "fd01::1/64"},
		{"10.1.0.2/24", "fd01::2/64", "10.2.0.1/24", "fd02::1/64"},
		{"10.2.0.2/24", "fd02::2/64", "10.0.0.100/24", "fd00::100/64"}};
	char text[4096];
	const char *const *at = addresses[node];
	snprintf(text, sizeof(text), conf_text, roles[node], roles[node],
		 node == EDGE ? "par" : "fra", at[0], at[1], at[2], at[3],
		 node == EDGE ? 443u : 8443u, node == EDGE ? "https" : "mesh");
	CHECK(conf_parse(text, roles[node], conf, stderr) == 0);
}

static struct sim_link_config draw_link(struct world *world, const struct options *options,
					enum segment segment)
{
	static const uint32_t losses[] = {0, 100, 500, 1000};
	struct random_source *random = &world->random;
	uint32_t loss = options->loss_percent >= 0 ? (uint32_t)options->loss_percent * 100
						   : losses[world->seed % 4];
	if (segment == HOST_SEGMENT) // beside the workload: as a virtual wire
		loss /= 10;
	return (struct sim_link_config){
		.loss = loss,
		.reorder = loss ? random_below(random, 1000) : 0,
		.duplicate = loss ? random_below(random, 500) : 0,
		.corrupt = loss ? random_below(random, 50) : 0,
		.latency_us = segment == WIDE ? 10000 + random_below(random, 40000)
					      : 50 + random_below(random, 5000),
		.jitter_us = random_below(random, 2000),
		.reorder_us = 1 + random_below(random, 10000),
		.queue_bytes = 200000,
		.bytes_per_s =
			random_below(random, 2) ? 0 : 2000000 + random_below(random, 20000000),
		.mtu = 1500,
	};
}

static void open_links(struct world *world, const struct options *options)
{
	static const enum segment sides[NODE_COUNT][2] = {
		{ACCESS, WIDE}, {WIDE, LOCAL}, {LOCAL, HOST_SEGMENT}};
	for (unsigned s = 0; s < SEGMENT_COUNT; s++) {
		struct sim_link_config config = draw_link(world, options, s);
		world->links[s] = sim_link_new(&config, &world->now_us, random_key(&world->random));
	}
	for (unsigned n = 0; n < NODE_COUNT; n++)
		for (unsigned p = 0; p < 2; p++)
			world->nodes[n].ports[p] =
				sim_link_attach(world->links[sides[n][p]],
						(uint8_t[6]){2, 1, 0, 0, (uint8_t)n, (uint8_t)p},
						world->nodes[n].memory->mbufs);
}

static void open_hosts(struct world *world)
{
	struct sim_host_config client = {.number = 1,
					 .memory = world->client_memory,
					 .link = world->links[ACCESS],
					 .limits = sim_limits(),
					 .seed = random_key(&world->random),
					 .now_us = world->now_us};
	struct sim_host_config workload = client;
	workload.number = 2;
	workload.memory = world->workload_memory;
	workload.link = world->links[HOST_SEGMENT];
	workload.seed = random_key(&world->random);
	sim_host_open(&world->client_host, &client);
	sim_host_open(&world->workload_host, &workload);
}

static void open_node(struct world *world, enum node n)
{
	struct node_state *node = &world->nodes[n];
	struct worker_params params = {
		.conf = &node->conf,
		.count = 1,
		.ports = node->ports,
		.mbufs = node->memory->mbufs,
		.buffer_memory = node->memory->block,
		.seed = random_key(&world->random),
		.cache_secret = random_key(&world->random),
		.now_us = world->now_us,
		.wall_s = WALL_S,
	};
	const char *why;
	node->worker = worker_new(&params, &why);
	if (!node->worker)
		fprintf(stderr, "%s: %s\n", roles[n], why);
	CHECK(node->worker);
	sim_control_init(&node->control, node->worker);
}

static void add_identity(struct world *world, enum node n, const char *name)
{
	char san[300];
	snprintf(san, sizeof(san), "URI:%s", name);
	struct sim_credentials credentials = sim_pki_issue(&world->pki, san);
	struct record_identity record = {.id = 1,
					 .chain_bytes = (uint32_t)strlen(credentials.chain_pem),
					 .key_bytes = (uint32_t)strlen(credentials.key_pem)};
	snprintf(record.name, sizeof(record.name), "%s", name);
	sim_control_row(&world->nodes[n].control, RECORD_IDENTITY, &record, sizeof(record),
			credentials.chain_pem, credentials.key_pem);
	sim_credentials_free(&credentials);
}

static void add_trust(struct world *world, enum node n)
{
	struct record_trust record = {
		.epoch = 1, .bundle_bytes = (uint32_t)strlen(world->pki.ca_pem), .mesh = MESH};
	sim_control_row(&world->nodes[n].control, RECORD_TRUST, &record, sizeof(record),
			world->pki.ca_pem, NULL);
}

static void add_service(struct world *world, enum node n)
{
	struct record_service service = {.id = 7, .name = "shop"};
	sim_control_row(&world->nodes[n].control, RECORD_SERVICE, &service, sizeof(service), NULL,
			NULL);
}

static void add_endpoint(struct world *world, enum node n, struct record_endpoint endpoint,
			 const char *v4, const char *v6)
{
	endpoint.id = 31;
	endpoint.is_healthy = 1;
	endpoint.weight = 1;
	CHECK(endpoint_addr_parse(world->is_v6 ? v6 : v4, &endpoint.to) == 0);
	sim_control_row(&world->nodes[n].control, RECORD_ENDPOINT, &endpoint, sizeof(endpoint),
			NULL, NULL);
}

static void fill_edge(struct world *world)
{
	struct sim_control *control = &world->nodes[EDGE].control;
	struct record_location location = {.id = 5, .cost_us = 20000, .name = "fra"};
	struct record_presence presence = {
		.service_id = 7, .location_id = 5, .healthy_count = 1, .total_count = 1};
	struct sim_credentials public = sim_pki_issue(&world->pki, "DNS:" HOST);
	struct record_cert cert = {.id = 3,
				   .is_default = 1,
				   .chain_bytes = (uint32_t)strlen(public.chain_pem),
				   .key_bytes = (uint32_t)strlen(public.key_pem)};
	struct record_ticket_key ticket = {.id = 1, .name = {1}, .aes_key = {2}, .mac_key = {3}};
	add_identity(world, EDGE, "spiffe://" MESH "/edge/par/edge-1");
	sim_control_row(control, RECORD_LOCATION, &location, sizeof(location), NULL, NULL);
	sim_control_row(control, RECORD_PRESENCE, &presence, sizeof(presence), NULL, NULL);
	sim_control_row(control, RECORD_CERT, &cert, sizeof(cert), public.chain_pem,
			public.key_pem);
	sim_control_row(control, RECORD_TICKET_KEY, &ticket, sizeof(ticket), NULL, NULL);
	sim_control_route(control, HOST, 7, world->seed % 2);
	struct record_endpoint gateway = {.location_id = 5,
					  .hop = RECORD_HOP_GATEWAY,
					  .peer = "spiffe://" MESH "/gateway/fra/"};
	add_endpoint(world, EDGE, gateway, "10.1.0.2:8443", "[fd01::2]:8443");
	sim_credentials_free(&public);
}

static void fill_controls(struct world *world)
{
	for (unsigned n = 0; n < NODE_COUNT; n++) {
		add_trust(world, n);
		add_service(world, n);
	}
	fill_edge(world);
	add_identity(world, GATEWAY, "spiffe://" MESH "/gateway/fra/gateway-1");
	add_identity(world, SIDECAR, "spiffe://" MESH "/svc/shop");
	sim_control_route(&world->nodes[GATEWAY].control, HOST, 7, false);
	sim_control_route(&world->nodes[SIDECAR].control, HOST, 7, false);
	struct record_endpoint sidecar = {
		.service_id = 7, .hop = RECORD_HOP_SIDECAR, .peer = "spiffe://" MESH "/svc/shop"};
	add_endpoint(world, GATEWAY, sidecar, "10.2.0.2:8443", "[fd02::2]:8443");
	struct record_endpoint workload = {
		.service_id = 7, .hop = RECORD_HOP_WORKLOAD, .protocol = RECORD_PROTOCOL_HTTP1};
	add_endpoint(world, SIDECAR, workload, "10.0.0.2:80", "[fd00::2]:80");
	for (unsigned n = 0; n < NODE_COUNT; n++)
		sim_control_start(&world->nodes[n].control);
}

static void open_client(struct world *world)
{
	struct random_source *random = &world->random;
	bool is_h2 = random_below(random, 2);
	struct sim_plan plan = {
		.port = 443,
		.host = HOST,
		.conn_count = 1 + random_below(random, 3),
		.requests_per_conn = 1 + random_below(random, 8),
		.body_bytes_max = 200000,
		.seed = random_u64(random),
		.is_h2 = is_h2,
	};
	CHECK(addr_parse(world->is_v6 ? "fd00::100" : "10.0.0.100", &plan.vip) == 0);
	sim_client_init(&world->client, world->client_host.tcp, &world->client_memory->bufs,
			world->contexts[is_h2], &plan);
	CHECK(sim_workload_init(&world->workload, world->workload_host.tcp,
				&world->workload_memory->bufs, 80) == 0);
}

// turn runs every host once; true while the client has something to do.
static bool turn(struct world *world)
{
	sim_host_step(&world->client_host, world->now_us, 64);
	bool is_live = sim_client_step(&world->client);
	sim_host_step(&world->client_host, world->now_us, 64);
	for (unsigned n = 0; n < NODE_COUNT; n++) {
		worker_step(world->nodes[n].worker, world->now_us, WALL_S);
		sim_control_step(&world->nodes[n].control);
	}
	sim_host_step(&world->workload_host, world->now_us, 64);
	sim_workload_step(&world->workload);
	sim_host_step(&world->workload_host, world->now_us, 64);
	return is_live;
}

// advance moves the clock to what happens next, at least 20 µs on.
static void advance(struct world *world)
{
	uint64_t next = world->now_us + 250000;
	for (unsigned s = 0; s < SEGMENT_COUNT; s++)
		next = MIN(next, sim_link_next_us(world->links[s]));
	for (unsigned n = 0; n < NODE_COUNT; n++)
		next = MIN(next, worker_next_us(world->nodes[n].worker));
	next = MIN(next, sim_host_next_us(&world->client_host, world->now_us));
	next = MIN(next, sim_host_next_us(&world->workload_host, world->now_us));
	world->now_us = MAX(next, world->now_us + 20);
}

// trouble kills a control or starts it again, now and then.
static void trouble(struct world *world)
{
	if (random_below(&world->random, 2000) != 0)
		return;
	struct sim_control *control =
		&world->nodes[random_below(&world->random, NODE_COUNT)].control;
	if (control->is_alive) {
		sim_control_kill(control);
		world->kill_count++;
	} else {
		sim_control_start(control);
	}
}

static bool is_synced(const struct world *world)
{
	for (unsigned n = 0; n < NODE_COUNT; n++)
		if (world->nodes[n].control.applied == 0)
			return false;
	return true;
}

static void run_journey(struct world *world)
{
	while (!is_synced(world)) {
		for (unsigned n = 0; n < NODE_COUNT; n++) {
			worker_step(world->nodes[n].worker, world->now_us, WALL_S);
			sim_control_step(&world->nodes[n].control);
		}
		world->now_us += 1000;
	}
	while (turn(world)) {
		advance(world);
		// A lookup needs control: with on-demand routes it lives.
		if (world->seed % 2 == 0)
			trouble(world);
		if (world->now_us - world->began_us > STALLED_US) {
			world->failure = "stalled";
			return;
		}
	}
	sim_workload_fini(&world->workload);
	uint64_t end_us = world->now_us + QUIET_US;
	while (world->now_us < end_us) {
		turn(world);
		advance(world);
	}
}

static const char *node_leftovers(struct node_state *node)
{
	struct worker *worker = node->worker;
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
	if (worker->cache && cache_in_flight(worker->cache))
		return "the cache waits for somebody";
	if (buf_pool_in_use(&worker->bufs))
		return "a buffer is left";
	return NULL;
}

static void judge(struct world *world)
{
	struct sim_client *client = &world->client;
	uint32_t wanted = client->plan.conn_count * client->plan.requests_per_conn;
	for (unsigned s = 0; s < SEGMENT_COUNT; s++)
		sim_link_release(world->links[s]);
	if (!world->failure && client->wrong_count + world->workload.wrong_count)
		world->failure = "wrong bytes or status";
	if (!world->failure && (client->given_up_count || client->done_count != wanted))
		world->failure = "requests were not answered";
	for (unsigned n = 0; n < NODE_COUNT && !world->failure; n++) {
		world->failure = node_leftovers(&world->nodes[n]);
		if (!world->failure && rte_mempool_in_use_count(world->nodes[n].memory->mbufs))
			world->failure = "an mbuf is left";
		if (world->failure)
			fprintf(stderr, "  %s: ", roles[n]);
	}
}

static void print_world(struct world *world)
{
	struct sim_client *client = &world->client;
	fprintf(stderr,
		"  virtual %.3f s, %s %s, %u connections x %u requests: done %u wrong %u retried "
		"%u "
		"given up %u, reached workload %" PRIu64 ", control killed %u times\n",
		(double)(world->now_us - world->began_us) / 1e6, world->is_v6 ? "v6" : "v4",
		client->plan.is_h2 ? "h2" : "h1", client->plan.conn_count,
		client->plan.requests_per_conn, client->done_count, client->wrong_count,
		client->retry_count, client->given_up_count, world->workload.request_count,
		world->kill_count);
	for (unsigned n = 0; n < NODE_COUNT; n++)
		for (unsigned c = 0; c < COUNTER_COUNT; c++)
			if (world->nodes[n].worker->counters.value[c] &&
			    strcmp(counter_info[c].module, "worker") != 0)
				fprintf(stderr, "  %s %s_%s %" PRIu64 "\n", roles[n],
					counter_info[c].module, counter_info[c].name,
					world->nodes[n].worker->counters.value[c]);
	if (world->failure)
		for (unsigned n = 0; n < NODE_COUNT; n++)
			journal_print(&world->nodes[n].worker->journal, stderr);
}

static void close_world(struct world *world)
{
	sim_client_fini(&world->client);
	sim_workload_fini(&world->workload);
	for (unsigned n = 0; n < NODE_COUNT; n++) {
		sim_control_fini(&world->nodes[n].control);
		worker_free(world->nodes[n].worker);
	}
	sim_host_close(&world->client_host);
	sim_host_close(&world->workload_host);
	for (unsigned s = 0; s < SEGMENT_COUNT; s++)
		sim_link_free(world->links[s]);
}

// run_seed runs one seed; true when it passed. world keeps pools, keys and confs between seeds.
static bool run_seed(struct world *world, const struct options *options, uint64_t seed)
{
	world->seed = seed;
	world->failure = NULL;
	world->kill_count = 0;
	random_init(&world->random, (struct siphash_key){{seed, 0x6a6f75726e6579}});
	sim_pki_seed_random(seed);
	world->now_us = world->began_us = 1000000 + random_u64(&world->random) % 1000000000000ull;
	world->is_v6 = random_below(&world->random, 2);
	open_links(world, options);
	open_hosts(world);
	for (unsigned n = 0; n < NODE_COUNT; n++)
		open_node(world, n);
	fill_controls(world);
	open_client(world);
	run_journey(world);
	judge(world);
	if (world->failure)
		fprintf(stderr, "seed %" PRIu64 " failed: %s\n", seed, world->failure);
	if (world->failure || options->is_verbose)
		print_world(world);
	close_world(world);
	return !world->failure;
}

static struct options read_options(int count, char **arguments)
{
	struct options options = {.first = 1, .last = 20, .loss_percent = -1};
	for (int i = 1; i < count; i++) {
		const char *value = i + 1 < count ? arguments[i + 1] : "";
		if (strcmp(arguments[i], "--verbose") == 0)
			options.is_verbose = true;
		else if (strcmp(arguments[i], "--loss") == 0 && ++i)
			options.loss_percent = atoi(value);
		else if (strcmp(arguments[i], "--seeds") == 0 && ++i &&
			 sscanf(value, "%" SCNu64 "-%" SCNu64, &options.first, &options.last) == 2)
			continue;
		else {
			fprintf(stderr,
				"use: journey_sim [--seeds A-B] [--loss PERCENT] [--verbose]\n");
			exit(2);
		}
	}
	return options;
}

static void open_process(struct world *world)
{
	static const char *const names[] = {"edge", "gateway", "sidecar"};
	sim_start();
	sim_pki_seed_random(1);
	sim_pki_init(&world->pki, WALL_S);
	world->contexts[0] = sim_pki_client_context(&world->pki, false);
	world->contexts[1] = sim_pki_client_context(&world->pki, true);
	for (unsigned n = 0; n < NODE_COUNT; n++) {
		load_conf(&world->nodes[n].conf, n);
		world->nodes[n].memory = sim_memory_new(names[n], 4096, 512, 1024);
	}
	world->client_memory = sim_memory_new("client", 4096, 512, 512);
	world->workload_memory = sim_memory_new("workload", 4096, 512, 512);
}

int main(int count, char **arguments)
{
	static struct world world;
	struct options options = read_options(count, arguments);
	uint64_t failed = 0;
	open_process(&world);
	for (uint64_t seed = options.first; seed <= options.last; seed++)
		failed += !run_seed(&world, &options, seed);
	printf("%" PRIu64 " seeds, %" PRIu64 " failed\n", options.last - options.first + 1, failed);
	SSL_CTX_free(world.contexts[0]);
	SSL_CTX_free(world.contexts[1]);
	sim_pki_fini(&world.pki);
	return failed ? 1 : 0;
}
