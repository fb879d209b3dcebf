// SPDX-License-Identifier: Apache-2.0
// The publisher against real rings: what a worker reads is what it should know, also when its ring
// is full most of the time.
#include "control_fixture.h"
#include "handover.h"
#include "publish.h"

#include <errno.h>

struct world {
	struct region region;
	struct handover_fds fds;
	struct publish *publish;
	struct ring_reader down;
	unsigned counts[RECORD_TYPE_COUNT];
	uint64_t removed[64];
	unsigned removed_count;
	unsigned last_set;
	uint64_t generation;
	uint32_t rows;
	uint64_t sequence;
	_Alignas(8) uint8_t payload[RECORD_MAX_BYTES];
};

static void world_open(struct world *w)
{
	struct region_shape shape = {1, RING_MIN_BYTES, RING_MIN_BYTES};
	memset(w, 0, sizeof(*w));
	CU_ASSERT_EQUAL_FATAL(region_create(&w->region, &shape, 1), 0);
	CU_ASSERT_EQUAL_FATAL(handover_fds_make(&w->fds, 1), 0);
	w->publish = publish_new(100);
	publish_attach(w->publish, &w->region, w->fds.worker_wake);
	region_down_reader(&w->region, 0, &w->down);
}

static void world_close(struct world *w)
{
	publish_free(w->publish);
	handover_fds_close(&w->fds);
	region_detach(&w->region);
}

static struct rowset *make_set(const uint32_t *ids, unsigned count, const char *name)
{
	struct rowset *set = rowset_new();
	for (unsigned i = 0; i < count; i++) {
		struct record_service row;
		memset(&row, 0, sizeof(row));
		row.id = ids[i];
		row_copy_text(row.name, sizeof(row.name), name);
		rowset_add(set, &(struct rowset_row){RECORD_SERVICE, row.id, sizeof(row), &row},
			   NULL, NULL);
	}
	CU_ASSERT(rowset_seal(set));
	return set;
}

static void tell(struct world *w, struct rowset *set)
{
	publish_set(w->publish, set);
	rowset_drop(set);
}

// read_all reads what waits, checking framing, order and the count of each transaction.
static void read_all(struct world *w)
{
	struct record_header header;
	while (ring_read(&w->down, &header, w->payload) == 0) {
		const char *wrong = record_check(&header, w->payload);
		CU_ASSERT_PTR_NULL(wrong);
		CU_ASSERT_EQUAL(header.sequence, ++w->sequence);
		w->counts[header.type]++;
		const struct record_begin *begin = (void *)w->payload;
		const struct record_commit *commit = (void *)w->payload;
		const struct record_remove *remove = (void *)w->payload;
		if (header.type == RECORD_BEGIN) {
			CU_ASSERT(begin->generation > w->generation);
			w->generation = begin->generation;
			w->last_set = begin->set;
			w->rows = 0;
		} else if (header.type == RECORD_COMMIT) {
			CU_ASSERT_EQUAL(commit->generation, w->generation);
			CU_ASSERT_EQUAL(commit->row_count, w->rows);
		} else {
			w->rows++;
		}
		if (header.type == RECORD_REMOVE)
			w->removed[w->removed_count++ % 64] = remove->id;
	}
}

static void the_first_set_is_full_and_the_next_a_difference(void)
{
	struct world w;
	world_open(&w);
	tell(&w, make_set((uint32_t[]){1, 2, 3}, 3, "a"));
	CU_ASSERT(!publish_run(w.publish, 1));
	read_all(&w);
	CU_ASSERT_EQUAL(w.last_set, RECORD_SET_FULL);
	CU_ASSERT_EQUAL(w.counts[RECORD_SERVICE], 3);
	tell(&w, make_set((uint32_t[]){1, 3, 4}, 3, "a"));
	CU_ASSERT(!publish_run(w.publish, 2));
	read_all(&w);
	CU_ASSERT_EQUAL(w.last_set, RECORD_SET_DELTA);
	CU_ASSERT_EQUAL(w.counts[RECORD_SERVICE], 4);
	CU_ASSERT_EQUAL(w.counts[RECORD_REMOVE], 1);
	CU_ASSERT_EQUAL(w.removed[0], 2);
	world_close(&w);
}

static void a_changed_row_is_sent_again_and_an_equal_one_is_not(void)
{
	struct world w;
	world_open(&w);
	tell(&w, make_set((uint32_t[]){1, 2}, 2, "a"));
	publish_run(w.publish, 1);
	tell(&w, make_set((uint32_t[]){1, 2}, 2, "b"));
	publish_run(w.publish, 1);
	read_all(&w);
	CU_ASSERT_EQUAL(w.counts[RECORD_SERVICE], 4);
	tell(&w, make_set((uint32_t[]){1, 2}, 2, "b"));
	publish_run(w.publish, 1);
	read_all(&w);
	CU_ASSERT_EQUAL(w.counts[RECORD_SERVICE], 4);
	world_close(&w);
}

static void a_worker_that_asks_gets_a_full_set(void)
{
	struct world w;
	world_open(&w);
	tell(&w, make_set((uint32_t[]){1, 2}, 2, "a"));
	publish_run(w.publish, 1);
	publish_resync(w.publish, 0);
	publish_run(w.publish, 1);
	read_all(&w);
	CU_ASSERT_EQUAL(w.last_set, RECORD_SET_FULL);
	CU_ASSERT_EQUAL(w.counts[RECORD_SERVICE], 4);
	world_close(&w);
}

static void a_set_larger_than_the_ring_arrives_in_pieces(void)
{
	enum { COUNT = 5000 };
	static uint32_t ids[COUNT];
	struct world w;
	unsigned turns = 0;
	world_open(&w);
	for (uint32_t i = 0; i < COUNT; i++)
		ids[i] = i + 1;
	tell(&w, make_set(ids, COUNT, "a"));
	while (publish_run(w.publish, 1) && ++turns < 1000)
		read_all(&w);
	read_all(&w);
	CU_ASSERT(turns >= 2);
	CU_ASSERT_EQUAL(w.counts[RECORD_SERVICE], COUNT);
	CU_ASSERT_EQUAL(w.counts[RECORD_COMMIT], 1);
	world_close(&w);
}

static void a_slow_worker_ends_with_the_newest_set(void)
{
	enum { COUNT = 3000 };
	static uint32_t ids[COUNT];
	struct world w;
	world_open(&w);
	for (uint32_t i = 0; i < COUNT; i++)
		ids[i] = i + 1;
	tell(&w, make_set(ids, COUNT, "a"));
	CU_ASSERT(publish_run(w.publish, 1)); // stuck in the full set
	for (unsigned i = 0; i < 50; i++) {
		tell(&w, make_set(ids, COUNT - i, "a"));
		publish_run(w.publish, 1);
	}
	for (unsigned i = 0; i < 1000 && publish_run(w.publish, 1); i++)
		read_all(&w);
	read_all(&w);
	// One full set, one difference: 48 sets in between were never sent.
	CU_ASSERT_EQUAL(w.counts[RECORD_COMMIT], 2);
	CU_ASSERT_EQUAL(w.counts[RECORD_REMOVE], 49);
	world_close(&w);
}

static void a_single_answer_is_a_transaction_of_its_own(void)
{
	struct world w;
	struct record_route_absent row = {.lifetime_ms = 5000, .host = "nobody.example"};
	world_open(&w);
	publish_once(w.publish, 0, &(struct rowset_row){RECORD_ROUTE_ABSENT, 0, sizeof(row), &row},
		     NULL);
	publish_run(w.publish, 1);
	read_all(&w);
	CU_ASSERT_EQUAL(w.counts[RECORD_BEGIN], 0); // a worker hears nothing before its full set
	tell(&w, make_set((uint32_t[]){1}, 1, "a"));
	publish_run(w.publish, 1);
	read_all(&w);
	CU_ASSERT_EQUAL(w.counts[RECORD_COMMIT], 2);
	CU_ASSERT_EQUAL(w.counts[RECORD_ROUTE_ABSENT], 1);
	world_close(&w);
}

static void purges_beyond_the_bound_become_a_purge_of_everything(void)
{
	struct world w;
	world_open(&w);
	tell(&w, make_set((uint32_t[]){1}, 1, "a"));
	for (unsigned i = 0; i < PUBLISH_ONCE_MAX + 5; i++) {
		struct record_purge_row row = {
			.sequence = i + 1, .kind = RECORD_PURGE_URL, .text_bytes = 10};
		publish_once(w.publish, PUBLISH_ALL,
			     &(struct rowset_row){RECORD_PURGE, i, sizeof(row), &row},
			     "http://a/b");
	}
	struct publish_status status;
	publish_read_status(w.publish, 0, 1, &status);
	CU_ASSERT_EQUAL(status.dropped_count, 5);
	while (publish_run(w.publish, 1))
		read_all(&w);
	read_all(&w);
	CU_ASSERT_EQUAL(w.counts[RECORD_PURGE], PUBLISH_ONCE_MAX);
	world_close(&w);
}

static void a_purge_that_may_be_lost_becomes_one_of_everything(void)
{
	struct world w;
	struct publish_status status;
	struct record_purge_row row = {.sequence = 1, .kind = RECORD_PURGE_TAG, .text_bytes = 1};
	world_open(&w);
	CU_ASSERT(!publish_is_quiet(w.publish));
	tell(&w, make_set((uint32_t[]){1}, 1, "a"));
	publish_run(w.publish, 1);
	publish_read_status(w.publish, 0, 1, &status);
	CU_ASSERT(!publish_is_quiet(w.publish));
	publish_applied(w.publish, 0, status.sent_generation, 0, 1);
	CU_ASSERT(publish_is_quiet(w.publish));
	publish_resync(w.publish, 0); // nothing was on its way
	publish_run(w.publish, 1);
	publish_read_status(w.publish, 0, 1, &status);
	publish_applied(w.publish, 0, status.sent_generation, 0, 1);
	read_all(&w);
	CU_ASSERT_EQUAL(w.counts[RECORD_PURGE], 0);
	// What is known already is no purge.
	struct record_purge_row known = {.sequence = 1, .kind = RECORD_PURGE_KNOWN};
	publish_once(w.publish, PUBLISH_ALL,
		     &(struct rowset_row){RECORD_PURGE, 1, sizeof(known), &known}, NULL);
	publish_run(w.publish, 1);
	publish_resync(w.publish, 0);
	publish_run(w.publish, 1);
	publish_read_status(w.publish, 0, 1, &status);
	publish_applied(w.publish, 0, status.sent_generation, 0, 1);
	read_all(&w);
	CU_ASSERT_EQUAL(w.counts[RECORD_PURGE], 1);
	w.counts[RECORD_PURGE] = 0;
	publish_once(w.publish, PUBLISH_ALL,
		     &(struct rowset_row){RECORD_PURGE, 1, sizeof(row), &row}, "t");
	CU_ASSERT(!publish_is_quiet(w.publish));
	publish_run(w.publish, 1);
	publish_resync(w.publish, 0);
	CU_ASSERT(!publish_is_quiet(w.publish));
	publish_run(w.publish, 1);
	read_all(&w);
	CU_ASSERT_EQUAL(w.counts[RECORD_PURGE], 2);
	publish_read_status(w.publish, 0, 1, &status);
	publish_applied(w.publish, 0, status.sent_generation, 0, 1);
	CU_ASSERT(publish_is_quiet(w.publish));
	world_close(&w);
}

static void lag_is_known_until_the_worker_applied(void)
{
	struct world w;
	struct publish_status status;
	world_open(&w);
	tell(&w, make_set((uint32_t[]){1}, 1, "a"));
	publish_run(w.publish, 1000);
	publish_read_status(w.publish, 0, 4000, &status);
	CU_ASSERT_EQUAL(status.lag_us, 3000);
	publish_applied(w.publish, 0, status.sent_generation + 1, 0, 4000); // never sent
	publish_read_status(w.publish, 0, 4000, &status);
	CU_ASSERT_EQUAL(status.applied_generation, 0);
	publish_applied(w.publish, 0, status.sent_generation, 0, 4000);
	publish_read_status(w.publish, 0, 9000, &status);
	CU_ASSERT_EQUAL(status.lag_us, 0);
	world_close(&w);
}

static void a_ring_that_makes_no_sense_is_told(void)
{
	struct world w;
	struct publish_status status;
	world_open(&w);
	atomic_store(&w.down.shared->head, 12345678);
	tell(&w, make_set((uint32_t[]){1}, 1, "a"));
	CU_ASSERT(!publish_run(w.publish, 1));
	publish_read_status(w.publish, 0, 1, &status);
	CU_ASSERT(status.is_broken);
	world_close(&w);
}

UNIT_MAIN("publish",
	  {"the first set is full and the next a difference",
	   the_first_set_is_full_and_the_next_a_difference},
	  {"a changed row is sent again and an equal one is not",
	   a_changed_row_is_sent_again_and_an_equal_one_is_not},
	  {"a worker that asks gets a full set", a_worker_that_asks_gets_a_full_set},
	  {"a set larger than the ring arrives in pieces",
	   a_set_larger_than_the_ring_arrives_in_pieces},
	  {"a slow worker ends with the newest set", a_slow_worker_ends_with_the_newest_set},
	  {"a single answer is a transaction of its own",
	   a_single_answer_is_a_transaction_of_its_own},
	  {"a purge that may be lost becomes one of everything",
	   a_purge_that_may_be_lost_becomes_one_of_everything},
	  {"purges beyond the bound become a purge of everything",
	   purges_beyond_the_bound_become_a_purge_of_everything},
	  {"lag is known until the worker applied", lag_is_known_until_the_worker_applied},
	  {"a ring that makes no sense is told", a_ring_that_makes_no_sense_is_told})
