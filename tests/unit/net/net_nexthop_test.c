// SPDX-License-Identifier: Apache-2.0
// Routes and source addresses of a node with two ports.
#include "net_fake.h"

#include "check.h"

static void the_longest_prefix_decides(void)
{
	static const struct {
		const char *remote, *source; // source NULL: no route
	} rows[] = {{"192.0.2.9", "192.0.2.1"},
		    {"198.51.100.9", "198.51.100.1"},
		    {"198.51.100.200", "192.0.2.1"},
		    {"8.8.8.8", "192.0.2.1"},
		    {"10.1.2.3", "198.51.100.1"},
		    {"10.2.2.3", "192.0.2.1"},
		    {"2001:db8::5", "2001:db8::1"},
		    {"2606::1", "2001:db8::1"},
		    {"224.0.0.1", NULL},
		    {"192.0.2.255", NULL},
		    {"192.0.2.1", NULL},
		    {"ff02::1", NULL},
		    {"0.0.0.0", NULL},
		    {"fe80::9", "fe80::ff:fe00:1"}};
	struct fake fake;
	fake_start(&fake);
	struct net_route routes[3] = {fake.config.routes[0], fake.config.routes[1]};
	CHECK(prefix_parse("10.1.0.0/16", &routes[2].prefix) == 0);
	routes[2].gateway = fake_addr("198.51.100.126");
	routes[2].port_index = 1;
	fake.config.routes = routes;
	fake.config.route_count = 3;
	fake_open(&fake);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr remote = fake_addr(rows[i].remote);
		struct addr local = {0};
		char text[ADDR_TEXT_BYTES] = "";
		bool has_route = net_source_for(fake.net, &remote, &local);
		CU_ASSERT_EQUAL(has_route, rows[i].source != NULL);
		if (has_route)
			CU_ASSERT_STRING_EQUAL(addr_text(&local, text), rows[i].source);
	}
	fake_stop(&fake);
}

static void a_gateway_is_asked_for_instead_of_the_destination(void)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	CU_ASSERT_EQUAL(fake_send(&fake, "192.0.2.1", "8.8.8.8", 0, 0), 0);
	const uint8_t *arp = rte_pktmbuf_mtod(fake.ports[0].sent[0], const uint8_t *);
	CU_ASSERT_EQUAL(arp[41], 254);
	fake_stop(&fake);
}

static void without_a_route_the_sender_hears_of_it(void)
{
	struct fake fake;
	fake_start(&fake);
	fake.config.route_count = 0;
	fake_open(&fake);
	CU_ASSERT_EQUAL(fake_send(&fake, "192.0.2.1", "8.8.8.8", 0, 0), EHOSTUNREACH);
	CU_ASSERT_EQUAL(fake_send(&fake, "192.0.2.1", "198.51.100.1", 0, 0), EHOSTUNREACH);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_no_route), 2);
	fake_stop(&fake);
}

static void our_addresses_are_known_with_link_local_ones(void)
{
	static const struct {
		const char *addr;
		bool is_ours;
	} rows[] = {{"192.0.2.1", true},        {"192.0.2.2", false},
		    {"2001:db8::1", true},      {"198.51.100.1", true},
		    {"fe80::ff:fe00:1", true},  {"fe80::ff:fe00:101", true},
		    {"fe80::ff:fe00:2", false}, {"::", false}};
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr addr = fake_addr(rows[i].addr);
		CU_ASSERT_EQUAL(net_is_local(fake.net, &addr), rows[i].is_ours);
	}
	struct addr far = fake_addr("8.8.8.8");
	CU_ASSERT_EQUAL(net_mtu(fake.net, &far), 1500);
	CU_ASSERT_FALSE(net_can_segment(fake.net, &far));
	fake_stop(&fake);
}

static void a_senseless_configuration_makes_no_net(void)
{
	struct fake fake;
	fake_start(&fake);
	struct net_route route = {.port_index = 2};
	fake.config.routes = &route;
	fake.config.route_count = 1;
	CU_ASSERT_PTR_NULL(net_new(&fake.config));
	fake_start(&fake);
	fake.config.worker_count = 2; // and nobody to hand packets to
	CU_ASSERT_PTR_NULL(net_new(&fake.config));
	fake_start(&fake);
	fake.config.limits.neighbour_queue = 0;
	CU_ASSERT_PTR_NULL(net_new(&fake.config));
}

UNIT_MAIN("net_nexthop", {"the longest prefix decides", the_longest_prefix_decides},
	  {"a gateway is asked for instead of the destination",
	   a_gateway_is_asked_for_instead_of_the_destination},
	  {"without a route the sender hears of it", without_a_route_the_sender_hears_of_it},
	  {"our addresses are known with link-local ones",
	   our_addresses_are_known_with_link_local_ones},
	  {"a senseless configuration makes no net", a_senseless_configuration_makes_no_net})
