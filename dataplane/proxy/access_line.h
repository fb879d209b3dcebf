// SPDX-License-Identifier: Apache-2.0
// An entry of the access log as one line of JSON (RFC 8259). Keys are stable; those without a value
// are left out. Whatever a stranger sent is escaped: bytes outside of printable ASCII become
// \u00xx.
#pragma once

#include "access.h"

// Room that always suffices: each byte of a text may become six.
#define ACCESS_LINE_BYTES 24576u

// What a line tells beside the entry.
struct access_line {
	const char *node;
	uint64_t wall_us; // Unix time of entry.started_us
};

// access_line_format writes the entry, whose texts lie one behind the other at texts, as a line
// with its newline into out, of ACCESS_LINE_BYTES; returns its length.
size_t access_line_format(const struct access_line *line, const struct access_entry *entry,
			  const char *texts, char *out);

// access_entry_is_good tells whether bytes is what the entry and its texts take, none of which is
// longer than what is kept: what was read from a ring is believed after this.
bool access_entry_is_good(const struct access_entry *entry, size_t bytes);
