// SPDX-License-Identifier: Apache-2.0
// The net of a bench: one worker, one port, one address.
#pragma once

#include "net.h"

// bench_net_new makes a net of config, whose limits, mbufs, wheel, random and counters the caller
// has set: on ports[0] with address ("192.0.2.1/24") and, unless it is NULL, a default route over
// router. All of it is borrowed as by net_new. Ends the program when it cannot.
struct net *bench_net_new(struct net_config *config, struct port *const *ports, const char *address,
			  const char *router);
