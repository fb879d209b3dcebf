// SPDX-License-Identifier: Apache-2.0
// ICMPv6 (RFC 4443): echo, "unreachable" and "packet too big" (RFC 8201), quotes; neighbour
// discovery goes to net_nd.
#include "net_cksum.h"
#include "net_priv.h"

#include "check.h"

#include <string.h>

#define ICMP_BYTES         8u
#define TYPE_UNREACHABLE   1u
#define TYPE_TOO_BIG       2u
#define TYPE_TIME_EXCEEDED 3u
#define TYPE_PARAMETER     4u
#define TYPE_ECHO          128u
#define TYPE_ECHO_REPLY    129u
#define TYPE_MLD_QUERY     130u
#define TYPE_ND_SOLICIT    135u
#define TYPE_ND_ADVERTISE  136u
#define CODE_NEXT_HEADER   1u
#define QUOTE_BYTES_MAX    1192u // RFC 4443 2.4 c: the error fits 1280

static const struct {
	uint8_t type, code;
} answers[] = {
	[NET_ICMP_PORT] = {TYPE_UNREACHABLE, 4},
	[NET_ICMP_PROTOCOL] = {TYPE_PARAMETER, CODE_NEXT_HEADER},
	[NET_ICMP_REASSEMBLY] = {TYPE_TIME_EXCEEDED, 1},
	[NET_ICMP_FIELD] = {TYPE_PARAMETER, 0},
	[NET_ICMP_OPTION] = {TYPE_PARAMETER, 2},
	[NET_ICMP_CHAIN] = {TYPE_PARAMETER, 3},
	[NET_ICMP_TTL] = {TYPE_TIME_EXCEEDED, 0},
	[NET_ICMP_TOO_BIG] = {TYPE_TOO_BIG, 0},
};

// read_quote finds the packet of ours that an error quotes. We send no extension headers.
static bool read_quote(const struct net *net, const struct net_frame *frame,
		       struct net_icmp_error *error)
{
	const struct packet *packet = packet_of(frame->mbuf);
	uint32_t have = MIN(rte_pktmbuf_data_len(frame->mbuf) - (uint32_t)packet->l4_offset,
			    (uint32_t)packet->l4_bytes);
	const uint8_t *at = net_frame_at(frame, packet->l4_offset + ICMP_BYTES);
	if (have < ICMP_BYTES + NET_IP6_BYTES + 8 || at[0] >> 4 != 6)
		return false;
	error->local = addr_v6(at + 8);
	error->remote = addr_v6(at + 24);
	error->protocol = at[6];
	error->quoted = at + NET_IP6_BYTES;
	error->quoted_bytes = have - ICMP_BYTES - NET_IP6_BYTES;
	return net_is_local(net, &error->local) && !addr_is_v4(&error->remote);
}

static void take_error(struct net *net, struct net_frame *frame)
{
	const uint8_t *at = net_frame_at(frame, packet_of(frame->mbuf)->l4_offset);
	struct net_icmp_error error = {0};
	if (!read_quote(net, frame, &error)) {
		net_drop(net, frame->mbuf, COUNTER_drop_icmp_quote);
		return;
	}
	if (at[0] == TYPE_TOO_BIG)
		error.mtu = MAX(net_get32(at + 4), 1u);
	error.is_hard = (at[0] == TYPE_UNREACHABLE && at[1] == answers[NET_ICMP_PORT].code) ||
			(at[0] == TYPE_PARAMETER && at[1] == CODE_NEXT_HEADER);
	net_icmp_report(net, frame, &error);
}

static bool is_intact(const struct net_frame *frame, const struct packet *packet)
{
	if (packet->l4_bytes < ICMP_BYTES ||
	    rte_pktmbuf_data_len(frame->mbuf) < packet->l4_offset + ICMP_BYTES)
		return false;
	uint16_t pseudo = net_cksum_pseudo(&packet->source, &packet->destination,
					   NET_PROTOCOL_ICMP6, packet->l4_bytes);
	return net_cksum_l4(frame->mbuf, packet->l4_offset, packet->l4_bytes, pseudo) == 0xffff;
}

void net_icmp6_input(struct net *net, struct net_frame *frame)
{
	const struct packet *packet = packet_of(frame->mbuf);
	if (!is_intact(frame, packet)) {
		net_drop(net, frame->mbuf, COUNTER_drop_icmp_malformed);
		return;
	}
	uint8_t type = net_frame_at(frame, packet->l4_offset)[0];
	bool is_nd = type == TYPE_ND_SOLICIT || type == TYPE_ND_ADVERTISE;
	if (is_nd && frame->was_fragment) // RFC 6980
		net_drop(net, frame->mbuf, COUNTER_drop_nd_malformed);
	else if (is_nd)
		net_nd_input(net, frame);
	else if (addr_is_zero(&packet->source))
		net_drop(net, frame->mbuf, COUNTER_drop_ip_source);
	else if (type == TYPE_ECHO)
		net_icmp_echo(net, frame, TYPE_ECHO_REPLY);
	else if (type >= TYPE_UNREACHABLE && type <= TYPE_PARAMETER)
		take_error(net, frame);
	else {
		if (type == TYPE_MLD_QUERY)
			net_mld_query(net, frame); // and the kernel may listen to groups too
		net_divert_or_drop(net, frame->mbuf, COUNTER_drop_icmp_ignored);
	}
}

struct rte_mbuf *net_icmp6_quote(struct net *net, const struct net_frame *frame,
				 enum net_icmp_kind kind, uint32_t pointer)
{
	const struct packet *packet = packet_of(frame->mbuf);
	struct rte_mbuf *mbuf = net_alloc(net);
	uint32_t quoted = MIN(rte_pktmbuf_data_len(frame->mbuf) - (uint32_t)frame->l3_offset,
			      QUOTE_BYTES_MAX);
	if (!mbuf)
		return NULL;
	uint32_t bytes = ICMP_BYTES + quoted;
	uint8_t *at = net_append(mbuf, bytes);
	memset(at, 0, ICMP_BYTES);
	at[0] = answers[kind].type;
	at[1] = answers[kind].code;
	if (at[0] == TYPE_PARAMETER || at[0] == TYPE_TOO_BIG)
		net_put32(at + 4, pointer);
	memcpy(at + ICMP_BYTES, net_frame_at(frame, frame->l3_offset), quoted);
	uint16_t pseudo =
		net_cksum_pseudo(&packet->destination, &packet->source, NET_PROTOCOL_ICMP6, bytes);
	uint16_t sum = (uint16_t)~net_cksum_l4(mbuf, 0, bytes, pseudo);
	memcpy(at + 2, &sum, 2);
	return mbuf;
}
