// SPDX-License-Identifier: Apache-2.0
// ARP for IPv4 over Ethernet (RFC 826): answers for our addresses, questions and answers for
// net_neigh, announcements (RFC 5227 2.3) and the defence of our addresses (2.4).
#include "net_priv.h"

#include <string.h>

#define ARP_BYTES   28u
#define ARP_REQUEST 1u
#define ARP_REPLY   2u

static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t unknown_mac[6];

struct arp {
	const uint8_t *target_mac;
	const struct addr *sender;
	const struct addr *target;
	uint16_t operation;
};

static void send_arp(struct net *net, uint32_t port_index, const uint8_t to[6],
		     const struct arp *arp)
{
	static const uint8_t kind[6] = {0, 1, 8, 0, 6, 4};
	struct rte_mbuf *mbuf = net_alloc(net);
	if (!mbuf)
		return;
	uint8_t *at = net_append(mbuf, ARP_BYTES);
	memcpy(at, kind, 6);
	net_put16(at + 6, arp->operation);
	memcpy(at + 8, net->ports[port_index].port->mac, 6);
	memcpy(at + 14, addr_v4_bytes(arp->sender), 4);
	memcpy(at + 18, arp->target_mac, 6);
	memcpy(at + 24, addr_v4_bytes(arp->target), 4);
	net_eth_output(net, port_index, to, NET_ETHER_ARP, mbuf);
}

void net_arp_solicit(struct net *net, uint32_t port_index, const struct addr *target,
		     const uint8_t *mac)
{
	struct arp arp = {unknown_mac, net_address_on(net, port_index, target), target,
			  ARP_REQUEST};
	send_arp(net, port_index, mac ? mac : broadcast_mac, &arp);
}

void net_arp_announce(struct net *net, const struct net_address *address)
{
	const struct addr *ours = &address->prefix.addr;
	struct arp arp = {unknown_mac, ours, ours, ARP_REQUEST};
	counter_inc(net->config.counters, COUNTER_net_announcements);
	send_arp(net, address->port_index, broadcast_mac, &arp);
}

// is_wellformed checks the fixed fields and that the sender is one station.
static bool is_wellformed(const struct net_frame *frame)
{
	static const uint8_t kind[6] = {0, 1, 8, 0, 6, 4};
	if (rte_pktmbuf_data_len(frame->mbuf) < frame->l3_offset + ARP_BYTES)
		return false;
	const uint8_t *at = net_frame_at(frame, frame->l3_offset);
	uint16_t operation = net_get16(at + 6);
	return memcmp(at, kind, 6) == 0 && !(at[8] & 1) &&
	       (operation == ARP_REQUEST || operation == ARP_REPLY);
}

// answer tells our MAC to the sender of a request.
static void answer(struct net *net, const struct net_frame *frame, const struct addr *sender,
		   const struct addr *target)
{
	uint8_t mac[6];
	memcpy(mac, net_frame_at(frame, frame->l3_offset + 8u), 6);
	struct arp arp = {mac, target, sender, ARP_REPLY};
	counter_inc(net->config.counters, COUNTER_net_arp_answers);
	send_arp(net, frame->port_index, mac, &arp);
}

// take_reply learns, and shares what was sent to us alone with the other workers and the kernel.
static void take_reply(struct net *net, const struct net_frame *frame, const struct addr *sender,
		       bool is_answer)
{
	const uint8_t *mac = net_frame_at(frame, frame->l3_offset + 8u);
	if (is_answer)
		net_copy_to_peers(net, frame, RTE_PTYPE_L2_ETHER_ARP);
	net_neigh_heard(net, frame->port_index, sender, mac, is_answer);
}

void net_arp_input(struct net *net, struct net_frame *frame)
{
	if (!is_wellformed(frame)) {
		net_drop(net, frame->mbuf, COUNTER_drop_arp_malformed);
		return;
	}
	const uint8_t *at = net_frame_at(frame, frame->l3_offset);
	bool is_reply = net_get16(at + 6) == ARP_REPLY;
	struct addr sender = addr_v4(at + 14);
	struct addr target = addr_v4(at + 24);
	bool is_to_us = net_is_local(net, &target);
	enum counter reason = COUNTER_COUNT;
	if (net_is_local(net, &sender)) {
		reason = COUNTER_drop_ip_source;
		if (!frame->is_handed)
			net_defend(net, &(struct net_address){.prefix = {.addr = sender},
							      .port_index = frame->port_index});
	} else if (is_reply && !is_to_us && !net_frame_is_group(frame)) {
		// The kernel asked, for an address of its own behind our MAC.
		net_divert_or_drop(net, frame->mbuf, COUNTER_drop_neigh_unasked);
		return;
	} else if (is_reply || addr_equal(&sender, &target)) {
		take_reply(net, frame, &sender, is_reply && is_to_us && !net_frame_is_group(frame));
	} else if (is_to_us) {
		answer(net, frame, &sender, &target);
	} else {
		net_divert_or_drop(net, frame->mbuf, COUNTER_drop_arp_not_ours);
		return;
	}
	if (reason != COUNTER_COUNT)
		counter_inc(net->config.counters, reason);
	rte_pktmbuf_free(frame->mbuf);
}
