// SPDX-License-Identifier: Apache-2.0
// When work is due, and that being late moves nothing.
#include "load_schedule.h"

#include "unit.h"

#define MS 1000000ull

static void a_closed_loop_is_always_due(void)
{
	struct load_schedule schedule = {0};
	uint64_t due;
	load_schedule_start(&schedule, 5, 0, 2, 100);
	CU_ASSERT(load_schedule_take(&schedule, 7, &due));
	CU_ASSERT_EQUAL(due, 7);
	CU_ASSERT(load_schedule_take(&schedule, 7, &due));
	CU_ASSERT_FALSE(load_schedule_take(&schedule, 8, &due));
	CU_ASSERT(load_schedule_is_over(&schedule, 8));
	load_schedule_start(&schedule, 5, 0, UINT64_MAX, 100);
	CU_ASSERT_FALSE(load_schedule_take(&schedule, 100, &due));
	CU_ASSERT_EQUAL(load_schedule_late(&schedule, 100), 0);
}

static void an_open_loop_keeps_its_moments(void)
{
	struct load_schedule schedule = {0};
	uint64_t due;
	load_schedule_start(&schedule, 10 * MS, 1000, UINT64_MAX, 20 * MS);
	CU_ASSERT(load_schedule_take(&schedule, 10 * MS, &due));
	CU_ASSERT_EQUAL(due, 10 * MS);
	CU_ASSERT_FALSE(load_schedule_take(&schedule, 11 * MS - 1, &due));
	// Nobody was free for 4 ms: what was due meanwhile is due since then.
	CU_ASSERT_EQUAL(load_schedule_late(&schedule, 14 * MS + 1), 4);
	for (uint64_t i = 11; i <= 14; i++) {
		CU_ASSERT(load_schedule_take(&schedule, 14 * MS, &due));
		CU_ASSERT_EQUAL(due, i * MS);
	}
	CU_ASSERT_FALSE(load_schedule_take(&schedule, 14 * MS, &due));
	CU_ASSERT_FALSE(load_schedule_is_over(&schedule, 14 * MS));
	// Nothing is due at the end or behind it; what nobody took is told.
	CU_ASSERT_EQUAL(load_schedule_late(&schedule, 50 * MS), 5);
	for (unsigned i = 15; i < 20; i++)
		CU_ASSERT(load_schedule_take(&schedule, 50 * MS, &due));
	CU_ASSERT_FALSE(load_schedule_take(&schedule, 50 * MS, &due));
	CU_ASSERT(load_schedule_is_over(&schedule, 50 * MS));
}

static void random_moments_have_the_rate(void)
{
	struct random_source random;
	struct load_schedule schedule = {.is_poisson = true, .random = &random};
	uint64_t due, last = 0, count = 0, short_count = 0;
	random_init(&random, (struct siphash_key){{3, 4}});
	load_schedule_start(&schedule, 0, 1000, UINT64_MAX, 10000 * MS);
	while (load_schedule_take(&schedule, 10000 * MS, &due)) {
		CU_ASSERT(due >= last);
		short_count += due - last < MS / 2;
		last = due;
		count++;
	}
	CU_ASSERT(count > 9500 && count < 10500);
	// 1 - exp(-1/2) of the intervals are shorter than half of the mean.
	CU_ASSERT(short_count * 100 > count * 36 && short_count * 100 < count * 43);
}

UNIT_MAIN("load_schedule", {"a closed loop is always due", a_closed_loop_is_always_due},
	  {"an open loop keeps its moments", an_open_loop_keeps_its_moments},
	  {"random moments have the rate", random_moments_have_the_rate})
