// SPDX-License-Identifier: Apache-2.0
// The differential fuzzer of HTTP/1.1: a message that we take must mean the same, byte for byte, to
// another parser (tests/support/h1_alike.h). The first byte says whether it is a request.
#include "check.h"
#include "h1_alike.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 2)
		return 0;
	const char *why = NULL;
	bool is_request = data[0] & 1;
	enum h1_verdict verdict = h1_alike_judge(slice_of(data + 1, bytes - 1), is_request, &why);
	if (verdict == H1_DIFFERENT)
		fprintf(stderr, "the two parsers differ in %s: %.*s\n", why, (int)bytes - 1,
			(const char *)data + 1);
	CHECK(verdict != H1_DIFFERENT);
	return 0;
}
