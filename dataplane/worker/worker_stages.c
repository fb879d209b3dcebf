// SPDX-License-Identifier: Apache-2.0
// Cycles by stage; see worker_stages.h.
#include "worker_stages.h"

#include <string.h>

void worker_stages_finish(struct worker_stages *stages, struct counters *counters, bool is_busy,
			  uint32_t packets)
{
	if (!stages->begun)
		return;
	if (is_busy) {
		counter_inc(counters, COUNTER_stages_turns);
		counter_add(counters, COUNTER_stages_packets, packets);
		for (unsigned i = 0; i < STAGES_COUNT; i++)
			counter_add(counters, (enum counter)(STAGES_FIRST + i), stages->cycles[i]);
	}
	memset(stages->cycles, 0, sizeof(stages->cycles));
}
