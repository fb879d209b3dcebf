// SPDX-License-Identifier: Apache-2.0
// Memory touched ahead: all of it and nothing else is resident afterwards, what was written stays,
// and an end does not wait for all.
#include "unit.h"
#include "worker_rig.h"
#include "worker_touch.h"

#include <sys/mman.h>

#define BYTES ((size_t)8 << 20)
#define PAGE  4096u

static uint8_t *map(void)
{
	uint8_t *memory =
		mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(memory != MAP_FAILED);
	return memory;
}

static uint32_t resident_pages(uint8_t *memory)
{
	static unsigned char is_resident[BYTES / PAGE];
	uint32_t count = 0;
	CU_ASSERT_FATAL(mincore(memory, BYTES, is_resident) == 0);
	for (size_t i = 0; i < BYTES / PAGE; i++)
		count += is_resident[i] & 1;
	return count;
}

static void all_of_it_is_touched_and_stays_as_it_is(void)
{
	uint8_t *memory = map();
	struct spans spans = {0};
	atomic_bool is_stopping = false;
	_Atomic(size_t) touched = 0;
	memory[3 * PAGE] = 77;
	spans_add(&spans, memory + PAGE, BYTES - 2 * PAGE);
	CU_ASSERT_EQUAL(resident_pages(memory), 1);
	CU_ASSERT_EQUAL(worker_touch_spans(&spans, &is_stopping, &touched), 0);
	CU_ASSERT(resident_pages(memory) >= BYTES / PAGE - 2);
	CU_ASSERT_EQUAL(touched, BYTES - 2 * PAGE);
	CU_ASSERT_EQUAL(memory[3 * PAGE], 77);
	munmap(memory, BYTES);
}

static void who_stops_does_not_wait_for_all(void)
{
	uint8_t *memory = map();
	struct spans spans = {0};
	atomic_bool is_stopping = true;
	_Atomic(size_t) touched = 0;
	spans_add(&spans, memory, BYTES);
	CU_ASSERT_EQUAL(worker_touch_spans(&spans, &is_stopping, &touched), 0);
	CU_ASSERT_EQUAL(touched, 0);
	CU_ASSERT_EQUAL(resident_pages(memory), 0);
	munmap(memory, BYTES);
}

static void memory_that_is_not_there_is_told(void)
{
	uint8_t *memory = map();
	struct spans spans = {0};
	atomic_bool is_stopping = false;
	_Atomic(size_t) touched = 0;
	spans_add(&spans, memory, BYTES);
	munmap(memory, BYTES);
	CU_ASSERT_NOT_EQUAL(worker_touch_spans(&spans, &is_stopping, &touched), 0);
	CU_ASSERT_EQUAL(touched, 0);
}

static void only_whole_pages_of_what_is_large_are_named(void)
{
	static uint8_t memory[SPAN_BYTES_LEAST + 2 * PAGE];
	uint8_t *page = (uint8_t *)(((uintptr_t)memory + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
	struct spans spans = {0};
	spans_add(&spans, NULL, BYTES);
	spans_add(&spans, page, SPAN_BYTES_LEAST - 1);
	CU_ASSERT_EQUAL(spans.count, 0);
	spans_add(&spans, page + 1, SPAN_BYTES_LEAST + PAGE - 1);
	CU_ASSERT_EQUAL_FATAL(spans.count, 1);
	CU_ASSERT_PTR_EQUAL(spans.at[0].at, page + PAGE);
	CU_ASSERT_EQUAL(spans.at[0].bytes, SPAN_BYTES_LEAST);
	for (uint32_t i = 0; i < SPANS_MAX; i++)
		spans_add(&spans, page, SPAN_BYTES_LEAST);
	CU_ASSERT_EQUAL(spans.count, SPANS_MAX);
}

// A worker of large limits: its tables are named, and its spans have room for all of them.
static void a_worker_names_its_tables(void)
{
	struct worker_rig *rig = worker_rig_new_sized("edge", 100000, 1 << 20);
	struct spans spans = {0};
	worker_spans(rig->worker, &spans);
	CU_ASSERT(spans.count > 1 && spans.count < SPANS_MAX);
	CU_ASSERT(spans.bytes > 100000u * 256);
	atomic_bool is_stopping = false;
	_Atomic(size_t) touched = 0;
	CU_ASSERT_EQUAL(worker_touch_spans(&spans, &is_stopping, &touched), 0);
	CU_ASSERT_EQUAL(touched, spans.bytes);
	worker_rig_free(rig);
}

int main(void)
{
	static const struct unit_case cases[] = {
		{"all of it is touched, and stays as it is",
		 all_of_it_is_touched_and_stays_as_it_is},
		{"who stops does not wait for all", who_stops_does_not_wait_for_all},
		{"memory that is not there is told", memory_that_is_not_there_is_told},
		{"only whole pages of what is large are named",
		 only_whole_pages_of_what_is_large_are_named},
		{"a worker names its tables", a_worker_names_its_tables},
	};
	worker_rig_start();
	int code = unit_run("worker_touch", cases, sizeof(cases) / sizeof(cases[0]));
	worker_rig_stop();
	return code;
}
