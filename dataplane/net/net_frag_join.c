// SPDX-License-Identifier: Apache-2.0
// One packet out of its fragments: a chain of their mbufs behind the first one's headers, which say
// then what they would have said without fragmentation (RFC 791 3.2, RFC 8200 4.5, RFC 3168 5.3).
#include "net_cksum.h"
#include "net_frag.h"
#include "net_priv.h"

#include "check.h"

#include <string.h>

#define FRAGMENT_HEADER_BYTES 8u
#define ECN_CE                3u

static void mend_ip4(struct rte_mbuf *mbuf, const struct net_datagram *datagram, uint8_t ecn)
{
	uint8_t *header = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, mbuf->l2_len);
	uint32_t header_bytes = (header[0] & 15u) * 4;
	header[1] = (uint8_t)((header[1] & ~3u) | ecn);
	net_put16(header + 2, header_bytes + datagram->end);
	net_put16(header + 6, 0);
	net_put16(header + 10, 0);
	uint16_t sum = net_cksum_header(header, header_bytes);
	memcpy(header + 10, &sum, 2);
}

// mend_ip6 takes the fragment header out: what stands before it moves up.
static void mend_ip6(struct rte_mbuf *mbuf, const struct net_datagram *datagram, uint8_t ecn)
{
	uint16_t l3 = (uint16_t)mbuf->l2_len;
	uint32_t before = packet_of(mbuf)->l4_offset - FRAGMENT_HEADER_BYTES;
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	frame[datagram->next_at] = datagram->protocol;
	memmove(frame + FRAGMENT_HEADER_BYTES, frame, before);
	CHECK(rte_pktmbuf_adj(mbuf, FRAGMENT_HEADER_BYTES));
	uint8_t *header = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, l3);
	header[1] = (uint8_t)((header[1] & ~0x30u) | (uint32_t)ecn << 4);
	net_put16(header + 4, before - l3 - NET_IP6_BYTES + datagram->end);
}

// chain appends a later fragment's bytes to head, whose last segment is last; returns the new last.
static struct rte_mbuf *chain(struct rte_mbuf *head, struct rte_mbuf *last, struct rte_mbuf *part)
{
	CHECK(rte_pktmbuf_adj(part, packet_of(part)->l4_offset));
	last->next = part;
	head->nb_segs = (uint16_t)(head->nb_segs + part->nb_segs);
	head->pkt_len += part->pkt_len;
	part->nb_segs = 1;
	return rte_pktmbuf_lastseg(part);
}

struct rte_mbuf *net_frag_join(struct net_datagram *datagram)
{
	struct rte_mbuf *head = datagram->held[0].mbuf;
	struct rte_mbuf *last = rte_pktmbuf_lastseg(head);
	uint8_t ecn = datagram->ecn_seen >> ECN_CE & 1 ? ECN_CE : packet_of(head)->ecn;
	for (uint32_t i = 1; i < datagram->held_count; i++)
		last = chain(head, last, datagram->held[i].mbuf);
	// what the NIC said was about the first fragment
	head->ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK |
			    RTE_MBUF_F_RX_RSS_HASH);
	if (addr_is_v4(&datagram->source))
		mend_ip4(head, datagram, ecn);
	else
		mend_ip6(head, datagram, ecn);
	datagram->held_count = 0;
	return head;
}
