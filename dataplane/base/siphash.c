// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 and 1-3; see siphash.h.
#include "siphash.h"

#include <string.h>

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static inline void absorb(uint64_t v[4], uint64_t word, unsigned rounds)
{
	v[3] ^= word;
	for (unsigned i = 0; i < rounds; i++)
		sip_round(v);
	v[0] ^= word;
}

// hash is SipHash with rounds a word and two more at the end.
__attribute__((always_inline)) static inline uint64_t hash(const struct siphash_key *key,
							   const void *at, size_t bytes,
							   unsigned rounds)
{
	const uint8_t *p = at;
	uint64_t v[4] = {
		key->half[0] ^ 0x736f6d6570736575u,
		key->half[1] ^ 0x646f72616e646f6du,
		key->half[0] ^ 0x6c7967656e657261u,
		key->half[1] ^ 0x7465646279746573u,
	};
	uint64_t word;
	size_t left = bytes;
	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		absorb(v, word, rounds);
	}
	word = (uint64_t)bytes << 56;
	if (left > 0 && bytes >= 8) { // the last eight bytes, less those that were taken
		uint64_t last;
		memcpy(&last, p + left - 8, 8);
		word |= last >> (64 - 8 * left);
	} else {
		for (size_t i = 0; i < left; i++)
			word |= (uint64_t)p[i] << (8 * i);
	}
	absorb(v, word, rounds);
	v[2] ^= 0xff;
	for (unsigned i = 0; i < rounds + 2; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash(const struct siphash_key *key, const void *at, size_t bytes)
{
	return hash(key, at, bytes, 2);
}

uint64_t siphash_word(const struct siphash_key *key, uint64_t word)
{
	return hash(key, &word, sizeof(word), 2);
}

uint64_t siphash13(const struct siphash_key *key, const void *at, size_t bytes)
{
	return hash(key, at, bytes, 1);
}
