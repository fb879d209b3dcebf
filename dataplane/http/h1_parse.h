// SPDX-License-Identifier: Apache-2.0
// Heads and trailers of HTTP/1.1 (RFC 9112 2-5), read as they come: any split of the bytes gives
// the same result. Lines end with CRLF and nothing else, nothing is folded, nothing is repaired.
#pragma once

#include "http_rules.h"

enum h1_head_state {
	H1_HEAD_START,  // before the end of the first line
	H1_HEAD_FIELDS, // before the empty line
	H1_HEAD_DONE,   // message and hop are set
};

struct h1_head {
	const struct http_limits *limits; // borrowed
	bool is_request;
	bool is_trailers;
	bool had_empty_line; // one CRLF before a request line is forgiven (RFC 9112 2.2)
	enum h1_head_state state;
	char *text;                // borrowed: limits->head_bytes; all slices of message point here
	struct http_field *fields; // borrowed: limits->field_count
	uint32_t used_bytes;       // of text
	uint32_t line_start;       // of the line being read
	struct http_message message;
	struct http_hop hop;
};

// h1_head_memory_bytes is the size of the block that a head of these limits needs.
size_t h1_head_memory_bytes(const struct http_limits *limits);

// h1_head_start prepares for the next request or response; memory (h1_head_memory_bytes, aligned to
// 8) is borrowed until the next start.
void h1_head_start(struct h1_head *head, const struct http_limits *limits, bool is_request,
		   void *memory);

// h1_head_start_trailers prepares for the trailers of the message that head held, whose slices die.
void h1_head_start_trailers(struct h1_head *head);

// h1_head_read takes bytes until the head is done, the bytes end, or a rule is broken: *fault is
// then its counter, else 0. Returns how many bytes were taken. After H1_HEAD_DONE message is valid
// (for trailers: its fields only).
size_t h1_head_read(struct h1_head *head, struct slice bytes, int *fault);
