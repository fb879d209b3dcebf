// SPDX-License-Identifier: Apache-2.0
// An l4 under test; see l4_rig.h.
#include "l4_rig.h"

#include "big_endian.h"
#include "check.h"

#include <string.h>

#define ETHER_BYTES 14u

static void fill_services(struct rig *rig)
{
	static const char *const endpoints[2][3] = {
		{"192.0.2.50", "192.0.2.51", "192.0.2.52"},
		{"2001:db8::50", "2001:db8::51", "2001:db8::52"}};
	static const char *const addresses[2] = {"192.0.2.1", "2001:db8::1"};
	for (unsigned f = 0; f < 2; f++) {
		for (unsigned i = 0; i < 3; i++)
			rig->endpoints[f][i] = (struct l4_endpoint){
				.addr = fake_addr(endpoints[f][i]), .port = 5353, .weight = 1};
		for (unsigned is_tcp = 0; is_tcp < 2; is_tcp++)
			rig->services[2 * f + is_tcp] = (struct l4_service){
				.address = fake_addr(addresses[f]),
				.port = is_tcp ? 80 : 53,
				.protocol = is_tcp ? NET_PROTOCOL_TCP : NET_PROTOCOL_UDP,
				.source = fake_addr(addresses[f]),
				.endpoints = rig->endpoints[f],
				.endpoint_count = 3};
	}
}

void rig_start(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	fake_start(&rig->fake);
	rig->fake.config.limits.neighbour_count = 32;
	fill_services(rig);
	rig->config = (struct l4_config){.limits = {.flow_count = 64,
						    .half_open_count = 32,
						    .answer_ms = 10000,
						    .tcp_idle_ms = 100000,
						    .tcp_closing_ms = 5000,
						    .udp_idle_ms = 60000,
						    .port_first = 1024,
						    .port_last = 16383},
					 .services = rig->services,
					 .service_count = 4,
					 .ports = rig->fake.port_list,
					 .worker_count = 1,
					 .wheel = &rig->fake.wheel,
					 .random = &rig->fake.random,
					 .counters = &rig->fake.counters};
}

static const char *const neighbours[] = {"192.0.2.50",   "192.0.2.51",   "192.0.2.52",
					 "192.0.2.254",  "2001:db8::50", "2001:db8::51",
					 "2001:db8::52", "2001:db8::fe"};

void rig_open(struct rig *rig)
{
	fake_open(&rig->fake);
	for (unsigned i = 0; i < ARRAY_LEN(neighbours); i++)
		fake_learn(&rig->fake, neighbours[i]);
	rig->config.net = rig->fake.net;
	rig->l4 = l4_new(&rig->config);
	CU_ASSERT_PTR_NOT_NULL_FATAL(rig->l4);
	struct net_transit transit = {l4_input, l4_odd, l4_icmp_error, rig->l4};
	net_set_transit(rig->fake.net, &transit);
	l4_set_time(rig->l4, rig->fake.now_us);
	memset(&rig->fake.counters, 0, sizeof(rig->fake.counters));
}

void rig_stop(struct rig *rig)
{
	net_set_transit(rig->fake.net, NULL);
	l4_free(rig->l4);
	fake_stop(&rig->fake);
}

void rig_clear(struct rig *rig)
{
	fake_clear(&rig->fake);
}

static void fix_ttl(uint8_t *ip, uint8_t ttl)
{
	bool is_v4 = ip[0] >> 4 == 4;
	ip[is_v4 ? 8 : 7] = ttl ? ttl : 64;
	if (!is_v4)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~fake_sum(0, ip, 20));
}

size_t rig_frame(const struct rig_packet *packet, uint8_t *frame)
{
	struct addr source = fake_addr(packet->from), destination = fake_addr(packet->to);
	bool is_tcp = packet->protocol == NET_PROTOCOL_TCP;
	size_t header_bytes = is_tcp ? 20 : 8;
	uint8_t l4[2000] = {0};
	CHECK(packet->payload_bytes < 1900);
	put16(l4, packet->from_port);
	put16(l4 + 2, packet->to_port);
	if (is_tcp) {
		put32(l4 + 4, packet->seq);
		put32(l4 + 8, packet->ack);
		l4[12] = 0x50;
		l4[13] = packet->flags;
	} else {
		put16(l4 + 4, (uint32_t)(header_bytes + packet->payload_bytes));
	}
	for (uint32_t i = 0; i < packet->payload_bytes; i++)
		l4[header_bytes + i] = (uint8_t)(i * 7 + 1);
	size_t bytes = fake_ip(frame, &source, &destination, packet->protocol,
			       slice_of(l4, header_bytes + packet->payload_bytes));
	fix_ttl(frame + ETHER_BYTES, packet->ttl);
	uint8_t *sum = frame + bytes - header_bytes - packet->payload_bytes + 6;
	if (!is_tcp && packet->has_no_checksum)
		put16(sum, 0);
	else if (!is_tcp && sum[0] == 0 && sum[1] == 0)
		put16(sum, 0xffff);
	return bytes;
}

void rig_feed(struct rig *rig, const struct rig_packet *packet)
{
	uint8_t frame[2100];
	size_t bytes = rig_frame(packet, frame);
	l4_set_time(rig->l4, rig->fake.now_us);
	fake_input(&rig->fake, frame, bytes);
}

struct rig_sent rig_sent_at(struct rig *rig, uint32_t index)
{
	struct rig_sent sent = {0};
	CU_ASSERT_FATAL(index < rig->fake.ports[0].sent_count);
	struct rte_mbuf *mbuf = rig->fake.ports[0].sent[index];
	const uint8_t *ip = rte_pktmbuf_mtod(mbuf, const uint8_t *) + ETHER_BYTES;
	bool is_v4 = ip[0] >> 4 == 4;
	sent.ip = ip;
	sent.l4 = ip + (is_v4 ? 20 : 40);
	sent.ip_bytes = (uint32_t)(ip[is_v4 ? 2 : 4] << 8 | ip[is_v4 ? 3 : 5]) + (is_v4 ? 0 : 40);
	CU_ASSERT_EQUAL_FATAL(mbuf->pkt_len, sent.ip_bytes + ETHER_BYTES);
	sent.protocol = ip[is_v4 ? 9 : 6];
	sent.ttl = ip[is_v4 ? 8 : 7];
	sent.source.addr = is_v4 ? addr_v4(ip + 12) : addr_v6(ip + 8);
	sent.destination.addr = is_v4 ? addr_v4(ip + 16) : addr_v6(ip + 24);
	sent.source.port = (uint16_t)(sent.l4[0] << 8 | sent.l4[1]);
	sent.destination.port = (uint16_t)(sent.l4[2] << 8 | sent.l4[3]);
	if (is_v4)
		CU_ASSERT_EQUAL(fake_sum(0, ip, 20), 0xffff);
	bool has_sum = sent.protocol != NET_PROTOCOL_UDP || sent.l4[6] || sent.l4[7];
	if (has_sum)
		CU_ASSERT_EQUAL(fake_l4_sum(&sent.source.addr, &sent.destination.addr,
					    sent.protocol, sent.l4,
					    sent.ip_bytes - (size_t)(sent.l4 - ip)),
				0xffff);
	return sent;
}

// confirm has the neighbours answer before they are forgotten.
static void confirm(struct rig *rig)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x99};
	for (unsigned i = 0; i < ARRAY_LEN(neighbours); i++)
		(i < 4 ? fake_answer_arp : fake_answer_nd)(&rig->fake, neighbours[i], mac);
}

void rig_run(struct rig *rig, uint64_t us)
{
	uint64_t end_us = rig->fake.now_us + us;
	while (rig->fake.now_us < end_us) {
		uint64_t left_us = end_us - rig->fake.now_us;
		fake_run(&rig->fake, left_us < 5000000 ? left_us : 5000000);
		confirm(rig);
	}
	l4_set_time(rig->l4, rig->fake.now_us);
	rig_clear(rig);
}

void rig_answer(struct rig *rig, const struct rig_sent *sent, const struct rig_packet *like)
{
	char from[ADDR_TEXT_BYTES], to[ADDR_TEXT_BYTES];
	struct rig_packet packet = *like;
	packet.from = addr_text(&sent->destination.addr, from);
	packet.to = addr_text(&sent->source.addr, to);
	packet.from_port = sent->destination.port;
	packet.to_port = sent->source.port;
	packet.protocol = sent->protocol;
	rig_feed(rig, &packet);
}

struct rig_sent rig_open_tcp(struct rig *rig, const char *client, uint16_t port)
{
	struct addr addr = fake_addr(client);
	struct rig_packet packet = {.from = client,
				    .to = addr_is_v4(&addr) ? "192.0.2.1" : "2001:db8::1",
				    .from_port = port,
				    .to_port = 80,
				    .protocol = NET_PROTOCOL_TCP,
				    .flags = RIG_SYN,
				    .seq = 1000};
	rig_clear(rig);
	rig_feed(rig, &packet);
	struct rig_sent sent = rig_sent_at(rig, 0);
	rig_answer(rig, &sent,
		   &(struct rig_packet){.flags = RIG_SYN | RIG_ACK, .seq = 5000, .ack = 1001});
	packet.flags = RIG_ACK;
	packet.seq = 1001;
	packet.ack = 5001;
	rig_feed(rig, &packet);
	CU_ASSERT_EQUAL(rig->fake.ports[0].sent_count, 3);
	rig_clear(rig);
	return sent;
}

bool rig_is(const struct endpoint_addr *is, const char *text, uint16_t port)
{
	struct addr addr = fake_addr(text);
	return addr_equal(&is->addr, &addr) && is->port == port;
}
