// SPDX-License-Identifier: Apache-2.0
// Vary: the secondary key of a stored response (RFC 9111 4.1, RFC 9110 12.5.5). Values are compared
// in a normal form, the same for the request that stored and the one that asks: members of the list
// joined by "," without blanks; lists whose order means nothing are in lower case and sorted.
#include "cache_policy.h"

#include "check.h"
#include "http_field.h"

#define MEMBERS_MAX 32u // of a sorted list; longer ones keep their order

struct text {
	char at[CACHE_VARY_BYTES];
	size_t bytes;
	bool is_there; // the request has the field
	bool is_whole; // it fitted
};

// is_unordered: fields whose members are preferences with weights (RFC 9110 12.4.2, 12.5).
static bool is_unordered(struct slice name)
{
	return slice_equal(name, SLICE("accept-language")) ||
	       slice_equal(name, SLICE("accept-encoding")) ||
	       slice_equal(name, SLICE("accept-charset"));
}

static void put(struct text *text, struct slice part)
{
	text->is_whole &= part.bytes <= sizeof(text->at) - text->bytes;
	if (!text->is_whole)
		return;
	if (part.bytes)
		memcpy(text->at + text->bytes, part.at, part.bytes);
	text->bytes += part.bytes;
}

// take_member takes what is before the next comma outside quotes; false at the end.
static bool take_member(struct slice *list, struct slice *member)
{
	size_t end = 0;
	bool is_quoted = false;
	if (list->bytes == 0)
		return false;
	for (; end < list->bytes && (is_quoted || list->at[end] != ','); end++) {
		is_quoted ^= list->at[end] == '"';
		end += is_quoted && list->at[end] == '\\' && end + 1 < list->bytes;
	}
	*member = slice_trim(slice_head(*list, end));
	*list = slice_skip(*list, end + 1);
	return true;
}

// join writes all values of a field as one list.
static void join(const struct http_message *request, struct slice name, struct text *text)
{
	text->bytes = 0;
	text->is_there = false;
	text->is_whole = true;
	for (uint32_t i = 0; i < request->field_count; i++) {
		struct slice list = request->fields[i].value, member;
		if (!slice_equal(request->fields[i].name, name))
			continue;
		text->is_there = true;
		while (take_member(&list, &member)) {
			if (member.bytes == 0)
				continue;
			put(text, text->bytes ? SLICE(",") : SLICE(""));
			put(text, member);
		}
	}
}

static bool is_before(struct slice a, struct slice b)
{
	int order = memcmp(a.at, b.at, MIN(a.bytes, b.bytes));
	return order < 0 || (order == 0 && a.bytes < b.bytes);
}

// sort puts the members of a joined list in order.
static void sort(struct text *text)
{
	struct text copy = *text;
	struct slice members[MEMBERS_MAX], list = slice_of(copy.at, copy.bytes), member;
	size_t count = 0;
	while (take_member(&list, &member)) {
		size_t place = count;
		if (count == MEMBERS_MAX)
			return;
		for (; place > 0 && is_before(member, members[place - 1]); place--)
			members[place] = members[place - 1];
		members[place] = member;
		count++;
	}
	text->bytes = 0;
	for (size_t i = 0; i < count; i++) {
		put(text, i ? SLICE(",") : SLICE(""));
		put(text, members[i]);
	}
}

static void normalise(const struct http_message *request, struct slice name, struct text *text)
{
	join(request, name, text);
	if (!is_unordered(name) || !text->is_whole)
		return;
	http_lower(text->at, text->bytes);
	sort(text);
}

static bool gather_value(const struct http_message *request, struct slice name, struct arena *arena,
			 struct slice *value)
{
	struct text text;
	normalise(request, name, &text);
	*value = (struct slice){0};
	if (!text.is_there)
		return true;
	*value = arena_copy(arena, slice_of(text.at, text.bytes));
	return text.is_whole && value->at;
}

static bool gather_name(struct slice name, struct arena *arena, struct slice *lower)
{
	char *text = arena_alloc(arena, name.bytes);
	if (!text)
		return false;
	for (size_t i = 0; i < name.bytes; i++)
		text[i] = (char)(name.at[i] >= 'A' && name.at[i] <= 'Z' ? name.at[i] + 32
									: name.at[i]);
	*lower = slice_of(text, name.bytes);
	return true;
}

static bool gather_names(const struct http_message *request, struct slice list, struct arena *arena,
			 struct cache_vary *vary, enum counter *why)
{
	while (list.bytes) {
		size_t length = slice_find(list, ',');
		struct slice name = slice_trim(slice_head(list, length));
		list = slice_skip(list, length + 1);
		if (name.bytes == 0)
			continue;
		if (slice_equal(name, SLICE("*"))) {
			*why = COUNTER_cache_not_stored_vary_any;
			return false;
		}
		*why = COUNTER_cache_not_stored_vary_large;
		if (vary->count == CACHE_VARY_MAX)
			return false;
		struct http_field *field = &vary->fields[vary->count++];
		if (!gather_name(name, arena, &field->name) ||
		    !gather_value(request, field->name, arena, &field->value))
			return false;
	}
	return true;
}

bool cache_vary_gather(const struct http_message *request, const struct http_message *response,
		       struct arena *arena, struct cache_vary *vary, enum counter *why)
{
	vary->count = 0;
	for (uint32_t i = 0; i < response->field_count; i++) {
		const struct http_field *field = &response->fields[i];
		if (slice_equal(field->name, SLICE("vary")) &&
		    !gather_names(request, field->value, arena, vary, why))
			return false;
	}
	return true;
}

static bool value_matches(const struct http_message *request, const struct http_field *stored)
{
	struct text text;
	normalise(request, stored->name, &text);
	return text.is_whole && text.is_there == (stored->value.at != NULL) &&
	       slice_equal(slice_of(text.at, text.bytes), stored->value);
}

bool cache_vary_matches(const struct cache_vary *vary, const struct http_message *request)
{
	for (uint32_t i = 0; i < vary->count; i++)
		if (!value_matches(request, &vary->fields[i]))
			return false;
	return true;
}
