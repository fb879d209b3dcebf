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
	for (enum http_method method = 0; method < HTTP_OTHER; method++)
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

// copies one slice of a message; empty ones need no memory.
static int copy_slice(struct slice *slice, struct arena *arena)
{
	if (slice->bytes == 0) {
		*slice = SLICE("");
		return 0;
	}
	*slice = arena_copy(arena, *slice);
	return slice->at ? 0 : ENOMEM;
}

static int copy_fields(struct http_message *to, struct arena *arena)
{
	if (to->field_count == 0) {
		to->fields = NULL;
		return 0;
	}
	struct http_field *fields = arena_alloc(arena, to->field_count * sizeof(*fields));
	if (!fields)
		return ENOMEM;
	memcpy(fields, to->fields, to->field_count * sizeof(*fields));
	to->fields = fields;
	for (uint32_t i = 0; i < to->field_count; i++)
		if (copy_slice(&fields[i].name, arena) || copy_slice(&fields[i].value, arena))
			return ENOMEM;
	return 0;
}

int http_message_copy(struct http_message *to, const struct http_message *from, struct arena *arena)
{
	*to = *from;
	struct slice *slices[] = {&to->method_text, &to->scheme, &to->authority, &to->target,
				  &to->protocol};
	for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++)
		if (copy_slice(slices[i], arena))
			return ENOMEM;
	return copy_fields(to, arena);
}
