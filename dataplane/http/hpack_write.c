// SPDX-License-Identifier: Apache-2.0
// HPACK's literals; see hpack_write.h.
#include "hpack_write.h"

// Of prefixes of four, six and seven bits: more follows (RFC 7541 5.1).
#define INDEX_MAX   15u
#define ENTERED_MAX 63u
#define LENGTH_MAX  127u

// number is index when name is text, which is as long.
static unsigned number(struct slice name, const char *text, unsigned index)
{
	return memcmp(name.at, text, name.bytes) == 0 ? index : 0;
}

// Names in the static table (RFC 7541 appendix A) that come often, told apart by length and a
// letter; 0: it has none, or a rare one.
static unsigned index_of(struct slice name)
{
	const char *at = name.at;
	switch (name.bytes) {
	case 3: return number(name, at[0] == 'a' ? "age" : "via", at[0] == 'a' ? 21 : 60);
	case 4:
		return at[0] == 'd'   ? number(name, "date", 33)
		       : at[0] == 'e' ? number(name, "etag", 34)
		       : at[0] == 'l' ? number(name, "link", 45)
				      : number(name, "vary", 59);
	case 5:
		return at[0] == ':'   ? number(name, ":path", 4)
		       : at[0] == 'r' ? number(name, "range", 50)
				      : number(name, "allow", 22);
	case 6:
		return at[0] == 'a'   ? number(name, "accept", 19)
		       : at[0] == 'c' ? number(name, "cookie", 32)
				      : number(name, "server", 54);
	case 7:
		return at[0] == ':'   ? number(name, ":scheme", 6)
		       : at[0] == 'r' ? number(name, "referer", 51)
				      : number(name, "expires", 36);
	case 8: return number(name, "location", 46);
	case 10:
		return at[0] == ':'   ? number(name, ":authority", 1)
		       : at[0] == 'u' ? number(name, "user-agent", 58)
				      : number(name, "set-cookie", 55);
	case 11: return number(name, "retry-after", 53);
	case 12: return number(name, "content-type", 31);
	case 13:
		return at[0] == 'l'   ? number(name, "last-modified", 44)
		       : at[0] == 'i' ? number(name, "if-none-match", 41)
		       : at[1] == 'u' ? number(name, "authorization", 23)
		       : at[1] == 'a' ? number(name, "cache-control", 24)
		       : at[0] == 'c' ? number(name, "content-range", 30)
				      : number(name, "accept-ranges", 18);
	case 14: return number(name, "content-length", 28);
	case 15:
		return at[7] == 'e' ? number(name, "accept-encoding", 16)
				    : number(name, "accept-language", 17);
	case 16:
		return at[0] == 'w'   ? number(name, "www-authenticate", 61)
		       : at[8] == 'e' ? number(name, "content-encoding", 26)
		       : at[9] == 'a' ? number(name, "content-language", 27)
				      : number(name, "content-location", 29);
	case 17: return number(name, "if-modified-since", 40);
	case 19: return number(name, "content-disposition", 25);
	case 25: return number(name, "strict-transport-security", 56);
	case 27: return number(name, "access-control-allow-origin", 20);
	default: return 0;
	}
}

// write_number writes a number behind the bits of first, whose prefix has ones at most (5.1).
static inline uint8_t *write_number(uint8_t *at, unsigned first, unsigned most, size_t number)
{
	if (number < most) {
		*at++ = (uint8_t)(first | number);
		return at;
	}
	*at++ = (uint8_t)(first | most);
	for (number -= most; number >= 0x80; number >>= 7)
		*at++ = (uint8_t)(number | 0x80);
	*at++ = (uint8_t)number;
	return at;
}

// write_text writes a string, without Huffman's code (5.2).
static inline uint8_t *write_text(uint8_t *at, struct slice text)
{
	at = write_number(at, 0, LENGTH_MAX, text.bytes);
	return text.bytes ? (uint8_t *)memmove(at, text.at, text.bytes) + text.bytes : at;
}

// write_literal is inlined into what is asked for each field of each answer.
static inline uint8_t *write_literal(uint8_t *at, enum hpack_literal literal, struct slice name,
				     struct slice value)
{
	unsigned index = index_of(name);
	at = write_number(at, literal, literal == HPACK_ENTER ? ENTERED_MAX : INDEX_MAX, index);
	if (index == 0)
		at = write_text(at, name);
	return write_text(at, value);
}

uint8_t *hpack_write_as(uint8_t *at, enum hpack_literal literal, struct slice name,
			struct slice value)
{
	return write_literal(at, literal, name, value);
}

uint8_t *hpack_write(uint8_t *at, struct slice name, struct slice value)
{
	return write_literal(at, HPACK_PASS, name, value);
}

uint8_t *hpack_write_index(uint8_t *at, uint32_t index)
{
	return write_number(at, 0x80, LENGTH_MAX, index);
}
