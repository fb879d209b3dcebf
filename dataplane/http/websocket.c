// SPDX-License-Identifier: Apache-2.0
// WebSocket's handshake; see websocket.h. SHA-1 (RFC 3174) of one fixed length is all it needs, and
// it guards nothing: it proves that the peer read the request.
#include "websocket.h"

#include "check.h"

#include <string.h>

#define TEXT_BYTES 60u // key and GUID: with length and padding two blocks

static uint32_t rotate(uint32_t word, unsigned bits)
{
	return word << bits | word >> (32 - bits);
}

static uint32_t word_at(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

// RFC 3174 5, 6.1: f(t) and K(t) of round t.
static uint32_t mix(unsigned t, uint32_t b, uint32_t c, uint32_t d)
{
	if (t < 20)
		return ((b & c) | (~b & d)) + 0x5a827999;
	if (t < 40)
		return (b ^ c ^ d) + 0x6ed9eba1;
	if (t < 60)
		return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
	return (b ^ c ^ d) + 0xca62c1d6;
}

static void sha1_block(uint32_t state[5], const uint8_t block[64])
{
	uint32_t w[80];
	for (unsigned t = 0; t < 16; t++)
		w[t] = word_at(block + t * 4);
	for (unsigned t = 16; t < 80; t++)
		w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
	for (unsigned t = 0; t < 80; t++) {
		uint32_t next = rotate(a, 5) + mix(t, b, c, d) + e + w[t];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	const uint32_t sums[] = {a, b, c, d, e};
	for (unsigned i = 0; i < 5; i++)
		state[i] += sums[i];
}

static void sha1_of_text(const uint8_t text[TEXT_BYTES], uint8_t digest[20])
{
	uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	uint8_t blocks[128] = {0};
	memcpy(blocks, text, TEXT_BYTES);
	blocks[TEXT_BYTES] = 0x80;
	blocks[126] = (TEXT_BYTES * 8) >> 8;
	blocks[127] = (TEXT_BYTES * 8) & 255;
	sha1_block(state, blocks);
	sha1_block(state, blocks + 64);
	for (unsigned i = 0; i < 20; i++)
		digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// RFC 4648 4
static void base64(const uint8_t *bytes, size_t count, char *out)
{
	for (size_t at = 0; at < count; at += 3, out += 4) {
		uint32_t group = (uint32_t)bytes[at] << 16;
		group |= at + 1 < count ? (uint32_t)bytes[at + 1] << 8 : 0;
		group |= at + 2 < count ? bytes[at + 2] : 0;
		for (unsigned i = 0; i < 4; i++)
			out[i] = at + i > count ? '=' : letters[group >> (18 - 6 * i) & 63];
	}
}

void websocket_key_of(const uint64_t nonce[2], char key[static WEBSOCKET_KEY_BYTES])
{
	uint8_t bytes[16];
	memcpy(bytes, nonce, sizeof(bytes));
	base64(bytes, sizeof(bytes), key);
}

static bool is_letter(char c)
{
	return c != 0 && strchr(letters, c);
}

bool websocket_key_is_valid(struct slice key)
{
	if (key.bytes != WEBSOCKET_KEY_BYTES || key.at[22] != '=' || key.at[23] != '=')
		return false;
	for (unsigned i = 0; i < 22; i++)
		if (!is_letter(key.at[i]))
			return false;
	return true;
}

void websocket_accept_of(struct slice key, char accept[static WEBSOCKET_ACCEPT_BYTES])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t text[TEXT_BYTES], digest[20];
	CHECK(key.bytes == WEBSOCKET_KEY_BYTES);
	memcpy(text, key.at, WEBSOCKET_KEY_BYTES);
	memcpy(text + WEBSOCKET_KEY_BYTES, guid, sizeof(guid) - 1);
	sha1_of_text(text, digest);
	base64(digest, sizeof(digest), accept);
}
