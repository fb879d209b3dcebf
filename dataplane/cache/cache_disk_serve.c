// SPDX-License-Identifier: Apache-2.0
// The thread's half: jobs done on a log, and the walk over what earlier lives left. It may block,
// and touches nothing of a cache but the memory that a job lends.
#include "cache_disk_priv.h"

#include "check.h"

static int append(struct disk_log *log, const struct cache_disk_job *job)
{
	struct disk_record record = {.position = job->position, .kind = job->kind};
	if (job->kind == CACHE_DISK_WRITE) {
		record.head = slice_of(job->head, job->head_bytes);
		record.body = cache_disk_body(job);
	} else {
		record.head = slice_of(&job->note, sizeof(job->note));
	}
	int error = disk_append(log, &record);
	if (error || job->kind == CACHE_DISK_WRITE)
		return error;
	// What was forgotten must not come back when the log's end is lost.
	error = disk_keep_state(log);
	if (!error) {
		disk_intent_end(&log->file->intents, job->intent);
		disk_intents_settle(&log->file->intents, log->index, job->doubted);
	}
	return error;
}

// A job that reads, and who listens.
struct reading {
	const struct cache_disk_job *job;
	const struct cache_disk_listener *listener;
	uint32_t head_bytes; // 0 before the head is with the job
};

static void *run_of(void *user, uint64_t offset, size_t *bytes)
{
	const struct reading *reading = user;
	return cache_store_run(reading->job->object, reading->job->body_start + offset, bytes);
}

static void take_head(struct reading *reading, const struct disk_record *record)
{
	if (reading->head_bytes)
		return; // whoever was told may be reading it
	reading->head_bytes = (uint32_t)record->head.bytes;
	memcpy(reading->job->head, record->head.at, record->head.bytes);
}

static void arrived(const struct disk_record *record, uint64_t bytes)
{
	struct reading *reading = record->body.user;
	if (!reading->listener || record->kind != CACHE_DISK_WRITE)
		return;
	take_head(reading, record);
	struct cache_disk_result result = {.done = CACHE_DISK_ARRIVED,
					   .slot = reading->job->slot,
					   .head_bytes = reading->head_bytes,
					   .body_bytes = bytes};
	reading->listener->arrived(reading->listener->user, &result);
}

// read: a record that cannot be read is a miss.
static void read(struct disk_log *log, const struct cache_disk_job *job,
		 const struct cache_disk_listener *listener, struct cache_disk_result *result)
{
	struct reading reading = {.job = job, .listener = listener};
	struct disk_record record = {.position = job->position,
				     .body = {.run = run_of,
					      .arrived = arrived,
					      .user = &reading,
					      .bytes = job->body_bytes}};
	result->done = CACHE_DISK_WAS_READ;
	result->is_good = disk_read(log, &record) == 0 && record.kind == CACHE_DISK_WRITE;
	if (!result->is_good)
		return;
	take_head(&reading, &record);
	result->head_bytes = reading.head_bytes;
	result->body_bytes = job->body_bytes;
}

int cache_disk_serve(struct disk_log *log, const struct cache_disk_job *job, bool is_broken,
		     const struct cache_disk_listener *listener, struct cache_disk_result *result)
{
	int error = 0;
	result->slot = job->slot;
	result->is_good = false;
	switch (job->kind) {
	case CACHE_DISK_READ:
		result->done = CACHE_DISK_WAS_READ;
		if (!is_broken)
			read(log, job, listener, result);
		return 0;
	case CACHE_DISK_TOLD: return is_broken ? 0 : disk_keep_state(log);
	default:
		error = is_broken ? 0 : append(log, job);
		result->done = CACHE_DISK_WROTE;
		result->is_good = !error && !is_broken;
		return error;
	}
}

// take_left tells the next that earlier lives intended and did not write, as if it stood at the end
// of the log; false: that was all.
static bool take_left(struct disk_log *log, struct disk_scan *scan,
		      struct cache_disk_result *result)
{
	const struct disk_intents *intents = &log->file->intents;
	struct disk_record record = {0};
	uint32_t intent;
	while ((intent = disk_intent_left(intents, log->index, scan->intent, &record.kind,
					  &record.head))) {
		scan->intent = intent;
		record.head = slice_head(record.head, sizeof(result->found.note));
		if (!cache_disk_found_of(&record, &result->found))
			continue;
		result->done = CACHE_DISK_FOUND;
		result->position = log->head;
		result->found.intent = intent;
		return true;
	}
	scan->intent = UINT32_MAX;
	return false;
}

// take_doubt tells once that something of earlier lives may be missing; false: nothing is.
static bool take_doubt(struct disk_log *log, struct cache_disk_result *result)
{
	result->done = CACHE_DISK_FOUND;
	result->position = log->head;
	result->found = (struct cache_disk_found){
		.kind = CACHE_DISK_PURGE, .doubted = log->doubted, .note.is_all = 1};
	log->doubted = 0;
	return result->found.doubted != 0;
}

bool cache_disk_walk(struct disk_log *log, struct disk_scan *scan, struct cache_disk_result *result)
{
	struct disk_record record;
	for (;;) {
		switch (disk_scan_next(log, scan, &record)) {
		case DISK_SCAN_RECORD:
			result->done = CACHE_DISK_FOUND;
			if (!cache_disk_found_of(&record, &result->found))
				continue;
			break;
		case DISK_SCAN_HOLE: result->done = CACHE_DISK_HOLE; break;
		case DISK_SCAN_END:
			if (take_left(log, scan, result) || take_doubt(log, result))
				return true;
			result->done = CACHE_DISK_WALKED;
			return false;
		}
		result->position = record.position;
		return true;
	}
}
