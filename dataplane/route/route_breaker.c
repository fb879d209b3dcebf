// SPDX-License-Identifier: Apache-2.0
// Ejection of an endpoint that fails: 5 failures in a row take it out for 1 s, each further
// ejection for twice as long, up to 30 s. When it comes back its count still stands, so the first
// failure ejects it again: one request, not five, pays for the probe.
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

bool route_breaker_note(struct route_endpoint *endpoint, bool is_failure, uint64_t now_us)
{
	if (!is_failure) {
		endpoint->failures = 0;
		if (endpoint->ejections)
			endpoint->ejections--;
		return false;
	}
	if (endpoint->failures < UINT32_MAX)
		endpoint->failures++;
	if (endpoint->failures < FAILURES_TO_EJECT || route_breaker_is_open(endpoint, now_us))
		return false;
	endpoint->ejected_until_us = now_us + eject_us(endpoint->ejections);
	if (endpoint->ejections < EJECTIONS_COUNTED)
		endpoint->ejections++;
	return true;
}
