// SPDX-License-Identifier: Apache-2.0
// Pieces of any size against their contract: apart, aligned, bounded, and all given back.
#include "random.h"
#include "slab.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

static uint32_t count_used(const struct slab *slab)
{
	uint32_t used = 0;
	for (uint32_t i = 0; i < slab->page_count; i++)
		used += slab->pages[i].used;
	return used;
}

static void a_piece_is_as_large_as_asked_for(void)
{
	struct slab slab;
	CU_ASSERT_FATAL(slab_init(&slab, SLAB_SIZE_COUNT * SLAB_PAGE_BYTES) == 0);
	for (size_t bytes = 0; bytes <= SLAB_PIECE_MAX; bytes++) {
		uint8_t *piece = slab_take(&slab, bytes);
		CU_ASSERT_FATAL(piece != NULL);
		CU_ASSERT((uintptr_t)piece % 32 == 0);
		size_t room = slab_piece_bytes(&slab, piece);
		CU_ASSERT(room >= bytes && room < bytes + (bytes > SLAB_SMALL_MAX ? 1024 : 33));
		CU_ASSERT(slab_has(&slab, piece) && slab_has(&slab, piece + room - 1));
		memset(piece, 0xff, room);
		slab_give(&slab, piece);
	}
	CU_ASSERT_PTR_NULL(slab_take(&slab, SLAB_PIECE_MAX + 1));
	CU_ASSERT_PTR_NULL(slab_take(&slab, SIZE_MAX));
	CU_ASSERT_EQUAL(count_used(&slab), 0);
	slab_fini(&slab);
}

static void other_memory_is_told_apart(void)
{
	struct slab slab;
	int other;
	CU_ASSERT_FATAL(slab_init(&slab, 2 * SLAB_PAGE_BYTES) == 0);
	CU_ASSERT(!slab_has(&slab, &other) && !slab_has(&slab, NULL));
	CU_ASSERT(!slab_has(&slab, slab.memory - 1));
	CU_ASSERT(!slab_has(&slab, slab.memory + 2 * SLAB_PAGE_BYTES));
	slab_fini(&slab);
	CU_ASSERT(!slab_has(&slab, NULL) && !slab_has(&slab, &other));
}

static void a_slab_without_a_page_gives_nothing(void)
{
	struct slab slab;
	CU_ASSERT_FATAL(slab_init(&slab, SLAB_PAGE_BYTES - 1) == 0);
	CU_ASSERT_PTR_NULL(slab_take(&slab, 1));
	slab_fini(&slab);
	CU_ASSERT_EQUAL(slab_init(&slab, SIZE_MAX), ENOMEM);
}

static void empty_pages_serve_any_size(void)
{
	enum { PAGES = 8 };
	struct slab slab;
	static void *held[PAGES * SLAB_PAGE_BYTES / 32 + 1]; // and the refusal
	CU_ASSERT_FATAL(slab_init(&slab, PAGES * SLAB_PAGE_BYTES) == 0);
	for (size_t bytes = 32; bytes <= SLAB_PIECE_MAX; bytes *= 2) {
		uint32_t count = 0;
		while ((held[count] = slab_take(&slab, bytes)))
			count++;
		// All pages but those that sizes before keep, one each.
		CU_ASSERT(count * bytes >= SLAB_PAGE_BYTES);
		CU_ASSERT_EQUAL(count_used(&slab), count);
		while (count > 0)
			slab_give(&slab, held[--count]);
		if (bytes == 512) { // as many sizes as a slab of eight pages can keep one for
			slab_fini(&slab);
			CU_ASSERT_FATAL(slab_init(&slab, PAGES * SLAB_PAGE_BYTES) == 0);
		}
	}
	slab_fini(&slab);
}

struct held {
	uint8_t *piece;
	size_t bytes;
	uint8_t mark;
};

static bool is_intact(const struct held *held)
{
	for (size_t i = 0; i < held->bytes; i++)
		if (held->piece[i] != held->mark)
			return false;
	return true;
}

// Sizes change from time to time, as those of an attack would: nothing is lost to those before.
static void pieces_stay_apart(void)
{
	enum { HELD = 400, STEPS = 60000 };
	static struct held held[HELD];
	struct slab slab;
	struct random_source random;
	uint32_t count = 0, refused = 0;
	random_init(&random, (struct siphash_key){{7, 8}});
	CU_ASSERT_FATAL(slab_init(&slab, 64 * SLAB_PAGE_BYTES) == 0);
	for (unsigned step = 0; step < STEPS; step++) {
		uint32_t which = random_below(&random, HELD);
		if (which < count) {
			CU_ASSERT_FATAL(is_intact(&held[which]));
			slab_give(&slab, held[which].piece);
			held[which] = held[--count];
		}
		uint32_t most = step / 8000 % 2 ? 256 : SLAB_PIECE_MAX;
		struct held next = {.bytes = random_below(&random, most), .mark = (uint8_t)step};
		next.piece = count < HELD ? slab_take(&slab, next.bytes) : NULL;
		refused += !next.piece;
		if (!next.piece)
			continue;
		memset(next.piece, next.mark, next.bytes);
		held[count++] = next;
		CU_ASSERT_EQUAL(count_used(&slab), count);
	}
	CU_ASSERT(refused > 0);
	while (count > 0)
		slab_give(&slab, held[--count].piece);
	CU_ASSERT_EQUAL(count_used(&slab), 0);
	slab_fini(&slab);
}

UNIT_MAIN("slab",
	  {"a piece is as large as asked for, and aligned", a_piece_is_as_large_as_asked_for},
	  {"other memory is told apart", other_memory_is_told_apart},
	  {"a slab without a page gives nothing", a_slab_without_a_page_gives_nothing},
	  {"empty pages serve any size", empty_pages_serve_any_size},
	  {"pieces stay apart, whatever comes and goes", pieces_stay_apart})
