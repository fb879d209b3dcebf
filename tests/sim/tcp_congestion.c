// SPDX-License-Identifier: Apache-2.0
// Congestion control over a bottleneck of 20 Mbit/s and 40 ms: what slow start, BBR's model,
// a policer and two flows side by side do to the path, and to each other.
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <stdlib.h>

#define LINE_BYTES_S 2500000u
#define RTT_MS       40u
#define BDP_BYTES    (LINE_BYTES_S / 1000 * RTT_MS)

// A connection that always has something to send.
struct flow {
	struct tcp_end *end;
	uint64_t sent_bytes; // queued
	uint64_t srtt_us;    // sum of samples
	uint32_t samples;
};

static struct tcp_world *bottleneck(struct tcp_limits limits, uint32_t queue_bytes, uint32_t loss)
{
	limits.receive_buffer_bytes = 1u << 20;
	if (limits.send_buffer_bytes < 1u << 19)
		limits.send_buffer_bytes = 1u << 20;
	struct tcp_world *world = tcp_world_begin(limits);
	world->config.latency_us = RTT_MS * 500;
	world->config.bytes_per_s = LINE_BYTES_S;
	world->config.queue_bytes = queue_bytes;
	world->config.loss = loss;
	sim_link_configure(world->link, &world->config);
	return world;
}

static void dial(struct tcp_world *world, struct tcp_end *end)
{
	struct tcp_connect connect = {.remote = sim_host_addr(2, false),
				      .remote_port = TCP_WORLD_PORT,
				      .events = &tcp_world_events,
				      .user = end};
	end->host = &world->hosts[0];
	CU_ASSERT_EQUAL_FATAL(tcp_connect_to(world->hosts[0].tcp, &connect, &end->conn), 0);
}

// run lets flows send for so long.
static void run(struct tcp_world *world, struct flow *flows, unsigned count, uint32_t ms)
{
	for (; ms > 0; ms--) {
		for (unsigned i = 0; i < count; i++) {
			struct tcp_info info;
			struct flow *flow = &flows[i];
			if (!flow->end->opened)
				continue;
			flow->sent_bytes += tcp_world_send(flow->end, 1u << 20);
			CU_ASSERT_FATAL(tcp_info_of(world->hosts[0].tcp, flow->end->conn, &info));
			flow->srtt_us += info.srtt_us;
			flow->samples++;
		}
		tcp_world_run_ms(world, 1);
	}
}

// close_all ends the flows and the world; what is queued is still delivered.
static void close_all(struct tcp_world *world, struct flow *flows, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		tcp_abort(world->hosts[0].tcp, flows[i].end->conn);
	tcp_world_run_ms(world, 5000);
	tcp_world_end(world);
}

static uint64_t delivered_bytes(struct tcp_world *world, const struct flow *flow)
{
	struct tcp_info info;
	CU_ASSERT_FATAL(tcp_info_of(world->hosts[0].tcp, flow->end->conn, &info));
	return info.bytes_sent - info.unacked_bytes;
}

static void slow_start_ends_before_the_queue_is_full(void)
{
	struct tcp_limits limits = sim_limits();
	limits.is_paced = true;
	struct tcp_world *world = bottleneck(limits, 7 * BDP_BYTES, 0);
	struct flow flow = {.end = &world->client};
	struct tcp_info info;
	world->config.bytes_per_s /= 2;
	sim_link_configure(world->link, &world->config);
	dial(world, flow.end);
	run(world, &flow, 1, 4000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_retransmits), 0);
	CU_ASSERT(tcp_world_count(world, 0, COUNTER_tcp_paced) > 0);
	CU_ASSERT_FATAL(tcp_info_of(world->hosts[0].tcp, flow.end->conn, &info));
	CU_ASSERT(info.ssthresh_bytes < 1u << 20);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_hystart_exits), 1);
	CU_ASSERT(tcp_world_count(world, 0, COUNTER_tcp_hystart_slower) > 0);
	CU_ASSERT_EQUAL(sim_link_totals_of(world->link).queue_dropped, 0);
	close_all(world, &flow, 1);
}

// check_bbr wants four fifths of the path, and three quarters of what loses 5 %, and round trips
// near the path's own.
static void check_bbr(uint32_t loss)
{
	struct tcp_limits limits = sim_limits();
	limits.congestion = TCP_CONGESTION_BBR;
	struct tcp_world *world = bottleneck(limits, 4 * BDP_BYTES, loss);
	struct flow flow = {.end = &world->client};
	dial(world, flow.end);
	run(world, &flow, 1, 3000);
	flow.srtt_us = flow.samples = 0;
	uint64_t before = world->server.read;
	run(world, &flow, 1, 20000);
	uint64_t kbit_s = (world->server.read - before) * 8 / 20000;
	uint64_t srtt_us = flow.srtt_us / flow.samples;
	printf("# bbr, loss %u.%02u %%: %lu kbit/s of 20000, srtt %lu us\n", loss / 100, loss % 100,
	       kbit_s, srtt_us);
	CU_ASSERT(kbit_s >= 16000 - 2 * loss);
	CU_ASSERT(srtt_us < RTT_MS * 1400);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_bbr_full), 1);
	CU_ASSERT(tcp_world_count(world, 0, COUNTER_tcp_bbr_probes) >= 5);
	if (loss == 0)
		CU_ASSERT(tcp_world_count(world, 0, COUNTER_tcp_bbr_rtt_probes) >= 2);
	close_all(world, &flow, 1);
}

static void bbr_fills_a_path_and_not_its_queue(void)
{
	check_bbr(0);
}

static void bbr_fills_a_path_that_loses_1_percent(void)
{
	check_bbr(100);
}

static void bbr_fills_a_path_that_loses_5_percent(void)
{
	check_bbr(500);
}

static void two_cubic_flows_share_a_path(void)
{
	struct tcp_limits limits = sim_limits();
	limits.send_buffer_bytes = 1u << 19;
	struct tcp_world *world = bottleneck(limits, 2 * BDP_BYTES, 0);
	struct tcp_end second = {0};
	struct flow flows[2] = {{.end = &world->client}, {.end = &second}};
	dial(world, flows[0].end);
	run(world, flows, 2, 3000);
	dial(world, flows[1].end);
	run(world, flows, 2, 15000);
	uint64_t before[2] = {delivered_bytes(world, &flows[0]), delivered_bytes(world, &flows[1])};
	run(world, flows, 2, 60000);
	uint64_t first = delivered_bytes(world, &flows[0]) - before[0];
	uint64_t all = first + delivered_bytes(world, &flows[1]) - before[1];
	printf("# the first of two has %lu %% of %lu kbit/s\n", first * 100 / all, all * 8 / 60000);
	CU_ASSERT(first * 100 >= all * 35 && first * 100 <= all * 65);
	CU_ASSERT(all * 8 / 60000 > 17000);
	close_all(world, flows, 2);
}

// -- senders of either kind behind one bottleneck

static const char *const names[] = {"cubic", "bbr"}; // by enum tcp_congestion

// A flow from host 0 to host 1, which asks for it: congestion control is the listener's choice.
struct sending {
	struct tcp_end source, sink;
};

static void *on_asked(void *user, struct pool_id conn, const struct tcp_tuple *)
{
	struct sending *sending = user;
	sending->source.conn = conn;
	sending->source.opened++;
	return &sending->source;
}

static void ask(struct tcp_world *world, struct sending *sending, enum tcp_congestion congestion)
{
	static uint16_t port = 8000;
	struct tcp_listener listener = {.port = ++port,
					.events = &tcp_world_events,
					.accepted = on_asked,
					.congestion = congestion,
					.user = sending};
	struct tcp_connect connect = {.remote = sim_host_addr(1, false),
				      .remote_port = port,
				      .events = &tcp_world_events,
				      .user = &sending->sink};
	*sending = (struct sending){.source.host = &world->hosts[0],
				    .sink = {.host = &world->hosts[1], .is_reading = true}};
	CU_ASSERT_EQUAL_FATAL(tcp_listen_on(world->hosts[0].tcp, &listener), 0);
	CU_ASSERT_EQUAL_FATAL(tcp_connect_to(world->hosts[1].tcp, &connect, &sending->sink.conn),
			      0);
}

static void send_all(struct tcp_world *world, struct sending *sendings, unsigned count, uint32_t ms)
{
	for (; ms > 0; ms--) {
		for (unsigned i = 0; i < count; i++)
			if (sendings[i].source.opened)
				tcp_world_send(&sendings[i].source, 1u << 20);
		tcp_world_run_ms(world, 1);
	}
}

static void end_all(struct tcp_world *world, struct sending *sendings, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		tcp_abort(world->hosts[0].tcp, sendings[i].source.conn);
	tcp_world_run_ms(world, 1000);
	tcp_world_end(world);
}

// share lets two flows run, the second 3 s later; returns per cent of what both got in 25 s that
// was the first's.
static uint64_t share(enum tcp_congestion first, enum tcp_congestion second, uint32_t queue_bytes)
{
	struct tcp_world *world = bottleneck(sim_limits(), queue_bytes, 0);
	struct sending sendings[2];
	ask(world, &sendings[0], first);
	send_all(world, sendings, 1, 3000);
	ask(world, &sendings[1], second);
	send_all(world, sendings, 2, 10000);
	uint64_t before[2] = {sendings[0].sink.read, sendings[1].sink.read};
	send_all(world, sendings, 2, 25000);
	uint64_t got = sendings[0].sink.read - before[0];
	uint64_t all = got + sendings[1].sink.read - before[1];
	printf("# queue %u kB: %s, the first, has %lu %% of %lu kbit/s, %s the rest; sent again "
	       "%lu\n",
	       queue_bytes / 1000, names[first], got * 100 / all, all * 8 / 25000, names[second],
	       tcp_world_count(world, 0, COUNTER_tcp_retransmits));
	CU_ASSERT(all * 8 / 25000 > 16500);
	end_all(world, sendings, 2);
	return got * 100 / all;
}

static void two_bbr_flows_share_a_path(void)
{
	uint64_t percent = share(TCP_CONGESTION_BBR, TCP_CONGESTION_BBR, 2 * BDP_BYTES);
	CU_ASSERT(percent >= 30 && percent <= 70);
}

static void bbr_and_cubic_leave_each_other_a_part(void)
{
	static const uint32_t queues[] = {BDP_BYTES, 4 * BDP_BYTES};
	for (unsigned i = 0; i < 2; i++) {
		uint64_t percent = share(TCP_CONGESTION_CUBIC, TCP_CONGESTION_BBR, queues[i]);
		CU_ASSERT(percent >= 15 && percent <= 85);
	}
}

// police sends for 10 s through a policer of 10 Mbit/s; returns per mille sent again.
static uint64_t police(enum tcp_congestion congestion, uint64_t *kbit_s)
{
	struct tcp_world *world = bottleneck(sim_limits(), 0, 0);
	struct sending sending;
	world->config.policed_bytes_per_s = LINE_BYTES_S / 2;
	world->config.policed_burst_bytes = 30000;
	sim_link_configure(world->link, &world->config);
	ask(world, &sending, congestion);
	send_all(world, &sending, 1, 5000);
	uint64_t before = sending.sink.read;
	uint64_t again = tcp_world_count(world, 0, COUNTER_tcp_retransmits);
	uint64_t dropped = sim_link_totals_of(world->link).policed;
	send_all(world, &sending, 1, 10000);
	uint64_t bytes = sending.sink.read - before;
	*kbit_s = bytes * 8 / 10000;
	again = tcp_world_count(world, 0, COUNTER_tcp_retransmits) - again;
	uint64_t permille = again * 1000 / (bytes / 1448 + 1);
	printf("# policer of 10000 kbit/s, %s: %lu kbit/s, dropped %lu, sent again %lu in 1000; "
	       "timeouts %lu, cuts %lu, yields %lu\n",
	       names[congestion], *kbit_s, sim_link_totals_of(world->link).policed - dropped,
	       permille, tcp_world_count(world, 0, COUNTER_tcp_rto_expiries),
	       tcp_world_count(world, 0, COUNTER_tcp_bbr_cuts),
	       tcp_world_count(world, 0, COUNTER_tcp_bbr_yields));
	end_all(world, &sending, 1);
	return permille;
}

static void a_policer_is_found_and_not_fought(void)
{
	uint64_t kbit_s;
	CU_ASSERT(police(TCP_CONGESTION_CUBIC, &kbit_s) < 100);
	CU_ASSERT(kbit_s > 5000);
	CU_ASSERT(police(TCP_CONGESTION_BBR, &kbit_s) < 150);
	CU_ASSERT(kbit_s > 7000);
}

UNIT_MAIN("tcp_congestion",
	  {"slow start ends before the queue is full", slow_start_ends_before_the_queue_is_full},
	  {"BBR fills a path and not its queue", bbr_fills_a_path_and_not_its_queue},
	  {"BBR fills a path that loses 1 percent", bbr_fills_a_path_that_loses_1_percent},
	  {"BBR fills a path that loses 5 percent", bbr_fills_a_path_that_loses_5_percent},
	  {"two CUBIC flows share a path", two_cubic_flows_share_a_path},
	  {"two BBR flows share a path", two_bbr_flows_share_a_path},
	  {"BBR and CUBIC leave each other a part", bbr_and_cubic_leave_each_other_a_part},
	  {"a policer is found and not fought", a_policer_is_found_and_not_fought})
