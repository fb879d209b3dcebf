// SPDX-License-Identifier: Apache-2.0
// Rules of a service's policy; see policy.h. A line is copied nowhere: spans point into the text.
#include "policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const policy_methods[POLICY_METHODS] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
						    "CONNECT", "OPTIONS", "TRACE", "PATCH"};

struct parser {
	char *text;
	struct policy *policy;
	char *why;
	unsigned line;
};

// A line's value: bytes of the text.
struct value {
	char *at;
	size_t bytes;
};

__attribute__((format(printf, 2, 3))) static bool fail(struct parser *parser, const char *format,
						       ...)
{
	va_list arguments;
	int begun = snprintf(parser->why, POLICY_WHY_BYTES, "rule %u: ", parser->line);
	va_start(arguments, format);
	vsnprintf(parser->why + begun, POLICY_WHY_BYTES - (size_t)begun, format, arguments);
	va_end(arguments);
	return false;
}

static struct policy_span span(const struct parser *parser, struct value value)
{
	return (struct policy_span){(uint16_t)(value.at - parser->text), (uint16_t)value.bytes};
}

// split takes what stands before the first stop off value; false when there is none.
static bool split(struct value *value, char stop, struct value *before)
{
	char *at = value->bytes ? memchr(value->at, stop, value->bytes) : NULL;
	if (!at)
		return false;
	*before = (struct value){value->at, (size_t)(at - value->at)};
	*value = (struct value){at + 1, value->bytes - before->bytes - 1};
	return true;
}

static struct value trim(struct value value)
{
	while (value.bytes && value.at[0] == ' ') {
		value.at++;
		value.bytes--;
	}
	while (value.bytes && value.at[value.bytes - 1] == ' ')
		value.bytes--;
	return value;
}

static struct policy_rule *new_rule(struct parser *parser, enum policy_rule_kind kind)
{
	struct policy *policy = parser->policy;
	if (policy->rule_count == POLICY_RULES_MAX) {
		fail(parser, "more than %u rules; leave some out", POLICY_RULES_MAX);
		return NULL;
	}
	struct policy_rule *rule = &policy->rules[policy->rule_count++];
	*rule = (struct policy_rule){.kind = kind};
	return rule;
}

static bool is_value(struct value value, const char *text)
{
	return strlen(text) == value.bytes && memcmp(text, value.at, value.bytes) == 0;
}

static bool read_methods(struct parser *parser, struct value value, unsigned)
{
	struct value name;
	for (bool is_more = true; is_more;) {
		unsigned bit = 0;
		is_more = split(&value, ',', &name);
		if (!is_more)
			name = value;
		name = trim(name);
		while (bit < POLICY_METHODS && !is_value(name, policy_methods[bit]))
			bit++;
		if (bit == POLICY_METHODS)
			return fail(parser, "no method '%.*s'; GET,HEAD,POST ... are",
				    (int)name.bytes, name.at);
		parser->policy->methods |= 1u << bit;
	}
	return true;
}

// read_number reads digits and, when units is set, one of B, KiB, MiB, GiB behind them.
static bool read_number(struct value value, bool has_units, uint64_t most, uint64_t *out)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {{"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}};
	uint64_t number = 0;
	size_t i = 0;
	for (; i < value.bytes && value.at[i] >= '0' && value.at[i] <= '9'; i++) {
		if (number > most)
			return false;
		number = number * 10 + (uint64_t)(value.at[i] - '0');
	}
	struct value unit = {value.at + i, value.bytes - i};
	if (i == 0 || number > most || (!has_units && unit.bytes))
		return false;
	*out = number;
	for (size_t u = 0; has_units && u < sizeof(units) / sizeof(units[0]); u++)
		if (is_value(unit, units[u].name)) {
			*out = number * units[u].bytes;
			return number <= most / units[u].bytes;
		}
	return !has_units;
}

static bool read_body(struct parser *parser, struct value value, unsigned)
{
	return read_number(value, true, 1ull << 50, &parser->policy->body_bytes) ||
	       fail(parser, "a size is wanted; 10MiB is one");
}

enum number { NUMBER_RATE, NUMBER_CLIENT_RATE, NUMBER_HSTS, NUMBER_TTL, NUMBER_ERROR_TTL };

static bool read_count(struct parser *parser, struct value value, unsigned which)
{
	struct policy *policy = parser->policy;
	uint32_t *const to[] = {&policy->rate, &policy->client_rate, &policy->hsts_s,
				&policy->cache_ttl_s, &policy->cache_error_ttl_s};
	uint64_t number;
	if (!read_number(value, false, 1000000000, &number) || number == 0)
		return fail(parser, "a number from 1 to 1000000000 is wanted");
	*to[which] = (uint32_t)number;
	return true;
}

static bool read_prefix(struct parser *parser, struct value value, unsigned kind)
{
	struct policy_rule *rule = new_rule(parser, kind);
	char text[ADDR_TEXT_BYTES] = "";
	if (!rule)
		return false;
	if (value.bytes < sizeof(text))
		memcpy(text, value.at, value.bytes);
	return prefix_parse(text, &rule->prefix) == 0 ||
	       fail(parser, "an address or prefix is wanted; 192.0.2.0/24 is one");
}

static bool read_maintenance(struct parser *parser, struct value value, unsigned)
{
	parser->policy->is_in_maintenance = true;
	parser->policy->maintenance = span(parser, value);
	return true;
}

// is_visible is true for text without blanks and bytes outside of printable ASCII.
static bool is_visible(struct value value)
{
	for (size_t i = 0; i < value.bytes; i++)
		if (value.at[i] <= ' ' || value.at[i] > '~')
			return false;
	return value.bytes > 0;
}

static bool read_redirect(struct parser *parser, struct value value, unsigned)
{
	struct value path;
	bool is_whole = split(&value, ' ', &path);
	value = trim(value);
	if (!is_whole || path.bytes == 0 || path.at[0] != '/' || !is_visible(path) ||
	    !is_visible(value))
		return fail(parser, "a path and where it went are wanted; '/old https://new/' is");
	bool is_prefix = path.at[path.bytes - 1] == '*';
	struct policy_rule *rule =
		new_rule(parser, is_prefix ? POLICY_REDIRECT_PREFIX : POLICY_REDIRECT);
	if (!rule)
		return false;
	path.bytes -= is_prefix;
	rule->name = span(parser, path);
	rule->value = span(parser, value);
	return true;
}

// read_name makes a field's name lower case. False when it is no token, or one that framing and
// routing depend on.
static bool read_name(struct value name)
{
	static const char *const ours[] = {
		"connection", "content-length", "transfer-encoding", "host", "te", "upgrade",
		"trailer",    "keep-alive",     "proxy-connection"};
	for (size_t i = 0; i < name.bytes; i++) {
		char *c = &name.at[i];
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + ('a' - 'A'));
		if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ||
		      (*c != 0 && strchr("!#$%&'*+-.^_`|~", *c))))
			return false;
	}
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (is_value(name, ours[i]))
			return false;
	return name.bytes > 0 && name.bytes < 256;
}

static bool read_field(struct parser *parser, struct value value, unsigned kind)
{
	struct value name = value;
	bool is_set = kind == POLICY_REQUEST_SET || kind == POLICY_RESPONSE_SET;
	struct policy_rule *rule = new_rule(parser, kind);
	if (!rule)
		return false;
	if (is_set && !split(&value, ':', &name))
		return fail(parser, "a name and a value are wanted; 'X-Name: value' is");
	if (!read_name(name))
		return fail(parser, "'%.*s' is no field that a policy may change", (int)name.bytes,
			    name.at);
	rule->name = span(parser, name);
	rule->value = is_set ? span(parser, trim(value)) : (struct policy_span){0};
	return true;
}

static bool read_compression(struct parser *parser, struct value value, unsigned)
{
	parser->policy->is_uncompressed = is_value(value, "off");
	return is_value(value, "off") || is_value(value, "on") ||
	       fail(parser, "on or off is wanted");
}

static bool read_cors(struct parser *parser, struct value value, unsigned)
{
	parser->policy->cors = span(parser, value);
	return is_visible(value) || fail(parser, "an origin is wanted; https://app.example, or *");
}

// read_parameter reads the name of one, or what several begin with.
static bool read_parameter(struct parser *parser, struct value value, unsigned kind)
{
	struct value name = value, star = value;
	bool is_begin = value.bytes && value.at[value.bytes - 1] == '*';
	struct policy_rule *rule = new_rule(parser, kind);
	if (!rule)
		return false;
	name.bytes -= is_begin;
	star.at += name.bytes;
	star.bytes = is_begin;
	for (size_t i = 0; i < name.bytes; i++)
		if (name.at[i] <= ' ' || name.at[i] > '~' || strchr("*&=#?", name.at[i]))
			return fail(parser, "'%.*s' is no name of a parameter; utm_* is one",
				    (int)value.bytes, value.at);
	rule->name = span(parser, name);
	rule->value = span(parser, star);
	return value.bytes > 0 || fail(parser, "a parameter is wanted; utm_* is one");
}

static bool read_parameters(struct parser *parser, struct value value, unsigned kind)
{
	struct value name;
	while (split(&value, ',', &name))
		if (!read_parameter(parser, trim(name), kind))
			return false;
	return read_parameter(parser, trim(value), kind);
}

static bool read_cache(struct parser *parser, struct value value, unsigned)
{
	parser->policy->is_cache_off = is_value(value, "off");
	return parser->policy->is_cache_off || is_value(value, "on") ||
	       fail(parser, "on or off is wanted");
}

enum choice { CHOICE_SORT, CHOICE_DEVICE };

static bool read_choice(struct parser *parser, struct value value, unsigned which)
{
	struct policy *policy = parser->policy;
	bool *const to[] = {&policy->is_query_sorted, &policy->is_device_keyed};
	*to[which] = is_value(value, "on");
	return is_value(value, "on") || is_value(value, "off") ||
	       fail(parser, "on or off is wanted");
}

static bool read_cookies(struct parser *parser, struct value value, unsigned)
{
	parser->policy->is_cookie_ignored = is_value(value, "ignore");
	return is_value(value, "ignore") || is_value(value, "pass") ||
	       fail(parser, "ignore or pass is wanted");
}

// read_fields reads names of fields, one rule each.
static bool read_fields(struct parser *parser, struct value value, unsigned kind)
{
	struct value name;
	while (split(&value, ',', &name))
		if (!read_field(parser, trim(name), kind))
			return false;
	return read_field(parser, trim(value), kind);
}

static bool read_error_page(struct parser *parser, struct value value, unsigned)
{
	struct policy_rule *rule = new_rule(parser, POLICY_ERROR_PAGE);
	struct value status;
	uint64_t number;
	if (!rule)
		return false;
	if (!split(&value, ' ', &status) || !read_number(status, false, 599, &number) ||
	    number < 400 || trim(value).bytes == 0)
		return fail(parser, "a status and its text are wanted; '503 Back soon' is");
	rule->status = (uint16_t)number;
	rule->value = span(parser, trim(value));
	return true;
}

static const struct {
	const char *key;
	bool (*read)(struct parser *parser, struct value value, unsigned kind);
	unsigned kind;
} keys[] = {
	{"methods", read_methods, 0},
	{"max-body", read_body, 0},
	{"rate", read_count, NUMBER_RATE},
	{"client-rate", read_count, NUMBER_CLIENT_RATE},
	{"allow", read_prefix, POLICY_ALLOW},
	{"deny", read_prefix, POLICY_DENY},
	{"maintenance", read_maintenance, 0},
	{"redirect", read_redirect, 0},
	{"request-set", read_field, POLICY_REQUEST_SET},
	{"request-remove", read_field, POLICY_REQUEST_REMOVE},
	{"response-set", read_field, POLICY_RESPONSE_SET},
	{"response-remove", read_field, POLICY_RESPONSE_REMOVE},
	{"hsts", read_count, NUMBER_HSTS},
	{"cors", read_cors, 0},
	{"query-drop", read_parameters, POLICY_QUERY_DROP},
	{"query-keep", read_parameters, POLICY_QUERY_KEEP},
	{"query-sort", read_choice, CHOICE_SORT},
	{"cookies", read_cookies, 0},
	{"key-cookie", read_parameters, POLICY_KEY_COOKIE},
	{"key-field", read_fields, POLICY_KEY_FIELD},
	{"key-device", read_choice, CHOICE_DEVICE},
	{"cache", read_cache, 0},
	{"cache-ttl", read_count, NUMBER_TTL},
	{"cache-error-ttl", read_count, NUMBER_ERROR_TTL},
	{"compression", read_compression, 0},
	{"error-page", read_error_page, 0},
};

static bool read_line(struct parser *parser, struct value line)
{
	struct value key;
	for (size_t i = 0; i < line.bytes; i++)
		if ((unsigned char)line.at[i] < ' ' || line.at[i] == 0x7f)
			return fail(parser, "a control character; leave it out");
	if (!split(&line, '=', &key))
		return fail(parser, "'%.*s' has no value; key=value is wanted", (int)line.bytes,
			    line.at);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (is_value(key, keys[i].key))
			return keys[i].read(parser, trim(line), keys[i].kind);
	return fail(parser, "no rule is called '%.*s'; methods, max-body, rate ... are",
		    (int)(key.bytes < 40 ? key.bytes : 40), key.at);
}

bool policy_parse(char *text, size_t bytes, struct policy *policy, char why[POLICY_WHY_BYTES])
{
	struct parser parser = {text, policy, why, 0};
	struct value rest = {text, bytes}, line;
	*policy = (struct policy){.body_bytes = POLICY_BODY_NONE};
	if (bytes > POLICY_TEXT_BYTES)
		return fail(&parser, "more than %u bytes; leave some out", POLICY_TEXT_BYTES);
	while (rest.bytes) {
		parser.line++;
		if (!split(&rest, '\n', &line)) {
			line = rest;
			rest.bytes = 0;
		}
		if (line.bytes && !read_line(&parser, line))
			return false;
	}
	return true;
}
