// SPDX-License-Identifier: Apache-2.0
// The table of counters; see counters.h.
#include "counters.h"

#define COUNTER(module, name, kind, text) {#module, #name, COUNTER_KIND_##kind, text},
const struct counter_info counter_info[COUNTER_COUNT] = {
#include "counters/all.def"
};
#undef COUNTER
