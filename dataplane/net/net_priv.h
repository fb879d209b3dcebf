// SPDX-License-Identifier: Apache-2.0
// What the files of net share: the per-worker struct and the calls between its layers. Packets go
// in eth -> arp | ip4 | ip6 -> icmp4 | icmp6 | l4, and out output -> ip -> neigh -> eth.
#pragma once

#include "check.h"
#include "list.h"
#include "net.h"
#include "net_frag.h"

#include <rte_ether.h>

#include <stddef.h>

#define NET_TX_QUEUE       256u // frames that wait for one port
#define NET_QUEUED_MAX     512u // packets that wait for all neighbours together
#define NET_TTL            64u
#define NET_IP4_BYTES      20u
#define NET_IP6_BYTES      40u
#define NET_ETHER_IP4      0x0800u
#define NET_ETHER_ARP      0x0806u
#define NET_ETHER_IP6      0x86ddu
#define NET_PROTOCOL_ICMP4 1u
#define NET_PROTOCOL_ICMP6 58u
#define NET_PROTOCOL_NONE6 59u
#define NET_ICMP4_ECHO     8u
#define NET_HANDED_TRANSIT RTE_PTYPE_L4_NONFRAG // of a handed packet: it is transit's

static_assert(NET_HEADROOM >= NET_IP6_BYTES + 18, "headroom holds IP and tagged Ethernet");

enum net_neigh_state {
	NET_NEIGH_FREE,
	NET_NEIGH_INCOMPLETE, // asked everybody, packets wait
	NET_NEIGH_REACHABLE,  // confirmed; becomes STALE by the clock
	NET_NEIGH_STALE,      // used as it is; the first use starts DELAY
	NET_NEIGH_DELAY,      // used, an upper layer may soon confirm
	NET_NEIGH_PROBE,      // used, its holder is asked
};

struct net_neigh {
	struct wheel_timer timer; // retransmission or the end of DELAY
	struct list link;         // of net_neigh_table: free, asking or known
	struct net *net;
	struct rte_mbuf **queue; // limits.neighbour_queue packets, oldest first
	uint64_t confirmed_us;   // last answer to a question of ours
	uint64_t reachable_us;   // REACHABLE until then
	struct addr addr;
	uint32_t port_index;
	uint32_t hash_next; // index + 1 of the next entry in the bucket; 0 = none
	uint32_t queued_count;
	uint32_t generation;   // counts what the entry was used for: ways go stale by it
	uint8_t state;         // enum net_neigh_state
	uint8_t solicit_count; // questions sent in this state
	uint8_t mac[6];
	bool is_pinned; // a route's gateway: never evicted
};

struct net_neigh_table {
	struct net_neigh *entries; // owned: limits.neighbour_count
	struct rte_mbuf **queues;  // owned: backs every entry's queue
	uint32_t *buckets;         // owned: bucket_mask + 1 of index + 1
	uint32_t bucket_mask;
	uint32_t queued_count; // of all entries
	uint32_t queued_max;
	uint32_t in_use;
	struct siphash_key key;
	struct net_neigh *last; // found last: most packets go to one gateway
	struct list free;
	struct list asking; // INCOMPLETE, oldest first: evicted before any known one
	struct list known;  // the others, least recently used first
};

struct net_port {
	struct port *port;
	struct addr link_local; // from the MAC (RFC 4291 appendix A)
	uint32_t tx_count;
	struct rte_mbuf *tx[NET_TX_QUEUE]; // waits for net_flush
};

// Where a packet goes next.
struct net_nexthop {
	struct addr addr; // the gateway, or the destination when it is connected
	uint16_t mss_clamp;
	uint32_t port_index;
};

// What is told to the link unasked.
struct net_announcer {
	struct wheel_timer timer;
	uint32_t count; // times told
	struct addr only;
	bool has_only;
	uint64_t defence_us; // no defence before
};

struct net {
	struct net_config config;      // addresses and routes point to our copies
	struct net_port *ports;        // owned: config.port_count
	struct net_address *addresses; // owned: as configured, then one link-local a port
	uint32_t address_count;
	struct addr *locals;     // owned: the same addresses, sorted
	uint64_t local_marks;    // a bit of each
	struct addr *broadcasts; // owned: directed ones, of connected IPv4 prefixes
	uint32_t broadcast_count;
	struct net_route *routes; // owned: connected and configured, longest prefix first
	uint32_t route_count;
	struct net_upper upper_tcp; // input is NULL until registered
	struct net_upper upper_udp;
	struct net_neigh_table neigh;
	struct net_frag_table frags;
	struct siphash_key label_key; // of flow labels
	uint64_t now_us;
	uint64_t icmp_credit_us;               // token bucket: time up to which answers are paid
	uint16_t toeplitz[2][256];             // of the high and the low byte of a folded tuple
	struct rte_mbuf *gathered[PORT_BURST]; // of this burst, for upper_tcp
	uint32_t gathered_count;
	bool is_gathering;          // inside of net_input or net_input_handed
	struct net_transit transit; // input is NULL: nobody forwards
	uint16_t way_epoch;         // changes with the routes; never 0
	void (*watch)(void *user, uint32_t port_index, struct rte_mbuf *const *mbufs,
		      uint32_t count, bool is_out); // NULL: nobody
	struct net_announcer announcer;
	struct wheel_timer mld_timer; // answers a querier
	struct wheel_timer hop_timer; // asks for gateways that failed
};

// The facts of one packet while it climbs from Ethernet to IP.
struct net_frame {
	struct rte_mbuf *mbuf;
	uint32_t port_index;
	uint16_t l3_offset;
	bool is_handed;      // came from another worker: never hand it on
	uint8_t protocol;    // of IP, once known
	bool has_extensions; // of IPv6: a NIC may not have hashed the ports
	bool was_fragment;   // put together, or an atomic fragment: the same, and no use to ND
	uint16_t next_at;    // IPv6: offset of the byte that names the protocol
};

// net_drop frees mbuf and counts why.
void net_drop(struct net *net, struct rte_mbuf *mbuf, enum counter reason);

// net_divert_or_drop gives mbuf to the exception path, or frees it and counts why.
void net_divert_or_drop(struct net *net, struct rte_mbuf *mbuf, enum counter reason);

// net_l4_flush delivers what was gathered of a burst.
void net_l4_flush(struct net *net);

// net_copy_to_peers hands a copy of an answer about a neighbour to every other worker, since each
// keeps its own table, and to the kernel when it has a tap. type is an RTE_PTYPE_L2_ word.
void net_copy_to_peers(struct net *net, const struct net_frame *frame, uint32_t type);

// net_alloc returns an empty mbuf with NET_HEADROOM, or NULL, counted.
struct rte_mbuf *net_alloc(struct net *net);

// net_upper_of returns the upper protocol that is registered for protocol, or NULL.
const struct net_upper *net_upper_of(const struct net *net, uint8_t protocol);

// net_eth_input takes one received frame.
void net_eth_input(struct net *net, uint32_t port_index, struct rte_mbuf *mbuf);

// net_eth_output takes mbuf (network header first), adds the Ethernet header and queues it. Returns
// 0 or ENOBUFS.
int net_eth_output(struct net *net, uint32_t port_index, const uint8_t mac[6], uint16_t type,
		   struct rte_mbuf *mbuf);

// net_port_flush transmits what waits for one port.
void net_port_flush(struct net *net, uint32_t port_index);

// net_arp_input takes an ARP frame.
void net_arp_input(struct net *net, struct net_frame *frame);

// net_arp_solicit asks for target's MAC: everybody, or only the holder of mac when not NULL.
void net_arp_solicit(struct net *net, uint32_t port_index, const struct addr *target,
		     const uint8_t *mac);

// net_arp_announce sends a gratuitous ARP for address (RFC 5227 3).
void net_arp_announce(struct net *net, const struct net_address *address);

// net_nd_input takes a neighbour solicitation or advertisement whose ICMPv6 checksum is verified.
void net_nd_input(struct net *net, struct net_frame *frame);

// net_nd_solicit and net_nd_announce are the same for IPv6 (RFC 4861 7.2.2, 7.2.6).
void net_nd_solicit(struct net *net, uint32_t port_index, const struct addr *target,
		    const uint8_t *mac);
void net_nd_announce(struct net *net, const struct net_address *address);

// net_nd_probe asks whether somebody else has address (RFC 4862 5.4.2).
void net_nd_probe(struct net *net, const struct net_address *address);

// net_announce_init begins the announcements of a start; net_announce_fini ends them.
void net_announce_init(struct net *net);
void net_announce_fini(struct net *net);

// net_defend answers somebody who claims ours on its port (RFC 5227 2.4), counted, within a rate.
void net_defend(struct net *net, const struct net_address *ours);

// net_mld_report sends the groups of a port's addresses; net_mld_query answers a query in time;
// net_mld_init and net_mld_fini begin and end its timer.
void net_mld_init(struct net *net);
void net_mld_fini(struct net *net);
void net_mld_report(struct net *net, uint32_t port_index);
void net_mld_query(struct net *net, const struct net_frame *frame);

// net_ip4_input and net_ip6_input take an IP packet at frame->l3_offset.
void net_ip4_input(struct net *net, struct net_frame *frame);
void net_ip6_input(struct net *net, struct net_frame *frame);

// What an error of ours says.
enum net_icmp_kind {
	NET_ICMP_NONE,
	NET_ICMP_PORT,       // nobody at this port
	NET_ICMP_PROTOCOL,   // nobody for this protocol; IPv6: it is named at pointer
	NET_ICMP_REASSEMBLY, // the rest of the fragments did not come
	NET_ICMP_FIELD,      // IPv6: wrong field at pointer
	NET_ICMP_OPTION,     // IPv6: unknown option at pointer
	NET_ICMP_CHAIN,      // IPv6: first fragment without all headers (RFC 7112)
	NET_ICMP_TTL,        // TTL or hop limit is used up
	NET_ICMP_TOO_BIG,    // the MTU is told as pointer
};

// What the walk over IPv6's extension headers found.
struct net_ip6_walk {
	enum counter reason;       // COUNTER_COUNT: nothing wrong
	enum net_icmp_kind answer; // what the sender is told about reason
	uint32_t pointer;          // for the answer
	bool is_fragment;          // the walk stopped behind a fragment header
	struct net_fragment fragment;
};

// net_ip6_walk moves packet_of's transport behind the extension headers and sets frame->protocol.
void net_ip6_walk(struct net_frame *frame, struct net_ip6_walk *walk);

// net_ip6_is_error is true when nothing may be answered to the packet in frame for what it is: an
// ICMPv6 error, a later fragment, or unknown.
bool net_ip6_is_error(const struct net_frame *frame);

// net_frag_input takes a fragment to us with packet_of filled in, and gives the whole packet to
// net_ip4_input or net_ip6_input when it was the last one missing.
void net_frag_input(struct net *net, struct net_frame *frame, const struct net_fragment *part);

// net_frag_init takes memory; 0 or ENOMEM. net_frag_fini gives it back.
int net_frag_init(struct net *net);
void net_frag_fini(struct net *net);

// net_icmp4_input and net_icmp6_input take an ICMP message to us; packet_of is filled in.
void net_icmp4_input(struct net *net, struct net_frame *frame);
void net_icmp6_input(struct net *net, struct net_frame *frame);

// net_icmp_error sends an error about the packet in frame, which it borrows, within the rate limit;
// nothing about errors, groups and later fragments (RFC 1122 3.2.2, RFC 4443 2.4 e).
void net_icmp_error(struct net *net, const struct net_frame *frame, enum net_icmp_kind kind,
		    uint32_t pointer);

// net_icmp_refuse answers the packet in frame with "port unreachable" (UDP) or "protocol
// unreachable" within the rate limit, and takes it, counted as ip_protocol.
void net_icmp_refuse(struct net *net, struct net_frame *frame);

// net_icmp4_quote and net_icmp6_quote return an error message about the packet in frame, which they
// borrow, or NULL without an mbuf.
struct rte_mbuf *net_icmp4_quote(struct net *net, const struct net_frame *frame,
				 enum net_icmp_kind kind, uint32_t pointer);
struct rte_mbuf *net_icmp6_quote(struct net *net, const struct net_frame *frame,
				 enum net_icmp_kind kind, uint32_t pointer);

// What an ICMP error says about a packet that we sent.
struct net_icmp_error {
	struct addr local;
	struct addr remote;
	const uint8_t *quoted; // its transport header
	size_t quoted_bytes;   // >= 8
	uint32_t mtu;          // 0 unless "too big"
	uint8_t protocol;
	bool is_hard;
};

// net_icmp_report takes the error in frame and tells the upper protocol, or the worker that owns
// the flow.
void net_icmp_report(struct net *net, struct net_frame *frame, const struct net_icmp_error *error);

// net_icmp_may_answer takes one token; false (counted) when answers are over their rate.
bool net_icmp_may_answer(struct net *net);

// net_icmp_echo takes an echo request of either family to us and answers it in place with a message
// of reply_type; one sent to a group is not answered.
void net_icmp_echo(struct net *net, struct net_frame *frame, uint8_t reply_type);

// net_l4_input takes a packet to us with packet_of filled in: checksum, owner, upper protocol.
void net_l4_input(struct net *net, struct net_frame *frame);

// net_l4_deliver gives a verified packet to its upper protocol.
void net_l4_deliver(struct net *net, struct net_frame *frame);

// net_is_header_whole is true when the bytes bytes at at hold all of the transport header that
// begins there.
bool net_is_header_whole(uint8_t protocol, const uint8_t *at, uint32_t bytes);

// net_trim cuts mbuf to bytes bytes from its end (Ethernet padding), over segments.
void net_trim(struct rte_mbuf *mbuf, uint32_t bytes);

// net_ip_send takes mbuf (transport header first, checksum done), adds the IP header and sends it.
// Returns 0 or ENOBUFS.
int net_ip_send(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf,
		const struct net_tx *tx);

// net_ip_send is both of these. net_ip_push adds the IP header of a port's family and asks the NIC
// for its checksum where it can; mbuf stays the caller's. net_ip_emit sends a packet with its IP
// header: takes mbuf, returns 0 or ENOBUFS.
void net_ip_push(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf,
		 const struct net_tx *tx);
int net_ip_emit(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf);

// net_ip6_push puts an IPv6 header before mbuf's bytes.
void net_ip6_push(struct rte_mbuf *mbuf, const struct addr *source, const struct addr *destination,
		  uint8_t protocol, uint8_t hop_limit);

// net_fragment sends mbuf (payload of IP, headroom before it) in as many fragments as the port's
// MTU asks for; takes mbuf. Returns 0 or ENOBUFS. For echo replies: transports never need it.
int net_fragment(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf,
		 const struct net_tx *tx);

#define NET_STASH 64u

// Mbufs on their way out of the pool, taken together: one by one each pays for the pool's
// bookkeeping.
struct net_stash {
	struct net *net;
	uint32_t wanted; // at most, beyond count
	uint32_t count;
	struct rte_mbuf *mbufs[NET_STASH];
};

// net_stash_begin expects wanted calls of net_stash_take, which is net_alloc but sooner done; more
// may come. net_stash_end gives back what was not taken.
void net_stash_begin(struct net_stash *stash, struct net *net, uint32_t wanted);
struct rte_mbuf *net_stash_take(struct net_stash *stash);
void net_stash_end(struct net_stash *stash);

// net_attach_bytes appends references to bytes bytes from offset of the chain from, one mbuf of the
// stash each; false, counted, without mbufs. net_copy_bytes copies them.
bool net_attach_bytes(struct net_stash *stash, struct rte_mbuf *to, struct rte_mbuf *from,
		      uint32_t offset, uint32_t bytes);
void net_copy_bytes(const struct rte_mbuf *from, uint32_t offset, uint32_t bytes, uint8_t *to);

// net_segment cuts mbuf's payload by tx->segment_bytes in software and sends every segment; takes
// mbuf. Returns 0 or ENOBUFS.
int net_segment(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf,
		const struct net_tx *tx);

// net_transport_push adds the transport checksum, or what the NIC goes on from, and the IP header;
// mbuf, which stays the caller's, is then ready for net_ip_emit.
void net_transport_push(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf,
			const struct net_tx *tx);

// net_linearise returns mbuf's bytes as one segment with headroom; takes mbuf. NULL, counted, when
// they do not fit one mbuf or none is free.
struct rte_mbuf *net_linearise(struct net *net, struct rte_mbuf *mbuf);

// net_neigh_init takes memory; 0 or ENOMEM. net_neigh_fini gives it back.
int net_neigh_init(struct net *net);
void net_neigh_fini(struct net *net);

// net_neigh_send takes mbuf (IP header first) and sends it to hop, asking for its MAC when unknown.
// Returns 0 or ENOBUFS.
int net_neigh_send(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf);

// net_neigh_get finds hop's neighbour or makes it and asks for its MAC; NULL when the table is at
// its bound. net_neigh_send_by is net_neigh_send to one that is in use.
struct net_neigh *net_neigh_get(struct net *net, const struct net_nexthop *hop);
int net_neigh_send_by(struct net *net, struct net_neigh *neigh, struct rte_mbuf *mbuf);

// net_neigh_heard tells that the holder of addr said its MAC is mac; is_answer when it was sent to
// us alone. Only what we asked for is learned.
void net_neigh_heard(struct net *net, uint32_t port_index, const struct addr *addr,
		     const uint8_t mac[6], bool is_answer);

// net_neigh_ask asks for hop's MAC unless it is known or being asked for.
void net_neigh_ask(struct net *net, const struct net_nexthop *hop);

// net_nexthop_heard notes that a gateway's holder answered, or did not: routes over one that did
// not are passed over while there are others of the same prefix.
void net_nexthop_heard(struct net *net, uint32_t port_index, const struct addr *gateway,
		       bool is_alive);

// net_nexthop_init takes memory and builds the tables; 0, ENOMEM or EINVAL.
int net_nexthop_init(struct net *net);

// net_nexthop_fini gives it back.
void net_nexthop_fini(struct net *net);

// net_nexthop_find finds the way from local (NULL = not chosen yet) to remote; false without one.
bool net_nexthop_find(const struct net *net, const struct addr *local, const struct addr *remote,
		      struct net_nexthop *hop);

// net_address_on is our address on a port for asking about target.
const struct addr *net_address_on(const struct net *net, uint32_t port_index,
				  const struct addr *target);

// net_is_broadcast is true for the directed broadcast address of a connected IPv4 prefix.
bool net_is_broadcast(const struct net *net, const struct addr *addr);

// net_owner_init computes the tables of net_owner.
void net_owner_init(struct net *net);

// net_addr_is_link_local is true for fe80::/10.
static inline bool net_addr_is_link_local(const struct addr *a)
{
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

// net_append adds bytes bytes to an mbuf that has room for them, and returns where.
static inline uint8_t *net_append(struct rte_mbuf *mbuf, uint32_t bytes)
{
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)bytes);
	CHECK(at);
	return at;
}

// net_frame_at borrows the frame's bytes from offset on.
static inline uint8_t *net_frame_at(const struct net_frame *frame, size_t offset)
{
	return rte_pktmbuf_mtod_offset(frame->mbuf, uint8_t *, offset);
}

// net_frame_is_group is true when the frame was sent to a broadcast or multicast MAC.
static inline bool net_frame_is_group(const struct net_frame *frame)
{
	return net_frame_at(frame, 0)[0] & 1;
}

// net_get16, net_get32, net_put16 and net_put32 read and write network order, at any alignment.
static inline uint16_t net_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t net_get32(const uint8_t *at)
{
	return (uint32_t)net_get16(at) << 16 | net_get16(at + 2);
}

static inline void net_put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void net_put32(uint8_t *at, uint32_t value)
{
	net_put16(at, value >> 16);
	net_put16(at + 2, value);
}
