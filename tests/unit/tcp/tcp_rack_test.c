// SPDX-License-Identifier: Apache-2.0
// RACK by the steps of RFC 8985 6.2, on records made by hand.
#include "check.h"
#include "tcp_rack.h"
#include "unit.h"

#define MSS 100u

struct fixture {
	struct pool pool;
	struct tcp_sent_queue queue;
	struct tcp_rack rack;
};

// begin sends count segments, one a millisecond from the first on.
static void begin(struct fixture *f, uint32_t count)
{
	CHECK(pool_init(&f->pool, 64, sizeof(struct tcp_sent)) == 0);
	tcp_sent_init(&f->queue, &f->pool);
	tcp_rack_init(&f->rack, seq_of(0));
	for (uint32_t i = 0; i < count; i++) {
		struct tcp_sent fresh = {.range = {seq_of(i * MSS), seq_of((i + 1) * MSS)},
					 .sent_us = (i + 1) * 1000ull,
					 .segment_bytes = MSS};
		tcp_sent_add(&f->queue, &fresh);
	}
}

static void finish(struct fixture *f)
{
	tcp_sent_clear(&f->queue);
	pool_fini(&f->pool);
}

// sack takes a block of segments at now_us and shows RACK what it told.
static void sack(struct fixture *f, uint32_t first, uint32_t after, uint64_t now_us)
{
	struct tcp_sent_news news = {.now_us = now_us, .min_rtt_us = f->rack.min_rtt_us};
	struct tcp_range block = {seq_of(first * MSS), seq_of(after * MSS)};
	tcp_sent_sacked(&f->queue, block, &news);
	tcp_rack_delivered(&f->rack, &news);
}

static void what_left_before_is_lost_after_the_window(void)
{
	struct fixture f;
	begin(&f, 4);
	sack(&f, 2, 3, 23000); // segment 2 left at 3 ms: a round trip of 20 ms
	CU_ASSERT_EQUAL(f.rack.rtt_us, 20000);
	CU_ASSERT_EQUAL(f.rack.min_rtt_us, 20000);
	uint32_t window_us = tcp_rack_window_us(&f.rack, 20000, false);
	CU_ASSERT_EQUAL(window_us, 5000);
	struct tcp_rack_losses losses = tcp_rack_detect(&f.rack, &f.queue, 23000, window_us);
	CU_ASSERT_EQUAL(losses.bytes, 0);
	CU_ASSERT_EQUAL(losses.due_us, 1000 + 20000 + 5000); // of the first segment
	losses = tcp_rack_detect(&f.rack, &f.queue, 26000, window_us);
	CU_ASSERT_EQUAL(losses.bytes, MSS);
	CU_ASSERT_EQUAL(losses.due_us, 27000);
	losses = tcp_rack_detect(&f.rack, &f.queue, 100000, window_us);
	CU_ASSERT_EQUAL(losses.bytes, MSS); // what left after it flies on
	CU_ASSERT_EQUAL(losses.due_us, 0);
	CU_ASSERT_EQUAL(f.queue.flying_bytes, MSS);
	finish(&f);
}

static void nothing_is_lost_before_anything_was_delivered(void)
{
	struct fixture f;
	begin(&f, 4);
	struct tcp_rack_losses losses = tcp_rack_detect(&f.rack, &f.queue, 1u << 30, 0);
	CU_ASSERT_EQUAL(losses.bytes, 0);
	CU_ASSERT_EQUAL(losses.due_us, 0);
	finish(&f);
}

static void a_lost_retransmission_is_found_by_what_left_after_it(void)
{
	struct fixture f;
	begin(&f, 8);
	sack(&f, 1, 4, 24000);
	CU_ASSERT_EQUAL(tcp_rack_detect(&f.rack, &f.queue, 24000, 0).bytes, MSS);
	struct tcp_sent again = {.sent_us = 24000, .segment_bytes = MSS};
	tcp_sent_again(&f.queue, tcp_sent_first_lost(&f.queue), MSS, &again);
	struct tcp_sent fresh = {.range = {seq_of(8 * MSS), seq_of(9 * MSS)},
				 .sent_us = 25000,
				 .segment_bytes = MSS};
	tcp_sent_add(&f.queue, &fresh);
	sack(&f, 4, 8, 28000); // these left before the retransmission
	CU_ASSERT_EQUAL(tcp_rack_detect(&f.rack, &f.queue, 28000, 0).bytes, 0);
	sack(&f, 8, 9, 46000); // this left after it
	struct tcp_rack_losses losses = tcp_rack_detect(&f.rack, &f.queue, 46000, 0);
	CU_ASSERT_EQUAL(losses.bytes, MSS);
	CU_ASSERT_EQUAL(losses.again_count, 1);
	finish(&f);
}

static void three_sacked_segments_need_no_window_until_reordering_is_seen(void)
{
	struct fixture f;
	begin(&f, 6);
	sack(&f, 4, 5, 25000);
	CU_ASSERT_EQUAL(tcp_rack_window_us(&f.rack, 20000, true), 0);
	CU_ASSERT_EQUAL(tcp_rack_window_us(&f.rack, 20000, false), 5000);
	sack(&f, 2, 3, 26000); // below what was delivered, and sent once
	CU_ASSERT(f.rack.is_reordering_seen);
	CU_ASSERT_EQUAL(tcp_rack_window_us(&f.rack, 20000, true), 5000);
	finish(&f);
}

static void duplicates_widen_the_window_once_a_round_trip(void)
{
	struct fixture f;
	begin(&f, 4);
	sack(&f, 2, 3, 23000);
	tcp_rack_dsack(&f.rack, seq_of(0), seq_of(400));
	tcp_rack_dsack(&f.rack, seq_of(300), seq_of(500)); // of the same round trip
	CU_ASSERT_EQUAL(tcp_rack_window_us(&f.rack, 1000000, false), 2 * 5000);
	tcp_rack_dsack(&f.rack, seq_of(400), seq_of(600));
	CU_ASSERT_EQUAL(tcp_rack_window_us(&f.rack, 1000000, false), 3 * 5000);
	CU_ASSERT_EQUAL(tcp_rack_window_us(&f.rack, 12000, false), 12000); // SRTT at most
	for (unsigned i = 0; i < TCP_RACK_PERSIST - 1; i++)
		tcp_rack_recovered(&f.rack);
	CU_ASSERT_EQUAL(tcp_rack_window_us(&f.rack, 1000000, false), 3 * 5000);
	tcp_rack_recovered(&f.rack);
	CU_ASSERT_EQUAL(tcp_rack_window_us(&f.rack, 1000000, false), 5000);
	finish(&f);
}

static void the_least_round_trip_is_forgotten_after_two_epochs(void)
{
	struct fixture f;
	const uint64_t epoch_us = 1ull << 26;
	begin(&f, 0);
	struct tcp_sent_news news = {.has_rack = true, .now_us = 50000, .rack_us = 40000};
	tcp_rack_delivered(&f.rack, &news);
	CU_ASSERT_EQUAL(f.rack.min_rtt_us, 10000);
	news.now_us = epoch_us + 50000; // the path grew
	news.rack_us = news.now_us - 30000;
	tcp_rack_delivered(&f.rack, &news);
	CU_ASSERT_EQUAL(f.rack.min_rtt_us, 10000);
	news.now_us += epoch_us;
	news.rack_us += epoch_us;
	tcp_rack_delivered(&f.rack, &news);
	CU_ASSERT_EQUAL(f.rack.min_rtt_us, 30000);
	finish(&f);
}

UNIT_MAIN("tcp_rack",
	  {"what left before is lost after the window", what_left_before_is_lost_after_the_window},
	  {"nothing is lost before anything was delivered",
	   nothing_is_lost_before_anything_was_delivered},
	  {"a lost retransmission is found by what left after it",
	   a_lost_retransmission_is_found_by_what_left_after_it},
	  {"three sacked segments need no window until reordering is seen",
	   three_sacked_segments_need_no_window_until_reordering_is_seen},
	  {"duplicates widen the window once a round trip",
	   duplicates_widen_the_window_once_a_round_trip},
	  {"the least round trip is forgotten after two epochs",
	   the_least_round_trip_is_forgotten_after_two_epochs})
