// SPDX-License-Identifier: Apache-2.0
// What the peer's IP does to a segment that it sends: extension headers before it (RFC 8200 4), and
// only a part of it in this packet (RFC 791 3.2, RFC 8200 4.5).
//     < [ext NAME ...] [part FIRST:END [id N] [more|last]] SEGMENT
#pragma once

#include "segment_run.h"

#define SEGMENT_HEADERS 16u // of a packet

struct segment_cut {
	uint8_t header[SEGMENT_HEADERS]; // extension headers in their order: indices of our table
	unsigned header_count;
	bool is_part;
	bool has_more, is_more; // written; else more follow when the part ends before the whole
	int64_t first, end;     // bytes of what IP carries; end < 0: to its end
	int64_t id;
};

// segment_cut_read takes what stands before a segment; false after segment_fail.
bool segment_cut_read(struct segment_run *run, struct segment_words *words,
		      struct segment_cut *cut);

// segment_cut_apply changes the frame of bytes bytes at frame (SEGMENT_FRAME_BYTES); returns its
// new length, 0 after segment_fail.
uint32_t segment_cut_apply(struct segment_run *run, const struct segment_cut *cut, uint8_t *frame,
			   uint32_t bytes);
