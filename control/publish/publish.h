// SPDX-License-Identifier: Apache-2.0
// Brings every worker's rows to the latest rowset: a full set to a new ring, the difference after
// that. A full ring is waited for; meanwhile newer sets only replace the goal, so the backlog of a
// slow worker is one transaction and a bounded queue of single answers.
//
//   latest ──(goal)──▶ worker: base ──BEGIN rows removes COMMIT──▶ base = goal ──▶ again while !=
//   latest
#pragma once

#include "region.h"
#include "rowset.h"

#define PUBLISH_ONCE_MAX 1024u      // single answers that may wait for one worker
#define PUBLISH_ALL      UINT32_MAX // every worker

struct publish;

struct publish_status {
	uint64_t sent_generation;
	uint64_t applied_generation;
	uint64_t lag_us;        // age of the oldest COMMIT that was not applied; 0 = none
	uint32_t row_count;     // of the set it holds
	uint32_t waiting_count; // single answers
	uint64_t dropped_count; // single answers for which there was no room
	uint64_t full_count;    // full sets sent
	uint64_t delta_count;
	uint64_t refused_count; // rows the worker did not take
	bool is_current;        // the latest set is applied
	bool is_broken;         // the ring makes no sense: attach anew
};

// publish_new makes a publisher without workers. generation is the first one's; it must be larger
// than any of an earlier process (microseconds since 1970 are). NULL: memory is short.
struct publish *publish_new(uint64_t generation);

// publish_free ends it; NULL is fine.
void publish_free(struct publish *publish);

// publish_generation returns a new generation, larger than all before.
uint64_t publish_generation(struct publish *publish);

// publish_attach starts at the beginning of a region's down rings; wake_fds (borrowed until detach)
// has one eventfd a worker. publish_detach forgets them.
void publish_attach(struct publish *publish, const struct region *region, const int *wake_fds);
void publish_detach(struct publish *publish);

// publish_set makes set (borrowed; a reference is taken) the goal.
void publish_set(struct publish *publish, struct rowset *set);

// publish_latest borrows the goal; NULL before the first.
const struct rowset *publish_latest(const struct publish *publish);

// publish_resync sends worker a full set next, and a purge of everything when one on its way may
// have been lost.
void publish_resync(struct publish *publish, uint32_t worker);

// publish_once queues one row that is in no set (ROUTE_ABSENT, CERT_ABSENT, PURGE) or is sent again
// (ROUTE), to one worker or PUBLISH_ALL. A purge that finds no room becomes a purge of everything.
void publish_once(struct publish *publish, uint32_t worker, const struct rowset_row *row,
		  const char *tail);

// publish_run writes what fits now. True when something still waits: call again soon.
bool publish_run(struct publish *publish, uint64_t now_us);

// publish_applied notes a worker's APPLIED.
void publish_applied(struct publish *publish, uint32_t worker, uint64_t generation,
		     uint32_t refused_count, uint64_t now_us);

// publish_is_quiet is true when every worker has applied all that was queued and sent.
bool publish_is_quiet(const struct publish *publish);

// publish_worker_count counts workers attached; publish_read_status tells about one.
uint32_t publish_worker_count(const struct publish *publish);
void publish_read_status(const struct publish *publish, uint32_t worker, uint64_t now_us,
			 struct publish_status *status);
