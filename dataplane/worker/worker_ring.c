// SPDX-License-Identifier: Apache-2.0
// Rings between two threads; see worker_ring.h.
#include "worker_ring.h"

#include <stdlib.h>

struct rte_ring *worker_ring_new(const char *name, unsigned element_bytes, uint32_t count)
{
	ssize_t bytes = rte_ring_get_memsize_elem(element_bytes, count);
	if (bytes < 0)
		return NULL;
	struct rte_ring *ring = aligned_alloc(128, ((size_t)bytes + 127) & ~(size_t)127);
	if (ring && rte_ring_init(ring, name, count, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
		free(ring);
		return NULL;
	}
	return ring;
}
