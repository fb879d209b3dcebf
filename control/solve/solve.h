// SPDX-License-Identifier: Apache-2.0
// How near a location is. Today: what the operator configured, and one's own location first.
#pragma once

#include "row.h"

#define SOLVE_COST_UNKNOWN_US 100000u // nobody said: farther than any location that somebody did
#define SOLVE_COST_HERE_US    0u

// solve_cost_us tells the round trip from the location `here` to location.
uint32_t solve_cost_us(const char *here, const struct row_location *location);
