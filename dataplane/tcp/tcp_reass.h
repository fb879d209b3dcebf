// SPDX-License-Identifier: Apache-2.0
// Received bytes of one connection: an in-order chain for the reader and a sorted list of segments
// that came too early. The first copy of a byte wins (RFC 9293 3.10.7.4 leaves it open; attackers
// do not). Works on mbufs alone; the caller trims segments to the window first.
#pragma once

#include "slice.h"
#include "tcp_seq.h"

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

#define TCP_REASS_SEGMENTS 256u // out-of-order segments a connection may hold
#define TCP_REASS_RECENT   4u   // SACK blocks whose order is remembered: as many as fit
#define TCP_REASS_COPY     256u // payloads up to here join the last mbuf: no mbuf for a few bytes

struct tcp_reass {
	struct rte_mbuf *first; // in order, linked by mbuf->next, none empty
	struct rte_mbuf *last;
	struct rte_mbuf *early_first; // packets sorted by sequence number, apart
	struct rte_mbuf *early_last;
	uint32_t queued_bytes; // in order, not yet consumed
	uint32_t mbuf_count;   // pinned by both lists
	uint32_t early_count;
	struct tcp_seq recent[TCP_REASS_RECENT]; // where early segments went, newest first
	struct tcp_range twice; // when has_twice: bytes that came again, not yet told (RFC 2883)
	bool has_twice;
};

// Kept in the private area of an early packet's first mbuf, over net's struct packet.
struct tcp_early {
	struct rte_mbuf *next; // the following early packet's first mbuf
	struct tcp_seq seq;
	uint32_t bytes;
};

// tcp_early_of is where an early packet's place in the list is kept.
static inline struct tcp_early *tcp_early_of(struct rte_mbuf *mbuf)
{
	return rte_mbuf_to_priv(mbuf);
}

enum tcp_reass_result {
	TCP_REASS_IN_ORDER,  // *next moved
	TCP_REASS_EARLY,     // kept for later
	TCP_REASS_DUPLICATE, // nothing new; freed
	TCP_REASS_FULL,      // no room for an early segment; freed
};

// tcp_reass_add takes mbuf, whose data are the bytes bytes > 0 at seq, and moves *next (RCV.NXT)
// over everything that is in order now.
enum tcp_reass_result tcp_reass_add(struct tcp_reass *reass, struct tcp_seq *next,
				    struct tcp_seq seq, struct rte_mbuf *mbuf);

// tcp_reass_peek borrows the first run of in-order bytes; empty when none wait.
struct slice tcp_reass_peek(const struct tcp_reass *reass);

// tcp_reass_consume drops the first bytes (<= queued_bytes) bytes.
void tcp_reass_consume(struct tcp_reass *reass, uint32_t bytes);

// tcp_reass_note_twice remembers the first bytes of a segment from seq on that had been received
// before, up to end, to be told in the next ACK; nothing when there are none.
void tcp_reass_note_twice(struct tcp_reass *reass, struct tcp_seq seq, struct tcp_seq end);

// tcp_reass_blocks writes at most max SACK blocks: what came twice (RFC 2883 4), then what is held
// early, the newest first (RFC 2018 4); returns how many.
uint32_t tcp_reass_blocks(const struct tcp_reass *reass, struct tcp_range *out, uint32_t max);

// tcp_reass_reaches is true when a segment that came too early ends after seq.
bool tcp_reass_reaches(const struct tcp_reass *reass, struct tcp_seq seq);

// tcp_reass_drop_early frees the segments that came too early; tcp_reass_clear frees everything.
void tcp_reass_drop_early(struct tcp_reass *reass);
void tcp_reass_clear(struct tcp_reass *reass);

// tcp_reass_trim_front drops the first bytes bytes of a packet that may have several segments, and
// keeps at least one mbuf; returns the packet's new first mbuf. bytes must not exceed pkt_len.
struct rte_mbuf *tcp_reass_trim_front(struct rte_mbuf *mbuf, uint32_t bytes);

// tcp_reass_trim_back cuts a packet to bytes (<= pkt_len) bytes.
void tcp_reass_trim_back(struct rte_mbuf *mbuf, uint32_t bytes);
