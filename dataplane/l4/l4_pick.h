// SPDX-License-Identifier: Apache-2.0
// Which endpoint a new flow goes to: the consistent hash of Maglev (Eisenbud et al., "Maglev: A
// Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4), with weights. Every
// worker and node that knows the same endpoints picks alike; when one leaves, little else moves.
// Pure.
#pragma once

#include "l4.h"

#define L4_PICK_SLOTS 4093u // prime, and more than 100 for each endpoint (5.3 of the paper)
#define L4_PICK_NONE  UINT8_MAX

static_assert(L4_ENDPOINTS_MAX < L4_PICK_NONE && L4_PICK_SLOTS >= 100 * L4_ENDPOINTS_MAX);

struct l4_pick {
	uint8_t slots[L4_PICK_SLOTS]; // index of an endpoint; NONE when all are drained
};

// l4_pick_build fills the table for count endpoints. The order of the endpoints does not matter to
// who gets which slot, unless two have the same address and port.
void l4_pick_build(struct l4_pick *pick, const struct l4_endpoint *endpoints, uint32_t count);

// l4_pick_of is the endpoint of a client's flow, or L4_PICK_NONE. client_port as it is in the
// packet.
uint32_t l4_pick_of(const struct l4_pick *pick, const struct addr *client, uint16_t client_port);
