// SPDX-License-Identifier: Apache-2.0
// Accept-Encoding (RFC 9110 12.5.3): favourites, weights, the star, normal form.
#include "coding_accept.h"

#include "unit.h"

static struct coding_accept read_two(const char *first, const char *second)
{
	struct http_field fields[] = {{SLICE("accept-encoding"), slice_str(first)},
				      {SLICE("accept"), SLICE("gzip")},
				      {SLICE("accept-encoding"), slice_str(second)}};
	struct http_message request = {.fields = fields, .field_count = 3};
	return coding_accept_read(&request);
}

static void each_has_its_normal_form(void)
{
	static const struct {
		const char *given, *normal;
		enum coding coding;
	} rows[] = {
		{"gzip", "gzip", CODING_GZIP},
		{"gzip, deflate, br, zstd", "br, gzip, zstd", CODING_ZSTD},
		{"deflate,gzip,br", "br, gzip", CODING_BR},
		{"GZip;Q=1.000 , BR ; q=0.5", "gzip", CODING_GZIP},
		{"br;q=0.9, gzip;q=0.9, zstd;q=0.899", "br, gzip", CODING_BR},
		{"x-gzip", "gzip", CODING_GZIP},
		{"", "identity", CODING_IDENTITY},
		{"deflate, compress", "identity", CODING_IDENTITY},
		{"gzip;q=0", "identity", CODING_IDENTITY},
		{"gzip;q=0.001", "gzip", CODING_GZIP},
		{"identity", "identity", CODING_IDENTITY},
		{"identity, gzip;q=0.5", "identity", CODING_IDENTITY},
		{"identity;q=0.5, gzip;q=0.5", "gzip", CODING_GZIP},
		{"*", "br, gzip, zstd", CODING_ZSTD},
		{"*;q=0.5, zstd;q=0", "br, gzip", CODING_BR},
		{"gzip, *;q=0", "gzip, identity;q=0", CODING_GZIP},
		{"identity;q=0", "identity;q=0", CODING_IDENTITY},
		{"identity;q=0, *", "br, gzip, zstd, identity;q=0", CODING_ZSTD},
		{"identity;q=1, *;q=0", "identity", CODING_IDENTITY},
		{"gzip;q=2, br;q=1.5, zstd;q=0.0001", "identity", CODING_IDENTITY},
		{"gzip;q=, br;level=3", "identity", CODING_IDENTITY},
		{",,gzip,, ,br;q=0.3", "gzip", CODING_GZIP},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct coding_accept accept = read_two(rows[i].given, "");
		struct slice text = coding_accept_text(&accept);
		CU_ASSERT(slice_equal(text, slice_str(rows[i].normal)));
		CU_ASSERT_EQUAL(coding_accept_choose(&accept), rows[i].coding);
		struct coding_accept again = read_two(rows[i].normal, "");
		CU_ASSERT(slice_equal(coding_accept_text(&again), text));
	}
}

static void several_fields_are_one_list(void)
{
	struct coding_accept accept = read_two("gzip;q=0.2, br;q=0.1", "zstd;q=0.2");
	CU_ASSERT(slice_equal(coding_accept_text(&accept), SLICE("gzip, zstd")));
}

static void a_request_without_the_field_is_told_apart(void)
{
	struct http_message request = {0};
	struct coding_accept accept = coding_accept_read(&request);
	CU_ASSERT(!accept.is_given && !accept.refuses_identity && accept.codings == 0);
}

UNIT_MAIN("coding_accept", {"each has its normal form", each_has_its_normal_form},
	  {"several fields are one list", several_fields_are_one_list},
	  {"a request without the field is told apart", a_request_without_the_field_is_told_apart})
