// SPDX-License-Identifier: Apache-2.0
// The node's counters and state on DPDK's telemetry socket (<run_dir>/dpdk/<node
// id>/dpdk_telemetry.v2):
//
//   /millrace/node              who this is, and whether control is there
//   /millrace/<module>[,N]      that module's counters, summed over the workers or of worker N
//   /millrace/counters[,N]      every counter that is not 0, by module
//   /millrace/reasons           every reason that is not 0, with its text
//   /millrace/workers           by worker: loops, cycles, sleeps
//   /millrace/ports             by port: device, MAC, what it can do, whether packets wait
//   /millrace/tcp/events[,N]    TCP's counters of what happened: recovery, opening, closing ...
//   /millrace/tcp/reasons[,N]   TCP's counters of what was refused, dropped, ended, and why
//   /millrace/tcp/summary[,N]   flows by state, bytes they hold, slabs, budgets
//   /millrace/tcp/flows[,KEY=VALUE ...]  a page of flows of one worker (worker=N), from a slot on
//                               (from=SLOT; the answer's "next" is where to go on), that agree with
//                               host=ADDR[/BITS], port=N and state=NAME
//   /millrace/journal[,N]       last events of worker N
#pragma once

#include "worker_attach.h"
#include "worker_moderation.h"
#include "worker_thread.h"

struct telemetry {
	const struct conf *conf;       // borrowed, as all below
	struct worker_thread *threads; // worker_count of them
	uint32_t worker_count;
	const struct attach *attach;
	const struct moderation *moderation;
	uint64_t started_wall_s;
};

// telemetry_start registers the commands; telemetry is borrowed until telemetry_stop. One a
// process: DPDK's callbacks have no argument of ours. Returns 0 or an errno.
int telemetry_start(const struct telemetry *telemetry);

// telemetry_stop makes the commands answer nothing; returns when no callback is running any more.
void telemetry_stop(void);
