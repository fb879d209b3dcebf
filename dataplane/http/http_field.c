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

// The lengths of these names, a bit each: what most fields are told apart by.
#define KIND_LENGTHS                                                                               \
	(1u << 2 | 1u << 4 | 1u << 6 | 1u << 7 | 1u << 10 | 1u << 14 | 1u << 16 | 1u << 17 |       \
	 1u << 20)

// is_disguised is true of a name that is framing's but for the hyphen. Whoever makes variables of
// names (CGI, WSGI, PHP) cannot tell them apart (RFC 3875 4.1.18).
static bool is_disguised(struct slice name, struct slice framing)
{
	if (name.bytes != framing.bytes)
		return false;
	for (size_t i = 0; i < name.bytes; i++)
		if (name.at[i] != framing.at[i] && framing.at[i] != '-')
			return false;
	return true;
}

enum http_field_kind http_field_kind_of(struct slice name)
{
	if (name.bytes > 20 || !(KIND_LENGTHS >> name.bytes & 1))
		return HTTP_FIELD_PLAIN;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (name.at[0] == kinds[i].name.at[0] && slice_equal(name, kinds[i].name))
			return kinds[i].kind;
	if (is_disguised(name, SLICE("content-length")) ||
	    is_disguised(name, SLICE("transfer-encoding")))
		return HTTP_FIELD_DISGUISED;
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

#define EACH_BYTE 0x0101010101010101u

// may_have_control is true of eight bytes one of which is below 0x20 or is 0x7f, and of few others:
// borrows may pass into a byte above one that is really meant.
static bool may_have_control(uint64_t eight)
{
	uint64_t low = eight - 0x20 * EACH_BYTE;
	uint64_t delete = (eight ^ 0x7f * EACH_BYTE) - EACH_BYTE;
	return (low | delete) & ~eight & 0x80 * EACH_BYTE;
}

static bool has_control(const char *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		uint8_t c = (uint8_t)at[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

bool http_is_value(struct slice text)
{
	for (; text.bytes >= 8; text = slice_skip(text, 8)) {
		uint64_t eight;
		memcpy(&eight, text.at, 8);
		if (may_have_control(eight) && has_control(text.at, 8))
			return false;
	}
	return !has_control(text.at, text.bytes);
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
