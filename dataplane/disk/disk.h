// SPDX-License-Identifier: Apache-2.0
// One preallocated file, divided into as many logs as there are workers. A log is a ring of
// segments of records that are only ever appended: what is newest overwrites the oldest segment
// whole. So there is no free list and no fragmentation, and the order of the records is the order
// of what happened: at the next start it is read again from the oldest on.
//
//   file:    header | state of each log | log 0 | log 1 ..
//   log:     segment | segment ..           a position counts bytes for ever; its place is position
//   segment: header | record | record ..    modulo the log's bytes, so it also tells the lap
//   record:  header, head, codes of the pieces, body, padding up to a block; no record crosses a
//            segment
//
// All of it is authenticated (SipHash under a secret of the file, with the position), each piece of
// a body for itself: what is torn, rotten, of an older lap or made up by whoever chose the bodies
// is no record. Two calls may block: they are for a thread outside the packet loop.
#pragma once

#include "disk_intent.h"
#include "siphash.h"
#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define DISK_BLOCK_BYTES   4096u
#define DISK_PIECE_BYTES   65536u       // read or written at once
#define DISK_HEAD_BYTES    16384u       // of a record's header and head
#define DISK_SEGMENT_BYTES (8ull << 20) // at least
#define DISK_SEGMENTS_MIN  8u           // of a log
#define DISK_SEGMENTS_MAX  4096u
#define DISK_LOGS_MAX      64u
#define DISK_LOGS_AT       (1ull << 20) // where the first log begins

// disk_bytes_min is the smallest file for log_count logs.
static inline uint64_t disk_bytes_min(uint32_t log_count)
{
	return DISK_LOGS_AT + log_count * DISK_SEGMENTS_MIN * DISK_SEGMENT_BYTES;
}

struct disk_geometry {
	uint64_t segment_bytes; // a multiple of blocks
	uint32_t segment_count;
};

// disk_place returns where a record of bytes goes and moves *head behind it. A record larger than
// disk_record_bytes_max has no place: our own mistake.
uint64_t disk_place(const struct disk_geometry *geometry, uint64_t *head, uint64_t bytes);

// disk_tail is the oldest position that is not lost when the log's head is at head.
uint64_t disk_tail(const struct disk_geometry *geometry, uint64_t head);

// disk_record_bytes is what a record takes of its log.
uint64_t disk_record_bytes(uint64_t head_bytes, uint64_t body_bytes);

// disk_record_bytes_max is the largest that a log takes.
static inline uint64_t disk_record_bytes_max(const struct disk_geometry *geometry)
{
	return geometry->segment_bytes - DISK_BLOCK_BYTES;
}

struct disk_file {
	int fd;
	uint32_t log_count;
	struct disk_geometry geometry;
	struct siphash_key secret;   // as long as the file lives
	uint64_t life;               // how often it was opened
	char boot[40];               // of the kernel
	bool is_kept;                // what was in it is of use
	bool was_closed;             // by the life before
	struct disk_intents intents; // of all logs
};

struct disk_options {
	const char *path;
	uint64_t bytes;
	uint32_t log_count;
	const char *boot;         // the kernel's boot id: another one means that power was lost
	const char *intents_path; // file of intents, or NULL: there are none
	struct siphash_key fresh; // random: the secret of a file that is made anew
};

// disk_file_open opens the file for us alone, or makes it anew (mode 0600) when it is damaged, of
// another version, size or number of logs, or was not closed before the machine went down: what was
// not written then may be a purge. So it is when the process was killed and the intents of that
// life are not to be had. why tells the reason of that, else it is empty. Returns 0, or an errno:
// it cannot be opened, made or filled; EBUSY: another process has it; EEXIST: it is none of ours,
// as why tells.
int disk_file_open(struct disk_file *file, const struct disk_options *options, const char **why);

// disk_file_close makes all that was written lasting and closes the file. is_good false: what is in
// it must not be used again.
void disk_file_close(struct disk_file *file, bool is_good);

// What lasts of a log beside its records: numbers of whoever uses it. Where there are intents they
// stand there, and are kept from there.
struct disk_state {
	uint64_t end; // the log was whole up to here
	uint64_t number[DISK_STATE_NUMBERS];
};

struct disk_log {
	struct disk_file *file; // borrowed
	uint32_t index;
	struct disk_state state;
	uint64_t head;     // where this life begins: behind the newest segment
	uint64_t kept_end; // the end that earlier lives told of
	uint64_t doubted;  // disk_intents_doubted of earlier lives
	uint64_t end;      // behind the last record written
	uint64_t segment;  // that is written, 0 before the first
	uint8_t *piece;    // owned: two
};

// disk_log_open finds where log index of a file that is open goes on. Returns 0, or an errno. Its
// memory is given back by disk_log_close, also after a failure.
int disk_log_open(struct disk_log *log, struct disk_file *file, uint32_t index);
void disk_log_close(struct disk_log *log);

struct disk_record;

// What a body lies in: run lends the memory of *bytes bytes, at least one and at most what *bytes
// was, at offset.
struct disk_body {
	void *(*run)(void *user, uint64_t offset, size_t *bytes);
	// By disk_read, or NULL: of the record, whose head is lent for the call, bytes of the body
	// are in their memory, and right; more follow, or an error.
	void (*arrived)(const struct disk_record *record, uint64_t bytes);
	void *user;
	uint64_t bytes;
};

struct disk_record {
	uint64_t position;
	uint32_t kind; // the user's
	struct slice head;
	struct disk_body body;
};

// disk_append writes a record at its place. Returns 0, or an errno: the log is of no use any more.
int disk_append(struct disk_log *log, const struct disk_record *record);

// disk_keep_state writes the log's state. Returns 0 or an errno, as disk_append.
int disk_keep_state(struct disk_log *log);

// disk_read reads the record at record->position into record->body, whose bytes are known; the
// head is lent until the next call, the kind is set. Returns 0; EBADMSG: there is no such record;
// or another errno. Then the body's memory holds anything, but for what has arrived.
int disk_read(struct disk_log *log, struct disk_record *record);

// A walk over the records of earlier lives, from the oldest on.
struct disk_scan {
	uint64_t segment;  // its number
	uint64_t position; // of the next record, 0 before the segment's header
	uint64_t life;     // of the segment
	uint64_t end;      // behind the last record
	uint64_t last;     // segment
	bool is_first;     // nothing before it is known
	uint32_t intent;   // for the user: that was looked at last
	bool is_ended;
};

enum disk_scanned {
	DISK_SCAN_RECORD, // *record: all but the body's memory; its head is lent until the next
			  // call
	DISK_SCAN_HOLE,   // something is lost: it may have been anything, about all before position
	DISK_SCAN_END
};

// disk_scan_begin starts at the oldest segment; disk_scan_next reads the next record.
void disk_scan_begin(const struct disk_log *log, struct disk_scan *scan);
enum disk_scanned disk_scan_next(struct disk_log *log, struct disk_scan *scan,
				 struct disk_record *record);
