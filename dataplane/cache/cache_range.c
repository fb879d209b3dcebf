// SPDX-License-Identifier: Apache-2.0
// Which bytes of a stored response answer a request (RFC 9110 13.2.2, 14.2; RFC 9111 4.3.2).
//
// Several ranges get the whole response, as 14.2 allows: a multipart body is longer than what it is
// made of, and asking for many small or overlapping ranges is an old way to make a server work.
#include "cache_policy.h"

#include "http_field.h"

// take_byte_range reads "first-last", "first-" or "-suffix". False: not understood.
static bool take_byte_range(struct slice spec, uint64_t body_bytes, struct cache_part *part)
{
	uint64_t first, last = UINT64_MAX;
	size_t dash = slice_find(spec, '-');
	struct slice from = slice_trim(slice_head(spec, dash));
	struct slice to = slice_trim(slice_skip(spec, dash + 1));
	if (dash == spec.bytes || (from.bytes == 0 && to.bytes == 0))
		return false;
	if ((from.bytes && !http_number(from, &first)) || (to.bytes && !http_number(to, &last)))
		return false;
	if (from.bytes == 0) { // the last so many bytes
		first = last < body_bytes ? body_bytes - last : 0;
		first = last == 0 ? body_bytes : first;
		last = UINT64_MAX;
	}
	if (first > last)
		return false;
	part->verdict = CACHE_UNSATISFIABLE;
	if (first >= body_bytes)
		return true;
	part->verdict = CACHE_PARTIAL;
	part->first = first;
	part->bytes = (last < body_bytes ? last + 1 : body_bytes) - first;
	return true;
}

// if_range_holds: without If-Range, or when it names this very response: a strong ETag, or its
// Last-Modified exactly, which is strong when it is older than Date (13.1.5, 8.8.2.2).
static bool if_range_holds(const struct http_message *request, const struct http_message *stored)
{
	uint64_t asked_s, changed_s, date_s;
	struct slice wanted = http_field_find(request, SLICE("if-range"));
	if (!wanted.at)
		return true;
	if (slice_starts(wanted, SLICE("\"")))
		return slice_equal(wanted, http_field_find(stored, SLICE("etag")));
	return cache_date_parse(wanted, &asked_s) &&
	       cache_date_parse(http_field_find(stored, SLICE("last-modified")), &changed_s) &&
	       cache_date_parse(http_field_find(stored, SLICE("date")), &date_s) &&
	       asked_s == changed_s && changed_s < date_s;
}

struct cache_part cache_part_of(const struct http_message *request,
				const struct http_message *stored, uint64_t body_bytes,
				uint64_t received_s)
{
	struct cache_part whole = {.verdict = CACHE_HIT, .bytes = body_bytes}, part = whole;
	struct slice range = http_field_find(request, SLICE("range"));
	if (cache_condition_holds(request, stored, received_s)) {
		whole.verdict = CACHE_NOT_MODIFIED;
		return whole;
	}
	if (!range.at || request->method != HTTP_GET || stored->status != 200)
		return whole;
	if (!slice_equal_nocase(slice_head(range, 6), SLICE("bytes=")))
		return whole;
	range = slice_trim(slice_skip(range, 6));
	bool is_one = slice_find(range, ',') == range.bytes;
	if (!is_one || !if_range_holds(request, stored) ||
	    !take_byte_range(range, body_bytes, &part))
		return whole;
	return part;
}
