// SPDX-License-Identifier: Apache-2.0
// L4 services of one worker, full NAT: a packet to a service's address goes to one of its endpoints
// with an address and a port of ours as its source, so that the answer comes back here whatever the
// endpoint's routes are. In the clear, inside a site. The flow table is this worker's alone: the
// source port is drawn so that answers reach it.
#pragma once

#include "addr.h"
#include "counter.h"
#include "net.h"
#include "random.h"
#include "wheel.h"

#include <stdbool.h>
#include <stdint.h>

#define L4_SERVICES_MAX  32u
#define L4_ENDPOINTS_MAX 32u // of one service
#define L4_WEIGHT_MAX    100u
#define L4_TABLE_BYTES   320u // of DPDK's memory for a flow, at most: tables of both families

struct l4;

// All counts are of one worker.
struct l4_limits {
	uint32_t flow_count;      // at the bound new ones are dropped, unless one is half open
	uint32_t half_open_count; // not answered or not confirmed yet: the oldest gives way
	uint32_t new_per_prefix;  // new flows a second of one IPv4 /24 or IPv6 /56; 0: no bound
	uint32_t answer_ms;       // silence after which a half-open flow ends
	uint32_t tcp_idle_ms;     // silence of an established connection
	uint32_t tcp_closing_ms;  // silence after a RST or both FINs
	uint32_t udp_idle_ms;     // silence of a UDP flow that was answered
	uint16_t port_first;      // source ports towards endpoints
	uint16_t port_last;
};

struct l4_endpoint {
	struct addr addr;
	uint16_t port;   // host order
	uint16_t weight; // share of new flows; 0: drained, gets none and keeps what it has
};

struct l4_service {
	struct addr address;                 // of ours
	uint16_t port;                       // host order
	uint8_t protocol;                    // NET_PROTOCOL_TCP or _UDP
	struct addr source;                  // of ours, the same family: what endpoints see
	const struct l4_endpoint *endpoints; // copied; the same family
	uint32_t endpoint_count;             // at most L4_ENDPOINTS_MAX
};

struct l4_config {
	struct l4_limits limits;
	const struct l4_service *services; // copied
	uint32_t service_count;            // at most L4_SERVICES_MAX
	struct net *net;                   // borrowed
	struct port *const *ports;         // borrowed, net's
	uint32_t worker_index, worker_count;
	struct wheel *wheel;
	struct random_source *random;
	struct counters *counters;
};

// A flow as telemetry tells of it.
struct l4_info {
	struct endpoint_addr client, service, source, endpoint;
	uint8_t protocol;
	const char *state; // "half open", "established", "closing"
	uint64_t idle_us;  // since the last packet of either direction
};

// An endpoint as telemetry tells of it.
struct l4_endpoint_info {
	struct endpoint_addr service, endpoint;
	uint8_t protocol;
	uint32_t weight;
	uint32_t flow_count;
};

// l4_new takes all memory for the limits. Returns NULL when memory is short.
struct l4 *l4_new(const struct l4_config *config);

// l4_free ends all flows without a word to anybody and gives memory back.
void l4_free(struct l4 *l4);

// l4_set_time tells the time; call at the start of each loop.
void l4_set_time(struct l4 *l4, uint64_t now_us);

// l4_input, l4_odd and l4_icmp_error are net_transit's functions, user being the struct l4. What a
// sender did wrong, and what finds no endpoint, is left to net, which refuses it.
uint32_t l4_input(void *user, uint32_t port_index, struct rte_mbuf **mbufs, uint32_t count,
		  bool is_handed);
bool l4_odd(void *user, struct rte_mbuf *mbuf, uint8_t protocol);
bool l4_icmp_error(void *user, struct rte_mbuf *mbuf, const struct net_quote *quote);

// l4_set_weight changes an endpoint's share of new flows in every service that has it; 0 drains it.
// Its flows stay. Returns how many services have it.
uint32_t l4_set_weight(struct l4 *l4, const struct endpoint_addr *endpoint, uint16_t weight);

// l4_flow_slots is how many flows there may be; l4_flow_at tells of the one in a slot, false when
// there is none.
uint32_t l4_flow_slots(const struct l4 *l4);
bool l4_flow_at(const struct l4 *l4, uint32_t slot, struct l4_info *info);

// l4_endpoint_at tells of one endpoint after another; false behind the last.
bool l4_endpoint_at(const struct l4 *l4, uint32_t index, struct l4_endpoint_info *info);
