// SPDX-License-Identifier: Apache-2.0
// The host that packetdrill judges: a simulated one (10.0.0.1, fd00::1) and the bare other end of
// its wire, which answers every question for a neighbour. Time is virtual and moves only by
// drill_host_pass and drill_host_receive.
#pragma once

#include "sim_host.h"

#define DRILL_PACKET_BYTES 65536u
#define DRILL_SILENCE_US   3600000000ull // what drill_host_receive waits for at most

struct drill_host {
	uint64_t now_us;
	struct sim_link *link;
	struct sim_memory *wire_memory;
	struct port *wire; // the script's side
	struct sim_host host;
	struct rte_mbuf *left[64]; // IP packets that left the host, oldest first
	uint64_t left_us[64];
	uint32_t left_count;
};

// drill_host_open starts DPDK and makes the host. Aborts without memory.
void drill_host_open(struct drill_host *drill);

// drill_host_close frees it.
void drill_host_close(struct drill_host *drill);

// drill_host_settle lets the host do what is due now.
void drill_host_settle(struct drill_host *drill);

// drill_host_pass lets us microseconds pass.
void drill_host_pass(struct drill_host *drill, uint64_t us);

// drill_host_send gives the host an IP packet of bytes bytes. Returns 0, EINVAL (neither IPv4 nor
// IPv6, too long) or ENOBUFS.
int drill_host_send(struct drill_host *drill, const void *packet, size_t bytes);

// drill_host_receive takes the next IP packet that leaves the host, into packet (*bytes long),
// after as much time as that takes; *bytes is 0 after DRILL_SILENCE_US without any.
void drill_host_receive(struct drill_host *drill, void *packet, size_t *bytes, uint64_t *time_us);
