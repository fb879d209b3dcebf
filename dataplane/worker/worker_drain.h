// SPDX-License-Identifier: Apache-2.0
// The polite end of a worker (SIGTERM), which loses no request that was taken:
//
//   RUNNING -> NOTICE -> FINISHING -> LEAVING -> DRAINED
//              others     no new       clients    nothing
//              learn      connections  are gone   is left
//
// NOTICE lasts dataplane.drain_notice: control hears of it and tells the others, clients are told
// on what they have open, and who comes is still served. FINISHING lasts until clients have what
// they asked for, at most until dataplane.drain_time is over; then they are reset.
#pragma once

#include "wheel.h"

#include <stdbool.h>

struct worker;

enum worker_life {
	WORKER_RUNNING,
	WORKER_NOTICE,
	WORKER_FINISHING,
	WORKER_LEAVING,
	WORKER_DRAINED,
};

struct worker_drain {
	enum worker_life life;
	struct wheel_timer timer; // the end of NOTICE, FINISHING or LEAVING
};

// worker_drain begins the end; once a worker. Then worker_step goes through it.
void worker_drain(struct worker *worker);

// worker_drain_run goes on when a state's work is done; worker_step calls it.
void worker_drain_run(struct worker *worker);

// worker_is_quiet is true when no exchange and no connection from clients lives.
bool worker_is_quiet(const struct worker *worker);
