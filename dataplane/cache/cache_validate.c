// SPDX-License-Identifier: Apache-2.0
// What becomes of a stale object that an asker was lent: confirmed by the origin, or good enough
// because the origin failed (RFC 9111 4.3, 4.2.4). On the asker's worker; the owner hears of it by
// the fill.
#include "cache_priv.h"

#include "check.h"

// promote makes the stale object what answers the request, by this head of it.
static void promote(const struct http_message *request, const struct http_message *head,
		    uint64_t received_s, struct cache_answer *answer)
{
	struct cache_part part =
		cache_part_of(request, head, cache_object_bytes(answer->stale), received_s);
	answer->object = answer->stale;
	answer->stale = NULL;
	answer->verdict = part.verdict;
	answer->part_first = part.first;
	answer->part_bytes = part.bytes;
}

bool cache_validated(struct cache *cache, const struct http_message *request,
		     const struct http_message *update, struct cache_answer *answer,
		     struct cache_refreshed *refreshed)
{
	struct cache_response_policy policy;
	struct cache_fill *fill = answer->fill;
	const struct http_message *stored = cache_object_head(answer->stale);
	struct http_message asked = *request;
	refreshed->is_stored = false;
	if (!cache_refresh_agrees(stored, update) ||
	    !cache_refresh(stored, update, cache->wall_s, refreshed))
		return false;
	asked.method = HTTP_GET; // of which the stored response is one
	struct cache_times times = {.now_s = cache->wall_s};
	if (fill)
		times = cache_fill_times(fill);
	cache_policy_response(&asked, &refreshed->head, times, &policy);
	answer->age_s = cache_age_s(&policy.freshness, cache->wall_s);
	answer->ttl_s = cache_ttl_s(&policy.freshness, cache->wall_s);
	counter_inc(cache->counters, COUNTER_cache_validated);
	answer->fill = NULL;
	if (fill)
		refreshed->is_stored = cache_fill_refresh(fill, &asked, &refreshed->head);
	promote(request, &refreshed->head, cache->wall_s, answer);
	return true;
}

void cache_survive(struct cache *cache, const struct http_message *request,
		   struct cache_answer *answer)
{
	const struct cache_object *stale = answer->stale;
	CHECK(answer->survives_error || answer->survives_loss);
	counter_inc(cache->counters, COUNTER_cache_survived);
	if (answer->fill)
		cache_fill_fail(answer->fill);
	answer->fill = NULL;
	promote(request, cache_object_head(stale), cache_object_received_s(stale), answer);
}
