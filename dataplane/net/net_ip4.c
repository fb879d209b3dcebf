// SPDX-License-Identifier: Apache-2.0
// IPv4 in and out (RFC 791, RFC 1122 3.2, RFC 1812 4.2.2 for the checks).
#include "net_cksum.h"
#include "net_priv.h"

#include "check.h"

#include <errno.h>
#include <string.h>

#define OPTION_LOOSE_ROUTE  131u
#define OPTION_STRICT_ROUTE 137u
#define MORE_FRAGMENTS      0x2000u
#define FRAGMENT_OFFSET     0x1fffu

// are_options_sane walks the options: inside their bounds, and no source routing.
static bool are_options_sane(const uint8_t *at, size_t bytes)
{
	while (bytes > 0 && at[0] != 0) {
		size_t option_bytes = 1;
		if (at[0] == OPTION_LOOSE_ROUTE || at[0] == OPTION_STRICT_ROUTE)
			return false;
		if (at[0] != 1) {
			if (bytes < 2 || at[1] < 2 || at[1] > bytes)
				return false;
			option_bytes = at[1];
		}
		at += option_bytes;
		bytes -= option_bytes;
	}
	return true;
}

// is_source_possible refuses what no host may send from (RFC 1122 3.2.1.3), and ourselves.
static bool is_source_possible(const struct net *net, const struct addr *source)
{
	const uint8_t *b = addr_v4_bytes(source);
	if (b[0] == 0 || b[0] == 127 || b[0] >= 224)
		return false;
	return !net_is_broadcast(net, source) && !net_is_local(net, source);
}

// check_header returns why the header is refused, or COUNTER_COUNT. RFC 1812 5.2.2 in its order.
static enum counter check_header(const struct net *net, const struct net_frame *frame)
{
	uint32_t have = rte_pktmbuf_data_len(frame->mbuf) - frame->l3_offset;
	if (have < NET_IP4_BYTES)
		return COUNTER_drop_ip4_header;
	const uint8_t *header = net_frame_at(frame, frame->l3_offset);
	uint32_t header_bytes = (header[0] & 15u) * 4;
	uint32_t total_bytes = net_get16(header + 2);
	if (header[0] >> 4 != 4 || header_bytes < NET_IP4_BYTES || header_bytes > have)
		return COUNTER_drop_ip4_header;
	if (total_bytes < header_bytes ||
	    total_bytes > rte_pktmbuf_pkt_len(frame->mbuf) - frame->l3_offset)
		return COUNTER_drop_ip4_header;
	uint64_t nic = frame->mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	bool is_good = nic == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	if (!net->ports[frame->port_index].port->can_checksum_rx ||
	    (!is_good && nic != RTE_MBUF_F_RX_IP_CKSUM_BAD))
		is_good = net_cksum_bytes(header, header_bytes) == 0xffff;
	if (!is_good)
		return COUNTER_drop_ip4_checksum;
	if (!are_options_sane(header + NET_IP4_BYTES, header_bytes - NET_IP4_BYTES))
		return COUNTER_drop_ip4_options;
	return COUNTER_COUNT;
}

static enum counter check_addresses(const struct net *net, const struct net_frame *frame,
				    const struct packet *packet)
{
	const uint8_t *to = addr_v4_bytes(&packet->destination);
	if (!is_source_possible(net, &packet->source))
		return COUNTER_drop_ip_source;
	if (to[0] == 127 || to[0] == 0)
		return COUNTER_drop_ip_destination;
	if (net_frame_is_group(frame) && net_is_local(net, &packet->destination))
		return COUNTER_drop_ip_destination; // RFC 1122 3.3.6: broadcast link, unicast IP
	if (packet->ttl == 0)
		return COUNTER_drop_ip_ttl;
	return COUNTER_COUNT;
}

static void read_header(const struct net_frame *frame, struct packet *packet)
{
	const uint8_t *header = net_frame_at(frame, frame->l3_offset);
	uint16_t header_bytes = (uint16_t)((header[0] & 15u) * 4);
	packet->source = addr_v4(header + 12);
	packet->destination = addr_v4(header + 16);
	packet->l4_offset = (uint16_t)(frame->l3_offset + header_bytes);
	packet->l4_bytes = (uint16_t)(net_get16(header + 2) - header_bytes);
	packet->ttl = header[8];
	packet->ecn = header[1] & 3;
	packet->is_checksum_good = 0;
}

static void take_fragment(struct net *net, struct net_frame *frame)
{
	const struct packet *packet = packet_of(frame->mbuf);
	const uint8_t *header = net_frame_at(frame, frame->l3_offset);
	uint16_t word = net_get16(header + 6);
	uint32_t have = rte_pktmbuf_data_len(frame->mbuf) - packet->l4_offset;
	struct net_fragment part = {.id = net_get16(header + 4),
				    .offset = (uint16_t)((word & FRAGMENT_OFFSET) * 8),
				    .is_more = word & MORE_FRAGMENTS,
				    .protocol = header[9]};
	part.is_chain_whole = net_is_header_whole(header[9], net_frame_at(frame, packet->l4_offset),
						  MIN(have, (uint32_t)packet->l4_bytes));
	net_frag_input(net, frame, &part);
}

void net_ip4_input(struct net *net, struct net_frame *frame)
{
	struct rte_mbuf *mbuf = frame->mbuf;
	struct packet *packet = packet_of(mbuf);
	enum counter reason = check_header(net, frame);
	if (reason == COUNTER_COUNT) {
		read_header(frame, packet);
		reason = check_addresses(net, frame, packet);
	}
	if (reason != COUNTER_COUNT) {
		net_drop(net, mbuf, reason);
		return;
	}
	if (!net_is_local(net, &packet->destination)) {
		net_divert_or_drop(net, mbuf, COUNTER_drop_ip_not_ours);
		return;
	}
	const uint8_t *header = net_frame_at(frame, frame->l3_offset);
	if (net_get16(header + 6) & (MORE_FRAGMENTS | FRAGMENT_OFFSET)) {
		take_fragment(net, frame);
		return;
	}
	net_trim(mbuf, rte_pktmbuf_pkt_len(mbuf) - packet->l4_offset - packet->l4_bytes);
	frame->protocol = header[9];
	if (frame->protocol == NET_PROTOCOL_ICMP4)
		net_icmp4_input(net, frame);
	else
		net_l4_input(net, frame);
}

// push puts an IPv4 header before mbuf's bytes. DF is set, so the identification may be 0 (RFC
// 6864).
static void push(const struct port *port, struct rte_mbuf *mbuf, const struct net_tx *tx)
{
	uint32_t total_bytes = rte_pktmbuf_pkt_len(mbuf) + NET_IP4_BYTES;
	uint8_t *header = (uint8_t *)rte_pktmbuf_prepend(mbuf, NET_IP4_BYTES);
	CHECK(header);
	memset(header, 0, NET_IP4_BYTES);
	header[0] = 0x45;
	header[1] = tx->ecn;
	net_put16(header + 2, total_bytes);
	header[6] = 0x40;
	header[8] = NET_TTL;
	header[9] = tx->protocol;
	memcpy(header + 12, addr_v4_bytes(&tx->local), 4);
	memcpy(header + 16, addr_v4_bytes(&tx->remote), 4);
	if (port->can_checksum_ip4_tx) {
		mbuf->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	} else {
		uint16_t sum = net_cksum_header(header, NET_IP4_BYTES);
		memcpy(header + 10, &sum, 2);
	}
}

// label_of is the flow label of a transport packet: a keyed hash of what names its connection (RFC
// 6437 3), the same for all of its packets.
static uint32_t label_of(const struct net *net, const struct rte_mbuf *mbuf,
			 const struct net_tx *tx)
{
	uint8_t name[37];
	if (tx->protocol != NET_PROTOCOL_TCP && tx->protocol != NET_PROTOCOL_UDP)
		return 0;
	memcpy(name, tx->local.bytes, 16);
	memcpy(name + 16, tx->remote.bytes, 16);
	memcpy(name + 32, rte_pktmbuf_mtod(mbuf, const uint8_t *), 4);
	name[36] = tx->protocol;
	return (uint32_t)siphash(&net->label_key, name, sizeof(name)) & 0xfffff;
}

void net_ip_push(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf,
		 const struct net_tx *tx)
{
	if (addr_is_v4(&tx->remote)) {
		push(net->ports[hop->port_index].port, mbuf, tx);
		mbuf->l3_len = NET_IP4_BYTES;
		return;
	}
	uint32_t label = label_of(net, mbuf, tx);
	net_ip6_push(mbuf, &tx->local, &tx->remote, tx->protocol, NET_TTL);
	net_put32(rte_pktmbuf_mtod(mbuf, uint8_t *), 0x60000000u | (uint32_t)tx->ecn << 20 | label);
	mbuf->l3_len = NET_IP6_BYTES;
}

int net_ip_emit(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf)
{
	const struct port *port = net->ports[hop->port_index].port;
	if (rte_pktmbuf_pkt_len(mbuf) > port->mtu && !(mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG)) {
		net_drop(net, mbuf, COUNTER_drop_too_big);
		return ENOBUFS;
	}
	if (mbuf->nb_segs > 1 && !port->can_scatter_tx)
		mbuf = net_linearise(net, mbuf);
	return mbuf ? net_neigh_send(net, hop, mbuf) : ENOBUFS;
}

int net_ip_send(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf,
		const struct net_tx *tx)
{
	net_ip_push(net, hop, mbuf, tx);
	return net_ip_emit(net, hop, mbuf);
}
