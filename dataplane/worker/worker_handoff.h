// SPDX-License-Identifier: Apache-2.0
// Between workers: for each ordered pair one rte_ring of packets and one of cache messages, single
// producer, single consumer. A packet whose flow another worker owns goes there whole; a sleeping
// receiver is woken by its eventfd.
#pragma once

#include "cache_channel.h"
#include "counter.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HANDOFF_BUDGET   64u   // packets, and messages, taken a loop from each worker
#define HANDOFF_MESSAGES 1024u // cache messages that may wait between two workers

// What others know of a worker. A line of its own.
struct handoff_peer {
	_Alignas(128) _Atomic bool is_asleep; // W: the worker itself
	int wake_fd;                          // borrowed eventfd of the worker, or -1
};

// Shared by all workers of a process; made before and freed after them.
struct handoff {
	uint32_t worker_count;
	struct rte_ring **packets;  // owned: [from * worker_count + to], NULL on the diagonal
	struct rte_ring **messages; // owned: the same
	struct handoff_peer *peers; // owned: one a worker
};

// handoff_new makes the rings for worker_count workers, packet_count packets each (a power of two).
// Returns NULL when memory is short. Works without EAL.
struct handoff *handoff_new(uint32_t worker_count, uint32_t packet_count);

// handoff_free frees the rings and the packets in them.
void handoff_free(struct handoff *handoff);

// handoff_send gives mbuf from worker `from` to worker `to`, in every case; a full ring drops it,
// counted.
void handoff_send(struct handoff *handoff, uint32_t from, uint32_t to, struct rte_mbuf *mbuf,
		  struct counters *counters);

// handoff_receive takes at most HANDOFF_BUDGET packets that worker `from` gave to worker `to`.
uint32_t handoff_receive(struct handoff *handoff, uint32_t from, uint32_t to,
			 struct rte_mbuf *mbufs[HANDOFF_BUDGET]);

// handoff_send_message copies a message from worker `from` to worker `to`. False when the ring is
// full.
bool handoff_send_message(struct handoff *handoff, uint32_t from, uint32_t to,
			  const struct cache_message *message);

// handoff_receive_message takes the next message that worker `from` sent to worker `to`; false:
// none.
bool handoff_receive_message(struct handoff *handoff, uint32_t from, uint32_t to,
			     struct cache_message *message);

// handoff_has_input is true when packets or messages wait for worker `to`.
bool handoff_has_input(const struct handoff *handoff, uint32_t to);

// handoff_wake wakes worker `to` when it sleeps. True when it did.
bool handoff_wake(struct handoff *handoff, uint32_t to);
