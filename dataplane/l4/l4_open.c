// SPDX-License-Identifier: Apache-2.0
// A new flow: whose it may be, which bounds it meets, its endpoint and its source port (RFC 6056
// 3.3.3: a secret start, then one after another, so that a port rests before it is used again).
#include "l4_priv.h"

#include "check.h"

#define PORT_TRIES 64u // ports of this worker that are looked at for one flow

static struct l4_served *served_of(struct l4 *l4, const struct addr *address, uint16_t port,
				   uint8_t protocol)
{
	for (uint32_t i = 0; i < l4->config.service_count; i++) {
		struct l4_service *service = &l4->served[i].service;
		if (service->port == port && service->protocol == protocol &&
		    addr_equal(&service->address, address))
			return &l4->served[i];
	}
	return NULL;
}

uint16_t l4_source_port(struct l4 *l4, struct l4_served *served, uint32_t endpoint)
{
	const struct l4_limits *limits = &l4->config.limits;
	const struct l4_endpoint *to = &served->endpoints[endpoint];
	struct l4_endpoint_state *state = &served->states[endpoint];
	uint32_t range = limits->port_last - limits->port_first + 1u;
	struct endpoint_addr remote = {.addr = to->addr, .port = rte_cpu_to_be_16(to->port)};
	struct endpoint_addr local = {.addr = served->service.source};
	bool is_v4 = addr_is_v4(&to->addr);
	for (uint32_t step = 0, tries = 0; step < range && tries < PORT_TRIES; step++) {
		uint16_t port = (uint16_t)(limits->port_first + state->cursor++ % range);
		enum l4_direction direction;
		struct l4_key key;
		if (net_owner(l4->config.net, &local.addr, port, &to->addr, to->port) !=
		    l4->config.worker_index)
			continue;
		tries++;
		local.port = rte_cpu_to_be_16(port);
		l4_key_make(&key, &remote, &local, served->service.protocol);
		if (!l4_find(l4, &key, is_v4, &direction))
			return local.port;
	}
	return 0;
}

// is_sender_possible refuses what no host may send from; groups and ourselves have no way.
static bool is_sender_possible(const struct addr *client)
{
	const uint8_t *bytes = addr_v4_bytes(client);
	return !addr_is_zero(client) && !(addr_is_v4(client) && (bytes[0] == 0 || bytes[0] == 127));
}

// make_room ends the oldest half-open flow where a bound asks for it. False: the table is full of
// flows that live.
static bool make_room(struct l4 *l4)
{
	if (l4->free_count > 0 && l4->half_count < l4->config.limits.half_open_count)
		return true;
	if (l4->half_count == 0)
		return l4->free_count > 0;
	counter_inc(l4->config.counters, COUNTER_l4_half_open_evicted);
	l4_flow_end(container_of(l4->half_open.next, struct l4_flow, half_link));
	return true;
}

static enum l4_opened drop(struct l4 *l4, const struct l4_packet *packet, enum counter reason)
{
	l4_drop(l4, packet->mbuf, reason);
	return L4_DROPPED;
}

static void read_ends(const struct l4_packet *packet, struct l4_ends *ends)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l3_offset);
	const uint8_t *l4 = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l4_offset);
	ends->source.addr = packet->is_v4 ? addr_v4(ip + 12) : addr_v6(ip + 8);
	ends->destination.addr = packet->is_v4 ? addr_v4(ip + 16) : addr_v6(ip + 24);
	memcpy(&ends->source.port, l4, 2);
	memcpy(&ends->destination.port, l4 + 2, 2);
}

// is_first is true for a packet that may begin a flow.
static bool is_first(const struct l4_packet *packet)
{
	const uint8_t *l4 = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l4_offset);
	return packet->protocol == NET_PROTOCOL_UDP ||
	       (l4[13] & (L4_TCP_SYN | L4_TCP_ACK | L4_TCP_RST | L4_TCP_FIN)) == L4_TCP_SYN;
}

// begin chooses endpoint and source port and makes the flow.
static enum l4_opened begin(struct l4 *l4, const struct l4_packet *packet,
			    const struct l4_ends *ends, struct l4_served *served,
			    struct l4_flow **flow)
{
	struct l4_side sides[2];
	uint32_t endpoint = l4_pick_of(&served->pick, &ends->source.addr, ends->source.port);
	if (endpoint == L4_PICK_NONE) {
		counter_inc(l4->config.counters, COUNTER_l4_no_endpoint);
		return L4_LEFT;
	}
	uint16_t port = l4_source_port(l4, served, endpoint);
	if (port == 0)
		return drop(l4, packet, COUNTER_l4_ports_exhausted);
	const struct l4_endpoint *to = &served->endpoints[endpoint];
	struct l4_ends there = {{.addr = served->service.source, .port = port},
				{.addr = to->addr, .port = rte_cpu_to_be_16(to->port)}};
	struct l4_ends answer = {there.destination, there.source};
	struct l4_ends back = {ends->destination, ends->source};
	l4_side_make(&sides[L4_FROM_CLIENT], ends, &there, packet->protocol);
	l4_side_make(&sides[L4_FROM_ENDPOINT], &answer, &back, packet->protocol);
	// Who sent it is asked for when there is an answer: a flood of forged sources must not fill
	// the neighbour table.
	const struct addr *client = &ends->source.addr;
	if (!is_sender_possible(client) ||
	    !net_has_way(l4->config.net, &ends->destination.addr, client))
		return drop(l4, packet, COUNTER_drop_ip_source);
	if (!net_way_find(l4->config.net, &there.source.addr, &to->addr,
			  &sides[L4_FROM_CLIENT].way))
		return drop(l4, packet, COUNTER_drop_no_route);
	*flow = l4_flow_begin(l4, sides, (uint32_t)(served - l4->served), endpoint);
	counter_inc(l4->config.counters, COUNTER_l4_opened);
	return L4_OPENED;
}

enum l4_opened l4_open(struct l4 *l4, const struct l4_packet *packet, struct l4_flow **flow)
{
	struct l4_ends ends;
	read_ends(packet, &ends);
	struct l4_served *served =
		served_of(l4, &ends.destination.addr, rte_be_to_cpu_16(ends.destination.port),
			  packet->protocol);
	if (!served || !is_first(packet)) {
		counter_inc(l4->config.counters, COUNTER_l4_strays);
		return L4_LEFT;
	}
	if (l4->config.limits.new_per_prefix > 0 &&
	    !bucket_take_prefix(l4->rates, &ends.source.addr, l4->now_us,
				l4->config.limits.new_per_prefix))
		return drop(l4, packet, COUNTER_l4_rate);
	if (!make_room(l4))
		return drop(l4, packet, COUNTER_l4_flows_full);
	return begin(l4, packet, &ends, served, flow);
}
