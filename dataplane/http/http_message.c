// SPDX-License-Identifier: Apache-2.0
// The message model of http.h: methods, finding and copying.
#include "http.h"

#include <errno.h>

static const struct slice method_texts[HTTP_METHOD_COUNT] = {
	[HTTP_GET] = {"GET", 3},         [HTTP_HEAD] = {"HEAD", 4},
	[HTTP_POST] = {"POST", 4},       [HTTP_PUT] = {"PUT", 3},
	[HTTP_DELETE] = {"DELETE", 6},   [HTTP_CONNECT] = {"CONNECT", 7},
	[HTTP_OPTIONS] = {"OPTIONS", 7}, [HTTP_TRACE] = {"TRACE", 5},
	[HTTP_PATCH] = {"PATCH", 5},     [HTTP_PURGE] = {"PURGE", 5},
};

enum http_method http_method_of(struct slice text)
{
	if (slice_equal(text, SLICE("GET"))) // without a call
		return HTTP_GET;
	for (enum http_method method = HTTP_GET + 1; method < HTTP_OTHER; method++)
		if (slice_equal(text, method_texts[method]))
			return method;
	return HTTP_OTHER;
}

struct slice http_field_find(const struct http_message *message, struct slice name)
{
	for (uint32_t i = 0; i < message->field_count; i++)
		if (slice_equal(message->fields[i].name, name))
			return message->fields[i].value;
	return (struct slice){0};
}

// move copies a slice to *at and behind it; an empty one is none.
static void move(struct slice *slice, char **at)
{
	if (slice->bytes == 0) {
		*slice = SLICE("");
		return;
	}
	memcpy(*at, slice->at, slice->bytes);
	slice->at = *at;
	*at += slice->bytes;
}

static int copy_fields(struct http_message *to, struct arena *arena)
{
	size_t bytes = to->field_count * sizeof(*to->fields);
	for (uint32_t i = 0; i < to->field_count; i++)
		bytes += to->fields[i].name.bytes + to->fields[i].value.bytes;
	struct http_field *fields = arena_alloc(arena, bytes);
	if (!fields)
		return ENOMEM;
	char *at = (char *)&fields[to->field_count];
	memcpy(fields, to->fields, to->field_count * sizeof(*fields));
	to->fields = fields;
	for (uint32_t i = 0; i < to->field_count; i++) {
		move(&fields[i].name, &at);
		move(&fields[i].value, &at);
	}
	return 0;
}

int http_message_copy(struct http_message *to, const struct http_message *from, struct arena *arena)
{
	*to = *from;
	size_t bytes = to->method_text.bytes + to->scheme.bytes + to->authority.bytes +
		       to->target.bytes + to->protocol.bytes;
	char *at = arena_alloc(arena, bytes);
	if (!at)
		return ENOMEM;
	move(&to->method_text, &at);
	move(&to->scheme, &at);
	move(&to->authority, &at);
	move(&to->target, &at);
	move(&to->protocol, &at);
	to->fields = to->field_count ? to->fields : NULL;
	return to->field_count ? copy_fields(to, arena) : 0;
}
