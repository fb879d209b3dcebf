// SPDX-License-Identifier: Apache-2.0
// One record at a time to one worker; see publish.h.
#include "publish_priv.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// put writes one record. A record that is too long is passed over: it would stay so.
static int put(struct publish_worker *worker, enum record_type type, const void *payload,
	       uint32_t bytes)
{
	struct iovec part = {(void *)(uintptr_t)payload, bytes};
	int error = ring_write(&worker->down, (uint8_t)type, &part, 1);
	if (error == EMSGSIZE) {
		log_error("a row of type %s is too long for the ring: passed over",
			  record_type_name(type));
		return 0;
	}
	if (error == 0)
		worker->has_written = true;
	return error;
}

static int put_row(struct publish_worker *worker, enum record_type type, const void *payload,
		   uint32_t bytes)
{
	int error = put(worker, type, payload, bytes);
	if (error == 0)
		worker->row_count++;
	return error;
}

static int begin(struct publish *publish, struct publish_worker *worker, enum record_set set)
{
	struct record_begin row = {.generation = publish->generation + 1, .set = set};
	int error = put(worker, RECORD_BEGIN, &row, sizeof(row));
	if (error)
		return error;
	worker->generation = ++publish->generation;
	worker->row_count = 0;
	worker->base_index = 0;
	worker->goal_index = 0;
	return 0;
}

// begin_next starts the next transaction, if there is something to tell.
static int begin_next(struct publish *publish, struct publish_worker *worker)
{
	bool has_news = publish->latest && (worker->needs_full || worker->base != publish->latest);
	if (has_news) {
		worker->is_full = worker->needs_full || !worker->base;
		int error = begin(publish, worker,
				  worker->is_full ? RECORD_SET_FULL : RECORD_SET_DELTA);
		if (error)
			return error;
		worker->needs_full = false;
		worker->goal = rowset_hold(publish->latest);
		worker->base_index = worker->base && !worker->is_full ? worker->base->count : 0;
		worker->phase = PUBLISH_ROWS;
		return 0;
	}
	if (worker->single_count == 0 || !worker->base)
		return ENODATA;
	int error = begin(publish, worker, RECORD_SET_DELTA);
	if (error)
		return error;
	worker->is_full = false;
	worker->single_left = worker->single_count;
	worker->phase = PUBLISH_SINGLES;
	return 0;
}

// step_rows sends the next row that the worker lacks or has otherwise.
static int step_rows(struct publish_worker *worker)
{
	while (worker->goal_index < worker->goal->count) {
		const struct rowset_row *row = &worker->goal->rows[worker->goal_index];
		const struct rowset_row *old =
			worker->is_full ? NULL : rowset_find(worker->base, row->type, row->id);
		if (!old || !rowset_equal(old, row)) {
			int error = put_row(worker, row->type, row->payload, row->bytes);
			if (error)
				return error;
			worker->goal_index++;
			return 0;
		}
		worker->goal_index++;
	}
	worker->phase = PUBLISH_REMOVES;
	return 0;
}

// step_removes takes back the next row that the goal lacks, routes first, names last.
static int step_removes(struct publish_worker *worker)
{
	while (worker->base_index > 0) {
		const struct rowset_row *row = &worker->base->rows[worker->base_index - 1];
		if (row->type != RECORD_TRUST && !rowset_find(worker->goal, row->type, row->id)) {
			struct record_remove remove = {.type = row->type, .id = row->id};
			int error = put_row(worker, RECORD_REMOVE, &remove, sizeof(remove));
			if (error)
				return error;
			worker->base_index--;
			return 0;
		}
		worker->base_index--;
	}
	worker->phase = PUBLISH_COMMIT;
	return 0;
}

static int step_singles(struct publish_worker *worker)
{
	if (worker->single_left == 0) {
		worker->phase = PUBLISH_COMMIT;
		return 0;
	}
	struct publish_single *single = &worker->singles[worker->single_first];
	int error = put_row(worker, single->type, single->payload, single->bytes);
	if (error)
		return error;
	free(single->payload);
	worker->single_first = (worker->single_first + 1) % PUBLISH_ONCE_MAX;
	worker->single_count--;
	worker->single_left--;
	return 0;
}

static int step_commit(struct publish_worker *worker, uint64_t now_us)
{
	struct record_commit row = {.generation = worker->generation,
				    .row_count = worker->row_count};
	int error = put(worker, RECORD_COMMIT, &row, sizeof(row));
	if (error)
		return error;
	if (worker->goal) {
		rowset_drop(worker->base);
		worker->base = worker->goal;
		worker->goal = NULL;
		worker->status.row_count = worker->base->count;
	}
	worker->status.sent_generation = worker->generation;
	worker->status.full_count += worker->is_full;
	worker->status.delta_count += !worker->is_full;
	if (worker->commit_us == 0)
		worker->commit_us = now_us;
	worker->phase = PUBLISH_IDLE;
	return 0;
}

int publish_step(struct publish *publish, struct publish_worker *worker, uint64_t now_us)
{
	switch (worker->phase) {
	case PUBLISH_IDLE: return begin_next(publish, worker);
	case PUBLISH_ROWS: return step_rows(worker);
	case PUBLISH_REMOVES: return step_removes(worker);
	case PUBLISH_SINGLES: return step_singles(worker);
	case PUBLISH_COMMIT: return step_commit(worker, now_us);
	}
	return ENODATA;
}
