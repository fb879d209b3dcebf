// SPDX-License-Identifier: Apache-2.0
// A worker: one core, one loop, everything it owns by value or by a pointer that only it holds. It
// is a function of packets, time and randomness: worker_boot runs it on cores and devices, the
// simulator on a virtual clock and simulated ports.
//
//   rx -> handed packets -> records -> timers -> tls, cache -> tcp ready -> proxy -> tcp ready ->
//   tx
#pragma once

#include "buf.h"
#include "cache.h"
#include "conf.h"
#include "counter.h"
#include "journal.h"
#include "l4.h"
#include "net.h"
#include "port_ethdev.h"
#include "proxy.h"
#include "random.h"
#include "route.h"
#include "tcp.h"
#include "tls.h"
#include "wheel.h"
#include "worker_channel.h"
#include "worker_disk.h"
#include "worker_drain.h"
#include "worker_handoff.h"
#include "worker_offload.h"
#include "worker_stages.h"

#define WORKER_READY_BUDGET     256u // connections of TCP's ready list, twice a loop
#define WORKER_PROXY_BUDGET     256u // transports of the proxy's busy list
#define WORKER_TIMER_BUDGET     256u
#define WORKER_HANDSHAKE_BUDGET 1u // handshake steps: the longest indivisible piece of a loop

struct worker_params {
	const struct conf *conf; // borrowed for the worker's life
	uint32_t index;          // 0 .. count - 1
	uint32_t count;
	struct port *const *ports; // this worker's queue of conf's ports, in order; borrowed
	// Worker 0's kernel taps by port, entries may be NULL; NULL for the others, and without
	// any.
	struct port_exception *const *exceptions;
	struct rte_mempool *mbufs; // private area >= sizeof(struct packet); borrowed
	void *buffer_memory;       // worker_buffer_bytes, aligned to 64; borrowed
	uint64_t buffer_iova;      // I/O address of its first byte
	struct siphash_key seed;
	struct siphash_key cache_secret; // the same for all workers of a node
	struct handoff *handoff;         // borrowed; NULL when count is 1
	struct worker_disk *disk;        // borrowed; NULL: no second tier of the cache
	struct worker_offload *offload;  // borrowed; NULL: no helper cores
	struct ring_writer *access;      // borrowed; NULL: no access log
	struct rate_table *rates;        // borrowed; one for all workers of a node
	uint64_t now_us;
	uint64_t wall_s;
	uint64_t (*clock_ns)(void); // what work costs; NULL on a virtual clock
};

struct worker {
	const struct conf *conf;
	uint32_t index;
	uint32_t count;
	uint64_t now_us;
	uint64_t wall_s;
	struct counters counters;
	struct journal journal;
	struct wheel wheel;
	struct random_source random;
	struct buf_pool bufs;
	struct rte_mempool *mbufs;                // borrowed
	struct port *const *ports;                // borrowed
	struct port_exception *const *exceptions; // borrowed
	uint32_t port_count;
	struct net *net;
	struct l4 *l4; // NULL: nothing is forwarded by packet
	struct tcp *tcp;
	struct tls *tls;
	struct route_table *routes;
	struct proxy *proxy;
	struct cache *cache;            // NULL: no cache
	struct worker_disk *disk;       // borrowed; NULL: no second tier
	struct worker_offload *offload; // borrowed; NULL: no helper cores
	struct handoff *handoff;
	struct channel channel;
	struct ring_writer *access; // borrowed: entries of the access log, or NULL
	struct rate_table *rates;   // borrowed
	uint64_t (*clock_ns)(void);
	struct capture_tap *tap; // borrowed: of a capture under way, or NULL
	struct worker_drain drain;
	struct worker_stages stages;
};

// worker_buffer_bytes is the size of params.buffer_memory for this configuration.
size_t worker_buffer_bytes(const struct conf *conf);

// worker_alloc returns memory for a worker that is nothing yet, but whose counters may be lent to
// its ports; NULL when memory is short.
struct worker *worker_alloc(void);

// worker_init makes it a worker, taking all the memory it will ever need. Returns NULL, or why it
// cannot be (a literal): memory is short or the configuration asks for what cannot be. Then
// worker_fini it.
const char *worker_init(struct worker *worker, const struct worker_params *params);

// worker_close drops every exchange and connection without a word to peers. With several workers,
// close them all before the first is freed: they lend each other cached objects.
void worker_close(struct worker *worker);

// worker_fini gives all its memory back but the struct itself, which worker_free frees too.
void worker_fini(struct worker *worker);
void worker_free(struct worker *worker);

// worker_spans adds the memory of its tables and pools to spans, what grows soonest first.
void worker_spans(const struct worker *worker, struct spans *spans);

// worker_step is one turn of the loop at now_us (µs, never going back) and wall_s (Unix seconds).
// True when it did something or something is left: call again at once. False: nothing to do before
// worker_next_us or the next packet, record or handed packet.
bool worker_step(struct worker *worker, uint64_t now_us, uint64_t wall_s);

// worker_next_us is when a timer may fire, at the latest one second ahead (heartbeats).
uint64_t worker_next_us(const struct worker *worker);

// worker_has_input is true when records or handed packets wait: look once more before a sleep.
bool worker_has_input(const struct worker *worker);
