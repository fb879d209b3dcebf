// SPDX-License-Identifier: Apache-2.0
// What may be stored, what may be used, and for how long (RFC 9111 3, 4.2, 5.2). Lifetimes are
// explicit ones only: no heuristic freshness (4.2.2), nothing is served stale (4.2.4).
#include "cache_policy.h"

#include "check.h"

static bool has(const struct http_message *message, struct slice name)
{
	return http_field_find(message, name).at != NULL;
}

static void pass(struct cache_request_policy *policy, enum cache_forward forward, enum counter why)
{
	policy->is_usable = false;
	policy->forward = forward;
	policy->why = why;
}

// Conditions on what the origin has now, and parts of a response, are the origin's to answer.
static bool asks_origin(const struct http_message *request)
{
	return has(request, SLICE("if-match")) || has(request, SLICE("if-unmodified-since")) ||
	       has(request, SLICE("if-range"));
}

// Pragma: no-cache counts where there is no Cache-Control (RFC 9111 5.4).
static bool is_reload(const struct http_message *request, const struct cache_directives *directives)
{
	struct slice pragma = http_field_find(request, SLICE("pragma"));
	return directives->no_cache ||
	       (!directives->is_present && slice_equal_nocase(pragma, SLICE("no-cache")));
}

void cache_policy_request(const struct http_message *request, struct cache_request_policy *policy)
{
	struct cache_directives directives;
	cache_directives_of(request, &directives);
	bool is_conditional =
		has(request, SLICE("if-none-match")) || has(request, SLICE("if-modified-since"));
	*policy = (struct cache_request_policy){
		.is_usable = true,
		.can_fill = request->method == HTTP_GET && !is_conditional,
		.is_reload = is_reload(request, &directives),
		.is_authorized = has(request, SLICE("authorization")),
		.only_if_cached = directives.only_if_cached,
		.max_age_s = directives.max_age_s,
		.min_fresh_s = directives.min_fresh_s,
	};
	if (request->method != HTTP_GET && request->method != HTTP_HEAD)
		pass(policy, CACHE_FORWARD_METHOD, COUNTER_cache_pass_method);
	else if (request->has_upgrade ||
		 (request->content_length != HTTP_LENGTH_NONE && request->content_length > 0) ||
		 request->is_chunked)
		pass(policy, CACHE_FORWARD_BYPASS, COUNTER_cache_pass_body);
	else if (directives.no_store)
		pass(policy, CACHE_FORWARD_REQUEST, COUNTER_cache_pass_no_store);
	else if (has(request, SLICE("range")))
		pass(policy, CACHE_FORWARD_BYPASS, COUNTER_cache_pass_range);
	else if (asks_origin(request))
		pass(policy, CACHE_FORWARD_REQUEST, COUNTER_cache_pass_condition);
}

// s-maxage, then max-age, then Expires - Date (RFC 9111 4.2.1). False: no lifetime is given.
static bool lifetime_of(const struct http_message *response,
			const struct cache_directives *directives, uint64_t date_s,
			uint64_t *lifetime_s)
{
	uint64_t expires_s = 0;
	if (directives->s_maxage_s >= 0) {
		*lifetime_s = (uint64_t)directives->s_maxage_s;
		return true;
	}
	if (directives->max_age_s >= 0) {
		*lifetime_s = (uint64_t)directives->max_age_s;
		return true;
	}
	struct slice expires = http_field_find(response, SLICE("expires"));
	if (!expires.at)
		return false;
	// An invalid date, "0" above all, is in the past (5.3).
	bool is_later = http_date_parse(expires, &expires_s) && expires_s > date_s;
	*lifetime_s = is_later ? MIN(expires_s - date_s, CACHE_SECONDS_MAX) : 0;
	return true;
}

// A list or garbage in Age: the first number counts, 0 without one (5.1).
static uint64_t age_field_s(const struct http_message *response)
{
	struct slice text = http_field_find(response, SLICE("age"));
	uint64_t age_s = 0;
	for (size_t i = 0; i < text.bytes && text.at[i] >= '0' && text.at[i] <= '9'; i++)
		age_s = MIN(age_s * 10 + (uint64_t)(text.at[i] - '0'), CACHE_SECONDS_MAX);
	return age_s;
}

static void set_freshness(const struct http_message *response, uint64_t date_s, uint64_t asked_s,
			  struct cache_freshness *freshness)
{
	uint64_t now_s = freshness->received_s;
	uint64_t apparent_s = now_s > date_s ? now_s - date_s : 0;
	uint64_t delay_s = now_s > asked_s ? now_s - asked_s : 0;
	uint64_t corrected_s = age_field_s(response) + delay_s;
	freshness->initial_age_s = MAX(apparent_s, corrected_s);
}

// Partial content and 304 say nothing by themselves; 1xx is not final (RFC 9111 3).
static bool is_storable_status(uint16_t status)
{
	return status >= 200 && status <= 599 && status != 206 && status != 304;
}

static bool is_understood_status(uint16_t status)
{
	static const uint16_t understood[] = {200, 203, 204, 300, 301, 302, 303, 307,
					      308, 404, 405, 410, 414, 451, 501};
	for (size_t i = 0; i < ARRAY_LEN(understood); i++)
		if (understood[i] == status)
			return true;
	return false;
}

// The first rule that forbids storing, or COUNTER_COUNT.
//
// Set-Cookie: RFC 9111 7.3 leaves it to the origin to forbid storing, yet a stored one hands one
// user's session to all others, and origins set "public" and s-maxage by blanket rules for whole
// trees. So no directive overrides it: such a response is for its requester only.
static enum counter forbidden(const struct http_message *request,
			      const struct http_message *response,
			      const struct cache_directives *directives, bool is_shared)
{
	bool ignores_no_store =
		directives->must_understand && is_understood_status(response->status);
	if (!is_storable_status(response->status))
		return COUNTER_cache_not_stored_status;
	if (directives->must_understand && !is_understood_status(response->status))
		return COUNTER_cache_not_stored_status;
	if (directives->no_store && !ignores_no_store)
		return COUNTER_cache_not_stored_no_store;
	if (directives->is_private)
		return COUNTER_cache_not_stored_private;
	// It may be stored, but not used without asking the origin, which is not built: no gain.
	if (directives->no_cache)
		return COUNTER_cache_not_stored_no_cache;
	if (has(request, SLICE("authorization")) && !is_shared)
		return COUNTER_cache_not_stored_authorization;
	if (has(response, SLICE("set-cookie")))
		return COUNTER_cache_not_stored_set_cookie;
	if (has(response, SLICE("content-range")))
		return COUNTER_cache_not_stored_status;
	return COUNTER_COUNT;
}

void cache_policy_response(const struct http_message *request, const struct http_message *response,
			   uint64_t asked_s, uint64_t now_s, struct cache_response_policy *policy)
{
	struct cache_directives directives;
	cache_directives_of(response, &directives);
	*policy = (struct cache_response_policy){
		.is_shared = directives.is_public || directives.s_maxage_s >= 0 ||
			     directives.must_revalidate,
		.freshness = {.received_s = now_s},
	};
	policy->why = forbidden(request, response, &directives, policy->is_shared);
	policy->is_personal = policy->why == COUNTER_cache_not_stored_authorization ||
			      response->status == 304 || response->status == 206;
	if (policy->why != COUNTER_COUNT)
		return;
	uint64_t date_s = now_s;
	struct slice date = http_field_find(response, SLICE("date"));
	if (date.at && !http_date_parse(date, &date_s))
		date_s = now_s;
	set_freshness(response, date_s, asked_s, &policy->freshness);
	if (!lifetime_of(response, &directives, date_s, &policy->freshness.lifetime_s))
		policy->why = COUNTER_cache_not_stored_no_lifetime;
	else if (cache_ttl_s(&policy->freshness, now_s) <= 0)
		policy->why = COUNTER_cache_not_stored_stale;
	else
		policy->is_storable = true;
}

uint64_t cache_age_s(const struct cache_freshness *freshness, uint64_t now_s)
{
	// The wall clock may be set back: then no time has passed.
	uint64_t resident_s = now_s > freshness->received_s ? now_s - freshness->received_s : 0;
	return MIN(freshness->initial_age_s + resident_s, CACHE_SECONDS_MAX);
}

int64_t cache_ttl_s(const struct cache_freshness *freshness, uint64_t now_s)
{
	return (int64_t)freshness->lifetime_s - (int64_t)cache_age_s(freshness, now_s);
}
