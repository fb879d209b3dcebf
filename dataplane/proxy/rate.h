// SPDX-License-Identifier: Apache-2.0
// Rates of services and of their clients, one table for all workers of a node: a limit holds for
// what arrives at the node, whichever worker has the connection. Each bucket is one number (GCRA:
// the time at which it is full again), moved by compare-and-swap; nobody waits for anybody.
#pragma once

#include "addr.h"
#include "siphash.h"

#include <stdatomic.h>
#include <stdbool.h>

#define RATE_BUCKETS 16384u // those that share one share its rate
#define RATE_TRIES   8u     // of one swap that others beat; then the request passes

struct rate_table {
	struct siphash_key key; // secret: nobody may choose whom to share with
	_Atomic uint64_t full_ns[RATE_BUCKETS];
};

// rate_take_service draws one request from the bucket of a service, which holds per_s of them and
// gets per_s a second (1 to 10^9). False when it is empty.
bool rate_take_service(struct rate_table *table, uint32_t service_id, uint64_t now_us,
		       uint32_t per_s);

// rate_take_client is the same for the client's prefix: IPv4 /24, IPv6 /56.
bool rate_take_client(struct rate_table *table, uint32_t service_id, const struct addr *client,
		      uint64_t now_us, uint32_t per_s);
