// SPDX-License-Identifier: Apache-2.0
// Content codings made on the fly (RFC 9110 8.4.1): gzip (RFC 1952) by zlib, br (RFC 7932) by
// libbrotlienc, zstd (RFC 8878) by libzstd. Bytes in, bytes out: no clock, no memory but that of
// the coder, taken once by its owner. A coder serves one response at a time, in any coding.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What any coding at its highest level allowed here needs, measured by the unit test: brotli's
// fifth takes the most.
#define CODING_MEMORY_BYTES (2560u * 1024u)

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_BR, CODING_ZSTD, CODING_COUNT };

// Levels: more is smaller and slower.
struct coding_levels {
	uint32_t gzip; // 1..9
	uint32_t br;   // 0..5
	uint32_t zstd; // 1..6
};

// A fixed block that a library's own allocations come from (coding_memory.c).
struct coding_memory {
	uint8_t *base; // borrowed, aligned to 64
	size_t bytes;
	size_t used_bytes, peak_bytes;
	bool is_short; // something was asked for that it had no room for
};

// coding_memory_init makes all of the block free; at is aligned to 64.
void coding_memory_init(struct coding_memory *memory, void *at, size_t bytes);

// coding_memory_take returns bytes aligned to 16, or NULL when there is no such run; not cleared.
// coding_memory_give gives them back; NULL is fine.
void *coding_memory_take(struct coding_memory *memory, size_t bytes);
void coding_memory_give(struct coding_memory *memory, void *at);

// coding_memory_holds is true when at lies in the block, or is NULL.
bool coding_memory_holds(const struct coding_memory *memory, const void *at);

struct coder {
	enum coding coding; // CODING_IDENTITY: at rest
	void *state;        // the library's, in memory
	struct coding_memory memory;
};

enum coding_flush {
	CODING_FLOW,  // more will follow: the coder may keep what it has
	CODING_FLUSH, // write all there is; until is_done no new input
	CODING_END,   // the last; until is_done
};

struct coding_step {
	struct slice in; // the coder takes from its front
	uint8_t *out;
	size_t room;  // > 0
	size_t bytes; // written to out
	enum coding_flush flush;
	bool is_done; // nothing of a FLUSH or END is left to write
};

// coder_init makes a coder of CODING_MEMORY_BYTES at memory (aligned to 64), borrowed.
void coder_init(struct coder *coder, void *memory);

// coder_begin starts a response in coding, which is not identity; bytes is its size when that is
// known, else 0: small ones take less memory and time. False: the library refused.
bool coder_begin(struct coder *coder, enum coding coding, const struct coding_levels *levels,
		 uint64_t bytes);

// coder_step takes and writes what it can. False: the library failed, for want of memory.
bool coder_step(struct coder *coder, struct coding_step *step);

// coder_end is at rest again, wherever the response stood.
void coder_end(struct coder *coder);

// coding_name is the token of Content-Encoding.
struct slice coding_name(enum coding coding);
