// SPDX-License-Identifier: Apache-2.0
// A simulated Ethernet segment on a virtual clock: frames between ports are lost, delayed,
// reordered, duplicated, corrupted, queued and paced, all drawn from one seed, so that a failing
// run replays.
//
//   uint64_t now_us = 0;                                   // the world's clock, yours
//   struct sim_link *lan = sim_link_new(&config, &now_us, seed);
//   struct port *a = sim_link_attach(lan, mac_a, mbufs_a); // into net_config.ports of host a
//   struct port *b = sim_link_attach(lan, mac_b, mbufs_b); // and of host b, c, ...
//   loop: for each host: set times, port->ops->rx -> net_input, run, net_flush
//         now_us = min(sim_link_next_us(lan), each host's wheel_next_us)
//
// A segment behaves as a switch that knows its ports: a frame goes to the port of its destination
// MAC, a group frame to all others. Impairments are drawn per receiver. A host may have ports on
// several segments (an edge between clients and core). Frames are copied when transmitted; the
// mbufs are freed a few transmissions later, as a NIC's ring does, so sim_link_release before
// counting. A simulator is not the packet loop: it allocates.
#pragma once

#include "port.h"
#include "siphash.h"

#include <rte_mempool.h>

#include <stdbool.h>
#include <stdint.h>

#define SIM_LINK_PORTS   16u
#define SIM_LINK_CERTAIN 10000u // chances are counted in ten-thousandths: 100 = 1 %
#define SIM_LINK_TX_RING 16u    // mbufs a port keeps after their transmission

struct sim_link;

struct sim_link_config {
	uint32_t loss;    // chance that a frame vanishes
	uint32_t reorder; // chance that a frame is held back by up to reorder_us
	// Losses in bursts (Gilbert and Elliott), besides loss: a receiver's path turns bad with
	// one chance a frame and good again with another; while it is bad, bad_loss is the chance
	// of each frame to vanish.
	uint32_t turns_bad, turns_good, bad_loss;
	uint32_t duplicate;  // chance that a frame comes twice
	uint32_t corrupt;    // chance that one bit of an IP frame flips
	uint32_t latency_us; // one way
	uint32_t jitter_us;  // added, 0 .. jitter_us; alone it does not reorder
	uint32_t reorder_us;
	uint64_t bytes_per_s; // of each transmitting port; 0 = no limit
	uint32_t queue_bytes; // waiting for bytes_per_s; beyond it frames are dropped
	// A policer: frames beyond bytes_per_s are dropped at once, not queued; as many bytes may
	// come at once. 0 = none.
	uint64_t policed_bytes_per_s;
	uint32_t policed_burst_bytes;
	uint32_t mark_bytes; // the same, beyond it ECT packets are marked CE; 0 = never
	uint16_t mtu;        // largest IP packet: longer frames vanish
	uint16_t vlan;       // told to the ports; the segment itself does not look at tags
	bool cuts; // IPv4 that exceeds mtu goes on in fragments, whatever its DF says (a tunnel)
	bool tells_too_big; // what exceeds mtu is answered as by a router (ICMP), not lost silently
	uint8_t split; // 1: received frames come as two mbufs, cut at random behind the headers
	// tamper may change a frame that port sent, or drop it by returning false; NULL: leave it.
	bool (*tamper)(void *user, const struct port *port, uint8_t *frame, uint32_t bytes);
	void *user; // for tamper
};

// What happened on a segment, of all ports together.
struct sim_link_totals {
	uint64_t sent, delivered, lost, queue_dropped, policed, too_long, cut, reordered,
		duplicated, corrupted;
	uint64_t marked; // CE (RFC 3168)
	uint64_t no_mbuf, nobody, tampered_out;
};

// sim_link_new makes a segment; now_us is borrowed and read at every call. Aborts without memory.
struct sim_link *sim_link_new(const struct sim_link_config *config, const uint64_t *now_us,
			      struct siphash_key seed);

// sim_link_free frees the segment, its ports and the frames on their way.
void sim_link_free(struct sim_link *link);

// sim_link_attach adds a port with this MAC, which receives into mbufs (borrowed, with room for the
// MTU in one or two mbufs). The port belongs to the link and offers no offload but scattered
// transmission; change its fields before net_new where a test wants otherwise.
struct port *sim_link_attach(struct sim_link *link, const uint8_t mac[6],
			     struct rte_mempool *mbufs);

// sim_link_share adds another worker's view of a port of link: it sends as that port does and, when
// it is_receiving, takes from the same queue into mbufs (borrowed), as a device with several queues
// and no steering does; else it receives nothing. It cannot scatter, like worker_count > 1 on one
// queue. Belongs to the link.
struct port *sim_link_share(struct sim_link *link, struct port *port, struct rte_mempool *mbufs,
			    bool is_receiving);

// sim_link_configure changes the impairments of frames sent from now on.
void sim_link_configure(struct sim_link *link, const struct sim_link_config *config);

// sim_link_next_us is when the next frame arrives anywhere; UINT64_MAX when none is on its way. A
// frame that waits to be received is due already.
uint64_t sim_link_next_us(const struct sim_link *link);

// sim_link_release frees the mbufs that the ports still keep after transmission.
void sim_link_release(struct sim_link *link);

// sim_link_totals_of tells what happened so far.
struct sim_link_totals sim_link_totals_of(const struct sim_link *link);
