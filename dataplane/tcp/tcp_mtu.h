// SPDX-License-Identifier: Apache-2.0
// The path's MTU of a connection (RFC 1191, RFC 8201, RFC 4821): what it keeps, and where the other
// files of tcp/ tell and ask it. See tcp_mtu.c.
#pragma once

#include "addr.h"
#include "tcp_seq.h"

#include <stdbool.h>
#include <stdint.h>

struct tcp_conn;
struct tcp_pick;

#define TCP_MTU_CACHE 1024u // destinations whose path MTU is remembered

// What a connection knows of its path's MTU, as segment sizes like agreed.send_mss (tcp_mtu.c).
struct tcp_mtu {
	uint64_t due_us;        // no probe before
	struct tcp_range probe; // the newest probe
	uint16_t probe_mss;     // of the probe in flight; 0 = none
	uint16_t limit;         // agreed in the handshake: never above it
	uint16_t high;          // what may pass at most
	uint8_t tries;          // lost probes of this size
	bool is_top_tried : 1;  // high did not pass when it was tried: halve
	bool is_fallen : 1;     // to the base, which has not passed yet
	bool is_excused : 1;    // the newest probe was lost for its size: no congestion
};

// The MTU of the path to a destination.
struct tcp_mtu_known {
	struct addr remote;
	uint64_t end_us; // 0 = free
	uint16_t mtu;
};

// tcp_mtu_start begins with what the handshake agreed on, or less when the cache knows the path.
void tcp_mtu_start(struct tcp_conn *conn);

// tcp_mtu_told takes the MTU of a validated ICMP error: it lowers segments, within a floor, never
// raises them. False when it says nothing new.
bool tcp_mtu_told(struct tcp_conn *conn, uint32_t told);

// tcp_mtu_expired looks for a black hole when the retransmission timer expired, before anything
// else changes.
void tcp_mtu_expired(struct tcp_conn *conn);

// tcp_mtu_probe_bytes is the payload of a probe to send now, or 0; tcp_mtu_probed notes that pick,
// which was chosen for it, left.
uint32_t tcp_mtu_probe_bytes(struct tcp_conn *conn);
void tcp_mtu_probed(struct tcp_conn *conn, const struct tcp_pick *pick);

// tcp_mtu_acked moves on after SND.UNA moved.
void tcp_mtu_acked(struct tcp_conn *conn);

// tcp_mtu_excuses is true when what was found lost is a probe and nothing else: it is sent again
// without recovery (RFC 4821 7.5).
bool tcp_mtu_excuses(struct tcp_conn *conn);
