// SPDX-License-Identifier: Apache-2.0
// What may be stored, and which requests may use what is (RFC 9111 3, 4, 5.2).
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

// What of a request's fields says which stored response it may have.
struct asked {
	struct cache_directives directives;
	struct slice pragma;
	bool is_for_less;   // than the whole: the response serves nobody else
	bool is_for_origin; // conditions on what the origin has now are the origin's to answer
	bool is_authorized;
};

static void note(struct asked *asked, const struct http_field *field)
{
	struct slice name = field->name;
	if (slice_equal(name, SLICE("cache-control")))
		cache_directives_add(&asked->directives, field->value);
	else if (slice_equal(name, SLICE("if-none-match")) ||
		 slice_equal(name, SLICE("if-modified-since")) || slice_equal(name, SLICE("range")))
		asked->is_for_less = true;
	else if (slice_equal(name, SLICE("if-match")) ||
		 slice_equal(name, SLICE("if-unmodified-since")))
		asked->is_for_origin = true;
	else if (slice_equal(name, SLICE("authorization")))
		asked->is_authorized = true;
	else if (!asked->pragma.at && slice_equal(name, SLICE("pragma")))
		asked->pragma = field->value;
}

// Pragma: no-cache counts where there is no Cache-Control (RFC 9111 5.4).
static bool is_reload(const struct asked *asked)
{
	return asked->directives.no_cache || (!asked->directives.is_present &&
					      slice_equal_nocase(asked->pragma, SLICE("no-cache")));
}

void cache_policy_request(const struct http_message *request, struct cache_request_policy *policy)
{
	struct asked asked = {.is_for_less = false};
	cache_directives_clear(&asked.directives);
	for (uint32_t i = 0; i < request->field_count; i++)
		note(&asked, &request->fields[i]);
	*policy = (struct cache_request_policy){
		.is_usable = true,
		.can_fill = request->method == HTTP_GET && !asked.is_for_less,
		.is_reload = is_reload(&asked),
		.is_authorized = asked.is_authorized,
		.only_if_cached = asked.directives.only_if_cached,
		.max_age_s = asked.directives.max_age_s,
		.min_fresh_s = asked.directives.min_fresh_s,
		.max_stale_s = asked.directives.max_stale_s,
		.stale_error_s = asked.directives.stale_error_s,
	};
	if (request->method != HTTP_GET && request->method != HTTP_HEAD)
		pass(policy, CACHE_FORWARD_METHOD, COUNTER_cache_pass_method);
	else if (request->has_upgrade ||
		 (request->content_length != HTTP_LENGTH_NONE && request->content_length > 0) ||
		 request->is_chunked)
		pass(policy, CACHE_FORWARD_BYPASS, COUNTER_cache_pass_body);
	else if (asked.directives.no_store)
		pass(policy, CACHE_FORWARD_REQUEST, COUNTER_cache_pass_no_store);
	else if (asked.is_for_origin)
		pass(policy, CACHE_FORWARD_REQUEST, COUNTER_cache_pass_condition);
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
	if (has(request, SLICE("authorization")) && !is_shared)
		return COUNTER_cache_not_stored_authorization;
	if (has(response, SLICE("set-cookie")))
		return COUNTER_cache_not_stored_set_cookie;
	// A HEAD that was to validate what is stored has no body to store.
	return request->method == HTTP_GET ? COUNTER_COUNT : COUNTER_cache_not_stored_status;
}

// can_confirm: the origin can be asked whether a stale response still holds (4.3). A 200 only: a
// 304 says nothing of others. For who sends cookies it takes an ETag: a date may be the same for
// everybody's page.
static bool can_confirm(const struct http_message *request, const struct http_message *response)
{
	bool has_date = has(response, SLICE("last-modified")) && !has(request, SLICE("cookie"));
	return response->status == 200 && (has(response, SLICE("etag")) || has_date);
}

// keep_or_not decides about a response that nothing forbids: it must be fresh for a while, or the
// origin must have said for how long it is not, and be able to confirm it.
static enum counter keep_or_not(const struct cache_directives *directives, bool has_lifetime,
				const struct cache_response_policy *policy)
{
	const struct cache_terms *terms = &policy->terms;
	if (directives->no_cache)
		return terms->has_validator ? COUNTER_COUNT : COUNTER_cache_not_stored_no_cache;
	if (!has_lifetime)
		return COUNTER_cache_not_stored_no_lifetime;
	bool is_fresh = cache_ttl_s(&policy->freshness, policy->freshness.received_s) > 0;
	if (is_fresh || terms->has_validator || terms->stale_while_s > 0)
		return COUNTER_COUNT;
	return COUNTER_cache_not_stored_stale;
}

static struct cache_terms terms_of(const struct http_message *request,
				   const struct http_message *response,
				   const struct cache_directives *directives)
{
	return (struct cache_terms){
		.is_shared = directives->is_public || directives->s_maxage_s >= 0 ||
			     directives->must_revalidate,
		.is_always_validated = directives->no_cache,
		.is_never_stale = directives->must_revalidate || directives->proxy_revalidate ||
				  directives->s_maxage_s >= 0,
		.is_immutable = directives->is_immutable,
		.has_validator = can_confirm(request, response),
		.stale_while_s = directives->stale_while_s,
		.stale_error_s = directives->stale_error_s,
	};
}

void cache_policy_response(const struct http_message *request, const struct http_message *response,
			   struct cache_times times, struct cache_response_policy *policy)
{
	struct cache_directives directives;
	cache_directives_of_response(response, &directives);
	*policy = (struct cache_response_policy){.terms = terms_of(request, response, &directives),
						 .no_cache_fields = directives.no_cache_fields,
						 .private_fields = directives.private_fields};
	bool has_lifetime =
		cache_freshness_of(request, response, &directives, times, &policy->freshness);
	policy->why = forbidden(request, response, &directives, policy->terms.is_shared);
	policy->is_personal = policy->why == COUNTER_cache_not_stored_authorization ||
			      response->status == 304 || response->status == 206 ||
			      request->method != HTTP_GET;
	if (policy->why == COUNTER_COUNT)
		policy->why = keep_or_not(&directives, has_lifetime, policy);
	policy->is_storable = policy->why == COUNTER_COUNT;
}
