// SPDX-License-Identifier: Apache-2.0
// From IP to the upper protocols: transport checksum, the worker that owns the flow, delivery.
#include "net_cksum.h"
#include "net_priv.h"

// is_checksum_right verifies by the NIC's word, else in software. UDP over IPv4 may have none.
static bool is_checksum_right(const struct net *net, const struct net_frame *frame)
{
	struct rte_mbuf *mbuf = frame->mbuf;
	const struct packet *packet = packet_of(mbuf);
	uint64_t nic = mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	if (net->ports[frame->port_index].port->can_checksum_rx &&
	    nic != RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN)
		return nic != RTE_MBUF_F_RX_L4_CKSUM_BAD;
	if (frame->protocol == NET_PROTOCOL_UDP &&
	    net_get16(net_frame_at(frame, packet->l4_offset + 6u)) == 0)
		return addr_is_v4(&packet->source);
	uint16_t pseudo = net_cksum_pseudo(&packet->source, &packet->destination, frame->protocol,
					   packet->l4_bytes);
	return net_cksum_l4(mbuf, packet->l4_offset, packet->l4_bytes, pseudo) == 0xffff;
}

// owner_of is the worker whose flow this is: the NIC's choice where it is ours as well.
static uint32_t owner_of(const struct net *net, const struct net_frame *frame)
{
	const struct packet *packet = packet_of(frame->mbuf);
	const uint8_t *ports = net_frame_at(frame, packet->l4_offset);
	if (net->config.worker_count <= 1 || frame->is_handed)
		return net->config.worker_index;
	if (net->ports[frame->port_index].port->is_flow_steered && !frame->has_extensions &&
	    !frame->was_fragment)
		return net->config.worker_index;
	return net_owner(net, &packet->destination, net_get16(ports + 2), &packet->source,
			 net_get16(ports));
}

void net_l4_flush(struct net *net)
{
	uint32_t count = net->gathered_count;
	net->gathered_count = 0;
	if (count > 0)
		net->upper_tcp.input(net->upper_tcp.user, net->gathered, count);
}

void net_l4_deliver(struct net *net, struct net_frame *frame)
{
	const struct net_upper *upper = net_upper_of(net, frame->protocol);
	if (!upper) {
		net_divert_or_drop(net, frame->mbuf, COUNTER_drop_ip_protocol);
		return;
	}
	if (!net->is_gathering || upper != &net->upper_tcp) {
		upper->input(upper->user, &frame->mbuf, 1);
		return;
	}
	// TCP looks the connections of a whole burst up at once.
	net->gathered[net->gathered_count++] = frame->mbuf;
	if (net->gathered_count == PORT_BURST)
		net_l4_flush(net);
}

static void hand_or_deliver(struct net *net, struct net_frame *frame)
{
	uint32_t owner = owner_of(net, frame);
	if (owner == net->config.worker_index) {
		net_l4_deliver(net, frame);
		return;
	}
	frame->mbuf->packet_type =
		frame->protocol == NET_PROTOCOL_TCP ? RTE_PTYPE_L4_TCP : RTE_PTYPE_L4_UDP;
	counter_inc(net->config.counters, COUNTER_net_handed_out);
	net->config.handoff(net->config.user, owner, frame->mbuf);
}

// is_odd is true for what transit's input passes over for its form.
static bool is_odd(const struct net_frame *frame)
{
	const struct packet *packet = packet_of(frame->mbuf);
	return frame->was_fragment || frame->has_extensions ||
	       (addr_is_v4(&packet->source) &&
		packet->l4_offset != frame->l3_offset + NET_IP4_BYTES);
}

void net_l4_input(struct net *net, struct net_frame *frame)
{
	struct packet *packet = packet_of(frame->mbuf);
	uint32_t fixed_bytes = frame->protocol == NET_PROTOCOL_TCP ? 20 : 8;
	if (unlikely(net->transit.input) && is_odd(frame) &&
	    net->transit.odd(net->transit.user, frame->mbuf, frame->protocol))
		return;
	if (!net_upper_of(net, frame->protocol)) {
		if (!net_divert(net, frame->mbuf))
			net_icmp_refuse(net, frame);
		return;
	}
	if (packet->l4_bytes < fixed_bytes ||
	    rte_pktmbuf_data_len(frame->mbuf) < packet->l4_offset + fixed_bytes) {
		net_drop(net, frame->mbuf, COUNTER_drop_l4_short);
		return;
	}
	if (!is_checksum_right(net, frame)) {
		net_drop(net, frame->mbuf, COUNTER_drop_l4_checksum);
		return;
	}
	packet->is_checksum_good = 1;
	hand_or_deliver(net, frame);
}

bool net_is_header_whole(uint8_t protocol, const uint8_t *at, uint32_t bytes)
{
	if (protocol == NET_PROTOCOL_TCP)
		return bytes >= 20 && bytes >= (at[12] >> 4) * 4u;
	bool is_known = protocol == NET_PROTOCOL_UDP || protocol == NET_PROTOCOL_ICMP4 ||
			protocol == NET_PROTOCOL_ICMP6;
	return bytes >= (is_known ? 8 : 1);
}

void net_trim(struct rte_mbuf *mbuf, uint32_t bytes)
{
	mbuf->pkt_len -= bytes;
	uint32_t keep = mbuf->pkt_len;
	struct rte_mbuf *segment = mbuf;
	uint16_t kept_count = 1;
	while (keep > segment->data_len) {
		keep -= segment->data_len;
		segment = segment->next;
		kept_count++;
	}
	segment->data_len = (uint16_t)keep;
	struct rte_mbuf *rest = segment->next;
	segment->next = NULL;
	mbuf->nb_segs = kept_count;
	while (rest) {
		struct rte_mbuf *next = rest->next;
		rte_pktmbuf_free_seg(rest);
		rest = next;
	}
}
