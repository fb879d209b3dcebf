// SPDX-License-Identifier: Apache-2.0
// Fields written with a dynamic table of our own (RFC 7541 6.1, 6.2): those that come again take a
// byte or two. A field is entered when it comes for the second time, so what no other message has
// drives nothing out. All blocks of a connection go through one writer, in the order in which they
// are sent; whatever else writes on that connection must enter nothing.
#pragma once

#include "hpack_table.h"

#define HPACK_SEEN_COUNT 128u // fields that are remembered, each by its hash

struct hpack_writer {
	struct hpack_table table;
	struct hpack_seen {
		uint32_t hash;   // of the field that came last
		uint32_t number; // of an entry of that hash's, if it is still in the table
	} seen[HPACK_SEEN_COUNT];
};

// hpack_writer_init makes the table empty; hpack_writer_fini gives all memory back. The peer's
// SETTINGS_HEADER_TABLE_SIZE goes to hpack_table_limit, which says nothing of it: whoever begins
// the next block does.
void hpack_writer_init(struct hpack_writer *writer, struct hpack_memory memory);
void hpack_writer_fini(struct hpack_writer *writer);

// hpack_write_indexed writes a field to at, which has room for name, value and HPACK_FIELD_EXTRA
// (hpack_write.h), and returns the end of it. name and value may lie behind at, in this order, name
// no less than 7 bytes behind it: what is written overtakes neither. name is in lower case.
uint8_t *hpack_write_indexed(struct hpack_writer *writer, uint8_t *at, struct slice name,
			     struct slice value);
