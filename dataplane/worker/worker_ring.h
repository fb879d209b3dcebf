// SPDX-License-Identifier: Apache-2.0
// Rings between two threads of a node, in memory of their own: one producer, one consumer.
#pragma once

#include <rte_ring_elem.h>

// worker_ring_new makes a ring of count elements (a power of two; one stays free) of element_bytes
// (a multiple of 4) each; name is DPDK's. NULL: memory is short. Free it with free.
struct rte_ring *worker_ring_new(const char *name, unsigned element_bytes, uint32_t count);
