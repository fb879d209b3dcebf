// SPDX-License-Identifier: Apache-2.0
// Random numbers that a stranger cannot predict and a simulation can replay: SipHash of a counter
// under a secret seed. The seed comes from the worker (getrandom) or from a test.
#pragma once

#include "siphash.h"

struct random_source {
	struct siphash_key seed;
	uint64_t count; // numbers drawn
};

// random_init starts a source from a 128-bit seed.
void random_init(struct random_source *random, struct siphash_key seed);

// random_u64 draws 64 bits.
uint64_t random_u64(struct random_source *random);

// random_below draws a number in [0, bound); bound > 0. The bias is below 2^-32.
uint32_t random_below(struct random_source *random, uint32_t bound);

// random_key draws a key for siphash.
struct siphash_key random_key(struct random_source *random);
