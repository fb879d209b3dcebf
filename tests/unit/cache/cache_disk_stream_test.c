// SPDX-License-Identifier: Apache-2.0
// A body on the disk is read while it arrives: who asked has its first piece before the last was
// read. A record that turns out to be damaged, or does not go on, cuts its readers; no byte that
// anybody is lent is ever wrong.
#define BODY_BYTES 300000u
#include "cache_disk_fixture.h"

#define PIECES 4u // that are told of, before the last

static struct {
	struct fixture *f;
	unsigned arrivals;
	bool is_stalled; // the listener hears nothing more
	void (*act)(struct fixture *f, unsigned arrival);
} play;

static void on_arrived(void *, const struct cache_disk_result *result)
{
	if (play.is_stalled)
		return;
	cache_disk_received(play.f->cache, result);
	play.arrivals++;
	if (play.act)
		play.act(play.f, play.arrivals);
}

static const struct cache_disk_listener hearing = {.arrived = on_arrived};

// begin_reading keeps /a, restarts, and has asker 3 ask for it; act is called at each arrival.
static struct fixture *begin_reading(void (*act)(struct fixture *f, unsigned arrival))
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH "\netag: \"1\"", 1);
	f = again(f, 0);
	memset(&play, 0, sizeof(play));
	play.f = f;
	play.act = act;
	listener = &hearing;
	CU_ASSERT_PTR_NULL(ask(f, 3, "/a", ""));
	return f;
}

// end_reading ends it; nothing of /a comes from the disk any more when is_gone.
static void end_reading(struct fixture *f, char word)
{
	return_answer(f, &f->answers[3]);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), word);
	listener = NULL;
	end(f);
}

// right_bytes is how much there is of an answer's object, all of which must be right.
static uint64_t right_bytes(const struct cache_answer *answer)
{
	static char body[BODY_BYTES];
	uint64_t at = 0;
	struct slice run;
	fill(body, "/a", 1);
	while ((run = cache_object_read(answer->object, at, BODY_BYTES)).bytes) {
		CU_ASSERT_EQUAL(memcmp(run.at, body + at, run.bytes), 0);
		at += run.bytes;
	}
	return at;
}

static void look_at_each(struct fixture *f, unsigned arrival)
{
	struct cache_answer *answer = &f->answers[3];
	CU_ASSERT_EQUAL_FATAL(f->answer_counts[3], 1);
	CU_ASSERT(answer->verdict == CACHE_HIT && answer->is_from_disk && !answer->is_collapsed);
	CU_ASSERT_EQUAL(cache_object_growth(answer->object), CACHE_GROWING);
	CU_ASSERT_EQUAL(cache_object_bytes(answer->object), BODY_BYTES);
	uint64_t bytes = right_bytes(answer);
	CU_ASSERT(bytes > (arrival - 1) * 65000 && bytes < arrival * 65536);
}

static void the_first_piece_is_lent_before_the_last_is_read(void)
{
	struct fixture *f = begin_reading(look_at_each);
	pump(f);
	CU_ASSERT_EQUAL(play.arrivals, PIECES);
	CU_ASSERT_EQUAL(cache_object_growth(f->answers[3].object), CACHE_WHOLE);
	CU_ASSERT_EQUAL(right_bytes(&f->answers[3]), BODY_BYTES);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read], 1);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_streamed], 0); // that is of the origin's
	end_reading(f, 'h');
}

static void others_ask(struct fixture *f, unsigned arrival)
{
	if (arrival != 2)
		return;
	CU_ASSERT_PTR_NOT_NULL(ask(f, 4, "/a", ""));
	CU_ASSERT_PTR_NOT_NULL(ask(f, 5, "/a", "range: bytes=5-9"));
	CU_ASSERT_PTR_NOT_NULL(ask(f, 6, "/a", "if-none-match: \"1\""));
	CU_ASSERT_PTR_NULL(ask(f, 7, "/a", "range: bytes=299990-299999")); // is not there yet
	CU_ASSERT_PTR_NOT_NULL(ask(f, 8, "/a", "cache-control: only-if-cached"));
}

static void who_comes_later_joins(void)
{
	static const enum cache_verdict verdicts[] = {CACHE_HIT, CACHE_PARTIAL, CACHE_NOT_MODIFIED,
						      CACHE_PARTIAL, CACHE_HIT};
	struct fixture *f = begin_reading(others_ask);
	pump(f);
	CU_ASSERT_EQUAL(thread.count, 0); // one read for all
	for (unsigned i = 0; i < ARRAY_LEN(verdicts); i++) {
		CU_ASSERT_EQUAL(f->answers[4 + i].verdict, verdicts[i]);
		CU_ASSERT(f->answers[4 + i].is_from_disk);
		return_answer(f, &f->answers[4 + i]);
	}
	end_reading(f, 'h');
}

static void a_damaged_record_cuts_its_readers(void)
{
	struct fixture *f = begin_reading(look_at_each);
	uint64_t offset = DISK_LOGS_AT + thread.file.geometry.segment_bytes + DISK_BLOCK_BYTES +
			  3 * DISK_PIECE_BYTES + 17;
	CU_ASSERT_EQUAL(pwrite(thread.file.fd, "rot", 3, (off_t)offset), 3);
	pump(f);
	CU_ASSERT_EQUAL(play.arrivals, 3);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read_failed], 1);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read], 0);
	CU_ASSERT_EQUAL(cache_object_growth(f->answers[3].object), CACHE_BROKEN);
	CU_ASSERT(right_bytes(&f->answers[3]) < 3 * DISK_PIECE_BYTES);
	end_reading(f, 'f');
	f = next(0); // nor is it found again
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read_failed], 0);
	end(f);
}

static void stall(struct fixture *f, unsigned)
{
	play.is_stalled = true;
	fixture_tick(f, 4900000);
	CU_ASSERT_EQUAL(cache_object_growth(f->answers[3].object), CACHE_GROWING);
	fixture_tick(f, 200000);
	CU_ASSERT_EQUAL(cache_object_growth(f->answers[3].object), CACHE_BROKEN);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read_late], 1);
}

static void a_read_that_stalls_cuts_its_readers(void)
{
	struct fixture *f = begin_reading(stall);
	pump(f); // it comes too late
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read], 0);
	end_reading(f, 'f');
}

static void purge_it(struct fixture *f, unsigned arrival)
{
	if (arrival == 2)
		cache_purge_url(f->cache, SLICE("https://h.example/a"));
}

static void leave(struct fixture *f, unsigned arrival)
{
	if (arrival == 2)
		return_answer(f, &f->answers[3]);
}

static void leave_and_purge(struct fixture *f, unsigned arrival)
{
	leave(f, arrival);
	purge_it(f, arrival);
}

static void a_purge_leaves_its_readers_and_nothing_else(void)
{
	struct fixture *f = begin_reading(purge_it);
	pump(f);
	CU_ASSERT_EQUAL(cache_object_growth(f->answers[3].object), CACHE_WHOLE);
	CU_ASSERT_EQUAL(right_bytes(&f->answers[3]), BODY_BYTES);
	end_reading(f, 'f');
	f = begin_reading(leave_and_purge);
	pump(f);
	end_reading(f, 'f');
	f = begin_reading(leave); // what nobody reads any more is stored all the same
	pump(f);
	end_reading(f, 'h');
}

UNIT_MAIN("cache_disk_stream", {"(a file of its own)", open_path},
	  {"the first piece is lent before the last is read",
	   the_first_piece_is_lent_before_the_last_is_read},
	  {"who comes later joins", who_comes_later_joins},
	  {"a damaged record cuts its readers", a_damaged_record_cuts_its_readers},
	  {"a read that stalls cuts its readers", a_read_that_stalls_cuts_its_readers},
	  {"a purge leaves its readers and nothing else",
	   a_purge_leaves_its_readers_and_nothing_else},
	  {"(the file goes)", close_path})
