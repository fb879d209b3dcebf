// SPDX-License-Identifier: Apache-2.0
// Rates of services and clients; see rate.h.
#include "rate.h"

#include "check.h"

#define SECOND_NS 1000000000ull

static bool take(struct rate_table *table, const void *key, size_t bytes, uint64_t now_us,
		 uint32_t per_s)
{
	uint64_t hash = siphash13(&table->key, key, bytes);
	_Atomic uint64_t *full_ns = &table->full_ns[hash % RATE_BUCKETS];
	uint64_t now_ns = now_us * 1000;
	uint64_t before = atomic_load_explicit(full_ns, memory_order_relaxed);
	for (unsigned i = 0; i < RATE_TRIES; i++) {
		uint64_t next = MAX(before, now_ns) + SECOND_NS / per_s;
		if (next > now_ns + SECOND_NS)
			return false;
		if (atomic_compare_exchange_weak_explicit(
			    full_ns, &before, next, memory_order_relaxed, memory_order_relaxed))
			return true;
	}
	return true;
}

bool rate_take_service(struct rate_table *table, uint32_t service_id, uint64_t now_us,
		       uint32_t per_s)
{
	return take(table, &service_id, sizeof(service_id), now_us, per_s);
}

bool rate_take_client(struct rate_table *table, uint32_t service_id, const struct addr *client,
		      uint64_t now_us, uint32_t per_s)
{
	uint8_t key[20] = {0};
	memcpy(key, &service_id, sizeof(service_id));
	memcpy(key + 4, client->bytes, addr_client_bytes(client));
	return take(table, key, sizeof(key), now_us, per_s);
}
