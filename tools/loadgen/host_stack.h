// SPDX-License-Identifier: Apache-2.0
// Our stack as a plain host: one worker's net and TCP on the first port of a node's configuration,
// in the caller's thread, on the real clock. What a worker is without TLS, HTTP and control.
#pragma once

#include "buf.h"
#include "conf.h"
#include "counter.h"
#include "net.h"
#include "port_ethdev.h"
#include "tcp.h"
#include "worker_idle.h"

struct host_stack {
	struct conf *conf; // owned
	uint64_t now_us;
	struct wheel wheel;
	struct random_source random;
	struct counters counters;
	struct rte_mempool *mbufs;
	struct buf_pool bufs;
	struct port_ethdev *device;
	struct port *port;
	struct net *net;
	struct tcp *tcp;
	struct idle idle;
};

// host_stack_open starts EAL, the port and the stack as conf says, which it owns from now on
// (free); ends the program with a message when it cannot.
void host_stack_open(struct host_stack *stack, struct conf *conf);

// host_stack_turn takes what came, runs timers and events, and sends; then it sleeps as a worker
// would, at most sleep_max_us, when there was nothing to do. Returns true when there was something.
bool host_stack_turn(struct host_stack *stack, uint64_t sleep_max_us);

// host_stack_close gives everything back. Connections end without a word.
void host_stack_close(struct host_stack *stack);

// host_stack_print writes all counters that are not 0 as JSON members, without braces.
void host_stack_print(const struct host_stack *stack, FILE *out);
