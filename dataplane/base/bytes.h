// SPDX-License-Identifier: Apache-2.0
// Bounds-checked big-endian reader and writer with a sticky error: read everything, then look at
// ok once. For bytes from outside that are not packet headers of net/ and tcp/.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes_reader {
	const uint8_t *at;
	size_t left;
	bool ok; // false once anything was read past the end; stays false
};

struct bytes_writer {
	uint8_t *at;
	size_t left;
	size_t written;
	bool ok; // false once anything did not fit; nothing is written after that
};

// bytes_read_from starts reading bytes bytes at at, which it borrows.
static inline struct bytes_reader bytes_read_from(const void *at, size_t bytes)
{
	return (struct bytes_reader){at, bytes, true};
}

// bytes_take borrows the next bytes bytes, or returns NULL and clears ok.
static inline const uint8_t *bytes_take(struct bytes_reader *r, size_t bytes)
{
	if (!r->ok || r->left < bytes) {
		r->ok = false;
		return NULL;
	}
	const uint8_t *taken = r->at;
	r->at += bytes;
	r->left -= bytes;
	return taken;
}

// bytes_u8, bytes_u16, bytes_u32 and bytes_u64 read one big-endian number; 0 when ok is or becomes
// false.
static inline uint8_t bytes_u8(struct bytes_reader *r)
{
	const uint8_t *p = bytes_take(r, 1);
	return p ? p[0] : 0;
}

// bytes_u16: see bytes_u8.
static inline uint16_t bytes_u16(struct bytes_reader *r)
{
	const uint8_t *p = bytes_take(r, 2);
	return (uint16_t)(p ? p[0] << 8 | p[1] : 0);
}

// bytes_u32: see bytes_u8.
static inline uint32_t bytes_u32(struct bytes_reader *r)
{
	const uint8_t *p = bytes_take(r, 4);
	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

// bytes_u64: see bytes_u8.
static inline uint64_t bytes_u64(struct bytes_reader *r)
{
	uint64_t high = bytes_u32(r);
	return high << 32 | bytes_u32(r);
}

// bytes_write_to starts writing into bytes bytes at at, which it borrows.
static inline struct bytes_writer bytes_write_to(void *at, size_t bytes)
{
	return (struct bytes_writer){at, bytes, 0, true};
}

// bytes_put copies bytes bytes, or clears ok and copies nothing.
static inline void bytes_put(struct bytes_writer *w, const void *from, size_t bytes)
{
	if (!w->ok || w->left < bytes) {
		w->ok = false;
		return;
	}
	if (bytes)
		memcpy(w->at, from, bytes);
	w->at += bytes;
	w->left -= bytes;
	w->written += bytes;
}

// bytes_put_u8, bytes_put_u16, bytes_put_u32 and bytes_put_u64 write one big-endian number.
static inline void bytes_put_u8(struct bytes_writer *w, uint8_t v)
{
	bytes_put(w, &v, 1);
}

// bytes_put_u16: see bytes_put_u8.
static inline void bytes_put_u16(struct bytes_writer *w, uint16_t v)
{
	bytes_put(w, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

// bytes_put_u32: see bytes_put_u8.
static inline void bytes_put_u32(struct bytes_writer *w, uint32_t v)
{
	bytes_put(
		w,
		(uint8_t[]){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v},
		4);
}

// bytes_put_u64: see bytes_put_u8.
static inline void bytes_put_u64(struct bytes_writer *w, uint64_t v)
{
	uint8_t big_endian[8];
	for (unsigned i = 0; i < 8; i++)
		big_endian[i] = (uint8_t)(v >> (56 - 8 * i));
	bytes_put(w, big_endian, 8);
}
