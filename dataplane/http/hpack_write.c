// SPDX-License-Identifier: Apache-2.0
// HPACK's literals; see hpack_write.h.
#include "hpack_write.h"

#define INDEX_MAX  15u  // of a four bit prefix: more follows (RFC 7541 5.1)
#define LENGTH_MAX 127u // of a seven bit prefix

// number is index when name is text, which is as long.
static unsigned number(struct slice name, const char *text, unsigned index)
{
	return memcmp(name.at, text, name.bytes) == 0 ? index : 0;
}

// Responses' names in the static table (RFC 7541 appendix A), told apart by length and a letter;
// 0: it has none, or one that responses do not have.
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
	case 5: return number(name, "allow", 22);
	case 6: return number(name, "server", 54);
	case 7: return number(name, "expires", 36);
	case 8: return number(name, "location", 46);
	case 10: return number(name, "set-cookie", 55);
	case 11: return number(name, "retry-after", 53);
	case 12: return number(name, "content-type", 31);
	case 13:
		return at[0] == 'l'   ? number(name, "last-modified", 44)
		       : at[1] == 'a' ? number(name, "cache-control", 24)
		       : at[0] == 'c' ? number(name, "content-range", 30)
				      : number(name, "accept-ranges", 18);
	case 14: return number(name, "content-length", 28);
	case 16:
		return at[0] == 'w'   ? number(name, "www-authenticate", 61)
		       : at[8] == 'e' ? number(name, "content-encoding", 26)
		       : at[9] == 'a' ? number(name, "content-language", 27)
				      : number(name, "content-location", 29);
	case 19: return number(name, "content-disposition", 25);
	case 25: return number(name, "strict-transport-security", 56);
	case 27: return number(name, "access-control-allow-origin", 20);
	default: return 0;
	}
}

// write_length writes a string's length, without Huffman's code (RFC 7541 5.1, 5.2).
static inline uint8_t *write_length(uint8_t *at, size_t bytes)
{
	if (bytes < LENGTH_MAX) {
		*at++ = (uint8_t)bytes;
		return at;
	}
	*at++ = LENGTH_MAX;
	for (bytes -= LENGTH_MAX; bytes >= 0x80; bytes >>= 7)
		*at++ = (uint8_t)(bytes | 0x80);
	*at++ = (uint8_t)bytes;
	return at;
}

static inline uint8_t *write_text(uint8_t *at, struct slice text)
{
	at = write_length(at, text.bytes);
	return text.bytes ? mempcpy(at, text.at, text.bytes) : at;
}

uint8_t *hpack_write(uint8_t *at, struct slice name, struct slice value)
{
	unsigned index = index_of(name);
	if (index >= INDEX_MAX) {
		*at++ = INDEX_MAX;
		*at++ = (uint8_t)(index - INDEX_MAX);
	} else {
		*at++ = 0;
		at = write_text(at, name);
	}
	return write_text(at, value);
}
