// SPDX-License-Identifier: Apache-2.0
// A frequency sketch; see cache_sketch.h. A key has one counter in each of four rows; its estimate
// is the least of them, and only the least are counted up.
#include "cache_sketch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

enum { ROWS = 4, COUNTER_MAX = 15, ADDITIONS_A_WORD = 10, SEEN_BITS = 8 };

static uint32_t words_for(uint32_t count)
{
	uint32_t words = 64;
	while (words < count && words < 1u << 31)
		words *= 2;
	return words;
}

uint64_t cache_sketch_bytes(uint32_t count)
{
	uint64_t words = words_for(count);
	return words * sizeof(uint64_t) + words * SEEN_BITS / 8;
}

int cache_sketch_init(struct cache_sketch *sketch, uint32_t count)
{
	uint32_t words = words_for(count);
	*sketch = (struct cache_sketch){.mask = words - 1, .age_left = ADDITIONS_A_WORD};
	sketch->words = calloc(words, sizeof(uint64_t));
	sketch->seen = calloc(words * SEEN_BITS / 64, sizeof(uint64_t));
	return sketch->words && sketch->seen ? 0 : ENOMEM;
}

void cache_sketch_fini(struct cache_sketch *sketch)
{
	free(sketch->words);
	free(sketch->seen);
}

// spread makes an independent number of hash for each row.
static uint64_t spread(uint64_t hash, unsigned row)
{
	uint64_t mixed = (hash + row) * 0x9e3779b97f4a7c15ull;
	mixed ^= mixed >> 32;
	return mixed * 0xd6e8feb86659fd93ull >> 16;
}

struct place {
	uint32_t word;
	unsigned shift;
};

static struct place place_of(const struct cache_sketch *sketch, uint64_t hash, unsigned row)
{
	uint64_t number = spread(hash, row);
	unsigned counter = row * ROWS + (unsigned)(number & 3);
	return (struct place){(uint32_t)(number >> 2) & sketch->mask, counter * 4};
}

static unsigned value_at(const struct cache_sketch *sketch, struct place place)
{
	return (unsigned)(sketch->words[place.word] >> place.shift) & COUNTER_MAX;
}

static unsigned least(const struct cache_sketch *sketch, uint64_t hash)
{
	unsigned value = COUNTER_MAX;
	for (unsigned row = 0; row < ROWS; row++) {
		unsigned other = value_at(sketch, place_of(sketch, hash, row));
		value = other < value ? other : value;
	}
	return value;
}

// seen_bit is the number of the doorkeeper's bit for hash, of two.
static uint64_t seen_bit(const struct cache_sketch *sketch, uint64_t hash, unsigned which)
{
	uint64_t bits = ((uint64_t)sketch->mask + 1) * SEEN_BITS;
	return spread(hash, ROWS + which) & (bits - 1);
}

static bool is_seen(const struct cache_sketch *sketch, uint64_t hash)
{
	for (unsigned which = 0; which < 2; which++) {
		uint64_t bit = seen_bit(sketch, hash, which);
		if (!(sketch->seen[bit / 64] >> bit % 64 & 1))
			return false;
	}
	return true;
}

static void age(struct cache_sketch *sketch)
{
	if (--sketch->age_left > 0)
		return;
	uint32_t word = sketch->age_next;
	sketch->age_left = ADDITIONS_A_WORD;
	sketch->age_next = (word + 1) & sketch->mask;
	sketch->words[word] = sketch->words[word] >> 1 & 0x7777777777777777ull;
	if (word % (64 / SEEN_BITS) == 0)
		sketch->seen[word * SEEN_BITS / 64] = 0;
}

void cache_sketch_add(struct cache_sketch *sketch, uint64_t hash)
{
	age(sketch);
	if (!is_seen(sketch, hash)) {
		for (unsigned which = 0; which < 2; which++) {
			uint64_t bit = seen_bit(sketch, hash, which);
			sketch->seen[bit / 64] |= 1ull << bit % 64;
		}
		return;
	}
	unsigned value = least(sketch, hash);
	if (value == COUNTER_MAX)
		return;
	for (unsigned row = 0; row < ROWS; row++) {
		struct place place = place_of(sketch, hash, row);
		if (value_at(sketch, place) == value)
			sketch->words[place.word] += 1ull << place.shift;
	}
}

uint32_t cache_sketch_estimate(const struct cache_sketch *sketch, uint64_t hash)
{
	return least(sketch, hash) + is_seen(sketch, hash);
}
