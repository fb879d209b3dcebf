// SPDX-License-Identifier: Apache-2.0
// ICMP (RFC 792, RFC 1122 3.2.2): echo, "unreachable" with the next hop's MTU (RFC 1191), quotes.
#include "net_cksum.h"
#include "net_priv.h"

#include "check.h"

#include <string.h>

#define ICMP_BYTES         8u
#define TYPE_ECHO_REPLY    0u
#define TYPE_UNREACHABLE   3u
#define TYPE_TIME_EXCEEDED 11u
#define TYPE_PARAMETER     12u
#define CODE_PROTOCOL      2u
#define CODE_PORT          3u
#define CODE_TOO_BIG       4u
#define QUOTE_BYTES_MAX    548u // RFC 1812 4.3.2.3: 576 with both headers
#define UNKNOWN_MTU        576u // an old router that does not tell (RFC 1191 5)

// read_quote finds the packet of ours that an error quotes: our address, first fragment, ports.
static bool read_quote(const struct net *net, const struct net_frame *frame,
		       struct net_icmp_error *error)
{
	const struct packet *packet = packet_of(frame->mbuf);
	uint32_t have = MIN(rte_pktmbuf_data_len(frame->mbuf) - (uint32_t)packet->l4_offset,
			    (uint32_t)packet->l4_bytes);
	const uint8_t *at = net_frame_at(frame, packet->l4_offset + ICMP_BYTES);
	if (have < ICMP_BYTES + NET_IP4_BYTES)
		return false;
	have -= ICMP_BYTES;
	uint32_t header_bytes = (at[0] & 15u) * 4;
	if (at[0] >> 4 != 4 || header_bytes < NET_IP4_BYTES || have < header_bytes + 8 ||
	    (net_get16(at + 6) & 0x1fff) != 0)
		return false;
	error->local = addr_v4(at + 12);
	error->remote = addr_v4(at + 16);
	error->protocol = at[9];
	error->quoted = at + header_bytes;
	error->quoted_bytes = have - header_bytes;
	return net_is_local(net, &error->local);
}

static void take_error(struct net *net, struct net_frame *frame)
{
	const uint8_t *at = net_frame_at(frame, packet_of(frame->mbuf)->l4_offset);
	struct net_icmp_error error = {0};
	if (!read_quote(net, frame, &error)) {
		net_drop(net, frame->mbuf, COUNTER_drop_icmp_quote);
		return;
	}
	if (at[0] == TYPE_UNREACHABLE && at[1] == CODE_TOO_BIG) {
		error.mtu = net_get16(at + 6);
		if (error.mtu == 0)
			error.mtu = UNKNOWN_MTU;
	} else if (at[0] == TYPE_UNREACHABLE) {
		error.is_hard = at[1] == CODE_PROTOCOL || at[1] == CODE_PORT;
	}
	net_icmp_report(net, frame, &error);
}

void net_icmp4_input(struct net *net, struct net_frame *frame)
{
	const struct packet *packet = packet_of(frame->mbuf);
	if (packet->l4_bytes < ICMP_BYTES ||
	    rte_pktmbuf_data_len(frame->mbuf) < packet->l4_offset + ICMP_BYTES ||
	    net_cksum_l4(frame->mbuf, packet->l4_offset, packet->l4_bytes, 0) != 0xffff) {
		net_drop(net, frame->mbuf, COUNTER_drop_icmp_malformed);
		return;
	}
	uint8_t type = net_frame_at(frame, packet->l4_offset)[0];
	if (type == NET_ICMP4_ECHO)
		net_icmp_echo(net, frame, TYPE_ECHO_REPLY);
	else if (type == TYPE_UNREACHABLE || type == TYPE_TIME_EXCEEDED || type == TYPE_PARAMETER)
		take_error(net, frame);
	else
		net_divert_or_drop(net, frame->mbuf, COUNTER_drop_icmp_ignored);
}

// write_kind writes what the message says: type, code and the word behind the checksum.
static void write_kind(uint8_t at[ICMP_BYTES], enum net_icmp_kind kind, uint32_t pointer)
{
	memset(at, 0, ICMP_BYTES);
	at[0] = TYPE_UNREACHABLE;
	at[1] = kind == NET_ICMP_PORT ? CODE_PORT : CODE_PROTOCOL;
	if (kind == NET_ICMP_REASSEMBLY || kind == NET_ICMP_TTL) {
		at[0] = TYPE_TIME_EXCEEDED;
		at[1] = kind == NET_ICMP_REASSEMBLY; // code 0 in transit, 1 in reassembly
	} else if (kind == NET_ICMP_TOO_BIG) {
		at[1] = CODE_TOO_BIG;
		net_put16(at + 6, pointer);
	}
}

struct rte_mbuf *net_icmp4_quote(struct net *net, const struct net_frame *frame,
				 enum net_icmp_kind kind, uint32_t pointer)
{
	struct rte_mbuf *mbuf = net_alloc(net);
	uint32_t bytes = MIN(rte_pktmbuf_data_len(frame->mbuf) - (uint32_t)frame->l3_offset,
			     QUOTE_BYTES_MAX);
	if (!mbuf)
		return NULL;
	uint8_t *at = net_append(mbuf, ICMP_BYTES + bytes);
	write_kind(at, kind, pointer);
	memcpy(at + ICMP_BYTES, net_frame_at(frame, frame->l3_offset), bytes);
	uint16_t sum = net_cksum_header(at, ICMP_BYTES + bytes);
	memcpy(at + 2, &sum, 2);
	return mbuf;
}
