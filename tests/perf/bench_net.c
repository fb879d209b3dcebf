// SPDX-License-Identifier: Apache-2.0
// The net of a bench; see bench_net.h.
#include "bench_net.h"

#include "check.h"

struct net *bench_net_new(struct net_config *config, struct port *const *ports, const char *address,
			  const char *router)
{
	struct net_address own = {.port_index = 0};
	struct net_route route = {.port_index = 0};
	CHECK(prefix_parse(address, &own.prefix) == 0);
	if (router)
		CHECK(prefix_parse("0.0.0.0/0", &route.prefix) == 0 &&
		      addr_parse(router, &route.gateway) == 0);
	config->ports = ports;
	config->port_count = 1;
	config->addresses = &own;
	config->address_count = 1;
	config->routes = &route;
	config->route_count = router ? 1 : 0;
	config->worker_count = 1;
	struct net *net = net_new(config);
	CHECK(net);
	return net;
}
