// SPDX-License-Identifier: Apache-2.0
// Ethernet and one 802.1Q tag, in and out. A port is untagged or has one VLAN of its own.
#include "net_priv.h"

#include "check.h"

#include <errno.h>
#include <string.h>

#define ETHER_BYTES 14u
#define TAG_BYTES   4u
#define ETHER_VLAN  0x8100u

// strip_tag reads an 802.1Q tag behind the MACs; a priority tag (VLAN 0) counts as untagged.
static enum counter strip_tag(const struct rte_mbuf *mbuf, uint16_t port_vlan, uint16_t *type,
			      uint16_t *offset)
{
	uint16_t vlan = 0;
	if (*type == ETHER_VLAN) {
		if (rte_pktmbuf_data_len(mbuf) < ETHER_BYTES + TAG_BYTES)
			return COUNTER_drop_eth_short;
		const uint8_t *tag = rte_pktmbuf_mtod_offset(mbuf, const uint8_t *, ETHER_BYTES);
		vlan = net_get16(tag) & 0xfff;
		*type = net_get16(tag + 2);
		*offset += TAG_BYTES;
	}
	return vlan == port_vlan ? COUNTER_COUNT : COUNTER_drop_eth_vlan;
}

// check returns why the frame is refused, or COUNTER_COUNT with its type and network offset.
static enum counter check(const struct port *port, const struct rte_mbuf *mbuf, uint16_t *type,
			  uint16_t *offset)
{
	if (rte_pktmbuf_data_len(mbuf) < ETHER_BYTES)
		return COUNTER_drop_eth_short;
	const uint8_t *header = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	if (!(header[0] & 1) && memcmp(header, port->mac, 6) != 0)
		return COUNTER_drop_eth_not_for_us;
	if ((header[6] & 1) || memcmp(header + 6, port->mac, 6) == 0)
		return COUNTER_drop_eth_source;
	*type = net_get16(header + 12);
	*offset = ETHER_BYTES;
	return strip_tag(mbuf, port->vlan, type, offset);
}

void net_eth_input(struct net *net, uint32_t port_index, struct rte_mbuf *mbuf)
{
	uint16_t type = 0;
	struct net_frame frame = {.mbuf = mbuf, .port_index = port_index};
	enum counter reason = check(net->ports[port_index].port, mbuf, &type, &frame.l3_offset);
	if (reason != COUNTER_COUNT) {
		net_drop(net, mbuf, reason);
		return;
	}
	packet_of(mbuf)->port_index = (uint8_t)port_index;
	mbuf->l2_len = frame.l3_offset & 0x7fu;
	if (type == NET_ETHER_IP4)
		net_ip4_input(net, &frame);
	else if (type == NET_ETHER_IP6)
		net_ip6_input(net, &frame);
	else if (type == NET_ETHER_ARP)
		net_arp_input(net, &frame);
	else
		net_divert_or_drop(net, mbuf, COUNTER_drop_eth_type);
}

int net_eth_output(struct net *net, uint32_t port_index, const uint8_t mac[6], uint16_t type,
		   struct rte_mbuf *mbuf)
{
	struct net_port *out = &net->ports[port_index];
	uint16_t bytes = (uint16_t)(ETHER_BYTES + (out->port->vlan ? TAG_BYTES : 0));
	uint8_t *header = (uint8_t *)rte_pktmbuf_prepend(mbuf, bytes);
	CHECK(header);
	memcpy(header, mac, 6);
	memcpy(header + 6, out->port->mac, 6);
	if (out->port->vlan) {
		net_put16(header + 12, ETHER_VLAN);
		net_put16(header + 14, out->port->vlan);
	}
	net_put16(header + bytes - 2, type);
	mbuf->l2_len = bytes & 0x7fu;
	if (out->tx_count == NET_TX_QUEUE)
		net_port_flush(net, port_index);
	if (out->tx_count == NET_TX_QUEUE) {
		net_drop(net, mbuf, COUNTER_drop_tx_full);
		return ENOBUFS;
	}
	if (unlikely(net->watch))
		net->watch(net->config.user, port_index, &mbuf, 1, true);
	out->tx[out->tx_count++] = mbuf;
	counter_inc(net->config.counters, COUNTER_net_packets_out);
	// A burst leaves while its mbufs and bytes are in the core's caches. A port that does not
	// take it is asked again by net_flush only, or when the queue is full.
	if (out->tx_count == PORT_BURST)
		net_port_flush(net, port_index);
	return 0;
}

void net_port_flush(struct net *net, uint32_t port_index)
{
	struct net_port *out = &net->ports[port_index];
	uint32_t sent = 0;
	while (sent < out->tx_count) {
		uint16_t count = (uint16_t)MIN(out->tx_count - sent, PORT_BURST);
		uint16_t taken = out->port->ops->tx(out->port, out->tx + sent, count);
		sent += taken;
		if (taken < count)
			break;
	}
	out->tx_count -= sent;
	if (sent && out->tx_count)
		memmove(out->tx, out->tx + sent, out->tx_count * sizeof(out->tx[0]));
}
