// SPDX-License-Identifier: Apache-2.0
// Cache-Control: a list of token [ "=" ( token / quoted-string ) ] (RFC 9111 5.2, RFC 9110 5.6).
#include "cache_policy.h"

struct directive {
	struct slice name;
	struct slice value; // at NULL when there is none; without quotes, escapes kept
};

// take_until cuts text at the first byte of stops and returns the part before.
static struct slice take_until(struct slice *text, const char *stops)
{
	size_t length = 0;
	while (length < text->bytes && !strchr(stops, text->at[length]))
		length++;
	struct slice taken = slice_head(*text, length);
	*text = slice_skip(*text, length);
	return taken;
}

// take_quoted takes a quoted-string; the opening quote is the first byte. One that is not closed
// ends with the text.
static struct slice take_quoted(struct slice *text)
{
	size_t end = 1;
	while (end < text->bytes && text->at[end] != '"')
		end += text->at[end] == '\\' && end + 1 < text->bytes ? 2 : 1;
	struct slice taken = slice_skip(slice_head(*text, end), 1);
	*text = slice_skip(*text, end + 1);
	return taken;
}

static struct directive take_directive(struct slice *text)
{
	struct directive directive = {.name = slice_trim(take_until(text, "=,"))};
	if (text->bytes && text->at[0] == '=') {
		*text = slice_trim(slice_skip(*text, 1));
		directive.value = text->bytes && text->at[0] == '"'
					  ? take_quoted(text)
					  : slice_trim(take_until(text, ","));
		if (!directive.value.at)
			directive.value = SLICE("");
	}
	take_until(text, ",");
	*text = slice_skip(*text, 1);
	return directive;
}

// delta-seconds (RFC 9111 1.2.2). What is no number is 0: invalid freshness counts as stale
// (4.2.1).
static int64_t seconds(struct slice text)
{
	uint64_t value = 0;
	if (text.bytes == 0)
		return 0;
	for (size_t i = 0; i < text.bytes; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return 0;
		value = value * 10 + (uint64_t)(text.at[i] - '0');
		if (value > CACHE_SECONDS_MAX)
			value = CACHE_SECONDS_MAX;
	}
	return (int64_t)value;
}

static void keep_smallest(int64_t *kept_s, struct slice text)
{
	int64_t value_s = seconds(text);
	if (*kept_s < 0 || value_s < *kept_s)
		*kept_s = value_s;
}

static void note(struct cache_directives *d, const struct directive *directive)
{
	const struct {
		struct slice name;
		bool *flag;
		int64_t *seconds;
	} known[] = {
		{SLICE("no-store"), &d->no_store, NULL},
		{SLICE("no-cache"), &d->no_cache, NULL},
		{SLICE("private"), &d->is_private, NULL},
		{SLICE("public"), &d->is_public, NULL},
		{SLICE("must-revalidate"), &d->must_revalidate, NULL},
		{SLICE("must-understand"), &d->must_understand, NULL},
		{SLICE("only-if-cached"), &d->only_if_cached, NULL},
		{SLICE("max-age"), NULL, &d->max_age_s},
		{SLICE("s-maxage"), NULL, &d->s_maxage_s},
		{SLICE("min-fresh"), NULL, &d->min_fresh_s},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!slice_equal_nocase(known[i].name, directive->name))
			continue;
		if (known[i].flag)
			*known[i].flag = true;
		else
			keep_smallest(known[i].seconds, directive->value);
	}
}

void cache_directives_clear(struct cache_directives *directives)
{
	*directives =
		(struct cache_directives){.max_age_s = -1, .s_maxage_s = -1, .min_fresh_s = -1};
}

void cache_directives_add(struct cache_directives *directives, struct slice value)
{
	directives->is_present = true;
	while (value.bytes) {
		struct directive directive = take_directive(&value);
		note(directives, &directive);
	}
}

void cache_directives_of(const struct http_message *message, struct cache_directives *directives)
{
	cache_directives_clear(directives);
	for (uint32_t i = 0; i < message->field_count; i++)
		if (slice_equal(message->fields[i].name, SLICE("cache-control")))
			cache_directives_add(directives, message->fields[i].value);
}
