// SPDX-License-Identifier: Apache-2.0
// An edge's rows: from the hosts that were asked for to the gateways that serve them. An edge in a
// location without a gateway reaches the instances of that location itself.
#include "compile_role.h"

#include "solve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wanted {
	const char **names; // services, borrowed from the registry's routes
	size_t count;
	size_t room;
};

// want notes a service. False when memory is short.
static bool want(struct wanted *wanted, const char *name)
{
	if (wanted->count && strcmp(wanted->names[wanted->count - 1], name) == 0)
		return true;
	if (wanted->count == wanted->room) {
		size_t room = wanted->room ? wanted->room * 2 : 32;
		const char **names = realloc(wanted->names, room * sizeof(*names));
		if (!names)
			return false;
		wanted->names = names;
		wanted->room = room;
	}
	wanted->names[wanted->count++] = name;
	return true;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// add_policy adds what the operator says of a service, before any route leads to it.
static void add_policy(const struct compile_input *input, struct rowset *set, uint32_t service_id,
		       const char *service)
{
	const struct row_policy *policy = model_get(input->registry, STORE_policy, service);
	if (!policy)
		return;
	struct record_policy row = {service_id, (uint32_t)strlen(policy->rules)};
	rowset_add(set, &(struct rowset_row){RECORD_POLICY, service_id, sizeof(row), &row},
		   policy->rules, NULL);
}

struct hosting {
	const struct compile_input *input;
	struct rowset *set;
	const char *host;
	struct wanted *wanted;
};

// add_route adds one route under the host that was asked for: a wildcard never goes to an edge,
// where it would hide the hosts nobody asked for yet.
static void add_route(void *user, const struct model_row *from)
{
	const struct hosting *hosting = user;
	const struct compile_input *input = hosting->input;
	const struct row_route *route = from->row;
	struct record_route row;
	memset(&row, 0, sizeof(row));
	row.service_id = compile_add_service(input, hosting->set, route->service);
	row.id = row.service_id ? input->number_route(input->user, hosting->host, route->path) : 0;
	row.lifetime_ms = COMPILE_ROUTE_LIFETIME_MS;
	if (!row.id || !row_copy_text(row.host, sizeof(row.host), hosting->host) ||
	    !row_copy_text(row.path, sizeof(row.path), route->path))
		return;
	rowset_add(hosting->set, &(struct rowset_row){RECORD_ROUTE, row.id, sizeof(row), &row},
		   NULL, NULL);
	add_policy(input, hosting->set, row.service_id, route->service);
	if (!want(hosting->wanted, route->service))
		hosting->set->is_short = true;
}

// add_location adds a location and its gateways; again is harmless.
static void add_location(const struct compile_input *input, struct rowset *set,
			 const struct model_row *location)
{
	const struct row_location *from = location->row;
	struct record_location row;
	memset(&row, 0, sizeof(row));
	row.id = (uint32_t)location->id;
	row.cost_us = solve_cost_us(input->self.location, from);
	row_copy_text(row.name, sizeof(row.name), from->name);
	rowset_add(set, &(struct rowset_row){RECORD_LOCATION, row.id, sizeof(row), &row}, NULL,
		   NULL);
}

static void add_gateways(const struct compile_input *input, struct rowset *set)
{
	struct model_rows nodes = model_all(input->registry, STORE_node);
	for (size_t i = 0; i < nodes.count; i++) {
		const struct row_node *node = nodes.rows[i]->row;
		const struct model_row *location =
			model_find(input->registry, STORE_location, node->location);
		struct record_endpoint row;
		memset(&row, 0, sizeof(row));
		if (strcmp(node->role, "gateway") != 0 || !location ||
		    !compile_can_show(input->registry, node, "node") ||
		    !rowset_find(set, RECORD_LOCATION, location->id) ||
		    endpoint_addr_parse(node->mesh_address, &row.to) != 0)
			continue;
		row.id = (uint32_t)nodes.rows[i]->id;
		row.location_id = (uint32_t)location->id;
		row.hop = RECORD_HOP_GATEWAY;
		row.is_healthy = !node->is_down;
		row.is_draining = node->is_draining || node->is_leaving;
		row.weight = 100;
		snprintf(row.peer, sizeof(row.peer), "spiffe://%s/gateway/%s/", input->self.mesh,
			 node->location);
		rowset_add(set, &(struct rowset_row){RECORD_ENDPOINT, row.id, sizeof(row), &row},
			   NULL, NULL);
	}
}

// add_presence counts a service's instances of one location (ordinal of the first in instances).
static void add_presence(const struct compile_input *input, struct rowset *set, uint32_t service_id,
			 struct model_rows instances, const struct model_row *location)
{
	const struct row_location *place = location->row;
	struct record_presence row = {.service_id = service_id,
				      .location_id = (uint32_t)location->id};
	for (size_t i = 0; i < instances.count; i++) {
		const struct row_instance *instance = instances.rows[i]->row;
		if (strcmp(instance->location, place->name) != 0 ||
		    !compile_can_reach(input->registry, instance))
			continue;
		row.total_count++;
		if (!instance->is_unhealthy && !instance->is_draining && !place->is_draining)
			row.healthy_count++;
	}
	uint64_t id = (uint64_t)service_id << 32 | location->id;
	rowset_add(set, &(struct rowset_row){RECORD_PRESENCE, id, sizeof(row), &row}, NULL, NULL);
	add_location(input, set, location);
}

// is_first_of_location is true for the first instance in its location, so that each counts once.
static bool is_first_of_location(struct model_rows instances, size_t index)
{
	const struct row_instance *instance = instances.rows[index]->row;
	for (size_t i = 0; i < index; i++) {
		const struct row_instance *earlier = instances.rows[i]->row;
		if (strcmp(earlier->location, instance->location) == 0)
			return false;
	}
	return true;
}

static void add_service_locations(const struct compile_input *input, struct rowset *set,
				  const char *service)
{
	struct model_rows instances = compile_instances(input->registry, service);
	const struct model_row *row = model_find(input->registry, STORE_service, service);
	for (size_t i = 0; row && i < instances.count; i++) {
		const struct row_instance *instance = instances.rows[i]->row;
		const struct model_row *location =
			model_find(input->registry, STORE_location, instance->location);
		bool is_here = strcmp(instance->location, input->self.location) == 0;
		bool has_gateway = compile_has_gateway(input->registry, instance->location);
		if (is_here && !has_gateway)
			compile_add_workload(input, set, instances.rows[i]);
		else if (location && has_gateway && is_first_of_location(instances, i))
			add_presence(input, set, (uint32_t)row->id, instances, location);
	}
}

void compile_edge(const struct compile_input *input, struct rowset *set)
{
	struct wanted wanted = {0};
	struct model_rows hosts = model_all(input->local, STORE_interest);
	for (size_t i = 0; i < hosts.count; i++)
		compile_each_route(input->registry, hosts.rows[i]->key, add_route,
				   &(struct hosting){input, set, hosts.rows[i]->key, &wanted});
	if (wanted.count)
		qsort(wanted.names, wanted.count, sizeof(*wanted.names), compare_names);
	for (size_t i = 0; i < wanted.count; i++)
		if (i == 0 || strcmp(wanted.names[i - 1], wanted.names[i]) != 0)
			add_service_locations(input, set, wanted.names[i]);
	free(wanted.names);
	// Gateways are added for the locations that are in the set now; endpoints sort behind
	// locations, so that finding those goes on while they are added.
	if (rowset_seal(set))
		add_gateways(input, set);
}
