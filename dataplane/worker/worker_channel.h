// SPDX-License-Identifier: Apache-2.0
// A worker's end of the channel: records down the ring become calls of its modules, events go up.
// What is wrong is counted and refused, never fatal; a gap asks for a full set. The last state
// stays when control is gone, and a new region replaces an old one without touching it.
//
//   (no region) -> WAITING --BEGIN full--> FILLING --COMMIT--> SWEEPING -> SYNCED <--> CHANGING
//                     ^---------------- gap, bad COMMIT (RESYNC goes up) -----------------'
#pragma once

#include "counter.h"
#include "event.h"
#include "handover.h"
#include "slice.h"

#include <stdatomic.h>

struct worker;

#define CHANNEL_BUDGET      32u      // records a loop
#define CHANNEL_SWEEP       2048u    // of a sweep's work a loop (route_sweep): some 50 us
#define CHANNEL_ASKED       64u      // hosts asked lately; they are not asked again at once
#define CHANNEL_AGAIN_US    500000u  // before the same host is asked again
#define CHANNEL_STALE_US    3000000u // a question older than this is nobody's any more
#define CHANNEL_RESYNC_US   1000000u // before a full set is asked for again
#define CHANNEL_PATIENCE_US 5000000u // for the first full set of a region
#define CHANNEL_ALIVE_US    1000000u // between ALIVE events

// A region shared by the workers of one process; the last one to let go unmaps it.
struct channel_region {
	struct region region;
	struct handover_fds fds; // owned; its region is in the one above
	_Atomic uint32_t references;
	_Atomic bool is_broken; // W: workers. it makes no sense any more; hang up on control
};

enum channel_state {
	CHANNEL_DETACHED,
	CHANNEL_WAITING,  // for BEGIN of a full set; rows are refused
	CHANNEL_FILLING,  // inside a full set
	CHANNEL_SWEEPING, // after it: rows it did not name are being forgotten; nothing is read
	CHANNEL_SYNCED,   // between transactions
	CHANNEL_CHANGING, // inside a delta
	CHANNEL_STATE_COUNT
};

// A question about a host, asked of control lately. One that control died over is asked again of
// the next.
struct channel_question {
	uint64_t hash;
	uint64_t asked_us;
	enum event_type type;
	char host[RECORD_HOST_BYTES];
};

struct channel {
	struct worker *worker; // borrowed
	uint32_t worker_index;
	enum channel_state state;
	struct channel_region *attached;          // one reference, or NULL
	_Atomic(struct channel_region *) offered; // W: main thread and worker, by exchange
	struct ring_reader down;
	struct ring_writer up;
	uint64_t sequence;      // of the last record read
	uint64_t generation;    // of the open transaction
	uint64_t applied;       // generation last applied from this region
	uint32_t row_count;     // rows of the open transaction
	uint32_t refused_count; // rows refused since the last APPLIED
	bool has_changed;       // rows were applied since the proxy was told
	bool has_sent;          // events were sent since control was woken
	uint64_t resync_due_us; // when a full set is asked for again
	uint64_t alive_due_us;
	bool is_leaving;      // ALIVE says so
	enum counter trouble; // why the channel is WAITING
	struct channel_question asked[CHANNEL_ASKED];
	_Alignas(8) uint8_t payload[RECORD_MAX_BYTES];
};

// channel_region_new makes a region to be offered, taking what fds holds (fds is emptied).
// references counts the workers it will be offered to, and the caller. Returns NULL and *why (a
// literal) when the region is not good.
struct channel_region *channel_region_new(struct handover_fds *fds, uint32_t worker_count,
					  const char **why);

// channel_region_release gives one reference back.
void channel_region_release(struct channel_region *region);

// channel_init makes a channel without a region.
void channel_init(struct channel *channel, struct worker *worker, uint32_t worker_index);

// channel_fini detaches.
void channel_fini(struct channel *channel);

// channel_offer hands one reference of region to the channel's worker; may be called by another
// thread. The worker takes it in its next loop; an offer that it did not take yet is released.
void channel_offer(struct channel *channel, struct channel_region *region);

// channel_run takes an offered region, applies at most CHANNEL_BUDGET records and wakes control
// when events were sent. True when records were read: more may wait.
bool channel_run(struct channel *channel, uint64_t now_us);

// channel_has_work is true when channel_run has something to do now.
bool channel_has_work(const struct channel *channel);

// channel_apply takes one record as if it came down the ring: what channel_run does with each.
// payload is aligned to 8 and header->bytes long.
void channel_apply(struct channel *channel, const struct record_header *header, const void *payload,
		   uint64_t now_us);

// channel_lookup asks control who serves host, channel_want_cert for a certificate; once in
// CHANNEL_AGAIN_US for the same host. False: cannot ask now (no control, ring full, host not fit).
bool channel_lookup(struct channel *channel, struct slice host, uint64_t now_us);
bool channel_want_cert(struct channel *channel, struct slice host, uint64_t now_us);

// channel_endpoint_failed tells control; lost when it cannot be told.
void channel_endpoint_failed(struct channel *channel, uint32_t endpoint_id, uint32_t failure_count);

// channel_tell_leaving tells control, now and with each ALIVE, that the data plane ends politely.
void channel_tell_leaving(struct channel *channel);

// channel_wake_fd is the eventfd by which control wakes this worker, or -1.
int channel_wake_fd(const struct channel *channel);
