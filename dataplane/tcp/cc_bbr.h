// SPDX-License-Identifier: Apache-2.0
// BBR's two halves (after draft-ietf-ccwg-bbr): cc_bbr_model.c learns what the path is from ACKs,
// cc_bbr.c decides from it how to probe, how fast to send and how much to have in flight. Nobody
// but the two includes it. Bandwidth in kbit/s, times of day in milliseconds modulo 2^32.
#pragma once

#include "tcp_cc.h"

#define BBR_NONE             UINT32_MAX // no bound known
#define BBR_SEGMENTS_MIN     4u         // MinPipeCwnd
#define BBR_HEADROOM_PERCENT 85u        // of inflight_hi is used where others should find room
#define BBR_BETA_PERCENT     70u

// In PROBE_BW: DOWN to UP, in the order of a cycle.
#define BBR_STATES(X)                                                                              \
	X(STARTUP, "startup")                                                                      \
	X(DRAIN, "drain")                                                                          \
	X(DOWN, "down")                                                                            \
	X(CRUISE, "cruise")                                                                        \
	X(REFILL, "refill")                                                                        \
	X(UP, "up")                                                                                \
	X(PROBE_RTT, "probe-rtt")

#define X(state, text) BBR_##state,
enum tcp_bbr_state { BBR_STATES(X) BBR_STATE_COUNT };
#undef X

// tcp_bbr_model_init knows nothing yet.
void tcp_bbr_model_init(struct tcp_bbr *bbr);

// tcp_bbr_learn takes an ACK: bandwidth, round trip, losses. Returns true when round trips have not
// been seen without a queue for so long that PROBE_RTT is due.
bool tcp_bbr_learn(struct tcp_bbr *bbr, const struct tcp_cc_ack *ack);

// tcp_bbr_is_congested judges the round trip that ends: more was lost than a path loses by chance,
// or it was marked. mss is a segment's bytes.
bool tcp_bbr_is_congested(const struct tcp_bbr *bbr, uint32_t mss);

// tcp_bbr_yield lowers the short-term bounds after a congested round trip; cwnd_bytes is the
// window.
void tcp_bbr_yield(struct tcp_bbr *bbr, uint32_t cwnd_bytes);

// tcp_bbr_end_round begins the counts of the next round trip; tcp_bbr_end_cycle forgets bandwidth
// older than the last probe's.
void tcp_bbr_end_round(struct tcp_bbr *bbr);
void tcp_bbr_end_cycle(struct tcp_bbr *bbr);

// tcp_bbr_max_kbit_s is the path's bandwidth, tcp_bbr_kbit_s what is used of it now.
uint32_t tcp_bbr_max_kbit_s(const struct tcp_bbr *bbr);
uint32_t tcp_bbr_kbit_s(const struct tcp_bbr *bbr);

// tcp_bbr_bdp_bytes is so many percent of bandwidth times round trip.
uint32_t tcp_bbr_bdp_bytes(const struct tcp_bbr *bbr, uint32_t percent);
