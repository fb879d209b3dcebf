// SPDX-License-Identifier: Apache-2.0
// Cache-Control, Vary, conditions and dates of strangers: any bytes give a decision within its
// rules. The input is "name:value\n" lines of a request, a NUL, lines of a response.
#include "cache_policy.h"
#include "check.h"

#include <stdlib.h>

#define FIELDS 64u

// read_fields makes fields of the lines; returns how many.
static uint32_t read_fields(struct slice text, struct http_field *fields)
{
	uint32_t count = 0;
	while (text.bytes && count < FIELDS) {
		size_t length = slice_find(text, '\n');
		struct slice line = slice_head(text, length);
		size_t colon = slice_find(line, ':');
		fields[count].name = slice_head(line, colon);
		fields[count++].value = slice_trim(slice_skip(line, colon + 1));
		text = slice_skip(text, length + 1);
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	_Alignas(8) static uint8_t memory[4096];
	struct http_field asked[FIELDS], answered[FIELDS];
	// A copy of its own, so that one byte too far is seen.
	char *copy = malloc(bytes ? bytes : 1);
	if (bytes)
		memcpy(copy, data, bytes);
	struct slice text = slice_of(copy, bytes);
	size_t cut = slice_find(text, '\0');
	struct http_message request = {.method = HTTP_GET,
				       .content_length = HTTP_LENGTH_NONE,
				       .fields = asked,
				       .field_count = read_fields(slice_head(text, cut), asked)};
	struct http_message response = {.status = 200,
					.fields = answered,
					.field_count =
						read_fields(slice_skip(text, cut + 1), answered)};
	struct cache_request_policy request_policy;
	struct cache_response_policy policy;
	struct cache_directives directives;
	struct cache_vary vary;
	struct arena arena;
	enum counter why;
	cache_policy_request(&request, &request_policy);
	cache_directives_of_response(&response, &directives);
	cache_policy_response(&request, &response, (struct cache_times){5, 1000005}, &policy);
	CHECK(policy.is_storable == (policy.why == COUNTER_COUNT));
	if (policy.is_storable) {
		CHECK(!directives.is_private &&
		      (!directives.no_cache || policy.terms.has_validator));
		CHECK(policy.freshness.lifetime_s <= CACHE_SECONDS_MAX);
		CHECK(cache_ttl_s(&policy.freshness, 1000005) > 0 || policy.terms.has_validator ||
		      policy.terms.stale_while_s > 0);
		CHECK(cache_ttl_s(&policy.freshness, 1000005 + CACHE_SECONDS_MAX) <= 0);
	}
	arena_init(&arena, memory, sizeof(memory));
	if (cache_vary_gather(&request, &response, &arena, &vary, &why))
		CHECK(cache_vary_matches(&vary, &request)); // its own variant
	struct cache_part part = cache_part_of(&request, &response, 1000, 1000005);
	CHECK(part.first + part.bytes <= 1000);
	static struct cache_refreshed refreshed;
	if (cache_refresh_agrees(&response, &response))
		CHECK(cache_refresh(&response, &response, 1000005, &refreshed));
	free(copy);
	return 0;
}
