// SPDX-License-Identifier: Apache-2.0
// CUBIC against RFC 9438 and RFC 6928.
#include "tcp_cc.h"
#include "unit.h"

#define MSS 1448u

static struct tcp_cc begun(void)
{
	struct tcp_cc cc;
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

static void an_ack_counts_for_two_segments_at_most_in_slow_start(void)
{
	struct tcp_cc cc = begun();
	struct tcp_cc_ack ack = {
		.now_us = 1000, .acked_bytes = 100 * MSS, .srtt_us = 1000, .is_limited = true};
	cc.ops->acked(&cc, &ack);
	CU_ASSERT_EQUAL(cc.cwnd_bytes, 12 * MSS);
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
	CU_ASSERT(cc.k_ms >= 9080 && cc.k_ms <= 9090);
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

static void extreme_times_and_windows_do_not_overflow(void)
{
	struct tcp_cc cc;
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
	  {"an ack counts for two segments at most in slow start",
	   an_ack_counts_for_two_segments_at_most_in_slow_start},
	  {"a window that is not used does not grow", a_window_that_is_not_used_does_not_grow},
	  {"a loss leaves seven tenths", a_loss_leaves_seven_tenths},
	  {"a mark leaves more than a loss", a_mark_leaves_more_than_a_loss},
	  {"a timeout leaves one segment", a_timeout_leaves_one_segment},
	  {"the window is back at its maximum after K", the_window_is_back_at_its_maximum_after_k},
	  {"short round trips grow like Reno at least", short_round_trips_grow_like_reno_at_least},
	  {"extreme times and windows do not overflow", extreme_times_and_windows_do_not_overflow})
