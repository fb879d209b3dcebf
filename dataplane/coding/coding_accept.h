// SPDX-License-Identifier: Apache-2.0
// Accept-Encoding (RFC 9110 12.5.3): which of our codings a client likes best.
#pragma once

#include "coding.h"
#include "http.h"

struct coding_accept {
	bool is_given;    // there was such a field
	unsigned codings; // bits 1u << coding: those of ours with the highest weight above 0
	bool refuses_identity;
};

// coding_accept_read reads all such fields of a request. What is not understood is not accepted.
struct coding_accept coding_accept_read(const struct http_message *request);

// coding_accept_text is a normal form of what was given, one of 16 literals: so that a cache that
// varies on it has few variants, and whoever gets it chooses only what we understand.
struct slice coding_accept_text(const struct coding_accept *accept);

// coding_accept_choose is the one that is made: zstd before br before gzip, by the work that the
// same result takes; identity when none is accepted.
enum coding coding_accept_choose(const struct coding_accept *accept);
