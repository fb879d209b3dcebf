// SPDX-License-Identifier: Apache-2.0
// Cache-Status (RFC 9211 2, structured fields RFC 8941); see cache_status.h.
#include "cache_status.h"

#include "check.h"
#include "decimal.h"

#include <assert.h>

enum {
	KEY_BYTES_MAX = 128,
	SCHEME_BYTES_MAX = 5, // "https"
	WORDS_BYTES_MAX = 160,
};

static_assert(CACHE_STATUS_NAME_BYTES + KEY_BYTES_MAX + SCHEME_BYTES_MAX + WORDS_BYTES_MAX <=
	      CACHE_STATUS_BYTES);

// put and what follows write to where there is room for all (CACHE_STATUS_BYTES), and return where
// they ended. put is inline: of most parts the length is known.
static inline __attribute__((always_inline)) char *put(char *to, struct slice part)
{
	return part.bytes ? mempcpy(to, part.at, part.bytes) : to;
}

static char *put_number(char *to, int64_t number)
{
	if (number < 0)
		*to++ = '-';
	return decimal_write(to, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

// 1 for what a token may go on with, of what names of nodes have.
static const uint8_t token_bytes[256] = {
	['-'] = 1, ['.'] = 1, ['_'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

struct slice cache_status_name(const char *node, char name[CACHE_STATUS_NAME_BYTES])
{
	size_t bytes = sizeof("millrace-") - 1;
	memcpy(name, "millrace-", bytes);
	for (; *node && bytes < CACHE_STATUS_NAME_BYTES; node++)
		name[bytes++] = token_bytes[(uint8_t)*node] ? *node : '-';
	return slice_of(name, bytes);
}

static char *put_forward(char *to, const struct cache_status *status)
{
	static const struct slice words[CACHE_FORWARD_COUNT] = {
		[CACHE_FORWARD_BYPASS] = SLICE("; fwd=bypass"),
		[CACHE_FORWARD_METHOD] = SLICE("; fwd=method"),
		[CACHE_FORWARD_URI_MISS] = SLICE("; fwd=uri-miss"),
		[CACHE_FORWARD_VARY_MISS] = SLICE("; fwd=vary-miss"),
		[CACHE_FORWARD_MISS] = SLICE("; fwd=miss"),
		[CACHE_FORWARD_REQUEST] = SLICE("; fwd=request"),
		[CACHE_FORWARD_STALE] = SLICE("; fwd=stale"),
	};
	to = put(to, words[status->answer->forward]);
	if (status->forward_status)
		to = put_number(put(to, SLICE("; fwd-status=")), status->forward_status);
	if (status->is_stored)
		to = put(to, SLICE("; stored"));
	if (status->is_collapsed || status->answer->is_collapsed)
		to = put(to, SLICE("; collapsed"));
	return to;
}

// put_key writes the URL that was looked up, unless it is long or would need escapes (2.7).
static char *put_key(char *to, const struct cache_status *status)
{
	const struct http_message *request = status->request;
	if (!request || request->scheme.bytes > SCHEME_BYTES_MAX ||
	    request->authority.bytes + request->target.bytes > KEY_BYTES_MAX)
		return to;
	if (slice_find(request->target, '"') < request->target.bytes ||
	    slice_find(request->target, '\\') < request->target.bytes)
		return to;
	to = put(put(to, SLICE("; key=\"")), request->scheme);
	to = put(put(to, SLICE("://")), request->authority);
	return put(put(to, request->target), SLICE("\""));
}

// put_detail says what the other words cannot (2.8).
static char *put_detail(char *to, const struct cache_status *status)
{
	const struct cache_answer *answer = status->answer;
	if (status->is_survived)
		return put(to, SLICE("; detail=stale-if-error"));
	if (!cache_answer_has_object(answer))
		return to;
	if (answer->ttl_s <= 0 && answer->forward == CACHE_FORWARD_NONE)
		return put(to, SLICE("; detail=stale"));
	return answer->is_from_disk ? put(to, SLICE("; detail=disk")) : to;
}

// format writes to where there is room for all, and returns the length.
static size_t format(const struct cache_status *status, char *out)
{
	CHECK(status->name.bytes <= CACHE_STATUS_NAME_BYTES);
	char *to = put(out, status->name);
	if (!status->is_answered)
		return (size_t)(to - out);
	bool is_answered_by_object = cache_answer_has_object(status->answer);
	if (is_answered_by_object && status->answer->forward == CACHE_FORWARD_NONE)
		to = put(to, SLICE("; hit"));
	else
		to = put_forward(to, status);
	if (is_answered_by_object)
		to = put_number(put(to, SLICE("; ttl=")), status->answer->ttl_s);
	return (size_t)(put_detail(put_key(to, status), status) - out);
}

size_t cache_status_format(const struct cache_status *status, char *out, size_t room)
{
	char text[CACHE_STATUS_BYTES];
	if (room >= CACHE_STATUS_BYTES)
		return format(status, out);
	size_t bytes = format(status, text);
	if (bytes > room)
		return 0;
	memcpy(out, text, bytes);
	return bytes;
}
