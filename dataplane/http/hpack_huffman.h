// SPDX-License-Identifier: Apache-2.0
// HPACK's Huffman code (RFC 7541 5.2, appendix B), read.
#pragma once

#include "slice.h"

#include <stdint.h>

// hpack_huffman_bytes_max is how many bytes a string of so many is at most, decoded.
static inline size_t hpack_huffman_bytes_max(size_t bytes)
{
	return bytes * 8 / 5;
}

// hpack_huffman_read decodes text to out, which has room for hpack_huffman_bytes_max, and returns
// the end of it; NULL when text is none: with the end-of-string symbol, or padded with more than
// seven bits, or with others than ones.
uint8_t *hpack_huffman_read(struct slice text, uint8_t *out);
