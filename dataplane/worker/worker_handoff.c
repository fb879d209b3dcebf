// SPDX-License-Identifier: Apache-2.0
// Rings between workers; see worker_handoff.h.
#include "worker_handoff.h"

#include "check.h"
#include "handover.h"
#include "worker_ring.h"

#include <stdlib.h>

static_assert(sizeof(struct cache_message) % 4 == 0, "what rte_ring demands of its elements");

static bool make_rings(struct handoff *handoff, uint32_t packet_count)
{
	uint32_t pairs = handoff->worker_count * handoff->worker_count;
	for (uint32_t i = 0; i < pairs; i++) {
		if (i % (handoff->worker_count + 1) == 0)
			continue; // a worker with itself
		handoff->packets[i] =
			worker_ring_new("handoff", sizeof(struct rte_mbuf *), packet_count);
		handoff->messages[i] =
			worker_ring_new("handoff", sizeof(struct cache_message), HANDOFF_MESSAGES);
		if (!handoff->packets[i] || !handoff->messages[i])
			return false;
	}
	return true;
}

struct handoff *handoff_new(uint32_t worker_count, uint32_t packet_count)
{
	struct handoff *handoff = calloc(1, sizeof(*handoff));
	if (!handoff)
		return NULL;
	handoff->worker_count = worker_count;
	handoff->packets = calloc((size_t)worker_count * worker_count, sizeof(struct rte_ring *));
	handoff->messages = calloc((size_t)worker_count * worker_count, sizeof(struct rte_ring *));
	handoff->peers = aligned_alloc(_Alignof(struct handoff_peer),
				       worker_count * sizeof(struct handoff_peer));
	for (uint32_t i = 0; handoff->peers && i < worker_count; i++) {
		atomic_init(&handoff->peers[i].is_asleep, false);
		handoff->peers[i].wake_fd = -1;
	}
	if (handoff->packets && handoff->messages && handoff->peers &&
	    make_rings(handoff, packet_count))
		return handoff;
	handoff_free(handoff);
	return NULL;
}

static void free_packets(struct rte_ring *ring)
{
	void *mbuf;
	while (ring && rte_ring_sc_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	free(ring);
}

void handoff_free(struct handoff *handoff)
{
	if (!handoff)
		return;
	for (uint32_t i = 0; i < handoff->worker_count * handoff->worker_count; i++) {
		if (handoff->packets)
			free_packets(handoff->packets[i]);
		if (handoff->messages)
			free(handoff->messages[i]);
	}
	free(handoff->packets);
	free(handoff->messages);
	free(handoff->peers);
	free(handoff);
}

// at is the place of an ordered pair of different workers.
static uint32_t at(const struct handoff *handoff, uint32_t from, uint32_t to)
{
	CHECK(from != to && from < handoff->worker_count && to < handoff->worker_count);
	return from * handoff->worker_count + to;
}

void handoff_send(struct handoff *handoff, uint32_t from, uint32_t to, struct rte_mbuf *mbuf,
		  struct counters *counters)
{
	if (rte_ring_sp_enqueue(handoff->packets[at(handoff, from, to)], mbuf) != 0) {
		counter_inc(counters, COUNTER_worker_handoff_full);
		rte_pktmbuf_free(mbuf);
		return;
	}
	counter_inc(counters, COUNTER_worker_handed_out);
	if (handoff_wake(handoff, to))
		counter_inc(counters, COUNTER_worker_peer_wakes);
}

uint32_t handoff_receive(struct handoff *handoff, uint32_t from, uint32_t to,
			 struct rte_mbuf *mbufs[HANDOFF_BUDGET])
{
	return rte_ring_sc_dequeue_burst(handoff->packets[at(handoff, from, to)], (void **)mbufs,
					 HANDOFF_BUDGET, NULL);
}

bool handoff_send_message(struct handoff *handoff, uint32_t from, uint32_t to,
			  const struct cache_message *message)
{
	struct rte_ring *ring = handoff->messages[at(handoff, from, to)];
	struct cache_message copy = *message; // rte_ring takes no const
	if (rte_ring_sp_enqueue_elem(ring, &copy, sizeof(copy)) != 0)
		return false;
	handoff_wake(handoff, to);
	return true;
}

bool handoff_receive_message(struct handoff *handoff, uint32_t from, uint32_t to,
			     struct cache_message *message)
{
	struct rte_ring *ring = handoff->messages[at(handoff, from, to)];
	return rte_ring_sc_dequeue_elem(ring, message, sizeof(*message)) == 0;
}

bool handoff_has_input(const struct handoff *handoff, uint32_t to)
{
	for (uint32_t from = 0; from < handoff->worker_count; from++)
		if (from != to && (!rte_ring_empty(handoff->packets[at(handoff, from, to)]) ||
				   !rte_ring_empty(handoff->messages[at(handoff, from, to)])))
			return true;
	return false;
}

bool handoff_wake(struct handoff *handoff, uint32_t to)
{
	struct handoff_peer *peer = &handoff->peers[to];
	// seq_cst, after the ring's store: pairs with the sleeper's store of is_asleep before its
	// last look at the rings. One of the two sees the other.
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&peer->is_asleep, memory_order_relaxed) || peer->wake_fd < 0)
		return false;
	handover_wake(peer->wake_fd);
	return true;
}
