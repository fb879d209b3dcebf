// SPDX-License-Identifier: Apache-2.0
// What is told about packets that go no further: by us (TTL, MTU) and by routers and endpoints
// behind us, to the end that sent the packet and in its words.
#include "l4_rig.h"

#include "check.h"

#include <string.h>

static struct rig rig;

static uint64_t count(enum counter counter)
{
	return fake_count(&rig.fake, counter);
}

static struct rig_packet of_client(bool is_v4)
{
	return (struct rig_packet){.from = is_v4 ? "10.1.0.1" : "2001:db8:9::1",
				   .to = is_v4 ? "192.0.2.1" : "2001:db8::1",
				   .from_port = 4000,
				   .to_port = 53,
				   .protocol = NET_PROTOCOL_UDP,
				   .payload_bytes = 400};
}

// expect_error looks at an ICMP error of type and code that quotes packet as it was sent.
static void expect_error(const struct rig_packet *packet, uint32_t index, uint8_t type,
			 uint8_t code)
{
	uint8_t frame[2100];
	rig_frame(packet, frame);
	struct rig_sent sent = rig_sent_at(&rig, index);
	bool is_v4 = sent.ip[0] >> 4 == 4;
	CU_ASSERT_EQUAL(sent.protocol, is_v4 ? 1 : 58);
	CU_ASSERT(rig_is(&sent.source, packet->to, sent.source.port));
	CU_ASSERT(rig_is(&sent.destination, packet->from, sent.destination.port));
	CU_ASSERT_EQUAL(sent.l4[0], type);
	CU_ASSERT_EQUAL(sent.l4[1], code);
	const uint8_t *quote = sent.l4 + 8;
	size_t addresses = is_v4 ? 12 : 8, l4 = is_v4 ? 20 : 40;
	CU_ASSERT_EQUAL(memcmp(quote + addresses, frame + 14 + addresses, l4 - addresses), 0);
	CU_ASSERT_EQUAL(memcmp(quote + l4, frame + 14 + l4, 8), 0); // with its checksum
	if (is_v4)
		CU_ASSERT_EQUAL(fake_sum(0, quote, 20), 0xffff);
}

static void a_packet_whose_hops_are_used_up_is_told_of(void)
{
	rig_start(&rig);
	rig_open(&rig);
	for (unsigned is_v4 = 0; is_v4 < 2; is_v4++) {
		struct rig_packet packet = of_client(is_v4);
		packet.ttl = 1;
		rig_clear(&rig);
		rig_feed(&rig, &packet);
		expect_error(&packet, 0, is_v4 ? 11 : 3, 0);
		CU_ASSERT_EQUAL(rig.fake.ports[0].sent_count, 1);
	}
	CU_ASSERT_EQUAL(count(COUNTER_l4_ttl), 2);
	rig_stop(&rig);
}

static void a_packet_larger_than_the_way_is_told_of(void)
{
	rig_start(&rig);
	rig.fake.ports[0].port.mtu = 1280;
	rig_open(&rig);
	for (unsigned is_v4 = 0; is_v4 < 2; is_v4++) {
		struct rig_packet packet = of_client(is_v4);
		packet.payload_bytes = 1300;
		rig_clear(&rig);
		rig_feed(&rig, &packet);
		expect_error(&packet, 0, is_v4 ? 3 : 2, is_v4 ? 4 : 0);
		const uint8_t *mtu = rig_sent_at(&rig, 0).l4 + 6;
		CU_ASSERT_EQUAL(mtu[0] << 8 | mtu[1], 1280);
	}
	CU_ASSERT_EQUAL(count(COUNTER_l4_too_big), 2);
	rig_stop(&rig);
}

// report feeds an ICMP error from a router about what was sent.
static void report(const struct rig_sent *sent, uint8_t type, uint8_t code, uint32_t word)
{
	bool is_v4 = addr_is_v4(&sent->source.addr);
	struct addr router = fake_addr(is_v4 ? "192.0.2.254" : "2001:db8::fe");
	uint8_t frame[2100], message[1200] = {type, code};
	message[4] = (uint8_t)(word >> 24);
	message[5] = (uint8_t)(word >> 16);
	message[6] = (uint8_t)(word >> 8);
	message[7] = (uint8_t)word;
	uint32_t quoted = sent->ip_bytes < 500 ? sent->ip_bytes : 500;
	memcpy(message + 8, sent->ip, quoted);
	size_t bytes = fake_ip(frame, &router, &sent->source.addr, is_v4 ? 1 : 58,
			       slice_of(message, 8 + quoted));
	fake_input(&rig.fake, frame, bytes);
}

static void errors_from_behind_reach_the_client_in_its_words(void)
{
	rig_start(&rig);
	rig_open(&rig);
	for (unsigned is_v4 = 0; is_v4 < 2; is_v4++) {
		struct rig_packet packet = of_client(is_v4);
		rig_clear(&rig);
		rig_feed(&rig, &packet);
		struct rig_sent sent = rig_sent_at(&rig, 0);
		report(&sent, is_v4 ? 3 : 2, is_v4 ? 4 : 0, 1300);
		expect_error(&packet, 1, is_v4 ? 3 : 2, is_v4 ? 4 : 0);
		const uint8_t *mtu = rig_sent_at(&rig, 1).l4 + 6;
		CU_ASSERT_EQUAL(mtu[0] << 8 | mtu[1], 1300);
		report(&sent, is_v4 ? 3 : 1, is_v4 ? 3 : 4, 0);
		expect_error(&packet, 2, is_v4 ? 3 : 1, is_v4 ? 3 : 4);
	}
	CU_ASSERT_EQUAL(count(COUNTER_l4_icmp_errors), 4);
	rig_stop(&rig);
}

static void errors_about_answers_reach_the_endpoint(void)
{
	rig_start(&rig);
	rig_open(&rig);
	struct rig_packet packet = of_client(true);
	rig_feed(&rig, &packet);
	struct rig_sent there = rig_sent_at(&rig, 0);
	rig_answer(&rig, &there, &(struct rig_packet){.payload_bytes = 100});
	struct rig_sent back = rig_sent_at(&rig, 1);
	report(&back, 3, 4, 1400);
	struct rig_sent error = rig_sent_at(&rig, 2);
	CU_ASSERT(addr_equal(&error.source.addr, &there.source.addr));
	CU_ASSERT(addr_equal(&error.destination.addr, &there.destination.addr));
	const uint8_t *quote = error.l4 + 8;
	CU_ASSERT_EQUAL(memcmp(quote + 12, there.destination.addr.bytes + 12, 4), 0);
	CU_ASSERT_EQUAL(memcmp(quote + 16, there.source.addr.bytes + 12, 4), 0);
	CU_ASSERT_EQUAL(memcmp(quote + 20, there.l4 + 2, 2), 0);
	rig_stop(&rig);
}

static void an_error_about_no_flow_is_net_s(void)
{
	rig_start(&rig);
	rig_open(&rig);
	struct rig_packet packet = of_client(true);
	rig_feed(&rig, &packet);
	struct rig_sent sent = rig_sent_at(&rig, 0);
	uint8_t other[128];
	memcpy(other, sent.ip, sizeof(other));
	other[21] ^= 1; // another source port
	sent.ip = other;
	sent.ip_bytes = sizeof(other);
	report(&sent, 3, 1, 0);
	CU_ASSERT_EQUAL(rig.fake.ports[0].sent_count, 1);
	CU_ASSERT_EQUAL(rig.fake.error.count, 1);
	CU_ASSERT_EQUAL(count(COUNTER_l4_icmp_errors), 0);
	rig_stop(&rig);
}

static void errors_of_ours_are_bounded_in_rate(void)
{
	rig_start(&rig);
	rig.fake.config.limits.icmp_per_second = 10;
	rig_open(&rig);
	struct rig_packet packet = of_client(true);
	packet.ttl = 1;
	for (unsigned i = 0; i < 100; i++)
		rig_feed(&rig, &packet);
	CU_ASSERT(rig.fake.ports[0].sent_count < 5);
	CU_ASSERT(count(COUNTER_drop_icmp_rate) > 90);
	CU_ASSERT_EQUAL(count(COUNTER_l4_ttl), 100);
	rig_stop(&rig);
}

UNIT_MAIN("l4_icmp",
	  {"a packet whose hops are used up is told of",
	   a_packet_whose_hops_are_used_up_is_told_of},
	  {"a packet larger than the way is told of", a_packet_larger_than_the_way_is_told_of},
	  {"errors from behind reach the client in its words",
	   errors_from_behind_reach_the_client_in_its_words},
	  {"errors about answers reach the endpoint", errors_about_answers_reach_the_endpoint},
	  {"an error about no flow is net's", an_error_about_no_flow_is_net_s},
	  {"errors of ours are bounded in rate", errors_of_ours_are_bounded_in_rate})
