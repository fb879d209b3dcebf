// SPDX-License-Identifier: Apache-2.0
// What one worker is being told.
#pragma once

#include "publish.h"

enum publish_phase {
	PUBLISH_IDLE,
	PUBLISH_ROWS,    // rows of the goal that the worker lacks
	PUBLISH_REMOVES, // rows the goal lacks
	PUBLISH_SINGLES, // the queue of single answers
	PUBLISH_COMMIT,
};

struct publish_single {
	enum record_type type;
	uint32_t bytes;
	void *payload; // owned
};

struct publish_worker {
	struct ring_writer down;
	int wake_fd;
	enum publish_phase phase;
	struct rowset *base; // what the worker holds; NULL: nothing, it needs a full set
	struct rowset *goal; // of the transaction under way; NULL in one of single answers
	bool is_full;
	bool needs_full;
	bool has_written; // since the last wake
	bool is_purging;  // a purge was queued and not all is applied since
	uint32_t base_index;
	uint32_t goal_index;
	uint32_t row_count;
	uint64_t generation; // of the transaction under way
	uint64_t commit_us;  // of the oldest COMMIT that was not applied; 0 = none
	struct publish_single singles[PUBLISH_ONCE_MAX];
	uint32_t single_first;
	uint32_t single_count;
	uint32_t single_left; // of the transaction under way
	struct publish_status status;
};

struct publish {
	struct publish_worker *workers;
	uint32_t worker_count;
	uint64_t generation;
	struct rowset *latest;
};

// publish_step writes one record, or begins or ends a transaction. 0; EAGAIN: the ring is full;
// ENODATA: nothing to say; EPIPE: the ring is broken.
int publish_step(struct publish *publish, struct publish_worker *worker, uint64_t now_us);
