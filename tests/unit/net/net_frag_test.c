// SPDX-License-Identifier: Apache-2.0
// Fragments: put together in any order as one chain, refused under their own name when they
// overlap, are tiny, too long or too many, and bounded under a flood.
#include "net_fake.h"

#include "check.h"

#include <string.h>

#define V4 "192.0.2.7", "192.0.2.1"
#define V6 "2001:db8::7", "2001:db8::1"

// One fragment of the test's datagram.
struct cut {
	uint16_t offset;
	uint16_t bytes;
	bool is_more;
};

// A TCP segment of 1220 bytes whose checksum is right for from and to.
static uint8_t segment[1220];

static void make_segment(const char *from, const char *to)
{
	struct addr source = fake_addr(from);
	struct addr ours = fake_addr(to);
	uint8_t frame[2000];
	for (size_t i = 20; i < sizeof(segment); i++)
		segment[i] = (uint8_t)(i * 31);
	fake_tcp(segment, 1025, 443);
	size_t bytes = fake_ip(frame, &source, &ours, 6, slice_of(segment, sizeof(segment)));
	memcpy(segment, frame + bytes - sizeof(segment), sizeof(segment));
}

static size_t put_ip4(uint8_t *frame, const char *from, uint16_t id, const struct cut *cut)
{
	struct addr source = fake_addr(from);
	struct addr ours = fake_addr("192.0.2.1");
	size_t bytes = fake_ip(frame, &source, &ours, 99,
			       slice_of(segment + cut->offset % 1024, cut->bytes));
	frame[18] = (uint8_t)(id >> 8);
	frame[19] = (uint8_t)id;
	frame[20] = (uint8_t)((cut->is_more ? 0x20 : 0) | cut->offset >> 11);
	frame[21] = (uint8_t)(cut->offset >> 3);
	frame[23] = 6;
	memset(frame + 24, 0, 2);
	uint16_t sum = (uint16_t)~fake_sum(0, frame + 14, 20);
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	return bytes;
}

static size_t put_ip6(uint8_t *frame, const char *from, uint16_t id, const struct cut *cut)
{
	struct addr source = fake_addr(from);
	struct addr ours = fake_addr("2001:db8::1");
	uint8_t payload[1500] = {6, 0, (uint8_t)(cut->offset >> 8)};
	payload[3] = (uint8_t)((cut->offset & 0xf8) | cut->is_more);
	payload[6] = (uint8_t)(id >> 8);
	payload[7] = (uint8_t)id;
	memcpy(payload + 8, segment + cut->offset % 1024, cut->bytes);
	return fake_ip(frame, &source, &ours, 44, slice_of(payload, cut->bytes + 8u));
}

static void feed(struct fake *fake, const char *from, uint16_t id, struct cut cut)
{
	uint8_t frame[2000] = {0};
	struct addr source = fake_addr(from);
	size_t bytes = (addr_is_v4(&source) ? put_ip4 : put_ip6)(frame, from, id, &cut);
	fake_input(fake, frame, MAX(bytes, (size_t)60)); // short ones are padded by Ethernet
}

static void expect_whole(struct fake *fake, uint16_t header_bytes)
{
	uint8_t bytes[sizeof(segment)];
	CU_ASSERT_EQUAL_FATAL(fake->received_count, 1);
	struct rte_mbuf *mbuf = fake->received[0];
	const struct packet *packet = packet_of(mbuf);
	CU_ASSERT_EQUAL(packet->l4_offset, header_bytes);
	CU_ASSERT_EQUAL(packet->l4_bytes, sizeof(segment));
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_pkt_len(mbuf), header_bytes + sizeof(segment));
	const void *at = rte_pktmbuf_read(mbuf, header_bytes, sizeof(segment), bytes);
	CU_ASSERT_EQUAL(memcmp(at, segment, sizeof(segment)), 0);
	CU_ASSERT_EQUAL(fake_count(fake, COUNTER_net_fragments), 0);
}

static void fragments_in_any_order_become_one_chain(void)
{
	static const struct cut cuts[3] = {{0, 40, true}, {40, 512, true}, {552, 668, false}};
	static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const char *const pairs[2][2] = {{V4}, {V6}};
	for (int family = 0; family < 2; family++) {
		make_segment(pairs[family][0], pairs[family][1]);
		for (int order = 0; order < 6; order++) {
			struct fake fake;
			fake_start(&fake);
			fake_open(&fake);
			for (int i = 0; i < 3; i++)
				feed(&fake, pairs[family][0], 7, cuts[orders[order][i]]);
			expect_whole(&fake, family == 0 ? 34 : 54);
			CU_ASSERT_EQUAL(fake.received[0]->nb_segs, 3);
			CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_reassembled), 1);
			fake_stop(&fake);
		}
	}
}

static void an_atomic_fragment_is_a_whole_packet_whatever_else_has_its_id(void)
{
	struct fake fake;
	make_segment(V6);
	fake_start(&fake);
	fake_open(&fake);
	feed(&fake, "2001:db8::7", 7, (struct cut){40, 40, true}); // RFC 6946 4
	feed(&fake, "2001:db8::7", 7, (struct cut){0, 1220, false});
	CU_ASSERT_EQUAL(fake.received_count, 1);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_fragments), 1);
	fake_stop(&fake);
}

// Fragments that must not make a packet, and the name of each of their drops.
struct bad {
	const char *what;
	struct cut cuts[4];
	uint8_t count;
	enum counter reason;
	uint8_t dropped;
};

static const struct bad bads[] = {
	{"overlap behind",
	 {{0, 40, true}, {32, 400, true}, {432, 788, false}},
	 3,
	 COUNTER_drop_frag_overlap,
	 3},
	{"overlap before",
	 {{40, 40, true}, {0, 48, true}, {80, 1140, false}},
	 3,
	 COUNTER_drop_frag_overlap,
	 3},
	{"same start, other size",
	 {{0, 40, true}, {0, 48, true}, {40, 1180, false}},
	 3,
	 COUNTER_drop_frag_overlap,
	 3},
	{"second end",
	 {{0, 40, true}, {48, 40, false}, {96, 8, false}},
	 3,
	 COUNTER_drop_frag_malformed,
	 3},
	{"beyond the end", {{40, 40, false}, {80, 8, true}}, 2, COUNTER_drop_frag_malformed, 2},
	{"not a multiple of 8", {{0, 41, true}}, 1, COUNTER_drop_frag_malformed, 1},
	{"no bytes", {{8, 0, true}}, 1, COUNTER_drop_frag_malformed, 1},
	{"tiny: TCP's ports only", {{0, 8, true}}, 1, COUNTER_drop_frag_tiny, 1},
	{"tiny: TCP's flags in the next", {{0, 16, true}}, 1, COUNTER_drop_frag_tiny, 1},
	{"ping of death", {{65528, 64, false}}, 1, COUNTER_drop_frag_too_long, 1},
	{"twice", {{0, 40, true}, {0, 40, true}}, 2, COUNTER_drop_frag_duplicate, 1},
};

static void check_bad(const struct bad *bad, const char *from)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	for (uint8_t i = 0; i < bad->count; i++)
		feed(&fake, from, 7, bad->cuts[i]);
	if (fake_count(&fake, bad->reason) != bad->dropped)
		printf("# %s: %s: %lu\n", bad->what, from, fake_count(&fake, bad->reason));
	CU_ASSERT_EQUAL(fake_count(&fake, bad->reason), bad->dropped);
	CU_ASSERT_EQUAL(fake.received_count, 0);
	fake_stop(&fake);
}

static void bad_fragments_are_dropped_under_their_names(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
		make_segment(V4);
		check_bad(&bads[i], "192.0.2.7");
		make_segment(V6);
		check_bad(&bads[i], "2001:db8::7");
	}
}

static void a_duplicate_does_no_harm_and_an_overlap_refuses_what_follows(void)
{
	struct fake fake;
	make_segment(V6);
	fake_start(&fake);
	fake_open(&fake);
	feed(&fake, "2001:db8::7", 7, (struct cut){0, 40, true});
	feed(&fake, "2001:db8::7", 7, (struct cut){0, 40, true});
	feed(&fake, "2001:db8::7", 7, (struct cut){40, 1180, false});
	expect_whole(&fake, 54);
	fake_clear(&fake);
	feed(&fake, "2001:db8::7", 8, (struct cut){0, 40, true});
	feed(&fake, "2001:db8::7", 8, (struct cut){32, 40, true});
	feed(&fake, "2001:db8::7", 8, (struct cut){0, 40, true}); // as if from the beginning
	feed(&fake, "2001:db8::7", 8, (struct cut){40, 1180, false});
	CU_ASSERT_EQUAL(fake.received_count, 0);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_frag_overlap), 4);
	fake_run(&fake, 31000000);
	feed(&fake, "2001:db8::7", 8, (struct cut){0, 40, true}); // a new datagram by now
	feed(&fake, "2001:db8::7", 8, (struct cut){40, 1180, false});
	expect_whole(&fake, 54);
	fake_stop(&fake);
}

static void the_sender_hears_of_a_rest_that_did_not_come(void)
{
	static const char *const peers[2] = {"192.0.2.7", "2001:db8::7"};
	for (int i = 0; i < 2; i++) {
		struct fake fake;
		make_segment(peers[i], i == 0 ? "192.0.2.1" : "2001:db8::1");
		fake_start(&fake);
		fake_open(&fake);
		fake_learn(&fake, peers[i]);
		feed(&fake, peers[i], 7, (struct cut){0, 40, true});
		feed(&fake, peers[i], 8, (struct cut){40, 40, true}); // no first: nothing to quote
		fake_run(&fake, 29000000);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_frag_timeout), 0);
		fake_run(&fake, 2000000);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_frag_timeout), 2);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_icmp_errors_out), 1);
		CU_ASSERT_FATAL(fake.ports[0].sent_count >= 1);
		const uint8_t *frame = rte_pktmbuf_mtod(fake.ports[0].sent[0], const uint8_t *);
		CU_ASSERT_EQUAL(frame[i == 0 ? 34 : 54], i == 0 ? 11 : 3);
		CU_ASSERT_EQUAL(frame[i == 0 ? 35 : 55], 1);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_fragments), 0);
		fake_stop(&fake);
	}
}

static void a_datagram_of_too_many_fragments_is_refused(void)
{
	struct fake fake;
	make_segment(V4);
	fake_start(&fake); // five are allowed
	fake_open(&fake);
	for (uint16_t i = 0; i < 7; i++)
		feed(&fake, "192.0.2.7", 7, (struct cut){(uint16_t)(i * 24), 24, true});
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_frag_too_many), 7);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_fragments), 0);
	fake_stop(&fake);
}

static void a_flood_of_fragments_holds_little_and_a_bystander_gets_through(void)
{
	struct fake fake;
	make_segment("198.51.100.7", "192.0.2.1");
	fake_start(&fake); // eight datagrams, 32 packets; a source gets two datagrams
	fake.config.limits.fragments_per_datagram = 40;
	fake_open(&fake);
	feed(&fake, "198.51.100.7", 1, (struct cut){0, 40, true});
	for (uint16_t i = 0; i < 500; i++)
		feed(&fake, "192.0.2.7", i, (struct cut){0, 40, true});
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_fragments), 3);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_frag_full), 498);
	feed(&fake, "198.51.100.7", 1, (struct cut){40, 1180, false});
	CU_ASSERT_EQUAL(fake.received_count, 1);
	for (uint16_t i = 0; i < 30; i++) // one source's datagram of many mbufs: 32 / 4
		feed(&fake, "192.0.2.8", 9, (struct cut){(uint16_t)(24 + i * 8), 8, true});
	CU_ASSERT(fake_count(&fake, COUNTER_net_fragments) <= 2 + 8);
	for (uint16_t i = 0; i < 500; i++) {
		char from[32];
		snprintf(from, sizeof(from), "203.0.113.%d", i % 200 + 1);
		feed(&fake, from, i, (struct cut){0, 40, true});
		CU_ASSERT(fake_count(&fake, COUNTER_net_fragments) <= 32);
	}
	fake_run(&fake, 40000000);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_fragments), 0);
	fake_stop(&fake);
}

static void fragments_meet_at_one_worker_and_the_packet_goes_to_its_owner(void)
{
	struct fake fake, other;
	make_segment(V4);
	fake_start(&fake);
	fake.config.worker_count = 4;
	fake_open(&fake);
	struct addr peer = fake_addr("192.0.2.7"), ours = fake_addr("192.0.2.1");
	uint32_t meeting = net_owner(fake.net, &ours, 0, &peer, 0);
	uint32_t owner = net_owner(fake.net, &ours, 443, &peer, 1025);
	feed(&fake, "192.0.2.7", 7, (struct cut){0, 40, true});
	feed(&fake, "192.0.2.7", 7, (struct cut){40, 1180, false});
	if (meeting == 0) {
		CU_ASSERT_EQUAL_FATAL(fake.handed_count, owner != 0);
		fake_stop(&fake);
		return;
	}
	CU_ASSERT_EQUAL_FATAL(fake.handed_count, 2);
	CU_ASSERT_EQUAL(fake.handed_to[0], meeting);
	CU_ASSERT_EQUAL(fake.handed_to[1], meeting);
	fake_start(&other);
	other.config.worker_count = 4;
	other.config.worker_index = meeting;
	fake_open(&other);
	net_input_handed(other.net, fake.handed, 2);
	fake.handed_count = 0;
	CU_ASSERT_EQUAL(fake_count(&other, COUNTER_net_reassembled), 1);
	CU_ASSERT_EQUAL(other.received_count, owner == meeting);
	CU_ASSERT_EQUAL(other.handed_count, owner != meeting);
	if (other.handed_count)
		CU_ASSERT_EQUAL(other.handed_to[0], owner);
	fake_clear(&other);
	net_free(fake.net);
	fake_stop(&other);
}

static void ecn_of_fragments_is_joined(void)
{
	static const struct {
		uint8_t first, second, joined;
	} rows[] = {{2, 3, 3}, {3, 2, 3}, {2, 2, 2}, {0, 3, 0xff}, {0, 0, 0}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fake fake;
		uint8_t frame[2000];
		make_segment(V6);
		fake_start(&fake);
		fake_open(&fake);
		size_t bytes = put_ip6(frame, "2001:db8::7", 7, &(struct cut){0, 40, true});
		frame[15] = (uint8_t)(rows[i].first << 4);
		fake_input(&fake, frame, bytes);
		bytes = put_ip6(frame, "2001:db8::7", 7, &(struct cut){40, 1180, false});
		frame[15] = (uint8_t)(rows[i].second << 4);
		fake_input(&fake, frame, bytes);
		CU_ASSERT_EQUAL_FATAL(fake.received_count, rows[i].joined != 0xff);
		if (fake.received_count)
			CU_ASSERT_EQUAL(packet_of(fake.received[0])->ecn, rows[i].joined);
		fake_stop(&fake);
	}
}

static void without_a_table_fragments_are_dropped(void)
{
	struct fake fake;
	make_segment(V4);
	fake_start(&fake);
	fake.config.limits.fragment_datagrams = 0;
	fake_open(&fake);
	feed(&fake, "192.0.2.7", 7, (struct cut){0, 40, true});
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_frag_full), 1);
	fake_stop(&fake);
}

UNIT_MAIN("net_frag",
	  {"fragments in any order become one chain", fragments_in_any_order_become_one_chain},
	  {"an atomic fragment is a whole packet, whatever else has its ID",
	   an_atomic_fragment_is_a_whole_packet_whatever_else_has_its_id},
	  {"bad fragments are dropped under their names",
	   bad_fragments_are_dropped_under_their_names},
	  {"a duplicate does no harm and an overlap refuses what follows",
	   a_duplicate_does_no_harm_and_an_overlap_refuses_what_follows},
	  {"the sender hears of a rest that did not come",
	   the_sender_hears_of_a_rest_that_did_not_come},
	  {"a datagram of too many fragments is refused",
	   a_datagram_of_too_many_fragments_is_refused},
	  {"a flood of fragments holds little and a bystander gets through",
	   a_flood_of_fragments_holds_little_and_a_bystander_gets_through},
	  {"fragments meet at one worker and the packet goes to its owner",
	   fragments_meet_at_one_worker_and_the_packet_goes_to_its_owner},
	  {"ECN of fragments is joined", ecn_of_fragments_is_joined},
	  {"without a table fragments are dropped", without_a_table_fragments_are_dropped})
