// SPDX-License-Identifier: Apache-2.0
// Routes and source addresses of a node with two ports.
#include "net_fake.h"

#include "check.h"

#include <errno.h>

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

// gateway_of sends to remote and tells which gateway got it or was asked for: the last byte of its
// address, or of its MAC.
static uint8_t gateway_of(struct fake *fake, const char *remote)
{
	uint8_t last = 0;
	fake_send(fake, "192.0.2.1", remote, 0, 0);
	for (uint32_t port = 0; port < 2; port++)
		if (fake->ports[port].sent_count)
			last = rte_pktmbuf_mtod(fake->ports[port].sent[0], const uint8_t *)[5];
	fake_clear(fake);
	return last;
}

// open_with_two opens a node with two default gateways on port 0, 192.0.2.253 and .254, which have
// MACs that end in the same bytes.
static void open_with_two(struct fake *fake, struct net_route routes[3])
{
	fake_start(fake);
	for (int i = 0; i < 2; i++)
		routes[i] = fake->config.routes[i];
	routes[2] = routes[0];
	routes[2].gateway = fake_addr("192.0.2.253");
	fake->config.routes = routes;
	fake->config.route_count = 3;
	fake_open(fake);
	for (unsigned i = 1; i < 30; i++) {
		char text[32];
		snprintf(text, sizeof(text), "8.8.8.%u", i);
		fake_send(fake, "192.0.2.1", text, 0, 0);
	}
	fake_answer_arp(fake, "192.0.2.253", (const uint8_t[]){2, 0, 0, 0, 0, 253});
	fake_answer_arp(fake, "192.0.2.254", (const uint8_t[]){2, 0, 0, 0, 0, 254});
	fake_clear(fake);
}

static void two_gateways_share_and_one_that_fails_is_left(void)
{
	struct net_route routes[3];
	struct fake fake;
	unsigned by_253 = 0;
	uint8_t before[100];
	char text[32];
	open_with_two(&fake, routes);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "203.0.113.%u", i + 1);
		before[i] = gateway_of(&fake, text);
		CU_ASSERT(before[i] == 253 || before[i] == 254);
		CU_ASSERT_EQUAL(gateway_of(&fake, text), before[i]); // a destination keeps its way
		by_253 += before[i] == 253;
	}
	CU_ASSERT(by_253 > 25 && by_253 < 75);
	// .253 falls silent; .254 answers its probes
	for (int second = 0; second < 60; second++) {
		for (unsigned i = 0; i < 4; i++) {
			snprintf(text, sizeof(text), "203.0.113.%u", i + 1);
			fake_send(&fake, "192.0.2.1", text, 0, 0);
		}
		fake_run(&fake, 1000000);
		fake_answer_arp(&fake, "192.0.2.254", (const uint8_t[]){2, 0, 0, 0, 0, 254});
		fake_clear(&fake);
	}
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_hops_failed), 1);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "203.0.113.%u", i + 1);
		CU_ASSERT_EQUAL(gateway_of(&fake, text), 254);
	}
	// it comes back: asked for away from traffic, and its destinations return to it
	for (int second = 0; second < 12; second++) {
		fake_run(&fake, 1000000);
		fake_answer_arp(&fake, "192.0.2.253", (const uint8_t[]){2, 0, 0, 0, 0, 253});
	}
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_hops_revived), 1);
	fake_clear(&fake);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "203.0.113.%u", i + 1);
		CU_ASSERT_EQUAL(gateway_of(&fake, text), before[i]);
	}
	fake_stop(&fake);
}

static void an_answer_leaves_by_the_port_that_has_its_address(void)
{
	struct fake fake;
	struct net_route routes[3];
	fake_start(&fake);
	for (int i = 0; i < 2; i++)
		routes[i] = fake.config.routes[i];
	routes[2] = routes[0];
	routes[2].gateway = fake_addr("198.51.100.126");
	routes[2].port_index = 1;
	fake.config.routes = routes;
	fake.config.route_count = 3;
	fake_open(&fake);
	for (unsigned i = 1; i < 20; i++) {
		char text[32];
		snprintf(text, sizeof(text), "8.8.8.%u", i);
		fake_send(&fake, i % 2 ? "192.0.2.1" : "198.51.100.1", text, 0, 0);
	}
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 1); // each asks for its gateway only
	CU_ASSERT_EQUAL(fake.ports[1].sent_count, 1);
	fake_stop(&fake);
}

static void routes_and_ports_clamp_and_a_jumbo_port_is_as_wide_as_it_says(void)
{
	struct fake fake;
	struct net_route routes[3];
	fake_start(&fake);
	for (int i = 0; i < 2; i++)
		routes[i] = fake.config.routes[i];
	CHECK(prefix_parse("10.1.0.0/16", &routes[2].prefix) == 0);
	routes[2].gateway = fake_addr("192.0.2.253");
	routes[2].mss_clamp = 1200;
	routes[2].port_index = 0;
	routes[2].is_dead = false;
	fake.config.routes = routes;
	fake.config.route_count = 3;
	fake.ports[0].port.mtu = 9000;
	fake.ports[0].port.mss_clamp = 1400;
	fake_open(&fake);
	struct addr clamped = fake_addr("10.1.2.3"), other = fake_addr("8.8.8.8");
	struct addr beside = fake_addr("198.51.100.9");
	CU_ASSERT_EQUAL(net_mss_clamp(fake.net, &clamped), 1200);
	CU_ASSERT_EQUAL(net_mss_clamp(fake.net, &other), 1400);
	CU_ASSERT_EQUAL(net_mss_clamp(fake.net, &beside), 0);
	CU_ASSERT_EQUAL(net_mtu(fake.net, &other), 9000);
	fake_learn(&fake, "192.0.2.7");
	CU_ASSERT_EQUAL(fake_send(&fake, "192.0.2.1", "192.0.2.7", 8960, 0), 0);
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 1);
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(fake.ports[0].sent[0]), 9014);
	fake_clear(&fake);
	CU_ASSERT_EQUAL(fake_send(&fake, "192.0.2.1", "192.0.2.7", 8961, 0), ENOBUFS);
	fake_stop(&fake);
}

UNIT_MAIN("net_nexthop", {"the longest prefix decides", the_longest_prefix_decides},
	  {"a gateway is asked for instead of the destination",
	   a_gateway_is_asked_for_instead_of_the_destination},
	  {"without a route the sender hears of it", without_a_route_the_sender_hears_of_it},
	  {"our addresses are known with link-local ones",
	   our_addresses_are_known_with_link_local_ones},
	  {"a senseless configuration makes no net", a_senseless_configuration_makes_no_net},
	  {"two gateways share, and one that fails is left",
	   two_gateways_share_and_one_that_fails_is_left},
	  {"an answer leaves by the port that has its address",
	   an_answer_leaves_by_the_port_that_has_its_address},
	  {"routes and ports clamp, and a jumbo port is as wide as it says",
	   routes_and_ports_clamp_and_a_jumbo_port_is_as_wide_as_it_says})
