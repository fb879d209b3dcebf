// SPDX-License-Identifier: Apache-2.0
// Token buckets; see bucket.h.
#include "bucket.h"

#include "check.h"

#define SECOND_NS 1000000000ull

bool bucket_take(uint64_t *full_ns, uint64_t now_us, uint32_t per_s)
{
	if (per_s == 0)
		return true;
	uint64_t now_ns = now_us * 1000;
	uint64_t next_ns = MAX(*full_ns, now_ns) + SECOND_NS / per_s;
	if (next_ns > now_ns + SECOND_NS)
		return false;
	*full_ns = next_ns;
	return true;
}

bool bucket_take_prefix(struct buckets *table, const struct addr *addr, uint64_t now_us,
			uint32_t per_s)
{
	uint64_t hash = siphash(&table->key, addr->bytes, addr_client_bytes(addr));
	return bucket_take(&table->full_ns[hash % BUCKETS], now_us, per_s);
}
