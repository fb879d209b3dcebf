// SPDX-License-Identifier: Apache-2.0
// Transfers over paths of other sizes than their ends': links that cut packets into fragments,
// jumbo frames, ends and paths of different MTUs with ICMP and without. Every byte arrives, nothing
// stays in a pool or in the table of fragments.
#include "check.h"
#include "tcp_world.h"
#include "unit.h"

#include <stdlib.h>

#define HEADERS4 52u // IP, TCP and timestamps
#define HEADERS6 72u
#define BULK     1000000u

static void dial(struct tcp_world *world, bool is_v6)
{
	CHECK(tcp_world_dial_by(world, TCP_WORLD_PORT, is_v6) == 0);
	tcp_world_run_ms(world, 200);
	CU_ASSERT_EQUAL(world->client.opened, 1);
}

// send_all sends bytes bytes from one end to the other within ms milliseconds.
static void send_all(struct tcp_world *world, struct tcp_end *from, struct tcp_end *to,
		     size_t bytes, uint64_t ms)
{
	size_t before = to->read;
	size_t queued = 0;
	for (uint64_t i = 0; i < ms && to->read < before + bytes; i += 10) {
		queued += tcp_world_send(from, bytes - queued);
		tcp_world_run_ms(world, 10);
	}
	CU_ASSERT_EQUAL(to->read, before + bytes);
}

// both_ways sends bytes bytes up, then down.
static void both_ways(struct tcp_world *world, size_t bytes, uint64_t ms)
{
	send_all(world, &world->client, &world->server, bytes, ms);
	send_all(world, &world->server, &world->client, bytes, ms);
}

static uint32_t mss_of(const struct tcp_end *end)
{
	struct tcp_info info;
	CHECK(tcp_info_of(end->host->tcp, end->conn, &info));
	return info.mss;
}

static struct tcp_limits large_limits(void)
{
	struct tcp_limits limits = sim_limits();
	limits.receive_buffer_bytes = limits.send_buffer_bytes = 1 << 20;
	return limits;
}

static void a_link_that_cuts_packets_carries_every_byte(void)
{
	struct tcp_world *world = tcp_world_begin_sized(large_limits(), 1500, 1500, 600);
	world->config.cuts = true;
	sim_link_configure(world->link, &world->config);
	dial(world, false);
	both_ways(world, BULK, 20000);
	struct sim_link_totals totals = sim_link_totals_of(world->link);
	CU_ASSERT(totals.cut > BULK / 1448 * 2);
	CU_ASSERT(tcp_world_count(world, 0, COUNTER_net_reassembled) > BULK / 1448);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_net_reassembled) > BULK / 1448);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_retransmits), 0);
	tcp_world_end(world);
}

static void lost_and_reordered_fragments_cost_no_byte(void)
{
	struct tcp_world *world = tcp_world_begin_sized(large_limits(), 1500, 1500, 600);
	world->config.cuts = true;
	world->config.loss = 100;
	world->config.reorder = 300;
	world->config.reorder_us = 3000;
	world->config.duplicate = 100;
	sim_link_configure(world->link, &world->config);
	dial(world, false);
	both_ways(world, BULK / 4, 120000);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_drop_frag_duplicate) > 0);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_net_reassembled) > 0);
	tcp_world_run_ms(world, 10000);
	for (unsigned host = 0; host < 2; host++) // what never became whole is gone
		CU_ASSERT_EQUAL(tcp_world_count(world, host, COUNTER_net_fragments), 0);
	tcp_world_end(world);
}

static void jumbo_on(bool is_v6)
{
	struct tcp_world *world = tcp_world_begin_sized(large_limits(), 9000, 9000, 9000);
	dial(world, is_v6);
	CU_ASSERT_EQUAL(mss_of(&world->client), 9000 - (is_v6 ? HEADERS6 : HEADERS4));
	both_ways(world, 4 * BULK, 20000);
	struct sim_link_totals totals = sim_link_totals_of(world->link);
	CU_ASSERT(totals.sent < 2 * 2 * 4 * BULK / 8900 + 400); // each with its ACK
	CU_ASSERT_EQUAL(totals.too_long + totals.cut, 0);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_retransmits), 0);
	tcp_world_end(world);
}

static void jumbo_frames_are_filled(void)
{
	jumbo_on(false);
	jumbo_on(true);
}

static void an_end_of_1500_on(bool is_v6)
{
	struct tcp_world *world = tcp_world_begin_sized(large_limits(), 9000, 1500, 9000);
	dial(world, is_v6);
	uint32_t mss = 1500 - (is_v6 ? HEADERS6 : HEADERS4);
	CU_ASSERT_EQUAL(mss_of(&world->client), mss);
	CU_ASSERT_EQUAL(mss_of(&world->server), mss);
	both_ways(world, BULK, 20000);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_retransmits), 0);
	tcp_world_end(world);
}

static void the_smaller_end_decides(void)
{
	an_end_of_1500_on(false);
	an_end_of_1500_on(true);
}

static void a_narrow_middle_on(bool is_v6, bool tells)
{
	struct tcp_world *world = tcp_world_begin_sized(large_limits(), 9000, 9000, 1400);
	world->config.tells_too_big = tells;
	sim_link_configure(world->link, &world->config);
	dial(world, is_v6);
	both_ways(world, (tells ? 1 : 24) * BULK, 60000); // a search takes a few seconds
	uint32_t most = 1400 - (is_v6 ? HEADERS6 : HEADERS4);
	uint32_t least = tells ? most : most - 16; // a search ends 16 bytes short at most
	CU_ASSERT(mss_of(&world->client) >= least && mss_of(&world->client) <= most);
	CU_ASSERT(mss_of(&world->server) >= least && mss_of(&world->server) <= most);
	enum counter how = tells ? COUNTER_tcp_mtu_reduced : COUNTER_tcp_mtu_black_holes;
	for (unsigned host = 0; host < 2; host++)
		CU_ASSERT_EQUAL(tcp_world_count(world, host, how), 1);
	tcp_world_end(world);
}

static void routers_tell_jumbo_ends_of_a_narrow_middle(void)
{
	a_narrow_middle_on(false, true);
	a_narrow_middle_on(true, true);
}

static void jumbo_ends_find_a_narrow_middle_by_themselves(void)
{
	a_narrow_middle_on(false, false);
	a_narrow_middle_on(true, false);
}

static void a_path_that_narrows_for_good_without_a_word_goes_on(void)
{
	struct tcp_world *world = tcp_world_begin_sized(large_limits(), 1500, 1500, 1500);
	dial(world, false);
	both_ways(world, BULK, 20000);
	world->config.mtu = 700; // less than the base of 1024
	sim_link_configure(world->link, &world->config);
	both_ways(world, BULK, 120000);
	CU_ASSERT(mss_of(&world->client) <= 700 - HEADERS4);
	CU_ASSERT(mss_of(&world->client) > 700 - HEADERS4 - 32);
	tcp_world_end(world);
}

UNIT_MAIN("tcp_paths",
	  {"a link that cuts packets carries every byte (RFC 791)",
	   a_link_that_cuts_packets_carries_every_byte},
	  {"lost and reordered fragments cost no byte", lost_and_reordered_fragments_cost_no_byte},
	  {"jumbo frames are filled", jumbo_frames_are_filled},
	  {"the smaller end decides", the_smaller_end_decides},
	  {"routers tell jumbo ends of a narrow middle (RFC 1191, RFC 8201)",
	   routers_tell_jumbo_ends_of_a_narrow_middle},
	  {"jumbo ends find a narrow middle by themselves (RFC 8899)",
	   jumbo_ends_find_a_narrow_middle_by_themselves},
	  {"a path that narrows for good without a word goes on",
	   a_path_that_narrows_for_good_without_a_word_goes_on})
