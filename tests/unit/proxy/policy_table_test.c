// SPDX-License-Identifier: Apache-2.0
// Policies of services: found, replaced, removed, swept; at the bound refused.
#include "policy_put.h"

#include "unit.h"

#include <string.h>

enum { COUNT = 40 };

static struct policy_table *table;

static const char *put(uint32_t service_id, const char *rules)
{
	return policy_put(table, service_id, rules);
}

static void drop(uint32_t service_id)
{
	struct record_remove row = {.type = RECORD_POLICY, .id = service_id};
	struct record record = {RECORD_REMOVE, 1, sizeof(row), &row};
	CU_ASSERT_PTR_NULL(policy_table_apply(table, &record));
}

// rate_of is the rate of a service's policy, 0 when it has none.
static uint32_t rate_of(uint32_t service_id)
{
	const struct policy_entry *entry = policy_table_find(table, service_id);
	CU_ASSERT(!entry || entry->service_id == service_id);
	return entry ? entry->policy.rate : 0;
}

static void start(void)
{
	policy_table_free(table);
	table = policy_table_new(COUNT);
	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
}

static void what_was_said_last_is_found(void)
{
	start();
	CU_ASSERT_EQUAL(rate_of(7), 0);
	CU_ASSERT_PTR_NULL(put(7, "rate=1\nmaintenance=soon"));
	CU_ASSERT_PTR_NULL(put(8, "rate=2"));
	CU_ASSERT_EQUAL(rate_of(7), 1);
	CU_ASSERT_EQUAL(rate_of(8), 2);
	const struct policy_entry *entry = policy_table_find(table, 7);
	CU_ASSERT(slice_equal(policy_text(entry, entry->policy.maintenance), SLICE("soon")));
	CU_ASSERT_PTR_NULL(put(7, "rate=3"));
	CU_ASSERT_EQUAL(rate_of(7), 3);
	CU_ASSERT(!policy_table_find(table, 7)->policy.is_in_maintenance);
}

static void removal_forgets_one_and_finds_the_others(void)
{
	char rules[32];
	start();
	for (uint32_t id = 1; id <= COUNT; id++) {
		snprintf(rules, sizeof(rules), "rate=%u", id);
		CU_ASSERT_PTR_NULL(put(id * 64, rules)); // of one slot, most of them
	}
	CU_ASSERT_STRING_EQUAL(put(1, "rate=1"), "policies at their bound: raise route.policies");
	for (uint32_t gone = 1; gone <= COUNT; gone += 3)
		drop(gone * 64);
	drop(99);
	for (uint32_t id = 1; id <= COUNT; id++)
		CU_ASSERT_EQUAL(rate_of(id * 64), id % 3 == 1 ? 0 : id);
	CU_ASSERT_PTR_NULL(put(1, "rate=1"));
	CU_ASSERT_EQUAL(rate_of(1), 1);
}

static void sweep_forgets_what_a_full_set_does_not_name(void)
{
	start();
	for (uint32_t id = 1; id <= 6; id++)
		CU_ASSERT_PTR_NULL(put(id, "rate=5"));
	policy_table_mark(table);
	CU_ASSERT_PTR_NULL(put(2, "rate=6"));
	CU_ASSERT_PTR_NULL(put(9, "rate=9"));
	policy_table_sweep(table);
	for (uint32_t id = 1; id <= 8; id++)
		CU_ASSERT_EQUAL(rate_of(id), id == 2 ? 6 : 0);
	CU_ASSERT_EQUAL(rate_of(9), 9);
	policy_table_free(table);
	table = NULL;
}

UNIT_MAIN("policy_table", {"what was said last is found", what_was_said_last_is_found},
	  {"a removal forgets one and finds the others", removal_forgets_one_and_finds_the_others},
	  {"a sweep forgets what a full set does not name",
	   sweep_forgets_what_a_full_set_does_not_name})
