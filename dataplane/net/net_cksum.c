// SPDX-License-Identifier: Apache-2.0
// The sum of long runs, by vectors; see net_cksum.h. Nothing waits for a carry and none is lost
// (RFC 1071 2 C: any width will do). AVX2 where the processor has it: the rest is built for older
// ones.
#include "net_cksum.h"

#include "check.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define LANE_BYTES 32u // of a vector

typedef uint64_t lanes __attribute__((vector_size(LANE_BYTES)));

static_assert(NET_CKSUM_BLOCK_BYTES == 2 * LANE_BYTES);

// Every eight bytes are two 32-bit numbers, added in 64-bit lanes.
uint64_t net_cksum_blocks_anywhere(const uint8_t *at, size_t blocks)
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

#ifdef __x86_64__
#define WORD_BIAS 0x8000 // off each word, since AVX2 multiplies and adds signed ones only
#define AVX2      __attribute__((target("avx2,tune=haswell"))) // tuned to load in one piece

// add_words adds the 16-bit words at at, made signed, by twos to the 32-bit lanes of sum: at most
// 2^16 each time.
AVX2 static inline __m256i add_words(__m256i sum, const uint8_t *at)
{
	__m256i words = _mm256_loadu_si256((const void *)at);
	words = _mm256_xor_si256(words, _mm256_set1_epi16((short)WORD_BIAS));
	return _mm256_add_epi32(sum, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
}

AVX2 static uint64_t sum_avx2(const uint8_t *at, size_t blocks)
{
	__m256i sum = _mm256_setzero_si256(), other = sum;
	int32_t lane[LANE_BYTES / 4];
	int64_t total = (int64_t)(blocks * (NET_CKSUM_BLOCK_BYTES / 2) * WORD_BIAS);
	for (; blocks > 0; blocks--, at += NET_CKSUM_BLOCK_BYTES) {
		sum = add_words(sum, at);
		other = add_words(other, at + LANE_BYTES);
	}
	_mm256_storeu_si256((void *)lane, _mm256_add_epi32(sum, other));
	for (size_t i = 0; i < ARRAY_LEN(lane); i++)
		total += lane[i];
	return (uint64_t)total;
}

uint64_t net_cksum_blocks(const uint8_t *at, size_t blocks)
{
	return __builtin_cpu_supports("avx2") ? sum_avx2(at, blocks)
					      : net_cksum_blocks_anywhere(at, blocks);
}
#else
uint64_t net_cksum_blocks(const uint8_t *at, size_t blocks)
{
	return net_cksum_blocks_anywhere(at, blocks);
}
#endif
