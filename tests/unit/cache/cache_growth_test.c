// SPDX-License-Identifier: Apache-2.0
// Who reads a response while another fetches it: who may, what they read and when they are told,
// how it ends. One shard alone: every answer comes within a call.
#include "cache_fixture.h"
#include "check.h"

#define FRESH "cache-control: max-age=60\netag: \"e\""

// One who reads an object to its end as it grows.
struct growth {
	struct cache_reader reader;
	uint32_t told_count;
};

static void on_grown(struct cache_reader *reader)
{
	container_of(reader, struct growth, reader)->told_count++;
}

static struct fixture *start(void)
{
	struct cache_limits limits = fixture_limits();
	return fixture_new(&limits);
}

static uint64_t counted(const struct fixture *f, enum counter counter)
{
	return f->counters.value[counter];
}

// begin makes asker 1 the fetcher of "/" and gives the head of its response.
static struct cache_fill *begin(struct fixture *f, const char *request_fields, const char *fields,
				uint64_t content_length)
{
	struct head request, response;
	enum counter why;
	struct cache_answer *answer = ask(f, 1, "/", request_fields);
	CU_ASSERT_FATAL(answer && answer->verdict == CACHE_FETCH);
	request_of(&request, "/", request_fields);
	response_of(&response, 200, fields)->message.content_length = content_length;
	CU_ASSERT_FATAL(cache_fill_begin(answer->fill, &request.message, &response.message, &why));
	return answer->fill;
}

static bool has_read(const struct cache_object *object, const char *text)
{
	return slice_equal(cache_object_read(object, 0, 4096), slice_str(text));
}

static void it_is_read_as_it_arrives_by_who_waited_and_who_comes(void)
{
	struct fixture *f = start();
	struct growth growth = {.told_count = 0};
	cache_reader_init(&growth.reader, on_grown);
	struct cache_fill *fill = begin(f, "", FRESH, HTTP_LENGTH_NONE);
	CU_ASSERT_PTR_NULL(ask(f, 2, "/", ""));
	CU_ASSERT(!cache_fill_is_read(fill));
	cache_fill_write(fill, SLICE("one "));
	struct cache_object *object = f->answers[2].object;
	CU_ASSERT_FATAL(f->answers[2].verdict == CACHE_HIT && object);
	CU_ASSERT(f->answers[2].is_collapsed);
	CU_ASSERT_EQUAL(f->answers[2].forward, CACHE_FORWARD_URI_MISS);
	CU_ASSERT(cache_fill_is_read(fill));
	CU_ASSERT(has_read(object, "one "));
	CU_ASSERT_EQUAL(cache_object_bytes(object), HTTP_LENGTH_NONE);
	CU_ASSERT_EQUAL(cache_object_growth(object), CACHE_GROWING);
	cache_object_await(f->cache, object, &growth.reader);
	CU_ASSERT_EQUAL(ask(f, 3, "/", "")->verdict, CACHE_HIT);
	CU_ASSERT(f->answers[3].is_collapsed);
	cache_fill_write(fill, SLICE("two "));
	CU_ASSERT_EQUAL(growth.told_count, 1);
	cache_fill_write(fill, SLICE("three")); // not told again, as it did not ask
	CU_ASSERT_EQUAL(growth.told_count, 1);
	CU_ASSERT(has_read(object, "one two three"));
	cache_object_await(f->cache, object, &growth.reader);
	cache_fill_end(fill);
	CU_ASSERT_EQUAL(growth.told_count, 2);
	CU_ASSERT_EQUAL(cache_object_growth(object), CACHE_WHOLE);
	CU_ASSERT_EQUAL(cache_object_bytes(object), 13);
	return_answer(f, &f->answers[2]);
	return_answer(f, &f->answers[3]);
	CU_ASSERT(is_hit(f, "/", "", "one two three"));
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_streamed), 2);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_collapsed), 2);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_fetch), 1);
	fixture_free(f);
}

static void a_fetch_that_fails_breaks_it_for_who_reads(void)
{
	struct fixture *f = start();
	for (int way = 0; way < 3; way++) {
		struct growth growth = {.told_count = 0};
		cache_reader_init(&growth.reader, on_grown);
		struct cache_fill *fill = begin(f, "", FRESH, 8);
		cache_fill_write(fill, SLICE("half"));
		struct cache_object *object = ask(f, 2, "/", "")->object;
		CU_ASSERT_EQUAL(cache_object_bytes(object), 8);
		cache_object_await(f->cache, object, &growth.reader);
		if (way == 0)
			cache_fill_abandon(fill);
		else if (way == 1)
			cache_fill_end(fill); // shorter than announced
		else
			cache_fill_fail(fill);
		CU_ASSERT_EQUAL(growth.told_count, 1);
		CU_ASSERT_EQUAL(cache_object_growth(object), CACHE_BROKEN);
		CU_ASSERT(has_read(object, "half"));
		return_answer(f, &f->answers[2]);
		CU_ASSERT(!is_hit(f, "/", "", "half"));
	}
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_not_stored_length), 1);
	fixture_free(f);
}

static void a_fetch_that_fails_at_once_begins_anew_for_one_who_waits(void)
{
	struct fixture *f = start();
	struct cache_fill *fill = begin(f, "", FRESH, HTTP_LENGTH_NONE);
	ask(f, 2, "/", "");
	ask(f, 3, "/", "");
	cache_fill_abandon(fill); // behind its head
	CU_ASSERT_EQUAL_FATAL(f->answers[2].verdict, CACHE_FETCH);
	CU_ASSERT_EQUAL(f->answer_counts[3], 0);
	respond(f->answers[2].fill, "/", "", FRESH, "second");
	CU_ASSERT_EQUAL_FATAL(f->answers[3].verdict, CACHE_HIT);
	CU_ASSERT(has_read(f->answers[3].object, "second"));
	return_answer(f, &f->answers[3]);
	fixture_free(f);
}

static void who_may_join(void)
{
	static const struct {
		const char *fields;
		uint64_t content_length;
		enum cache_verdict verdict;
		bool is_alone; // goes to the origin for itself
	} cases[] = {
		{"", 10, CACHE_HIT, false},
		{"", HTTP_LENGTH_NONE, CACHE_HIT, false},
		{"if-none-match: \"e\"", 10, CACHE_NOT_MODIFIED, false},
		{"if-none-match: \"x\"", 10, CACHE_HIT, false},
		{"range: bytes=2-8", 10, CACHE_PARTIAL, false},
		{"range: bytes=2-8\nif-range: \"x\"", 10, CACHE_HIT, false},
		{"range: bytes=0-1,3-4", 10, CACHE_HIT, false},
		{"range: bytes=4-", 10, CACHE_PASS, true}, // is not there yet
		{"range: bytes=-1", 10, CACHE_PASS, true},
		{"range: bytes=0-1", HTTP_LENGTH_NONE, CACHE_PASS, true},
		{"cache-control: no-cache", 10, CACHE_PASS, true},
		{"cache-control: min-fresh=90", 10, CACHE_PASS, true},
		{"authorization: Basic eA==", 10, CACHE_PASS, true},
		{"cache-control: no-store", 10, CACHE_PASS, true},
		{"cache-control: only-if-cached", 10, CACHE_PASS, true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = start();
		struct cache_fill *fill = begin(f, "", FRESH, cases[i].content_length);
		cache_fill_write(fill, SLICE("half"));
		struct cache_answer *answer = ask(f, 2, "/", cases[i].fields);
		CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
		CU_ASSERT_EQUAL(answer->verdict, cases[i].verdict);
		CU_ASSERT_EQUAL(answer->object == NULL, cases[i].is_alone);
		if (answer->verdict == CACHE_PARTIAL)
			CU_ASSERT(answer->part_first == 2 && answer->part_bytes == 7);
		return_answer(f, answer);
		cache_fill_abandon(fill);
		fixture_free(f);
	}
}

static void a_head_request_is_answered_from_the_head(void)
{
	struct fixture *f = start();
	struct head head;
	struct cache_fill *fill = begin(f, "", FRESH, 10);
	cache_fill_write(fill, SLICE("half"));
	request_of(&head, "/", "")->message.method = HTTP_HEAD;
	cache_ask(f->cache, &head.message, NULL, (struct pool_id){2, 1});
	CU_ASSERT_EQUAL_FATAL(f->answers[2].verdict, CACHE_HIT);
	CU_ASSERT_EQUAL(cache_object_bytes(f->answers[2].object), 10);
	return_answer(f, &f->answers[2]);
	cache_fill_abandon(fill);
	fixture_free(f);
}

static void other_variants_are_fetched_beside_it(void)
{
	struct fixture *f = start();
	static const char fields[] = FRESH "\nvary: accept-language";
	struct cache_fill *fill = begin(f, "accept-language: de", fields, HTTP_LENGTH_NONE);
	ask(f, 2, "/", "accept-language: de");
	ask(f, 3, "/", "accept-language: fr");
	ask(f, 4, "/", "accept-language: fr");
	cache_fill_write(fill, SLICE("drei"));
	CU_ASSERT_EQUAL(f->answers[2].verdict, CACHE_HIT);
	CU_ASSERT_EQUAL_FATAL(f->answers[3].verdict, CACHE_FETCH);
	CU_ASSERT_EQUAL(f->answer_counts[4], 0);
	CU_ASSERT_EQUAL(ask(f, 5, "/", "accept-language: de")->verdict, CACHE_HIT);
	CU_ASSERT_PTR_NULL(ask(f, 6, "/", "accept-language: it"));
	respond(f->answers[3].fill, "/", "accept-language: fr", fields, "trois");
	CU_ASSERT_EQUAL(f->answers[4].verdict, CACHE_HIT);
	CU_ASSERT(has_read(f->answers[4].object, "trois"));
	CU_ASSERT_EQUAL_FATAL(f->answers[6].verdict, CACHE_FETCH);
	for (uint32_t i = 2; i < 7; i++)
		if (i != 3)
			return_answer(f, &f->answers[i]);
	// A purge by URL ends the right of all of them.
	struct cache_fill *other = ask(f, 7, "/", "accept-language: es")->fill;
	CU_ASSERT_EQUAL(cache_purge_url(f->cache, SLICE("https://h.example/")), 1);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_not_stored_purged), 2);
	cache_fill_end(fill);
	cache_fill_abandon(other);
	CU_ASSERT(!is_hit(f, "/", "accept-language: de", "drei"));
	fixture_free(f);
}

static void nobody_joins_what_each_must_validate(void)
{
	struct fixture *f = start();
	struct cache_fill *fill =
		begin(f, "", "cache-control: no-cache\netag: \"e\"", HTTP_LENGTH_NONE);
	CU_ASSERT_EQUAL(ask(f, 2, "/", "")->verdict, CACHE_PASS);
	cache_fill_write(fill, SLICE("half"));
	CU_ASSERT_EQUAL(ask(f, 2, "/", "")->verdict, CACHE_PASS);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_pass_alone), 2);
	cache_fill_abandon(fill);
	fixture_free(f);
}

static void a_purge_lets_who_began_go_on(void)
{
	struct fixture *f = start();
	struct cache_fill *fill = begin(f, "", FRESH, HTTP_LENGTH_NONE);
	cache_fill_write(fill, SLICE("one "));
	struct cache_object *object = ask(f, 2, "/", "")->object;
	CU_ASSERT_EQUAL(cache_purge_url(f->cache, SLICE("https://h.example/")), 0);
	struct cache_answer *after = ask(f, 3, "/", "");
	CU_ASSERT_EQUAL(after->verdict, CACHE_FETCH); // what comes after the purge is newer
	return_answer(f, after);
	CU_ASSERT(cache_fill_write(fill, SLICE("two")));
	cache_fill_end(fill);
	CU_ASSERT_EQUAL(cache_object_growth(object), CACHE_WHOLE);
	CU_ASSERT(has_read(object, "one two"));
	return_answer(f, &f->answers[2]);
	CU_ASSERT(!is_hit(f, "/", "", "one two"));
	// When the last of them is gone it is of no use to go on.
	fill = begin(f, "", FRESH, HTTP_LENGTH_NONE);
	cache_fill_write(fill, SLICE("one "));
	ask(f, 2, "/", "");
	cache_purge_all(f->cache);
	return_answer(f, &f->answers[2]);
	CU_ASSERT(!cache_fill_write(fill, SLICE("two")));
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_not_stored_purged), 2);
	fixture_free(f);
}

static void what_grows_beyond_a_bound_breaks(void)
{
	struct cache_limits limits = fixture_limits();
	static char piece[60000];
	limits.object_bytes = 100000;
	struct fixture *f = fixture_new(&limits);
	struct cache_fill *fill = begin(f, "", FRESH, HTTP_LENGTH_NONE);
	CU_ASSERT(cache_fill_write(fill, slice_of(piece, sizeof(piece))));
	struct cache_object *object = ask(f, 2, "/", "")->object;
	struct cache_object *own = cache_fill_lend(fill);
	CU_ASSERT(!cache_fill_write(fill, slice_of(piece, sizeof(piece))));
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_not_stored_body_large), 1);
	CU_ASSERT_EQUAL(cache_object_growth(object), CACHE_BROKEN);
	CU_ASSERT_EQUAL(cache_object_read(own, 59999, 9).bytes, 1); // its fetcher has all it wrote
	cache_release(f->cache, own);
	return_answer(f, &f->answers[2]);
	fixture_free(f);
}

static void its_fetcher_may_read_it_and_leave(void)
{
	struct fixture *f = start();
	struct cache_fill *fill = begin(f, "", FRESH, HTTP_LENGTH_NONE);
	CU_ASSERT_PTR_NULL(cache_fill_lend(fill)); // a fetch without a body yet may pass to another
	cache_fill_write(fill, SLICE("one "));
	struct cache_object *own = cache_fill_lend(fill);
	CU_ASSERT(has_read(own, "one "));
	CU_ASSERT(!cache_fill_is_read(fill)); // by others
	ask(f, 2, "/", "");
	CU_ASSERT(cache_fill_is_read(fill));
	cache_fill_return(fill, own);
	CU_ASSERT(cache_fill_is_read(fill));
	cache_fill_write(fill, SLICE("two"));
	cache_fill_end(fill);
	CU_ASSERT(has_read(f->answers[2].object, "one two"));
	return_answer(f, &f->answers[2]);
	fixture_free(f);
}

UNIT_MAIN("cache_growth",
	  {"it is read as it arrives, by who waited and who comes",
	   it_is_read_as_it_arrives_by_who_waited_and_who_comes},
	  {"a fetch that fails breaks it for who reads",
	   a_fetch_that_fails_breaks_it_for_who_reads},
	  {"a fetch that fails at once begins anew for one who waits",
	   a_fetch_that_fails_at_once_begins_anew_for_one_who_waits},
	  {"who may join", who_may_join},
	  {"a HEAD is answered from the head", a_head_request_is_answered_from_the_head},
	  {"other variants are fetched beside it", other_variants_are_fetched_beside_it},
	  {"nobody joins what each must validate", nobody_joins_what_each_must_validate},
	  {"a purge lets who began go on", a_purge_lets_who_began_go_on},
	  {"what grows beyond a bound breaks", what_grows_beyond_a_bound_breaks},
	  {"its fetcher may read it, and leave", its_fetcher_may_read_it_and_leave})
