// SPDX-License-Identifier: Apache-2.0
// One-way byte ring between two processes: one writer, one reader, whole records (record.h). The
// payload is copied first, then ONE release-store of the tail makes it visible, so a writer killed
// at any instruction leaves nothing half written. Neither side trusts the other: each keeps its own
// position and the size in private memory and only compares what the other published. A position
// that makes no sense poisons the ring for good; the process goes on without it.
//
//   head (reader)          tail (writer)         both count bytes for ever; index = count & (size -
//   1)
//     |  record  record  r |
#pragma once

#include "record.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define RING_LINE_BYTES 128u                    // two cache lines: prefetchers fetch pairs
#define RING_MIN_BYTES  (2u * RECORD_MAX_BYTES) // one largest record always fits
#define RING_MAX_BYTES  (64u << 20)

// The shared part; the data follows it.
struct ring_shared {
	_Alignas(RING_LINE_BYTES) _Atomic uint64_t tail; // W: writer. bytes ever written
	_Alignas(RING_LINE_BYTES) _Atomic uint64_t head; // W: reader. bytes ever read
};

static_assert(sizeof(struct ring_shared) == 2 * RING_LINE_BYTES);
static_assert(offsetof(struct ring_shared, head) - offsetof(struct ring_shared, tail) >= 128);
static_assert(ATOMIC_LLONG_LOCK_FREE == 2);

struct ring_writer {
	struct ring_shared *shared; // borrowed
	uint8_t *data;              // size_bytes of them
	uint64_t tail;              // ours; what is published
	uint64_t sequence;          // of the last record written
	uint32_t size_bytes;        // a power of two
	bool is_poisoned;
};

struct ring_reader {
	struct ring_shared *shared; // borrowed
	uint8_t *data;
	uint64_t head;
	uint32_t size_bytes;
	bool is_wiping; // read bytes are overwritten: records may carry keys
	bool is_poisoned;
};

// ring_size_is_good is true for a power of two in [RING_MIN_BYTES, RING_MAX_BYTES].
bool ring_size_is_good(uint64_t size_bytes);

// ring_bytes is the shared memory that a ring of size_bytes takes.
size_t ring_bytes(uint32_t size_bytes);

// ring_writer_init starts writing into the empty ring at shared (all zero, ring_bytes long, aligned
// to RING_LINE_BYTES), which is borrowed. size_bytes must be good.
void ring_writer_init(struct ring_writer *writer, void *shared, uint32_t size_bytes);

// ring_reader_init starts reading the ring at shared from its first byte.
void ring_reader_init(struct ring_reader *reader, void *shared, uint32_t size_bytes,
		      bool is_wiping);

// ring_write appends one record whose payload is the part_count parts in a row (the fixed struct,
// then its tail) and gives it the next sequence number. It never blocks. Returns 0; EAGAIN when
// there is no room now (nothing was written, no number used); EMSGSIZE when it is over
// RECORD_MAX_BYTES; EPIPE when the ring is poisoned: the reader's position makes no sense.
int ring_write(struct ring_writer *writer, uint8_t type, const struct iovec *parts,
	       unsigned part_count);

// ring_room is how many bytes of records (ring_record_bytes) fit now; 0 when poisoned.
size_t ring_room(struct ring_writer *writer);

// ring_record_bytes is what a record of payload_bytes takes in a ring.
size_t ring_record_bytes(size_t payload_bytes);

// ring_read copies the next record out: header into *header and its payload into payload
// (RECORD_MAX_BYTES long, aligned to 8). Only the framing is checked; call record_check or
// event_check next. Returns 0; EAGAIN when nothing waits; EPIPE when the ring is poisoned (now or
// before): the writer's position or a length makes no sense.
int ring_read(struct ring_reader *reader, struct record_header *header, void *payload);

// ring_has_unread is true when ring_read would not return EAGAIN.
bool ring_has_unread(const struct ring_reader *reader);

// ring_unread_bytes is how far the reader lags behind the writer, in bytes; for telemetry.
uint64_t ring_unread_bytes(const struct ring_reader *reader);
