// SPDX-License-Identifier: Apache-2.0
// Bodies that need no storage: byte i of body `seed` is a function of both, so each side can make
// and check any run of it.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_BODY_RUN 4096u

struct sim_body {
	uint64_t seed;
	uint64_t bytes;
	uint64_t offset; // made or checked so far
	uint8_t run[SIM_BODY_RUN];
};

// sim_body_init starts body `seed` of bytes bytes.
void sim_body_init(struct sim_body *body, uint64_t seed, uint64_t bytes);

// sim_body_make returns the next run, at most max bytes; borrowed until the next call.
struct slice sim_body_make(struct sim_body *body, size_t max);

// sim_body_check compares a received run with what must come next; false at the first difference,
// or beyond the end.
bool sim_body_check(struct sim_body *body, struct slice received);
