// SPDX-License-Identifier: Apache-2.0
// HPACK's Huffman code; see hpack_huffman.h. It is canonical: codes of one length follow each other
// in the order of their symbols, and shorter ones are less than longer ones. So of each length the
// first and the last code tell how long the next one is, and where its symbol stands. Codes of up
// to eight bits, which text is made of, are found by their first byte.
#include "hpack_huffman.h"

#include <endian.h>

#include <stdbool.h>

#define END_OF_STRING 256u // its place

// Codes of one length, as the upper bits of 32.
struct length {
	uint32_t last; // code, with ones behind it
	uint32_t first;
	uint8_t bits;
	uint8_t place; // of the first one's symbol
};

static const struct length lengths[] = {
	{0x4fffffff, 0x00000000, 5, 0},    {0xb7ffffff, 0x50000000, 6, 10},
	{0xf7ffffff, 0xb8000000, 7, 36},   {0xfdffffff, 0xf8000000, 8, 68},
	{0xff3fffff, 0xfe000000, 10, 74},  {0xff9fffff, 0xff400000, 11, 79},
	{0xffbfffff, 0xffa00000, 12, 82},  {0xffefffff, 0xffc00000, 13, 84},
	{0xfff7ffff, 0xfff00000, 14, 90},  {0xfffdffff, 0xfff80000, 15, 92},
	{0xfffe5fff, 0xfffe0000, 19, 95},  {0xfffedfff, 0xfffe6000, 20, 98},
	{0xffff47ff, 0xfffee000, 21, 106}, {0xffffafff, 0xffff4800, 22, 119},
	{0xffffe9ff, 0xffffb000, 23, 145}, {0xfffff5ff, 0xffffea00, 24, 174},
	{0xfffff7ff, 0xfffff600, 25, 186}, {0xfffffbbf, 0xfffff800, 26, 190},
	{0xfffffe1f, 0xfffffbc0, 27, 205}, {0xffffffef, 0xfffffe20, 28, 224},
	{0xffffffff, 0xfffffff0, 30, 253},
};

// Symbols by the length of their codes, then by value.
static const uint8_t symbols[] = {
	48,  49,  50,  97,  99,  101, 105, 111, 115, 116, 32,  37,  45,  46,  47,  51,  52,  53,
	54,  55,  56,  57,  61,  65,  95,  98,  100, 102, 103, 104, 108, 109, 110, 112, 114, 117,
	58,  66,  67,  68,  69,  70,  71,  72,  73,  74,  75,  76,  77,  78,  79,  80,  81,  82,
	83,  84,  85,  86,  87,  89,  106, 107, 113, 118, 119, 120, 121, 122, 38,  42,  44,  59,
	88,  90,  33,  34,  40,  41,  63,  39,  43,  124, 35,  62,  0,   36,  64,  91,  93,  126,
	94,  125, 60,  96,  123, 92,  195, 208, 128, 130, 131, 162, 184, 194, 224, 226, 153, 161,
	167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154,
	156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232,
	233, 1,   135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165,
	166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239, 9,   142, 144, 145, 148, 159,
	171, 206, 215, 225, 236, 237, 199, 207, 234, 235, 192, 193, 200, 201, 202, 205, 210, 213,
	218, 219, 238, 240, 242, 243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245,
	246, 247, 248, 250, 251, 252, 253, 254, 2,   3,   4,   5,   6,   7,   8,   11,  12,  14,
	15,  16,  17,  18,  19,  20,  21,  23,  24,  25,  26,  27,  28,  29,  30,  31,  127, 220,
	249, 10,  13,  22,
};

struct short_code {
	uint8_t bits; // 0: it is longer
	uint8_t symbol;
};

static const struct short_code short_codes[256] = {
	{5, 48},  {5, 48},  {5, 48},  {5, 48},  {5, 48},  {5, 48},  {5, 48},  {5, 48},  {5, 49},
	{5, 49},  {5, 49},  {5, 49},  {5, 49},  {5, 49},  {5, 49},  {5, 49},  {5, 50},  {5, 50},
	{5, 50},  {5, 50},  {5, 50},  {5, 50},  {5, 50},  {5, 50},  {5, 97},  {5, 97},  {5, 97},
	{5, 97},  {5, 97},  {5, 97},  {5, 97},  {5, 97},  {5, 99},  {5, 99},  {5, 99},  {5, 99},
	{5, 99},  {5, 99},  {5, 99},  {5, 99},  {5, 101}, {5, 101}, {5, 101}, {5, 101}, {5, 101},
	{5, 101}, {5, 101}, {5, 101}, {5, 105}, {5, 105}, {5, 105}, {5, 105}, {5, 105}, {5, 105},
	{5, 105}, {5, 105}, {5, 111}, {5, 111}, {5, 111}, {5, 111}, {5, 111}, {5, 111}, {5, 111},
	{5, 111}, {5, 115}, {5, 115}, {5, 115}, {5, 115}, {5, 115}, {5, 115}, {5, 115}, {5, 115},
	{5, 116}, {5, 116}, {5, 116}, {5, 116}, {5, 116}, {5, 116}, {5, 116}, {5, 116}, {6, 32},
	{6, 32},  {6, 32},  {6, 32},  {6, 37},  {6, 37},  {6, 37},  {6, 37},  {6, 45},  {6, 45},
	{6, 45},  {6, 45},  {6, 46},  {6, 46},  {6, 46},  {6, 46},  {6, 47},  {6, 47},  {6, 47},
	{6, 47},  {6, 51},  {6, 51},  {6, 51},  {6, 51},  {6, 52},  {6, 52},  {6, 52},  {6, 52},
	{6, 53},  {6, 53},  {6, 53},  {6, 53},  {6, 54},  {6, 54},  {6, 54},  {6, 54},  {6, 55},
	{6, 55},  {6, 55},  {6, 55},  {6, 56},  {6, 56},  {6, 56},  {6, 56},  {6, 57},  {6, 57},
	{6, 57},  {6, 57},  {6, 61},  {6, 61},  {6, 61},  {6, 61},  {6, 65},  {6, 65},  {6, 65},
	{6, 65},  {6, 95},  {6, 95},  {6, 95},  {6, 95},  {6, 98},  {6, 98},  {6, 98},  {6, 98},
	{6, 100}, {6, 100}, {6, 100}, {6, 100}, {6, 102}, {6, 102}, {6, 102}, {6, 102}, {6, 103},
	{6, 103}, {6, 103}, {6, 103}, {6, 104}, {6, 104}, {6, 104}, {6, 104}, {6, 108}, {6, 108},
	{6, 108}, {6, 108}, {6, 109}, {6, 109}, {6, 109}, {6, 109}, {6, 110}, {6, 110}, {6, 110},
	{6, 110}, {6, 112}, {6, 112}, {6, 112}, {6, 112}, {6, 114}, {6, 114}, {6, 114}, {6, 114},
	{6, 117}, {6, 117}, {6, 117}, {6, 117}, {7, 58},  {7, 58},  {7, 66},  {7, 66},  {7, 67},
	{7, 67},  {7, 68},  {7, 68},  {7, 69},  {7, 69},  {7, 70},  {7, 70},  {7, 71},  {7, 71},
	{7, 72},  {7, 72},  {7, 73},  {7, 73},  {7, 74},  {7, 74},  {7, 75},  {7, 75},  {7, 76},
	{7, 76},  {7, 77},  {7, 77},  {7, 78},  {7, 78},  {7, 79},  {7, 79},  {7, 80},  {7, 80},
	{7, 81},  {7, 81},  {7, 82},  {7, 82},  {7, 83},  {7, 83},  {7, 84},  {7, 84},  {7, 85},
	{7, 85},  {7, 86},  {7, 86},  {7, 87},  {7, 87},  {7, 89},  {7, 89},  {7, 106}, {7, 106},
	{7, 107}, {7, 107}, {7, 113}, {7, 113}, {7, 118}, {7, 118}, {7, 119}, {7, 119}, {7, 120},
	{7, 120}, {7, 121}, {7, 121}, {7, 122}, {7, 122}, {8, 38},  {8, 42},  {8, 44},  {8, 59},
	{8, 88},  {8, 90},  {0, 0},   {0, 0},
};

// Bits that are read, from the top down.
struct bits {
	uint64_t word;
	unsigned count; // in word; what is below them is of text, too, or zero
	const uint8_t *at, *end;
};

// refill makes them at least 57, unless text ends.
static inline void refill(struct bits *bits)
{
	uint64_t eight;
	if (bits->end - bits->at >= 8) {
		memcpy(&eight, bits->at, sizeof(eight));
		bits->word |= be64toh(eight) >> bits->count;
		bits->at += (63 - bits->count) / 8;
		bits->count |= 56;
		return;
	}
	for (; bits->count <= 56 && bits->at < bits->end; bits->count += 8)
		bits->word |= (uint64_t)*bits->at++ << (56 - bits->count);
}

static inline void skip(struct bits *bits, unsigned count)
{
	bits->word <<= count;
	bits->count -= count;
}

// is_padding: what is left, after the last whole code, is less than a byte of ones.
static bool is_padding(const struct bits *bits)
{
	return bits->count < 8 && bits->word >> 56 == (0xff00u >> bits->count & 0xff);
}

// read_long reads a code of any length; false: that is none, or not all here.
static bool read_long(struct bits *bits, uint8_t *symbol)
{
	uint32_t code = (uint32_t)(bits->word >> 32);
	const struct length *length = lengths;
	while (code > length->last)
		length++;
	unsigned place = length->place + ((code - length->first) >> (32 - length->bits));
	if (length->bits > bits->count || place == END_OF_STRING)
		return false;
	*symbol = symbols[place];
	skip(bits, length->bits);
	return true;
}

uint8_t *hpack_huffman_read(struct slice text, uint8_t *out)
{
	struct bits bits = {.at = (const uint8_t *)text.at,
			    .end = (const uint8_t *)text.at + text.bytes};
	for (;;) {
		if (bits.count < 32)
			refill(&bits);
		struct short_code code = short_codes[bits.word >> 56];
		for (; bits.count >= 8 && code.bits; code = short_codes[bits.word >> 56]) {
			*out++ = code.symbol;
			skip(&bits, code.bits);
		}
		if (bits.count < 32 && bits.at < bits.end)
			continue;
		if (code.bits && code.bits <= bits.count) {
			*out++ = code.symbol;
			skip(&bits, code.bits);
		} else if (is_padding(&bits)) {
			return out;
		} else if (read_long(&bits, out)) {
			out++;
		} else {
			return NULL;
		}
	}
}
