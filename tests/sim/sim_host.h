// SPDX-License-Identifier: Apache-2.0
// One simulated host: a real net and a real tcp on a port of a simulated segment, with pools of its
// own whose leaks can be counted. Pools are made once a process, stacks once a run.
#pragma once

#include "buf.h"
#include "counter.h"
#include "net.h"
#include "random.h"
#include "sim_link.h"
#include "tcp.h"
#include "tcp_invariants.h"
#include "wheel.h"

// What lives as long as the process: packet and record buffers of one host.
struct sim_memory {
	struct rte_mempool *mbufs;
	struct buf_pool bufs;
	void *block; // behind bufs
};

struct sim_host {
	struct sim_memory *memory; // borrowed
	struct counters counters;
	struct random_source random;
	struct wheel wheel;
	struct port *port; // the link's
	struct net *net;
	struct tcp *tcp;
	struct tcp_invariants *invariants;
	void (*broken)(void *user, const char *rule);
	void *user; // for broken
};

struct sim_host_config {
	uint32_t number; // 1 .. 254: last byte of MAC, 10.0.0.N and fd00::N
	struct sim_memory *memory;
	struct sim_link *link;
	struct tcp_limits limits;
	struct siphash_key seed;
	uint64_t now_us;
	// A worker of a host that has several (worker_count > 1): its own view of the host's port,
	// and who takes packets for the others, as net_config's does. All zero: a host of one.
	struct port *port;
	uint32_t worker_index, worker_count;
	void (*handoff)(void *user, uint32_t owner, struct rte_mbuf *mbuf);
	// exception takes what is not the host's, as net_config's does; NULL: there is no such
	// path.
	void (*exception)(void *user, uint32_t port_index, struct rte_mbuf *mbuf);
	// broken hears which invariant of tcp does not hold (tcp_invariants.h); NULL: abort with
	// it.
	void (*broken)(void *user, const char *rule);
	void *user; // for all three
};

// sim_start initialises DPDK without hugepages, devices or files; call once. Aborts when it fails.
void sim_start(void);

// sim_memory_new makes the pools of one host: mbuf_count packets, large and small buffers.
struct sim_memory *sim_memory_new(const char *name, uint32_t mbuf_count, uint32_t large_count,
				  uint32_t small_count);

// sim_memory_free gives it back: nothing may be in use.
void sim_memory_free(struct sim_memory *memory);

// sim_memory_in_use counts mbufs and bufs out of their pools.
uint32_t sim_memory_in_use(const struct sim_memory *memory);

// sim_limits are limits that fit a simulation: small tables, patience with heavy loss.
struct tcp_limits sim_limits(void);

// sim_host_open makes host's stack as config says. Aborts without memory.
void sim_host_open(struct sim_host *host, const struct sim_host_config *config);

// sim_host_close frees the stack.
void sim_host_close(struct sim_host *host);

// sim_host_addr is the address of host number.
struct addr sim_host_addr(uint32_t number, bool is_v6);

// sim_host_step runs one loop: receive, timers, events with this budget, transmit; tcp's invariants
// are looked at after each.
void sim_host_step(struct sim_host *host, uint64_t now_us, uint32_t budget);

// sim_host_next_us is when the host wants to run again: now when something is ready.
uint64_t sim_host_next_us(const struct sim_host *host, uint64_t now_us);
