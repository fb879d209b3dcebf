// SPDX-License-Identifier: Apache-2.0
// Congestion control as a const table of functions: one algorithm a file. Pure: windows in bytes,
// time handed in. What one algorithm keeps of a connection lies in a union, since idle connections
// count in memory.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define TCP_CC_INITIAL_SEGMENTS  10u // RFC 6928
#define TCP_CC_WINDOW_BYTES_MAX  (1u << 30)
#define TCP_CC_BURST_SEGMENTS    8u         // L of RFC 9406 for connections that are not paced
#define TCP_CC_VALID_US          300000000u // NVP of RFC 7661: an unused window lives so long
#define TCP_HYSTART_RTT_US_NEVER UINT32_MAX

// What an algorithm did, for the counters: EVENT(name, counter of tcp).
#define TCP_CC_EVENTS(EVENT)                                                                       \
	EVENT(SLOWER, hystart_slower)                                                              \
	EVENT(RESUMED, hystart_resumed)                                                            \
	EVENT(DELAYED, hystart_exits)                                                              \
	EVENT(OVERRAN, slow_start_losses)                                                          \
	EVENT(FULL, bbr_full)                                                                      \
	EVENT(PROBE_UP, bbr_probes)                                                                \
	EVENT(PROBE_RTT, bbr_rtt_probes)                                                           \
	EVENT(CUT, bbr_cuts)                                                                       \
	EVENT(YIELDED, bbr_yields)

#define X(name, counter) TCP_CC_##name,
enum tcp_cc_event { TCP_CC_EVENTS(X) TCP_CC_EVENT_COUNT };
#undef X

struct tcp_cc;

// A delivery-rate sample (draft-cheng-iccrg-delivery-rate-estimation); interval_us 0: none.
struct tcp_rate {
	uint32_t delivered_bytes;
	uint32_t interval_us;
	bool is_app_limited; // the application did not fill the path
};

// What one ACK told.
struct tcp_cc_ack {
	uint64_t now_us;
	uint32_t acked_bytes;     // newly acknowledged, cumulatively
	uint32_t delivered_bytes; // newly, cumulatively or by SACK
	uint32_t lost_bytes;      // newly marked lost
	uint32_t in_flight_bytes; // after this ACK
	uint32_t prior_in_flight_bytes;
	uint32_t srtt_us; // 0 = unknown
	uint32_t rtt_us;  // newest sample of this ACK; 0 = none
	bool is_limited;  // the window was what held us back (RFC 9438 5.8)
	bool is_in_recovery;
	bool is_round_start; // something sent after the last round trip's end was delivered
	struct tcp_rate rate;
};

struct tcp_cc_ops {
	const char *name;
	// wants_all_acks: acked is called for every ACK and owns the window in recovery too, and
	// pacing_bytes_per_s always; else recovery has the window (RFC 6937).
	bool wants_all_acks;
	// start resets cc's own state; cwnd and ssthresh are set already.
	void (*start)(struct tcp_cc *cc);
	// acked grows the window; but for wants_all_acks it is not called during fast recovery.
	void (*acked)(struct tcp_cc *cc, const struct tcp_cc_ack *ack);
	// lost reacts to a loss found by acknowledgements; in_flight_bytes as before it.
	void (*lost)(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t now_us);
	// expired reacts to a first retransmission timeout.
	void (*expired)(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t now_us);
	// undo takes the newest reaction back: nothing had been lost.
	void (*undo)(struct tcp_cc *cc);
	// marked reacts to a peer's ECN-Echo, called once a round trip (RFC 3168 6.1.2).
	void (*marked)(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t now_us);
	// idled restarts after a pause longer than the RTO (RFC 5681 4.1).
	void (*idled)(struct tcp_cc *cc);
	// state names what it does now, for operators.
	const char *(*state)(const struct tcp_cc *cc);
};

enum tcp_hystart_phase {
	TCP_HYSTART_SLOW_START,
	TCP_HYSTART_CSS, // conservative slow start
	TCP_HYSTART_OFF, // done for this connection
};

// HyStart++ (RFC 9406): leaves slow start when round trips grow longer.
struct tcp_hystart {
	uint32_t last_min_us; // lastRoundMinRTT; TCP_HYSTART_RTT_US_NEVER = infinity
	uint32_t round_min_us;
	uint32_t baseline_us; // cssBaselineMinRtt
	uint8_t sample_count;
	uint8_t css_rounds;
	uint8_t phase; // enum tcp_hystart_phase
};

// CUBIC (RFC 9438 4.1.2).
struct tcp_cubic {
	uint64_t epoch_us;       // start of this congestion avoidance; 0 = none
	uint64_t acked_us;       // of the newest ACK of this epoch: time unused is taken out
	uint64_t used_us;        // when the window was last what held us back
	uint32_t w_max_bytes;    // window before the last reduction
	uint32_t prior_bytes;    // cwnd_prior: where W_est starts to grow like Reno
	uint32_t w_est_bytes;    // Reno-friendly estimate
	uint32_t k_ms;           // time to reach w_max again
	uint32_t grow_remainder; // bytes * cwnd not yet counted into cwnd
	uint32_t est_remainder;
	struct tcp_hystart hystart;
	struct { // as before the last reduction (4.9)
		uint64_t epoch_us;
		uint32_t cwnd_bytes, ssthresh_bytes, w_max_bytes, prior_bytes, w_est_bytes, k_ms;
	} undo;
};

// BBR: see cc_bbr.h. BBR_NONE where a bound is not known.
struct tcp_bbr {
	uint32_t bw_kbit_s[2];       // largest of this probing cycle and of the one before
	uint32_t bw_lo_kbit_s;       // bound of the short term
	uint32_t hi_bytes, lo_bytes; // inflight_hi and _lo
	uint32_t min_rtt_us;         // of MinRTTFilterLen; 0 = unknown
	uint32_t min_rtt_ms;         // when it was seen
	uint32_t probe_rtt_us;       // of ProbeRTTInterval
	uint32_t probe_rtt_ms;
	uint32_t recent_rtt_us; // mean of the newest eight
	uint32_t round_kbit_s;  // largest sample of this round trip
	uint32_t round_lost_bytes;
	uint32_t round_delivered_bytes;
	uint32_t burst_bytes[2];   // most that one ACK delivered, by cycle
	uint32_t full_kbit_s;      // what STARTUP compares with
	uint32_t entered_ms;       // the state
	uint32_t up_bytes;         // delivered in UP towards the next step of hi_bytes
	uint32_t prior_cwnd_bytes; // before a timeout or PROBE_RTT
	uint32_t undo_bw_lo_kbit_s, undo_hi_bytes, undo_lo_bytes;
	uint16_t wait_ms; // from DOWN to the next probe
	uint8_t state;    // enum tcp_bbr_state
	uint8_t rounds;   // in this state, CRUISE: since DOWN
	uint8_t full_rounds, up_rounds;
	bool is_full : 1;        // STARTUP found the bandwidth
	bool is_app_limited : 1; // the newest sample
	bool is_marked : 1;      // ECN-Echo in this round trip
	bool is_low : 1;         // PROBE_RTT has little in flight
	bool is_expired : 1;     // after a timeout
	bool has_probed : 1;     // the cycle ends with this round trip
};

struct tcp_cc {
	const struct tcp_cc_ops *ops;
	uint64_t pacing_bytes_per_s; // 0 = do not pace
	uint32_t cwnd_bytes;
	uint32_t ssthresh_bytes;
	uint32_t mss;             // payload bytes of a full segment
	uint32_t late_lost_bytes; // found lost by a timer: for the next ACK to tell
	uint16_t events;          // bits of enum tcp_cc_event, for its user to count and clear
	bool is_paced;            // tcp_cc_pace sets a rate
	union {
		struct tcp_cubic cubic;
		struct tcp_bbr bbr;
	};
};
static_assert(sizeof(struct tcp_cc) <= 160, "every idle connection has one");

extern const struct tcp_cc_ops tcp_cc_cubic;
extern const struct tcp_cc_ops tcp_cc_bbr;

// tcp_cc_init starts with the initial window of RFC 6928 and no threshold. cc->is_paced survives.
void tcp_cc_init(struct tcp_cc *cc, const struct tcp_cc_ops *ops, uint32_t mss);

// tcp_cc_initial_bytes is the initial window (RFC 6928 2), which is the restart window too.
uint32_t tcp_cc_initial_bytes(const struct tcp_cc *cc);

// tcp_cc_pace sets the rate of an algorithm that knows only a window: two windows a round trip in
// slow start, so that the queue shows the path and not our bursts; none later, where ACKs pace.
void tcp_cc_pace(struct tcp_cc *cc, const struct tcp_cc_ack *ack);

// tcp_cc_note adds an event to cc->events.
static inline void tcp_cc_note(struct tcp_cc *cc, enum tcp_cc_event event)
{
	cc->events |= (uint16_t)(1u << event);
}

// tcp_hystart_init begins the first round of slow start; tcp_hystart_acked takes an ACK in slow
// start, cc->cwnd_bytes below cc->ssthresh_bytes, and returns by how much of bytes the window may
// grow. When slow start is over it says so by phase TCP_HYSTART_OFF.
void tcp_hystart_init(struct tcp_hystart *hystart);
uint32_t tcp_hystart_acked(struct tcp_hystart *hystart, const struct tcp_cc_ack *ack,
			   uint32_t bytes);
