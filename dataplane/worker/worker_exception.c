// SPDX-License-Identifier: Apache-2.0
// Frames to and from the kernel's taps; see worker_exception.h.
#include "worker_exception.h"

#include "worker.h"

#include <rte_ether.h>

// send gives one frame to a port or drops it, counted.
static void send(struct worker *worker, struct port *port, struct rte_mbuf *mbuf, enum counter sent)
{
	if (port->ops->tx(port, &mbuf, 1) == 1) {
		counter_inc(&worker->counters, sent);
		return;
	}
	counter_inc(&worker->counters, COUNTER_worker_exception_refused);
	rte_pktmbuf_free(mbuf);
}

void worker_exception_out(struct worker *worker, uint32_t port_index, struct rte_mbuf *mbuf)
{
	struct port *tap = worker->exception_ports[port_index];
	if (!tap) {
		counter_inc(&worker->counters, COUNTER_worker_exception_none);
		rte_pktmbuf_free(mbuf);
		return;
	}
	if (worker->ports[port_index]->vlan)
		rte_vlan_strip(mbuf);
	send(worker, tap, mbuf, COUNTER_worker_exception_out);
}

// tag gives the frame the port's VLAN tag; false (frame dropped) when there is no room for it.
static bool tag(struct worker *worker, const struct port *port, struct rte_mbuf **mbuf)
{
	if (!port->vlan)
		return true;
	(*mbuf)->vlan_tci = port->vlan;
	if (rte_vlan_insert(mbuf) == 0)
		return true;
	counter_inc(&worker->counters, COUNTER_worker_exception_refused);
	rte_pktmbuf_free(*mbuf);
	return false;
}

uint32_t worker_exception_in(struct worker *worker)
{
	uint32_t total = 0;
	for (uint32_t i = 0; worker->exception_ports && i < worker->port_count; i++) {
		struct rte_mbuf *burst[PORT_BURST];
		struct port *tap = worker->exception_ports[i];
		struct port *port = worker->ports[i];
		uint16_t count = tap ? tap->ops->rx(tap, burst, PORT_BURST) : 0;
		for (uint16_t j = 0; j < count; j++)
			if (tag(worker, port, &burst[j]))
				send(worker, port, burst[j], COUNTER_worker_exception_in);
		total += count;
	}
	return total;
}
