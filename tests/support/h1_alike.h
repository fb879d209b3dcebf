// SPDX-License-Identifier: Apache-2.0
// The differential oracle of HTTP/1.1 (RFC 9112): where a message begins and ends, and what it
// says, must be the same to us and to another parser, or a stranger can hide one message in
// another. What we refuse the other may take (we are stricter on purpose); what we take it must
// take alike.
#pragma once

#include "slice.h"

enum h1_verdict {
	H1_REFUSED,   // by us: nothing to compare
	H1_UNDECIDED, // we have no whole head yet, or one that the other has no word for
	H1_ALIKE,     // both understand the same: the head, and as much of the body as there is
	H1_DIFFERENT,
};

// h1_alike_judge reads the first message of text, a request or the answer to a GET, by both
// parsers. *why is a word for what differs, borrowed for ever.
enum h1_verdict h1_alike_judge(struct slice text, bool is_request, const char **why);
