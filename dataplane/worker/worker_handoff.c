// SPDX-License-Identifier: Apache-2.0
// Rings between workers; see worker_handoff.h.
#include "worker_handoff.h"

#include "handover.h"

#include <stdlib.h>

static bool make_rings(struct handoff *handoff, uint32_t ring_count)
{
	ssize_t bytes = rte_ring_get_memsize(ring_count);
	uint32_t pairs = handoff->worker_count * handoff->worker_count;
	handoff->rings = calloc(pairs, sizeof(*handoff->rings));
	handoff->peers = aligned_alloc(_Alignof(struct handoff_peer),
				       handoff->worker_count * sizeof(struct handoff_peer));
	if (!handoff->rings || !handoff->peers || bytes < 0)
		return false;
	for (uint32_t i = 0; i < handoff->worker_count; i++) {
		atomic_init(&handoff->peers[i].is_asleep, false);
		handoff->peers[i].wake_fd = -1;
	}
	for (uint32_t i = 0; i < pairs; i++) {
		if (i % (handoff->worker_count + 1) == 0)
			continue; // a worker with itself
		struct rte_ring *ring = aligned_alloc(128, ((size_t)bytes + 127) & ~(size_t)127);
		handoff->rings[i] = ring;
		if (!ring ||
		    rte_ring_init(ring, "handoff", ring_count, RING_F_SP_ENQ | RING_F_SC_DEQ))
			return false;
	}
	return true;
}

struct handoff *handoff_new(uint32_t worker_count, uint32_t ring_count)
{
	struct handoff *handoff = calloc(1, sizeof(*handoff));
	if (!handoff)
		return NULL;
	handoff->worker_count = worker_count;
	if (!make_rings(handoff, ring_count)) {
		handoff_free(handoff);
		return NULL;
	}
	return handoff;
}

static struct rte_ring *ring_of(const struct handoff *handoff, uint32_t from, uint32_t to)
{
	return handoff->rings[from * handoff->worker_count + to];
}

static void empty(struct rte_ring *ring)
{
	void *mbuf;
	while (rte_ring_sc_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
}

void handoff_free(struct handoff *handoff)
{
	for (uint32_t i = 0; handoff->rings && i < handoff->worker_count * handoff->worker_count;
	     i++) {
		if (handoff->rings[i])
			empty(handoff->rings[i]);
		free(handoff->rings[i]);
	}
	free(handoff->rings);
	free(handoff->peers);
	free(handoff);
}

void handoff_send(struct handoff *handoff, uint32_t from, uint32_t to, struct rte_mbuf *mbuf,
		  struct counters *counters)
{
	if (rte_ring_sp_enqueue(ring_of(handoff, from, to), mbuf) != 0) {
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
	if (from == to)
		return 0;
	return rte_ring_sc_dequeue_burst(ring_of(handoff, from, to), (void **)mbufs, HANDOFF_BUDGET,
					 NULL);
}

bool handoff_has_packets(const struct handoff *handoff, uint32_t to)
{
	for (uint32_t from = 0; from < handoff->worker_count; from++)
		if (from != to && !rte_ring_empty(ring_of(handoff, from, to)))
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
