// SPDX-License-Identifier: Apache-2.0
// CUBIC against RFC 9438 and RFC 6928.
#include "tcp_cc.h"
#include "unit.h"

#include <math.h>

#define MSS 1448u

static struct tcp_cc begun(void)
{
	struct tcp_cc cc = {0};
	tcp_cc_init(&cc, &tcp_cc_cubic, MSS);
	return cc;
}

// ack_round acknowledges a whole window, segment by segment.
static void ack_round(struct tcp_cc *cc, uint64_t now_us, uint32_t rtt_us)
{
	uint32_t window = cc->cwnd_bytes;
	for (uint32_t acked = 0; acked < window; acked += MSS) {
		struct tcp_cc_ack ack = {.now_us = now_us,
					 .acked_bytes = MSS,
					 .srtt_us = rtt_us,
					 .is_limited = true};
		cc->ops->acked(cc, &ack);
	}
}

static void it_starts_with_ten_segments(void)
{
	struct tcp_cc cc = begun();
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 10 * MSS);
	tcp_cc_init(&cc, &tcp_cc_cubic, 8960);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 17920); // RFC 6928: two large segments
}

static void slow_start_doubles_a_round(void)
{
	struct tcp_cc cc = begun();
	ack_round(&cc, 1000, 1000);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 20 * MSS);
}

static void an_ack_counts_for_eight_segments_at_most_unless_paced(void)
{
	struct tcp_cc cc = begun();
	struct tcp_cc_ack ack = {
		.now_us = 1000, .acked_bytes = 100 * MSS, .srtt_us = 1000, .is_limited = true};
	cc.ops->acked(&cc, &ack);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 18 * MSS);
	cc.is_paced = true;
	cc.ops->acked(&cc, &ack);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 118 * MSS);
}

static void a_window_that_is_not_used_does_not_grow(void)
{
	struct tcp_cc cc = begun();
	struct tcp_cc_ack ack = {
		.now_us = 1000, .acked_bytes = MSS, .srtt_us = 1000, .is_limited = false};
	cc.ops->acked(&cc, &ack);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 10 * MSS);
}

static void a_loss_leaves_seven_tenths(void)
{
	struct tcp_cc cc = begun();
	cc.cwnd_bytes = 1000 * MSS;
	cc.ops->lost(&cc, 1000 * MSS, 5000);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 700 * MSS);
	CU_ASSERT_EQUAL(cc.ssthresh_bytes, 700 * MSS);
}

static void a_mark_leaves_more_than_a_loss(void)
{
	struct tcp_cc cc = begun();
	cc.cwnd_bytes = 100 * MSS;
	cc.ops->marked(&cc, 100 * MSS, 0);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 85 * MSS); // RFC 8511
	CU_ASSERT_EQUAL(cc.ssthresh_bytes, 85 * MSS);
}

static void a_timeout_leaves_one_segment(void)
{
	struct tcp_cc cc = begun();
	cc.ops->expired(&cc, 10 * MSS, 5000);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, MSS);
	CU_ASSERT_EQUAL(cc.ssthresh_bytes, 7 * MSS);
	cc.ops->expired(&cc, MSS, 6000);
	CU_ASSERT_EQUAL(cc.ssthresh_bytes, 2 * MSS); // equation 5's floor
}

static void the_window_is_back_at_its_maximum_after_k(void)
{
	// 1000 segments, one loss: K = cbrt(300 / 0.4) = 9.086 s; rounds of 100 ms
	struct tcp_cc cc = begun();
	cc.cwnd_bytes = 1000 * MSS;
	cc.ops->lost(&cc, 1000 * MSS, 0);
	uint64_t now_us = 1;
	uint32_t previous = cc.cwnd_bytes;
	for (int round = 0; round < 90; round++, now_us += 100000) {
		ack_round(&cc, now_us, 100000);
		CU_ASSERT(cc.cwnd_bytes >= previous);
		previous = cc.cwnd_bytes;
	}
	CU_ASSERT(cc.cubic.k_ms >= 9080 && cc.cubic.k_ms <= 9090);
	CU_ASSERT(cc.cwnd_bytes > 995 * MSS && cc.cwnd_bytes < 1005 * MSS);
	for (int round = 0; round < 60; round++, now_us += 100000)
		ack_round(&cc, now_us, 100000);
	CU_ASSERT(cc.cwnd_bytes > 1050 * MSS); // convex: probes beyond
}

static void short_round_trips_grow_like_reno_at_least(void)
{
	// W_est grows 9/17 segment a round: at 1 ms rounds far faster than the cubic
	struct tcp_cc cc = begun();
	cc.cwnd_bytes = 100 * MSS;
	cc.ops->lost(&cc, 100 * MSS, 0);
	uint64_t now_us = 1;
	for (int round = 0; round < 40; round++, now_us += 1000)
		ack_round(&cc, now_us, 1000);
	CU_ASSERT(cc.cwnd_bytes >= 89 * MSS && cc.cwnd_bytes <= 95 * MSS);
}

static double curve(double w_max_segments, double t_s)
{
	double k_s = cbrt(w_max_segments * 0.3 / 0.4); // equation 2 with cwnd = 0.7 W_max
	return 0.4 * pow(t_s - k_s, 3) + w_max_segments;
}

static void the_window_follows_the_curve_of_the_rfc(void)
{
	for (uint32_t segments = 200; segments <= 20000; segments *= 10) {
		struct tcp_cc cc = begun();
		cc.cwnd_bytes = segments * MSS;
		cc.ops->lost(&cc, segments * MSS, 0);
		double until_s = 1.5 * cbrt(segments * 0.3 / 0.4);
		for (uint64_t now_us = 1; (double)now_us < until_s * 1e6; now_us += 100000) {
			ack_round(&cc, now_us, 100000);
			double should = curve(segments, (double)now_us * 1e-6 + 0.1) * MSS;
			CU_ASSERT(fabs(cc.cwnd_bytes - should) < 0.02 * should);
		}
	}
}

static void a_flow_that_gives_way_gives_more(void)
{
	struct tcp_cc cc = begun();
	cc.cwnd_bytes = 1000 * MSS;
	cc.ops->lost(&cc, 1000 * MSS, 5000);
	CU_ASSERT_EQUAL(cc.cubic.w_max_bytes, 1000 * MSS);
	cc.ops->lost(&cc, 700 * MSS, 6000); // below W_max: fast convergence
	CU_ASSERT_EQUAL(cc.cubic.w_max_bytes, 595 * MSS);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 490 * MSS);
}

static void a_spurious_loss_is_taken_back_whole(void)
{
	struct tcp_cc cc = begun();
	cc.cwnd_bytes = 1000 * MSS;
	cc.ops->lost(&cc, 1000 * MSS, 0);
	ack_round(&cc, 100000, 100000);
	struct tcp_cc before = cc;
	cc.ops->expired(&cc, cc.cwnd_bytes, 200000);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, MSS);
	cc.ops->undo(&cc);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, before.cwnd_bytes);
	CU_ASSERT_EQUAL(cc.ssthresh_bytes, before.ssthresh_bytes);
	CU_ASSERT_EQUAL(cc.cubic.epoch_us, before.cubic.epoch_us);
	CU_ASSERT_EQUAL(cc.cubic.w_max_bytes, before.cubic.w_max_bytes);
	CU_ASSERT_EQUAL(cc.cubic.k_ms, before.cubic.k_ms);
}

static void a_mark_leaves_85_hundredths_and_is_no_loss(void)
{
	struct tcp_cc cc = begun();
	cc.cwnd_bytes = 1000 * MSS;
	cc.ops->marked(&cc, 1000 * MSS, 0);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 850 * MSS);
	cc.ops->undo(&cc);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 850 * MSS);
}

static void time_unused_does_not_move_the_curve(void)
{
	struct tcp_cc cc = begun();
	cc.cwnd_bytes = 1000 * MSS;
	cc.ops->lost(&cc, 1000 * MSS, 0);
	ack_round(&cc, 1, 100000);
	uint32_t before = cc.cwnd_bytes;
	for (uint64_t now_us = 1; now_us < 9000000; now_us += 100000) {
		struct tcp_cc_ack ack = {.now_us = now_us, .acked_bytes = MSS, .srtt_us = 100000};
		cc.ops->acked(&cc, &ack);
	}
	CU_ASSERT_EQUAL(cc.cwnd_bytes, before);
	ack_round(&cc, 9000000, 100000);
	CU_ASSERT(cc.cwnd_bytes < before + 20 * MSS); // not K later, 300 segments up
}

static void a_window_unused_for_long_is_forgotten_by_halves(void)
{
	struct tcp_cc cc = begun();
	cc.cwnd_bytes = 1000 * MSS;
	struct tcp_cc_ack ack = {.now_us = 1, .acked_bytes = MSS, .srtt_us = 100000};
	cc.ops->acked(&cc, &ack);
	ack.now_us += TCP_CC_VALID_US;
	cc.ops->acked(&cc, &ack);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 1000 * MSS);
	ack.now_us++;
	cc.ops->acked(&cc, &ack);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 500 * MSS);
}

static void a_pause_restarts_from_the_initial_window(void)
{
	struct tcp_cc cc = begun();
	cc.cwnd_bytes = 1000 * MSS;
	cc.ssthresh_bytes = 100 * MSS;
	cc.ops->idled(&cc);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 10 * MSS);
	CU_ASSERT_EQUAL(cc.ssthresh_bytes, 750 * MSS); // what it had is found again quickly
}

static void slow_start_ends_when_round_trips_grow(void)
{
	struct tcp_cc cc = begun();
	for (unsigned round = 0; round < 12; round++)
		for (unsigned i = 0; i < 10; i++) {
			struct tcp_cc_ack ack = {.now_us = 1 + round * 50000ull,
						 .acked_bytes = MSS,
						 .rtt_us = round < 3 ? 20000 : 40000,
						 .is_limited = true,
						 .is_round_start = i == 0};
			cc.ops->acked(&cc, &ack);
		}
	CU_ASSERT(cc.ssthresh_bytes < TCP_CC_WINDOW_BYTES_MAX);
	CU_ASSERT_EQUAL(cc.events, 1u << TCP_CC_SLOWER | 1u << TCP_CC_DELAYED);
	CU_ASSERT_STRING_EQUAL(cc.ops->state(&cc), "reno-friendly");
}

static void extreme_times_and_windows_do_not_overflow(void)
{
	struct tcp_cc cc = {0};
	tcp_cc_init(&cc, &tcp_cc_cubic, 65000);
	cc.cwnd_bytes = 1u << 30;
	cc.ops->lost(&cc, 1u << 30, 1);
	for (uint64_t now_us = 1; now_us < UINT64_MAX / 4; now_us *= 3) {
		struct tcp_cc_ack ack = {.now_us = now_us,
					 .acked_bytes = 65000,
					 .srtt_us = 60000000,
					 .is_limited = true};
		cc.ops->acked(&cc, &ack);
		CU_ASSERT(cc.cwnd_bytes <= 1u << 30);
		CU_ASSERT(cc.cwnd_bytes >= 65000);
	}
}

UNIT_MAIN("cc_cubic", {"it starts with ten segments", it_starts_with_ten_segments},
	  {"slow start doubles a round", slow_start_doubles_a_round},
	  {"an ACK counts for eight segments at most unless paced",
	   an_ack_counts_for_eight_segments_at_most_unless_paced},
	  {"a window that is not used does not grow", a_window_that_is_not_used_does_not_grow},
	  {"a loss leaves seven tenths", a_loss_leaves_seven_tenths},
	  {"a mark leaves more than a loss", a_mark_leaves_more_than_a_loss},
	  {"a timeout leaves one segment", a_timeout_leaves_one_segment},
	  {"the window is back at its maximum after K", the_window_is_back_at_its_maximum_after_k},
	  {"short round trips grow like Reno at least", short_round_trips_grow_like_reno_at_least},
	  {"the window follows the curve of the RFC", the_window_follows_the_curve_of_the_rfc},
	  {"a flow that gives way gives more", a_flow_that_gives_way_gives_more},
	  {"a spurious loss is taken back whole", a_spurious_loss_is_taken_back_whole},
	  {"a mark leaves 85 hundredths and is no loss",
	   a_mark_leaves_85_hundredths_and_is_no_loss},
	  {"time unused does not move the curve", time_unused_does_not_move_the_curve},
	  {"a window unused for long is forgotten by halves",
	   a_window_unused_for_long_is_forgotten_by_halves},
	  {"a pause restarts from the initial window", a_pause_restarts_from_the_initial_window},
	  {"slow start ends when round trips grow", slow_start_ends_when_round_trips_grow},
	  {"extreme times and windows do not overflow", extreme_times_and_windows_do_not_overflow})
