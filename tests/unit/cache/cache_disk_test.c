// SPDX-License-Identifier: Apache-2.0
// The second tier, with a file and its thread played by hand: what was asked for again comes back
// from the disk, also in the next life; what was purged, replaced, invalidated, rotten or may have
// been missed never does; every bound has its counter.
#include "cache_disk_fixture.h"

static void what_memory_forgets_comes_from_the_disk(void)
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH, 1);
	put(f, "/once", "", FRESH, 1);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_written], 1);
	forget_memory(f);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'd');
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'h');
	CU_ASSERT_EQUAL(got(f, "/once", "", 1), 'f');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read], 1);
	end(f);
}

static void it_survives_a_restart_with_its_age(void)
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH "\nx: y\netag: \"1\"", 1);
	fixture_tick(f, 100000000);
	uint64_t wall_s = f->wall_s + f->now_us / 1000000;
	end(f);
	f = live();
	f->wall_s = wall_s - 1;
	fixture_tick(f, 0);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f'); // not walked yet
	walk(f);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_found], 1);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f'); // control has not said what it knows
	cache_disk_known(f->cache, 0, 0);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'd');
	CU_ASSERT(f->answers[1].age_s >= 100 && f->answers[1].ttl_s <= 500);
	struct cache_answer *answer = ask(f, 2, "/a", "");
	const struct http_message *head = cache_object_head(answer->object);
	CU_ASSERT(head->status == 200 && head->content_length == BODY_BYTES);
	CU_ASSERT(slice_equal(head->fields[1].value, SLICE("y")));
	return_answer(f, answer);
	answer = ask(f, 2, "/a", "if-none-match: \"1\"");
	CU_ASSERT_EQUAL(answer->verdict, CACHE_NOT_MODIFIED);
	return_answer(f, answer);
	fixture_tick(f, 600000000);
	end(f);
	f = live(); // stale by now: to be validated
	f->wall_s = wall_s + 700;
	fixture_tick(f, 0);
	walk(f);
	cache_disk_known(f->cache, 0, 0);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 's');
	end(f);
}

static void purges_hold_in_the_next_life(void)
{
	static const struct {
		enum cache_purge_kind kind;
		const char *text;
	} purges[] = {
		{CACHE_PURGE_URL, "https://h.example/dir/a"},
		{CACHE_PURGE_PREFIX, "https://h.example/dir/"},
		{CACHE_PURGE_TAG, "red"},
		{CACHE_PURGE_SERVICE, ""},
		{CACHE_PURGE_ALL, ""},
	};
	uint64_t sequence = 0;
	struct fixture *f = begin();
	for (unsigned i = 0; i < ARRAY_LEN(purges) * 2; i++) {
		bool is_soft = i % 2;
		keep(f, "/dir/a", FRESH "\ncache-tag: red\netag: \"1\"", (char)i);
		keep(f, "/b", FRESH, 9);
		f = again(f, sequence);
		CU_ASSERT_EQUAL(got(f, "/dir/a", "", (char)i), 'd');
		CU_ASSERT(cache_purge(f->cache, purges[i / 2].kind, slice_str(purges[i / 2].text),
				      is_soft));
		cache_disk_purged(f->cache, ++sequence);
		f = again(f, sequence);
		CU_ASSERT_EQUAL(got(f, "/dir/a", "", (char)i), is_soft ? 's' : 'f');
		char meant = is_soft ? 's' : 'f';
		CU_ASSERT_EQUAL(got(f, "/b", "", 9),
				purges[i / 2].kind < CACHE_PURGE_SERVICE ? 'd' : meant);
		// What is stored since is not meant.
		cache_purge_all(f->cache);
		cache_disk_purged(f->cache, ++sequence);
	}
	end(f);
}

static void a_purge_that_was_missed_makes_all_of_it_useless(void)
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH, 1);
	CU_ASSERT(cache_purge(f->cache, CACHE_PURGE_TAG, SLICE("x"), false));
	cache_disk_purged(f->cache, 7);
	f = again(f, 7);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'd');
	f = again(f, 8);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_lost], 1);
	keep(f, "/b", FRESH, 2);
	f = again(f, 8); // nor does it come back
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	CU_ASSERT_EQUAL(got(f, "/b", "", 2), 'd');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_lost], 0);
	end(f);
	f = live(); // two may have been missed: they come again
	walk(f);
	cache_disk_known(f->cache, 10, 2);
	CU_ASSERT_EQUAL(got(f, "/b", "", 2), 'd');
	CU_ASSERT(cache_purge(f->cache, CACHE_PURGE_TAG, SLICE("y"), false));
	cache_disk_purged(f->cache, 10);
	CU_ASSERT_EQUAL(got(f, "/b", "", 2), 'h');
	end(f);
	f = live(); // or three, which is one too many
	walk(f);
	cache_disk_known(f->cache, 14, 3);
	CU_ASSERT_EQUAL(got(f, "/b", "", 2), 'f');
	keep(f, "/b", FRESH, 2);
	end(f);
	f = live(); // none that we know of is not known there: another registry
	walk(f);
	cache_disk_known(f->cache, 13, 9);
	CU_ASSERT_EQUAL(got(f, "/b", "", 2), 'f');
	keep(f, "/b", FRESH, 2);
	f = again(f, 3); // another registry
	CU_ASSERT_EQUAL(got(f, "/b", "", 2), 'f');
	f = again(f, 8);
	CU_ASSERT_EQUAL(got(f, "/b", "", 2), 'f');
	end(f);
}

static void what_is_replaced_or_invalidated_does_not_come_back(void)
{
	struct head request, response;
	struct fixture *f = begin();
	keep(f, "/a", FRESH, 1);
	keep(f, "/b", FRESH, 1);
	struct cache_answer *answer = ask(f, 2, "/a", "cache-control: no-cache");
	CU_ASSERT_FATAL(answer && answer->fill);
	char small[] = "newer"; // too small for the disk
	CU_ASSERT_EQUAL(respond(answer->fill, "/a", "", FRESH, small), COUNTER_COUNT);
	answer->fill = NULL;
	return_answer(f, answer);
	request_of(&request, "/b", "");
	request.message.method = HTTP_POST;
	cache_invalidate(f->cache, &request.message, &response_of(&response, 200, "")->message);
	f = again(f, 0);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	CU_ASSERT_EQUAL(got(f, "/b", "", 1), 'f');
	// The same while the walk is not over yet.
	keep(f, "/a", FRESH, 2);
	keep(f, "/b", FRESH, 2);
	keep(f, "/c", FRESH, 2);
	end(f);
	f = live();
	put(f, "/a", "", FRESH, 3);
	cache_invalidate(f->cache, &request.message, &response.message);
	walk(f);
	cache_disk_known(f->cache, 0, 0);
	forget_memory(f);
	CU_ASSERT_EQUAL(got(f, "/a", "", 3), 'f');
	CU_ASSERT_EQUAL(got(f, "/b", "", 2), 'f');
	CU_ASSERT_EQUAL(got(f, "/c", "", 2), 'd');
	f = again(f, 0);
	CU_ASSERT_EQUAL(got(f, "/a", "", 3), 'f');
	CU_ASSERT_EQUAL(got(f, "/b", "", 2), 'f');
	CU_ASSERT_EQUAL(got(f, "/c", "", 2), 'd');
	end(f);
}

static void variants_are_told_apart(void)
{
	static const char fields[] = FRESH "\nvary: accept-encoding, x";
	struct fixture *f = begin();
	put(f, "/a", "accept-encoding: br", fields, 1);
	put(f, "/a", "accept-encoding: gzip\nx: 1", fields, 2);
	CU_ASSERT_EQUAL(got(f, "/a", "accept-encoding: br", 1), 'h');
	CU_ASSERT_EQUAL(got(f, "/a", "accept-encoding: gzip\nx: 1", 2), 'h');
	f = again(f, 0);
	CU_ASSERT_EQUAL(got(f, "/a", "accept-encoding: br", 1), 'd');
	CU_ASSERT_EQUAL(got(f, "/a", "accept-encoding: GZIP\nx: 1", 2), 'd');
	CU_ASSERT_EQUAL(got(f, "/a", "accept-encoding: gzip\nx: 2", 2), 'f');
	CU_ASSERT_EQUAL(got(f, "/a", "", 2), 'f');
	end(f);
}

static void many_wait_for_one_read(void)
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH, 1);
	f = again(f, 0);
	CU_ASSERT_PTR_NULL(ask(f, 3, "/a", ""));
	CU_ASSERT_PTR_NULL(ask(f, 4, "/a", "range: bytes=5-9"));
	CU_ASSERT_PTR_NULL(ask(f, 5, "/a", "cache-control: only-if-cached"));
	CU_ASSERT_PTR_NULL(ask(f, 6, "/a", ""));
	cache_cancel(f->cache, (struct pool_id){6, 1});
	CU_ASSERT_EQUAL(thread.count, 1);
	pump(f);
	CU_ASSERT(f->answers[3].verdict == CACHE_HIT && f->answers[3].is_from_disk);
	CU_ASSERT(f->answers[4].verdict == CACHE_PARTIAL && !f->answers[4].is_collapsed);
	CU_ASSERT(f->answers[5].verdict == CACHE_HIT && f->answer_counts[6] == 0);
	for (unsigned i = 3; i < 6; i++)
		return_answer(f, &f->answers[i]);
	// A reload goes to the origin.
	f = again(f, 0);
	CU_ASSERT_EQUAL(got(f, "/a", "cache-control: no-cache", 1), 'f');
	end(f);
}

static void a_purge_holds_for_a_read_under_way(void)
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH "\ncache-tag: red", 1);
	keep(f, "/b", FRESH, 1);
	f = again(f, 0);
	CU_ASSERT_PTR_NULL(ask(f, 3, "/a", ""));
	CU_ASSERT_PTR_NULL(ask(f, 4, "/b", ""));
	CU_ASSERT(cache_purge(f->cache, CACHE_PURGE_TAG, SLICE("red"), false));
	CU_ASSERT_EQUAL(cache_purge_url(f->cache, SLICE("https://h.example/b")), 0);
	pump(f);
	CU_ASSERT_EQUAL(f->answers[3].verdict, CACHE_FETCH);
	CU_ASSERT_EQUAL(f->answers[4].verdict, CACHE_FETCH);
	CU_ASSERT(f->counters.value[COUNTER_cache_disk_purged] >= 2);
	return_answer(f, &f->answers[3]);
	return_answer(f, &f->answers[4]);
	end(f);
}

static void a_late_read_is_not_waited_for(void)
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH, 1);
	f = again(f, 0);
	CU_ASSERT_PTR_NULL(ask(f, 3, "/a", ""));
	fixture_tick(f, 600000);
	CU_ASSERT_EQUAL(f->answers[3].verdict, CACHE_FETCH);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read_late], 1);
	pump(f); // now it comes
	return_answer(f, &f->answers[3]);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	end(f);
}

static void no_room_is_a_miss(void)
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH, 1);
	put(f, "/b", "", FRESH, 1);
	thread.room = 0;
	CU_ASSERT_EQUAL(got(f, "/b", "", 1), 'h');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_not_written_busy], 1);
	f = again(f, 0);
	thread.room = 0;
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read_busy], 1);
	thread.room = ARRAY_LEN(thread.jobs);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'd');
	// What must be remembered waits, and too much of it is a purge of everything.
	keep(f, "/b", FRESH, 1);
	thread.room = 0;
	for (unsigned i = 0; i < 70; i++)
		CU_ASSERT(cache_purge(f->cache, CACHE_PURGE_TAG, SLICE("t"), false));
	CU_ASSERT(!cache_disk_flush(f->cache));
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_lost], 1);
	thread.room = ARRAY_LEN(thread.jobs);
	CU_ASSERT(cache_disk_flush(f->cache));
	f = again(f, 0);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	CU_ASSERT_EQUAL(got(f, "/b", "", 1), 'f');
	end(f);
}

static void writing_has_a_rate(void)
{
	struct fixture *f = begin();
	char target[32];
	f->now_us = 1000000;
	unsigned written = 0;
	for (unsigned i = 0; i < 9000 && !f->counters.value[COUNTER_cache_disk_not_written_rate];
	     i++) {
		snprintf(target, sizeof(target), "/%u", i);
		keep(f, target, FRESH, 1);
		written = i;
	}
	CU_ASSERT(written > 3000 && written < 6000); // 100 MiB of them
	fixture_tick(f, 10000);
	uint64_t before = f->counters.value[COUNTER_cache_disk_written];
	CU_ASSERT_EQUAL(got(f, target, "", 1), 'h');
	pump(f);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_written], before + 1);
	CU_ASSERT(f->counters.value[COUNTER_cache_disk_overwritten] > 0); // a file of 64 MiB
	f = again(f, 0);
	snprintf(target, sizeof(target), "/%u", written - 5);
	CU_ASSERT_EQUAL(got(f, target, "", 1), 'd');
	CU_ASSERT_EQUAL(got(f, "/1", "", 1), 'f');
	end(f);
}

static void what_is_large_small_or_short_lived_stays_in_memory(void)
{
	static char fields[20000] = FRESH;
	struct fixture *f = begin();
	for (unsigned i = 0; i < 6; i++) {
		char *at = fields + strlen(fields);
		snprintf(at, 16, "\nx-%u: ", i);
		memset(at + strlen(at), 'x', 3000);
	}
	keep(f, "/large", fields, 1);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_not_written_large], 1);
	CU_ASSERT_EQUAL(got(f, "/large", "", 1), 'h');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_not_written_large], 1);
	keep(f, "/short", "cache-control: max-age=5", 1);
	store(f, "/small", "small");
	CU_ASSERT(is_hit(f, "/small", "", "small"));
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_written], 0);
	end(f);
}

static void rot_is_a_miss(void)
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH, 1);
	f = again(f, 0);
	uint64_t offset = DISK_LOGS_AT + thread.file.geometry.segment_bytes + 3 * DISK_BLOCK_BYTES;
	CU_ASSERT_EQUAL(pwrite(thread.file.fd, "rot", 3, (off_t)offset), 3);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read_failed], 1);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read_failed], 1);
	end(f);
}

static void a_disk_that_fails_is_left_alone(void)
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH, 1);
	f = again(f, 0);
	int fd = thread.file.fd;
	thread.file.fd = -1;
	keep(f, "/b", FRESH, 1);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_broken], 1);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	keep(f, "/c", FRESH, 1);
	thread.file.fd = fd;
	end(f);
}

UNIT_MAIN("cache_disk", {"(a file of its own)", open_path},
	  {"what memory forgets comes from the disk", what_memory_forgets_comes_from_the_disk},
	  {"it survives a restart, with its age", it_survives_a_restart_with_its_age},
	  {"purges hold in the next life", purges_hold_in_the_next_life},
	  {"a purge that was missed makes all of it useless",
	   a_purge_that_was_missed_makes_all_of_it_useless},
	  {"what is replaced or invalidated does not come back",
	   what_is_replaced_or_invalidated_does_not_come_back},
	  {"variants are told apart", variants_are_told_apart},
	  {"many wait for one read", many_wait_for_one_read},
	  {"a purge holds for a read under way", a_purge_holds_for_a_read_under_way},
	  {"a late read is not waited for", a_late_read_is_not_waited_for},
	  {"no room is a miss, and no purge is lost", no_room_is_a_miss},
	  {"writing has a rate, and the oldest goes", writing_has_a_rate},
	  {"what is large, small or short-lived stays in memory",
	   what_is_large_small_or_short_lived_stays_in_memory},
	  {"rot is a miss", rot_is_a_miss},
	  {"a disk that fails is left alone", a_disk_that_fails_is_left_alone},
	  {"(the file goes)", close_path})
