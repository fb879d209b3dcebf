// SPDX-License-Identifier: Apache-2.0
// Full NAT of one packet in place: addresses, ports, TTL (RFC 1812 5.3.1), and both checksums by
// the difference (RFC 1624, eqn. 3), which costs less than telling a NIC to, and keeps a wrong
// checksum wrong. UDP without a checksum stays without (RFC 768).
#include "l4_priv.h"

#include "net_cksum.h"

#define UDP_SUM 6u
#define TCP_SUM 16u

// difference is what takes old out of a sum and puts new in.
static uint16_t difference(uint16_t old_sum, uint16_t new_sum)
{
	return net_cksum_fold((uint64_t)(uint16_t)~old_sum + new_sum);
}

static uint16_t sum_of(const struct addr *source, const struct addr *destination)
{
	return net_cksum_fold((uint64_t)net_cksum_bytes(source->bytes, 16) +
			      net_cksum_bytes(destination->bytes, 16));
}

void l4_side_make(struct l4_side *side, const struct l4_ends *before, const struct l4_ends *after,
		  uint8_t protocol)
{
	*side = (struct l4_side){.source = after->source.addr,
				 .destination = after->destination.addr,
				 .source_port = after->source.port,
				 .destination_port = after->destination.port,
				 .protocol = protocol};
	// That an IPv4 address has ff bytes before it here does not matter: both sides have them.
	uint16_t addresses = difference(sum_of(&before->source.addr, &before->destination.addr),
					sum_of(&side->source, &side->destination));
	uint16_t hop = (uint16_t)~rte_cpu_to_be_16(0x0100); // one off the TTL
	side->ip_sum = net_cksum_fold((uint64_t)addresses + hop);
	uint16_t old_ports =
		net_cksum_fold((uint64_t)before->source.port + before->destination.port);
	uint16_t new_ports = net_cksum_fold((uint64_t)side->source_port + side->destination_port);
	side->l4_sum = net_cksum_fold((uint64_t)addresses + difference(old_ports, new_ports));
}

// mend adds a difference to what a checksum stands for.
static inline uint16_t mend(uint16_t checksum, uint16_t by)
{
	uint32_t sum = (uint32_t)(uint16_t)~checksum + by;
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static inline void mend_at(uint8_t *at, uint16_t by)
{
	uint16_t checksum;
	memcpy(&checksum, at, 2);
	checksum = mend(checksum, by);
	memcpy(at, &checksum, 2);
}

static inline void mend_udp(uint8_t *at, uint16_t by)
{
	uint16_t checksum;
	memcpy(&checksum, at, 2);
	if (checksum == 0)
		return;
	checksum = mend(checksum, by);
	checksum = checksum ? checksum : 0xffff;
	memcpy(at, &checksum, 2);
}

void l4_rewrite(const struct l4_packet *packet, const struct l4_side *side)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l3_offset);
	uint8_t *l4 = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l4_offset);
	if (packet->is_v4) {
		ip[8]--;
		memcpy(ip + 12, side->source.bytes + 12, 4);
		memcpy(ip + 16, side->destination.bytes + 12, 4);
		mend_at(ip + 10, side->ip_sum);
	} else {
		ip[7]--;
		memcpy(ip + 8, side->source.bytes, 16);
		memcpy(ip + 24, side->destination.bytes, 16);
	}
	memcpy(l4, &side->source_port, 2);
	memcpy(l4 + 2, &side->destination_port, 2);
	if (packet->protocol == NET_PROTOCOL_TCP)
		mend_at(l4 + TCP_SUM, side->l4_sum);
	else
		mend_udp(l4 + UDP_SUM, side->l4_sum);
}

void l4_rewrite_quote(uint8_t *ip, uint8_t *l4, uint32_t bytes, const struct l4_side *side)
{
	bool is_v4 = addr_is_v4(&side->source);
	size_t skip = is_v4 ? 12 : 0, addr_bytes = 16 - skip;
	uint8_t *addresses = ip + (is_v4 ? 12 : 8);
	uint16_t old_sum = net_cksum_bytes(addresses, 2 * addr_bytes);
	// What side's packets are sent to is who sent the quoted one.
	memcpy(addresses, side->destination.bytes + skip, addr_bytes);
	memcpy(addresses + addr_bytes, side->source.bytes + skip, addr_bytes);
	uint16_t by = difference(old_sum, net_cksum_bytes(addresses, 2 * addr_bytes));
	if (is_v4)
		mend_at(ip + 10, by);
	old_sum = net_cksum_bytes(l4, 4);
	memcpy(l4, &side->destination_port, 2);
	memcpy(l4 + 2, &side->source_port, 2);
	by = net_cksum_fold((uint64_t)by + difference(old_sum, net_cksum_bytes(l4, 4)));
	if (side->protocol == NET_PROTOCOL_UDP)
		mend_udp(l4 + UDP_SUM, by);
	else if (bytes >= TCP_SUM + 2)
		mend_at(l4 + TCP_SUM, by);
}
