// SPDX-License-Identifier: Apache-2.0
// What a room that forwards packets needs of net (RFC 1812 5.2): ways found once and used again,
// what senders are told, packets of other workers' flows.
#include "net_priv.h"

#include "check.h"

#include <errno.h>
#include <string.h>

void net_set_transit(struct net *net, const struct net_transit *transit)
{
	if (!transit) {
		net->transit = (struct net_transit){0};
		return;
	}
	CHECK(transit->input && transit->odd && transit->icmp_error);
	net->transit = *transit;
}

bool net_way_find(struct net *net, const struct addr *local, const struct addr *remote,
		  struct net_way *way)
{
	struct net_nexthop hop;
	struct net_neigh *neigh = NULL;
	if (net_nexthop_find(net, local, remote, &hop))
		neigh = net_neigh_get(net, &hop);
	if (!neigh)
		return false;
	*way = (struct net_way){.neigh = (uint32_t)(neigh - net->neigh.entries),
				.generation = neigh->generation,
				.epoch = net->way_epoch,
				.mtu = net->ports[hop.port_index].port->mtu};
	return true;
}

bool net_has_way(const struct net *net, const struct addr *local, const struct addr *remote)
{
	struct net_nexthop hop;
	return net_nexthop_find(net, local, remote, &hop);
}

int net_forward(struct net *net, const struct net_way *way, struct rte_mbuf *mbuf)
{
	struct net_neigh *neigh = &net->neigh.entries[way->neigh];
	if (way->epoch != net->way_epoch || way->generation != neigh->generation)
		return ESTALE;
	if (mbuf->nb_segs > 1 && !net->ports[neigh->port_index].port->can_scatter_tx)
		mbuf = net_linearise(net, mbuf);
	return mbuf ? net_neigh_send_by(net, neigh, mbuf) : ENOBUFS;
}

// read_frame fills in what an answer needs to know of a frame.
static void read_frame(struct rte_mbuf *mbuf, uint32_t port_index, struct net_frame *frame)
{
	struct packet *packet = packet_of(mbuf);
	*frame = (struct net_frame){.mbuf = mbuf, .port_index = port_index, .l3_offset = 14};
	if (net_get16(net_frame_at(frame, 12)) == 0x8100u)
		frame->l3_offset += 4;
	const uint8_t *header = net_frame_at(frame, frame->l3_offset);
	bool is_v4 = header[0] >> 4 == 4;
	packet->source = is_v4 ? addr_v4(header + 12) : addr_v6(header + 8);
	packet->destination = is_v4 ? addr_v4(header + 16) : addr_v6(header + 24);
	packet->l4_offset = (uint16_t)(frame->l3_offset + (is_v4 ? NET_IP4_BYTES : NET_IP6_BYTES));
	packet->port_index = (uint8_t)port_index;
	frame->protocol = is_v4 ? header[9] : header[6];
}

void net_refuse(struct net *net, struct rte_mbuf *mbuf, uint32_t port_index,
		enum net_refusal refusal, uint16_t mtu)
{
	struct net_frame frame;
	read_frame(mbuf, port_index, &frame);
	net_icmp_error(net, &frame, refusal == NET_REFUSAL_TTL ? NET_ICMP_TTL : NET_ICMP_TOO_BIG,
		       mtu);
}

void net_hand(struct net *net, uint32_t owner, uint32_t port_index, struct rte_mbuf *mbuf)
{
	packet_of(mbuf)->port_index = (uint8_t)port_index;
	mbuf->packet_type = NET_HANDED_TRANSIT;
	counter_inc(net->config.counters, COUNTER_net_handed_out);
	net->config.handoff(net->config.user, owner, mbuf);
}
