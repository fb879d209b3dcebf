// SPDX-License-Identifier: Apache-2.0
// What ICMP has in common for both families: the rate of answers (RFC 1812 4.3.2.8, RFC 4443 2.4
// f), refusals, and errors on their way to the transport that they are about (RFC 1122 3.2.2).
#include "net_priv.h"

#include "check.h"
#include "net_cksum.h"

#define BURST_US 100000u // answers may come this much ahead of their rate

bool net_icmp_may_answer(struct net *net)
{
	uint32_t rate = net->config.limits.icmp_per_second;
	uint64_t paid_us = MAX(net->icmp_credit_us, net->now_us);
	uint64_t gap_us = rate ? 1000000u / rate : 0;
	if (rate == 0 || paid_us + gap_us > net->now_us + MAX((uint64_t)BURST_US, gap_us)) {
		counter_inc(net->config.counters, COUNTER_drop_icmp_rate);
		return false;
	}
	net->icmp_credit_us = paid_us + gap_us;
	return true;
}

// write_reply turns the request in mbuf, ICMP header first, into its reply.
static void write_reply(struct rte_mbuf *mbuf, const struct net_tx *tx, uint8_t reply_type)
{
	uint32_t bytes = rte_pktmbuf_pkt_len(mbuf);
	uint16_t pseudo = 0; // ICMP for IPv4 has no pseudo header
	if (tx->protocol == NET_PROTOCOL_ICMP6)
		pseudo = net_cksum_pseudo(&tx->local, &tx->remote, tx->protocol, bytes);
	uint8_t *at = rte_pktmbuf_mtod(mbuf, uint8_t *);
	at[0] = reply_type;
	memset(at + 2, 0, 2);
	uint16_t sum = (uint16_t)~net_cksum_l4(mbuf, 0, bytes, pseudo);
	memcpy(at + 2, &sum, 2);
	mbuf->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	mbuf->tx_offload = 0;
}

void net_icmp_echo(struct net *net, struct net_frame *frame, uint8_t reply_type)
{
	const struct packet *packet = packet_of(frame->mbuf);
	struct rte_mbuf *mbuf = frame->mbuf;
	bool is_v4 = addr_is_v4(&packet->source);
	struct net_tx tx = {.local = packet->destination,
			    .remote = packet->source,
			    .protocol = is_v4 ? NET_PROTOCOL_ICMP4 : NET_PROTOCOL_ICMP6};
	struct net_nexthop hop;
	if (net_frame_is_group(frame) || !net_icmp_may_answer(net)) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	if (!net_nexthop_find(net, &tx.local, &tx.remote, &hop)) {
		net_drop(net, mbuf, COUNTER_drop_no_route);
		return;
	}
	CHECK(rte_pktmbuf_adj(mbuf, packet->l4_offset));
	write_reply(mbuf, &tx, reply_type);
	counter_inc(net->config.counters, COUNTER_net_echo_replies);
	net_fragment(net, &hop, mbuf, &tx);
}

// may_answer is false for what errors are never sent about.
static bool may_answer(const struct net_frame *frame, enum net_icmp_kind kind)
{
	const struct packet *packet = packet_of(frame->mbuf);
	if (kind == NET_ICMP_NONE || net_frame_is_group(frame) || addr_is_zero(&packet->source))
		return false;
	if (!addr_is_v4(&packet->source))
		return packet->destination.bytes[0] != 0xff && !net_ip6_is_error(frame);
	return frame->protocol != NET_PROTOCOL_ICMP4 ||
	       *net_frame_at(frame, packet->l4_offset) == NET_ICMP4_ECHO;
}

void net_icmp_error(struct net *net, const struct net_frame *frame, enum net_icmp_kind kind,
		    uint32_t pointer)
{
	const struct packet *packet = packet_of(frame->mbuf);
	bool is_v4 = addr_is_v4(&packet->source);
	struct net_tx tx = {.local = packet->destination,
			    .remote = packet->source,
			    .protocol = is_v4 ? NET_PROTOCOL_ICMP4 : NET_PROTOCOL_ICMP6};
	struct net_nexthop hop;
	if (!may_answer(frame, kind) || !net_icmp_may_answer(net) ||
	    !net_nexthop_find(net, &tx.local, &tx.remote, &hop))
		return;
	struct rte_mbuf *quote =
		(is_v4 ? net_icmp4_quote : net_icmp6_quote)(net, frame, kind, pointer);
	if (!quote)
		return;
	counter_inc(net->config.counters, COUNTER_net_icmp_errors_out);
	net_ip_send(net, &hop, quote, &tx);
}

void net_icmp_refuse(struct net *net, struct net_frame *frame)
{
	bool is_udp = frame->protocol == NET_PROTOCOL_UDP;
	// A TCP segment deserves a reset, which is TCP's to send; behind "no next header" is
	// nothing.
	if (frame->protocol != NET_PROTOCOL_TCP && frame->protocol != NET_PROTOCOL_NONE6)
		net_icmp_error(net, frame, is_udp ? NET_ICMP_PORT : NET_ICMP_PROTOCOL,
			       (uint32_t)frame->next_at - frame->l3_offset);
	net_drop(net, frame->mbuf, COUNTER_drop_ip_protocol);
}

// is_for_transit offers the error to who forwards; true when it was taken.
static bool is_for_transit(struct net *net, const struct net_frame *frame,
			   const struct net_icmp_error *error)
{
	const uint8_t *begin = rte_pktmbuf_mtod(frame->mbuf, const uint8_t *);
	struct net_quote quote = {.local = error->local,
				  .remote = error->remote,
				  .protocol = error->protocol,
				  .l4_offset = (uint16_t)(error->quoted - begin),
				  .l4_bytes = (uint16_t)error->quoted_bytes};
	return net->transit.icmp_error(net->transit.user, frame->mbuf, &quote);
}

void net_icmp_report(struct net *net, struct net_frame *frame, const struct net_icmp_error *error)
{
	const struct net_upper *upper = net_upper_of(net, error->protocol);
	if (!upper && !net->transit.input) {
		net_divert_or_drop(net, frame->mbuf, COUNTER_drop_icmp_quote);
		return;
	}
	uint32_t owner = frame->is_handed ? net->config.worker_index
					  : net_owner(net, &error->local, net_get16(error->quoted),
						      &error->remote, net_get16(error->quoted + 2));
	if (net->config.worker_count > 1 && owner != net->config.worker_index) {
		frame->mbuf->packet_type = RTE_PTYPE_L4_ICMP;
		counter_inc(net->config.counters, COUNTER_net_handed_out);
		net->config.handoff(net->config.user, owner, frame->mbuf);
		return;
	}
	if (net->transit.input && is_for_transit(net, frame, error))
		return;
	if (!upper) {
		net_divert_or_drop(net, frame->mbuf, COUNTER_drop_icmp_quote);
		return;
	}
	counter_inc(net->config.counters, COUNTER_net_icmp_errors_in);
	upper->icmp_error(upper->user, &error->local, &error->remote, error->quoted,
			  error->quoted_bytes, error->is_hard, error->mtu);
	rte_pktmbuf_free(frame->mbuf);
}
