// SPDX-License-Identifier: Apache-2.0
// What differs between the roles; see proxy_role.h.
#include "proxy_role.h"

#include "check.h"

static const struct role roles[PROXY_ROLE_COUNT] = {
	[PROXY_EDGE] =
		{
			.role = PROXY_EDGE,
			.name = "edge",
			.accepts = 0,
			.is_caching = true,
			.is_looking_up = true,
			.is_first = true,
		},
	[PROXY_GATEWAY] =
		{
			.role = PROXY_GATEWAY,
			.name = "gateway",
			.accepts = TLS_PEER_EDGE | TLS_PEER_GATEWAY,
		},
	[PROXY_SIDECAR] =
		{
			.role = PROXY_SIDECAR,
			.name = "sidecar",
			.accepts = TLS_PEER_GATEWAY | TLS_PEER_SERVICE,
		},
};

const struct role *role_of(enum proxy_role role)
{
	CHECK(role < PROXY_ROLE_COUNT);
	return &roles[role];
}
