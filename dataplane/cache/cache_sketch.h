// SPDX-License-Identifier: Apache-2.0
// How often keys were asked for lately, in fixed memory: a count-min sketch of 4-bit counters
// behind a doorkeeper (TinyLFU: Einziger, Friedman, Manes 2017). The doorkeeper holds what was seen
// once, so that what is never asked for again costs the counters nothing. Aging is spread over the
// additions: each forgets a little, none stops to halve the whole table.
#pragma once

#include <stdint.h>

#define CACHE_SKETCH_MAX 16u // estimate of what is asked for all the time

struct cache_sketch {
	uint64_t *words;   // owned: 16 counters each
	uint64_t *seen;    // owned: the doorkeeper, 8 bits a word of counters
	uint32_t mask;     // words - 1
	uint32_t age_next; // the word that is halved next
	uint32_t age_left; // additions until then
};

// cache_sketch_init takes memory for about count keys; 0 or ENOMEM. cache_sketch_fini gives it
// back. cache_sketch_bytes is how much it is.
int cache_sketch_init(struct cache_sketch *sketch, uint32_t count);
void cache_sketch_fini(struct cache_sketch *sketch);
uint64_t cache_sketch_bytes(uint32_t count);

// cache_sketch_add counts a request for the key with this hash, which nobody outside can choose.
void cache_sketch_add(struct cache_sketch *sketch, uint64_t hash);

// cache_sketch_estimate is how often it was asked for lately: 0 to CACHE_SKETCH_MAX, never less
// than the truth but for aging.
uint32_t cache_sketch_estimate(const struct cache_sketch *sketch, uint64_t hash);
