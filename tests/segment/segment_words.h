// SPDX-License-Identifier: Apache-2.0
// A script's line as words: blanks and commas part them, the brackets < and > are words of their
// own. Numbers are small expressions (10*mss+1) over names that the caller knows; durations carry a
// unit (250ms, 2s, 3min).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SEGMENT_LINE_BYTES 512u
#define SEGMENT_WORDS      96u

struct segment_words {
	char text[2 * SEGMENT_LINE_BYTES]; // what word points into
	const char *word[SEGMENT_WORDS];
	unsigned count;
	unsigned at; // next to take
};

// A name of an expression and what it is worth.
struct segment_name {
	const char *name;
	int64_t value;
};

// segment_words_split cuts line (without its comment) into words; false when there are too many.
bool segment_words_split(const char *line, struct segment_words *words);

// segment_words_peek is the next word, "" at the end; segment_words_take also moves on.
const char *segment_words_peek(const struct segment_words *words);
const char *segment_words_take(struct segment_words *words);

// segment_words_accept moves on when the next word is wanted.
bool segment_words_accept(struct segment_words *words, const char *wanted);

// segment_number_of reads an expression of numbers (decimal, 0x), names (ended by a NULL name) and
// * + -, evaluated from left to right with * first. False when text is none.
bool segment_number_of(const char *text, const struct segment_name *names, int64_t *value);

// segment_duration_of reads a duration in microseconds; without a unit it is in seconds.
bool segment_duration_of(const char *text, uint64_t *us);
