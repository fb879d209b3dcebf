// SPDX-License-Identifier: Apache-2.0
// Cache-Status (RFC 9211 2, structured fields RFC 8941); see cache_status.h.
#include "cache_status.h"

enum { KEY_BYTES_MAX = 128 };

struct text {
	char *at;
	size_t room;
	size_t bytes;
	bool ok;
};

// put is inline: of most parts the length is known.
static inline __attribute__((always_inline)) void put(struct text *text, struct slice part)
{
	if (text->room - text->bytes < part.bytes) {
		text->ok = false;
		return;
	}
	memcpy(text->at + text->bytes, part.at, part.bytes);
	text->bytes += part.bytes;
}

static void put_number(struct text *text, int64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (number < 0)
		digits[--at] = '-';
	put(text, slice_of(digits + at, sizeof(digits) - at));
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

static void put_forward(struct text *text, const struct cache_status *status)
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
	if (status->answer->forward != CACHE_FORWARD_NONE)
		put(text, words[status->answer->forward]);
	if (status->forward_status) {
		put(text, SLICE("; fwd-status="));
		put_number(text, status->forward_status);
	}
	if (status->is_stored)
		put(text, SLICE("; stored"));
	if (status->is_collapsed || status->answer->is_collapsed)
		put(text, SLICE("; collapsed"));
}

// put_key writes the URL that was looked up, unless it is long or would need escapes (2.7).
static void put_key(struct text *text, const struct cache_status *status)
{
	const struct http_message *request = status->request;
	if (!request || request->authority.bytes + request->target.bytes > KEY_BYTES_MAX)
		return;
	if (slice_find(request->target, '"') < request->target.bytes ||
	    slice_find(request->target, '\\') < request->target.bytes)
		return;
	put(text, SLICE("; key=\""));
	put(text, request->scheme);
	put(text, SLICE("://"));
	put(text, request->authority);
	put(text, request->target);
	put(text, SLICE("\""));
}

// put_detail says what the other words cannot (2.8).
static void put_detail(struct text *text, const struct cache_status *status)
{
	const struct cache_answer *answer = status->answer;
	if (status->is_survived)
		put(text, SLICE("; detail=stale-if-error"));
	else if (cache_answer_has_object(answer) && answer->ttl_s <= 0 &&
		 answer->forward == CACHE_FORWARD_NONE)
		put(text, SLICE("; detail=stale"));
	else if (cache_answer_has_object(answer) && answer->is_from_disk)
		put(text, SLICE("; detail=disk"));
}

size_t cache_status_format(const struct cache_status *status, char *out, size_t room)
{
	struct text text = {out, room, 0, true};
	put(&text, status->name);
	if (status->is_answered) {
		bool is_answered_by_object = cache_answer_has_object(status->answer);
		if (is_answered_by_object && status->answer->forward == CACHE_FORWARD_NONE)
			put(&text, SLICE("; hit"));
		else
			put_forward(&text, status);
		if (is_answered_by_object) {
			put(&text, SLICE("; ttl="));
			put_number(&text, status->answer->ttl_s);
		}
		put_key(&text, status);
		put_detail(&text, status);
	}
	return text.ok ? text.bytes : 0;
}
