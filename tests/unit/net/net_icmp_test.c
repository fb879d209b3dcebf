// SPDX-License-Identifier: Apache-2.0
// ARP, neighbour discovery and ICMP as a peer sees them: answers, refusals, errors handed up.
#include "net_fake.h"

#include "check.h"

#include <string.h>

static const uint8_t asker_mac[6] = {2, 0, 0, 0, 0, 0x99};

static const uint8_t *sent(const struct fake *fake, uint32_t index)
{
	CU_ASSERT_FATAL(index < fake->ports[0].sent_count);
	return rte_pktmbuf_mtod(fake->ports[0].sent[index], const uint8_t *);
}

// feed builds a packet around payload and gives it to net.
static void feed(struct fake *fake, const char *from, const char *to, uint8_t protocol,
		 struct slice payload)
{
	struct addr source = fake_addr(from);
	struct addr destination = fake_addr(to);
	uint8_t frame[1600];
	fake_input(fake, frame, fake_ip(frame, &source, &destination, protocol, payload));
}

static void arp_request(uint8_t frame[60], const uint8_t target[4])
{
	memset(frame, 0, 60);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, asker_mac, 6);
	memcpy(frame + 12, (uint8_t[]){8, 6, 0, 1, 8, 0, 6, 4, 0, 1}, 10);
	memcpy(frame + 22, asker_mac, 6);
	memcpy(frame + 28, (uint8_t[]){192, 0, 2, 7}, 4);
	memcpy(frame + 38, target, 4);
}

static void arp_for_our_address_is_answered_and_for_others_not(void)
{
	struct fake fake;
	uint8_t frame[60];
	fake_start(&fake);
	fake_open(&fake);
	arp_request(frame, (uint8_t[]){192, 0, 2, 1});
	fake_input(&fake, frame, 60);
	static const uint8_t reply[42] = {2,   0, 0, 0, 0, 0x99, 2, 0, 0, 0,    0,   1, 8, 6,
					  0,   1, 8, 0, 6, 4,    0, 2, 2, 0,    0,   0, 0, 1,
					  192, 0, 2, 1, 2, 0,    0, 0, 0, 0x99, 192, 0, 2, 7};
	CU_ASSERT_EQUAL(memcmp(sent(&fake, 0), reply, 42), 0);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_arp_answers), 1);
	arp_request(frame, (uint8_t[]){192, 0, 2, 2});
	fake_input(&fake, frame, 60);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_arp_not_ours), 1);
	frame[18] = 7;
	fake_input(&fake, frame, 60);
	fake_input(&fake, frame, 41);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_arp_malformed), 2);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 1);
	fake_stop(&fake);
}

static void whoever_takes_our_address_is_contradicted(void)
{
	struct fake fake;
	uint8_t frame[60];
	fake_start(&fake);
	fake_open(&fake);
	arp_request(frame, (uint8_t[]){192, 0, 2, 1});
	memcpy(frame + 28, (uint8_t[]){192, 0, 2, 1}, 4);
	fake_input(&fake, frame, 60);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_ip_source), 1);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_announcements), 1);
	CU_ASSERT_EQUAL(sent(&fake, 0)[0], 0xff);
	fake_stop(&fake);
}

static void solicitation(uint8_t message[32], const char *target)
{
	struct addr addr = fake_addr(target);
	memset(message, 0, 32);
	message[0] = 135;
	memcpy(message + 8, addr.bytes, 16);
	message[24] = 1;
	message[25] = 1;
	memcpy(message + 26, asker_mac, 6);
}

static void solicitations_for_global_and_link_local_addresses_are_answered(void)
{
	static const char *const targets[2] = {"2001:db8::1", "fe80::ff:fe00:1"};
	struct fake fake;
	uint8_t message[32];
	fake_start(&fake);
	fake_open(&fake);
	for (int i = 0; i < 2; i++) {
		struct addr target = fake_addr(targets[i]);
		struct addr asker = fake_addr("2001:db8::7");
		solicitation(message, targets[i]);
		feed(&fake, "2001:db8::7", "ff02::1:ff00:1", 58, slice_of(message, 32));
		const uint8_t *frame = sent(&fake, (uint32_t)i);
		CU_ASSERT_EQUAL(memcmp(frame, asker_mac, 6), 0);
		CU_ASSERT_EQUAL(memcmp(frame + 22, target.bytes, 16), 0);
		CU_ASSERT_EQUAL(memcmp(frame + 38, asker.bytes, 16), 0);
		CU_ASSERT_EQUAL(frame[54], 136);
		CU_ASSERT_EQUAL(frame[58], 0x60);
		CU_ASSERT_EQUAL(frame[85], 1);
		CU_ASSERT_EQUAL(fake_l4_sum(&target, &asker, 58, frame + 54, 32), 0xffff);
	}
	solicitation(message, "2001:db8::9");
	feed(&fake, "2001:db8::7", "ff02::1:ff00:1", 58, slice_of(message, 32));
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_nd_not_ours), 1);
	fake_stop(&fake);
}

static void duplicate_address_detection_by_others_is_answered_to_all(void)
{
	struct fake fake;
	uint8_t message[32];
	fake_start(&fake);
	fake_open(&fake);
	solicitation(message, "2001:db8::1");
	feed(&fake, "::", "ff02::1:ff00:1", 58, slice_of(message, 24));
	CU_ASSERT_EQUAL(sent(&fake, 0)[5], 1);
	CU_ASSERT_EQUAL(sent(&fake, 0)[58], 0x20);
	feed(&fake, "::", "ff02::1:ff00:1", 58,
	     slice_of(message, 32)); // must not carry a source MAC
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_nd_malformed), 1);
	fake_stop(&fake);
}

static void bad_neighbour_discovery_is_refused(void)
{
	static const struct {
		size_t offset, bytes;
		uint8_t value;
	} rows[] = {{1, 32, 1}, {8, 32, 0xff}, {25, 32, 0}, {25, 32, 2}, {26, 32, 3}, {2, 23, 0}};
	struct fake fake;
	uint8_t message[32], frame[200];
	fake_start(&fake);
	fake_open(&fake);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		solicitation(message, "2001:db8::1");
		message[rows[i].offset] = rows[i].value;
		feed(&fake, "2001:db8::7", "2001:db8::1", 58, slice_of(message, rows[i].bytes));
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_nd_malformed), i + 1);
	}
	struct addr source = fake_addr("2001:db8::7");
	struct addr ours = fake_addr("2001:db8::1");
	solicitation(message, "2001:db8::1");
	size_t bytes = fake_ip(frame, &source, &ours, 58, slice_of(message, 32));
	frame[21] = 254; // it crossed a router
	fake_input(&fake, frame, bytes);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_nd_malformed), ARRAY_LEN(rows) + 1);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 0);
	fake_stop(&fake);
}

static void a_ping_is_answered(const char *from, const char *to, uint8_t protocol)
{
	struct fake fake;
	uint8_t message[1033] = {protocol == 1 ? 8 : 128, 0, 0, 0, 1, 2, 3, 4};
	size_t ip_bytes = protocol == 1 ? 20 : 40;
	struct addr source = fake_addr(from);
	struct addr ours = fake_addr(to);
	fake_start(&fake);
	fake_open(&fake);
	fake_learn(&fake, from);
	for (size_t i = 8; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 3);
	feed(&fake, from, to, protocol, slice_of(message, sizeof(message)));
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 1);
	const uint8_t *frame = sent(&fake, 0);
	const uint8_t *reply = frame + 14 + ip_bytes;
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(fake.ports[0].sent[0]),
			14 + ip_bytes + sizeof(message));
	CU_ASSERT_EQUAL(reply[0], protocol == 1 ? 0 : 129);
	CU_ASSERT_EQUAL(memcmp(reply + 4, message + 4, sizeof(message) - 4), 0);
	CU_ASSERT_EQUAL(fake_l4_sum(&ours, &source, protocol, reply, sizeof(message)), 0xffff);
	if (protocol == 1)
		CU_ASSERT_EQUAL((uint16_t)fake_sum(0, frame + 14, 20), 0xffff);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_echo_replies), 1);
	fake_stop(&fake);
}

static void pings_are_answered_on_both_families(void)
{
	a_ping_is_answered("192.0.2.7", "192.0.2.1", 1);
	a_ping_is_answered("2001:db8::7", "2001:db8::1", 58);
}

static void answers_keep_to_their_rate(void)
{
	struct fake fake;
	uint8_t message[8] = {8};
	fake_start(&fake);
	fake.config.limits.icmp_per_second = 100;
	fake_open(&fake);
	fake_learn(&fake, "192.0.2.7");
	for (int i = 0; i < 50; i++)
		feed(&fake, "192.0.2.7", "192.0.2.1", 1, slice_of(message, 8));
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_echo_replies), 10); // the burst
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_icmp_rate), 40);
	fake_run(&fake, 50000);
	for (int i = 0; i < 50; i++)
		feed(&fake, "192.0.2.7", "192.0.2.1", 1, slice_of(message, 8));
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_echo_replies), 15);
	fake_stop(&fake);
}

// quote makes an ICMP error about a segment of ours; returns its size.
static size_t quote(uint8_t *icmp, const char *local, const char *remote, uint8_t type,
		    uint8_t code)
{
	struct addr ours = fake_addr(local);
	struct addr far = fake_addr(remote);
	uint8_t tcp[20], inner[100];
	fake_tcp(tcp, 1025, 443);
	size_t bytes = fake_ip(inner, &ours, &far, 6, slice_of(tcp, 20)) - 14;
	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[1] = code;
	icmp[6] = 1300 >> 8;
	icmp[7] = 1300 & 255;
	memcpy(icmp + 8, inner + 14, bytes);
	return 8 + bytes;
}

static void errors_about_our_packets_reach_the_transport(void)
{
	static const struct {
		const char *router, *local, *remote;
		uint8_t protocol, type, code;
		bool is_hard;
		uint32_t mtu;
	} rows[] = {
		{"192.0.2.254", "192.0.2.1", "203.0.113.5", 1, 3, 4, false, 1300},
		{"192.0.2.254", "192.0.2.1", "203.0.113.5", 1, 3, 1, false, 0},
		{"192.0.2.254", "192.0.2.1", "203.0.113.5", 1, 3, 3, true, 0},
		{"192.0.2.254", "192.0.2.1", "203.0.113.5", 1, 11, 0, false, 0},
		{"2001:db8::fe", "2001:db8::1", "2001:db8:5::5", 58, 2, 0, false, 1300},
		{"2001:db8::fe", "2001:db8::1", "2001:db8:5::5", 58, 1, 4, true, 0},
		{"2001:db8::fe", "2001:db8::1", "2001:db8:5::5", 58, 1, 0, false, 0},
		{"2001:db8::fe", "2001:db8::1", "2001:db8:5::5", 58, 3, 0, false, 0},
	};
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t icmp[120];
		struct addr remote = fake_addr(rows[i].remote);
		size_t bytes =
			quote(icmp, rows[i].local, rows[i].remote, rows[i].type, rows[i].code);
		feed(&fake, rows[i].router, rows[i].local, rows[i].protocol, slice_of(icmp, bytes));
		CU_ASSERT_EQUAL(fake.error.count, i + 1);
		CU_ASSERT(addr_equal(&fake.error.remote, &remote));
		CU_ASSERT_EQUAL(fake.error.is_hard, rows[i].is_hard);
		CU_ASSERT_EQUAL(fake.error.mtu, rows[i].mtu);
		CU_ASSERT_EQUAL(fake.error.quoted[0] << 8 | fake.error.quoted[1], 1025);
	}
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_icmp_errors_in), ARRAY_LEN(rows));
	fake_stop(&fake);
}

static void errors_about_strangers_are_ignored(void)
{
	struct fake fake;
	uint8_t icmp[120];
	fake_start(&fake);
	fake_open(&fake);
	size_t bytes = quote(icmp, "192.0.2.55", "203.0.113.5", 3, 3);
	feed(&fake, "192.0.2.254", "192.0.2.1", 1, slice_of(icmp, bytes));
	bytes = quote(icmp, "2001:db8::55", "2001:db8:5::5", 1, 4);
	feed(&fake, "2001:db8::fe", "2001:db8::1", 58, slice_of(icmp, bytes));
	bytes = quote(icmp, "192.0.2.1", "203.0.113.5", 3, 3);
	feed(&fake, "192.0.2.254", "192.0.2.1", 1,
	     slice_of(icmp, 35)); // seven bytes of the segment
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_icmp_quote), 3);
	CU_ASSERT_EQUAL(fake.error.count, 0);
	feed(&fake, "192.0.2.254", "192.0.2.1", 1, slice_of(icmp, 7));
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_icmp_malformed), 1);
	icmp[0] = 13;
	feed(&fake, "192.0.2.254", "192.0.2.1", 1, slice_of(icmp, 20));
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_icmp_ignored), 1);
	fake_stop(&fake);
}

static void a_closed_protocol_is_refused_with_a_quote(void)
{
	static const struct {
		const char *from, *to;
		uint8_t protocol, ip_bytes, icmp, type, code;
	} rows[] = {{"192.0.2.7", "192.0.2.1", 17, 20, 1, 3, 3},
		    {"192.0.2.7", "192.0.2.1", 99, 20, 1, 3, 2},
		    {"2001:db8::7", "2001:db8::1", 17, 40, 58, 1, 4},
		    {"2001:db8::7", "2001:db8::1", 99, 40, 58, 4, 1}};
	static const uint8_t datagram[12] = {4, 1, 0, 53, 0, 12, 0, 0, 'd', 'a', 't', 'a'};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fake fake;
		struct addr source = fake_addr(rows[i].from);
		struct addr ours = fake_addr(rows[i].to);
		fake_start(&fake);
		fake.net = net_new(&fake.config); // with no upper protocol
		net_set_time(fake.net, fake.now_us);
		fake_run(&fake, 3000000);
		fake_learn(&fake, rows[i].from);
		feed(&fake, rows[i].from, rows[i].to, rows[i].protocol, slice_of(datagram, 12));
		CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 1);
		const uint8_t *error = sent(&fake, 0) + 14 + rows[i].ip_bytes;
		size_t bytes = 8u + rows[i].ip_bytes + 12;
		CU_ASSERT_EQUAL(error[0], rows[i].type);
		CU_ASSERT_EQUAL(error[1], rows[i].code);
		CU_ASSERT_EQUAL(memcmp(error + bytes - 4, "data", 4), 0);
		CU_ASSERT_EQUAL(fake_l4_sum(&ours, &source, rows[i].icmp, error, bytes), 0xffff);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_ip_protocol), 1);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_icmp_errors_out), 1);
		fake_stop(&fake);
	}
}

static void keep_exception(void *user, uint32_t, struct rte_mbuf *mbuf)
{
	struct fake *fake = user;
	fake->excepted[fake->excepted_count++] = mbuf;
}

static void questions_and_answers_about_the_kernels_addresses_are_the_kernels(void)
{
	struct fake fake;
	uint8_t frame[60], message[32];
	fake_start(&fake);
	fake.config.exception = keep_exception;
	fake_open(&fake);
	arp_request(frame, (uint8_t[]){192, 0, 2, 2});
	fake_input(&fake, frame, 60);
	CU_ASSERT_EQUAL(fake.excepted_count, 1);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_arp_not_ours), 0);
	frame[21] = 2; // a reply, to our MAC, for the address that the kernel asked from
	memcpy(frame, (uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
	fake_input(&fake, frame, 60);
	CU_ASSERT_EQUAL(fake.excepted_count, 2);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_neigh_unasked), 0);
	solicitation(message, "2001:db8::9");
	feed(&fake, "2001:db8::7", "ff02::1:ff00:9", 58, slice_of(message, 32));
	CU_ASSERT_EQUAL(fake.excepted_count, 3);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_nd_not_ours), 0);
	fake_stop(&fake);
}

UNIT_MAIN("net_icmp",
	  {"ARP for our address is answered and for others not",
	   arp_for_our_address_is_answered_and_for_others_not},
	  {"whoever takes our address is contradicted", whoever_takes_our_address_is_contradicted},
	  {"solicitations for global and link-local addresses are answered",
	   solicitations_for_global_and_link_local_addresses_are_answered},
	  {"duplicate address detection by others is answered to all",
	   duplicate_address_detection_by_others_is_answered_to_all},
	  {"bad neighbour discovery is refused", bad_neighbour_discovery_is_refused},
	  {"pings are answered on both families", pings_are_answered_on_both_families},
	  {"answers keep to their rate", answers_keep_to_their_rate},
	  {"errors about our packets reach the transport",
	   errors_about_our_packets_reach_the_transport},
	  {"errors about strangers are ignored", errors_about_strangers_are_ignored},
	  {"a closed protocol is refused with a quote", a_closed_protocol_is_refused_with_a_quote},
	  {"questions and answers about the kernel's addresses are the kernel's",
	   questions_and_answers_about_the_kernels_addresses_are_the_kernels})
