// SPDX-License-Identifier: Apache-2.0
// Packets between workers: one rte_ring for each ordered pair, single producer, single consumer. A
// packet whose flow another worker owns goes there whole; a sleeping receiver is woken by its
// eventfd.
#pragma once

#include "counter.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HANDOFF_BUDGET 64u // packets taken a loop, from each worker

// Shared by all workers of a process; made before and freed after them.
struct handoff {
	uint32_t worker_count;
	struct rte_ring **rings;    // owned: [from * worker_count + to], NULL on the diagonal
	struct handoff_peer *peers; // owned: one a worker
};

// What others know of a worker. A line of its own.
struct handoff_peer {
	_Alignas(128) _Atomic bool is_asleep; // W: the worker itself
	int wake_fd;                          // borrowed eventfd of the worker, or -1
};

// handoff_new makes the rings for worker_count workers, ring_count packets each (a power of two).
// Returns NULL when memory is short. Works without EAL.
struct handoff *handoff_new(uint32_t worker_count, uint32_t ring_count);

// handoff_free frees the rings and the packets in them.
void handoff_free(struct handoff *handoff);

// handoff_send gives mbuf from worker `from` to worker `to`, in every case; a full ring drops it,
// counted.
void handoff_send(struct handoff *handoff, uint32_t from, uint32_t to, struct rte_mbuf *mbuf,
		  struct counters *counters);

// handoff_receive takes at most HANDOFF_BUDGET packets that worker `from` gave to worker `to`.
uint32_t handoff_receive(struct handoff *handoff, uint32_t from, uint32_t to,
			 struct rte_mbuf *mbufs[HANDOFF_BUDGET]);

// handoff_has_packets is true when some wait for worker `to`.
bool handoff_has_packets(const struct handoff *handoff, uint32_t to);

// handoff_wake wakes worker `to` when it sleeps. True when it did.
bool handoff_wake(struct handoff *handoff, uint32_t to);
