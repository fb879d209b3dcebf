// SPDX-License-Identifier: Apache-2.0
// Congestion control as a const table of functions: one algorithm a file. Pure: windows in bytes,
// time handed in.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TCP_CC_INITIAL_SEGMENTS 10u // RFC 6928

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
	// start resets cc's own state; cwnd and ssthresh are set already.
	void (*start)(struct tcp_cc *cc);
	// acked grows the window; not called during fast recovery.
	void (*acked)(struct tcp_cc *cc, const struct tcp_cc_ack *ack);
	// lost reacts to a loss found by acknowledgements; in_flight_bytes as before it.
	void (*lost)(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t now_us);
	// marked reacts, once a round trip, to a peer that heard of congestion by ECN.
	void (*marked)(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t now_us);
	// expired reacts to a first retransmission timeout.
	void (*expired)(struct tcp_cc *cc, uint32_t in_flight_bytes, uint64_t now_us);
	// undo takes the newest reaction back: nothing had been lost.
	void (*undo)(struct tcp_cc *cc);
};

struct tcp_cc {
	const struct tcp_cc_ops *ops;
	uint32_t cwnd_bytes;
	uint32_t ssthresh_bytes;
	uint32_t mss; // payload bytes of a full segment
	// CUBIC (RFC 9438 4.1.2)
	uint64_t epoch_us;       // start of this congestion avoidance; 0 = none
	uint32_t w_max_bytes;    // window before the last reduction
	uint32_t prior_bytes;    // cwnd_prior: where W_est starts to grow like Reno
	uint32_t w_est_bytes;    // Reno-friendly estimate
	uint32_t k_ms;           // time to reach w_max again
	uint32_t grow_remainder; // bytes * cwnd not yet counted into cwnd
	uint32_t est_remainder;
	uint32_t undo_cwnd_bytes, undo_ssthresh_bytes,
		undo_w_max_bytes; // before the last reduction
};

extern const struct tcp_cc_ops tcp_cc_cubic;

// tcp_cc_init starts with the initial window of RFC 6928 and no threshold.
void tcp_cc_init(struct tcp_cc *cc, const struct tcp_cc_ops *ops, uint32_t mss);

// tcp_cc_idle restarts from at most the initial window after a pause longer than the RTO
// (RFC 5681 4.1).
void tcp_cc_idle(struct tcp_cc *cc);
