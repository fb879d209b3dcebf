// SPDX-License-Identifier: Apache-2.0
// Rows of the registry as C structs and as JSON text; both are made from row.def.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_kind {
#define ROW_BEGIN(kind) STORE_##kind,
#define ROW_TEXT(kind, field, bytes)
#define ROW_NUMBER(kind, field)
#define ROW_FLAG(kind, field)
#define ROW_END(kind)
#include "row.def"
	STORE_KIND_COUNT
};
#undef ROW_BEGIN
#undef ROW_TEXT
#undef ROW_NUMBER
#undef ROW_FLAG
#undef ROW_END

#define ROW_BEGIN(kind)              struct row_##kind {
#define ROW_TEXT(kind, field, bytes) char field[bytes];
#define ROW_NUMBER(kind, field)      uint64_t field;
#define ROW_FLAG(kind, field)        bool field;
#define ROW_END(kind)                                                                              \
	}                                                                                          \
	;
#include "row.def"
#undef ROW_BEGIN
#undef ROW_TEXT
#undef ROW_NUMBER
#undef ROW_FLAG
#undef ROW_END

// row_kind_name returns "service" ... ; row_kind_of finds it back, or STORE_KIND_COUNT.
const char *row_kind_name(enum store_kind kind);
enum store_kind row_kind_of(const char *name);

// row_bytes returns the size of the kind's struct.
size_t row_bytes(enum store_kind kind);

// row_encode returns the row (a struct row_<kind>) as JSON; the caller frees it. NULL: out of
// memory, or a text that is not UTF-8.
char *row_encode(enum store_kind kind, const void *row);

// row_decode fills row (row_bytes) from JSON. Returns NULL, or what is wrong (a literal); then row
// is all zero.
const char *row_decode(enum store_kind kind, const char *json, void *row);

// row_copy_text copies text into out (bytes with NUL). False and "" when it does not fit.
bool row_copy_text(char *out, size_t bytes, const char *text);
