// SPDX-License-Identifier: Apache-2.0
// What is asked for: a few kinds of request, each with a weight and with what its answer must be.
// One line each, of a file or of the command line:
//
//   [WEIGHT] METHOD TARGET [status=N] [bytes=N] [body=FILE] [upload=N]
//
// status is 200 when it is not given; a body that is given is compared byte for byte.
#pragma once

#include "random.h"
#include "slice.h"

#include <stdint.h>

#define LOAD_MIX_ITEMS  64u
#define LOAD_LENGTH_ANY UINT64_MAX

struct load_item {
	uint32_t weight;
	uint16_t status;
	char method[16];
	char target[1024];
	uint64_t bytes;        // of the answer's body; LOAD_LENGTH_ANY: any
	struct slice body;     // owned; at NULL: any
	uint64_t upload_bytes; // of the request's body
};

struct load_mix {
	struct load_item items[LOAD_MIX_ITEMS];
	uint32_t count;
	uint32_t weight_sum;
};

// load_mix_add reads one line; empty ones and comments (#) are skipped. Returns NULL, or what is
// wrong with it (a literal).
const char *load_mix_add(struct load_mix *mix, const char *line);

// load_mix_add_file reads all lines of the file at path. Returns NULL or what is wrong, and *line
// tells where.
const char *load_mix_add_file(struct load_mix *mix, const char *path, uint32_t *line);

// load_mix_pick draws an item by weight; the mix must not be empty.
const struct load_item *load_mix_pick(const struct load_mix *mix, struct random_source *random);

// load_mix_free gives the bodies back.
void load_mix_free(struct load_mix *mix);
