// SPDX-License-Identifier: Apache-2.0
// What targets share that take frames from the wire: EAL, a pool, a net of both families behind a
// port, and an input that is a run of frames, each after a byte of options and two of length.
#pragma once

#include "net.h"
#include "port.h"

#define FUZZ_FRAME_SPLIT 1u // option of every target: in two segments

// The stack in front of the wire; a target has one an input, zeroed.
struct fuzz_net {
	struct net *net;
	struct port port;
	struct port *ports[1];
	struct wheel wheel;
	struct random_source random;
	struct counters counters;
	uint64_t now_us;
};

// fuzz_frame_pool starts EAL with the first call and returns the process's pool of mbufs.
struct rte_mempool *fuzz_frame_pool(void);

// fuzz_frame_open makes at->net, with addresses and default routes of both families, behind a port
// of these ops; what else the port can is set before by the target.
void fuzz_frame_open(struct fuzz_net *at, const struct port_ops *ops);

// fuzz_frame_close frees at->net and checks that each mbuf is back and no timer is armed.
void fuzz_frame_close(struct fuzz_net *at);

// fuzz_frame_no_rx is an rx that finds nothing.
uint16_t fuzz_frame_no_rx(struct port *port, struct rte_mbuf **mbufs, uint16_t count);

// fuzz_frame_of makes an mbuf of bytes bytes, in one segment or two; the caller's.
struct rte_mbuf *fuzz_frame_of(const uint8_t *at, size_t bytes, bool is_split);

// fuzz_frame_each calls run for each frame of an input, of at most 2048 bytes.
void fuzz_frame_each(const uint8_t *data, size_t size, void *user,
		     void (*run)(void *user, uint8_t options, const uint8_t *at, size_t bytes));
