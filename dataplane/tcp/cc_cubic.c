// SPDX-License-Identifier: Apache-2.0
// CUBIC (RFC 9438) in integers: windows in bytes, time in milliseconds. Slow start counts bytes
// (RFC 3465, L = 2). C = 0.4, beta = 0.7; equation numbers are RFC 9438's.
#include "tcp_cc.h"

#include "check.h"

#define BETA_PERCENT        70u
#define BETA_ECN_PERCENT    85u // RFC 8511
#define C_TENTHS            4u
#define OFFSET_MS_MAX       60000 // |t - K|: keeps the cube within 63 bits for any MSS
#define WINDOW_BYTES_MAX    (1u << 30)
#define WINDOW_SEGMENTS_MIN 2u

void tcp_cc_init(struct tcp_cc *cc, const struct tcp_cc_ops *ops, uint32_t mss)
{
	uint32_t initial_bytes = TCP_CC_INITIAL_SEGMENTS * mss;
	*cc = (struct tcp_cc){
		.ops = ops,
		.cwnd_bytes = MIN(initial_bytes, MAX(2 * mss, 14600u)), // RFC 6928 2
		.ssthresh_bytes = WINDOW_BYTES_MAX,
		.mss = mss,
	};
	ops->start(cc);
}

void tcp_cc_idle(struct tcp_cc *cc)
{
	uint32_t initial_bytes = TCP_CC_INITIAL_SEGMENTS * cc->mss;
	if (cc->cwnd_bytes > initial_bytes) {
		cc->cwnd_bytes = initial_bytes;
		cc->ops->start(cc);
	}
}

static void start(struct tcp_cc *cc)
{
	cc->epoch_us = 0;
	cc->grow_remainder = cc->est_remainder = 0;
}

static uint32_t cube_root(uint64_t of)
{
	uint32_t root = 0;
	for (int bit = 20; bit >= 0; bit--) {
		uint64_t tried = root | 1u << bit;
		if (tried * tried * tried <= of)
			root |= 1u << bit;
	}
	return root;
}

// begin_epoch sets K (equation 2) for the growth from cwnd back to w_max.
static void begin_epoch(struct tcp_cc *cc, uint64_t now_us)
{
	cc->epoch_us = now_us;
	cc->w_est_bytes = cc->cwnd_bytes;
	cc->grow_remainder = cc->est_remainder = 0;
	if (cc->w_max_bytes <= cc->cwnd_bytes) { // no loss yet, or passed it in slow start
		cc->w_max_bytes = cc->cwnd_bytes;
		cc->k_ms = 0;
		return;
	}
	uint64_t missing_bytes = cc->w_max_bytes - cc->cwnd_bytes;
	// K^3 = missing segments / C, in ms^3
	cc->k_ms = cube_root(missing_bytes * 10000000000ull / (C_TENTHS * cc->mss));
}

// w_cubic is equation 1, at elapsed_ms into the epoch.
static uint32_t w_cubic(const struct tcp_cc *cc, uint64_t elapsed_ms)
{
	int64_t offset_ms = (int64_t)MIN(elapsed_ms, (uint64_t)1 << 40) - (int64_t)cc->k_ms;
	offset_ms = MAX(MIN(offset_ms, (int64_t)OFFSET_MS_MAX), (int64_t)-OFFSET_MS_MAX);
	int64_t cube = offset_ms * offset_ms * offset_ms;
	int64_t grown = cube / 1000000000 * C_TENTHS * cc->mss / 10 +
			cube % 1000000000 * C_TENTHS * cc->mss / 10000000000;
	int64_t window = (int64_t)cc->w_max_bytes + grown;
	return (uint32_t)MAX(MIN(window, (int64_t)WINDOW_BYTES_MAX), (int64_t)cc->mss);
}

// share adds by * of / cwnd bytes to *window and keeps what the division left.
static void share(const struct tcp_cc *cc, uint32_t *window, uint64_t product, uint32_t *remainder)
{
	uint64_t sum = product + *remainder;
	uint64_t grown = *window + sum / cc->cwnd_bytes;
	*remainder = (uint32_t)(sum % cc->cwnd_bytes);
	*window = (uint32_t)MIN(grown, (uint64_t)WINDOW_BYTES_MAX);
}

// avoid_congestion is 4.3 to 4.5: the larger of CUBIC's and Reno's growth.
static void avoid_congestion(struct tcp_cc *cc, const struct tcp_cc_ack *ack, uint32_t acked_bytes)
{
	if (cc->epoch_us == 0)
		begin_epoch(cc, ack->now_us);
	uint64_t elapsed_ms = (ack->now_us - cc->epoch_us) / 1000;
	// alpha = 3 (1 - beta) / (1 + beta) = 9/17 until W_est reached cwnd_prior (4.3)
	uint64_t alpha_17ths = cc->w_est_bytes < cc->prior_bytes ? 9 : 17;
	share(cc, &cc->w_est_bytes, alpha_17ths * cc->mss * acked_bytes / 17, &cc->est_remainder);
	if (w_cubic(cc, elapsed_ms) < cc->w_est_bytes) {
		cc->cwnd_bytes = MAX(cc->cwnd_bytes, cc->w_est_bytes);
		return;
	}
	uint32_t target = w_cubic(cc, elapsed_ms + ack->srtt_us / 1000);
	target = MIN(target, cc->cwnd_bytes + cc->cwnd_bytes / 2);
	if (target > cc->cwnd_bytes)
		share(cc, &cc->cwnd_bytes, (uint64_t)(target - cc->cwnd_bytes) * acked_bytes,
		      &cc->grow_remainder);
}

static void acked(struct tcp_cc *cc, const struct tcp_cc_ack *ack)
{
	if (!ack->is_limited)
		return;
	uint32_t left = ack->acked_bytes;
	if (cc->cwnd_bytes < cc->ssthresh_bytes) { // slow start
		uint32_t grow = MIN(MIN(left, 2 * cc->mss), cc->ssthresh_bytes - cc->cwnd_bytes);
		cc->cwnd_bytes = MIN(cc->cwnd_bytes + grow, WINDOW_BYTES_MAX);
		return;
	}
	avoid_congestion(cc, ack, left);
}

static void reduce(struct tcp_cc *cc, uint32_t in_flight_bytes, uint32_t beta_percent)
{
	uint32_t window = MIN(cc->cwnd_bytes, MAX(in_flight_bytes, cc->mss));
	cc->undo_cwnd_bytes = cc->cwnd_bytes;
	cc->undo_ssthresh_bytes = cc->ssthresh_bytes;
	cc->undo_w_max_bytes = cc->w_max_bytes;
	cc->prior_bytes = cc->cwnd_bytes;
	if (cc->cwnd_bytes < cc->w_max_bytes) // fast convergence (4.7)
		cc->w_max_bytes = (uint32_t)(cc->cwnd_bytes * 17ull / 20);
	else
		cc->w_max_bytes = cc->cwnd_bytes;
	uint32_t reduced = (uint32_t)(window * (uint64_t)beta_percent / 100);
	cc->ssthresh_bytes = MAX(reduced, WINDOW_SEGMENTS_MIN * cc->mss); // equation 5
	start(cc);
}

static void lost(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t)
{
	reduce(cc, in_flight_bytes, BETA_PERCENT);
	cc->cwnd_bytes = cc->ssthresh_bytes;
}

// marked is RFC 8511: less than for a loss, since the queue that marked was short.
static void marked(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t)
{
	reduce(cc, in_flight_bytes, BETA_ECN_PERCENT);
	cc->cwnd_bytes = MIN(cc->cwnd_bytes, cc->ssthresh_bytes);
}

static void expired(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t)
{
	reduce(cc, in_flight_bytes, BETA_PERCENT);
	cc->cwnd_bytes = cc->mss; // RFC 5681 loss window
}

static void undo(struct tcp_cc *cc)
{
	cc->cwnd_bytes = MAX(cc->cwnd_bytes, cc->undo_cwnd_bytes);
	cc->ssthresh_bytes = MAX(cc->ssthresh_bytes, cc->undo_ssthresh_bytes);
	cc->w_max_bytes = cc->undo_w_max_bytes;
	start(cc);
}

const struct tcp_cc_ops tcp_cc_cubic = {
	.name = "cubic",
	.start = start,
	.acked = acked,
	.lost = lost,
	.marked = marked,
	.expired = expired,
	.undo = undo,
};
