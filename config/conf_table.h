// SPDX-License-Identifier: Apache-2.0
// The lines of conf.def as tables, for the files of this folder: what to read, check and print.
#pragma once

#include "conf.h"

#include <stddef.h>

enum conf_type {
	CONF_TYPE_NAME,
	CONF_TYPE_TEXT,
	CONF_TYPE_PATH,
	CONF_TYPE_COUNT_, // COUNT, not how many types there are
	CONF_TYPE_SIZE,
	CONF_TYPE_TIME,
	CONF_TYPE_BOOL,
	CONF_TYPE_CORES,
	CONF_TYPE_ADDR,
	CONF_TYPE_PREFIX,
	CONF_TYPE_PREFIXES,
	CONF_TYPE_ENDPOINTS,
	CONF_TYPE_MAC,
	CONF_TYPE_ROLE,
	CONF_TYPE_IDLE,
	CONF_TYPE_HUGEPAGES,
	CONF_TYPE_ECN,
	CONF_TYPE_PROTOCOL,
	CONF_TYPE_TRANSPORT,
	CONF_TYPE_CONGESTION,
	CONF_TYPE_STORE,
};

struct conf_key {
	const char *section; // "" for a key outside any group
	const char *name;
	enum conf_type type;
	uint64_t min; // of the number, the length or how many, by type
	uint64_t max;
	const char *fallback; // NULL = must be given
	const char *when;     // "RESTART", "LIVE"; "" for a field of an item
	size_t offset;        // into struct conf, or into the item
	const char *text;
};

struct conf_list {
	const char *section;
	const char *name;
	const char *item;
	const struct conf_key *fields;
	unsigned field_count;
	uint32_t most;
	size_t item_bytes;
	size_t line_offset;  // of `line` in the item
	size_t offset;       // of the array in struct conf
	size_t count_offset; // of its count
	const char *text;
};

struct conf_section {
	const char *name;
	const char *text;
};

// How many keys there are, for arrays with a flag a key.
#define TOP(...) +1
#define TOP_LIST(...)
#define SECTION(...)
#define KEY(...) +1
#define LIST(...)
#define END(...)
enum {
	CONF_KEYS = 0
#include "conf.def"
};

// conf_keys, conf_lists and conf_sections are the tables, each with its count, in conf.def's order.
extern const struct conf_key conf_keys[];
extern const unsigned conf_key_count;
extern const struct conf_list conf_lists[];
extern const unsigned conf_list_count;
extern const struct conf_section conf_sections[];
extern const unsigned conf_section_count;

// conf_type_text tells an operator what a type is written like.
const char *conf_type_text(enum conf_type type);

// conf_choice_words returns the NULL-terminated words of a choice, or NULL for other types.
const char *const *conf_choice_words(enum conf_type type);
