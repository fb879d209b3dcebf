// SPDX-License-Identifier: Apache-2.0
// gzip (RFC 1952) by zlib.
#include "coding_priv.h"

#include "check.h"

#include <limits.h>
#include <zlib.h>

enum { GZIP_WRAPPER = 16, MEM_LEVEL = 8 };

static voidpf take(voidpf opaque, uInt items, uInt bytes)
{
	return coding_memory_take(opaque, (size_t)items * bytes);
}

static void give(voidpf opaque, voidpf at)
{
	coding_memory_give(opaque, at);
}

static bool begin(struct coder *coder, const struct coding_levels *levels, uint64_t bytes)
{
	z_stream *stream = coding_memory_take(&coder->memory, sizeof(*stream));
	if (!stream)
		return false;
	*stream = (z_stream){.zalloc = take, .zfree = give, .opaque = &coder->memory};
	int window = (int)coding_log2(bytes, 10, MAX_WBITS);
	int error = deflateInit2(stream, (int)levels->gzip, Z_DEFLATED, window + GZIP_WRAPPER,
				 MEM_LEVEL, Z_DEFAULT_STRATEGY);
	coder->state = stream;
	if (error != Z_OK)
		coding_memory_give(&coder->memory, stream);
	return error == Z_OK;
}

static bool step(struct coder *coder, struct coding_step *step)
{
	static const int how[] = {
		[CODING_FLOW] = Z_NO_FLUSH, [CODING_FLUSH] = Z_SYNC_FLUSH, [CODING_END] = Z_FINISH};
	z_stream *stream = coder->state;
	CHECK(step->in.bytes <= UINT_MAX && step->room <= UINT_MAX);
	stream->next_in = (Bytef *)(uintptr_t)step->in.at;
	stream->avail_in = (uInt)step->in.bytes;
	stream->next_out = step->out;
	stream->avail_out = (uInt)step->room;
	int error = deflate(stream, how[step->flush]);
	step->in = slice_skip(step->in, step->in.bytes - stream->avail_in);
	step->bytes = step->room - stream->avail_out;
	if (step->flush == CODING_END)
		step->is_done = error == Z_STREAM_END;
	else
		step->is_done = stream->avail_in == 0 && stream->avail_out > 0;
	return error == Z_OK || error == Z_STREAM_END || error == Z_BUF_ERROR;
}

static void end(struct coder *coder)
{
	deflateEnd(coder->state);
	coding_memory_give(&coder->memory, coder->state);
}

const struct coding_way coding_gzip = {{"gzip", 4}, begin, step, end};
