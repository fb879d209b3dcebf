// SPDX-License-Identifier: Apache-2.0
// Neighbours by ARP and neighbour discovery: asked once a second, bounded, never talked into a lie.
#include "net_fake.h"

#include <string.h>

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xaa};
static const uint8_t mac_b[6] = {2, 0, 0, 0, 0, 0xbb};

static const uint8_t *sent(const struct fake *fake, uint32_t index)
{
	CU_ASSERT_FATAL(index < fake->ports[0].sent_count);
	return rte_pktmbuf_mtod(fake->ports[0].sent[index], const uint8_t *);
}

static void a_packet_waits_until_arp_is_answered(void)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	CU_ASSERT_EQUAL(fake_send(&fake, "192.0.2.1", "192.0.2.7", 10, 0), 0);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 1);
	static const uint8_t request[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,   0, 0, 0, 0,
					    1,    8,    6,    0,    1,    8,    0,   6, 4, 0, 1,
					    2,    0,    0,    0,    0,    1,    192, 0, 2, 1, 0,
					    0,    0,    0,    0,    0,    192,  0,   2, 7};
	CU_ASSERT_EQUAL(memcmp(sent(&fake, 0), request, 42), 0);
	fake_answer_arp(&fake, "192.0.2.7", mac_a);
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 2);
	CU_ASSERT_EQUAL(memcmp(sent(&fake, 1), mac_a, 6), 0);
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(fake.ports[0].sent[1]), 14 + 20 + 30);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_neigh_resolved), 1);
	fake_stop(&fake);
}

static void a_packet_waits_until_a_solicitation_is_answered(void)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	CU_ASSERT_EQUAL(fake_send(&fake, "2001:db8::1", "2001:db8::1234:5678", 10, 0), 0);
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 1);
	const uint8_t *frame = sent(&fake, 0);
	static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0x34, 0x56, 0x78};
	struct addr source = fake_addr("2001:db8::1");
	struct addr group = fake_addr("ff02::1:ff34:5678");
	CU_ASSERT_EQUAL(memcmp(frame, group_mac, 6), 0);
	CU_ASSERT_EQUAL(frame[14 + 7], 255);
	CU_ASSERT_EQUAL(memcmp(frame + 14 + 8, source.bytes, 16), 0);
	CU_ASSERT_EQUAL(memcmp(frame + 14 + 24, group.bytes, 16), 0);
	CU_ASSERT_EQUAL(frame[54], 135);
	CU_ASSERT_EQUAL(fake_l4_sum(&source, &group, 58, frame + 54, 32), 0xffff);
	fake_answer_nd(&fake, "2001:db8::1234:5678", mac_a);
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 2);
	CU_ASSERT_EQUAL(memcmp(sent(&fake, 1), mac_a, 6), 0);
	fake_stop(&fake);
}

static void an_unreachable_neighbour_is_asked_three_times_and_reported(void)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	fake_send(&fake, "192.0.2.1", "192.0.2.7", 10, 0);
	fake_run(&fake, 2500000);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_neigh_solicits), 3);
	CU_ASSERT_EQUAL(fake.error.count, 0);
	fake_run(&fake, 1000000);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_neigh_unreachable), 1);
	CU_ASSERT_EQUAL(fake.error.count, 1);
	CU_ASSERT_FALSE(fake.error.is_hard);
	struct addr remote = fake_addr("192.0.2.7");
	CU_ASSERT(addr_equal(&fake.error.remote, &remote));
	CU_ASSERT_EQUAL(fake.error.quoted[1], 443 & 255);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_neighbours), 0);
	fake_stop(&fake);
}

static void the_queue_of_one_neighbour_keeps_the_newest(void)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	for (uint16_t i = 0; i < 5; i++)
		fake_send(&fake, "192.0.2.1", "192.0.2.7", i, 0);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_neigh_full), 2);
	fake_answer_arp(&fake, "192.0.2.7", mac_a);
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 4);
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(fake.ports[0].sent[1]), 14 + 40 + 2);
	fake_stop(&fake);
}

static void a_full_table_forgets_those_who_never_answered_first(void)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	fake_learn(&fake, "192.0.2.7");
	char text[32];
	for (unsigned i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "192.0.2.%u", 20 + i);
		fake_send(&fake, "192.0.2.1", text, 0, 0);
	}
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_neighbours), 8);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_neigh_evicted), 33);
	fake_clear(&fake);
	fake_send(&fake, "192.0.2.1", "192.0.2.7", 0, 0);
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 1);
	CU_ASSERT_EQUAL(sent(&fake, 0)[12 + 1], 0);
	fake_stop(&fake);
}

static void what_was_not_asked_is_not_learned(void)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	fake_answer_arp(&fake, "192.0.2.7", mac_a);
	fake_answer_nd(&fake, "2001:db8::7", mac_a);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_neigh_unasked), 2);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_neighbours), 0);
	fake_stop(&fake);
}

static void a_false_claim_makes_us_ask_the_holder_and_changes_nothing(void)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	fake_learn(&fake, "192.0.2.254");
	fake_run(&fake, 2000000);
	fake_answer_arp(&fake, "192.0.2.254", mac_b);
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 1);
	CU_ASSERT_EQUAL(sent(&fake, 0)[5], 0x99); // a question to the holder alone
	fake_answer_arp(&fake, "192.0.2.254", mac_b);
	fake_clear(&fake);
	fake_send(&fake, "192.0.2.1", "203.0.113.1", 0, 0);
	CU_ASSERT_EQUAL(sent(&fake, 0)[5], 0x99);
	fake_stop(&fake);
}

static void a_holder_that_is_silent_is_replaced_after_three_questions(void)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	fake_learn(&fake, "2001:db8::fe");
	fake_run(&fake, 2000000);
	fake_answer_nd(&fake, "2001:db8::fe", mac_b); // the new holder speaks up
	fake_run(&fake, 3100000);
	CU_ASSERT_EQUAL(sent(&fake, fake.ports[0].sent_count - 1)[0], 0x33); // asks everybody
	fake_answer_nd(&fake, "2001:db8::fe", mac_b);
	fake_clear(&fake);
	fake_send(&fake, "2001:db8::1", "2001:db8:1::1", 0, 0);
	CU_ASSERT_EQUAL(sent(&fake, 0)[5], 0xbb);
	fake_stop(&fake);
}

static void a_stale_neighbour_is_probed_after_use_and_kept_when_it_answers(void)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	fake_learn(&fake, "192.0.2.7");
	fake_run(&fake, 46000000);
	fake_send(&fake, "192.0.2.1", "192.0.2.7", 0, 0);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 1); // used at once
	fake_run(&fake, 5100000);
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 2);
	CU_ASSERT_EQUAL(sent(&fake, 1)[13], 6);
	CU_ASSERT_EQUAL(sent(&fake, 1)[5], 0x99);
	fake_answer_arp(&fake, "192.0.2.7", (const uint8_t[]){2, 0, 0, 0, 0, 0x99});
	fake_run(&fake, 5000000);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 2);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_neighbours), 1);
	fake_stop(&fake);
}

static void progress_of_a_transport_keeps_a_neighbour_without_questions(void)
{
	struct addr ours = fake_addr("192.0.2.1"), remote = fake_addr("8.8.8.8");
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	net_confirm(fake.net, &ours, &remote); // nothing known: nothing learned
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_neigh_confirmed), 0);
	fake_learn(&fake, "192.0.2.254");
	uint64_t asked = fake_count(&fake, COUNTER_net_neigh_solicits);
	for (int i = 0; i < 40; i++) { // 200 s
		fake_send(&fake, "192.0.2.1", "8.8.8.8", 0, 0);
		net_confirm(fake.net, &ours, &remote);
		fake_run(&fake, 5000000);
		fake_clear(&fake);
	}
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_neigh_confirmed), 40);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_neigh_solicits), asked);
	fake_stop(&fake);
}

static void a_flood_of_claims_leaves_a_small_table_and_the_gateway(void)
{
	struct fake fake;
	char text[40];
	fake_start(&fake);
	fake_open(&fake);
	fake_learn(&fake, "192.0.2.254");
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "192.0.2.%u", 2 + i % 250);
		fake_answer_arp(&fake, text, mac_a);
		snprintf(text, sizeof(text), "2001:db8::%x", 16 + i);
		fake_answer_nd(&fake, text, mac_a);
	}
	for (unsigned i = 0; i < 500; i++) { // a scan through us makes us ask for many
		snprintf(text, sizeof(text), "2001:db8::%x", 16 + i);
		fake_send(&fake, "2001:db8::1", text, 0, 0);
		fake_clear(&fake);
	}
	CU_ASSERT(fake_count(&fake, COUNTER_net_neighbours) <= 8);
	fake_send(&fake, "192.0.2.1", "8.8.8.8", 0, 0);
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 1);
	CU_ASSERT_EQUAL(sent(&fake, 0)[5], 0x99); // who answered first, not who claimed it later
	fake_stop(&fake);
}

static void our_addresses_are_announced_three_times_by_worker_0(void)
{
	struct fake fake;
	for (uint32_t worker = 0; worker < 2; worker++) {
		fake_start(&fake);
		fake.config.worker_index = worker;
		fake.net = net_new(&fake.config);
		net_set_time(fake.net, fake.now_us);
		fake_run(&fake, 5000000);
		// port 0: one IPv4, one IPv6, one link-local; port 1: one IPv4, one link-local; and
		// a report of IPv6's groups each
		CU_ASSERT_EQUAL(fake.ports[0].sent_count, worker == 0 ? 9 + 3 : 0);
		CU_ASSERT_EQUAL(fake.ports[1].sent_count, worker == 0 ? 6 + 3 : 0);
		fake_stop(&fake);
	}
}

static void an_answer_is_shared_with_the_other_workers(void)
{
	struct fake fake;
	fake_start(&fake);
	fake.config.worker_count = 3;
	fake_open(&fake);
	fake_answer_arp(&fake, "192.0.2.7", mac_a);
	fake_answer_nd(&fake, "2001:db8::7", mac_a);
	CU_ASSERT_EQUAL_FATAL(fake.handed_count, 4);
	CU_ASSERT_EQUAL(fake.handed_to[0], 1);
	CU_ASSERT_EQUAL(fake.handed_to[1], 2);
	// Another worker's copy resolves here what we ask for, and is not handed on again.
	fake_send(&fake, "192.0.2.1", "192.0.2.7", 0, 0);
	fake_send(&fake, "2001:db8::1", "2001:db8::7", 0, 0);
	struct rte_mbuf *copies[2] = {fake.handed[0], fake.handed[2]};
	fake.handed[0] = fake.handed[3];
	fake.handed[2] = NULL;
	fake.handed_count = 2;
	net_input_handed(fake.net, copies, 2);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_neigh_resolved), 2);
	CU_ASSERT_EQUAL(fake.handed_count, 2);
	fake_stop(&fake);
}

UNIT_MAIN("net_neigh",
	  {"a packet waits until ARP is answered", a_packet_waits_until_arp_is_answered},
	  {"a packet waits until a solicitation is answered",
	   a_packet_waits_until_a_solicitation_is_answered},
	  {"an unreachable neighbour is asked three times and reported",
	   an_unreachable_neighbour_is_asked_three_times_and_reported},
	  {"the queue of one neighbour keeps the newest",
	   the_queue_of_one_neighbour_keeps_the_newest},
	  {"a full table forgets those who never answered first",
	   a_full_table_forgets_those_who_never_answered_first},
	  {"what was not asked is not learned", what_was_not_asked_is_not_learned},
	  {"a false claim makes us ask the holder and changes nothing",
	   a_false_claim_makes_us_ask_the_holder_and_changes_nothing},
	  {"a holder that is silent is replaced after three questions",
	   a_holder_that_is_silent_is_replaced_after_three_questions},
	  {"a stale neighbour is probed after use and kept when it answers",
	   a_stale_neighbour_is_probed_after_use_and_kept_when_it_answers},
	  {"progress of a transport keeps a neighbour without questions",
	   progress_of_a_transport_keeps_a_neighbour_without_questions},
	  {"a flood of claims leaves a small table and the gateway",
	   a_flood_of_claims_leaves_a_small_table_and_the_gateway},
	  {"our addresses are announced three times by worker 0",
	   our_addresses_are_announced_three_times_by_worker_0},
	  {"an answer is shared with the other workers",
	   an_answer_is_shared_with_the_other_workers})
