// SPDX-License-Identifier: Apache-2.0
// HPACK's dynamic table (RFC 7541 2.3.2, 4): what a reader has of a peer's, or a writer of its own.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define HPACK_STATIC_COUNT 61u
#define HPACK_TABLE_BYTES  4096u // SETTINGS_HEADER_TABLE_SIZE, which we leave at what it is
#define HPACK_ENTRY_BYTES  32u   // that an entry counts for, beyond its name and its value
#define HPACK_ENTRIES_MAX  (HPACK_TABLE_BYTES / HPACK_ENTRY_BYTES)

// Where memory comes from and goes to.
struct hpack_memory {
	void *user;
	void *(*take)(void *user, size_t bytes); // NULL: there is none
	void (*give)(void *user, void *piece);   // NULL is no piece
};

// Entries' texts one behind the other, oldest first, in one piece of memory.
struct hpack_table {
	struct hpack_memory memory;
	uint8_t *texts;                 // owned, NULL before the first entry
	uint32_t room, start, end;      // of texts; entries are from start to end
	uint32_t first, count;          // number of the oldest entry, and how many there are
	uint32_t bytes, most;           // as RFC 7541 4.1 counts them, and how many may be
	uint16_t at[HPACK_ENTRIES_MAX]; // an entry's place in texts, by its number
};

// A field. One of the dynamic table has a note, 0 at first, in which the caller keeps what it has
// found out of it: it need not look again.
struct hpack_field {
	struct slice name, value;
	uint8_t *note;       // NULL: it is in no table that we keep
	bool is_name_static; // RFC 7541's own: lower case, a token but for its colon
};

// hpack_table_init makes an empty table of HPACK_TABLE_BYTES; hpack_table_fini gives all memory
// back.
void hpack_table_init(struct hpack_table *table, struct hpack_memory memory);
void hpack_table_fini(struct hpack_table *table);

// hpack_table_enter makes a field the newest entry, and field what is in the table, borrowed until
// the next call; false: there is no memory. Its name may be that of an older entry, which may have
// to go for it. One that is too large empties the table (4.4), and is where it was.
bool hpack_table_enter(struct hpack_table *table, struct hpack_field *field);

// hpack_table_limit sets how many bytes may be in the table, at most HPACK_TABLE_BYTES (4.3).
void hpack_table_limit(struct hpack_table *table, uint32_t most);

// In texts, before an entry's name and value: their lengths, of two bytes each, and its note.
#define HPACK_ENTRY_HEAD 5u

// hpack_table_field returns an entry by its number, from table->first on; borrowed.
static inline struct hpack_field hpack_table_field(const struct hpack_table *table, uint32_t number)
{
	uint8_t *entry = table->texts + table->at[number % HPACK_ENTRIES_MAX];
	const uint8_t *text = entry + HPACK_ENTRY_HEAD;
	uint16_t lengths[2];
	memcpy(lengths, entry, sizeof(lengths));
	return (struct hpack_field){slice_of(text, lengths[0]),
				    slice_of(text + lengths[0], lengths[1]),
				    entry + sizeof(lengths), false};
}
