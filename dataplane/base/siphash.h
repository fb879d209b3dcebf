// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 (Aumasson, Bernstein 2012): keyed hash for everything a stranger may choose.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t half[2];
};

// siphash returns the 64-bit hash of bytes bytes at at under key.
uint64_t siphash(const struct siphash_key *key, const void *at, size_t bytes);
