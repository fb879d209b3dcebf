// SPDX-License-Identifier: Apache-2.0
// Structured fields (RFC 8941): dictionaries, one member at a time, as targeted Cache-Control
// fields (RFC 9213 2.1) and Priority (RFC 9218 4) are. Strict: what is not valid is no field at
// all.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

enum structured_type {
	STRUCTURED_BOOLEAN,
	STRUCTURED_INTEGER,
	STRUCTURED_DECIMAL,
	STRUCTURED_STRING, // text is between the quotes, escapes kept
	STRUCTURED_TOKEN,
	STRUCTURED_BYTES, // text is base64
	STRUCTURED_LIST,  // text is an inner list, between its brackets
};

struct structured_member {
	struct slice key;
	enum structured_type type;
	int64_t integer; // of INTEGER
	bool boolean;    // of BOOLEAN
	struct slice text;
};

enum structured_result { STRUCTURED_MEMBER, STRUCTURED_END, STRUCTURED_INVALID };

// structured_next takes the next member of a dictionary off *rest (RFC 8941 4.2.2); parameters are
// read and forgotten. Of equal keys the last one counts: that is the caller's to do.
enum structured_result structured_next(struct slice *rest, struct structured_member *member);
