// SPDX-License-Identifier: Apache-2.0
// The shared memory between control and data plane: one sealed memfd, made by control, handed over
// by handover.h. It holds one ring pair a worker: records down, events up. Offsets are computed,
// never read; there are no pointers in it. Everything read from it once is kept in private copies.
//
//   | region_header | region_worker x n | down ring 0 | up ring 0 | down ring 1 | up ring 1 | ...
#pragma once

#include "ring.h"

#define REGION_MAGIC       0x6d696c6c72616365ull // "millrace"
#define REGION_ABI         3u // grows with any change of layout, records or events
#define REGION_WORKERS_MAX 64u

// The head of the region. The first line is written once, before the region is handed over.
struct region_header {
	_Alignas(RING_LINE_BYTES) uint64_t magic;
	uint32_t abi;
	uint32_t worker_count;
	uint32_t down_bytes; // size of each down ring
	uint32_t up_bytes;
	uint64_t region_bytes;
	uint64_t generation; // of the control process; a later one is larger
	_Alignas(RING_LINE_BYTES) _Atomic uint64_t control_beat; // W: control
};

// What a worker publishes outside its ring.
struct region_worker {
	_Alignas(RING_LINE_BYTES) _Atomic uint64_t beat; // W: worker. its loop count
	_Atomic uint64_t applied_generation;             // W: worker. last COMMIT applied
	_Atomic uint64_t applied_sequence;               // W: worker. last record read
};

static_assert(offsetof(struct region_header, control_beat) >= 128);
static_assert(sizeof(struct region_header) == 2 * RING_LINE_BYTES);
static_assert(sizeof(struct region_worker) == RING_LINE_BYTES);

struct region_shape {
	uint32_t worker_count; // 1..REGION_WORKERS_MAX
	uint32_t down_bytes;   // ring_size_is_good
	uint32_t up_bytes;     // ring_size_is_good
};

// A region as one process sees it. Private memory.
struct region {
	uint8_t *base; // mapping, or NULL
	size_t bytes;
	int fd; // owned, -1 without
	struct region_shape shape;
	uint64_t generation;
};

// region_create makes a region: memfd, sized, filled with zeros, sealed against shrinking, growing
// and further seals. Returns 0, EINVAL (shape) or an errno of the system.
int region_create(struct region *region, const struct region_shape *shape, uint64_t generation);

// region_attach maps the region behind fd, which it takes in every case (closes on failure). Checks
// seals, size, magic, ABI and that it serves worker_count workers. Returns NULL, or what is wrong
// (a literal).
const char *region_attach(struct region *region, int fd, uint32_t worker_count);

// region_detach unmaps and closes; harmless on a region that is detached (base NULL, fd -1).
void region_detach(struct region *region);

// region_is_intact compares the shared header with the private copy: false means the other side
// broke its word; detach.
bool region_is_intact(const struct region *region);

// region_down_writer and region_up_reader are control's ends of worker worker_index's rings;
// region_down_reader and region_up_writer the worker's. The region must outlive them. Each end may
// be made once a region: it starts at the ring's first byte.
void region_down_writer(const struct region *region, uint32_t worker_index,
			struct ring_writer *out);
void region_up_reader(const struct region *region, uint32_t worker_index, struct ring_reader *out);
void region_down_reader(const struct region *region, uint32_t worker_index,
			struct ring_reader *out);
void region_up_writer(const struct region *region, uint32_t worker_index, struct ring_writer *out);

// region_worker borrows what worker worker_index publishes.
struct region_worker *region_worker(const struct region *region, uint32_t worker_index);

// region_beat_control counts control's heartbeat up; region_control_beat reads it.
void region_beat_control(const struct region *region);
uint64_t region_control_beat(const struct region *region);
