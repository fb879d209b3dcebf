// SPDX-License-Identifier: Apache-2.0
// What the files of l4 share. A packet goes l4 (parse, look up by bursts) -> l4_open (a new flow:
// l4_pick, l4_source) -> l4_flow (state) -> l4_rewrite -> net_forward.
#pragma once

#include "bucket.h"
#include "l4.h"
#include "l4_pick.h"
#include "list.h"

#include <rte_hash.h>

#include <string.h>

#define L4_IP4_BYTES 20u
#define L4_IP6_BYTES 40u
#define L4_KEY4      16u // bytes of a key that are IPv4's
#define L4_KEY6      48u
#define L4_HASHED6   40u // the rest of it is 0
#define L4_TCP_FIN   1u
#define L4_TCP_SYN   2u
#define L4_TCP_RST   4u
#define L4_TCP_ACK   16u
#define L4_LOCAL_MAX (2u * L4_SERVICES_MAX)

// The five-tuple of a packet as it arrives: who sent it, where to (an address of ours), both ports,
// the protocol; in network order, the first L4_KEY4 or L4_KEY6 bytes.
struct l4_key {
	uint8_t bytes[L4_KEY6];
};

static_assert(L4_KEY6 % 16 == 0 && L4_KEY4 % 16 == 0, "rte_hash compares 16 bytes at a time");

enum l4_direction { L4_FROM_CLIENT, L4_FROM_ENDPOINT };
enum l4_state { L4_FREE, L4_HALF_OPEN, L4_ESTABLISHED, L4_CLOSING };

// What packets of one direction become: one line of the cache.
struct l4_side {
	struct addr source; // theirs after the rewrite
	struct addr destination;
	uint16_t source_port; // network order
	uint16_t destination_port;
	uint16_t ip_sum; // what the rewrite adds to the complement of the IPv4 header's checksum
	uint16_t l4_sum; // and of the transport's (RFC 1624)
	struct net_way way;
	uint16_t protocol;
	bool is_settled; // only TCP's flags can change the flow's state
	uint64_t last_us;
} __attribute__((aligned(64)));

struct l4_flow {
	struct l4_side sides[2]; // by enum l4_direction
	struct wheel_timer timer;
	struct list half_link; // of l4->half_open, while it is there
	struct l4 *l4;
	uint32_t answer_seq; // of the endpoint's SYN
	uint8_t service, endpoint;
	uint8_t state : 4; // enum l4_state
	uint8_t is_half : 1;
	uint8_t is_answered : 1; // answer_seq is valid
	uint8_t fins;            // a bit a direction
};

static_assert(sizeof(struct l4_side) == 64 && sizeof(struct l4_flow) == 192);

struct l4_endpoint_state {
	uint32_t cursor; // of source ports
	uint32_t flow_count;
};

struct l4_served {
	struct l4_service service; // endpoints point to ours
	struct l4_endpoint endpoints[L4_ENDPOINTS_MAX];
	struct l4_endpoint_state states[L4_ENDPOINTS_MAX];
	struct l4_pick pick;
};

// An address of ours that packets may be l4's at: a bit for each port.
struct l4_local {
	struct addr addr;
	bool is_v4;
	uint64_t ports[2][65536 / 64]; // UDP, TCP
};

struct l4 {
	struct l4_config config; // services point to nothing
	uint64_t now_us;
	struct rte_hash *tables[2]; // IPv6's, IPv4's; NULL without a service of the family
	struct siphash_key key;
	uint32_t table_changes; // what a burst looked up before is not to be believed
	struct l4_flow *flows;  // owned: limits.flow_count
	uint32_t *free;         // owned: stack of free slots
	uint32_t free_count;
	uint32_t half_count;
	struct list half_open;   // the oldest first
	struct l4_local *locals; // owned
	uint32_t local_count;
	uint8_t local_slots[2 * L4_LOCAL_MAX]; // open addressing: index + 1 into locals, 0: free
	struct l4_served *served;              // owned: config.service_count
	struct buckets *rates;                 // owned; of new flows by prefix
};

// A packet that may be l4's, with what was read of it.
struct l4_packet {
	struct rte_mbuf *mbuf;
	struct l4_key *key;
	uint32_t port_index; // where it came in
	uint16_t l3_offset;
	uint16_t l4_offset;
	uint16_t ip_bytes; // header and payload
	bool is_v4;
	uint8_t protocol;
};

// l4_key_make builds the key of packets from remote to local; ports in network order.
void l4_key_make(struct l4_key *key, const struct endpoint_addr *remote,
		 const struct endpoint_addr *local, uint8_t protocol);

// l4_find looks one key up: flow and direction, or NULL.
struct l4_flow *l4_find(const struct l4 *l4, const struct l4_key *key, bool is_v4,
			enum l4_direction *direction);

// l4_hash_of is a key's hash in its table.
hash_sig_t l4_hash_of(const struct l4 *l4, const struct l4_key *key, bool is_v4);

// l4_flows_new takes memory for flows and their tables; false when it is short. l4_flows_free ends
// all flows and gives it back.
bool l4_flows_new(struct l4 *l4, bool has_v4, bool has_v6);
void l4_flows_free(struct l4 *l4);

// l4_flow_begin makes a flow of sides that are filled in, half open; one must be free. l4_flow_end
// forgets it.
struct l4_flow *l4_flow_begin(struct l4 *l4, const struct l4_side sides[2], uint32_t service,
			      uint32_t endpoint);
void l4_flow_end(struct l4_flow *flow);

// l4_flow_note changes the flow's state by a packet of direction; tcp is its header, NULL for UDP.
void l4_flow_note(struct l4_flow *flow, enum l4_direction direction, const uint8_t *tcp);

// l4_local_of is the address of ours that bytes (4 or 16) are, or NULL; l4_is_local_port is true
// when a packet of protocol to its port (host order) may be l4's.
const struct l4_local *l4_local_of(const struct l4 *l4, const uint8_t *bytes, bool is_v4);
static inline bool l4_is_local_port(const struct l4_local *local, uint8_t protocol, uint16_t port)
{
	return local->ports[protocol == NET_PROTOCOL_TCP][port / 64] >> (port % 64) & 1;
}

// l4_open makes a flow for a packet without one. LEFT: it is net's; DROPPED: it was freed, counted.
enum l4_opened { L4_OPENED, L4_LEFT, L4_DROPPED };
enum l4_opened l4_open(struct l4 *l4, const struct l4_packet *packet, struct l4_flow **flow);

// l4_source_port draws a source port towards an endpoint, network order; 0: all are in use.
uint16_t l4_source_port(struct l4 *l4, struct l4_served *served, uint32_t endpoint);

// l4_side_make fills in addresses and sums: packets from -> to become source -> destination.
struct l4_ends {
	struct endpoint_addr source, destination;
};
void l4_side_make(struct l4_side *side, const struct l4_ends *before, const struct l4_ends *after,
		  uint8_t protocol);

// l4_rewrite makes packet what side says, hop counted, checksums mended.
void l4_rewrite(const struct l4_packet *packet, const struct l4_side *side);

// l4_rewrite_quote undoes side's opposite in a quoted packet: it names its ends as who gets the
// error knows them. ip points to its IP header, l4 to bytes bytes of its transport header.
void l4_rewrite_quote(uint8_t *ip, uint8_t *l4, uint32_t bytes, const struct l4_side *side);

// l4_send finds side's way where it must, and sends mbuf, IP header first; mbuf is taken.
void l4_send(struct l4 *l4, struct l4_side *side, struct rte_mbuf *mbuf);

// l4_drop frees mbuf and counts why.
static inline void l4_drop(struct l4 *l4, struct rte_mbuf *mbuf, enum counter reason)
{
	counter_inc(l4->config.counters, reason);
	rte_pktmbuf_free(mbuf);
}

// l4_get16 and l4_get32 read network order, at any alignment.
static inline uint16_t l4_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t l4_get32(const uint8_t *at)
{
	return (uint32_t)l4_get16(at) << 16 | l4_get16(at + 2);
}
