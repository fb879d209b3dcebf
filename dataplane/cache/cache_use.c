// SPDX-License-Identifier: Apache-2.0
// May a stored response answer a request: as it is, stale, or only when the origin has said so
// (RFC 9111 4, 4.2.4, 5.2.1; RFC 5861).
#include "cache_policy.h"

#include "check.h"

// is_fresh_enough compares with what the request demands (5.2.1.1, 5.2.1.3). An immutable response
// does not change while it is fresh, so its age is no objection (RFC 8246 2.1).
static bool is_fresh_enough(const struct cache_terms *terms,
			    const struct cache_request_policy *request, uint64_t age_s,
			    int64_t ttl_s)
{
	bool is_old = request->max_age_s >= 0 && age_s > (uint64_t)request->max_age_s;
	return (!is_old || terms->is_immutable) && ttl_s >= request->min_fresh_s;
}

static enum cache_use use_of_stale(const struct cache_terms *terms,
				   const struct cache_request_policy *request, int64_t stale_s)
{
	bool is_demanding = request->min_fresh_s >= 0 || request->max_age_s >= 0;
	if (terms->is_never_stale)
		return CACHE_USE_VALIDATED;
	if (request->max_stale_s >= 0 && stale_s <= request->max_stale_s)
		return CACHE_USE_AS_IS;
	if (!is_demanding && stale_s <= terms->stale_while_s)
		return CACHE_USE_MEANWHILE;
	return CACHE_USE_VALIDATED;
}

enum cache_use cache_policy_use(const struct cache_terms *terms,
				const struct cache_request_policy *request, uint64_t age_s,
				int64_t ttl_s, enum cache_forward *forward)
{
	*forward = CACHE_FORWARD_REQUEST;
	if (request->is_authorized && !terms->is_shared)
		return CACHE_USE_NEVER;
	if (request->is_reload)
		return CACHE_USE_VALIDATED;
	if (ttl_s > 0 && !terms->is_always_validated) {
		if (!is_fresh_enough(terms, request, age_s, ttl_s))
			return CACHE_USE_VALIDATED;
		*forward = CACHE_FORWARD_NONE;
		return CACHE_USE_AS_IS;
	}
	*forward = CACHE_FORWARD_STALE;
	if (terms->is_always_validated)
		return CACHE_USE_VALIDATED;
	return use_of_stale(terms, request, -ttl_s);
}

bool cache_policy_may_survive(const struct cache_terms *terms,
			      const struct cache_request_policy *request, int64_t ttl_s,
			      enum cache_failure failure)
{
	int64_t bound_s = MAX(terms->stale_error_s, request->stale_error_s);
	if (failure == CACHE_FAILURE_NONE || terms->is_always_validated || terms->is_never_stale ||
	    request->is_reload || (request->is_authorized && !terms->is_shared))
		return false;
	if (failure == CACHE_FAILURE_LOST)
		bound_s = MAX(bound_s, CACHE_LOST_S);
	return bound_s >= 0 && -ttl_s <= bound_s;
}
