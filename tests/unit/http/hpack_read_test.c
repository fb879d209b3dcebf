// SPDX-License-Identifier: Apache-2.0
// Header blocks read as nghttp2 reads them: those that it writes, and those that nobody should.
#include "check.h"
#include "hpack_read.h"
#include "unit.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum { FIELDS_MAX = 12, BLOCK_MAX = 40000 };

static uint64_t state;

static size_t draw(size_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(state >> 33) % below;
}

static unsigned taken, given;

static void *take(void *, size_t bytes)
{
	taken++;
	return malloc(bytes);
}

static void give(void *, void *piece)
{
	given++;
	free(piece);
}

static const struct hpack_memory memory = {NULL, take, give};

// A reader of ours beside one of nghttp2's.
struct readers {
	struct hpack_reader ours;
	nghttp2_hd_inflater *theirs;
	unsigned fields, bad;
};

static void readers_begin(struct readers *readers)
{
	*readers = (struct readers){0};
	taken = given = 0;
	hpack_reader_init(&readers->ours, memory);
	CU_ASSERT_FATAL(nghttp2_hd_inflate_new(&readers->theirs) == 0);
}

static void readers_end(struct readers *readers)
{
	hpack_reader_fini(&readers->ours);
	nghttp2_hd_inflate_del(readers->theirs);
	CU_ASSERT_EQUAL(taken, given);
}

// next_theirs reads their next field; false at the end, or when the block is bad.
static bool next_theirs(nghttp2_hd_inflater *theirs, const uint8_t **at, size_t *left,
			nghttp2_nv *field, bool *is_bad)
{
	int flags = 0;
	ssize_t used = nghttp2_hd_inflate_hd2(theirs, field, &flags, *at, *left, 1);
	*is_bad = used < 0;
	if (used < 0)
		return false;
	*at += used;
	*left -= (size_t)used;
	if (flags & NGHTTP2_HD_INFLATE_FINAL)
		nghttp2_hd_inflate_end_headers(theirs);
	return flags & NGHTTP2_HD_INFLATE_EMIT;
}

// compare reads a block by both; false when both find it bad, and nothing can follow.
static bool compare(struct readers *readers, const uint8_t *bytes, size_t count)
{
	uint8_t scratch[HPACK_SCRATCH_BYTES];
	struct slice block = slice_of(bytes, count);
	struct hpack_field read;
	enum hpack_result result = hpack_read_begin(&readers->ours, &block);
	const uint8_t *at = bytes;
	size_t left = count;
	nghttp2_nv field;
	bool is_bad;
	while (next_theirs(readers->theirs, &at, &left, &field, &is_bad)) {
		if (result == HPACK_FIELD)
			result = hpack_read(&readers->ours, &block, scratch, &read);
		CU_ASSERT_EQUAL_FATAL(result, HPACK_FIELD);
		CU_ASSERT_FATAL(slice_equal(read.name, slice_of(field.name, field.namelen)));
		CU_ASSERT_FATAL(slice_equal(read.value, slice_of(field.value, field.valuelen)));
		readers->fields++;
	}
	if (result == HPACK_FIELD)
		result = hpack_read(&readers->ours, &block, scratch, &read);
	CU_ASSERT_EQUAL_FATAL(result, is_bad ? HPACK_BAD : HPACK_END);
	readers->bad += is_bad;
	return !is_bad;
}

static size_t draw_text(uint8_t *text, size_t most, size_t range)
{
	size_t bytes = draw(most + 1);
	for (size_t i = 0; i < bytes; i++)
		text[i] = (uint8_t)(range == 256 ? draw(256) : 'a' + draw(range));
	return bytes;
}

// draw_field draws names of few kinds, so that they come again, and values of any size.
static nghttp2_nv draw_field(uint8_t *text)
{
	static const char *const names[] = {":path", "cookie",  "accept", "x-a",
					    "x-b",   ":method", "",       "user-agent"};
	nghttp2_nv field = {.flags = (uint8_t)(draw(4) == 0 ? NGHTTP2_NV_FLAG_NO_INDEX : 0)};
	const char *name = names[draw(ARRAY_LEN(names))];
	field.name = (uint8_t *)(uintptr_t)name;
	field.namelen = strlen(name);
	if (draw(4) == 0) {
		field.name = text;
		field.namelen = draw_text(text, draw(20) == 0 ? 3000 : 40, 26);
		text += field.namelen;
	}
	size_t range = draw(3) ? 2 : 256;
	field.value = text;
	field.valuelen = draw_text(text, draw(20) == 0 ? 3000 : 30, range);
	return field;
}

static size_t write_block(nghttp2_hd_deflater *deflater, uint8_t *block)
{
	static uint8_t texts[FIELDS_MAX][8000];
	nghttp2_nv fields[FIELDS_MAX];
	size_t count = draw(FIELDS_MAX + 1);
	for (size_t i = 0; i < count; i++)
		fields[i] = draw_field(texts[i]);
	if (draw(10) == 0)
		nghttp2_hd_deflate_change_table_size(deflater, draw(5000));
	ssize_t bytes = nghttp2_hd_deflate_hd(deflater, block, BLOCK_MAX, fields, count);
	CU_ASSERT_FATAL(bytes >= 0);
	return (size_t)bytes;
}

static void blocks_of_nghttp2_are_read(void)
{
	static uint8_t block[BLOCK_MAX];
	for (state = 1; state < 40; state++) {
		uint64_t seed = state;
		struct readers readers;
		nghttp2_hd_deflater *deflater;
		readers_begin(&readers);
		CU_ASSERT_FATAL(nghttp2_hd_deflate_new(&deflater, 4096) == 0);
		for (unsigned i = 0; i < 300; i++)
			CU_ASSERT_FATAL(compare(&readers, block, write_block(deflater, block)));
		CU_ASSERT(readers.fields > 1000 && readers.ours.table.count > 0);
		nghttp2_hd_deflate_del(deflater);
		readers_end(&readers);
		state = seed;
	}
}

static void damaged_blocks_are_judged_alike(void)
{
	static uint8_t block[BLOCK_MAX];
	unsigned bad = 0, good = 0;
	for (unsigned round = 0; round < 3000; round++) {
		struct readers readers;
		nghttp2_hd_deflater *deflater;
		state = round * 977 + 5;
		readers_begin(&readers);
		CU_ASSERT_FATAL(nghttp2_hd_deflate_new(&deflater, 4096) == 0);
		for (unsigned i = 0; i < 6; i++) {
			size_t bytes = write_block(deflater, block);
			if (bytes && draw(2))
				block[draw(MIN(bytes, (size_t)40))] ^= (uint8_t)(1u << draw(8));
			if (draw(8) == 0)
				bytes -= MIN(bytes, draw(5));
			if (!compare(&readers, block, bytes))
				break;
			good++;
		}
		bad += readers.bad;
		nghttp2_hd_deflate_del(deflater);
		readers_end(&readers);
	}
	CU_ASSERT(bad > 500 && good > 500);
}

static void any_bytes_are_judged_alike(void)
{
	uint8_t block[24];
	unsigned bad = 0, good = 0;
	state = 7;
	for (unsigned round = 0; round < 60000; round++) {
		struct readers readers;
		readers_begin(&readers);
		for (unsigned i = 0; i < 4; i++) {
			size_t bytes = draw(sizeof(block) + 1);
			for (size_t j = 0; j < bytes; j++)
				block[j] = (uint8_t)(draw(3) ? draw(256) : 0x40 | draw(64));
			if (!compare(&readers, block, bytes))
				break;
			good++;
		}
		bad += readers.bad;
		readers_end(&readers);
	}
	CU_ASSERT(bad > 10000 && good > 1000);
}

// RFC 7541 C.6.1: a response in Huffman's code.
static void the_example_of_the_rfc_is_read(void)
{
	static const uint8_t block[] = {
		0x48, 0x82, 0x64, 0x02, 0x58, 0x85, 0xae, 0xc3, 0x77, 0x1a, 0x4b, 0x61, 0x96, 0xd0,
		0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b, 0x81,
		0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff, 0x6e, 0x91, 0x9d, 0x29, 0xad, 0x17, 0x18,
		0x63, 0xc7, 0x8f, 0x0b, 0x97, 0xc8, 0xe9, 0xae, 0x82, 0xae, 0x43, 0xd3};
	static const char *const wanted[] = {":status",       "302",
					     "cache-control", "private",
					     "date",          "Mon, 21 Oct 2013 20:13:21 GMT",
					     "location",      "https://www.example.com"};
	uint8_t scratch[HPACK_SCRATCH_BYTES];
	struct hpack_reader reader;
	struct slice rest = slice_of(block, sizeof(block));
	struct hpack_field read;
	hpack_reader_init(&reader, memory);
	CU_ASSERT_EQUAL(hpack_read_begin(&reader, &rest), HPACK_FIELD);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i += 2) {
		CU_ASSERT_EQUAL(hpack_read(&reader, &rest, scratch, &read), HPACK_FIELD);
		CU_ASSERT(slice_equal(read.name, slice_str(wanted[i])));
		CU_ASSERT(slice_equal(read.value, slice_str(wanted[i + 1])));
	}
	CU_ASSERT_EQUAL(hpack_read(&reader, &rest, scratch, &read), HPACK_END);
	CU_ASSERT_EQUAL(reader.table.bytes, 222);
	hpack_reader_fini(&reader);
}

UNIT_MAIN("hpack_read", {"the example of the RFC is read", the_example_of_the_rfc_is_read},
	  {"blocks of nghttp2 are read", blocks_of_nghttp2_are_read},
	  {"damaged blocks are judged alike", damaged_blocks_are_judged_alike},
	  {"any bytes are judged alike", any_bytes_are_judged_alike})
