// SPDX-License-Identifier: Apache-2.0
// The table of commands, and what they share.
#include "admin_command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TRIES 10u // of one command, when others write the same rows

struct command {
	const char *name;
	json_t *(*run)(const struct admin_options *admin, const json_t *request);
};

static const struct command commands[] = {
	{"service-set", admin_service_set},
	{"service-list", admin_service_list},
	{"service-remove", admin_service_remove},
	{"service-drain", admin_service_drain},
	{"service-unhealthy", admin_service_unhealthy},
	{"policy-set", admin_policy_set},
	{"policy-show", admin_policy_show},
	{"policy-remove", admin_policy_remove},
	{"location-set", admin_location_set},
	{"location-list", admin_location_list},
	{"node-list", admin_node_list},
	{"node-token", admin_node_token},
	{"node-drain", admin_node_drain},
	{"node-remove", admin_node_remove},
	{"status", admin_status},
	{"trust-rotate", admin_trust_rotate},
	{"routes", admin_routes},
	{"purge", admin_purge},
	{"purge-status", admin_purge_status},
	{"why", admin_why},
};

json_t *admin_ok(json_t *data)
{
	return json_pack("{s:b, s:o}", "ok", 1, "data", data ? data : json_object());
}

json_t *admin_error(const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_t *reply = json_pack("{s:b, s:s}", "ok", 0, "error", text);
	// The text may quote what is not UTF-8.
	return reply ? reply
		     : json_pack("{s:b, s:s}", "ok", 0, "error", "the request is not UTF-8");
}

json_t *admin_store_error(const struct admin_options *admin, enum store_result result)
{
	if (result == STORE_CONFLICT) {
		json_t *reply = admin_error("others kept changing the same thing while this was "
					    "tried %u times: try again",
					    TRIES);
		json_object_set_new(reply, "conflict", json_true());
		return reply;
	}
	return admin_error("the registry did not take it: %s", store_error(admin->registry_store));
}

const char *admin_text(const json_t *request, const char *name, const char *fallback)
{
	const char *text = json_string_value(json_object_get(request, name));
	return text ? text : fallback;
}

bool admin_name_is_good(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.");
	return length > 0 && length < 64 && name[length] == 0 && name[0] != '.' && name[0] != '-';
}

// run_again runs a command until nobody writes between its reading and its writing.
static json_t *run_again(const struct command *command, const struct admin_options *admin,
			 const json_t *request)
{
	json_t *reply = NULL;
	for (unsigned i = 0; i < TRIES; i++) {
		json_decref(reply);
		// Commands judge by the model: it must know what was written a moment ago.
		admin->follow(admin->user);
		reply = command->run(admin, request);
		if (!json_object_get(reply, "conflict"))
			break;
	}
	return reply;
}

json_t *admin_command(const struct admin_options *admin, const json_t *request)
{
	const char *name = admin_text(request, "command", "");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return run_again(&commands[i], admin, request);
	return admin_error("no command '%.64s'", name);
}
