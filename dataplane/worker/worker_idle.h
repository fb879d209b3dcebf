// SPDX-License-Identifier: Apache-2.0
// What a worker does with nothing to do: it looks again for a moment, then pauses between looks,
// then sleeps on its descriptors (ports, control, other workers) until the next timer. A port
// without a descriptor allows only short naps, which grow. Every step is counted.
//
//   busy -> spin (IDLE_SPIN_US) -> pause (IDLE_PAUSE_US) -> sleep <-> woken by a descriptor: busy
#pragma once

#include "counter.h"

#include <stdbool.h>
#include <stdint.h>

#define IDLE_SPIN_US      20u
#define IDLE_PAUSE_US     60u // after the first look that found nothing
#define IDLE_NAP_FIRST_US 20u // naps of ports without descriptors
#define IDLE_NAP_LAST_US  1000u

struct idle {
	int epoll_fd;        // owned
	int wake_fd;         // owned eventfd: others wake this worker by it
	int control_fd;      // owned copy of control's eventfd, or -1
	uint64_t control_id; // which region it belongs to; 0 = none
	bool is_polling;     // never sleep
	bool can_wait;       // every port has a descriptor
	bool is_idle;
	uint64_t since_us; // when it became idle
	uint64_t nap_us;   // the next nap
	// When it would have fallen asleep (CLOCK_MONOTONIC) had it slept all its sleep in one; 0 =
	// awake. W: worker
	_Atomic uint64_t asleep_base_us;
	struct counters *counters;
};

// idle_init makes the descriptors. port_fds (borrowed, port_count) are those of the ports, -1 for
// one that has none. Returns 0 or an errno.
int idle_init(struct idle *idle, const int *port_fds, uint32_t port_count, bool is_polling,
	      struct counters *counters);

// idle_fini closes what idle_init opened.
void idle_fini(struct idle *idle);

// idle_watch_control watches fd (borrowed; copied), which belongs to region control_id, instead of
// the one before; control_id 0 watches none. Cheap when nothing changed.
void idle_watch_control(struct idle *idle, int fd, uint64_t control_id);

// idle_reset: there was something to do.
static inline void idle_reset(struct idle *idle)
{
	idle->is_idle = false;
}

// idle_should_sleep takes one step down the ladder at now_us; true at its end: look a last time,
// then idle_sleep.
bool idle_should_sleep(struct idle *idle, uint64_t now_us);

// idle_sleep sleeps until a descriptor is ready, at most timeout_us (less on ports without one).
// Returns true when a descriptor ended it.
bool idle_sleep(struct idle *idle, uint64_t timeout_us);

// idle_slept_us is what the worker has slept until now, in us, the sleep that is under way included
// (its counter worker_slept_us moves only when a sleep ends). Any thread may ask.
uint64_t idle_slept_us(const struct idle *idle);
