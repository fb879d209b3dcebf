// SPDX-License-Identifier: Apache-2.0
// Packets through l4: what is forwarded and how, what is left to net, what goes to another worker.
#include "l4_rig.h"

#include "check.h"

#include <string.h>

static struct rig rig;

static uint64_t count(enum counter counter)
{
	return fake_count(&rig.fake, counter);
}

static const struct rig_packet udp4 = {.from = "10.1.0.1",
				       .to = "192.0.2.1",
				       .from_port = 4000,
				       .to_port = 53,
				       .protocol = NET_PROTOCOL_UDP,
				       .payload_bytes = 40};
static const struct rig_packet udp6 = {.from = "2001:db8:9::1",
				       .to = "2001:db8::1",
				       .from_port = 4000,
				       .to_port = 53,
				       .protocol = NET_PROTOCOL_UDP,
				       .payload_bytes = 40};

// there_and_back sends a query, answers it, and looks at both.
static void there_and_back(const struct rig_packet *packet)
{
	rig_clear(&rig);
	rig_feed(&rig, packet);
	CU_ASSERT_EQUAL_FATAL(rig.fake.ports[0].sent_count, 1);
	struct rig_sent sent = rig_sent_at(&rig, 0);
	CU_ASSERT(rig_is(&sent.source, packet->to, sent.source.port));
	CU_ASSERT(sent.source.port >= 1024 && sent.source.port <= 16383);
	CU_ASSERT_EQUAL(sent.destination.port, 5353);
	CU_ASSERT_EQUAL(sent.ttl, 63);
	rig_answer(&rig, &sent, &(struct rig_packet){.payload_bytes = 90});
	CU_ASSERT_EQUAL_FATAL(rig.fake.ports[0].sent_count, 2);
	struct rig_sent back = rig_sent_at(&rig, 1);
	CU_ASSERT(rig_is(&back.source, packet->to, packet->to_port));
	CU_ASSERT(rig_is(&back.destination, packet->from, packet->from_port));
	CU_ASSERT_EQUAL(back.ip_bytes - (uint32_t)(back.l4 - back.ip), 98);
}

static void a_query_goes_to_an_endpoint_and_its_answer_back(void)
{
	rig_start(&rig);
	rig_open(&rig);
	there_and_back(&udp4);
	there_and_back(&udp6);
	there_and_back(&udp4);
	CU_ASSERT_EQUAL(count(COUNTER_l4_opened), 2);
	CU_ASSERT_EQUAL(count(COUNTER_l4_packets), 6);
	CU_ASSERT_EQUAL(count(COUNTER_l4_bytes), 2 * (68 + 118) + 88 + 138);
	CU_ASSERT_EQUAL(rig.fake.received_count, 0);
	rig_stop(&rig);
}

static void connections_of_both_families_come_through(void)
{
	rig_start(&rig);
	rig_open(&rig);
	rig_open_tcp(&rig, "10.1.0.1", 33);
	rig_open_tcp(&rig, "2001:db8:9::1", 33);
	CU_ASSERT_EQUAL(count(COUNTER_l4_established), 2);
	rig_stop(&rig);
}

static void a_burst_of_many_flows_and_strangers_is_sorted(void)
{
	rig_start(&rig);
	rig_open(&rig);
	struct rte_mbuf *burst[PORT_BURST];
	uint8_t frame[2100];
	for (unsigned round = 0; round < 3; round++) {
		for (uint16_t i = 0; i < PORT_BURST; i++) {
			struct rig_packet packet = i % 2 ? udp4 : udp6;
			packet.from_port = (uint16_t)(i / 4);
			if (i % 8 == 7) // not a service: TCP to 443 is somebody else's
				packet = (struct rig_packet){.from = "10.1.0.1",
							     .to = "192.0.2.1",
							     .from_port = i,
							     .to_port = 443,
							     .protocol = NET_PROTOCOL_TCP,
							     .flags = RIG_SYN};
			burst[i] = fake_mbuf(frame, rig_frame(&packet, frame));
		}
		net_input(rig.fake.net, 0, burst, PORT_BURST);
		net_flush(rig.fake.net);
		CU_ASSERT_EQUAL(rig.fake.ports[0].sent_count, 28);
		CU_ASSERT_EQUAL_FATAL(rig.fake.received_count, 4);
		for (uint32_t i = 0; i < 4; i++) // in their order
			CU_ASSERT_EQUAL(rte_pktmbuf_mtod(rig.fake.received[i], uint8_t *)[35],
					8 * i + 7);
		rig_clear(&rig);
	}
	CU_ASSERT_EQUAL(count(COUNTER_l4_opened), 16);
	rig_stop(&rig);
}

static void what_is_wrong_is_left_to_net(void)
{
	rig_start(&rig);
	rig_open(&rig);
	uint8_t frame[2100];
	size_t bytes = rig_frame(&udp4, frame);
	frame[24] ^= 1;
	fake_input(&rig.fake, frame, bytes);
	CU_ASSERT_EQUAL(count(COUNTER_drop_ip4_checksum), 1);
	struct rig_packet packet = udp6;
	packet.has_no_checksum = true;
	rig_feed(&rig, &packet);
	CU_ASSERT_EQUAL(count(COUNTER_drop_l4_checksum), 1);
	bytes = rig_frame(&udp4, frame);
	fake_input(&rig.fake, frame, bytes - 20); // shorter than it says
	CU_ASSERT_EQUAL(count(COUNTER_drop_ip4_header), 1);
	frame[5] ^= 8;
	fake_input(&rig.fake, frame, bytes);
	CU_ASSERT_EQUAL(count(COUNTER_drop_eth_not_for_us), 1);
	for (bytes = 1; bytes < 42; bytes++)
		fake_input(&rig.fake, frame, bytes);
	packet = udp4;
	packet.from = "127.0.0.1";
	rig_feed(&rig, &packet);
	packet.from = "224.0.0.1";
	rig_feed(&rig, &packet);
	packet.from = "192.0.2.1";
	rig_feed(&rig, &packet);
	CU_ASSERT_EQUAL(count(COUNTER_drop_ip_source), 3);
	CU_ASSERT_EQUAL(rig.fake.ports[0].sent_count, 0);
	CU_ASSERT_EQUAL(count(COUNTER_l4_opened), 0);
	rig_stop(&rig);
}

static void udp_without_a_checksum_is_forwarded_over_ipv4(void)
{
	rig_start(&rig);
	rig_open(&rig);
	struct rig_packet packet = udp4;
	packet.has_no_checksum = true;
	rig_feed(&rig, &packet);
	struct rig_sent sent = rig_sent_at(&rig, 0);
	CU_ASSERT(sent.l4[6] == 0 && sent.l4[7] == 0);
	rig_stop(&rig);
}

static void padding_is_not_sent_on(void)
{
	rig_start(&rig);
	rig_open(&rig);
	uint8_t frame[2100] = {0};
	struct rig_packet packet = udp4;
	packet.payload_bytes = 1;
	rig_frame(&packet, frame);
	fake_input(&rig.fake, frame, 60);
	CU_ASSERT_EQUAL(rig_sent_at(&rig, 0).ip_bytes, 29); // which its length agrees with
	rig_stop(&rig);
}

static void what_begins_no_flow_is_a_stray(void)
{
	rig_start(&rig);
	rig_open(&rig);
	struct rig_packet packet = {.from = "10.1.0.1",
				    .to = "192.0.2.1",
				    .from_port = 9,
				    .to_port = 80,
				    .protocol = NET_PROTOCOL_TCP,
				    .flags = RIG_ACK};
	rig_feed(&rig, &packet); // of a connection that we do not know
	packet.flags = RIG_SYN;
	packet.to_port = 2000; // a source port that is not in use
	rig_feed(&rig, &packet);
	CU_ASSERT_EQUAL(count(COUNTER_l4_strays), 2);
	CU_ASSERT_EQUAL(rig.fake.received_count, 2); // TCP resets them
	rig_stop(&rig);
}

static void an_odd_packet_to_a_service_is_dropped_and_another_s_is_not(void)
{
	rig_start(&rig);
	rig_open(&rig);
	uint8_t frame[2100], with_options[2100];
	for (unsigned is_ours = 0; is_ours < 2; is_ours++) {
		struct rig_packet packet = udp4;
		packet.to_port = is_ours ? 53 : 54;
		size_t bytes = rig_frame(&packet, frame);
		memcpy(with_options, frame, 34);
		memset(with_options + 34, 1, 4); // NOPs
		memcpy(with_options + 38, frame + 34, bytes - 34);
		with_options[14] = 0x46;
		with_options[17] = (uint8_t)(with_options[17] + 4);
		with_options[24] = with_options[25] = 0;
		uint16_t sum = (uint16_t)~fake_sum(0, with_options + 14, 24);
		with_options[24] = (uint8_t)(sum >> 8);
		with_options[25] = (uint8_t)sum;
		fake_input(&rig.fake, with_options, bytes + 4);
	}
	CU_ASSERT_EQUAL(count(COUNTER_l4_odd), 1);
	CU_ASSERT_EQUAL(rig.fake.received_count, 1);
	rig_stop(&rig);
}

static void a_tagged_port_forwards_its_vlan_only(void)
{
	rig_start(&rig);
	rig.fake.ports[0].port.vlan = 7;
	rig.config.limits.flow_count = 4;
	fake_open(&rig.fake);
	rig.config.net = rig.fake.net;
	rig.l4 = l4_new(&rig.config);
	struct net_transit transit = {l4_input, l4_odd, l4_icmp_error, rig.l4};
	net_set_transit(rig.fake.net, &transit);
	uint8_t frame[2100], tagged[2100];
	size_t bytes = rig_frame(&udp4, frame);
	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, (uint8_t[]){0x81, 0, 0x20, 7}, 4); // with a priority
	memcpy(tagged + 16, frame + 12, bytes - 12);
	fake_input(&rig.fake, tagged, bytes + 4);
	CU_ASSERT_EQUAL(count(COUNTER_l4_packets), 1);
	fake_input(&rig.fake, frame, bytes);
	tagged[15] = 8;
	fake_input(&rig.fake, tagged, bytes + 4);
	CU_ASSERT_EQUAL(count(COUNTER_l4_packets), 1);
	CU_ASSERT_EQUAL(count(COUNTER_drop_eth_vlan), 2);
	rig_stop(&rig);
}

static void answers_reach_the_worker_that_has_the_flow(void)
{
	rig_start(&rig);
	rig.fake.config.worker_count = rig.config.worker_count = 3;
	rig.fake.config.worker_index = rig.config.worker_index = 1;
	rig_open(&rig);
	uint32_t ours = 0;
	for (uint16_t i = 0; i < 60; i++) {
		struct rig_packet packet = udp4;
		packet.from_port = (uint16_t)(3000 + i);
		rig_clear(&rig);
		rig_feed(&rig, &packet);
		if (rig.fake.ports[0].sent_count == 0) {
			CU_ASSERT_EQUAL(rig.fake.handed_count, 1);
			CU_ASSERT_NOT_EQUAL(rig.fake.handed_to[0], 1);
			continue;
		}
		struct rig_sent sent = rig_sent_at(&rig, 0);
		CU_ASSERT_EQUAL(net_owner(rig.fake.net, &sent.source.addr, sent.source.port,
					  &sent.destination.addr, sent.destination.port),
				1);
		rig_answer(&rig, &sent, &(struct rig_packet){.payload_bytes = 9});
		CU_ASSERT_EQUAL(rig.fake.ports[0].sent_count, 2);
		ours++;
	}
	CU_ASSERT(ours > 5 && ours < 40);
	rig_stop(&rig);
}

static void a_packet_that_another_worker_handed_over_is_forwarded(void)
{
	rig_start(&rig);
	rig.fake.config.worker_count = rig.config.worker_count = 2;
	rig_open(&rig);
	struct rig_packet packet = udp4;
	while (rig.fake.handed_count == 0 && packet.from_port++ < 5000) {
		rig_clear(&rig);
		rig_feed(&rig, &packet);
	}
	CU_ASSERT_EQUAL_FATAL(rig.fake.handed_count, 1);
	// What the other worker would do with it, this one does: nobody asks twice who owns it.
	struct rte_mbuf *mbuf = rig.fake.handed[0];
	rig.fake.handed_count = 0;
	uint64_t before = count(COUNTER_l4_packets);
	net_input_handed(rig.fake.net, &mbuf, 1);
	net_flush(rig.fake.net);
	CU_ASSERT_EQUAL(count(COUNTER_l4_packets), before + 1);
	rig_stop(&rig);
}

UNIT_MAIN("l4_input",
	  {"a query goes to an endpoint and its answer back",
	   a_query_goes_to_an_endpoint_and_its_answer_back},
	  {"connections of both families come through", connections_of_both_families_come_through},
	  {"a burst of many flows and strangers is sorted",
	   a_burst_of_many_flows_and_strangers_is_sorted},
	  {"what is wrong is left to net", what_is_wrong_is_left_to_net},
	  {"UDP without a checksum is forwarded over IPv4",
	   udp_without_a_checksum_is_forwarded_over_ipv4},
	  {"padding is not sent on", padding_is_not_sent_on},
	  {"what begins no flow is a stray", what_begins_no_flow_is_a_stray},
	  {"an odd packet to a service is dropped, and another's is not",
	   an_odd_packet_to_a_service_is_dropped_and_another_s_is_not},
	  {"a tagged port forwards its VLAN only", a_tagged_port_forwards_its_vlan_only},
	  {"answers reach the worker that has the flow",
	   answers_reach_the_worker_that_has_the_flow},
	  {"a packet that another worker handed over is forwarded",
	   a_packet_that_another_worker_handed_over_is_forwarded})
