// SPDX-License-Identifier: Apache-2.0
// What the workers said about endpoints that failed: the last ones, for the operator to see. The
// data plane acts by itself (retries, ejection); nothing is decided from this.
#pragma once

#include <stdint.h>

#define FAILURES_MAX 128u

struct failure {
	uint32_t endpoint_id;   // 0 = empty
	uint32_t failure_count; // in a row, as last told
	uint64_t told_count;    // how often a worker told
	uint64_t last_s;        // wall clock
};

// All zero is empty.
struct failures {
	struct failure at[FAILURES_MAX];
};

// failures_note keeps what a worker told; the endpoint that was silent longest makes room.
void failures_note(struct failures *failures, uint32_t endpoint_id, uint32_t failure_count,
		   uint64_t now_s);

// failures_find borrows what is known about an endpoint; NULL: nobody told of it.
const struct failure *failures_find(const struct failures *failures, uint32_t endpoint_id);
