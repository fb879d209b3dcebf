// SPDX-License-Identifier: Apache-2.0
// Memory of a shard: bytes come back as they went in, the bound holds, a scan spares what is used.
#include "cache_fixture.h"
#include "random.h"

// counted reads one counter.
static uint64_t counted(const struct fixture *f, enum counter counter)
{
	return f->counters.value[counter];
}

static char pattern(uint64_t seed, uint64_t offset)
{
	return (char)('a' + (seed * 31 + offset * 7 + offset / 251) % 26);
}

// fill_body writes bytes bytes of the seed's pattern in pieces of random size.
static bool fill_body(struct cache_fill *fill, uint64_t seed, uint64_t bytes,
		      struct random_source *random)
{
	char piece[9000];
	for (uint64_t done = 0; done < bytes;) {
		size_t length = 1 + random_below(random, sizeof(piece));
		if (length > bytes - done)
			length = bytes - done;
		for (size_t i = 0; i < length; i++)
			piece[i] = pattern(seed, done + i);
		if (!cache_fill_write(fill, slice_of(piece, length)))
			return false;
		done += length;
	}
	return true;
}

// put_object fetches target; false when it was not stored.
static bool put_object(struct fixture *f, const char *target, uint64_t seed, uint64_t bytes,
		       struct random_source *random)
{
	struct head request, response;
	enum counter why;
	struct cache_answer *answer = ask(f, 1, target, "cache-control: no-cache");
	if (!answer->fill)
		return false;
	request_of(&request, target, "");
	response_of(&response, 200,
		    "cache-control: max-age=600\nx-filler: abcdefgh\n"
		    "date: Sun, 06 Nov 1994 08:49:37 GMT");
	if (!cache_fill_begin(answer->fill, &request.message, &response.message, &why) ||
	    !fill_body(answer->fill, seed, bytes, random))
		return false;
	cache_fill_end(answer->fill);
	return true;
}

static bool has_body(const struct cache_object *object, uint64_t seed, uint64_t bytes)
{
	uint64_t offset = 0;
	if (cache_object_bytes(object) != bytes)
		return false;
	for (;;) {
		struct slice run = cache_object_read(object, offset, 5000);
		if (run.bytes == 0)
			return offset == bytes;
		for (size_t i = 0; i < run.bytes; i++)
			if (run.at[i] != pattern(seed, offset + i))
				return false;
		offset += run.bytes;
	}
}

static void bodies_of_all_sizes_come_back_as_they_went_in(void)
{
	static const uint64_t sizes[] = {0,    1,     3900,  3999,    4096,
					 4097, 32768, 40000, 1 << 20, 8 * 4096 + 1024 * 4096 + 5};
	struct cache_limits limits = fixture_limits();
	struct random_source random;
	random_init(&random, (struct siphash_key){{1, 1}});
	limits.memory_bytes = 32 << 20;
	limits.object_bytes = 8 << 20;
	struct fixture *f = fixture_new(&limits);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char target[16];
		snprintf(target, sizeof(target), "/%zu", i);
		CU_ASSERT(put_object(f, target, i, sizes[i], &random));
		struct cache_answer *answer = ask(f, 2, target, "");
		CU_ASSERT_EQUAL_FATAL(answer->verdict, CACHE_HIT);
		CU_ASSERT(has_body(answer->object, i, sizes[i]));
		cache_release(f->cache, answer->object);
	}
	cache_purge_all(f->cache);
	for (int i = 0; i < 10; i++)
		fixture_tick(f, 1);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_bytes), 0);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_objects), 0);
	fixture_free(f);
}

static void a_head_is_written_ahead_where_clients_get_all_of_it(void)
{
	static const char plain[] = "cache-control: max-age=9\ndate: Sun, 06 Nov 1994 08:49:37 GMT";
	static const char lines[] = "HTTP/1.1 200 OK\r\ncache-control: max-age=9\r\n"
				    "date: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 4\r\n";
	static const char *const others[] = {
		"cache-control: max-age=9",
		"cache-control: max-age=9\ndate: Sun, 06 Nov 1994 08:49:37 GMT\nsurrogate-key: a",
		"cache-control: max-age=9\ndate: Sun, 06 Nov 1994 08:49:37 GMT\ncache-tag: a",
		// Whatever of a date: it is there.
		"cache-control: max-age=9\ndate: now\nsurrogate-control: max-age=9",
	};
	struct cache_limits limits = fixture_limits();
	struct fixture *f = fixture_new(&limits);
	char target[] = "/0";
	for (unsigned i = 0; i <= ARRAY_LEN(others); i++, target[1]++) {
		const char *fields = i < ARRAY_LEN(others) ? others[i] : plain;
		struct cache_answer *answer = ask(f, 1, target, "");
		CU_ASSERT_EQUAL(respond(answer->fill, target, "", fields, "body"), COUNTER_COUNT);
		answer = ask(f, 1, target, "");
		CU_ASSERT_FATAL(answer && answer->verdict == CACHE_HIT);
		const struct http_written *written = cache_object_written(answer->object);
		CU_ASSERT_EQUAL(written != NULL, i == ARRAY_LEN(others));
		CU_ASSERT(!written || slice_equal(written->lines, SLICE(lines)));
		CU_ASSERT(slice_equal(cache_object_read(answer->object, 0, 9), SLICE("body")));
		return_answer(f, answer);
	}
	fixture_free(f);
}

static void too_large_a_body_is_refused_with_or_without_a_length(void)
{
	struct cache_limits limits = fixture_limits();
	struct head request, response;
	struct random_source random;
	enum counter why;
	random_init(&random, (struct siphash_key){{1, 1}});
	struct fixture *f = fixture_new(&limits);
	CU_ASSERT(put_object(f, "/fits", 1, limits.object_bytes, &random));
	CU_ASSERT(!put_object(f, "/large", 1, limits.object_bytes + 1, &random));
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_not_stored_body_large), 1);
	struct cache_fill *fill = ask(f, 1, "/b", "")->fill;
	request_of(&request, "/b", "");
	response_of(&response, 200, "cache-control: max-age=9")->message.content_length =
		limits.object_bytes + 1;
	CU_ASSERT(!cache_fill_begin(fill, &request.message, &response.message, &why));
	CU_ASSERT_EQUAL(why, COUNTER_cache_not_stored_body_large);
	char large[5000] = "cache-control: max-age=9\nx-large: ";
	memset(large + strlen(large), 'x', sizeof(large) - 1 - strlen(large));
	large[sizeof(large) - 1] = 0;
	response_of(&response, 200, large);
	fill = ask(f, 1, "/c", "")->fill;
	CU_ASSERT(!cache_fill_begin(fill, &request.message, &response.message, &why));
	CU_ASSERT_EQUAL(why, COUNTER_cache_not_stored_head_large);
	fixture_free(f);
}

static void lent_memory_is_not_taken_and_its_lack_is_named(void)
{
	struct cache_limits limits = fixture_limits();
	struct random_source random;
	struct cache_object *lent[4];
	random_init(&random, (struct siphash_key){{1, 1}});
	limits.memory_bytes = 1 << 20;
	struct fixture *f = fixture_new(&limits);
	for (int i = 0; i < 4; i++) {
		char target[4] = {'/', (char)('a' + i), 0};
		CU_ASSERT(put_object(f, target, (uint64_t)i, 180000, &random));
		lent[i] = ask(f, 2, target, "")->object;
		CU_ASSERT_PTR_NOT_NULL_FATAL(lent[i]);
	}
	CU_ASSERT(!put_object(f, "/e", 5, 180000, &random));
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_not_stored_memory), 1);
	for (int i = 0; i < 4; i++) {
		CU_ASSERT(has_body(lent[i], (uint64_t)i, 180000));
		cache_release(f->cache, lent[i]);
	}
	CU_ASSERT(put_object(f, "/e", 5, 180000, &random));
	fixture_free(f);
}

static void more_misses_than_objects_are_passed_on(void)
{
	struct cache_limits limits = fixture_limits();
	struct cache_fill *fills[3];
	limits.object_count = 2;
	struct fixture *f = fixture_new(&limits);
	fills[0] = ask(f, 1, "/a", "")->fill;
	fills[1] = ask(f, 1, "/b", "")->fill;
	CU_ASSERT_EQUAL(ask(f, 1, "/c", "")->verdict, CACHE_PASS);
	CU_ASSERT_EQUAL(counted(f, COUNTER_cache_pass_memory), 1);
	cache_fill_abandon(fills[0]);
	fills[2] = ask(f, 1, "/c", "")->fill;
	CU_ASSERT_PTR_NOT_NULL_FATAL(fills[2]);
	cache_fill_abandon(fills[1]);
	cache_fill_abandon(fills[2]);
	fixture_free(f);
}

static void a_scan_does_not_push_out_what_is_used(void)
{
	struct cache_limits limits = fixture_limits();
	struct random_source random;
	random_init(&random, (struct siphash_key){{1, 1}});
	struct fixture *f = fixture_new(&limits);
	char target[32];
	for (int i = 0; i < 50; i++) {
		snprintf(target, sizeof(target), "/hot%d", i);
		put_object(f, target, 1, 3000, &random);
		struct cache_answer *answer = ask(f, 2, target, "");
		cache_release(f->cache, answer->object);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(target, sizeof(target), "/scan%d", i);
		put_object(f, target, 1, 3000, &random);
	}
	CU_ASSERT(counted(f, COUNTER_cache_evicted) > 4000);
	for (int i = 0; i < 50; i++) {
		snprintf(target, sizeof(target), "/hot%d", i);
		struct cache_answer *answer = ask(f, 2, target, "");
		CU_ASSERT_EQUAL(answer->verdict, CACHE_HIT);
		if (answer->object)
			cache_release(f->cache, answer->object);
		if (answer->fill)
			cache_fill_abandon(answer->fill);
	}
	fixture_free(f);
}

enum { NAMES = 60, LOANS = 8 };

// What was last stored under a name, and what is lent.
struct known {
	uint64_t seed, bytes;
	bool is_stored;
	struct cache_object *object;
};

struct workload {
	struct fixture *f;
	struct random_source random;
	struct known names[NAMES];
	struct known lent[LOANS];
};

static void give_back(struct workload *w, struct known *loan)
{
	if (!loan->object)
		return;
	CU_ASSERT(has_body(loan->object, loan->seed, loan->bytes));
	cache_release(w->f->cache, loan->object);
	loan->object = NULL;
}

// A put that failed leaves the older response, which is still fresh: then any body is right.
static void get(struct workload *w, const char *path, struct known *name, struct known *loan)
{
	struct cache_answer *answer = ask(w->f, 2, path, "");
	give_back(w, loan);
	if (answer->fill)
		cache_fill_abandon(answer->fill);
	if (answer->object && name->is_stored) {
		*loan = *name;
		loan->object = answer->object;
		CU_ASSERT(has_body(loan->object, name->seed, name->bytes));
	} else if (answer->object) {
		cache_release(w->f->cache, answer->object);
	}
}

static void step(struct workload *w, uint64_t number)
{
	uint32_t index = random_below(&w->random, NAMES);
	struct known *name = &w->names[index];
	uint32_t what = random_below(&w->random, 8);
	char url[64];
	snprintf(url, sizeof(url), "https://h.example/%u", index);
	const char *path = url + strlen("https://h.example");
	if (what == 0) {
		cache_purge_url(w->f->cache, slice_str(url));
		name->is_stored = false;
	} else if (what < 4) {
		name->bytes = random_below(&w->random, 60000);
		name->seed = number;
		name->is_stored = put_object(w->f, path, number, name->bytes, &w->random);
	} else {
		get(w, path, name, &w->lent[random_below(&w->random, LOANS)]);
	}
}

// Random puts, gets, purges and loans against a plain table of what was last stored under a name.
// The cache may have forgotten anything, but what it says must be the latest, and memory stays
// bounded.
static void a_random_workload_never_lies_and_never_grows(void)
{
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct cache_limits limits = fixture_limits();
		struct workload w = {0};
		limits.memory_bytes = 600000;
		random_init(&w.random, (struct siphash_key){{seed, 9}});
		struct fixture *f = w.f = fixture_new(&limits);
		for (uint64_t number = 1; number < 400; number++) {
			fixture_tick(f, 1000);
			CU_ASSERT(counted(f, COUNTER_cache_bytes) <= limits.memory_bytes);
			step(&w, number);
		}
		for (uint32_t i = 0; i < LOANS; i++)
			give_back(&w, &w.lent[i]);
		cache_purge_all(f->cache);
		for (int i = 0; i < 10; i++)
			fixture_tick(f, 1);
		CU_ASSERT_EQUAL(counted(f, COUNTER_cache_bytes), 0);
		fixture_free(f);
	}
}

UNIT_MAIN("cache_store",
	  {"bodies of all sizes come back as they went in",
	   bodies_of_all_sizes_come_back_as_they_went_in},
	  {"a head is written ahead where clients get all of it",
	   a_head_is_written_ahead_where_clients_get_all_of_it},
	  {"too large a body or head is refused, with or without a length",
	   too_large_a_body_is_refused_with_or_without_a_length},
	  {"lent memory is not taken, and its lack is named",
	   lent_memory_is_not_taken_and_its_lack_is_named},
	  {"more misses than objects are passed on", more_misses_than_objects_are_passed_on},
	  {"a scan does not push out what is used", a_scan_does_not_push_out_what_is_used},
	  {"a random workload never lies and never grows",
	   a_random_workload_never_lies_and_never_grows})
