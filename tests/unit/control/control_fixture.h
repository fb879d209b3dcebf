// SPDX-License-Identifier: Apache-2.0
// A directory of one's own and short ways to fill a registry; for tests of control.
#pragma once

#include "model.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
	char dir[64];
	struct store *store;
	struct model *model;
};

// fixture_path writes the path of a file in the fixture's directory.
static inline void fixture_path(const struct fixture *f, const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", f->dir, name);
}

// fixture_store opens a store there; the caller closes it. NULL: told.
static inline struct store *fixture_store(const struct fixture *f, const char *name)
{
	char path[128];
	char error[STORE_ERROR_BYTES] = "";
	fixture_path(f, name, path);
	struct store *store = store_open(&(struct store_options){.path = path}, error);
	if (!store)
		printf("# %s\n", error);
	return store;
}

// fixture_open makes directory, registry and model; fixture_close removes them.
static inline void fixture_open(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	strcpy(f->dir, "/tmp/millrace-unit-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->dir));
	f->store = fixture_store(f, "registry.db");
	f->model = model_new();
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->store);
}

// fixture_close ends what fixture_open began.
static inline void fixture_close(struct fixture *f)
{
	char command[128];
	store_close(f->store);
	model_free(f->model);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	CU_ASSERT_EQUAL(system(command), 0);
}

// fixture_follow brings the model up to date.
static inline void fixture_follow(struct fixture *f)
{
	uint32_t changed;
	CU_ASSERT_EQUAL(model_follow(f->model, f->store, &changed), STORE_OK);
}

// fixture_service registers a service and its route.
static inline void fixture_service(struct fixture *f, const char *name, const char *host,
				   const char *path)
{
	struct row_service service = {.protocol = "http1"};
	struct row_route route = {0};
	char key[STORE_KEY_BYTES];
	row_copy_text(service.name, sizeof(service.name), name);
	row_copy_text(route.service, sizeof(route.service), name);
	row_copy_text(route.host, sizeof(route.host), host);
	row_copy_text(route.path, sizeof(route.path), path);
	snprintf(key, sizeof(key), "%s %s", host, path);
	CU_ASSERT_EQUAL(store_put(f->store, STORE_service, name, &service, STORE_ANY), STORE_OK);
	CU_ASSERT_EQUAL(store_put(f->store, STORE_route, key, &route, STORE_ANY), STORE_OK);
}

// fixture_instance registers an instance and its location; node may be "".
static inline void fixture_instance(struct fixture *f, const char *service, const char *address,
				    const char *location, const char *node)
{
	struct row_instance row = {.weight = 100};
	struct row_location place = {0};
	char key[STORE_KEY_BYTES];
	row_copy_text(row.service, sizeof(row.service), service);
	row_copy_text(row.address, sizeof(row.address), address);
	row_copy_text(row.location, sizeof(row.location), location);
	row_copy_text(row.node, sizeof(row.node), node);
	row_copy_text(place.name, sizeof(place.name), location);
	snprintf(key, sizeof(key), "%s/%s", service, address);
	CU_ASSERT_EQUAL(store_put(f->store, STORE_instance, key, &row, STORE_ANY), STORE_OK);
	CU_ASSERT_EQUAL(store_put(f->store, STORE_location, location, &place, STORE_ANY), STORE_OK);
}

// fixture_name tells that a node can show the name of a slot, and that it tells such things.
static inline void fixture_name(struct fixture *f, const char *node, const char *slot)
{
	struct row_name row = {0};
	struct row_node of;
	char key[STORE_KEY_BYTES];
	row_copy_text(row.node, sizeof(row.node), node);
	row_copy_text(row.slot, sizeof(row.slot), slot);
	snprintf(key, sizeof(key), "%s/%s", node, slot);
	CU_ASSERT_EQUAL(store_put(f->store, STORE_name, key, &row, STORE_ANY), STORE_OK);
	CU_ASSERT_EQUAL(store_read(f->store, STORE_node, node, &of, NULL), STORE_OK);
	of.tells_names = true;
	CU_ASSERT_EQUAL(store_put(f->store, STORE_node, node, &of, STORE_ANY), STORE_OK);
}

// fixture_node registers a node that others reach at address.
static inline void fixture_node(struct fixture *f, const char *node, const char *role,
				const char *location, const char *address)
{
	struct row_node row = {0};
	row_copy_text(row.node, sizeof(row.node), node);
	row_copy_text(row.role, sizeof(row.role), role);
	row_copy_text(row.location, sizeof(row.location), location);
	row_copy_text(row.mesh_address, sizeof(row.mesh_address), address);
	CU_ASSERT_EQUAL(store_put(f->store, STORE_node, node, &row, STORE_ANY), STORE_OK);
}
