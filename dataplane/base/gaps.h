// SPDX-License-Identifier: Apache-2.0
// Text in a buffer with gaps in it: runs that belong there, at their places, but still lie where
// they were (a cached body's chunks). Who seals the text reads them there, so that they are moved
// and encrypted in one pass; who cannot fills the gaps first.
#pragma once

#include "check.h"
#include "slice.h"

#define GAPS_MAX      8u    // of one text: a record of cache chunks has five
#define GAP_BYTES_MIN 2048u // shorter runs are copied: a gap is work of its own

struct gap {
	size_t at; // in the text
	struct slice run;
};

// All zero: none. In the order of their places.
struct gaps {
	uint32_t count;
	struct gap gap[GAPS_MAX];
};

// gaps_may_add is true when a run of bytes bytes can be a gap of gaps (NULL: no).
static inline bool gaps_may_add(const struct gaps *gaps, size_t bytes)
{
	return gaps && gaps->count < GAPS_MAX && bytes >= GAP_BYTES_MIN;
}

// gaps_add leaves a gap at at, behind all others, for run.
static inline void gaps_add(struct gaps *gaps, size_t at, struct slice run)
{
	CHECK(gaps->count < GAPS_MAX);
	gaps->gap[gaps->count++] = (struct gap){at, run};
}

// gaps_fill copies what belongs into the gaps (NULL: none) of text.
static inline void gaps_fill(const struct gaps *gaps, uint8_t *text)
{
	for (uint32_t i = 0; gaps && i < gaps->count; i++)
		memcpy(text + gaps->gap[i].at, gaps->gap[i].run.at, gaps->gap[i].run.bytes);
}
