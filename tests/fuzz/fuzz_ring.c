// SPDX-License-Identifier: Apache-2.0
// A hostile region: any positions and bytes in shared memory, changed while it is read. Neither end
// reads or writes outside, or runs for ever.
//
// Input: 8 bytes tail, 8 bytes head, 2 bytes how far the reader lags, then what lies from there on.
#include "check.h"
#include "ring.h"

#include <stdlib.h>

#define SIZE RING_MIN_BYTES

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void read_all(void *shared, uint64_t start)
{
	struct ring_reader reader;
	struct record_header header;
	_Alignas(8) static uint8_t payload[RECORD_MAX_BYTES];
	ring_reader_init(&reader, shared, SIZE, true);
	reader.head = start;
	unsigned count = 0;
	while (ring_read(&reader, &header, payload) == 0) {
		CHECK(header.bytes <= RECORD_MAX_BYTES - sizeof(header));
		CHECK(++count <= SIZE / sizeof(header));
	}
	CHECK(reader.is_poisoned || !ring_has_unread(&reader));
}

static void write_some(void *shared, uint64_t start)
{
	struct ring_writer writer;
	uint8_t payload[600] = {0};
	struct iovec part = {payload, sizeof(payload)};
	ring_writer_init(&writer, shared, SIZE);
	writer.tail = start;
	unsigned count = 0;
	while (ring_write(&writer, 1, &part, 1) == 0)
		CHECK(++count <= SIZE / sizeof(payload));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint64_t tail, head;
	uint16_t lag;
	if (bytes < 18)
		return 0;
	memcpy(&tail, data, 8);
	memcpy(&head, data + 8, 8);
	memcpy(&lag, data + 16, 2);
	uint64_t start = tail - lag;
	struct ring_shared *shared = aligned_alloc(RING_LINE_BYTES, ring_bytes(SIZE));
	CHECK(shared);
	memset(shared, 0, ring_bytes(SIZE));
	uint8_t *room = (uint8_t *)shared + sizeof(*shared);
	for (size_t i = 18; i < bytes && i < SIZE; i++)
		room[(start + i - 18) % SIZE] = data[i];
	atomic_store(&shared->tail, tail);
	atomic_store(&shared->head, head);
	read_all(shared, start);
	atomic_store(&shared->head, head);
	write_some(shared, head + lag);
	free(shared);
	return 0;
}
