// SPDX-License-Identifier: Apache-2.0
// Vary: the secondary key of a stored response (RFC 9111 4.1, RFC 9110 12.5.5). Values are compared
// as they came, joined by ", " where a field came more than once.
#include "cache_policy.h"

static const struct slice comma = {", ", 2};

// joined_bytes is the length of all values of name; *is_there tells absence from emptiness.
static size_t joined_bytes(const struct http_message *request, struct slice name, bool *is_there)
{
	size_t bytes = 0;
	*is_there = false;
	for (uint32_t i = 0; i < request->field_count; i++) {
		const struct http_field *field = &request->fields[i];
		if (!slice_equal(field->name, name))
			continue;
		bytes += (*is_there ? comma.bytes : 0) + field->value.bytes;
		*is_there = true;
	}
	return bytes;
}

static void join(const struct http_message *request, struct slice name, char *out)
{
	bool is_first = true;
	for (uint32_t i = 0; i < request->field_count; i++) {
		const struct http_field *field = &request->fields[i];
		if (!slice_equal(field->name, name))
			continue;
		if (!is_first)
			out = mempcpy(out, comma.at, comma.bytes);
		if (field->value.bytes)
			out = mempcpy(out, field->value.at, field->value.bytes);
		is_first = false;
	}
}

static bool gather_value(const struct http_message *request, struct slice name, struct arena *arena,
			 struct slice *value)
{
	bool is_there;
	size_t bytes = joined_bytes(request, name, &is_there);
	*value = (struct slice){0};
	if (!is_there)
		return true;
	char *text = arena_alloc(arena, bytes ? bytes : 1);
	if (!text)
		return false;
	join(request, name, text);
	*value = slice_of(text, bytes);
	return true;
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

// value_matches compares the joined values with a stored text, piece by piece.
static bool value_matches(const struct http_message *request, const struct http_field *stored)
{
	bool is_there;
	struct slice left = stored->value;
	if (joined_bytes(request, stored->name, &is_there) != left.bytes ||
	    is_there != (left.at != NULL))
		return false;
	bool is_first = true;
	for (uint32_t i = 0; i < request->field_count; i++) {
		const struct http_field *field = &request->fields[i];
		if (!slice_equal(field->name, stored->name))
			continue;
		if (!is_first && !slice_starts(left, comma))
			return false;
		left = slice_skip(left, is_first ? 0 : comma.bytes);
		if (!slice_starts(left, field->value))
			return false;
		left = slice_skip(left, field->value.bytes);
		is_first = false;
	}
	return true;
}

bool cache_vary_matches(const struct cache_vary *vary, const struct http_message *request)
{
	for (uint32_t i = 0; i < vary->count; i++)
		if (!value_matches(request, &vary->fields[i]))
			return false;
	return true;
}
