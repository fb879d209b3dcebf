// SPDX-License-Identifier: Apache-2.0
// Telling the link what we have: gratuitous ARP (RFC 5227 2.3) and unsolicited advertisements (RFC
// 4861 7.2.6), three times, after a start and after taking an address over; probes for duplicates
// of our IPv6 addresses (RFC 4862, used meanwhile as in RFC 4429); defence against somebody who
// claims what is ours, once a second at most.
#include "net_priv.h"

#define ANNOUNCE_COUNT  3u
#define ANNOUNCE_GAP_US 1000000u
#define DEFENCE_GAP_US  1000000u

static bool is_meant(const struct net *net, const struct addr *addr)
{
	return !net->announcer.has_only || addr_equal(&net->announcer.only, addr);
}

static void tell(struct net *net, const struct net_address *address)
{
	if (addr_is_v4(&address->prefix.addr)) {
		net_arp_announce(net, address);
		return;
	}
	if (net->config.detects_duplicates && net->announcer.count == 0)
		net_nd_probe(net, address);
	net_nd_announce(net, address);
}

static void fire(struct wheel_timer *timer, uint64_t now_us)
{
	struct net *net = container_of(timer, struct net, announcer.timer);
	for (uint32_t i = 0; i < net->address_count; i++)
		if (is_meant(net, &net->addresses[i].prefix.addr))
			tell(net, &net->addresses[i]);
	for (uint32_t i = 0; i < net->config.port_count; i++)
		net_mld_report(net, i);
	if (++net->announcer.count < ANNOUNCE_COUNT)
		wheel_arm(net->config.wheel, timer, now_us + ANNOUNCE_GAP_US);
}

void net_announce_init(struct net *net)
{
	wheel_timer_init(&net->announcer.timer, fire);
	if (net->config.worker_index == 0)
		wheel_arm(net->config.wheel, &net->announcer.timer, 0);
}

void net_announce_fini(struct net *net)
{
	wheel_disarm(net->config.wheel, &net->announcer.timer);
}

bool net_announce(struct net *net, const struct addr *addr)
{
	struct net_announcer *announcer = &net->announcer;
	if (addr && !net_is_local(net, addr))
		return false;
	bool is_busy = announcer->count > 0 && announcer->count < ANNOUNCE_COUNT;
	bool is_other = !addr || (announcer->has_only && !addr_equal(addr, &announcer->only));
	announcer->has_only = addr && !(is_busy && (is_other || !announcer->has_only));
	if (announcer->has_only)
		announcer->only = *addr;
	announcer->count = 0;
	wheel_arm(net->config.wheel, &announcer->timer, net->now_us);
	return true;
}

void net_defend(struct net *net, const struct net_address *ours)
{
	counter_inc(net->config.counters, COUNTER_net_address_conflicts);
	if (net->now_us < net->announcer.defence_us || !net_icmp_may_answer(net))
		return;
	net->announcer.defence_us = net->now_us + DEFENCE_GAP_US;
	counter_inc(net->config.counters, COUNTER_net_address_defences);
	if (addr_is_v4(&ours->prefix.addr))
		net_arp_announce(net, ours);
	else
		net_nd_announce(net, ours);
}
