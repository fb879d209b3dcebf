// SPDX-License-Identifier: Apache-2.0
// CUBIC (RFC 9438) in integers: windows in bytes, time in milliseconds. C = 0.4, beta = 0.7;
// equation numbers are RFC 9438's. Slow start counts bytes (RFC 3465) and is left by HyStart++
// (RFC 9406); a window that is not used does not grow, and shrinks after five minutes (RFC 7661).
#include "tcp_cc.h"

#include "check.h"

#define BETA_LOSS           70u // hundredths
#define BETA_MARK           85u // RFC 8511: a mark comes before the queue is full
#define C_TENTHS            4u
#define OFFSET_MS_MAX       60000 // |t - K|: keeps the cube within 63 bits for any MSS
#define WINDOW_SEGMENTS_MIN 2u

static void leave_epoch(struct tcp_cc *cc)
{
	cc->cubic.epoch_us = 0;
	cc->cubic.grow_remainder = cc->cubic.est_remainder = 0;
}

static void start(struct tcp_cc *cc)
{
	cc->cubic = (struct tcp_cubic){0};
	tcp_hystart_init(&cc->cubic.hystart);
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
	struct tcp_cubic *cubic = &cc->cubic;
	cubic->epoch_us = cubic->acked_us = now_us;
	cubic->w_est_bytes = cc->cwnd_bytes;
	cubic->grow_remainder = cubic->est_remainder = 0;
	if (cubic->w_max_bytes <= cc->cwnd_bytes) { // no loss yet, or passed it in slow start
		cubic->w_max_bytes = cc->cwnd_bytes;
		cubic->k_ms = 0;
		return;
	}
	uint64_t missing_bytes = cubic->w_max_bytes - cc->cwnd_bytes;
	// K^3 = missing segments / C, in ms^3
	cubic->k_ms = cube_root(missing_bytes * 10000000000ull / (C_TENTHS * cc->mss));
}

// w_cubic is equation 1, at elapsed_ms into the epoch.
static uint32_t w_cubic(const struct tcp_cc *cc, uint64_t elapsed_ms)
{
	const struct tcp_cubic *cubic = &cc->cubic;
	int64_t offset_ms = (int64_t)MIN(elapsed_ms, (uint64_t)1 << 40) - (int64_t)cubic->k_ms;
	offset_ms = MAX(MIN(offset_ms, (int64_t)OFFSET_MS_MAX), (int64_t)-OFFSET_MS_MAX);
	int64_t cube = offset_ms * offset_ms * offset_ms;
	int64_t grown = cube / 1000000000 * C_TENTHS * cc->mss / 10 +
			cube % 1000000000 * C_TENTHS * cc->mss / 10000000000;
	int64_t window = (int64_t)cubic->w_max_bytes + grown;
	return (uint32_t)MAX(MIN(window, (int64_t)TCP_CC_WINDOW_BYTES_MAX), (int64_t)cc->mss);
}

// share adds by * of / cwnd bytes to *window and keeps what the division left.
static void share(const struct tcp_cc *cc, uint32_t *window, uint64_t product, uint32_t *remainder)
{
	uint64_t sum = product + *remainder;
	uint64_t grown = *window + sum / cc->cwnd_bytes;
	*remainder = (uint32_t)(sum % cc->cwnd_bytes);
	*window = (uint32_t)MIN(grown, (uint64_t)TCP_CC_WINDOW_BYTES_MAX);
}

// avoid_congestion is 4.3 to 4.5: the larger of CUBIC's and Reno's growth.
static void avoid_congestion(struct tcp_cc *cc, const struct tcp_cc_ack *ack)
{
	struct tcp_cubic *cubic = &cc->cubic;
	uint32_t acked_bytes = ack->acked_bytes;
	if (cubic->epoch_us == 0)
		begin_epoch(cc, ack->now_us);
	cubic->acked_us = ack->now_us;
	uint64_t elapsed_ms = (ack->now_us - cubic->epoch_us) / 1000;
	// alpha = 3 (1 - beta) / (1 + beta) = 9/17 until W_est reached cwnd_prior (4.3)
	uint64_t alpha_17ths = cubic->w_est_bytes < cubic->prior_bytes ? 9 : 17;
	share(cc, &cubic->w_est_bytes, alpha_17ths * cc->mss * acked_bytes / 17,
	      &cubic->est_remainder);
	if (w_cubic(cc, elapsed_ms) < cubic->w_est_bytes) {
		cc->cwnd_bytes = MAX(cc->cwnd_bytes, cubic->w_est_bytes);
		return;
	}
	uint32_t target = w_cubic(cc, elapsed_ms + ack->srtt_us / 1000);
	target = MIN(target, cc->cwnd_bytes + cc->cwnd_bytes / 2);
	if (target > cc->cwnd_bytes)
		share(cc, &cc->cwnd_bytes, (uint64_t)(target - cc->cwnd_bytes) * acked_bytes,
		      &cubic->grow_remainder);
}

// note_phase tells where HyStart++ went from phase before.
static void note_phase(struct tcp_cc *cc, uint8_t before)
{
	static const enum tcp_cc_event entered[] = {
		[TCP_HYSTART_SLOW_START] = TCP_CC_RESUMED,
		[TCP_HYSTART_CSS] = TCP_CC_SLOWER,
		[TCP_HYSTART_OFF] = TCP_CC_DELAYED,
	};
	if (cc->cubic.hystart.phase != before)
		tcp_cc_note(cc, entered[cc->cubic.hystart.phase]);
}

// slow_start counts what arrived; in recovery after a timeout not what was SACKed long ago.
static void slow_start(struct tcp_cc *cc, const struct tcp_cc_ack *ack)
{
	uint32_t bytes = ack->acked_bytes;
	if (ack->is_in_recovery)
		bytes = MIN(bytes, ack->delivered_bytes);
	if (!cc->is_paced)
		bytes = MIN(bytes, TCP_CC_BURST_SEGMENTS * cc->mss);
	uint8_t phase = cc->cubic.hystart.phase;
	bytes = tcp_hystart_acked(&cc->cubic.hystart, ack, bytes);
	note_phase(cc, phase);
	bool is_initial = cc->ssthresh_bytes == TCP_CC_WINDOW_BYTES_MAX;
	if (is_initial && cc->cubic.hystart.phase == TCP_HYSTART_OFF)
		cc->ssthresh_bytes = cc->cwnd_bytes; // RFC 9406: congestion avoidance from here on
	else
		cc->cwnd_bytes += MIN(bytes, cc->ssthresh_bytes - cc->cwnd_bytes);
}

// shrink forgets a window that was not used for long: halve it, or restart (RFC 7661 4.4).
static void shrink(struct tcp_cc *cc, uint32_t cwnd_bytes)
{
	if (cwnd_bytes >= cc->cwnd_bytes)
		return;
	cc->ssthresh_bytes = MAX(cc->ssthresh_bytes, cc->cwnd_bytes / 4 * 3);
	cc->cwnd_bytes = cwnd_bytes;
	leave_epoch(cc);
}

// pass_unused is for ACKs of a window that was not filled: it does not grow, and the curve does
// not go on (5.8).
static void pass_unused(struct tcp_cc *cc, const struct tcp_cc_ack *ack)
{
	struct tcp_cubic *cubic = &cc->cubic;
	if (cubic->epoch_us) {
		cubic->epoch_us += ack->now_us - cubic->acked_us;
		cubic->acked_us = ack->now_us;
	}
	if (ack->now_us - cubic->used_us > TCP_CC_VALID_US) {
		shrink(cc, MAX(cc->cwnd_bytes / 2, tcp_cc_initial_bytes(cc)));
		cubic->used_us = ack->now_us;
	}
}

static void acked(struct tcp_cc *cc, const struct tcp_cc_ack *ack)
{
	if (ack->is_limited || cc->cubic.used_us == 0)
		cc->cubic.used_us = ack->now_us;
	if (!ack->is_limited)
		pass_unused(cc, ack);
	else if (cc->cwnd_bytes < cc->ssthresh_bytes)
		slow_start(cc, ack);
	else
		avoid_congestion(cc, ack);
}

// note_undo keeps what undo restores.
static void note_undo(struct tcp_cc *cc)
{
	struct tcp_cubic *cubic = &cc->cubic;
	cubic->undo.cwnd_bytes = cc->cwnd_bytes;
	cubic->undo.ssthresh_bytes = cc->ssthresh_bytes;
	cubic->undo.epoch_us = cubic->epoch_us;
	cubic->undo.w_max_bytes = cubic->w_max_bytes;
	cubic->undo.prior_bytes = cubic->prior_bytes;
	cubic->undo.w_est_bytes = cubic->w_est_bytes;
	cubic->undo.k_ms = cubic->k_ms;
}

// reduce is 4.6 and 4.7 to so many hundredths of the window, or of what was in flight where the
// window was not used.
static void reduce(struct tcp_cc *cc, uint32_t in_flight_bytes, uint32_t hundredths)
{
	struct tcp_cubic *cubic = &cc->cubic;
	bool is_used = in_flight_bytes >= cc->cwnd_bytes / 4 * 3; // the rest waits for its pace
	uint32_t window = is_used ? cc->cwnd_bytes : MAX(in_flight_bytes, cc->mss);
	if (cc->cwnd_bytes < cc->ssthresh_bytes)
		tcp_cc_note(cc, TCP_CC_OVERRAN);
	note_undo(cc);
	cubic->prior_bytes = cc->cwnd_bytes;
	if (cc->cwnd_bytes < cubic->w_max_bytes) // fast convergence
		cubic->w_max_bytes = (uint32_t)(cc->cwnd_bytes * 17ull / 20);
	else
		cubic->w_max_bytes = cc->cwnd_bytes;
	uint32_t reduced = (uint32_t)(window * (uint64_t)hundredths / 100);
	cc->ssthresh_bytes = MAX(reduced, WINDOW_SEGMENTS_MIN * cc->mss); // equation 5
	cubic->hystart.phase = TCP_HYSTART_OFF;
	leave_epoch(cc);
}

static void lost(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t)
{
	reduce(cc, in_flight_bytes, BETA_LOSS);
	cc->cwnd_bytes = cc->ssthresh_bytes;
}

static void expired(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t)
{
	reduce(cc, in_flight_bytes, BETA_LOSS);
	cc->cwnd_bytes = cc->mss; // RFC 5681 loss window
}

static void marked(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t)
{
	reduce(cc, in_flight_bytes, BETA_MARK);
	cc->cwnd_bytes = cc->ssthresh_bytes;
	note_undo(cc); // a loss before it that was none does not take it back
}

// undo is 4.9.
static void undo(struct tcp_cc *cc)
{
	struct tcp_cubic *cubic = &cc->cubic;
	cc->cwnd_bytes = MAX(cc->cwnd_bytes, cubic->undo.cwnd_bytes);
	cc->ssthresh_bytes = MAX(cc->ssthresh_bytes, cubic->undo.ssthresh_bytes);
	cubic->epoch_us = cubic->undo.epoch_us;
	cubic->w_max_bytes = cubic->undo.w_max_bytes;
	cubic->prior_bytes = cubic->undo.prior_bytes;
	cubic->w_est_bytes = cubic->undo.w_est_bytes;
	cubic->k_ms = cubic->undo.k_ms;
	if (cc->ssthresh_bytes == TCP_CC_WINDOW_BYTES_MAX)
		tcp_hystart_init(&cubic->hystart);
}

static void idled(struct tcp_cc *cc)
{
	shrink(cc, tcp_cc_initial_bytes(cc));
	if (cc->cubic.hystart.phase != TCP_HYSTART_OFF)
		tcp_hystart_init(&cc->cubic.hystart);
}

static const char *state(const struct tcp_cc *cc)
{
	const struct tcp_cubic *cubic = &cc->cubic;
	if (cc->cwnd_bytes < cc->ssthresh_bytes)
		return cubic->hystart.phase == TCP_HYSTART_CSS ? "slower-start" : "slow-start";
	if (cubic->epoch_us == 0)
		return "avoidance"; // nothing was acknowledged since it began
	if (cc->cwnd_bytes <= cubic->w_est_bytes)
		return "reno-friendly";
	return cc->cwnd_bytes < cubic->w_max_bytes ? "concave" : "convex";
}

const struct tcp_cc_ops tcp_cc_cubic = {
	.name = "cubic",
	.start = start,
	.acked = acked,
	.lost = lost,
	.expired = expired,
	.undo = undo,
	.marked = marked,
	.idled = idled,
	.state = state,
};
