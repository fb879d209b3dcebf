// SPDX-License-Identifier: Apache-2.0
// The table of datagrams that are being put together (net_frag.c) and the joining of their parts
// (net_frag_join.c). Only net's own files include it, by net_priv.h.
#pragma once

#include "addr.h"
#include "counter.h"
#include "list.h"
#include "siphash.h"
#include "wheel.h"

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

// What a fragment's headers say. packet_of(mbuf) tells where its bytes are.
struct net_fragment {
	uint32_t id;
	uint16_t offset; // of its first byte in the whole payload
	bool is_more;
	uint8_t protocol;     // IPv4's, or what follows IPv6's fragment header
	uint16_t next_at;     // IPv6: offset in the frame of the byte that names that header
	bool is_chain_whole;  // of a first fragment: all headers are in it (RFC 1858, RFC 7112)
	bool is_chain_longer; // IPv6: another extension header follows
};

// A fragment that waits for the others; the mbuf begins with its Ethernet header.
struct net_held {
	struct rte_mbuf *mbuf;
	uint32_t offset;
	uint16_t bytes;
	uint16_t segment_count;
};

struct net_datagram {
	struct list link;      // of net_frag_table: free or in_use
	struct net_held *held; // limits.fragments_per_datagram, by offset
	struct addr source;
	struct addr destination;
	uint64_t due_us;
	uint32_t id;
	uint32_t held_count;
	uint32_t held_bytes;
	uint32_t end;        // bytes of the whole payload; 0 until the last fragment is here
	uint16_t next_at;    // of the first fragment
	uint8_t protocol;    // of the first fragment
	uint8_t ecn_seen;    // bit n: a fragment with ECN field n
	bool is_refused;     // holds nothing and takes nothing, until its time is over
	enum counter reason; // why it is refused
};

struct net_frag_table {
	struct net_datagram *datagrams; // owned: count
	struct net_held *held;          // owned: backs every datagram's
	uint32_t *tags;                 // owned: hash of each datagram's name; 0 = free
	uint32_t *source_tags;          // owned: hash of its source
	uint32_t count;
	uint32_t mbuf_count; // held by all
	uint32_t mbuf_max;
	struct siphash_key key;
	struct list free;
	struct list in_use; // oldest first
	struct wheel_timer timer;
};

// net_frag_join makes one packet of a complete datagram, which holds nothing then: headers of the
// first fragment, mended as if it had never been cut, and the bytes of all behind them, as one
// chain of mbufs.
struct rte_mbuf *net_frag_join(struct net_datagram *datagram);
