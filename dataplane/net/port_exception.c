// SPDX-License-Identifier: Apache-2.0
// The exception path of a port: a kernel interface (a tap with the port's MAC) that gets what is
// not ours and whose frames leave through the port. Only worker 0 uses it. See port_ethdev.h.
#include "port_priv.h"

#include <rte_ether.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct port_exception {
	struct port_ethdev *tap; // owned
	struct port *port;       // worker 0's of the device beside us
	struct counters *counters;
};

struct port_exception *port_exception_open(struct port_ethdev *device, const char *iface,
					   struct rte_mempool *mbufs, char *why, size_t why_bytes)
{
	char name[160];
	struct port_queue *queue = &device->queues[0];
	struct port_exception *exception = calloc(1, sizeof(*exception));
	if (!exception)
		return NULL;
	snprintf(name, sizeof(name), "net_tap_exception%u,iface=%s,mac=" RTE_ETHER_ADDR_PRT_FMT,
		 device->id, iface, queue->port.mac[0], queue->port.mac[1], queue->port.mac[2],
		 queue->port.mac[3], queue->port.mac[4], queue->port.mac[5]);
	struct port_ethdev_config config = {.device = name,
					    .worker_count = 1,
					    .mtu = queue->port.mtu,
					    .mbufs = &mbufs,
					    .counters = &queue->counters};
	exception->tap = port_ethdev_open(&config, why, why_bytes);
	exception->port = &queue->port;
	exception->counters = queue->counters;
	if (!exception->tap) {
		free(exception);
		return NULL;
	}
	return exception;
}

void port_exception_close(struct port_exception *exception)
{
	if (!exception)
		return;
	port_ethdev_close(exception->tap);
	free(exception);
}

void port_exception_send(struct port_exception *exception, struct rte_mbuf *mbuf)
{
	if (rte_eth_tx_burst(exception->tap->id, 0, &mbuf, 1) == 1)
		return;
	counter_inc(exception->counters, COUNTER_port_exception_full);
	rte_pktmbuf_free(mbuf);
}

// tag_all gives the kernel's frames the port's tag, which they came without; returns how many are
// left of them.
static uint16_t tag_all(const struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	uint16_t left = 0;
	if (port->vlan == 0)
		return count;
	for (uint16_t i = 0; i < count; i++) {
		mbufs[i]->vlan_tci = port->vlan;
		if (rte_vlan_insert(&mbufs[i]) == 0)
			mbufs[left++] = mbufs[i];
		else
			rte_pktmbuf_free(mbufs[i]);
	}
	return left;
}

uint32_t port_exception_run(struct port_exception *exception)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	uint16_t count = rte_eth_rx_burst(exception->tap->id, 0, mbufs, PORT_BURST);
	if (count == 0)
		return 0;
	uint16_t ready = tag_all(exception->port, mbufs, count);
	uint16_t sent = exception->port->ops->tx(exception->port, mbufs, ready);
	rte_pktmbuf_free_bulk(mbufs + sent, (unsigned)(ready - sent));
	counter_add(exception->counters, COUNTER_port_exception_full, (uint64_t)(count - sent));
	return count;
}

int port_exception_wait_fd(const struct port_exception *exception)
{
	return port_ethdev_wait_fd(&exception->tap->queues[0].port);
}
