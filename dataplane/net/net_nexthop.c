// SPDX-License-Identifier: Apache-2.0
// Routes and addresses of one worker: connected prefixes and configured routes, longest prefix
// first; which of our addresses to use (RFC 6724 in short). Tables are small and searched in order.
// Several routes of one prefix share its destinations by rendezvous hashing: those over a gateway
// that does not answer are passed over, and only their destinations move.
#include "net_priv.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REVIVE_US  5000000u // gateways that failed are asked for so often
#define LOCALS_FEW 8u       // of our addresses: looked at in turn

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct addr));
}

// compare_routes puts longer prefixes first.
static int compare_routes(const void *a, const void *b)
{
	const struct net_route *one = a;
	const struct net_route *two = b;
	if (one->prefix.bits != two->prefix.bits)
		return (int)two->prefix.bits - (int)one->prefix.bits;
	if (prefix_contains(&one->prefix, &two->prefix.addr)) // one prefix: connected ones first
		return compare_addrs(&one->gateway, &two->gateway);
	return compare_addrs(&one->prefix.addr, &two->prefix.addr);
}

static bool is_connected(const struct net_route *route)
{
	return addr_is_zero(&route->gateway);
}

// are_ports_known checks every index of the configuration.
static bool are_ports_known(const struct net_config *config)
{
	for (uint32_t i = 0; i < config->address_count; i++)
		if (config->addresses[i].port_index >= config->port_count)
			return false;
	for (uint32_t i = 0; i < config->route_count; i++)
		if (config->routes[i].port_index >= config->port_count)
			return false;
	return config->port_count <= UINT8_MAX && (config->worker_count <= 1 || config->handoff);
}

// broadcast_of is the last address of an IPv4 prefix.
static struct addr broadcast_of(const struct prefix *prefix)
{
	struct addr last = prefix->addr;
	for (unsigned bit = prefix->bits; bit < 128; bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return last;
}

static void fill_broadcasts(struct net *net)
{
	for (uint32_t i = 0; i < net->address_count; i++) {
		const struct prefix *prefix = &net->addresses[i].prefix;
		if (addr_is_v4(&prefix->addr) && prefix->bits <= 126) // RFC 3021: /31 has none
			net->broadcasts[net->broadcast_count++] = broadcast_of(prefix);
	}
}

// mark is a bit of 64 for an address: most that are not ours differ from ours in it.
static uint64_t mark(const struct addr *addr)
{
	uint32_t last;
	memcpy(&last, addr->bytes + 12, 4);
	return 1ull << (last * 0x9e3779b1u >> 26);
}

static void fill_addresses(struct net *net)
{
	const struct net_config *config = &net->config;
	for (uint32_t i = 0; i < config->address_count; i++)
		net->addresses[net->address_count++] = config->addresses[i];
	for (uint32_t i = 0; i < config->port_count; i++)
		net->addresses[net->address_count++] = (struct net_address){
			.prefix = {.addr = net->ports[i].link_local, .bits = 64}, .port_index = i};
	for (uint32_t i = 0; i < net->address_count; i++) {
		net->locals[i] = net->addresses[i].prefix.addr;
		net->local_marks |= mark(&net->locals[i]);
	}
	qsort(net->locals, net->address_count, sizeof(net->locals[0]), compare_addrs);
	fill_broadcasts(net);
}

static void fill_routes(struct net *net)
{
	const struct net_config *config = &net->config;
	for (uint32_t i = 0; i < config->address_count; i++) {
		const struct net_address *address = &config->addresses[i];
		if (address->prefix.bits < 128 && !net_addr_is_link_local(&address->prefix.addr))
			net->routes[net->route_count++] = (struct net_route){
				.prefix = address->prefix, .port_index = address->port_index};
	}
	for (uint32_t i = 0; i < config->route_count; i++)
		net->routes[net->route_count++] = config->routes[i];
	qsort(net->routes, net->route_count, sizeof(net->routes[0]), compare_routes);
}

// revive asks for the gateways that failed, away from any traffic.
static void revive(struct wheel_timer *timer, uint64_t now_us)
{
	struct net *net = container_of(timer, struct net, hop_timer);
	bool has_dead = false;
	for (uint32_t i = 0; i < net->route_count; i++) {
		const struct net_route *route = &net->routes[i];
		if (!route->is_dead)
			continue;
		has_dead = true;
		net_neigh_ask(net, &(struct net_nexthop){.addr = route->gateway,
							 .port_index = route->port_index});
	}
	if (has_dead)
		wheel_arm(net->config.wheel, timer, now_us + REVIVE_US);
}

int net_nexthop_init(struct net *net)
{
	const struct net_config *config = &net->config;
	if (!are_ports_known(config))
		return EINVAL;
	size_t addresses = (size_t)config->address_count + config->port_count + 1;
	size_t routes = (size_t)config->address_count + config->route_count + 1;
	net->addresses = calloc(addresses, sizeof(*net->addresses));
	net->locals = calloc(addresses, sizeof(*net->locals));
	net->broadcasts = calloc(addresses, sizeof(*net->broadcasts));
	net->routes = calloc(routes, sizeof(*net->routes));
	if (!net->addresses || !net->locals || !net->broadcasts || !net->routes)
		return ENOMEM;
	fill_addresses(net);
	fill_routes(net);
	wheel_timer_init(&net->hop_timer, revive);
	net->config.addresses = net->addresses;
	net->config.routes = net->routes;
	return 0;
}

void net_nexthop_fini(struct net *net)
{
	if (net->hop_timer.fire)
		wheel_disarm(net->config.wheel, &net->hop_timer);
	free(net->addresses);
	free(net->locals);
	free(net->broadcasts);
	free(net->routes);
}

bool net_is_local(const struct net *net, const struct addr *addr)
{
	if (!(net->local_marks & mark(addr)))
		return false;
	if (net->address_count > LOCALS_FEW)
		return bsearch(addr, net->locals, net->address_count, sizeof(net->locals[0]),
			       compare_addrs) != NULL;
	for (uint32_t i = 0; i < net->address_count; i++)
		if (addr_equal(&net->locals[i], addr))
			return true;
	return false;
}

bool net_is_broadcast(const struct net *net, const struct addr *addr)
{
	for (uint32_t i = 0; i < net->broadcast_count; i++)
		if (addr_equal(&net->broadcasts[i], addr))
			return true;
	return false;
}

// is_multicast is true for 224/4 and above (with broadcast) and for ff00::/8.
static bool is_multicast(const struct addr *addr)
{
	return addr_is_v4(addr) ? addr_v4_bytes(addr)[0] >= 224 : addr->bytes[0] == 0xff;
}

// link_local_port is the port whose link-local address local is, else the first one.
static uint32_t link_local_port(const struct net *net, const struct addr *local)
{
	for (uint32_t i = 0; local && i < net->address_count; i++)
		if (addr_equal(&net->addresses[i].prefix.addr, local))
			return net->addresses[i].port_index;
	return 0;
}

// is_shared is true when route i + 1 has the same prefix as route i.
static bool is_shared(const struct net *net, uint32_t i)
{
	const struct prefix *one = &net->routes[i].prefix;
	const struct prefix *two = &net->routes[i + 1].prefix;
	return i + 1 < net->route_count && one->bits == two->bits &&
	       addr_is_v4(&one->addr) == addr_is_v4(&two->addr) && prefix_contains(one, &two->addr);
}

// is_on_port is true when local is an address of port.
static bool is_on_port(const struct net *net, const struct addr *local, uint32_t port_index)
{
	for (uint32_t i = 0; local && i < net->address_count; i++)
		if (net->addresses[i].port_index == port_index &&
		    addr_equal(&net->addresses[i].prefix.addr, local))
			return true;
	return false;
}

// choose picks among the routes of one prefix, the first of which is route first: a connected one,
// else a live one, else one by the port that has local, else by hash of remote.
static const struct net_route *choose(const struct net *net, uint32_t first,
				      const struct addr *local, const struct addr *remote)
{
	const struct net_route *best = &net->routes[first];
	if (is_connected(best) || !is_shared(net, first))
		return best;
	uint64_t hash = siphash13(&net->label_key, remote, sizeof(*remote));
	uint64_t best_rank = 0;
	for (uint32_t i = first;; i++) {
		const struct net_route *route = &net->routes[i];
		uint64_t rank = (hash ^ (i + 1) * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu >> 2;
		rank |= (uint64_t)!route->is_dead << 63;
		rank |= (uint64_t)is_on_port(net, local, route->port_index) << 62;
		if (rank >= best_rank) {
			best_rank = rank;
			best = route;
		}
		if (!is_shared(net, i))
			return best;
	}
}

void net_nexthop_heard(struct net *net, uint32_t port_index, const struct addr *gateway,
		       bool is_alive)
{
	for (uint32_t i = 0; i < net->route_count; i++) {
		struct net_route *route = &net->routes[i];
		if (route->port_index != port_index || !addr_equal(&route->gateway, gateway) ||
		    route->is_dead == !is_alive)
			continue;
		route->is_dead = !is_alive;
		net->way_epoch = (uint16_t)(net->way_epoch == UINT16_MAX ? 1 : net->way_epoch + 1);
		counter_inc(net->config.counters,
			    is_alive ? COUNTER_net_hops_revived : COUNTER_net_hops_failed);
		if (!is_alive && !wheel_is_armed(&net->hop_timer))
			wheel_arm(net->config.wheel, &net->hop_timer, net->now_us + REVIVE_US);
	}
}

bool net_nexthop_find(const struct net *net, const struct addr *local, const struct addr *remote,
		      struct net_nexthop *hop)
{
	if (is_multicast(remote) || addr_is_zero(remote) || net->config.port_count == 0 ||
	    net_is_local(net, remote) || net_is_broadcast(net, remote))
		return false;
	if (net_addr_is_link_local(remote)) {
		*hop = (struct net_nexthop){.addr = *remote,
					    .port_index = link_local_port(net, local)};
		return true;
	}
	for (uint32_t i = 0; i < net->route_count; i++) {
		const struct net_route *route = &net->routes[i];
		if (addr_is_v4(&route->prefix.addr) != addr_is_v4(remote) ||
		    !prefix_contains(&route->prefix, remote))
			continue;
		route = choose(net, i, local, remote);
		uint16_t clamp = route->mss_clamp;
		*hop = (struct net_nexthop){
			.addr = is_connected(route) ? *remote : route->gateway,
			.mss_clamp = clamp ? clamp : net->ports[route->port_index].port->mss_clamp,
			.port_index = route->port_index};
		return true;
	}
	return false;
}

// common_bits counts the leading bits that a and b share.
static uint32_t common_bits(const struct addr *a, const struct addr *b)
{
	uint32_t bits = 0;
	while (bits < 128 && !((a->bytes[bits / 8] ^ b->bytes[bits / 8]) & (0x80u >> bits % 8)))
		bits++;
	return bits;
}

// score ranks one of our addresses as source towards remote (RFC 6724 5): 0 = must not be used;
// else the outgoing port (rule 5), then the longest common prefix (rule 8).
static uint32_t score(const struct net_address *address, const struct net_nexthop *hop,
		      const struct addr *remote)
{
	const struct addr *addr = &address->prefix.addr;
	if (addr_is_v4(addr) != addr_is_v4(remote) ||
	    net_addr_is_link_local(addr) != net_addr_is_link_local(remote))
		return 0;
	uint32_t rank = 1 + common_bits(addr, remote);
	if (address->port_index == hop->port_index)
		rank += 256;
	if (prefix_contains(&address->prefix, &hop->addr))
		rank += 512;
	return rank;
}

bool net_source_for(const struct net *net, const struct addr *remote, struct addr *local)
{
	struct net_nexthop hop;
	uint32_t best = 0;
	if (!net_nexthop_find(net, NULL, remote, &hop))
		return false;
	for (uint32_t i = 0; i < net->address_count; i++) {
		uint32_t rank = score(&net->addresses[i], &hop, remote);
		if (rank > best) {
			best = rank;
			*local = net->addresses[i].prefix.addr;
		}
	}
	return best > 0;
}

const struct addr *net_address_on(const struct net *net, uint32_t port_index,
				  const struct addr *target)
{
	static const struct addr none = {.bytes = {[10] = 0xff, [11] = 0xff}};
	const struct addr *found = addr_is_v4(target) ? &none : &net->ports[port_index].link_local;
	for (uint32_t i = 0; i < net->address_count; i++) {
		const struct net_address *address = &net->addresses[i];
		if (address->port_index == port_index &&
		    addr_is_v4(&address->prefix.addr) == addr_is_v4(target) &&
		    prefix_contains(&address->prefix, target))
			return &address->prefix.addr;
		if (addr_is_v4(target) && found == &none && addr_is_v4(&address->prefix.addr))
			found = &address->prefix.addr;
	}
	return found;
}

uint32_t net_mtu(const struct net *net, const struct addr *remote)
{
	struct net_nexthop hop;
	if (!net_nexthop_find(net, NULL, remote, &hop))
		return 1280;
	return net->ports[hop.port_index].port->mtu;
}

uint32_t net_mss_clamp(const struct net *net, const struct addr *remote)
{
	struct net_nexthop hop;
	return net_nexthop_find(net, NULL, remote, &hop) ? hop.mss_clamp : 0;
}
