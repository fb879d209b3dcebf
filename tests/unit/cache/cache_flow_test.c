// SPDX-License-Identifier: Apache-2.0
// One shard alone: miss, fetch, waiters, hit, conditions, purge, and every way a fetch can end.
// With one worker every answer comes within a call.
#include "cache_fixture.h"
#include "cache_status.h"

static struct fixture *start(void)
{
	struct cache_limits limits = fixture_limits();
	return fixture_new(&limits);
}

// counted reads one counter.
static uint64_t counted(const struct fixture *f, enum counter counter)
{
	return f->counters.value[counter];
}

static void a_miss_is_fetched_and_the_next_one_is_a_hit(void)
{
	struct fixture *f = start();
	struct head request, response;
	enum counter why;
	struct cache_answer *answer = ask(f, 1, "/a", "");
	CU_ASSERT_EQUAL(answer->verdict, CACHE_FETCH);
	CU_ASSERT_EQUAL(answer->forward, CACHE_FORWARD_URI_MISS);
	request_of(&request, "/a", "");
	response_of(
		&response, 404,
		"age: 7\ncache-status: x; hit\ncache-control: max-age=60\netag: \"e\"\nx-empty:");
	CU_ASSERT(cache_fill_begin(answer->fill, &request.message, &response.message, &why));
	CU_ASSERT(cache_fill_write(answer->fill, SLICE("hel")));
	CU_ASSERT(cache_fill_write(answer->fill, SLICE("lo")));
	cache_fill_end(answer->fill);
	fixture_tick(f, 10000000);
	answer = ask(f, 2, "/a", "");
	CU_ASSERT_EQUAL_FATAL(answer->verdict, CACHE_HIT);
	CU_ASSERT_EQUAL(answer->age_s, 17);
	CU_ASSERT_EQUAL(answer->ttl_s, 43);
	const struct http_message *head = cache_object_head(answer->object);
	CU_ASSERT_EQUAL(head->status, 404);
	CU_ASSERT_EQUAL(head->content_length, 5);
	CU_ASSERT_EQUAL(head->field_count, 3);
	CU_ASSERT(slice_equal(http_field_find(head, SLICE("etag")), SLICE("\"e\"")));
	CU_ASSERT_PTR_NULL(http_field_find(head, SLICE("age")).at);
	CU_ASSERT_PTR_NULL(http_field_find(head, SLICE("cache-status")).at);
	CU_ASSERT_EQUAL(cache_object_bytes(answer->object), 5);
	CU_ASSERT(slice_equal(cache_object_read(answer->object, 1, 3), SLICE("ell")));
	CU_ASSERT_EQUAL(cache_object_read(answer->object, 5, 3).bytes, 0);
	cache_release(f->cache, answer->object);
	fixture_tick(f, 43000000);
	answer = ask(f, 2, "/a", "");
	CU_ASSERT_EQUAL(answer->verdict, CACHE_FETCH);
	CU_ASSERT_EQUAL(answer->forward, CACHE_FORWARD_STALE);
	return_answer(f, answer);
	fixture_free(f);
}

// RFC 9111 4.2.3: the delay is that of the response, not of the second that turned meanwhile.
static void a_short_delay_over_the_turn_of_a_second_is_no_age(void)
{
	struct fixture *f = start();
	fixture_tick(f, 990000);
	struct cache_answer *answer = ask(f, 1, "/a", "");
	fixture_tick(f, 20000);
	CU_ASSERT_EQUAL(respond(answer->fill, "/a", "", "cache-control: max-age=1", "x"),
			COUNTER_COUNT);
	answer = ask(f, 1, "/a", "");
	CU_ASSERT_EQUAL(answer->verdict, CACHE_HIT);
	CU_ASSERT_EQUAL(answer->age_s, 0);
	return_answer(f, answer);
	answer = ask(f, 1, "/b", "");
	fixture_tick(f, 1000000);
	CU_ASSERT_EQUAL(respond(answer->fill, "/b", "", "cache-control: max-age=1", "x"),
			COUNTER_cache_not_stored_stale);
	fixture_free(f);
}

static void keys_are_scheme_authority_and_target_byte_for_byte(void)
{
	static const struct {
		const char *scheme, *authority, *target;
		bool is_same;
	} cases[] = {
		{"https", "h.example", "/a?b=C", true},
		{"https", "H.Example", "/a?b=C", true},
		{"https", "h.example:443", "/a?b=C", true},
		{"https", "h.example:8443", "/a?b=C", false},
		{"http", "h.example", "/a?b=C", false},
		{"https", "h.example", "/a?b=c", false},
		{"https", "h.example", "/a%3Fb=C", false},
		{"https", "h.example", "/a", false},
		{"https", "h.exampl", "e/a?b=C", false},
	};
	struct fixture *f = start();
	struct head head;
	store(f, "/a?b=C", "x");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request_of(&head, cases[i].target, "");
		head.message.scheme = slice_str(cases[i].scheme);
		head.message.authority = slice_str(cases[i].authority);
		cache_ask(f->cache, &head.message, NULL, (struct pool_id){1, 1});
		CU_ASSERT_EQUAL(f->answers[1].verdict == CACHE_HIT, cases[i].is_same);
		if (f->answers[1].object)
			cache_release(f->cache, f->answers[1].object);
		if (f->answers[1].fill)
			cache_fill_abandon(f->answers[1].fill);
	}
	char large[5000];
	memset(large, 'a', sizeof(large));
	large[0] = '/';
	large[sizeof(large) - 1] = 0;
	CU_ASSERT_EQUAL(ask(f, 1, large, "")->verdict, CACHE_PASS);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_pass_key_large), 2); // and the one without a path
	fixture_free(f);
}

static void waiters_get_what_one_fetched(void)
{
	struct fixture *f = start();
	struct cache_fill *fill = ask(f, 1, "/", "")->fill;
	for (uint32_t i = 2; i < 9; i++)
		CU_ASSERT_PTR_NULL(ask(f, i, "/", ""));
	CU_ASSERT_EQUAL(ask(f, 9, "/", "if-none-match: \"x\"")->verdict, CACHE_PASS);
	cache_cancel(f->cache, (struct pool_id){5, 1});
	respond(fill, "/", "", "cache-control: max-age=9", "body");
	for (uint32_t i = 2; i < 9; i++) {
		CU_ASSERT_EQUAL(f->answer_counts[i], i != 5);
		if (i == 5)
			continue;
		CU_ASSERT_EQUAL(f->answers[i].verdict, CACHE_HIT);
		CU_ASSERT(f->answers[i].is_collapsed);
		cache_release(f->cache, f->answers[i].object);
	}
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_fetch), 1);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_collapsed), 6);
	fixture_free(f);
}

static void a_body_shorter_than_announced_is_not_stored(void)
{
	struct fixture *f = start();
	struct head request, response;
	enum counter why;
	struct cache_fill *fill = ask(f, 1, "/", "")->fill;
	request_of(&request, "/", "");
	response_of(&response, 200, "cache-control: max-age=9")->message.content_length = 10;
	CU_ASSERT(cache_fill_begin(fill, &request.message, &response.message, &why));
	cache_fill_write(fill, SLICE("short"));
	cache_fill_end(fill);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_not_stored_length), 1);
	CU_ASSERT(!is_hit(f, "/", "", "short"));
	fixture_free(f);
}

static void what_is_not_storable_releases_all_and_is_remembered_for_a_while(void)
{
	struct fixture *f = start();
	struct cache_fill *fill = ask(f, 1, "/", "")->fill;
	ask(f, 2, "/", "");
	ask(f, 3, "/", "");
	CU_ASSERT_EQUAL(respond(fill, "/", "", "cache-control: private", ""),
			COUNTER_cache_not_stored_private);
	CU_ASSERT_EQUAL(f->answers[2].verdict, CACHE_PASS);
	CU_ASSERT_EQUAL(f->answers[3].verdict, CACHE_PASS);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_pass_released), 2);
	CU_ASSERT_EQUAL(ask(f, 1, "/", "")->verdict, CACHE_PASS);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_pass_marked), 1);
	fixture_tick(f, 2000000);
	fill = ask(f, 1, "/", "")->fill;
	CU_ASSERT_PTR_NOT_NULL_FATAL(fill);
	cache_fill_abandon(fill);
	fixture_free(f);
}

static void authorization_of_one_does_not_keep_others_from_the_cache(void)
{
	struct fixture *f = start();
	static const char secret[] = "authorization: Basic eA==";
	struct cache_fill *fill = ask(f, 1, "/", secret)->fill;
	ask(f, 2, "/", "");
	CU_ASSERT_EQUAL(ask(f, 3, "/", secret)->verdict, CACHE_PASS);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_pass_alone), 1);
	CU_ASSERT_EQUAL(respond(fill, "/", secret, "cache-control: max-age=9", "own"),
			COUNTER_cache_not_stored_authorization);
	CU_ASSERT_EQUAL_FATAL(f->answers[2].verdict, CACHE_FETCH);
	respond(f->answers[2].fill, "/", "", "cache-control: max-age=9", "all");
	CU_ASSERT(is_hit(f, "/", "", "all"));
	// Stored for anyone, but not said to be for those who authenticate.
	CU_ASSERT(!is_hit(f, "/", secret, "all"));
	CU_ASSERT_EQUAL(f->answers[63].forward, CACHE_FORWARD_REQUEST);
	respond(ask(f, 1, "/p", secret)->fill, "/p", secret, "cache-control: public, max-age=9",
		"pub");
	CU_ASSERT(is_hit(f, "/p", secret, "pub"));
	fixture_free(f);
}

static void request_directives_are_obeyed(void)
{
	static const struct {
		const char *fields;
		enum cache_verdict verdict;
		enum cache_forward forward;
	} cases[] = {
		{"cache-control: max-age=10", CACHE_HIT, CACHE_FORWARD_NONE},
		{"cache-control: max-age=9", CACHE_FETCH, CACHE_FORWARD_REQUEST},
		{"cache-control: min-fresh=50", CACHE_HIT, CACHE_FORWARD_NONE},
		{"cache-control: min-fresh=51", CACHE_FETCH, CACHE_FORWARD_REQUEST},
		{"cache-control: no-cache", CACHE_FETCH, CACHE_FORWARD_REQUEST},
		{"pragma: no-cache", CACHE_FETCH, CACHE_FORWARD_REQUEST},
		{"cache-control: only-if-cached", CACHE_HIT, CACHE_FORWARD_NONE},
		{"cache-control: only-if-cached, no-cache", CACHE_PASS, CACHE_FORWARD_NONE},
		{"cache-control: no-store", CACHE_PASS, CACHE_FORWARD_REQUEST},
		{"range: bytes=0-1", CACHE_PARTIAL, CACHE_FORWARD_NONE},
		{"range: bytes=7-", CACHE_UNSATISFIABLE, CACHE_FORWARD_NONE},
		{"if-none-match: *", CACHE_NOT_MODIFIED, CACHE_FORWARD_NONE},
		{"if-none-match: \"other\"", CACHE_HIT, CACHE_FORWARD_NONE},
		{"if-none-match: \"x\"\ncache-control: no-cache", CACHE_PASS,
		 CACHE_FORWARD_REQUEST},
	};
	struct fixture *f = start();
	store(f, "/", "x");
	fixture_tick(f, 10000000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cache_answer *answer = ask(f, 1, "/", cases[i].fields);
		CU_ASSERT_EQUAL(answer->verdict, cases[i].verdict);
		CU_ASSERT_EQUAL(answer->forward, cases[i].forward);
		return_answer(f, answer);
	}
	CU_ASSERT_EQUAL(ask(f, 1, "/none", "cache-control: only-if-cached")->verdict, CACHE_PASS);
	CU_ASSERT_EQUAL(f->answers[1].forward, CACHE_FORWARD_NONE);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_only_if_cached), 2);
	fixture_free(f);
}

static void head_uses_what_get_stored_and_never_fills(void)
{
	struct fixture *f = start();
	struct head head;
	request_of(&head, "/", "")->message.method = HTTP_HEAD;
	cache_ask(f->cache, &head.message, NULL, (struct pool_id){1, 1});
	CU_ASSERT_EQUAL(f->answers[1].verdict, CACHE_PASS);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_pass_cannot_fill), 1);
	store(f, "/", "x");
	cache_ask(f->cache, &head.message, NULL, (struct pool_id){1, 1});
	CU_ASSERT_EQUAL_FATAL(f->answers[1].verdict, CACHE_HIT);
	cache_release(f->cache, f->answers[1].object);
	fixture_free(f);
}

static void variants_live_side_by_side(void)
{
	struct fixture *f = start();
	static const char fields[] = "vary: accept-language\ncache-control: max-age=60";
	const char *const asked[] = {"accept-language: de", "accept-language: fr", ""};
	for (int i = 0; i < 3; i++) {
		struct cache_answer *answer = ask(f, 1, "/", asked[i]);
		CU_ASSERT_EQUAL(answer->forward,
				i ? CACHE_FORWARD_VARY_MISS : CACHE_FORWARD_URI_MISS);
		respond(answer->fill, "/", asked[i], fields, asked[i]);
	}
	for (int i = 0; i < 3; i++)
		CU_ASSERT(is_hit(f, "/", asked[i], asked[i]));
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_stored), 3);
	// A waiter of another variant fetches its own.
	struct cache_fill *fill = ask(f, 1, "/", "accept-language: it")->fill;
	CU_ASSERT_PTR_NULL(ask(f, 2, "/", "accept-language: es"));
	respond(fill, "/", "accept-language: it", fields, "it");
	CU_ASSERT_EQUAL_FATAL(f->answers[2].verdict, CACHE_FETCH);
	respond(f->answers[2].fill, "/", "accept-language: es", fields, "es");
	CU_ASSERT_EQUAL(cache_purge_url(f->cache, SLICE("https://h.example/")), 5);
	CU_ASSERT(!is_hit(f, "/", "accept-language: es", "es"));
	// A stranger's variants do not grow without bound.
	for (int i = 0; i < 40; i++) {
		char line[40];
		snprintf(line, sizeof(line), "accept-language: x%d", i);
		respond(ask(f, 1, "/", line)->fill, "/", line, fields, "x");
	}
	CU_ASSERT_EQUAL(cache_purge_url(f->cache, SLICE("https://h.example/")), 16);
	fixture_free(f);
}

static void a_new_response_replaces_the_old_one(void)
{
	struct fixture *f = start();
	store(f, "/", "old");
	struct cache_answer *lent = ask(f, 2, "/", "");
	struct cache_object *old = lent->object;
	struct cache_fill *fill = ask(f, 1, "/", "cache-control: no-cache")->fill;
	respond(fill, "/", "", "cache-control: max-age=9", "new");
	CU_ASSERT(is_hit(f, "/", "", "new"));
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_replaced), 1);
	CU_ASSERT(slice_equal(cache_object_read(old, 0, 9), SLICE("old")));
	cache_release(f->cache, old);
	fixture_free(f);
}

static void a_wait_is_bounded_in_time_and_number(void)
{
	struct fixture *f = start();
	char fields[9000] = "x-large: ";
	struct cache_fill *fill = ask(f, 60, "/", "")->fill;
	uint32_t passed = 0;
	for (uint32_t i = 0; i < 20; i++)
		passed += ask(f, i, "/", "") != NULL;
	CU_ASSERT_EQUAL(passed, 4);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_pass_waiters), 4);
	fixture_tick(f, 999999);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_waiting), 16);
	fixture_tick(f, 1);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_pass_wait_long), 16);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_waiting), 0);
	memset(fields + 9, 'a', sizeof(fields) - 10);
	CU_ASSERT_EQUAL(ask(f, 1, "/", fields)->verdict, CACHE_PASS);
	cache_fill_abandon(fill);
	fixture_free(f);
}

static void a_purge_forgets_and_dooms_running_fetches(void)
{
	struct fixture *f = start();
	struct head request, response;
	enum counter why;
	store(f, "/a", "a");
	store(f, "/b", "b");
	CU_ASSERT_EQUAL(cache_purge_url(f->cache, SLICE("HTTPS://H.example:443/a")), 1);
	CU_ASSERT_EQUAL(cache_purge_url(f->cache, SLICE("https://h.example/a")), 0);
	CU_ASSERT_EQUAL(cache_purge_url(f->cache, SLICE("no url")), 0);
	CU_ASSERT(!is_hit(f, "/a", "", "a") && is_hit(f, "/b", "", "b"));
	struct cache_fill *before = ask(f, 1, "/c", "")->fill;
	request_of(&request, "/c", "");
	response_of(&response, 200, "cache-control: max-age=9");
	cache_fill_begin(before, &request.message, &response.message, &why);
	ask(f, 2, "/c", "");
	struct cache_fill *not_begun = ask(f, 3, "/d", "")->fill;
	struct cache_fill *ended = ask(f, 4, "/e", "")->fill;
	cache_fill_begin(ended, &request.message, &response.message, &why);
	cache_purge_all(f->cache);
	CU_ASSERT(!is_hit(f, "/b", "", "b"));
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_not_stored_purged), 3);
	// The waiter fetches anew; what was asked before the purge is not stored.
	CU_ASSERT_EQUAL_FATAL(f->answers[2].verdict, CACHE_FETCH);
	CU_ASSERT(!cache_fill_write(before, SLICE("x")));
	CU_ASSERT(!cache_fill_begin(not_begun, &request.message, &response.message, &why));
	CU_ASSERT_EQUAL(why, COUNTER_cache_not_stored_purged);
	cache_fill_end(ended);
	respond(f->answers[2].fill, "/c", "", "cache-control: max-age=9", "new");
	CU_ASSERT(is_hit(f, "/c", "", "new"));
	for (int i = 0; i < 10; i++)
		fixture_tick(f, 1);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_objects), 1);
	fixture_free(f);
}

static void an_unsafe_request_invalidates_its_target(void)
{
	struct fixture *f = start();
	struct head head;
	store(f, "/", "x");
	request_of(&head, "/", "")->message.method = HTTP_POST;
	struct head answer;
	response_of(&answer, 200, "");
	cache_invalidate(f->cache, &head.message, &answer.message);
	CU_ASSERT(!is_hit(f, "/", "", "x"));
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_invalidated), 1);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_purged), 1);
	fixture_free(f);
}

static void the_status_field_says_what_happened(void)
{
	static const struct {
		struct cache_answer answer;
		bool is_answered, is_stored;
		uint16_t status;
		const char *text;
	} cases[] = {
		{{.verdict = CACHE_HIT, .ttl_s = 376},
		 true,
		 false,
		 0,
		 "millrace-e-1; hit; ttl=376"},
		{{.verdict = CACHE_NOT_MODIFIED, .ttl_s = 1, .is_collapsed = true},
		 true,
		 false,
		 0,
		 "millrace-e-1; hit; ttl=1"},
		{{.verdict = CACHE_FETCH, .forward = CACHE_FORWARD_URI_MISS},
		 true,
		 true,
		 200,
		 "millrace-e-1; fwd=uri-miss; fwd-status=200; stored"},
		{{.verdict = CACHE_FETCH, .forward = CACHE_FORWARD_STALE, .is_collapsed = true},
		 true,
		 false,
		 0,
		 "millrace-e-1; fwd=stale; collapsed"},
		{{.verdict = CACHE_PASS, .forward = CACHE_FORWARD_METHOD},
		 true,
		 false,
		 201,
		 "millrace-e-1; fwd=method; fwd-status=201"},
		{{.verdict = CACHE_PASS}, true, false, 0, "millrace-e-1"},
		{{.verdict = CACHE_HIT}, false, false, 0, "millrace-e-1"},
	};
	char text[CACHE_STATUS_BYTES], name[CACHE_STATUS_NAME_BYTES];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cache_status status = {.name = cache_status_name("e 1", name),
					      .answer = &cases[i].answer,
					      .is_answered = cases[i].is_answered,
					      .is_stored = cases[i].is_stored,
					      .forward_status = cases[i].status};
		size_t bytes = cache_status_format(&status, text, sizeof(text));
		CU_ASSERT(slice_equal(slice_of(text, bytes), slice_str(cases[i].text)));
		CU_ASSERT_EQUAL(cache_status_format(&status, text, bytes - 1), 0);
	}
}

UNIT_MAIN("cache_flow",
	  {"a miss is fetched and the next one is a hit",
	   a_miss_is_fetched_and_the_next_one_is_a_hit},
	  {"a short delay over the turn of a second is no age",
	   a_short_delay_over_the_turn_of_a_second_is_no_age},
	  {"keys are scheme, authority and target byte for byte",
	   keys_are_scheme_authority_and_target_byte_for_byte},
	  {"waiters get what one fetched", waiters_get_what_one_fetched},
	  {"a body shorter than announced is not stored",
	   a_body_shorter_than_announced_is_not_stored},
	  {"what is not storable releases all and is remembered for a while",
	   what_is_not_storable_releases_all_and_is_remembered_for_a_while},
	  {"Authorization of one does not keep others from the cache",
	   authorization_of_one_does_not_keep_others_from_the_cache},
	  {"request directives are obeyed", request_directives_are_obeyed},
	  {"HEAD uses what GET stored and never fills", head_uses_what_get_stored_and_never_fills},
	  {"variants live side by side, and are bounded", variants_live_side_by_side},
	  {"a new response replaces the old one, which lives while lent",
	   a_new_response_replaces_the_old_one},
	  {"a wait is bounded in time and number", a_wait_is_bounded_in_time_and_number},
	  {"a purge forgets and dooms running fetches", a_purge_forgets_and_dooms_running_fetches},
	  {"an unsafe request invalidates its target", an_unsafe_request_invalidates_its_target},
	  {"the status field says what happened", the_status_field_says_what_happened})
