// SPDX-License-Identifier: Apache-2.0
// Neighbour discovery for IPv6 (RFC 4861): solicitations for our addresses are answered, answers go
// to net_neigh, somebody's duplicate address detection is answered. Router advertisements and
// redirects are not used: addresses and routes are configured, and nobody on the link may move us.
#include "net_cksum.h"
#include "net_priv.h"

#include "check.h"

#include <string.h>

#define ND_SOLICIT        135u
#define ND_ADVERTISE      136u
#define ND_FIXED_BYTES    24u // ICMPv6 header, flags, target
#define ND_MESSAGE_BYTES  32u // with one link-layer address option
#define OPTION_SOURCE_MAC 1u
#define OPTION_TARGET_MAC 2u
#define FLAG_SOLICITED    0x40u
#define FLAG_OVERRIDE     0x20u

static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
static const struct addr all_nodes = {.bytes = {0xff, 2, [15] = 1}};

struct nd {
	const struct addr *source;
	const struct addr *destination;
	const struct addr *target;
	uint8_t type;
	uint8_t flags;
	uint8_t option; // which link-layer address option carries our MAC; 0 = none
};

static void send_nd(struct net *net, uint32_t port_index, const uint8_t to[6], const struct nd *nd)
{
	struct rte_mbuf *mbuf = net_alloc(net);
	uint32_t bytes = nd->option ? ND_MESSAGE_BYTES : ND_FIXED_BYTES;
	if (!mbuf)
		return;
	uint8_t *at = net_append(mbuf, bytes);
	memset(at, 0, bytes);
	at[0] = nd->type;
	at[4] = nd->flags;
	memcpy(at + 8, nd->target->bytes, 16);
	if (nd->option) {
		at[24] = nd->option;
		at[25] = 1;
		memcpy(at + 26, net->ports[port_index].port->mac, 6);
	}
	uint16_t pseudo = net_cksum_pseudo(nd->source, nd->destination, NET_PROTOCOL_ICMP6, bytes);
	uint16_t sum = (uint16_t)~net_cksum_l4(mbuf, 0, bytes, pseudo);
	memcpy(at + 2, &sum, 2);
	net_ip6_push(mbuf, nd->source, nd->destination, NET_PROTOCOL_ICMP6, 255);
	net_eth_output(net, port_index, to, NET_ETHER_IP6, mbuf);
}

// ask sends a solicitation from source (unspecified: a probe, without our MAC) to the holder of
// mac, or to target's group when it is NULL.
static void ask(struct net *net, const struct net_address *target, const struct addr *source,
		const uint8_t *mac)
{
	const struct addr *addr = &target->prefix.addr;
	uint8_t group_mac[6] = {0x33, 0x33, 0xff};
	struct addr group = {.bytes = {0xff, 2, [11] = 1, [12] = 0xff}};
	memcpy(group.bytes + 13, addr->bytes + 13, 3);
	memcpy(group_mac + 3, addr->bytes + 13, 3);
	struct nd nd = {.source = source,
			.destination = mac ? addr : &group,
			.target = addr,
			.type = ND_SOLICIT,
			.option = addr_is_zero(source) ? 0 : OPTION_SOURCE_MAC};
	send_nd(net, target->port_index, mac ? mac : group_mac, &nd);
}

void net_nd_solicit(struct net *net, uint32_t port_index, const struct addr *target,
		    const uint8_t *mac)
{
	struct net_address address = {.prefix = {.addr = *target}, .port_index = port_index};
	ask(net, &address, net_address_on(net, port_index, target), mac);
}

void net_nd_probe(struct net *net, const struct net_address *address)
{
	static const struct addr unspecified;
	counter_inc(net->config.counters, COUNTER_net_duplicate_probes);
	ask(net, address, &unspecified, NULL);
}

// advertise tells our MAC for target to one node, or to all of them.
static void advertise(struct net *net, uint32_t port_index, const struct addr *target,
		      const struct addr *to, const uint8_t *mac)
{
	struct nd nd = {.source = target,
			.destination = to ? to : &all_nodes,
			.target = target,
			.type = ND_ADVERTISE,
			.flags = to ? FLAG_SOLICITED | FLAG_OVERRIDE : FLAG_OVERRIDE,
			.option = OPTION_TARGET_MAC};
	send_nd(net, port_index, to ? mac : all_nodes_mac, &nd);
}

void net_nd_announce(struct net *net, const struct net_address *address)
{
	counter_inc(net->config.counters, COUNTER_net_announcements);
	advertise(net, address->port_index, &address->prefix.addr, NULL, NULL);
}

// find_option looks for a link-layer address option; false when the options overrun (RFC 4861 7.1).
static bool find_option(const uint8_t *at, size_t bytes, uint8_t wanted, const uint8_t **mac)
{
	while (bytes > 0) {
		if (bytes < 8 || at[1] == 0 || at[1] * 8u > bytes)
			return false;
		if (at[0] == wanted && at[1] == 1)
			*mac = at + 2;
		bytes -= at[1] * 8u;
		at += at[1] * 8u;
	}
	return true;
}

// is_valid makes the checks of RFC 4861 7.1.1 and 7.1.2 that both messages share.
static bool is_valid(const struct net_frame *frame, const struct packet *packet,
		     const uint8_t **mac)
{
	if (packet->ttl != 255 || packet->l4_bytes < ND_FIXED_BYTES ||
	    rte_pktmbuf_data_len(frame->mbuf) < packet->l4_offset + packet->l4_bytes)
		return false;
	const uint8_t *at = net_frame_at(frame, packet->l4_offset);
	uint8_t wanted = at[0] == ND_SOLICIT ? OPTION_SOURCE_MAC : OPTION_TARGET_MAC;
	if (at[1] != 0 || at[8] == 0xff)
		return false;
	if (!find_option(at + ND_FIXED_BYTES, packet->l4_bytes - ND_FIXED_BYTES, wanted, mac))
		return false;
	return !*mac || !((*mac)[0] & 1);
}

// take_solicit answers a question about one of our addresses; an unspecified source is somebody's
// duplicate address detection, answered to all (RFC 4861 7.2.4).
static enum counter take_solicit(struct net *net, const struct net_frame *frame, const uint8_t *mac)
{
	const struct packet *packet = packet_of(frame->mbuf);
	struct addr target = addr_v6(net_frame_at(frame, packet->l4_offset + 8u));
	bool is_detection = addr_is_zero(&packet->source);
	if (is_detection && (mac || packet->destination.bytes[0] != 0xff))
		return COUNTER_drop_nd_malformed;
	if (!net_is_local(net, &target))
		return COUNTER_drop_nd_not_ours;
	if (!mac)
		mac = net_frame_at(frame, 6);
	counter_inc(net->config.counters, COUNTER_net_nd_answers);
	advertise(net, frame->port_index, &target, is_detection ? NULL : &packet->source, mac);
	return COUNTER_COUNT;
}

static enum counter take_advertise(struct net *net, const struct net_frame *frame,
				   const uint8_t *mac)
{
	const struct packet *packet = packet_of(frame->mbuf);
	const uint8_t *at = net_frame_at(frame, packet->l4_offset);
	struct addr target = addr_v6(at + 8);
	bool is_answer = at[4] & FLAG_SOLICITED;
	if (is_answer && packet->destination.bytes[0] == 0xff)
		return COUNTER_drop_nd_malformed;
	if (net_is_local(net, &target)) {
		if (!frame->is_handed)
			net_defend(net, &(struct net_address){.prefix = {.addr = target},
							      .port_index = frame->port_index});
		return COUNTER_drop_ip_source;
	}
	if (is_answer)
		net_copy_to_peers(net, frame, RTE_PTYPE_L4_ICMP);
	if (!mac)
		mac = net_frame_at(frame, 6); // RFC 4861 7.2.4: omitted in answers to one node
	net_neigh_heard(net, frame->port_index, &target, mac, is_answer);
	return COUNTER_COUNT;
}

void net_nd_input(struct net *net, struct net_frame *frame)
{
	const struct packet *packet = packet_of(frame->mbuf);
	const uint8_t *mac = NULL;
	enum counter reason = COUNTER_drop_nd_malformed;
	if (is_valid(frame, packet, &mac)) {
		bool is_solicit = net_frame_at(frame, packet->l4_offset)[0] == ND_SOLICIT;
		reason = is_solicit ? take_solicit(net, frame, mac)
				    : take_advertise(net, frame, mac);
	}
	if (reason == COUNTER_drop_nd_not_ours) {
		net_divert_or_drop(net, frame->mbuf, reason);
		return;
	}
	if (reason != COUNTER_COUNT)
		counter_inc(net->config.counters, reason);
	rte_pktmbuf_free(frame->mbuf);
}
