// SPDX-License-Identifier: Apache-2.0
// What of a request makes the cache's key; see exchange_key.h.
#include "exchange_key.h"

#include "exchange_policy.h"
#include "proxy_priv.h"

#include "check.h"

#include <stdio.h>

#define SORTED_MAX 64u // parameters; more are left in their order

// names is true when a rule of this kind names the parameter or cookie.
static bool names(const struct policy_entry *entry, enum policy_rule_kind kind, struct slice name)
{
	for (uint32_t i = 0; i < entry->policy.rule_count; i++) {
		const struct policy_rule *rule = &entry->policy.rules[i];
		struct slice wanted = policy_text(entry, rule->name);
		if (rule->kind == kind &&
		    (rule->value.bytes ? slice_starts(name, wanted) : slice_equal(name, wanted)))
			return true;
	}
	return false;
}

static bool has_rule(const struct policy_entry *entry, enum policy_rule_kind kind)
{
	for (uint32_t i = 0; i < entry->policy.rule_count; i++)
		if (entry->policy.rules[i].kind == kind)
			return true;
	return false;
}

static struct slice name_of(struct slice pair)
{
	return slice_head(pair, slice_find(pair, '='));
}

static bool is_seen(const struct policy_entry *entry, bool has_kept, struct slice parameter)
{
	return !names(entry, POLICY_QUERY_DROP, name_of(parameter)) &&
	       (!has_kept || names(entry, POLICY_QUERY_KEEP, name_of(parameter)));
}

// filter_query takes parameters out that the policy does not name, or drops.
static void filter_query(struct exchange *exchange, const struct policy_entry *entry)
{
	struct slice target = exchange->request.target;
	size_t path = slice_find(target, '?'), bytes = path;
	bool has_kept = has_rule(entry, POLICY_QUERY_KEEP);
	char *at = arena_alloc(&exchange->arena, target.bytes);
	if (!at)
		return; // seen as it is, by both
	memcpy(at, target.at, path);
	for (struct slice rest = slice_skip(target, path + 1); rest.bytes;) {
		struct slice parameter = slice_head(rest, slice_find(rest, '&'));
		rest = slice_skip(rest, MIN(parameter.bytes + 1, rest.bytes));
		if (!parameter.bytes || !is_seen(entry, has_kept, parameter))
			continue;
		at[bytes] = bytes == path ? '?' : '&';
		memcpy(at + bytes + 1, parameter.at, parameter.bytes);
		bytes += parameter.bytes + 1;
	}
	exchange->request.target = slice_of(at, bytes);
}

static bool is_before(struct slice a, struct slice b)
{
	int order = memcmp(a.at, b.at, MIN(a.bytes, b.bytes));
	return order < 0 || (order == 0 && a.bytes < b.bytes);
}

// gather_sorted puts the query's parameters in the order of their names; those of one name keep
// theirs, which may mean something. Returns how many; SORTED_MAX + 1: too many.
static size_t gather_sorted(struct slice query, struct slice sorted[SORTED_MAX])
{
	size_t count = 0;
	while (query.bytes) {
		struct slice parameter = slice_head(query, slice_find(query, '&'));
		query = slice_skip(query, MIN(parameter.bytes + 1, query.bytes));
		if (parameter.bytes == 0)
			continue;
		if (count == SORTED_MAX)
			return SORTED_MAX + 1;
		size_t at = count++;
		for (; at > 0 && is_before(name_of(parameter), name_of(sorted[at - 1])); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = parameter;
	}
	return count;
}

static void sort_query(struct exchange *exchange)
{
	struct slice sorted[SORTED_MAX];
	struct slice target = exchange->request.target;
	size_t bytes = slice_find(target, '?');
	size_t count = gather_sorted(slice_skip(target, MIN(bytes + 1, target.bytes)), sorted);
	char *at = count <= SORTED_MAX ? arena_alloc(&exchange->arena, target.bytes) : NULL;
	if (!at)
		return;
	memcpy(at, target.at, bytes);
	for (size_t i = 0; i < count; i++) {
		at[bytes] = i ? '&' : '?';
		memcpy(at + bytes + 1, sorted[i].at, sorted[i].bytes);
		bytes += sorted[i].bytes + 1;
	}
	exchange->request.target = slice_of(at, bytes);
}

// set_field replaces all fields of this name by one, or by none when value is empty; false without
// memory.
static bool set_field(struct exchange *exchange, struct slice name, struct slice value)
{
	struct http_message *request = &exchange->request;
	struct http_field *fields =
		arena_alloc(&exchange->arena, (request->field_count + 1) * sizeof(*fields));
	uint32_t count = 0;
	if (!fields)
		return false;
	for (uint32_t i = 0; i < request->field_count; i++)
		if (!slice_equal(request->fields[i].name, name))
			fields[count++] = request->fields[i];
	if (value.bytes && count < HTTP_FIELDS_MAX)
		fields[count++] = (struct http_field){name, value};
	request->fields = fields;
	request->field_count = count;
	return true;
}

// take_pair takes the first cookie off the value of a Cookie (RFC 6265 4.2.1).
static struct slice take_pair(struct slice *value)
{
	struct slice pair = slice_head(*value, slice_find(*value, ';'));
	*value = slice_skip(*value, MIN(pair.bytes + 1, value->bytes));
	while (slice_starts(pair, SLICE(" ")))
		pair = slice_skip(pair, 1);
	return pair;
}

// filter_cookies leaves those that are part of the key. What does not fit stays: the key has it
// all.
static void filter_cookies(struct exchange *exchange, const struct policy_entry *entry)
{
	const struct http_message *request = &exchange->request;
	size_t room = 0, bytes = 0;
	for (uint32_t i = 0; i < request->field_count; i++)
		if (slice_equal(request->fields[i].name, SLICE("cookie")))
			room += request->fields[i].value.bytes + 2;
	char *at = room ? arena_alloc(&exchange->arena, room) : NULL;
	for (uint32_t i = 0; at && i < request->field_count; i++) {
		struct slice rest = request->fields[i].value;
		if (!slice_equal(request->fields[i].name, SLICE("cookie")))
			continue;
		while (rest.bytes) {
			struct slice pair = take_pair(&rest);
			if (!names(entry, POLICY_KEY_COOKIE, name_of(pair)))
				continue;
			if (bytes) {
				at[bytes++] = ';';
				at[bytes++] = ' ';
			}
			memcpy(at + bytes, pair.at, pair.bytes);
			bytes += pair.bytes;
		}
	}
	if (at)
		set_field(exchange, SLICE("cookie"), slice_of(at, bytes));
}

static bool has_text(struct slice text, struct slice part)
{
	for (; text.bytes >= part.bytes; text = slice_skip(text, 1))
		if (slice_starts(text, part))
			return true;
	return false;
}

// device_of is as coarse as what browsers say of themselves: phones say Mobi.
static struct slice device_of(const struct http_message *request)
{
	struct slice agent = http_field_find(request, SLICE("user-agent"));
	if (has_text(agent, SLICE("iPad")) || has_text(agent, SLICE("Tablet")))
		return SLICE("tablet");
	return has_text(agent, SLICE("Mobi")) ? SLICE("mobile") : SLICE("desktop");
}

void exchange_key_apply(struct exchange *exchange)
{
	const struct policy_entry *entry = exchange_policy(exchange);
	struct http_message *request = &exchange->request;
	bool has_query = slice_find(request->target, '?') < request->target.bytes;
	bool is_cached = request->method == HTTP_GET || request->method == HTTP_HEAD;
	if (!entry)
		return;
	if (has_query && (has_rule(entry, POLICY_QUERY_KEEP) || has_rule(entry, POLICY_QUERY_DROP)))
		filter_query(exchange, entry);
	if (has_query && entry->policy.is_query_sorted)
		sort_query(exchange);
	if (is_cached && !request->protocol.bytes &&
	    (entry->policy.is_cookie_ignored || has_rule(entry, POLICY_KEY_COOKIE)))
		filter_cookies(exchange, entry);
	if (entry->policy.is_device_keyed)
		set_field(exchange, SLICE("x-device"), device_of(request));
}

bool exchange_key_has_fields(const struct exchange *exchange)
{
	const struct policy_entry *entry = exchange_policy(exchange);
	return entry && (entry->policy.is_device_keyed || has_rule(entry, POLICY_KEY_COOKIE) ||
			 has_rule(entry, POLICY_KEY_FIELD));
}

struct slice exchange_key_vary(const struct exchange *exchange, char *text)
{
	const struct policy_entry *entry = exchange_policy(exchange);
	size_t bytes = 0;
	if (!exchange_key_has_fields(exchange))
		return (struct slice){0};
	if (has_rule(entry, POLICY_KEY_COOKIE))
		bytes += (size_t)snprintf(text, EXCHANGE_KEY_VARY_BYTES, "cookie, ");
	if (entry->policy.is_device_keyed)
		bytes += (size_t)snprintf(text + bytes, EXCHANGE_KEY_VARY_BYTES - bytes,
					  "x-device, ");
	for (uint32_t i = 0; i < entry->policy.rule_count; i++) {
		const struct policy_rule *rule = &entry->policy.rules[i];
		struct slice name = policy_text(entry, rule->name);
		if (rule->kind != POLICY_KEY_FIELD)
			continue;
		if (name.bytes + 2 > EXCHANGE_KEY_VARY_BYTES - bytes)
			return SLICE("*");
		memcpy(text + bytes, name.at, name.bytes);
		memcpy(text + bytes + name.bytes, ", ", 2);
		bytes += name.bytes + 2;
	}
	return slice_of(text, bytes >= 2 ? bytes - 2 : 0);
}
