// SPDX-License-Identifier: Apache-2.0
// Field syntax; see http_field.h.
#include "http_field.h"

#include "check.h"

// named is kind when name is text, which is as long.
static enum http_field_kind named(struct slice name, const char *text, enum http_field_kind kind)
{
	return memcmp(name.at, text, name.bytes) == 0 ? kind : HTTP_FIELD_PLAIN;
}

// framing is named for a field that frames: but for its hyphen it is disguised. Whoever makes
// variables of names (CGI, WSGI, PHP) cannot tell the two apart (RFC 3875 4.1.18).
static enum http_field_kind framing(struct slice name, const char *text, enum http_field_kind kind)
{
	for (size_t i = 0; i < name.bytes; i++) {
		if (name.at[i] == text[i])
			continue;
		if (text[i] != '-')
			return HTTP_FIELD_PLAIN;
		kind = HTTP_FIELD_DISGUISED;
	}
	return kind;
}

// Most fields are told apart from these by their length, the others by their first letter.
enum http_field_kind http_field_kind_of(struct slice name)
{
	switch (name.bytes) {
	case 2: return named(name, "te", HTTP_FIELD_TE);
	case 4: return named(name, "host", HTTP_FIELD_HOST);
	case 6: return named(name, "expect", HTTP_FIELD_EXPECT);
	case 7: return named(name, "upgrade", HTTP_FIELD_UPGRADE);
	case 10:
		return name.at[0] == 'c' ? named(name, "connection", HTTP_FIELD_CONNECTION)
					 : named(name, "keep-alive", HTTP_FIELD_HOP);
	case 14:
		return name.at[0] == 'c' ? framing(name, "content-length", HTTP_FIELD_LENGTH)
					 : named(name, "http2-settings", HTTP_FIELD_HOP);
	case 16: return named(name, "proxy-connection", HTTP_FIELD_HOP);
	case 17:
		return name.at[0] == 't' ? framing(name, "transfer-encoding", HTTP_FIELD_CODING)
					 : named(name, "sec-websocket-key", HTTP_FIELD_SOCKET_KEY);
	case 20: return named(name, "sec-websocket-accept", HTTP_FIELD_SOCKET_ACCEPT);
	default: return HTTP_FIELD_PLAIN;
	}
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

// lower_eight makes eight bytes' letters lower case.
static uint64_t lower_eight(uint64_t eight)
{
	uint64_t seven = eight & 0x7f * EACH_BYTE; // bits of each: sums stay inside a byte
	uint64_t from_a = seven + (0x80 - 'A') * EACH_BYTE;
	uint64_t above_z = seven + (0x7f - 'Z') * EACH_BYTE;
	return eight | (from_a & ~above_z & ~eight & 0x80 * EACH_BYTE) >> 2;
}

void http_lower(char *at, size_t bytes)
{
	uint64_t eight;
	for (size_t i = 0; i + 8 <= bytes; i += 8) {
		memcpy(&eight, at + i, 8);
		eight = lower_eight(eight);
		memcpy(at + i, &eight, 8);
	}
	if (bytes >= 8) { // the last eight, some of them once more
		memcpy(&eight, at + bytes - 8, 8);
		eight = lower_eight(eight);
		memcpy(at + bytes - 8, &eight, 8);
		return;
	}
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
