// SPDX-License-Identifier: Apache-2.0
// What net cuts in software is byte for byte what would be sent one by one; and with few mbufs.
#include "net_fake.h"

#include "check.h"

#include <errno.h>
#include <string.h>

#define HEADER_BYTES  32u // with timestamps
#define PIECE_BYTES   100u
#define PAYLOAD_BYTES 950u
#define PIECES        10u // the last of 50 bytes
#define FRAME_BYTES   256u

static const char *const pairs[2][2] = {{"192.0.2.1", "192.0.2.7"}, {"2001:db8::1", "2001:db8::7"}};

// A case: bits of it.
enum { IS_IP6 = 1, CAN_SCATTER = 2, HAS_OFFLOADS = 4, CASES = 8 };

struct sent {
	uint8_t bytes[FRAME_BYTES];
	uint32_t length;
	uint64_t ol_flags;
	uint64_t tx_offload;
};

static void start(struct fake *fake, int which)
{
	struct port *port = &fake->ports[0].port;
	fake_start(fake);
	port->can_scatter_tx = which & CAN_SCATTER;
	port->can_checksum_ip4_tx = port->can_checksum_l4_tx = which & HAS_OFFLOADS;
	fake_open(fake);
	fake_learn(fake, pairs[which & IS_IP6][1]);
}

static struct net_tx tx_of(int which, uint16_t segment_bytes)
{
	return (struct net_tx){.local = fake_addr(pairs[which & IS_IP6][0]),
			       .remote = fake_addr(pairs[which & IS_IP6][1]),
			       .protocol = NET_PROTOCOL_TCP,
			       .l4_header_bytes = HEADER_BYTES,
			       .ecn = 2,
			       .segment_bytes = segment_bytes};
}

// put_header writes a TCP header with options; its sequence number wraps within the payload.
static void put_header(uint8_t header[HEADER_BYTES], uint32_t offset, uint8_t flags)
{
	uint32_t seq = 0xffffff00u + offset;
	fake_tcp(header, 443, 1025);
	for (unsigned i = 0; i < 4; i++)
		header[4 + i] = (uint8_t)(seq >> (24 - 8 * i));
	header[12] = HEADER_BYTES / 4 << 4;
	header[13] = flags;
	memcpy(header + 20, (uint8_t[]){1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, 12);
}

static void put_payload(uint8_t *at, uint32_t offset, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)((offset + i) * 37 + (offset + i) / 256);
}

// whole_of returns a packet whose payload lies in parts that end at odd places, and one of no
// bytes.
static struct rte_mbuf *whole_of(uint8_t flags)
{
	static const uint32_t parts[] = {333, 0, 7, 400, 210};
	uint8_t bytes[HEADER_BYTES + PAYLOAD_BYTES];
	uint32_t offset = 0;
	put_header(bytes, 0, flags);
	struct rte_mbuf *whole = fake_mbuf(bytes, HEADER_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		put_payload(bytes, offset, parts[i]);
		CHECK(rte_pktmbuf_chain(whole, fake_mbuf(bytes, parts[i])) == 0);
		offset += parts[i];
	}
	CHECK(offset == PAYLOAD_BYTES);
	return whole;
}

// take_sent copies what the port has got and frees it.
static uint32_t take_sent(struct fake *fake, struct sent sent[PIECES])
{
	uint32_t count = fake->ports[0].sent_count;
	CU_ASSERT_FATAL(count <= PIECES);
	for (uint32_t i = 0; i < count; i++) {
		const struct rte_mbuf *mbuf = fake->ports[0].sent[i];
		uint32_t bytes = rte_pktmbuf_pkt_len(mbuf);
		CU_ASSERT_FATAL(bytes <= FRAME_BYTES);
		memset(&sent[i], 0, sizeof(sent[i]));
		const void *at = rte_pktmbuf_read(mbuf, 0, bytes, sent[i].bytes);
		if (at != sent[i].bytes)
			memcpy(sent[i].bytes, at, bytes);
		sent[i].length = bytes;
		sent[i].ol_flags = mbuf->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK;
		sent[i].tx_offload = mbuf->tx_offload;
	}
	fake_clear(fake);
	return count;
}

// send_singly sends what whole_of would become, by calls of its own.
static void send_singly(struct fake *fake, int which, uint8_t flags)
{
	struct net_tx tx = tx_of(which, 0);
	for (uint32_t i = 0; i < PIECES; i++) {
		uint8_t bytes[HEADER_BYTES + PIECE_BYTES];
		uint32_t offset = i * PIECE_BYTES;
		uint32_t payload_bytes = MIN(PIECE_BYTES, PAYLOAD_BYTES - offset);
		uint8_t left_out = (i > 0 ? 0x80 : 0) | (i < PIECES - 1 ? 0x09 : 0);
		put_header(bytes, offset, flags & (uint8_t)~left_out);
		put_payload(bytes + HEADER_BYTES, offset, payload_bytes);
		struct rte_mbuf *mbuf = fake_mbuf(bytes, HEADER_BYTES + payload_bytes);
		CU_ASSERT_EQUAL(net_output(fake->net, mbuf, &tx), 0);
	}
	net_flush(fake->net);
}

static void pieces_are_what_single_packets_would_be(void)
{
	static struct sent cut[PIECES], single[PIECES];
	for (int which = 0; which < CASES; which++) {
		struct fake fake;
		uint8_t flags = 0x99; // CWR, ACK, PSH, FIN
		struct net_tx tx = tx_of(which, PIECE_BYTES);
		start(&fake, which);
		send_singly(&fake, which, flags);
		CU_ASSERT_EQUAL_FATAL(take_sent(&fake, single), PIECES);
		CU_ASSERT_EQUAL(net_output(fake.net, whole_of(flags), &tx), 0);
		net_flush(fake.net);
		CU_ASSERT_EQUAL_FATAL(take_sent(&fake, cut), PIECES);
		for (uint32_t i = 0; i < PIECES; i++) {
			CU_ASSERT_EQUAL(cut[i].length, single[i].length);
			CU_ASSERT_EQUAL(memcmp(cut[i].bytes, single[i].bytes, FRAME_BYTES), 0);
			CU_ASSERT_EQUAL(cut[i].ol_flags, single[i].ol_flags);
			CU_ASSERT_EQUAL(cut[i].tx_offload, single[i].tx_offload);
		}
		CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_net_software_segments), PIECES);
		fake_stop(&fake);
	}
}

static void pieces_longer_than_the_link_takes_are_refused(void)
{
	struct fake fake;
	struct net_tx tx = tx_of(CAN_SCATTER, PIECE_BYTES);
	start(&fake, CAN_SCATTER);
	fake.ports[0].port.mtu = 20 + HEADER_BYTES + PIECE_BYTES - 1;
	CU_ASSERT_EQUAL(net_output(fake.net, whole_of(0x10), &tx), ENOBUFS);
	net_flush(fake.net);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_too_big), 1);
	CU_ASSERT_EQUAL(fake.ports[0].sent_count, 0);
	fake_stop(&fake);
}

// send_with_free cuts a whole while the pool has free_count mbufs left; returns the pieces sent.
static uint32_t send_with_free(struct fake *fake, uint32_t free_count)
{
	static struct rte_mbuf *held[4096];
	static struct sent sent[PIECES];
	uint32_t count = 0;
	struct net_tx tx = tx_of(CAN_SCATTER, PIECE_BYTES);
	struct rte_mbuf *whole = whole_of(0x10);
	while (count < ARRAY_LEN(held) && (held[count] = rte_pktmbuf_alloc(fake->config.mbufs)))
		count++;
	CHECK(count > free_count && count < ARRAY_LEN(held));
	rte_pktmbuf_free_bulk(held, free_count);
	int error = net_output(fake->net, whole, &tx);
	net_flush(fake->net);
	uint32_t sent_count = take_sent(fake, sent);
	CU_ASSERT_EQUAL(error, sent_count == PIECES ? 0 : ENOBUFS);
	rte_pktmbuf_free_bulk(held + free_count, count - free_count);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(fake->config.mbufs), 0);
	return sent_count;
}

static void what_there_are_mbufs_for_is_sent(void)
{
	// A header and a part, or more where the whole's parts end: at 333, 340 and 740.
	static const uint32_t needed[PIECES] = {2, 2, 2, 4, 2, 2, 2, 3, 2, 2};
	struct fake fake;
	uint32_t refused = 0;
	start(&fake, CAN_SCATTER);
	for (uint32_t free_count = 0; free_count < 25; free_count++) {
		uint32_t sent_count = 0;
		for (uint32_t left = free_count; sent_count < PIECES && left >= needed[sent_count];)
			left -= needed[sent_count++];
		CU_ASSERT_EQUAL(send_with_free(&fake, free_count), sent_count);
		refused += sent_count < PIECES;
	}
	CU_ASSERT_EQUAL(refused, 23);
	CU_ASSERT_EQUAL(fake_count(&fake, COUNTER_drop_no_mbuf), refused);
	fake_stop(&fake);
}

UNIT_MAIN("net_segment",
	  {"pieces are what single packets would be", pieces_are_what_single_packets_would_be},
	  {"pieces longer than the link takes are refused",
	   pieces_longer_than_the_link_takes_are_refused},
	  {"what there are mbufs for is sent", what_there_are_mbufs_for_is_sent})
