// SPDX-License-Identifier: Apache-2.0
// BBR (after draft-ietf-ccwg-bbr, its version 3): sends at the bandwidth that the path was seen to
// have, with a round trip's worth in flight, and probes for more of the one and less of the other.
// Losses do not shrink the window; where they show congestion they bound the model.
//
//   STARTUP ──full──▶ DRAIN ──empty──▶ DOWN ─▶ CRUISE ─▶ REFILL ─▶ UP ─▶ DOWN ...
//                                        any of them ──5 s──▶ PROBE_RTT ──200 ms──▶ DOWN
#include "cc_bbr.h"

#include "check.h"

#define FULL_ROUNDS     3u // of less than a quarter more bandwidth
#define PROBE_RTT_MS    200u
#define WAIT_MS         2000u // to the next probe, and up to a second more
#define WAIT_ROUNDS_MAX 63u   // but no more round trips than Reno would need
#define UP_ROUNDS_MAX   30u
#define BURST_BYTES_MAX 65536u
#define MARGIN_PERCENT  99u // of the bandwidth is used: queues drain

// What a state does: percent of the model's bandwidth, and of its product with the round trip.
static const struct {
	uint16_t pacing_percent;
	uint16_t window_percent;
} gains[BBR_STATE_COUNT] = {
	[BBR_STARTUP] = {277, 200},  [BBR_DRAIN] = {50, 200},   [BBR_DOWN] = {90, 200},
	[BBR_CRUISE] = {100, 200},   [BBR_REFILL] = {100, 200}, [BBR_UP] = {125, 225},
	[BBR_PROBE_RTT] = {100, 50},
};

#define X(state, text) [BBR_##state] = text,
static const char *const state_names[BBR_STATE_COUNT] = {BBR_STATES(X)};
#undef X

static const char *state(const struct tcp_cc *cc)
{
	return state_names[cc->bbr.state];
}

static void enter(struct tcp_bbr *bbr, enum tcp_bbr_state state, uint32_t now_ms)
{
	bbr->state = (uint8_t)state;
	bbr->entered_ms = now_ms;
	bbr->rounds = 0;
}

// -- the cycle

// enter_down drains what a probe queued and chooses when the next one is.
static void enter_down(struct tcp_bbr *bbr, uint32_t now_ms)
{
	bbr->wait_ms = (uint16_t)(WAIT_MS + (now_ms * 2654435761u >> 22)); // 0 to 1023 more
	bbr->has_probed = true;
	enter(bbr, BBR_DOWN, now_ms);
}

static void enter_refill(struct tcp_bbr *bbr, uint32_t now_ms)
{
	bbr->bw_lo_kbit_s = bbr->lo_bytes = BBR_NONE;
	bbr->up_bytes = bbr->up_rounds = 0;
	enter(bbr, BBR_REFILL, now_ms);
}

static bool is_probe_due(const struct tcp_cc *cc, uint32_t now_ms)
{
	const struct tcp_bbr *bbr = &cc->bbr;
	uint32_t reno_rounds = tcp_bbr_bdp_bytes(bbr, 100) / cc->mss;
	return now_ms - bbr->entered_ms > bbr->wait_ms ||
	       bbr->rounds >= MAX(MIN(reno_rounds, WAIT_ROUNDS_MAX), 1u);
}

// hold_bytes is what may be in flight where others should find room.
static uint32_t hold_bytes(const struct tcp_cc *cc)
{
	const struct tcp_bbr *bbr = &cc->bbr;
	uint32_t bytes = tcp_bbr_bdp_bytes(bbr, 100);
	if (bbr->hi_bytes != BBR_NONE)
		bytes = MIN(bytes,
			    (uint32_t)(bbr->hi_bytes * (uint64_t)BBR_HEADROOM_PERCENT / 100));
	return MAX(bytes, BBR_SEGMENTS_MIN * cc->mss);
}

// raise_hi lets a probe that fills inflight_hi go beyond it, faster with each round trip.
static void raise_hi(struct tcp_cc *cc, const struct tcp_cc_ack *ack)
{
	struct tcp_bbr *bbr = &cc->bbr;
	if (bbr->hi_bytes == BBR_NONE || ack->prior_in_flight_bytes + cc->mss < bbr->hi_bytes)
		return;
	bbr->up_bytes += ack->delivered_bytes;
	if (ack->is_round_start)
		bbr->up_rounds = (uint8_t)MIN(bbr->up_rounds + 1u, UP_ROUNDS_MAX);
	uint32_t step_bytes = MAX(bbr->hi_bytes >> MIN(bbr->up_rounds, 16u), cc->mss);
	while (bbr->up_bytes >= step_bytes && bbr->hi_bytes < TCP_CC_WINDOW_BYTES_MAX) {
		bbr->up_bytes -= step_bytes;
		bbr->hi_bytes += cc->mss;
	}
}

// step_up ends a probe that filled a quarter more than the path holds; is_congested ended before.
static void step_up(struct tcp_cc *cc, const struct tcp_cc_ack *ack, uint32_t now_ms)
{
	struct tcp_bbr *bbr = &cc->bbr;
	raise_hi(cc, ack);
	uint32_t full_bytes = tcp_bbr_bdp_bytes(bbr, 125) + 2 * cc->mss;
	bool is_long = (now_ms - bbr->entered_ms) * 1000 > bbr->min_rtt_us;
	if (is_long && bbr->rounds > 0 && ack->prior_in_flight_bytes >= full_bytes)
		enter_down(bbr, now_ms);
}

static void step_probe_rtt(struct tcp_cc *cc, const struct tcp_cc_ack *ack, uint32_t now_ms)
{
	struct tcp_bbr *bbr = &cc->bbr;
	uint32_t floor_bytes = MAX(tcp_bbr_bdp_bytes(bbr, 50), BBR_SEGMENTS_MIN * cc->mss);
	if (!bbr->is_low && ack->in_flight_bytes <= floor_bytes) {
		bbr->is_low = true;
		enter(bbr, BBR_PROBE_RTT, now_ms);
	}
	if (!bbr->is_low || bbr->rounds == 0 || now_ms - bbr->entered_ms < PROBE_RTT_MS)
		return;
	bbr->probe_rtt_ms = now_ms;
	cc->cwnd_bytes = MAX(cc->cwnd_bytes, bbr->prior_cwnd_bytes);
	bbr->prior_cwnd_bytes = 0;
	if (bbr->is_full)
		enter_down(bbr, now_ms);
	else
		enter(bbr, BBR_STARTUP, now_ms);
}

static void step(struct tcp_cc *cc, const struct tcp_cc_ack *ack, uint32_t now_ms)
{
	struct tcp_bbr *bbr = &cc->bbr;
	switch (bbr->state) {
	case BBR_STARTUP:
		if (bbr->is_full) {
			tcp_cc_note(cc, TCP_CC_FULL);
			enter(bbr, BBR_DRAIN, now_ms);
		}
		break;
	case BBR_DRAIN:
		if (ack->in_flight_bytes <= tcp_bbr_bdp_bytes(bbr, 100))
			enter_down(bbr, now_ms);
		break;
	case BBR_DOWN:
		if (ack->in_flight_bytes <= hold_bytes(cc))
			bbr->state = BBR_CRUISE; // its time and rounds count from DOWN on
		break;
	case BBR_CRUISE:
		if (is_probe_due(cc, now_ms))
			enter_refill(bbr, now_ms);
		break;
	case BBR_REFILL:
		if (bbr->rounds > 0) {
			tcp_cc_note(cc, TCP_CC_PROBE_UP);
			enter(bbr, BBR_UP, now_ms);
		}
		break;
	case BBR_UP: step_up(cc, ack, now_ms); break;
	default: step_probe_rtt(cc, ack, now_ms);
	}
}

// -- a round trip ended

// check_full ends STARTUP when bandwidth stopped growing.
static void check_full(struct tcp_bbr *bbr)
{
	uint32_t max_kbit_s = tcp_bbr_max_kbit_s(bbr);
	if (bbr->is_full || bbr->is_app_limited)
		return;
	if (max_kbit_s >= bbr->full_kbit_s + bbr->full_kbit_s / 4) {
		bbr->full_kbit_s = max_kbit_s;
		bbr->full_rounds = 0;
	} else if (++bbr->full_rounds >= FULL_ROUNDS) {
		bbr->is_full = true;
	}
}

// bear_congestion lowers what the state lets losses lower.
static void bear_congestion(struct tcp_cc *cc, const struct tcp_cc_ack *ack, uint32_t now_ms)
{
	struct tcp_bbr *bbr = &cc->bbr;
	uint32_t bdp_bytes = tcp_bbr_bdp_bytes(bbr, 100);
	bool is_probing =
		bbr->state == BBR_STARTUP || bbr->state == BBR_REFILL || bbr->state == BBR_UP;
	tcp_cc_note(cc, is_probing ? TCP_CC_CUT : TCP_CC_YIELDED);
	switch (bbr->state) {
	case BBR_STARTUP:
		bbr->is_full = true;
		bbr->hi_bytes = MAX(bdp_bytes, bbr->round_delivered_bytes);
		break;
	case BBR_REFILL:
	case BBR_UP:
		bbr->hi_bytes =
			MAX(ack->prior_in_flight_bytes, tcp_bbr_bdp_bytes(bbr, BBR_BETA_PERCENT));
		enter_down(bbr, now_ms);
		break;
	default: tcp_bbr_yield(bbr, cc->cwnd_bytes);
	}
}

static void end_round(struct tcp_cc *cc, const struct tcp_cc_ack *ack, uint32_t now_ms)
{
	struct tcp_bbr *bbr = &cc->bbr;
	bbr->rounds = (uint8_t)MIN(bbr->rounds + 1u, 255u);
	if (bbr->has_probed) { // what the probe sent has been acknowledged
		tcp_bbr_end_cycle(bbr);
		bbr->has_probed = false;
	}
	check_full(bbr);
	if (tcp_bbr_is_congested(bbr, cc->mss))
		bear_congestion(cc, ack, now_ms);
	tcp_bbr_end_round(bbr);
}

// -- what follows from the model

static void set_pacing(struct tcp_cc *cc, const struct tcp_cc_ack *ack)
{
	const struct tcp_bbr *bbr = &cc->bbr;
	uint64_t percent = gains[bbr->state].pacing_percent;
	uint64_t rate = tcp_bbr_kbit_s(bbr) * 125ull * percent / 100 * MARGIN_PERCENT / 100;
	if (rate == 0 && ack->srtt_us)
		rate = cc->cwnd_bytes * 10000 * percent / ack->srtt_us;
	if (bbr->is_full || rate > cc->pacing_bytes_per_s)
		cc->pacing_bytes_per_s = rate;
}

static uint32_t bound_bytes(const struct tcp_bbr *bbr)
{
	uint32_t bytes = BBR_NONE;
	if (bbr->hi_bytes != BBR_NONE && bbr->is_full) {
		bool is_modest = bbr->state == BBR_CRUISE || bbr->state == BBR_PROBE_RTT;
		uint64_t percent = is_modest ? BBR_HEADROOM_PERCENT : 100;
		bytes = (uint32_t)(bbr->hi_bytes * percent / 100);
	}
	return MIN(bytes, bbr->lo_bytes);
}

static void set_window(struct tcp_cc *cc, const struct tcp_cc_ack *ack)
{
	const struct tcp_bbr *bbr = &cc->bbr;
	uint32_t least_bytes = BBR_SEGMENTS_MIN * cc->mss;
	uint64_t tick_bytes = MIN(cc->pacing_bytes_per_s / 1000, (uint64_t)BURST_BYTES_MAX);
	uint64_t room_bytes =
		3 * MAX(tick_bytes, 2ull * cc->mss) + MAX(bbr->burst_bytes[0], bbr->burst_bytes[1]);
	uint64_t target = tcp_bbr_bdp_bytes(bbr, gains[bbr->state].window_percent) + room_bytes;
	uint64_t window = (uint64_t)cc->cwnd_bytes + ack->delivered_bytes;
	if (bbr->is_full)
		window = MIN(window, target);
	else if (cc->cwnd_bytes >= target && cc->cwnd_bytes > tcp_cc_initial_bytes(cc))
		window = cc->cwnd_bytes;
	if (bbr->state == BBR_PROBE_RTT)
		window = MIN(window, (uint64_t)tcp_bbr_bdp_bytes(bbr, 50));
	window = MIN(window, (uint64_t)bound_bytes(bbr));
	window = MIN(window, (uint64_t)TCP_CC_WINDOW_BYTES_MAX);
	cc->cwnd_bytes = (uint32_t)MAX(window, (uint64_t)least_bytes);
}

static void start(struct tcp_cc *cc)
{
	tcp_bbr_model_init(&cc->bbr);
}

static void acked(struct tcp_cc *cc, const struct tcp_cc_ack *ack)
{
	struct tcp_bbr *bbr = &cc->bbr;
	uint32_t now_ms = (uint32_t)(ack->now_us / 1000);
	bool is_probe_rtt_due = tcp_bbr_learn(bbr, ack);
	if (ack->is_round_start)
		end_round(cc, ack, now_ms);
	if (is_probe_rtt_due && bbr->state != BBR_PROBE_RTT) {
		bbr->prior_cwnd_bytes = MAX(bbr->prior_cwnd_bytes, cc->cwnd_bytes);
		bbr->is_low = false;
		tcp_cc_note(cc, TCP_CC_PROBE_RTT);
		enter(bbr, BBR_PROBE_RTT, now_ms);
	}
	step(cc, ack, now_ms);
	if (bbr->is_expired && !ack->is_in_recovery) {
		bbr->is_expired = false;
		cc->cwnd_bytes = MAX(cc->cwnd_bytes, bbr->prior_cwnd_bytes);
		bbr->prior_cwnd_bytes = 0;
	}
	set_pacing(cc, ack);
	set_window(cc, ack);
}

// lost only remembers: whether losses mean congestion a whole round trip tells.
static void lost(struct tcp_cc *cc, uint32_t, uint64_t)
{
	struct tcp_bbr *bbr = &cc->bbr;
	bbr->undo_bw_lo_kbit_s = bbr->bw_lo_kbit_s;
	bbr->undo_hi_bytes = bbr->hi_bytes;
	bbr->undo_lo_bytes = bbr->lo_bytes;
}

static void expired(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t now_us)
{
	struct tcp_bbr *bbr = &cc->bbr;
	lost(cc, in_flight_bytes, now_us);
	bbr->prior_cwnd_bytes = MAX(bbr->prior_cwnd_bytes, cc->cwnd_bytes);
	bbr->is_expired = true;
	cc->cwnd_bytes = cc->mss;
}

static void undo(struct tcp_cc *cc)
{
	struct tcp_bbr *bbr = &cc->bbr;
	bbr->bw_lo_kbit_s = MAX(bbr->bw_lo_kbit_s, bbr->undo_bw_lo_kbit_s);
	bbr->hi_bytes = MAX(bbr->hi_bytes, bbr->undo_hi_bytes);
	bbr->lo_bytes = MAX(bbr->lo_bytes, bbr->undo_lo_bytes);
	if (bbr->is_expired)
		cc->cwnd_bytes = MAX(cc->cwnd_bytes, bbr->prior_cwnd_bytes);
	bbr->is_expired = false;
}

static void marked(struct tcp_cc *cc, uint32_t, uint64_t)
{
	cc->bbr.is_marked = true;
}

// idled needs nothing: the pace holds back what a window would send at once.
static void idled(struct tcp_cc *) {}

const struct tcp_cc_ops tcp_cc_bbr = {
	"bbr", true, start, acked, lost, expired, undo, marked, idled, state,
};
