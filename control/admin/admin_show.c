// SPDX-License-Identifier: Apache-2.0
// status, routes, why: what this node knows and what its data plane was told.
#include "admin_command.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static json_t *workers(const struct admin_options *admin)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < publish_worker_count(admin->publish); i++) {
		struct publish_status status;
		publish_read_status(admin->publish, i, uv_now(admin->loop) * 1000, &status);
		json_array_append_new(
			list,
			json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "worker",
				  (json_int_t)i, "sent", (json_int_t)status.sent_generation,
				  "applied", (json_int_t)status.applied_generation, "lag_us",
				  (json_int_t)status.lag_us, "rows", (json_int_t)status.row_count,
				  "full_sets", (json_int_t)status.full_count, "deltas",
				  (json_int_t)status.delta_count, "waiting",
				  (json_int_t)status.waiting_count, "dropped",
				  (json_int_t)status.dropped_count, "refused",
				  (json_int_t)status.refused_count));
	}
	return list;
}

static json_t *identity(const struct admin_options *admin)
{
	const struct row_secret *secret = model_get(admin->local, STORE_secret, "node");
	const struct row_trust *trust = model_get(admin->registry, STORE_trust, "bundle");
	char name[RECORD_PEER_BYTES] = "";
	compile_slot_name(&admin->self, "node", name);
	return json_pack("{s:s, s:b, s:I, s:I, s:b}", "name", name, "issued",
			 secret && secret->chain[0], "end_s",
			 (json_int_t)(secret ? secret->end_s : 0), "trust_epoch",
			 (json_int_t)(trust ? trust->epoch : 0), "ca", admin->authority != NULL);
}

json_t *admin_status(const struct admin_options *admin, const json_t *)
{
	return admin_ok(
		json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "node",
			  admin->self.node, "role", conf_role_name(admin->self.role), "location",
			  admin->self.location, "mesh", admin->self.mesh, "attached",
			  attach_is_attached(admin->attach), "workers", workers(admin), "identity",
			  identity(admin), "services",
			  (json_int_t)model_all(admin->registry, STORE_service).count, "instances",
			  (json_int_t)model_all(admin->registry, STORE_instance).count, "nodes",
			  (json_int_t)model_all(admin->registry, STORE_node).count, "interest",
			  (json_int_t)model_all(admin->local, STORE_interest).count,
			  "events_refused", (json_int_t)attach_refused_count(admin->attach)));
}

static const char *service_name(const struct rowset *set, uint32_t id)
{
	const struct rowset_row *row = rowset_find(set, RECORD_SERVICE, id);
	return row ? ((const struct record_service *)row->payload)->name : "?";
}

static json_t *show_endpoint(const struct admin_options *admin, const struct rowset *set,
			     const struct record_endpoint *row)
{
	static const char *const hops[RECORD_HOP_COUNT] = {"gateway", "sidecar", "workload"};
	char text[ADDR_TEXT_BYTES];
	const struct rowset_row *location = rowset_find(set, RECORD_LOCATION, row->location_id);
	const struct failure *failure = failures_find(admin->failures, row->id);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:i, s:I, s:I}", "to",
			 endpoint_addr_text(&row->to, text), "hop", hops[row->hop], "service",
			 row->service_id ? service_name(set, row->service_id) : "*", "location",
			 location ? ((const struct record_location *)location->payload)->name : "",
			 "peer", row->peer, "healthy", row->is_healthy, "draining",
			 row->is_draining, "weight", (int)row->weight, "failures",
			 (json_int_t)(failure ? failure->told_count : 0), "last_failure_s",
			 (json_int_t)(failure ? failure->last_s : 0));
}

json_t *admin_routes(const struct admin_options *admin, const json_t *)
{
	const struct rowset *set = publish_latest(admin->publish);
	json_t *routes = json_array();
	json_t *endpoints = json_array();
	for (uint32_t i = 0; set && i < set->count; i++) {
		const struct record_route *route = set->rows[i].payload;
		if (set->rows[i].type == RECORD_ROUTE)
			json_array_append_new(routes,
					      json_pack("{s:s, s:s, s:s}", "host", route->host,
							"path", route->path, "service",
							service_name(set, route->service_id)));
		else if (set->rows[i].type == RECORD_ENDPOINT)
			json_array_append_new(endpoints,
					      show_endpoint(admin, set, set->rows[i].payload));
	}
	return admin_ok(json_pack("{s:o, s:o}", "routes", routes, "endpoints", endpoints));
}

__attribute__((format(printf, 2, 3))) static void say(json_t *steps, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_array_append_new(steps, json_string(text));
}

struct choice {
	const char *path;
	const struct row_route *best;
};

// choose keeps the first class of hosts that holds the path, and in it the longest prefix.
static void choose(void *user, const struct model_row *from)
{
	struct choice *choice = user;
	const struct row_route *row = from->row;
	if (!compile_path_matches(row->path, choice->path))
		return;
	bool is_same_class = choice->best && strcmp(choice->best->host, row->host) == 0;
	if (!choice->best || (is_same_class && strlen(row->path) > strlen(choice->best->path)))
		choice->best = row;
}

// why_instance tells how one instance is reached from this node.
static void why_instance(const struct admin_options *admin, json_t *steps,
			 const struct row_instance *row)
{
	const char *here = admin->self.location;
	bool is_here = strcmp(row->location, here) == 0;
	const struct row_node *node = model_get(admin->registry, STORE_node, row->node);
	const char *state = row->is_unhealthy  ? "unhealthy"
			    : row->is_draining ? "draining"
					       : "healthy";
	say(steps, "instance %s in %s%s%s: %s", row->address, row->location,
	    row->node[0] ? " behind " : "", row->node, state);
	if (admin->self.role != CONF_ROLE_SIDECAR && !compile_can_reach(admin->registry, row)) {
		say(steps, "  NOT reached: %s %s", row->node,
		    node ? "cannot show the service's name yet" : "has not registered");
	} else if (admin->self.role == CONF_ROLE_EDGE) {
		if (compile_has_gateway(admin->registry, row->location))
			say(steps, "  reached by the gateway of %s", row->location);
		else if (is_here)
			say(steps, "  reached directly: no gateway in our own location");
		else
			say(steps, "  NOT reached: location %s has no gateway that registered",
			    row->location);
	} else if (admin->self.role == CONF_ROLE_GATEWAY) {
		if (!is_here)
			say(steps, "  NOT reached: this gateway serves %s only", here);
		else if (node && !node->mesh_address[0])
			say(steps, "  NOT reached: its sidecar %s has no mesh listener", row->node);
		else
			say(steps, "  reached %s",
			    node ? "through its sidecar" : "directly: it has no sidecar");
	} else {
		say(steps, "  %s",
		    strcmp(row->node, admin->self.node) == 0
			    ? "reached directly"
			    : "NOT reached: it is on another node");
	}
}

static void why_instances(const struct admin_options *admin, json_t *steps, const char *service)
{
	char prefix[80];
	snprintf(prefix, sizeof(prefix), "%.64s/", service);
	struct model_rows rows = model_range(admin->registry, STORE_instance, prefix);
	if (rows.count == 0)
		say(steps, "service %s has no instance: millrace service set %s --to ADDRESS:PORT",
		    service, service);
	for (size_t i = 0; i < rows.count; i++)
		why_instance(admin, steps, rows.rows[i]->row);
}

json_t *admin_why(const struct admin_options *admin, const json_t *request)
{
	const char *host = admin_text(request, "host", "");
	const char *path = admin_text(request, "path", "/");
	struct choice choice = {.path = path};
	json_t *steps = json_array();
	if (!compile_is_served(admin->registry, host)) {
		say(steps, "no service has host %s, a wildcard of it, or '*'", host);
		return admin_ok(json_pack("{s:b, s:o}", "served", 0, "steps", steps));
	}
	compile_each_route(admin->registry, host, choose, &choice);
	const struct row_route *route = choice.best;
	if (!route) {
		say(steps, "host %s is served, but no route has a prefix of %s", host, path);
		return admin_ok(json_pack("{s:b, s:o}", "served", 0, "steps", steps));
	}
	say(steps, "host %s matches %s, path %s matches %s: service %s", host, route->host, path,
	    route->path, route->service);
	if (admin->self.role == CONF_ROLE_EDGE && !model_find(admin->local, STORE_interest, host))
		say(steps, "no request asked for this host yet: the first one looks it up");
	why_instances(admin, steps, route->service);
	return admin_ok(json_pack("{s:b, s:s, s:o}", "served", 1, "service", route->service,
				  "steps", steps));
}
