// SPDX-License-Identifier: Apache-2.0
// Random numbers; see random.h.
#include "random.h"

void random_init(struct random_source *random, struct siphash_key seed)
{
	*random = (struct random_source){.seed = seed};
}

uint64_t random_u64(struct random_source *random)
{
	return siphash_word(&random->seed, random->count++);
}

uint32_t random_below(struct random_source *random, uint32_t bound)
{
	return (uint32_t)(((random_u64(random) >> 32) * bound) >> 32);
}

struct siphash_key random_key(struct random_source *random)
{
	uint64_t first = random_u64(random);
	return (struct siphash_key){{first, random_u64(random)}};
}
