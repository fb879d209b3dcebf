// SPDX-License-Identifier: Apache-2.0
// RFC 9111 rule by rule: what may be stored, for how long, what a request allows, variants,
// conditions.
#include "cache_fixture.h"
#include "cache_policy.h"

#define NOW_S  784111777u // Sun, 06 Nov 1994 08:49:37 GMT
#define STORED COUNTER_COUNT

static const struct {
	const char *sentence;
	uint16_t status;
	const char *request, *response;
	enum counter why;
	uint64_t lifetime_s, age_s;
} response_rules[] = {
	{"max-age is the lifetime", 200, "", "cache-control: max-age=60", STORED, 60, 0},
	{"s-maxage goes before max-age", 200, "", "cache-control: max-age=60, s-maxage=10", STORED,
	 10, 0},
	{"max-age goes before Expires", 200, "",
	 "expires: Sun, 06 Nov 1994 08:50:37 GMT\ncache-control: max-age=7", STORED, 7, 0},
	{"Expires minus Date is the lifetime", 200, "",
	 "date: Sun, 06 Nov 1994 08:49:27 GMT\nexpires: Sun, 06 Nov 1994 08:50:37 GMT", STORED, 70,
	 10},
	{"Expires without Date counts from receipt", 200, "",
	 "expires: Sun, 06 Nov 1994 08:50:37 GMT", STORED, 60, 0},
	{"an invalid Expires is in the past", 200, "", "expires: 0", COUNTER_cache_not_stored_stale,
	 0, 0},
	{"no lifetime, no storing", 200, "", "etag: \"x\"", COUNTER_cache_not_stored_no_lifetime, 0,
	 0},
	{"public alone is no lifetime", 200, "", "cache-control: public",
	 COUNTER_cache_not_stored_no_lifetime, 0, 0},
	{"max-age=0 is stale on arrival", 200, "", "cache-control: max-age=0",
	 COUNTER_cache_not_stored_stale, 0, 0},
	{"an unreadable max-age is stale", 200, "", "cache-control: max-age=1x",
	 COUNTER_cache_not_stored_stale, 0, 0},
	{"a missing number is stale", 200, "", "cache-control: max-age",
	 COUNTER_cache_not_stored_stale, 0, 0},
	{"a negative number is stale", 200, "", "cache-control: max-age=-5",
	 COUNTER_cache_not_stored_stale, 0, 0},
	{"of two max-age the smaller", 200, "", "cache-control: max-age=90, max-age=60", STORED, 60,
	 0},
	{"two fields are one list", 200, "", "cache-control: public\ncache-control: max-age=60",
	 STORED, 60, 0},
	{"a number in quotes is a number", 200, "", "cache-control: max-age=\"60\"", STORED, 60, 0},
	{"a huge number is 2^31", 200, "", "cache-control: max-age=99999999999999999999999", STORED,
	 CACHE_SECONDS_MAX, 0},
	{"directives in quotes are not directives", 200, "",
	 "cache-control: x=\"no-store, private\", max-age=60", STORED, 60, 0},
	{"directives are case-insensitive", 200, "", "cache-control: No-Store, Max-Age=60",
	 COUNTER_cache_not_stored_no_store, 0, 0},
	{"a directive inside another word is none", 200, "",
	 "cache-control: xno-store, no-storex, max-age=60", STORED, 60, 0},
	{"no-store forbids", 200, "", "cache-control: no-store, max-age=60",
	 COUNTER_cache_not_stored_no_store, 0, 0},
	{"must-understand lifts no-store for a known status", 200, "",
	 "cache-control: no-store, must-understand, max-age=60", STORED, 60, 0},
	{"must-understand forbids an unknown status", 299, "",
	 "cache-control: must-understand, max-age=60", COUNTER_cache_not_stored_status, 0, 0},
	{"private forbids", 200, "", "cache-control: private, max-age=60",
	 COUNTER_cache_not_stored_private, 0, 0},
	{"private for some fields is stored", 200, "", "cache-control: private=\"x\", max-age=60",
	 STORED, 60, 0},
	{"private for fields, twice, forbids", 200, "",
	 "cache-control: private=\"x\", private=\"y\", max-age=60",
	 COUNTER_cache_not_stored_private, 0, 0},
	{"no-cache is not stored without a validator", 200, "",
	 "cache-control: no-cache, max-age=60", COUNTER_cache_not_stored_no_cache, 0, 0},
	{"no-cache with a validator is", 200, "",
	 "etag: \"x\"\ncache-control: no-cache, max-age=60", STORED, 60, 0},
	{"no-cache for some fields is stored", 200, "", "cache-control: no-cache=\"a\", max-age=60",
	 STORED, 60, 0},
	{"stale with a validator is stored", 200, "", "etag: \"x\"\ncache-control: max-age=0",
	 STORED, 0, 0},
	{"a date does not validate for who sends cookies", 200, "cookie: a=b",
	 "last-modified: Sun, 06 Nov 1994 08:00:00 GMT\ncache-control: max-age=0",
	 COUNTER_cache_not_stored_stale, 0, 0},
	{"stale to be used while it is validated is stored", 200, "",
	 "cache-control: max-age=0, stale-while-revalidate=9", STORED, 0, 0},
	{"a tenth of the time since Last-Modified", 200, "",
	 "date: Sun, 06 Nov 1994 08:49:37 GMT\nlast-modified: Sun, 06 Nov 1994 07:49:37 GMT",
	 STORED, 360, 0},
	{"but a day at most", 200, "", "last-modified: Sun, 06 Nov 1983 07:49:37 GMT", STORED,
	 CACHE_HEURISTIC_S, 0},
	{"and not for who sends cookies", 200, "cookie: a=b",
	 "last-modified: Sun, 06 Nov 1983 07:49:37 GMT", COUNTER_cache_not_stored_no_lifetime, 0,
	 0},
	{"nor for any status", 403, "", "last-modified: Sun, 06 Nov 1983 07:49:37 GMT",
	 COUNTER_cache_not_stored_no_lifetime, 0, 0},
	{"two Expires that differ are past", 200, "",
	 "expires: Sun, 06 Nov 1994 08:50:37 GMT\nexpires: Sun, 06 Nov 1994 08:51:37 GMT",
	 COUNTER_cache_not_stored_stale, 0, 0},
	{"dates are read in any case", 200, "", "expires: SUN, 06 nov 1994 08:50:37 gmt", STORED,
	 60, 0},
	{"CDN-Cache-Control goes before all", 200, "",
	 "cdn-cache-control: max-age=9\ncache-control: no-store\nexpires: 0", STORED, 9, 0},
	{"when it is a structured field", 200, "",
	 "cdn-cache-control: max-age=9,\ncache-control: max-age=60", STORED, 60, 0},
	{"in two fields too", 200, "",
	 "cdn-cache-control: max-age=9\ncdn-cache-control: s-maxage=8\ncache-control: max-age=60",
	 STORED, 8, 0},
	{"its flags with a value are set", 200, "", "cdn-cache-control: max-age=9, private=\"x\"",
	 COUNTER_cache_not_stored_private, 0, 0},
	{"its flags may be false", 200, "", "cdn-cache-control: max-age=9, private=?0", STORED, 9,
	 0},
	{"Authorization forbids", 200, "authorization: Basic eA==", "cache-control: max-age=60",
	 COUNTER_cache_not_stored_authorization, 0, 0},
	{"Authorization with public is stored", 200,
	 "authorization: Basic eA==", "cache-control: public, max-age=60", STORED, 60, 0},
	{"Authorization with s-maxage is stored", 200,
	 "authorization: Basic eA==", "cache-control: s-maxage=60", STORED, 60, 0},
	{"Authorization with must-revalidate is stored", 200,
	 "authorization: Basic eA==", "cache-control: must-revalidate, max-age=60", STORED, 60, 0},
	{"Set-Cookie forbids", 200, "", "set-cookie: a=b\ncache-control: max-age=60",
	 COUNTER_cache_not_stored_set_cookie, 0, 0},
	{"public does not override Set-Cookie", 200, "",
	 "set-cookie: a=b\ncache-control: public, s-maxage=60", COUNTER_cache_not_stored_set_cookie,
	 0, 0},
	{"a 404 with a lifetime is stored", 404, "", "cache-control: max-age=5", STORED, 5, 0},
	{"a 301 with a lifetime is stored", 301, "", "cache-control: max-age=5", STORED, 5, 0},
	{"a 404 without is not", 404, "", "", COUNTER_cache_not_stored_no_lifetime, 0, 0},
	{"206 is not stored", 206, "", "cache-control: max-age=60", COUNTER_cache_not_stored_status,
	 0, 0},
	{"304 is not stored", 304, "", "cache-control: max-age=60", COUNTER_cache_not_stored_status,
	 0, 0},
	{"1xx is not stored", 103, "", "cache-control: max-age=60", COUNTER_cache_not_stored_status,
	 0, 0},
	{"Content-Range of a 200 means nothing", 200, "",
	 "content-range: bytes 0-1/2\ncache-control: max-age=60", STORED, 60, 0},
	{"Age counts", 200, "", "age: 20\ncache-control: max-age=60", STORED, 60, 20},
	{"the older of Age and Date counts", 200, "",
	 "age: 5\ndate: Sun, 06 Nov 1994 08:49:07 GMT\ncache-control: max-age=60", STORED, 60, 30},
	{"a Date in the future is no age", 200, "",
	 "date: Sun, 06 Nov 1994 09:49:07 GMT\ncache-control: max-age=60", STORED, 60, 0},
	{"Age beyond the lifetime is stale on arrival", 200, "",
	 "age: 60\ncache-control: max-age=60", COUNTER_cache_not_stored_stale, 0, 0},
	{"a fraction in Age is no age", 200, "", "age: 9.5\ncache-control: max-age=60", STORED, 60,
	 0},
	{"of two in Age the first", 200, "", "age: 9, 5\ncache-control: max-age=60", STORED, 60, 9},
	{"garbage in Age is 0", 200, "", "age: x\ncache-control: max-age=60", STORED, 60, 0},
};

static void responses_are_stored_by_the_rules(void)
{
	for (size_t i = 0; i < sizeof(response_rules) / sizeof(response_rules[0]); i++) {
		struct head request, response;
		struct cache_response_policy policy;
		request_of(&request, "/", response_rules[i].request);
		response_of(&response, response_rules[i].status, response_rules[i].response);
		cache_policy_response(&request.message, &response.message,
				      (struct cache_times){0, NOW_S}, &policy);
		bool is_right = policy.why == response_rules[i].why &&
				policy.is_storable == (response_rules[i].why == STORED);
		if (policy.is_storable)
			is_right &=
				policy.freshness.lifetime_s == response_rules[i].lifetime_s &&
				cache_age_s(&policy.freshness, NOW_S) == response_rules[i].age_s;
		if (!is_right)
			printf("# broken rule: %s\n", response_rules[i].sentence);
		CU_ASSERT(is_right);
	}
}

static void age_adds_delay_and_residence(void)
{
	struct head request, response;
	struct cache_response_policy policy;
	request_of(&request, "/", "");
	response_of(&response, 200, "age: 10\ncache-control: max-age=60");
	cache_policy_response(&request.message, &response.message, (struct cache_times){3, NOW_S},
			      &policy);
	CU_ASSERT_EQUAL(cache_age_s(&policy.freshness, NOW_S), 13);
	CU_ASSERT_EQUAL(cache_age_s(&policy.freshness, NOW_S + 20), 33);
	CU_ASSERT_EQUAL(cache_ttl_s(&policy.freshness, NOW_S + 20), 27);
	CU_ASSERT_EQUAL(cache_ttl_s(&policy.freshness, NOW_S + 47), 0);
	CU_ASSERT_EQUAL(cache_age_s(&policy.freshness, NOW_S - 1000), 13); // the clock went back
}

static void requests_use_the_cache_by_the_rules(void)
{
	static const struct {
		const char *sentence;
		enum http_method method;
		const char *fields;
		enum cache_forward forward; // NONE: usable
		enum counter why;
	} rules[] = {
		{"GET", HTTP_GET, "", CACHE_FORWARD_NONE, 0},
		{"HEAD", HTTP_HEAD, "", CACHE_FORWARD_NONE, 0},
		{"POST", HTTP_POST, "", CACHE_FORWARD_METHOD, COUNTER_cache_pass_method},
		{"PURGE", HTTP_PURGE, "", CACHE_FORWARD_METHOD, COUNTER_cache_pass_method},
		{"no-store", HTTP_GET, "cache-control: no-store", CACHE_FORWARD_REQUEST,
		 COUNTER_cache_pass_no_store},
		{"ranges", HTTP_GET, "range: bytes=0-1", CACHE_FORWARD_NONE, 0},
		{"If-Match", HTTP_GET, "if-match: \"x\"", CACHE_FORWARD_REQUEST,
		 COUNTER_cache_pass_condition},
		{"If-Unmodified-Since", HTTP_GET,
		 "if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT", CACHE_FORWARD_REQUEST,
		 COUNTER_cache_pass_condition},
	};
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct head head;
		struct cache_request_policy policy;
		request_of(&head, "/", rules[i].fields)->message.method = rules[i].method;
		cache_policy_request(&head.message, &policy);
		CU_ASSERT_EQUAL(policy.forward, rules[i].forward);
		CU_ASSERT_EQUAL(policy.is_usable, rules[i].forward == CACHE_FORWARD_NONE);
		CU_ASSERT(policy.is_usable || policy.why == rules[i].why);
	}
	struct head head;
	struct cache_request_policy policy;
	request_of(&head, "/", "")->message.content_length = 5;
	cache_policy_request(&head.message, &policy);
	CU_ASSERT_EQUAL(policy.why, COUNTER_cache_pass_body);
	cache_policy_request(&request_of(&head, "/", "pragma: no-cache")->message, &policy);
	CU_ASSERT(policy.is_reload);
	cache_policy_request(
		&request_of(&head, "/", "pragma: no-cache\ncache-control: max-age=5")->message,
		&policy);
	CU_ASSERT(!policy.is_reload && policy.max_age_s == 5);
}

static void a_variant_is_chosen_by_the_fields_that_vary_names(void)
{
	static const struct {
		const char *vary, *stored, *asked;
		bool matches;
	} cases[] = {
		{"vary: accept", "accept: a", "accept: a", true},
		{"vary: Accept", "accept: a", "accept: b", false},
		{"vary: accept", "accept: a", "", false},
		{"vary: accept", "", "", true},
		{"vary: accept", "accept:", "", false},
		{"vary: accept", "accept: a\naccept: b", "accept: a, b", true},
		{"vary: accept", "accept: a, b", "accept: a\naccept: b", true},
		{"vary: accept", "accept: a, b", "accept: a\naccept: c", false},
		{"vary: accept", "accept: a", "accept: a\nother: x", true},
		{"vary: accept, x-y", "accept: a\nx-y: 1", "accept: a\nx-y: 2", false},
		{"vary: accept\nvary: x-y", "accept: a\nx-y: 1", "accept: a\nx-y: 1", true},
		{"vary: accept\nvary: x-y", "accept: a\nx-y: 1", "accept: a", false},
		{"vary: ,, accept ,", "accept: a", "accept: a", true},
		{"vary: x", "x: 1,2", "x:  1 ,, 2", true},
		{"vary: x", "x: 1,2", "x: 2,1", false},
		{"vary: x", "x: \"a,b\"", "x: \"a, b\"", false},
		{"vary: x", "x: \"a\\\"\",b", "x: \"a\\\"\" , b", true},
		{"vary: accept-language", "accept-language: en, de", "accept-language: DE,en",
		 true},
		{"vary: accept-language", "accept-language: en, de", "accept-language: de", false},
		{"vary: accept-encoding", "accept-encoding: gzip, br;q=0.5",
		 "accept-encoding: br;q=0.5\naccept-encoding: GZIP", true},
		{"", "accept: a", "accept: b", true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_Alignas(8) uint8_t memory[1024];
		struct arena arena;
		struct head stored, response, asked;
		struct cache_vary vary;
		enum counter why;
		arena_init(&arena, memory, sizeof(memory));
		request_of(&stored, "/", cases[i].stored);
		response_of(&response, 200, cases[i].vary);
		request_of(&asked, "/", cases[i].asked);
		CU_ASSERT(
			cache_vary_gather(&stored.message, &response.message, &arena, &vary, &why));
		CU_ASSERT_EQUAL(cache_vary_matches(&vary, &asked.message), cases[i].matches);
	}
}

static void vary_that_is_star_or_too_large_is_refused(void)
{
	static const struct {
		const char *vary;
		enum counter why;
	} cases[] = {
		{"vary: *", COUNTER_cache_not_stored_vary_any},
		{"vary: accept, *", COUNTER_cache_not_stored_vary_any},
		{"vary: a,b,c,d,e,f,g,h,i", COUNTER_cache_not_stored_vary_large},
		{"vary: a-name-that-is-far-longer-than-the-memory-it-is-given",
		 COUNTER_cache_not_stored_vary_large},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_Alignas(8) uint8_t memory[40 + 64 * (2 - 1)];
		struct arena arena;
		struct head request, response;
		struct cache_vary vary;
		enum counter why = 0;
		arena_init(&arena, memory, i == 3 ? 40 : sizeof(memory));
		request_of(&request, "/", "");
		response_of(&response, 200, cases[i].vary);
		CU_ASSERT(!cache_vary_gather(&request.message, &response.message, &arena, &vary,
					     &why));
		CU_ASSERT_EQUAL(why, cases[i].why);
	}
}

static void conditions_are_answered_from_the_stored_response(void)
{
	static const char stored_fields[] =
		"etag: W/\"a\"\nlast-modified: Sun, 06 Nov 1994 08:00:00 GMT\n"
		"date: Sun, 06 Nov 1994 08:30:00 GMT";
	static const struct {
		const char *stored, *asked;
		bool holds;
	} cases[] = {
		{stored_fields, "if-none-match: \"a\"", true}, // weak comparison
		{stored_fields, "if-none-match: W/\"a\"", true},
		{stored_fields, "if-none-match: \"b\"", false},
		{stored_fields, "if-none-match: \"b\", \"a\"", true},
		{stored_fields, "if-none-match: \"b\",W/\"a\"", true},
		{stored_fields, "if-none-match: \"b\"\nif-none-match: \"a\"", true},
		{stored_fields, "if-none-match: *", true},
		{stored_fields, "if-none-match: a", false},
		{stored_fields, "if-none-match: \"a", false},
		{"", "if-none-match: \"\"", false},
		{stored_fields, "if-modified-since: Sun, 06 Nov 1994 08:00:00 GMT", true},
		{stored_fields, "if-modified-since: Sun, 06 Nov 1994 07:59:59 GMT", false},
		{stored_fields, "if-modified-since: yesterday", false},
		{stored_fields,
		 "if-none-match: \"b\"\nif-modified-since: Sun, 06 Nov 1994 09:00:00 GMT", false},
		{"date: Sun, 06 Nov 1994 08:30:00 GMT",
		 "if-modified-since: Sun, 06 Nov 1994 08:30:00 GMT", true},
		{"", "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT", true},
		{"", "if-modified-since: Sun, 06 Nov 1994 08:49:36 GMT", false},
		{stored_fields, "", false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct head stored, asked;
		response_of(&stored, 200, cases[i].stored);
		request_of(&asked, "/", cases[i].asked);
		CU_ASSERT_EQUAL(cache_condition_holds(&asked.message, &stored.message, NOW_S),
				cases[i].holds);
		stored.message.status = 404;
		CU_ASSERT(!cache_condition_holds(&asked.message, &stored.message, NOW_S));
	}
}

static const struct {
	const char *sentence, *request, *response;
	int64_t ttl_s;
	enum cache_use use;
	bool survives_error, survives_loss;
} term_rules[] = {
	{"fresh", "", "max-age=60", 5, CACHE_USE_AS_IS, false, true},
	{"stale", "", "max-age=60", -5, CACHE_USE_VALIDATED, false, true},
	{"stale for long", "", "max-age=60", -CACHE_LOST_S - 1, CACHE_USE_VALIDATED, false, false},
	{"just stale", "", "max-age=60", 0, CACHE_USE_VALIDATED, false, true},
	{"must-revalidate", "cache-control: max-stale", "max-age=60, must-revalidate", -1,
	 CACHE_USE_VALIDATED, false, false},
	{"proxy-revalidate", "cache-control: max-stale", "max-age=60, proxy-revalidate", -1,
	 CACHE_USE_VALIDATED, false, false},
	{"s-maxage", "cache-control: max-stale", "s-maxage=60, stale-if-error=99", -1,
	 CACHE_USE_VALIDATED, false, false},
	{"no-cache", "", "max-age=60, no-cache", 5, CACHE_USE_VALIDATED, false, false},
	{"any staleness", "cache-control: max-stale", "max-age=60", -5, CACHE_USE_AS_IS, false,
	 true},
	{"as stale as allowed", "cache-control: max-stale=5", "max-age=60", -5, CACHE_USE_AS_IS,
	 false, true},
	{"more stale", "cache-control: max-stale=4", "max-age=60", -5, CACHE_USE_VALIDATED, false,
	 true},
	{"meanwhile", "", "max-age=60, stale-while-revalidate=5", -5, CACHE_USE_MEANWHILE, false,
	 true},
	{"meanwhile no more", "", "max-age=60, stale-while-revalidate=4", -5, CACHE_USE_VALIDATED,
	 false, true},
	{"stale-if-error", "", "max-age=60, stale-if-error=5", -5, CACHE_USE_VALIDATED, true, true},
	{"stale-if-error of the request", "cache-control: stale-if-error=5", "max-age=60", -5,
	 CACHE_USE_VALIDATED, true, true},
	{"stale-if-error no more", "", "max-age=60, stale-if-error=4", -5, CACHE_USE_VALIDATED,
	 false, true},
	{"too old for the request", "cache-control: max-age=9", "max-age=60", 5,
	 CACHE_USE_VALIDATED, false, true},
	{"but immutable", "cache-control: max-age=9", "max-age=60, immutable", 5, CACHE_USE_AS_IS,
	 false, true},
	{"reload", "cache-control: no-cache", "max-age=60, immutable", 5, CACHE_USE_VALIDATED,
	 false, false},
	{"authorized", "authorization: x", "max-age=60", 5, CACHE_USE_NEVER, false, false},
	{"shared", "authorization: x", "max-age=60, public", 5, CACHE_USE_AS_IS, false, true},
};

static void stored_responses_are_used_on_their_terms(void)
{
	for (size_t i = 0; i < sizeof(term_rules) / sizeof(term_rules[0]); i++) {
		struct head request, response;
		struct cache_request_policy asked;
		struct cache_response_policy policy;
		enum cache_forward forward;
		char line[100];
		snprintf(line, sizeof(line), "cache-control: %s", term_rules[i].response);
		cache_policy_request(&request_of(&request, "/", term_rules[i].request)->message,
				     &asked);
		cache_policy_response(&request.message, &response_of(&response, 200, line)->message,
				      (struct cache_times){0, NOW_S}, &policy);
		bool is_right =
			cache_policy_use(&policy.terms, &asked, 10, term_rules[i].ttl_s,
					 &forward) == term_rules[i].use &&
			cache_policy_may_survive(&policy.terms, &asked, term_rules[i].ttl_s,
						 CACHE_FAILURE_ERROR) ==
				term_rules[i].survives_error &&
			cache_policy_may_survive(&policy.terms, &asked, term_rules[i].ttl_s,
						 CACHE_FAILURE_LOST) == term_rules[i].survives_loss;
		if (!is_right)
			printf("# broken rule: %s\n", term_rules[i].sentence);
		CU_ASSERT(is_right);
	}
}

static void a_range_is_cut_out_of_the_whole(void)
{
	static const struct {
		const char *range;
		enum cache_verdict verdict;
		uint64_t first, bytes;
	} cases[] = {
		{"bytes=0-1", CACHE_PARTIAL, 0, 2},
		{"bytes=9-9", CACHE_PARTIAL, 9, 1},
		{"bytes=5-", CACHE_PARTIAL, 5, 5},
		{"bytes=-3", CACHE_PARTIAL, 7, 3},
		{"bytes=-30", CACHE_PARTIAL, 0, 10},
		{"BYTES= 2 - 3", CACHE_PARTIAL, 2, 2},
		{"bytes=0-99999", CACHE_PARTIAL, 0, 10},
		{"bytes=10-", CACHE_UNSATISFIABLE, 0, 10},
		{"bytes=-0", CACHE_UNSATISFIABLE, 0, 10},
		{"bytes=2-1", CACHE_HIT, 0, 10},
		{"bytes=-", CACHE_HIT, 0, 10},
		{"bytes=", CACHE_HIT, 0, 10},
		{"bytes=1", CACHE_HIT, 0, 10},
		{"bytes=0-1,3-4", CACHE_HIT, 0, 10},
		{"bytes=99999999999999999999-", CACHE_HIT, 0, 10},
		{"bytes=18446744073709551615-18446744073709551615", CACHE_HIT, 0, 10},
		{"pages=1-2", CACHE_HIT, 0, 10},
	};
	struct head asked, stored;
	response_of(&stored, 200, "etag: \"a\"");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[100];
		snprintf(line, sizeof(line), "range: %s", cases[i].range);
		struct cache_part part = cache_part_of(&request_of(&asked, "/", line)->message,
						       &stored.message, 10, NOW_S);
		CU_ASSERT_EQUAL(part.verdict, cases[i].verdict);
		CU_ASSERT_EQUAL(part.first, cases[i].first);
		CU_ASSERT_EQUAL(part.bytes, cases[i].bytes);
	}
	request_of(&asked, "/", "range: bytes=0-");
	CU_ASSERT_EQUAL(cache_part_of(&asked.message, &stored.message, 0, NOW_S).verdict,
			CACHE_UNSATISFIABLE);
	asked.message.method = HTTP_HEAD;
	CU_ASSERT_EQUAL(cache_part_of(&asked.message, &stored.message, 10, NOW_S).verdict,
			CACHE_HIT);
}

static void a_confirmation_updates_fields_but_not_the_body(void)
{
	struct head stored, update;
	struct cache_refreshed refreshed;
	response_of(&stored, 200, "etag: \"a\"\ncontent-type: x\nkept: 1\nnew: old\ndate: d");
	stored.message.content_length = 9;
	response_of(&update, 304, "etag: \"a\"\ncontent-type: y\nnew: new\nnew: er");
	CU_ASSERT(cache_refresh_agrees(&stored.message, &update.message));
	CU_ASSERT(cache_refresh(&stored.message, &update.message, NOW_S, &refreshed));
	const struct http_message *head = &refreshed.head;
	CU_ASSERT_EQUAL(head->status, 200);
	CU_ASSERT_EQUAL(head->field_count, 6);
	CU_ASSERT(slice_equal(http_field_find(head, SLICE("content-type")), SLICE("x")));
	CU_ASSERT(slice_equal(http_field_find(head, SLICE("kept")), SLICE("1")));
	CU_ASSERT(slice_equal(http_field_find(head, SLICE("new")), SLICE("new")));
	CU_ASSERT(slice_equal(http_field_find(head, SLICE("date")),
			      SLICE("Sun, 06 Nov 1994 08:49:37 GMT")));
	response_of(&update, 304, "etag: \"b\"");
	CU_ASSERT(!cache_refresh_agrees(&stored.message, &update.message));
	response_of(&update, 304, "");
	CU_ASSERT(cache_refresh_agrees(&stored.message, &update.message));
	response_of(&update, 200, "etag: \"a\"")->message.content_length = 8;
	CU_ASSERT(!cache_refresh_agrees(&stored.message, &update.message));
}

UNIT_MAIN("cache_policy", {"responses are stored by the rules", responses_are_stored_by_the_rules},
	  {"age adds delay and residence", age_adds_delay_and_residence},
	  {"requests use the cache by the rules", requests_use_the_cache_by_the_rules},
	  {"a variant is chosen by the fields that Vary names",
	   a_variant_is_chosen_by_the_fields_that_vary_names},
	  {"Vary that is * or too large is refused", vary_that_is_star_or_too_large_is_refused},
	  {"conditions are answered from the stored response",
	   conditions_are_answered_from_the_stored_response},
	  {"stored responses are used on their terms", stored_responses_are_used_on_their_terms},
	  {"a range is cut out of the whole", a_range_is_cut_out_of_the_whole},
	  {"a confirmation updates fields but not the body",
	   a_confirmation_updates_fields_but_not_the_body})
