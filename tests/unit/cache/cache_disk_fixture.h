// SPDX-License-Identifier: Apache-2.0
// A cache with a second tier in a file, and the thread that writes and reads it played by hand.
#pragma once

#include "cache_fixture.h"

#include "check.h"
#include "memory_file.h"

#include <errno.h>
#include <unistd.h>

#ifndef BODY_BYTES
#define BODY_BYTES 20000u
#endif

static char path[] = MEMORY_FILE("cache_disk");
static char intents_path[sizeof(path) + 8];
static uint32_t worker_index, worker_count = 1;    // of the next life
static const struct cache_disk_listener *listener; // what hears of more that arrived
static uint32_t entries = 1000;                    // rows of its index

// The thread: jobs that wait for it.
static struct {
	struct disk_file file;
	struct disk_log log;
	struct disk_scan scan;
	struct cache_disk_job jobs[256];
	uint32_t count, room;
	bool is_broken;
} thread;

// lose_message: the other workers are not there.
static inline bool lose_message(void *, uint32_t, const struct cache_message *)
{
	return true;
}

// take_job gives a job to the thread, while it has room.
static inline bool take_job(void *, const struct cache_disk_job *job)
{
	if (thread.count == thread.room)
		return false;
	thread.jobs[thread.count++] = *job;
	return true;
}

// pump lets the thread do all that waits.
static inline void pump(struct fixture *f)
{
	uint32_t count = thread.count;
	struct cache_disk_job jobs[256];
	memcpy(jobs, thread.jobs, sizeof(jobs));
	thread.count = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct cache_disk_result result = {0};
		int error = cache_disk_serve(&thread.log, &jobs[i], thread.is_broken, listener,
					     &result);
		if (cache_disk_job_has_slot(&jobs[i]))
			cache_disk_received(f->cache, &result);
		if (error) {
			thread.is_broken = true;
			result.done = CACHE_DISK_BROKEN;
			cache_disk_received(f->cache, &result);
		}
	}
}

// walk has the thread tell all that earlier lives left.
static inline void walk(struct fixture *f)
{
	struct cache_disk_result result = {0};
	bool is_more = true;
	while (is_more) {
		is_more = cache_disk_walk(&thread.log, &thread.scan, &result);
		cache_disk_received(f->cache, &result);
	}
}

// live begins a life; the walk and what control knows are still to come.
static inline struct fixture *live(void)
{
	struct disk_options options = {.path = path,
				       .bytes = disk_bytes_min(worker_count),
				       .log_count = worker_count,
				       .boot = "boot",
				       .intents_path = intents_path,
				       .fresh = {{1, 2}}};
	struct cache_limits limits = fixture_limits();
	const char *why;
	memset(&thread, 0, sizeof(thread));
	thread.room = ARRAY_LEN(thread.jobs);
	CU_ASSERT_EQUAL_FATAL(disk_file_open(&thread.file, &options, &why), 0);
	CU_ASSERT_EQUAL_FATAL(disk_log_open(&thread.log, &thread.file, worker_index), 0);
	disk_scan_begin(&thread.log, &thread.scan);
	limits.worker_index = worker_index;
	limits.worker_count = worker_count;
	limits.send = lose_message;
	limits.disk = (struct cache_disk_limits){.geometry = thread.file.geometry,
						 .head = thread.log.head,
						 .life = thread.file.life,
						 .intents = &thread.file.intents,
						 .entries = entries,
						 .rate_bytes = 100 << 20,
						 .send = take_job};
	struct fixture *f = fixture_new(&limits);
	fixture_tick(f, 1000000);
	return f;
}

// begin is a first life, with an empty file.
static inline struct fixture *begin(void)
{
	CU_ASSERT_EQUAL(truncate(path, 0), 0);
	struct fixture *f = live();
	walk(f);
	cache_disk_known(f->cache, 0, 0);
	return f;
}

// end lets the thread do what waits, then kills it.
static inline void end(struct fixture *f)
{
	pump(f);
	fixture_free(f);
	disk_log_close(&thread.log);
	disk_intents_close(&thread.file.intents);
	close(thread.file.fd);
}

// close_well ends it so that nothing is doubted.
static inline void close_well(struct fixture *f)
{
	pump(f);
	CU_ASSERT(cache_disk_flush(f->cache));
	fixture_free(f);
	CU_ASSERT_EQUAL(disk_keep_state(&thread.log), 0);
	disk_log_close(&thread.log);
	disk_file_close(&thread.file, true);
}

// next begins another life, in which control knows of purges up to sequence.
static inline struct fixture *next(uint64_t sequence)
{
	struct fixture *f = live();
	walk(f);
	cache_disk_known(f->cache, sequence, 0);
	return f;
}

// again kills it and begins another life, in which control knows of purges up to sequence.
static inline struct fixture *again(struct fixture *f, uint64_t sequence)
{
	end(f);
	return next(sequence);
}

// fill makes the body of a version of target, BODY_BYTES long.
static inline void fill(char *body, const char *target, char version)
{
	for (unsigned i = 0; i < BODY_BYTES; i++)
		body[i] = (char)((unsigned char)target[i % strlen(target)] + i / 100 +
				 (unsigned char)version);
}

// put stores a response to target.
static inline void put(struct fixture *f, const char *target, const char *request_fields,
		       const char *fields, char version)
{
	char body[BODY_BYTES + 1] = {0};
	fill(body, target, version);
	struct cache_answer *answer = ask(f, 0, target, request_fields);
	CU_ASSERT_FATAL(answer && answer->fill);
	struct cache_fill *hold = answer->fill;
	answer->fill = NULL;
	return_answer(f, answer);
	struct head request, response;
	enum counter why;
	request_of(&request, target, request_fields);
	response_of(&response, 200, fields);
	CU_ASSERT_FATAL(cache_fill_begin(hold, &request.message, &response.message, &why));
	CU_ASSERT_FATAL(cache_fill_write(hold, slice_of(body, BODY_BYTES)));
	cache_fill_end(hold);
}

// is_body is true when the answer has that body.
static inline bool is_body(const struct cache_answer *answer, const char *target, char version)
{
	char body[BODY_BYTES];
	fill(body, target, version);
	uint64_t at = 0;
	while (at < BODY_BYTES) {
		struct slice run = cache_object_read(answer->object, at, BODY_BYTES);
		if (!run.bytes || memcmp(run.at, body + at, run.bytes) != 0)
			return false;
		at += run.bytes;
	}
	return cache_object_bytes(answer->object) == BODY_BYTES;
}

// got asks and says what came: 'h'it of memory, 'd'isk, 's'tale, 'f'etch, 'p'ass, or '?'.
static inline char got(struct fixture *f, const char *target, const char *request_fields,
		       char version)
{
	uint32_t before = f->answer_counts[1];
	struct cache_answer *answer = ask(f, 1, target, request_fields);
	if (!answer) {
		pump(f);
		answer = f->answer_counts[1] > before ? &f->answers[1] : NULL;
	}
	if (!answer)
		return '?';
	char word = answer->verdict == CACHE_FETCH ? 'f' : 'p';
	if (answer->stale)
		word = 's';
	if (answer->verdict == CACHE_HIT)
		word = answer->is_from_disk ? 'd' : 'h';
	if (answer->object && !is_body(answer, target, version))
		word = '!';
	return_answer(f, answer);
	return word;
}

// keep stores target and asks for it again, so that it is written.
static inline void keep(struct fixture *f, const char *target, const char *fields, char version)
{
	put(f, target, "", fields, version);
	CU_ASSERT_EQUAL(got(f, target, "", version), 'h');
	pump(f);
}

#define FRESH "cache-control: max-age=600"

// forget_memory makes room for others until nothing of before is left.
static inline void forget_memory(struct fixture *f)
{
	char target[32];
	for (unsigned i = 0; i < 400; i++) {
		snprintf(target, sizeof(target), "/other/%u", i);
		put(f, target, "", FRESH, 0);
		CU_ASSERT_EQUAL(got(f, target, "", 0), 'h');
		pump(f);
		fixture_tick(f, 1000);
	}
}

// open_path makes the file and names that of the intents; close_path removes both.
static inline void open_path(void)
{
	memory_file_make(path);
	snprintf(intents_path, sizeof(intents_path), "%s.int", path);
}

static inline void close_path(void)
{
	memory_file_remove(path);
	memory_file_remove(intents_path);
}
