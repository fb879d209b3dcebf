// SPDX-License-Identifier: Apache-2.0
// Loss recovery in directed scenarios: chosen segments of the client, or ACKs of the server, are
// lost, and how it is repaired is read from counters. A scenario says which RFC it shows.
#include "check.h"
#include "tcp_lane.h"
#include "unit.h"

// RFC 8985 7: the last two segments of a flight are lost, nothing comes after them.
static void a_lost_tail_is_probed_for_before_the_timeout(void)
{
	struct lane lane = {0};
	struct tcp_world *world = lane_open(&lane, sim_limits());
	lane.drop[0] = 9;
	lane.drop[1] = 10;
	CU_ASSERT_EQUAL(tcp_world_send(&world->client, 10 * LANE_MSS), 10 * LANE_MSS);
	tcp_world_run_ms(world, 180); // the RTO is 200 ms at least
	CU_ASSERT_EQUAL(world->server.read, 10 * LANE_MSS);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_rto_expiries), 0);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_tail_probes), 1);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_retransmits), 2);
	tcp_world_end(world);
}

// RFC 8985 7.4.2: the last segment alone is lost; the probe repairs it, the window shrinks.
static void a_probe_that_repairs_a_loss_shrinks_the_window(void)
{
	struct lane lane = {0};
	struct tcp_info before, after;
	struct tcp_world *world = lane_open(&lane, sim_limits());
	lane.drop[0] = 10;
	CHECK(tcp_info_of(world->hosts[0].tcp, world->client.conn, &before));
	tcp_world_send(&world->client, 10 * LANE_MSS);
	tcp_world_run_ms(world, 500);
	tcp_world_send(&world->client, 10 * LANE_MSS); // its ACK tells: beyond the probe, no D-SACK
	tcp_world_run_ms(world, 500);
	CHECK(tcp_info_of(world->hosts[0].tcp, world->client.conn, &after));
	CU_ASSERT_EQUAL(world->server.read, 20 * LANE_MSS);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_tail_probes), 1);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_tail_repairs), 1);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_rto_expiries), 0);
	CU_ASSERT(after.ssthresh_bytes < before.ssthresh_bytes);
	tcp_world_end(world);
}

// RFC 8985 6.2: a retransmission is lost too; what left after it tells.
static void a_lost_retransmission_is_found_before_the_timeout(void)
{
	struct lane lane = {0};
	struct tcp_world *world = lane_open(&lane, sim_limits());
	lane.drop[0] = 3;
	lane.again_to_drop = 1;
	CU_ASSERT_EQUAL(tcp_world_send(&world->client, 44 * LANE_MSS), 44 * LANE_MSS);
	tcp_world_run_ms(world, 1000);
	CU_ASSERT_EQUAL(world->server.read, 44 * LANE_MSS);
	CU_ASSERT_EQUAL(lane.again_to_drop, 0);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_lost_retransmits), 1);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_recoveries), 1);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_rto_expiries), 0);
	tcp_world_end(world);
}

// Half of the ACKs are lost: cumulative acknowledgement and SACK make up for it.
static void lost_acks_cost_nothing(void)
{
	struct lane lane = {0};
	struct tcp_world *world = lane_open(&lane, sim_limits());
	lane.ack_percent = 50;
	world->config.bytes_per_s = 1250000; // segments arrive one by one and are answered so
	sim_link_configure(world->link, &world->config);
	size_t sent = 0;
	for (unsigned i = 0; i < 400; i++) {
		sent += tcp_world_send(&world->client, 16000);
		tcp_world_run_ms(world, 5);
	}
	lane.ack_percent = 0; // the last one's loss would cost a timeout
	tcp_world_run_ms(world, 1000);
	CU_ASSERT_EQUAL(world->server.read, sent);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_rto_expiries), 0);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_recoveries), 0);
	tcp_world_end(world);
}

// RFC 2018 8: the peer drops what it had SACKed, which shows when SND.UNA stops at it.
static void a_peer_that_reneges_gets_the_bytes_again(void)
{
	static const uint32_t held[1][2] = {{3, 6}};
	struct lane lane = {0};
	struct tcp_world *world = lane_open(&lane, sim_limits());
	lane.is_mute = true;
	struct tcp_seq base = lane.newest.seq;
	tcp_world_send(&world->client, 10 * LANE_MSS);
	tcp_world_run_ms(world, 15);
	lane_answer(&lane, base, base, held, 1);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_recoveries), 1);
	lane_answer(&lane, seq_plus(base, 3 * LANE_MSS), base, NULL, 0);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_reneged), 0); // its next ACK may still come
	uint64_t before = lane_count(&lane, COUNTER_tcp_retransmits);
	tcp_world_run_ms(world, 250);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_reneged), 1);
	CU_ASSERT(lane_count(&lane, COUNTER_tcp_retransmits) > before);
	CU_ASSERT(seq_equal(lane.newest.seq, seq_plus(base, 3 * LANE_MSS)));
	lane.is_mute = false;
	tcp_world_run_ms(world, 1000);
	CU_ASSERT_EQUAL(world->server.read, 10 * LANE_MSS);
	tcp_world_end(world);
}

// A peer SACKs every second segment of a large flight, then blocks far from one another.
static void a_sack_storm_is_cut_short(void)
{
	struct tcp_limits limits = sim_limits();
	limits.send_buffer_bytes = limits.receive_buffer_bytes = 1u << 20;
	struct lane lane = {0};
	struct tcp_world *world = lane_open(&lane, limits);
	size_t sent = 0;
	world->config.bytes_per_s = 50000000; // segments arrive apart: an ACK each
	world->config.queue_bytes = 1u << 21;
	sim_link_configure(world->link, &world->config);
	for (unsigned i = 0; i < 60; i++) { // open the window
		sent += tcp_world_send(&world->client, 900000);
		tcp_world_run_ms(world, 10);
	}
	tcp_world_run_ms(world, 100); // not so long that the window restarts
	CU_ASSERT_EQUAL(world->server.read, sent);
	lane.is_mute = true;
	sent += tcp_world_send(&world->client, 900000);
	tcp_world_run_ms(world, 5);
	struct tcp_info info;
	CHECK(tcp_info_of(world->hosts[0].tcp, world->client.conn, &info));
	uint32_t segments = info.unacked_bytes / LANE_MSS;
	CU_ASSERT(segments > 560);
	struct tcp_seq base =
		seq_minus(seq_plus(lane.newest.seq, lane.newest.payload_bytes), info.unacked_bytes);
	for (uint32_t i = 1; i + 6 < segments; i += 6) {
		const uint32_t blocks[3][2] = {{i, i + 1}, {i + 2, i + 3}, {i + 4, i + 5}};
		lane_answer(&lane, base, base, blocks, 3);
	}
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_sack_walk_limited),
			0); // one beside the other
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t middle = segments / 2 + 2 * i;
		const uint32_t blocks[3][2] = {
			{1, 2}, {middle, middle + 1}, {segments - 2, segments - 1}};
		lane_answer(&lane, base, base, blocks, 3);
	}
	CU_ASSERT(lane_count(&lane, COUNTER_tcp_sack_walk_limited) >= 1);
	lane.is_mute = false;
	tcp_world_run_ms(world, 5000);
	CU_ASSERT_EQUAL(world->server.read, sent);
	tcp_world_end(world);
}

static void without_a_record_nothing_leaves_until_one_is_free(void)
{
	struct tcp_limits limits = sim_limits();
	limits.sent_count = 1;
	struct tcp_world *world = tcp_world_connected(limits);
	struct tcp_end first = world->client;
	CHECK(tcp_world_dial(world, TCP_WORLD_PORT) == 0);
	tcp_world_run_ms(world, 200);
	tcp_world_cut(world, true);
	tcp_world_send(&first, 1000);
	tcp_world_run_ms(world, 1);
	tcp_world_send(&first, 1000);
	tcp_world_run_ms(world, 1);
	CU_ASSERT_EQUAL(tcp_world_count(world, 0, COUNTER_tcp_sent_records_merged),
			1); // its record grew
	tcp_world_send(&world->client, 1000);
	tcp_world_run_ms(world, 5);
	CU_ASSERT(tcp_world_count(world, 0, COUNTER_tcp_sent_records_full) >= 1);
	tcp_world_cut(world, false);
	tcp_world_run_ms(world, 2000);
	CU_ASSERT_EQUAL(world->server.read, 3000);
	tcp_world_end(world);
}

static void one_record_is_enough_for_a_lossy_transfer(void)
{
	struct tcp_limits limits = sim_limits();
	limits.sent_count = 1;
	struct tcp_world *world = tcp_world_connected(limits);
	world->config.loss = 300;
	sim_link_configure(world->link, &world->config);
	size_t sent = 0;
	for (unsigned i = 0; i < 20; i++) {
		sent += tcp_world_send(&world->client, 16000);
		tcp_world_run_ms(world, 3000);
	}
	tcp_world_run_ms(world, 60000);
	CU_ASSERT(sent > 100000);
	CU_ASSERT_EQUAL(world->server.read, sent);
	tcp_world_end(world);
}

UNIT_MAIN("tcp_loss",
	  {"a lost tail is probed for before the timeout",
	   a_lost_tail_is_probed_for_before_the_timeout},
	  {"a probe that repairs a loss shrinks the window",
	   a_probe_that_repairs_a_loss_shrinks_the_window},
	  {"a lost retransmission is found before the timeout",
	   a_lost_retransmission_is_found_before_the_timeout},
	  {"lost ACKs cost nothing", lost_acks_cost_nothing},
	  {"a peer that reneges gets the bytes again", a_peer_that_reneges_gets_the_bytes_again},
	  {"a SACK storm is cut short", a_sack_storm_is_cut_short},
	  {"without a record nothing leaves until one is free",
	   without_a_record_nothing_leaves_until_one_is_free},
	  {"one record is enough for a lossy transfer", one_record_is_enough_for_a_lossy_transfer})
