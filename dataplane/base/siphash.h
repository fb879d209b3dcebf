// SPDX-License-Identifier: Apache-2.0
// SipHash (Aumasson, Bernstein 2012): keyed hash for everything a stranger may choose.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t half[2];
};

// siphash returns the 64-bit hash of bytes bytes at at under key: SipHash-2-4, for what a stranger
// sees (cookies, sequence numbers, random numbers).
uint64_t siphash(const struct siphash_key *key, const void *at, size_t bytes);

// siphash_word is siphash of a word's eight bytes, as they lie in memory.
uint64_t siphash_word(const struct siphash_key *key, uint64_t word);

// siphash13 is SipHash-1-3, with about half the rounds: for tables, whose hashes nobody sees.
uint64_t siphash13(const struct siphash_key *key, const void *at, size_t bytes);
