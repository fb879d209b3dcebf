// SPDX-License-Identifier: Apache-2.0
// The mapped file of intents; see disk_intent.h.
//
//   header | for each log: doubts, numbers | for each writer: DISK_INTENTS cells
#include "disk_intent.h"

#include "check.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AREA_MAGIC 0x6d696c6c696e7431ull // "millint1"
#define LINE_BYTES 64u
#define LOGS_MAX   64u
#define PROBES     16u // cells looked at for a free one

struct log_line {
	_Alignas(LINE_BYTES) _Atomic uint64_t doubted, settled;
	_Atomic uint64_t numbers[DISK_STATE_NUMBERS];
};

struct cell {
	_Alignas(LINE_BYTES) _Atomic uint32_t is_held; // the others are written before it
	uint32_t kind, log, life;
	uint8_t head[DISK_INTENT_HEAD_BYTES];
};

struct intent_area {
	_Alignas(LINE_BYTES) _Atomic uint64_t magic;
	_Atomic uint64_t id;
	struct log_line logs[LOGS_MAX];
	struct cell cells[];
};

static_assert(sizeof(struct cell) == LINE_BYTES, "a cell is a cache line");

static size_t area_bytes(uint32_t log_count)
{
	return sizeof(struct intent_area) + (size_t)log_count * DISK_INTENTS * sizeof(struct cell);
}

static uint32_t cell_count(const struct disk_intents *intents)
{
	return intents->area ? intents->log_count * DISK_INTENTS : 0;
}

// map makes the file as large as it has to be, all of it allocated: a store must not fail.
static int map(struct disk_intents *intents, int fd)
{
	size_t bytes = area_bytes(intents->log_count);
	int error = ftruncate(fd, (off_t)bytes) == 0 ? posix_fallocate(fd, 0, (off_t)bytes) : errno;
	if (error)
		return error;
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (at == MAP_FAILED)
		return errno;
	(void)mlock(at, bytes); // where it is not allowed a page may have to come back from swap
	intents->area = at;
	return 0;
}

int disk_intents_open(struct disk_intents *intents, const char *path, uint32_t log_count,
		      uint64_t id)
{
	CHECK(log_count <= LOGS_MAX);
	*intents = (struct disk_intents){.log_count = log_count};
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (fd < 0)
		return errno;
	int error = map(intents, fd);
	close(fd);
	if (!error)
		intents->is_kept = atomic_load(&intents->area->magic) == AREA_MAGIC &&
				   atomic_load(&intents->area->id) == id;
	return error;
}

void disk_intents_begin(struct disk_intents *intents, uint32_t life, uint64_t id, bool is_kept)
{
	struct intent_area *area = intents->area;
	intents->life = life;
	intents->is_kept &= is_kept;
	if (!area)
		return;
	if (!intents->is_kept) {
		atomic_store(&area->magic, 0);
		memset(area, 0, area_bytes(intents->log_count));
	}
	atomic_store(&area->id, id);
	atomic_store(&area->magic, AREA_MAGIC);
}

void disk_intents_close(struct disk_intents *intents)
{
	if (intents->area)
		munmap(intents->area, area_bytes(intents->log_count));
	intents->area = NULL;
}

// free_cell finds a cell of a writer that holds nothing; CELLS: none near.
static struct cell *free_cell(struct disk_intents *intents, uint32_t writer)
{
	for (uint32_t i = 0; i < PROBES; i++) {
		uint32_t at = intents->next[writer]++ % DISK_INTENTS;
		struct cell *cell = &intents->area->cells[writer * DISK_INTENTS + at];
		if (!atomic_load_explicit(&cell->is_held, memory_order_acquire))
			return cell;
	}
	return NULL;
}

uint32_t disk_intent_add(struct disk_intents *intents, uint32_t writer, uint32_t log, uint32_t kind,
			 struct slice head)
{
	CHECK(head.bytes <= DISK_INTENT_HEAD_BYTES && writer < LOGS_MAX);
	struct cell *cell = intents->area ? free_cell(intents, writer) : NULL;
	if (!cell)
		return 0;
	cell->kind = kind;
	cell->log = log;
	cell->life = intents->life;
	memset(cell->head, 0, sizeof(cell->head));
	memcpy(cell->head, head.at, head.bytes);
	atomic_store_explicit(&cell->is_held, 1, memory_order_release);
	return (uint32_t)(cell - intents->area->cells) + 1;
}

void disk_intent_end(struct disk_intents *intents, uint32_t intent)
{
	if (intent == 0 || intent > cell_count(intents))
		return;
	struct cell *cell = &intents->area->cells[intent - 1];
	atomic_store_explicit(&cell->is_held, 0, memory_order_release);
}

uint32_t disk_intent_left(const struct disk_intents *intents, uint32_t log, uint32_t behind,
			  uint32_t *kind, struct slice *head)
{
	for (uint32_t i = behind; i < cell_count(intents); i++) {
		const struct cell *cell = &intents->area->cells[i];
		if (!atomic_load_explicit(&cell->is_held, memory_order_acquire) ||
		    cell->log != log || cell->life == intents->life)
			continue;
		*kind = cell->kind;
		*head = slice_of(cell->head, sizeof(cell->head));
		return i + 1;
	}
	return 0;
}

void disk_intents_doubt(struct disk_intents *intents, uint32_t log)
{
	if (intents->area)
		atomic_fetch_add(&intents->area->logs[log].doubted, 1);
}

uint64_t disk_intents_doubted(const struct disk_intents *intents, uint32_t log)
{
	if (!intents->area)
		return 0;
	struct log_line *line = &intents->area->logs[log];
	uint64_t doubted = atomic_load(&line->doubted);
	return doubted == atomic_load(&line->settled) ? 0 : doubted;
}

void disk_intents_settle(struct disk_intents *intents, uint32_t log, uint64_t doubted)
{
	if (intents->area && doubted)
		atomic_store(&intents->area->logs[log].settled, doubted);
}

uint64_t disk_intents_number(const struct disk_intents *intents, uint32_t log, uint32_t which)
{
	return intents->area ? atomic_load(&intents->area->logs[log].numbers[which]) : 0;
}

void disk_intents_set_number(struct disk_intents *intents, uint32_t log, uint32_t which,
			     uint64_t value)
{
	if (intents->area)
		atomic_store(&intents->area->logs[log].numbers[which], value);
}
