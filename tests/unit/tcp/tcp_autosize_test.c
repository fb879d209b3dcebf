// SPDX-License-Identifier: Apache-2.0
// Right-sizing against the paths it is for.
#include "tcp_autosize.h"

#include "check.h"
#include "unit.h"

#define MSS 1448u

static const struct tcp_rightsize_bounds roomy = {.max_bytes = 4u << 20, .segment_bytes = MSS};
static const struct tcp_rightsize_bounds tight = {
	.max_bytes = 4u << 20, .segment_bytes = MSS, .is_memory_low = true};

// round_trip consumes bytes in ten parts over 100 ms that end at *now_us.
static void round_trip(struct tcp_rightsize *size, uint32_t bytes, uint64_t *now_us)
{
	for (unsigned i = 0; i < 10; i++) {
		*now_us += 10000;
		tcp_rightsize_consumed(size, bytes / 10, *now_us, &roomy);
	}
}

static void the_window_is_ahead_of_slow_start(void)
{
	struct tcp_rightsize size;
	uint64_t now_us = 1000000;
	tcp_rightsize_init(&size, roomy.max_bytes, 100000);
	CU_ASSERT_EQUAL(size.buffer_bytes, TCP_RECEIVE_START);
	for (uint32_t flight = 10 * MSS; flight < 1u << 20; flight *= 2) {
		CU_ASSERT(size.buffer_bytes >= flight);
		round_trip(&size, flight, &now_us);
	}
	for (unsigned i = 0; i < 3; i++)
		round_trip(&size, 4u << 20, &now_us);
	CU_ASSERT_EQUAL(size.buffer_bytes, 4u << 20); // its bound
}

static void a_steady_rate_needs_two_round_trips_of_room(void)
{
	struct tcp_rightsize size;
	uint64_t now_us = 1000000;
	tcp_rightsize_init(&size, roomy.max_bytes, 100000);
	for (unsigned i = 0; i < 20; i++)
		round_trip(&size, 200000, &now_us);
	CU_ASSERT(size.buffer_bytes >= 2 * 200000);
	CU_ASSERT(size.buffer_bytes < 5 * 200000);
	uint32_t before_bytes = size.buffer_bytes;
	for (unsigned i = 0; i < 20; i++)
		round_trip(&size, 1000, &now_us);
	CU_ASSERT_EQUAL(size.buffer_bytes, before_bytes); // nobody else needs it
}

static void a_slow_reader_keeps_the_start(void)
{
	struct tcp_rightsize size;
	uint64_t now_us = 1000000;
	tcp_rightsize_init(&size, roomy.max_bytes, 100000);
	for (unsigned i = 0; i < 100; i++)
		round_trip(&size, 10000, &now_us);
	CU_ASSERT_EQUAL(size.buffer_bytes, TCP_RECEIVE_START);
}

static void short_of_memory_nobody_grows_and_the_idle_give_back(void)
{
	struct tcp_rightsize size;
	tcp_rightsize_init(&size, roomy.max_bytes, 1000);
	CU_ASSERT_EQUAL(tcp_rightsize_consumed(&size, 10, 5000, &roomy), TCP_RIGHTSIZE_SAME);
	CU_ASSERT_EQUAL(tcp_rightsize_consumed(&size, 100000, 7000, &tight), TCP_RIGHTSIZE_DENIED);
	CU_ASSERT_EQUAL(size.buffer_bytes, TCP_RECEIVE_START);
	CU_ASSERT_EQUAL(tcp_rightsize_consumed(&size, 800000, 9000, &roomy), TCP_RIGHTSIZE_GROWN);
	CU_ASSERT(size.buffer_bytes > 1600000);
	CU_ASSERT_EQUAL(tcp_rightsize_consumed(&size, 900000, 11000, &tight), TCP_RIGHTSIZE_SAME);
	CU_ASSERT_EQUAL(tcp_rightsize_consumed(&size, 1000, 13000, &tight), TCP_RIGHTSIZE_SHRUNK);
	CU_ASSERT_EQUAL(size.buffer_bytes, TCP_RECEIVE_START);
	CU_ASSERT_EQUAL(tcp_rightsize_consumed(&size, 1000, 15000, &tight), TCP_RIGHTSIZE_SAME);
}

static void a_small_bound_is_kept(void)
{
	struct tcp_rightsize size;
	struct tcp_rightsize_bounds small = {.max_bytes = 16384, .segment_bytes = MSS};
	tcp_rightsize_init(&size, small.max_bytes, 1000);
	CU_ASSERT_EQUAL(size.buffer_bytes, 16384);
	tcp_rightsize_consumed(&size, 1, 5000, &small);
	CU_ASSERT_EQUAL(tcp_rightsize_consumed(&size, 99999, 9000, &small), TCP_RIGHTSIZE_SAME);
	CU_ASSERT_EQUAL(size.buffer_bytes, 16384);
}

static void the_round_trip_follows_echoes_down_at_once_and_up_slowly(void)
{
	struct tcp_rightsize size;
	tcp_rightsize_init(&size, roomy.max_bytes, 0);
	tcp_rightsize_echo(&size, 1, 80000);
	CU_ASSERT_EQUAL(size.rtt_us, 80000);
	tcp_rightsize_echo(&size, 1, 10); // the same flight
	CU_ASSERT_EQUAL(size.rtt_us, 80000);
	tcp_rightsize_echo(&size, 2, 160000); // a sender that paused
	CU_ASSERT_EQUAL(size.rtt_us, 90000);
	tcp_rightsize_echo(&size, 3, 50000);
	CU_ASSERT_EQUAL(size.rtt_us, 50000);
}

static void without_timestamps_a_window_tells_the_round_trip(void)
{
	struct tcp_rightsize size;
	tcp_rightsize_init(&size, roomy.max_bytes, 0);
	tcp_rightsize_turn(&size, seq_of(0), seq_of(65536), 1000000);
	tcp_rightsize_turn(&size, seq_of(65535), seq_of(100000), 1040000);
	CU_ASSERT_EQUAL(size.rtt_us, 0);
	tcp_rightsize_turn(&size, seq_of(65536), seq_of(131072), 1050000);
	CU_ASSERT_EQUAL(size.rtt_us, 50000);
	tcp_rightsize_turn(&size, seq_of(131072), seq_of(200000), 1150000);
	CU_ASSERT_EQUAL(size.rtt_us, 50000); // an upper bound
	tcp_rightsize_turn(&size, seq_of(200000), seq_of(300000), 1180000);
	CU_ASSERT_EQUAL(size.rtt_us, 30000);
}

static void what_is_queued_follows_the_congestion_window(void)
{
	const struct {
		uint32_t cwnd, window, max;
		bool is_low;
		uint32_t wanted;
	} cases[] = {
		{0, UINT32_MAX, 4u << 20, false, TCP_SEND_START},
		{100000, UINT32_MAX, 4u << 20, false, 218000},
		{3u << 30, UINT32_MAX, 4u << 20, false, 4u << 20},
		{100000, UINT32_MAX, 4u << 20, true, TCP_SEND_START},
		{100000, UINT32_MAX, 32768, false, 32768},
		// a peer that takes less than the path
		{100000, 32768, 4u << 20, false, 218000},
		{100000, 32767, 4u << 20, false, 50767},
		{100000, 1000, 4u << 20, false, 19000},
		{0, 0, 4u << 20, false, 18000},
		{100000, 0, 4u << 20, true, 18000},
		{100000, 0, 16384, false, 16384},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct tcp_autosize_bounds bounds = {cases[i].cwnd, cases[i].window, 18000,
							   cases[i].max, cases[i].is_low};
		CU_ASSERT_EQUAL(tcp_autosize_send(&bounds), cases[i].wanted);
	}
}

static void reading_counts_before_the_round_trip_is_known(void)
{
	struct tcp_rightsize size;
	struct tcp_rightsize_bounds bounds = {.max_bytes = 1 << 20, .segment_bytes = 1000};
	tcp_rightsize_init(&size, 1 << 20, 0);
	for (uint64_t now_us = 1000000; now_us <= 9000000; now_us += 1000000) {
		CU_ASSERT_EQUAL(tcp_rightsize_consumed(&size, 50000, now_us, &bounds),
				TCP_RIGHTSIZE_SAME);
		CU_ASSERT_EQUAL(size.began_us, now_us); // or it would pass for an owner asleep
	}
	tcp_rightsize_echo(&size, 1, 50000);
	CU_ASSERT_EQUAL(tcp_rightsize_consumed(&size, 10000, 9100000, &bounds),
			TCP_RIGHTSIZE_GROWN);
	CU_ASSERT(size.buffer_bytes < 200000); // by what one round trip took, not nine seconds
}

UNIT_MAIN("tcp_autosize", {"the window is ahead of slow start", the_window_is_ahead_of_slow_start},
	  {"a steady rate needs two round trips of room",
	   a_steady_rate_needs_two_round_trips_of_room},
	  {"a slow reader keeps the start", a_slow_reader_keeps_the_start},
	  {"short of memory nobody grows and the idle give back",
	   short_of_memory_nobody_grows_and_the_idle_give_back},
	  {"a small bound is kept", a_small_bound_is_kept},
	  {"the round trip follows echoes down at once and up slowly",
	   the_round_trip_follows_echoes_down_at_once_and_up_slowly},
	  {"without timestamps a window tells the round trip",
	   without_timestamps_a_window_tells_the_round_trip},
	  {"reading counts before the round trip is known",
	   reading_counts_before_the_round_trip_is_known},
	  {"what is queued follows the congestion window",
	   what_is_queued_follows_the_congestion_window})
