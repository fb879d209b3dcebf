// SPDX-License-Identifier: Apache-2.0
// Internet checksums against the sum of 16-bit words, word by word (RFC 1071).
#include "net_cksum.h"
#include "random.h"
#include "unit.h"

#define BYTES 2000u

// plain adds big-endian words as the RFC says it.
static uint16_t plain(const uint8_t *at, size_t bytes)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < bytes; i++) {
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static uint16_t ours(const uint8_t *at, size_t bytes)
{
	return rte_be_to_cpu_16(net_cksum_bytes(at, bytes));
}

static void every_length_and_place_sums_alike(void)
{
	struct random_source random;
	uint8_t data[BYTES + 16];
	random_init(&random, (struct siphash_key){{1, 2}});
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)random_u64(&random);
	for (size_t place = 0; place < 16; place++)
		for (size_t bytes = 0; bytes <= BYTES; bytes += bytes < 100 ? 1 : 67)
			CU_ASSERT_EQUAL(ours(data + place, bytes), plain(data + place, bytes));
}

static void carries_are_never_lost(void)
{
	uint8_t data[BYTES];
	memset(data, 0xff, sizeof(data));
	for (size_t bytes = 0; bytes <= 400; bytes++)
		CU_ASSERT_EQUAL(ours(data, bytes), plain(data, bytes));
	for (size_t at = 0; at < 200; at++) { // a one at each place makes other carries
		data[at] = 1;
		CU_ASSERT_EQUAL(ours(data, 64), plain(data, 64));
		CU_ASSERT_EQUAL(ours(data, 200), plain(data, 200));
		data[at] = 0xff;
	}
	memset(data, 0, sizeof(data));
	CU_ASSERT_EQUAL(ours(data, BYTES), 0);
}

static void the_longest_packet_sums_alike(void)
{
	static uint8_t data[65536];
	memset(data, 0xff, sizeof(data));
	CU_ASSERT_EQUAL(ours(data, 65535), plain(data, 65535));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 256);
	CU_ASSERT_EQUAL(ours(data, 65535), plain(data, 65535));
}

static void processors_without_avx2_sum_alike(void)
{
	static uint8_t data[65536];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i % 512 < 256 ? 0xff : i * 77 + i / 256);
	for (size_t blocks = 0; blocks <= sizeof(data) / NET_CKSUM_BLOCK_BYTES; blocks++)
		CU_ASSERT_EQUAL(net_cksum_fold(net_cksum_blocks_anywhere(data, blocks)),
				net_cksum_fold(net_cksum_blocks(data, blocks)));
}

static void no_lane_overflows(void)
{
	static uint8_t data[(1 << 14) * NET_CKSUM_BLOCK_BYTES];
	for (int i = 0; i < 2; i++) { // the smallest words, then the largest
		uint64_t words = i ? sizeof(data) / 2 : 0;
		memset(data, i ? 0xff : 0, sizeof(data));
		CU_ASSERT_EQUAL(net_cksum_fold(net_cksum_blocks(data, 1 << 14)),
				net_cksum_fold(words * 0xffff));
	}
}

static void the_example_of_the_rfc(void)
{
	static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	CU_ASSERT_EQUAL(ours(data, sizeof(data)), 0xddf2);
}

UNIT_MAIN("net_cksum", {"every length and place sums alike", every_length_and_place_sums_alike},
	  {"carries are never lost", carries_are_never_lost},
	  {"the longest packet sums alike", the_longest_packet_sums_alike},
	  {"processors without AVX2 sum alike", processors_without_avx2_sum_alike},
	  {"no lane overflows", no_lane_overflows},
	  {"the example of RFC 1071 3", the_example_of_the_rfc})
