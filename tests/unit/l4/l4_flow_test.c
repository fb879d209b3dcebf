// SPDX-License-Identifier: Apache-2.0
// Flows: begun and ended, bounds at their limit, how long each state may be silent.
#include "l4_rig.h"

#include "check.h"

#include <string.h>

static struct rig rig;

static uint64_t count(enum counter counter)
{
	return fake_count(&rig.fake, counter);
}

static struct rig_packet syn(const char *from, uint16_t port)
{
	return (struct rig_packet){.from = from,
				   .to = "192.0.2.1",
				   .from_port = port,
				   .to_port = 80,
				   .protocol = NET_PROTOCOL_TCP,
				   .flags = RIG_SYN,
				   .seq = 1000};
}

static struct rig_packet query(const char *from, uint16_t port)
{
	return (struct rig_packet){.from = from,
				   .to = "192.0.2.1",
				   .from_port = port,
				   .to_port = 53,
				   .protocol = NET_PROTOCOL_UDP,
				   .payload_bytes = 30};
}

static void feed(struct rig_packet packet)
{
	rig_feed(&rig, &packet);
	rig_clear(&rig);
}

// goes_to is true when the first packet that was sent goes to an address.
static bool goes_to(const struct endpoint_addr *there)
{
	struct rig_sent sent = rig_sent_at(&rig, 0);
	return addr_equal(&sent.destination.addr, &there->addr);
}

static void a_full_table_takes_nothing_new_and_serves_what_it_has(void)
{
	rig_start(&rig);
	rig.config.limits.flow_count = 8;
	rig.config.limits.half_open_count = 8;
	rig_open(&rig);
	struct rig_sent first = rig_open_tcp(&rig, "10.1.0.1", 1000);
	for (uint16_t i = 1; i < 8; i++)
		rig_open_tcp(&rig, "10.1.0.1", (uint16_t)(1000 + i));
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 8);
	CU_ASSERT_EQUAL(count(COUNTER_l4_half_open), 0);
	struct rig_packet late = syn("10.1.0.2", 1);
	rig_feed(&rig, &late);
	CU_ASSERT_EQUAL(rig.fake.ports[0].sent_count, 0);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows_full), 1);
	rig_answer(&rig, &first, &(struct rig_packet){.flags = RIG_ACK, .payload_bytes = 100});
	CU_ASSERT_EQUAL(rig.fake.ports[0].sent_count, 1);
	rig_stop(&rig);
}

static void the_oldest_half_open_flow_gives_way_and_no_established_one(void)
{
	rig_start(&rig);
	rig.config.limits.flow_count = 8;
	rig.config.limits.half_open_count = 4;
	rig_open(&rig);
	struct rig_sent live = rig_open_tcp(&rig, "10.1.0.1", 1000);
	for (uint16_t i = 0; i < 1000; i++)
		feed(syn("10.9.0.1", (uint16_t)(2000 + i)));
	CU_ASSERT_EQUAL(count(COUNTER_l4_half_open), 4);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 5);
	CU_ASSERT_EQUAL(count(COUNTER_l4_half_open_evicted), 996);
	rig_answer(&rig, &live, &(struct rig_packet){.flags = RIG_ACK, .payload_bytes = 9});
	CU_ASSERT_EQUAL(rig.fake.ports[0].sent_count, 1);
	// A newcomer's handshake comes through while the flood goes on.
	rig_open_tcp(&rig, "10.1.0.2", 1000);
	CU_ASSERT_EQUAL(count(COUNTER_l4_established), 2);
	// Also when flows, not half-open ones, are at their bound.
	for (uint16_t i = 0; i < 3; i++)
		rig_open_tcp(&rig, "10.1.0.3", (uint16_t)(1000 + i));
	for (uint16_t i = 0; i < 100; i++)
		feed(syn("10.9.0.2", (uint16_t)(2000 + i)));
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 8);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows_full), 0);
	rig_stop(&rig);
}

static void a_forged_acknowledgement_establishes_nothing(void)
{
	rig_start(&rig);
	rig_open(&rig);
	struct rig_packet packet = syn("10.1.0.1", 1000);
	rig_feed(&rig, &packet);
	struct rig_sent sent = rig_sent_at(&rig, 0);
	packet.flags = RIG_ACK;
	packet.ack = 5001;
	feed(packet); // before any answer
	CU_ASSERT_EQUAL(count(COUNTER_l4_established), 0);
	rig_answer(&rig, &sent, &(struct rig_packet){.flags = RIG_SYN | RIG_ACK, .seq = 7000});
	feed(packet); // of another sequence number
	CU_ASSERT_EQUAL(count(COUNTER_l4_established), 0);
	packet.ack = 7001;
	feed(packet);
	CU_ASSERT_EQUAL(count(COUNTER_l4_established), 1);
	rig_stop(&rig);
}

static void silence_ends_a_flow_in_the_time_of_its_state(void)
{
	rig_start(&rig);
	rig_open(&rig);
	feed(syn("10.1.0.1", 1));
	rig_run(&rig, 9000000);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 1);
	rig_run(&rig, 2000000);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 0);
	CU_ASSERT_EQUAL(count(COUNTER_l4_half_open), 0);

	struct rig_sent sent = rig_open_tcp(&rig, "10.1.0.1", 2);
	rig_run(&rig, 99000000);
	rig_answer(&rig, &sent, &(struct rig_packet){.flags = RIG_ACK, .payload_bytes = 1});
	rig_run(&rig, 99000000);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 1);
	rig_run(&rig, 2000000);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 0);

	struct rig_packet packet = query("10.1.0.1", 3);
	rig_clear(&rig);
	rig_feed(&rig, &packet);
	sent = rig_sent_at(&rig, 0);
	rig_run(&rig, 9000000);
	rig_answer(&rig, &sent, &(struct rig_packet){.payload_bytes = 50});
	rig_run(&rig, 59000000);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 1);
	rig_run(&rig, 2000000);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 0);
	CU_ASSERT_EQUAL(count(COUNTER_l4_expired), 3);
	rig_stop(&rig);
}

static void both_fins_or_a_reset_shorten_the_time(void)
{
	rig_start(&rig);
	rig_open(&rig);
	struct rig_sent sent = rig_open_tcp(&rig, "10.1.0.1", 1);
	rig_answer(&rig, &sent, &(struct rig_packet){.flags = RIG_FIN | RIG_ACK});
	rig_run(&rig, 50000000); // half closed: the other direction may take its time
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 1);
	struct rig_packet fin = syn("10.1.0.1", 1);
	fin.flags = RIG_FIN | RIG_ACK;
	feed(fin);
	rig_run(&rig, 4000000);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 1);
	rig_run(&rig, 2000000);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 0);

	sent = rig_open_tcp(&rig, "10.1.0.1", 2);
	rig_answer(&rig, &sent, &(struct rig_packet){.flags = RIG_RST});
	CU_ASSERT_EQUAL(rig.fake.ports[0].sent_count, 1);
	rig_run(&rig, 6000000);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 0);
	rig_stop(&rig);
}

static void a_flow_that_goes_on_after_a_forged_reset_lives(void)
{
	rig_start(&rig);
	rig_open(&rig);
	struct rig_sent sent = rig_open_tcp(&rig, "10.1.0.1", 1);
	struct rig_packet forged = syn("10.1.0.1", 1);
	forged.flags = RIG_RST;
	feed(forged);
	for (unsigned i = 0; i < 10; i++) {
		rig_run(&rig, 3000000);
		rig_clear(&rig);
		rig_answer(&rig, &sent, &(struct rig_packet){.flags = RIG_ACK});
		CU_ASSERT_EQUAL(rig.fake.ports[0].sent_count, 1);
	}
	rig_stop(&rig);
}

static void a_new_connection_over_a_closed_one_is_placed_anew(void)
{
	rig_start(&rig);
	rig_open(&rig);
	struct rig_sent sent = rig_open_tcp(&rig, "10.1.0.1", 1);
	struct endpoint_addr gone = sent.destination;
	CU_ASSERT_EQUAL(l4_set_weight(rig.l4, &gone, 0), 2); // UDP's and TCP's
	struct rig_packet again = syn("10.1.0.1", 1);
	rig_feed(&rig, &again); // the connection lives: its endpoint decides
	CU_ASSERT(goes_to(&gone));
	rig_answer(&rig, &sent, &(struct rig_packet){.flags = RIG_RST});
	rig_clear(&rig);
	rig_feed(&rig, &again);
	CU_ASSERT(!goes_to(&gone));
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 1);
	rig_stop(&rig);
}

static void a_drained_endpoint_keeps_its_flows_and_gets_no_new_ones(void)
{
	rig_start(&rig);
	rig_open(&rig);
	struct rig_sent sent = rig_open_tcp(&rig, "10.1.0.1", 1);
	l4_set_weight(rig.l4, &sent.destination, 0);
	for (uint16_t i = 0; i < 20; i++) {
		struct rig_sent other = rig_open_tcp(&rig, "10.1.0.2", (uint16_t)(100 + i));
		CU_ASSERT(!addr_equal(&other.destination.addr, &sent.destination.addr));
	}
	rig_answer(&rig, &sent, &(struct rig_packet){.flags = RIG_ACK, .payload_bytes = 10});
	struct endpoint_addr client = {.addr = fake_addr("10.1.0.1"), .port = 1};
	CU_ASSERT(goes_to(&client));
	struct l4_endpoint_info info;
	uint32_t flows = 0, drained = 0;
	for (uint32_t i = 0; l4_endpoint_at(rig.l4, i, &info); i++) {
		flows += info.flow_count;
		drained += info.weight == 0;
	}
	CU_ASSERT_EQUAL(flows, 21);
	CU_ASSERT_EQUAL(drained, 2);
	rig_stop(&rig);
}

static void without_an_endpoint_the_flow_is_refused_by_net(void)
{
	rig_start(&rig);
	for (unsigned i = 0; i < 3; i++)
		rig.endpoints[0][i].weight = 0;
	rig_open(&rig);
	struct rig_packet packet = syn("10.1.0.1", 1);
	rig_feed(&rig, &packet);
	CU_ASSERT_EQUAL(count(COUNTER_l4_no_endpoint), 1);
	CU_ASSERT_EQUAL(rig.fake.received_count, 1); // TCP resets it
	rig_stop(&rig);
}

static void source_ports_run_out_and_come_back(void)
{
	rig_start(&rig);
	rig.config.limits.port_first = 5000;
	rig.config.limits.port_last = 5004;
	rig.endpoints[0][1].weight = rig.endpoints[0][2].weight = 0;
	rig_open(&rig);
	bool seen[5] = {false};
	for (uint16_t i = 0; i < 5; i++) {
		struct rig_sent sent = rig_open_tcp(&rig, "10.1.0.1", (uint16_t)(1 + i));
		CU_ASSERT_FATAL(sent.source.port >= 5000 && sent.source.port <= 5004);
		CU_ASSERT(!seen[sent.source.port - 5000]);
		seen[sent.source.port - 5000] = true;
	}
	feed(syn("10.1.0.1", 10));
	CU_ASSERT_EQUAL(count(COUNTER_l4_ports_exhausted), 1);
	CU_ASSERT_EQUAL(count(COUNTER_l4_flows), 5);
	rig_run(&rig, 101000000);
	rig_open_tcp(&rig, "10.1.0.1", 10);
	rig_stop(&rig);
}

static void a_network_s_new_flows_are_bounded_in_rate(void)
{
	rig_start(&rig);
	rig.config.limits.new_per_prefix = 10;
	rig_open(&rig);
	for (uint16_t i = 0; i < 15; i++)
		feed(query("10.1.0.1", (uint16_t)(1 + i)));
	CU_ASSERT_EQUAL(count(COUNTER_l4_opened), 10);
	CU_ASSERT_EQUAL(count(COUNTER_l4_rate), 5);
	feed(query("10.1.0.1", 1)); // of a flow that is there
	CU_ASSERT_EQUAL(count(COUNTER_l4_rate), 5);
	feed(query("10.1.1.1", 1)); // of another network
	CU_ASSERT_EQUAL(count(COUNTER_l4_opened), 11);
	rig_stop(&rig);
}

static void flows_are_told(void)
{
	rig_start(&rig);
	rig_open(&rig);
	struct rig_sent sent = rig_open_tcp(&rig, "10.1.0.1", 7);
	struct l4_info info;
	uint32_t found = 0;
	rig_run(&rig, 2000000);
	for (uint32_t i = 0; i < l4_flow_slots(rig.l4); i++)
		found += l4_flow_at(rig.l4, i, &info);
	CU_ASSERT_EQUAL_FATAL(found, 1);
	for (uint32_t i = 0; !l4_flow_at(rig.l4, i, &info); i++)
		;
	CU_ASSERT(rig_is(&info.client, "10.1.0.1", 7));
	CU_ASSERT(rig_is(&info.service, "192.0.2.1", 80));
	CU_ASSERT_EQUAL(memcmp(&info.source, &sent.source, sizeof(info.source)), 0);
	CU_ASSERT_EQUAL(memcmp(&info.endpoint, &sent.destination, sizeof(info.endpoint)), 0);
	CU_ASSERT_STRING_EQUAL(info.state, "established");
	CU_ASSERT_EQUAL(info.idle_us, 2000000);
	CU_ASSERT(!l4_flow_at(rig.l4, l4_flow_slots(rig.l4), &info));
	rig_stop(&rig);
}

UNIT_MAIN("l4_flow",
	  {"a full table takes nothing new and serves what it has",
	   a_full_table_takes_nothing_new_and_serves_what_it_has},
	  {"the oldest half-open flow gives way, and no established one",
	   the_oldest_half_open_flow_gives_way_and_no_established_one},
	  {"a forged acknowledgement establishes nothing",
	   a_forged_acknowledgement_establishes_nothing},
	  {"silence ends a flow in the time of its state",
	   silence_ends_a_flow_in_the_time_of_its_state},
	  {"both FINs or a reset shorten the time", both_fins_or_a_reset_shorten_the_time},
	  {"a flow that goes on after a forged reset lives",
	   a_flow_that_goes_on_after_a_forged_reset_lives},
	  {"a new connection over a closed one is placed anew",
	   a_new_connection_over_a_closed_one_is_placed_anew},
	  {"a drained endpoint keeps its flows and gets no new ones",
	   a_drained_endpoint_keeps_its_flows_and_gets_no_new_ones},
	  {"without an endpoint the flow is refused by net",
	   without_an_endpoint_the_flow_is_refused_by_net},
	  {"source ports run out and come back", source_ports_run_out_and_come_back},
	  {"a network's new flows are bounded in rate", a_network_s_new_flows_are_bounded_in_rate},
	  {"flows are told", flows_are_told})
