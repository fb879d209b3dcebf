// SPDX-License-Identifier: Apache-2.0
// The chunked transfer coding; see h1_chunk.h.
#include "h1_chunk.h"

#include "check.h"
#include "counters.h"
#include "http_field.h"

#define SIZE_DIGITS_MAX 15u // so that left_bytes cannot overflow

void h1_chunks_start(struct h1_chunks *chunks)
{
	*chunks = (struct h1_chunks){0};
}

static int hex_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_size(struct h1_chunks *chunks, uint8_t c)
{
	int digit = hex_of(c);
	if (digit >= 0 && chunks->digit_count < SIZE_DIGITS_MAX) {
		chunks->left_bytes = chunks->left_bytes << 4 | (unsigned)digit;
		chunks->digit_count++;
		return 0;
	}
	if (digit >= 0 || chunks->digit_count == 0)
		return COUNTER_http_chunk_bad;
	if (c == '\r')
		chunks->state = H1_CHUNK_SIZE_LF;
	else if (c != ';')
		return COUNTER_http_chunk_bad;
	else
		chunks->state = H1_CHUNK_EXTENSION;
	chunks->extension = H1_EXTENSION_NAME_FIRST;
	return 0;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_token_byte(uint8_t c)
{
	return http_is_token(slice_of((const char *)&c, 1));
}

// behind is where c leads from behind a name or a value; past: after blanks.
static enum h1_extension_state behind(uint8_t c, enum h1_extension_state past)
{
	if (is_blank(c))
		return past;
	if (c == '=' && past == H1_EXTENSION_NAME_PAST)
		return H1_EXTENSION_VALUE_FIRST;
	return c == ';' ? H1_EXTENSION_NAME_FIRST : H1_EXTENSION_BAD;
}

static enum h1_extension_state in_quotes(uint8_t c)
{
	if (c == '"')
		return H1_EXTENSION_QUOTED_PAST;
	return c == '\\' ? H1_EXTENSION_ESCAPED : H1_EXTENSION_QUOTED;
}

static enum h1_extension_state extend(enum h1_extension_state state, uint8_t c)
{
	switch (state) {
	case H1_EXTENSION_NAME_FIRST:
		if (is_blank(c))
			return state;
		return is_token_byte(c) ? H1_EXTENSION_NAME : H1_EXTENSION_BAD;
	case H1_EXTENSION_NAME: return is_token_byte(c) ? state : behind(c, H1_EXTENSION_NAME_PAST);
	case H1_EXTENSION_NAME_PAST: return behind(c, H1_EXTENSION_NAME_PAST);
	case H1_EXTENSION_VALUE_FIRST:
		if (is_blank(c))
			return state;
		if (c == '"')
			return H1_EXTENSION_QUOTED;
		return is_token_byte(c) ? H1_EXTENSION_VALUE : H1_EXTENSION_BAD;
	case H1_EXTENSION_VALUE:
		return is_token_byte(c) ? state : behind(c, H1_EXTENSION_VALUE_PAST);
	case H1_EXTENSION_QUOTED: return in_quotes(c);
	case H1_EXTENSION_ESCAPED: return H1_EXTENSION_QUOTED;
	case H1_EXTENSION_QUOTED_PAST:
	case H1_EXTENSION_VALUE_PAST: return behind(c, H1_EXTENSION_VALUE_PAST);
	case H1_EXTENSION_BAD: break;
	}
	return H1_EXTENSION_BAD;
}

static bool may_end(enum h1_extension_state state)
{
	return state == H1_EXTENSION_NAME || state == H1_EXTENSION_VALUE ||
	       state == H1_EXTENSION_QUOTED_PAST;
}

static int read_extension(struct h1_chunks *chunks, uint8_t c)
{
	if (c == '\r') {
		chunks->state = H1_CHUNK_SIZE_LF;
		return may_end(chunks->extension) ? 0 : COUNTER_http_chunk_bad;
	}
	chunks->extension = extend(chunks->extension, c);
	if ((c < 0x20 && c != '\t') || c == 0x7f || chunks->extension == H1_EXTENSION_BAD)
		return COUNTER_http_chunk_bad;
	chunks->extension_bytes++;
	return chunks->extension_bytes > H1_CHUNK_EXTENSION_BYTES_MAX
		       ? COUNTER_http_chunk_extensions_long
		       : 0;
}

static int expect_byte(struct h1_chunks *chunks, uint8_t c, uint8_t wanted,
		       enum h1_chunk_state next)
{
	chunks->state = next;
	return c == wanted ? 0 : COUNTER_http_chunk_bad;
}

// One byte that is not data.
static int read_byte(struct h1_chunks *chunks, uint8_t c)
{
	switch (chunks->state) {
	case H1_CHUNK_SIZE: return read_size(chunks, c);
	case H1_CHUNK_EXTENSION: return read_extension(chunks, c);
	case H1_CHUNK_SIZE_LF:
		return expect_byte(chunks, c, '\n',
				   chunks->left_bytes ? H1_CHUNK_DATA : H1_CHUNK_LAST);
	case H1_CHUNK_DATA_CR: return expect_byte(chunks, c, '\r', H1_CHUNK_DATA_LF);
	case H1_CHUNK_DATA_LF:
		chunks->digit_count = 0;
		return expect_byte(chunks, c, '\n', H1_CHUNK_SIZE);
	case H1_CHUNK_DATA:
	case H1_CHUNK_LAST: break;
	}
	CHECK(chunks->state != H1_CHUNK_DATA && chunks->state != H1_CHUNK_LAST);
	return 0;
}

size_t h1_chunks_read(struct h1_chunks *chunks, struct slice bytes, size_t max, struct slice *data,
		      int *fault)
{
	size_t taken = 0;
	*data = (struct slice){0};
	*fault = 0;
	while (taken < bytes.bytes && chunks->state != H1_CHUNK_LAST) {
		if (chunks->state == H1_CHUNK_DATA) {
			size_t run = MIN(bytes.bytes - taken, max);
			run = MIN(run, chunks->left_bytes);
			*data = slice_head(slice_skip(bytes, taken), run);
			chunks->left_bytes -= run;
			if (chunks->left_bytes == 0)
				chunks->state = H1_CHUNK_DATA_CR;
			return taken + run;
		}
		*fault = read_byte(chunks, (uint8_t)bytes.at[taken]);
		if (*fault)
			return taken;
		taken++;
	}
	return taken;
}
