// SPDX-License-Identifier: Apache-2.0
// A worker on its core: steps it, counts its cycles, lets it sleep, and answers questions that
// other threads may not answer by looking into it.
#pragma once

#include "worker.h"
#include "worker_idle.h"

#define WORKER_GIVES_WAY_US 200u // of work without a sleep, then NAPI threads come to the core

// A question. The worker calls run between two turns, again and again until it returns true: each
// call is a bounded piece, so that no question stalls packets.
struct worker_query {
	bool (*run)(struct worker *worker, void *user);
	void *user;
	_Atomic bool is_cancelled; // W: asker; run is not called again
	_Atomic bool is_done;      // W: worker
};

struct worker_thread {
	struct worker *worker;              // borrowed
	struct port_ethdev *const *devices; // borrowed: the devices of the worker's ports, in order
	struct idle idle;
	_Atomic bool is_stopping;             // W: main thread
	_Atomic bool gives_way;               // W: main thread; see worker_napi.h
	_Atomic(struct worker_query *) query; // W: asker sets, worker clears
	struct worker_query *running;         // the worker's: taken, not yet answered
	uint64_t rested_us;                   // when it slept or gave way last
};

// worker_thread_init prepares the thread of a worker whose ports are queues of devices (borrowed).
// Returns 0 or an errno.
int worker_thread_init(struct worker_thread *thread, struct worker *worker,
		       struct port_ethdev *const *devices);

// worker_thread_fini closes descriptors. The worker lives on.
void worker_thread_fini(struct worker_thread *thread);

// worker_thread_run is the thread: it returns 0 after worker_thread_stop. thread is a struct
// worker_thread.
int worker_thread_run(void *thread);

// worker_thread_stop asks the thread to end and wakes it; does not wait.
void worker_thread_stop(struct worker_thread *thread);

// worker_thread_wake wakes the thread when it sleeps.
void worker_thread_wake(struct worker_thread *thread);

// worker_thread_ask runs query in the worker and waits for it, at most timeout_us; past that, what
// was answered until then stands. False: it was not run and will not be, because other questions
// came before it or the worker did not come to it.
bool worker_thread_ask(struct worker_thread *thread, struct worker_query *query,
		       uint64_t timeout_us);
