// SPDX-License-Identifier: Apache-2.0
// Internet checksums (RFC 1071) in software: of an IPv4 header, and of a transport with its pseudo
// header (RFC 9293 3.1, RFC 8200 8.1) over the segments of an mbuf.
#pragma once

#include "addr.h"

#include <rte_ip.h>
#include <rte_mbuf.h>

#include <stdint.h>

// net_cksum_fold folds a sum to 16 bits.
static inline uint16_t net_cksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// net_cksum_header is the checksum of bytes bytes at at, whose checksum field is 0. Both its result
// and the field are in network order, as everywhere in this file.
static inline uint16_t net_cksum_header(const void *at, size_t bytes)
{
	return (uint16_t)~rte_raw_cksum(at, bytes);
}

// net_cksum_pseudo is the sum (not inverted) of the pseudo header: what a NIC wants to find in the
// checksum field. l4_bytes is 0 for a packet that the NIC cuts into segments.
static inline uint16_t net_cksum_pseudo(const struct addr *source, const struct addr *destination,
					uint8_t protocol, uint32_t l4_bytes)
{
	size_t skip = addr_is_v4(source) ? 12 : 0;
	uint32_t sum = rte_raw_cksum(source->bytes + skip, 16 - skip);
	sum += rte_raw_cksum(destination->bytes + skip, 16 - skip);
	sum += rte_cpu_to_be_16((uint16_t)(l4_bytes >> 16));
	sum += rte_cpu_to_be_16((uint16_t)l4_bytes);
	sum += rte_cpu_to_be_16(protocol);
	return net_cksum_fold(sum);
}

// net_cksum_l4 is the sum (not inverted) of l4_bytes bytes from offset of mbuf and the pseudo
// header: 0xffff for a packet whose checksum is right. offset + l4_bytes must lie within mbuf.
static inline uint16_t net_cksum_l4(const struct rte_mbuf *mbuf, uint32_t offset, uint32_t l4_bytes,
				    uint16_t pseudo)
{
	uint16_t sum = 0;
	rte_raw_cksum_mbuf(mbuf, offset, l4_bytes, &sum);
	return net_cksum_fold((uint32_t)sum + pseudo);
}
