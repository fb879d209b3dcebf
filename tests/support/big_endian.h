// SPDX-License-Identifier: Apache-2.0
// Numbers in network byte order, for tests that write and read packets by hand. No bounds: the
// caller's packet has room.
#pragma once

#include <stdint.h>

// put16 writes the low 16 bits of value, put32 all of it; get16 reads.
static inline void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

// put32: see put16.
static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

// get16: see put16.
static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}
