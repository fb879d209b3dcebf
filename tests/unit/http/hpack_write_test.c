// SPDX-License-Identifier: Apache-2.0
// Fields as HPACK's literals, read back by nghttp2.
#include "check.h"
#include "hpack_write.h"
#include "unit.h"

#include <nghttp2/nghttp2.h>

#define TEXT_MAX 20000u

static char text[TEXT_MAX];

// read_back inflates one block with one field, and compares it.
static void read_back(nghttp2_hd_inflater *inflater, const uint8_t *block, size_t bytes,
		      struct slice name, struct slice value)
{
	nghttp2_nv field;
	int flags = 0;
	ssize_t taken = nghttp2_hd_inflate_hd2(inflater, &field, &flags, block, bytes, 1);
	CU_ASSERT_FATAL(taken == (ssize_t)bytes && flags & NGHTTP2_HD_INFLATE_EMIT);
	CU_ASSERT(slice_equal(slice_of(field.name, field.namelen), name));
	CU_ASSERT(slice_equal(slice_of(field.value, field.valuelen), value));
	CU_ASSERT_EQUAL(field.flags & NGHTTP2_NV_FLAG_NO_INDEX, 0);
	flags = 0;
	nghttp2_hd_inflate_hd2(inflater, &field, &flags, block + taken, 0, 1);
	CU_ASSERT(flags & NGHTTP2_HD_INFLATE_FINAL);
	nghttp2_hd_inflate_end_headers(inflater);
	CU_ASSERT_EQUAL(nghttp2_hd_inflate_get_num_table_entries(inflater), 61);
}

static void check_field(struct slice name, struct slice value)
{
	static uint8_t block[2 * TEXT_MAX + HPACK_FIELD_EXTRA];
	nghttp2_hd_inflater *inflater;
	CU_ASSERT_FATAL(nghttp2_hd_inflate_new(&inflater) == 0);
	size_t bytes = (size_t)(hpack_write(block, name, value) - block);
	CU_ASSERT(bytes <= name.bytes + value.bytes + HPACK_FIELD_EXTRA);
	read_back(inflater, block, bytes, name, value);
	nghttp2_hd_inflate_del(inflater);
}

static void every_name_of_the_static_table_is_read_back(void)
{
	nghttp2_hd_inflater *inflater;
	uint8_t block[64];
	unsigned shortened = 0;
	CU_ASSERT_FATAL(nghttp2_hd_inflate_new(&inflater) == 0);
	for (size_t i = 1; i <= 61; i++) {
		const nghttp2_nv *entry = nghttp2_hd_inflate_get_table_entry(inflater, i);
		struct slice name = slice_of(entry->name, entry->namelen);
		shortened += hpack_write(block, name, SLICE("v")) - block <= (int)name.bytes;
		check_field(name, SLICE("v"));
	}
	CU_ASSERT_EQUAL(shortened, 38); // those that come often, but for the shortest
	nghttp2_hd_inflate_del(inflater);
}

static void names_that_are_like_those_are_read_back(void)
{
	static const char *const like[] = {
		"a",      "agf",           "abc",           "datf",
		"etah",   "linx",          "vars",          "xyzw",
		"alloy",  "servers",       "content-typf",  "cache-contrel",
		"cookie", "last-modifiee", "cache-status",  "content-lengti",
		"xxxxx",  "aaaaaaaaaaaaa", "content-rangf", "bbbbbbbbbbbbbbbb",
		"traces", "content-xxxxxx"};
	for (size_t i = 0; i < ARRAY_LEN(like); i++)
		check_field(slice_str(like[i]), SLICE(""));
}

static void strings_of_any_length_are_read_back(void)
{
	static const size_t lengths[] = {0,   1,   2,   126, 127,   128,   129,   253,
					 254, 255, 256, 382, 16509, 16510, 16511, TEXT_MAX};
	for (size_t i = 0; i < TEXT_MAX; i++)
		text[i] = (char)('a' + i % 26);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		check_field(SLICE("cache-status"), slice_of(text, lengths[i]));
		check_field(SLICE("date"), slice_of(text, lengths[i]));
		if (lengths[i])
			check_field(slice_of(text, lengths[i]), slice_of(text, lengths[i]));
	}
}

UNIT_MAIN("hpack_write",
	  {"every name of the static table is read back",
	   every_name_of_the_static_table_is_read_back},
	  {"names that are like those are read back", names_that_are_like_those_are_read_back},
	  {"strings of any length are read back", strings_of_any_length_are_read_back})
