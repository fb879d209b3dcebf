// SPDX-License-Identifier: Apache-2.0
// Which library does what; see coding.h.
#include "coding.h"

#include "coding_priv.h"

#include "check.h"

static const struct coding_way *way_of(enum coding coding)
{
	static const struct coding_way *const ways[CODING_COUNT] = {
		[CODING_GZIP] = &coding_gzip,
		[CODING_BR] = &coding_brotli,
		[CODING_ZSTD] = &coding_zstd,
	};
	CHECK(coding > CODING_IDENTITY && coding < CODING_COUNT);
	return ways[coding];
}

unsigned coding_log2(uint64_t bytes, unsigned low, unsigned high)
{
	unsigned bits = low;
	while (bits < high && (bytes == 0 || 1ull << bits < bytes))
		bits++;
	return bits;
}

void coder_init(struct coder *coder, void *memory)
{
	*coder = (struct coder){0};
	coding_memory_init(&coder->memory, memory, CODING_MEMORY_BYTES);
}

bool coder_begin(struct coder *coder, enum coding coding, const struct coding_levels *levels,
		 uint64_t bytes)
{
	CHECK(coder->coding == CODING_IDENTITY);
	if (!way_of(coding)->begin(coder, levels, bytes))
		return false;
	coder->coding = coding;
	return true;
}

bool coder_step(struct coder *coder, struct coding_step *step)
{
	CHECK(step->room > 0);
	step->bytes = 0;
	step->is_done = false;
	return way_of(coder->coding)->step(coder, step);
}

void coder_end(struct coder *coder)
{
	if (coder->coding == CODING_IDENTITY)
		return;
	way_of(coder->coding)->end(coder);
	coder->coding = CODING_IDENTITY;
}

struct slice coding_name(enum coding coding)
{
	return coding == CODING_IDENTITY ? SLICE("identity") : way_of(coding)->name;
}
