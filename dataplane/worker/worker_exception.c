// SPDX-License-Identifier: Apache-2.0
// Frames to and from the kernel's taps; see worker_exception.h. On its way to worker 0 a frame
// bears a packet type that net gives to none, and its port in packet_of.
#include "worker_exception.h"

#include "worker.h"

#include <rte_ether.h>
#include <rte_mbuf_ptype.h>

#define FOR_KERNEL RTE_PTYPE_TUNNEL_ESP

void worker_exception_out(struct worker *worker, uint32_t port_index, struct rte_mbuf *mbuf)
{
	if (!worker->conf->dataplane.ports[port_index].exception[0]) {
		counter_inc(&worker->counters, COUNTER_worker_exception_none);
		rte_pktmbuf_free(mbuf);
		return;
	}
	if (!worker->exceptions) {
		packet_of(mbuf)->port_index = (uint8_t)port_index;
		mbuf->packet_type = FOR_KERNEL;
		handoff_send(worker->handoff, worker->index, 0, mbuf, &worker->counters);
		return;
	}
	if (worker->ports[port_index]->vlan)
		rte_vlan_strip(mbuf);
	counter_inc(&worker->counters, COUNTER_worker_exception_out);
	port_exception_send(worker->exceptions[port_index], mbuf);
}

bool worker_exception_handed(struct worker *worker, struct rte_mbuf *mbuf)
{
	if (mbuf->packet_type != FOR_KERNEL)
		return false;
	worker_exception_out(worker, packet_of(mbuf)->port_index, mbuf);
	return true;
}

uint32_t worker_exception_in(struct worker *worker)
{
	uint32_t total = 0;
	for (uint32_t i = 0; worker->exceptions && i < worker->port_count; i++)
		if (worker->exceptions[i])
			total += port_exception_run(worker->exceptions[i]);
	counter_add(&worker->counters, COUNTER_worker_exception_in, total);
	return total;
}
