// SPDX-License-Identifier: Apache-2.0
// zstd (RFC 8878) by libzstd, in a static workspace. Windows of 128 KiB: RFC 9659 allows HTTP 8
// MiB, our memory less.
#define ZSTD_STATIC_LINKING_ONLY // ZSTD_initStaticCCtx: of Debian 12's libzstd 1.5
#include "coding_priv.h"

#include <zstd.h>

enum { WINDOW_BITS_MIN = 10, WINDOW_BITS = 17 };

static bool set(ZSTD_CCtx *state, ZSTD_cParameter parameter, int value)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(state, parameter, value));
}

// set_up chooses what level does for so many bytes, in a window of ours.
static bool set_up(ZSTD_CCtx *state, int level, ZSTD_compressionParameters chosen)
{
	return set(state, ZSTD_c_compressionLevel, level) &&
	       set(state, ZSTD_c_windowLog, (int)chosen.windowLog) &&
	       set(state, ZSTD_c_hashLog, (int)chosen.hashLog) &&
	       set(state, ZSTD_c_chainLog, (int)chosen.chainLog) &&
	       set(state, ZSTD_c_searchLog, (int)chosen.searchLog) &&
	       set(state, ZSTD_c_minMatch, (int)chosen.minMatch) &&
	       set(state, ZSTD_c_targetLength, (int)chosen.targetLength) &&
	       set(state, ZSTD_c_strategy, (int)chosen.strategy);
}

static bool begin(struct coder *coder, const struct coding_levels *levels, uint64_t bytes)
{
	int level = (int)levels->zstd;
	unsigned window = coding_log2(bytes, WINDOW_BITS_MIN, WINDOW_BITS);
	ZSTD_compressionParameters chosen = ZSTD_getCParams(level, 1ull << window, 0);
	chosen.windowLog = window;
	size_t wanted = ZSTD_estimateCStreamSize_usingCParams(chosen);
	void *workspace = coding_memory_take(&coder->memory, wanted);
	if (!workspace)
		return false;
	coder->state = ZSTD_initStaticCCtx(workspace, wanted);
	if (coder->state && set_up(coder->state, level, chosen))
		return true;
	coding_memory_give(&coder->memory, workspace);
	return false;
}

static bool step(struct coder *coder, struct coding_step *step)
{
	static const ZSTD_EndDirective how[] = {[CODING_FLOW] = ZSTD_e_continue,
						[CODING_FLUSH] = ZSTD_e_flush,
						[CODING_END] = ZSTD_e_end};
	ZSTD_inBuffer in = {step->in.at, step->in.bytes, 0};
	ZSTD_outBuffer out = {step->out, step->room, 0};
	size_t left = ZSTD_compressStream2(coder->state, &out, &in, how[step->flush]);
	step->in = slice_skip(step->in, in.pos);
	step->bytes = out.pos;
	step->is_done = step->in.bytes == 0 && (step->flush == CODING_FLOW || left == 0);
	return !ZSTD_isError(left);
}

static void end(struct coder *coder)
{
	coding_memory_give(&coder->memory, coder->state);
}

const struct coding_way coding_zstd = {{"zstd", 4}, begin, step, end};
