// SPDX-License-Identifier: Apache-2.0
// The network of one worker: making it, its input and hand-off, where packets end. See net.h.
#include "net_priv.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define PREFETCH_AHEAD 4u

// make_link_local derives fe80:: and the modified EUI-64 of mac (RFC 4291 2.5.6, appendix A).
static struct addr make_link_local(const uint8_t mac[6])
{
	struct addr a = {.bytes = {0xfe, 0x80, [11] = 0xff, [12] = 0xfe}};
	memcpy(a.bytes + 8, mac, 3);
	memcpy(a.bytes + 13, mac + 3, 3);
	a.bytes[8] ^= 2;
	return a;
}

static int init(struct net *net, const struct net_config *config)
{
	net->config = *config;
	net->ports = calloc(config->port_count ? config->port_count : 1, sizeof(*net->ports));
	if (!net->ports)
		return -1;
	for (uint32_t i = 0; i < config->port_count; i++) {
		net->ports[i].port = config->ports[i];
		net->ports[i].link_local = make_link_local(config->ports[i]->mac);
	}
	net_owner_init(net);
	net->label_key = random_key(config->random);
	net->way_epoch = 1;
	if (net_nexthop_init(net) != 0 || net_neigh_init(net) != 0 || net_frag_init(net) != 0)
		return -1;
	net_mld_init(net);
	net_announce_init(net);
	return 0;
}

struct net *net_new(const struct net_config *config)
{
	if (config->limits.neighbour_count == 0 || config->limits.neighbour_queue == 0)
		return NULL;
	struct net *net = calloc(1, sizeof(*net));
	if (net && init(net, config) != 0) {
		net_free(net);
		net = NULL;
	}
	return net;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	if (net->announcer.timer.fire) {
		net_announce_fini(net);
		net_mld_fini(net);
	}
	net_neigh_fini(net);
	net_frag_fini(net);
	for (uint32_t i = 0; net->ports && i < net->config.port_count; i++)
		rte_pktmbuf_free_bulk(net->ports[i].tx, net->ports[i].tx_count);
	net_nexthop_fini(net);
	free(net->ports);
	free(net);
}

void net_register(struct net *net, uint8_t protocol, const struct net_upper *upper)
{
	CHECK(protocol == NET_PROTOCOL_TCP || protocol == NET_PROTOCOL_UDP);
	CHECK(upper->input && upper->icmp_error);
	*(protocol == NET_PROTOCOL_TCP ? &net->upper_tcp : &net->upper_udp) = *upper;
}

const struct net_upper *net_upper_of(const struct net *net, uint8_t protocol)
{
	const struct net_upper *upper = NULL;
	if (protocol == NET_PROTOCOL_TCP)
		upper = &net->upper_tcp;
	else if (protocol == NET_PROTOCOL_UDP)
		upper = &net->upper_udp;
	return upper && upper->input ? upper : NULL;
}

void net_set_time(struct net *net, uint64_t now_us)
{
	net->now_us = now_us;
}

void net_set_watch(struct net *net,
		   void (*watch)(void *user, uint32_t port_index, struct rte_mbuf *const *mbufs,
				 uint32_t count, bool is_out))
{
	net->watch = watch;
}

void net_input(struct net *net, uint32_t port_index, struct rte_mbuf **mbufs, uint32_t count)
{
	if (unlikely(net->watch))
		net->watch(net->config.user, port_index, mbufs, count, false);
	counter_add(net->config.counters, COUNTER_net_packets_in, count);
	net->is_gathering = true;
	if (unlikely(net->transit.input))
		count = net->transit.input(net->transit.user, port_index, mbufs, count, false);
	for (uint32_t i = 0; i < count && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (uint32_t i = 0; i < count; i++) {
		if (i + PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + PREFETCH_AHEAD], void *));
		net_eth_input(net, port_index, mbufs[i]);
	}
	net->is_gathering = false;
	net_l4_flush(net);
}

// take_transit takes a packet that another worker's transit found to be ours.
static void take_transit(struct net *net, struct rte_mbuf *mbuf)
{
	uint32_t port_index = packet_of(mbuf)->port_index;
	if (net->transit.input(net->transit.user, port_index, &mbuf, 1, true) == 1)
		net_eth_input(net, port_index, mbuf);
}

static void take_handed(struct net *net, struct rte_mbuf *mbuf)
{
	const struct packet *packet = packet_of(mbuf);
	struct net_frame frame = {.mbuf = mbuf,
				  .port_index = packet->port_index,
				  .l3_offset = (uint16_t)mbuf->l2_len,
				  .is_handed = true};
	counter_inc(net->config.counters, COUNTER_net_handed_in);
	uint32_t l4 = mbuf->packet_type & RTE_PTYPE_L4_MASK;
	bool is_v4 = addr_is_v4(&packet->source);
	if (l4 == RTE_PTYPE_L4_ICMP)
		(is_v4 ? net_icmp4_input : net_icmp6_input)(net, &frame);
	else if (l4 == RTE_PTYPE_L4_FRAG)
		(is_v4 ? net_ip4_input : net_ip6_input)(net, &frame);
	else if (l4 == NET_HANDED_TRANSIT)
		take_transit(net, mbuf);
	else if (l4 == 0)
		net_arp_input(net, &frame);
	else {
		frame.protocol = l4 == RTE_PTYPE_L4_TCP ? NET_PROTOCOL_TCP : NET_PROTOCOL_UDP;
		net_l4_deliver(net, &frame);
	}
}

void net_input_handed(struct net *net, struct rte_mbuf *const *mbufs, uint32_t count)
{
	net->is_gathering = true;
	for (uint32_t i = 0; i < count; i++)
		take_handed(net, mbufs[i]);
	net->is_gathering = false;
	net_l4_flush(net);
}

void net_flush(struct net *net)
{
	for (uint32_t i = 0; i < net->config.port_count; i++)
		net_port_flush(net, i);
}

void net_drop(struct net *net, struct rte_mbuf *mbuf, enum counter reason)
{
	counter_inc(net->config.counters, reason);
	rte_pktmbuf_free(mbuf);
}

bool net_divert(struct net *net, struct rte_mbuf *mbuf)
{
	if (!net->config.exception)
		return false;
	counter_inc(net->config.counters, COUNTER_net_exception);
	net->config.exception(net->config.user, packet_of(mbuf)->port_index, mbuf);
	return true;
}

void net_divert_or_drop(struct net *net, struct rte_mbuf *mbuf, enum counter reason)
{
	if (!net_divert(net, mbuf))
		net_drop(net, mbuf, reason);
}

static struct rte_mbuf *copy_of(struct net *net, const struct net_frame *frame)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(frame->mbuf, net->config.mbufs, 0, UINT32_MAX);
	if (!copy) {
		counter_inc(net->config.counters, COUNTER_drop_no_mbuf);
		return NULL;
	}
	*packet_of(copy) = *packet_of(frame->mbuf);
	copy->l2_len = frame->l3_offset & 0x7fu;
	return copy;
}

void net_copy_to_peers(struct net *net, const struct net_frame *frame, uint32_t type)
{
	if (frame->is_handed)
		return;
	for (uint32_t worker = 0; worker < net->config.worker_count; worker++) {
		struct rte_mbuf *copy =
			worker == net->config.worker_index ? NULL : copy_of(net, frame);
		if (!copy)
			continue;
		copy->packet_type = type;
		counter_inc(net->config.counters, COUNTER_net_handed_out);
		net->config.handoff(net->config.user, worker, copy);
	}
	struct rte_mbuf *copy = net->config.exception ? copy_of(net, frame) : NULL;
	if (copy)
		net_divert(net, copy);
}

struct rte_mbuf *net_alloc(struct net *net)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(net->config.mbufs);
	if (!mbuf)
		counter_inc(net->config.counters, COUNTER_drop_no_mbuf);
	return mbuf;
}
