// SPDX-License-Identifier: Apache-2.0
// Header blocks of strangers beside nghttp2's reader: the same fields, the same blocks refused. A
// byte is the length of the block behind it, four times.
#include "check.h"
#include "hpack_read.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void *take(void *, size_t bytes)
{
	return malloc(bytes);
}

static void give(void *, void *piece)
{
	free(piece);
}

// read_both reads one block by both; false when it is none.
static bool read_both(struct hpack_reader *ours, nghttp2_hd_inflater *theirs, struct slice block)
{
	uint8_t scratch[HPACK_SCRATCH_BYTES];
	struct hpack_field field;
	struct slice rest = block;
	enum hpack_result result = hpack_read_begin(ours, &rest);
	for (;;) {
		nghttp2_nv wanted;
		int flags = 0;
		ssize_t used = nghttp2_hd_inflate_hd2(theirs, &wanted, &flags,
						      (const uint8_t *)block.at, block.bytes, 1);
		if (result == HPACK_FIELD)
			result = hpack_read(ours, &rest, scratch, &field);
		if (used < 0) {
			CHECK(result == HPACK_BAD);
			return false;
		}
		block = slice_skip(block, (size_t)used);
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT)) {
			CHECK(result == HPACK_END);
			nghttp2_hd_inflate_end_headers(theirs);
			return true;
		}
		CHECK(result == HPACK_FIELD);
		CHECK(slice_equal(field.name, slice_of(wanted.name, wanted.namelen)));
		CHECK(slice_equal(field.value, slice_of(wanted.value, wanted.valuelen)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct hpack_reader ours;
	nghttp2_hd_inflater *theirs;
	struct slice input = slice_of(data, bytes);
	hpack_reader_init(&ours, (struct hpack_memory){NULL, take, give});
	CHECK(nghttp2_hd_inflate_new(&theirs) == 0);
	while (input.bytes) {
		struct slice block = slice_head(slice_skip(input, 1), 4u * (uint8_t)input.at[0]);
		input = slice_skip(input, 1 + block.bytes);
		if (!read_both(&ours, theirs, block))
			break;
		CHECK(ours.table.bytes <= ours.table.most && ours.table.count <= HPACK_ENTRIES_MAX);
	}
	hpack_reader_fini(&ours);
	nghttp2_hd_inflate_del(theirs);
	return 0;
}
