// SPDX-License-Identifier: Apache-2.0
// Fields written with a table of ours, read back by nghttp2: whatever comes again, makes way, or is
// not to be entered, and whatever the table's size becomes meanwhile.
#include "hpack_index.h"

#include "check.h"
#include "hpack_write.h"
#include "unit.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#define BLOCK_BYTES 8192u
#define GAP_BYTES   7u // between what is written and what is read, in place

static uint64_t state;
static bool is_memory_short;

static size_t draw(size_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(state >> 33) % below;
}

static void *take(void *, size_t bytes)
{
	return is_memory_short ? NULL : malloc(bytes);
}

static void give(void *, void *piece)
{
	free(piece);
}

// A writer and who reads what it writes.
struct both {
	struct hpack_writer writer;
	nghttp2_hd_inflater *inflater;
};

static void begin(struct both *both)
{
	hpack_writer_init(&both->writer, (struct hpack_memory){NULL, take, give});
	CU_ASSERT_FATAL(nghttp2_hd_inflate_new(&both->inflater) == 0);
}

static void end(struct both *both)
{
	nghttp2_hd_inflate_del(both->inflater);
	hpack_writer_fini(&both->writer);
}

// entries is how many the reader has in its dynamic table.
static size_t entries(const struct both *both)
{
	return nghttp2_hd_inflate_get_num_table_entries(both->inflater) - HPACK_STATIC_COUNT;
}

// pass writes a field behind what prefix has, as a block, where it lies, and reads it back; returns
// how many bytes the field took.
static size_t pass(struct both *both, struct slice prefix, struct slice name, struct slice value)
{
	uint8_t block[BLOCK_BYTES];
	uint8_t *at = mempcpy(block, prefix.at, prefix.bytes);
	CHECK(prefix.bytes + GAP_BYTES + name.bytes + value.bytes <= sizeof(block));
	memcpy(at + GAP_BYTES, name.at, name.bytes);
	memcpy(at + GAP_BYTES + name.bytes, value.at, value.bytes);
	uint8_t *stop = hpack_write_indexed(&both->writer, at, slice_of(at + GAP_BYTES, name.bytes),
					    slice_of(at + GAP_BYTES + name.bytes, value.bytes));
	CU_ASSERT((size_t)(stop - at) <= GAP_BYTES + name.bytes + value.bytes);
	nghttp2_nv field;
	int flags = 0;
	size_t bytes = (size_t)(stop - block);
	ssize_t taken = nghttp2_hd_inflate_hd2(both->inflater, &field, &flags, block, bytes, 1);
	CU_ASSERT_FATAL(taken == (ssize_t)bytes && flags & NGHTTP2_HD_INFLATE_EMIT);
	CU_ASSERT(slice_equal(slice_of(field.name, field.namelen), name));
	CU_ASSERT(slice_equal(slice_of(field.value, field.valuelen), value));
	nghttp2_hd_inflate_hd2(both->inflater, &field, &flags, block + taken, 0, 1);
	nghttp2_hd_inflate_end_headers(both->inflater);
	CU_ASSERT_EQUAL(entries(both), both->writer.table.count);
	return (size_t)(stop - at);
}

static void what_comes_again_is_entered_and_then_an_index(void)
{
	static const char *const values[] = {"gzip", "the same to all, and longer", ""};
	struct both both;
	begin(&both);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		size_t bytes[3];
		for (size_t j = 0; j < 3; j++)
			bytes[j] = pass(&both, SLICE(""), SLICE("x-name"), slice_str(values[i]));
		CU_ASSERT(bytes[0] >= 8 && bytes[1] >= 8);
		CU_ASSERT_EQUAL(bytes[2], 1);
		CU_ASSERT_EQUAL(entries(&both), i + 1);
	}
	end(&both);
}

static void secrets_are_in_no_table(void)
{
	static const char *const names[] = {"cookie", "set-cookie", "authorization",
					    "proxy-authorization"};
	struct both both;
	begin(&both);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (size_t j = 0; j < 3; j++) {
			uint8_t block[64];
			struct slice name = slice_str(names[i]);
			pass(&both, SLICE(""), name, SLICE("secret"));
			hpack_write_indexed(&both.writer, block, name, SLICE("secret"));
			CU_ASSERT_EQUAL(block[0] & 0xf0, 0x10); // 6.2.3
		}
	CU_ASSERT_EQUAL(entries(&both), 0);
	end(&both);
}

// resize makes the table smaller or larger, and says so (6.3).
static struct slice resize(struct both *both, uint8_t text[4])
{
	uint32_t most = (uint32_t)draw(HPACK_TABLE_BYTES + 1), rest = most - 31;
	hpack_table_limit(&both->writer.table, most);
	if (most < 31) {
		text[0] = (uint8_t)(0x20 | most);
		return slice_of(text, 1);
	}
	text[0] = 0x3f;
	text[1] = (uint8_t)(0x80 | (rest & 0x7f));
	text[2] = (uint8_t)(rest >> 7);
	return slice_of(text, 3);
}

// pass_any draws a field: of few, of many, small or large, in Huffman's reach or not.
static void pass_any(struct both *both)
{
	static const char *const names[] = {":path",  ":authority", "accept", "x-forwarded-for",
					    "cookie", "user-agent", "a",      "if-none-match"};
	char value[2200];
	uint8_t update[4];
	struct slice prefix = SLICE("");
	size_t bytes = draw(40) ? draw(60) : draw(sizeof(value)), kind = draw(draw(3) ? 8 : 500);
	for (size_t i = 0; i < bytes; i++)
		value[i] = (char)('a' + (kind >> i % 9 & 1) + i % 7);
	if (bytes)
		value[bytes / 2] = (char)('A' + kind % 20); // between what is hashed, at times
	if (draw(200) == 0)
		prefix = resize(both, update);
	pass(both, prefix, slice_str(names[draw(ARRAY_LEN(names))]), slice_of(value, bytes));
}

static void any_fields_are_read_back(void)
{
	size_t most = 0;
	for (state = 1; state < 4; state++) {
		uint64_t seed = state;
		struct both both;
		begin(&both);
		for (size_t i = 0; i < 20000; i++) {
			is_memory_short = draw(50) == 0;
			pass_any(&both);
			most = MAX(most, entries(&both));
		}
		is_memory_short = false;
		end(&both);
		state = seed;
	}
	CU_ASSERT(most > 20);
}

UNIT_MAIN("hpack_index",
	  {"what comes again is entered, and then an index",
	   what_comes_again_is_entered_and_then_an_index},
	  {"secrets are in no table", secrets_are_in_no_table},
	  {"any fields are read back", any_fields_are_read_back})
