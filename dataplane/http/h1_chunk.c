// SPDX-License-Identifier: Apache-2.0
// The chunked transfer coding; see h1_chunk.h.
#include "h1_chunk.h"

#include "check.h"
#include "counters.h"

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
	else if (c == ';')
		chunks->state = H1_CHUNK_EXTENSION;
	else
		return COUNTER_http_chunk_bad;
	return 0;
}

static int read_extension(struct h1_chunks *chunks, uint8_t c)
{
	if (c == '\r') {
		chunks->state = H1_CHUNK_SIZE_LF;
		return 0;
	}
	if ((c < 0x20 && c != '\t') || c == 0x7f)
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
