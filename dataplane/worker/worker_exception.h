// SPDX-License-Identifier: Apache-2.0
// The exception path: frames of a port that are not ours go to the kernel through a tap, and what
// the kernel sends on the tap leaves on the port. Worker 0 owns the taps; the others give it their
// frames.
#pragma once

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

struct worker;

// worker_exception_out gives a whole frame of port port_index to the kernel; takes mbuf.
void worker_exception_out(struct worker *worker, uint32_t port_index, struct rte_mbuf *mbuf);

// worker_exception_handed takes a handed-over mbuf if it is another worker's frame for the kernel.
// False: it is not, and stays the caller's.
bool worker_exception_handed(struct worker *worker, struct rte_mbuf *mbuf);

// worker_exception_in sends what the kernel has for the ports; returns how many frames.
uint32_t worker_exception_in(struct worker *worker);
