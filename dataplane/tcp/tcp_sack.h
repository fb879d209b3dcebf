// SPDX-License-Identifier: Apache-2.0
// What the peer holds above the cumulative acknowledgement (RFC 2018), and what of the rest is lost
// and in flight (RFC 6675 section 4). Pure, bounded: a block that finds no room is forgotten, which
// costs a retransmission and nothing else.
#pragma once

#include "tcp_seq.h"

#include <stdbool.h>
#include <stdint.h>

#define TCP_SACK_RANGES 32u
#define TCP_DUP_THRESH  3u // RFC 6675 2

struct tcp_scoreboard {
	uint32_t count;
	struct tcp_range ranges[TCP_SACK_RANGES]; // sorted, apart, all above SND.UNA
};

// tcp_sack_clear forgets everything.
void tcp_sack_clear(struct tcp_scoreboard *board);

// tcp_sack_add notes a block of an ACK; sent is what is unacknowledged (SND.UNA to the highest byte
// sent), what lies outside it is ignored (also D-SACK, RFC 2883). True when it told something new.
bool tcp_sack_add(struct tcp_scoreboard *board, struct tcp_range sent, struct tcp_range block);

// tcp_sack_acked forgets what lies before una.
void tcp_sack_acked(struct tcp_scoreboard *board, struct tcp_seq una);

// tcp_sack_skip returns seq, or the end of the range that holds it.
struct tcp_seq tcp_sack_skip(const struct tcp_scoreboard *board, struct tcp_seq seq);

// tcp_sack_room is how many bytes from seq, which is not held by the peer, up to the next range; at
// most max_bytes.
uint32_t tcp_sack_room(const struct tcp_scoreboard *board, struct tcp_seq seq, uint32_t max_bytes);

// tcp_sack_is_lost is IsLost of RFC 6675: enough was received above seq.
bool tcp_sack_is_lost(const struct tcp_scoreboard *board, struct tcp_seq seq, uint32_t mss);

// tcp_sack_held_bytes is how much of part the peer holds.
uint32_t tcp_sack_held_bytes(const struct tcp_scoreboard *board, struct tcp_range part);

// tcp_sack_pipe_bytes is SetPipe of RFC 6675 over sent (SND.UNA to SND.NXT): bytes thought to be in
// the network. retransmitted is HighRxt: what lies before it and is not held was sent again.
uint32_t tcp_sack_pipe_bytes(const struct tcp_scoreboard *board, struct tcp_range sent,
			     struct tcp_seq retransmitted, uint32_t mss);

// tcp_sack_next_hole finds the first byte at or after from that the peer misses below its highest
// range; false without one.
bool tcp_sack_next_hole(const struct tcp_scoreboard *board, struct tcp_seq from,
			struct tcp_seq *hole);
