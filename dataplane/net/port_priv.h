// SPDX-License-Identifier: Apache-2.0
// What port_ethdev.c (bursts) and port_open.c (configuration) share.
#pragma once

#include "port_ethdev.h"

#include <rte_ethdev.h>
#include <rte_ring.h>

#include <sys/select.h>

#define PORT_RING_FRAMES 1024u // that wait for worker 0 to send them
#define PORT_WHY_BYTES   256u

// One worker's view of a device.
struct port_queue {
	struct port port; // first: struct port_ops get it
	struct port_ethdev *device;
	struct counters *counters;
	uint32_t stall_count; // calls of tx in a row that sent nothing
	int wait_fd;          // borrowed of DPDK: readable when frames arrive; -1 = none
	bool has_put;         // frames went on the ring since port_ethdev_take_wake
};

struct port_ethdev {
	uint16_t id;          // DPDK's port number
	uint16_t queue_count; // 1, or one a worker
	uint32_t worker_count;
	uint32_t stall_max; // a head that was refused so often is dropped
	bool is_tap;
	bool must_arm; // wait_fd is an interrupt's: to be enabled before a sleep
	bool is_started;
	int xdp_link;              // owned: generic XDP ends when it is closed; -1 = none
	struct rte_ring *ring;     // owned: frames for worker 0 to send; NULL when nobody shares
	struct port_queue *queues; // owned: worker_count
};

extern const struct port_ops port_queue_ops; // of a worker with a queue of its own
extern const struct port_ops port_ring_ops;  // of a worker that sends through worker 0

// port_xdp_note writes which of our descriptors (below FD_SETSIZE) are AF_XDP sockets now.
void port_xdp_note(fd_set *sockets);

// port_xdp_find is the one AF_XDP socket that port_xdp_note did not see; -1 for none or several.
int port_xdp_find(const fd_set *sockets);

// port_xdp_use_generic puts a program of ours for generic XDP in the place of the one that DPDK
// attached to the driver of interface if_index; it gives what arrives on queue i to sockets[i].
// Returns a descriptor that keeps it attached (close it), or a negative errno.
int port_xdp_use_generic(uint32_t if_index, const int *sockets, uint32_t count);
