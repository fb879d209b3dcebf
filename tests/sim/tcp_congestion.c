// SPDX-License-Identifier: Apache-2.0
// Congestion control over a bottleneck of 20 Mbit/s and 40 ms: what slow start, BBR's model and two
// flows side by side do to the path, and to each other.
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
	CU_ASSERT_EQUAL(sim_link_totals_of(world->link).queue_dropped, 0);
	close_all(world, &flow, 1);
}

// check_bbr wants four fifths of the path and round trips near the path's own.
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
	CU_ASSERT(kbit_s >= 16000);
	CU_ASSERT(srtt_us < RTT_MS * 1400);
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

UNIT_MAIN("tcp_congestion",
	  {"slow start ends before the queue is full", slow_start_ends_before_the_queue_is_full},
	  {"BBR fills a path and not its queue", bbr_fills_a_path_and_not_its_queue},
	  {"BBR fills a path that loses 1 percent", bbr_fills_a_path_that_loses_1_percent},
	  {"BBR fills a path that loses 5 percent", bbr_fills_a_path_that_loses_5_percent},
	  {"two CUBIC flows share a path", two_cubic_flows_share_a_path})
