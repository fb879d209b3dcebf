// SPDX-License-Identifier: Apache-2.0
// See h1_other.h.
#include "h1_other.h"

#include <http_parser.h>
#include <string.h>

// its callbacks tell a run of a slice, which may come in pieces that lie behind one another.
static void extend(struct slice *slice, const char *at, size_t bytes)
{
	if (!slice->at)
		slice->at = at;
	slice->bytes = (size_t)(at - slice->at) + bytes;
}

static int other_target(http_parser *parser, const char *at, size_t bytes)
{
	extend(&((struct h1_other *)parser->data)->target, at, bytes);
	return 0;
}

static int other_name(http_parser *parser, const char *at, size_t bytes)
{
	struct h1_other *other = parser->data;
	bool is_new = other->field_count == 0 || other->fields[other->field_count - 1].value.at;
	if (is_new && other->field_count == H1_OTHER_FIELDS)
		return 1;
	if (is_new)
		other->fields[other->field_count++] = (struct h1_other_field){0};
	extend(&other->fields[other->field_count - 1].name, at, bytes);
	return 0;
}

static int other_value(http_parser *parser, const char *at, size_t bytes)
{
	struct h1_other *other = parser->data;
	extend(&other->fields[other->field_count - 1].value, at, bytes);
	return 0;
}

static int other_head(http_parser *parser)
{
	struct h1_other *other = parser->data;
	const char *method = http_method_str(parser->method);
	strncpy(other->method, method, sizeof(other->method) - 1);
	other->status = parser->status_code;
	other->is_head_whole = true;
	return parser->status_code == 204 ||
	       parser->status_code == 304; // it leaves that to its user
}

static int other_body(http_parser *parser, const char *at, size_t bytes)
{
	struct h1_other *other = parser->data;
	if (other->body_bytes + bytes > sizeof(other->body))
		return 1;
	memcpy(other->body + other->body_bytes, at, bytes);
	other->body_bytes += bytes;
	return 0;
}

static int other_complete(http_parser *parser)
{
	((struct h1_other *)parser->data)->is_complete = true;
	http_parser_pause(parser, 1);
	return 0;
}

static void trim(struct slice *value)
{
	while (value->bytes > 0 && strchr(" \t", value->at[value->bytes - 1]))
		value->bytes--;
}

void h1_other_parse(struct h1_other *other, struct slice text, bool is_request)
{
	http_parser_settings settings = {.on_url = other_target,
					 .on_header_field = other_name,
					 .on_header_value = other_value,
					 .on_headers_complete = other_head,
					 .on_body = other_body,
					 .on_message_complete = other_complete};
	http_parser parser;
	*other = (struct h1_other){0};
	http_parser_init(&parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE);
	parser.data = other;
	other->message_bytes = http_parser_execute(&parser, &settings, text.at, text.bytes);
	for (unsigned i = 0; i < other->field_count; i++)
		trim(&other->fields[i].value);
}
