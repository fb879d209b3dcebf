// SPDX-License-Identifier: Apache-2.0
// The ring between processes: what one side writes the other reads, byte for byte; nothing a
// hostile or dying other side does is more than an error.
#include "ring.h"

#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE RING_MIN_BYTES

struct rig {
	void *shared;
	struct ring_writer writer;
	struct ring_reader reader;
	struct record_header header;
	_Alignas(8) uint8_t payload[RECORD_MAX_BYTES];
};

static struct rig *rig_new(bool is_wiping)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	rig->shared = mmap(NULL, ring_bytes(SIZE), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ring_writer_init(&rig->writer, rig->shared, SIZE);
	ring_reader_init(&rig->reader, rig->shared, SIZE, is_wiping);
	return rig;
}

static void rig_free(struct rig *rig)
{
	munmap(rig->shared, ring_bytes(SIZE));
	free(rig);
}

// fill makes the payload of record number n, whose length depends on n.
static size_t fill(uint8_t *payload, uint64_t n, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		payload[i] = (uint8_t)(n * 31 + i * 7 + (i >> 8));
	return bytes;
}

static int write_record(struct rig *rig, uint64_t n, size_t bytes)
{
	static uint8_t from[RECORD_MAX_BYTES];
	fill(from, n, bytes);
	// Two parts, as a struct and its tail.
	struct iovec parts[2] = {{from, bytes / 3}, {from + bytes / 3, bytes - bytes / 3}};
	return ring_write(&rig->writer, (uint8_t)n, parts, 2);
}

static bool is_record(const struct rig *rig, uint64_t n, size_t bytes)
{
	static uint8_t expected[RECORD_MAX_BYTES];
	fill(expected, n, bytes);
	return rig->header.type == (uint8_t)n && rig->header.bytes == bytes &&
	       rig->header.sequence == n && memcmp(rig->payload, expected, bytes) == 0;
}

static void records_arrive_in_order_over_many_turns_of_the_ring(void)
{
	struct rig *rig = rig_new(false);
	uint64_t written = 0, read = 0;
	size_t sizes[64];
	srandom(1);
	while (read < 20000) {
		unsigned burst = (unsigned)random() % 12;
		for (unsigned i = 0; i < burst && written - read < 64; i++) {
			size_t bytes = (size_t)random() % (random() % 50 ? 300 : 40000);
			int error = write_record(rig, written + 1, bytes);
			if (error == EAGAIN) {
				CU_ASSERT(ring_record_bytes(bytes) > ring_room(&rig->writer));
				break;
			}
			CU_ASSERT_EQUAL_FATAL(error, 0);
			sizes[written++ % 64] = bytes;
		}
		for (unsigned i = (unsigned)random() % 12; i > 0; i--) {
			int error = ring_read(&rig->reader, &rig->header, rig->payload);
			CU_ASSERT_EQUAL_FATAL(error, read == written ? EAGAIN : 0);
			if (error)
				break;
			CU_ASSERT_FATAL(is_record(rig, read + 1, sizes[read % 64]));
			read++;
		}
	}
	rig_free(rig);
}

static void a_full_ring_refuses_and_uses_no_sequence_number(void)
{
	struct rig *rig = rig_new(false);
	unsigned count = 0;
	while (write_record(rig, count + 1, 1000) == 0)
		count++;
	CU_ASSERT_EQUAL(count, SIZE / ring_record_bytes(1000));
	CU_ASSERT_EQUAL(write_record(rig, count + 1, 1000), EAGAIN);
	CU_ASSERT_EQUAL(ring_read(&rig->reader, &rig->header, rig->payload), 0);
	CU_ASSERT_EQUAL(write_record(rig, count + 1, 1000), 0);
	for (unsigned i = 1; i <= count; i++) {
		CU_ASSERT_EQUAL_FATAL(ring_read(&rig->reader, &rig->header, rig->payload), 0);
		CU_ASSERT(is_record(rig, i + 1, 1000));
	}
	CU_ASSERT_EQUAL(ring_read(&rig->reader, &rig->header, rig->payload), EAGAIN);
	CU_ASSERT_EQUAL(ring_room(&rig->writer), SIZE);
	rig_free(rig);
}

static void the_largest_record_fits_and_a_larger_one_does_not(void)
{
	struct rig *rig = rig_new(false);
	size_t most = RECORD_MAX_BYTES - sizeof(struct record_header);
	CU_ASSERT_EQUAL(write_record(rig, 1, most + 1), EMSGSIZE);
	struct iovec huge = {rig->payload, SIZE_MAX};
	CU_ASSERT_EQUAL(ring_write(&rig->writer, 0, &huge, 1), EMSGSIZE);
	CU_ASSERT_EQUAL(write_record(rig, 1, most), 0);
	CU_ASSERT_EQUAL(ring_read(&rig->reader, &rig->header, rig->payload), 0);
	CU_ASSERT(is_record(rig, 1, most));
	CU_ASSERT_EQUAL(write_record(rig, 2, 0), 0);
	CU_ASSERT_EQUAL(ring_read(&rig->reader, &rig->header, rig->payload), 0);
	CU_ASSERT(is_record(rig, 2, 0));
	rig_free(rig);
}

static bool holds(const struct rig *rig, const char *secret)
{
	const uint8_t *data = (const uint8_t *)rig->shared + sizeof(struct ring_shared);
	return memmem(data, SIZE, secret, strlen(secret)) != NULL;
}

static void what_was_read_is_wiped_from_a_ring_that_carries_keys(void)
{
	struct rig *rig = rig_new(true);
	char key[] = "-----BEGIN PRIVATE KEY-----";
	struct iovec part = {key, sizeof(key)};
	// Walk around the ring, so that the key also lies over its end.
	for (unsigned i = 0; i < 2 * SIZE / ring_record_bytes(sizeof(key)) + 2; i++) {
		CU_ASSERT_EQUAL_FATAL(ring_write(&rig->writer, RECORD_CERT, &part, 1), 0);
		CU_ASSERT_EQUAL_FATAL(ring_read(&rig->reader, &rig->header, rig->payload), 0);
	}
	CU_ASSERT(!holds(rig, "PRIVATE"));
	CU_ASSERT_EQUAL(ring_write(&rig->writer, RECORD_CERT, &part, 1), 0);
	CU_ASSERT(holds(rig, "PRIVATE"));
	rig_free(rig);
}

static struct ring_shared *shared_of(struct rig *rig)
{
	return rig->shared;
}

static void a_hostile_tail_poisons_the_reader_for_good(void)
{
	static const uint64_t tails[] = {1,         7, 8, 12, SIZE + 8, UINT64_MAX, UINT64_MAX - 7,
					 1ull << 63};
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		struct rig *rig = rig_new(false);
		atomic_store(&shared_of(rig)->tail, tails[i]);
		CU_ASSERT_EQUAL(ring_read(&rig->reader, &rig->header, rig->payload), EPIPE);
		CU_ASSERT(ring_has_unread(&rig->reader));
		atomic_store(&shared_of(rig)->tail, 0);
		CU_ASSERT_EQUAL(ring_read(&rig->reader, &rig->header, rig->payload), EPIPE);
		rig_free(rig);
	}
}

static void a_hostile_length_poisons_the_reader(void)
{
	static const uint32_t lengths[] = {RECORD_MAX_BYTES, RECORD_MAX_BYTES - 15, UINT32_MAX, 101,
					   UINT32_MAX - 15,  0x80000000u,           65000};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct rig *rig = rig_new(true);
		CU_ASSERT_EQUAL(write_record(rig, 1, 96), 0);
		uint8_t *data = (uint8_t *)rig->shared + sizeof(struct ring_shared);
		memcpy(data + offsetof(struct record_header, bytes), &lengths[i], 4);
		CU_ASSERT_EQUAL(ring_read(&rig->reader, &rig->header, rig->payload), EPIPE);
		rig_free(rig);
	}
}

static void a_hostile_head_poisons_the_writer(void)
{
	static const uint64_t heads[] = {8, 1, UINT64_MAX, SIZE, 1ull << 40};
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct rig *rig = rig_new(false);
		atomic_store(&shared_of(rig)->head, heads[i]);
		CU_ASSERT_EQUAL(write_record(rig, 1, 10), EPIPE);
		CU_ASSERT_EQUAL(ring_room(&rig->writer), 0);
		atomic_store(&shared_of(rig)->head, 0);
		CU_ASSERT_EQUAL(write_record(rig, 1, 10), EPIPE);
		rig_free(rig);
	}
}

static void only_sizes_that_hold_a_largest_record_are_good(void)
{
	CU_ASSERT(ring_size_is_good(RING_MIN_BYTES));
	CU_ASSERT(ring_size_is_good(1u << 20));
	CU_ASSERT(ring_size_is_good(RING_MAX_BYTES));
	CU_ASSERT(!ring_size_is_good(0));
	CU_ASSERT(!ring_size_is_good(RING_MIN_BYTES / 2));
	CU_ASSERT(!ring_size_is_good(RING_MIN_BYTES + 8));
	CU_ASSERT(!ring_size_is_good((uint64_t)RING_MAX_BYTES * 2));
	struct ring_reader reader;
	ring_reader_init(&reader, NULL, 12345, false);
	CU_ASSERT(reader.is_poisoned);
}

// write_until_killed is the child: it writes as fast as it can, in records of many sizes.
static void write_until_killed(struct rig *rig)
{
	for (uint64_t n = 1;;) {
		int error = write_record(rig, n, (size_t)(n * 37 % 3000));
		if (error == 0)
			n++;
		else if (error != EAGAIN)
			_exit(1);
	}
}

static void a_writer_killed_at_any_instruction_leaves_only_whole_records(void)
{
	uint64_t total = 0;
	for (unsigned round = 0; round < 60; round++) {
		struct rig *rig = rig_new(false);
		uint64_t read = 0;
		bool is_killed = false;
		pid_t child = fork();
		if (child == 0)
			write_until_killed(rig);
		for (unsigned i = 0; i < 200000; i++) {
			int error = ring_read(&rig->reader, &rig->header, rig->payload);
			if (error == EAGAIN && is_killed)
				break;
			if (read >= round * 11 && !is_killed) {
				kill(child, SIGKILL);
				waitpid(child, NULL, 0);
				is_killed = true;
			}
			if (error == EAGAIN) {
				usleep(10);
				continue;
			}
			CU_ASSERT_EQUAL_FATAL(error, 0);
			read++;
			CU_ASSERT_FATAL(is_record(rig, read, (size_t)(read * 37 % 3000)));
		}
		CU_ASSERT_FATAL(is_killed);
		total += read;
		rig_free(rig);
	}
	CU_ASSERT(total > 60);
}

static void random_bytes_in_the_ring_never_reach_beyond_it(void)
{
	srandom(7);
	for (unsigned round = 0; round < 2000; round++) {
		struct rig *rig = rig_new(true);
		uint8_t *data = (uint8_t *)rig->shared + sizeof(struct ring_shared);
		for (unsigned i = 0; i < 256; i++)
			data[i] = (uint8_t)(random() % (round % 3 ? 256 : 2));
		atomic_store(&shared_of(rig)->tail, 8 * ((uint64_t)random() % 64));
		int error;
		do {
			error = ring_read(&rig->reader, &rig->header, rig->payload);
			CU_ASSERT(error == 0 || error == EAGAIN || error == EPIPE);
		} while (error == 0);
		rig_free(rig);
	}
}

UNIT_MAIN("ring",
	  {"records arrive in order over many turns of the ring",
	   records_arrive_in_order_over_many_turns_of_the_ring},
	  {"a full ring refuses and uses no sequence number",
	   a_full_ring_refuses_and_uses_no_sequence_number},
	  {"the largest record fits and a larger one does not",
	   the_largest_record_fits_and_a_larger_one_does_not},
	  {"what was read is wiped from a ring that carries keys",
	   what_was_read_is_wiped_from_a_ring_that_carries_keys},
	  {"a hostile tail poisons the reader for good",
	   a_hostile_tail_poisons_the_reader_for_good},
	  {"a hostile length poisons the reader", a_hostile_length_poisons_the_reader},
	  {"a hostile head poisons the writer", a_hostile_head_poisons_the_writer},
	  {"only sizes that hold a largest record are good",
	   only_sizes_that_hold_a_largest_record_are_good},
	  {"a writer killed at any instruction leaves only whole records",
	   a_writer_killed_at_any_instruction_leaves_only_whole_records},
	  {"random bytes in the ring never reach beyond it",
	   random_bytes_in_the_ring_never_reach_beyond_it})
