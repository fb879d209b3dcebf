// SPDX-License-Identifier: Apache-2.0
// Per-worker counters: one writer, plain stores. Names come from config/wire/counters/*.def.
#pragma once

#include "counters.h"

#include <stdint.h>

struct counters {
	uint64_t value[COUNTER_COUNT];
};

// counter_add adds to one counter.
static inline void counter_add(struct counters *counters, enum counter counter, uint64_t add)
{
	counters->value[counter] += add;
}

// counter_inc adds one.
static inline void counter_inc(struct counters *counters, enum counter counter)
{
	counters->value[counter]++;
}

// counter_set sets a gauge.
static inline void counter_set(struct counters *counters, enum counter counter, uint64_t value)
{
	counters->value[counter] = value;
}
