// SPDX-License-Identifier: Apache-2.0
// Buffers and the byte queue made of them: what goes in comes out, nothing is taken beyond the
// bound, every buffer returns.
#include "fifo.h"
#include "random.h"
#include "unit.h"

#include <stdlib.h>

enum { LARGE = 12, SMALL = 4, BOUND = 131072 };

struct rig {
	struct buf_pool pool;
	void *memory;
};

static void open_rig(struct rig *rig)
{
	rig->memory = aligned_alloc(64, buf_pool_bytes(LARGE, SMALL));
	CU_ASSERT_FATAL(rig->memory != NULL);
	CU_ASSERT_FATAL(buf_pool_init(&rig->pool, rig->memory, 4096, LARGE, SMALL) == 0);
}

static void close_rig(struct rig *rig)
{
	CU_ASSERT_EQUAL(buf_pool_in_use(&rig->pool), 0);
	buf_pool_fini(&rig->pool);
	free(rig->memory);
}

static void a_small_request_falls_back_to_a_large_buffer(void)
{
	struct rig rig;
	struct buf *held[LARGE + SMALL];
	open_rig(&rig);
	for (unsigned i = 0; i < LARGE + SMALL; i++) {
		held[i] = buf_new(&rig.pool, 100);
		CU_ASSERT_FATAL(held[i] != NULL);
		CU_ASSERT_EQUAL(held[i]->bytes, i < SMALL ? BUF_SMALL_BYTES : BUF_BYTES);
		uint64_t offset = (uint64_t)(held[i]->data - (uint8_t *)rig.memory);
		CU_ASSERT_EQUAL(held[i]->iova, 4096 + offset);
	}
	CU_ASSERT_PTR_NULL(buf_new(&rig.pool, 100));
	CU_ASSERT(buf_pool_is_low(&rig.pool));
	for (unsigned i = 0; i < LARGE + SMALL; i++)
		buf_unref(held[i]);
	CU_ASSERT(!buf_pool_is_low(&rig.pool));
	close_rig(&rig);
}

static void the_last_reference_returns_a_buffer(void)
{
	struct rig rig;
	open_rig(&rig);
	struct buf *buf = buf_new(&rig.pool, BUF_BYTES);
	buf_ref(buf);
	buf_unref(buf);
	CU_ASSERT_EQUAL(buf_pool_in_use(&rig.pool), 1);
	buf_unref(buf);
	close_rig(&rig);
}

static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 31 + offset / 253);
}

// push writes a random run; returns how much was taken, which is all of it while there is room.
static uint64_t push(struct fifo *fifo, struct random_source *random, uint64_t offset)
{
	static char run[40000];
	uint32_t bytes = random_below(random, 1u << random_below(random, 16));
	for (uint32_t i = 0; i < bytes; i++)
		run[i] = (char)byte_at(offset + i);
	uint32_t room = fifo_room(fifo);
	size_t taken = fifo_write(fifo, slice_of(run, bytes));
	CU_ASSERT(taken <= bytes && taken <= room);
	return taken;
}

// pull checks and drops a random part of the first run; returns how much.
static uint64_t pull(struct fifo *fifo, struct random_source *random, uint64_t offset)
{
	struct slice run = fifo_peek(fifo, 1 + random_below(random, 30000));
	for (size_t i = 0; i < run.bytes; i++)
		CU_ASSERT_EQUAL_FATAL((uint8_t)run.at[i], byte_at(offset + i));
	size_t bytes = run.bytes ? 1 + random_below(random, (uint32_t)run.bytes) : 0;
	fifo_drop(fifo, bytes);
	return bytes;
}

static void bytes_come_out_as_they_went_in(void)
{
	struct rig rig;
	open_rig(&rig);
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct random_source random;
		struct fifo fifo;
		uint64_t in = 0, out = 0;
		random_init(&random, (struct siphash_key){{seed, 3}});
		fifo_init(&fifo, &rig.pool, 1 + random_below(&random, BOUND));
		for (unsigned step = 0; step < 500; step++) {
			in += push(&fifo, &random, in);
			out += pull(&fifo, &random, out);
			CU_ASSERT_EQUAL_FATAL(fifo.queued_bytes, in - out);
			CU_ASSERT_FATAL(fifo.queued_bytes <= fifo.max_bytes);
		}
		fifo_clear(&fifo);
		CU_ASSERT_EQUAL(buf_pool_in_use(&rig.pool), 0);
	}
	close_rig(&rig);
}

static void an_empty_pool_takes_nothing_and_loses_nothing(void)
{
	struct rig rig;
	struct fifo first, second;
	static char run[BOUND];
	open_rig(&rig);
	fifo_init(&first, &rig.pool, BOUND);
	fifo_init(&second, &rig.pool, BOUND);
	size_t taken = fifo_write(&first, slice_of(run, sizeof(run)));
	taken += fifo_write(&second, slice_of(run, sizeof(run)));
	CU_ASSERT(taken < 2 * sizeof(run));
	CU_ASSERT_EQUAL(first.queued_bytes + second.queued_bytes, taken);
	CU_ASSERT_EQUAL(fifo_write(&second, SLICE("x")), 0);
	fifo_clear(&first);
	CU_ASSERT_EQUAL(fifo_write(&second, SLICE("x")), 1);
	fifo_clear(&second);
	close_rig(&rig);
}

UNIT_MAIN("fifo",
	  {"a small request falls back to a large buffer",
	   a_small_request_falls_back_to_a_large_buffer},
	  {"the last reference returns a buffer", the_last_reference_returns_a_buffer},
	  {"bytes come out as they went in", bytes_come_out_as_they_went_in},
	  {"an empty pool takes nothing and loses nothing",
	   an_empty_pool_takes_nothing_and_loses_nothing})
