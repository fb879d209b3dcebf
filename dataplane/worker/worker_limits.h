// SPDX-License-Identifier: Apache-2.0
// From the configuration's keys to the limits of each room.
#pragma once

#include "cache.h"
#include "conf.h"
#include "l4.h"
#include "net.h"
#include "proxy.h"
#include "route.h"
#include "tcp.h"
#include "tls.h"

// worker_limits_net, worker_limits_l4, worker_limits_tcp, worker_limits_tls, worker_limits_route
// and worker_limits_proxy return one room's limits for one worker.
struct net_limits worker_limits_net(const struct conf *conf);
struct l4_limits worker_limits_l4(const struct conf *conf);
struct tcp_limits worker_limits_tcp(const struct conf *conf);
struct tls_limits worker_limits_tls(const struct conf *conf);
struct route_limits worker_limits_route(const struct conf *conf);
struct proxy_limits worker_limits_proxy(const struct conf *conf);

// worker_limits_cache returns one worker's share of the node's cache, all worker_count being equal.
struct cache_limits worker_limits_cache(const struct conf *conf, uint32_t worker_count);

// worker_addresses writes net's addresses (at most CONF ports * prefixes) and returns how many;
// worker_routes the same for routes, the port of a next hop being the one whose prefix holds it.
uint32_t worker_addresses(const struct conf *conf, struct net_address *out);
uint32_t worker_routes(const struct conf *conf, struct net_route *out);

// worker_listeners writes the proxy's listeners and returns how many.
uint32_t worker_listeners(const struct conf *conf, struct proxy_listener *out);

// worker_l4_services writes L4's services, at most L4_SERVICES_MAX, and all of their endpoints;
// returns how many services.
uint32_t worker_l4_services(const struct conf *conf, struct l4_service *out,
			    struct l4_endpoint *endpoints);
