// SPDX-License-Identifier: Apache-2.0
// What is stale: confirmed by the origin, replaced, used meanwhile, or used because the origin
// failed; and who waits for that.
#include "cache_fixture.h"

static struct fixture *start(void)
{
	struct cache_limits limits = fixture_limits();
	return fixture_new(&limits);
}

static uint64_t counted(const struct fixture *f, enum counter counter)
{
	return f->counters.value[counter];
}

// store_as makes target stored with these fields; two seconds pass.
static void store_as(struct fixture *f, const char *target, const char *fields, const char *body)
{
	struct cache_answer *answer = ask(f, 0, target, "");
	CU_ASSERT_EQUAL_FATAL(answer->verdict, CACHE_FETCH);
	CU_ASSERT_EQUAL(respond(answer->fill, target, "", fields, body), COUNTER_COUNT);
	fixture_tick(f, 2000000);
}

// confirm answers a validation with 304; true when it was about the stored response.
static bool confirm(struct fixture *f, struct cache_answer *answer, const char *asked,
		    const char *fields, bool *is_stored)
{
	struct head request, update;
	struct cache_refreshed refreshed;
	request_of(&request, "/", asked);
	response_of(&update, 304, fields);
	bool is_done =
		cache_validated(f->cache, &request.message, &update.message, answer, &refreshed);
	*is_stored = refreshed.is_stored;
	return is_done;
}

static void a_confirmed_response_is_fresh_again_with_its_body(void)
{
	struct fixture *f = start();
	bool is_stored;
	store_as(f, "/", "etag: \"a\"\nx: 1\ncache-control: max-age=1", "body");
	for (int round = 0; round < 3; round++) {
		struct cache_answer *answer = ask(f, 1, "/", "");
		CU_ASSERT_EQUAL(answer->verdict, CACHE_FETCH);
		CU_ASSERT_EQUAL(answer->forward, CACHE_FORWARD_STALE);
		CU_ASSERT_PTR_NOT_NULL_FATAL(answer->stale);
		CU_ASSERT(cache_object_can_confirm(answer->stale));
		CU_ASSERT_PTR_NULL(ask(f, 2, "/", "")); // waits
		CU_ASSERT(confirm(f, answer, "", "etag: \"a\"\nx: 2", &is_stored));
		CU_ASSERT(is_stored && answer->verdict == CACHE_HIT && answer->age_s == 0);
		CU_ASSERT(slice_equal(cache_object_read(answer->object, 0, 9), SLICE("body")));
		return_answer(f, answer);
		CU_ASSERT_EQUAL_FATAL(f->answers[2].verdict, CACHE_HIT);
		const struct http_message *head = cache_object_head(f->answers[2].object);
		CU_ASSERT(slice_equal(http_field_find(head, SLICE("x")), SLICE("2")));
		CU_ASSERT_EQUAL(head->content_length, 4);
		return_answer(f, &f->answers[2]);
		CU_ASSERT(is_hit(f, "/", "", "body"));
		fixture_tick(f, 2000000);
	}
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_validated), 3);
	// The one that holds the body, and the newest head.
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_objects), 2);
	cache_purge_url(f->cache, SLICE("https://h.example/"));
	fixture_tick(f, 1);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_bytes), 0);
	fixture_free(f);
}

static void a_304_about_something_else_changes_nothing(void)
{
	struct fixture *f = start();
	bool is_stored;
	store_as(f, "/", "etag: \"a\"\ncache-control: max-age=1", "body");
	struct cache_answer *answer = ask(f, 1, "/", "");
	CU_ASSERT(!confirm(f, answer, "", "etag: \"b\"\ncache-control: max-age=9", &is_stored));
	CU_ASSERT_PTR_NOT_NULL(answer->fill);
	return_answer(f, answer);
	CU_ASSERT(!is_hit(f, "/", "", "body"));
	fixture_free(f);
}

static void a_client_gets_its_own_answer_from_what_was_confirmed(void)
{
	static const struct {
		const char *asked;
		enum cache_verdict verdict;
	} cases[] = {{"if-none-match: \"a\"", CACHE_NOT_MODIFIED},
		     {"if-none-match: \"b\"", CACHE_HIT},
		     {"range: bytes=1-2", CACHE_PARTIAL},
		     {"range: bytes=9-", CACHE_UNSATISFIABLE}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = start();
		bool is_stored;
		store_as(f, "/", "etag: \"a\"\ncache-control: max-age=1", "body");
		struct cache_answer *answer = ask(f, 1, "/", cases[i].asked);
		CU_ASSERT_EQUAL_FATAL(answer->verdict, CACHE_FETCH);
		CU_ASSERT(confirm(f, answer, cases[i].asked, "etag: \"a\"", &is_stored));
		CU_ASSERT_EQUAL(answer->verdict, cases[i].verdict);
		return_answer(f, answer);
		fixture_free(f);
	}
}

static void what_must_always_be_validated_queues_nobody(void)
{
	struct fixture *f = start();
	store_as(f, "/", "etag: \"a\"\ncache-control: no-cache", "body");
	struct cache_answer *first = ask(f, 1, "/", "");
	struct cache_answer *second = ask(f, 2, "/", "");
	CU_ASSERT_EQUAL_FATAL(first->verdict, CACHE_FETCH);
	CU_ASSERT_PTR_NOT_NULL_FATAL(second);
	CU_ASSERT_EQUAL(second->verdict, CACHE_PASS);
	CU_ASSERT_PTR_NOT_NULL(second->stale);
	bool is_stored;
	CU_ASSERT(confirm(f, second, "", "etag: \"a\"", &is_stored) && !is_stored);
	CU_ASSERT_EQUAL(second->verdict, CACHE_HIT);
	return_answer(f, second);
	return_answer(f, first);
	// Nor do those wait who came before it was known.
	struct cache_fill *fill = ask(f, 1, "/new", "")->fill;
	CU_ASSERT_PTR_NULL(ask(f, 2, "/new", ""));
	struct head request, response;
	enum counter why;
	request_of(&request, "/new", "");
	response_of(&response, 200, "etag: \"a\"\ncache-control: no-cache");
	CU_ASSERT(cache_fill_begin(fill, &request.message, &response.message, &why));
	CU_ASSERT_EQUAL(f->answers[2].verdict, CACHE_PASS);
	cache_fill_end(fill);
	fixture_free(f);
}

static void a_stale_response_is_used_while_one_validates_it(void)
{
	struct fixture *f = start();
	bool is_stored;
	store_as(f, "/", "etag: \"a\"\ncache-control: max-age=1, stale-while-revalidate=9", "body");
	struct cache_answer *first = ask(f, 1, "/", "");
	CU_ASSERT_EQUAL(first->verdict, CACHE_HIT);
	CU_ASSERT(first->object && first->stale && first->fill && first->ttl_s == -1);
	struct cache_answer *second = ask(f, 2, "/", "");
	CU_ASSERT(second->verdict == CACHE_HIT && !second->fill && !second->stale);
	return_answer(f, second);
	cache_release(f->cache, first->object);
	first->object = NULL;
	CU_ASSERT(confirm(f, first, "", "etag: \"a\"", &is_stored) && is_stored);
	return_answer(f, first);
	second = ask(f, 2, "/", "");
	CU_ASSERT(second->verdict == CACHE_HIT && second->ttl_s == 1);
	return_answer(f, second);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_stale), 2);
	fixture_tick(f, 20000000);
	second = ask(f, 2, "/", "");
	CU_ASSERT_EQUAL(second->verdict, CACHE_FETCH);
	return_answer(f, second);
	fixture_free(f);
}

static void a_stale_response_survives_the_origins_failure(void)
{
	struct fixture *f = start();
	struct head request;
	store_as(f, "/", "cache-control: max-age=1, stale-if-error=9", "body");
	struct cache_answer *first = ask(f, 1, "/", "");
	CU_ASSERT_EQUAL_FATAL(first->verdict, CACHE_FETCH);
	CU_ASSERT(first->survives_error && first->survives_loss);
	CU_ASSERT_PTR_NULL(ask(f, 2, "/", ""));
	cache_survive(f->cache, &request_of(&request, "/", "")->message, first);
	CU_ASSERT(first->verdict == CACHE_HIT && first->object && !first->fill);
	return_answer(f, first);
	// Those who waited are not sent to the origin that failed, one after the other.
	CU_ASSERT_EQUAL_FATAL(f->answers[2].verdict, CACHE_HIT);
	return_answer(f, &f->answers[2]);
	CU_ASSERT(is_hit(f, "/", "", "body"));
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_survived), 1);
	fixture_tick(f, 1000000); // then the origin is tried again
	CU_ASSERT(!is_hit(f, "/", "", "body"));
	fixture_tick(f, 9000000);
	first = ask(f, 1, "/", "");
	CU_ASSERT(!first->survives_error && first->survives_loss);
	return_answer(f, first);
	fixture_free(f);
}

static void a_waiter_of_another_variant_validates_its_own(void)
{
	struct fixture *f = start();
	static const char fields[] = "vary: v\netag: \"a\"\ncache-control: max-age=1";
	respond(ask(f, 0, "/", "v: 1")->fill, "/", "v: 1", fields, "one");
	fixture_tick(f, 2000000);
	struct cache_answer *first = ask(f, 1, "/", "v: 1");
	CU_ASSERT_PTR_NOT_NULL(first->stale);
	CU_ASSERT_PTR_NULL(ask(f, 2, "/", "v: 2"));
	return_answer(f, first);
	CU_ASSERT_EQUAL_FATAL(f->answers[2].verdict, CACHE_FETCH);
	CU_ASSERT_PTR_NULL(f->answers[2].stale);
	return_answer(f, &f->answers[2]);
	fixture_free(f);
}

static void a_purge_while_it_is_validated_holds(void)
{
	struct fixture *f = start();
	bool is_stored;
	store_as(f, "/", "etag: \"a\"\ncache-control: max-age=1", "body");
	struct cache_answer *answer = ask(f, 1, "/", "");
	cache_purge_url(f->cache, SLICE("https://h.example/"));
	CU_ASSERT(confirm(f, answer, "", "etag: \"a\"", &is_stored));
	CU_ASSERT(!is_stored);
	return_answer(f, answer);
	CU_ASSERT(!is_hit(f, "/", "", "body"));
	fixture_free(f);
}

static void head_validates_what_get_stored(void)
{
	struct fixture *f = start();
	struct head head, update;
	struct cache_refreshed refreshed;
	store_as(f, "/", "etag: \"a\"\ncache-control: max-age=1", "body");
	request_of(&head, "/", "")->message.method = HTTP_HEAD;
	cache_ask(f->cache, &head.message, NULL, (struct pool_id){1, 1});
	struct cache_answer *answer = &f->answers[1];
	CU_ASSERT_EQUAL_FATAL(answer->verdict, CACHE_FETCH);
	response_of(&update, 200, "etag: \"a\"\ncache-control: max-age=9");
	CU_ASSERT(cache_validated(f->cache, &head.message, &update.message, answer, &refreshed));
	CU_ASSERT(refreshed.is_stored);
	return_answer(f, answer);
	CU_ASSERT(is_hit(f, "/", "", "body"));
	fixture_free(f);
}

static void an_unsafe_request_invalidates_what_its_response_names(void)
{
	static const struct {
		const char *fields;
		bool is_gone;
	} cases[] = {{"location: /d/other", true},
		     {"content-location: other#x", true},
		     {"location: https://H.example/d/other", true},
		     {"location: https://x.example/d/other", false},
		     {"location: http://h.example/d/other", false},
		     {"location: //h.example/d/other", false},
		     {"location: ../d/other", false},
		     {"", false}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = start();
		struct head request, response;
		store(f, "/d/other", "x");
		request_of(&request, "/d/a?b/c", "")->message.method = HTTP_POST;
		response_of(&response, 201, cases[i].fields);
		cache_invalidate(f->cache, &request.message, &response.message);
		CU_ASSERT_EQUAL(is_hit(f, "/d/other", "", "x"), !cases[i].is_gone);
		fixture_free(f);
	}
}

UNIT_MAIN("cache_validate",
	  {"a confirmed response is fresh again, with its body",
	   a_confirmed_response_is_fresh_again_with_its_body},
	  {"a 304 about something else changes nothing",
	   a_304_about_something_else_changes_nothing},
	  {"a client gets its own answer from what was confirmed",
	   a_client_gets_its_own_answer_from_what_was_confirmed},
	  {"what must always be validated queues nobody",
	   what_must_always_be_validated_queues_nobody},
	  {"a stale response is used while one validates it",
	   a_stale_response_is_used_while_one_validates_it},
	  {"a stale response survives the origin's failure",
	   a_stale_response_survives_the_origins_failure},
	  {"a waiter of another variant validates its own",
	   a_waiter_of_another_variant_validates_its_own},
	  {"a purge while it is validated holds", a_purge_while_it_is_validated_holds},
	  {"HEAD validates what GET stored", head_validates_what_get_stored},
	  {"an unsafe request invalidates what its response names",
	   an_unsafe_request_invalidates_what_its_response_names})
