// SPDX-License-Identifier: Apache-2.0
// Neighbours: who holds an IP address on the link. One state machine (RFC 4861 7.3.2) for ARP and
// neighbour discovery. A bounded table with bounded queues; only what we asked for is learned, and
// a known address is never overwritten: a claim by somebody else only makes us ask its holder.
//
//        send              answer                 30 s            send, 5 s         no answer x 3
//   (none) -> INCOMPLETE ---------> REACHABLE ---------> STALE ----------> PROBE ----------+
//               |  ^ no answer x 3: forgotten  ^-------------------- answer -'             |
//               +--+-----------------------------------------------------------------------+
#include "net_priv.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SOLICIT_MAX    3u       // MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT
#define SOLICIT_GAP_US 1000000u // RETRANS_TIMER
#define DELAY_US       5000000u // DELAY_FIRST_PROBE_TIME
#define REACHABLE_US   30000000u
#define DOUBT_GAP_US   1000000u // a claim is looked into so often at most

static uint32_t *bucket_of(struct net_neigh_table *table, uint32_t port_index,
			   const struct addr *addr)
{
	uint8_t name[17];
	memcpy(name, addr->bytes, 16);
	name[16] = (uint8_t)port_index;
	return &table->buckets[siphash13(&table->key, name, sizeof(name)) & table->bucket_mask];
}

static struct net_neigh *find(struct net_neigh_table *table, uint32_t port_index,
			      const struct addr *addr)
{
	struct net_neigh *last = table->last;
	if (last && last->port_index == port_index && addr_equal(&last->addr, addr))
		return last;
	uint32_t at = *bucket_of(table, port_index, addr);
	while (at) {
		struct net_neigh *neigh = &table->entries[at - 1];
		if (neigh->port_index == port_index && addr_equal(&neigh->addr, addr)) {
			table->last = neigh;
			return neigh;
		}
		at = neigh->hash_next;
	}
	return NULL;
}

static void unhash(struct net_neigh_table *table, const struct net_neigh *neigh)
{
	uint32_t index = (uint32_t)(neigh - table->entries) + 1;
	uint32_t *at = bucket_of(table, neigh->port_index, &neigh->addr);
	while (*at != index)
		at = &table->entries[*at - 1].hash_next;
	*at = neigh->hash_next;
	if (table->last == neigh)
		table->last = NULL;
}

// report tells the upper protocol of a queued packet that its way is blocked; borrows mbuf.
static void report(struct net *net, const struct rte_mbuf *mbuf)
{
	const uint8_t *header = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	bool is_v4 = header[0] >> 4 == 4;
	size_t header_bytes = is_v4 ? NET_IP4_BYTES : NET_IP6_BYTES;
	const struct net_upper *upper = net_upper_of(net, is_v4 ? header[9] : header[6]);
	if (!upper || rte_pktmbuf_data_len(mbuf) < header_bytes + 8)
		return;
	struct addr local = is_v4 ? addr_v4(header + 12) : addr_v6(header + 8);
	struct addr remote = is_v4 ? addr_v4(header + 16) : addr_v6(header + 24);
	upper->icmp_error(upper->user, &local, &remote, header + header_bytes,
			  rte_pktmbuf_data_len(mbuf) - header_bytes, false, 0);
}

// forget ends an entry and drops what waits for it. It goes on the free list last: a report may
// send and so make a new entry.
static void forget(struct net *net, struct net_neigh *neigh, enum counter reason)
{
	struct net_neigh_table *table = &net->neigh;
	wheel_disarm(net->config.wheel, &neigh->timer);
	unhash(table, neigh);
	list_remove(&neigh->link);
	neigh->state = NET_NEIGH_FREE;
	neigh->generation++;
	if (reason == COUNTER_drop_neigh_unreachable && neigh->is_pinned)
		net_nexthop_heard(net, neigh->port_index, &neigh->addr, false);
	for (uint32_t i = 0; i < neigh->queued_count; i++) {
		if (reason == COUNTER_drop_neigh_unreachable)
			report(net, neigh->queue[i]);
		net_drop(net, neigh->queue[i], reason);
	}
	table->queued_count -= neigh->queued_count;
	neigh->queued_count = 0;
	table->in_use--;
	counter_set(net->config.counters, COUNTER_net_neighbours, table->in_use);
	list_append(&table->free, &neigh->link);
}

static bool is_gateway(const struct net *net, uint32_t port_index, const struct addr *addr)
{
	for (uint32_t i = 0; i < net->route_count; i++)
		if (net->routes[i].port_index == port_index &&
		    addr_equal(&net->routes[i].gateway, addr))
			return true;
	return false;
}

// evict_from forgets the oldest entry of a list that is not pinned.
static bool evict_from(struct net *net, struct list *head)
{
	struct list *node;
	list_for_each (node, head) {
		struct net_neigh *neigh = container_of(node, struct net_neigh, link);
		if (neigh->is_pinned)
			continue;
		forget(net, neigh, COUNTER_drop_neigh_full);
		counter_inc(net->config.counters, COUNTER_net_neigh_evicted);
		return true;
	}
	return false;
}

static struct net_neigh *add(struct net *net, const struct net_nexthop *hop)
{
	struct net_neigh_table *table = &net->neigh;
	if (list_is_empty(&table->free) && !evict_from(net, &table->asking) &&
	    !evict_from(net, &table->known))
		return NULL;
	struct net_neigh *neigh = container_of(list_pop(&table->free), struct net_neigh, link);
	uint32_t *bucket = bucket_of(table, hop->port_index, &hop->addr);
	neigh->addr = hop->addr;
	neigh->port_index = hop->port_index;
	neigh->hash_next = *bucket;
	*bucket = (uint32_t)(neigh - table->entries) + 1;
	neigh->is_pinned = is_gateway(net, hop->port_index, &hop->addr);
	neigh->confirmed_us = 0;
	table->in_use++;
	counter_set(net->config.counters, COUNTER_net_neighbours, table->in_use);
	return neigh;
}

// ask sends one question and waits for its answer.
static void ask(struct net *net, struct net_neigh *neigh, uint64_t now_us)
{
	const uint8_t *mac = neigh->state == NET_NEIGH_PROBE ? neigh->mac : NULL;
	neigh->solicit_count++;
	counter_inc(net->config.counters, COUNTER_net_neigh_solicits);
	wheel_arm(net->config.wheel, &neigh->timer, now_us + SOLICIT_GAP_US);
	if (addr_is_v4(&neigh->addr))
		net_arp_solicit(net, neigh->port_index, &neigh->addr, mac);
	else
		net_nd_solicit(net, neigh->port_index, &neigh->addr, mac);
}

// enter changes to a state that asks.
static void enter(struct net *net, struct net_neigh *neigh, enum net_neigh_state state,
		  uint64_t now_us)
{
	struct net_neigh_table *table = &net->neigh;
	neigh->state = (uint8_t)state;
	neigh->solicit_count = 0;
	list_remove(&neigh->link);
	list_append(state == NET_NEIGH_INCOMPLETE ? &table->asking : &table->known, &neigh->link);
	ask(net, neigh, now_us);
}

static void fire(struct wheel_timer *timer, uint64_t now_us)
{
	struct net_neigh *neigh = container_of(timer, struct net_neigh, timer);
	struct net *net = neigh->net;
	if (neigh->state == NET_NEIGH_DELAY)
		enter(net, neigh, NET_NEIGH_PROBE, now_us);
	else if (neigh->solicit_count < SOLICIT_MAX)
		ask(net, neigh, now_us);
	else if (neigh->state == NET_NEIGH_PROBE) {
		if (neigh->is_pinned)
			net_nexthop_heard(net, neigh->port_index, &neigh->addr, false);
		enter(net, neigh, NET_NEIGH_INCOMPLETE, now_us);
	} else
		forget(net, neigh, COUNTER_drop_neigh_unreachable);
}

// wait_for queues mbuf until neigh answers; the oldest packet makes room (RFC 4861 7.2.2).
static int wait_for(struct net *net, struct net_neigh *neigh, struct rte_mbuf *mbuf)
{
	struct net_neigh_table *table = &net->neigh;
	if (neigh->queued_count == net->config.limits.neighbour_queue) {
		net_drop(net, neigh->queue[0], COUNTER_drop_neigh_full);
		neigh->queued_count--;
		table->queued_count--;
		memmove(neigh->queue, neigh->queue + 1,
			neigh->queued_count * sizeof(neigh->queue[0]));
	}
	if (table->queued_count >= table->queued_max) {
		net_drop(net, mbuf, COUNTER_drop_neigh_full);
		return ENOBUFS;
	}
	neigh->queue[neigh->queued_count++] = mbuf;
	table->queued_count++;
	return 0;
}

static int send_to(struct net *net, const struct net_neigh *neigh, struct rte_mbuf *mbuf)
{
	uint16_t type = addr_is_v4(&neigh->addr) ? NET_ETHER_IP4 : NET_ETHER_IP6;
	return net_eth_output(net, neigh->port_index, neigh->mac, type, mbuf);
}

struct net_neigh *net_neigh_get(struct net *net, const struct net_nexthop *hop)
{
	struct net_neigh *neigh = find(&net->neigh, hop->port_index, &hop->addr);
	if (neigh)
		return neigh;
	neigh = add(net, hop);
	if (neigh)
		enter(net, neigh, NET_NEIGH_INCOMPLETE, net->now_us);
	return neigh;
}

int net_neigh_send(struct net *net, const struct net_nexthop *hop, struct rte_mbuf *mbuf)
{
	struct net_neigh *neigh = net_neigh_get(net, hop);
	if (neigh)
		return net_neigh_send_by(net, neigh, mbuf);
	net_drop(net, mbuf, COUNTER_drop_neigh_full);
	return ENOBUFS;
}

int net_neigh_send_by(struct net *net, struct net_neigh *neigh, struct rte_mbuf *mbuf)
{
	struct net_neigh_table *table = &net->neigh;
	if (neigh->state == NET_NEIGH_INCOMPLETE)
		return wait_for(net, neigh, mbuf);
	if (table->known.previous != &neigh->link) {
		list_remove(&neigh->link);
		list_append(&table->known, &neigh->link);
	}
	if (neigh->state == NET_NEIGH_REACHABLE && net->now_us >= neigh->reachable_us)
		neigh->state = NET_NEIGH_STALE;
	if (neigh->state == NET_NEIGH_STALE) {
		neigh->state = NET_NEIGH_DELAY;
		wheel_arm(net->config.wheel, &neigh->timer, net->now_us + DELAY_US);
	}
	return send_to(net, neigh, mbuf);
}

// confirm makes neigh reachable for a while (RFC 4861 6.3.2: 0.5 to 1.5 of the base time).
static void confirm(struct net *net, struct net_neigh *neigh)
{
	neigh->state = NET_NEIGH_REACHABLE;
	neigh->confirmed_us = net->now_us;
	neigh->reachable_us =
		net->now_us + REACHABLE_US / 2 + random_below(net->config.random, REACHABLE_US);
	wheel_disarm(net->config.wheel, &neigh->timer);
}

// learn takes the MAC that was asked for and sends what waited.
static void learn(struct net *net, struct net_neigh *neigh, const uint8_t mac[6])
{
	memcpy(neigh->mac, mac, 6);
	confirm(net, neigh);
	list_remove(&neigh->link);
	list_append(&net->neigh.known, &neigh->link);
	counter_inc(net->config.counters, COUNTER_net_neigh_resolved);
	if (neigh->is_pinned)
		net_nexthop_heard(net, neigh->port_index, &neigh->addr, true);
	uint32_t count = neigh->queued_count;
	neigh->queued_count = 0;
	net->neigh.queued_count -= count;
	for (uint32_t i = 0; i < count; i++)
		send_to(net, neigh, neigh->queue[i]);
}

void net_neigh_heard(struct net *net, uint32_t port_index, const struct addr *addr,
		     const uint8_t mac[6], bool is_answer)
{
	struct net_neigh *neigh = find(&net->neigh, port_index, addr);
	if (!neigh) {
		counter_inc(net->config.counters, COUNTER_drop_neigh_unasked);
		return;
	}
	bool is_same = neigh->state != NET_NEIGH_INCOMPLETE && memcmp(neigh->mac, mac, 6) == 0;
	if (neigh->state == NET_NEIGH_INCOMPLETE && is_answer) {
		learn(net, neigh, mac);
	} else if (is_same) {
		if (is_answer)
			confirm(net, neigh);
	} else {
		counter_inc(net->config.counters, COUNTER_drop_neigh_unasked);
		if (neigh->state != NET_NEIGH_INCOMPLETE && neigh->state != NET_NEIGH_PROBE &&
		    net->now_us >= neigh->confirmed_us + DOUBT_GAP_US)
			enter(net, neigh, NET_NEIGH_PROBE, net->now_us);
	}
}

void net_neigh_ask(struct net *net, const struct net_nexthop *hop)
{
	net_neigh_get(net, hop);
}

void net_confirm(struct net *net, const struct addr *local, const struct addr *remote)
{
	struct net_nexthop hop;
	if (!net_nexthop_find(net, local, remote, &hop))
		return;
	struct net_neigh *neigh = find(&net->neigh, hop.port_index, &hop.addr);
	if (!neigh || neigh->state == NET_NEIGH_INCOMPLETE)
		return;
	confirm(net, neigh);
	counter_inc(net->config.counters, COUNTER_net_neigh_confirmed);
}

int net_neigh_init(struct net *net)
{
	struct net_neigh_table *table = &net->neigh;
	uint32_t count = net->config.limits.neighbour_count;
	uint32_t depth = net->config.limits.neighbour_queue;
	table->bucket_mask = rte_align32pow2(count) - 1;
	table->entries = calloc(count, sizeof(*table->entries));
	table->queues = calloc((size_t)count * depth, sizeof(struct rte_mbuf *));
	table->buckets = calloc((size_t)table->bucket_mask + 1, sizeof(*table->buckets));
	table->key = random_key(net->config.random);
	table->queued_max = MIN(NET_QUEUED_MAX, net->config.mbufs->size / 8);
	list_init(&table->free);
	list_init(&table->asking);
	list_init(&table->known);
	if (!table->entries || !table->queues || !table->buckets)
		return ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		struct net_neigh *neigh = &table->entries[i];
		neigh->net = net;
		neigh->queue = table->queues + (size_t)i * depth;
		wheel_timer_init(&neigh->timer, fire);
		list_init(&neigh->link);
		list_append(&table->free, &neigh->link);
	}
	return 0;
}

void net_neigh_fini(struct net *net)
{
	struct net_neigh_table *table = &net->neigh;
	for (uint32_t i = 0; table->entries && i < net->config.limits.neighbour_count; i++) {
		struct net_neigh *neigh = &table->entries[i];
		if (!neigh->net)
			continue;
		wheel_disarm(net->config.wheel, &neigh->timer);
		rte_pktmbuf_free_bulk(neigh->queue, neigh->queued_count);
	}
	free(table->entries);
	free(table->queues);
	free(table->buckets);
}
