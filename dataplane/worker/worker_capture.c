// SPDX-License-Identifier: Apache-2.0
// A worker's part of a capture: copies of what net sees, in pcapng's form, on a ring; see
// worker_capture.h. Nothing here waits: no copy or no place is a frame that is lost to the capture.
#define ALLOW_EXPERIMENTAL_API 1 // rte_pcapng, as of DPDK 22.11
#include "worker_capture.h"

#include "check.h"

#include <rte_cycles.h>
#include <rte_pcapng.h>

#define HEADERS_BYTES 128u // of a frame are looked at: Ethernet, IPv4 with all options, ports
#define POOL_CACHE    32u

bool capture_tap_open(struct capture_tap *tap, uint32_t snap)
{
	char name[32];
	uint32_t bytes = rte_pcapng_mbuf_size(snap);
	uint32_t count = MIN(CAPTURE_RING_FRAMES, CAPTURE_POOL_BYTES / bytes) - 1;
	tap->snap = snap;
	snprintf(name, sizeof(name), "capture_%u", tap->queue);
	tap->pool =
		rte_pktmbuf_pool_create(name, count, POOL_CACHE, 0, (uint16_t)bytes, SOCKET_ID_ANY);
	tap->ring = rte_ring_create(name, CAPTURE_RING_FRAMES, SOCKET_ID_ANY,
				    RING_F_SP_ENQ | RING_F_SC_DEQ);
	return tap->pool && tap->ring;
}

void capture_tap_close(struct capture_tap *tap)
{
	void *copy;
	while (tap->ring && rte_ring_sc_dequeue(tap->ring, &copy) == 0)
		rte_pktmbuf_free(copy);
	rte_ring_free(tap->ring);
	rte_mempool_free(tap->pool);
	tap->ring = NULL;
	tap->pool = NULL;
}

// copy_frame copies one frame, or counts that it was lost.
static void copy_frame(struct worker *worker, uint32_t port_index, const struct rte_mbuf *mbuf,
		       bool is_out)
{
	struct capture_tap *tap = worker->tap;
	struct rte_mbuf *copy = NULL;
	if (!rte_ring_full(tap->ring))
		copy = rte_pcapng_copy(tap->device[port_index], tap->queue, mbuf, tap->pool,
				       tap->snap, rte_rdtsc(),
				       is_out ? RTE_PCAPNG_DIRECTION_OUT : RTE_PCAPNG_DIRECTION_IN);
	if (!copy) {
		tap->lost++;
		counter_inc(&worker->counters, COUNTER_worker_capture_full);
		return;
	}
	tap->taken++;
	counter_inc(&worker->counters, COUNTER_worker_captured);
	CHECK(rte_ring_sp_enqueue(tap->ring, copy) == 0);
}

// watch is net's watch.
static void watch(void *user, uint32_t port_index, struct rte_mbuf *const *mbufs, uint32_t count,
		  bool is_out)
{
	struct worker *worker = user;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t held[HEADERS_BYTES];
		uint32_t bytes = MIN(rte_pktmbuf_pkt_len(mbufs[i]), HEADERS_BYTES);
		const uint8_t *frame = rte_pktmbuf_read(mbufs[i], 0, bytes, held);
		if (frame && capture_matches(&worker->tap->filter, frame, bytes))
			copy_frame(worker, port_index, mbufs[i], is_out);
	}
}

void capture_set(struct worker *worker, struct capture_tap *tap)
{
	worker->tap = tap;
	net_set_watch(worker->net, tap ? watch : NULL);
}
