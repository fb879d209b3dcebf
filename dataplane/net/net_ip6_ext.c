// SPDX-License-Identifier: Apache-2.0
// The walk over IPv6 extension headers (RFC 8200 4) within bounds: at most EXTENSIONS_MAX headers
// and EXTENSION_BYTES_MAX bytes, all in the first segment. Hop-by-hop options come first or not at
// all, routing headers that would send a packet on are refused (RFC 5095), unknown options are
// treated as their two highest bits say, and the walk stops behind a fragment header.
#include "net_priv.h"

#define EXTENSIONS_MAX      4u
#define EXTENSION_BYTES_MAX 512u
#define NEXT_HOP_BY_HOP     0u
#define NEXT_ROUTING        43u
#define NEXT_FRAGMENT       44u
#define NEXT_AUTHENTICATION 51u
#define NEXT_DESTINATION    60u

static bool is_extension(uint8_t next)
{
	return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT ||
	       next == NEXT_AUTHENTICATION || next == NEXT_DESTINATION;
}

static uint32_t bytes_of(uint8_t type, const uint8_t *at)
{
	if (type == NEXT_FRAGMENT)
		return 8;
	return type == NEXT_AUTHENTICATION ? (at[1] + 2u) * 4 : (at[1] + 1u) * 8;
}

// walk_options looks at the options of a header of bytes bytes; offset is its place in the packet.
static void walk_options(const uint8_t *at, uint32_t bytes, uint32_t offset,
			 struct net_ip6_walk *walk)
{
	uint32_t option_bytes = 1;
	for (uint32_t i = 2; i < bytes; i += option_bytes) {
		bool is_padding = at[i] == 0;
		if (!is_padding && i + 1 == bytes) {
			walk->reason = COUNTER_drop_ip6_extension;
			return;
		}
		option_bytes = is_padding ? 1 : 2u + at[i + 1];
		if (i + option_bytes > bytes) {
			walk->reason = COUNTER_drop_ip6_extension;
			return;
		}
		if (is_padding || (at[i] & 0xc0) == 0)
			continue;
		walk->reason = COUNTER_drop_ip6_option;
		walk->answer = at[i] & 0x80 ? NET_ICMP_OPTION : NET_ICMP_NONE;
		walk->pointer = offset + i;
		return;
	}
}

// is_chain_whole follows the headers behind a first fragment's header to the transport, which must
// be in it (RFC 7112 5).
static bool is_chain_whole(const struct net_frame *frame, const struct packet *packet, uint8_t next)
{
	uint32_t offset = packet->l4_offset;
	uint32_t end = MIN((uint32_t)packet->l4_offset + packet->l4_bytes,
			   (uint32_t)rte_pktmbuf_data_len(frame->mbuf));
	for (uint32_t count = 0; is_extension(next); count++) {
		if (offset + 8 > end || count == EXTENSIONS_MAX)
			return false;
		const uint8_t *at = net_frame_at(frame, offset);
		offset += bytes_of(next, at);
		next = at[0];
	}
	return offset < end && net_is_header_whole(next, net_frame_at(frame, offset), end - offset);
}

// take_fragment reads a fragment header at at; packet is behind it already.
static void take_fragment(const struct net_frame *frame, const struct packet *packet,
			  const uint8_t *at, struct net_ip6_walk *walk)
{
	uint16_t word = net_get16(at + 2);
	walk->is_fragment = word & ~6u;
	if (frame->was_fragment && walk->is_fragment)
		walk->reason = COUNTER_drop_frag_malformed; // one within another
	walk->fragment = (struct net_fragment){.id = net_get32(at + 4),
					       .offset = word & 0xfff8,
					       .is_more = word & 1,
					       .protocol = at[0],
					       .next_at = frame->next_at,
					       .is_chain_longer = is_extension(at[0])};
	if (walk->is_fragment && walk->fragment.offset == 0)
		walk->fragment.is_chain_whole = is_chain_whole(frame, packet, at[0]);
}

// take_header judges one header of bytes bytes that lies offset bytes into the IPv6 packet.
static void take_header(uint8_t type, const uint8_t *at, uint32_t bytes, uint32_t offset,
			struct net_ip6_walk *walk)
{
	if (type == NEXT_HOP_BY_HOP || type == NEXT_DESTINATION) {
		walk_options(at, bytes, offset, walk);
	} else if (type == NEXT_ROUTING && at[3] != 0) {
		walk->reason = COUNTER_drop_ip6_extension;
		walk->answer = NET_ICMP_FIELD; // the routing type (RFC 8200 4.4, RFC 5095 3)
		walk->pointer = offset + 2;
	}
}

void net_ip6_walk(struct net_frame *frame, struct net_ip6_walk *walk)
{
	struct packet *packet = packet_of(frame->mbuf);
	uint32_t first = packet->l4_offset;
	*walk = (struct net_ip6_walk){.reason = COUNTER_COUNT, .answer = NET_ICMP_NONE};
	frame->next_at = (uint16_t)(frame->l3_offset + 6);
	uint8_t next = *net_frame_at(frame, frame->next_at);
	for (uint32_t count = 0; is_extension(next); count++) {
		uint32_t have = rte_pktmbuf_data_len(frame->mbuf) - packet->l4_offset;
		uint32_t left_bytes = EXTENSION_BYTES_MAX - (packet->l4_offset - first);
		have = MIN(MIN(have, (uint32_t)packet->l4_bytes), left_bytes);
		const uint8_t *at = net_frame_at(frame, packet->l4_offset);
		uint32_t bytes = have < 8 ? 8 : bytes_of(next, at);
		if (next == NEXT_HOP_BY_HOP && count > 0) {
			walk->answer = NET_ICMP_PROTOCOL; // RFC 8200 4: as an unknown header
			walk->pointer = (uint32_t)frame->next_at - frame->l3_offset;
		}
		if (bytes > have || bytes < 8 || count == EXTENSIONS_MAX ||
		    walk->answer != NET_ICMP_NONE) {
			walk->reason = COUNTER_drop_ip6_extension;
			return;
		}
		uint32_t offset = (uint32_t)packet->l4_offset - frame->l3_offset;
		frame->has_extensions = true;
		packet->l4_offset = (uint16_t)(packet->l4_offset + bytes);
		packet->l4_bytes = (uint16_t)(packet->l4_bytes - bytes);
		if (next == NEXT_FRAGMENT)
			take_fragment(frame, packet, at, walk);
		else
			take_header(next, at, bytes, offset, walk);
		if (walk->reason != COUNTER_COUNT || walk->is_fragment)
			return;
		frame->was_fragment |= next == NEXT_FRAGMENT;
		frame->next_at = (uint16_t)(frame->l3_offset + offset);
		next = at[0];
	}
	frame->protocol = next;
}

bool net_ip6_is_error(const struct net_frame *frame)
{
	uint32_t offset = frame->l3_offset + NET_IP6_BYTES;
	uint32_t end = rte_pktmbuf_data_len(frame->mbuf);
	uint8_t next = *net_frame_at(frame, frame->l3_offset + 6u);
	while (is_extension(next)) {
		if (offset + 8 > end)
			return true;
		const uint8_t *at = net_frame_at(frame, offset);
		if (next == NEXT_FRAGMENT && net_get16(at + 2) & 0xfff8)
			return true;
		offset += bytes_of(next, at);
		next = at[0];
	}
	return next == NET_PROTOCOL_ICMP6 && (offset >= end || *net_frame_at(frame, offset) < 128);
}
