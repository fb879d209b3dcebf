// SPDX-License-Identifier: Apache-2.0
// The threads of a port's NAPIs (net_af_xdp with `napi_batch`). One that may run on a worker's core
// only, and nowhere else, is there for that worker: it is put from SCHED_OTHER to SCHED_BATCH, so
// that a packet does not interrupt the worker that it is for. It then runs when the worker sleeps
// or has had its share of the core, for all packets that have come meanwhile (sched(7)). A thread
// that is scheduled in another way, or that may run elsewhere, is left alone. Main thread only.
#pragma once

#include "conf.h"

#include <stdatomic.h>
#include <sys/types.h>

#define NAPI_THREADS_MAX 64u      // of a port; others are left as they are
#define NAPI_LOOK_US     1000000u // threads come, and are pinned, after us

struct napi_port {
	const char *name; // borrowed
	char iface[CONF_IFACE_BYTES];
	const struct conf_cores *cores; // borrowed: the workers'
	bool is_on;
	uint64_t looked_us;
	uint32_t count; // threads that we changed
	pid_t tids[NAPI_THREADS_MAX];
	_Atomic uint32_t batched; // the same count, for whoever tells it
};

// napi_port_start begins with the port of conf (borrowed, as is cores). It does nothing for a port
// that does not ask.
void napi_port_start(struct napi_port *port, const struct conf_port *conf,
		     const struct conf_cores *cores);

// napi_port_look looks again, at most every NAPI_LOOK_US. Where the kernel does not let us, that is
// said on stderr once, and the port's threads stay as they are.
void napi_port_look(struct napi_port *port, uint64_t now_us);

// napi_port_stop puts those that we changed back to SCHED_OTHER.
void napi_port_stop(struct napi_port *port);
