// SPDX-License-Identifier: Apache-2.0
// br (RFC 7932) by libbrotlienc. Windows of 64 KiB: larger ones gain a tenth and take several times
// the memory. Debian's library calls exit() when it gets no memory: so it always gets some, and the
// response fails at the end of the step.
#include "coding_priv.h"

#include <brotli/encode.h>
#include <stdlib.h>

enum { WINDOW_BITS_MIN = 12, WINDOW_BITS = 16, SIZE_HINT_MAX = (1 << 20) - 1 };

static void *take(void *opaque, size_t bytes)
{
	struct coding_memory *memory = opaque;
	void *at = coding_memory_take(memory, bytes);
	memory->is_short |= !at;
	return at ? at : malloc(bytes);
}

static void give(void *opaque, void *at)
{
	if (coding_memory_holds(opaque, at))
		coding_memory_give(opaque, at);
	else
		free(at);
}

static bool begin(struct coder *coder, const struct coding_levels *levels, uint64_t bytes)
{
	coder->memory.is_short = false;
	BrotliEncoderState *state = BrotliEncoderCreateInstance(take, give, &coder->memory);
	coder->state = state;
	if (!state)
		return false;
	// From 1 MiB on, quality 4 would take a table of 4 MiB.
	uint32_t hint = bytes < SIZE_HINT_MAX ? (uint32_t)bytes : SIZE_HINT_MAX;
	return BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, levels->br) &&
	       BrotliEncoderSetParameter(state, BROTLI_PARAM_LGWIN,
					 coding_log2(bytes, WINDOW_BITS_MIN, WINDOW_BITS)) &&
	       BrotliEncoderSetParameter(state, BROTLI_PARAM_SIZE_HINT, hint);
}

static bool step(struct coder *coder, struct coding_step *step)
{
	static const BrotliEncoderOperation how[] = {
		[CODING_FLOW] = BROTLI_OPERATION_PROCESS,
		[CODING_FLUSH] = BROTLI_OPERATION_FLUSH,
		[CODING_END] = BROTLI_OPERATION_FINISH,
	};
	BrotliEncoderState *state = coder->state;
	const uint8_t *in = (const uint8_t *)step->in.at;
	uint8_t *out = step->out;
	size_t in_bytes = step->in.bytes, room = step->room;
	if (!BrotliEncoderCompressStream(state, how[step->flush], &in_bytes, &in, &room, &out,
					 NULL))
		return false;
	step->in = slice_skip(step->in, step->in.bytes - in_bytes);
	step->bytes = step->room - room;
	step->is_done = in_bytes == 0 && !BrotliEncoderHasMoreOutput(state) &&
			(step->flush != CODING_END || BrotliEncoderIsFinished(state));
	return !coder->memory.is_short;
}

static void end(struct coder *coder)
{
	BrotliEncoderDestroyInstance(coder->state);
}

const struct coding_way coding_brotli = {{"br", 2}, begin, step, end};
