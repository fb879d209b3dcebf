// SPDX-License-Identifier: Apache-2.0
// A client, a forwarder and two servers on a bad link of a virtual clock: connections through the
// forwarder's L4 service deliver every byte whatever is lost, late or doubled; an endpoint leaves
// while they go on; bounds hold; in the end nothing is left. A failing seed replays.
//
//   l4_sim [--seeds FROM-TO]
#include "check.h"
#include "l4.h"
#include "sim_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS  24u
#define PORT         80u
#define SERVICE_PORT 8080u
#define PART_BYTES   8000u
#define END_US       900000000u

enum { CLIENT, FORWARDER, FIRST, SECOND, HOSTS };

// One connection as one of its ends sees it.
struct end {
	struct world *world;
	struct tcp *tcp;
	struct sim_memory *memory;
	struct pool_id conn;
	uint32_t number; // of the client's connection; what its bytes begin with
	uint64_t wanted, sent, read;
	bool is_client, is_open, is_closed, is_wrong;
};

struct world {
	uint64_t now_us;
	struct random_source random;
	struct sim_link *link;
	struct sim_host hosts[HOSTS];
	struct l4 *l4;
	struct end clients[CONNECTIONS], servers[4 * CONNECTIONS];
	uint32_t server_count, reset_count;
	bool is_v6;
};

static struct sim_memory *memories[HOSTS];

static uint8_t byte_at(uint32_t number, uint64_t at)
{
	return (uint8_t)(at == 0 ? number : number * 31 + at * 7 + at / 256);
}

static void send_more(struct end *end)
{
	while (end->is_open && end->sent < end->wanted) {
		uint32_t part = (uint32_t)MIN(end->wanted - end->sent, (uint64_t)PART_BYTES);
		if (tcp_send_room(end->tcp, end->conn) < part)
			return;
		struct buf *buf = buf_new(&end->memory->bufs, part);
		if (!buf)
			return;
		for (uint32_t i = 0; i < part; i++)
			buf->data[i] = byte_at(end->number, end->sent + i);
		CHECK(tcp_send(end->tcp, end->conn, buf, 0, part) == 0);
		end->sent += part;
	}
	if (end->is_open && end->sent == end->wanted)
		tcp_shutdown(end->tcp, end->conn);
}

static void on_opened(void *user, struct pool_id)
{
	struct end *end = user;
	end->is_open = true;
	send_more(end);
}

// on_readable checks what came; a server begins to answer with as much at the client's end.
static void on_readable(void *user, struct pool_id conn)
{
	struct end *end = user;
	for (struct slice part; (part = tcp_peek(end->tcp, conn)).bytes > 0;) {
		if (!end->is_client && end->read == 0)
			end->number = (uint8_t)part.at[0];
		for (size_t i = 0; i < part.bytes; i++)
			end->is_wrong |= (uint8_t)part.at[i] != byte_at(end->number, end->read + i);
		end->read += part.bytes;
		tcp_consume(end->tcp, conn, part.bytes);
	}
	if (!end->is_client && tcp_at_end(end->tcp, conn)) {
		end->wanted = end->read;
		send_more(end);
	}
}

static void on_writable(void *user, struct pool_id)
{
	send_more(user);
}

static void on_closed(void *user, struct pool_id, enum counter reason)
{
	struct end *end = user;
	end->is_closed = true;
	end->is_open = false;
	end->world->reset_count += reason != COUNTER_tcp_closed;
}

static const struct tcp_events events = {on_opened, on_readable, on_writable, on_closed};

static void *accept_on(struct world *world, unsigned host, struct pool_id conn)
{
	struct end *end = &world->servers[world->server_count++];
	CHECK(world->server_count <= ARRAY_LEN(world->servers));
	*end = (struct end){.world = world,
			    .tcp = world->hosts[host].tcp,
			    .memory = memories[host],
			    .conn = conn,
			    .is_open = true};
	return end;
}

static void *on_accepted_first(void *user, struct pool_id conn, const struct tcp_tuple *)
{
	return accept_on(user, FIRST, conn);
}

static void *on_accepted_second(void *user, struct pool_id conn, const struct tcp_tuple *)
{
	return accept_on(user, SECOND, conn);
}

static void open_host(struct world *world, unsigned number, uint64_t seed)
{
	struct sim_host_config config = {.number = number + 1,
					 .memory = memories[number],
					 .link = world->link,
					 .limits = sim_limits(),
					 .seed = {{seed, number}},
					 .now_us = world->now_us};
	sim_host_open(&world->hosts[number], &config);
}

static void open_l4(struct world *world)
{
	struct sim_host *host = &world->hosts[FORWARDER];
	struct l4_endpoint endpoints[2] = {
		{.addr = sim_host_addr(FIRST + 1, world->is_v6), .port = PORT, .weight = 1},
		{.addr = sim_host_addr(SECOND + 1, world->is_v6), .port = PORT, .weight = 1}};
	struct addr us = sim_host_addr(FORWARDER + 1, world->is_v6);
	struct l4_service service = {.address = us,
				     .port = SERVICE_PORT,
				     .protocol = NET_PROTOCOL_TCP,
				     .source = us,
				     .endpoints = endpoints,
				     .endpoint_count = 2};
	struct l4_config config = {.limits = {.flow_count = CONNECTIONS,
					      .half_open_count = CONNECTIONS,
					      .answer_ms = 60000,
					      .tcp_idle_ms = 300000,
					      .tcp_closing_ms = 90000,
					      .udp_idle_ms = 60000,
					      .port_first = 1024,
					      .port_last = 1024 + 2 * CONNECTIONS},
				   .services = &service,
				   .service_count = 1,
				   .net = host->net,
				   .ports = &host->port,
				   .worker_count = 1,
				   .wheel = &host->wheel,
				   .random = &host->random,
				   .counters = &host->counters};
	world->l4 = l4_new(&config);
	CHECK(world->l4);
	struct net_transit transit = {l4_input, l4_odd, l4_icmp_error, world->l4};
	net_set_transit(host->net, &transit);
}

static struct sim_link_config draw_link(struct world *world)
{
	uint32_t badness = random_below(&world->random, 4); // none, some, more, much
	return (struct sim_link_config){.latency_us = 1000 + random_below(&world->random, 20000),
					.jitter_us = random_below(&world->random, 2000),
					.loss = 100 * badness,
					.reorder = 200 * badness,
					.reorder_us = 5000,
					.duplicate = 100 * badness,
					.mtu = 1500};
}

static struct world *world_new(uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));
	CHECK(world);
	world->now_us = 1000000;
	world->is_v6 = seed & 1;
	random_init(&world->random, (struct siphash_key){{seed, 77}});
	struct sim_link_config config = draw_link(world);
	world->link = sim_link_new(&config, &world->now_us, (struct siphash_key){{seed, 78}});
	for (unsigned i = 0; i < HOSTS; i++)
		open_host(world, i, seed);
	open_l4(world);
	struct tcp_listener listener = {
		.port = PORT, .events = &events, .accepted = on_accepted_first, .user = world};
	CHECK(tcp_listen_on(world->hosts[FIRST].tcp, &listener) == 0);
	listener.accepted = on_accepted_second;
	CHECK(tcp_listen_on(world->hosts[SECOND].tcp, &listener) == 0);
	return world;
}

static void step(struct world *world)
{
	uint64_t next = UINT64_MAX;
	l4_set_time(world->l4, world->now_us);
	for (unsigned i = 0; i < HOSTS; i++) {
		sim_host_step(&world->hosts[i], world->now_us, 64);
		next = MIN(next, sim_host_next_us(&world->hosts[i], world->now_us));
	}
	next = MIN(next, sim_link_next_us(world->link));
	world->now_us = MAX(next, world->now_us + 1);
}

static void dial(struct world *world, uint32_t number)
{
	struct end *end = &world->clients[number];
	*end = (struct end){.world = world,
			    .tcp = world->hosts[CLIENT].tcp,
			    .memory = memories[CLIENT],
			    .number = number,
			    .wanted = 1 + random_below(&world->random, 100000),
			    .is_client = true};
	struct tcp_connect connect = {.remote = sim_host_addr(FORWARDER + 1, world->is_v6),
				      .remote_port = SERVICE_PORT,
				      .events = &events,
				      .user = end};
	CHECK(tcp_connect_to(end->tcp, &connect, &end->conn) == 0);
}

static uint64_t count(const struct world *world, enum counter counter)
{
	return world->hosts[FORWARDER].counters.value[counter];
}

// flows_of_first counts the flows of the endpoint that leaves.
static uint32_t flows_of_first(const struct world *world)
{
	struct l4_endpoint_info info;
	CHECK(l4_endpoint_at(world->l4, 0, &info));
	return info.flow_count;
}

static uint32_t done_count(const struct world *world)
{
	uint32_t done = 0;
	for (uint32_t i = 0; i < CONNECTIONS; i++)
		done += world->clients[i].is_closed;
	return done;
}

// play opens connections one after another; midway the first endpoint leaves.
static const char *play(struct world *world)
{
	struct endpoint_addr first = {.addr = sim_host_addr(FIRST + 1, world->is_v6), .port = PORT};
	uint32_t opened = 0, before = 0;
	uint64_t next_us = world->now_us;
	while (world->now_us < END_US && done_count(world) < CONNECTIONS) {
		if (opened < CONNECTIONS && world->now_us >= next_us) {
			if (opened == CONNECTIONS / 2) {
				CHECK(l4_set_weight(world->l4, &first, 0) == 1);
				before = flows_of_first(world);
			}
			dial(world, opened++);
			next_us = world->now_us + random_below(&world->random, 30000);
		}
		step(world);
		if (opened > CONNECTIONS / 2 && flows_of_first(world) > before)
			return "an endpoint that left got a new flow";
		if (count(world, COUNTER_l4_flows) > CONNECTIONS)
			return "there are more flows than the bound";
	}
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		const struct end *end = &world->clients[i];
		if (end->is_wrong || end->read != end->wanted || !end->is_closed)
			return "a client did not get what it sent";
	}
	for (uint32_t i = 0; i < world->server_count; i++)
		if (world->servers[i].is_wrong)
			return "a server got something else than was sent";
	return world->reset_count ? "a connection was reset" : NULL;
}

// rest lets silence end what is left.
static const char *rest(struct world *world)
{
	uint64_t end_us = world->now_us + 400000000;
	while (world->now_us < end_us)
		step(world);
	if (count(world, COUNTER_l4_flows) || count(world, COUNTER_l4_half_open))
		return "a flow is left";
	return count(world, COUNTER_l4_opened) >= CONNECTIONS ? NULL : "too few flows were begun";
}

static const char *world_end(struct world *world)
{
	const char *why = NULL;
	net_set_transit(world->hosts[FORWARDER].net, NULL);
	l4_free(world->l4);
	for (unsigned i = 0; i < HOSTS; i++)
		sim_host_close(&world->hosts[i]);
	sim_link_free(world->link);
	for (unsigned i = 0; i < HOSTS; i++)
		if (sim_memory_in_use(memories[i]))
			why = "a buffer is missing";
	free(world);
	return why;
}

static bool run(uint64_t seed)
{
	struct world *world = world_new(seed);
	const char *why = play(world);
	if (!why)
		why = rest(world);
	const char *end = world_end(world);
	why = why ? why : end;
	if (why)
		printf("# seed %llu: %s\n", (unsigned long long)seed, why);
	return why == NULL;
}

int main(int argc, char **argv)
{
	static const char *const names[HOSTS] = {"client", "forwarder", "first", "second"};
	unsigned long long from = 1, to = 200;
	uint32_t failed = 0;
	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
		CHECK(sscanf(argv[2], "%llu-%llu", &from, &to) == 2);
	sim_start();
	for (unsigned i = 0; i < HOSTS; i++)
		memories[i] = sim_memory_new(names[i], 2047, 512, 512);
	printf("TAP version 13\n1..1\n");
	for (uint64_t seed = from; seed <= to; seed++)
		failed += !run(seed);
	printf("%s 1 - connections through a forwarder deliver every byte, seeds %llu to %llu\n",
	       failed ? "not ok" : "ok", from, to);
	return failed ? 1 : 0;
}
