// SPDX-License-Identifier: Apache-2.0
// Cache-Status (RFC 9211 2, structured fields RFC 8941); see cache_status.h.
#include "cache_status.h"

#include <stdarg.h>
#include <stdio.h>

struct text {
	char *at;
	size_t room;
	size_t bytes;
	bool ok;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	char part[64];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(part, sizeof(part), format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(part) ||
	    text->room - text->bytes < (size_t)length) {
		text->ok = false;
		return;
	}
	memcpy(text->at + text->bytes, part, (size_t)length);
	text->bytes += (size_t)length;
}

// put_name writes the node as the rest of a token (RFC 8941 3.3.4).
static void put_name(struct text *text, const char *node)
{
	put(text, "millrace-");
	for (size_t i = 0; node[i] && i < 64; i++) {
		char c = node[i];
		bool is_token = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c >= '0' && c <= '9') || strchr("-._", c);
		put(text, "%c", is_token ? c : '-');
	}
}

static void put_forward(struct text *text, const struct cache_status *status)
{
	static const char *const words[CACHE_FORWARD_COUNT] = {
		[CACHE_FORWARD_BYPASS] = "bypass",     [CACHE_FORWARD_METHOD] = "method",
		[CACHE_FORWARD_URI_MISS] = "uri-miss", [CACHE_FORWARD_VARY_MISS] = "vary-miss",
		[CACHE_FORWARD_MISS] = "miss",         [CACHE_FORWARD_REQUEST] = "request",
		[CACHE_FORWARD_STALE] = "stale",
	};
	if (status->answer->forward != CACHE_FORWARD_NONE)
		put(text, "; fwd=%s", words[status->answer->forward]);
	if (status->forward_status)
		put(text, "; fwd-status=%u", status->forward_status);
	if (status->is_stored)
		put(text, "; stored");
	if (status->is_collapsed || status->answer->is_collapsed)
		put(text, "; collapsed");
}

size_t cache_status_format(const struct cache_status *status, char *out, size_t room)
{
	struct text text = {out, room, 0, true};
	put_name(&text, status->node);
	if (status->is_answered) {
		enum cache_verdict verdict = status->answer->verdict;
		if (verdict == CACHE_HIT || verdict == CACHE_NOT_MODIFIED)
			put(&text, "; hit; ttl=%lld", (long long)status->answer->ttl_s);
		else
			put_forward(&text, status);
	}
	return text.ok ? text.bytes : 0;
}
