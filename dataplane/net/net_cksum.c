// SPDX-License-Identifier: Apache-2.0
// The sum of long runs, by vectors; see net_cksum.h. Every eight bytes are two 32-bit numbers added
// in 64-bit lanes, so that no carry can be lost and nothing waits for one (RFC 1071 2 C: any width
// will do). AVX2 where the processor has it: the rest is built for older ones.
#include "net_cksum.h"

#define LANE_BYTES 32u // of a vector

typedef uint64_t lanes __attribute__((vector_size(LANE_BYTES)));

static_assert(NET_CKSUM_BLOCK_BYTES == 2 * LANE_BYTES);

__attribute__((always_inline)) static inline uint64_t sum_blocks(const uint8_t *at, size_t blocks)
{
	const lanes low = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
	lanes sum = {0}, other = {0};
	for (; blocks > 0; blocks--, at += NET_CKSUM_BLOCK_BYTES) {
		lanes one, two;
		memcpy(&one, at, LANE_BYTES);
		memcpy(&two, at + LANE_BYTES, LANE_BYTES);
		sum += (one & low) + (one >> 32);
		other += (two & low) + (two >> 32);
	}
	sum += other;
	return sum[0] + sum[1] + sum[2] + sum[3];
}

static uint64_t sum_anywhere(const uint8_t *at, size_t blocks)
{
	return sum_blocks(at, blocks);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint8_t *at, size_t blocks)
{
	return sum_blocks(at, blocks);
}

uint64_t net_cksum_blocks(const uint8_t *at, size_t blocks)
{
	return __builtin_cpu_supports("avx2") ? sum_avx2(at, blocks) : sum_anywhere(at, blocks);
}
#else
uint64_t net_cksum_blocks(const uint8_t *at, size_t blocks)
{
	return sum_anywhere(at, blocks);
}
#endif
