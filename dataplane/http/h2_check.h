// SPDX-License-Identifier: Apache-2.0
// What RFC 9113 8.2 and 8.3 ask of the fields that are received. Here is what is for HTTP/2 alone;
// http_rules.h has what both versions share.
#pragma once

#include "hpack_read.h"
#include "http.h"

#include <stdbool.h>

// What of a head has been seen.
struct h2_seen {
	uint64_t content_length; // HTTP_LENGTH_NONE before it
	uint8_t pseudo;          // a bit each
	bool has_plain;          // a field that is no pseudo field
	bool has_host;
	bool is_tunnel; // the response is to a CONNECT; the caller says it
	uint16_t status;
};

// h2_check_field looks at the next field of a request's head, or trailers. Returns 0,
// COUNTER_http_h2_malformed, or COUNTER_http_h2_field_bad: bytes that no field may have. What a
// field's bytes are goes to its note, and is taken from there when it comes again.
int h2_check_field(struct h2_seen *seen, bool is_trailer, const struct hpack_field *field);

// h2_check_answer_field is h2_check_field of a response's head, or trailers.
int h2_check_answer_field(struct h2_seen *seen, bool is_trailer, const struct hpack_field *field);

// h2_check_has_status: a response's head without is malformed.
bool h2_check_has_status(const struct h2_seen *seen);

// h2_check_request looks at a request's head as a whole; is_end: nothing follows. Returns 0 or
// COUNTER_http_h2_malformed.
int h2_check_request(const struct h2_seen *seen, const struct http_message *m, bool is_end);

// h2_check_is_text is true when :path, :protocol, :scheme and :authority have no bytes that they
// may not have: what is not what we serve, but that, is answered, and else malformed.
bool h2_check_is_text(const struct http_message *m);
