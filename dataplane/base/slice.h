// SPDX-License-Identifier: Apache-2.0
// Borrowed bytes: a pointer and a length, no ownership. ASCII comparisons that HTTP and DNS need.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *at; // may be NULL only when bytes is 0
	size_t bytes;
};

// SLICE makes a slice of a string literal.
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

// slice_of borrows bytes bytes at at.
static inline struct slice slice_of(const void *at, size_t bytes)
{
	return (struct slice){at, bytes};
}

// slice_str borrows a NUL-terminated string, without its NUL.
static inline struct slice slice_str(const char *string)
{
	return (struct slice){string, strlen(string)};
}

// slice_equal compares byte for byte; against a short literal b without a call.
static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.bytes == b.bytes && (b.bytes == 0 || memcmp(a.at, b.at, b.bytes) == 0);
}

// slice_equal_nocase compares ASCII without case (field names, host names).
static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
	return a.bytes == b.bytes && (a.bytes == 0 || strncasecmp(a.at, b.at, a.bytes) == 0);
}

// slice_starts is true when a begins with prefix, byte for byte.
static inline bool slice_starts(struct slice a, struct slice prefix)
{
	return a.bytes >= prefix.bytes &&
	       (prefix.bytes == 0 || memcmp(a.at, prefix.at, prefix.bytes) == 0);
}

// slice_skip drops the first bytes bytes (at most all of them).
static inline struct slice slice_skip(struct slice a, size_t bytes)
{
	if (bytes > a.bytes)
		bytes = a.bytes;
	return (struct slice){a.bytes ? a.at + bytes : a.at, a.bytes - bytes};
}

// slice_head keeps the first bytes bytes (at most all of them).
static inline struct slice slice_head(struct slice a, size_t bytes)
{
	return (struct slice){a.at, bytes < a.bytes ? bytes : a.bytes};
}

// slice_find returns the index of the first byte c, or a.bytes when there is none.
static inline size_t slice_find(struct slice a, char c)
{
	const char *found = a.bytes ? memchr(a.at, c, a.bytes) : NULL;
	return found ? (size_t)(found - a.at) : a.bytes;
}

// slice_trim drops spaces and tabs at both ends (RFC 9110 5.6.3 OWS).
static inline struct slice slice_trim(struct slice a)
{
	while (a.bytes && (a.at[0] == ' ' || a.at[0] == '\t'))
		a = slice_skip(a, 1);
	while (a.bytes && (a.at[a.bytes - 1] == ' ' || a.at[a.bytes - 1] == '\t'))
		a.bytes--;
	return a;
}
