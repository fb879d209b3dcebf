// SPDX-License-Identifier: Apache-2.0
// Request targets; see http_uri.h.
#include "http_uri.h"

#include "http_field.h"

#include <arpa/inet.h>

#define AUTHORITY_BYTES_MAX 255u

// 1: no part of a target, which is visible ASCII but '#': a fragment is never sent.
static const uint8_t foreign_bytes[256] = {[0 ... 0x20] = 1, ['#'] = 1, [0x7f ... 0xff] = 1};

#define EACH_BYTE 0x0101010101010101u

// may_be_foreign is true of eight bytes one of which is foreign, and of few others: borrows may
// pass into a byte above one that is really meant.
static bool may_be_foreign(uint64_t eight)
{
	uint64_t low = (eight - 0x21 * EACH_BYTE) & ~eight;
	uint64_t high = ((eight & 0x7f * EACH_BYTE) + EACH_BYTE) | eight;
	uint64_t hash = eight ^ '#' * EACH_BYTE;
	return (low | high | ((hash - EACH_BYTE) & ~hash)) & 0x80 * EACH_BYTE;
}

static bool has_foreign(const char *at, size_t bytes)
{
	uint8_t foreign = 0;
	for (size_t i = 0; i < bytes; i++)
		foreign |= foreign_bytes[(uint8_t)at[i]];
	return foreign;
}

static bool is_target_text(struct slice text)
{
	for (; text.bytes >= 8; text = slice_skip(text, 8)) {
		uint64_t eight;
		memcpy(&eight, text.at, 8);
		if (may_be_foreign(eight) && has_foreign(text.at, 8))
			return false;
	}
	return !has_foreign(text.at, text.bytes);
}

static bool is_port(struct slice text)
{
	uint64_t port;
	return text.bytes <= 5 && http_number(text, &port) && port >= 1 && port <= 65535;
}

enum { NAME_BYTE = 1, NAME_DOT = 2 };

static const uint8_t name_bytes[256] = {
	['-'] = NAME_BYTE,         ['.'] = NAME_DOT,          ['_'] = NAME_BYTE,
	['~'] = NAME_BYTE,         ['0' ... '9'] = NAME_BYTE, ['A' ... 'Z'] = NAME_BYTE,
	['a' ... 'z'] = NAME_BYTE,
};

// at_least sets the upper bit of each of eight bytes of ASCII that is c or more.
static uint64_t at_least(uint64_t eight, unsigned c)
{
	return eight + (0x80 - c) * EACH_BYTE;
}

// is_plain_name is true of eight small letters, digits, hyphens and dots, no dot behind another.
static bool is_plain_name(uint64_t eight)
{
	uint64_t ascii = eight & 0x7f * EACH_BYTE;
	uint64_t letters = at_least(ascii, 'a') & ~at_least(ascii, 'z' + 1);
	uint64_t digits = at_least(ascii, '0') & ~at_least(ascii, '9' + 1);
	uint64_t dots = at_least(ascii, '.') & ~at_least(ascii, '.' + 1) & 0x80 * EACH_BYTE;
	uint64_t hyphens = at_least(ascii, '-') & ~at_least(ascii, '-' + 1);
	uint64_t all = (letters | digits | hyphens | dots) & ~eight;
	return (all & 0x80 * EACH_BYTE) == 0x80 * EACH_BYTE && !(dots & dots << 8);
}

// is_plain tells names that are quick to tell: it looks at eight bytes at a time, at the last of
// each again with the next ones, since dots may be on either side.
static bool is_plain(struct slice text)
{
	uint64_t eight;
	if (text.bytes < 8 || text.at[0] == '.')
		return false;
	for (size_t i = 0; i < text.bytes - 8; i += 7) {
		memcpy(&eight, text.at + i, 8);
		if (!is_plain_name(eight))
			return false;
	}
	memcpy(&eight, text.at + text.bytes - 8, 8);
	return is_plain_name(eight);
}

// A registered name or IPv4 address; one dot may end it.
static bool is_name(struct slice text)
{
	unsigned before = NAME_DOT;
	if (is_plain(text)) // as most are
		return true;
	for (size_t i = 0; i < text.bytes; i++) {
		unsigned kind = name_bytes[(uint8_t)text.at[i]];
		if (kind == 0 || (kind & before & NAME_DOT))
			return false;
		before = kind;
	}
	return text.bytes > 0;
}

static bool is_ip6(struct slice text)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	if (text.bytes >= sizeof(copy) || slice_find(text, '\0') != text.bytes)
		return false;
	if (text.bytes)
		memcpy(copy, text.at, text.bytes);
	copy[text.bytes] = 0;
	return inet_pton(AF_INET6, copy, &addr) == 1;
}

bool http_authority_is_valid(struct slice authority)
{
	if (authority.bytes == 0 || authority.bytes > AUTHORITY_BYTES_MAX)
		return false;
	size_t host_bytes = slice_find(authority, ':');
	if (authority.at[0] == '[') {
		size_t close = slice_find(authority, ']');
		if (close == authority.bytes ||
		    !is_ip6(slice_skip(slice_head(authority, close), 1)))
			return false;
		host_bytes = close + 1;
	} else if (!is_name(slice_head(authority, host_bytes))) {
		return false;
	}
	struct slice rest = slice_skip(authority, host_bytes);
	return rest.bytes == 0 || (rest.at[0] == ':' && is_port(slice_skip(rest, 1)));
}

static bool parse_absolute(struct slice text, enum http_method method, struct http_uri *uri)
{
	size_t colon = slice_find(text, ':');
	struct slice scheme = slice_head(text, colon), rest = slice_skip(text, colon);
	if (slice_equal_nocase(scheme, SLICE("http")))
		uri->scheme = SLICE("http");
	else if (slice_equal_nocase(scheme, SLICE("https")))
		uri->scheme = SLICE("https");
	else
		return false;
	if (!slice_starts(rest, SLICE("://")))
		return false;
	rest = slice_skip(rest, 3);
	size_t slash = slice_find(rest, '/'), query = slice_find(rest, '?');
	size_t end = slash < query ? slash : query;
	uri->form = HTTP_TARGET_ABSOLUTE;
	uri->authority = slice_head(rest, end);
	uri->target = slice_skip(rest, end);
	if (uri->target.bytes == 0) // RFC 9112 3.2.4: OPTIONS of the whole server
		uri->target = method == HTTP_OPTIONS ? SLICE("*") : SLICE("/");
	return uri->target.at[0] != '?' && http_authority_is_valid(uri->authority);
}

bool http_uri_parse(struct slice text, enum http_method method, struct http_uri *uri)
{
	*uri = (struct http_uri){.target = text};
	if (text.bytes == 0 || !is_target_text(text))
		return false;
	if (method == HTTP_CONNECT) {
		*uri = (struct http_uri){.form = HTTP_TARGET_AUTHORITY, .authority = text};
		size_t last = text.bytes;
		while (last > 0 && text.at[last - 1] != ':' && text.at[last - 1] != ']')
			last--;
		return last > 0 && text.at[last - 1] == ':' && http_authority_is_valid(text);
	}
	if (text.at[0] == '/')
		return true;
	if (slice_equal(text, SLICE("*"))) {
		uri->form = HTTP_TARGET_ASTERISK;
		return method == HTTP_OPTIONS;
	}
	return parse_absolute(text, method, uri);
}
