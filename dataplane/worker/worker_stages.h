// SPDX-License-Identifier: Apache-2.0
// Where a worker's time goes: cycles by stage of a turn, read off the TSC at each stage's end. One
// turn of STAGES_SAMPLE is measured, so that the clock's own price stays below a thousandth; turns
// that find nothing to do do not count. A virtual clock (simulator) measures nothing.
#pragma once

#include "counter.h"

#include <rte_cycles.h>

#include <stdbool.h>

#define STAGES_SAMPLE 16u // a power of two
#define STAGES_FIRST  COUNTER_stages_receive
#define STAGES_COUNT  (COUNTER_stages_transmit - COUNTER_stages_receive + 1)

struct worker_stages {
	uint64_t begun; // the stage under way, TSC; 0: this turn is not measured
	uint64_t cycles[STAGES_COUNT];
};

// worker_stages_begin begins a turn, which is measured when it is one's turn of the sample.
static inline void worker_stages_begin(struct worker_stages *stages, uint64_t turn, bool has_clock)
{
	stages->begun = has_clock && turn % STAGES_SAMPLE == 0 ? rte_rdtsc() : 0;
}

// worker_stages_end ends a stage (its counter); the next one begins.
static inline void worker_stages_end(struct worker_stages *stages, enum counter stage)
{
	if (!stages->begun)
		return;
	uint64_t now = rte_rdtsc();
	stages->cycles[stage - STAGES_FIRST] += now - stages->begun;
	stages->begun = now;
}

// worker_stages_finish ends a turn to which so many packets came: it counts when it was busy.
void worker_stages_finish(struct worker_stages *stages, struct counters *counters, bool is_busy,
			  uint32_t packets);
