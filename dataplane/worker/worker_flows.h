// SPDX-License-Identifier: Apache-2.0
// What a worker tells of its TCP flows, as questions for worker_thread_ask: each call looks at a
// bounded number of slots, so a million connections are walked between the turns of the loop.
#pragma once

#include "worker.h"

#define FLOWS_SLOTS_PER_TURN 256u
#define FLOWS_MAX            16u // of one page: what DPDK's telemetry can answer at once
#define FLOWS_STATES_MAX     16u
#define FLOWS_SLABS_MAX      12u

// A page: flows of slots [from, next) that agree with filter.
struct flows_page {
	struct tcp_filter filter; // asker sets
	uint32_t next;            // asker sets the first slot; where to go on, 0: that was all
	uint32_t count;
	uint64_t now_us;
	struct tcp_info at[FLOWS_MAX];
	uint32_t slot[FLOWS_MAX];
};

// flows_fill_page is worker_query.run of a struct flows_page.
bool flows_fill_page(struct worker *worker, void *page);

// All flows by state, and what they take. One after another, several workers add to one.
struct flows_summary {
	uint32_t next; // asker sets 0; slot to go on from
	bool is_whole; // asker sets false; this worker was walked to its end
	uint32_t state_count;
	struct {
		const char *name;
		uint64_t count;
	} states[FLOWS_STATES_MAX];
	uint32_t slab_count;
	struct tcp_slab slabs[FLOWS_SLABS_MAX];
	uint64_t queued_bytes, unacked_bytes, unread_bytes;
	struct tcp_budgets budgets;
};

// flows_fill_summary is worker_query.run of a struct flows_summary.
bool flows_fill_summary(struct worker *worker, void *summary);
