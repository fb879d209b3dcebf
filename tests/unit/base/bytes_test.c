// SPDX-License-Identifier: Apache-2.0
// Slices, the bounds-checked reader and writer, the arena, and SipHash's published vectors.
#include "arena.h"
#include "bytes.h"
#include "siphash.h"
#include "slice.h"
#include "unit.h"

static void siphash_gives_the_published_values(void)
{
	// Aumasson and Bernstein, appendix A: key 00 01 .. 0f, message 00 01 .. 0e.
	struct siphash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};
	uint8_t message[15];
	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	CU_ASSERT_EQUAL(siphash(&key, message, sizeof(message)), 0xa129ca6149be45e5u);
	CU_ASSERT_EQUAL(siphash(&key, message, 0), 0x726fdb47dd0e0e31u);
}

static void a_reader_stays_wrong_after_the_end(void)
{
	const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
	struct bytes_reader r = bytes_read_from(bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(bytes_u16(&r), 0x0102);
	CU_ASSERT_EQUAL(bytes_u32(&r), 0x03040506);
	CU_ASSERT(r.ok);
	CU_ASSERT_EQUAL(bytes_u16(&r), 0);
	CU_ASSERT(!r.ok);
	CU_ASSERT_EQUAL(bytes_u8(&r), 0);
	CU_ASSERT_PTR_NULL(bytes_take(&r, 0));
}

static void a_writer_writes_nothing_beyond_its_end(void)
{
	uint8_t bytes[9] = {[8] = 0xee};
	struct bytes_writer w = bytes_write_to(bytes, 8);
	bytes_put_u32(&w, 0x01020304);
	bytes_put_u64(&w, 1);
	CU_ASSERT(!w.ok);
	CU_ASSERT_EQUAL(w.written, 4);
	bytes_put_u8(&w, 9);
	CU_ASSERT_EQUAL(w.written, 4);
	CU_ASSERT_EQUAL(bytes[8], 0xee);
	CU_ASSERT(memcmp(bytes, "\x01\x02\x03\x04", 4) == 0);
}

static void a_full_arena_gives_nothing(void)
{
	_Alignas(8) uint8_t memory[64];
	struct arena arena;
	arena_init(&arena, memory, sizeof(memory));
	CU_ASSERT_PTR_EQUAL(arena_alloc(&arena, 1), memory);
	CU_ASSERT_PTR_EQUAL(arena_alloc(&arena, 8), memory + 8);
	CU_ASSERT_PTR_NULL(arena_alloc(&arena, 49));
	CU_ASSERT_PTR_NULL(arena_alloc(&arena, SIZE_MAX));
	CU_ASSERT_PTR_NOT_NULL(arena_copy(&arena, SLICE("")).at);
	CU_ASSERT(slice_equal(arena_copy(&arena, SLICE("four")), SLICE("four")));
	arena_reset(&arena);
	CU_ASSERT_PTR_EQUAL(arena_alloc(&arena, 64), memory);
}

static void what_was_allocated_last_may_grow(void)
{
	_Alignas(8) uint8_t memory[64];
	struct arena arena;
	arena_init(&arena, memory, sizeof(memory));
	void *first = arena_alloc(&arena, 3);
	CU_ASSERT(arena_grow(&arena, first, 3, 9));
	void *second = arena_alloc(&arena, 8);
	CU_ASSERT_PTR_EQUAL(second, memory + 16);
	CU_ASSERT_FALSE(arena_grow(&arena, first, 9, 10));
	CU_ASSERT_FALSE(arena_grow(&arena, second, 8, 49));
	CU_ASSERT_FALSE(arena_grow(&arena, second, 8, SIZE_MAX));
	CU_ASSERT(arena_grow(&arena, second, 8, 48));
	CU_ASSERT_PTR_NULL(arena_alloc(&arena, 1));
}

static void slices_compare_find_and_trim(void)
{
	CU_ASSERT(slice_equal_nocase(SLICE("Host"), SLICE("hOST")));
	CU_ASSERT(!slice_equal(SLICE("Host"), SLICE("host")));
	CU_ASSERT(slice_starts(SLICE("/a/b"), SLICE("/a")));
	CU_ASSERT(!slice_starts(SLICE("/"), SLICE("/a")));
	CU_ASSERT_EQUAL(slice_find(SLICE("a?b"), '?'), 1);
	CU_ASSERT_EQUAL(slice_find(SLICE("ab"), '?'), 2);
	CU_ASSERT(slice_equal(slice_trim(SLICE(" \t x y\t ")), SLICE("x y")));
	CU_ASSERT_EQUAL(slice_trim(SLICE(" \t ")).bytes, 0);
	CU_ASSERT_EQUAL(slice_skip(SLICE("abc"), 9).bytes, 0);
}

UNIT_MAIN("bytes", {"siphash gives the published values", siphash_gives_the_published_values},
	  {"a reader stays wrong after the end", a_reader_stays_wrong_after_the_end},
	  {"a writer writes nothing beyond its end", a_writer_writes_nothing_beyond_its_end},
	  {"a full arena gives nothing", a_full_arena_gives_nothing},
	  {"what was allocated last may grow", what_was_allocated_last_may_grow},
	  {"slices compare, find and trim", slices_compare_find_and_trim})
