// SPDX-License-Identifier: Apache-2.0
// Cache-Control: a list of token [ "=" ( token / quoted-string ) ] (RFC 9111 5.2, RFC 9110 5.6);
// and CDN-Cache-Control, which says the same as a structured field and goes before it (RFC 9213).
#include "cache_policy.h"

#include "structured.h"

#include "check.h"

struct directive {
	struct slice name;
	struct slice value; // at NULL when there is none; without quotes, escapes kept
	bool is_quoted;
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
		directive.is_quoted = text->bytes && text->at[0] == '"';
		directive.value =
			directive.is_quoted ? take_quoted(text) : slice_trim(take_until(text, ","));
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

// What a directive's name means: a flag, a flag that may be qualified by field names, or seconds.
struct meaning {
	bool *flag;
	struct slice *fields;
	int64_t *seconds;
};

static struct meaning meaning_of(struct cache_directives *d, struct slice name)
{
	const struct {
		struct slice name;
		struct meaning meaning;
	} known[] = {
		{SLICE("no-store"), {.flag = &d->no_store}},
		{SLICE("no-cache"), {.flag = &d->no_cache, .fields = &d->no_cache_fields}},
		{SLICE("private"), {.flag = &d->is_private, .fields = &d->private_fields}},
		{SLICE("public"), {.flag = &d->is_public}},
		{SLICE("must-revalidate"), {.flag = &d->must_revalidate}},
		{SLICE("proxy-revalidate"), {.flag = &d->proxy_revalidate}},
		{SLICE("must-understand"), {.flag = &d->must_understand}},
		{SLICE("immutable"), {.flag = &d->is_immutable}},
		{SLICE("only-if-cached"), {.flag = &d->only_if_cached}},
		{SLICE("max-age"), {.seconds = &d->max_age_s}},
		{SLICE("s-maxage"), {.seconds = &d->s_maxage_s}},
		{SLICE("min-fresh"), {.seconds = &d->min_fresh_s}},
		{SLICE("max-stale"), {.seconds = &d->max_stale_s}},
		{SLICE("stale-while-revalidate"), {.seconds = &d->stale_while_s}},
		{SLICE("stale-if-error"), {.seconds = &d->stale_error_s}},
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (slice_equal_nocase(known[i].name, name))
			return known[i].meaning;
	return (struct meaning){0};
}

static void note(struct cache_directives *d, const struct directive *directive)
{
	struct meaning meaning = meaning_of(d, directive->name);
	bool is_list = directive->is_quoted && directive->value.bytes > 0;
	if (meaning.fields && is_list && !meaning.fields->at)
		*meaning.fields = directive->value;
	else if (meaning.flag)
		*meaning.flag = true;
	else if (meaning.seconds == &d->max_stale_s && !directive->value.at)
		d->max_stale_s = CACHE_SECONDS_MAX; // however stale (5.2.1.2)
	else if (meaning.seconds)
		keep_smallest(meaning.seconds, directive->value);
}

void cache_directives_clear(struct cache_directives *directives)
{
	*directives = (struct cache_directives){.max_age_s = -1,
						.s_maxage_s = -1,
						.min_fresh_s = -1,
						.max_stale_s = -1,
						.stale_while_s = -1,
						.stale_error_s = -1};
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

// note_member takes one directive of a targeted field. A value of a wrong type is no freshness; a
// flag that comes with a value is set, which is the safer reading.
static void note_member(struct cache_directives *d, const struct structured_member *member)
{
	struct meaning meaning = meaning_of(d, member->key);
	bool is_number = member->type == STRUCTURED_INTEGER && member->integer > 0;
	if (meaning.flag)
		*meaning.flag = member->type != STRUCTURED_BOOLEAN || member->boolean;
	else if (meaning.seconds)
		*meaning.seconds = is_number ? MIN(member->integer, (int64_t)CACHE_SECONDS_MAX) : 0;
}

// take_targeted reads all CDN-Cache-Control fields; false when there is none, or one is invalid or
// empty.
static bool take_targeted(const struct http_message *response, struct cache_directives *directives)
{
	struct structured_member member;
	cache_directives_clear(directives);
	for (uint32_t i = 0; i < response->field_count; i++) {
		struct slice rest = response->fields[i].value;
		enum structured_result result = STRUCTURED_END;
		if (!slice_equal(response->fields[i].name, SLICE("cdn-cache-control")))
			continue;
		while ((result = structured_next(&rest, &member)) == STRUCTURED_MEMBER) {
			note_member(directives, &member);
			directives->is_targeted = directives->is_present = true;
		}
		if (result == STRUCTURED_INVALID)
			return false;
	}
	return directives->is_targeted;
}

void cache_directives_of_response(const struct http_message *response,
				  struct cache_directives *directives)
{
	if (!take_targeted(response, directives))
		cache_directives_of(response, directives);
}
