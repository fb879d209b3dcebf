// SPDX-License-Identifier: Apache-2.0
// The world of tcp_scale: a net on a port like a NIC's, and peers whose segments are made up.
#pragma once

#include "net.h"
#include "tcp.h"
#include "tcp_segment.h"

#include <rte_mbuf.h>

#define PORTS_A_PEER 16384u
#define FIRST_PORT   1024u

// What the world knows of a peer's connection.
struct peer {
	struct tcp_seq nxt; // next to send
	struct tcp_seq ack; // next to expect
};

struct rig {
	struct port port;
	struct port *ports[1];
	struct rte_mempool *mbufs;
	struct wheel wheel;
	struct counters counters;
	struct random_source random;
	struct net *net;
	struct tcp *tcp;
	uint64_t now_us;
	uint64_t cycles;   // spent in the stack since the last sample
	uint64_t *samples; // one a burst, or two that belong together
	uint32_t sample_count;
	uint32_t peer_count;
	uint32_t open_count;
	uint64_t heard_bytes;
	uint64_t sent_frames;
	struct peer *peers;
};

// scale_make_net makes rig's port and its net, on rig's packets, wheel and counters.
void scale_make_net(struct rig *rig);

// scale_segment makes peer index's next segment: flags, and so many bytes of payload.
struct rte_mbuf *scale_segment(struct rig *rig, uint32_t index, uint8_t flags, uint32_t payload);

// scale_router is the answer to the stack's question for its router.
struct rte_mbuf *scale_router(struct rig *rig);
