// SPDX-License-Identifier: Apache-2.0
// Ports on DPDK devices. A device is opened once at boot, for all workers; each worker then has its
// own struct port of it. With as many queues as workers, everybody has his own. With fewer, worker
// 0 owns the one queue: the others receive nothing (net hands their flows over) and send through a
// ring that worker 0 empties whenever it polls.
//
// Before rte_eal_init the program must ignore (SIG_IGN) every real-time signal, SIGRTMIN..SIGRTMAX:
// net_tap otherwise takes one signal a packet (68 instead of 474 kpps). The mempools must be
// multi-producer (the default): a shared queue frees other workers' mbufs.
#pragma once

#include "counter.h"
#include "port.h"

#include <rte_mempool.h>

struct port_ethdev;    // one device, all its queues
struct port_exception; // a kernel tap beside a port

struct port_ethdev_config {
	// "net_tap0,iface=mr0", "net_af_packet0,iface=eth0", "net_af_xdp0,iface=eth0",
	// "net_memif0,role=...", "net_null0" or a PCI address, with DPDK's arguments. A device that
	// EAL made already (--vdev, -a) is used, any other is hot-plugged.
	const char *device;
	uint32_t worker_count;
	uint16_t mtu;                     // 0 = the device's
	uint16_t vlan;                    // 0 = untagged
	uint16_t mss_clamp;               // 0 = none
	const uint8_t *mac;               // NULL = the device's, or one beside it for net_tap
	bool is_generic_xdp;              // net_af_xdp: the kernel's generic XDP, not the driver's
	struct rte_mempool *const *mbufs; // worker_count of them, borrowed
	struct counters *const *counters; // worker_count of them, borrowed
};

// port_pool_new makes a pool of count mbufs for a worker, each with private_bytes (a multiple of
// RTE_MBUF_PRIV_ALIGN) of private area. is_for_af_xdp when any of its ports is an AF_XDP device:
// mbufs then take a page each. Returns NULL when memory is short; rte_mempool_free it.
struct rte_mempool *port_pool_new(const char *name, uint32_t count, uint16_t private_bytes,
				  bool is_for_af_xdp);

// port_ethdev_open takes a device, configures and starts it. Returns NULL with a sentence in why
// (why_bytes long).
struct port_ethdev *port_ethdev_open(const struct port_ethdev_config *config, char *why,
				     size_t why_bytes);

// port_ethdev_close stops the device, frees what waits in its rings, and gives memory back. No
// worker may use its ports any more.
void port_ethdev_close(struct port_ethdev *device);

// port_ethdev_port is worker's queue; borrowed, only for that worker.
struct port *port_ethdev_port(struct port_ethdev *device, uint32_t worker);

// port_ethdev_number is DPDK's number of the device.
uint16_t port_ethdev_number(const struct port_ethdev *device);

// port_ethdev_received is how many frames the device has received on all its queues, by its
// driver's count; 0 where it has none. For any thread.
uint64_t port_ethdev_received(const struct port_ethdev *device);

// port_ethdev_is_shared is true when worker 0 owns the device's only queue.
bool port_ethdev_is_shared(const struct port_ethdev *device);

// port_ethdev_take_wake is true, once, when frames were put on worker 0's ring since the last call:
// wake worker 0, it may sleep. Call it after net_flush.
bool port_ethdev_take_wake(struct port *port);

// port_ethdev_wait_fd is a descriptor that becomes readable when frames arrive for this worker, or
// -1: poll. A worker without a queue needs none and also gets -1 (port_ethdev_is_shared).
int port_ethdev_wait_fd(const struct port *port);

// port_ethdev_wait_begin arms the interrupt before sleeping on port_ethdev_wait_fd; poll once more
// after it, since frames may have come before. port_ethdev_wait_end disarms it after waking up.
void port_ethdev_wait_begin(const struct port *port);
void port_ethdev_wait_end(const struct port *port);

// port_exception_open makes the kernel interface iface (a tap with the MAC of device) for traffic
// that is not ours; mbufs is worker 0's. Used by worker 0 only. Returns NULL with a sentence in
// why.
struct port_exception *port_exception_open(struct port_ethdev *device, const char *iface,
					   struct rte_mempool *mbufs, char *why, size_t why_bytes);

// port_exception_close removes the kernel interface.
void port_exception_close(struct port_exception *exception);

// port_exception_send gives a frame to the kernel; takes mbuf, counted as exception_full when the
// kernel does not.
void port_exception_send(struct port_exception *exception, struct rte_mbuf *mbuf);

// port_exception_run sends on the port what the kernel sent, at most PORT_BURST frames; returns how
// many there were.
uint32_t port_exception_run(struct port_exception *exception);

// port_exception_wait_fd is readable when the kernel has sent, or -1.
int port_exception_wait_fd(const struct port_exception *exception);
