// SPDX-License-Identifier: Apache-2.0
// Header blocks read (RFC 7541): fields, and the dynamic table that they make. A block is whole;
// all blocks of a connection go through one reader, in their order, or nothing of it is right.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define HPACK_TABLE_BYTES   4096u // SETTINGS_HEADER_TABLE_SIZE, which we leave at what it is
#define HPACK_ENTRY_BYTES   32u   // that an entry counts for, beyond its name and its value
#define HPACK_ENTRIES_MAX   (HPACK_TABLE_BYTES / HPACK_ENTRY_BYTES)
#define HPACK_STRING_MAX    65536u // bytes of a name or a value as it is written
#define HPACK_SCRATCH_BYTES 512u // of a name and a value in Huffman's code, before they take memory

// Where memory comes from and goes to.
struct hpack_memory {
	void *user;
	void *(*take)(void *user, size_t bytes); // NULL: there is none
	void (*give)(void *user, void *piece);   // NULL is no piece
};

// The dynamic table: entries' texts one behind the other, oldest first, in one piece of memory.
struct hpack_reader {
	struct hpack_memory memory;
	uint8_t *texts;                 // owned, NULL before the first entry
	uint32_t room, start, end;      // of texts; entries are from start to end
	uint32_t first, count;          // number of the oldest entry, and how many there are
	uint32_t bytes, most;           // as RFC 7541 4.1 counts them, and how many may be
	uint16_t at[HPACK_ENTRIES_MAX]; // an entry's place in texts, by its number
	void *large[2];                 // of the field read last
};

// A field that was read, borrowed until the next call. One of the dynamic table has a note, 0 at
// first, in which the caller keeps what it has found out of it: it need not look again.
struct hpack_field {
	struct slice name, value;
	uint8_t *note;       // NULL: it is in no table that we keep
	bool is_name_static; // RFC 7541's own: lower case, a token but for its colon
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

// hpack_read takes the next field off block. scratch has HPACK_SCRATCH_BYTES.
enum hpack_result hpack_read(struct hpack_reader *reader, struct slice *block, uint8_t *scratch,
			     struct hpack_field *field);
