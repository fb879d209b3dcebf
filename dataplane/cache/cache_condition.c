// SPDX-License-Identifier: Apache-2.0
// Conditional requests answered from a stored response (RFC 9110 13, RFC 9111 4.3.2).
#include "cache_policy.h"

// opaque drops the weakness mark: If-None-Match compares weakly (RFC 9110 8.8.3.2).
static struct slice opaque(struct slice tag)
{
	return slice_starts(tag, SLICE("W/")) ? slice_skip(tag, 2) : tag;
}

// take_tag takes the next entity tag of a list, with its quotes; empty at the end or at garbage.
static struct slice take_tag(struct slice *list)
{
	while (list->bytes && (list->at[0] == ',' || list->at[0] == ' ' || list->at[0] == '\t'))
		*list = slice_skip(*list, 1);
	*list = opaque(*list);
	if (list->bytes < 2 || list->at[0] != '"')
		return *list = (struct slice){0};
	size_t inside = slice_find(slice_skip(*list, 1), '"');
	if (inside + 2 > list->bytes)
		return *list = (struct slice){0};
	struct slice tag = slice_head(*list, inside + 2);
	*list = slice_skip(*list, inside + 2);
	return tag;
}

static bool names_tag(struct slice list, struct slice etag)
{
	for (;;) {
		struct slice tag = take_tag(&list);
		if (tag.bytes == 0)
			return false;
		if (slice_equal(tag, etag))
			return true;
	}
}

// The date of the last change as far as the cache knows it: Last-Modified, else Date, else receipt.
static uint64_t changed_s(const struct http_message *stored, uint64_t received_s)
{
	uint64_t date_s;
	struct slice text = http_field_find(stored, SLICE("last-modified"));
	if (!text.at)
		text = http_field_find(stored, SLICE("date"));
	return text.at && cache_date_parse(text, &date_s) ? date_s : received_s;
}

bool cache_condition_holds(const struct http_message *request, const struct http_message *stored,
			   uint64_t received_s)
{
	struct slice since = {0}, etag = {0};
	uint64_t since_s;
	bool has_tags = false;
	if (stored->status != 200)
		return false;
	for (uint32_t i = 0; i < request->field_count; i++) {
		const struct http_field *field = &request->fields[i];
		if (!since.at && slice_equal(field->name, SLICE("if-modified-since")))
			since = field->value;
		if (!slice_equal(field->name, SLICE("if-none-match")))
			continue;
		if (!has_tags)
			etag = opaque(http_field_find(stored, SLICE("etag")));
		has_tags = true;
		if (slice_equal(field->value, SLICE("*")) ||
		    (etag.bytes && names_tag(field->value, etag)))
			return true;
	}
	// If-None-Match decides alone where it is present (RFC 9110 13.2.2).
	if (has_tags || !since.at || !cache_date_parse(since, &since_s))
		return false;
	return changed_s(stored, received_s) <= since_s;
}
