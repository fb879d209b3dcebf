// SPDX-License-Identifier: Apache-2.0
// What another parser of HTTP/1.1 (http_parser 2.9, once Node's) understands of one message. Apart,
// because its names are ours.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define H1_OTHER_FIELDS 128u  // of a head and its trailers
#define H1_OTHER_BYTES  8192u // longer input is not compared

struct h1_other_field {
	struct slice name;  // as it was written
	struct slice value; // without surrounding blanks
};

// All slices lie in the text that was read.
struct h1_other {
	char method[16]; // of a request; empty when it knows no such method
	unsigned status; // of a response
	struct slice target;
	struct h1_other_field fields[H1_OTHER_FIELDS]; // trailers too
	unsigned field_count;
	uint8_t body[H1_OTHER_BYTES];
	size_t body_bytes;
	size_t message_bytes; // where the message ends in the text
	bool is_head_whole;
	bool is_complete;
};

// h1_other_parse reads the first message of text, a request or the answer to a GET.
void h1_other_parse(struct h1_other *other, struct slice text, bool is_request);
