// SPDX-License-Identifier: Apache-2.0
// Buckets of growing width; see load_histogram.h. Values below 2^8 have a slot each; above, each
// doubling has 2^8 slots.
#include "load_histogram.h"

#include "check.h"

#include <string.h>

#define BITS LOAD_HISTOGRAM_BITS

static uint32_t slot_of(uint64_t value)
{
	if (value < 1u << BITS)
		return (uint32_t)value;
	uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - BITS;
	return ((shift + 1) << BITS) + (uint32_t)((value >> shift) - (1u << BITS));
}

// highest_of returns the largest value that has this slot.
static uint64_t highest_of(uint32_t slot)
{
	if (slot < 1u << BITS)
		return slot;
	uint32_t shift = (slot >> BITS) - 1;
	uint64_t base = (1u << BITS) + (slot & ((1u << BITS) - 1));
	return ((base + 1) << shift) - 1;
}

void load_histogram_init(struct load_histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
	histogram->min = UINT64_MAX;
}

void load_histogram_record(struct load_histogram *histogram, uint64_t value)
{
	value = MIN(value, (1ull << LOAD_HISTOGRAM_LAST) - 1);
	histogram->count++;
	histogram->sum += value;
	histogram->min = MIN(histogram->min, value);
	histogram->max = MAX(histogram->max, value);
	histogram->slots[slot_of(value)]++;
}

uint64_t load_histogram_at(const struct load_histogram *histogram, uint32_t per_million)
{
	CHECK(per_million <= 1000000);
	uint64_t wanted = (histogram->count * per_million + 999999) / 1000000;
	uint64_t seen = 0;
	for (uint32_t i = 0; i < LOAD_HISTOGRAM_SLOTS; i++) {
		seen += histogram->slots[i];
		if (seen >= wanted && seen > 0)
			return MIN(highest_of(i), histogram->max);
	}
	return 0;
}

uint64_t load_histogram_wait(const struct load_histogram *histogram, uint32_t per_million)
{
	CHECK(per_million <= 1000000);
	double share = (double)histogram->sum * (1000000 - per_million) / 1e6;
	double sum = 0, count = 0, wait = 0;
	for (uint32_t i = LOAD_HISTOGRAM_SLOTS; i-- > 0;) {
		double highest = (double)MIN(highest_of(i), histogram->max);
		if (count > 0 && wait >= highest)
			break;
		sum += highest * (double)histogram->slots[i];
		count += (double)histogram->slots[i];
		wait = count > 0 ? MAX((sum - share) / count, 0.0) : 0;
	}
	return (uint64_t)wait;
}
