// SPDX-License-Identifier: Apache-2.0
// Memory of the workers' tables is mapped at start, and the kernel gives each page when it is
// touched for the first time: a huge page takes it milliseconds, in which a worker stands still. So
// a thread of low priority touches all of it once, behind the start, while the workers run
// (dataplane.populate). It writes nothing: madvise(2), MADV_POPULATE_WRITE, Linux 5.14.
#pragma once

#include "worker.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORKER_TOUCH_BYTES ((size_t)2 << 20) // at a time: how long an end may have to wait for it

struct worker_touch {
	const struct conf *conf;       // borrowed
	struct worker *const *workers; // borrowed
	_Atomic(size_t) touched;       // bytes so far
	atomic_bool is_stopping;
	bool is_running;
	pthread_t thread;
};

// worker_touch_start starts the thread, unless the configuration says no; on cores without a worker
// where the process has some. Workers live until worker_touch_stop. Returns 0 or an errno.
int worker_touch_start(struct worker_touch *touch, const struct conf *conf,
		       struct worker *const *workers);

// worker_touch_stop ends it, whether it is done or not.
void worker_touch_stop(struct worker_touch *touch);

// worker_touch_spans touches spans in the caller's thread, until *is_stopping, and adds what it did
// to *touched. Returns 0, or the errno of a kernel that cannot or has no more memory.
int worker_touch_spans(const struct spans *spans, const atomic_bool *is_stopping,
		       _Atomic(size_t) *touched);
