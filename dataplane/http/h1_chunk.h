// SPDX-License-Identifier: Apache-2.0
// The chunked transfer coding, in (RFC 9112 7.1). Extensions are checked, bounded and dropped;
// sizes are plain hexadecimal without blanks; lines end with CRLF.
#pragma once

#include "http.h"

#define H1_CHUNK_EXTENSION_BYTES_MAX 4096u // of all chunks of one body

// Where in an extension: BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] (RFC
// 9112 7.1.1).
enum h1_extension_state {
	H1_EXTENSION_NAME_FIRST, // behind ';'
	H1_EXTENSION_NAME,
	H1_EXTENSION_NAME_PAST, // blanks behind it
	H1_EXTENSION_VALUE_FIRST,
	H1_EXTENSION_VALUE,
	H1_EXTENSION_QUOTED,
	H1_EXTENSION_ESCAPED, // behind a backslash in quotes
	H1_EXTENSION_QUOTED_PAST,
	H1_EXTENSION_VALUE_PAST, // blanks behind it
	H1_EXTENSION_BAD,
};

enum h1_chunk_state {
	H1_CHUNK_SIZE,      // digits, at least one
	H1_CHUNK_EXTENSION, // behind ';'
	H1_CHUNK_SIZE_LF,
	H1_CHUNK_DATA,
	H1_CHUNK_DATA_CR,
	H1_CHUNK_DATA_LF,
	H1_CHUNK_LAST, // the chunk of size 0 was read: trailers follow
};

struct h1_chunks {
	enum h1_chunk_state state;
	enum h1_extension_state extension;
	uint8_t digit_count;      // of the size being read
	uint64_t left_bytes;      // of this chunk; while its size is read, what was read
	uint32_t extension_bytes; // of all chunks so far
};

// h1_chunks_start prepares for a body.
void h1_chunks_start(struct h1_chunks *chunks);

// h1_chunks_read takes bytes up to the end of one run of data of at most max bytes (lent as *data,
// may be empty), the end of bytes, or the last chunk (state H1_CHUNK_LAST). Returns how many it
// took; *fault is 0 or the counter of the rule broken.
size_t h1_chunks_read(struct h1_chunks *chunks, struct slice bytes, size_t max, struct slice *data,
		      int *fault);
