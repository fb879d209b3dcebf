// SPDX-License-Identifier: Apache-2.0
// Every coding at every level, decoded by the libraries' own decoders: sizes, boundaries of input
// and output, flushes, what does not shrink, and how much memory it takes.
#include "coding.h"

#include "unit.h"

#include <brotli/decode.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { LARGE = 1 << 20, OUT = 2 << 20 };

static uint8_t input[LARGE], coded[OUT], plain[OUT];
static struct coder coder;
static void *memory;

static uint32_t draw(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

// write_text fills input with words of a small language; write_noise with what no coder shrinks.
static void write_text(void)
{
	static const char *const words[] = {"<div class=\"", "row\">",   "the ",     "request ",
					    "of ",           "a client", "</div>\n", "cache",
					    " = {",          "}; "};
	uint32_t state = 7;
	for (size_t at = 0; at < LARGE;) {
		const char *word = words[draw(&state) % 10];
		for (; *word && at < LARGE; word++)
			input[at++] = (uint8_t)*word;
	}
}

// write_worst makes short matches at many distances: most commands for a coder.
static void write_worst(void)
{
	uint32_t state = 5;
	for (size_t at = 0; at < LARGE; at++)
		input[at] = (uint8_t)draw(&state);
	for (size_t at = 70000; at + 6 < LARGE; at += 6)
		memcpy(input + at, input + at - 64 - draw(&state) % 60000, 5);
}

static void write_noise(void)
{
	uint32_t state = 9;
	for (size_t at = 0; at < LARGE; at++)
		input[at] = (uint8_t)draw(&state);
}

static size_t decode_gzip(size_t bytes)
{
	z_stream stream = {.next_in = coded, .avail_in = (uInt)bytes, .next_out = plain};
	stream.avail_out = OUT;
	CU_ASSERT_EQUAL(inflateInit2(&stream, 15 + 16), Z_OK);
	int error = inflate(&stream, Z_SYNC_FLUSH);
	CU_ASSERT(error == Z_OK || error == Z_STREAM_END || error == Z_BUF_ERROR);
	size_t got = OUT - stream.avail_out;
	inflateEnd(&stream);
	return got;
}

static size_t decode_br(size_t bytes)
{
	BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	const uint8_t *in = coded;
	uint8_t *out = plain;
	size_t room = OUT;
	CU_ASSERT_NOT_EQUAL(BrotliDecoderDecompressStream(state, &bytes, &in, &room, &out, NULL),
			    BROTLI_DECODER_RESULT_ERROR);
	BrotliDecoderDestroyInstance(state);
	return OUT - room;
}

static size_t decode_zstd(size_t bytes)
{
	ZSTD_DCtx *state = ZSTD_createDCtx();
	ZSTD_inBuffer in = {coded, bytes, 0};
	ZSTD_outBuffer out = {plain, OUT, 0};
	CU_ASSERT(!ZSTD_isError(ZSTD_decompressStream(state, &out, &in)));
	ZSTD_freeDCtx(state);
	return out.pos;
}

// is_input is true when what was written so far decodes to the first bytes of input.
static bool is_input(enum coding coding, size_t coded_bytes, size_t bytes)
{
	size_t got = coding == CODING_GZIP ? decode_gzip(coded_bytes)
		     : coding == CODING_BR ? decode_br(coded_bytes)
					   : decode_zstd(coded_bytes);
	return got == bytes && memcmp(plain, input, bytes) == 0;
}

// put runs steps until all of in is taken and, but for FLOW, all is written.
static size_t put(struct slice in, enum coding_flush flush, size_t room, size_t at)
{
	struct coding_step step = {.in = in, .flush = flush};
	do {
		step.out = coded + at;
		step.room = room;
		CU_ASSERT_FATAL(at + room <= OUT);
		CU_ASSERT_FATAL(coder_step(&coder, &step));
		CU_ASSERT(step.bytes <= room && step.out == coded + at);
		at += step.bytes;
	} while (step.in.bytes || (flush != CODING_FLOW && !step.is_done));
	return at;
}

static void begin(enum coding coding, uint32_t level, uint64_t hint)
{
	struct coding_levels levels = {level, level, level};
	CU_ASSERT_FATAL(coder_begin(&coder, coding, &levels, hint));
}

// end checks that the coder has given all back.
static void end(void)
{
	coder_end(&coder);
	CU_ASSERT_EQUAL(coder.memory.used_bytes, 0);
}

// code writes bytes of input in pieces; returns the length of what came out.
static size_t code(size_t bytes, size_t piece, size_t room)
{
	size_t at = 0;
	for (size_t done = 0; done < bytes; done += piece) {
		size_t length = bytes - done < piece ? bytes - done : piece;
		at = put(slice_of(input + done, length), CODING_FLOW, room, at);
	}
	return put(slice_of(input, 0), CODING_END, room, at);
}

static uint32_t top_of(enum coding coding)
{
	return coding == CODING_GZIP ? 9 : coding == CODING_BR ? 5 : 6;
}

// try_level codes what write made, its length told or not.
static void try_level(enum coding coding, uint32_t level, void (*write)(void))
{
	static const uint64_t hints[] = {0, LARGE};
	write();
	for (unsigned i = 0; i < 2; i++) {
		begin(coding, level, hints[i]);
		CU_ASSERT(is_input(coding, code(LARGE / 2, 16384, 16384), LARGE / 2));
		end();
	}
}

static void every_level_decodes_and_stays_in_its_memory(void)
{
	size_t most = 0;
	for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++)
		for (uint32_t level = coding != CODING_BR; level <= top_of(coding); level++) {
			write_text();
			begin(coding, level, 0);
			CU_ASSERT(code(LARGE, 16384, 16384) < LARGE / 3);
			end();
			try_level(coding, level, write_text);
			try_level(coding, level, write_noise);
			try_level(coding, level, write_worst);
			most = coder.memory.peak_bytes > most ? coder.memory.peak_bytes : most;
		}
	printf("# at most %zu of %u KiB\n", most >> 10, CODING_MEMORY_BYTES >> 10);
	CU_ASSERT(most < CODING_MEMORY_BYTES - CODING_MEMORY_BYTES / 8);
}

static void sizes_from_nothing_up_decode(void)
{
	static const size_t sizes[] = {0, 1, 2, 15, 100, 1023, 4096, 16384, 65535, 65537, 200000};
	write_text();
	for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			begin(coding, 3, sizes[i]);
			CU_ASSERT(is_input(coding, code(sizes[i], 16384, 16384), sizes[i]));
			end();
		}
}

static void boundaries_of_input_and_output_do_not_show(void)
{
	static const size_t pieces[] = {1, 7, 1460, 16384}, rooms[] = {1, 3, 100, 16384};
	write_text();
	for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++)
		for (size_t i = 0; i < 16; i++) {
			begin(coding, 3, 0);
			size_t bytes = code(30000, pieces[i / 4], rooms[i % 4]);
			CU_ASSERT(is_input(coding, bytes, 30000));
			end();
		}
}

static void a_flush_shows_all_that_went_in(void)
{
	write_text();
	for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++) {
		uint32_t state = 3;
		size_t at = 0, done = 0;
		begin(coding, 3, 0);
		while (done < 60000) {
			size_t length = 1 + draw(&state) % 3000, room = 1 + draw(&state) % 500;
			at = put(slice_of(input + done, length), CODING_FLOW, room, at);
			done += length;
			at = put(slice_of(input, 0), CODING_FLUSH, room, at);
			CU_ASSERT(is_input(coding, at, done));
		}
		at = put(slice_of(input, 0), CODING_END, 100, at);
		CU_ASSERT(is_input(coding, at, done));
		end();
	}
}

static void what_is_given_up_leaves_nothing(void)
{
	write_text();
	for (uint32_t i = 0; i < 300; i++) {
		begin(CODING_GZIP + i % 3, 1 + i % 5, 0);
		put(slice_of(input, i * 400), CODING_FLOW, 16384, 0);
		end();
	}
}

static void memory_that_is_short_is_an_error_not_an_end(void)
{
	struct coder small = {0};
	struct coding_levels levels = {9, 5, 6};
	coding_memory_init(&small.memory, memory, 16384);
	CU_ASSERT(!coder_begin(&small, CODING_GZIP, &levels, 0));
	CU_ASSERT(!coder_begin(&small, CODING_ZSTD, &levels, 0));
	CU_ASSERT_EQUAL(small.memory.used_bytes, 0);
	CU_ASSERT_FATAL(coder_begin(&small, CODING_BR, &levels, 0));
	struct coding_step step = {.in = slice_of(input, 100000), .out = coded, .room = OUT};
	CU_ASSERT(!coder_step(&small, &step));
	coder_end(&small);
	coder_init(&coder, memory);
}

static void memory_is_given_out_again_in_any_order(void)
{
	struct coding_memory pool;
	void *taken[64] = {0};
	uint32_t state = 1;
	coding_memory_init(&pool, memory, 65536);
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t which = draw(&state) % 64, bytes = draw(&state) % 2000;
		coding_memory_give(&pool, taken[which]);
		taken[which] = coding_memory_take(&pool, bytes);
		if (taken[which])
			memset(taken[which], (int)which, bytes);
	}
	for (uint32_t i = 0; i < 64; i++)
		coding_memory_give(&pool, taken[i]);
	CU_ASSERT_EQUAL(pool.used_bytes, 0);
	void *all = coding_memory_take(&pool, 65536 - 16);
	CU_ASSERT_PTR_NOT_NULL(all);
	CU_ASSERT_PTR_NULL(coding_memory_take(&pool, 1));
	CU_ASSERT_PTR_NULL(coding_memory_take(&pool, SIZE_MAX - 5));
	coder_init(&coder, memory);
}

static void start(void)
{
	memory = memory ? memory : aligned_alloc(64, CODING_MEMORY_BYTES);
	coder_init(&coder, memory);
}

#define CASE(name)                                                                                 \
	static void run_##name(void)                                                               \
	{                                                                                          \
		start();                                                                           \
		name();                                                                            \
	}
CASE(every_level_decodes_and_stays_in_its_memory)
CASE(sizes_from_nothing_up_decode)
CASE(boundaries_of_input_and_output_do_not_show)
CASE(a_flush_shows_all_that_went_in)
CASE(what_is_given_up_leaves_nothing)
CASE(memory_that_is_short_is_an_error_not_an_end)
CASE(memory_is_given_out_again_in_any_order)

UNIT_MAIN("coding",
	  {"every level decodes and stays in its memory",
	   run_every_level_decodes_and_stays_in_its_memory},
	  {"sizes from nothing up decode", run_sizes_from_nothing_up_decode},
	  {"boundaries of input and output do not show",
	   run_boundaries_of_input_and_output_do_not_show},
	  {"a flush shows all that went in", run_a_flush_shows_all_that_went_in},
	  {"what is given up leaves nothing", run_what_is_given_up_leaves_nothing},
	  {"memory that is short is an error, not an end",
	   run_memory_that_is_short_is_an_error_not_an_end},
	  {"memory is given out again in any order", run_memory_is_given_out_again_in_any_order})
