// SPDX-License-Identifier: Apache-2.0
// Any bytes as request target, authority and date: what is accepted keeps its promises.
#include "check.h"
#include "http_uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct slice text = slice_of(data, bytes);
	for (enum http_method method = 0; method < HTTP_METHOD_COUNT; method++) {
		struct http_uri uri;
		if (!http_uri_parse(text, method, &uri))
			continue;
		CHECK((uri.form == HTTP_TARGET_AUTHORITY) == (uri.target.bytes == 0));
		CHECK(uri.target.bytes == 0 || uri.target.at[0] == '/' || uri.target.at[0] == '*');
		CHECK(uri.authority.bytes == 0 || http_authority_is_valid(uri.authority));
		CHECK(slice_find(uri.target, '\n') == uri.target.bytes);
	}
	uint64_t wall_s, again;
	char out[30];
	if (http_date_parse(text, &wall_s))
		CHECK(http_date_parse(slice_str(http_date(wall_s, out)), &again) &&
		      again == wall_s);
	return 0;
}
