// SPDX-License-Identifier: Apache-2.0
// Nothing was lost: segments are late, out of order or doubled, and what loss recovery did is taken
// back. Each with timestamps, where Eifel (RFC 3522) tells, and without.
#include "check.h"
#include "tcp_lane.h"
#include "unit.h"

#define OPTION_TIMESTAMPS     8
#define OPTION_SACK_PERMITTED 4

static struct tcp_info info_of(const struct lane *lane)
{
	struct tcp_info info;
	CHECK(tcp_info_of(lane->world->hosts[0].tcp, lane->world->client.conn, &info));
	return info;
}

static void set_latency(struct lane *lane, uint32_t latency_us)
{
	lane->world->config.latency_us = latency_us;
	sim_link_configure(lane->world->link, &lane->world->config);
}

// late_flight sends a flight that takes longer than the timeout, and sees it taken back: RFC 5682,
// RFC 3522 and RFC 4015.
static void late_flight(struct lane *lane)
{
	struct tcp_world *world = lane_open(lane, sim_limits());
	tcp_world_send(&world->client, 10 * LANE_MSS);
	tcp_world_run_ms(world, 100);
	struct tcp_info before = info_of(lane);
	uint32_t sent_before = lane->data_count;
	set_latency(lane, 260000);
	tcp_world_send(&world->client, 10 * LANE_MSS);
	tcp_world_run_ms(world, 500);
	CU_ASSERT_EQUAL(lane_count(lane, COUNTER_tcp_rto_expiries), 1);
	CU_ASSERT(info_of(lane).cwnd_bytes < before.cwnd_bytes);
	tcp_world_run_ms(world, 25); // the flight's own ACK, before any D-SACK
	CU_ASSERT_EQUAL(lane_count(lane, COUNTER_tcp_spurious_undone), 1);
	CU_ASSERT(info_of(lane).cwnd_bytes >= before.cwnd_bytes);
	set_latency(lane, 10000);
	tcp_world_run_ms(world, 500);
	CU_ASSERT_EQUAL(lane_count(lane, COUNTER_tcp_spurious_undone), 1);
	CU_ASSERT(info_of(lane).cwnd_bytes >= before.cwnd_bytes);
	CU_ASSERT_EQUAL(info_of(lane).ssthresh_bytes, before.ssthresh_bytes);
	CU_ASSERT_EQUAL(info_of(lane).unacked_bytes, 0);
	CU_ASSERT(lane->data_count - sent_before <= 10 + 2); // a probe and the timeout's segment
	CU_ASSERT_EQUAL(world->server.read, 20 * LANE_MSS);
	tcp_world_end(world);
}

static void a_late_flight_restores_the_window(void)
{
	struct lane lane = {0};
	late_flight(&lane);
}

static void a_late_flight_restores_the_window_without_timestamps(void)
{
	struct lane lane = {.is_unwanted = {[OPTION_TIMESTAMPS] = true}};
	late_flight(&lane);
}

// RFC 5682 3.1 step 3a: the flight is lost and only the timeout's segment arrives. New data that
// is sent to find out is answered by a duplicate: the loss was real.
static void a_lost_flight_stays_lost(void)
{
	struct lane lane = {
		.is_unwanted = {[OPTION_TIMESTAMPS] = true, [OPTION_SACK_PERMITTED] = true}};
	struct tcp_world *world = lane_open(&lane, sim_limits());
	tcp_world_cut(world, true);
	tcp_world_send(&world->client, 10 * LANE_MSS);
	tcp_world_run_ms(world, 50);
	tcp_world_cut(world, false);
	tcp_world_send(&world->client, 20 * LANE_MSS);
	tcp_world_run_ms(world, 3000);
	CU_ASSERT_EQUAL(world->server.read, 30 * LANE_MSS);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_rto_expiries), 1);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_spurious_undone), 0);
	tcp_world_end(world);
}

// RFC 5682 2.1: without SACK, what was sent once is acknowledged as soon as the timeout's segment
// filled the hole before it. That is no proof.
static void a_lost_first_segment_stays_lost(void)
{
	struct lane lane = {
		.is_unwanted = {[OPTION_TIMESTAMPS] = true, [OPTION_SACK_PERMITTED] = true}};
	struct tcp_world *world = lane_open(&lane, sim_limits());
	lane.drop[0] = 1;
	tcp_world_send(&world->client, 3 * LANE_MSS);
	tcp_world_run_ms(world, 3000);
	CU_ASSERT_EQUAL(world->server.read, 3 * LANE_MSS);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_rto_expiries), 1);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_spurious_undone), 0);
	tcp_world_end(world);
}

// stream sends for ms milliseconds.
static void stream(struct lane *lane, uint64_t ms)
{
	for (uint64_t i = 0; i < ms; i += 5) {
		tcp_world_send(&lane->world->client, 64000);
		tcp_world_run_ms(lane->world, 5);
	}
}

// reorder sends over a link that holds back every tenth segment by as many as 25 others.
static void reorder(struct lane *lane)
{
	struct tcp_world *world = lane_open(lane, sim_limits());
	world->config.reorder = 1000;
	world->config.reorder_us = 3000;
	world->config.bytes_per_s = 12500000;
	sim_link_configure(world->link, &world->config);
	stream(lane, 1000);
	uint64_t again = lane_count(lane, COUNTER_tcp_retransmits);
	uint64_t sent = lane->data_count;
	CU_ASSERT(lane_count(lane, COUNTER_tcp_recoveries) > 0); // it had to learn
	stream(lane, 2000);
	CU_ASSERT(lane->data_count - sent > 1000);
	CU_ASSERT_EQUAL(lane_count(lane, COUNTER_tcp_retransmits), again);
	CU_ASSERT_EQUAL(lane_count(lane, COUNTER_tcp_rto_expiries), 0);
	CU_ASSERT(lane_count(lane, COUNTER_tcp_spurious_undone) > 0);
	tcp_world_end(world);
}

static void reordering_is_learnt(void)
{
	struct lane lane = {0};
	reorder(&lane);
}

static void reordering_is_learnt_without_timestamps(void)
{
	struct lane lane = {.is_unwanted = {[OPTION_TIMESTAMPS] = true}};
	reorder(&lane);
}

// RFC 2883: every segment arrives twice; each second copy is told, and does no harm.
static void duplicates_are_told_and_do_no_harm(void)
{
	struct lane lane = {0};
	struct tcp_world *world = lane_open(&lane, sim_limits());
	world->config.duplicate = SIM_LINK_CERTAIN;
	world->config.bytes_per_s = 12500000;
	sim_link_configure(world->link, &world->config);
	stream(&lane, 500);
	tcp_world_run_ms(world, 500);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_duplicates) > 100);
	CU_ASSERT(tcp_world_count(world, 1, COUNTER_tcp_dsacks_out) > 100);
	CU_ASSERT(lane_count(&lane, COUNTER_tcp_dsacks_in) > 100);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_retransmits), 0);
	CU_ASSERT_EQUAL(lane_count(&lane, COUNTER_tcp_recoveries), 0);
	tcp_world_end(world);
}

UNIT_MAIN("tcp_spurious", {"a late flight restores the window", a_late_flight_restores_the_window},
	  {"a late flight restores the window without timestamps",
	   a_late_flight_restores_the_window_without_timestamps},
	  {"a lost flight stays lost", a_lost_flight_stays_lost},
	  {"a lost first segment stays lost", a_lost_first_segment_stays_lost},
	  {"reordering is learnt", reordering_is_learnt},
	  {"reordering is learnt without timestamps", reordering_is_learnt_without_timestamps},
	  {"duplicates are told and do no harm", duplicates_are_told_and_do_no_harm})
