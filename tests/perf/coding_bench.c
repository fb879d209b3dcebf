// SPDX-License-Identifier: Apache-2.0
// What compression on the fly costs: MB/s of one core and the ratio, for each coding and level,
// over responses of some sizes cut from a file. By hand: coding_bench FILE; the table in
// dataplane/coding/README.md is of it.
#include "coding.h"

#include "check.h"

#include <time.h>

enum { FILE_BYTES = 4 << 20 };

static uint8_t text[FILE_BYTES], out[16384];

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// code compresses one response; returns its length.
static size_t code(struct coder *coder, struct coding_levels levels, enum coding coding,
		   struct slice in)
{
	size_t bytes = 0;
	bool is_begun = coder_begin(coder, coding, &levels, in.bytes);
	CHECK(is_begun);
	struct coding_step step = {.out = out, .room = sizeof(out)};
	do {
		step.in = slice_head(in, 16384);
		size_t given = step.in.bytes;
		step.flush = given == in.bytes ? CODING_END : CODING_FLOW;
		bool is_good = coder_step(coder, &step);
		CHECK(is_good);
		in = slice_skip(in, given - step.in.bytes);
		bytes += step.bytes;
	} while (!step.is_done || step.flush != CODING_END);
	coder_end(coder);
	return bytes;
}

static void measure(struct coder *coder, enum coding coding, uint32_t level, size_t file_bytes)
{
	static const size_t sizes[] = {4096, 65536, 1 << 20};
	struct coding_levels levels = {level, level, level};
	struct slice name = coding_name(coding);
	printf("| %.*s %u |", (int)name.bytes, name.at, level);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t in = 0, coded = 0;
		double begun = now_s();
		for (size_t at = 0; at + sizes[i] <= file_bytes; at += sizes[i]) {
			coded += code(coder, levels, coding, slice_of(text + at, sizes[i]));
			in += sizes[i];
		}
		printf(" %.0f, %.1f |", (double)in / (now_s() - begun) / 1e6,
		       (double)in / (double)coded);
	}
	printf(" %zu |\n", coder->memory.peak_bytes >> 10);
}

int main(int count, char **arguments)
{
	static const uint32_t levels[CODING_COUNT] = {0, 9, 5, 6};
	FILE *file = count == 2 ? fopen(arguments[1], "r") : NULL;
	if (!file) {
		fprintf(stderr, "coding_bench FILE: text of 1 MiB or more\n");
		return 1;
	}
	size_t bytes = fread(text, 1, sizeof(text), file);
	fclose(file);
	void *memory = aligned_alloc(64, CODING_MEMORY_BYTES);
	printf("| level | 4 KiB: MB/s, ratio | 64 KiB | 1 MiB | most memory, KiB |\n");
	for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++)
		for (uint32_t level = 1; level <= levels[coding]; level++) {
			struct coder coder;
			coder_init(&coder, memory);
			measure(&coder, coding, level, bytes);
		}
	free(memory);
	return 0;
}
