// SPDX-License-Identifier: Apache-2.0
// A worker's step as callgrind counts it, and this thread's clock for runs without callgrind.
#pragma once

#include "sim_world.h"

#include "check.h"

#include <time.h>

// step_edge is what callgrind counts (--toggle-collect=step_edge): a call that returns, or it would
// count whatever comes after, and of this very name: no clone without the answer that a caller
// ignores. True when the edge found something to do.
__attribute__((noipa)) static bool step_edge(struct worker *worker, uint64_t now_us,
					     uint64_t wall_s)
{
	bool is_busy = worker_step(worker, now_us, wall_s);
	__asm__ volatile("" ::: "memory");
	return is_busy;
}

// run_ns is what this thread has run so far.
static inline uint64_t run_ns(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
