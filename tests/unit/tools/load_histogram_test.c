// SPDX-License-Identifier: Apache-2.0
// Percentiles of what was recorded, and how far off they may be.
#include "load_histogram.h"

#include "unit.h"

static struct load_histogram histogram;

static void small_values_are_exact(void)
{
	load_histogram_init(&histogram);
	for (uint64_t i = 0; i < 256; i++)
		load_histogram_record(&histogram, i);
	CU_ASSERT_EQUAL(histogram.count, 256);
	CU_ASSERT_EQUAL(histogram.sum, 255 * 128);
	CU_ASSERT_EQUAL(load_histogram_at(&histogram, 500000), 127);
	CU_ASSERT_EQUAL(load_histogram_at(&histogram, 0), 0);
	CU_ASSERT_EQUAL(load_histogram_at(&histogram, 1000000), 255);
}

static void an_empty_one_says_nothing(void)
{
	load_histogram_init(&histogram);
	CU_ASSERT_EQUAL(load_histogram_at(&histogram, 999999), 0);
	CU_ASSERT_EQUAL(histogram.min, UINT64_MAX);
}

static void every_value_is_told_within_a_256th(void)
{
	for (uint64_t value = 1; value < 1ull << 39; value += 1 + value / 7) {
		load_histogram_init(&histogram);
		load_histogram_record(&histogram, value);
		load_histogram_record(&histogram, 1ull << 39); // max does not help
		uint64_t told = load_histogram_at(&histogram, 500000);
		CU_ASSERT(told >= value);
		CU_ASSERT(told - value <= value / 256);
	}
}

static void what_is_out_of_range_counts_as_its_end(void)
{
	load_histogram_init(&histogram);
	load_histogram_record(&histogram, UINT64_MAX);
	CU_ASSERT_EQUAL(histogram.max, (1ull << LOAD_HISTOGRAM_LAST) - 1);
	CU_ASSERT_EQUAL(load_histogram_at(&histogram, 1000000), histogram.max);
}

// 10,000 values: the tail's percentile is the value that 9,999 do not exceed.
static void a_rare_value_is_in_the_tail_only(void)
{
	load_histogram_init(&histogram);
	for (unsigned i = 0; i < 9999; i++)
		load_histogram_record(&histogram, 1000);
	load_histogram_record(&histogram, 5000000);
	CU_ASSERT(load_histogram_at(&histogram, 999900) < 1010);
	CU_ASSERT_EQUAL(load_histogram_at(&histogram, 999901), 5000000);
	CU_ASSERT_EQUAL(histogram.min, 1000);
}

// Half of the time is one turn of 1,000: of all moments 1 % are in its first 20, and wait for 980.
static void a_moment_waits_for_the_rest_of_its_turn(void)
{
	load_histogram_init(&histogram);
	CU_ASSERT_EQUAL(load_histogram_wait(&histogram, 990000), 0);
	load_histogram_record(&histogram, 1000);
	for (unsigned i = 0; i < 1000; i++)
		load_histogram_record(&histogram, 1);
	CU_ASSERT_EQUAL(load_histogram_wait(&histogram, 990000), 980);
	CU_ASSERT_EQUAL(load_histogram_wait(&histogram, 999000), 998);
	CU_ASSERT_EQUAL(load_histogram_wait(&histogram, 1000000), 1000);
	CU_ASSERT(load_histogram_wait(&histogram, 500000) <= 1);
	load_histogram_init(&histogram);
	for (unsigned i = 0; i < 1000; i++)
		load_histogram_record(&histogram, 200);
	CU_ASSERT_EQUAL(load_histogram_wait(&histogram, 500000), 100);
}

UNIT_MAIN("load_histogram", {"small values are exact", small_values_are_exact},
	  {"an empty one says nothing", an_empty_one_says_nothing},
	  {"every value is told within a 256th of it", every_value_is_told_within_a_256th},
	  {"what is out of range counts as its end", what_is_out_of_range_counts_as_its_end},
	  {"a rare value is in the tail only", a_rare_value_is_in_the_tail_only},
	  {"a moment waits for the rest of its turn", a_moment_waits_for_the_rest_of_its_turn})
