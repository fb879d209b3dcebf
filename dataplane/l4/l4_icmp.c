// SPDX-License-Identifier: Apache-2.0
// ICMP errors about a flow's packets reach the end that sent them (RFC 5508 4.2 in spirit): path
// MTU discovery and "unreachable" work through us. The error comes from the address that the end
// knows, ours, whoever on the way made it.
#include "l4_priv.h"

#include "net_cksum.h"

#define ICMP_BYTES 8u
#define PROTOCOL_4 1u
#define PROTOCOL_6 58u
#define ERROR_TTL  64u

// address_error writes the error's own IP header anew, without options.
static void write_header(uint8_t *ip, uint32_t icmp_bytes, const struct l4_side *side)
{
	bool is_v4 = addr_is_v4(&side->source);
	memset(ip, 0, is_v4 ? L4_IP4_BYTES : 8);
	if (!is_v4) {
		uint16_t bytes = rte_cpu_to_be_16((uint16_t)icmp_bytes);
		ip[0] = 0x60;
		memcpy(ip + 4, &bytes, 2);
		ip[6] = PROTOCOL_6;
		ip[7] = ERROR_TTL;
		memcpy(ip + 8, side->source.bytes, 16);
		memcpy(ip + 24, side->destination.bytes, 16);
		return;
	}
	uint16_t total = rte_cpu_to_be_16((uint16_t)(icmp_bytes + L4_IP4_BYTES));
	ip[0] = 0x45;
	memcpy(ip + 2, &total, 2);
	ip[6] = 0x40;
	ip[8] = ERROR_TTL;
	ip[9] = PROTOCOL_4;
	memcpy(ip + 12, side->source.bytes + 12, 4);
	memcpy(ip + 16, side->destination.bytes + 12, 4);
	uint16_t sum = net_cksum_header(ip, L4_IP4_BYTES);
	memcpy(ip + 10, &sum, 2);
}

static void write_checksum(struct rte_mbuf *mbuf, uint32_t bytes, const struct l4_side *side)
{
	uint8_t *at = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint16_t pseudo = 0;
	if (!addr_is_v4(&side->source))
		pseudo = net_cksum_pseudo(&side->source, &side->destination, PROTOCOL_6, bytes);
	memset(at + 2, 0, 2);
	uint16_t sum = (uint16_t)~net_cksum_l4(mbuf, 0, bytes, pseudo);
	memcpy(at + 2, &sum, 2);
}

// find_side is the side that packets from the quoted one's destination take.
static struct l4_side *find_side(struct l4 *l4, const struct rte_mbuf *mbuf,
				 const struct net_quote *quote)
{
	const uint8_t *quoted = rte_pktmbuf_mtod_offset(mbuf, const uint8_t *, quote->l4_offset);
	struct endpoint_addr local = {.addr = quote->local}, remote = {.addr = quote->remote};
	enum l4_direction direction;
	struct l4_key key;
	if (addr_is_v4(&quote->local) != addr_is_v4(&quote->remote))
		return NULL;
	memcpy(&local.port, quoted, 2);
	memcpy(&remote.port, quoted + 2, 2);
	l4_key_make(&key, &remote, &local, quote->protocol);
	struct l4_flow *flow = l4_find(l4, &key, addr_is_v4(&quote->local), &direction);
	return flow ? &flow->sides[direction] : NULL;
}

bool l4_icmp_error(void *user, struct rte_mbuf *mbuf, const struct net_quote *quote)
{
	struct l4 *l4 = user;
	struct l4_side *side = find_side(l4, mbuf, quote);
	if (!side)
		return false;
	uint16_t icmp_offset = packet_of(mbuf)->l4_offset;
	uint32_t icmp_bytes = packet_of(mbuf)->l4_bytes;
	uint32_t ip_bytes = addr_is_v4(&side->source) ? L4_IP4_BYTES : L4_IP6_BYTES;
	l4_rewrite_quote(rte_pktmbuf_mtod_offset(mbuf, uint8_t *, icmp_offset + ICMP_BYTES),
			 rte_pktmbuf_mtod_offset(mbuf, uint8_t *, quote->l4_offset),
			 quote->l4_bytes, side);
	rte_pktmbuf_adj(mbuf, icmp_offset);
	write_checksum(mbuf, icmp_bytes, side);
	uint8_t *ip = (uint8_t *)rte_pktmbuf_prepend(mbuf, (uint16_t)ip_bytes);
	write_header(ip, icmp_bytes, side);
	counter_inc(l4->config.counters, COUNTER_l4_icmp_errors);
	l4_send(l4, side, mbuf);
	return true;
}
