// SPDX-License-Identifier: Apache-2.0
// A client and a server whose link loses chosen segments, for scenarios of loss recovery. Segments
// of the client with payload count from 1, retransmissions too.
#pragma once

#include "tcp_world.h"

#define LANE_MSS   1448u // payload of a full segment with timestamps
#define LANE_DROPS 8u

struct lane {
	struct tcp_world *world;
	uint32_t data_count;       // segments with payload that the client sent
	uint32_t drop[LANE_DROPS]; // of these, the ones that are lost
	uint32_t again_to_drop;    // how often what the drop[0]th carried is lost again
	struct tcp_seq again_seq;  // where that began
	uint32_t ack_percent;      // how many of the server's segments are lost
	uint32_t ack_count;
	bool is_mute;              // all of them
	bool is_unwanted[256];     // TCP options, by kind, that SYNs arrive without
	struct tcp_segment newest; // of the client
};

// lane_open connects client and server; drop, again_to_drop and so on may be set from then on.
// is_unwanted stays from before, the rest is cleared.
struct tcp_world *lane_open(struct lane *lane, struct tcp_limits limits);

// lane_answer forges an ACK of the server: everything before ack, and count (<= 3) blocks of
// segments numbered from base, each {first, after last}. It arrives before lane_answer returns.
void lane_answer(struct lane *lane, struct tcp_seq ack, struct tcp_seq base,
		 const uint32_t (*blocks)[2], uint32_t block_count);

// lane_count reads a counter of the client.
uint64_t lane_count(const struct lane *lane, enum counter counter);
