// SPDX-License-Identifier: Apache-2.0
// One queue of one port, as a worker sees it: bursts in, bursts out, what the hardware can do. A
// real port is a DPDK ethdev (port_ethdev.h); a simulated one is a link on a virtual clock. No
// syscall, lock or allocation in rx and tx.
#pragma once

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

#define PORT_BURST 32u

struct port;

struct port_ops {
	// rx fills mbufs with at most count (<= PORT_BURST) received frames; returns how many. The
	// caller owns them.
	uint16_t (*rx)(struct port *port, struct rte_mbuf **mbufs, uint16_t count);
	// tx takes the first n frames and returns n; the rest stays the caller's.
	uint16_t (*tx)(struct port *port, struct rte_mbuf **mbufs, uint16_t count);
};

struct port {
	const struct port_ops *ops;
	uint8_t mac[6];
	uint16_t mtu;             // largest IP packet
	uint16_t mss_clamp;       // largest TCP segment; 0 = no clamp
	uint16_t vlan;            // 0 = untagged, else the tag we send and expect
	uint16_t queue;           // this worker's queue
	bool can_checksum_ip4_tx; // offloads; without them net does the work in software
	bool can_checksum_l4_tx;
	bool can_checksum_rx; // mbuf ol_flags tell good and bad
	bool can_segment;     // TSO
	bool can_scatter_tx;  // several segments a frame; without it net makes them one
	bool is_flow_steered; // RSS with our key: packets of a flow arrive at their owner
};
