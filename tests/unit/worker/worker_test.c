// SPDX-License-Identifier: Apache-2.0
// A worker as the simulator sees it: made from memory, ports and seeds, stepped by a clock it is
// given.
#include "unit.h"
#include "worker_exception.h"
#include "worker_limits.h"
#include "worker_rig.h"

static void every_role_starts_and_ends_with_nothing_left(void)
{
	static const char *const roles[] = {"edge", "gateway", "sidecar"};
	for (unsigned i = 0; i < 3; i++) {
		struct worker_rig *rig = worker_rig_new(roles[i]);
		CU_ASSERT_EQUAL(rig->worker->cache != NULL, i == 0);
		for (unsigned j = 0; j < 50; j++)
			worker_rig_step(rig, 1000);
		CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_worker_loops), 50);
		worker_rig_free(rig);
	}
}

static void a_quiet_worker_has_nothing_to_do_until_its_next_time(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	uint64_t steps = 0, busy = 0;
	for (uint64_t end_us = rig->now_us + 60000000; rig->now_us < end_us; steps++) {
		uint64_t next_us = worker_next_us(rig->worker);
		CU_ASSERT(next_us <= rig->worker->now_us + 250000);
		busy += worker_rig_step(rig, next_us > rig->now_us ? next_us - rig->now_us : 1);
	}
	// A minute without work takes few turns: heartbeats, and announcements at the start.
	CU_ASSERT(steps < 400);
	CU_ASSERT(busy < 50);
	CU_ASSERT(!worker_has_input(rig->worker));
	CU_ASSERT(worker_is_quiet(rig->worker));
	worker_rig_free(rig);
}

static void the_configurations_limits_reach_the_rooms(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	const struct conf *conf = &rig->conf;
	struct tcp_limits tcp = worker_limits_tcp(conf);
	struct proxy_limits proxy = worker_limits_proxy(conf);
	struct cache_limits cache = worker_limits_cache(conf, 4);
	CU_ASSERT_EQUAL(tcp.conn_count, 64);
	CU_ASSERT_EQUAL(tcp.listener_count, 2);
	CU_ASSERT_EQUAL(tcp.delayed_ack_ms, 40);
	CU_ASSERT_EQUAL(proxy.exchange_count, 32);
	CU_ASSERT_EQUAL(proxy.http.head_bytes, 16384);
	CU_ASSERT_EQUAL(worker_limits_tls(conf).conn_count, 32);
	CU_ASSERT_EQUAL(worker_limits_route(conf).absent_count, 64);
	CU_ASSERT_EQUAL(cache.memory_bytes, 1u << 20);
	CU_ASSERT_EQUAL(cache.object_count, 16);
	struct net_address addresses[8];
	CU_ASSERT_EQUAL(worker_addresses(conf, addresses), 1);
	CU_ASSERT_EQUAL(addresses[0].prefix.bits, 96 + 24);
	struct proxy_listener listeners[8];
	CU_ASSERT_EQUAL(worker_listeners(conf, listeners), 2);
	CU_ASSERT_EQUAL(listeners[1].protocol, PROXY_LISTEN_MESH);
	worker_rig_free(rig);
}

static void a_route_leaves_by_the_port_with_the_longest_prefix(void)
{
	static struct conf conf;
	struct net_route routes[4];
	unsigned errors = conf_parse(
		"version = 1; run_dir = \"/tmp/x\";\n"
		"node = { id = \"n\"; role = \"edge\"; location = \"l\"; mesh = \"m\"; };\n"
		"dataplane = { ports = ( { name = \"a\"; device = \"d\"; addresses = "
		"[\"10.0.0.1/8\"]; },\n"
		"  { name = \"b\"; device = \"d\"; addresses = [\"10.1.0.1/16\", "
		"\"2001:db8::1/64\"]; } );\n"
		"  routes = ( { to = \"0.0.0.0/0\"; via = \"10.1.0.9\"; }, { to = "
		"\"192.0.2.0/24\"; via = "
		"\"10.2.0.9\"; }, { to = \"::/0\"; via = \"2001:db8::9\"; } ); };\n"
		"listen = ( { port = 80; protocol = \"http\"; } );",
		"x", &conf, stderr);
	CU_ASSERT_EQUAL_FATAL(errors, 0);
	CU_ASSERT_EQUAL(worker_routes(&conf, routes), 3);
	CU_ASSERT_EQUAL(routes[0].port_index, 1);
	CU_ASSERT_EQUAL(routes[1].port_index, 0);
	CU_ASSERT_EQUAL(routes[2].port_index, 1);
}

static void a_worker_that_cannot_be_says_why(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	struct worker_params params = {
		.conf = &rig->conf,
		.count = 1,
		.ports = rig->ports,
		.mbufs = rig->mbufs,
		.buffer_memory = rig->buffers,
	};
	struct worker *worker = worker_alloc();
	rig->conf.listen[1].port = 443; // conf_check would not let it pass
	const char *why = worker_init(worker, &params);
	CU_ASSERT_PTR_NOT_NULL_FATAL(why);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "listener"));
	worker_free(worker);
	worker_rig_free(rig);
}

static void a_frame_for_a_kernel_without_tap_is_dropped_by_name(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_exception_out(rig->worker, 0, rte_pktmbuf_alloc(rig->mbufs));
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_worker_exception_none), 1);
	CU_ASSERT_EQUAL(worker_exception_in(rig->worker), 0);
	worker_rig_free(rig);
}

int main(void)
{
	static const struct unit_case cases[] = {
		{"every role starts and ends with nothing left",
		 every_role_starts_and_ends_with_nothing_left},
		{"a quiet worker has nothing to do until its next time",
		 a_quiet_worker_has_nothing_to_do_until_its_next_time},
		{"the configuration's limits reach the rooms",
		 the_configurations_limits_reach_the_rooms},
		{"a route leaves by the port with the longest prefix",
		 a_route_leaves_by_the_port_with_the_longest_prefix},
		{"a frame for a kernel without tap is dropped by name",
		 a_frame_for_a_kernel_without_tap_is_dropped_by_name},
		{"a worker that cannot be says why", a_worker_that_cannot_be_says_why},
	};
	worker_rig_start();
	int code = unit_run("worker", cases, sizeof(cases) / sizeof(cases[0]));
	worker_rig_stop();
	return code;
}
