// SPDX-License-Identifier: Apache-2.0
// Dictionaries of strangers (RFC 8941): members lie inside the input, and reading ends.
#include "structured.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct structured_member member;
	// A copy of its own, so that one byte too far is seen.
	char *copy = malloc(bytes ? bytes : 1);
	if (bytes)
		memcpy(copy, data, bytes);
	struct slice rest = slice_of(copy, bytes);
	size_t left = bytes + 1;
	while (structured_next(&rest, &member) == STRUCTURED_MEMBER) {
		CHECK(rest.bytes < left); // goes on
		left = rest.bytes;
		CHECK(member.key.bytes > 0 && member.key.at >= copy);
		CHECK(member.text.bytes == 0 ||
		      (member.text.at > copy &&
		       member.text.at + member.text.bytes <= copy + bytes));
	}
	free(copy);
	return 0;
}
