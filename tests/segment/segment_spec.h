// SPDX-License-Identifier: Apache-2.0
// A segment as a script writes it, to be sent or expected:
//     FLAGS SEQ[:END] [ack N] [win N] [urg N] [ecn N] [ttl N] ... [< options >]
#pragma once

#include "segment_run.h"

struct segment_at {
	int64_t value;
	bool is_absolute; // "=N"
	bool is_any;      // "_"
};

struct segment_spec {
	uint8_t flags;
	struct segment_at seq, ack;
	int64_t payload_bytes;
	bool has_ack, has_window, has_options, has_urgent, has_ecn, has_ttl, has_fill;
	struct segment_compare window;
	uint16_t urgent;
	uint8_t ecn, ttl, fill;
	uint8_t header_words;   // to lie about the header's length
	bool is_checksum_wrong; // sent with a wrong checksum
	bool are_options_any;   // expected: <any>
	struct segment_option option[SEGMENT_OPTIONS];
	bool is_absolute[SEGMENT_OPTIONS][SEGMENT_VALUES];
	unsigned option_count;
};

// segment_spec_read takes a segment from words; false after segment_fail.
bool segment_spec_read(struct segment_run *run, struct segment_words *words,
		       struct segment_spec *spec);

// segment_at_read takes a sequence number.
bool segment_at_read(struct segment_run *run, const char *word, struct segment_at *at);
