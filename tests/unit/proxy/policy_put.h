// SPDX-License-Identifier: Apache-2.0
// A service's policy from its rules, as control sends it.
#pragma once

#include "policy_table.h"

#include <string.h>

// policy_put applies a POLICY record; returns NULL, or why it was refused.
static inline const char *policy_put(struct policy_table *table, uint32_t service_id,
				     const char *rules)
{
	_Alignas(8) char payload[sizeof(struct record_policy) + POLICY_TEXT_BYTES];
	struct record_policy row = {service_id, (uint32_t)strlen(rules)};
	memcpy(payload, &row, sizeof(row));
	memcpy(payload + sizeof(row), rules, strlen(rules));
	struct record record = {RECORD_POLICY, 1, (uint32_t)(sizeof(row) + strlen(rules)), payload};
	return policy_table_apply(table, &record);
}
