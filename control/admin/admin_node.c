// SPDX-License-Identifier: Apache-2.0
// location set | list, node list | token | drain | remove.
#include "admin_command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

json_t *admin_location_set(const struct admin_options *admin, const json_t *request)
{
	struct row_location row = {0};
	uint64_t revision = 0;
	const char *name = admin_text(request, "name", "");
	const json_t *cost = json_object_get(request, "cost_us");
	const json_t *drain = json_object_get(request, "drain");
	if (!admin_name_is_good(name))
		return admin_error("location name '%.64s': lower-case letters, digits, '-' and '.'",
				   name);
	if (cost && (!json_is_integer(cost) || json_integer_value(cost) < 0))
		return admin_error("cost: a time is wanted, such as 12ms");
	if (store_read(admin->registry_store, STORE_location, name, &row, &revision) ==
	    STORE_BROKEN)
		return admin_store_error(admin, STORE_BROKEN);
	row_copy_text(row.name, sizeof(row.name), name);
	if (cost)
		row.cost_us = (uint64_t)json_integer_value(cost);
	if (json_is_boolean(drain))
		row.is_draining = json_is_true(drain);
	enum store_result result =
		store_put(admin->registry_store, STORE_location, name, &row, revision);
	return result == STORE_OK ? admin_ok(NULL) : admin_store_error(admin, result);
}

json_t *admin_location_list(const struct admin_options *admin, const json_t *)
{
	struct model_rows locations = model_all(admin->registry, STORE_location);
	json_t *list = json_array();
	for (size_t i = 0; i < locations.count; i++) {
		const struct row_location *row = locations.rows[i]->row;
		json_array_append_new(list,
				      json_pack("{s:s, s:I, s:b, s:b}", "name", row->name,
						"cost_us", (json_int_t)row->cost_us, "draining",
						row->is_draining, "gateway",
						compile_has_gateway(admin->registry, row->name)));
	}
	return admin_ok(json_pack("{s:o}", "locations", list));
}

json_t *admin_node_list(const struct admin_options *admin, const json_t *)
{
	struct model_rows nodes = model_all(admin->registry, STORE_node);
	json_t *list = json_array();
	uint64_t now_s = (uint64_t)time(NULL);
	for (size_t i = 0; i < nodes.count; i++) {
		const struct row_node *row = nodes.rows[i]->row;
		uint64_t age_s = now_s > row->heartbeat_s ? now_s - row->heartbeat_s : 0;
		const char *state = age_s > 15        ? "silent"
				    : row->is_down    ? "down"
				    : row->is_leaving ? "leaving"
						      : "up";
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:s}", "node",
					row->node, "role", row->role, "location", row->location,
					"mesh_address", row->mesh_address, "state", state,
					"draining", row->is_draining, "heartbeat_age_s",
					(json_int_t)age_s, "identity_end_s",
					(json_int_t)row->identity_end_s, "version", row->version));
	}
	return admin_ok(json_pack("{s:o}", "nodes", list));
}

json_t *admin_node_token(const struct admin_options *admin, const json_t *request)
{
	struct row_member member = {0};
	char text[TOKEN_TEXT_BYTES];
	const char *node = admin_text(request, "node", "");
	const char *role = admin_text(request, "role", "");
	const char *location = admin_text(request, "location", "");
	json_int_t life_s = json_integer_value(json_object_get(request, "life_s"));
	if (!admin->authority)
		return admin_error(
			"this node is not the CA: ask the control process of the node whose "
			"configuration says identity.ca = true");
	if (!admin_name_is_good(node) || !admin_name_is_good(location))
		return admin_error(
			"node and --location are names of lower-case letters, digits, '-' "
			"and '.'");
	if (strcmp(role, "edge") != 0 && strcmp(role, "gateway") != 0 &&
	    strcmp(role, "sidecar") != 0)
		return admin_error("--role '%.32s': edge, gateway or sidecar", role);
	row_copy_text(member.node, sizeof(member.node), node);
	row_copy_text(member.role, sizeof(member.role), role);
	row_copy_text(member.location, sizeof(member.location), location);
	uint64_t end_s = (uint64_t)time(NULL) + (life_s > 0 ? (uint64_t)life_s : TOKEN_LIFE_S);
	enum store_result result = authority_token(admin->authority, &member, end_s, text);
	if (result != STORE_OK)
		return admin_store_error(admin, result);
	json_t *reply = admin_ok(json_pack("{s:s, s:s, s:I}", "token", text, "node", node, "end_s",
					   (json_int_t)end_s));
	explicit_bzero(text, sizeof(text));
	return reply;
}

json_t *admin_node_drain(const struct admin_options *admin, const json_t *request)
{
	struct row_node row;
	uint64_t revision;
	const char *node = admin_text(request, "node", "");
	enum store_result result =
		store_read(admin->registry_store, STORE_node, node, &row, &revision);
	if (result == STORE_ABSENT)
		return admin_error("no node '%.64s'", node);
	row.is_draining = !json_is_false(json_object_get(request, "drain"));
	if (result == STORE_OK)
		result = store_put(admin->registry_store, STORE_node, node, &row, revision);
	return result == STORE_OK ? admin_ok(NULL) : admin_store_error(admin, result);
}

json_t *admin_node_remove(const struct admin_options *admin, const json_t *request)
{
	const char *node = admin_text(request, "node", "");
	if (!model_find(admin->registry, STORE_node, node) &&
	    !model_find(admin->registry, STORE_member, node))
		return admin_error("no node '%.64s'", node);
	struct store_write writes[] = {
		{STORE_node, node, NULL, STORE_ANY},
		{STORE_member, node, NULL, STORE_ANY}, // its identity is not renewed any more
	};
	char prefix[80];
	snprintf(prefix, sizeof(prefix), "%.64s/", node);
	enum store_result result = STORE_OK;
	struct model_rows names = model_range(admin->registry, STORE_name, prefix);
	// A node of that name that comes later has to show them anew.
	for (size_t i = 0; i < names.count && result == STORE_OK; i++)
		result = store_remove(admin->registry_store, STORE_name, names.rows[i]->key);
	if (result == STORE_OK)
		result = store_write(admin->registry_store, writes, 2);
	return result == STORE_OK ? admin_ok(NULL) : admin_store_error(admin, result);
}

json_t *admin_trust_rotate(const struct admin_options *admin, const json_t *)
{
	char waiting[64];
	if (!admin->authority)
		return admin_error("this node is not the CA: ask the control process of the node "
				   "whose configuration says identity.ca = true");
	enum store_result result = authority_rotate(admin->authority, (uint64_t)time(NULL));
	if (result == STORE_OK)
		return admin_ok(NULL);
	if (result != STORE_ABSENT)
		return admin_store_error(admin, result);
	authority_waits_for(admin->authority, waiting);
	if (!waiting[0])
		return admin_error("a rotation is under way: try again in a moment");
	return admin_error("a rotation is under way and waits for node '%s': bring it back, or, if "
			   "it is gone for good, millrace node remove %s",
			   waiting, waiting);
}
