// SPDX-License-Identifier: Apache-2.0
// Any bytes as the rules of a policy: what is read lies inside the text, and reads the same again.
#include "check.h"
#include "policy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void see(struct policy_span span, size_t bytes)
{
	CHECK((size_t)span.at + span.bytes <= bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct policy first, second;
	char why[POLICY_WHY_BYTES] = "";
	char *text = malloc(bytes + 1);
	CHECK(text);
	memcpy(text, data, bytes);
	if (!policy_parse(text, bytes, &first, why)) {
		CHECK(strncmp(why, "rule ", 5) == 0 && strlen(why) < sizeof(why));
		free(text);
		return 0;
	}
	see(first.maintenance, bytes);
	see(first.cors, bytes);
	for (uint32_t i = 0; i < first.rule_count; i++) {
		see(first.rules[i].name, bytes);
		see(first.rules[i].value, bytes);
	}
	CHECK(policy_parse(text, bytes, &second, why));
	CHECK(first.rule_count == second.rule_count && first.methods == second.methods);
	free(text);
	return 0;
}
