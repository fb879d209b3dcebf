// SPDX-License-Identifier: Apache-2.0
// Policies by service id; see policy_table.h. Open addressing over twice the places, so that the
// common answer, none, is one look.
#include "policy_table.h"

#include <stdlib.h>

struct policy_table {
	uint32_t count; // entries
	uint32_t used;
	uint32_t mask;   // of slots
	uint32_t *slots; // index of an entry plus 1; 0: free
	struct policy_entry *entries;
};

static uint32_t slot_of(const struct policy_table *table, uint32_t service_id)
{
	return service_id * 2654435761u & table->mask;
}

struct policy_table *policy_table_new(uint32_t count)
{
	struct policy_table *table = calloc(1, sizeof(*table));
	uint32_t slot_count = 2;
	while (slot_count < 2 * count)
		slot_count *= 2;
	if (!table)
		return NULL;
	table->count = count;
	table->mask = slot_count - 1;
	table->slots = calloc(slot_count, sizeof(*table->slots));
	table->entries = calloc(count, sizeof(*table->entries));
	if (table->slots && table->entries)
		return table;
	policy_table_free(table);
	return NULL;
}

void policy_table_free(struct policy_table *table)
{
	if (!table)
		return;
	free(table->slots);
	free(table->entries);
	free(table);
}

// find returns the slot of service_id, or the free one where it would be.
static uint32_t *find(const struct policy_table *table, uint32_t service_id)
{
	uint32_t slot = slot_of(table, service_id);
	while (table->slots[slot] &&
	       table->entries[table->slots[slot] - 1].service_id != service_id)
		slot = (slot + 1) & table->mask;
	return &table->slots[slot];
}

const struct policy_entry *policy_table_find(const struct policy_table *table, uint32_t service_id)
{
	uint32_t *slot = find(table, service_id);
	return *slot ? &table->entries[*slot - 1] : NULL;
}

// place enters every entry anew: removals leave no gap in a run of slots.
static void place(struct policy_table *table)
{
	memset(table->slots, 0, (table->mask + 1) * sizeof(*table->slots));
	for (uint32_t i = 0; i < table->used; i++)
		*find(table, table->entries[i].service_id) = i + 1;
}

static void drop(struct policy_table *table, uint32_t index)
{
	table->used--;
	if (index != table->used)
		table->entries[index] = table->entries[table->used];
	place(table);
}

static const char *put(struct policy_table *table, const struct record *record)
{
	const struct record_policy *row = record->payload;
	char why[POLICY_WHY_BYTES];
	size_t bytes;
	const uint8_t *rules = record_tail(record, &bytes);
	uint32_t *slot = find(table, row->service_id);
	if (!*slot && table->used == table->count)
		return "policies at their bound: raise route.policies";
	if (!*slot)
		*slot = ++table->used;
	struct policy_entry *entry = &table->entries[*slot - 1];
	entry->service_id = row->service_id;
	entry->is_marked = false;
	memcpy(entry->text, rules, bytes);
	// record_check has parsed the same bytes.
	return policy_parse(entry->text, bytes, &entry->policy, why) ? NULL : "bad policy";
}

const char *policy_table_apply(struct policy_table *table, const struct record *record)
{
	if (record->type == RECORD_POLICY)
		return put(table, record);
	const struct record_remove *remove = record->payload;
	uint32_t *slot = find(table, (uint32_t)remove->id);
	if (*slot)
		drop(table, *slot - 1);
	return NULL;
}

void policy_table_mark(struct policy_table *table)
{
	for (uint32_t i = 0; i < table->used; i++)
		table->entries[i].is_marked = true;
}

void policy_table_sweep(struct policy_table *table)
{
	for (uint32_t i = table->used; i-- > 0;)
		if (table->entries[i].is_marked)
			drop(table, i);
}
