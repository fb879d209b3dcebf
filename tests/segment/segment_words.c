// SPDX-License-Identifier: Apache-2.0
// A script's line as words; see segment_words.h.
#include "segment_words.h"

#include "check.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

// word_bytes is how long the word at at is: a relation, a bracket, or up to the next of those.
static size_t word_bytes(const char *at)
{
	if (strchr("<>=!", at[0]) && at[1] == '=')
		return 2;
	if (strchr("<>", at[0]))
		return 1;
	return strcspn(at, " \t,<>");
}

bool segment_words_split(const char *line, struct segment_words *words)
{
	char *out = words->text;
	words->count = words->at = 0;
	for (const char *at = line; *at && *at != '#';) {
		if (isspace((unsigned char)*at) || *at == ',') {
			at++;
			continue;
		}
		size_t bytes = word_bytes(at);
		if (words->count == SEGMENT_WORDS ||
		    out + bytes + 1 > words->text + sizeof(words->text))
			return false;
		words->word[words->count++] = out;
		memcpy(out, at, bytes);
		out[bytes] = '\0';
		out += bytes + 1;
		at += bytes;
	}
	return true;
}

const char *segment_words_peek(const struct segment_words *words)
{
	return words->at < words->count ? words->word[words->at] : "";
}

const char *segment_words_take(struct segment_words *words)
{
	return words->at < words->count ? words->word[words->at++] : "";
}

bool segment_words_accept(struct segment_words *words, const char *wanted)
{
	if (strcmp(segment_words_peek(words), wanted) != 0)
		return false;
	words->at++;
	return true;
}

// read_atom reads a number or a name and moves *at behind it.
static bool read_atom(const char **at, const struct segment_name *names, int64_t *value)
{
	if (isdigit((unsigned char)**at)) {
		char *end;
		*value = (int64_t)strtoull(*at, &end, 0);
		*at = end;
		return true;
	}
	for (const struct segment_name *name = names; name->name; name++) {
		size_t bytes = strlen(name->name);
		if (strncmp(*at, name->name, bytes) == 0 && !isalnum((unsigned char)(*at)[bytes])) {
			*at += bytes;
			*value = name->value;
			return true;
		}
	}
	return false;
}

static bool read_product(const char **at, const struct segment_name *names, int64_t *value)
{
	if (!read_atom(at, names, value))
		return false;
	while (**at == '*') {
		int64_t factor;
		++*at;
		if (!read_atom(at, names, &factor))
			return false;
		*value *= factor;
	}
	return true;
}

bool segment_number_of(const char *text, const struct segment_name *names, int64_t *value)
{
	const char *at = text;
	int64_t sum = 0;
	bool is_minus = *at == '-';
	at += is_minus;
	for (;;) {
		int64_t term;
		if (!read_product(&at, names, &term))
			return false;
		sum += is_minus ? -term : term;
		if (*at == '\0')
			break;
		if (*at != '+' && *at != '-')
			return false;
		is_minus = *at++ == '-';
	}
	*value = sum;
	return true;
}

bool segment_duration_of(const char *text, uint64_t *us)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = {{"", 1e6}, {"s", 1e6}, {"ms", 1e3}, {"us", 1}, {"min", 60e6}, {"h", 3600e6}};
	char *end;
	double number = strtod(text, &end);
	if (end == text || number < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(end, units[i].unit) == 0) {
			*us = (uint64_t)(number * units[i].us + 0.5);
			return true;
		}
	}
	return false;
}
