// SPDX-License-Identifier: Apache-2.0
// What the two files of slicing offer each other.
#pragma once

#include "slicing.h"

// A request as the cache is asked, or a head, with memory for its fields.
struct slicing_question {
	struct http_message message;
	struct http_field fields[HTTP_FIELDS_MAX + 2];
	char authority[SLICING_NAME_BYTES];
};

// slicing_ask asks for what the step wants: the manifest, or the slice at index.
void slicing_ask(struct exchange *exchange);

// slicing_ask_request and slicing_ask_slice make the request under which a manifest and the slice
// at index are stored.
void slicing_ask_request(const struct exchange *exchange, struct slicing_question *question);
void slicing_ask_slice(const struct exchange *exchange, struct slicing_question *question);

// slicing_behind makes an exchange without a client for the same whole; NULL when there is no room.
struct exchange *slicing_behind(struct exchange *exchange);

// slicing_mark_of finds the place for what is known of the exchange's URL; slicing_mark notes it.
struct slicing_mark *slicing_mark_of(const struct exchange *exchange, uint64_t *url_hash);
void slicing_mark(struct exchange *exchange, bool is_sliced);
