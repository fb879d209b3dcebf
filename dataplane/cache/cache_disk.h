// SPDX-License-Identifier: Apache-2.0
// A second tier of the cache on files (disk.h), one log a worker. The worker decides and keeps the
// index; a thread that may block does the I/O. Between them go jobs one way and results the other,
// in order and without waiting. What the thread needs of this room is at the end.
//
//   worker ─ WRITE, READ, PURGE, DROP, TOLD ─▶ thread ─▶ file
//          ◀─ WROTE, ARRIVED .., WAS_READ ────         ◀─
//          ◀─ FOUND .., HOLE .., WALKED ──────  what earlier lives left, at start
#pragma once

#include "disk.h"

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct cache_object;

#define CACHE_DISK_VARY_BYTES 120u // names in Vary, joined

enum cache_disk_kind { // of jobs, and of records
	CACHE_DISK_WRITE,
	CACHE_DISK_READ,
	CACHE_DISK_PURGE, // a label, or everything
	CACHE_DISK_DROP,  // one variant: there is a newer one
	CACHE_DISK_TOLD,  // how far the operators' purges are known: to be kept with the log
	CACHE_DISK_KIND_COUNT
};

// Numbers that last of a log (disk_state).
enum cache_disk_number {
	CACHE_DISK_SEQUENCE, // of the operators' purge that is known
	CACHE_DISK_FLOOR,    // position: records before it are not used, nor told of any more
};

// What a PURGE or DROP says; its record's head, and an intent's until that is written.
struct cache_disk_note {
	uint64_t label;  // PURGE; DROP: hash of the key
	uint64_t check;  // DROP
	uint64_t number; // PURGE; 0, of an intent only: all of earlier lives
	uint64_t soft_s; // PURGE that is soft: Unix time
	uint32_t is_soft, is_all;
};

struct cache_disk_job {
	enum cache_disk_kind kind;
	uint32_t slot;     // WRITE, READ: comes back in the result
	uint64_t position; // of the record
	uint64_t body_bytes;
	uint64_t body_start;         // READ: where in the object's memory
	struct cache_object *object; // WRITE: the body is read; READ: it is written into its memory
	uint8_t *head;               // WRITE: head_bytes of it; READ: room for DISK_HEAD_BYTES
	uint32_t head_bytes;
	struct cache_disk_note note;
	uint32_t intent;  // PURGE, DROP: to be ended when it is written
	uint64_t doubted; // PURGE of everything: it settles that
};

// What a record of an earlier life is about.
struct cache_disk_found {
	enum cache_disk_kind kind; // WRITE, PURGE or DROP
	uint64_t hash, check;      // WRITE
	uint64_t born;
	uint64_t body_bytes;
	char vary[CACHE_DISK_VARY_BYTES];
	struct cache_disk_note note;
	uint32_t intent;  // PURGE, DROP: it is to be written still
	uint64_t doubted; // PURGE of everything: the same
};

enum cache_disk_done {
	CACHE_DISK_WROTE,
	CACHE_DISK_ARRIVED,  // head_bytes, body_bytes: so much of what is read is there, and right
	CACHE_DISK_WAS_READ, // head_bytes
	CACHE_DISK_FOUND,    // position, found
	CACHE_DISK_HOLE,     // all before position is of no use
	CACHE_DISK_WALKED,   // there are no more of earlier lives
	CACHE_DISK_BROKEN,   // a write failed: nothing more is written or read
};

struct cache_disk_result {
	enum cache_disk_done done;
	uint32_t slot;
	bool is_good;
	uint32_t head_bytes;
	uint64_t body_bytes;
	uint64_t position;
	struct cache_disk_found found;
};

// cache_disk_send gives a job to the thread. False: no room now, try later. It must not call into
// the cache.
typedef bool (*cache_disk_send)(void *owner, const struct cache_disk_job *job);

struct cache_disk_limits {
	struct disk_geometry geometry;
	uint64_t head;                // disk_log.head
	uint64_t life;                // disk_file.life
	struct disk_intents *intents; // borrowed: disk_file.intents
	uint32_t entries;             // responses on the disk: 0 is no disk
	uint64_t rate_bytes;          // written in a second
	cache_disk_send send;
};

// cache_disk_row_bytes is the memory that the index takes beside the cache's.
uint64_t cache_disk_row_bytes(uint32_t entries);

// cache_disk_received takes a result of the thread.
void cache_disk_received(struct cache *cache, const struct cache_disk_result *result);

// cache_disk_purged tells the number of the operators' purge that was done last, of all there were
// (control's sequence). cache_disk_known tells up to which one everything had been sent before this
// life, the last unsure of them maybe in vain: they are sent again. What the disk has missed beside
// them makes all of it useless, and until then nothing of earlier lives is used.
void cache_disk_purged(struct cache *cache, uint64_t sequence);
void cache_disk_known(struct cache *cache, uint64_t sequence, uint32_t unsure);

// cache_disk_flush gives what must be remembered to the thread; false while there is no room for
// all of it. For the end of a life: what is not said then comes back.
bool cache_disk_flush(struct cache *cache);

// For the thread, which may block in them.

// Who is told that more of a READ has ARRIVED, before its result; it may be passed over, as the
// next one says it too.
struct cache_disk_listener {
	void (*arrived)(void *user, const struct cache_disk_result *result);
	void *user;
};

// cache_disk_serve does a job on a log, or, where is_broken, only says that it was not done. Jobs
// with a slot have a result. Returns 0, or an errno: what had to be written was not.
int cache_disk_serve(struct disk_log *log, const struct cache_disk_job *job, bool is_broken,
		     const struct cache_disk_listener *listener, struct cache_disk_result *result);

// cache_disk_job_has_slot is true for those.
static inline bool cache_disk_job_has_slot(const struct cache_disk_job *job)
{
	return job->kind == CACHE_DISK_WRITE || job->kind == CACHE_DISK_READ;
}

// cache_disk_walk tells the next that earlier lives left; false: that was all (WALKED).
bool cache_disk_walk(struct disk_log *log, struct disk_scan *scan,
		     struct cache_disk_result *result);
