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
// (DPDK 22.11's rte_raw_cksum_mbuf loses a carry in segments that start at an odd place.)
static inline uint16_t net_cksum_l4(const struct rte_mbuf *mbuf, uint32_t offset, uint32_t l4_bytes,
				    uint16_t pseudo)
{
	uint32_t sum = pseudo;
	uint32_t done = 0;
	for (; offset >= mbuf->data_len && mbuf->next; mbuf = mbuf->next)
		offset -= mbuf->data_len;
	for (; done < l4_bytes && mbuf; mbuf = mbuf->next, offset = 0) {
		uint32_t part = mbuf->data_len - offset;
		if (part > l4_bytes - done)
			part = l4_bytes - done;
		uint16_t part_sum =
			rte_raw_cksum(rte_pktmbuf_mtod_offset(mbuf, const void *, offset), part);
		sum += done & 1 ? rte_bswap16(part_sum) : part_sum;
		done += part;
	}
	return net_cksum_fold(sum);
}
