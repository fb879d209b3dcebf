// SPDX-License-Identifier: Apache-2.0
// IPv6 extension headers that are refused, and what their sender hears of it; large pings; labels.
#include "net_fake.h"

#include "check.h"

#include <string.h>

// One packet with extension headers, and the answer: type 0 = none, else code and pointer.
struct row {
	const char *what;
	uint8_t next; // of the IPv6 header
	uint8_t payload[40];
	uint8_t bytes;
	enum counter reason;
	uint8_t type, code, pointer;
};

static const struct row rows[] = {
	{"option to skip", 60, {59, 0, 0x1e, 4}, 8, COUNTER_drop_ip_protocol, 0, 0, 0},
	{"option to drop", 60, {59, 0, 0x5e, 4}, 8, COUNTER_drop_ip6_option, 0, 0, 0},
	{"option to answer", 60, {59, 0, 1, 0, 0x9e, 2}, 8, COUNTER_drop_ip6_option, 4, 2, 44},
	{"option to answer unless to a group",
	 0,
	 {59, 0, 0xde, 4},
	 8,
	 COUNTER_drop_ip6_option,
	 4,
	 2,
	 42},
	{"option beyond its header", 60, {59, 0, 0x1e, 5}, 8, COUNTER_drop_ip6_extension, 0, 0, 0},
	{"header beyond the packet", 60, {59, 1, 0x1e, 4}, 8, COUNTER_drop_ip6_extension, 0, 0, 0},
	{"routing type 0", 43, {59, 2, 0, 1}, 24, COUNTER_drop_ip6_extension, 4, 0, 42},
	{"segment routing", 43, {59, 2, 4, 1}, 24, COUNTER_drop_ip6_extension, 4, 0, 42},
	{"routing that is over", 43, {59, 0, 4, 0}, 8, COUNTER_drop_ip_protocol, 0, 0, 0},
	{"hop-by-hop not first",
	 60,
	 {0, 0, 1, 4, 0, 0, 0, 0, 59, 0, 1, 4},
	 16,
	 COUNTER_drop_ip6_extension,
	 4,
	 1,
	 40},
	{"unknown protocol behind options",
	 60,
	 {99, 0, 1, 4},
	 16,
	 COUNTER_drop_ip_protocol,
	 4,
	 1,
	 40},
	{"answer to an error",
	 60,
	 {58, 0, 0x9e, 4, 0, 0, 0, 0, 1, 4},
	 16,
	 COUNTER_drop_ip6_option,
	 0,
	 0,
	 0},
	{"fragment of odd size",
	 44,
	 {6, 0, 0, 1, 0, 0, 0, 9},
	 28,
	 COUNTER_drop_frag_malformed,
	 4,
	 0,
	 4},
	{"too long, and not a first",
	 44,
	 {6, 0, 0xff, 0xf8, 0, 0, 0, 9},
	 28,
	 COUNTER_drop_frag_too_long,
	 0,
	 0,
	 0},
	{"first fragment without TCP",
	 44,
	 {60, 0, 0, 1, 0, 0, 0, 9, 6, 0, 1, 4},
	 24,
	 COUNTER_drop_frag_tiny,
	 4,
	 3,
	 0},
};

static void feed(struct fake *fake, const char *from, const char *to, uint8_t protocol,
		 struct slice payload)
{
	struct addr source = fake_addr(from);
	struct addr destination = fake_addr(to);
	uint8_t frame[1600];
	fake_input(fake, frame, fake_ip(frame, &source, &destination, protocol, payload));
}

static void check_row(const struct row *row)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	fake_learn(&fake, "2001:db8::7");
	feed(&fake, "2001:db8::7", "2001:db8::1", row->next, slice_of(row->payload, row->bytes));
	if (fake_count(&fake, row->reason) != 1 || fake.ports[0].sent_count != (row->type != 0))
		printf("# %s: %u sent\n", row->what, fake.ports[0].sent_count);
	CU_ASSERT_EQUAL(fake_count(&fake, row->reason), 1);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, row->type != 0);
	if (fake.ports[0].sent_count && row->type) {
		const uint8_t *icmp = rte_pktmbuf_mtod(fake.ports[0].sent[0], const uint8_t *) + 54;
		if (icmp[7] != row->pointer)
			printf("# %s: pointer %u\n", row->what, icmp[7]);
		CU_ASSERT_EQUAL(icmp[0], row->type);
		CU_ASSERT_EQUAL(icmp[1], row->code);
		CU_ASSERT_EQUAL(icmp[7], row->pointer);
	}
	fake_stop(&fake);
}

static void refused_headers_are_answered_as_they_ask_for(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(&rows[i]);
}

static void answers_about_headers_keep_to_the_rate_of_icmp(void)
{
	struct fake fake;
	fake_start(&fake);
	fake.config.limits.icmp_per_second = 100;
	fake_open(&fake);
	fake_learn(&fake, "2001:db8::7");
	for (int i = 0; i < 100; i++)
		feed(&fake, "2001:db8::7", "2001:db8::1", 43, slice_of(rows[6].payload, 24));
	CU_ASSERT(fake.ports[0].sent_count <= 11);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_icmp_rate), 100 - fake.ports[0].sent_count);
	fake_stop(&fake);
}

static void neighbour_discovery_never_comes_in_fragments(void)
{
	struct fake fake;
	uint8_t message[40] = {58, 0, 0, 0, 0, 0, 0, 9, 135};
	struct addr source = fake_addr("2001:db8::7"), ours = fake_addr("2001:db8::1");
	memcpy(message + 16, ours.bytes, 16);
	uint16_t sum = (uint16_t)~fake_l4_sum(&source, &ours, 58, message + 8, 32);
	message[10] = (uint8_t)(sum >> 8);
	message[11] = (uint8_t)sum;
	fake_start(&fake);
	fake_open(&fake);
	feed(&fake, "2001:db8::7", "2001:db8::1", 44, slice_of(message, 40)); // atomic
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_nd_malformed), 1);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 0);
	fake_stop(&fake);
}

// return_sent gives net back what it sent, as if to us from the peer: a mirror in the network.
static void return_sent(struct fake *fake, bool is_v4)
{
	uint32_t count = fake->ports[0].sent_count;
	struct rte_mbuf *mbufs[FAKE_KEPT];
	for (uint32_t i = 0; i < count; i++) {
		uint8_t frame[2000], swap[16];
		const struct rte_mbuf *sent = fake->ports[0].sent[i];
		uint32_t frame_bytes = rte_pktmbuf_pkt_len(sent);
		mbufs[i] = fake_mbuf(rte_pktmbuf_read(sent, 0, frame_bytes, frame), frame_bytes);
		uint8_t *at = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
		size_t bytes = is_v4 ? 4 : 16, where = is_v4 ? 26 : 22;
		memcpy(swap, at, 6);
		memcpy(at, at + 6, 6);
		memcpy(at + 6, swap, 6);
		memcpy(swap, at + where, bytes);
		memcpy(at + where, at + where + bytes, bytes);
		memcpy(at + where + bytes, swap, bytes);
	}
	fake_clear(fake);
	net_input(fake->net, 0, mbufs, count);
	net_flush(fake->net);
}

// send_ping feeds an echo request of 4008 bytes in three fragments.
static void send_ping(struct fake *fake, bool is_v4)
{
	struct addr source = fake_addr(is_v4 ? "192.0.2.7" : "2001:db8::7");
	struct addr ours = fake_addr(is_v4 ? "192.0.2.1" : "2001:db8::1");
	uint8_t ping[4008] = {is_v4 ? 8 : 128, 0, 0, 0, 0, 1, 0, 1}, frame[2000], part[1500];
	for (size_t i = 8; i < sizeof(ping); i++)
		ping[i] = (uint8_t)(i * 7);
	uint16_t sum = (uint16_t)~fake_l4_sum(&source, &ours, is_v4 ? 1 : 58, ping, sizeof(ping));
	ping[2] = (uint8_t)(sum >> 8);
	ping[3] = (uint8_t)sum;
	for (uint16_t offset = 0; offset < sizeof(ping); offset = (uint16_t)(offset + 1400)) {
		size_t bytes = MIN(sizeof(ping) - offset, (size_t)1400);
		bool is_more = offset + bytes < sizeof(ping);
		memcpy(part,
		       (uint8_t[]){58, 0, (uint8_t)(offset >> 8), (uint8_t)(offset | is_more), 0, 0,
				   0, 5},
		       8);
		memcpy(part + (is_v4 ? 0 : 8), ping + offset, bytes);
		size_t length = fake_ip(frame, &source, &ours, is_v4 ? 99 : 44,
					slice_of(part, bytes + (is_v4 ? 0 : 8)));
		if (is_v4) {
			frame[20] = (uint8_t)((is_more ? 0x20 : 0) | offset >> 11);
			frame[21] = (uint8_t)(offset >> 3);
			frame[23] = 1;
			memset(frame + 24, 0, 2);
			sum = (uint16_t)~fake_sum(0, frame + 14, 20);
			frame[24] = (uint8_t)(sum >> 8);
			frame[25] = (uint8_t)sum;
		}
		fake_input(fake, frame, length);
	}
}

static void a_large_ping_is_put_together_and_answered_in_fragments(void)
{
	for (int i = 0; i < 4; i++) {
		bool is_v4 = i % 2 == 0;
		struct fake fake;
		fake_start(&fake);
		fake.ports[0].port.can_scatter_tx = i < 2;
		fake_open(&fake);
		fake_learn(&fake, is_v4 ? "192.0.2.7" : "2001:db8::7");
		send_ping(&fake, is_v4);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_reassembled), 1);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_echo_replies), 1);
		CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 3);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_fragments_out), 3);
		for (uint32_t j = 0; j < 3; j++)
			CU_ASSERT(rte_pktmbuf_pkt_len(fake.ports[0].sent[j]) <= 1514);
		// our own reassembly and checksum judge what we sent: an echo reply, not ours to
		// use
		return_sent(&fake, is_v4);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_reassembled), 2);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_icmp_ignored), 1);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_icmp_malformed), 0);
		fake_stop(&fake);
	}
}

static uint32_t label_of(struct fake *fake, const char *remote)
{
	CU_ASSERT_EQUAL(fake_send(fake, "2001:db8::1", remote, 5, 0), 0);
	const uint8_t *ip = rte_pktmbuf_mtod(fake->ports[0].sent[0], const uint8_t *) + 14;
	uint32_t label = (uint32_t)(ip[1] & 15) << 16 | (uint32_t)ip[2] << 8 | ip[3];
	fake_clear(fake);
	return label;
}

static void a_connection_keeps_one_flow_label(void)
{
	struct fake fake;
	fake_start(&fake);
	fake_open(&fake);
	fake_learn(&fake, "2001:db8::7");
	fake_learn(&fake, "2001:db8::8");
	uint32_t label = label_of(&fake, "2001:db8::7");
	CU_ASSERT_EQUAL(label_of(&fake, "2001:db8::7"), label);
	CU_ASSERT_NOT_EQUAL(label_of(&fake, "2001:db8::8"), label);
	fake_stop(&fake);
}

UNIT_MAIN("net_ext",
	  {"refused headers are answered as they ask for",
	   refused_headers_are_answered_as_they_ask_for},
	  {"answers about headers keep to the rate of ICMP",
	   answers_about_headers_keep_to_the_rate_of_icmp},
	  {"neighbour discovery never comes in fragments",
	   neighbour_discovery_never_comes_in_fragments},
	  {"a large ping is put together and answered in fragments",
	   a_large_ping_is_put_together_and_answered_in_fragments},
	  {"a connection keeps one flow label", a_connection_keeps_one_flow_label})
