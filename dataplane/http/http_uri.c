// SPDX-License-Identifier: Apache-2.0
// Request targets; see http_uri.h.
#include "http_uri.h"

#include "http_field.h"

#include <arpa/inet.h>

#define AUTHORITY_BYTES_MAX 255u

// Visible ASCII but '#': a fragment is never sent.
static bool is_target_text(struct slice text)
{
	for (size_t i = 0; i < text.bytes; i++)
		if (text.at[i] <= 0x20 || text.at[i] >= 0x7f || text.at[i] == '#')
			return false;
	return true;
}

static bool is_port(struct slice text)
{
	uint64_t port;
	return text.bytes <= 5 && http_number(text, &port) && port >= 1 && port <= 65535;
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

// A registered name or IPv4 address; one dot may end it.
static bool is_name(struct slice text)
{
	for (size_t i = 0; i < text.bytes; i++) {
		bool is_empty_label = text.at[i] == '.' && (i == 0 || text.at[i - 1] == '.');
		if (!is_name_byte(text.at[i]) || is_empty_label)
			return false;
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
