// SPDX-License-Identifier: Apache-2.0
// Packets and messages between workers: in order, bounded, and a sleeper is woken.
#include "unit.h"
#include "worker_rig.h"

#include <rte_mempool.h>

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct rte_mempool *pool;

static struct rte_mbuf *packet(uint32_t number)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	mbuf->hash.rss = number;
	return mbuf;
}

static void packets_arrive_in_order_at_the_worker_they_were_given_to(void)
{
	struct handoff *handoff = handoff_new(3, 64);
	struct counters counters = {0};
	struct rte_mbuf *got[HANDOFF_BUDGET];
	CU_ASSERT_PTR_NOT_NULL_FATAL(handoff);
	for (uint32_t i = 0; i < 10; i++)
		handoff_send(handoff, 0, 2, packet(i), &counters);
	handoff_send(handoff, 1, 2, packet(77), &counters);
	CU_ASSERT(handoff_has_input(handoff, 2));
	CU_ASSERT(!handoff_has_input(handoff, 1));
	CU_ASSERT_EQUAL(handoff_receive(handoff, 2, 0, got), 0);
	CU_ASSERT_EQUAL(handoff_receive(handoff, 0, 2, got), 10);
	for (uint32_t i = 0; i < 10; i++) {
		CU_ASSERT_EQUAL(got[i]->hash.rss, i);
		rte_pktmbuf_free(got[i]);
	}
	CU_ASSERT_EQUAL(handoff_receive(handoff, 1, 2, got), 1);
	CU_ASSERT_EQUAL(got[0]->hash.rss, 77);
	rte_pktmbuf_free(got[0]);
	CU_ASSERT(!handoff_has_input(handoff, 2));
	CU_ASSERT_EQUAL(counters.value[COUNTER_worker_handed_out], 11);
	handoff_free(handoff);
}

static void a_full_ring_drops_the_packet_and_counts_it(void)
{
	struct handoff *handoff = handoff_new(2, 64);
	struct counters counters = {0};
	for (uint32_t i = 0; i < 70; i++)
		handoff_send(handoff, 0, 1, packet(i), &counters);
	CU_ASSERT_EQUAL(counters.value[COUNTER_worker_handed_out], 63);
	CU_ASSERT_EQUAL(counters.value[COUNTER_worker_handoff_full], 7);
	handoff_free(handoff); // frees the 63
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), 255);
}

static void a_sleeping_worker_is_woken_and_an_awake_one_is_not(void)
{
	struct handoff *handoff = handoff_new(2, 64);
	struct counters counters = {0};
	uint64_t wakes = 0;
	int fd = eventfd(0, EFD_NONBLOCK);
	handoff->peers[1].wake_fd = fd;
	handoff_send(handoff, 0, 1, packet(1), &counters);
	CU_ASSERT_EQUAL(read(fd, &wakes, sizeof(wakes)), -1);
	atomic_store(&handoff->peers[1].is_asleep, true);
	handoff_send(handoff, 0, 1, packet(2), &counters);
	CU_ASSERT_EQUAL(read(fd, &wakes, sizeof(wakes)), 8);
	CU_ASSERT_EQUAL(counters.value[COUNTER_worker_peer_wakes], 1);
	close(fd);
	handoff_free(handoff);
}

static void messages_are_copied_whole_and_refused_when_full(void)
{
	struct handoff *handoff = handoff_new(2, 64);
	struct cache_message message = {.kind = CACHE_MESSAGE_INVALIDATE, .key_hash = 1};
	uint32_t sent = 0;
	while (handoff_send_message(handoff, 1, 0, &message)) {
		message.key_hash = ++sent + 1;
		message.answer.ttl_s = -(int64_t)sent;
	}
	CU_ASSERT_EQUAL(sent, HANDOFF_MESSAGES - 1);
	CU_ASSERT(handoff_has_input(handoff, 0));
	for (uint32_t i = 0; i < sent; i++) {
		struct cache_message got;
		CU_ASSERT_FATAL(handoff_receive_message(handoff, 1, 0, &got));
		CU_ASSERT_EQUAL(got.key_hash, i + 1);
		CU_ASSERT_EQUAL(got.answer.ttl_s, -(int64_t)i);
	}
	CU_ASSERT(!handoff_receive_message(handoff, 1, 0, &message));
	CU_ASSERT(handoff_send_message(handoff, 1, 0, &message));
	handoff_free(handoff);
}

#define STREAM 100000u

static void *stream(void *user)
{
	struct handoff *handoff = user;
	for (uint64_t i = 0; i < STREAM;) {
		struct cache_message message = {
			.kind = CACHE_MESSAGE_INVALIDATE, .key_hash = i, .answer.age_s = ~i};
		if (handoff_send_message(handoff, 0, 1, &message))
			i++;
		else
			usleep(20);
	}
	return NULL;
}

static void two_threads_lose_and_mix_nothing(void)
{
	struct handoff *handoff = handoff_new(2, 64);
	struct cache_message got;
	pthread_t thread;
	bool is_whole = true;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, stream, handoff), 0);
	for (uint64_t i = 0; i < STREAM;) {
		if (!handoff_receive_message(handoff, 0, 1, &got)) {
			usleep(20);
			continue;
		}
		is_whole = is_whole && got.key_hash == i && got.answer.age_s == ~i;
		i++;
	}
	pthread_join(thread, NULL);
	CU_ASSERT(is_whole);
	handoff_free(handoff);
}

int main(void)
{
	static const struct unit_case cases[] = {
		{"packets arrive in order at the worker they were given to",
		 packets_arrive_in_order_at_the_worker_they_were_given_to},
		{"a full ring drops the packet and counts it",
		 a_full_ring_drops_the_packet_and_counts_it},
		{"a sleeping worker is woken and an awake one is not",
		 a_sleeping_worker_is_woken_and_an_awake_one_is_not},
		{"messages are copied whole and refused when full",
		 messages_are_copied_whole_and_refused_when_full},
		{"two threads lose and mix nothing", two_threads_lose_and_mix_nothing},
	};
	worker_rig_start();
	pool = rte_pktmbuf_pool_create("handoff", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	int code = pool ? unit_run("worker_handoff", cases, sizeof(cases) / sizeof(cases[0])) : 99;
	rte_mempool_free(pool);
	worker_rig_stop();
	return code;
}
