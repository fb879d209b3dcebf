// SPDX-License-Identifier: Apache-2.0
// Fragments on their way out, for answers to pings that are larger than the port's MTU; transports
// cut their own segments and never need it. Identifications are random (RFC 6864, RFC 7739).
#include "net_cksum.h"
#include "net_priv.h"

#include "check.h"

#include <errno.h>
#include <string.h>

#define IP6_FRAGMENT   44u
#define FRAGMENT_BYTES 8u // IPv6's fragment header
#define MORE_FRAGMENTS 0x2000u

struct cut {
	uint32_t id;
	uint32_t offset; // in the whole payload
	bool is_more;
};

static void push_ip4(struct rte_mbuf *mbuf, const struct net_tx *tx, const struct cut *cut)
{
	uint32_t total_bytes = rte_pktmbuf_pkt_len(mbuf) + NET_IP4_BYTES;
	uint8_t *header = (uint8_t *)rte_pktmbuf_prepend(mbuf, NET_IP4_BYTES);
	CHECK(header);
	memset(header, 0, NET_IP4_BYTES);
	header[0] = 0x45;
	net_put16(header + 2, total_bytes);
	net_put16(header + 4, cut->id);
	net_put16(header + 6, cut->offset / 8 | (cut->is_more ? MORE_FRAGMENTS : 0));
	header[8] = NET_TTL;
	header[9] = tx->protocol;
	memcpy(header + 12, addr_v4_bytes(&tx->local), 4);
	memcpy(header + 16, addr_v4_bytes(&tx->remote), 4);
	uint16_t sum = net_cksum_header(header, NET_IP4_BYTES);
	memcpy(header + 10, &sum, 2);
}

static void push_ip6(struct rte_mbuf *mbuf, const struct net_tx *tx, const struct cut *cut)
{
	uint8_t *header = (uint8_t *)rte_pktmbuf_prepend(mbuf, FRAGMENT_BYTES);
	CHECK(header);
	header[0] = tx->protocol;
	header[1] = 0;
	net_put16(header + 2, cut->offset | cut->is_more);
	net_put32(header + 4, cut->id);
	net_ip6_push(mbuf, &tx->local, &tx->remote, IP6_FRAGMENT, NET_TTL);
}

// send_part sends bytes bytes of whole from cut->offset on.
static int send_part(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *whole,
		     const struct net_tx *tx, const struct cut *cut)
{
	const struct port *port = net->ports[hop->port_index].port;
	bool is_v4 = addr_is_v4(&tx->remote);
	uint32_t most =
		(port->mtu - (is_v4 ? NET_IP4_BYTES : NET_IP6_BYTES + FRAGMENT_BYTES)) & ~7u;
	uint32_t bytes = MIN(most, rte_pktmbuf_pkt_len(whole) - cut->offset);
	struct rte_mbuf *mbuf = net_alloc(net);
	struct net_stash stash;
	if (!mbuf)
		return ENOBUFS;
	net_stash_begin(&stash, net, 0);
	if (!net_attach_bytes(&stash, mbuf, whole, cut->offset, bytes)) {
		rte_pktmbuf_free(mbuf);
		return ENOBUFS;
	}
	(is_v4 ? push_ip4 : push_ip6)(mbuf, tx, cut);
	if (!port->can_scatter_tx)
		mbuf = net_linearise(net, mbuf);
	counter_inc(net->config.counters, COUNTER_net_fragments_out);
	return mbuf ? net_neigh_send(net, hop, mbuf) : ENOBUFS;
}

int net_fragment(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf,
		 const struct net_tx *tx)
{
	const struct port *port = net->ports[hop->port_index].port;
	bool is_v4 = addr_is_v4(&tx->remote);
	uint32_t bytes = rte_pktmbuf_pkt_len(mbuf);
	uint32_t header_bytes = is_v4 ? NET_IP4_BYTES : NET_IP6_BYTES;
	if (bytes + header_bytes <= port->mtu)
		return net_ip_send(net, hop, mbuf, tx);
	uint32_t most = (port->mtu - header_bytes - (is_v4 ? 0 : FRAGMENT_BYTES)) & ~7u;
	struct cut cut = {.id = random_below(net->config.random, UINT32_MAX)};
	int error = 0;
	for (; cut.offset < bytes && !error; cut.offset += most) {
		cut.is_more = cut.offset + most < bytes;
		error = send_part(net, hop, mbuf, tx, &cut);
	}
	rte_pktmbuf_free(mbuf);
	return error;
}
