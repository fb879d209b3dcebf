// SPDX-License-Identifier: Apache-2.0
// The network of one worker: Ethernet, ARP and ND, IPv4 and IPv6, ICMP, over one or more ports.
// Upper protocols register for a protocol number; packets come up with offsets and addresses parsed
// and checksums verified; they go down as a transport header and payload with headroom before it.
#pragma once

#include "addr.h"
#include "counter.h"
#include "port.h"
#include "random.h"
#include "wheel.h"

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

struct net; // one a worker; defined in net_priv.h

#define NET_PROTOCOL_TCP 6u
#define NET_PROTOCOL_UDP 17u
#define NET_HEADROOM     128u // bytes an upper layer leaves before its header (RTE_PKTMBUF_HEADROOM)

// What net knows of a received packet; lives in the mbuf's private area until the upper layer takes
// the mbuf, and is copied out by whoever needs it longer.
struct packet {
	struct addr source;
	struct addr destination;
	uint16_t l4_offset; // from the first byte of the mbuf's data
	uint16_t l4_bytes;  // transport header and payload, without Ethernet padding
	uint8_t port_index; // into net's ports
	uint8_t ttl;
	uint8_t ecn;              // IP ECN bits
	uint8_t is_checksum_good; // of the transport, by the NIC or by us
};

// packet_of returns the private area of a received mbuf.
static inline struct packet *packet_of(struct rte_mbuf *mbuf)
{
	return (struct packet *)rte_mbuf_to_priv(mbuf);
}

// An upper protocol. No member may be NULL.
struct net_upper {
	// input takes the packets of one burst in their order, at most PORT_BURST (and frees them
	// in the end); packet_of is filled in. A packet's first segment holds the transport
	// header's fixed part; it may have more segments.
	void (*input)(void *user, struct rte_mbuf *const *mbufs, uint32_t count);
	// icmp_error reports an ICMP error about a packet we sent: local is our side. quoted are
	// the first bytes (>= 8) of the transport header that came back. mtu is 0 unless "too big".
	void (*icmp_error)(void *user, const struct addr *local, const struct addr *remote,
			   const uint8_t *quoted, size_t quoted_bytes, bool is_hard, uint32_t mtu);
	void *user;
};

// What an ICMP error quotes: a packet that left with local, an address of ours, as its source.
struct net_quote {
	struct addr local;
	struct addr remote;
	uint8_t protocol;
	uint16_t
		l4_offset; // of the quoted transport header, from the first byte of the mbuf's data
	uint16_t l4_bytes; // of it that are there, in the first segment: at least 8
};

// A room that forwards packets instead of taking them. No function may be NULL.
struct net_transit {
	// input sees each burst before net parses it: it keeps what it takes, moves the others to
	// the front in their order and returns how many they are. packet_of is not filled in.
	// is_handed: they are this worker's by another's judgement.
	uint32_t (*input)(void *user, uint32_t port_index, struct rte_mbuf **mbufs, uint32_t count,
			  bool is_handed);
	// odd is offered a packet to us that came in fragments, with options or extension headers;
	// packet_of is filled in. True: it is taken.
	bool (*odd)(void *user, struct rte_mbuf *mbuf, uint8_t protocol);
	// icmp_error is offered an ICMP error whose checksum is right, of either family; packet_of
	// is filled in. True: it is taken.
	bool (*icmp_error)(void *user, struct rte_mbuf *mbuf, const struct net_quote *quote);
	void *user;
};

// A way that a flow's packets take again and again: a neighbour, while it is known and the routes
// are as they were. All zero: not looked for yet.
struct net_way {
	uint32_t neigh;
	uint32_t generation; // of the neighbour's entry
	uint16_t epoch;      // of the routes
	uint16_t mtu;        // largest IP packet of the port
};

// Why a packet that is not for us goes no further.
enum net_refusal {
	NET_REFUSAL_TTL,     // RFC 1812 5.3.1
	NET_REFUSAL_TOO_BIG, // RFC 1191 4, RFC 8201
};

// How an upper protocol's packet leaves.
struct net_tx {
	struct addr local;
	struct addr remote;
	uint8_t protocol; // NET_PROTOCOL_TCP or _UDP: net fills in the transport checksum
	uint8_t l4_header_bytes;
	uint8_t ecn;
	uint16_t segment_bytes; // 0, or the MSS to cut a larger payload into (TSO or software GSO)
};

struct net_limits {
	uint32_t neighbour_count;
	uint32_t neighbour_queue;        // packets that wait for one neighbour's address
	uint32_t icmp_per_second;        // errors and echo replies generated
	uint32_t fragment_datagrams;     // put together at once; 0: fragments are dropped
	uint32_t fragments_per_datagram; // more drop the datagram
	uint32_t fragments;              // mbufs held by all, at most 1/8 of the pool
	uint32_t fragment_time_ms;       // how long the rest may take
};

struct net_address {
	struct prefix prefix; // our address and its connected prefix
	uint32_t port_index;
};

struct net_route {
	struct prefix prefix; // bits 0 (v6) or 96 (v4) = default; the same one several times shares
	struct addr gateway;
	uint32_t port_index;
	uint16_t mss_clamp; // largest TCP segment this way; 0: the port's
	bool is_dead;       // net's own: the gateway did not answer
};

struct net_config {
	struct net_limits limits;
	struct port *const *ports; // borrowed, port_count of them; this worker's queue of each
	uint32_t port_count;
	const struct net_address *addresses; // copied
	uint32_t address_count;
	const struct net_route *routes; // copied
	uint32_t route_count;
	bool detects_duplicates;             // ask at start whether others have our IPv6 addresses
	uint32_t worker_index, worker_count; // who owns a flow, see net_owner
	struct rte_mempool *mbufs;           // borrowed; private area >= sizeof(struct packet)
	struct wheel *wheel;
	struct random_source *random;
	struct counters *counters;
	// handoff takes a packet of a flow that worker `owner` owns. Never NULL when worker_count
	// > 1.
	void (*handoff)(void *user, uint32_t owner, struct rte_mbuf *mbuf);
	// exception takes a whole frame that is not ours (to the kernel's tap), or NULL: drop it.
	void (*exception)(void *user, uint32_t port_index, struct rte_mbuf *mbuf);
	void *user;
};

// net_new takes all memory for the limits. Returns NULL when memory is short.
struct net *net_new(const struct net_config *config);

// net_free gives all memory back; queued packets are freed.
void net_free(struct net *net);

// net_register sets the upper protocol for NET_PROTOCOL_TCP or _UDP.
void net_register(struct net *net, uint8_t protocol, const struct net_upper *upper);

// net_set_transit has transit see packets before anybody else; NULL: nobody forwards, which costs
// a branch a burst.
void net_set_transit(struct net *net, const struct net_transit *transit);

// net_way_find looks for the way from local (an address of ours) to remote and asks for the
// neighbour's address when it is not known. False: no route, or remote is a group's, a broadcast
// or our own address; or the neighbour table is at its bound.
bool net_way_find(struct net *net, const struct addr *local, const struct addr *remote,
		  struct net_way *way);

// net_has_way is true when net_way_find would find a route; nobody is asked for.
bool net_has_way(const struct net *net, const struct addr *local, const struct addr *remote);

// net_forward sends mbuf, IP header first and ready but for Ethernet, by way. Returns 0, ENOBUFS,
// or ESTALE: way must be found again, and mbuf stays the caller's. In the other cases it is taken.
int net_forward(struct net *net, const struct net_way *way, struct rte_mbuf *mbuf);

// net_refuse tells the sender of mbuf, a received frame of an untagged or tagged port whose IP
// header is whole and without options, why it goes no further, within the rate of ICMP answers. mtu
// is told with TOO_BIG. mbuf stays the caller's.
void net_refuse(struct net *net, struct rte_mbuf *mbuf, uint32_t port_index,
		enum net_refusal refusal, uint16_t mtu);

// net_hand gives mbuf, a received frame, to transit's input of the worker that owns its flow.
void net_hand(struct net *net, uint32_t owner, uint32_t port_index, struct rte_mbuf *mbuf);

// net_set_time tells the time; call at the start of each loop.
void net_set_time(struct net *net, uint64_t now_us);

// net_input takes the count frames received on port port_index.
void net_input(struct net *net, uint32_t port_index, struct rte_mbuf **mbufs, uint32_t count);

// net_input_handed takes count packets that another worker's net handed to this one (parsed
// already: packet_of of each is valid).
void net_input_handed(struct net *net, struct rte_mbuf *const *mbufs, uint32_t count);

// net_output takes mbuf (transport header first, NET_HEADROOM before it), adds checksum, IP and
// Ethernet headers and queues it on the port; while the neighbour's address is unknown it waits in
// a bounded queue. Returns 0, EHOSTUNREACH (no route) or ENOBUFS; mbuf is taken in every case.
int net_output(struct net *net, struct rte_mbuf *mbuf, const struct net_tx *tx);

// net_set_watch has watch see every frame, with config.user: count of them as they were received,
// or (is_out) as they are queued for sending, when checksums and segments may still be the NIC's to
// make. It neither changes nor keeps them. NULL: nobody watches, which costs one branch.
void net_set_watch(struct net *net,
		   void (*watch)(void *user, uint32_t port_index, struct rte_mbuf *const *mbufs,
				 uint32_t count, bool is_out));

// net_confirm tells that packets from local reach remote: the neighbour they leave by is reachable
// (RFC 4861 7.3.1) and need not be asked for a while. Call it now and then, not per packet.
void net_confirm(struct net *net, const struct addr *local, const struct addr *remote);

// net_flush transmits what net_output queued; call once at the end of each loop.
void net_flush(struct net *net);

// net_source_for chooses our address to reach remote (RFC 6724 in short). False without a route.
bool net_source_for(const struct net *net, const struct addr *remote, struct addr *local);

// net_announce tells the link three times, a second apart, that addr is ours (NULL: all of our
// addresses): for who takes an address over. Call it on one worker. False when it is not ours.
bool net_announce(struct net *net, const struct addr *addr);

// net_mss_clamp is the largest TCP segment towards remote by configuration; 0: no clamp.
uint32_t net_mss_clamp(const struct net *net, const struct addr *remote);

// net_mtu is the IP MTU towards remote.
uint32_t net_mtu(const struct net *net, const struct addr *remote);

// net_is_local is true for an address of ours.
bool net_is_local(const struct net *net, const struct addr *addr);

// net_divert gives a received, unchanged packet that no connection or listener claims to the
// exception path (the kernel). False when there is none: mbuf stays the caller's.
bool net_divert(struct net *net, struct rte_mbuf *mbuf);

#define NET_RETA_SLOTS 128u // flows are spread over so many slots, slot i goes to worker i % count

// net_flow_hash is the symmetric Toeplitz hash (key 6d5a repeated) of a flow's addresses and ports.
uint32_t net_flow_hash(const struct net *net, const struct addr *local, uint16_t local_port,
		       const struct addr *remote, uint16_t remote_port);

// net_owner is the worker that owns the flow between local and remote: net_flow_hash modulo
// NET_RETA_SLOTS modulo the number of workers; what RSS is programmed with.
uint32_t net_owner(const struct net *net, const struct addr *local, uint16_t local_port,
		   const struct addr *remote, uint16_t remote_port);
