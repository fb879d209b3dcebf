// SPDX-License-Identifier: Apache-2.0
// Fields as HPACK's literals (RFC 7541 6.2): the name by its number in the static table where it
// has one, the value as it is. What hpack_write writes stands for itself, wherever in the header
// blocks of a connection it stands, whatever its dynamic tables have.
#pragma once

#include "slice.h"

#include <stdint.h>

// What a field takes beyond its name and its value, at most; both are shorter than 2^21 bytes.
#define HPACK_FIELD_EXTRA 10u

// hpack_write writes a field to at, which has room for name, value and HPACK_FIELD_EXTRA, and
// returns the end of it. name is in lower case, as RFC 9113 8.2 wants it.
uint8_t *hpack_write(uint8_t *at, struct slice name, struct slice value);

// What the reader does with a literal, as its first byte says.
enum hpack_literal {
	HPACK_PASS = 0x00,  // it enters nothing (6.2.2), what hpack_write writes
	HPACK_NEVER = 0x10, // nor does whoever sends it on (6.2.3)
	HPACK_ENTER = 0x40, // it enters the field into the table (6.2.1)
};

// hpack_write_as is hpack_write of any literal. The texts may lie as in hpack_index.h.
uint8_t *hpack_write_as(uint8_t *at, enum hpack_literal literal, struct slice name,
			struct slice value);

// hpack_write_index writes a field of a table by its index (6.1), in three bytes at most.
uint8_t *hpack_write_index(uint8_t *at, uint32_t index);
