// SPDX-License-Identifier: Apache-2.0
// What differs between the roles: one const table each. The mechanism is the same for all.
#pragma once

#include "proxy.h"

struct role {
	enum proxy_role role;
	const char *name;
	unsigned accepts;   // enum tls_peer_role bits: who may call the mesh listener
	bool is_caching;    // asks the cache first
	bool is_looking_up; // asks control about hosts it does not know
	bool is_first;      // the client's own address is known here: sets X-Forwarded-*
};

// role_of returns the table of a role.
const struct role *role_of(enum proxy_role role);
