// SPDX-License-Identifier: Apache-2.0
// The access log's way out: each worker copies entries (access.h) into a byte ring of its own, one
// thread that may block makes lines of JSON of them and appends them to access_log.file.
//
//   worker ─ entry ─▶ ring (full: dropped, counted) ─▶ thread ─ lines ─▶ file
//
// A file that was moved away or deleted is opened anew within a second, so that logrotate needs to
// tell nobody. When writing fails the lines are lost and stderr says so, at most once a minute.
#pragma once

#include "conf.h"
#include "region.h"
#include "ring.h"

#include <pthread.h>
#include <stdatomic.h>

struct access_log {
	const struct conf *conf; // borrowed
	uint32_t worker_count;   // 0: there is no log
	struct {
		void *memory;
		struct ring_writer writer; // the worker's
		struct ring_reader reader; // the thread's
	} rings[REGION_WORKERS_MAX];
	int fd;                // -1: to be opened
	char *block;           // lines on their way to the file
	size_t block_bytes;    // of them
	uint8_t *record;       // read last
	uint64_t looked_us;    // when the file's name was looked at
	uint64_t scolded_us;   // when stderr was told of lost lines
	uint64_t line_count;   // written
	uint64_t lost_count;   // since stderr was told
	int64_t wall_ahead_us; // Unix time minus the workers' clock
	atomic_bool is_stopping;
	bool is_running;
	pthread_t thread;
};

// access_log_start opens the file and starts the thread, where the configuration names a file; else
// log does nothing. False, with why: the file cannot be opened, or memory is short.
bool access_log_start(struct access_log *log, const struct conf *conf, char *why, size_t why_bytes);

// access_log_ring is where worker index writes, borrowed until access_log_stop; NULL without a log.
struct ring_writer *access_log_ring(struct access_log *log, uint32_t index);

// access_log_stop writes what waits, ends the thread and closes the file. The workers do not run.
void access_log_stop(struct access_log *log);
