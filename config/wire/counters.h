// SPDX-License-Identifier: Apache-2.0
// Every counter of a worker: one line each in counters/<module>.def. Workers write them, telemetry
// and tools print them. A REASON is why one packet was dropped, one connection closed or one
// request refused: value, counter and text are the same line.
#pragma once

enum counter_kind {
	COUNTER_KIND_COUNT,  // things, ever
	COUNTER_KIND_BYTES,  // bytes, ever
	COUNTER_KIND_CYCLES, // TSC cycles, ever
	COUNTER_KIND_GAUGE,  // now
	COUNTER_KIND_REASON, // refusals for this reason, ever
};

#define COUNTER(module, name, kind, text) COUNTER_##module##_##name,
enum counter {
#include "counters/all.def"
	COUNTER_COUNT
};
#undef COUNTER

struct counter_info {
	const char *module;
	const char *name;
	enum counter_kind kind;
	const char *text; // one sentence for an operator
};

// counter_info is a table of COUNTER_COUNT rows in the order of enum counter.
extern const struct counter_info counter_info[COUNTER_COUNT];
