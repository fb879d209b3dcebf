// SPDX-License-Identifier: Apache-2.0
// The host under packetdrill and the far end of its wire; see packetdrill_host.h.
#include "packetdrill_host.h"

#include "check.h"

#include <rte_mbuf.h>

#include <errno.h>
#include <string.h>

#define ETH_BYTES 14u

static const uint8_t wire_mac[6] = {0x02, 0, 0, 0, 0, 2};

void drill_host_open(struct drill_host *drill)
{
	struct sim_link_config link = {.mtu = 1500};
	sim_start();
	*drill = (struct drill_host){.now_us = 1000000000000ull};
	drill->link = sim_link_new(&link, &drill->now_us, (struct siphash_key){{1, 2}});
	drill->wire_memory = sim_memory_new("wire", 2047, 1, 1);
	struct sim_host_config config = {
		.number = 1,
		.memory = sim_memory_new("host", 4095, 512, 256),
		.link = drill->link,
		.limits = sim_limits(),
		.seed = {{3, 4}},
		.now_us = drill->now_us,
	};
	config.limits.listener_count = 64;
	sim_host_open(&drill->host, &config);
	drill->wire = sim_link_attach(drill->link, wire_mac, drill->wire_memory->mbufs);
}

void drill_host_close(struct drill_host *drill)
{
	for (uint32_t i = 0; i < drill->left_count; i++)
		rte_pktmbuf_free(drill->left[i]);
	sim_host_close(&drill->host);
	sim_link_free(drill->link);
	sim_memory_free(drill->host.memory);
	sim_memory_free(drill->wire_memory);
}

static void transmit(struct drill_host *drill, struct rte_mbuf *mbuf)
{
	if (drill->wire->ops->tx(drill->wire, &mbuf, 1) != 1)
		rte_pktmbuf_free(mbuf);
}

// answer_arp turns a question into its answer: every address is the wire's (RFC 826).
static void answer_arp(struct drill_host *drill, struct rte_mbuf *mbuf)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint8_t *arp = frame + ETH_BYTES;
	uint8_t asked[4];
	if (mbuf->data_len < ETH_BYTES + 28 || arp[7] != 1 || !memcmp(arp + 14, arp + 24, 4)) {
		rte_pktmbuf_free(mbuf); // an answer, or an announcement
		return;
	}
	memcpy(asked, arp + 24, 4);
	arp[7] = 2;
	memcpy(arp + 18, arp + 8, 10); // who asked is the target
	memcpy(arp + 8, wire_mac, 6);
	memcpy(arp + 14, asked, 4);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, wire_mac, 6);
	transmit(drill, mbuf);
}

static uint16_t icmp6_checksum(const uint8_t *ip, const uint8_t *icmp, uint32_t bytes)
{
	uint32_t sum = bytes + 58;
	for (uint32_t i = 8; i < 40; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	for (uint32_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)(icmp[i] << 8 | icmp[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

// answer_nd turns a neighbour solicitation into its advertisement (RFC 4861 7.2.4).
static void answer_nd(struct drill_host *drill, struct rte_mbuf *mbuf)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint8_t *ip = frame + ETH_BYTES;
	uint8_t *icmp = ip + 40;
	memcpy(ip + 24, ip + 8, 16); // back to who asked
	memcpy(ip + 8, icmp + 8, 16);
	icmp[0] = 136;
	icmp[4] = 0x60; // solicited, override
	icmp[24] = 2;   // target link-layer address
	icmp[25] = 1;
	memcpy(icmp + 26, wire_mac, 6);
	icmp[2] = icmp[3] = 0;
	uint16_t checksum = icmp6_checksum(ip, icmp, 32);
	icmp[2] = (uint8_t)(checksum >> 8);
	icmp[3] = (uint8_t)checksum;
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, wire_mac, 6);
	transmit(drill, mbuf);
}

static bool is_solicitation(const struct rte_mbuf *mbuf)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(mbuf, const uint8_t *, ETH_BYTES);
	return mbuf->data_len >= ETH_BYTES + 40 + 32 && ip[0] >> 4 == 6 && ip[6] == 58 &&
	       ip[40] == 135;
}

// is_ours is true for the link's own talk (advertisements, reports), which no script expects.
static bool is_link_talk(const struct rte_mbuf *mbuf)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(mbuf, const uint8_t *, ETH_BYTES);
	return ip[0] >> 4 == 6 && (ip[6] == 0 || (ip[6] == 58 && ip[40] >= 130));
}

static void keep(struct drill_host *drill, struct rte_mbuf *mbuf)
{
	if (drill->left_count == ARRAY_LEN(drill->left) || is_link_talk(mbuf)) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	drill->left[drill->left_count] = mbuf;
	drill->left_us[drill->left_count++] = drill->now_us;
}

// drain takes what came over the wire; true when there was something.
static bool drain(struct drill_host *drill)
{
	struct rte_mbuf *mbufs[PORT_BURST];
	uint16_t count = drill->wire->ops->rx(drill->wire, mbufs, PORT_BURST);
	for (uint16_t i = 0; i < count; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(mbufs[i], const uint8_t *);
		if (frame[12] == 0x08 && frame[13] == 0x06)
			answer_arp(drill, mbufs[i]);
		else if (is_solicitation(mbufs[i]))
			answer_nd(drill, mbufs[i]);
		else
			keep(drill, mbufs[i]);
	}
	return count > 0;
}

void drill_host_settle(struct drill_host *drill)
{
	bool is_busy = true;
	while (is_busy) {
		sim_host_step(&drill->host, drill->now_us, UINT32_MAX);
		is_busy = drain(drill) || sim_link_next_us(drill->link) <= drill->now_us ||
			  tcp_in_use(drill->host.tcp).ready_count > 0;
	}
	sim_link_release(drill->link);
}

static uint64_t next_us(const struct drill_host *drill)
{
	uint64_t host_us = sim_host_next_us(&drill->host, drill->now_us);
	uint64_t link_us = sim_link_next_us(drill->link);
	return MAX(host_us < link_us ? host_us : link_us, drill->now_us + 1);
}

void drill_host_pass(struct drill_host *drill, uint64_t us)
{
	uint64_t end_us = drill->now_us + us;
	drill_host_settle(drill);
	while (drill->now_us < end_us) {
		drill->now_us = MIN(next_us(drill), end_us);
		drill_host_settle(drill);
	}
}

int drill_host_send(struct drill_host *drill, const void *packet, size_t bytes)
{
	const uint8_t *ip = packet;
	if (bytes < 20 || bytes > 1500 || (ip[0] >> 4 != 4 && ip[0] >> 4 != 6))
		return EINVAL;
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(drill->wire_memory->mbufs);
	if (!mbuf)
		return ENOBUFS;
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)(ETH_BYTES + bytes));
	uint16_t type = ip[0] >> 4 == 4 ? 0x0800 : 0x86dd;
	memcpy(frame, drill->host.port->mac, 6);
	memcpy(frame + 6, wire_mac, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	memcpy(frame + ETH_BYTES, packet, bytes);
	transmit(drill, mbuf);
	drill_host_settle(drill);
	return 0;
}

// take moves the oldest packet into packet.
static void take(struct drill_host *drill, void *packet, size_t *bytes, uint64_t *time_us)
{
	struct rte_mbuf *mbuf = drill->left[0];
	const uint8_t *ip = rte_pktmbuf_mtod_offset(mbuf, const uint8_t *, ETH_BYTES);
	uint32_t length = ip[0] >> 4 == 4 ? (uint32_t)(ip[2] << 8 | ip[3])
					  : 40u + (uint32_t)(ip[4] << 8 | ip[5]);
	length = MIN(MIN(length, mbuf->pkt_len - ETH_BYTES), (uint32_t)*bytes);
	memcpy(packet, ip, length); // frames of the segment lie in one mbuf
	*bytes = length;
	*time_us = drill->left_us[0];
	rte_pktmbuf_free(mbuf);
	drill->left_count--;
	memmove(drill->left, drill->left + 1, drill->left_count * sizeof(drill->left[0]));
	memmove(drill->left_us, drill->left_us + 1, drill->left_count * sizeof(drill->left_us[0]));
}

void drill_host_receive(struct drill_host *drill, void *packet, size_t *bytes, uint64_t *time_us)
{
	uint64_t end_us = drill->now_us + DRILL_SILENCE_US;
	drill_host_settle(drill);
	while (drill->left_count == 0 && drill->now_us < end_us) {
		drill->now_us = MIN(next_us(drill), end_us);
		drill_host_settle(drill);
	}
	*time_us = drill->now_us;
	if (drill->left_count == 0)
		*bytes = 0;
	else
		take(drill, packet, bytes, time_us);
}
