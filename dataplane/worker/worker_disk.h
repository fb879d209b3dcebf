// SPDX-License-Identifier: Apache-2.0
// The thread of the cache's second tier (cache_disk.h): one for all workers, the only one that
// touches the file. Each worker has a ring of jobs to it and one of results back, single producer
// and single consumer, so neither waits for the other.
//
//   worker ─ job ─▶ ring ─▶ thread ─▶ file      (jobs of a worker are done in order)
//          ◀─ result ─ ring ◀─                  a worker that waits for a read is woken
#pragma once

#include "cache_disk.h"
#include "conf.h"
#include "region.h"

#include <pthread.h>
#include <stdatomic.h>

struct rte_ring;

#define WORKER_DISK_BUDGET  64u   // results that a worker takes in one turn
#define WORKER_DISK_JOBS    256u  // more than can be under way
#define WORKER_DISK_RESULTS 1024u // of which as many stay free for jobs as there may be

struct worker_disk {
	const struct conf *conf; // borrowed
	uint32_t log_count;      // one a worker; 0: there is no disk
	struct disk_file file;
	struct worker_disk_log {
		struct disk_log log;
		struct disk_scan scan;
		bool is_walking, is_broken;
		struct rte_ring *jobs, *results; // owned
		atomic_int wake_fd;              // borrowed: the worker's, -1: none
	} logs[REGION_WORKERS_MAX];
	atomic_bool is_stopping;
	bool is_running;
	pthread_t thread;
};

// worker_disk_open opens the file where the configuration names one for a cache; fresh is the
// secret of one that is made anew. stderr is told of what was thrown away. False, with why.
bool worker_disk_open(struct worker_disk *disk, const struct conf *conf, struct siphash_key fresh,
		      char *why, size_t why_bytes);

// worker_disk_start starts the thread; 0 or an errno. worker_disk_stop ends it when all jobs are
// done; the workers do not run any more. Without a disk both do nothing.
int worker_disk_start(struct worker_disk *disk);
void worker_disk_stop(struct worker_disk *disk);

// worker_disk_close closes the file so that the next start finds what is in it.
void worker_disk_close(struct worker_disk *disk);

// worker_disk_limits is the share of worker index; send is not set.
struct cache_disk_limits worker_disk_limits(struct worker_disk *disk, uint32_t index);

// worker_disk_set_wake tells by what (borrowed until worker_disk_stop) worker index is woken.
void worker_disk_set_wake(struct worker_disk *disk, uint32_t index, int wake_fd);

// worker_disk_send gives a job of worker index to the thread; false when there is no room.
bool worker_disk_send(struct worker_disk *disk, uint32_t index, const struct cache_disk_job *job);

// worker_disk_receive takes a result; false when there is none. worker_disk_has_input looks only.
bool worker_disk_receive(struct worker_disk *disk, uint32_t index,
			 struct cache_disk_result *result);
bool worker_disk_has_input(const struct worker_disk *disk, uint32_t index);
