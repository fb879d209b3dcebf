// SPDX-License-Identifier: Apache-2.0
// Frames from the wire: what is right reaches the upper protocol with its facts, what is wrong is
// dropped under its own name.
#include "net_fake.h"

#include "check.h"

#include <string.h>

static void a_segment_arrives_with_its_facts(void)
{
	static const char *const pairs[2][2] = {{"192.0.2.7", "192.0.2.1"},
						{"2001:db8::7", "2001:db8::1"}};
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	for (int i = 0; i < 2; i++) {
		struct addr source = fake_addr(pairs[i][0]);
		struct addr ours = fake_addr(pairs[i][1]);
		uint8_t tcp[23] = {0};
		uint8_t frame[200] = {0};
		fake_tcp(tcp, 1025, 443);
		size_t bytes = fake_ip(frame, &source, &ours, 6, slice_of(tcp, sizeof(tcp)));
		fake_input(&fake, frame, bytes + 3); // with Ethernet padding
		CU_ASSERT_EQUAL_FATAL(fake.received_count, 1);
		const struct packet *packet = packet_of(fake.received[0]);
		CU_ASSERT(addr_equal(&packet->source, &source));
		CU_ASSERT(addr_equal(&packet->destination, &ours));
		CU_ASSERT_EQUAL(packet->l4_offset, i == 0 ? 34 : 54);
		CU_ASSERT_EQUAL(packet->l4_bytes, 23);
		CU_ASSERT_EQUAL(packet->port_index, 0);
		CU_ASSERT_EQUAL(packet->ttl, i == 0 ? 64 : 255);
		CU_ASSERT_EQUAL(packet->is_checksum_good, 1);
		CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(fake.received[0]), bytes);
		fake_clear(&fake);
	}
	fake_stop(&fake);
}

// One way to break a good frame: write value at offset, keep the checksum or mend it, cut the end.
struct bad {
	const char *what;
	uint16_t offset;
	uint8_t value;
	bool mend;     // IPv4's header checksum, so that the fault alone is seen
	uint16_t keep; // 0 = whole frame
	enum counter reason;
};

static const struct bad bad_ip4[] = {
	{"short Ethernet", 0, 2, false, 13, COUNTER_drop_eth_short},
	{"tag cut off", 12, 0x81, false, 16, COUNTER_drop_eth_short},
	{"another's MAC", 5, 9, false, 0, COUNTER_drop_eth_not_for_us},
	{"source MAC a group", 6, 1, false, 0, COUNTER_drop_eth_source},
	{"unknown type", 12, 0x77, false, 0, COUNTER_drop_eth_type},
	{"version 5", 14, 0x55, true, 0, COUNTER_drop_ip4_header},
	{"header of 16 bytes", 14, 0x44, true, 0, COUNTER_drop_ip4_header},
	{"header beyond the frame", 14, 0x4f, true, 0, COUNTER_drop_ip4_header},
	{"header cut off", 14, 0x45, false, 30, COUNTER_drop_ip4_header},
	{"total below the header", 17, 19, true, 0, COUNTER_drop_ip4_header},
	{"total beyond the frame", 17, 41, true, 0, COUNTER_drop_ip4_header},
	{"checksum", 24, 0x77, false, 0, COUNTER_drop_ip4_checksum},
	{"TTL 0", 22, 0, true, 0, COUNTER_drop_ip_ttl},
	{"from 0/8", 26, 0, true, 0, COUNTER_drop_ip_source},
	{"from loopback", 26, 127, true, 0, COUNTER_drop_ip_source},
	{"from multicast", 26, 224, true, 0, COUNTER_drop_ip_source},
	{"from class E", 26, 250, true, 0, COUNTER_drop_ip_source},
	{"from our broadcast", 29, 255, true, 0, COUNTER_drop_ip_source},
	{"from ourselves", 29, 1, true, 0, COUNTER_drop_ip_source},
	{"to loopback", 30, 127, true, 0, COUNTER_drop_ip_destination},
	{"unicast in a broadcast frame", 0, 3, true, 0, COUNTER_drop_ip_destination},
	{"to another", 33, 9, true, 0, COUNTER_drop_ip_not_ours},
	{"protocol 99", 23, 99, true, 0, COUNTER_drop_ip_protocol},
	{"TCP cut off", 17, 39, true, 0, COUNTER_drop_l4_short},
	{"TCP checksum", 50, 0x55, false, 0, COUNTER_drop_l4_checksum},
};

static const struct bad bad_ip6[] = {
	{"version 4", 14, 0x40, false, 0, COUNTER_drop_ip6_header},
	{"header cut off", 14, 0x60, false, 50, COUNTER_drop_ip6_header},
	{"length beyond the frame", 19, 21, false, 0, COUNTER_drop_ip6_header},
	{"hop limit 0", 21, 0, false, 0, COUNTER_drop_ip_ttl},
	{"from multicast", 22, 0xff, false, 0, COUNTER_drop_ip_source},
	{"from ourselves", 37, 1, false, 0, COUNTER_drop_ip_source},
	{"to another", 53, 9, false, 0, COUNTER_drop_ip_not_ours},
	{"unicast in a group frame", 0, 3, false, 0, COUNTER_drop_ip_destination},
	{"extension beyond the packet", 20, 60, false, 0, COUNTER_drop_ip6_extension},
	{"protocol 99", 20, 99, false, 0, COUNTER_drop_ip_protocol},
	{"TCP cut off", 19, 19, false, 0, COUNTER_drop_l4_short},
	{"TCP checksum", 70, 0x55, false, 0, COUNTER_drop_l4_checksum},
};

static void mend_ip4(uint8_t *frame)
{
	memset(frame + 24, 0, 2);
	uint16_t sum = (uint16_t)~fake_sum(0, frame + 14, 20);
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
}

static void check_bad(const struct bad *bad, const char *from, const char *to)
{
	struct addr source = fake_addr(from);
	struct addr ours = fake_addr(to);
	uint8_t tcp[20];
	uint8_t frame[200];
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	fake_tcp(tcp, 0xfff0, 443);
	memset(tcp + 4, 0xff, 8); // an extension header here would be 2 KB long
	size_t bytes = fake_ip(frame, &source, &ours, 6, slice_of(tcp, sizeof(tcp)));
	frame[bad->offset] = bad->value;
	if (bad->mend)
		mend_ip4(frame);
	fake_input(&fake, frame, bad->keep ? bad->keep : bytes);
	uint64_t dropped = 0;
	for (enum counter i = COUNTER_drop_eth_short; i <= COUNTER_drop_tx_full; i++)
		dropped += fake_count(&fake, i);
	if (fake_count(&fake, bad->reason) != 1 || dropped != 1 || fake.received_count != 0)
		printf("# not dropped as it should: %s\n", bad->what);
	CU_ASSERT_EQUAL(fake_count(&fake, bad->reason), 1);
	CU_ASSERT_EQUAL(dropped, 1);
	CU_ASSERT_EQUAL(fake.received_count, 0);
	fake_stop(&fake);
}

static void each_bad_packet_is_dropped_under_its_name(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_ip4); i++)
		check_bad(&bad_ip4[i], "192.0.2.7", "192.0.2.1");
	for (size_t i = 0; i < ARRAY_LEN(bad_ip6); i++)
		check_bad(&bad_ip6[i], "2001:db8::7", "2001:db8::1");
}

// feed builds a packet around payload and gives it to net.
static void feed(struct fake *fake, const char *from, const char *to, uint8_t protocol,
		 struct slice payload)
{
	struct addr source = fake_addr(from);
	struct addr destination = fake_addr(to);
	uint8_t frame[400];
	fake_input(fake, frame, fake_ip(frame, &source, &destination, protocol, payload));
}

static void mapped_and_loopback_addresses_stay_off_the_ipv6_wire(void)
{
	static const struct {
		const char *from, *to;
		enum counter reason;
	} rows[] = {{"::1", "2001:db8::1", COUNTER_drop_ip_source},
		    {"2001:db8::7", "::1", COUNTER_drop_ip_destination},
		    {"2001:db8::7", "::", COUNTER_drop_ip_destination},
		    {"::", "2001:db8::1", COUNTER_drop_ip_source}};
	struct fake fake;
	uint8_t tcp[20];
	fake_tcp(tcp, 1, 2);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_start(&fake);
		fake_open(&fake);
		feed(&fake, rows[i].from, rows[i].to, 6, slice_of(tcp, 20));
		CU_ASSERT_EQUAL(fake_count(&fake, rows[i].reason), 1);
		fake_stop(&fake);
	}
	fake_start(&fake);
	fake_open(&fake);
	struct addr ours = fake_addr("2001:db8::1");
	struct addr peer = fake_addr("2001:db8::7");
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 7};
	uint8_t frame[200];
	size_t bytes = fake_ip(frame, &peer, &ours, 6, slice_of(tcp, 20));
	memcpy(frame + 22, mapped, 16);
	fake_input(&fake, frame, bytes);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_ip_source), 1);
	fake_stop(&fake);
}

// extended is a TCP segment behind count destination options headers.
static size_t extended(uint8_t *at, unsigned count, uint8_t option)
{
	for (unsigned i = 0; i < count; i++)
		memcpy(at + 8 * i, (uint8_t[]){i + 1 < count ? 60 : 6, 0, option, 4, 0, 0, 0, 0},
		       8);
	struct addr source = fake_addr("2001:db8::7");
	struct addr ours = fake_addr("2001:db8::1");
	uint8_t *tcp = at + 8 * count;
	fake_tcp(tcp, 1025, 443);
	uint16_t sum = (uint16_t)~fake_l4_sum(&source, &ours, 6, tcp, 20);
	tcp[16] = (uint8_t)(sum >> 8);
	tcp[17] = (uint8_t)sum;
	return 8 * count + 20;
}

static void extension_headers_are_walked_within_bounds(void)
{
	static const struct {
		unsigned count;
		uint8_t option;
		enum counter reason;
	} rows[] = {{1, 1, COUNTER_COUNT},
		    {4, 1, COUNTER_COUNT},
		    {5, 1, COUNTER_drop_ip6_extension},
		    {1, 0x1e, COUNTER_COUNT},
		    {1, 0x5e, COUNTER_drop_ip6_option},
		    {1, 0x80, COUNTER_drop_ip6_option}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fake fake;
		uint8_t payload[100];
		fake_start(&fake);
		fake_open(&fake);
		size_t bytes = extended(payload, rows[i].count, rows[i].option);
		feed(&fake, "2001:db8::7", "2001:db8::1", 60, slice_of(payload, bytes));
		CU_ASSERT_EQUAL(fake.received_count, rows[i].reason == COUNTER_COUNT);
		if (rows[i].reason != COUNTER_COUNT)
			CU_ASSERT_EQUAL(fake_count(&fake, rows[i].reason), 1);
		fake_stop(&fake);
	}
}

static void ipv4_options_are_skipped_and_source_routes_refused(void)
{
	static const struct {
		uint8_t options[4];
		enum counter reason; // COUNTER_COUNT: passes
	} rows[] = {{{1, 1, 1, 0}, COUNTER_COUNT},
		    {{7, 3, 4, 0}, COUNTER_COUNT},
		    {{7, 5, 4, 0}, COUNTER_drop_ip4_options},
		    {{7, 0, 4, 0}, COUNTER_drop_ip4_options},
		    {{1, 1, 1, 7}, COUNTER_drop_ip4_options},
		    {{131, 3, 4, 0}, COUNTER_drop_ip4_options},
		    {{137, 3, 4, 0}, COUNTER_drop_ip4_options}};
	struct addr source = fake_addr("192.0.2.7");
	struct addr ours = fake_addr("192.0.2.1");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fake fake;
		uint8_t tcp[20], frame[200];
		fake_start(&fake);
		fake_open(&fake);
		fake_tcp(tcp, 1025, 443);
		size_t bytes = fake_ip(frame, &source, &ours, 6, slice_of(tcp, 20));
		memmove(frame + 38, frame + 34, 20);
		memcpy(frame + 34, rows[i].options, 4);
		frame[14] = 0x46;
		frame[17] = 44;
		memset(frame + 24, 0, 2);
		uint16_t sum = (uint16_t)~fake_sum(0, frame + 14, 24);
		frame[24] = (uint8_t)(sum >> 8);
		frame[25] = (uint8_t)sum;
		fake_input(&fake, frame, bytes + 4);
		CU_ASSERT_EQUAL(fake.received_count, rows[i].reason == COUNTER_COUNT);
		if (rows[i].reason != COUNTER_COUNT)
			CU_ASSERT_EQUAL(fake_count(&fake, rows[i].reason), 1);
		fake_stop(&fake);
	}
}

static void udp_without_checksum_passes_on_ipv4_only(void)
{
	for (int i = 0; i < 2; i++) {
		struct fake fake;
		struct addr source = fake_addr(i == 0 ? "192.0.2.7" : "2001:db8::7");
		struct addr ours = fake_addr(i == 0 ? "192.0.2.1" : "2001:db8::1");
		uint8_t udp[9] = {4, 1, 0, 53, 0, 9, 0, 0, 'x'};
		uint8_t frame[200];
		fake_start(&fake);
		fake_open(&fake);
		size_t bytes = fake_ip(frame, &source, &ours, 17, slice_of(udp, 9));
		memset(frame + bytes - 3, 0, 2);
		fake_input(&fake, frame, bytes);
		CU_ASSERT_EQUAL(fake.received_count, i == 0);
		fake_stop(&fake);
	}
}

static void a_port_that_checks_is_believed(void)
{
	struct addr source = fake_addr("192.0.2.7");
	struct addr ours = fake_addr("192.0.2.1");
	uint8_t tcp[20], frame[200];
	struct fake fake;
	fake_start(&fake);
	fake.ports[0].port.can_checksum_rx = true;
	fake_open(&fake);
	fake_tcp(tcp, 1025, 443);
	size_t bytes = fake_ip(frame, &source, &ours, 6, slice_of(tcp, 20));
	struct rte_mbuf *mbufs[3] = {fake_mbuf(frame, bytes), fake_mbuf(frame, bytes),
				     fake_mbuf(frame, bytes)};
	mbufs[0]->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_BAD;
	mbufs[1]->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
	mbufs[2]->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	rte_pktmbuf_mtod(mbufs[2], uint8_t *)[50] ^= 0xff; // not looked at
	net_input(fake.net, 0, mbufs, 3);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_ip4_checksum), 1);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_l4_checksum), 1);
	CU_ASSERT_EQUAL(fake.received_count, 1);
	fake_stop(&fake);
}

static void a_packet_in_several_segments_is_summed_and_trimmed(void)
{
	struct addr source = fake_addr("192.0.2.7");
	struct addr ours = fake_addr("192.0.2.1");
	uint8_t tcp[131], frame[300] = {0};
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	for (size_t i = 20; i < sizeof(tcp); i++)
		tcp[i] = (uint8_t)(i * 13);
	fake_tcp(tcp, 1025, 443);
	size_t bytes = fake_ip(frame, &source, &ours, 6, slice_of(tcp, sizeof(tcp)));
	struct rte_mbuf *head = fake_mbuf(frame, 55);
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(head, fake_mbuf(frame + 55, bytes - 55)), 0);
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(head, fake_mbuf("padding", 7)), 0);
	net_input(fake.net, 0, &head, 1);
	CU_ASSERT_EQUAL_FATAL(fake.received_count, 1);
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(head), bytes);
	CU_ASSERT_EQUAL(head->nb_segs, 2);
	fake_stop(&fake);
}

static void a_port_with_a_vlan_takes_its_own_tag_only(void)
{
	struct addr source = fake_addr("192.0.2.7");
	struct addr ours = fake_addr("192.0.2.1");
	uint8_t tcp[20], frame[200];
	fake_tcp(tcp, 1025, 443);
	for (uint16_t port_vlan = 0; port_vlan < 10; port_vlan = (uint16_t)(port_vlan + 7)) {
		struct fake fake;
		fake_start(&fake);
		fake.ports[0].port.vlan = port_vlan;
		fake_open(&fake);
		size_t bytes = fake_ip(frame, &source, &ours, 6, slice_of(tcp, 20));
		fake_input(&fake, frame, bytes);
		CU_ASSERT_EQUAL(fake.received_count, port_vlan == 0);
		memmove(frame + 16, frame + 12, bytes - 12);
		memcpy(frame + 12, (uint8_t[]){0x81, 0, 0xa0, 7}, 4);
		fake_input(&fake, frame, bytes + 4);
		CU_ASSERT_EQUAL(fake.received_count, 1);
		if (port_vlan)
			CU_ASSERT_EQUAL(packet_of(fake.received[0])->l4_offset, 38);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_eth_vlan), 1);
		fake_stop(&fake);
	}
}

static void keep_exception(void *user, uint32_t port_index, struct rte_mbuf *mbuf)
{
	struct fake *fake = user;
	CU_ASSERT_EQUAL(port_index, 0);
	fake->excepted[fake->excepted_count++] = mbuf;
}

static void what_nobody_claims_goes_to_the_kernel_where_there_is_a_tap(void)
{
	struct fake fake;
	uint8_t tcp[20], sctp[20] = {0};
	fake_start(&fake);
	fake.config.exception = keep_exception;
	fake_open(&fake);
	fake_tcp(tcp, 1025, 443);
	feed(&fake, "192.0.2.7", "192.0.2.9", 6, slice_of(tcp, 20));
	feed(&fake, "192.0.2.7", "192.0.2.1", 132, slice_of(sctp, 20));
	feed(&fake, "2001:db8::7", "ff02::5", 89, slice_of(sctp, 20));
	CU_ASSERT_EQUAL(fake.excepted_count, 3);
	feed(&fake, "192.0.2.7", "192.0.2.1", 6, slice_of(tcp, 20));
	CU_ASSERT_EQUAL_FATAL(fake.received_count, 1);
	CU_ASSERT(net_divert(fake.net, fake.received[0])); // TCP found no listener
	fake.received_count = 0;
	CU_ASSERT_EQUAL(fake.excepted_count, 4);
	fake_answer_arp(&fake, "192.0.2.254", (const uint8_t[]){2, 0, 0, 0, 0, 0x99});
	CU_ASSERT_EQUAL(fake.excepted_count, 5);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_exception), 5);
	fake_stop(&fake);
	fake_start(&fake);
	fake_open(&fake);
	CU_ASSERT_FALSE(net_divert(fake.net, NULL));
	fake_stop(&fake);
}

UNIT_MAIN("net_input", {"a segment arrives with its facts", a_segment_arrives_with_its_facts},
	  {"each bad packet is dropped under its name", each_bad_packet_is_dropped_under_its_name},
	  {"mapped and loopback addresses stay off the IPv6 wire",
	   mapped_and_loopback_addresses_stay_off_the_ipv6_wire},
	  {"extension headers are walked within bounds",
	   extension_headers_are_walked_within_bounds},
	  {"IPv4 options are skipped and source routes refused",
	   ipv4_options_are_skipped_and_source_routes_refused},
	  {"UDP without checksum passes on IPv4 only", udp_without_checksum_passes_on_ipv4_only},
	  {"a port that checks is believed", a_port_that_checks_is_believed},
	  {"a packet in several segments is summed and trimmed",
	   a_packet_in_several_segments_is_summed_and_trimmed},
	  {"a port with a VLAN takes its own tag only", a_port_with_a_vlan_takes_its_own_tag_only},
	  {"what nobody claims goes to the kernel where there is a tap",
	   what_nobody_claims_goes_to_the_kernel_where_there_is_a_tap})
