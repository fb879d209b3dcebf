// SPDX-License-Identifier: Apache-2.0
// The channel: what control says reaches the tables, what is wrong is refused, counted and never
// fatal, and the last good state stays.
#include "unit.h"
#include "worker_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const enum counter row_outside = COUNTER_channel_row_outside;

// full writes a full set: services 1..count, each with a route of its own.
static void full(struct worker_rig *rig, uint64_t generation, uint32_t count)
{
	worker_rig_begin(rig, generation, RECORD_SET_FULL);
	for (uint32_t i = 1; i <= count; i++) {
		char host[32];
		snprintf(host, sizeof(host), "h%u.example", i);
		worker_rig_service(rig, i);
		worker_rig_route(rig, i, i, host);
	}
	worker_rig_commit(rig, generation, 2 * count);
}

static void settle(struct worker_rig *rig)
{
	for (unsigned i = 0; i < 200 && worker_rig_step(rig, 10); i++)
		;
}

static void expect_applied(struct worker_rig *rig, uint64_t generation, uint32_t rows,
			   uint32_t refused)
{
	const struct event_applied *event = worker_rig_event(rig, EVENT_APPLIED);
	CU_ASSERT_PTR_NOT_NULL_FATAL(event);
	CU_ASSERT_EQUAL(event->generation, generation);
	CU_ASSERT_EQUAL(event->row_count, rows);
	CU_ASSERT_EQUAL(event->refused_count, refused);
}

static void expect_resync(struct worker_rig *rig, enum counter reason)
{
	const struct event_resync *event = worker_rig_event(rig, EVENT_RESYNC);
	CU_ASSERT_PTR_NOT_NULL_FATAL(event);
	CU_ASSERT_EQUAL(event->reason, reason);
}

static void a_full_set_is_applied_and_answered(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_rig_attach(rig);
	full(rig, 5, 3);
	settle(rig);
	CU_ASSERT(worker_rig_finds(rig, "h3.example", 3));
	expect_applied(rig, 5, 6, 0);
	CU_ASSERT_EQUAL(region_worker(&rig->region, 0)->applied_generation, 5);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_in_sync), 1);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_generation), 5);
	uint64_t wakes = 0;
	CU_ASSERT_EQUAL(read(rig->control_wake, &wakes, sizeof(wakes)), 8);
	worker_rig_free(rig);
}

static void a_delta_changes_only_what_it_names(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	struct record_remove remove = {RECORD_ROUTE, 0, 1};
	worker_rig_attach(rig);
	full(rig, 1, 3);
	worker_rig_begin(rig, 2, RECORD_SET_DELTA);
	worker_rig_write(rig, RECORD_REMOVE, slice_of(&remove, sizeof(remove)), SLICE(""));
	worker_rig_route(rig, 9, 2, "new.example");
	worker_rig_commit(rig, 2, 2);
	settle(rig);
	CU_ASSERT(!worker_rig_finds(rig, "h1.example", 1));
	CU_ASSERT(worker_rig_finds(rig, "h2.example", 2));
	CU_ASSERT(worker_rig_finds(rig, "new.example", 2));
	expect_applied(rig, 1, 6, 0);
	expect_applied(rig, 2, 2, 0);
	worker_rig_free(rig);
}

static void a_full_set_forgets_what_it_does_not_name(void)
{
	struct worker_rig *rig = worker_rig_new("gateway");
	worker_rig_attach(rig);
	full(rig, 1, 5);
	full(rig, 2, 2);
	settle(rig);
	CU_ASSERT(worker_rig_finds(rig, "h2.example", 2));
	CU_ASSERT(!worker_rig_finds(rig, "h3.example", 3));
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_sweeps), 2);
	worker_rig_free(rig);
}

static void rows_of_a_large_set_are_forgotten_over_many_turns(void)
{
	enum { ROUTES = 2000, A_TURN = 256 };
	struct worker_rig *rig = worker_rig_new_sized("edge", 4096, 1 << 21);
	worker_rig_attach(rig);
	full(rig, 1, 1);
	worker_rig_begin(rig, 2, RECORD_SET_DELTA);
	for (uint32_t i = 2; i <= ROUTES; i++) {
		char host[32];
		snprintf(host, sizeof(host), "h%u.example", i);
		worker_rig_route(rig, i, 1, host);
	}
	worker_rig_commit(rig, 2, ROUTES - 1);
	settle(rig);
	expect_applied(rig, 1, 2, 0);
	expect_applied(rig, 2, ROUTES - 1, 0);
	full(rig, 3, 1);
	uint64_t left = worker_rig_count(rig, COUNTER_route_routes), most = 0;
	CU_ASSERT_EQUAL(left, ROUTES);
	for (unsigned i = 0; i < 200 && worker_rig_step(rig, 10); i++) {
		uint64_t now = worker_rig_count(rig, COUNTER_route_routes);
		most = MAX(most, left - now);
		left = now;
		CU_ASSERT(left == 1 || worker_rig_count(rig, COUNTER_channel_in_sync) == 0);
	}
	CU_ASSERT_EQUAL(left, 1);
	CU_ASSERT(most <= A_TURN);
	expect_applied(rig, 3, 2, 0);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_in_sync), 1);
	CU_ASSERT(worker_rig_finds(rig, "h1.example", 1));
	worker_rig_free(rig);
}

static void a_delta_before_any_full_set_asks_for_one(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_rig_attach(rig);
	worker_rig_begin(rig, 1, RECORD_SET_DELTA);
	worker_rig_service(rig, 1);
	worker_rig_commit(rig, 1, 1);
	settle(rig);
	expect_resync(rig, COUNTER_channel_begin_refused);
	CU_ASSERT_EQUAL(worker_rig_count(rig, row_outside), 1);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_commit_refused), 1);
	full(rig, 1, 1);
	settle(rig);
	CU_ASSERT(worker_rig_finds(rig, "h1.example", 1));
	worker_rig_free(rig);
}

static void a_stale_delta_is_refused(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_rig_attach(rig);
	full(rig, 7, 1);
	worker_rig_begin(rig, 7, RECORD_SET_DELTA);
	worker_rig_service(rig, 2);
	worker_rig_commit(rig, 7, 1);
	settle(rig);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_begin_refused), 1);
	expect_resync(rig, COUNTER_channel_begin_refused);
	CU_ASSERT(worker_rig_finds(rig, "h1.example", 1));
	worker_rig_free(rig);
}

static void a_gap_keeps_the_state_and_asks_for_a_full_set(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_rig_attach(rig);
	full(rig, 1, 2);
	settle(rig);
	rig->down.sequence += 3;
	worker_rig_begin(rig, 2, RECORD_SET_DELTA);
	worker_rig_route(rig, 8, 1, "lost.example");
	worker_rig_commit(rig, 2, 1);
	settle(rig);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_sequence_gap), 1);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_in_sync), 0);
	expect_resync(rig, COUNTER_channel_sequence_gap);
	CU_ASSERT(worker_rig_finds(rig, "h2.example", 2));
	CU_ASSERT(!worker_rig_finds(rig, "lost.example", 1));
	// Not answered: asked again, but not at once.
	worker_rig_step(rig, CHANNEL_RESYNC_US / 2);
	CU_ASSERT_PTR_NULL(worker_rig_event(rig, EVENT_RESYNC));
	worker_rig_step(rig, CHANNEL_RESYNC_US);
	CU_ASSERT_PTR_NOT_NULL(worker_rig_event(rig, EVENT_RESYNC));
	full(rig, 3, 2);
	settle(rig);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_in_sync), 1);
	worker_rig_free(rig);
}

static void a_commit_that_does_not_add_up_sweeps_nothing(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_rig_attach(rig);
	full(rig, 1, 4);
	worker_rig_begin(rig, 2, RECORD_SET_FULL);
	worker_rig_service(rig, 1);
	worker_rig_commit(rig, 2, 9);
	settle(rig);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_commit_refused), 1);
	CU_ASSERT(worker_rig_finds(rig, "h4.example", 4));
	worker_rig_begin(rig, 3, RECORD_SET_FULL);
	worker_rig_commit(rig, 4, 0);
	settle(rig);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_commit_refused), 2);
	CU_ASSERT(worker_rig_finds(rig, "h4.example", 4));
	worker_rig_free(rig);
}

static void bad_rows_are_refused_and_the_others_applied(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	struct record_route nameless = {.id = 5, .service_id = 1};
	struct record_cert cert = {.id = 1, .chain_bytes = 5, .key_bytes = 5};
	worker_rig_attach(rig);
	worker_rig_begin(rig, 1, RECORD_SET_FULL);
	worker_rig_service(rig, 1);
	worker_rig_write(rig, RECORD_ROUTE, slice_of(&nameless, sizeof(nameless)), SLICE(""));
	worker_rig_write(rig, 99, slice_of(&nameless, sizeof(nameless)), SLICE(""));
	worker_rig_write(rig, RECORD_CERT, slice_of(&cert, sizeof(cert)), SLICE("chainkey.."));
	worker_rig_route(rig, 6, 1, "good.example");
	worker_rig_commit(rig, 1, 5);
	settle(rig);
	expect_applied(rig, 1, 5, 3);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_row_malformed), 2);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_row_refused), 1);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_rows), 2);
	CU_ASSERT(worker_rig_finds(rig, "good.example", 1));
	worker_rig_free(rig);
}

static void at_most_a_budget_of_records_is_applied_a_loop(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_rig_attach(rig);
	full(rig, 1, 40);
	CU_ASSERT(worker_rig_step(rig, 10));
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_records), CHANNEL_BUDGET);
	CU_ASSERT(worker_has_input(rig->worker));
	settle(rig);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_records), 82);
	CU_ASSERT(!worker_has_input(rig->worker));
	worker_rig_free(rig);
}

static void keys_stay_neither_in_the_ring_nor_in_the_channel(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	struct record_identity identity = {.id = 1,
					   .chain_bytes = 4,
					   .key_bytes = 9,
					   .name = "spiffe://m.example/edge/par/n1"};
	worker_rig_attach(rig);
	worker_rig_begin(rig, 1, RECORD_SET_FULL);
	worker_rig_write(rig, RECORD_IDENTITY, slice_of(&identity, sizeof(identity)),
			 SLICE("PEM\nSECRETKEY"));
	CU_ASSERT_PTR_NOT_NULL(memmem(rig->region.base, rig->region.bytes, "SECRETKEY", 9));
	settle(rig);
	CU_ASSERT_PTR_NULL(memmem(rig->region.base, rig->region.bytes, "SECRETKEY", 9));
	CU_ASSERT_PTR_NULL(memmem(rig->worker, sizeof(*rig->worker), "SECRETKEY", 9));
	worker_rig_free(rig);
}

static void a_ring_that_makes_no_sense_is_left_and_the_state_stays(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_rig_attach(rig);
	full(rig, 1, 2);
	settle(rig);
	atomic_store(&rig->down.shared->tail, 3);
	settle(rig);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_poisoned), 1);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_attached), 0);
	CU_ASSERT(atomic_load(&rig->shared->is_broken));
	CU_ASSERT(worker_rig_finds(rig, "h2.example", 2));
	CU_ASSERT(!channel_lookup(&rig->worker->channel, SLICE("x.example"), rig->now_us));
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_no_control), 1);
	worker_rig_free(rig);
}

static void a_region_whose_header_changes_is_left(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_rig_attach(rig);
	settle(rig);
	rig->region.base[offsetof(struct region_header, worker_count)] ^= 1;
	worker_rig_step(rig, CHANNEL_ALIVE_US + 1);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_region_changed), 1);
	CU_ASSERT(atomic_load(&rig->shared->is_broken));
	worker_rig_free(rig);
}

static void a_new_region_replaces_the_old_one_without_touching_state(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_rig_attach(rig);
	full(rig, 9, 3);
	settle(rig);
	// The old one goes in the middle of a transaction, unread.
	worker_rig_begin(rig, 10, RECORD_SET_FULL);
	worker_rig_step(rig, 10);
	worker_rig_attach(rig);
	worker_rig_attach(rig); // an offer that was never taken
	settle(rig);
	CU_ASSERT(worker_rig_finds(rig, "h3.example", 3));
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_attaches), 2);
	full(rig, 1, 1);
	settle(rig);
	expect_applied(rig, 1, 2, 0);
	CU_ASSERT(worker_rig_finds(rig, "h1.example", 1));
	CU_ASSERT(!worker_rig_finds(rig, "h3.example", 3));
	worker_rig_free(rig);
}

static void a_region_without_a_full_set_is_told_so(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_rig_attach(rig);
	settle(rig);
	CU_ASSERT_PTR_NULL(worker_rig_event(rig, EVENT_RESYNC));
	worker_rig_step(rig, CHANNEL_PATIENCE_US + 1);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_started), 1);
	expect_resync(rig, COUNTER_channel_started);
	worker_rig_free(rig);
}

static void a_host_is_asked_once_and_again_of_the_next_control(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	struct channel *channel = &rig->worker->channel;
	worker_rig_attach(rig);
	settle(rig);
	CU_ASSERT(channel_lookup(channel, SLICE("new.example"), rig->now_us));
	CU_ASSERT(channel_lookup(channel, SLICE("new.example"), rig->now_us + 10));
	CU_ASSERT(channel_want_cert(channel, SLICE("new.example"), rig->now_us));
	const struct event_lookup *event = worker_rig_event(rig, EVENT_LOOKUP);
	CU_ASSERT_STRING_EQUAL(event->host, "new.example");
	CU_ASSERT_PTR_NULL(worker_rig_event(rig, EVENT_LOOKUP));
	worker_rig_attach(rig);
	worker_rig_step(rig, 10);
	CU_ASSERT_PTR_NOT_NULL(worker_rig_event(rig, EVENT_LOOKUP));
	CU_ASSERT_PTR_NOT_NULL(worker_rig_event(rig, EVENT_CERT_WANTED));
	worker_rig_step(rig, CHANNEL_AGAIN_US);
	CU_ASSERT(channel_lookup(channel, SLICE("new.example"), rig->now_us));
	CU_ASSERT_PTR_NOT_NULL(worker_rig_event(rig, EVENT_LOOKUP));
	worker_rig_free(rig);
}

static void a_host_that_is_none_is_not_asked(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	struct channel *channel = &rig->worker->channel;
	char longest[300];
	memset(longest, 'a', sizeof(longest));
	worker_rig_attach(rig);
	settle(rig);
	CU_ASSERT(!channel_lookup(channel, SLICE("UPPER"), rig->now_us));
	CU_ASSERT(!channel_lookup(channel, SLICE(""), rig->now_us));
	CU_ASSERT(!channel_lookup(channel, slice_of(longest, sizeof(longest)), rig->now_us));
	CU_ASSERT(!channel_want_cert(channel, SLICE("a b"), rig->now_us));
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_event_refused), 4);
	CU_ASSERT_PTR_NULL(worker_rig_event(rig, EVENT_LOOKUP));
	worker_rig_free(rig);
}

static void a_full_ring_up_drops_events_and_counts_them(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	worker_rig_attach(rig);
	settle(rig);
	bool is_asked = true;
	for (unsigned i = 0; i < 2000 && is_asked; i++) {
		char host[32];
		int bytes = snprintf(host, sizeof(host), "h%u.example", i);
		is_asked = channel_lookup(&rig->worker->channel, slice_of(host, (size_t)bytes),
					  rig->now_us);
	}
	CU_ASSERT(!is_asked);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_events_full), 1);
	CU_ASSERT_EQUAL(rig->worker->channel.up.is_poisoned, false);
	while (worker_rig_event(rig, EVENT_LOOKUP))
		;
	CU_ASSERT(channel_lookup(&rig->worker->channel, SLICE("h0.example"), rig->now_us));
	channel_endpoint_failed(&rig->worker->channel, 4, 5);
	const struct event_endpoint_failed *event = worker_rig_event(rig, EVENT_ENDPOINT_FAILED);
	CU_ASSERT_PTR_NOT_NULL_FATAL(event);
	CU_ASSERT_EQUAL(event->endpoint_id, 4);
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_endpoint_failures), 1);
	worker_rig_free(rig);
}

static void the_worker_tells_that_it_lives(void)
{
	struct worker_rig *rig = worker_rig_new("sidecar");
	worker_rig_attach(rig);
	worker_rig_step(rig, 10);
	uint64_t beat = region_worker(&rig->region, 0)->beat;
	for (unsigned i = 0; i < 30; i++)
		worker_rig_step(rig, CHANNEL_ALIVE_US / 10);
	unsigned count = 0;
	while (worker_rig_event(rig, EVENT_ALIVE))
		count++;
	CU_ASSERT(count >= 3 && count <= 5);
	CU_ASSERT(region_worker(&rig->region, 0)->beat > beat);
	worker_rig_free(rig);
}

static void control_hears_at_once_and_again_that_the_worker_ends(void)
{
	struct worker_rig *rig = worker_rig_new("sidecar");
	worker_rig_attach(rig);
	worker_rig_step(rig, 10);
	const struct event_alive *alive = worker_rig_event(rig, EVENT_ALIVE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(alive);
	CU_ASSERT_EQUAL(alive->is_leaving, 0);
	worker_drain(rig->worker);
	for (unsigned i = 0; i < 2; i++) {
		worker_rig_step(rig, i ? CHANNEL_ALIVE_US : 10);
		alive = worker_rig_event(rig, EVENT_ALIVE);
		CU_ASSERT_PTR_NOT_NULL_FATAL(alive);
		CU_ASSERT_EQUAL(alive->is_leaving, 1);
	}
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_worker_draining), 1);
	for (unsigned i = 0; i < 20; i++) // nobody is there: its notice is all it takes
		worker_rig_step(rig, 100000);
	CU_ASSERT_EQUAL(rig->worker->drain.life, WORKER_DRAINED);
	worker_rig_free(rig);
}

// mutate makes a record of a random type, mostly of the right size, with random or zero bytes.
static void mutate(struct record_header *header, uint8_t *payload, uint64_t sequence)
{
	static const uint16_t sizes[RECORD_TYPE_COUNT] = {
#define RECORD(name, type, tail, text) sizeof(struct type),
#include "record.def"
#undef RECORD
	};
	unsigned type = (unsigned)random() % (RECORD_TYPE_COUNT + 1);
	size_t bytes = type < RECORD_TYPE_COUNT ? sizes[type] : 8;
	if (random() % 4 == 0)
		bytes = (size_t)random() % 600;
	for (size_t i = 0; i < bytes; i++)
		payload[i] = (uint8_t)(random() % 3   ? 0
				       : random() % 2 ? random()
						      : 1 + random() % 3);
	*header = (struct record_header){RECORD_MAGIC, RECORD_VERSION, (uint8_t)type,
					 (uint32_t)bytes, sequence};
	if (random() % 20 == 0)
		header->sequence = (uint64_t)random();
	if (random() % 50 == 0)
		header->magic = 0;
	if (random() % 50 == 0)
		header->version = 0;
}

static void random_records_are_never_fatal(void)
{
	struct worker_rig *rig = worker_rig_new("edge");
	static _Alignas(8) uint8_t payload[RECORD_MAX_BYTES];
	struct record_header header;
	struct channel *channel = &rig->worker->channel;
	worker_rig_attach(rig);
	srandom(11);
	for (unsigned i = 0; i < 50000; i++) {
		mutate(&header, payload, channel->sequence + 1);
		channel_apply(channel, &header, payload, rig->now_us);
		if (i % 16 == 0)
			worker_rig_step(rig, 10);
	}
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_records), 50000);
	CU_ASSERT(worker_rig_count(rig, COUNTER_channel_sequence_gap) > 1000);
	CU_ASSERT(worker_rig_count(rig, COUNTER_channel_row_malformed) > 100);
	CU_ASSERT(worker_rig_count(rig, COUNTER_channel_begin_refused) > 100);
	CU_ASSERT(worker_rig_count(rig, row_outside) > 1000);
	worker_rig_attach(rig);
	full(rig, 77, 2);
	settle(rig);
	CU_ASSERT(worker_rig_finds(rig, "h2.example", 2));
	CU_ASSERT_EQUAL(worker_rig_count(rig, COUNTER_channel_in_sync), 1);
	worker_rig_free(rig);
}

int main(void)
{
	static const struct unit_case cases[] = {
		{"a full set is applied and answered", a_full_set_is_applied_and_answered},
		{"a delta changes only what it names", a_delta_changes_only_what_it_names},
		{"a full set forgets what it does not name",
		 a_full_set_forgets_what_it_does_not_name},
		{"rows of a large set are forgotten over many turns",
		 rows_of_a_large_set_are_forgotten_over_many_turns},
		{"a delta before any full set asks for one",
		 a_delta_before_any_full_set_asks_for_one},
		{"a stale delta is refused", a_stale_delta_is_refused},
		{"a gap keeps the state and asks for a full set",
		 a_gap_keeps_the_state_and_asks_for_a_full_set},
		{"a COMMIT that does not add up sweeps nothing",
		 a_commit_that_does_not_add_up_sweeps_nothing},
		{"bad rows are refused and the others applied",
		 bad_rows_are_refused_and_the_others_applied},
		{"at most a budget of records is applied a loop",
		 at_most_a_budget_of_records_is_applied_a_loop},
		{"keys stay neither in the ring nor in the channel",
		 keys_stay_neither_in_the_ring_nor_in_the_channel},
		{"a ring that makes no sense is left and the state stays",
		 a_ring_that_makes_no_sense_is_left_and_the_state_stays},
		{"a region whose header changes is left", a_region_whose_header_changes_is_left},
		{"a new region replaces the old one without touching state",
		 a_new_region_replaces_the_old_one_without_touching_state},
		{"a region without a full set is told so", a_region_without_a_full_set_is_told_so},
		{"a host is asked once, and again of the next control",
		 a_host_is_asked_once_and_again_of_the_next_control},
		{"a host that is none is not asked", a_host_that_is_none_is_not_asked},
		{"a full ring up drops events and counts them",
		 a_full_ring_up_drops_events_and_counts_them},
		{"the worker tells that it lives", the_worker_tells_that_it_lives},
		{"control hears at once, and again, that the worker ends",
		 control_hears_at_once_and_again_that_the_worker_ends},
		{"random records are never fatal", random_records_are_never_fatal},
	};
	worker_rig_start();
	int code = unit_run("worker_channel", cases, sizeof(cases) / sizeof(cases[0]));
	worker_rig_stop();
	return code;
}
