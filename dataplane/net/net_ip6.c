// SPDX-License-Identifier: Apache-2.0
// IPv6 in and out (RFC 8200); the extension headers are net_ip6_ext's.
#include "net_priv.h"

#include "check.h"

#include <string.h>

static bool is_unspecified(const struct addr *a)
{
	static const struct addr zero;
	return addr_equal(a, &zero);
}

static bool is_loopback(const struct addr *a)
{
	static const struct addr one = {.bytes = {[15] = 1}};
	return addr_equal(a, &one);
}

static enum counter check_addresses(const struct net *net, const struct packet *packet)
{
	const struct addr *from = &packet->source;
	const struct addr *to = &packet->destination;
	// An IPv4-mapped address on the wire would look like IPv4 to all of us (RFC 4038 4.2).
	if (from->bytes[0] == 0xff || is_loopback(from) || addr_is_v4(from) ||
	    net_is_local(net, from))
		return COUNTER_drop_ip_source;
	if (is_unspecified(to) || is_loopback(to) || addr_is_v4(to))
		return COUNTER_drop_ip_destination;
	if (packet->ttl == 0)
		return COUNTER_drop_ip_ttl;
	return COUNTER_COUNT;
}

static enum counter read_header(const struct net_frame *frame, struct packet *packet)
{
	if (rte_pktmbuf_data_len(frame->mbuf) < frame->l3_offset + NET_IP6_BYTES)
		return COUNTER_drop_ip6_header;
	const uint8_t *header = net_frame_at(frame, frame->l3_offset);
	uint32_t have = rte_pktmbuf_pkt_len(frame->mbuf) - frame->l3_offset - NET_IP6_BYTES;
	packet->l4_bytes = net_get16(header + 4);
	if (header[0] >> 4 != 6 || packet->l4_bytes > have)
		return COUNTER_drop_ip6_header;
	packet->source = addr_v6(header + 8);
	packet->destination = addr_v6(header + 24);
	packet->l4_offset = (uint16_t)(frame->l3_offset + NET_IP6_BYTES);
	packet->ttl = header[7];
	packet->ecn = header[1] >> 4 & 3;
	packet->is_checksum_good = 0;
	return COUNTER_COUNT;
}

// is_nd_group is true for the groups that neighbour discovery is sent to: all nodes, and the
// solicited-node groups.
static bool is_nd_group(const struct addr *to)
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	static const uint8_t solicited[13] = {0xff, 2, [11] = 1, [12] = 0xff};
	return memcmp(to->bytes, all_nodes, 16) == 0 || memcmp(to->bytes, solicited, 13) == 0;
}

static void dispatch(struct net *net, struct net_frame *frame)
{
	struct packet *packet = packet_of(frame->mbuf);
	net_trim(frame->mbuf,
		 rte_pktmbuf_pkt_len(frame->mbuf) - packet->l4_offset - packet->l4_bytes);
	if (frame->protocol == NET_PROTOCOL_ICMP6)
		net_icmp6_input(net, frame);
	else if (is_unspecified(&packet->source))
		net_drop(net, frame->mbuf, COUNTER_drop_ip_source);
	else
		net_l4_input(net, frame);
}

void net_ip6_input(struct net *net, struct net_frame *frame)
{
	struct packet *packet = packet_of(frame->mbuf);
	enum counter reason = read_header(frame, packet);
	if (reason == COUNTER_COUNT)
		reason = check_addresses(net, packet);
	if (reason != COUNTER_COUNT) {
		net_drop(net, frame->mbuf, reason);
		return;
	}
	bool is_group = is_nd_group(&packet->destination);
	if (!is_group && !net_is_local(net, &packet->destination)) {
		net_divert_or_drop(net, frame->mbuf, COUNTER_drop_ip_not_ours);
		return;
	}
	if (!is_group && net_frame_is_group(frame)) {
		net_drop(net, frame->mbuf, COUNTER_drop_ip_destination);
		return;
	}
	struct net_ip6_walk walk;
	net_ip6_walk(frame, &walk);
	if (walk.reason != COUNTER_COUNT) {
		net_icmp_error(net, frame, walk.answer, walk.pointer);
		net_drop(net, frame->mbuf, walk.reason);
	} else if (is_group && (walk.is_fragment || frame->protocol != NET_PROTOCOL_ICMP6)) {
		net_divert_or_drop(net, frame->mbuf, COUNTER_drop_ip_not_ours);
	} else if (walk.is_fragment) {
		net_frag_input(net, frame, &walk.fragment);
	} else {
		dispatch(net, frame);
	}
}

void net_ip6_push(struct rte_mbuf *mbuf, const struct addr *source, const struct addr *destination,
		  uint8_t protocol, uint8_t hop_limit)
{
	uint32_t payload_bytes = rte_pktmbuf_pkt_len(mbuf);
	uint8_t *header = (uint8_t *)rte_pktmbuf_prepend(mbuf, NET_IP6_BYTES);
	CHECK(header);
	net_put32(header, 0x60000000);
	net_put16(header + 4, payload_bytes);
	header[6] = protocol;
	header[7] = hop_limit;
	memcpy(header + 8, source->bytes, 16);
	memcpy(header + 24, destination->bytes, 16);
}
