// SPDX-License-Identifier: Apache-2.0
// Ejection of an endpoint that fails: 5 failures in a row take it out for 1 s, each further
// ejection for twice as long, up to 30 s. When that is over one request pays for the probe: while
// it is under way the endpoint stays out, so that a node that does not answer at all does not
// collect requests until the first one has waited long enough. Its end decides; until then the next
// probe comes as late as after a failure.
#include "route_priv.h"

#include "check.h"

#define FAILURES_TO_EJECT 5u
#define EJECT_FIRST_US    1000000ull
#define EJECT_LONGEST_US  30000000ull
#define EJECTIONS_COUNTED 5u // 1, 2, 4, 8, 16, 30 s

static uint64_t eject_us(uint32_t ejections)
{
	return MIN(EJECT_FIRST_US << ejections, EJECT_LONGEST_US);
}

bool route_breaker_begin(struct route_endpoint *endpoint, uint64_t now_us)
{
	if (endpoint->failures < FAILURES_TO_EJECT || route_breaker_is_open(endpoint, now_us))
		return false;
	endpoint->is_probed = true;
	endpoint->ejected_until_us = now_us + eject_us(endpoint->ejections);
	return true;
}

bool route_breaker_note(struct route_endpoint *endpoint, enum route_outcome outcome,
			uint64_t now_us)
{
	bool was_probed = endpoint->is_probed;
	endpoint->is_probed = false;
	if (outcome == ROUTE_TRY_UNTOLD)
		return false;
	if (outcome == ROUTE_TRY_ANSWERED) {
		endpoint->failures = 0;
		if (endpoint->ejections)
			endpoint->ejections--;
		if (was_probed)
			endpoint->ejected_until_us = 0;
		return false;
	}
	if (endpoint->failures < UINT32_MAX)
		endpoint->failures++;
	if (endpoint->failures < FAILURES_TO_EJECT ||
	    (route_breaker_is_open(endpoint, now_us) && !was_probed))
		return false;
	endpoint->ejected_until_us = now_us + eject_us(endpoint->ejections);
	if (endpoint->ejections < EJECTIONS_COUNTED)
		endpoint->ejections++;
	return true;
}
