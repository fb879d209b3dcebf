// SPDX-License-Identifier: Apache-2.0
// Rows of prefixes; see share.h.
#include "share.h"

uint32_t share_row(const struct share *share, const struct addr *addr)
{
	uint64_t hash = siphash(&share->key, addr->bytes, addr_client_bytes(addr));
	return (uint32_t)(hash % SHARE_ROWS);
}
