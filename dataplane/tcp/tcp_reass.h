// SPDX-License-Identifier: Apache-2.0
// Received bytes of one connection: an in-order chain for the reader and a sorted list of runs of
// segments that came too early; touching segments are one run, small ones share mbufs. The first
// copy of a byte wins (RFC 9293 3.10.7.4 leaves it open; attackers do not). Works on mbufs alone;
// the caller trims segments to the window first.
#pragma once

#include "slice.h"
#include "tcp_seq.h"

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

#define TCP_REASS_RUNS       128u // runs of out-of-order segments a connection may hold
#define TCP_REASS_COPY       256u // payloads up to here join an mbuf: none is pinned for a few bytes
#define TCP_REASS_BLOCKS_MAX 4u

struct tcp_reass {
	struct rte_mbuf *first; // in order, linked by mbuf->next, none empty
	struct rte_mbuf *last;
	struct rte_mbuf *early_first; // runs sorted by sequence number, apart
	struct rte_mbuf *early_last;
	struct rte_mbuf *recent; // the run that grew last, or NULL
	uint32_t queued_bytes;   // in order, not yet consumed
	uint32_t mbuf_count;     // pinned by both lists
	uint32_t early_count;    // runs
	uint32_t untold_count;   // runs begun since tcp_reass_blocks
	uint32_t stamp;          // of the run that grew last
	struct tcp_range twice;  // when has_twice: bytes that came again, not yet told (RFC 2883)
	bool has_twice;
};

// A run of touching segments: a chain of mbufs of one segment each. This is kept in the private
// area of the first one, over net's struct packet.
struct tcp_run {
	struct rte_mbuf *next; // first mbuf of the next run
	struct rte_mbuf *last; // mbuf of this one
	struct tcp_seq seq;
	uint32_t bytes;
	uint32_t stamp; // when it last grew
};

// tcp_run_of is where the run that begins with first is kept.
static inline struct tcp_run *tcp_run_of(struct rte_mbuf *first)
{
	return rte_mbuf_to_priv(first);
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

// tcp_reass_blocks writes at most max (1 .. TCP_REASS_BLOCKS_MAX) SACK blocks: what came twice (RFC
// 2883 4), then runs, those that grew last first (RFC 2018 4). Returns how many, which
// tcp_reass_block_count tells before.
uint32_t tcp_reass_blocks(struct tcp_reass *reass, struct tcp_range *out, uint32_t max);
static inline uint32_t tcp_reass_block_count(const struct tcp_reass *reass, uint32_t max)
{
	uint32_t count = reass->early_count + reass->has_twice;
	return count < max ? count : max;
}

// tcp_reass_reaches is true when a segment that came too early ends after seq.
bool tcp_reass_reaches(const struct tcp_reass *reass, struct tcp_seq seq);

// tcp_reass_drop_early frees the segments that came too early; tcp_reass_clear frees everything.
void tcp_reass_drop_early(struct tcp_reass *reass);
void tcp_reass_clear(struct tcp_reass *reass);

// tcp_reass_chain puts a packet with bytes behind head's last mbuf *last, and copies it there when
// it is small: none is pinned for a few bytes.
void tcp_reass_chain(struct rte_mbuf *head, struct rte_mbuf **last, struct rte_mbuf *mbuf);

// tcp_reass_trim_front drops the first bytes bytes of a packet that may have several segments, and
// keeps at least one mbuf; returns the packet's new first mbuf. bytes must not exceed pkt_len.
struct rte_mbuf *tcp_reass_trim_front(struct rte_mbuf *mbuf, uint32_t bytes);

// tcp_reass_trim_back cuts a packet to bytes (<= pkt_len) bytes.
void tcp_reass_trim_back(struct rte_mbuf *mbuf, uint32_t bytes);
