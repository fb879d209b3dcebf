// SPDX-License-Identifier: Apache-2.0
// W3C Trace Context; see trace.h.
#include "trace.h"

#include <endian.h>
#include <string.h>

enum { ID_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, FLAGS_KNOWN = 1 };

// nibble is the value of a lower-case hexadecimal digit, or -1.
static int nibble(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool read_hex(const char *text, uint8_t *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

// write_four writes four bytes as eight digits, all at once: a byte to every other byte of a word,
// the first one lowest, then a nibble to each, and 'a' - '0' - 10 more to those above nine.
static void write_four(char *out, const uint8_t *from)
{
	const uint64_t each = 0x0101010101010101u;
	uint32_t four;
	memcpy(&four, from, sizeof(four));
	uint64_t word = le32toh(four);
	word = (word | word << 16) & 0x0000ffff0000ffffu;
	word = (word | word << 8) & 0x00ff00ff00ff00ffu;
	word = (word >> 4 | word << 8) & 0x0f * each;
	uint64_t is_letter = ((word + 6 * each) >> 4) & each;
	word += '0' * each + is_letter * ('a' - '0' - 10);
	word = le64toh(word);
	memcpy(out, &word, sizeof(word));
}

// write_hex writes bytes, a multiple of four.
static void write_hex(char *out, const uint8_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 4)
		write_four(out + 2 * i, from + i);
}

static bool is_zero(const uint8_t *at, size_t bytes)
{
	uint8_t any = 0;
	for (size_t i = 0; i < bytes; i++)
		any |= at[i];
	return any == 0;
}

bool trace_parse(struct trace *trace, struct slice value)
{
	struct trace read = *trace;
	uint8_t version;
	if (value.bytes < TRACE_PARENT_BYTES || !read_hex(value.at, &version, 1) || version == 0xff)
		return false;
	bool is_longer = value.bytes > TRACE_PARENT_BYTES;
	if (is_longer && (version == 0 || value.at[TRACE_PARENT_BYTES] != '-'))
		return false;
	if (value.at[ID_AT - 1] != '-' || value.at[PARENT_AT - 1] != '-' ||
	    value.at[FLAGS_AT - 1] != '-')
		return false;
	if (!read_hex(value.at + ID_AT, read.id, sizeof(read.id)) ||
	    !read_hex(value.at + PARENT_AT, read.parent, sizeof(read.parent)) ||
	    !read_hex(value.at + FLAGS_AT, &read.flags, 1))
		return false;
	if (is_zero(read.id, sizeof(read.id)) || is_zero(read.parent, sizeof(read.parent)))
		return false;
	read.flags &= FLAGS_KNOWN;
	*trace = read;
	return true;
}

static void draw(struct random_source *random, uint8_t *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
		uint64_t drawn = random_u64(random) | 1; // never all zero
		memcpy(out + i, &drawn, sizeof(drawn));
	}
}

void trace_begin(struct trace *trace, const struct http_message *request)
{
	struct slice value = {0};
	uint32_t count = 0;
	*trace = (struct trace){0};
	for (uint32_t i = 0; i < request->field_count; i++) {
		if (!slice_equal(request->fields[i].name, SLICE("traceparent")))
			continue;
		value = request->fields[i].value;
		count++;
	}
	trace->is_taken = count == 1 && trace_parse(trace, value);
}

// span_of_id makes the first span of a trace out of its id, which is as random and as unique.
static void span_of_id(struct trace *trace)
{
	uint64_t half[2], span;
	memcpy(half, trace->id, sizeof(half));
	span = (half[0] * 0x9e3779b97f4a7c15u ^ half[1]) | 1;
	memcpy(trace->span, &span, sizeof(span));
}

void trace_draw(struct trace *trace, struct random_source *random)
{
	if (!is_zero(trace->span, sizeof(trace->span)))
		return;
	if (trace->is_taken) {
		draw(random, trace->span, sizeof(trace->span));
		return;
	}
	draw(random, trace->id, sizeof(trace->id));
	span_of_id(trace);
}

void trace_format(const struct trace *trace, char out[TRACE_PARENT_BYTES])
{
	memcpy(out, "00-", ID_AT);
	write_hex(out + ID_AT, trace->id, sizeof(trace->id));
	out[PARENT_AT - 1] = '-';
	write_hex(out + PARENT_AT, trace->span, sizeof(trace->span));
	out[FLAGS_AT - 1] = '-';
	out[FLAGS_AT] = '0';
	out[FLAGS_AT + 1] = (char)('0' + (trace->flags & FLAGS_KNOWN));
}

bool trace_is_sampled(const struct trace *trace, uint32_t one_in)
{
	uint64_t low;
	memcpy(&low, trace->id + sizeof(trace->id) - sizeof(low), sizeof(low));
	return one_in <= 1 || (low >> 1) % one_in == 0; // bit 0 may be forced, see draw
}
