// SPDX-License-Identifier: Apache-2.0
// A gateway's and a sidecar's rows, and the pieces that roles share.
#include "compile_role.h"

#include <stdio.h>
#include <string.h>

struct model_rows compile_instances(const struct model *registry, const char *service)
{
	char prefix[RECORD_NAME_BYTES + 2];
	snprintf(prefix, sizeof(prefix), "%.*s/", (int)RECORD_NAME_BYTES, service);
	return model_range(registry, STORE_instance, prefix);
}

#define HOST_CLASSES 3u // exact, wildcard of one label, any

// routes_of_class returns the routes of one class of hosts that hold host.
static struct model_rows routes_of_class(const struct model *registry, const char *host,
					 unsigned class)
{
	char prefix[RECORD_HOST_BYTES + 8];
	const char *rest = strchr(host, '.');
	if (class == 1 && (!rest || !rest[1]))
		return (struct model_rows){0};
	if (class == 0)
		snprintf(prefix, sizeof(prefix), "%.*s ", (int)RECORD_HOST_BYTES, host);
	else
		snprintf(prefix, sizeof(prefix), "*%.*s ", (int)RECORD_HOST_BYTES,
			 class == 1 ? rest : "");
	return model_range(registry, STORE_route, prefix);
}

bool compile_path_matches(const char *prefix, const char *path)
{
	size_t bytes = strlen(prefix);
	return strncmp(prefix, path, bytes) == 0 && (prefix[bytes - 1] == '/' || path[bytes] == 0 ||
						     path[bytes] == '/' || path[bytes] == '?');
}

// is_shadowed is true when routes of a more exact host take every path under path.
static bool is_shadowed(const struct model_rows *classes, unsigned class, const char *path)
{
	for (unsigned above = 0; above < class; above++)
		for (size_t i = 0; i < classes[above].count; i++) {
			const struct row_route *route = classes[above].rows[i]->row;
			if (compile_path_matches(route->path, path))
				return true;
		}
	return false;
}

void compile_each_route(const struct model *registry, const char *host, compile_visit *visit,
			void *user)
{
	struct model_rows classes[HOST_CLASSES];
	for (unsigned class = 0; class < HOST_CLASSES; class ++) {
		classes[class] = routes_of_class(registry, host, class);
		for (size_t i = 0; i < classes[class].count; i++) {
			const struct row_route *route = classes[class].rows[i]->row;
			if (!is_shadowed(classes, class, route->path))
				visit(user, classes[class].rows[i]);
		}
	}
}

bool compile_is_served(const struct model *registry, const char *host)
{
	for (unsigned class = 0; class < HOST_CLASSES; class ++)
		if (routes_of_class(registry, host, class).count > 0)
			return true;
	return false;
}

bool compile_can_show(const struct model *registry, const struct row_node *node, const char *slot)
{
	char key[STORE_KEY_BYTES];
	snprintf(key, sizeof(key), "%s/%s", node->node, slot);
	return !node->tells_names || model_find(registry, STORE_name, key);
}

bool compile_can_reach(const struct model *registry, const struct row_instance *instance)
{
	char slot[RECORD_NAME_BYTES + 8];
	const struct row_node *node = model_get(registry, STORE_node, instance->node);
	snprintf(slot, sizeof(slot), "svc/%s", instance->service);
	return !instance->node[0] || (node && compile_can_show(registry, node, slot));
}

bool compile_has_gateway(const struct model *registry, const char *location)
{
	struct model_rows nodes = model_all(registry, STORE_node);
	for (size_t i = 0; i < nodes.count; i++) {
		const struct row_node *node = nodes.rows[i]->row;
		if (strcmp(node->role, "gateway") == 0 && strcmp(node->location, location) == 0 &&
		    node->mesh_address[0] && compile_can_show(registry, node, "node"))
			return true;
	}
	return false;
}

uint32_t compile_add_service(const struct compile_input *input, struct rowset *set,
			     const char *name)
{
	const struct model_row *service = model_find(input->registry, STORE_service, name);
	struct record_service row;
	if (!service || service->id > UINT32_MAX)
		return 0;
	memset(&row, 0, sizeof(row));
	row.id = (uint32_t)service->id;
	row_copy_text(row.name, sizeof(row.name), name);
	rowset_add(set, &(struct rowset_row){RECORD_SERVICE, row.id, sizeof(row), &row}, NULL,
		   NULL);
	return row.id;
}

// begin_endpoint fills what every endpoint of an instance has. False: it cannot be reached.
static bool begin_endpoint(const struct compile_input *input, const struct model_row *from,
			   struct record_endpoint *row)
{
	const struct row_instance *instance = from->row;
	const struct model_row *service =
		model_find(input->registry, STORE_service, instance->service);
	memset(row, 0, sizeof(*row));
	if (!service || from->id > UINT32_MAX)
		return false;
	row->id = (uint32_t)from->id;
	row->service_id = (uint32_t)service->id;
	row->is_healthy = !instance->is_unhealthy;
	row->is_draining = instance->is_draining;
	row->weight = instance->weight >= 1 && instance->weight <= 1000 ? (uint32_t)instance->weight
									: 100;
	return true;
}

void compile_add_workload(const struct compile_input *input, struct rowset *set,
			  const struct model_row *from)
{
	const struct row_instance *instance = from->row;
	const struct row_service *service =
		model_get(input->registry, STORE_service, instance->service);
	struct record_endpoint row;
	if (!begin_endpoint(input, from, &row) ||
	    endpoint_addr_parse(instance->address, &row.to) != 0)
		return;
	row.hop = RECORD_HOP_WORKLOAD;
	row.protocol =
		strcmp(service->protocol, "h2c") == 0 ? RECORD_PROTOCOL_H2C : RECORD_PROTOCOL_HTTP1;
	rowset_add(set, &(struct rowset_row){RECORD_ENDPOINT, row.id, sizeof(row), &row}, NULL,
		   NULL);
}

// add_sidecar adds the way to an instance behind a sidecar: one endpoint a service and node, under
// the id of the first such instance; the sidecar balances over the others.
static void add_sidecar(const struct compile_input *input, struct rowset *set,
			struct model_rows instances, size_t index)
{
	const struct row_instance *instance = instances.rows[index]->row;
	const struct row_node *node = model_get(input->registry, STORE_node, instance->node);
	struct record_endpoint row;
	bool has_healthy = false;
	bool is_draining = true;
	for (size_t i = 0; i < instances.count; i++) {
		const struct row_instance *other = instances.rows[i]->row;
		if (strcmp(other->node, instance->node) != 0)
			continue;
		if (i < index)
			return;
		has_healthy |= !other->is_unhealthy;
		is_draining &= other->is_draining;
	}
	if (!compile_can_reach(input->registry, instance) ||
	    !begin_endpoint(input, instances.rows[index], &row) ||
	    endpoint_addr_parse(node->mesh_address, &row.to) != 0)
		return;
	row.hop = RECORD_HOP_SIDECAR;
	row.is_healthy = has_healthy && !node->is_down;
	row.is_draining = is_draining || node->is_draining || node->is_leaving;
	snprintf(row.peer, sizeof(row.peer), "spiffe://%s/svc/%s", input->self.mesh,
		 instance->service);
	rowset_add(set, &(struct rowset_row){RECORD_ENDPOINT, row.id, sizeof(row), &row}, NULL,
		   NULL);
}

void compile_add_all_routes(const struct compile_input *input, struct rowset *set,
			    const char *service)
{
	struct model_rows routes = model_all(input->registry, STORE_route);
	for (size_t i = 0; i < routes.count; i++) {
		const struct row_route *route = routes.rows[i]->row;
		struct record_route row;
		if (service && strcmp(service, route->service) != 0)
			continue;
		memset(&row, 0, sizeof(row));
		row.id = (uint32_t)routes.rows[i]->id;
		row.service_id = compile_add_service(input, set, route->service);
		row_copy_text(row.host, sizeof(row.host), route->host);
		row_copy_text(row.path, sizeof(row.path), route->path);
		if (row.service_id)
			rowset_add(set,
				   &(struct rowset_row){RECORD_ROUTE, row.id, sizeof(row), &row},
				   NULL, NULL);
	}
}

void compile_gateway(const struct compile_input *input, struct rowset *set)
{
	compile_add_all_routes(input, set, NULL);
	struct model_rows services = model_all(input->registry, STORE_service);
	for (size_t s = 0; s < services.count; s++) {
		struct model_rows instances =
			compile_instances(input->registry, services.rows[s]->key);
		for (size_t i = 0; i < instances.count; i++) {
			const struct row_instance *instance = instances.rows[i]->row;
			if (strcmp(instance->location, input->self.location) != 0)
				continue;
			if (instance->node[0])
				add_sidecar(input, set, instances, i);
			else
				compile_add_workload(input, set, instances.rows[i]);
		}
	}
}

void compile_sidecar(const struct compile_input *input, struct rowset *set)
{
	struct model_rows instances = model_all(input->registry, STORE_instance);
	const char *previous = "";
	for (size_t i = 0; i < instances.count; i++) {
		const struct row_instance *instance = instances.rows[i]->row;
		if (strcmp(instance->node, input->self.node) != 0)
			continue;
		compile_add_workload(input, set, instances.rows[i]);
		if (strcmp(previous, instance->service) != 0)
			compile_add_all_routes(input, set, instance->service);
		previous = instance->service;
	}
}
