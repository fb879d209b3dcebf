// SPDX-License-Identifier: Apache-2.0
// Bodies that need no storage; see sim_body.h.
#include "sim_body.h"

static uint8_t byte_at(uint64_t seed, uint64_t offset)
{
	uint64_t x = (seed + (offset >> 3)) * 0x9e3779b97f4a7c15u;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 32;
	return (uint8_t)(x >> (8 * (offset & 7)));
}

void sim_body_init(struct sim_body *body, uint64_t seed, uint64_t bytes)
{
	body->seed = seed;
	body->bytes = bytes;
	body->offset = 0;
}

struct slice sim_body_make(struct sim_body *body, size_t max)
{
	uint64_t left = body->bytes - body->offset;
	size_t bytes = max < SIM_BODY_RUN ? max : SIM_BODY_RUN;
	if (bytes > left)
		bytes = (size_t)left;
	for (size_t i = 0; i < bytes; i++)
		body->run[i] = byte_at(body->seed, body->offset + i);
	body->offset += bytes;
	return slice_of(body->run, bytes);
}

bool sim_body_check(struct sim_body *body, struct slice received)
{
	for (size_t i = 0; i < received.bytes; i++) {
		if (body->offset == body->bytes ||
		    (uint8_t)received.at[i] != byte_at(body->seed, body->offset))
			return false;
		body->offset++;
	}
	return true;
}
