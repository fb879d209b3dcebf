// SPDX-License-Identifier: Apache-2.0
// Ways that are found once: used while the neighbour and the routes are as they were, stale after.
#include "net_fake.h"

#include "check.h"

#include <errno.h>
#include <string.h>

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 0x99};

static struct rte_mbuf *ip_packet(void)
{
	struct addr from = fake_addr("192.0.2.1"), to = fake_addr("10.1.2.3");
	uint8_t frame[2000], payload[8] = {0};
	size_t bytes = fake_ip(frame, &from, &to, 17, slice_of(payload, sizeof(payload)));
	return fake_mbuf(frame + 14, bytes - 14);
}

static bool find(struct fake *fake, const char *to, struct net_way *way)
{
	struct addr local = fake_addr("192.0.2.1"), remote = fake_addr(to);
	return net_way_find(fake->net, &local, &remote, way);
}

static void a_way_leads_to_the_neighbour_that_it_was_found_for(void)
{
	struct fake fake;
	struct net_way way = {0};
	fake_start(&fake);
	fake_open(&fake);
	fake_learn(&fake, "192.0.2.254");
	CU_ASSERT(find(&fake, "10.1.2.3", &way));
	CU_ASSERT_EQUAL(way.mtu, 1500);
	CU_ASSERT_EQUAL(net_forward(fake.net, &way, ip_packet()), 0);
	net_flush(fake.net);
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 1);
	const uint8_t *frame = rte_pktmbuf_mtod(fake.ports[0].sent[0], const uint8_t *);
	CU_ASSERT_EQUAL(memcmp(frame, peer_mac, 6), 0);
	CU_ASSERT_EQUAL(frame[12], 8);
	fake_stop(&fake);
}

static void packets_wait_for_a_neighbour_that_is_not_known_yet(void)
{
	struct fake fake;
	struct net_way way = {0};
	fake_start(&fake);
	fake_open(&fake);
	CU_ASSERT(find(&fake, "192.0.2.9", &way));
	CU_ASSERT_EQUAL(net_forward(fake.net, &way, ip_packet()), 0);
	net_flush(fake.net);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 1); // the question
	fake_answer_arp(&fake, "192.0.2.9", peer_mac);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 2);
	fake_stop(&fake);
}

static void there_is_no_way_to_groups_to_ourselves_and_without_a_route(void)
{
	struct fake fake;
	struct net_way way = {0};
	fake_start(&fake);
	fake.config.route_count = 0;
	fake_open(&fake);
	struct addr local = fake_addr("192.0.2.1"), far = fake_addr("10.1.2.3"),
		    near = fake_addr("192.0.2.77");
	CU_ASSERT(!net_has_way(fake.net, &local, &far));
	CU_ASSERT(net_has_way(fake.net, &local, &near));
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 0); // nobody was asked
	CU_ASSERT(!find(&fake, "10.1.2.3", &way));
	CU_ASSERT(!find(&fake, "192.0.2.1", &way));
	CU_ASSERT(!find(&fake, "192.0.2.255", &way));
	CU_ASSERT(!find(&fake, "224.0.0.1", &way));
	fake_stop(&fake);
}

static void a_way_is_stale_when_its_neighbour_is_forgotten(void)
{
	struct fake fake;
	struct net_way way = {0};
	fake_start(&fake);
	fake_open(&fake);
	CU_ASSERT(find(&fake, "192.0.2.9", &way));
	fake_run(&fake, 5000000); // nobody answers
	struct rte_mbuf *mbuf = ip_packet();
	CU_ASSERT_EQUAL(net_forward(fake.net, &way, mbuf), ESTALE);
	for (unsigned i = 10; i < 18; i++) { // its entry is another's now
		char text[16];
		snprintf(text, sizeof(text), "192.0.2.%u", i);
		struct net_way other;
		CU_ASSERT(find(&fake, text, &other));
	}
	CU_ASSERT_EQUAL(net_forward(fake.net, &way, mbuf), ESTALE);
	rte_pktmbuf_free(mbuf);
	fake_stop(&fake);
}

static void a_way_is_stale_when_a_gateway_fails(void)
{
	struct fake fake;
	struct net_way way = {0};
	struct net_route routes[2];
	fake_start(&fake);
	routes[0] = routes[1] = fake.config.routes[0];
	routes[1].gateway = fake_addr("192.0.2.253");
	fake.config.routes = routes;
	fake_open(&fake);
	CU_ASSERT(find(&fake, "10.1.2.3", &way));
	CU_ASSERT_EQUAL(net_forward(fake.net, &way, ip_packet()), 0);
	fake_run(&fake, 5000000);
	CU_ASSERT(fake_count(&fake, COUNTER_net_hops_failed) > 0);
	struct rte_mbuf *mbuf = ip_packet();
	CU_ASSERT_EQUAL(net_forward(fake.net, &way, mbuf), ESTALE);
	rte_pktmbuf_free(mbuf);
	fake_stop(&fake);
}

UNIT_MAIN("net_forward",
	  {"a way leads to the neighbour that it was found for",
	   a_way_leads_to_the_neighbour_that_it_was_found_for},
	  {"packets wait for a neighbour that is not known yet",
	   packets_wait_for_a_neighbour_that_is_not_known_yet},
	  {"there is no way to groups, to ourselves and without a route",
	   there_is_no_way_to_groups_to_ourselves_and_without_a_route},
	  {"a way is stale when its neighbour is forgotten",
	   a_way_is_stale_when_its_neighbour_is_forgotten},
	  {"a way is stale when a gateway fails", a_way_is_stale_when_a_gateway_fails})
