// SPDX-License-Identifier: Apache-2.0
// Header blocks read (RFC 7541): fields, and the dynamic table that they make. A block is whole;
// all blocks of a connection go through one reader, in their order, or nothing of it is right.
#pragma once

#include "hpack_table.h"

#define HPACK_STRING_MAX    65536u // bytes of a name or a value as it is written
#define HPACK_SCRATCH_BYTES 512u // of a name and a value in Huffman's code, before they take memory

struct hpack_reader {
	struct hpack_table table;
	void *large[2]; // of the field read last
};

enum hpack_result {
	HPACK_FIELD,
	HPACK_END,   // of the block
	HPACK_BAD,   // it is none: nothing after it can be read
	HPACK_SHORT, // of memory: nor can it now
};

// hpack_reader_init makes the table empty; hpack_reader_fini gives all memory back.
void hpack_reader_init(struct hpack_reader *reader, struct hpack_memory memory);
void hpack_reader_fini(struct hpack_reader *reader);

// hpack_read_begin reads the sizes of the table that may begin a block, and leaves the rest of it
// in block. Returns HPACK_FIELD, or HPACK_BAD.
enum hpack_result hpack_read_begin(struct hpack_reader *reader, struct slice *block);

// hpack_read takes the next field off block, borrowed until the next call. scratch has
// HPACK_SCRATCH_BYTES.
enum hpack_result hpack_read(struct hpack_reader *reader, struct slice *block, uint8_t *scratch,
			     struct hpack_field *field);
