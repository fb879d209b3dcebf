// SPDX-License-Identifier: Apache-2.0
// Internet checksums (RFC 1071) in software: of an IPv4 header, and of a transport with its pseudo
// header (RFC 9293 3.1, RFC 8200 8.1) over the segments of an mbuf.
#pragma once

#include "addr.h"

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// net_cksum_fold folds a sum to 16 bits.
static inline uint16_t net_cksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// net_cksum_add adds word to sum with end-around carry.
static inline uint64_t net_cksum_add(uint64_t sum, uint64_t word)
{
	bool has_carry = __builtin_add_overflow(sum, word, &sum);
	return sum + has_carry;
}

// net_cksum_tail is the sum of the last bytes (< 16) bytes, in pieces whose sizes the compiler
// knows.
static inline uint64_t net_cksum_tail(const uint8_t *byte, size_t bytes)
{
	uint64_t words[3] = {0};
	if (bytes & 8)
		memcpy(&words[0], byte, 8);
	byte += bytes & 8;
	if (bytes & 4)
		memcpy(&words[1], byte, 4);
	byte += bytes & 4;
	if (bytes & 2)
		memcpy(&words[2], byte, 2);
	if (bytes & 1) // the first byte of a word whose second is 0
		memcpy((uint8_t *)&words[2] + 2, byte + (bytes & 2), 1);
	return net_cksum_add(net_cksum_add(words[0], words[1]), words[2]);
}

#define NET_CKSUM_BLOCK_BYTES 64u

// net_cksum_blocks is the sum of blocks (at most 2^14) times NET_CKSUM_BLOCK_BYTES at at, not
// folded: below 2^63. Where there is no AVX2 it is net_cksum_blocks_anywhere: another sum, the same
// when folded.
uint64_t net_cksum_blocks(const uint8_t *at, size_t blocks);
uint64_t net_cksum_blocks_anywhere(const uint8_t *at, size_t blocks);

// net_cksum_bytes is the sum (not inverted) of bytes bytes at at: long runs by vectors, the rest
// eight at a time (RFC 1071 2 C: any width will do). DPDK 22.11's rte_raw_cksum adds two at a time,
// a cycle a byte.
static inline uint16_t net_cksum_bytes(const void *at, size_t bytes)
{
	const uint8_t *byte = at;
	uint64_t sum = 0;
	if (bytes >= 2 * NET_CKSUM_BLOCK_BYTES) {
		size_t blocks = bytes / NET_CKSUM_BLOCK_BYTES;
		sum = net_cksum_blocks(byte, blocks);
		byte += blocks * NET_CKSUM_BLOCK_BYTES;
		bytes %= NET_CKSUM_BLOCK_BYTES;
	}
	for (; bytes >= 16; bytes -= 16, byte += 16) {
		uint64_t words[2];
		memcpy(words, byte, 16);
		sum = net_cksum_add(sum, words[0]);
		sum = net_cksum_add(sum, words[1]);
	}
	return net_cksum_fold(net_cksum_add(sum, net_cksum_tail(byte, bytes)));
}

// net_cksum_header is the checksum of bytes bytes at at, whose checksum field is 0. Both its result
// and the field are in network order, as everywhere in this file.
static inline uint16_t net_cksum_header(const void *at, size_t bytes)
{
	return (uint16_t)~net_cksum_bytes(at, bytes);
}

// net_cksum_pseudo is the sum (not inverted) of the pseudo header: what a NIC wants to find in the
// checksum field. l4_bytes is 0 for a packet that the NIC cuts into segments.
static inline uint16_t net_cksum_pseudo(const struct addr *source, const struct addr *destination,
					uint8_t protocol, uint32_t l4_bytes)
{
	uint64_t words[4]; // of IPv4, too: the 0xffff of its mapped form is a zero here
	memcpy(words, source->bytes, 16);
	memcpy(words + 2, destination->bytes, 16);
	uint64_t sum = (uint64_t)rte_cpu_to_be_16((uint16_t)(l4_bytes >> 16)) +
		       rte_cpu_to_be_16((uint16_t)l4_bytes) + rte_cpu_to_be_16(protocol);
	for (unsigned i = 0; i < 4; i++)
		sum = net_cksum_add(sum, words[i]);
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
			net_cksum_bytes(rte_pktmbuf_mtod_offset(mbuf, const void *, offset), part);
		sum += done & 1 ? rte_bswap16(part_sum) : part_sum;
		done += part;
	}
	return net_cksum_fold(sum);
}
