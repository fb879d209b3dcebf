// SPDX-License-Identifier: Apache-2.0
// Bounds of connections, handshakes, exchanges, streams, waits and tables; see bounds.h.
#include "bounds.h"

#include "net_cksum.h"
#include "sim_client.h"

#include "check.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <stdio.h>
#include <string.h>

#define HTTP "http = { head_timeout = \"3s\"; keepalive_timeout = \"6s\"; linger = \"1s\"; "
#define UPSTREAM                                                                                   \
	"upstream = { idle = \"2s\"; connect_timeout = \"4s\"; response_timeout = \"30s\"; "       \
	"lookup_timeout = \"2s\"; "
#define TCP "tcp = { time_wait_life = \"1s\"; "

// connections: there is one for all that http and upstream may have (the configuration is refused
// otherwise), so who comes too many is refused above, never half way.
static void fill_tcp(struct bounds *bounds)
{
	bounds_ask(bounds, 0, 24, NULL);
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_downstream_at_bound, 16);
	bounds_expect(bounds,
		      tcp_in_use(bounds->world.nodes[SIM_EDGE].worker->tcp).conn_count <= 16,
		      "at most 16 connections");
}

// syn sends a SYN from an address of the client's segment that nobody has.
static void syn(struct bounds *bounds, uint8_t number, uint16_t port)
{
	struct {
		struct rte_ether_hdr eth;
		struct rte_ipv4_hdr ip;
		struct rte_tcp_hdr tcp;
	} __attribute__((packed, aligned(2))) frame = {0};
	struct addr source = addr_v4((uint8_t[4]){10, 0, 0, number});
	struct addr target = addr_v4((uint8_t[4]){10, 0, 0, 100});
	frame.eth.dst_addr = (struct rte_ether_addr){{2, 1, 0, 0, SIM_EDGE, 0}};
	frame.eth.src_addr = (struct rte_ether_addr){{2, 9, 0, 0, 0, number}};
	frame.eth.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	frame.ip.version_ihl = 0x45;
	frame.ip.total_length = rte_cpu_to_be_16(sizeof(frame.ip) + sizeof(frame.tcp));
	frame.ip.time_to_live = 64;
	frame.ip.next_proto_id = 6;
	memcpy(&frame.ip.src_addr, source.bytes + 12, 4);
	memcpy(&frame.ip.dst_addr, target.bytes + 12, 4);
	frame.ip.hdr_checksum = net_cksum_header(&frame.ip, sizeof(frame.ip));
	frame.tcp.src_port = rte_cpu_to_be_16(port);
	frame.tcp.dst_port = rte_cpu_to_be_16(443);
	frame.tcp.sent_seq = rte_cpu_to_be_32(port * 77u);
	frame.tcp.data_off = 0x50;
	frame.tcp.tcp_flags = RTE_TCP_SYN_FLAG;
	frame.tcp.rx_win = rte_cpu_to_be_16(1000);
	frame.tcp.cksum = rte_ipv4_udptcp_cksum(&frame.ip, &frame.tcp);
	struct sim_host *host = &bounds->world.client_host;
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(host->memory->mbufs);
	CHECK(mbuf);
	memcpy(rte_pktmbuf_append(mbuf, sizeof(frame)), &frame, sizeof(frame));
	CHECK(host->port->ops->tx(host->port, &mbuf, 1) == 1);
}

// half_open: handshakes that are never finished fill their table; a peer's own still succeeds
// once they time out.
static void fill_half_open(struct bounds *bounds)
{
	for (uint16_t i = 0; i < 200; i++)
		syn(bounds, 1, (uint16_t)(2000 + i));
	bounds_until(bounds, SIM_EDGE, COUNTER_tcp_backlog_full, 100);
	bounds_expect(bounds,
		      tcp_in_use(bounds->world.nodes[SIM_EDGE].worker->tcp).half_open_count <= 64,
		      "at most 64 half open");
}

// neighbours: answers to addresses that nobody has fill the table and the queue of each.
static void fill_neighbours(struct bounds *bounds)
{
	for (uint8_t i = 0; i < 60; i++)
		syn(bounds, (uint8_t)(150 + i), 3000);
	bounds_until(bounds, SIM_EDGE, COUNTER_drop_neigh_full, 1);
	bounds_expect(bounds,
		      sim_world_counter(&bounds->world, SIM_EDGE, COUNTER_net_neighbours) <= 32,
		      "at most 32 neighbours");
	bounds_until(bounds, SIM_EDGE, COUNTER_drop_neigh_unreachable, 1);
}

static void fill_time_wait(struct bounds *bounds)
{
	bounds_ask(bounds, 0, 24, BOUNDS_GET("/b/1/1000", "Connection: close\r\n"));
	bounds_until(bounds, SIM_EDGE, COUNTER_tcp_time_wait_evicted, 1);
	bounds_until_status(bounds, 0, 24, 200, BOUNDS_LIMIT_US);
}

static void fill_handshakes(struct bounds *bounds)
{
	bounds_ask(bounds, 0, 12, BOUNDS_PLAIN);
	bounds_until(bounds, SIM_EDGE, COUNTER_tls_handshakes_at_bound, 1);
	bounds_until_status(bounds, 0, 1, 200, BOUNDS_LIMIT_US);
	bounds_until_status(bounds, 0, 1, 0, BOUNDS_LIMIT_US);
}

static void fill_connections(struct bounds *bounds)
{
	bounds_ask(bounds, 0, 12, NULL);
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_downstream_at_bound, 4);
	bounds_expect(bounds,
		      proxy_in_use(bounds->world.nodes[SIM_EDGE].worker->proxy).downstream_count <=
			      8,
		      "at most 8 connections");
}

// per_prefix: clients of one network have so many and no more, and what they do not use gives way
// to their own; another network's client does not notice.
static void fill_prefix(struct bounds *bounds)
{
	struct sim_world *world = &bounds->world;
	struct addr ours = world->vip;
	bounds->workload.is_holding = true;
	bounds_ask(bounds, 0, 10, BOUNDS_HELD);
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_downstream_prefix_full, 4);
	bounds_run(bounds, 500000);
	bounds_expect(bounds,
		      proxy_in_use(world->nodes[SIM_EDGE].worker->proxy).downstream_count == 6,
		      "six connections");
	CHECK(addr_parse(world->plan.is_v6 ? "10.0.0.100" : "fd00::100", &world->vip) == 0);
	bounds_bystander(bounds, 1000000);
	world->vip = ours;
	bounds->workload.is_holding = false;
	bounds_until_status(bounds, 0, 6, 200, 1000000);
	bounds_run(bounds, 20000);
	bounds_ask(bounds, 10, 2, BOUNDS_PLAIN);
	bounds_until_status(bounds, 10, 2, 200, 1000000);
	bounds_expect(bounds,
		      sim_world_counter(world, SIM_EDGE, COUNTER_exchange_downstream_evicted) == 2,
		      "idle ones give way");
	bounds_expect(bounds,
		      sim_world_counter(world, SIM_EDGE, COUNTER_exchange_downstream_at_bound) == 0,
		      "the table had places");
}

// Idle connections are looked at by nobody: a million of them would have a worker fire a timer of
// each once every min_rate_time. The node's own timers go on, and do not grow with them.
static void hold_idle(struct bounds *bounds)
{
	const struct sim_world *world = &bounds->world;
	bounds_ask(bounds, 0, 20, BOUNDS_PLAIN);
	bounds_until_status(bounds, 0, 20, 200, BOUNDS_LIMIT_US);
	bounds_run(bounds, 2000000);
	uint64_t before = sim_world_counter(world, SIM_EDGE, COUNTER_worker_timers);
	bounds_run(bounds, 5000000);
	uint64_t fired = sim_world_counter(world, SIM_EDGE, COUNTER_worker_timers) - before;
	bounds_expect(bounds, fired < 100, "fewer than 100 timers, where 20 x 50 would be due");
	bounds_expect(bounds,
		      proxy_in_use(world->nodes[SIM_EDGE].worker->proxy).downstream_count == 20,
		      "all are held");
}

// exchanges: who is refused hears 503 at once; connections that stay open after it must end, too.
static void fill_exchanges(struct bounds *bounds)
{
	bounds->workload.is_holding = true;
	bounds_ask(bounds, 0, 20, BOUNDS_HELD);
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_overloaded, 12);
	bounds_until_status(bounds, 0, 12, 503, 1000000);
	bounds->workload.is_holding = false;
	bounds_until_status(bounds, 0, 8, 200, 1000000);
	bounds_run(bounds, 20000000);
	bounds_expect(bounds,
		      proxy_in_use(bounds->world.nodes[SIM_EDGE].worker->proxy).downstream_count ==
			      0,
		      "idle connections of those refused end");
}

// streams: more than allowed before the client has seen our SETTINGS are refused, and sent again.
static void fill_streams(struct bounds *bounds)
{
	struct sim_world *world = &bounds->world;
	struct sim_client client;
	struct sim_plan plan = {.vip = world->vip,
				.port = 443,
				.host = SIM_HOST,
				.conn_count = 1,
				.requests_per_conn = 20,
				.body_bytes_max = 5000,
				.seed = 5,
				.is_h2 = true};
	uint64_t end_us = world->now_us + BOUNDS_LIMIT_US;
	sim_client_init(&client, world->client_host.tcp, &world->client_memory->bufs,
			world->contexts[1], &plan);
	while (sim_client_step(&client) && world->now_us < end_us)
		bounds_step(bounds);
	bounds_until(bounds, SIM_EDGE, COUNTER_http_h2_streams_full, 1);
	bounds_expect(bounds, client.retry_count > 0, "streams are refused");
	bounds_expect(bounds, client.done_count == 20 && client.wrong_count == 0,
		      "refused streams are sent again and answered");
	sim_client_fini(&client);
}

// waiting: control does not answer; more questions than may wait are refused.
static void fill_waiting(struct bounds *bounds)
{
	struct sim_control *control = &bounds->world.nodes[SIM_EDGE].control;
	bounds_run(bounds, 100000);
	sim_control_kill(control);
	bounds_ask(bounds, 0, 12, BOUNDS_PLAIN);
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_overloaded, 8);
	bounds_until(bounds, SIM_EDGE, COUNTER_exchange_lookup_timeout, 4);
	bounds_until_status(bounds, 0, 12, 503, BOUNDS_LIMIT_US);
	sim_control_start(control);
}

// per_endpoint: requests wait for the one connection and are served one after the other.
static void fill_endpoint(struct bounds *bounds)
{
	bounds->workload.is_holding = true;
	bounds_ask(bounds, 0, 6, BOUNDS_HELD);
	bounds_run(bounds, 500000);
	bounds_expect(bounds, bounds->workload.request_count == 1, "one request at a time");
	bounds->workload.is_holding = false;
	bounds_until_status(bounds, 0, 6, 200, 100000);
	bounds_expect(bounds,
		      sim_world_counter(&bounds->world, SIM_SIDECAR, COUNTER_exchange_upstreams) ==
			      1,
		      "one connection");
}

// count_done counts those of the first who have their answers, which must have come in their order.
static unsigned count_done(struct bounds *bounds, unsigned first)
{
	unsigned done = 0;
	while (done < first && sim_probe_status(&bounds->probes[done]) == 200)
		done++;
	for (unsigned i = done; i < first; i++)
		bounds_expect(bounds, sim_probe_status(&bounds->probes[i]) == 0, "in order");
	return done;
}

// per_endpoint: places are given in the order in which they were asked for.
static void keep_order(struct bounds *bounds)
{
	enum { ALL = 16 };
	bounds->workload.is_holding = true;
	for (unsigned i = 0; i < ALL; i++) {
		bounds_ask(bounds, i, 1, BOUNDS_HELD);
		bounds_run(bounds, 50000);
	}
	bounds->workload.is_holding = false;
	for (unsigned steps = 0; count_done(bounds, ALL) < ALL && steps < 10000; steps++)
		bounds_step(bounds);
	bounds_until_status(bounds, 0, ALL, 200, 1000);
}

// per_endpoint: who leaves the line, or is answered out of it, holds nobody behind up.
static void leave_line(struct bounds *bounds)
{
	bounds->workload.is_holding = true;
	bounds_ask(bounds, 0, 4, BOUNDS_HELD);
	bounds_run(bounds, 500000);
	for (unsigned i = 1; i < 3; i++)
		sim_conn_shut(&bounds->probes[i].conn);
	bounds_run(bounds, 1000000);
	bounds_expect(bounds, bounds->workload.request_count == 1, "one place");
	bounds->workload.is_holding = false;
	bounds_until_status(bounds, 0, 1, 200, 1000000);
	bounds_until_status(bounds, 3, 1, 200, 1000000);
}

// per_endpoint: who waits too long, or finds too many that wait, is refused by name.
static void starve_at_endpoint(struct bounds *bounds)
{
	bounds->workload.is_holding = true;
	bounds_ask(bounds, 0, 6, BOUNDS_HELD);
	bounds_until_status(bounds, 0, 3, 503, 1000000);
	bounds_until_status(bounds, 0, 5, 503, BOUNDS_LIMIT_US);
	bounds_until(bounds, SIM_SIDECAR, COUNTER_exchange_overloaded, 5);
	bounds_expect(bounds,
		      sim_world_counter(&bounds->world, SIM_SIDECAR,
					COUNTER_channel_endpoint_failures) == 0,
		      "an endpoint is not blamed for our bound");
}

// Clients that do not send their bodies on must not keep others from the endpoint.
static void hold_uploads(struct bounds *bounds)
{
	bounds_ask(bounds, 0, 8,
		   "POST /u/1/1000 HTTP/1.1\r\nHost: " SIM_HOST
		   "\r\nContent-Length: 1000\r\n\r\nabc");
	bounds_until(bounds, SIM_SIDECAR, COUNTER_exchange_uploads_held, 5);
	bounds_run(bounds, 200000);
	bounds_expect(bounds, bounds->workload.request_count == 3,
		      "three of four places are for uploads");
	bounds_expect(
		bounds,
		sim_world_counter(&bounds->world, SIM_SIDECAR, COUNTER_exchange_uploads_held) == 5,
		"each that waits is counted once");
	bounds_bystander(bounds, 1000000);
	// One of those that wait sends the rest: nothing holds it any more.
	char rest[998];
	memset(rest, 'x', sizeof(rest) - 1);
	rest[sizeof(rest) - 1] = 0;
	uint64_t before = bounds->workload.request_count;
	bounds_say(bounds, 7, rest);
	bounds_until_status(bounds, 7, 1, 500, 100000); // not the bytes of /u/1
	bounds_expect(bounds, bounds->workload.request_count == before + 1, "it had waited");
}

// Nor those that do not read: they give way when others have waited for a while.
static void shed_places(struct bounds *bounds)
{
	bounds_ask(bounds, 0, 2, BOUNDS_GET("/b/1/4000000", ""));
	for (unsigned i = 0; i < 2; i++)
		bounds->probes[i].is_deaf = true;
	bounds_run(bounds, 3000000);
	bounds_expect(bounds, bounds->workload.request_count == 2, "they have all places");
	bounds_bystander(bounds, 1000000);
	bounds_until(bounds, SIM_SIDECAR, COUNTER_exchange_place_shed, 1);
}

// A workload that times out must not keep its place: the next request finds a new connection.
static void lose_places(struct bounds *bounds)
{
	bounds->workload.is_holding = true;
	bounds_ask(bounds, 0, 1, BOUNDS_HELD);
	bounds_until_status(bounds, 0, 1, 504, BOUNDS_LIMIT_US);
	bounds_bystander(bounds, 1000000);
}

// add_second gives the sidecar a second endpoint, for paths under /b/2.
static void add_second(struct bounds *bounds)
{
	struct sim_control *control = &bounds->world.nodes[SIM_SIDECAR].control;
	struct record_service service = {.id = 8, .name = "second"};
	struct record_endpoint endpoint = {.id = 32,
					   .service_id = 8,
					   .hop = RECORD_HOP_WORKLOAD,
					   .protocol = RECORD_PROTOCOL_HTTP1,
					   .is_healthy = 1,
					   .weight = 1};
	struct record_route route = {.id = 99, .service_id = 8, .host = SIM_HOST, .path = "/b/2"};
	CHECK(endpoint_addr_parse(bounds->world.plan.is_v6 ? "[fd00::2]:81" : "10.0.0.2:81",
				  &endpoint.to) == 0);
	SIM_ROW(control, RECORD_SERVICE, service);
	SIM_ROW(control, RECORD_ENDPOINT, endpoint);
	SIM_ROW(control, RECORD_ROUTE, route);
	sim_control_kill(control);
	sim_control_start(control);
	bounds_run(bounds, 100000);
}

// A storm: both endpoints refuse. What is tried again is less than a tenth of what was asked.
static void retry_storm(struct bounds *bounds)
{
	enum { ROUNDS = 5 };
	struct sim_control *control = &bounds->world.nodes[SIM_SIDECAR].control;
	struct record_endpoint third = {.id = 33,
					.service_id = 8,
					.hop = RECORD_HOP_WORKLOAD,
					.protocol = RECORD_PROTOCOL_HTTP1,
					.is_healthy = 1,
					.weight = 1};
	CHECK(endpoint_addr_parse(bounds->world.plan.is_v6 ? "[fd00::2]:82" : "10.0.0.2:82",
				  &third.to) == 0);
	SIM_ROW(control, RECORD_ENDPOINT, third);
	add_second(bounds);
	for (unsigned i = 0; i < ROUNDS; i++) {
		bounds_ask(bounds, 0, BOUNDS_PROBES - 1, BOUNDS_GET("/b/2/500", ""));
		bounds_run(bounds, 1000000);
		bounds_let_go(bounds);
	}
	uint64_t asked = sim_world_counter(&bounds->world, SIM_SIDECAR, COUNTER_exchange_requests);
	uint64_t again = sim_world_counter(&bounds->world, SIM_SIDECAR, COUNTER_exchange_retries);
	bounds_expect(bounds, asked >= ROUNDS * (BOUNDS_PROBES - 1), "all were asked");
	bounds_expect(bounds, again >= 3, "some are tried again");
	bounds_expect(bounds, again <= asked / 11 + 3, "a tenth at most");
}

// connections of upstreams: an idle one makes room for another endpoint's.
static void shed_upstream(struct bounds *bounds)
{
	struct sim_workload second;
	struct sim_world *world = &bounds->world;
	CHECK(sim_workload_init(&second, world->workload_host.tcp, &world->workload_memory->bufs,
				81) == 0);
	add_second(bounds);
	bounds_ask(bounds, 0, 1, BOUNDS_PLAIN);
	bounds_until_status(bounds, 0, 1, 200, 1000000);
	bounds_ask(bounds, 1, 1, BOUNDS_GET("/b/2/500", ""));
	uint64_t end_us = world->now_us + 1000000;
	while (sim_probe_status(&bounds->probes[1]) == 0 && world->now_us < end_us) {
		bounds_step(bounds);
		sim_workload_step(&second);
	}
	bounds_until_status(bounds, 1, 1, 200, 0);
	bounds_expect(bounds, second.request_count == 1, "the second workload is asked");
	bounds_expect(bounds,
		      sim_world_counter(world, SIM_SIDECAR, COUNTER_exchange_upstreams_shed) == 1,
		      "one idle connection is shed");
	end_us = world->now_us + 10000000;
	while (world->now_us < end_us) { // its idle end
		bounds_step(bounds);
		sim_workload_step(&second);
	}
	sim_workload_fini(&second);
}

// Rows beyond the tables are refused and told; those that fitted still serve.
static void fill_routes(struct bounds *bounds)
{
	struct sim_control *control = &bounds->world.nodes[SIM_EDGE].control;
	for (unsigned i = 0; i < 10; i++) {
		char host[32];
		struct record_service service = {.id = 100 + i, .name = "other"};
		snprintf(host, sizeof(host), "other%u.test", i);
		SIM_ROW(control, RECORD_SERVICE, service);
		sim_control_route(control, host, 7, false);
	}
	sim_control_kill(control);
	sim_control_start(control);
	bounds_until(bounds, SIM_EDGE, COUNTER_route_row_refused, 10);
	bounds_run(bounds, 100000);
	bounds_expect(bounds, control->refused_count >= 10, "APPLIED tells what was refused");
	bounds_expect(bounds,
		      sim_world_counter(&bounds->world, SIM_EDGE, COUNTER_route_routes) <= 3,
		      "at most 3 routes");
	bounds_bystander(bounds, 1000000);
}

// idle_h2: a connection without requests lives as long as keepalive says, whatever frames it sends.
static void keep_idle(struct bounds *bounds)
{
	struct sim_world *world = &bounds->world;
	bounds_ask(bounds, 0, 1, BOUNDS_GET("/b/5/300000", ""));
	bounds_run(bounds, 1000000);
	uint64_t before = sim_world_counter(world, SIM_GATEWAY, COUNTER_exchange_downstreams);
	bounds_run(bounds, 8000000);
	bounds_bystander(bounds, 1000000);
	bounds_expect(bounds,
		      sim_world_counter(world, SIM_GATEWAY,
					COUNTER_exchange_downstream_head_timeout) == 0,
		      "no head is late where none has begun");
	bounds_expect(bounds,
		      sim_world_counter(world, SIM_GATEWAY, COUNTER_exchange_downstreams) == before,
		      "the connection between nodes is kept");
}

const struct bounds_case bounds_conns[] = {
	{"tcp.connections",
	 fill_tcp,
	 {.conf_more[SIM_EDGE] =
		  TCP "connections = 16; };\n" HTTP
		      "connections = 8; per_prefix = 8; };\nupstream = { connections = 8; };\n"},
	 1},
	{"tcp.half_open", fill_half_open, {0}, 1},
	{"dataplane.neighbours",
	 fill_neighbours,
	 {.conf_more[SIM_EDGE] = TCP "syn_retries = 2; };\n"},
	 1},
	{"tcp.time_wait", fill_time_wait, {.conf_more[SIM_EDGE] = TCP "time_wait = 16; };\n"}, 1},
	{"tls.handshakes",
	 fill_handshakes,
	 {.conf_more[SIM_EDGE] = "tls = { handshakes = 2; };\n"},
	 1},
	{"http.connections",
	 fill_connections,
	 {.conf_more[SIM_EDGE] = HTTP "connections = 8; per_prefix = 8; };\n"},
	 1},
	{"http.per_prefix",
	 fill_prefix,
	 {.conf_more[SIM_EDGE] = HTTP "connections = 64; per_prefix = 6; };\n"},
	 1},
	{"http.min_rate is not looked at while a connection is idle",
	 hold_idle,
	 {.conf_more[SIM_EDGE] = "http = { connections = 64; keepalive_timeout = \"1h\"; "
				 "min_rate_time = \"100ms\"; };\n"},
	 1},
	{"http.exchanges",
	 fill_exchanges,
	 {.conf_more[SIM_EDGE] = HTTP "connections = 64; exchanges = 8; };\n"},
	 1},
	{"http.streams",
	 fill_streams,
	 {.conf_more[SIM_EDGE] = HTTP "connections = 64; streams = 4; };\n"},
	 1},
	{"http.waiting",
	 fill_waiting,
	 {.conf_more[SIM_EDGE] =
		  HTTP "connections = 64; waiting = 4; };\n" UPSTREAM "connections = 8; };\n",
	  .is_route_on_demand = true},
	 1},
	{"upstream.per_endpoint serves one after the other",
	 fill_endpoint,
	 {.conf_more[SIM_SIDECAR] =
		  HTTP "connections = 64; };\n" UPSTREAM "connections = 8; per_endpoint = 1; };\n"},
	 1},
	{"upstream.per_endpoint serves in the order of coming",
	 keep_order,
	 {.conf_more[SIM_SIDECAR] =
		  HTTP "connections = 64; };\n" UPSTREAM "connections = 8; per_endpoint = 1; };\n"},
	 1},
	{"upstream.per_endpoint passes over who left",
	 leave_line,
	 {.conf_more[SIM_SIDECAR] =
		  HTTP "connections = 64; };\n" UPSTREAM "connections = 8; per_endpoint = 1; };\n"},
	 1},
	{"upstream.per_endpoint refuses who waits too long",
	 starve_at_endpoint,
	 {.conf_more[SIM_SIDECAR] = HTTP "connections = 64; waiting = 2; };\n" UPSTREAM
					 "connections = 8; per_endpoint = 1; };\n"},
	 0},
	{"upstream.per_endpoint has places that no upload takes",
	 hold_uploads,
	 {.conf_more[SIM_SIDECAR] =
		  HTTP "connections = 64; };\n" UPSTREAM "connections = 8; per_endpoint = 4; };\n"},
	 1},
	{"upstream.per_endpoint is taken from who does not read",
	 shed_places,
	 {.conf_more[SIM_SIDECAR] =
		  HTTP "connections = 64; };\n" UPSTREAM "connections = 8; per_endpoint = 2; };\n"},
	 1},
	{"upstream.per_endpoint is free after a timeout",
	 lose_places,
	 {.conf_more[SIM_SIDECAR] = "http = { connections = 64; linger = \"20s\"; };\n"
				    "upstream = { connections = 8; per_endpoint = 1; "
				    "response_timeout = \"2s\"; };\n"},
	 1},
	{"upstream.connections",
	 shed_upstream,
	 {.conf_more[SIM_SIDECAR] = HTTP "connections = 64; };\n" UPSTREAM "connections = 1; };\n"},
	 1},
	{"tries of a storm", retry_storm, {0}, 1},
	{"route tables",
	 fill_routes,
	 {.conf_more[SIM_EDGE] = "route = { services = 3; endpoints = 16; routes = 3; };\n"},
	 1},
	{"idle connections between nodes",
	 keep_idle,
	 {.conf_more[SIM_GATEWAY] = "http = { connections = 64; head_timeout = \"2s\"; "
				    "keepalive_timeout = \"30s\"; };\n",
	  .conf_more[SIM_EDGE] = "upstream = { connections = 8; idle = \"20s\"; };\n"},
	 1},
};
const size_t bounds_conns_count = ARRAY_LEN(bounds_conns);
