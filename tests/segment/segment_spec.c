// SPDX-License-Identifier: Apache-2.0
// A segment as a script writes it; see segment_spec.h.
#include "segment_spec.h"

#include "check.h"

#include <string.h>

static bool read_flags(struct segment_run *run, const char *word, uint8_t *flags)
{
	static const char letters[] = "FSRPAUEW"; // bit by bit; W is CWR
	*flags = 0;
	if (strcmp(word, "-") == 0)
		return true;
	for (const char *at = word; *at; at++) {
		const char *letter = strchr(letters, *at);
		if (!letter)
			return segment_fail(run, "no such flags: %s", word);
		*flags = (uint8_t)(*flags | 1u << (letter - letters));
	}
	return *word || segment_fail(run, "flags are missing");
}

bool segment_at_read(struct segment_run *run, const char *word, struct segment_at *at)
{
	struct segment_words one = {.word = {word}, .count = 1};
	*at = (struct segment_at){.is_any = strcmp(word, "_") == 0, .is_absolute = *word == '='};
	if (at->is_absolute)
		one.word[0]++;
	return at->is_any || segment_number(run, &one, &at->value);
}

// read_range takes SEQ or SEQ:END.
static bool read_range(struct segment_run *run, const char *word, struct segment_spec *spec)
{
	char first[SEGMENT_LINE_BYTES];
	struct segment_at end = {0};
	size_t bytes = strcspn(word, ":");
	memcpy(first, word, bytes);
	first[bytes] = '\0';
	if (!segment_at_read(run, first, &spec->seq))
		return false;
	if (word[bytes] == '\0')
		return true;
	if (!segment_at_read(run, word + bytes + 1, &end))
		return false;
	spec->payload_bytes = end.value - spec->seq.value;
	if (spec->payload_bytes < 0 || spec->payload_bytes > 65000)
		return segment_fail(run, "no such payload: %s", word);
	return true;
}

// read_values takes values up to the next option; "A:B" counts as two.
static bool read_values(struct segment_run *run, struct segment_words *words,
			struct segment_spec *spec, unsigned count)
{
	struct segment_option *option = &spec->option[spec->option_count];
	char word[SEGMENT_LINE_BYTES];
	while (option->count < count) {
		strcpy(word, segment_words_take(words));
		for (char *at = word, *next = NULL; at; at = next) {
			struct segment_at value;
			next = strchr(at, ':');
			if (next)
				*next++ = '\0';
			if (option->count == SEGMENT_VALUES || !segment_at_read(run, at, &value))
				return segment_fail(run, "no such option value: %s", at);
			spec->is_absolute[spec->option_count][option->count] = value.is_absolute;
			option->is_any[option->count] = value.is_any;
			option->value[option->count++] = (uint32_t)value.value;
		}
	}
	return true;
}

// read_raw takes bytes in hexadecimal.
static bool read_raw(struct segment_words *words, struct segment_option *option)
{
	int64_t value;
	char hex[8];
	for (;;) {
		snprintf(hex, sizeof(hex), "0x%.4s", segment_words_peek(words));
		static const struct segment_name none[] = {{NULL, 0}};
		if (strlen(segment_words_peek(words)) != 2 ||
		    !segment_number_of(hex, none, &value) || option->count == SEGMENT_VALUES)
			return option->count > 0;
		option->value[option->count++] = (uint32_t)value;
		segment_words_take(words);
	}
}

static bool read_option(struct segment_run *run, struct segment_words *words,
			struct segment_spec *spec)
{
	struct segment_option *option = &spec->option[spec->option_count];
	const char *name = segment_words_take(words);
	bool is_good = true;
	*option = (struct segment_option){0};
	if (strcmp(name, "mss") == 0) {
		option->kind = SEGMENT_MSS;
		is_good = read_values(run, words, spec, 1);
	} else if (strcmp(name, "ws") == 0) {
		option->kind = SEGMENT_SCALE;
		is_good = read_values(run, words, spec, 1);
	} else if (strcmp(name, "ts") == 0) {
		option->kind = SEGMENT_TIMESTAMPS;
		is_good = read_values(run, words, spec, 2);
	} else if (strcmp(name, "sack") == 0) {
		option->kind = SEGMENT_SACK_PERMITTED;
		while (is_good && strchr(segment_words_peek(words), ':')) {
			option->kind = SEGMENT_SACK;
			is_good = read_values(run, words, spec, option->count + 2u);
		}
	} else if (strcmp(name, "nop") == 0 || strcmp(name, "eol") == 0) {
		option->kind = *name == 'n' ? SEGMENT_NOP : SEGMENT_EOL;
	} else if (strcmp(name, "raw") == 0) {
		option->kind = SEGMENT_RAW;
		is_good = read_raw(words, option);
	} else {
		return segment_fail(run, "no such option: %s", name);
	}
	return is_good || segment_fail(run, "option %s lacks its values", name);
}

static bool read_options(struct segment_run *run, struct segment_words *words,
			 struct segment_spec *spec)
{
	spec->has_options = true;
	while (!segment_words_accept(words, ">")) {
		if (segment_words_accept(words, "any")) {
			spec->are_options_any = true;
			continue;
		}
		if (spec->option_count == SEGMENT_OPTIONS)
			return segment_fail(run, "too many options");
		if (!read_option(run, words, spec))
			return false;
		spec->option_count++;
	}
	return true;
}

// read_small takes a number that must fit bits.
static bool read_small(struct segment_run *run, struct segment_words *words, unsigned bits,
		       int64_t *value)
{
	if (!segment_number(run, words, value))
		return false;
	return (*value >= 0 && *value < (int64_t)1 << bits) ||
	       segment_fail(run, "%lld does not fit", (long long)*value);
}

// read_part takes one "key value" behind the sequence numbers.
static bool read_part(struct segment_run *run, struct segment_words *words,
		      struct segment_spec *spec)
{
	const char *key = segment_words_take(words);
	int64_t value = 0;
	if (strcmp(key, "<") == 0)
		return read_options(run, words, spec);
	if (strcmp(key, "win") == 0) {
		spec->has_window = true;
		return segment_compare_read(run, words, &spec->window);
	}
	if (strcmp(key, "ack") == 0) {
		spec->has_ack = true;
		return segment_at_read(run, segment_words_take(words), &spec->ack);
	}
	if (strcmp(key, "badsum") == 0)
		return spec->is_checksum_wrong = true;
	if (!read_small(run, words, strcmp(key, "urg") == 0 ? 16 : 8, &value))
		return false;
	if (strcmp(key, "urg") == 0) {
		spec->has_urgent = true;
		spec->urgent = (uint16_t)value;
	} else if (strcmp(key, "ecn") == 0) {
		spec->has_ecn = true;
		spec->ecn = (uint8_t)value & 3;
	} else if (strcmp(key, "ttl") == 0) {
		spec->has_ttl = true;
		spec->ttl = (uint8_t)value;
	} else if (strcmp(key, "fill") == 0) {
		spec->has_fill = true;
		spec->fill = (uint8_t)value;
	} else if (strcmp(key, "offset") == 0) {
		spec->header_words = (uint8_t)value & 15;
	} else {
		return segment_fail(run, "no such part of a segment: %s", key);
	}
	return true;
}

bool segment_spec_read(struct segment_run *run, struct segment_words *words,
		       struct segment_spec *spec)
{
	*spec = (struct segment_spec){0};
	if (!read_flags(run, segment_words_take(words), &spec->flags) ||
	    !read_range(run, segment_words_take(words), spec))
		return false;
	while (*segment_words_peek(words))
		if (!read_part(run, words, spec))
			return false;
	if (spec->flags & SEGMENT_ACK && !spec->has_ack)
		return segment_fail(run, "flag A without `ack N`");
	return true;
}
