// SPDX-License-Identifier: Apache-2.0
// Negative answers of control, in a bounded LRU of their own: strangers choose host names, so what
// they make us remember must never push out a real route.
#include "route_priv.h"

static struct route_absent *find(const struct route_table *table, struct slice host)
{
	const struct route_kind *absents = &table->absents;
	uint32_t row = hash_index_first(&absents->by_id, route_host_hash(table, host));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&absents->by_id, row)) {
		struct route_absent *absent = pool_at(&absents->pool, row);
		if (slice_equal(slice_of(absent->host, absent->host_bytes), host))
			return absent;
	}
	return NULL;
}

static void drop(struct route_table *table, struct route_absent *absent)
{
	list_remove(&absent->link);
	route_drop_row(&table->absents, absent);
}

static struct route_absent *oldest(struct route_table *table)
{
	struct list *first = table->absent_order.next;
	return (struct route_absent *)(void *)((char *)first - offsetof(struct route_absent, link));
}

static struct route_absent *claim(struct route_table *table, struct slice host)
{
	struct pool_id id;
	if (table->absents.pool.free_count == 0 && !list_is_empty(&table->absent_order)) {
		counter_inc(table->counters, COUNTER_route_absent_evicted);
		drop(table, oldest(table));
	}
	struct route_absent *absent = pool_new(&table->absents.pool, &id);
	if (!absent)
		return NULL;
	memcpy(absent->host, host.at, host.bytes);
	absent->host_bytes = host.bytes;
	list_init(&absent->link);
	list_append(&table->absent_order, &absent->link);
	hash_index_add(&table->absents.by_id, id.index, route_host_hash(table, host));
	return absent;
}

const char *route_absent_apply(struct route_table *table, const struct record_route_absent *record,
			       uint64_t now_us)
{
	struct slice host = slice_str(record->host);
	struct route_absent *absent = find(table, host);
	if (!absent)
		absent = claim(table, host);
	if (!absent)
		return "no room for negative answers";
	absent->expires_us = now_us + record->lifetime_ms * 1000ull;
	return NULL;
}

bool route_absent_find(struct route_table *table, struct slice host, uint64_t now_us)
{
	struct route_absent *absent = find(table, host);
	if (!absent)
		return false;
	if (now_us >= absent->expires_us) {
		drop(table, absent);
		return false;
	}
	list_remove(&absent->link);
	list_append(&table->absent_order, &absent->link);
	return true;
}

void route_absent_forget(struct route_table *table, struct slice host)
{
	struct route_absent *absent = find(table, host);
	if (absent)
		drop(table, absent);
}
