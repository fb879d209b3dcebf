// SPDX-License-Identifier: Apache-2.0
// Records of what was sent against a model that knows the state of every segment, with records
// enough and with hardly any; what an ACK tells; and the bound of the search for SACK blocks.
#include "check.h"
#include "random.h"
#include "tcp_sent.h"
#include "unit.h"

#include <string.h>

#define MSS 100u

static struct tcp_range range(uint32_t start, uint32_t end)
{
	return (struct tcp_range){seq_of(start), seq_of(end)};
}

static void send(struct tcp_sent_queue *queue, uint32_t start, uint32_t end, uint64_t now_us)
{
	struct tcp_sent fresh = {
		.range = range(start, end), .sent_us = now_us, .segment_bytes = MSS};
	tcp_sent_add(queue, &fresh);
}

static void again(struct tcp_sent_queue *queue, struct tcp_sent *record, uint32_t bytes,
		  uint64_t now_us)
{
	struct tcp_sent fresh = {.sent_us = now_us, .segment_bytes = MSS};
	tcp_sent_again(queue, record, bytes, &fresh);
}

static uint32_t sum_of(const struct tcp_sent_queue *queue)
{
	return queue->flying_bytes + queue->lost_bytes + queue->sacked_bytes;
}

// assert_sound checks what always holds: records touch, sums are right, lists hold what they
// should.
static void assert_sound(struct tcp_sent_queue *queue, uint32_t una, uint32_t nxt)
{
	uint32_t bytes[3] = {0}, count = 0, listed = 0;
	struct tcp_seq at = seq_of(una);
	struct list *node;
	bool was_sacked = false;
	list_for_each (node, &queue->by_seq) {
		struct tcp_sent *record = container_of(node, struct tcp_sent, by_seq);
		bool is_sacked = record->state == TCP_SENT_SACKED;
		CU_ASSERT(seq_equal(record->range.start, at));
		CU_ASSERT(seq_before(at, record->range.end));
		CU_ASSERT(!(was_sacked && is_sacked)); // neighbours are joined
		bytes[record->state] += seq_distance(at, record->range.end);
		was_sacked = is_sacked;
		at = record->range.end;
		count++;
		listed += !is_sacked;
	}
	CU_ASSERT_EQUAL(at.value, nxt);
	CU_ASSERT_EQUAL(queue->count, count);
	CU_ASSERT_EQUAL(queue->pool->in_use, count);
	CU_ASSERT_EQUAL(queue->flying_bytes, bytes[TCP_SENT_FLYING]);
	CU_ASSERT_EQUAL(queue->lost_bytes, bytes[TCP_SENT_LOST]);
	CU_ASSERT_EQUAL(queue->sacked_bytes, bytes[TCP_SENT_SACKED]);
	uint64_t sent_us = 0;
	list_for_each (node, &queue->flying) {
		struct tcp_sent *record = container_of(node, struct tcp_sent, by_time);
		listed -= record->state == TCP_SENT_FLYING;
		CU_ASSERT(record->sent_us >= sent_us); // RACK's order
		sent_us = record->sent_us;
	}
	list_for_each (node, &queue->lost)
		listed -= container_of(node, struct tcp_sent, by_time)->state == TCP_SENT_LOST;
	CU_ASSERT_EQUAL(listed, 0);
}

// A segment as the model sees it; segments below `una` are acknowledged.
enum { SEGMENTS = 400 };
struct model {
	uint32_t base, una, nxt; // segments
	uint8_t state[SEGMENTS];
	uint8_t again[SEGMENTS];
	uint64_t now_us;
	struct random_source random;
	struct tcp_sent_queue queue;
};

static uint32_t seq_at(const struct model *model, uint32_t segment)
{
	return model->base + segment * MSS;
}

static void do_send(struct model *model)
{
	uint32_t count = MIN(1 + random_below(&model->random, 5), SEGMENTS - model->nxt);
	if (count == 0 || !tcp_sent_has_room(&model->queue))
		return;
	model->now_us += random_below(&model->random, 2);
	send(&model->queue, seq_at(model, model->nxt), seq_at(model, model->nxt + count),
	     model->now_us);
	memset(model->state + model->nxt, TCP_SENT_FLYING, count);
	model->nxt += count;
}

static void do_sack(struct model *model, bool is_exact)
{
	uint32_t flight = model->nxt - model->una;
	if (flight < 2)
		return;
	uint32_t first = model->una + 1 + random_below(&model->random, flight - 1);
	uint32_t after = first + 1 + random_below(&model->random, MIN(model->nxt - first, 6u));
	after = MIN(after, model->nxt);
	uint32_t news_bytes = 0;
	for (uint32_t i = first; i < after; i++)
		news_bytes += model->state[i] == TCP_SENT_SACKED ? 0 : MSS;
	uint32_t ragged = random_below(&model->random, 2) ? 30 : 0; // parts of segments count not
	struct tcp_range block =
		range(seq_at(model, first) - ragged, seq_at(model, after) + ragged);
	if (after == model->nxt || first == model->una + 1)
		block = range(seq_at(model, first), seq_at(model, after));
	struct tcp_sent_news news = {.now_us = model->now_us};
	tcp_sent_sacked(&model->queue, block, &news);
	if (!is_exact)
		return;
	CU_ASSERT_EQUAL(news.delivered_bytes, news_bytes);
	memset(model->state + first, TCP_SENT_SACKED, after - first);
}

static void do_ack(struct model *model, bool is_exact)
{
	uint32_t flight = model->nxt - model->una;
	uint32_t count = random_below(&model->random, MIN(flight, 8u) + 1);
	uint32_t news_bytes = 0;
	bool has_once = false, has_again = false;
	for (uint32_t i = model->una; i < model->una + count; i++) {
		bool is_news = model->state[i] != TCP_SENT_SACKED;
		news_bytes += is_news ? MSS : 0;
		has_once |= is_news && !model->again[i];
		has_again |= is_news && model->again[i];
	}
	model->una += count;
	struct tcp_sent_news news = {.now_us = model->now_us};
	tcp_sent_acked(&model->queue, seq_of(seq_at(model, model->una)), &news);
	if (!is_exact)
		return;
	CU_ASSERT_EQUAL(news.delivered_bytes, news_bytes);
	CU_ASSERT_EQUAL(news.has_once, has_once);
	CU_ASSERT_EQUAL(news.has_again, has_again);
	CU_ASSERT_EQUAL(news.has_newest, news_bytes > 0);
}

static void do_lose(struct model *model)
{
	uint32_t kind = random_below(&model->random, 10);
	if (kind == 0) {
		tcp_sent_lose_due(&model->queue, model->now_us);
		for (uint32_t i = model->una; i < model->nxt; i++)
			if (model->state[i] == TCP_SENT_FLYING)
				model->state[i] = TCP_SENT_LOST;
	} else if (kind == 1) {
		tcp_sent_unlose(&model->queue);
		for (uint32_t i = model->una; i < model->nxt; i++)
			if (model->state[i] == TCP_SENT_LOST)
				model->state[i] = TCP_SENT_FLYING;
	} else {
		tcp_sent_lose_first(&model->queue);
		if (model->una < model->nxt && model->state[model->una] == TCP_SENT_FLYING)
			model->state[model->una] = TCP_SENT_LOST;
	}
}

static void do_again(struct model *model)
{
	struct tcp_sent *lost = tcp_sent_first_lost(&model->queue);
	if (!lost)
		return;
	uint32_t first = (lost->range.start.value - model->base) / MSS;
	uint32_t count = 1 + random_below(&model->random, 3);
	uint32_t has = seq_distance(lost->range.start, lost->range.end) / MSS;
	model->now_us++;
	again(&model->queue, lost, count * MSS, model->now_us);
	memset(model->state + first, TCP_SENT_FLYING, MIN(count, has));
	memset(model->again + first, 1, MIN(count, has));
}

static void assert_as(const struct model *model)
{
	uint32_t bytes[3] = {0};
	for (uint32_t i = model->una; i < model->nxt; i++)
		bytes[model->state[i]] += MSS;
	CU_ASSERT_EQUAL(model->queue.flying_bytes, bytes[TCP_SENT_FLYING]);
	CU_ASSERT_EQUAL(model->queue.lost_bytes, bytes[TCP_SENT_LOST]);
	CU_ASSERT_EQUAL(model->queue.sacked_bytes, bytes[TCP_SENT_SACKED]);
}

static void run_model(uint64_t seed, uint32_t record_count)
{
	struct pool pool;
	CHECK(pool_init(&pool, record_count, sizeof(struct tcp_sent)) == 0);
	struct model model = {.base = (uint32_t)seed * 0x01000193u - 20000}; // some runs wrap
	bool is_exact = record_count >= SEGMENTS;
	random_init(&model.random, (struct siphash_key){{seed, 7}});
	tcp_sent_init(&model.queue, &pool);
	for (unsigned step = 0; step < 600 && model.una < SEGMENTS; step++) {
		switch (random_below(&model.random, 6)) {
		case 0:
		case 1: do_send(&model); break;
		case 2: do_sack(&model, is_exact); break;
		case 3: do_ack(&model, is_exact); break;
		case 4: do_lose(&model); break;
		default: do_again(&model); break;
		}
		assert_sound(&model.queue, seq_at(&model, model.una), seq_at(&model, model.nxt));
		if (is_exact)
			assert_as(&model);
	}
	tcp_sent_clear(&model.queue);
	CU_ASSERT_EQUAL(pool.in_use, 0);
	CU_ASSERT_EQUAL(sum_of(&model.queue), 0);
	pool_fini(&pool);
}

static void records_match_a_model_of_every_segment(void)
{
	for (uint64_t seed = 0; seed < 200; seed++)
		run_model(seed, SEGMENTS);
}

static void records_stay_sound_when_there_are_hardly_any(void)
{
	for (uint64_t seed = 0; seed < 200; seed++)
		run_model(seed, 1 + (uint32_t)seed % 9);
}

struct fixture {
	struct pool pool;
	struct tcp_sent_queue queue;
	struct tcp_sent_news news;
};

static struct fixture fixture_of(uint32_t record_count)
{
	struct fixture fixture = {0};
	CHECK(pool_init(&fixture.pool, record_count, sizeof(struct tcp_sent)) == 0);
	return fixture;
}

static void one_burst_is_one_record_until_it_is_torn(void)
{
	struct fixture f = fixture_of(16);
	tcp_sent_init(&f.queue, &f.pool);
	for (uint32_t i = 0; i < 5; i++)
		send(&f.queue, i * MSS, (i + 1) * MSS, 1000);
	CU_ASSERT_EQUAL(f.queue.count, 1);
	send(&f.queue, 500, 550, 1000); // the end of what was queued: the burst is over
	send(&f.queue, 550, 650, 1000);
	CU_ASSERT_EQUAL(f.queue.count, 2);
	tcp_sent_sacked(&f.queue, range(200, 300), &f.news);
	CU_ASSERT_EQUAL(f.queue.count, 4);
	tcp_sent_sacked(&f.queue, range(300, 550), &f.news);
	CU_ASSERT_EQUAL(f.queue.count, 3);
	CU_ASSERT_EQUAL(f.queue.sacked_bytes, 350);
	CU_ASSERT_EQUAL(f.news.delivered_bytes, 350);
	tcp_sent_clear(&f.queue);
	pool_fini(&f.pool);
}

static void without_records_the_last_one_grows_and_then_nothing_leaves(void)
{
	struct fixture f = fixture_of(1);
	tcp_sent_init(&f.queue, &f.pool);
	struct tcp_sent_queue other;
	tcp_sent_init(&other, &f.pool);
	struct tcp_sent fresh = {.range = range(0, 100), .sent_us = 1, .segment_bytes = MSS};
	CU_ASSERT(tcp_sent_add(&f.queue, &fresh));
	CU_ASSERT(!tcp_sent_has_room(&other)); // a connection without any must wait
	fresh.range = range(100, 200);
	fresh.sent_us = 2;
	CU_ASSERT(tcp_sent_has_room(&f.queue));
	CU_ASSERT(!tcp_sent_add(&f.queue, &fresh)); // told, to be counted
	CU_ASSERT_EQUAL(f.queue.flying_bytes, 200);
	CU_ASSERT_EQUAL(tcp_sent_first(&f.queue)->sent_us, 2);
	tcp_sent_sacked(&f.queue, range(100, 200), &f.news);
	CU_ASSERT_EQUAL(f.queue.sacked_bytes, 0); // cannot be split: not SACKed, which is safe
	tcp_sent_lose_first(&f.queue);
	CU_ASSERT_EQUAL(f.queue.lost_bytes, 200);
	CU_ASSERT(!tcp_sent_has_room(&f.queue)); // what is lost is sent again first
	struct tcp_sent *lost = tcp_sent_first_lost(&f.queue);
	fresh.sent_us = 3;
	CU_ASSERT(!tcp_sent_again(&f.queue, lost, 100, &fresh));
	CU_ASSERT_EQUAL(f.queue.flying_bytes, 200);
	tcp_sent_acked(&f.queue, seq_of(200), &f.news);
	CU_ASSERT(tcp_sent_has_room(&other));
	pool_fini(&f.pool);
}

static void retransmissions_are_told_from_first_transmissions(void)
{
	struct fixture f = fixture_of(16);
	tcp_sent_init(&f.queue, &f.pool);
	send(&f.queue, 0, 100, 1000000);
	send(&f.queue, 100, 200, 1001000);
	tcp_sent_lose_first(&f.queue);
	again(&f.queue, tcp_sent_first_lost(&f.queue), 100, 1050000);
	f.news = (struct tcp_sent_news){.now_us = 1060000, .min_rtt_us = 20000};
	tcp_sent_acked(&f.queue, seq_of(200), &f.news);
	CU_ASSERT(f.news.has_once && f.news.has_again);
	CU_ASSERT_EQUAL(f.news.once_us, 1001000);
	CU_ASSERT_EQUAL(f.news.newest.sent_us, 1050000);
	CU_ASSERT_EQUAL(f.news.rack_us, 1001000); // 10 ms: the answer is the first one's
	send(&f.queue, 200, 300, 1100000);
	tcp_sent_lose_first(&f.queue);
	again(&f.queue, tcp_sent_first_lost(&f.queue), 100, 1150000);
	f.news = (struct tcp_sent_news){
		.now_us = 1180000, .min_rtt_us = 20000, .has_echo = true, .echo_ms = 1100};
	tcp_sent_acked(&f.queue, seq_of(300), &f.news);
	CU_ASSERT(!f.news.has_rack); // the echo is the first one's
	pool_fini(&f.pool);
}

static void the_last_segment_of_a_burst_can_be_had_alone(void)
{
	struct fixture f = fixture_of(16);
	tcp_sent_init(&f.queue, &f.pool);
	CU_ASSERT_PTR_NULL(tcp_sent_tail(&f.queue));
	send(&f.queue, 0, 250, 1);
	struct tcp_sent *tail = tcp_sent_tail(&f.queue);
	CU_ASSERT_EQUAL(tail->range.start.value, 200);
	CU_ASSERT_EQUAL(tail->range.end.value, 250);
	CU_ASSERT_PTR_EQUAL(tcp_sent_tail(&f.queue), tail);
	tcp_sent_clear(&f.queue);
	pool_fini(&f.pool);
}

static void what_was_sacked_can_be_taken_back(void)
{
	struct fixture f = fixture_of(16);
	tcp_sent_init(&f.queue, &f.pool);
	send(&f.queue, 0, 500, 1);
	tcp_sent_sacked(&f.queue, range(200, 400), &f.news);
	tcp_sent_renege(&f.queue);
	tcp_sent_lose_due(&f.queue, 1);
	CU_ASSERT_EQUAL(f.queue.sacked_bytes, 0);
	CU_ASSERT_EQUAL(f.queue.lost_bytes, 500);
	CU_ASSERT_EQUAL(tcp_sent_first_lost(&f.queue)->range.start.value, 0); // in order
	tcp_sent_clear(&f.queue);
	pool_fini(&f.pool);
}

// A peer that SACKs every second segment makes as many records as it likes; blocks anywhere among
// them must not make an ACK look at more than TCP_SENT_WALK, nor a connection hold more than
// TCP_SENT_MAX.
static void a_sack_storm_is_bounded(void)
{
	struct fixture f = fixture_of(4 * TCP_SENT_MAX);
	struct random_source random;
	random_init(&random, (struct siphash_key){{1, 2}});
	tcp_sent_init(&f.queue, &f.pool);
	for (uint32_t i = 0; i < 2 * TCP_SENT_MAX; i++)
		send(&f.queue, i * MSS, (i + 1) * MSS, 1);
	CU_ASSERT_EQUAL(f.queue.count, 1);
	unsigned over = 0;
	for (unsigned ack = 0; ack < 20000; ack++) {
		f.news = (struct tcp_sent_news){.now_us = 2};
		for (unsigned block = 0; block < 4; block++) {
			uint32_t at = 1 + 2 * random_below(&random, TCP_SENT_MAX - 1);
			tcp_sent_sacked(&f.queue, range(at * MSS, (at + 1) * MSS), &f.news);
		}
		CU_ASSERT(f.news.walk_count <= TCP_SENT_WALK);
		CU_ASSERT(f.queue.count <= TCP_SENT_MAX);
		over += f.news.is_walk_over;
	}
	CU_ASSERT(over > 0);
	assert_sound(&f.queue, 0, 2 * TCP_SENT_MAX * MSS);
	tcp_sent_clear(&f.queue);
	pool_fini(&f.pool);
}

UNIT_MAIN("tcp_sent",
	  {"records match a model of every segment", records_match_a_model_of_every_segment},
	  {"records stay sound when there are hardly any",
	   records_stay_sound_when_there_are_hardly_any},
	  {"one burst is one record until it is torn", one_burst_is_one_record_until_it_is_torn},
	  {"without records the last one grows and then nothing leaves",
	   without_records_the_last_one_grows_and_then_nothing_leaves},
	  {"retransmissions are told from first transmissions",
	   retransmissions_are_told_from_first_transmissions},
	  {"the last segment of a burst can be had alone",
	   the_last_segment_of_a_burst_can_be_had_alone},
	  {"what was sacked can be taken back", what_was_sacked_can_be_taken_back},
	  {"a sack storm is bounded", a_sack_storm_is_bounded})
