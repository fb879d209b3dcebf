// SPDX-License-Identifier: Apache-2.0
// See h1_other_parser.h.
#include "h1_other_parser.h"

#include <http_parser.h>

static int other_url(http_parser *parser, const char *at, size_t bytes)
{
	struct other *other = parser->data;
	size_t used = strlen(other->url);
	if (used + bytes < sizeof(other->url))
		memcpy(other->url + used, at, bytes);
	return 0;
}

static int other_body(http_parser *parser, const char *, size_t bytes)
{
	((struct other *)parser->data)->body_bytes += bytes;
	return 0;
}

static int other_complete(http_parser *parser)
{
	((struct other *)parser->data)->is_complete = true;
	http_parser_pause(parser, 1);
	return 0;
}

void other_parse(struct other *other, struct slice text)
{
	http_parser_settings settings = {
		.on_url = other_url, .on_body = other_body, .on_message_complete = other_complete};
	http_parser parser;
	*other = (struct other){0};
	http_parser_init(&parser, HTTP_REQUEST);
	parser.data = other;
	http_parser_execute(&parser, &settings, text.at, text.bytes);
}
