// SPDX-License-Identifier: Apache-2.0
// Rates that strangers may use up: a token bucket as one number (GCRA, the virtual time at which
// the bucket is full again), and a fixed table of them by source prefix. Pure: time is handed in.
#pragma once

#include "addr.h"
#include "siphash.h"

#include <stdbool.h>
#include <stdint.h>

#define BUCKETS 4096u // prefixes that share one share its rate

struct buckets {
	struct siphash_key key;
	uint64_t full_ns[BUCKETS];
};

// bucket_take draws one token of a bucket (*full_ns, 0 at first) that holds per_s of them, at
// least one, and gets per_s (at most 10^9) a second. False when it is empty; a rate of 0 is no
// bound.
bool bucket_take(uint64_t *full_ns, uint64_t now_us, uint32_t per_s);

// bucket_take_prefix draws from the bucket of addr's /24 (IPv4) or /56 (IPv6): what one
// subscriber or one small site holds.
bool bucket_take_prefix(struct buckets *table, const struct addr *addr, uint64_t now_us,
			uint32_t per_s);
