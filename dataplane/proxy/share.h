// SPDX-License-Identifier: Apache-2.0
// How many of the node's places clients of one prefix (IPv4 /24, IPv6 /56) have, so that one of
// them cannot have all. Counts lie in a fixed table under a hash with a secret: two prefixes that
// share a row share its places, which a client cannot choose.
#pragma once

#include "addr.h"
#include "siphash.h"

#include <stdint.h>

#define SHARE_ROWS 4096u

struct share {
	struct siphash_key key;
	uint32_t counts[SHARE_ROWS];
};

// share_row returns the row of addr's prefix.
uint32_t share_row(const struct share *share, const struct addr *addr);
