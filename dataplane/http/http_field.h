// SPDX-License-Identifier: Apache-2.0
// Syntax of field lines (RFC 9110 5) and which fields belong to a connection, not to a message
// (RFC 9110 7.6.1, RFC 9113 8.2.2).
#pragma once

#include "http.h"

// Fields that the rules look at; every other one is HTTP_FIELD_PLAIN and passed on as it is.
enum http_field_kind {
	HTTP_FIELD_PLAIN,
	HTTP_FIELD_HOST,
	HTTP_FIELD_LENGTH,     // content-length
	HTTP_FIELD_CODING,     // transfer-encoding
	HTTP_FIELD_CONNECTION, // names further fields of the hop
	HTTP_FIELD_UPGRADE,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_TE,
	HTTP_FIELD_SOCKET_KEY,    // sec-websocket-key and
	HTTP_FIELD_SOCKET_ACCEPT, // sec-websocket-accept: of the handshake on one connection
	HTTP_FIELD_HOP,           // keep-alive, proxy-connection, http2-settings: dropped
	HTTP_FIELD_DISGUISED, // content_length, transfer.encoding: CGI and its heirs read framing
};

// http_field_kind_of tells what name (lower case) is.
enum http_field_kind http_field_kind_of(struct slice name);

// http_is_token is true for one or more tchar (RFC 9110 5.6.2).
bool http_is_token(struct slice text);

// http_is_value is true when text holds no control character but tab (RFC 9110 5.5).
bool http_is_value(struct slice text);

// http_lower turns ASCII capitals at at to lower case.
void http_lower(char *at, size_t bytes);

// http_next_item takes the next item of a comma list (RFC 9110 5.6.1) off *list, trimmed; empty
// items are skipped. Returns false at the end.
bool http_next_item(struct slice *list, struct slice *item);

// http_number reads decimal digits, at most 19 of them; false when text is anything else.
bool http_number(struct slice text, uint64_t *number);
