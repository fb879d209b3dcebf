// SPDX-License-Identifier: Apache-2.0
// Delivery-rate samples: a path of known speed is measured as such.
#include "check.h"
#include "tcp_rate.h"
#include "unit.h"

#define MSS     1000u
#define RTT_US  20000u
#define STEP_US 1000u // between two segments: a path of a megabyte a second

struct path {
	struct pool pool;
	struct tcp_sent_queue queue;
	struct tcp_rate_clock clock;
	uint64_t now_us;
	uint32_t sent, acked; // segments
};

static void begin(struct path *path)
{
	*path = (struct path){.now_us = 1000000};
	CHECK(pool_init(&path->pool, 256, sizeof(struct tcp_sent)) == 0);
	tcp_sent_init(&path->queue, &path->pool);
}

static void finish(struct path *path)
{
	tcp_sent_clear(&path->queue);
	pool_fini(&path->pool);
}

static void send(struct path *path)
{
	struct tcp_sent fresh = {
		.range = {seq_of(path->sent * MSS), seq_of((path->sent + 1) * MSS)},
		.segment_bytes = MSS};
	tcp_rate_stamp(&path->clock, &fresh, path->now_us, path->queue.flying_bytes);
	tcp_sent_add(&path->queue, &fresh);
	path->sent++;
}

// take acknowledges count segments now; true when it ends a round trip.
static bool take(struct path *path, uint32_t count, struct tcp_rate *rate)
{
	struct tcp_sent_news news = {.now_us = path->now_us, .min_rtt_us = RTT_US};
	path->acked += count;
	tcp_sent_acked(&path->queue, seq_of(path->acked * MSS), &news);
	return tcp_rate_sample(&path->clock, &news, rate);
}

static uint64_t bytes_per_s(const struct tcp_rate *rate)
{
	return rate->delivered_bytes * 1000000ull / rate->interval_us;
}

// run keeps twenty segments in flight for so many steps; returns how many round trips ended.
static unsigned run(struct path *path, unsigned steps, struct tcp_rate *rate)
{
	unsigned rounds = 0;
	for (unsigned i = 0; i < steps; i++) {
		send(path);
		path->now_us += STEP_US;
		if (path->sent - path->acked >= RTT_US / STEP_US)
			rounds += take(path, 1, rate);
	}
	return rounds;
}

static void a_steady_path_is_measured_at_its_speed(void)
{
	struct path path;
	struct tcp_rate rate = {0};
	begin(&path);
	unsigned rounds = run(&path, 200, &rate);
	CU_ASSERT_EQUAL(bytes_per_s(&rate), 1000000);
	CU_ASSERT(!rate.is_app_limited);
	CU_ASSERT(rounds >= 8 && rounds <= 10); // 181 ACKs of 20 segments in flight
	finish(&path);
}

// ACKs that come in a bunch do not make the path look faster than it was sent at.
static void a_bunch_of_acks_is_no_faster_path(void)
{
	struct path path;
	struct tcp_rate rate = {0};
	begin(&path);
	run(&path, 100, &rate);
	path.now_us += 10000; // nothing arrives for a while
	take(&path, 15, &rate);
	CU_ASSERT(bytes_per_s(&rate) <= 1000000);
	CU_ASSERT(bytes_per_s(&rate) > 500000);
	finish(&path);
}

static void a_silent_application_marks_what_it_sends_next(void)
{
	struct path path;
	struct tcp_rate rate = {0};
	begin(&path);
	run(&path, 60, &rate);
	tcp_rate_limit(&path.clock, path.queue.flying_bytes);
	send(&path);
	path.now_us += RTT_US;
	take(&path, path.sent - path.acked, &rate);
	CU_ASSERT(rate.is_app_limited);
	run(&path, 60, &rate);
	CU_ASSERT(!rate.is_app_limited);
	finish(&path);
}

static void an_ack_of_nothing_new_measures_nothing(void)
{
	struct path path;
	struct tcp_rate rate = {.interval_us = 1};
	begin(&path);
	CU_ASSERT(!take(&path, 0, &rate));
	CU_ASSERT_EQUAL(rate.interval_us, 0);
	send(&path);
	path.now_us += RTT_US / 2; // sooner than the path's least round trip
	take(&path, 1, &rate);
	CU_ASSERT_EQUAL(rate.interval_us, 0);
	finish(&path);
}

UNIT_MAIN("tcp_rate",
	  {"a steady path is measured at its speed", a_steady_path_is_measured_at_its_speed},
	  {"a bunch of ACKs is no faster path", a_bunch_of_acks_is_no_faster_path},
	  {"a silent application marks what it sends next",
	   a_silent_application_marks_what_it_sends_next},
	  {"an ACK of nothing new measures nothing", an_ack_of_nothing_new_measures_nothing})
