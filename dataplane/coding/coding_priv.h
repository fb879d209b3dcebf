// SPDX-License-Identifier: Apache-2.0
// What a coding is to coding.c: one table each.
#pragma once

#include "coding.h"

struct coding_way {
	struct slice name;
	bool (*begin)(struct coder *coder, const struct coding_levels *levels, uint64_t bytes);
	bool (*step)(struct coder *coder, struct coding_step *step);
	void (*end)(struct coder *coder);
};

extern const struct coding_way coding_gzip, coding_brotli, coding_zstd;

// coding_log2 is the smallest number of bits from low to high whose power of two holds bytes; high
// when bytes is 0.
unsigned coding_log2(uint64_t bytes, unsigned low, unsigned high);
