// SPDX-License-Identifier: Apache-2.0
// IPv6 in and out (RFC 8200). Extension headers are walked within bounds: at most EXTENSIONS_MAX,
// inside the first segment. Fragments and routing headers with segments left are dropped.
#include "net_priv.h"

#include "check.h"

#include <string.h>

#define EXTENSIONS_MAX      4u
#define NEXT_HOP_BY_HOP     0u
#define NEXT_ROUTING        43u
#define NEXT_FRAGMENT       44u
#define NEXT_AUTHENTICATION 51u
#define NEXT_DESTINATION    60u

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

static bool is_extension(uint8_t next)
{
	return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT ||
	       next == NEXT_AUTHENTICATION || next == NEXT_DESTINATION;
}

// are_options_skippable walks hop-by-hop or destination options: an option that we do not know is
// skipped only when its two highest bits say so (RFC 8200 4.2).
static bool are_options_skippable(const uint8_t *at, size_t bytes)
{
	while (bytes > 0) {
		size_t option_bytes = 1;
		if (at[0] != 0) {
			if (bytes < 2 || (at[0] & 0xc0) != 0)
				return false;
			option_bytes = 2u + at[1];
		}
		if (option_bytes > bytes)
			return false;
		at += option_bytes;
		bytes -= option_bytes;
	}
	return true;
}

// check_extension returns why one extension header is refused, or COUNTER_COUNT and its size. have
// bytes (>= 8) are at at.
static enum counter check_extension(uint8_t type, const uint8_t *at, uint32_t have, uint32_t *bytes)
{
	if (type == NEXT_FRAGMENT)
		return COUNTER_drop_ip6_fragment;
	*bytes = type == NEXT_AUTHENTICATION ? (at[1] + 2u) * 4 : (at[1] + 1u) * 8;
	if (*bytes > have || *bytes < 8)
		return COUNTER_drop_ip6_extension;
	if (type == NEXT_ROUTING && at[3] != 0)
		return COUNTER_drop_ip6_extension;
	if ((type == NEXT_HOP_BY_HOP || type == NEXT_DESTINATION) &&
	    !are_options_skippable(at + 2, *bytes - 2))
		return COUNTER_drop_ip6_extension;
	return COUNTER_COUNT;
}

// skip_extensions moves packet's transport behind the extension headers and finds the protocol.
static enum counter skip_extensions(struct net_frame *frame, struct packet *packet)
{
	uint8_t next = net_frame_at(frame, frame->l3_offset)[6];
	for (uint32_t count = 0; is_extension(next); count++) {
		uint32_t bytes = 0;
		uint32_t have = rte_pktmbuf_data_len(frame->mbuf) - packet->l4_offset;
		have = MIN(have, (uint32_t)packet->l4_bytes);
		if (have < 8 || count == EXTENSIONS_MAX || (next == NEXT_HOP_BY_HOP && count > 0))
			return COUNTER_drop_ip6_extension;
		const uint8_t *at = net_frame_at(frame, packet->l4_offset);
		enum counter reason = check_extension(next, at, have, &bytes);
		if (reason != COUNTER_COUNT)
			return reason;
		next = at[0];
		packet->l4_offset = (uint16_t)(packet->l4_offset + bytes);
		packet->l4_bytes = (uint16_t)(packet->l4_bytes - bytes);
		frame->has_extensions = true;
	}
	frame->protocol = next;
	return COUNTER_COUNT;
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
	reason = skip_extensions(frame, packet);
	if (reason != COUNTER_COUNT)
		net_drop(net, frame->mbuf, reason);
	else if (is_group && frame->protocol != NET_PROTOCOL_ICMP6)
		net_divert_or_drop(net, frame->mbuf, COUNTER_drop_ip_not_ours);
	else
		dispatch(net, frame);
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
