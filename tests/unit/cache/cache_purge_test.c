// SPDX-License-Identifier: Apache-2.0
// Purges by URL, prefix, tag and service, hard and soft; fetches that run meanwhile; their bounds
// and their price.
#include "cache_fixture.h"

#include "check.h"

#include <time.h>

static struct fixture *start(void)
{
	struct cache_limits limits = fixture_limits();
	return fixture_new(&limits);
}

static uint64_t counted(const struct fixture *f, enum counter counter)
{
	return f->counters.value[counter];
}

static bool purge(struct fixture *f, enum cache_purge_kind kind, const char *text, bool is_soft)
{
	return cache_purge(f->cache, kind, slice_str(text), is_soft);
}

#define FRESH "cache-control: max-age=60\n"

// put stores target with these fields; why it was not, or COUNTER_COUNT.
static enum counter put(struct fixture *f, const char *target, const char *fields)
{
	struct cache_answer *answer = ask(f, 0, target, "");
	CU_ASSERT_EQUAL_FATAL(answer->verdict, CACHE_FETCH);
	return respond(answer->fill, target, "", fields, target);
}

static bool has(struct fixture *f, const char *target)
{
	return is_hit(f, target, "", target);
}

static void tags_are_members_of_both_fields(void)
{
	static const struct {
		const char *fields, *tag;
		bool is_purged;
	} cases[] = {
		{FRESH "surrogate-key: one two\tthree", "two", true},
		{FRESH "surrogate-key: one two\tthree", "three", true},
		{FRESH "surrogate-key: one two", "on", false},
		{FRESH "surrogate-key: one,two", "two", false},
		{FRESH "surrogate-key: one,two", "one,two", true},
		{FRESH "cache-tag: one, two ,three", "two", true},
		{FRESH "cache-tag: one, two ,three", "three", true},
		{FRESH "cache-tag: ,,one", "one", true},
		{FRESH "surrogate-key: a\nsurrogate-key: b\ncache-tag: c", "b", true},
		{FRESH "surrogate-key: a\nsurrogate-key: b\ncache-tag: c", "c", true},
		{FRESH "x-tag: one", "one", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture *f = start();
		CU_ASSERT_EQUAL(put(f, "/a", cases[i].fields), COUNTER_COUNT);
		CU_ASSERT(purge(f, CACHE_PURGE_TAG, cases[i].tag, false));
		if (has(f, "/a") == cases[i].is_purged)
			printf("# case %zu\n", i);
		CU_ASSERT_EQUAL(has(f, "/a"), !cases[i].is_purged);
		fixture_free(f);
	}
}

static void a_prefix_is_a_directory_of_the_url(void)
{
	static const struct {
		const char *prefix, *target;
		bool is_purged;
	} cases[] = {
		{"https://h.example/", "/", true},
		{"https://h.example/", "/a/b?c", true},
		{"HTTPS://H.Example:443/a/", "/a/b", true},
		{"https://h.example/a/", "/a/", true},
		{"https://h.example/a/", "/ab/", false},
		{"https://h.example/a/", "/a", false},
		{"https://h.example/a/", "/b?/a/", false},
		{"https://h.example/a/b/", "/a/b/c/d", true},
		{"https://h.example/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/",
		 "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/x", true},
		{"http://h.example/", "/a", false},
		{"https://other.example/", "/a", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture *f = start();
		put(f, cases[i].target, FRESH);
		CU_ASSERT(purge(f, CACHE_PURGE_PREFIX, cases[i].prefix, false));
		if (has(f, cases[i].target) == cases[i].is_purged)
			printf("# case %zu\n", i);
		CU_ASSERT_EQUAL(has(f, cases[i].target), !cases[i].is_purged);
		fixture_free(f);
	}
	struct fixture *f = start();
	CU_ASSERT(!purge(f, CACHE_PURGE_PREFIX, "/a/", false));
	CU_ASSERT(!purge(f, CACHE_PURGE_URL, "a", true));
	fixture_free(f);
}

static struct slice shop(void *)
{
	return SLICE("shop");
}

static void a_service_is_purged_by_name(void)
{
	struct fixture *f = start();
	struct head head;
	struct cache_scope scope = {.service = shop};
	put(f, "/other", FRESH);
	cache_ask(f->cache, &request_of(&head, "/a", "")->message, &scope, (struct pool_id){1, 1});
	respond(f->answers[1].fill, "/a", "", FRESH, "/a");
	CU_ASSERT(purge(f, CACHE_PURGE_SERVICE, "sho", false));
	CU_ASSERT(has(f, "/a") && has(f, "/other"));
	CU_ASSERT(purge(f, CACHE_PURGE_SERVICE, "shop", false));
	CU_ASSERT(!has(f, "/a") && has(f, "/other"));
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_purges), 2);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_purged), 1);
	fixture_free(f);
}

static void a_soft_purge_makes_stale(void)
{
	static const char *const texts[CACHE_PURGE_KIND_COUNT] = {
		[CACHE_PURGE_URL] = "https://h.example/a",
		[CACHE_PURGE_PREFIX] = "https://h.example/",
		[CACHE_PURGE_TAG] = "t",
		[CACHE_PURGE_SERVICE] = "",
		[CACHE_PURGE_ALL] = "",
	};
	for (enum cache_purge_kind kind = 0; kind < CACHE_PURGE_KIND_COUNT; kind++) {
		struct fixture *f = start();
		put(f, "/a",
		    "cache-control: max-age=60, stale-while-revalidate=5\n"
		    "etag: \"e\"\nsurrogate-key: t");
		fixture_tick(f, 10000000);
		CU_ASSERT(purge(f, kind, texts[kind], true));
		fixture_tick(f, 3000000);
		// Stale since the purge, not since it came: 5861 allows five seconds.
		struct cache_answer *answer = ask(f, 1, "/a", "");
		CU_ASSERT_EQUAL(answer->verdict, CACHE_HIT);
		CU_ASSERT_EQUAL(answer->ttl_s, -3);
		CU_ASSERT_PTR_NOT_NULL(answer->fill);
		return_answer(f, answer);
		fixture_tick(f, 3000000);
		answer = ask(f, 1, "/a", "");
		CU_ASSERT_EQUAL(answer->verdict, CACHE_FETCH);
		CU_ASSERT_PTR_NOT_NULL(answer->stale);
		CU_ASSERT(answer->survives_loss);
		// What is fetched after the purge is fresh.
		cache_release(f->cache, answer->stale);
		respond(answer->fill, "/a", "", FRESH "surrogate-key: t", "new");
		CU_ASSERT(is_hit(f, "/a", "", "new"));
		fixture_free(f);
	}
}

// Fetch begins a fetch of /a, up to its head when is_begun.
static struct cache_fill *fetch(struct fixture *f, bool is_begun)
{
	struct head request, response;
	enum counter why;
	struct cache_fill *fill = ask(f, 1, "/a", "")->fill;
	request_of(&request, "/a", "");
	response_of(&response, 200, FRESH "surrogate-key: t");
	if (is_begun)
		CU_ASSERT(cache_fill_begin(fill, &request.message, &response.message, &why));
	return fill;
}

static void a_fetch_that_runs_is_not_stored(void)
{
	for (uint32_t is_begun = 0; is_begun < 2; is_begun++) {
		struct fixture *f = start();
		struct cache_fill *fill = fetch(f, is_begun);
		CU_ASSERT_PTR_NULL(ask(f, 2, "/a", ""));
		purge(f, CACHE_PURGE_TAG, "t", false);
		// Who asks now gets nothing of it where that is known to be purged.
		struct cache_answer *late = ask(f, 3, "/a", "");
		CU_ASSERT_EQUAL(f->answer_counts[2], is_begun);
		CU_ASSERT_EQUAL(late != NULL, 0);
		if (is_begun)
			cache_fill_end(fill);
		else
			respond(fill, "/a", "", FRESH "surrogate-key: t", "old");
		CU_ASSERT_EQUAL(counted(f, COUNTER_cache_not_stored_purged), 1);
		CU_ASSERT_EQUAL_FATAL(f->answers[2].verdict, CACHE_FETCH);
		respond(f->answers[2].fill, "/a", "", FRESH "surrogate-key: t", "new");
		CU_ASSERT_EQUAL(f->answers[3].verdict, CACHE_HIT);
		cache_release(f->cache, f->answers[3].object);
		CU_ASSERT(is_hit(f, "/a", "", "new"));
		fixture_free(f);
	}
}

static void a_fetch_that_runs_is_stored_stale_after_a_soft_purge(void)
{
	struct fixture *f = start();
	struct cache_fill *fill = fetch(f, true);
	purge(f, CACHE_PURGE_TAG, "t", true);
	cache_fill_end(fill);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_stored), 1);
	struct cache_answer *answer = ask(f, 2, "/a", "");
	CU_ASSERT_EQUAL(answer->verdict, CACHE_FETCH);
	CU_ASSERT_EQUAL(answer->forward, CACHE_FORWARD_STALE);
	return_answer(f, answer);
	fixture_free(f);
}

static uint64_t not_stored(const struct fixture *f)
{
	uint64_t count = 0;
	for (int i = COUNTER_cache_not_stored_status; i <= COUNTER_cache_not_stored_channel; i++)
		count += f->counters.value[i];
	return count;
}

// One response that is not stored is one count, whenever the purge comes and whatever else speaks
// against it.
static void a_purged_response_counts_once(void)
{
	static const char *const heads[] = {FRESH "surrogate-key: t", "cache-control: private"};
	for (uint32_t i = 0; i < 4; i++) {
		struct fixture *f = start();
		struct cache_fill *fill = fetch(f, false);
		if (i / 2) // by URL it is known before the head comes, by tag with the head
			cache_purge_url(f->cache, SLICE("https://h.example/a"));
		else
			purge(f, CACHE_PURGE_TAG, "t", false);
		CU_ASSERT_NOT_EQUAL(respond(fill, "/a", "", heads[i % 2], ""), COUNTER_COUNT);
		CU_ASSERT_EQUAL(not_stored(f), 1);
		fixture_free(f);
	}
}

// ask_stale asks for a response that was stored and is to be validated.
static struct cache_answer *ask_stale(struct fixture *f)
{
	put(f, "/a", "cache-control: max-age=1\netag: \"e\"\nsurrogate-key: t");
	fixture_tick(f, 2000000);
	return ask(f, 1, "/a", "");
}

// The same of a stored one that the origin confirms.
static void a_purged_confirmation_counts_once(void)
{
	struct fixture *f = start();
	struct head request, update;
	struct cache_refreshed refreshed;
	struct cache_answer *answer = ask_stale(f);
	cache_purge_url(f->cache, SLICE("https://h.example/a"));
	request_of(&request, "/a", "");
	response_of(&update, 304, FRESH "etag: \"e\"");
	CU_ASSERT(cache_validated(f->cache, &request.message, &update.message, answer, &refreshed));
	CU_ASSERT(!refreshed.is_stored);
	CU_ASSERT_EQUAL(not_stored(f), 1);
	return_answer(f, answer);
	fixture_free(f);
}

static void a_refreshed_response_keeps_its_tags(void)
{
	struct fixture *f = start();
	struct head request, update;
	struct cache_refreshed refreshed;
	struct cache_answer *answer = ask_stale(f);
	request_of(&request, "/a", "");
	response_of(&update, 304, FRESH "etag: \"e\"");
	CU_ASSERT(cache_validated(f->cache, &request.message, &update.message, answer, &refreshed));
	return_answer(f, answer);
	CU_ASSERT(has(f, "/a"));
	purge(f, CACHE_PURGE_TAG, "t", false);
	CU_ASSERT(!has(f, "/a"));
	fixture_free(f);
}

static void too_many_tags_are_not_stored(void)
{
	static char tags[4096];
	struct fixture *f = start();
	strcpy(tags, FRESH "cache-tag: 0");
	for (int i = 1; i < 256; i++)
		sprintf(tags + strlen(tags), ",%d", i);
	CU_ASSERT_EQUAL(put(f, "/a", tags), COUNTER_COUNT);
	strcat(tags, ",x");
	CU_ASSERT_EQUAL(put(f, "/b", tags), COUNTER_cache_not_stored_tags);
	sprintf(tags, FRESH "surrogate-key: a %0256d", 0);
	CU_ASSERT_EQUAL(put(f, "/c", tags), COUNTER_COUNT);
	strcat(tags, "x");
	CU_ASSERT_EQUAL(put(f, "/d", tags), COUNTER_cache_not_stored_tags);
	fixture_free(f);
}

// More labels than there is room for: too much may go, never too little; what is stored afterwards
// stays.
static void many_purges_never_miss(void)
{
	struct fixture *f = start();
	char text[64];
	for (unsigned i = 0; i < 100; i++) {
		char target[16];
		sprintf(target, "/%u", i);
		sprintf(text, FRESH "surrogate-key: t%u", i);
		put(f, target, text);
	}
	for (unsigned i = 50; i < 200000; i++) {
		sprintf(text, "t%u", i);
		purge(f, CACHE_PURGE_TAG, text, false);
		if (i == 1050) {
			unsigned left = 0;
			for (unsigned j = 0; j < 50; j++) {
				sprintf(text, "/%u", j);
				left += has(f, text);
			}
			CU_ASSERT_EQUAL(left, 50); // a thousand other tags purge nothing of these
		}
	}
	for (unsigned i = 50; i < 100; i++) {
		sprintf(text, "/%u", i);
		CU_ASSERT(!has(f, text));
	}
	store(f, "/new", "/new");
	CU_ASSERT(has(f, "/new"));
	fixture_free(f);
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// cost_ns is the least that one purge took, of many.
static uint64_t cost_ns(struct fixture *f)
{
	uint64_t least = UINT64_MAX;
	for (int i = 0; i < 1000; i++) {
		uint64_t begun = now_ns();
		purge(f, CACHE_PURGE_TAG, "all", false);
		least = MIN(least, now_ns() - begun);
	}
	return least;
}

static void a_purge_of_ten_thousand_costs_as_one(void)
{
	struct cache_limits limits = fixture_limits();
	limits.memory_bytes = 100 << 20;
	limits.object_count = 12000;
	struct fixture *f = fixture_new(&limits);
	char target[16];
	put(f, "/one", FRESH "surrogate-key: all");
	uint64_t one = cost_ns(f);
	for (unsigned i = 0; i < 10000; i++) {
		sprintf(target, "/%u", i);
		put(f, target, FRESH "surrogate-key: all");
	}
	CU_ASSERT(has(f, "/9999"));
	uint64_t many = cost_ns(f);
	printf("# one: %llu ns, 10000: %llu ns\n", (unsigned long long)one,
	       (unsigned long long)many);
	CU_ASSERT(many < one * 4 + 1000);
	CU_ASSERT(!has(f, "/0") && !has(f, "/9999"));
	// Their memory comes back in steps.
	for (int i = 0; i < 200; i++)
		fixture_tick(f, 1);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_objects), 0);
	fixture_free(f);
}

UNIT_MAIN("cache_purge",
	  {"tags are members of Surrogate-Key and Cache-Tag", tags_are_members_of_both_fields},
	  {"a prefix is a directory of the URL", a_prefix_is_a_directory_of_the_url},
	  {"a service is purged by name", a_service_is_purged_by_name},
	  {"a soft purge makes stale", a_soft_purge_makes_stale},
	  {"a fetch that runs is not stored", a_fetch_that_runs_is_not_stored},
	  {"a fetch that runs is stored stale after a soft purge",
	   a_fetch_that_runs_is_stored_stale_after_a_soft_purge},
	  {"a purged response counts once", a_purged_response_counts_once},
	  {"a purged confirmation counts once", a_purged_confirmation_counts_once},
	  {"a refreshed response keeps its tags", a_refreshed_response_keeps_its_tags},
	  {"too many tags are not stored", too_many_tags_are_not_stored},
	  {"many purges never miss", many_purges_never_miss},
	  {"a purge of ten thousand costs as one", a_purge_of_ten_thousand_costs_as_one})
