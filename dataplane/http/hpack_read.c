// SPDX-License-Identifier: Apache-2.0
// Header blocks read; see hpack_read.h.
#include "hpack_read.h"

#include "check.h"
#include "hpack_huffman.h"

#define STATIC_COUNT     61u
#define TEXTS_BYTES_MIN  512u
#define ENTRY_HEAD_BYTES 5u    // in texts: lengths of name and value, note
#define TEXTS_BYTES_MAX  8192u // the entries, and one more before the old ones go
#define NUMBER_MAX       (1u << 21)

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
	*reader = (struct hpack_reader){.memory = memory, .most = HPACK_TABLE_BYTES};
}

static void give(struct hpack_reader *reader, void *piece)
{
	if (piece)
		reader->memory.give(reader->memory.user, piece);
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
	give(reader, reader->texts);
	reader->texts = NULL;
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

// The table.

static uint16_t get16(const uint8_t *at)
{
	uint16_t number;
	memcpy(&number, at, sizeof(number));
	return number;
}

static uint8_t *entry_at(const struct hpack_reader *reader, uint32_t number)
{
	return reader->texts + reader->at[number % HPACK_ENTRIES_MAX];
}

static struct hpack_field field_of(uint8_t *entry)
{
	const uint8_t *text = entry + ENTRY_HEAD_BYTES;
	size_t name_bytes = get16(entry);
	return (struct hpack_field){slice_of(text, name_bytes),
				    slice_of(text + name_bytes, get16(entry + 2)), entry + 4,
				    false};
}

// evict drops the oldest entries until there are at most so many bytes (RFC 7541 4.3, 4.4).
static void evict(struct hpack_reader *reader, uint32_t most)
{
	while (reader->count && reader->bytes > most) {
		const uint8_t *entry = entry_at(reader, reader->first);
		uint32_t text_bytes = (uint32_t)get16(entry) + get16(entry + 2);
		reader->bytes -= text_bytes + HPACK_ENTRY_BYTES;
		reader->start += text_bytes + ENTRY_HEAD_BYTES;
		reader->first++;
		reader->count--;
	}
}

// move_texts moves the entries to the front of to.
static void move_texts(struct hpack_reader *reader, uint8_t *to)
{
	uint32_t start = reader->start;
	if (reader->end > start)
		memmove(to, reader->texts + start, reader->end - start);
	for (uint32_t i = 0; i < reader->count; i++)
		reader->at[(reader->first + i) % HPACK_ENTRIES_MAX] -= (uint16_t)start;
	reader->start = 0;
	reader->end -= start;
}

// make_room makes room for bytes behind the last entry; false without memory. Where entries are
// moved half of the memory is free then, but for the largest: it is rare.
static bool make_room(struct hpack_reader *reader, uint32_t bytes)
{
	if (reader->end + bytes <= reader->room)
		return true;
	uint32_t needed = reader->end - reader->start + bytes;
	if (needed <= reader->room / 2 ||
	    (needed <= reader->room && reader->room == TEXTS_BYTES_MAX)) {
		move_texts(reader, reader->texts);
		return true;
	}
	uint32_t room = MIN(MAX(2 * needed, TEXTS_BYTES_MIN), TEXTS_BYTES_MAX);
	CHECK(needed <= room);
	uint8_t *texts = reader->memory.take(reader->memory.user, room);
	if (!texts)
		return false;
	move_texts(reader, texts);
	give(reader, reader->texts);
	reader->texts = texts;
	reader->room = room;
	return true;
}

static bool is_of_table(const struct hpack_reader *reader, struct slice text)
{
	const uint8_t *at = (const uint8_t *)text.at;
	return reader->texts && at >= reader->texts && at < reader->texts + reader->room;
}

// enter makes a field the newest entry; its name may be that of an older one, which may have to go
// for it, so it is written before any goes. One that is too large empties the table (4.4).
static enum hpack_result enter(struct hpack_reader *reader, struct hpack_field *field)
{
	struct slice *name = &field->name, *value = &field->value;
	size_t text_bytes = name->bytes + value->bytes;
	if (text_bytes + HPACK_ENTRY_BYTES > reader->most) {
		evict(reader, 0); // what name is of stays where it is
		return HPACK_FIELD;
	}
	if (reader->count == 0)
		reader->start = reader->end = 0;
	bool is_moving = is_of_table(reader, *name);
	size_t offset = is_moving ? (size_t)((const uint8_t *)name->at - reader->texts) : 0;
	offset -= reader->start;
	if (!make_room(reader, (uint32_t)text_bytes + ENTRY_HEAD_BYTES))
		return HPACK_SHORT;
	if (is_moving)
		name->at = (const char *)reader->texts + reader->start + offset;
	uint8_t *entry = reader->texts + reader->end;
	const uint16_t head[2] = {(uint16_t)name->bytes, (uint16_t)value->bytes};
	memcpy(entry, head, sizeof(head));
	entry[sizeof(head)] = 0;
	if (name->bytes)
		memcpy(entry + ENTRY_HEAD_BYTES, name->at, name->bytes);
	if (value->bytes)
		memcpy(entry + ENTRY_HEAD_BYTES + name->bytes, value->at, value->bytes);
	evict(reader, reader->most - (uint32_t)text_bytes - HPACK_ENTRY_BYTES);
	reader->at[(reader->first + reader->count++) % HPACK_ENTRIES_MAX] = (uint16_t)reader->end;
	reader->end += (uint32_t)text_bytes + ENTRY_HEAD_BYTES;
	reader->bytes += (uint32_t)text_bytes + HPACK_ENTRY_BYTES;
	*field = field_of(entry);
	return HPACK_FIELD;
}

// look finds what an index stands for (2.3.3); false: nothing.
static bool look(const struct hpack_reader *reader, uint32_t index, struct hpack_field *field)
{
	if (index == 0 || index > STATIC_COUNT + reader->count)
		return false;
	if (index <= STATIC_COUNT) {
		*field = statics[index - 1];
		return true;
	}
	*field = field_of(entry_at(reader, reader->first + reader->count - (index - STATIC_COUNT)));
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
		out = reader->memory.take(reader->memory.user, most);
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
		reader->most = most;
		evict(reader, most);
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
	return result == HPACK_FIELD && is_entered ? enter(reader, field) : result;
}
