// SPDX-License-Identifier: Apache-2.0
// Endpoints that failed; see failures.h.
#include "failures.h"

#include <stddef.h>

const struct failure *failures_find(const struct failures *failures, uint32_t endpoint_id)
{
	for (unsigned i = 0; i < FAILURES_MAX; i++)
		if (endpoint_id && failures->at[i].endpoint_id == endpoint_id)
			return &failures->at[i];
	return NULL;
}

// choose returns the place of endpoint_id: its own, else the one that was silent longest.
static struct failure *choose(struct failures *failures, uint32_t endpoint_id)
{
	struct failure *oldest = &failures->at[0];
	for (unsigned i = 0; i < FAILURES_MAX; i++) {
		if (failures->at[i].endpoint_id == endpoint_id)
			return &failures->at[i];
		if (failures->at[i].last_s < oldest->last_s)
			oldest = &failures->at[i];
	}
	*oldest = (struct failure){.endpoint_id = endpoint_id};
	return oldest;
}

void failures_note(struct failures *failures, uint32_t endpoint_id, uint32_t failure_count,
		   uint64_t now_s)
{
	struct failure *failure = choose(failures, endpoint_id);
	failure->failure_count = failure_count;
	failure->told_count++;
	failure->last_s = now_s;
}
