// SPDX-License-Identifier: Apache-2.0
// Delivery-rate samples (draft-cheng-iccrg-delivery-rate-estimation): how fast the path took what
// was sent, from the counters that each record remembers of the time when it left. Pure.
#pragma once

#include "tcp_cc.h"
#include "tcp_sent.h"

// A connection's side of it. Bytes count modulo 2^32.
struct tcp_rate_clock {
	uint64_t delivered_us;    // C.delivered_time: of the newest delivery
	uint64_t first_us;        // C.first_sent_time: when the flight that is measured began
	uint32_t delivered_bytes; // C.delivered
	uint32_t limited_bytes;   // until as much is delivered, samples are the application's fault
	uint32_t round_bytes;     // a round trip ends when something sent after this is delivered
	bool is_limited;
};

// tcp_rate_stamp sets in fresh what a segment that leaves now has to remember (3.2). flying_bytes
// is what is in flight already.
void tcp_rate_stamp(struct tcp_rate_clock *clock, struct tcp_sent *fresh, uint64_t now_us,
		    uint32_t flying_bytes);

// tcp_rate_limit notes that the application left the path unused (3.4).
void tcp_rate_limit(struct tcp_rate_clock *clock, uint32_t flying_bytes);

// tcp_rate_sample takes what an ACK delivered (3.3). Returns true when it ends a round trip; *rate
// is all zero when the ACK measures nothing, or sooner than min_rtt_us allows.
bool tcp_rate_sample(struct tcp_rate_clock *clock, const struct tcp_sent_news *news,
		     struct tcp_rate *rate);
