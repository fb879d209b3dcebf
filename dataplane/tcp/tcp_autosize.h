// SPDX-License-Identifier: Apache-2.0
// How large a connection's windows may be. What we offer follows what the owner consumes in a round
// trip (dynamic right-sizing), what we queue follows the congestion window: a slow peer holds
// little, a long fast path gets what it needs. Pure: time and sizes are handed in.
#pragma once

#include "tcp_seq.h"

#include <stdbool.h>
#include <stdint.h>

#define TCP_RECEIVE_START 65536u // offered before anything is known
#define TCP_SEND_START    65536u // may be queued whatever the congestion window

struct tcp_rightsize {
	uint64_t began_us;       // of this round trip; 0 = nothing consumed yet
	uint64_t turn_us;        // when turn_end was the edge of our window; 0 = not measured
	uint32_t buffer_bytes;   // what we may offer now
	uint32_t rtt_us;         // as the receiver sees it; 0 = unknown
	uint32_t consumed_bytes; // in this round trip
	uint32_t before_bytes;   // in the one before
	uint32_t echo;           // newest timestamp of ours that was measured
	struct tcp_seq turn_end;
};

// Bounds of one connection's receive window now.
struct tcp_rightsize_bounds {
	uint32_t max_bytes;
	uint32_t segment_bytes;
	bool is_memory_low; // of the worker: nobody grows, who needs less gives back
};

enum tcp_rightsize_result {
	TCP_RIGHTSIZE_SAME,
	TCP_RIGHTSIZE_GROWN,
	TCP_RIGHTSIZE_DENIED, // would have grown
	TCP_RIGHTSIZE_SHRUNK, // what was offered stays offered
};

// tcp_rightsize_init starts with at most TCP_RECEIVE_START; rtt_us is what the handshake took, or
// 0.
void tcp_rightsize_init(struct tcp_rightsize *size, uint32_t max_bytes, uint32_t rtt_us);

// tcp_rightsize_echo takes a round trip from a full segment that echoes our timestamp echo after
// echo_us: the time since we sent it. Late senders make it long, so short ones count more.
void tcp_rightsize_echo(struct tcp_rightsize *size, uint32_t echo, uint32_t echo_us);

// tcp_rightsize_turn is for peers without timestamps: a window's worth takes a round trip at least.
// Call it when next (RCV.NXT) moved; edge is the end of what we offer.
void tcp_rightsize_turn(struct tcp_rightsize *size, struct tcp_seq next, struct tcp_seq edge,
			uint64_t now_us);

// tcp_rightsize_consumed notes that the owner took bytes, and once a round trip sets buffer_bytes.
enum tcp_rightsize_result tcp_rightsize_consumed(struct tcp_rightsize *size, uint32_t bytes,
						 uint64_t now_us,
						 const struct tcp_rightsize_bounds *bounds);

// What bounds the bytes that are queued.
struct tcp_autosize_bounds {
	uint32_t cwnd_bytes;
	uint32_t window_bytes; // the peer's
	uint32_t extra_bytes;  // of the next piece
	uint32_t max_bytes;
	bool is_memory_low; // the worker's
};

// tcp_autosize_send is how much may be queued: two congestion windows and extra_bytes, between
// TCP_SEND_START and max_bytes, or the smaller of them when memory is low; to a peer whose window
// is less than half of TCP_SEND_START no more than that and extra_bytes: what lies behind would
// only wait, for ever where nobody reads.
uint32_t tcp_autosize_send(const struct tcp_autosize_bounds *bounds);
