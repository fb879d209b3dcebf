// SPDX-License-Identifier: Apache-2.0
// The process is killed (SIGKILL) at any moment: what an unsafe request has invalidated, or a purge
// purged, before the call returned is not served in the next life. The thread is given time to
// write only now and then.
#include "cache_disk_fixture.h"
#include "cache_priv.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define KEYS   100u
#define ROUNDS 60u

// What a child has done, for who outlives it.
static struct shared {
	atomic_uint forgotten;
} * shared;

static const char *target_of(unsigned i)
{
	static char target[32];
	snprintf(target, sizeof(target), "/kept/%u", i);
	return target;
}

// post has an unsafe request succeed.
static void post(struct fixture *f, const char *target)
{
	struct head request, response;
	request_of(&request, target, "");
	request.message.method = HTTP_POST;
	cache_invalidate(f->cache, &request.message, &response_of(&response, 200, "")->message);
}

// forget_one has the target forgotten: by an unsafe request, or an operator.
static void forget_one(struct fixture *f, unsigned i)
{
	char url[64];
	snprintf(url, sizeof(url), "https://h.example%s", target_of(i));
	if (i % 4 == 3) {
		CU_ASSERT(cache_purge(f->cache, CACHE_PURGE_URL, slice_str(url), false));
	} else {
		post(f, target_of(i));
	}
}

// child keeps all and forgets some, until it is killed: by itself behind the last one at the
// latest.
static void child(unsigned last, unsigned pump_every)
{
	struct fixture *f = begin();
	for (unsigned i = 0; i < KEYS; i++)
		keep(f, target_of(i), FRESH, 1);
	for (unsigned i = 0; i < last; i++) {
		forget_one(f, i);
		atomic_store(&shared->forgotten, i + 1);
		if (pump_every && i % pump_every == 0)
			pump(f);
	}
	raise(SIGKILL);
}

// kill_one lets a child live until it has forgotten last, or kills it in the middle, when that many
// are forgotten at least. Returns how many it knew to be.
static unsigned kill_one(unsigned last, unsigned pump_every, bool is_in_the_middle)
{
	int status;
	memset(shared, 0, sizeof(*shared));
	pid_t pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		child(is_in_the_middle ? KEYS : last, pump_every);
	while (is_in_the_middle && atomic_load(&shared->forgotten) < last)
		sched_yield();
	if (is_in_the_middle)
		kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return atomic_load(&shared->forgotten);
}

// look begins the next life: nothing that was forgotten is served, all else is. One more may have
// been forgotten than the child could tell.
static void look(unsigned forgotten)
{
	struct fixture *f = live();
	walk(f);
	cache_disk_known(f->cache, 0, 0);
	pump(f);
	for (unsigned i = 0; i < KEYS; i++) {
		char word = got(f, target_of(i), "", 1);
		if (i < forgotten)
			CU_ASSERT_EQUAL(word, 'f');
		if (i > forgotten)
			CU_ASSERT_EQUAL(word, 'd');
	}
	f = again(f, 0); // and in the life after it
	for (unsigned i = 0; i < KEYS; i += 7)
		if (i < forgotten)
			CU_ASSERT_EQUAL(got(f, target_of(i), "", 1), 'f');
	end(f);
}

static void what_was_forgotten_stays_so_when_killed(void)
{
	unsigned total = 0;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	CU_ASSERT_FATAL(shared != MAP_FAILED);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned forgotten =
			kill_one(1 + round * 7 % 60, round % 3 ? round % 5 : 0, round % 2);
		look(forgotten);
		total += forgotten;
	}
	CU_ASSERT(total > ROUNDS * 10);
	munmap(shared, sizeof(*shared));
}

// kill_silent kills it before the thread did anything more.
static void kill_silent(struct fixture *f)
{
	thread.count = 0;
	cache_free(f->cache);
	free(f);
	disk_log_close(&thread.log);
	disk_intents_close(&thread.file.intents);
	close(thread.file.fd);
}

// target_of_worker finds a target that belongs to worker index.
static const char *target_of_worker(struct fixture *f, uint32_t index)
{
	struct head head;
	struct cache_key key;
	unsigned i = 0;
	do {
		request_of(&head, target_of(i++), "");
		CU_ASSERT_FATAL(cache_key_make(f->cache, &head.message, &key));
	} while (cache_key_owner(f->cache, key.hash) != index);
	return target_of(i - 1);
}

static void another_workers_key_stays_forgotten(void)
{
	worker_count = 2;
	worker_index = 1;
	struct fixture *f = begin();
	const char *target = target_of_worker(f, 1);
	keep(f, target, FRESH, 1);
	f = again(f, 0);
	CU_ASSERT_EQUAL(got(f, target, "", 1), 'd');
	end(f);
	worker_index = 0; // this one is told that it changed
	f = next(0);
	post(f, target);
	kill_silent(f); // before the owner is
	worker_index = 1;
	f = next(0);
	CU_ASSERT_EQUAL(got(f, target, "", 1), 'f');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_lost], 0);
	end(f);
	worker_count = 1;
	worker_index = 0;
}

static void too_much_to_hold_is_all_of_it(void)
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH, 1);
	thread.room = 0;
	for (unsigned i = 0; i < 70; i++) // more than may wait
		CU_ASSERT(cache_purge(f->cache, CACHE_PURGE_TAG, SLICE("t"), false));
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_lost], 1);
	kill_silent(f);
	f = next(0);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_lost], 1);
	keep(f, "/b", FRESH, 2);
	f = again(f, 0); // once
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	CU_ASSERT_EQUAL(got(f, "/b", "", 2), 'd');
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_lost], 0);
	end(f);
}

static void without_its_intents_a_killed_life_leaves_nothing(void)
{
	struct fixture *f = begin();
	keep(f, "/a", FRESH, 1);
	end(f);
	CU_ASSERT_EQUAL(unlink(intents_path), 0);
	f = next(0);
	CU_ASSERT(!thread.file.is_kept);
	CU_ASSERT_EQUAL(got(f, "/a", "", 1), 'f');
	keep(f, "/b", FRESH, 1);
	close_well(f);
	CU_ASSERT_EQUAL(unlink(intents_path), 0); // after a good end they are not needed
	f = next(0);
	CU_ASSERT_EQUAL(got(f, "/b", "", 1), 'd');
	CU_ASSERT(cache_purge(f->cache, CACHE_PURGE_TAG, SLICE("t"), false));
	cache_disk_purged(f->cache, 9);
	close_well(f);
	f = next(9); // nor are they for what it knew
	CU_ASSERT_EQUAL(got(f, "/b", "", 1), 'd');
	end(f);
}

// A purge that was done when it is killed costs nothing but what it meant.
static void an_operators_purge_is_known_at_once(void)
{
	static const char fields[] = FRESH "\ncache-tag: red\netag: \"1\"";
	struct fixture *f = begin();
	for (unsigned is_soft = 0; is_soft < 2; is_soft++) {
		keep(f, "/a", fields, (char)is_soft);
		keep(f, "/b", FRESH, 1);
		CU_ASSERT(cache_purge(f->cache, CACHE_PURGE_TAG, SLICE("red"), is_soft));
		cache_disk_purged(f->cache, 7 + is_soft);
		kill_silent(f);
		f = next(7 + is_soft);
		CU_ASSERT_EQUAL(got(f, "/a", "", (char)is_soft), is_soft ? 's' : 'f');
		CU_ASSERT_EQUAL(got(f, "/b", "", 1), 'd');
		CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_lost], 0);
		cache_purge_all(f->cache);
	}
	end(f);
}

// What has lost its row in the index cannot be forgotten any more, so it may not come back.
static void what_has_no_row_does_not_come_back(void)
{
	entries = 16;
	struct fixture *f = begin();
	for (unsigned i = 0; i < 20; i++)
		keep(f, target_of(i), FRESH, 1);
	post(f, target_of(0));
	kill_silent(f);
	entries = 1000; // as somebody configured meanwhile
	f = next(0);
	CU_ASSERT_EQUAL(got(f, target_of(0), "", 1), 'f');
	CU_ASSERT_EQUAL(got(f, target_of(3), "", 1), 'f');
	CU_ASSERT_EQUAL(got(f, target_of(4), "", 1), 'd');
	end(f);
	// Nor what was read too late.
	f = next(0);
	CU_ASSERT_PTR_NULL(ask(f, 3, target_of(5), ""));
	fixture_tick(f, 600000);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_cache_disk_read_late], 1);
	return_answer(f, &f->answers[3]);
	pump(f);
	post(f, target_of(5));
	kill_silent(f);
	f = next(0);
	CU_ASSERT_EQUAL(got(f, target_of(5), "", 1), 'f');
	CU_ASSERT_EQUAL(got(f, target_of(6), "", 1), 'd');
	end(f);
}

UNIT_MAIN("cache_disk_kill", {"(a file of its own)", open_path},
	  {"what was forgotten stays so when the process is killed",
	   what_was_forgotten_stays_so_when_killed},
	  {"another worker's key stays forgotten", another_workers_key_stays_forgotten},
	  {"too much to hold is all of it", too_much_to_hold_is_all_of_it},
	  {"without its intents a killed life leaves nothing",
	   without_its_intents_a_killed_life_leaves_nothing},
	  {"an operator's purge is known at once", an_operators_purge_is_known_at_once},
	  {"what has no row in the index does not come back", what_has_no_row_does_not_come_back},
	  {"(the file goes)", close_path})
