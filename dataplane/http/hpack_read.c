// SPDX-License-Identifier: Apache-2.0
// Header blocks read; see hpack_read.h.
#include "hpack_read.h"

#include "check.h"
#include "hpack_huffman.h"

#define STATIC_COUNT HPACK_STATIC_COUNT
#define NUMBER_MAX   (1u << 21)

// RFC 7541 appendix A
static const struct hpack_field statics[STATIC_COUNT] = {
	{SLICE(":authority"), SLICE(""), NULL, true},
	{SLICE(":method"), SLICE("GET"), NULL, true},
	{SLICE(":method"), SLICE("POST"), NULL, true},
	{SLICE(":path"), SLICE("/"), NULL, true},
	{SLICE(":path"), SLICE("/index.html"), NULL, true},
	{SLICE(":scheme"), SLICE("http"), NULL, true},
	{SLICE(":scheme"), SLICE("https"), NULL, true},
	{SLICE(":status"), SLICE("200"), NULL, true},
	{SLICE(":status"), SLICE("204"), NULL, true},
	{SLICE(":status"), SLICE("206"), NULL, true},
	{SLICE(":status"), SLICE("304"), NULL, true},
	{SLICE(":status"), SLICE("400"), NULL, true},
	{SLICE(":status"), SLICE("404"), NULL, true},
	{SLICE(":status"), SLICE("500"), NULL, true},
	{SLICE("accept-charset"), SLICE(""), NULL, true},
	{SLICE("accept-encoding"), SLICE("gzip, deflate"), NULL, true},
	{SLICE("accept-language"), SLICE(""), NULL, true},
	{SLICE("accept-ranges"), SLICE(""), NULL, true},
	{SLICE("accept"), SLICE(""), NULL, true},
	{SLICE("access-control-allow-origin"), SLICE(""), NULL, true},
	{SLICE("age"), SLICE(""), NULL, true},
	{SLICE("allow"), SLICE(""), NULL, true},
	{SLICE("authorization"), SLICE(""), NULL, true},
	{SLICE("cache-control"), SLICE(""), NULL, true},
	{SLICE("content-disposition"), SLICE(""), NULL, true},
	{SLICE("content-encoding"), SLICE(""), NULL, true},
	{SLICE("content-language"), SLICE(""), NULL, true},
	{SLICE("content-length"), SLICE(""), NULL, true},
	{SLICE("content-location"), SLICE(""), NULL, true},
	{SLICE("content-range"), SLICE(""), NULL, true},
	{SLICE("content-type"), SLICE(""), NULL, true},
	{SLICE("cookie"), SLICE(""), NULL, true},
	{SLICE("date"), SLICE(""), NULL, true},
	{SLICE("etag"), SLICE(""), NULL, true},
	{SLICE("expect"), SLICE(""), NULL, true},
	{SLICE("expires"), SLICE(""), NULL, true},
	{SLICE("from"), SLICE(""), NULL, true},
	{SLICE("host"), SLICE(""), NULL, true},
	{SLICE("if-match"), SLICE(""), NULL, true},
	{SLICE("if-modified-since"), SLICE(""), NULL, true},
	{SLICE("if-none-match"), SLICE(""), NULL, true},
	{SLICE("if-range"), SLICE(""), NULL, true},
	{SLICE("if-unmodified-since"), SLICE(""), NULL, true},
	{SLICE("last-modified"), SLICE(""), NULL, true},
	{SLICE("link"), SLICE(""), NULL, true},
	{SLICE("location"), SLICE(""), NULL, true},
	{SLICE("max-forwards"), SLICE(""), NULL, true},
	{SLICE("proxy-authenticate"), SLICE(""), NULL, true},
	{SLICE("proxy-authorization"), SLICE(""), NULL, true},
	{SLICE("range"), SLICE(""), NULL, true},
	{SLICE("referer"), SLICE(""), NULL, true},
	{SLICE("refresh"), SLICE(""), NULL, true},
	{SLICE("retry-after"), SLICE(""), NULL, true},
	{SLICE("server"), SLICE(""), NULL, true},
	{SLICE("set-cookie"), SLICE(""), NULL, true},
	{SLICE("strict-transport-security"), SLICE(""), NULL, true},
	{SLICE("transfer-encoding"), SLICE(""), NULL, true},
	{SLICE("user-agent"), SLICE(""), NULL, true},
	{SLICE("vary"), SLICE(""), NULL, true},
	{SLICE("via"), SLICE(""), NULL, true},
	{SLICE("www-authenticate"), SLICE(""), NULL, true},
};

void hpack_reader_init(struct hpack_reader *reader, struct hpack_memory memory)
{
	*reader = (struct hpack_reader){0};
	hpack_table_init(&reader->table, memory);
}

static void give(struct hpack_reader *reader, void *piece)
{
	if (piece)
		reader->table.memory.give(reader->table.memory.user, piece);
}

static void give_large(struct hpack_reader *reader)
{
	give(reader, reader->large[0]);
	give(reader, reader->large[1]);
	reader->large[0] = reader->large[1] = NULL;
}

void hpack_reader_fini(struct hpack_reader *reader)
{
	give_large(reader);
	hpack_table_fini(&reader->table);
}

// Numbers (RFC 7541 5.1). read_number takes one with a prefix of so many bits; false: cut, larger
// than any that we can use, or in more bytes than 32 bits may need.
static bool read_number(struct slice *block, unsigned prefix_bits, uint32_t *number)
{
	uint32_t most = (1u << prefix_bits) - 1;
	if (block->bytes == 0)
		return false;
	uint64_t sum = (uint8_t)block->at[0] & most;
	bool is_whole = sum < most;
	*block = slice_skip(*block, 1);
	for (unsigned shift = 0; !is_whole && shift < 32 && block->bytes; shift += 7) {
		uint8_t byte = (uint8_t)block->at[0];
		*block = slice_skip(*block, 1);
		sum += (uint64_t)(byte & 0x7f) << shift;
		if (sum > NUMBER_MAX)
			return false;
		is_whole = !(byte & 0x80);
	}
	*number = (uint32_t)sum;
	return is_whole;
}

// look finds what an index stands for (2.3.3); false: nothing.
static bool look(const struct hpack_reader *reader, uint32_t index, struct hpack_field *field)
{
	const struct hpack_table *table = &reader->table;
	if (index == 0 || index > STATIC_COUNT + table->count)
		return false;
	if (index <= STATIC_COUNT) {
		*field = statics[index - 1];
		return true;
	}
	*field = hpack_table_field(table, table->first + table->count - (index - STATIC_COUNT));
	return true;
}

// Where strings in Huffman's code are decoded to.
struct scratch {
	uint8_t *at;
	size_t room;
};

// read_string reads a string (5.2): where it lies, or decoded.
static enum hpack_result read_string(struct hpack_reader *reader, struct slice *block,
				     struct scratch *scratch, struct slice *text)
{
	bool is_coded = block->bytes && (uint8_t)block->at[0] & 0x80;
	uint32_t bytes;
	if (!read_number(block, 7, &bytes) || bytes > block->bytes || bytes > HPACK_STRING_MAX)
		return HPACK_BAD;
	*text = slice_head(*block, bytes);
	*block = slice_skip(*block, bytes);
	if (!is_coded)
		return HPACK_FIELD;
	size_t most = hpack_huffman_bytes_max(bytes);
	uint8_t *out = scratch->at;
	if (most > scratch->room) {
		out = reader->table.memory.take(reader->table.memory.user, most);
		if (!out)
			return HPACK_SHORT;
		reader->large[reader->large[0] != NULL] = out;
	}
	const uint8_t *end = hpack_huffman_read(*text, out);
	if (!end)
		return HPACK_BAD;
	*text = slice_of(out, (size_t)(end - out));
	if (out == scratch->at) {
		scratch->at += text->bytes;
		scratch->room -= text->bytes;
	}
	return HPACK_FIELD;
}

enum hpack_result hpack_read_begin(struct hpack_reader *reader, struct slice *block)
{
	while (block->bytes && ((uint8_t)block->at[0] & 0xe0) == 0x20) { // 6.3
		uint32_t most;
		if (!read_number(block, 5, &most) || most > HPACK_TABLE_BYTES)
			return HPACK_BAD;
		hpack_table_limit(&reader->table, most);
	}
	return HPACK_FIELD;
}

// read_literal reads a field whose name is index's, or written when that is 0 (6.2).
static enum hpack_result read_literal(struct hpack_reader *reader, struct slice *block,
				      struct scratch scratch, uint32_t index,
				      struct hpack_field *field)
{
	enum hpack_result result = HPACK_FIELD;
	field->is_name_static = false;
	if (index == 0)
		result = read_string(reader, block, &scratch, &field->name);
	else if (!look(reader, index, field))
		return HPACK_BAD;
	field->note = NULL; // of the entry that lends its name
	return result == HPACK_FIELD ? read_string(reader, block, &scratch, &field->value) : result;
}

enum hpack_result hpack_read(struct hpack_reader *reader, struct slice *block, uint8_t *scratch,
			     struct hpack_field *field)
{
	struct scratch room = {scratch, HPACK_SCRATCH_BYTES};
	uint32_t index;
	if (reader->large[0])
		give_large(reader);
	if (block->bytes == 0)
		return HPACK_END;
	uint8_t first = (uint8_t)block->at[0];
	bool is_entered = (first & 0xc0) == 0x40;
	if (first & 0x80) // 6.1
		return read_number(block, 7, &index) && look(reader, index, field) ? HPACK_FIELD
										   : HPACK_BAD;
	if ((first & 0xe0) == 0x20) // a size is no field, and begins a block
		return HPACK_BAD;
	if (!read_number(block, is_entered ? 6 : 4, &index))
		return HPACK_BAD;
	enum hpack_result result = read_literal(reader, block, room, index, field);
	if (result == HPACK_FIELD && is_entered && !hpack_table_enter(&reader->table, field))
		return HPACK_SHORT;
	return result;
}
