// SPDX-License-Identifier: Apache-2.0
// Single-producer single-consumer byte ring in shared memory; see ring.h. Pairing of the atomics:
// the writer's release of tail with the reader's acquire (payload before position), the reader's
// release of head with the writer's acquire (copied out, and wiped, before the room is used again).
#include "ring.h"

#include <errno.h>
#include <string.h>

#define FRAME_ALIGN 8u

bool ring_size_is_good(uint64_t size_bytes)
{
	return size_bytes >= RING_MIN_BYTES && size_bytes <= RING_MAX_BYTES &&
	       (size_bytes & (size_bytes - 1)) == 0;
}

size_t ring_bytes(uint32_t size_bytes)
{
	return sizeof(struct ring_shared) + size_bytes;
}

void ring_writer_init(struct ring_writer *writer, void *shared, uint32_t size_bytes)
{
	*writer = (struct ring_writer){
		.shared = shared,
		.data = (uint8_t *)shared + sizeof(struct ring_shared),
		.size_bytes = size_bytes,
		.is_poisoned = !ring_size_is_good(size_bytes),
	};
}

void ring_reader_init(struct ring_reader *reader, void *shared, uint32_t size_bytes, bool is_wiping)
{
	*reader = (struct ring_reader){
		.shared = shared,
		.data = (uint8_t *)shared + sizeof(struct ring_shared),
		.size_bytes = size_bytes,
		.is_wiping = is_wiping,
		.is_poisoned = !ring_size_is_good(size_bytes),
	};
}

size_t ring_record_bytes(size_t payload_bytes)
{
	size_t bytes = sizeof(struct record_header) + payload_bytes;
	return (bytes + FRAME_ALIGN - 1) & ~(size_t)(FRAME_ALIGN - 1);
}

// copy_in writes bytes bytes at position at, around the end of the data.
static void copy_in(struct ring_writer *writer, uint64_t at, const void *from, size_t bytes)
{
	size_t index = at & (writer->size_bytes - 1);
	size_t first = writer->size_bytes - index;
	if (bytes == 0)
		return;
	if (first > bytes)
		first = bytes;
	memcpy(writer->data + index, from, first);
	memcpy(writer->data, (const uint8_t *)from + first, bytes - first);
}

// copy_out reads bytes bytes at position at, around the end of the data.
static void copy_out(const struct ring_reader *reader, uint64_t at, void *to, size_t bytes)
{
	size_t index = at & (reader->size_bytes - 1);
	size_t first = reader->size_bytes - index;
	if (first > bytes)
		first = bytes;
	memcpy(to, reader->data + index, first);
	memcpy((uint8_t *)to + first, reader->data, bytes - first);
}

static void wipe(struct ring_reader *reader, uint64_t at, size_t bytes)
{
	size_t index = at & (reader->size_bytes - 1);
	size_t first = reader->size_bytes - index;
	if (first > bytes)
		first = bytes;
	explicit_bzero(reader->data + index, first);
	explicit_bzero(reader->data, bytes - first);
}

size_t ring_room(struct ring_writer *writer)
{
	if (writer->is_poisoned)
		return 0;
	uint64_t head = atomic_load_explicit(&writer->shared->head, memory_order_acquire);
	uint64_t used = writer->tail - head;
	if (used > writer->size_bytes || used % FRAME_ALIGN != 0) {
		writer->is_poisoned = true;
		return 0;
	}
	return writer->size_bytes - (size_t)used;
}

int ring_write(struct ring_writer *writer, uint8_t type, const struct iovec *parts,
	       unsigned part_count)
{
	size_t payload_bytes = 0;
	for (unsigned i = 0; i < part_count; i++) {
		if (parts[i].iov_len > RECORD_MAX_BYTES)
			return EMSGSIZE;
		payload_bytes += parts[i].iov_len;
	}
	if (payload_bytes > RECORD_MAX_BYTES - sizeof(struct record_header))
		return EMSGSIZE;
	size_t room = ring_room(writer);
	if (writer->is_poisoned)
		return EPIPE;
	if (ring_record_bytes(payload_bytes) > room)
		return EAGAIN;
	struct record_header header = {
		.magic = RECORD_MAGIC,
		.version = RECORD_VERSION,
		.type = type,
		.bytes = (uint32_t)payload_bytes,
		.sequence = ++writer->sequence,
	};
	copy_in(writer, writer->tail, &header, sizeof(header));
	uint64_t at = writer->tail + sizeof(header);
	for (unsigned i = 0; i < part_count; i++) {
		copy_in(writer, at, parts[i].iov_base, parts[i].iov_len);
		at += parts[i].iov_len;
	}
	writer->tail += ring_record_bytes(payload_bytes);
	atomic_store_explicit(&writer->shared->tail, writer->tail, memory_order_release);
	return 0;
}

uint64_t ring_unread_bytes(const struct ring_reader *reader)
{
	return atomic_load_explicit(&reader->shared->tail, memory_order_acquire) - reader->head;
}

bool ring_has_unread(const struct ring_reader *reader)
{
	return reader->is_poisoned || ring_unread_bytes(reader) != 0;
}

static int poison(struct ring_reader *reader)
{
	reader->is_poisoned = true;
	return EPIPE;
}

int ring_read(struct ring_reader *reader, struct record_header *header, void *payload)
{
	if (reader->is_poisoned)
		return EPIPE;
	uint64_t unread = ring_unread_bytes(reader);
	if (unread == 0)
		return EAGAIN;
	if (unread > reader->size_bytes || unread % FRAME_ALIGN != 0 || unread < sizeof(*header))
		return poison(reader);
	// The header is judged in our own copy: the writer may change the shared bytes meanwhile.
	copy_out(reader, reader->head, header, sizeof(*header));
	if (header->bytes > RECORD_MAX_BYTES - sizeof(*header))
		return poison(reader);
	size_t frame_bytes = ring_record_bytes(header->bytes);
	if (frame_bytes > unread)
		return poison(reader);
	copy_out(reader, reader->head + sizeof(*header), payload, header->bytes);
	if (reader->is_wiping)
		wipe(reader, reader->head, frame_bytes);
	reader->head += frame_bytes;
	atomic_store_explicit(&reader->shared->head, reader->head, memory_order_release);
	return 0;
}
