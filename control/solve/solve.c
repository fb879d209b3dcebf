// SPDX-License-Identifier: Apache-2.0
// How near a location is; see solve.h.
#include "solve.h"

#include <string.h>

uint32_t solve_cost_us(const char *here, const struct row_location *location)
{
	if (strcmp(here, location->name) == 0)
		return SOLVE_COST_HERE_US;
	if (location->cost_us == 0)
		return SOLVE_COST_UNKNOWN_US;
	// A configured location is never as near as one's own, and fits the wire.
	return location->cost_us > UINT32_MAX ? UINT32_MAX : (uint32_t)location->cost_us;
}
