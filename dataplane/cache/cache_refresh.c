// SPDX-License-Identifier: Apache-2.0
// What a 304 does to a stored response (RFC 9111 3.2, 4.3.3, 4.3.4), or a 200 to HEAD (4.3.5).
#include "cache_policy.h"

// is_kept_stored: fields that describe the stored body, whatever an update says; the codes and
// types under which it was stored must stay true (3.2).
static bool is_kept_stored(struct slice name)
{
	static const struct slice kept[] = {SLICE("content-length"), SLICE("content-encoding"),
					    SLICE("content-type"), SLICE("content-range")};
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (slice_equal(name, kept[i]))
			return true;
	return false;
}

static bool is_same_field(const struct http_message *a, const struct http_message *b,
			  struct slice name)
{
	struct slice x = http_field_find(a, name), y = http_field_find(b, name);
	return !x.at || !y.at || slice_equal(x, y);
}

bool cache_refresh_agrees(const struct http_message *stored, const struct http_message *update)
{
	struct slice mine = http_field_find(stored, SLICE("etag"));
	struct slice theirs = http_field_find(update, SLICE("etag"));
	if (update->status == 200 && update->content_length != HTTP_LENGTH_NONE &&
	    update->content_length != stored->content_length)
		return false;
	// A strong validator names one representation; a weak one, equal ones.
	if (theirs.at)
		return mine.at && slice_equal(mine, theirs);
	return is_same_field(stored, update, SLICE("last-modified"));
}

static bool add(struct cache_refreshed *refreshed, const struct http_field *field)
{
	if (refreshed->head.field_count == sizeof(refreshed->fields) / sizeof(refreshed->fields[0]))
		return false;
	refreshed->fields[refreshed->head.field_count++] = *field;
	return true;
}

bool cache_refresh(const struct http_message *stored, const struct http_message *update,
		   uint64_t now_s, struct cache_refreshed *refreshed)
{
	bool has_room = true;
	refreshed->head = *stored;
	refreshed->head.fields = refreshed->fields;
	refreshed->head.field_count = 0;
	for (uint32_t i = 0; i < stored->field_count; i++) {
		const struct http_field *field = &stored->fields[i];
		bool is_newer = http_field_find(update, field->name).at != NULL;
		bool is_date = slice_equal(field->name, SLICE("date"));
		if (is_kept_stored(field->name) || (!is_newer && !is_date))
			has_room &= add(refreshed, field);
	}
	for (uint32_t i = 0; i < update->field_count; i++)
		if (!is_kept_stored(update->fields[i].name))
			has_room &= add(refreshed, &update->fields[i]);
	// An update without Date is as old as its arrival (RFC 9110 6.6.1).
	struct http_field date = {SLICE("date"), slice_str(http_date(now_s, refreshed->date))};
	if (!http_field_find(update, SLICE("date")).at)
		has_room &= add(refreshed, &date);
	return has_room;
}
