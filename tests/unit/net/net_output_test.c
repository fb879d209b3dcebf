// SPDX-License-Identifier: Apache-2.0
// Packets to the wire: headers, checksums by us or by the port, segments, tags, full queues.
#include "net_fake.h"

#include "check.h"

#include <string.h>

static const char *const pairs[2][2] = {{"192.0.2.1", "192.0.2.7"}, {"2001:db8::1", "2001:db8::7"}};

// flatten copies a sent frame to out and returns its size.
static size_t flatten(const struct fake *fake, uint32_t index, uint8_t out[4096])
{
	CU_ASSERT_FATAL(index < fake->ports[0].sent_count);
	size_t bytes = 0;
	for (const struct rte_mbuf *m = fake->ports[0].sent[index]; m; m = m->next) {
		memcpy(out + bytes, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
		bytes += m->data_len;
	}
	CU_ASSERT_EQUAL(bytes, rte_pktmbuf_pkt_len(fake->ports[0].sent[index]));
	return bytes;
}

static void open_for(struct fake *fake, int family)
{
	fake_open(fake);
	fake_learn(fake, pairs[family][1]);
}

static void headers_and_checksums_are_right_in_software(void)
{
	for (int i = 0; i < 2; i++) {
		for (uint16_t bytes = 0; bytes < 1400; bytes = (uint16_t)(bytes + 173)) {
			struct fake fake;
			uint8_t frame[4096];
			size_t ip_bytes = i == 0 ? 20 : 40;
			struct addr local = fake_addr(pairs[i][0]);
			struct addr remote = fake_addr(pairs[i][1]);
			fake_start(&fake);
			open_for(&fake, i);
			CU_ASSERT_EQUAL(fake_send(&fake, pairs[i][0], pairs[i][1], bytes, 0), 0);
			size_t size = flatten(&fake, 0, frame);
			CU_ASSERT_EQUAL(size, 14 + ip_bytes + 20 + bytes);
			CU_ASSERT_EQUAL(frame[12], i == 0 ? 8 : 0x86);
			if (i == 0)
				CU_ASSERT_EQUAL((uint16_t)fake_sum(0, frame + 14, 20), 0xffff);
			CU_ASSERT_EQUAL(
				fake_l4_sum(&local, &remote, 6, frame + 14 + ip_bytes, 20u + bytes),
				0xffff);
			CU_ASSERT_EQUAL(
				fake.ports[0].sent[0]->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK, 0);
			fake_stop(&fake);
		}
	}
}

static void a_port_with_offloads_gets_the_pseudo_header(void)
{
	for (int i = 0; i < 2; i++) {
		struct fake fake;
		uint8_t frame[4096];
		size_t ip_bytes = i == 0 ? 20 : 40;
		fake_start(&fake);
		fake.ports[0].port.can_checksum_ip4_tx = true;
		fake.ports[0].port.can_checksum_l4_tx = true;
		open_for(&fake, i);
		fake_send(&fake, pairs[i][0], pairs[i][1], 100, 0);
		const struct rte_mbuf *mbuf = fake.ports[0].sent[0];
		flatten(&fake, 0, frame);
		uint8_t pseudo[40];
		memcpy(pseudo, frame + (i == 0 ? 26 : 22), i == 0 ? 8 : 32);
		memcpy(pseudo + (i == 0 ? 8 : 32), (uint8_t[]){0, 6, 0, 120}, 4);
		uint16_t sum = (uint16_t)fake_sum(0, pseudo, i == 0 ? 12 : 36);
		const uint8_t *field = frame + 14 + ip_bytes + 16;
		CU_ASSERT_EQUAL(field[0] << 8 | field[1], sum);
		CU_ASSERT((mbuf->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) != 0);
		CU_ASSERT_EQUAL((mbuf->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) == 0, i == 1);
		CU_ASSERT_EQUAL(mbuf->l2_len, 14);
		CU_ASSERT_EQUAL(mbuf->l3_len, ip_bytes);
		CU_ASSERT_EQUAL(mbuf->l4_len, 20);
		fake_stop(&fake);
	}
}

// check_segments reads back what software segmentation made of 5000 bytes by 1400.
static void check_segments(const struct fake *fake, int family)
{
	struct addr local = fake_addr(pairs[family][0]);
	struct addr remote = fake_addr(pairs[family][1]);
	size_t headers = 14u + (family == 0 ? 20 : 40);
	uint32_t seen = 0;
	CU_ASSERT_EQUAL_FATAL(fake->ports[0].sent_count, 4);
	for (uint32_t i = 0; i < 4; i++) {
		uint8_t frame[4096];
		size_t bytes = flatten(fake, i, frame) - headers - 20;
		const uint8_t *tcp = frame + headers;
		CU_ASSERT_EQUAL(bytes, i < 3 ? 1400 : 800);
		CU_ASSERT_EQUAL((uint32_t)(tcp[6] << 8 | tcp[7]), seen); // sequence number
		CU_ASSERT_EQUAL(fake_l4_sum(&local, &remote, 6, tcp, 20 + bytes), 0xffff);
		for (size_t j = 0; j < bytes; j++)
			if (tcp[20 + j] != (uint8_t)((seen + j) * 7))
				CU_FAIL_FATAL("payload differs");
		seen += (uint32_t)bytes;
	}
	CU_ASSERT_EQUAL(seen, 5000);
}

static void a_large_payload_is_cut_in_software(void)
{
	for (int i = 0; i < 4; i++) {
		struct fake fake;
		bool can_scatter = i / 2;
		fake_start(&fake);
		fake.ports[0].port.can_scatter_tx = can_scatter;
		open_for(&fake, i % 2);
		CU_ASSERT_EQUAL(fake_send(&fake, pairs[i % 2][0], pairs[i % 2][1], 5000, 1400), 0);
		check_segments(&fake, i % 2);
		CU_ASSERT_EQUAL(fake.ports[0].sent[0]->nb_segs > 1, can_scatter);
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_software_segments), 4);
		fake_stop(&fake);
	}
}

static void a_port_that_cuts_gets_the_whole(void)
{
	struct fake fake;
	fake_start(&fake);
	fake.ports[0].port.can_checksum_ip4_tx = true;
	fake.ports[0].port.can_checksum_l4_tx = true;
	fake.ports[0].port.can_segment = true;
	open_for(&fake, 0);
	fake_send(&fake, pairs[0][0], pairs[0][1], 5000, 1400);
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 1);
	const struct rte_mbuf *mbuf = fake.ports[0].sent[0];
	CU_ASSERT((mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0);
	CU_ASSERT_EQUAL(mbuf->tso_segsz, 1400);
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(mbuf), 5054);
	fake_stop(&fake);
}

static void the_last_segment_alone_carries_fin_and_push(void)
{
	struct fake fake;
	fake_start(&fake);
	open_for(&fake, 0);
	struct net_tx tx = {.local = fake_addr(pairs[0][0]),
			    .remote = fake_addr(pairs[0][1]),
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = 20,
			    .segment_bytes = 10};
	uint8_t packet[50] = {0};
	fake_tcp(packet, 443, 1025);
	packet[13] = 0x99; // CWR, ACK, PSH, FIN
	CU_ASSERT_EQUAL(net_output(fake.net, fake_mbuf(packet, 50), &tx), 0);
	net_flush(fake.net);
	static const uint8_t flags[3] = {0x90, 0x10, 0x19};
	CU_ASSERT_EQUAL_FATAL(fake.ports[0].sent_count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		uint8_t frame[4096];
		flatten(&fake, i, frame);
		CU_ASSERT_EQUAL(frame[34 + 13], flags[i]);
	}
	fake_stop(&fake);
}

static void a_port_without_scatter_gets_one_segment(void)
{
	struct fake fake;
	fake_start(&fake);
	fake.ports[0].port.can_scatter_tx = false;
	open_for(&fake, 0);
	struct net_tx tx = {.local = fake_addr(pairs[0][0]),
			    .remote = fake_addr(pairs[0][1]),
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = 20};
	uint8_t tcp[20], frame[4096];
	fake_tcp(tcp, 443, 1025);
	struct rte_mbuf *mbuf = fake_mbuf(tcp, 20);
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(mbuf, fake_mbuf("abc", 3)), 0);
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(mbuf, fake_mbuf("defg", 4)), 0);
	CU_ASSERT_EQUAL(net_output(fake.net, mbuf, &tx), 0);
	net_flush(fake.net);
	CU_ASSERT_EQUAL(flatten(&fake, 0, frame), 14 + 20 + 20 + 7);
	CU_ASSERT_EQUAL(fake.ports[0].sent[0]->nb_segs, 1);
	CU_ASSERT_EQUAL(memcmp(frame + 54, "abcdefg", 7), 0);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_linearised), 1);
	fake_stop(&fake);
}

static void a_tagged_port_tags(void)
{
	struct fake fake;
	uint8_t frame[4096];
	fake_start(&fake);
	fake.ports[0].port.vlan = 7;
	fake.net = net_new(&fake.config);
	net_set_time(fake.net, fake.now_us);
	fake_run(&fake, 1000);
	flatten(&fake, 0, frame);
	CU_ASSERT_EQUAL(memcmp(frame + 12, (uint8_t[]){0x81, 0, 0, 7, 8, 6}, 6), 0);
	CU_ASSERT_EQUAL(fake.ports[0].sent[0]->l2_len, 18);
	fake_stop(&fake);
}

static void what_does_not_fit_is_refused(void)
{
	struct fake fake;
	fake_start(&fake);
	open_for(&fake, 0);
	CU_ASSERT_EQUAL(fake_send(&fake, pairs[0][0], pairs[0][1], 1461, 0), ENOBUFS);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_too_big), 1);
	CU_ASSERT_EQUAL(fake_send(&fake, pairs[0][0], pairs[0][1], 1460, 0), 0);
	fake_stop(&fake);
}

static void a_slow_port_keeps_the_order_and_its_queue_is_bounded(void)
{
	struct fake fake;
	fake_start(&fake);
	open_for(&fake, 0);
	fake.ports[0].room = 3;
	uint32_t refused = 0;
	for (uint16_t i = 0; i < 300; i++)
		refused += fake_send(&fake, pairs[0][0], pairs[0][1], i, 0) == ENOBUFS;
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 3);
	CU_ASSERT_EQUAL(refused, 300 - 3 - 256);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_tx_full), refused);
	fake.ports[0].room = 40;
	net_flush(fake.net);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 43);
	for (uint32_t i = 0; i < 43; i++)
		CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(fake.ports[0].sent[i]), 54 + i);
	fake_stop(&fake);
}

static void a_full_burst_leaves_at_once(void)
{
	struct fake fake;
	fake_start(&fake);
	open_for(&fake, 0);
	uint8_t header[20];
	struct net_tx tx = {.local = fake_addr(pairs[0][0]),
			    .remote = fake_addr(pairs[0][1]),
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = 20};
	fake_tcp(header, 443, 1025);
	for (uint32_t i = 1; i <= PORT_BURST + 1; i++) {
		CU_ASSERT_EQUAL(net_output(fake.net, fake_mbuf(header, 20), &tx), 0);
		CU_ASSERT_EQUAL(fake.ports[0].sent_count, i < PORT_BURST ? 0 : PORT_BURST);
	}
	net_flush(fake.net);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, PORT_BURST + 1);
	fake_stop(&fake);
}

static void without_mbufs_nothing_is_sent_and_nothing_lost(void)
{
	struct fake fake;
	fake_start(&fake);
	open_for(&fake, 0);
	static struct rte_mbuf *held[4096];
	uint32_t count = 0;
	struct net_tx tx = {.local = fake_addr(pairs[0][0]),
			    .remote = fake_addr(pairs[0][1]),
			    .protocol = NET_PROTOCOL_TCP,
			    .l4_header_bytes = 20,
			    .segment_bytes = 10};
	uint8_t packet[50] = {0};
	fake_tcp(packet, 443, 1025);
	struct rte_mbuf *mbuf = fake_mbuf(packet, 50);
	while (count < 4096 && (held[count] = rte_pktmbuf_alloc(fake.config.mbufs)))
		count++;
	CU_ASSERT_EQUAL(net_output(fake.net, mbuf, &tx), ENOBUFS);
	CU_ASSERT(fake_count(&fake, COUNTER_drop_no_mbuf) > 0);
	rte_pktmbuf_free_bulk(held, count);
	fake_stop(&fake);
}

UNIT_MAIN("net_output",
	  {"headers and checksums are right in software",
	   headers_and_checksums_are_right_in_software},
	  {"a port with offloads gets the pseudo header",
	   a_port_with_offloads_gets_the_pseudo_header},
	  {"a large payload is cut in software", a_large_payload_is_cut_in_software},
	  {"a port that cuts gets the whole", a_port_that_cuts_gets_the_whole},
	  {"the last segment alone carries FIN and PSH",
	   the_last_segment_alone_carries_fin_and_push},
	  {"a port without scatter gets one segment", a_port_without_scatter_gets_one_segment},
	  {"a tagged port tags", a_tagged_port_tags},
	  {"what does not fit is refused", what_does_not_fit_is_refused},
	  {"a slow port keeps the order and its queue is bounded",
	   a_slow_port_keeps_the_order_and_its_queue_is_bounded},
	  {"a full burst leaves at once", a_full_burst_leaves_at_once},
	  {"without mbufs nothing is sent and nothing lost",
	   without_mbufs_nothing_is_sent_and_nothing_lost})
