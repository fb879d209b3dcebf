// SPDX-License-Identifier: Apache-2.0
// BBR's model of the path: the largest bandwidth of the last two probing cycles, the smallest round
// trip of ten seconds, and bounds that losses teach. A path that loses by chance is not congested:
// 2 % of losses count when round trips show a queue too, 15 % count alone: a probe at 125 % loses
// 20 % to a policer.
#include "cc_bbr.h"

#include "check.h"

#define MIN_RTT_MS          10000u // MinRTTFilterLen
#define PROBE_RTT_MS        5000u  // ProbeRTTInterval
#define LOSS_PERCENT        2u     // LossThresh
#define LOSS_ALONE_PERCENT  15u
#define LOSS_SEGMENTS       3u  // fewer say nothing,
#define LOSS_ALONE_SEGMENTS 16u // and so few nothing for themselves
#define QUEUE_US            1000u

void tcp_bbr_model_init(struct tcp_bbr *bbr)
{
	*bbr = (struct tcp_bbr){
		.bw_lo_kbit_s = BBR_NONE,
		.hi_bytes = BBR_NONE,
		.lo_bytes = BBR_NONE,
	};
}

uint32_t tcp_bbr_max_kbit_s(const struct tcp_bbr *bbr)
{
	return MAX(bbr->bw_kbit_s[0], bbr->bw_kbit_s[1]);
}

uint32_t tcp_bbr_kbit_s(const struct tcp_bbr *bbr)
{
	return MIN(tcp_bbr_max_kbit_s(bbr), bbr->bw_lo_kbit_s);
}

uint32_t tcp_bbr_bdp_bytes(const struct tcp_bbr *bbr, uint32_t percent)
{
	uint64_t bdp_bytes = (uint64_t)tcp_bbr_kbit_s(bbr) * bbr->min_rtt_us / 8000;
	return (uint32_t)MIN(bdp_bytes * percent / 100, (uint64_t)TCP_CC_WINDOW_BYTES_MAX);
}

static void learn_bandwidth(struct tcp_bbr *bbr, const struct tcp_rate *rate)
{
	if (rate->interval_us == 0)
		return;
	uint64_t sample = rate->delivered_bytes * 8000ull / rate->interval_us;
	uint32_t kbit_s = (uint32_t)MIN(sample, (uint64_t)(BBR_NONE - 1));
	bbr->round_kbit_s = MAX(bbr->round_kbit_s, kbit_s);
	bbr->is_app_limited = rate->is_app_limited;
	if (!rate->is_app_limited || kbit_s >= tcp_bbr_max_kbit_s(bbr))
		bbr->bw_kbit_s[0] = MAX(bbr->bw_kbit_s[0], kbit_s);
}

// learn_round_trip keeps a minimum of five seconds, whose end asks for PROBE_RTT, within one of
// ten.
static bool learn_round_trip(struct tcp_bbr *bbr, uint32_t rtt_us, uint32_t now_ms)
{
	if (rtt_us == 0)
		return false;
	bool is_first = bbr->min_rtt_us == 0;
	bool is_stale = !is_first && now_ms - bbr->probe_rtt_ms > PROBE_RTT_MS;
	if (is_first || is_stale || rtt_us < bbr->probe_rtt_us) {
		bbr->probe_rtt_us = rtt_us;
		bbr->probe_rtt_ms = now_ms;
	}
	if (is_first || bbr->probe_rtt_us < bbr->min_rtt_us ||
	    now_ms - bbr->min_rtt_ms > MIN_RTT_MS) {
		bbr->min_rtt_us = bbr->probe_rtt_us;
		bbr->min_rtt_ms = bbr->probe_rtt_ms;
	}
	if (is_first)
		bbr->recent_rtt_us = rtt_us;
	bbr->recent_rtt_us = (uint32_t)((7ull * bbr->recent_rtt_us + rtt_us) / 8);
	return is_stale;
}

bool tcp_bbr_learn(struct tcp_bbr *bbr, const struct tcp_cc_ack *ack)
{
	bbr->round_lost_bytes += ack->lost_bytes;
	bbr->round_delivered_bytes += ack->delivered_bytes;
	bbr->burst_bytes[0] = MAX(bbr->burst_bytes[0], ack->delivered_bytes);
	learn_bandwidth(bbr, &ack->rate);
	return learn_round_trip(bbr, ack->rtt_us, (uint32_t)(ack->now_us / 1000));
}

bool tcp_bbr_is_congested(const struct tcp_bbr *bbr, uint32_t mss)
{
	uint64_t lost_bytes = bbr->round_lost_bytes;
	uint64_t all_bytes = lost_bytes + bbr->round_delivered_bytes;
	bool has_queue = bbr->recent_rtt_us > bbr->min_rtt_us + bbr->min_rtt_us / 8 + QUEUE_US;
	if (bbr->is_marked)
		return true;
	if (has_queue)
		return lost_bytes >= LOSS_SEGMENTS * mss &&
		       lost_bytes * 100 > all_bytes * LOSS_PERCENT;
	return lost_bytes >= LOSS_ALONE_SEGMENTS * mss &&
	       lost_bytes * 100 > all_bytes * LOSS_ALONE_PERCENT;
}

void tcp_bbr_yield(struct tcp_bbr *bbr, uint32_t cwnd_bytes)
{
	uint32_t bw = bbr->bw_lo_kbit_s == BBR_NONE ? tcp_bbr_max_kbit_s(bbr) : bbr->bw_lo_kbit_s;
	uint32_t inflight = bbr->lo_bytes == BBR_NONE ? cwnd_bytes : bbr->lo_bytes;
	bw = (uint32_t)(bw * (uint64_t)BBR_BETA_PERCENT / 100);
	inflight = (uint32_t)(inflight * (uint64_t)BBR_BETA_PERCENT / 100);
	bbr->bw_lo_kbit_s = MAX(bbr->round_kbit_s, bw);
	bbr->lo_bytes = MAX(bbr->round_delivered_bytes, inflight);
}

void tcp_bbr_end_round(struct tcp_bbr *bbr)
{
	bbr->round_kbit_s = bbr->round_lost_bytes = bbr->round_delivered_bytes = 0;
	bbr->is_marked = false;
}

void tcp_bbr_end_cycle(struct tcp_bbr *bbr)
{
	if (!bbr->is_app_limited) {
		bbr->bw_kbit_s[1] = bbr->bw_kbit_s[0];
		bbr->bw_kbit_s[0] = 0;
	}
	bbr->burst_bytes[1] = bbr->burst_bytes[0];
	bbr->burst_bytes[0] = 0;
}
