// SPDX-License-Identifier: Apache-2.0
// What another parser (http_parser 2.9) understands of one request. Apart, because its names are
// ours.
#pragma once

#include "slice.h"

struct other {
	char url[512];
	uint64_t body_bytes;
	bool is_complete;
};

// other_parse reads one request from text.
void other_parse(struct other *other, struct slice text);
