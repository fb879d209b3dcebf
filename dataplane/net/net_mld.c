// SPDX-License-Identifier: Apache-2.0
// Multicast listener reports (RFC 3810) for the solicited-node groups of our IPv6 addresses, so
// that switches which snoop deliver neighbour discovery to us: unasked with our announcements, and
// within the time that a querier gives.
#include "net_cksum.h"
#include "net_priv.h"

#include <string.h>

#define MLD_REPORT        143u
#define REPORT_BYTES      8u
#define RECORD_BYTES      20u
#define CHANGE_TO_EXCLUDE 4u
#define GROUPS_MAX        16u
#define QUERY_BYTES       24u
#define DELAY_MAX_MS      10000u

static const uint8_t routers_mac[6] = {0x33, 0x33, 0, 0, 0, 0x16};
static const struct addr routers = {.bytes = {0xff, 2, [15] = 0x16}};
static const uint8_t router_alert[8] = {NET_PROTOCOL_ICMP6, 0, 5, 2, 0, 0, 1, 0};

// append_groups adds a record a group of port's addresses; returns how many.
static uint32_t append_groups(const struct net *net, uint32_t port_index, struct rte_mbuf *mbuf)
{
	static const uint8_t group[13] = {0xff, 2, [11] = 1, [12] = 0xff};
	uint32_t count = 0;
	for (uint32_t i = 0; i < net->address_count && count < GROUPS_MAX; i++) {
		const struct net_address *address = &net->addresses[i];
		if (address->port_index != port_index || addr_is_v4(&address->prefix.addr))
			continue;
		uint8_t *at = net_append(mbuf, RECORD_BYTES);
		memset(at, 0, RECORD_BYTES);
		at[0] = CHANGE_TO_EXCLUDE;
		memcpy(at + 4, group, 13);
		memcpy(at + 17, address->prefix.addr.bytes + 13, 3);
		count++;
	}
	return count;
}

void net_mld_report(struct net *net, uint32_t port_index)
{
	const struct addr *source = &net->ports[port_index].link_local;
	struct rte_mbuf *mbuf = net_alloc(net);
	if (!mbuf)
		return;
	uint8_t *at = net_append(mbuf, REPORT_BYTES);
	memset(at, 0, REPORT_BYTES);
	at[0] = MLD_REPORT;
	net_put16(at + 6, append_groups(net, port_index, mbuf));
	uint32_t bytes = rte_pktmbuf_pkt_len(mbuf);
	uint16_t pseudo = net_cksum_pseudo(source, &routers, NET_PROTOCOL_ICMP6, bytes);
	uint16_t sum = (uint16_t)~net_cksum_l4(mbuf, 0, bytes, pseudo);
	memcpy(at + 2, &sum, 2);
	memcpy(rte_pktmbuf_prepend(mbuf, sizeof(router_alert)), router_alert, sizeof(router_alert));
	net_ip6_push(mbuf, source, &routers, 0, 1);
	counter_inc(net->config.counters, COUNTER_net_mld_reports);
	net_eth_output(net, port_index, routers_mac, NET_ETHER_IP6, mbuf);
}

static void fire(struct wheel_timer *timer, uint64_t)
{
	struct net *net = container_of(timer, struct net, mld_timer);
	for (uint32_t i = 0; i < net->config.port_count; i++)
		net_mld_report(net, i);
}

void net_mld_init(struct net *net)
{
	wheel_timer_init(&net->mld_timer, fire);
}

void net_mld_fini(struct net *net)
{
	wheel_disarm(net->config.wheel, &net->mld_timer);
}

void net_mld_query(struct net *net, const struct net_frame *frame)
{
	const struct packet *packet = packet_of(frame->mbuf);
	if (packet->ttl != 1 || !net_addr_is_link_local(&packet->source) ||
	    packet->l4_bytes < QUERY_BYTES || frame->is_handed || wheel_is_armed(&net->mld_timer))
		return;
	uint32_t delay_ms = net_get16(net_frame_at(frame, packet->l4_offset + 4u));
	uint64_t delay_us = MIN(delay_ms, DELAY_MAX_MS) * 1000ull;
	wheel_arm(net->config.wheel, &net->mld_timer,
		  net->now_us + random_below(net->config.random, (uint32_t)delay_us + 1));
}
