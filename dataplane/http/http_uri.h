// SPDX-License-Identifier: Apache-2.0
// Request targets (RFC 9112 3.2) and host[:port] (RFC 3986 3.2), strict: what is passed on is byte
// for byte what was checked; nothing is decoded or normalised but the case of the host.
#pragma once

#include "http.h"

enum http_target_form {
	HTTP_TARGET_ORIGIN,
	HTTP_TARGET_ABSOLUTE,
	HTTP_TARGET_AUTHORITY,
	HTTP_TARGET_ASTERISK
};

// The parts of a target. Slices point into the text, or at literals.
struct http_uri {
	enum http_target_form form;
	struct slice scheme;    // "http", "https"; empty unless absolute
	struct slice authority; // empty unless absolute or authority
	struct slice target;    // path and query, or "*"; empty for authority
};

// http_uri_parse takes text apart by the form that method allows: CONNECT has host:port, OPTIONS
// may have "*", all have "/path?query" and http(s)://authority/path?query. False when it is none.
bool http_uri_parse(struct slice text, enum http_method method, struct http_uri *uri);

// http_authority_is_valid is true for host[:port]: letters, digits, "-._~" and single dots, or an
// IPv6 address in brackets; no user part, a port of 1..65535 when there is a colon, 255 bytes at
// most.
bool http_authority_is_valid(struct slice authority);
