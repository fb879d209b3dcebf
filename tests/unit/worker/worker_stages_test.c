// SPDX-License-Identifier: Apache-2.0
// Cycles by stage: which turns are measured, which count, and where a stage's cycles go.
#include "unit.h"
#include "worker_stages.h"

#include <rte_pause.h>

#include <string.h>

#define SPENT 100000u // cycles, at least

static void spend(void)
{
	uint64_t begin = rte_rdtsc();
	while (rte_rdtsc() - begin < SPENT)
		rte_pause();
}

static void turn(struct worker_stages *stages, struct counters *counters, uint64_t number,
		 bool is_busy)
{
	worker_stages_begin(stages, number, true);
	worker_stages_end(stages, COUNTER_stages_receive);
	spend();
	worker_stages_end(stages, COUNTER_stages_proxy);
	worker_stages_finish(stages, counters, is_busy, 3);
}

static void a_stages_cycles_are_its_own(void)
{
	struct worker_stages stages = {0};
	static struct counters counters;
	turn(&stages, &counters, 0, true);
	turn(&stages, &counters, STAGES_SAMPLE, true);
	CU_ASSERT_EQUAL(counters.value[COUNTER_stages_turns], 2);
	CU_ASSERT_EQUAL(counters.value[COUNTER_stages_packets], 6);
	CU_ASSERT(counters.value[COUNTER_stages_proxy] >= 2 * SPENT);
	CU_ASSERT(counters.value[COUNTER_stages_receive] > 0);
	CU_ASSERT_EQUAL(counters.value[COUNTER_stages_transmit], 0);
}

static void idle_turns_do_not_count_nor_stay(void)
{
	struct worker_stages stages = {0};
	static struct counters counters, none;
	turn(&stages, &counters, 0, false);
	CU_ASSERT_EQUAL(memcmp(&counters, &none, sizeof(none)), 0);
	worker_stages_begin(&stages, STAGES_SAMPLE, true);
	worker_stages_finish(&stages, &counters, true, 1);
	CU_ASSERT_EQUAL(counters.value[COUNTER_stages_turns], 1);
	CU_ASSERT_EQUAL(counters.value[COUNTER_stages_proxy], 0);
}

static void most_turns_are_not_measured(void)
{
	struct worker_stages stages = {0};
	static struct counters counters;
	for (uint64_t number = 1; number <= 2 * STAGES_SAMPLE; number++) {
		worker_stages_begin(&stages, number, true);
		worker_stages_end(&stages, COUNTER_stages_tcp);
		worker_stages_finish(&stages, &counters, true, 0);
	}
	CU_ASSERT_EQUAL(counters.value[COUNTER_stages_turns], 2);
}

static void a_virtual_clock_measures_nothing(void)
{
	struct worker_stages stages = {0};
	static struct counters counters, none;
	worker_stages_begin(&stages, 0, false);
	worker_stages_end(&stages, COUNTER_stages_tcp);
	worker_stages_finish(&stages, &counters, true, 1);
	CU_ASSERT_EQUAL(memcmp(&counters, &none, sizeof(none)), 0);
}

UNIT_MAIN("worker_stages", {"a stage's cycles are its own", a_stages_cycles_are_its_own},
	  {"idle turns do not count, nor stay", idle_turns_do_not_count_nor_stay},
	  {"one turn of STAGES_SAMPLE is measured", most_turns_are_not_measured},
	  {"a virtual clock measures nothing", a_virtual_clock_measures_nothing})
