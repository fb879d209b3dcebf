// SPDX-License-Identifier: Apache-2.0
// A burst: what may be a flow's is read, looked up together, its flow's lines asked for, then each
// packet is rewritten and sent. All else stays net's, also what is wrong: net counts and answers
// it.
#include "l4_priv.h"

#include "check.h"
#include "net_cksum.h"

#include <rte_prefetch.h>

#include <errno.h>

#define ETHER_BYTES     14u
#define TAG_BYTES       4u
#define PREFETCH_AHEAD  4u
#define ETHER_TYPE_IP4  0x0800u
#define ETHER_TYPE_IP6  0x86ddu
#define ETHER_TYPE_VLAN 0x8100u
#define FRAGMENT_BITS   0x3fffu // more to come, or not the first
#define VLAN_ID_BITS    0x0fffu

// The packets of a burst that are of one family.
struct family {
	struct l4_packet packets[PORT_BURST];
	struct l4_key keys[PORT_BURST];
	uint32_t count;
};

struct burst {
	struct l4 *l4;
	const struct port *port;
	uint32_t port_index;
	bool is_handed;
	struct rte_mbuf **left; // what is net's
	uint32_t left_count;
	struct family families[2]; // IPv6, IPv4
	uint64_t sent, sent_bytes;
};

// type_of is the EtherType of a frame to us, 0 for all others; *offset is what follows it.
static inline uint32_t type_of(const struct port *port, const uint8_t *frame, uint16_t *offset)
{
	if (memcmp(frame, port->mac, 6) != 0 || frame[6] & 1)
		return 0;
	uint32_t type = l4_get16(frame + 12);
	*offset = ETHER_BYTES;
	if (likely(port->vlan == 0))
		return type;
	*offset += TAG_BYTES;
	bool is_tagged = type == ETHER_TYPE_VLAN;
	return is_tagged && (l4_get16(frame + 14) & VLAN_ID_BITS) == port->vlan
		       ? l4_get16(frame + 16)
		       : 0;
}

// read_ip4 reads a header that may be l4's; false: it is net's.
static inline bool read_ip4(const struct burst *burst, struct l4_packet *packet, const uint8_t *ip)
{
	const struct port *port = burst->port;
	uint64_t flags = packet->mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	if (ip[0] != 0x45 || l4_get16(ip + 6) & FRAGMENT_BITS || ip[8] == 0)
		return false;
	packet->is_v4 = true;
	packet->protocol = ip[9];
	packet->ip_bytes = l4_get16(ip + 2);
	packet->l4_offset = (uint16_t)(packet->l3_offset + L4_IP4_BYTES);
	bool is_good = port->can_checksum_rx && flags == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	return is_good || net_cksum_bytes(ip, L4_IP4_BYTES) == 0xffff;
}

static inline bool read_ip6(struct l4_packet *packet, const uint8_t *ip)
{
	if (packet->mbuf->data_len < packet->l3_offset + L4_IP6_BYTES + 8u || ip[0] >> 4 != 6 ||
	    ip[7] == 0)
		return false;
	uint32_t bytes = l4_get16(ip + 4) + L4_IP6_BYTES;
	packet->is_v4 = false;
	packet->protocol = ip[6];
	packet->ip_bytes = (uint16_t)bytes;
	packet->l4_offset = (uint16_t)(packet->l3_offset + L4_IP6_BYTES);
	return bytes <= UINT16_MAX;
}

// is_whole is true when lengths agree and the transport header is there.
static inline bool is_whole(const struct l4_packet *packet)
{
	const struct rte_mbuf *mbuf = packet->mbuf;
	uint32_t fixed_bytes = packet->protocol == NET_PROTOCOL_TCP ? 20 : 8;
	uint32_t ip_header_bytes = packet->l4_offset - packet->l3_offset;
	return packet->ip_bytes >= ip_header_bytes + fixed_bytes &&
	       packet->l3_offset + (uint32_t)packet->ip_bytes <= mbuf->pkt_len &&
	       mbuf->data_len >= packet->l4_offset + fixed_bytes;
}

// is_sum_possible is false for what the NIC found wrong, and for UDP over IPv6 without a checksum
// (RFC 8200 8.1). A checksum is not verified otherwise: a wrong one stays wrong.
static inline bool is_sum_possible(const struct burst *burst, const struct l4_packet *packet,
				   const uint8_t *l4)
{
	uint64_t flags = packet->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	if (burst->port->can_checksum_rx && flags == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return false;
	return packet->is_v4 || packet->protocol == NET_PROTOCOL_TCP || l4_get16(l4 + 6) != 0;
}

static inline void read_key(const struct l4_packet *packet, const uint8_t *ip, const uint8_t *l4)
{
	uint32_t protocol = packet->protocol;
	uint8_t *key = packet->key->bytes;
	if (packet->is_v4) {
		memcpy(key, ip + 12, 8);
		memcpy(key + 8, l4, 4);
		memcpy(key + 12, &protocol, 4);
	} else {
		memcpy(key, ip + 8, 32);
		memcpy(key + 32, l4, 4);
		memcpy(key + 36, &protocol, 4);
		memset(key + 40, 0, 8);
	}
}

// read_packet reads a frame's headers; false: it is net's.
static bool read_packet(const struct burst *burst, struct l4_packet *packet)
{
	struct rte_mbuf *mbuf = packet->mbuf;
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	if (mbuf->data_len < ETHER_BYTES + TAG_BYTES + L4_IP4_BYTES)
		return false;
	uint32_t type = type_of(burst->port, frame, &packet->l3_offset);
	const uint8_t *ip = frame + packet->l3_offset;
	const struct l4_local *local;
	if (type == ETHER_TYPE_IP4)
		local = l4_local_of(burst->l4, ip + 16, true);
	else if (type == ETHER_TYPE_IP6 && mbuf->data_len >= packet->l3_offset + L4_IP6_BYTES)
		local = l4_local_of(burst->l4, ip + 24, false);
	else
		return false;
	if (!local ||
	    !(type == ETHER_TYPE_IP4 ? read_ip4(burst, packet, ip) : read_ip6(packet, ip)))
		return false;
	if (packet->protocol != NET_PROTOCOL_TCP && packet->protocol != NET_PROTOCOL_UDP)
		return false;
	const uint8_t *l4 = frame + packet->l4_offset;
	return is_whole(packet) && l4_is_local_port(local, packet->protocol, l4_get16(l4 + 2)) &&
	       is_sum_possible(burst, packet, l4);
}

// owner_of is the worker whose flow a packet is of.
static uint32_t owner_of(const struct burst *burst, const struct l4_packet *packet)
{
	const struct l4_config *config = &burst->l4->config;
	if (config->worker_count <= 1 || burst->is_handed || burst->port->is_flow_steered)
		return config->worker_index;
	const uint8_t *ip = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l3_offset);
	const uint8_t *l4 = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l4_offset);
	struct addr remote = packet->is_v4 ? addr_v4(ip + 12) : addr_v6(ip + 8);
	struct addr local = packet->is_v4 ? addr_v4(ip + 16) : addr_v6(ip + 24);
	return net_owner(config->net, &local, l4_get16(l4 + 2), &remote, l4_get16(l4));
}

// sort_in puts a frame among those of its family, or among what is left.
static inline void sort_in(struct burst *burst, struct rte_mbuf *mbuf)
{
	struct l4_packet packet = {.mbuf = mbuf, .port_index = burst->port_index};
	if (!read_packet(burst, &packet)) {
		burst->left[burst->left_count++] = mbuf;
		return;
	}
	uint32_t owner = owner_of(burst, &packet);
	if (owner != burst->l4->config.worker_index) {
		net_hand(burst->l4->config.net, owner, burst->port_index, mbuf);
		return;
	}
	struct family *family = &burst->families[packet.is_v4];
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	packet.key = &family->keys[family->count];
	read_key(&packet, frame + packet.l3_offset, frame + packet.l4_offset);
	family->packets[family->count++] = packet;
}

void l4_send(struct l4 *l4, struct l4_side *side, struct rte_mbuf *mbuf)
{
	mbuf->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	mbuf->tx_offload = 0;
	if (side->way.mtu > 0 && net_forward(l4->config.net, &side->way, mbuf) != ESTALE)
		return;
	if (!net_way_find(l4->config.net, &side->source, &side->destination, &side->way))
		l4_drop(l4, mbuf, COUNTER_drop_no_route);
	else if (mbuf->pkt_len > side->way.mtu) // the way became narrower just now
		l4_drop(l4, mbuf, COUNTER_l4_too_big);
	else
		net_forward(l4->config.net, &side->way, mbuf);
}

// refuse tells the sender why a packet goes no further, and drops it.
static void refuse(const struct burst *burst, const struct l4_packet *packet,
		   enum net_refusal refusal, uint16_t mtu)
{
	net_refuse(burst->l4->config.net, packet->mbuf, burst->port_index, refusal, mtu);
	l4_drop(burst->l4, packet->mbuf,
		refusal == NET_REFUSAL_TTL ? COUNTER_l4_ttl : COUNTER_l4_too_big);
}

// is_narrow_enough finds a way that was not looked for yet; false: there is none, or the packet is
// too large for it, and is dropped.
static bool is_narrow_enough(struct burst *burst, const struct l4_packet *packet,
			     struct l4_side *side)
{
	if (side->way.mtu == 0 &&
	    !net_way_find(burst->l4->config.net, &side->source, &side->destination, &side->way)) {
		l4_drop(burst->l4, packet->mbuf, COUNTER_drop_no_route);
		return false;
	}
	if (packet->ip_bytes <= side->way.mtu)
		return true;
	refuse(burst, packet, NET_REFUSAL_TOO_BIG, side->way.mtu);
	return false;
}

// forward sends a packet of flow's direction on.
static inline void forward(struct burst *burst, const struct l4_packet *packet,
			   struct l4_flow *flow, enum l4_direction direction)
{
	struct l4_side *side = &flow->sides[direction];
	struct rte_mbuf *mbuf = packet->mbuf;
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	const uint8_t *tcp =
		packet->protocol == NET_PROTOCOL_TCP ? frame + packet->l4_offset : NULL;
	uint8_t hops = frame[packet->l3_offset + (packet->is_v4 ? 8u : 7u)];
	side->last_us = burst->l4->now_us;
	if (unlikely(hops <= 1)) {
		refuse(burst, packet, NET_REFUSAL_TTL, 0);
		return;
	}
	if (unlikely(packet->ip_bytes > side->way.mtu) && !is_narrow_enough(burst, packet, side))
		return;
	if (!side->is_settled || (tcp && tcp[13] & (L4_TCP_SYN | L4_TCP_FIN | L4_TCP_RST)))
		l4_flow_note(flow, direction, tcp);
	l4_rewrite(packet, side);
	rte_pktmbuf_adj(mbuf, packet->l3_offset);
	if (unlikely(mbuf->pkt_len > packet->ip_bytes) && mbuf->nb_segs == 1)
		rte_pktmbuf_trim(mbuf, (uint16_t)(mbuf->pkt_len - packet->ip_bytes));
	burst->sent++;
	burst->sent_bytes += packet->ip_bytes;
	l4_send(burst->l4, side, mbuf);
}

// is_reopened is true for a client's SYN on a flow that is over: a new connection, for which the
// endpoint is chosen anew.
static bool is_reopened(const struct l4_packet *packet, const struct l4_flow *flow,
			enum l4_direction direction)
{
	const uint8_t *l4 = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l4_offset);
	return flow->state == L4_CLOSING && direction == L4_FROM_CLIENT &&
	       packet->protocol == NET_PROTOCOL_TCP &&
	       (l4[13] & (L4_TCP_SYN | L4_TCP_ACK | L4_TCP_RST)) == L4_TCP_SYN;
}

// take_one is the slow way: what the burst's lookup did not find, or what may have changed since.
static void take_one(struct burst *burst, const struct l4_packet *packet)
{
	struct l4 *l4 = burst->l4;
	enum l4_direction direction = L4_FROM_CLIENT;
	struct l4_flow *flow = l4_find(l4, packet->key, packet->is_v4, &direction);
	if (flow && is_reopened(packet, flow, direction)) {
		l4_flow_end(flow);
		flow = NULL;
	}
	if (!flow) {
		enum l4_opened opened = l4_open(l4, packet, &flow);
		if (opened == L4_LEFT)
			burst->left[burst->left_count++] = packet->mbuf;
		if (opened != L4_OPENED)
			return;
		direction = L4_FROM_CLIENT;
	}
	forward(burst, packet, flow, direction);
}

// take_found forwards a packet whose flow is found in the table.
static inline void take_found(struct burst *burst, const struct l4_packet *packet, const void *data)
{
	struct l4_flow *flow = &burst->l4->flows[(uintptr_t)data >> 1];
	enum l4_direction direction = (uintptr_t)data & 1;
	if (likely(flow->sides[direction].is_settled || flow->state != L4_CLOSING))
		forward(burst, packet, flow, direction);
	else
		take_one(burst, packet);
}

// run_family looks up and forwards the packets of one family.
static void run_family(struct burst *burst, struct family *family, bool is_v4)
{
	struct l4 *l4 = burst->l4;
	const void *keys[PORT_BURST];
	hash_sig_t hashes[PORT_BURST];
	void *data[PORT_BURST];
	uint64_t hits = 0;
	for (uint32_t i = 0; i < family->count; i++) {
		keys[i] = &family->keys[i];
		hashes[i] = l4_hash_of(l4, &family->keys[i], is_v4);
	}
	if (!l4->tables[is_v4] ||
	    rte_hash_lookup_with_hash_bulk_data(l4->tables[is_v4], keys, hashes, family->count,
						&hits, data) < 0)
		hits = 0;
	for (uint32_t i = 0; i < family->count; i++) {
		if (!(hits >> i & 1))
			continue;
		const struct l4_flow *flow = &l4->flows[(uintptr_t)data[i] >> 1];
		rte_prefetch0(&flow->sides[(uintptr_t)data[i] & 1]);
	}
	uint32_t changes = l4->table_changes;
	for (uint32_t i = 0; i < family->count; i++) {
		if (likely(hits >> i & 1 && changes == l4->table_changes))
			take_found(burst, &family->packets[i], data[i]);
		else
			take_one(burst, &family->packets[i]);
	}
}

uint32_t l4_input(void *user, uint32_t port_index, struct rte_mbuf **mbufs, uint32_t count,
		  bool is_handed)
{
	struct l4 *l4 = user;
	struct burst burst;
	CHECK(count <= PORT_BURST);
	burst.l4 = l4;
	burst.port = l4->config.ports[port_index];
	burst.port_index = port_index;
	burst.is_handed = is_handed;
	burst.left = mbufs;
	burst.left_count = 0;
	burst.families[0].count = burst.families[1].count = 0;
	burst.sent = burst.sent_bytes = 0;
	for (uint32_t i = 0; i < count && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (uint32_t i = 0; i < count; i++) {
		if (i + PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + PREFETCH_AHEAD], void *));
		sort_in(&burst, mbufs[i]);
	}
	for (unsigned is_v4 = 0; is_v4 < 2; is_v4++)
		if (burst.families[is_v4].count > 0)
			run_family(&burst, &burst.families[is_v4], is_v4);
	counter_add(l4->config.counters, COUNTER_l4_packets, burst.sent);
	counter_add(l4->config.counters, COUNTER_l4_bytes, burst.sent_bytes);
	return burst.left_count;
}

bool l4_odd(void *user, struct rte_mbuf *mbuf, uint8_t protocol)
{
	struct l4 *l4 = user;
	const struct packet *packet = packet_of(mbuf);
	bool is_v4 = addr_is_v4(&packet->destination);
	bool is_ours = protocol == NET_PROTOCOL_TCP || protocol == NET_PROTOCOL_UDP;
	const struct l4_local *local =
		l4_local_of(l4, packet->destination.bytes + (is_v4 ? 12 : 0), is_v4);
	if (!is_ours || !local || packet->l4_bytes < 4 || mbuf->data_len < packet->l4_offset + 4u)
		return false;
	const uint8_t *ports = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, packet->l4_offset);
	if (!l4_is_local_port(local, protocol, l4_get16(ports + 2)))
		return false;
	l4_drop(l4, mbuf, COUNTER_l4_odd);
	return true;
}
