// SPDX-License-Identifier: Apache-2.0
// From what the mesh knows to what this node's data plane must know: one rowset a role.
//
//   edge     hosts that were asked for -> routes -> services -> presence a location -> its gateways
//   gateway  every route; endpoints of its own location, behind their sidecars where they have one
//   sidecar  routes and workloads of the services that run on this node
#pragma once

#include "conf.h"
#include "model.h"
#include "rowset.h"

#define COMPILE_ROUTE_LIFETIME_MS  60000u // an edge asks again after that; it serves meanwhile
#define COMPILE_ABSENT_LIFETIME_MS 5000u

struct compile_self {
	enum conf_role role;
	const char *node;
	const char *location;
	const char *mesh;
};

// A public certificate from a file. Texts are PEM, borrowed.
struct compile_cert {
	const char *chain;
	const char *key;
	bool is_default;
};

struct compile_input {
	struct compile_self self;
	const struct model *registry; // what all nodes share
	const struct model *local;    // this node's state: interest, secret
	const struct compile_cert *certs;
	uint32_t cert_count;
	// number_route gives the lasting wire id of "host path" at an edge, 0 when it cannot.
	uint32_t (*number_route)(void *user, const char *host, const char *path);
	void *user;
};

// compile_run makes the sealed set for a data plane; the caller drops it. NULL when memory is
// short.
struct rowset *compile_run(const struct compile_input *input);

typedef void compile_visit(void *user, const struct model_row *route);

// compile_is_served is true when host has a route: its own, its wildcard's ("*.rest") or that of
// "*".
bool compile_is_served(const struct model *registry, const char *host);

// compile_each_route visits the routes that can serve host, as the data plane chooses among them: a
// more exact host wins, then a longer path. Routes that no path can reach are passed over.
void compile_each_route(const struct model *registry, const char *host, compile_visit *visit,
			void *user);

// compile_path_matches is true when path lies under a route's prefix: "/api" holds /api, /api/x and
// /api?x, not /apix.
bool compile_path_matches(const char *prefix, const char *path);

// compile_can_show is true when node's data plane can show the name of a slot ("node",
// "svc/<service>"): before that nobody is sent there. One of a version that does not tell counts as
// able.
bool compile_can_show(const struct model *registry, const struct row_node *node, const char *slot);

// compile_can_reach is false for an instance whose sidecar has not registered or cannot show the
// service's name yet.
bool compile_can_reach(const struct model *registry, const struct row_instance *instance);

// compile_has_gateway is true when a gateway of location has told its mesh address and can show its
// name.
bool compile_has_gateway(const struct model *registry, const char *location);

// compile_slot_name writes the name of an identity slot ("node", "svc/<service>") as
// spiffe://<mesh>/... into out. False when the slot is of another kind.
bool compile_slot_name(const struct compile_self *self, const char *slot,
		       char out[RECORD_PEER_BYTES]);
