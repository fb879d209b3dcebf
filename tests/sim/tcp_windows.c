// SPDX-License-Identifier: Apache-2.0
// Windows that follow what a path and a reader can do, and the budgets of a worker that bound them.
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <rte_mbuf.h>

#define LINE_BYTES_S 12500000u // 100 Mbit/s

static struct tcp_limits generous(void)
{
	struct tcp_limits limits = sim_limits();
	limits.send_buffer_bytes = limits.receive_buffer_bytes = 4u << 20;
	return limits;
}

// packets is what count packet buffers hold.
static uint64_t packets(uint64_t count)
{
	return count * (RTE_PKTMBUF_HEADROOM + 2048ull);
}

// pump sends until the server has read bytes more; returns the virtual milliseconds it took.
static uint64_t pump(struct tcp_world *world, size_t bytes)
{
	size_t goal = world->server.read + bytes;
	uint64_t ms = 0;
	for (; world->server.read < goal && ms < 60000; ms++) {
		while (tcp_world_send(&world->client, 16000))
			continue;
		tcp_world_run_ms(world, 1);
	}
	return ms;
}

// 100 Mbit/s over 200 ms: 2.5 MB are on their way.
static void a_long_fast_path_is_filled(void)
{
	struct tcp_info info;
	struct tcp_world *world = tcp_world_begin(generous());
	world->config.latency_us = 100000;
	world->config.bytes_per_s = LINE_BYTES_S;
	world->config.queue_bytes = 4u << 20;
	sim_link_configure(world->link, &world->config);
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 1500);
	CHECK(tcp_info_of(world->hosts[1].tcp, world->server.conn, &info));
	CU_ASSERT(info.receive_window <= 65536);
	pump(world, 20000000);
	uint64_t ms = pump(world, 20000000);
	printf("# 20 MB in %lu ms\n", ms);
	CU_ASSERT(ms <= 1800); // at least 89 of 94 Mbit/s of payload
	CHECK(tcp_info_of(world->hosts[1].tcp, world->server.conn, &info));
	CU_ASSERT(info.receive_window >= 2500000);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_windows_grown) >= 4);
	tcp_abort(world->hosts[0].tcp, world->client.conn);
	tcp_world_run_ms(world, 1000);
	tcp_world_end(world);
}

// A peer that reads nothing pins little at either end, whatever the bounds allow.
static void a_peer_that_reads_nothing_pins_little(void)
{
	struct tcp_world *world = tcp_world_connected(generous());
	world->server.is_reading = false;
	size_t sent = 0;
	for (unsigned i = 0; i < 10; i++) {
		sent += tcp_world_send(&world->client, 4000000);
		tcp_world_run_ms(world, 500);
	}
	size_t held = tcp_received(world->hosts[1].tcp, world->server.conn);
	CU_ASSERT(held <= 66000); // the edge is rounded up to the scale
	CU_ASSERT(sent - held <= 2 * 65536 + BUF_BYTES);
	tcp_world_end(world);
}

static void a_slow_reader_keeps_a_small_window(void)
{
	struct tcp_info info;
	struct tcp_world *world = tcp_world_connected(generous());
	world->server.is_reading = false;
	for (unsigned i = 0; i < 200; i++) {
		tcp_world_send(&world->client, 16000);
		size_t part = MIN(tcp_received(world->hosts[1].tcp, world->server.conn), 4000u);
		tcp_consume(world->hosts[1].tcp, world->server.conn, part);
		tcp_world_run_ms(world, 20);
	}
	CHECK(tcp_info_of(world->hosts[1].tcp, world->server.conn, &info));
	CU_ASSERT(info.receive_window + info.unread_bytes <= 66000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_windows_grown), 0);
	tcp_world_end(world);
}

static void when_much_is_queued_everybody_gets_the_least(void)
{
	struct tcp_limits limits = generous();
	limits.send_memory_bytes = 80000;
	struct tcp_world *world = tcp_world_connected(limits);
	pump(world, 1000000);
	tcp_world_run_ms(world, 500);
	CU_ASSERT(tcp_world_count(world, 0, COUNTER_tcp_send_memory_low) >= 1);
	tcp_world_cut(world, true);
	size_t queued = 0;
	for (size_t more = 1; more; queued += more)
		more = tcp_world_send(&world->client, 16000);
	CU_ASSERT(queued <= 96000);
	tcp_world_end(world);
	limits.send_memory_bytes = 0;
	world = tcp_world_connected(limits);
	pump(world, 1000000);
	tcp_world_run_ms(world, 500);
	tcp_world_cut(world, true);
	CU_ASSERT(tcp_world_send(&world->client, 150000) >= 144000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_send_memory_low), 0);
	tcp_world_end(world);
}

// take lets the server's owner consume bytes, or all there is.
static void take(struct tcp_world *world, size_t bytes)
{
	struct tcp *tcp = world->hosts[1].tcp;
	tcp_consume(tcp, world->server.conn, MIN(bytes, tcp_received(tcp, world->server.conn)));
}

static void short_of_packets_no_window_grows(void)
{
	struct tcp_limits limits = generous();
	limits.receive_memory_bytes = packets(60);
	struct tcp_world *world = tcp_world_connected(limits);
	world->server.is_reading = false;
	tcp_world_send(&world->client, 64000);
	tcp_world_run_ms(world, 200);
	take(world, 1);
	tcp_world_run_ms(world, 100);
	take(world, 14000); // more than 30 packets are still held
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_window_denied), 0);
	tcp_world_run_ms(world, 100);
	tcp_world_send(&world->client, 14000);
	tcp_world_run_ms(world, 100);
	take(world, 22000 - 14000);
	take(world, 14000);
	tcp_world_run_ms(world, 100);
	take(world, 1);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_window_denied) >= 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_windows_grown), 0);
	tcp_world_end(world);
}

static void short_of_packets_a_window_that_is_not_used_is_taken_back(void)
{
	struct tcp_limits limits = generous();
	limits.receive_memory_bytes = packets(100);
	struct tcp_world *world = tcp_world_connected(limits);
	pump(world, 1000000);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_windows_grown) >= 1);
	world->server.is_reading = false;
	for (unsigned i = 0; i < 5; i++) {
		tcp_world_send(&world->client, 96000);
		tcp_world_run_ms(world, 100);
	}
	for (unsigned i = 0; i < 4; i++) {
		take(world, 100);
		tcp_world_run_ms(world, 100);
	}
	CU_ASSERT_EQUAL(tcp_world_count(world, 1, COUNTER_tcp_window_reclaimed), 1);
	world->server.is_reading = true;
	size_t before = world->server.read;
	tcp_world_read(&world->server, world->server.conn);
	tcp_world_run_ms(world, 5000);
	CU_ASSERT(world->server.read > before);
	CU_ASSERT_EQUAL(world->server.closed + world->client.closed, 0);
	tcp_world_end(world);
}

static void the_worst_of_those_that_do_not_read_is_ended(void)
{
	struct tcp_limits limits = generous();
	limits.receive_memory_bytes = packets(20);
	struct tcp_world *world = tcp_world_connected(limits);
	world->server.is_reading = false;
	tcp_world_send(&world->client, 64000);
	tcp_world_run_ms(world, 4000);
	CU_ASSERT_EQUAL(world->server.closed, 0);
	tcp_world_run_ms(world, 20000);
	CU_ASSERT_EQUAL(world->server.reason, COUNTER_tcp_receive_memory_evicted);
	CU_ASSERT_EQUAL(world->client.reason, COUNTER_tcp_reset_by_peer);
	world->server = (struct tcp_end){.host = &world->hosts[1], .is_reading = true};
	world->client = (struct tcp_end){.host = &world->hosts[0], .is_reading = true};
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0); // there is room again
	tcp_world_run_ms(world, 100);
	tcp_world_send(&world->client, 48000);
	tcp_world_run_ms(world, 2000);
	CU_ASSERT_EQUAL(world->server.read, 48000);
	tcp_world_end(world);
}

// lose_first drops one segment: the first with text that the client sends.
static bool lose_first(void *user, const struct port *port, uint8_t *, uint32_t bytes)
{
	unsigned *to_lose = user;
	if (port->mac[5] != 1 || bytes < 1000 || *to_lose == 0)
		return true;
	--*to_lose;
	return false;
}

// What came early gives way to what is missing.
static void short_of_packets_a_hole_is_filled_all_the_same(void)
{
	struct tcp_limits limits = generous();
	limits.receive_memory_bytes = packets(12);
	struct tcp_world *world = tcp_world_connected(limits);
	unsigned to_lose = 1;
	pump(world, 200000); // a congestion window of more than the budget
	tcp_world_run_ms(world, 500);
	size_t before = world->server.read;
	world->config.tamper = lose_first;
	world->config.user = &to_lose;
	sim_link_configure(world->link, &world->config);
	tcp_world_send(&world->client, 48000);
	tcp_world_run_ms(world, 20000);
	CU_ASSERT_EQUAL(to_lose, 0);
	CU_ASSERT_EQUAL(world->server.read, before + 48000);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_early_pruned) >= 1);
	CU_ASSERT_EQUAL(world->server.closed + world->client.closed, 0);
	tcp_world_end(world);
}

UNIT_MAIN("tcp_windows", {"a long fast path is filled", a_long_fast_path_is_filled},
	  {"a peer that reads nothing pins little", a_peer_that_reads_nothing_pins_little},
	  {"a slow reader keeps a small window", a_slow_reader_keeps_a_small_window},
	  {"when much is queued everybody gets the least",
	   when_much_is_queued_everybody_gets_the_least},
	  {"short of packets no window grows", short_of_packets_no_window_grows},
	  {"short of packets a window that is not used is taken back",
	   short_of_packets_a_window_that_is_not_used_is_taken_back},
	  {"short of packets a hole is filled all the same",
	   short_of_packets_a_hole_is_filled_all_the_same},
	  {"the worst of those that do not read is ended",
	   the_worst_of_those_that_do_not_read_is_ended})
