// SPDX-License-Identifier: Apache-2.0
// Latencies in buckets whose width grows with the value (as HdrHistogram's): every recorded number
// of nanoseconds is told within 1/256 of itself, from 0 to 2^40 (18 minutes), in constant memory.
#pragma once

#include <stdint.h>

#define LOAD_HISTOGRAM_BITS 8u // of a value that are kept below its highest one
#define LOAD_HISTOGRAM_LAST 40u
#define LOAD_HISTOGRAM_SLOTS                                                                       \
	((LOAD_HISTOGRAM_LAST - LOAD_HISTOGRAM_BITS + 1) << LOAD_HISTOGRAM_BITS)

struct load_histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t min; // UINT64_MAX while empty
	uint64_t max;
	uint64_t slots[LOAD_HISTOGRAM_SLOTS];
};

// load_histogram_init makes it empty.
void load_histogram_init(struct load_histogram *histogram);

// load_histogram_record counts one value; what is above the range counts as its end.
void load_histogram_record(struct load_histogram *histogram, uint64_t value);

// load_histogram_at returns the value that per_million of those recorded do not exceed: the highest
// of its bucket, and never more than max. 0 while empty.
uint64_t load_histogram_at(const struct load_histogram *histogram, uint32_t per_million);

// load_histogram_wait takes the values as times without a look at anything, one after another, that
// fill the whole time. It returns what a moment drawn from that time waits for the next look, at
// most, in per_million of all cases: x with sum(value - x) over the longer values = the other share
// of their sum.
uint64_t load_histogram_wait(const struct load_histogram *histogram, uint32_t per_million);
