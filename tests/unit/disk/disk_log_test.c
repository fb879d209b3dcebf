// SPDX-License-Identifier: Apache-2.0
// Logs in a file: what was written comes back, over laps and lives; what is torn, rotten, lost or
// forged never does, and a loss is told.
#include "disk.h"

#include "check.h"
#include "memory_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BODY_MAX (6u << 20)

static char path[] = MEMORY_FILE("disk_log");
static uint8_t written[BODY_MAX], got[BODY_MAX];

static struct disk_options options_of(const char *boot, uint64_t secret)
{
	return (struct disk_options){.path = path,
				     .bytes = disk_bytes_min(2),
				     .log_count = 2,
				     .boot = boot,
				     .fresh = {{secret, 2}}};
}

struct rig {
	struct disk_file file;
	struct disk_log log;
	uint64_t head;
	const char *why;
};

static void rig_open(struct rig *rig)
{
	struct disk_options options = options_of("boot-1", 7);
	*rig = (struct rig){0};
	CU_ASSERT_EQUAL_FATAL(disk_file_open(&rig->file, &options, &rig->why), 0);
	CU_ASSERT_EQUAL_FATAL(disk_log_open(&rig->log, &rig->file, 1), 0);
	rig->head = rig->log.head;
}

// rig_fresh opens a file that nobody used.
static void rig_fresh(struct rig *rig)
{
	CU_ASSERT_EQUAL(truncate(path, 0), 0);
	rig_open(rig);
}

// rig_kill ends it as a process does that is killed.
static void rig_kill(struct rig *rig)
{
	disk_log_close(&rig->log);
	close(rig->file.fd);
}

// run_of lends memory in odd runs.
static void *run_of(void *user, uint64_t offset, size_t *bytes)
{
	*bytes = MIN(*bytes, 4096 - offset % 4095);
	return (uint8_t *)user + offset;
}

static void fill(uint8_t *at, size_t bytes, uint64_t number)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
}

static size_t body_bytes_of(uint64_t number)
{
	return number % 5 == 0 ? 0 : (number * 7919) % 150000;
}

static uint64_t append(struct rig *rig, uint64_t number)
{
	char head[64];
	int head_bytes = snprintf(head, sizeof(head), "record %llu", (unsigned long long)number);
	size_t bytes = body_bytes_of(number);
	fill(written, bytes, number);
	struct disk_record record = {
		.kind = (uint32_t)number,
		.head = slice_of(head, (size_t)head_bytes),
		.body = {.run = run_of, .user = written, .bytes = bytes},
	};
	record.position = disk_place(&rig->file.geometry, &rig->head,
				     disk_record_bytes(record.head.bytes, bytes));
	CU_ASSERT_EQUAL(disk_append(&rig->log, &record), 0);
	return record.position;
}

// is_right is true when what a record holds is what was written as its kind.
static bool is_right(const struct disk_record *record)
{
	char head[64];
	int head_bytes = snprintf(head, sizeof(head), "record %u", record->kind);
	fill(written, body_bytes_of(record->kind), record->kind);
	return slice_equal(record->head, slice_of(head, (size_t)head_bytes)) &&
	       memcmp(written, got, body_bytes_of(record->kind)) == 0;
}

static int read_back(struct rig *rig, uint64_t position, uint64_t number)
{
	struct disk_record record = {
		.position = position,
		.body = {.run = run_of, .user = got, .bytes = body_bytes_of(number)}};
	int error = disk_read(&rig->log, &record);
	if (!error)
		CU_ASSERT(record.kind == number && is_right(&record));
	return error;
}

static void what_is_written_is_read(void)
{
	struct rig rig;
	uint64_t positions[60];
	rig_fresh(&rig);
	for (unsigned i = 0; i < ARRAY_LEN(positions); i++)
		positions[i] = append(&rig, i);
	for (unsigned i = 0; i < ARRAY_LEN(positions); i++)
		CU_ASSERT_EQUAL(read_back(&rig, positions[i], i), 0);
	CU_ASSERT_EQUAL(read_back(&rig, positions[3], 4), EBADMSG);
	CU_ASSERT_EQUAL(read_back(&rig, positions[3] + DISK_BLOCK_BYTES, 3), EBADMSG);
	CU_ASSERT_EQUAL(read_back(&rig, rig.head, 3), EBADMSG);
	struct stat stat;
	CU_ASSERT_EQUAL(fstat(rig.file.fd, &stat), 0);
	CU_ASSERT_EQUAL(stat.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL((uint64_t)stat.st_size, disk_bytes_min(2));
	rig_kill(&rig);
}

// What arrived of a record.
static struct {
	uint64_t number, bytes;
	unsigned count;
} seen;

static void see(const struct disk_record *record, uint64_t bytes)
{
	CU_ASSERT(bytes > seen.bytes && bytes < record->body.bytes);
	fill(written, (size_t)bytes, seen.number);
	CU_ASSERT_EQUAL(memcmp(written, got, bytes), 0);
	seen.bytes = bytes;
	seen.count++;
}

// read_in_pieces reads a record and looks at each piece as it arrives.
static int read_in_pieces(struct rig *rig, uint64_t position, uint64_t number, uint64_t bytes)
{
	struct disk_record record = {
		.position = position,
		.body = {.run = run_of, .arrived = see, .user = got, .bytes = bytes}};
	memset(&seen, 0, sizeof(seen));
	memset(got, 0, sizeof(got));
	seen.number = number;
	return disk_read(&rig->log, &record);
}

static void a_body_is_used_piece_by_piece(void)
{
	struct rig rig;
	char head[DISK_HEAD_BYTES - 64];
	memset(head, 'h', sizeof(head));
	rig_fresh(&rig);
	// As long as there may be, and lengths at which a code more makes a piece more.
	static const uint64_t lengths[] = {0,      1,      48000,   49000,   49079,
					   49080,  49081,  114607,  114608,  114609,
					   131072, 200000, 3000000, BODY_MAX};
	uint64_t position = 0;
	for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
		struct disk_record record = {
			.kind = 9,
			.head = slice_of(head, sizeof(head)),
			.body = {.run = run_of, .user = written, .bytes = lengths[i]}};
		fill(written, (size_t)lengths[i], i);
		position = record.position = disk_place(
			&rig.file.geometry, &rig.head, disk_record_bytes(sizeof(head), lengths[i]));
		CU_ASSERT_EQUAL(disk_append(&rig.log, &record), 0);
		CU_ASSERT_EQUAL(read_in_pieces(&rig, position, i, lengths[i]), 0);
		fill(written, (size_t)lengths[i], i);
		CU_ASSERT_EQUAL(memcmp(written, got, lengths[i]), 0);
	}
	CU_ASSERT(seen.count > BODY_MAX / DISK_PIECE_BYTES - 2);
	// A byte of the sixth piece rots: what came before is right, and it ends there.
	uint64_t log_bytes = rig.file.geometry.segment_bytes * rig.file.geometry.segment_count;
	uint64_t at = DISK_LOGS_AT + log_bytes + position % log_bytes + 5 * DISK_PIECE_BYTES + 99;
	CU_ASSERT_EQUAL(pwrite(rig.file.fd, "?", 1, (off_t)at), 1);
	CU_ASSERT_EQUAL(read_in_pieces(&rig, position, ARRAY_LEN(lengths) - 1, BODY_MAX), EBADMSG);
	CU_ASSERT_EQUAL(seen.count, 5);
	CU_ASSERT(seen.bytes > 4 * DISK_PIECE_BYTES && seen.bytes < 5 * DISK_PIECE_BYTES);
	rig_kill(&rig);
	rig_open(&rig); // a walk does not look at bodies
	struct disk_scan scan;
	struct disk_record record;
	unsigned count = 0;
	disk_scan_begin(&rig.log, &scan);
	while (disk_scan_next(&rig.log, &scan, &record) == DISK_SCAN_RECORD)
		count += record.head.bytes == sizeof(head);
	CU_ASSERT_EQUAL(count, ARRAY_LEN(lengths));
	rig_kill(&rig);
}

// walk counts the records that a scan finds, all of which must be right; *last is the last one's
// kind, *holes how often something was lost.
static unsigned walk(struct rig *rig, uint64_t *last, unsigned *holes)
{
	struct disk_scan scan;
	struct disk_record record;
	unsigned count = 0;
	*holes = 0;
	disk_scan_begin(&rig->log, &scan);
	for (;;) {
		enum disk_scanned scanned = disk_scan_next(&rig->log, &scan, &record);
		if (scanned == DISK_SCAN_END)
			return count;
		if (scanned == DISK_SCAN_HOLE) {
			++*holes;
			count = 0;
			continue;
		}
		*last = record.kind;
		CU_ASSERT_EQUAL(record.body.bytes, body_bytes_of(record.kind));
		struct disk_scan behind = scan;
		int error = read_back(rig, record.position, record.kind);
		CU_ASSERT(error == 0 || error == EBADMSG);
		scan = behind;
		count += error == 0;
	}
}

static void what_was_written_is_found_at_the_next_start(void)
{
	struct rig rig;
	uint64_t last = 0;
	unsigned holes;
	rig_fresh(&rig);
	for (unsigned i = 0; i < 100; i++)
		append(&rig, i);
	rig.log.state.number[2] = 77;
	CU_ASSERT_EQUAL(disk_keep_state(&rig.log), 0);
	for (unsigned life = 0; life < 3; life++) {
		rig_kill(&rig);
		rig_open(&rig);
		CU_ASSERT(rig.file.is_kept);
		CU_ASSERT_EQUAL(rig.log.state.number[2], 77);
		CU_ASSERT_EQUAL(walk(&rig, &last, &holes), 100 + life);
		CU_ASSERT_EQUAL(holes, 0);
		append(&rig, 100 + life);
	}
	disk_log_close(&rig.log);
	disk_file_close(&rig.file, true);
	rig_open(&rig);
	CU_ASSERT_EQUAL(walk(&rig, &last, &holes), 103);
	CU_ASSERT(last == 102 && holes == 0);
	rig_kill(&rig);
}

static void newest_overwrites_the_oldest_segment(void)
{
	struct rig rig;
	uint64_t last = 0, first, tail;
	unsigned holes, count;
	rig_fresh(&rig);
	first = append(&rig, 1);
	for (unsigned i = 2; i < 1100; i++) // some 80 MB, a lap and more
		append(&rig, i);
	tail = disk_tail(&rig.file.geometry, rig.head);
	CU_ASSERT(tail > first);
	CU_ASSERT_EQUAL(read_back(&rig, first, 1), EBADMSG);
	rig_kill(&rig);
	rig_open(&rig);
	count = walk(&rig, &last, &holes);
	CU_ASSERT(count > 600 && last == 1099 && holes == 0);
	// Written over while it is walked: no record is wrong, and at worst all of it is lost.
	struct disk_scan scan;
	struct disk_record record;
	disk_scan_begin(&rig.log, &scan);
	for (unsigned i = 0; i < 900; i++) {
		append(&rig, 3000 + i % 7 * 5);
		if (disk_scan_next(&rig.log, &scan, &record) == DISK_SCAN_RECORD)
			CU_ASSERT(record.kind < 1100);
	}
	rig_kill(&rig);
}

static void a_file_that_may_lack_something_is_made_anew(void)
{
	struct rig rig;
	struct disk_options options = options_of("boot-2", 9);
	rig_fresh(&rig);
	append(&rig, 1);
	CU_ASSERT_EQUAL(disk_file_open(&(struct disk_file){0}, &options, &rig.why), EBUSY);
	rig_kill(&rig);
	// The machine went down: what the kernel had not written is lost.
	CU_ASSERT_EQUAL(disk_file_open(&rig.file, &options, &rig.why), 0);
	CU_ASSERT(!rig.file.is_kept && strstr(rig.why, "went down"));
	CU_ASSERT_EQUAL(rig.file.secret.half[0], 9);
	disk_file_close(&rig.file, true);
	// After a good end it does not matter.
	options.boot = "boot-3";
	CU_ASSERT_EQUAL(disk_file_open(&rig.file, &options, &rig.why), 0);
	CU_ASSERT(rig.file.is_kept && rig.file.life == 2 && !rig.why[0]);
	disk_file_close(&rig.file, true);
	options.log_count = 1;
	CU_ASSERT_EQUAL(disk_file_open(&rig.file, &options, &rig.why), 0);
	CU_ASSERT(!rig.file.is_kept && strstr(rig.why, "has changed"));
	disk_file_close(&rig.file, false);
	// A tier that failed leaves nothing.
	CU_ASSERT_EQUAL(disk_file_open(&rig.file, &options, &rig.why), 0);
	CU_ASSERT(!rig.file.is_kept && rig.file.life == 1);
	CU_ASSERT_EQUAL(pwrite(rig.file.fd, "\xff", 1, 8), 1);
	disk_file_close(&(struct disk_file){.fd = -1}, true);
	close(rig.file.fd);
	CU_ASSERT_EQUAL(disk_file_open(&rig.file, &options, &rig.why), 0);
	CU_ASSERT(!rig.file.is_kept && strstr(rig.why, "another version"));
	CU_ASSERT_EQUAL(pwrite(rig.file.fd, "#!/bin/sh", 9, 0), 9);
	close(rig.file.fd);
	CU_ASSERT_EQUAL(disk_file_open(&rig.file, &options, &rig.why), EEXIST);
	CU_ASSERT(strstr(rig.why, "another kind") != NULL);
	options.path = "/nowhere/file";
	CU_ASSERT_EQUAL(disk_file_open(&rig.file, &options, &rig.why), ENOENT);
}

static void a_loss_before_the_last_state_is_told(void)
{
	struct rig rig;
	uint64_t last = 0, position = 0, lost = 0;
	unsigned holes;
	char zero = 0;
	rig_fresh(&rig);
	for (unsigned i = 0; i < 300; i++) {
		position = append(&rig, i);
		lost = i == 290 ? position : lost;
	}
	CU_ASSERT_EQUAL(disk_keep_state(&rig.log), 0);
	append(&rig, 300);
	uint64_t log_bytes = rig.file.geometry.segment_bytes * rig.file.geometry.segment_count;
	uint64_t offset = DISK_LOGS_AT + log_bytes;
	CU_ASSERT_EQUAL(pwrite(rig.file.fd, &zero, 1, (off_t)(offset + lost % log_bytes)), 1);
	rig_kill(&rig);
	rig_open(&rig);
	CU_ASSERT_EQUAL(walk(&rig, &last, &holes), 0);
	CU_ASSERT_EQUAL(holes, 1);
	append(&rig, 301);
	rig_kill(&rig);
	rig_open(&rig); // nothing of before comes back
	CU_ASSERT_EQUAL(walk(&rig, &last, &holes), 1);
	CU_ASSERT(last == 301 && holes == 1);
	// A segment's header too.
	CU_ASSERT_EQUAL(pwrite(rig.file.fd, &zero, 1,
			       (off_t)(offset + rig.log.head - rig.file.geometry.segment_bytes)),
			1);
	rig_kill(&rig);
	rig_open(&rig);
	CU_ASSERT_EQUAL(walk(&rig, &last, &holes), 0);
	rig_kill(&rig);
}

// A body that is made like a record, by who saw one, is none.
static void a_body_cannot_be_taken_for_a_record(void)
{
	struct rig rig;
	static uint8_t block[DISK_BLOCK_BYTES];
	rig_fresh(&rig);
	uint64_t position = append(&rig, 5);
	uint64_t log_bytes = rig.file.geometry.segment_bytes * rig.file.geometry.segment_count;
	off_t offset = (off_t)(DISK_LOGS_AT + log_bytes + position % log_bytes);
	CU_ASSERT_EQUAL(pread(rig.file.fd, block, sizeof(block), offset), sizeof(block));
	for (unsigned i = 1; i < 8; i++) {
		uint64_t other = position + i * DISK_BLOCK_BYTES;
		memcpy(block + 8, &other, sizeof(other)); // where it claims to be
		CU_ASSERT_EQUAL(pwrite(rig.file.fd, block, sizeof(block),
				       offset + (off_t)(i * DISK_BLOCK_BYTES)),
				sizeof(block));
		CU_ASSERT_EQUAL(read_back(&rig, other, 5), EBADMSG);
	}
	CU_ASSERT_EQUAL(read_back(&rig, position, 5), 0);
	rig_kill(&rig);
}

// Thousands of logs with flipped bits, lost blocks and blocks of elsewhere: what is found is right.
static void rot_is_a_miss_and_never_wrong_bytes(void)
{
	struct rig rig;
	uint64_t last = 0;
	unsigned holes, whole = 0, least = 1000;
	static uint8_t good[256 * DISK_BLOCK_BYTES];
	rig_fresh(&rig);
	for (unsigned i = 0; i < 12; i++)
		append(&rig, i);
	CU_ASSERT_EQUAL(disk_keep_state(&rig.log), 0);
	uint64_t log_bytes = rig.file.geometry.segment_bytes * rig.file.geometry.segment_count;
	off_t offset = (off_t)(DISK_LOGS_AT + log_bytes + rig.file.geometry.segment_bytes);
	CU_ASSERT_EQUAL(pread(rig.file.fd, good, sizeof(good), offset), sizeof(good));
	rig_kill(&rig);
	rig_open(&rig);
	srandom(1);
	for (unsigned seed = 0; seed < 2000; seed++) {
		off_t at = (off_t)(random() % (long)(sizeof(good) - DISK_BLOCK_BYTES));
		size_t bytes = seed % 3 ? 1 : DISK_BLOCK_BYTES;
		uint8_t bad[DISK_BLOCK_BYTES];
		memcpy(bad, seed % 3 == 2 ? good : good + at, bytes);
		bad[0] ^= (uint8_t)(1u << seed % 8);
		CU_ASSERT_EQUAL(pwrite(rig.file.fd, bad, bytes, offset + at), (ssize_t)bytes);
		unsigned count = walk(&rig, &last, &holes);
		whole += count == 12;
		least = MIN(least, count);
		CU_ASSERT_EQUAL(pwrite(rig.file.fd, good + at, bytes, offset + at), (ssize_t)bytes);
	}
	CU_ASSERT(whole < 1500 && least == 0);
	CU_ASSERT_EQUAL(walk(&rig, &last, &holes), 12);
	rig_kill(&rig);
}

static void a_log_that_is_cut_ends_there(void)
{
	struct rig rig;
	uint64_t positions[12], last = 0, record_end;
	unsigned holes;
	static uint8_t zeros[DISK_PIECE_BYTES];
	rig_fresh(&rig);
	for (unsigned i = 0; i < ARRAY_LEN(positions); i++)
		positions[i] = append(&rig, i);
	record_end = rig.head;
	uint64_t log_bytes = rig.file.geometry.segment_bytes * rig.file.geometry.segment_count;
	rig_kill(&rig);
	for (unsigned i = ARRAY_LEN(positions); i-- > 0;) {
		rig_open(&rig);
		for (uint64_t at = positions[i]; at < record_end; at += DISK_BLOCK_BYTES)
			CU_ASSERT_EQUAL(pwrite(rig.file.fd, zeros, DISK_BLOCK_BYTES,
					       (off_t)(DISK_LOGS_AT + log_bytes + at % log_bytes)),
					DISK_BLOCK_BYTES);
		CU_ASSERT_EQUAL(walk(&rig, &last, &holes), i);
		CU_ASSERT_EQUAL(holes, 0);
		rig_kill(&rig);
	}
}

static void open_path(void)
{
	memory_file_make(path);
}

static void close_path(void)
{
	memory_file_remove(path);
}

UNIT_MAIN("disk_log", {"(a file of its own)", open_path},
	  {"what is written is read, and nothing else", what_is_written_is_read},
	  {"what was written is found at the next start",
	   what_was_written_is_found_at_the_next_start},
	  {"the newest segment overwrites the oldest", newest_overwrites_the_oldest_segment},
	  {"a file that may lack something is made anew",
	   a_file_that_may_lack_something_is_made_anew},
	  {"a loss before the last state is told", a_loss_before_the_last_state_is_told},
	  {"a body cannot be taken for a record", a_body_cannot_be_taken_for_a_record},
	  {"a body is used piece by piece", a_body_is_used_piece_by_piece},
	  {"rot is a miss and never wrong bytes", rot_is_a_miss_and_never_wrong_bytes},
	  {"a log that is cut ends there", a_log_that_is_cut_ends_there},
	  {"(the file goes)", close_path})
