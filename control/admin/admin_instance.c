// SPDX-License-Identifier: Apache-2.0
// service drain | unhealthy: one instance out of service and back; service remove: one forgotten.
#include "admin_command.h"

#include <stdio.h>
#include <string.h>

struct instance {
	char key[STORE_KEY_BYTES];
	struct row_instance row;
	uint64_t revision; // at which it was read
};

// read_instance reads the instance that a request names. NULL, or the refusal.
static json_t *read_instance(const struct admin_options *admin, const json_t *request,
			     struct instance *instance)
{
	struct endpoint_addr at;
	char text[ADDR_TEXT_BYTES];
	const char *name = admin_text(request, "name", "");
	const char *address = admin_text(request, "address", "");
	if (endpoint_addr_parse(address, &at) != 0)
		return admin_error("'%.100s': 192.0.2.1:8080 or [2001:db8::1]:8080 is wanted",
				   address);
	endpoint_addr_text(&at, text);
	snprintf(instance->key, sizeof(instance->key), "%.64s/%s", name, text);
	enum store_result result = store_read(admin->registry_store, STORE_instance, instance->key,
					      &instance->row, &instance->revision);
	if (result == STORE_ABSENT)
		return admin_error("service '%.64s' has no instance %s: millrace service list",
				   name, text);
	return result == STORE_OK ? NULL : admin_store_error(admin, result);
}

// write_instance writes row in the place of the instance, or removes it (NULL); returns the reply.
static json_t *write_instance(const struct admin_options *admin, const struct instance *instance,
			      const struct row_instance *row)
{
	const struct store_write removal = {STORE_instance, instance->key, NULL,
					    instance->revision};
	struct store *store = admin->registry_store;
	enum store_result result =
		row ? store_put(store, STORE_instance, instance->key, row, instance->revision)
		    : store_write(store, &removal, 1);
	return result == STORE_OK ? admin_ok(NULL) : admin_store_error(admin, result);
}

// is_on reads a flag that is true unless the request says false.
static bool is_on(const json_t *request, const char *name)
{
	return !json_is_false(json_object_get(request, name));
}

json_t *admin_service_drain(const struct admin_options *admin, const json_t *request)
{
	struct instance instance = {0};
	json_t *refusal = read_instance(admin, request, &instance);
	instance.row.is_draining = is_on(request, "drain");
	return refusal ? refusal : write_instance(admin, &instance, &instance.row);
}

json_t *admin_service_unhealthy(const struct admin_options *admin, const json_t *request)
{
	struct instance instance = {0};
	json_t *refusal = read_instance(admin, request, &instance);
	instance.row.is_unhealthy = is_on(request, "unhealthy");
	return refusal ? refusal : write_instance(admin, &instance, &instance.row);
}

json_t *admin_instance_remove(const struct admin_options *admin, const json_t *request)
{
	struct instance instance = {0};
	json_t *refusal = read_instance(admin, request, &instance);
	return refusal ? refusal : write_instance(admin, &instance, NULL);
}
