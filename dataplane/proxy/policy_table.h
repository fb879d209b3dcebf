// SPDX-License-Identifier: Apache-2.0
// The policies of the services that this worker knows of (config/wire/policy.h), by service id. All
// memory is taken at start; nobody keeps a policy beyond one call, so that control may replace it
// between any two.
#pragma once

#include "policy.h"
#include "record.h"
#include "slice.h"

struct policy_table;

// A policy and the text that its spans point into.
struct policy_entry {
	uint32_t service_id; // 0: free
	bool is_marked;
	struct policy policy;
	char text[POLICY_TEXT_BYTES];
};

// policy_table_new makes an empty table for count policies; NULL when memory is short.
// policy_table_free ends it; NULL is fine.
struct policy_table *policy_table_new(uint32_t count);
void policy_table_free(struct policy_table *table);

// policy_table_apply takes a POLICY record that passed record_check, or its REMOVE. Returns NULL,
// or why it was refused (a literal): the table is full.
const char *policy_table_apply(struct policy_table *table, const struct record *record);

// policy_table_mark and policy_table_sweep bracket a full set: what was not applied in between is
// forgotten.
void policy_table_mark(struct policy_table *table);
void policy_table_sweep(struct policy_table *table);

// policy_table_find borrows a service's policy until the next record; NULL when it has none.
const struct policy_entry *policy_table_find(const struct policy_table *table, uint32_t service_id);

// policy_text borrows the text of a span.
static inline struct slice policy_text(const struct policy_entry *entry, struct policy_span span)
{
	return slice_of(entry->text + span.at, span.bytes);
}
