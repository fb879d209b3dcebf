// SPDX-License-Identifier: Apache-2.0
// Adaptive moderation of ports with adaptive_rx: the main thread looks how many packets came, and
// tells the kernel whether they are to wait for each other; with it, how the threads of their NAPIs
// are scheduled (worker_napi.h). A worker has no part in it.
#pragma once

#include "conf.h"
#include "port_ethdev.h"
#include "port_moderation.h"
#include "port_napi.h"
#include "worker_napi.h"
#include "worker_thread.h"

#include <stdatomic.h>

#define MODERATION_PORTS_MAX                                                                       \
	(sizeof(((struct conf *)0)->dataplane.ports) / sizeof(struct conf_port))

// One port. The telemetry thread reads what is atomic.
struct moderation_port {
	const char *name; // borrowed
	char iface[CONF_IFACE_BYTES];
	struct port_moderation decision;
	struct port_napi found; // at the start, to be put back
	atomic_bool is_on;      // false: not asked for, or at rest since a write failed
	atomic_bool is_waiting;
	_Atomic(uint64_t) begun_count; // how often packets began to wait
	_Atomic(uint64_t) ended_count; // how often that ended
};

struct moderation {
	struct port_ethdev *const *devices; // borrowed
	struct worker_thread *threads;      // borrowed
	uint32_t thread_count;
	uint32_t port_count;
	struct moderation_port ports[MODERATION_PORTS_MAX];
	struct napi_port napis[MODERATION_PORTS_MAX];
};

// moderation_port_start notes how the interface of conf stands, and lets nothing wait. Where the
// kernel does not let us, that is said on stderr with its cure, and the port rests. conf is
// borrowed.
void moderation_port_start(struct moderation_port *port, const struct conf_port *conf);

// moderation_port_look judges by how many packets were received up to now_us, and switches.
void moderation_port_look(struct moderation_port *port, uint64_t packets, uint64_t now_us);

// moderation_port_stop puts back what was found.
void moderation_port_stop(struct moderation_port *port);

// moderation_start begins with all ports of conf that ask for either; conf, devices (one a port)
// and threads (one a worker) are borrowed.
void moderation_start(struct moderation *moderation, const struct conf *conf,
		      struct port_ethdev *const *devices, struct worker_thread *threads);

// moderation_run looks at all of them; call it every moderation_tick_ms.
void moderation_run(struct moderation *moderation, uint64_t now_us);

// moderation_tick_ms is how long the caller, who comes every tick_ms anyway, may wait.
int moderation_tick_ms(const struct moderation *moderation, int tick_ms);

// moderation_stop puts back what was found, before the devices are closed.
void moderation_stop(struct moderation *moderation);
