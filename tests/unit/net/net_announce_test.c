// SPDX-License-Identifier: Apache-2.0
// What we tell the link unasked, who contradicts it, and what we do not listen to.
#include "net_fake.h"

#include "check.h"

#include <string.h>

static const uint8_t *sent(const struct fake *fake, uint32_t index)
{
	CU_ASSERT_FATAL(index < fake->ports[0].sent_count);
	return rte_pktmbuf_mtod(fake->ports[0].sent[index], const uint8_t *);
}

static void feed(struct fake *fake, const char *from, const char *to, uint8_t hop_limit,
		 struct slice message)
{
	struct addr source = fake_addr(from);
	struct addr destination = fake_addr(to);
	uint8_t frame[400];
	size_t bytes = fake_ip(frame, &source, &destination, 58, message);
	frame[21] = hop_limit;
	fake_input(fake, frame, bytes);
}

static void an_address_taken_over_is_told_three_times(void)
{
	static const char *const texts[2] = {"192.0.2.1", "2001:db8::1"};
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	struct addr stranger = fake_addr("192.0.2.99");
	CU_ASSERT_FALSE(net_announce(fake.net, &stranger));
	for (int i = 0; i < 2; i++) {
		struct addr ours = fake_addr(texts[i]);
		uint64_t before = fake_count(&fake, COUNTER_net_announcements);
		CU_ASSERT(net_announce(fake.net, &ours));
		fake_run(&fake, 100000);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_announcements), before + 1);
		CU_ASSERT_EQUAL(sent(&fake, 0)[0], i == 0 ? 0xff : 0x33);
		fake_run(&fake, 5000000);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_announcements), before + 3);
		fake_clear(&fake);
	}
	uint64_t before = fake_count(&fake, COUNTER_net_announcements);
	struct addr one = fake_addr("192.0.2.1");
	CU_ASSERT(net_announce(fake.net, NULL));
	fake_run(&fake, 100000);
	CU_ASSERT(net_announce(fake.net, &one)); // meanwhile: all are told again
	fake_run(&fake, 5000000);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_announcements), before + 5 + 15);
	fake_stop(&fake);
}

static void a_claim_of_our_address_is_counted_and_answered_once_a_second(void)
{
	uint8_t advertisement[32] = {136, 0, 0, 0, 0x20};
	struct addr ours = fake_addr("2001:db8::1");
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	memcpy(advertisement + 8, ours.bytes, 16);
	memcpy(advertisement + 24, (uint8_t[]){2, 1, 2, 0, 0, 0, 0, 0x99}, 8);
	for (int i = 0; i < 50; i++)
		feed(&fake, "2001:db8::7", "ff02::1", 255, slice_of(advertisement, 32));
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_address_conflicts), 50);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_address_defences), 1);
	CU_ASSERT_EQUAL(sent(&fake, 0)[54], 136);
	fake_run(&fake, 1100000);
	feed(&fake, "2001:db8::7", "ff02::1", 255, slice_of(advertisement, 32));
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_address_defences), 2);
	fake_stop(&fake);
}

static void others_are_asked_for_our_ipv6_addresses_where_that_is_wanted(void)
{
	static const uint8_t zero[16];
	struct fake fake;
	fake_start(&fake);
	fake.config.detects_duplicates = true;
	fake.net = net_new(&fake.config);
	net_set_time(fake.net, fake.now_us);
	fake_run(&fake, 200000);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_duplicate_probes), 3);
	unsigned probes = 0;
	for (uint32_t i = 0; i < fake.ports[0].sent_count; i++) {
		const uint8_t *frame = sent(&fake, i);
		if (frame[54] != 135)
			continue;
		CU_ASSERT_EQUAL(memcmp(frame + 22, zero, 16), 0);
		CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(fake.ports[0].sent[i]), 54 + 24); // no MAC
		probes++;
	}
	CU_ASSERT_EQUAL(probes, 2);
	fake_run(&fake, 5000000);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_duplicate_probes), 3);
	fake_stop(&fake);
}

static void a_querier_hears_of_our_groups_in_time(void)
{
	uint8_t query[28] = {130, 0, 0, 0, 0x03, 0xe8}; // within 1 s
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	feed(&fake, "2001:db8::7", "ff02::1", 1, slice_of(query, 28)); // not link-local
	feed(&fake, "fe80::7", "ff02::1", 64, slice_of(query, 28));    // from beyond the link
	fake_run(&fake, 2000000);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_mld_reports), 0);
	for (int i = 0; i < 20; i++)
		feed(&fake, "fe80::7", "ff02::1", 1, slice_of(query, 28));
	fake_run(&fake, 1200000);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_mld_reports), 2); // one a port
	const uint8_t *frame = sent(&fake, 0);
	struct addr source = addr_v6(frame + 22), routers = fake_addr("ff02::16");
	CU_ASSERT_EQUAL(frame[20], 0);              // hop-by-hop: router alert
	CU_ASSERT_EQUAL(frame[21], 1);              // hop limit
	CU_ASSERT_EQUAL(frame[54 + 8], 143);        // report
	CU_ASSERT_EQUAL(frame[54 + 8 + 7], 2);      // of two groups
	CU_ASSERT_EQUAL(frame[54 + 8 + 8 + 19], 1); // ff02::1:ff00:1
	CU_ASSERT(addr_equal(&routers, &(struct addr){.bytes = {0xff, 2, [15] = 0x16}}));
	CU_ASSERT_EQUAL(memcmp(frame + 38, routers.bytes, 16), 0);
	CU_ASSERT_EQUAL(fake_l4_sum(&source, &routers, 58, frame + 62, 48), 0xffff);
	fake_stop(&fake);
}

static void router_advertisements_and_redirects_change_nothing(void)
{
	uint8_t advertisement[16] = {134, 0, 0, 0, 64, 0, 7, 8};
	uint8_t redirect[40] = {137};
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	feed(&fake, "fe80::7", "ff02::1", 255, slice_of(advertisement, 16));
	feed(&fake, "fe80::7", "2001:db8::1", 255, slice_of(redirect, 40));
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_icmp_ignored), 2);
	fake_send(&fake, "2001:db8::1", "2606::1", 0, 0);
	CU_ASSERT_EQUAL(sent(&fake, 0)[77], 0xfe); // the configured gateway is asked for
	fake_stop(&fake);
}

UNIT_MAIN("net_announce",
	  {"an address taken over is told three times", an_address_taken_over_is_told_three_times},
	  {"a claim of our address is counted and answered once a second",
	   a_claim_of_our_address_is_counted_and_answered_once_a_second},
	  {"others are asked for our IPv6 addresses where that is wanted",
	   others_are_asked_for_our_ipv6_addresses_where_that_is_wanted},
	  {"a querier hears of our groups in time", a_querier_hears_of_our_groups_in_time},
	  {"router advertisements and redirects change nothing",
	   router_advertisements_and_redirects_change_nothing})
