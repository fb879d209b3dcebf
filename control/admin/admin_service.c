// SPDX-License-Identifier: Apache-2.0
// service set | list | remove. `set` is declarative: the service's routes become those given
// (without
// --host they stay), its instances in that location and on that node become those given.
#include "admin_command.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct change {
	const struct admin_options *admin;
	struct store_write writes[ADMIN_WRITES_MAX];
	char *texts[ADMIN_WRITES_MAX * 2]; // keys and values, owned
	unsigned write_count;
	unsigned text_count;
	bool is_full;
};

// change_put adds a row; change_remove takes one out. Bounded: is_full tells.
static void change_put(struct change *change, enum store_kind kind, const char *key,
		       const void *row, uint64_t expect)
{
	char *value = row ? row_encode(kind, row) : NULL;
	char *copy = strdup(key);
	if (!copy || (row && !value) || change->write_count == ADMIN_WRITES_MAX) {
		free(value);
		free(copy);
		change->is_full = true;
		return;
	}
	change->texts[change->text_count++] = copy;
	if (value)
		change->texts[change->text_count++] = value;
	change->writes[change->write_count++] = (struct store_write){kind, copy, value, expect};
}

static void change_remove(struct change *change, const struct model_row *row, enum store_kind kind)
{
	change_put(change, kind, row->key, NULL, row->revision);
}

// change_commit writes everything at once and frees. Returns NULL, or the reply that refuses.
static json_t *change_commit(struct change *change)
{
	json_t *refusal = NULL;
	if (change->is_full)
		refusal = admin_error("more than %u rows at once: split it", ADMIN_WRITES_MAX);
	if (!refusal) {
		enum store_result result = store_write(change->admin->registry_store,
						       change->writes, change->write_count);
		if (result != STORE_OK)
			refusal = admin_store_error(change->admin, result);
	}
	for (unsigned i = 0; i < change->text_count; i++)
		free(change->texts[i]);
	return refusal;
}

// read_host copies a host pattern in lower case. False: it is none.
static bool read_host(const char *text, char out[RECORD_HOST_BYTES])
{
	const char *rest = text[0] == '*' && text[1] == '.' ? text + 2 : text;
	if (!row_copy_text(out, RECORD_HOST_BYTES, text))
		return false;
	for (char *c = out; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (strcmp(out, "*") == 0)
		return true;
	size_t prefix = (size_t)(rest - text);
	char tail[RECORD_HOST_BYTES] = {0};
	memcpy(tail, out + prefix, strlen(out + prefix));
	return record_host_is_good(tail);
}

// set_route adds one route unless another service has it. Returns NULL, or the refusal.
static json_t *set_route(struct change *change, const char *service, const char *host_text,
			 const char *path)
{
	struct row_route row = {0};
	char key[STORE_KEY_BYTES];
	if (!read_host(host_text, row.host))
		return admin_error("host '%.200s': a name, '*.name' or '*' is wanted", host_text);
	if (path[0] != '/' || strpbrk(path, " ?#") ||
	    !row_copy_text(row.path, sizeof(row.path), path))
		return admin_error("path '%.200s': must begin with '/', without query", path);
	row_copy_text(row.service, sizeof(row.service), service);
	snprintf(key, sizeof(key), "%s %s", row.host, row.path);
	const struct model_row *known = model_find(change->admin->registry, STORE_route, key);
	const struct row_route *other = known ? known->row : NULL;
	if (other && strcmp(other->service, service) != 0)
		return admin_error("%s%s is served by '%s': remove that service or choose another "
				   "path",
				   row.host, row.path, other->service);
	change_put(change, STORE_route, key, &row, known ? known->revision : STORE_NONE);
	return NULL;
}

// drop_routes takes out the service's routes that were not given now.
static void drop_routes(struct change *change, const char *service)
{
	struct model_rows routes = model_all(change->admin->registry, STORE_route);
	unsigned given = change->write_count;
	for (size_t i = 0; i < routes.count; i++) {
		const struct row_route *row = routes.rows[i]->row;
		bool is_kept = strcmp(row->service, service) != 0;
		for (unsigned w = 0; w < given && !is_kept; w++)
			is_kept = strcmp(change->writes[w].key, routes.rows[i]->key) == 0;
		if (!is_kept)
			change_remove(change, routes.rows[i], STORE_route);
	}
}

static json_t *set_routes(struct change *change, const json_t *request, const char *service)
{
	const json_t *hosts = json_object_get(request, "hosts");
	const char *path = admin_text(request, "path", "/");
	size_t index;
	json_t *host;
	json_array_foreach(hosts, index, host)
	{
		json_t *refusal = set_route(
			change, service, json_is_string(host) ? json_string_value(host) : "", path);
		if (refusal)
			return refusal;
	}
	if (json_array_size(hosts) > 0)
		drop_routes(change, service);
	else if (!model_find(change->admin->registry, STORE_service, service))
		return admin_error("a new service needs --host HOST (or '*' for any)");
	return NULL;
}

// set_instance adds one instance. Returns NULL, or the refusal.
static json_t *set_instance(struct change *change, const struct row_instance *template,
			    const char *address)
{
	struct row_instance row = *template;
	struct endpoint_addr at;
	char text[ADDR_TEXT_BYTES];
	char key[STORE_KEY_BYTES];
	if (endpoint_addr_parse(address, &at) != 0)
		return admin_error("--to '%.100s': 192.0.2.1:8080 or [2001:db8::1]:8080 is wanted",
				   address);
	row_copy_text(row.address, sizeof(row.address), endpoint_addr_text(&at, text));
	snprintf(key, sizeof(key), "%s/%s", row.service, row.address);
	const struct model_row *known = model_find(change->admin->registry, STORE_instance, key);
	const struct row_instance *before = known ? known->row : NULL;
	if (before) {
		// What is drained stays so until somebody says otherwise.
		row.is_draining = before->is_draining;
		row.is_unhealthy = before->is_unhealthy;
	}
	change_put(change, STORE_instance, key, &row, known ? known->revision : STORE_NONE);
	return NULL;
}

// drop_instances takes out those of the same location and node that were not given now.
static void drop_instances(struct change *change, const struct row_instance *template,
			   unsigned first)
{
	char prefix[80];
	snprintf(prefix, sizeof(prefix), "%s/", template->service);
	struct model_rows rows = model_range(change->admin->registry, STORE_instance, prefix);
	unsigned end = change->write_count;
	for (size_t i = 0; i < rows.count; i++) {
		const struct row_instance *row = rows.rows[i]->row;
		bool is_kept = strcmp(row->location, template->location) != 0 ||
			       strcmp(row->node, template->node) != 0;
		for (unsigned w = first; w < end && !is_kept; w++)
			is_kept = strcmp(change->writes[w].key, rows.rows[i]->key) == 0;
		if (!is_kept)
			change_remove(change, rows.rows[i], STORE_instance);
	}
}

static json_t *set_instances(struct change *change, const json_t *request, const char *service)
{
	const json_t *to = json_object_get(request, "to");
	const char *location = admin_text(request, "location", change->admin->self.location);
	const char *node = admin_text(request, "node", "");
	struct row_instance template = {.weight = 100};
	struct row_location place = {0};
	unsigned first = change->write_count;
	size_t index;
	json_t *address;
	if (!admin_name_is_good(location) || (node[0] && !admin_name_is_good(node)))
		return admin_error("names are of lower-case letters, digits, '-' and '.'");
	row_copy_text(template.service, sizeof(template.service), service);
	row_copy_text(template.location, sizeof(template.location), location);
	row_copy_text(template.node, sizeof(template.node), node);
	json_array_foreach(to, index, address)
	{
		json_t *refusal =
			set_instance(change, &template,
				     json_is_string(address) ? json_string_value(address) : "");
		if (refusal)
			return refusal;
	}
	if (json_array_size(to) == 0)
		return NULL;
	drop_instances(change, &template, first);
	row_copy_text(place.name, sizeof(place.name), location);
	if (!model_find(change->admin->registry, STORE_location, location))
		change_put(change, STORE_location, location, &place, STORE_NONE);
	return NULL;
}

// notes tells what is not wrong but will surprise.
static json_t *notes(const struct admin_options *admin, const json_t *request)
{
	const char *node = admin_text(request, "node", "");
	json_t *list = json_array();
	char text[256];
	if (node[0] && !model_find(admin->registry, STORE_node, node)) {
		snprintf(text, sizeof(text),
			 "node '%.64s' has not registered yet: its instances are reached once it "
			 "has",
			 node);
		json_array_append_new(list, json_string(text));
	}
	return json_pack("{s:o}", "notes", list);
}

json_t *admin_service_set(const struct admin_options *admin, const json_t *request)
{
	struct change change = {.admin = admin};
	struct row_service service = {0};
	const char *name = admin_text(request, "name", "");
	const char *protocol = admin_text(request, "protocol", "");
	const struct row_service *known = model_get(admin->registry, STORE_service, name);
	if (!admin_name_is_good(name))
		return admin_error("service name '%.64s': lower-case letters, digits, '-' and '.'",
				   name);
	if (!protocol[0])
		protocol = known ? known->protocol : "http1";
	if (strcmp(protocol, "http1") != 0 && strcmp(protocol, "h2c") != 0)
		return admin_error("protocol '%.32s': http1 or h2c", protocol);
	row_copy_text(service.name, sizeof(service.name), name);
	row_copy_text(service.protocol, sizeof(service.protocol), protocol);
	json_t *refusal = set_routes(&change, request, name);
	if (!refusal)
		refusal = set_instances(&change, request, name);
	if (!refusal && !known && json_array_size(json_object_get(request, "to")) == 0)
		refusal = admin_error("a new service needs --to ADDRESS:PORT");
	change_put(&change, STORE_service, name, &service, STORE_ANY);
	if (refusal)
		change.is_full = true; // write nothing
	json_t *failure = change_commit(&change);
	if (refusal) {
		json_decref(failure);
		return refusal;
	}
	return failure ? failure : admin_ok(notes(admin, request));
}

// routes_of and instances_of list what a service has.
static json_t *routes_of(const struct admin_options *admin, const char *service)
{
	struct model_rows routes = model_all(admin->registry, STORE_route);
	json_t *list = json_array();
	for (size_t i = 0; i < routes.count; i++) {
		const struct row_route *row = routes.rows[i]->row;
		if (strcmp(row->service, service) == 0)
			json_array_append_new(list, json_pack("{s:s, s:s}", "host", row->host,
							      "path", row->path));
	}
	return list;
}

static json_t *instances_of(const struct admin_options *admin, const char *service)
{
	char prefix[80];
	snprintf(prefix, sizeof(prefix), "%.64s/", service);
	struct model_rows instances = model_range(admin->registry, STORE_instance, prefix);
	json_t *list = json_array();
	for (size_t i = 0; i < instances.count; i++) {
		const struct row_instance *row = instances.rows[i]->row;
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:b, s:b}", "address", row->address,
					"location", row->location, "node", row->node, "healthy",
					!row->is_unhealthy, "draining", row->is_draining));
	}
	return list;
}

json_t *admin_service_list(const struct admin_options *admin, const json_t *)
{
	struct model_rows services = model_all(admin->registry, STORE_service);
	json_t *list = json_array();
	for (size_t i = 0; i < services.count; i++) {
		const struct row_service *row = services.rows[i]->row;
		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "name", row->name,
						      "protocol", row->protocol, "routes",
						      routes_of(admin, row->name), "instances",
						      instances_of(admin, row->name)));
	}
	return admin_ok(json_pack("{s:o}", "services", list));
}

json_t *admin_service_remove(const struct admin_options *admin, const json_t *request)
{
	struct change change = {.admin = admin};
	char prefix[80];
	const char *name = admin_text(request, "name", "");
	const struct model_row *service = model_find(admin->registry, STORE_service, name);
	if (!service)
		return admin_error("no service '%.64s'", name);
	if (admin_text(request, "address", "")[0])
		return admin_instance_remove(admin, request);
	drop_routes(&change, name);
	snprintf(prefix, sizeof(prefix), "%.64s/", name);
	struct model_rows instances = model_range(admin->registry, STORE_instance, prefix);
	for (size_t i = 0; i < instances.count; i++)
		change_remove(&change, instances.rows[i], STORE_instance);
	const struct model_row *policy = model_find(admin->registry, STORE_policy, name);
	if (policy)
		change_remove(&change, policy, STORE_policy);
	change_remove(&change, service, STORE_service);
	json_t *failure = change_commit(&change);
	return failure ? failure : admin_ok(NULL);
}
