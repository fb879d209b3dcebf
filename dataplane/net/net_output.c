// SPDX-License-Identifier: Apache-2.0
// A transport packet on its way down: route, transport checksum (by the NIC where it can), one
// segment for ports that cannot scatter. What is too long is cut by the port or in net_segment.c.
#include "net_cksum.h"
#include "net_priv.h"

#include "check.h"

#include <errno.h>
#include <string.h>

#define TCP_CHECKSUM_OFFSET 16u
#define UDP_CHECKSUM_OFFSET 6u

static uint64_t offload_flags(const struct net_tx *tx)
{
	uint64_t family = addr_is_v4(&tx->remote) ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	return family | (tx->protocol == NET_PROTOCOL_TCP ? RTE_MBUF_F_TX_TCP_CKSUM
							  : RTE_MBUF_F_TX_UDP_CKSUM);
}

// put_checksum writes the checksum, or the pseudo header's sum for the NIC to go on from.
static void put_checksum(const struct port *port, struct rte_mbuf *mbuf, const struct net_tx *tx)
{
	uint32_t bytes = rte_pktmbuf_pkt_len(mbuf);
	bool is_tcp = tx->protocol == NET_PROTOCOL_TCP;
	bool is_cut = mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	uint8_t *field = rte_pktmbuf_mtod(mbuf, uint8_t *) +
			 (is_tcp ? TCP_CHECKSUM_OFFSET : UDP_CHECKSUM_OFFSET);
	uint16_t sum = net_cksum_pseudo(&tx->local, &tx->remote, tx->protocol, is_cut ? 0 : bytes);
	if (port->can_checksum_l4_tx) {
		mbuf->ol_flags |= offload_flags(tx);
	} else {
		memset(field, 0, 2);
		sum = (uint16_t)~net_cksum_l4(mbuf, 0, bytes, sum);
		if (sum == 0 && !is_tcp)
			sum = 0xffff; // RFC 768: 0 would mean "none"
	}
	memcpy(field, &sum, 2);
}

void net_transport_push(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf,
			const struct net_tx *tx)
{
	put_checksum(net->ports[hop->port_index].port, mbuf, tx);
	mbuf->l4_len = tx->l4_header_bytes;
	net_ip_push(net, hop, mbuf, tx);
}

static int transport_send(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf,
			  const struct net_tx *tx)
{
	net_transport_push(net, hop, mbuf, tx);
	return net_ip_emit(net, hop, mbuf);
}

int net_output(struct net *net, struct rte_mbuf *mbuf, const struct net_tx *tx)
{
	struct net_nexthop hop;
	CHECK(rte_pktmbuf_data_len(mbuf) >= tx->l4_header_bytes);
	if (!net_nexthop_find(net, &tx->local, &tx->remote, &hop)) {
		net_drop(net, mbuf, COUNTER_drop_no_route);
		return EHOSTUNREACH;
	}
	mbuf->ol_flags &= ~RTE_MBUF_F_TX_OFFLOAD_MASK;
	mbuf->tx_offload = 0;
	uint32_t payload_bytes = rte_pktmbuf_pkt_len(mbuf) - tx->l4_header_bytes;
	if (tx->segment_bytes == 0 || payload_bytes <= tx->segment_bytes)
		return transport_send(net, &hop, mbuf, tx);
	CHECK(tx->protocol == NET_PROTOCOL_TCP);
	const struct port *port = net->ports[hop.port_index].port;
	if (!port->can_segment || !port->can_checksum_l4_tx)
		return net_segment(net, &hop, mbuf, tx);
	mbuf->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	mbuf->tso_segsz = tx->segment_bytes;
	return transport_send(net, &hop, mbuf, tx);
}

void net_copy_bytes(const struct rte_mbuf *from, uint32_t offset, uint32_t bytes, uint8_t *to)
{
	while (offset >= from->data_len) {
		offset -= from->data_len;
		from = from->next;
	}
	for (; bytes > 0; from = from->next, offset = 0) {
		uint32_t part = MIN((uint32_t)from->data_len - offset, bytes);
		memcpy(to, rte_pktmbuf_mtod_offset(from, const uint8_t *, offset), part);
		to += part;
		bytes -= part;
	}
}

struct rte_mbuf *net_linearise(struct net *net, struct rte_mbuf *mbuf)
{
	uint32_t bytes = rte_pktmbuf_pkt_len(mbuf);
	struct rte_mbuf *flat = net_alloc(net);
	if (flat && rte_pktmbuf_tailroom(flat) < bytes) {
		net_drop(net, flat, COUNTER_drop_too_big);
		flat = NULL;
	}
	if (flat) {
		net_copy_bytes(mbuf, 0, bytes, net_append(flat, bytes));
		flat->ol_flags |= mbuf->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK;
		flat->tx_offload = mbuf->tx_offload;
		counter_inc(net->config.counters, COUNTER_net_linearised);
	}
	rte_pktmbuf_free(mbuf);
	return flat;
}
