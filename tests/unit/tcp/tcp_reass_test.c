// SPDX-License-Identifier: Apache-2.0
// Reassembly over real mbufs: any order, any overlap, first copy wins, every mbuf comes back.
#include "check.h"
#include "net.h"
#include "random.h"
#include "tcp_reass.h"
#include "unit.h"

#include <rte_eal.h>
#include <rte_mbuf.h>

static struct rte_mempool *pool(void)
{
	static struct rte_mempool *made;
	if (made)
		return made;
	char *arguments[] = {"test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
			     "-m",   "64",        "--log-level", "3",        "-l",
			     "0"};
	CHECK(rte_eal_init((int)ARRAY_LEN(arguments), arguments) >= 0);
	made = rte_pktmbuf_pool_create("reass", 1023, 0, sizeof(struct packet),
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	CHECK(made);
	return made;
}

// packet makes bytes bytes of fill, cut in two mbufs behind the first cut bytes (0: one).
static struct rte_mbuf *packet(uint32_t bytes, uint8_t fill, uint32_t cut)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(pool());
	uint32_t first = cut ? cut : bytes;
	memset(rte_pktmbuf_append(head, (uint16_t)first), fill, first);
	if (first < bytes) {
		struct rte_mbuf *rest = rte_pktmbuf_alloc(pool());
		memset(rte_pktmbuf_append(rest, (uint16_t)(bytes - first)), fill, bytes - first);
		CHECK(rte_pktmbuf_chain(head, rest) == 0);
	}
	return head;
}

static enum tcp_reass_result add(struct tcp_reass *reass, struct tcp_seq *next, uint32_t at,
				 uint32_t bytes, uint8_t fill)
{
	return tcp_reass_add(reass, next, seq_of(at), packet(bytes, fill, 0));
}

static void segments_in_order_are_readable_at_once(void)
{
	struct tcp_reass reass = {0};
	struct tcp_seq next = seq_of(1000);
	CU_ASSERT_EQUAL(add(&reass, &next, 1000, 1400, 'a'), TCP_REASS_IN_ORDER);
	CU_ASSERT(seq_equal(next, seq_of(2400)));
	CU_ASSERT_EQUAL(tcp_reass_peek(&reass).bytes, 1400);
	tcp_reass_consume(&reass, 1400);
	CU_ASSERT_EQUAL(tcp_reass_peek(&reass).bytes, 0);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool()), 0);
}

static void small_payloads_share_an_mbuf(void)
{
	struct tcp_reass reass = {0};
	struct tcp_seq next = seq_of(0);
	for (uint32_t i = 0; i < 1000; i++)
		add(&reass, &next, i, 1, (uint8_t)i);
	CU_ASSERT_EQUAL(reass.mbuf_count, 1);
	struct slice got = tcp_reass_peek(&reass);
	CU_ASSERT_EQUAL(got.bytes, 1000);
	CU_ASSERT_EQUAL((uint8_t)got.at[999], (uint8_t)999);
	tcp_reass_clear(&reass);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool()), 0);
}

// A chain of small payloads, as a run of segments makes it, pins no more than they do one by one.
static void chained_payloads_share_an_mbuf(void)
{
	struct tcp_reass reass = {0};
	struct tcp_seq next = seq_of(0);
	struct rte_mbuf *head = packet(TCP_REASS_COPY, 'a', 0);
	struct rte_mbuf *last = head;
	tcp_reass_chain(head, &last, packet(TCP_REASS_COPY, 'b', 0));
	tcp_reass_chain(head, &last, packet(TCP_REASS_COPY + 1, 'c', 0));
	tcp_reass_chain(head, &last, packet(10, 'd', 5)); // of two mbufs
	tcp_reass_chain(head, &last, packet(1400, 'e', 0));
	CU_ASSERT_EQUAL(head->pkt_len, 3 * TCP_REASS_COPY + 1 + 10 + 1400);
	CU_ASSERT_EQUAL(head->nb_segs, 5);
	CU_ASSERT_EQUAL(rte_pktmbuf_lastseg(head), last);
	CU_ASSERT_EQUAL(rte_mbuf_check(head, 1, NULL), 0);
	CU_ASSERT_EQUAL(tcp_reass_add(&reass, &next, next, head), TCP_REASS_IN_ORDER);
	CU_ASSERT_EQUAL(reass.mbuf_count, 5);
	CU_ASSERT_EQUAL(tcp_reass_peek(&reass).bytes, 2 * TCP_REASS_COPY);
	CU_ASSERT_EQUAL(tcp_reass_peek(&reass).at[TCP_REASS_COPY], 'b');
	tcp_reass_clear(&reass);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool()), 0);
}

// Whatever the order in which single bytes come, they pin few packets.
static void bytes_in_any_order_share_mbufs(void)
{
	struct tcp_reass reass = {0};
	struct tcp_seq next = seq_of(0);
	for (uint32_t at = 4000; at > 3000; at--)
		CU_ASSERT_EQUAL(add(&reass, &next, at, 1, 'x'), TCP_REASS_EARLY);
	CU_ASSERT_EQUAL(reass.early_count, 1);
	CU_ASSERT(reass.mbuf_count <= 1000 / 64);
	tcp_reass_clear(&reass);
	for (uint32_t at = 10; at < 1000; at += 2)
		if (add(&reass, &next, at, 1, 'x') == TCP_REASS_EARLY)
			CU_ASSERT_EQUAL(add(&reass, &next, at + 1, 1, 'x'), TCP_REASS_EARLY);
	CU_ASSERT_EQUAL(reass.mbuf_count, 1);
	for (uint32_t at = 2000; at < 2000 + 2 * TCP_REASS_RUNS; at += 2)
		add(&reass, &next, at, 1, 'x');
	CU_ASSERT_EQUAL(reass.early_count, TCP_REASS_RUNS);
	for (uint32_t at = 2001; at < 2000 + 2 * TCP_REASS_RUNS; at += 2)
		add(&reass, &next, at, 1, 'x');
	CU_ASSERT(reass.early_count <= 3);
	CU_ASSERT(reass.mbuf_count <= 4);
	tcp_reass_clear(&reass);
	CU_ASSERT_EQUAL(reass.mbuf_count, 0);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool()), 0);
}

static void the_first_copy_of_a_byte_wins(void)
{
	struct tcp_reass reass = {0};
	struct tcp_seq next = seq_of(0);
	CU_ASSERT_EQUAL(add(&reass, &next, 10, 10, 'a'), TCP_REASS_EARLY);
	CU_ASSERT_EQUAL(add(&reass, &next, 5, 10, 'b'), TCP_REASS_EARLY);
	CU_ASSERT_EQUAL(add(&reass, &next, 12, 4, 'c'), TCP_REASS_DUPLICATE);
	CU_ASSERT_EQUAL(add(&reass, &next, 0, 5, 'd'), TCP_REASS_IN_ORDER);
	CU_ASSERT(seq_equal(next, seq_of(20)));
	CU_ASSERT_EQUAL(add(&reass, &next, 0, 20, 'e'), TCP_REASS_DUPLICATE);
	char text[21] = {0};
	for (size_t at = 0; at < 20;) {
		struct slice got = tcp_reass_peek(&reass);
		memcpy(text + at, got.at, got.bytes);
		at += got.bytes;
		tcp_reass_consume(&reass, (uint32_t)got.bytes);
	}
	CU_ASSERT_STRING_EQUAL(text, "dddddbbbbbaaaaaaaaaa");
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool()), 0);
}

static void what_is_held_early_is_bounded(void)
{
	struct tcp_reass reass = {0};
	struct tcp_seq next = seq_of(0);
	for (uint32_t i = 1; i <= TCP_REASS_RUNS; i++)
		CU_ASSERT_EQUAL(add(&reass, &next, 2 * i, 1, 'x'), TCP_REASS_EARLY);
	CU_ASSERT_EQUAL(add(&reass, &next, 100000, 1, 'x'), TCP_REASS_FULL);
	CU_ASSERT_EQUAL(add(&reass, &next, 0, 2, 'x'), TCP_REASS_IN_ORDER); // progress all the same
	CU_ASSERT(seq_equal(next, seq_of(3)));
	tcp_reass_clear(&reass);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool()), 0);
}

static void sack_blocks_start_with_the_newest(void)
{
	struct tcp_reass reass = {0};
	struct tcp_seq next = seq_of(0);
	struct tcp_range blocks[4];
	CU_ASSERT_EQUAL(tcp_reass_blocks(&reass, blocks, 4), 0);
	add(&reass, &next, 100, 10, 'x');
	add(&reass, &next, 110, 10, 'x');
	add(&reass, &next, 300, 10, 'x');
	add(&reass, &next, 200, 10, 'x');
	CU_ASSERT_EQUAL(tcp_reass_blocks(&reass, blocks, 4), 3);
	CU_ASSERT_EQUAL(blocks[0].start.value, 200);
	CU_ASSERT_EQUAL(blocks[1].start.value, 300);
	CU_ASSERT_EQUAL(blocks[2].start.value, 100);
	CU_ASSERT_EQUAL(blocks[2].end.value, 120); // touching segments are one block
	CU_ASSERT_EQUAL(tcp_reass_blocks(&reass, blocks, 2), 2);
	CU_ASSERT_EQUAL(tcp_reass_block_count(&reass, 2), 2);
	add(&reass, &next, 400, 10, 'x');
	add(&reass, &next, 500, 10, 'x');
	add(&reass, &next, 120, 10, 'x'); // this one grew last
	CU_ASSERT_EQUAL(tcp_reass_blocks(&reass, blocks, 4), 4);
	CU_ASSERT_EQUAL(blocks[0].start.value, 100);
	CU_ASSERT_EQUAL(blocks[1].start.value, 500);
	CU_ASSERT_EQUAL(blocks[2].start.value, 400);
	CU_ASSERT_EQUAL(blocks[3].start.value, 200);
	tcp_reass_clear(&reass);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool()), 0);
}

static void one_packet_may_cover_many(void)
{
	struct tcp_reass reass = {0};
	struct tcp_seq next = seq_of(0);
	for (uint32_t at = 10; at < 100; at += 20)
		CU_ASSERT_EQUAL(add(&reass, &next, at, 10, 'x'), TCP_REASS_EARLY);
	CU_ASSERT_EQUAL(add(&reass, &next, 5, 90, 'y'), TCP_REASS_EARLY);
	CU_ASSERT_EQUAL(reass.early_count, 1); // the last is not covered whole, but touched
	CU_ASSERT_EQUAL(add(&reass, &next, 0, 110, 'z'), TCP_REASS_IN_ORDER);
	CU_ASSERT_EQUAL(next.value, 110);
	CU_ASSERT_EQUAL(reass.early_count, 0);
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(reass.first, const char *)[4], 'z');
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(reass.first, const char *)[9], 'y');
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(reass.first, const char *)[10], 'x');
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(reass.first, const char *)[99], 'x');
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(reass.first, const char *)[100], 'z');
	tcp_reass_clear(&reass);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool()), 0);
}

static uint8_t byte_of(uint32_t at)
{
	return (uint8_t)(at * 2654435761u >> 24);
}

// fill overwrites packet with the bytes that belong at at.
static void fill(struct rte_mbuf *mbuf, uint32_t at)
{
	for (; mbuf; mbuf = mbuf->next)
		for (uint32_t i = 0; i < mbuf->data_len; i++)
			rte_pktmbuf_mtod(mbuf, uint8_t *)[i] = byte_of(at++);
}

static void any_order_and_overlap_gives_the_stream(void)
{
	enum { BYTES = 20000 };
	struct random_source random;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct tcp_reass reass = {0};
		uint32_t base = (uint32_t)(seed * 0x9e3779b9u);
		struct tcp_seq next = seq_of(base);
		uint32_t read = 0;
		random_init(&random, (struct siphash_key){{seed, 3}});
		while (read < BYTES) {
			uint32_t ahead = random_below(&random, 3) ? random_below(&random, 6000) : 0;
			uint32_t at = seq_distance(seq_of(base), next) + ahead;
			at -= MIN(at, random_below(&random, 2000));
			uint32_t bytes = 1 + random_below(&random, 1400);
			struct rte_mbuf *mbuf =
				packet(bytes, 0, bytes > 2 ? random_below(&random, bytes) : 0);
			fill(mbuf, at);
			tcp_reass_add(&reass, &next, seq_of(base + at), mbuf);
			struct slice got = tcp_reass_peek(&reass);
			uint32_t take =
				(uint32_t)MIN(got.bytes, (size_t)random_below(&random, 3000));
			for (uint32_t i = 0; i < take; i++)
				CU_ASSERT_FATAL((uint8_t)got.at[i] == byte_of(read + i));
			tcp_reass_consume(&reass, take);
			read += take;
			CU_ASSERT_FATAL(seq_distance(seq_of(base), next) ==
					read + reass.queued_bytes);
		}
		tcp_reass_clear(&reass);
		CU_ASSERT_EQUAL(reass.mbuf_count, 0);
		CU_ASSERT_EQUAL_FATAL(rte_mempool_in_use_count(pool()), 0);
	}
}

UNIT_MAIN("tcp_reass",
	  {"segments in order are readable at once", segments_in_order_are_readable_at_once},
	  {"small payloads share an mbuf", small_payloads_share_an_mbuf},
	  {"chained payloads share an mbuf", chained_payloads_share_an_mbuf},
	  {"bytes in any order share mbufs", bytes_in_any_order_share_mbufs},
	  {"the first copy of a byte wins", the_first_copy_of_a_byte_wins},
	  {"what is held early is bounded", what_is_held_early_is_bounded},
	  {"sack blocks start with the newest", sack_blocks_start_with_the_newest},
	  {"one packet may cover many", one_packet_may_cover_many},
	  {"any order and overlap gives the stream", any_order_and_overlap_gives_the_stream})
