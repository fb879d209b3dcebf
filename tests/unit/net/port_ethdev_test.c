// SPDX-License-Identifier: Apache-2.0
// Ports on a DPDK device that is a ring: what a worker with a queue and one without see.
#include "net_fake.h"

#include "check.h"
#include "port_ethdev.h"

#include <rte_eth_ring.h>
#include <rte_ring.h>

#include <string.h>

#define RING_FRAMES 64u

struct rig {
	struct rte_mempool *mbufs;
	struct rte_ring *ring; // what is sent is received again
	struct counters counters[2];
	struct port_ethdev *device;
	struct port *ports[2];
};

static void rig_open(struct rig *rig, const char *name, uint32_t workers)
{
	char why[200] = "", device[64];
	struct rte_mempool *pools[2];
	struct counters *counters[2] = {&rig->counters[0], &rig->counters[1]};
	fake_eal();
	memset(rig, 0, sizeof(*rig));
	rig->mbufs = rte_pktmbuf_pool_create(name, 2047, 0, 64, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	rig->ring = rte_ring_create(name, RING_FRAMES, 0, 0);
	CHECK(rig->mbufs && rig->ring && rte_eth_from_ring(rig->ring) >= 0);
	pools[0] = pools[1] = rig->mbufs;
	snprintf(device, sizeof(device), "net_ring_%s", name);
	struct port_ethdev_config config = {.device = device,
					    .worker_count = workers,
					    .vlan = 7,
					    .mbufs = pools,
					    .counters = counters};
	rig->device = port_ethdev_open(&config, why, sizeof(why));
	if (!rig->device)
		printf("# %s\n", why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(rig->device);
	for (uint32_t i = 0; i < workers; i++)
		rig->ports[i] = port_ethdev_port(rig->device, i);
}

static void rig_close(struct rig *rig)
{
	void *mbuf;
	port_ethdev_close(rig->device);
	while (rte_ring_dequeue(rig->ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(rig->mbufs), 0);
	rte_ring_free(rig->ring);
	rte_mempool_free(rig->mbufs);
}

static struct rte_mbuf *frame(struct rig *rig, uint8_t mark)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig->mbufs);
	CHECK(mbuf);
	memset(rte_pktmbuf_append(mbuf, 100), mark, 100);
	return mbuf;
}

// send gives count frames to a worker's port one by one; returns how many it took.
static uint32_t send_frames(struct rig *rig, struct port *port, uint32_t count)
{
	uint32_t taken = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = frame(rig, (uint8_t)i);
		if (port->ops->tx(port, &mbuf, 1) == 1)
			taken++;
		else
			rte_pktmbuf_free(mbuf);
	}
	return taken;
}

static uint32_t receive(struct port *port)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	uint16_t count = port->ops->rx(port, mbufs, PORT_BURST);
	rte_pktmbuf_free_bulk(mbufs, count);
	return count;
}

static void a_worker_sends_and_receives_on_its_queue(void)
{
	struct rig rig;
	rig_open(&rig, "own", 1);
	CU_ASSERT_FALSE(port_ethdev_is_shared(rig.device));
	CU_ASSERT_EQUAL(rig.ports[0]->mtu, 1500);
	CU_ASSERT_EQUAL(rig.ports[0]->vlan, 7);
	CU_ASSERT_EQUAL(send_frames(&rig, rig.ports[0], 10), 10);
	CU_ASSERT_EQUAL(receive(rig.ports[0]), 10);
	CU_ASSERT_EQUAL(rig.counters[0].value[COUNTER_port_tx_packets], 10);
	CU_ASSERT_EQUAL(rig.counters[0].value[COUNTER_port_tx_bytes], 1000);
	CU_ASSERT_EQUAL(rig.counters[0].value[COUNTER_port_rx_packets], 10);
	CU_ASSERT_EQUAL(rig.counters[0].value[COUNTER_port_rx_bytes], 1000);
	CU_ASSERT_EQUAL(port_ethdev_wait_fd(rig.ports[0]), -1);
	rig_close(&rig);
}

static void a_head_that_the_device_refuses_for_long_is_dropped(void)
{
	struct rig rig;
	rig_open(&rig, "refuse", 1);
	CU_ASSERT_EQUAL(send_frames(&rig, rig.ports[0], RING_FRAMES - 1), RING_FRAMES - 1);
	CU_ASSERT_EQUAL(send_frames(&rig, rig.ports[0], 255), 0);
	CU_ASSERT_EQUAL(rig.counters[0].value[COUNTER_port_tx_refused], 0);
	CU_ASSERT_EQUAL(send_frames(&rig, rig.ports[0], 1), 1); // taken, to be dropped
	CU_ASSERT_EQUAL(rig.counters[0].value[COUNTER_port_tx_refused], 1);
	CU_ASSERT_EQUAL(rig.counters[0].value[COUNTER_port_tx_packets], RING_FRAMES - 1);
	rig_close(&rig);
}

static void a_worker_without_a_queue_sends_through_worker_0(void)
{
	struct rig rig;
	rig_open(&rig, "shared", 2);
	CU_ASSERT(port_ethdev_is_shared(rig.device));
	CU_ASSERT_FALSE(rig.ports[1]->can_scatter_tx);
	CU_ASSERT_FALSE(port_ethdev_take_wake(rig.ports[1]));
	CU_ASSERT_EQUAL(send_frames(&rig, rig.ports[1], 10), 10);
	CU_ASSERT(port_ethdev_take_wake(rig.ports[1]));
	CU_ASSERT_FALSE(port_ethdev_take_wake(rig.ports[1]));
	CU_ASSERT_EQUAL(receive(rig.ports[1]), 0);
	CU_ASSERT_EQUAL(receive(rig.ports[0]), 10); // sent, and looped back by the device
	CU_ASSERT_EQUAL(rig.counters[0].value[COUNTER_port_tx_packets], 10);
	rig_close(&rig);
}

static void the_ring_of_a_shared_queue_is_bounded(void)
{
	struct rig rig;
	rig_open(&rig, "bounded", 2);
	CU_ASSERT_EQUAL(send_frames(&rig, rig.ports[1], 1100), 1023);
	CU_ASSERT_EQUAL(send_frames(&rig, rig.ports[0], RING_FRAMES - 11), RING_FRAMES - 11);
	receive(rig.ports[0]); // ten of 32 fit before the device is emptied
	CU_ASSERT_EQUAL(rig.counters[0].value[COUNTER_port_tx_shared_refused], 22);
	rig_close(&rig);
}

static void a_device_that_is_not_there_is_told(void)
{
	char why[200] = "";
	struct rte_mempool *pools[1] = {NULL};
	struct counters counters;
	struct counters *list[1] = {&counters};
	fake_eal();
	struct port_ethdev_config config = {
		.device = "net_nonsense0", .worker_count = 1, .mbufs = pools, .counters = list};
	CU_ASSERT_PTR_NULL(port_ethdev_open(&config, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "net_nonsense0: cannot probe"));
}

static void generic_xdp_on_another_device_is_refused(void)
{
	char why[200] = "";
	struct counters counters;
	struct counters *list[1] = {&counters};
	fake_eal();
	struct rte_mempool *pools[1] = {
		rte_pktmbuf_pool_create("generic", 2047, 0, 64, RTE_MBUF_DEFAULT_BUF_SIZE, 0)};
	struct rte_ring *ring = rte_ring_create("generic", RING_FRAMES, 0, 0);
	CHECK(pools[0] && ring && rte_eth_from_ring(ring) >= 0);
	struct port_ethdev_config config = {.device = "net_ring_generic",
					    .worker_count = 1,
					    .is_generic_xdp = true,
					    .mbufs = pools,
					    .counters = list};
	CU_ASSERT_PTR_NULL(port_ethdev_open(&config, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "net_ring_generic: generic_xdp is for net_af_xdp"));
	rte_ring_free(ring);
	rte_mempool_free(pools[0]);
}

UNIT_MAIN("port_ethdev",
	  {"a worker sends and receives on its queue", a_worker_sends_and_receives_on_its_queue},
	  {"a head that the device refuses for long is dropped",
	   a_head_that_the_device_refuses_for_long_is_dropped},
	  {"a worker without a queue sends through worker 0",
	   a_worker_without_a_queue_sends_through_worker_0},
	  {"the ring of a shared queue is bounded", the_ring_of_a_shared_queue_is_bounded},
	  {"a device that is not there is told", a_device_that_is_not_there_is_told},
	  {"generic XDP on another device is refused", generic_xdp_on_another_device_is_refused})
