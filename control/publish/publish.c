// SPDX-License-Identifier: Apache-2.0
// The publisher; see publish.h. Records are written in publish_step.c.
#include "publish_priv.h"

#include "handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct publish *publish_new(uint64_t generation)
{
	struct publish *publish = calloc(1, sizeof(*publish));
	if (publish)
		publish->generation = generation;
	return publish;
}

static void worker_clear(struct publish_worker *worker)
{
	while (worker->single_count > 0) {
		free(worker->singles[worker->single_first].payload);
		worker->single_first = (worker->single_first + 1) % PUBLISH_ONCE_MAX;
		worker->single_count--;
	}
	rowset_drop(worker->base);
	rowset_drop(worker->goal);
}

void publish_detach(struct publish *publish)
{
	for (uint32_t i = 0; i < publish->worker_count; i++)
		worker_clear(&publish->workers[i]);
	free(publish->workers);
	publish->workers = NULL;
	publish->worker_count = 0;
}

void publish_free(struct publish *publish)
{
	if (!publish)
		return;
	publish_detach(publish);
	rowset_drop(publish->latest);
	free(publish);
}

uint64_t publish_generation(struct publish *publish)
{
	return ++publish->generation;
}

void publish_attach(struct publish *publish, const struct region *region, const int *wake_fds)
{
	publish_detach(publish);
	publish->workers = calloc(region->shape.worker_count, sizeof(*publish->workers));
	if (!publish->workers)
		return;
	publish->worker_count = region->shape.worker_count;
	for (uint32_t i = 0; i < publish->worker_count; i++) {
		region_down_writer(region, i, &publish->workers[i].down);
		publish->workers[i].wake_fd = wake_fds[i];
		publish->workers[i].needs_full = true;
	}
}

void publish_set(struct publish *publish, struct rowset *set)
{
	rowset_hold(set);
	rowset_drop(publish->latest);
	publish->latest = set;
}

const struct rowset *publish_latest(const struct publish *publish)
{
	return publish->latest;
}

static bool is_quiet(const struct publish_worker *worker)
{
	return worker->base && worker->single_count == 0 && worker->phase == PUBLISH_IDLE &&
	       worker->status.applied_generation == worker->status.sent_generation;
}

bool publish_is_quiet(const struct publish *publish)
{
	for (uint32_t i = 0; i < publish->worker_count; i++)
		if (!is_quiet(&publish->workers[i]))
			return false;
	return publish->worker_count > 0;
}

// make_purge_all turns the last single answer into a purge of everything.
static void make_purge_all(struct publish_worker *worker, const struct rowset_row *row)
{
	uint32_t last = (worker->single_first + worker->single_count - 1) % PUBLISH_ONCE_MAX;
	struct record_purge_row *purge = calloc(1, sizeof(*purge));
	if (!purge)
		return;
	const struct record_purge_row *from = row->payload;
	purge->sequence = from->sequence;
	purge->kind = RECORD_PURGE_ALL;
	free(worker->singles[last].payload);
	worker->singles[last] = (struct publish_single){RECORD_PURGE, sizeof(*purge), purge};
}

static bool is_purge(const struct rowset_row *row)
{
	const struct record_purge_row *purge = row->payload;
	return row->type == RECORD_PURGE && purge->kind != RECORD_PURGE_KNOWN;
}

static void once(struct publish_worker *worker, const struct rowset_row *row, const char *tail)
{
	size_t tail_bytes = tail ? strlen(tail) : 0;
	worker->is_purging |= is_purge(row);
	if (worker->single_count == PUBLISH_ONCE_MAX) {
		worker->status.dropped_count++;
		if (is_purge(row))
			make_purge_all(worker, row);
		return;
	}
	char *payload = malloc(row->bytes + tail_bytes);
	if (!payload) {
		worker->status.dropped_count++;
		return;
	}
	memcpy(payload, row->payload, row->bytes);
	if (tail_bytes)
		memcpy(payload + row->bytes, tail, tail_bytes);
	uint32_t at = (worker->single_first + worker->single_count++) % PUBLISH_ONCE_MAX;
	worker->singles[at] =
		(struct publish_single){row->type, row->bytes + (uint32_t)tail_bytes, payload};
}

void publish_once(struct publish *publish, uint32_t worker, const struct rowset_row *row,
		  const char *tail)
{
	for (uint32_t i = 0; i < publish->worker_count; i++)
		if (worker == PUBLISH_ALL || worker == i)
			once(&publish->workers[i], row, tail);
}

void publish_resync(struct publish *publish, uint32_t index)
{
	struct record_purge_row all = {.kind = RECORD_PURGE_ALL};
	if (index >= publish->worker_count)
		return;
	struct publish_worker *worker = &publish->workers[index];
	worker->needs_full = true;
	if (worker->is_purging)
		once(worker, &(struct rowset_row){RECORD_PURGE, 0, sizeof(all), &all}, NULL);
}

// run_worker writes until the ring is full or all is said. True when something waits.
static bool run_worker(struct publish *publish, struct publish_worker *worker, uint64_t now_us)
{
	int error = 0;
	while (error == 0)
		error = publish_step(publish, worker, now_us);
	if (worker->has_written)
		handover_wake(worker->wake_fd);
	worker->has_written = false;
	worker->status.is_broken = error == EPIPE;
	return error == EAGAIN;
}

bool publish_run(struct publish *publish, uint64_t now_us)
{
	bool is_waiting = false;
	for (uint32_t i = 0; i < publish->worker_count; i++)
		is_waiting |= run_worker(publish, &publish->workers[i], now_us);
	return is_waiting;
}

void publish_applied(struct publish *publish, uint32_t index, uint64_t generation,
		     uint32_t refused_count, uint64_t now_us)
{
	if (index >= publish->worker_count)
		return;
	struct publish_worker *worker = &publish->workers[index];
	// A worker cannot have applied what was not sent.
	if (generation > worker->status.sent_generation)
		return;
	worker->status.applied_generation = generation;
	worker->status.refused_count += refused_count;
	worker->commit_us = generation == worker->status.sent_generation ? 0 : now_us;
	worker->is_purging &= !is_quiet(worker);
}

uint32_t publish_worker_count(const struct publish *publish)
{
	return publish->worker_count;
}

void publish_read_status(const struct publish *publish, uint32_t index, uint64_t now_us,
			 struct publish_status *status)
{
	const struct publish_worker *worker = &publish->workers[index];
	*status = worker->status;
	status->waiting_count = worker->single_count;
	status->is_current = worker->base == publish->latest &&
			     status->applied_generation == status->sent_generation;
	status->lag_us = worker->commit_us ? now_us - worker->commit_us : 0;
}
