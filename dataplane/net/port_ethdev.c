// SPDX-License-Identifier: Apache-2.0
// Bursts of a DPDK device and what a worker may wait on; see port_ethdev.h. Opening is in
// port_open.c, the kernel's tap in port_exception.c.
#include "port_priv.h"

#include "check.h"

#include <rte_interrupts.h>

#include <unistd.h>

static struct port_queue *queue_of(struct port *port)
{
	return (struct port_queue *)port;
}

static uint64_t bytes_of(struct rte_mbuf *const *mbufs, uint16_t count)
{
	uint64_t bytes = 0;
	for (uint16_t i = 0; i < count; i++)
		bytes += rte_pktmbuf_pkt_len(mbufs[i]);
	return bytes;
}

// offer gives the device a burst. Returns how many it took.
static uint16_t offer(const struct port_queue *queue, struct rte_mbuf **mbufs, uint16_t count)
{
	// Some drivers want other sums in what they are to sum and cut than net wrote (virtio).
	if (queue->port.can_checksum_l4_tx)
		count = rte_eth_tx_prepare(queue->device->id, queue->port.queue, mbufs, count);
	return rte_eth_tx_burst(queue->device->id, queue->port.queue, mbufs, count);
}

// transmit sends on the device's queue. Returns how many of mbufs are no more the caller's: a head
// that the device refuses again and again (net_tap: larger than its MTU) is dropped.
static uint16_t transmit(struct port_queue *queue, struct rte_mbuf **mbufs, uint16_t count)
{
	uint64_t bytes[PORT_BURST + 1] = {0}; // of the first i frames: they are gone afterwards
	if (count > PORT_BURST)
		count = PORT_BURST;
	for (uint16_t i = 0; i < count; i++)
		bytes[i + 1] = bytes[i] + rte_pktmbuf_pkt_len(mbufs[i]);
	uint16_t sent = offer(queue, mbufs, count);
	counter_add(queue->counters, COUNTER_port_tx_packets, sent);
	counter_add(queue->counters, COUNTER_port_tx_bytes, bytes[sent]);
	if (sent > 0 || count == 0) {
		queue->stall_count = 0;
		return sent;
	}
	if (++queue->stall_count < queue->device->stall_max)
		return 0;
	queue->stall_count = 0;
	counter_inc(queue->counters, COUNTER_port_tx_refused);
	rte_pktmbuf_free(mbufs[0]);
	return 1;
}

// drain_ring sends what other workers put on the ring, one burst; what the device does not take now
// is dropped, as a frame of theirs must not hold up ours.
static void drain_ring(struct port_queue *queue)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	uint32_t count =
		rte_ring_sc_dequeue_burst(queue->device->ring, (void **)mbufs, PORT_BURST, NULL);
	if (count == 0)
		return;
	uint16_t sent = transmit(queue, mbufs, (uint16_t)count);
	counter_add(queue->counters, COUNTER_port_tx_shared_refused, count - sent);
	rte_pktmbuf_free_bulk(mbufs + sent, count - sent);
}

static uint16_t queue_rx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct port_queue *queue = queue_of(port);
	if (queue->device->ring)
		drain_ring(queue);
	uint16_t got = rte_eth_rx_burst(queue->device->id, port->queue, mbufs, count);
	if (got > 0) {
		counter_add(queue->counters, COUNTER_port_rx_packets, got);
		counter_add(queue->counters, COUNTER_port_rx_bytes, bytes_of(mbufs, got));
	}
	return got;
}

static uint16_t queue_tx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	return transmit(queue_of(port), mbufs, count);
}

static uint16_t ring_rx(struct port *, struct rte_mbuf **, uint16_t)
{
	return 0;
}

static uint16_t ring_tx(struct port *port, struct rte_mbuf **mbufs, uint16_t count)
{
	struct port_queue *queue = queue_of(port);
	uint32_t put = rte_ring_mp_enqueue_burst(queue->device->ring, (void **)mbufs, count, NULL);
	queue->has_put |= put > 0;
	return (uint16_t)put;
}

const struct port_ops port_queue_ops = {queue_rx, queue_tx};
const struct port_ops port_ring_ops = {ring_rx, ring_tx};

struct port *port_ethdev_port(struct port_ethdev *device, uint32_t worker)
{
	CHECK(worker < device->worker_count);
	return &device->queues[worker].port;
}

uint16_t port_ethdev_number(const struct port_ethdev *device)
{
	return device->id;
}

uint64_t port_ethdev_received(const struct port_ethdev *device)
{
	struct rte_eth_stats stats;
	return rte_eth_stats_get(device->id, &stats) == 0 ? stats.ipackets : 0;
}

bool port_ethdev_is_shared(const struct port_ethdev *device)
{
	return device->ring != NULL;
}

bool port_ethdev_take_wake(struct port *port)
{
	struct port_queue *queue = queue_of(port);
	bool has_put = queue->has_put;
	queue->has_put = false;
	return has_put;
}

int port_ethdev_wait_fd(const struct port *port)
{
	const struct port_queue *queue = (const struct port_queue *)port;
	return port->ops == &port_queue_ops ? queue->wait_fd : -1;
}

void port_ethdev_wait_begin(const struct port *port)
{
	const struct port_queue *queue = (const struct port_queue *)port;
	if (port_ethdev_wait_fd(port) >= 0 && queue->device->must_arm)
		rte_eth_dev_rx_intr_enable(queue->device->id, port->queue);
}

void port_ethdev_wait_end(const struct port *port)
{
	const struct port_queue *queue = (const struct port_queue *)port;
	int fd = port_ethdev_wait_fd(port);
	uint64_t count;
	if (fd < 0 || !queue->device->must_arm)
		return;
	rte_eth_dev_rx_intr_disable(queue->device->id, port->queue);
	// A NIC's descriptor is an eventfd that stays readable until read; it does not block.
	if (read(fd, &count, sizeof(count)) < 0)
		return;
}
