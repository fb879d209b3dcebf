// SPDX-License-Identifier: Apache-2.0
// Checksums mended by the difference are those that summing all anew gives (RFC 1624), over random
// packets of both families and transports, and of what an ICMP error quotes.
#include "l4_priv.h"
#include "net_fake.h"

#include "check.h"

#include <string.h>

#define ROUNDS 20000u

static struct random_source source_of_numbers;

static uint32_t below(uint32_t bound)
{
	return random_below(&source_of_numbers, bound);
}

static struct endpoint_addr draw(bool is_v4)
{
	uint8_t bytes[16];
	for (unsigned i = 0; i < 16; i++) // words of 0000 and ffff are where sums go wrong
		bytes[i] = (uint8_t)(below(3) == 0 ? below(2) * 255 : below(256));
	bytes[0] = is_v4 ? 10 : 0x20;
	uint16_t port = (uint16_t)(below(4) == 0 ? below(2) * 65535 : below(65536));
	return (struct endpoint_addr){.addr = is_v4 ? addr_v4(bytes) : addr_v6(bytes),
				      .port = port};
}

// build makes a frame of ends with right checksums.
static size_t build(uint8_t *frame, const struct l4_ends *ends, uint8_t protocol, uint32_t bytes)
{
	uint8_t l4[1600];
	for (uint32_t i = 0; i < bytes; i++)
		l4[i] = (uint8_t)(below(3) == 0 ? below(2) * 255 : below(256));
	memcpy(l4, &ends->source.port, 2);
	memcpy(l4 + 2, &ends->destination.port, 2);
	size_t size = fake_ip(frame, &ends->source.addr, &ends->destination.addr, protocol,
			      slice_of(l4, bytes));
	uint8_t *sum = frame + size - bytes + 6;
	if (protocol == NET_PROTOCOL_UDP && sum[0] == 0 && sum[1] == 0)
		sum[0] = sum[1] = 0xff;
	return size;
}

static uint16_t full_sum(const uint8_t *ip, bool is_v4, size_t bytes)
{
	struct addr from = is_v4 ? addr_v4(ip + 12) : addr_v6(ip + 8);
	struct addr to = is_v4 ? addr_v4(ip + 16) : addr_v6(ip + 24);
	size_t header_bytes = is_v4 ? 20 : 40;
	return fake_l4_sum(&from, &to, ip[is_v4 ? 9 : 6], ip + header_bytes, bytes - header_bytes);
}

static void one_packet(bool is_v4, uint8_t protocol)
{
	struct l4_ends before = {draw(is_v4), draw(is_v4)}, after = {draw(is_v4), draw(is_v4)};
	uint32_t fixed = protocol == NET_PROTOCOL_TCP ? 20 : 8;
	uint8_t frame[1700];
	struct l4_side side;
	size_t size = build(frame, &before, protocol, fixed + below(1400));
	struct rte_mbuf *mbuf = fake_mbuf(frame, size);
	struct l4_packet packet = {.mbuf = mbuf,
				   .l3_offset = 14,
				   .l4_offset = is_v4 ? 34 : 54,
				   .is_v4 = is_v4,
				   .protocol = protocol};
	l4_side_make(&side, &before, &after, protocol);
	l4_rewrite(&packet, &side);
	const uint8_t *ip = rte_pktmbuf_mtod(mbuf, const uint8_t *) + 14;
	CU_ASSERT_EQUAL(memcmp(ip + (is_v4 ? 12 : 8), after.source.addr.bytes + (is_v4 ? 12 : 0),
			       is_v4 ? 4 : 16),
			0);
	CU_ASSERT_EQUAL(ip[is_v4 ? 8 : 7], is_v4 ? 63 : 254);
	if (is_v4)
		CU_ASSERT_EQUAL_FATAL(fake_sum(0, ip, 20), 0xffff);
	CU_ASSERT_EQUAL_FATAL(full_sum(ip, is_v4, size - 14), 0xffff);
	const uint8_t *sum = ip + (is_v4 ? 20 : 40) + 6;
	if (protocol == NET_PROTOCOL_UDP)
		CU_ASSERT(sum[0] || sum[1]);
	rte_pktmbuf_free(mbuf);
}

static void mended_checksums_are_those_of_summing_anew(void)
{
	random_init(&source_of_numbers, (struct siphash_key){{3, 1}});
	fake_eal();
	for (uint32_t i = 0; i < ROUNDS; i++)
		one_packet(i & 1, i & 2 ? NET_PROTOCOL_TCP : NET_PROTOCOL_UDP);
}

static void udp_without_a_checksum_stays_without(void)
{
	struct l4_ends before = {draw(true), draw(true)}, after = {draw(true), draw(true)};
	uint8_t frame[200];
	struct l4_side side;
	size_t size = build(frame, &before, NET_PROTOCOL_UDP, 60);
	frame[40] = frame[41] = 0;
	struct rte_mbuf *mbuf = fake_mbuf(frame, size);
	struct l4_packet packet = {.mbuf = mbuf,
				   .l3_offset = 14,
				   .l4_offset = 34,
				   .is_v4 = true,
				   .protocol = NET_PROTOCOL_UDP};
	l4_side_make(&side, &before, &after, NET_PROTOCOL_UDP);
	l4_rewrite(&packet, &side);
	const uint8_t *now = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	CU_ASSERT(now[40] == 0 && now[41] == 0);
	CU_ASSERT_EQUAL(memcmp(now + 34, &after.source.port, 2), 0);
	rte_pktmbuf_free(mbuf);
}

static void a_wrong_checksum_stays_wrong(void)
{
	struct l4_ends before = {draw(true), draw(true)}, after = {draw(true), draw(true)};
	uint8_t frame[200];
	struct l4_side side;
	size_t size = build(frame, &before, NET_PROTOCOL_TCP, 60);
	frame[60] ^= 4;
	struct rte_mbuf *mbuf = fake_mbuf(frame, size);
	struct l4_packet packet = {.mbuf = mbuf,
				   .l3_offset = 14,
				   .l4_offset = 34,
				   .is_v4 = true,
				   .protocol = NET_PROTOCOL_TCP};
	l4_side_make(&side, &before, &after, NET_PROTOCOL_TCP);
	l4_rewrite(&packet, &side);
	CU_ASSERT_NOT_EQUAL(full_sum(rte_pktmbuf_mtod(mbuf, const uint8_t *) + 14, true, size - 14),
			    0xffff);
	rte_pktmbuf_free(mbuf);
}

// one_quote rewrites a packet, then has the other direction's side undo it in a quote.
static void one_quote(bool is_v4, uint8_t protocol)
{
	struct l4_ends before = {draw(is_v4), draw(is_v4)}, after = {draw(is_v4), draw(is_v4)};
	struct l4_ends answer = {after.destination, after.source};
	struct l4_ends back = {before.destination, before.source};
	uint8_t frame[1700], sent[1700];
	struct l4_side there, home;
	size_t ip_at = 14, l4_at = is_v4 ? 34 : 54;
	size_t size = build(frame, &before, protocol, 40);
	struct rte_mbuf *mbuf = fake_mbuf(frame, size);
	struct l4_packet packet = {.mbuf = mbuf,
				   .l3_offset = 14,
				   .l4_offset = (uint16_t)l4_at,
				   .is_v4 = is_v4,
				   .protocol = protocol};
	l4_side_make(&there, &before, &after, protocol);
	l4_side_make(&home, &answer, &back, protocol);
	l4_rewrite(&packet, &there);
	memcpy(sent, rte_pktmbuf_mtod(mbuf, const uint8_t *), size);
	l4_rewrite_quote(sent + ip_at, sent + l4_at, 40, &home);
	sent[ip_at + (is_v4 ? 8 : 7)]++; // but for the hop that was counted
	if (is_v4) {
		CU_ASSERT_EQUAL(fake_sum(0, frame + 14, 20), 0xffff);
		memcpy(sent + ip_at + 10, frame + ip_at + 10, 2);
	}
	CU_ASSERT_EQUAL_FATAL(memcmp(sent, frame, size), 0);
	rte_pktmbuf_free(mbuf);
}

static void a_quote_is_what_its_sender_sent(void)
{
	random_init(&source_of_numbers, (struct siphash_key){{3, 2}});
	for (uint32_t i = 0; i < ROUNDS; i++)
		one_quote(i & 1, i & 2 ? NET_PROTOCOL_TCP : NET_PROTOCOL_UDP);
}

UNIT_MAIN("l4_rewrite",
	  {"mended checksums are those of summing anew",
	   mended_checksums_are_those_of_summing_anew},
	  {"UDP without a checksum stays without", udp_without_a_checksum_stays_without},
	  {"a wrong checksum stays wrong", a_wrong_checksum_stays_wrong},
	  {"a quote is what its sender sent", a_quote_is_what_its_sender_sent})
