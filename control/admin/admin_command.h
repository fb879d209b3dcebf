// SPDX-License-Identifier: Apache-2.0
// Commands of the operator's socket: each takes the request's object and returns the reply's.
#pragma once

#include "admin.h"

#include <jansson.h>

#define ADMIN_WRITES_MAX 512u

// admin_command brings the models up to date and runs a request; again, a few times, when others
// write the same rows at that moment. The caller drops the reply. Never NULL but when memory is
// short.
json_t *admin_command(const struct admin_options *admin, const json_t *request);

// admin_ok wraps data (taken) as a reply; admin_error makes one that refuses, format as printf.
json_t *admin_ok(json_t *data);
__attribute__((format(printf, 1, 2))) json_t *admin_error(const char *format, ...);

// admin_store_error tells why the registry did not take a write. A conflict is marked, so that
// admin_command runs the command again: commands write all or nothing.
json_t *admin_store_error(const struct admin_options *admin, enum store_result result);

// admin_text borrows a text of the request; fallback when it is absent or not a text.
const char *admin_text(const json_t *request, const char *name, const char *fallback);

// admin_name_is_good is true for 1..63 of lower-case letters, digits, '-', '.'.
bool admin_name_is_good(const char *name);

// The commands, named as typed: admin_service_set, admin_service_list, admin_service_remove
// (admin_instance_remove, when it names an instance), admin_service_drain, admin_service_unhealthy,
// admin_policy_set, admin_policy_show, admin_policy_remove, admin_location_set,
// admin_location_list, admin_node_list, admin_node_token, admin_node_drain, admin_node_remove,
// admin_status, admin_trust_rotate, admin_routes, admin_purge, admin_purge_status, admin_why. Each
// takes the request and returns a reply that the caller owns.
json_t *admin_service_set(const struct admin_options *admin, const json_t *request);
json_t *admin_service_list(const struct admin_options *admin, const json_t *request);
json_t *admin_service_remove(const struct admin_options *admin, const json_t *request);
json_t *admin_instance_remove(const struct admin_options *admin, const json_t *request);
json_t *admin_service_drain(const struct admin_options *admin, const json_t *request);
json_t *admin_service_unhealthy(const struct admin_options *admin, const json_t *request);
json_t *admin_policy_set(const struct admin_options *admin, const json_t *request);
json_t *admin_policy_show(const struct admin_options *admin, const json_t *request);
json_t *admin_policy_remove(const struct admin_options *admin, const json_t *request);
json_t *admin_location_set(const struct admin_options *admin, const json_t *request);
json_t *admin_location_list(const struct admin_options *admin, const json_t *request);
json_t *admin_node_list(const struct admin_options *admin, const json_t *request);
json_t *admin_node_token(const struct admin_options *admin, const json_t *request);
json_t *admin_node_drain(const struct admin_options *admin, const json_t *request);
json_t *admin_node_remove(const struct admin_options *admin, const json_t *request);
json_t *admin_status(const struct admin_options *admin, const json_t *request);
json_t *admin_trust_rotate(const struct admin_options *admin, const json_t *request);
json_t *admin_routes(const struct admin_options *admin, const json_t *request);
json_t *admin_purge(const struct admin_options *admin, const json_t *request);
json_t *admin_purge_status(const struct admin_options *admin, const json_t *request);
json_t *admin_why(const struct admin_options *admin, const json_t *request);
