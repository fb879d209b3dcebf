// SPDX-License-Identifier: Apache-2.0
// Field syntax; see http_field.h.
#include "http_field.h"

#include "check.h"

static const struct {
	struct slice name;
	enum http_field_kind kind;
} kinds[] = {
	{{"host", 4}, HTTP_FIELD_HOST},
	{{"content-length", 14}, HTTP_FIELD_LENGTH},
	{{"transfer-encoding", 17}, HTTP_FIELD_CODING},
	{{"connection", 10}, HTTP_FIELD_CONNECTION},
	{{"upgrade", 7}, HTTP_FIELD_UPGRADE},
	{{"expect", 6}, HTTP_FIELD_EXPECT},
	{{"te", 2}, HTTP_FIELD_TE},
	{{"sec-websocket-key", 17}, HTTP_FIELD_SOCKET_KEY},
	{{"sec-websocket-accept", 20}, HTTP_FIELD_SOCKET_ACCEPT},
	{{"keep-alive", 10}, HTTP_FIELD_HOP},
	{{"proxy-connection", 16}, HTTP_FIELD_HOP},
	{{"http2-settings", 14}, HTTP_FIELD_HOP},
};

enum http_field_kind http_field_kind_of(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (slice_equal(name, kinds[i].name))
			return kinds[i].kind;
	return HTTP_FIELD_PLAIN;
}

// 1 for tchar: "!#$%&'*+-.^_`|~", digits and letters.
static const uint8_t token_bytes[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
	['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
	['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

bool http_is_token(struct slice text)
{
	for (size_t i = 0; i < text.bytes; i++)
		if (!token_bytes[(uint8_t)text.at[i]])
			return false;
	return text.bytes > 0;
}

bool http_is_value(struct slice text)
{
	for (size_t i = 0; i < text.bytes; i++) {
		uint8_t c = (uint8_t)text.at[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

void http_lower(char *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (at[i] >= 'A' && at[i] <= 'Z')
			at[i] = (char)(at[i] + ('a' - 'A'));
}

bool http_next_item(struct slice *list, struct slice *item)
{
	while (list->bytes > 0) {
		size_t comma = slice_find(*list, ',');
		*item = slice_trim(slice_head(*list, comma));
		*list = slice_skip(*list, comma + 1);
		if (item->bytes > 0)
			return true;
	}
	return false;
}

bool http_number(struct slice text, uint64_t *number)
{
	*number = 0;
	if (text.bytes == 0 || text.bytes > 19)
		return false;
	for (size_t i = 0; i < text.bytes; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		*number = *number * 10 + (uint64_t)(text.at[i] - '0');
	}
	return *number <= INT64_MAX;
}
