// SPDX-License-Identifier: Apache-2.0
// A service's policy on its requests and responses; see exchange_policy.h.
#include "exchange_policy.h"

#include "cache_policy.h"
#include "exchange_key.h"
#include "proxy_priv.h"
#include "rate.h"

#include "check.h"

#include <stdio.h>

const struct policy_entry *exchange_policy(const struct exchange *exchange)
{
	const struct proxy *proxy = exchange->proxy;
	return proxy->policies && exchange->service_id
		       ? policy_table_find(proxy->policies, exchange->service_id)
		       : NULL;
}

// is_allowed looks the client up in the lists: denied ones first.
static bool is_allowed(const struct policy *policy, const struct addr *client)
{
	bool has_list = false, is_listed = false;
	for (uint32_t i = 0; i < policy->rule_count; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		if (rule->kind == POLICY_DENY && prefix_contains(&rule->prefix, client))
			return false;
		if (rule->kind != POLICY_ALLOW)
			continue;
		has_list = true;
		is_listed |= prefix_contains(&rule->prefix, client);
	}
	return !has_list || is_listed;
}

static bool is_method_allowed(const struct policy *policy, struct slice method)
{
	if (policy->methods == 0)
		return true;
	for (unsigned i = 0; i < POLICY_METHODS; i++)
		if (slice_equal(method, slice_str(policy_methods[i])))
			return policy->methods >> i & 1;
	return false;
}

// judge_rate draws from the client's bucket first: what it may not ask costs the others nothing.
static enum counter judge_rate(const struct exchange *exchange, const struct policy *policy)
{
	struct proxy *proxy = exchange->proxy;
	const struct addr *client = &exchange->client;
	if (!proxy->rates)
		return COUNTER_COUNT;
	if (policy->client_rate && !rate_take_client(proxy->rates, exchange->service_id, client,
						     proxy->now_us, policy->client_rate))
		return COUNTER_exchange_client_rate;
	if (policy->rate &&
	    !rate_take_service(proxy->rates, exchange->service_id, proxy->now_us, policy->rate))
		return COUNTER_exchange_service_rate;
	return COUNTER_COUNT;
}

static const struct policy_rule *redirect_of(const struct exchange *exchange,
					     const struct policy_entry *entry)
{
	for (uint32_t i = 0; i < entry->policy.rule_count; i++) {
		const struct policy_rule *rule = &entry->policy.rules[i];
		struct slice path = policy_text(entry, rule->name);
		if (rule->kind == POLICY_REDIRECT && slice_equal(exchange->path, path))
			return rule;
		if (rule->kind == POLICY_REDIRECT_PREFIX && slice_starts(exchange->path, path))
			return rule;
	}
	return NULL;
}

// is_preflight: a browser asks what another origin's page may send (Fetch 3.2.2).
static bool is_preflight(const struct exchange *exchange, const struct policy *policy)
{
	const struct http_message *request = &exchange->request;
	return policy->cors.bytes && request->method == HTTP_OPTIONS &&
	       http_field_find(request, SLICE("origin")).at &&
	       http_field_find(request, SLICE("access-control-request-method")).at;
}

// is_too_large looks at the length that was told and at what has come, maybe before the service was
// known. What goes through a tunnel is no body.
static bool is_too_large(const struct exchange *exchange, const struct policy *policy)
{
	uint64_t length = exchange->request.content_length;
	if (exchange->request.protocol.bytes)
		return false;
	return (length != HTTP_LENGTH_NONE && length > policy->body_bytes) ||
	       exchange->request_bytes > policy->body_bytes;
}

static enum counter judge(const struct exchange *exchange, const struct policy_entry *entry)
{
	const struct policy *policy = &entry->policy;
	if (!is_allowed(policy, &exchange->client))
		return COUNTER_exchange_denied;
	enum counter reason = judge_rate(exchange, policy);
	if (reason != COUNTER_COUNT)
		return reason;
	if (policy->is_in_maintenance)
		return COUNTER_exchange_maintenance;
	if (redirect_of(exchange, entry))
		return COUNTER_exchange_moved;
	if (is_preflight(exchange, policy))
		return COUNTER_exchange_preflight;
	if (!is_method_allowed(policy, exchange->request.method_text))
		return COUNTER_exchange_method_not_allowed;
	if (is_too_large(exchange, policy))
		return COUNTER_exchange_body_too_large;
	return COUNTER_COUNT;
}

bool exchange_police(struct exchange *exchange)
{
	const struct policy_entry *entry = exchange_policy(exchange);
	enum counter reason = entry ? judge(exchange, entry) : COUNTER_COUNT;
	if (reason == COUNTER_COUNT)
		return true;
	exchange_reply(exchange, reason);
	return false;
}

bool exchange_is_cached(const struct exchange *exchange)
{
	const struct policy_entry *entry = exchange_policy(exchange);
	return exchange->proxy->cache && !exchange->request.protocol.bytes &&
	       !(entry && entry->policy.is_cache_off);
}

struct http_message exchange_policy_stored(const struct exchange *exchange,
					   const struct http_message *response,
					   struct exchange_stored_text *room)
{
	const struct policy_entry *entry = exchange_policy(exchange);
	struct cache_directives directives;
	struct http_message seen = *response;
	struct slice vary = exchange_key_vary(exchange, room->vary);
	uint32_t ttl_s = !entry                   ? 0
			 : response->status < 400 ? entry->policy.cache_ttl_s
						  : entry->policy.cache_error_ttl_s;
	cache_directives_of_response(response, &directives);
	if (directives.is_private || directives.no_store || directives.private_fields.bytes ||
	    http_field_find(&exchange->request, SLICE("authorization")).at)
		ttl_s = 0; // one user's
	if (ttl_s == 0 && vary.bytes == 0)
		return seen;
	CHECK(response->field_count <= HTTP_FIELDS_MAX);
	seen.fields = room->fields;
	seen.field_count = 0;
	for (uint32_t i = 0; i < response->field_count; i++)
		if (!ttl_s || !slice_equal(response->fields[i].name, SLICE("cdn-cache-control")))
			seen.fields[seen.field_count++] = response->fields[i];
	int bytes = snprintf(room->lifetime, sizeof(room->lifetime), "max-age=%u", ttl_s);
	if (ttl_s)
		seen.fields[seen.field_count++] = (struct http_field){
			SLICE("cdn-cache-control"), slice_of(room->lifetime, (size_t)bytes)};
	if (vary.bytes)
		seen.fields[seen.field_count++] = (struct http_field){SLICE("vary"), vary};
	return seen;
}

bool exchange_police_body(struct exchange *exchange)
{
	const struct policy_entry *entry = exchange_policy(exchange);
	if (!entry || !is_too_large(exchange, &entry->policy))
		return true;
	if (exchange->is_response_begun)
		exchange_break(exchange, COUNTER_exchange_body_too_large);
	else
		exchange_reply(exchange, COUNTER_exchange_body_too_large);
	return false;
}

// drop takes all fields of this name out. What is written ahead may have one.
static void drop(struct http_message *out, struct slice name)
{
	uint32_t kept = 0;
	out->written = NULL;
	for (uint32_t i = 0; i < out->field_count; i++)
		if (!slice_equal(out->fields[i].name, name))
			out->fields[kept++] = out->fields[i];
	out->field_count = kept;
}

static void set(struct http_message *out, struct slice name, struct slice value)
{
	drop(out, name);
	out->fields[out->field_count++] = (struct http_field){name, value};
}

// change applies the rules of two kinds in the order in which they were written.
static void change(const struct policy_entry *entry, enum policy_rule_kind setting,
		   enum policy_rule_kind removing, struct http_message *out)
{
	for (uint32_t i = 0; i < entry->policy.rule_count; i++) {
		const struct policy_rule *rule = &entry->policy.rules[i];
		if (rule->kind == setting)
			set(out, policy_text(entry, rule->name), policy_text(entry, rule->value));
		else if (rule->kind == removing)
			drop(out, policy_text(entry, rule->name));
	}
}

void exchange_policy_request(const struct exchange *exchange, struct http_message *out)
{
	const struct policy_entry *entry = exchange_policy(exchange);
	if (entry)
		change(entry, POLICY_REQUEST_SET, POLICY_REQUEST_REMOVE, out);
}

// allow_origin tells a page of another origin that it may read this (Fetch 3.2.3).
static void allow_origin(const struct exchange *exchange, const struct policy_entry *entry,
			 struct http_message *out)
{
	struct slice allowed = policy_text(entry, entry->policy.cors);
	struct slice origin = http_field_find(&exchange->request, SLICE("origin"));
	bool is_any = slice_equal(allowed, SLICE("*"));
	if (!origin.at || (!is_any && !slice_equal(origin, allowed)))
		return;
	set(out, SLICE("access-control-allow-origin"), allowed);
	if (exchange->reason != COUNTER_exchange_preflight)
		return;
	struct slice fields =
		http_field_find(&exchange->request, SLICE("access-control-request-headers"));
	set(out, SLICE("access-control-allow-methods"),
	    SLICE("GET, HEAD, POST, PUT, DELETE, PATCH"));
	if (fields.bytes)
		set(out, SLICE("access-control-allow-headers"), fields);
	set(out, SLICE("access-control-max-age"), SLICE("600"));
}

void exchange_policy_response(const struct exchange *exchange, struct http_message *out)
{
	const struct policy_entry *entry = exchange_policy(exchange);
	if (!entry)
		return;
	if (entry->policy.cors.bytes)
		allow_origin(exchange, entry, out);
	if (entry->policy.cache_ttl_s || entry->policy.cache_error_ttl_s)
		drop(out, SLICE("cdn-cache-control")); // ours
	if (entry->policy.hsts_s && slice_equal(exchange->request.scheme, SLICE("https"))) {
		char text[32];
		int bytes = snprintf(text, sizeof(text), "max-age=%u", entry->policy.hsts_s);
		struct slice value =
			arena_copy(&exchange->proxy->scratch, slice_of(text, (size_t)bytes));
		if (value.at)
			set(out, SLICE("strict-transport-security"), value);
	}
	change(entry, POLICY_RESPONSE_SET, POLICY_RESPONSE_REMOVE, out);
}

// keep copies a page into a buffer of the exchange's, since a policy may change while it is sent,
// with its lines; empty without a buffer.
static struct slice keep(struct exchange *exchange, struct slice text)
{
	size_t bytes = 0;
	if (text.bytes == 0)
		return (struct slice){0};
	if (exchange->page_buf)
		buf_unref(exchange->page_buf);
	exchange->page_buf = buf_new(exchange->proxy->bufs, text.bytes);
	if (!exchange->page_buf)
		return (struct slice){0};
	for (; text.bytes; text = slice_skip(text, 1)) {
		bool is_line = slice_starts(text, SLICE("\\n"));
		exchange->page_buf->data[bytes++] = is_line ? '\n' : (uint8_t)text.at[0];
		text = slice_skip(text, is_line);
	}
	return slice_of(exchange->page_buf->data, bytes);
}

struct slice exchange_policy_page(struct exchange *exchange, uint16_t status, bool *is_html)
{
	const struct policy_entry *entry = exchange_policy(exchange);
	struct slice page = {0};
	for (uint32_t i = 0; entry && i < entry->policy.rule_count; i++) {
		const struct policy_rule *rule = &entry->policy.rules[i];
		if (rule->kind == POLICY_ERROR_PAGE && rule->status == status)
			page = policy_text(entry, rule->value);
	}
	if (entry && exchange->reason == COUNTER_exchange_maintenance &&
	    entry->policy.maintenance.bytes)
		page = policy_text(entry, entry->policy.maintenance);
	*is_html = page.bytes && page.at[0] == '<';
	return keep(exchange, page);
}

struct slice exchange_policy_location(struct exchange *exchange)
{
	const struct policy_entry *entry = exchange_policy(exchange);
	const struct policy_rule *rule = entry ? redirect_of(exchange, entry) : NULL;
	if (!rule)
		return (struct slice){0};
	struct slice to = policy_text(entry, rule->value), rest = {0};
	if (rule->kind == POLICY_REDIRECT_PREFIX)
		rest = slice_skip(exchange->request.target, rule->name.bytes);
	char *at = arena_alloc(&exchange->arena, to.bytes + rest.bytes);
	if (!at)
		return (struct slice){0};
	memcpy(at, to.at, to.bytes);
	if (rest.bytes)
		memcpy(at + to.bytes, rest.at, rest.bytes);
	return slice_of(at, to.bytes + rest.bytes);
}

struct slice exchange_policy_methods(const struct exchange *exchange, char out[64])
{
	const struct policy_entry *entry = exchange_policy(exchange);
	size_t bytes = 0;
	for (unsigned i = 0; entry && i < POLICY_METHODS; i++) {
		if (!(entry->policy.methods >> i & 1))
			continue;
		int added = snprintf(out + bytes, 64 - bytes, "%s%s", bytes ? ", " : "",
				     policy_methods[i]);
		bytes += (size_t)added;
	}
	return slice_of(out, bytes);
}
