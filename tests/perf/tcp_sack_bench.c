// SPDX-License-Identifier: Apache-2.0
// What an ACK costs the records of what is in flight (tcp_sent, tcp_rack): in bulk, in a recovery,
// and from a peer that SACKs every second segment in random order so as to make us search. CPU time
// of this thread; the median and the worst of the ACKs. Bounded: about a second.
#include "check.h"
#include "random.h"
#include "tcp_rack.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MSS  1448u
#define ACKS 20000u

struct bench {
	struct pool pool;
	struct tcp_sent_queue queue;
	struct tcp_rack rack;
	struct random_source random;
	uint64_t now_us;
	uint32_t una, nxt; // segments
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static struct tcp_seq seq_at(uint32_t segment)
{
	return seq_of(segment * MSS);
}

// send puts count segments on their way, as one burst.
static void send(struct bench *bench, uint32_t count)
{
	struct tcp_sent fresh = {.range = {seq_at(bench->nxt), seq_at(bench->nxt + count)},
				 .sent_us = bench->now_us,
				 .segment_bytes = MSS};
	tcp_sent_add(&bench->queue, &fresh);
	bench->nxt += count;
}

static void look(struct bench *bench, struct tcp_sent_news *news)
{
	tcp_rack_delivered(&bench->rack, news);
	tcp_rack_detect(&bench->rack, &bench->queue, bench->now_us, 0);
}

// bulk acknowledges two segments and sends two.
static void bulk(struct bench *bench)
{
	struct tcp_sent_news news = {.now_us = bench->now_us};
	if (bench->nxt - bench->una < 600)
		send(bench, 600);
	bench->una += 2;
	bench->now_us += 25;
	tcp_sent_acked(&bench->queue, seq_at(bench->una), &news);
	look(bench, &news);
	send(bench, 2);
}

// recover takes ACKs behind a hole: the SACKed run grows by two segments each.
static void recover(struct bench *bench)
{
	struct tcp_sent_news news = {.now_us = bench->now_us};
	uint32_t held = bench->queue.sacked_bytes / MSS;
	if (held > 500) {
		bench->una = bench->nxt;
		tcp_sent_acked(&bench->queue, seq_at(bench->una), &news);
		held = 0;
	}
	while (bench->nxt - bench->una < held + 600)
		send(bench, 2);
	bench->now_us += 25;
	struct tcp_range block = {seq_at(bench->una + 1), seq_at(bench->una + held + 3)};
	tcp_sent_sacked(&bench->queue, block, &news);
	look(bench, &news);
}

// storm takes four blocks of one segment each, anywhere; all over again when little is left.
static void storm(struct bench *bench)
{
	struct tcp_sent_news news = {.now_us = bench->now_us};
	const uint32_t flight = 2 * TCP_SENT_MAX;
	if (bench->nxt == bench->una || bench->queue.sacked_bytes / MSS > flight * 2 / 5) {
		tcp_sent_clear(&bench->queue);
		bench->una = bench->nxt;
		send(bench, flight);
	}
	bench->now_us += 25;
	for (unsigned i = 0; i < 4; i++) {
		uint32_t at = bench->una + 1 + 2 * random_below(&bench->random, flight / 2 - 1);
		tcp_sent_sacked(&bench->queue, (struct tcp_range){seq_at(at), seq_at(at + 1)},
				&news);
	}
	look(bench, &news);
}

static void run(const char *name, void (*step)(struct bench *bench))
{
	static uint64_t ns[ACKS];
	struct bench bench = {.now_us = 1};
	CHECK(pool_init(&bench.pool, 16384, sizeof(struct tcp_sent)) == 0);
	random_init(&bench.random, (struct siphash_key){{1, 2}});
	tcp_sent_init(&bench.queue, &bench.pool);
	tcp_rack_init(&bench.rack, seq_of(0));
	uint32_t records_max = 0;
	for (unsigned i = 0; i < ACKS; i++) {
		uint64_t began_ns = now_ns();
		step(&bench);
		ns[i] = now_ns() - began_ns;
		records_max = MAX(records_max, bench.queue.count);
	}
	qsort(ns, ACKS, sizeof(ns[0]), compare);
	printf("%-10s median %6lu ns, 99.9 %% %6lu ns, records at most %u\n", name, ns[ACKS / 2],
	       ns[ACKS - ACKS / 1000], records_max);
	tcp_sent_clear(&bench.queue);
	pool_fini(&bench.pool);
}

int main(void)
{
	run("bulk", bulk);
	run("recovery", recover);
	run("SACK storm", storm);
	return 0;
}
