// SPDX-License-Identifier: Apache-2.0
// Commands against a registry in which others write at the worst moment.
#include "admin_command.h"
#include "control_fixture.h"

#include <sqlite3.h>

// A node whose registry is written by others between the reading and the writing of a command.
struct desk {
	struct fixture f;
	struct store *others;
	struct admin_options admin;
	unsigned rivals; // writes by others still to come
	unsigned follow_count;
};

// follow brings the model up to date; then another process writes a row that commands write, too.
static void follow(void *user)
{
	struct desk *desk = user;
	struct row_location place = {.name = "fra"};
	struct row_service service = {.name = "shop", .protocol = "http1"};
	fixture_follow(&desk->f);
	desk->follow_count++;
	if (desk->rivals == 0)
		return;
	desk->rivals--;
	store_remove(desk->others, STORE_location, "fra");
	if (desk->rivals % 2 == 0)
		store_put(desk->others, STORE_location, "fra", &place, STORE_ANY);
	if (model_find(desk->f.model, STORE_service, "shop"))
		store_put(desk->others, STORE_service, "shop", &service, STORE_ANY);
}

static void desk_open(struct desk *desk)
{
	memset(desk, 0, sizeof(*desk));
	fixture_open(&desk->f);
	desk->others = fixture_store(&desk->f, "registry.db");
	desk->admin = (struct admin_options){
		.self = {.role = CONF_ROLE_GATEWAY,
			 .node = "gw",
			 .location = "fra",
			 .mesh = "mesh.test"},
		.registry_store = desk->f.store,
		.registry = desk->f.model,
		.follow = follow,
		.user = desk,
	};
}

static void desk_close(struct desk *desk)
{
	store_close(desk->others);
	fixture_close(&desk->f);
}

// ask runs one command and returns its error, "" when it was done; valid until the next call.
static const char *ask(struct desk *desk, const char *line)
{
	static char error[1024];
	json_t *request = json_loads(line, 0, NULL);
	json_t *reply = admin_command(&desk->admin, request);
	const char *text = json_string_value(json_object_get(reply, "error"));
	snprintf(error, sizeof(error), "%s", text ? text : "");
	CU_ASSERT_EQUAL(json_is_true(json_object_get(reply, "ok")), text == NULL);
	json_decref(reply);
	json_decref(request);
	return error;
}

#define SET_SHOP                                                                                   \
	"{\"command\":\"service-set\",\"name\":\"shop\",\"hosts\":[\"shop.example\"],"             \
	"\"to\":[\"10.0.0.9:8080\"]}"

static void a_command_that_meets_another_writer_is_run_again(void)
{
	static struct desk desk;
	desk_open(&desk);
	desk.rivals = 1; // a node registers: our location is there when we write
	CU_ASSERT_STRING_EQUAL(ask(&desk, SET_SHOP), "");
	CU_ASSERT_EQUAL(desk.follow_count, 2);
	fixture_follow(&desk.f);
	CU_ASSERT_PTR_NOT_NULL(model_find(desk.f.model, STORE_service, "shop"));
	CU_ASSERT_PTR_NOT_NULL(model_find(desk.f.model, STORE_instance, "shop/10.0.0.9:8080"));
	desk.rivals = 5; // somebody sets the service that we remove
	CU_ASSERT_STRING_EQUAL(ask(&desk, "{\"command\":\"service-remove\",\"name\":\"shop\"}"),
			       "");
	fixture_follow(&desk.f);
	CU_ASSERT_PTR_NULL(model_find(desk.f.model, STORE_service, "shop"));
	desk_close(&desk);
}

static void a_command_gives_up_when_others_never_rest(void)
{
	static struct desk desk;
	desk_open(&desk);
	CU_ASSERT_STRING_EQUAL(ask(&desk, SET_SHOP), "");
	desk.rivals = 1000;
	desk.follow_count = 0;
	const char *error = ask(&desk, "{\"command\":\"service-remove\",\"name\":\"shop\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "try again"));
	CU_ASSERT_EQUAL(desk.follow_count, 10);
	desk_close(&desk);
}

static void a_registry_that_others_hold_too_long_is_told_and_taken_later(void)
{
	static struct desk desk;
	char path[128];
	sqlite3 *holder = NULL;
	desk_open(&desk);
	fixture_path(&desk.f, "registry.db", path);
	CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &holder), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(ask(&desk, SET_SHOP), "locked"));
	CU_ASSERT_STRING_EQUAL(ask(&desk, "{\"command\":\"service-list\"}"), "");
	CU_ASSERT_EQUAL(sqlite3_exec(holder, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	CU_ASSERT_STRING_EQUAL(ask(&desk, SET_SHOP), "");
	sqlite3_close(holder);
	desk_close(&desk);
}

UNIT_MAIN("admin",
	  {"a registry that others hold too long is told, and taken later",
	   a_registry_that_others_hold_too_long_is_told_and_taken_later},
	  {"a command that meets another writer is run again",
	   a_command_that_meets_another_writer_is_run_again},
	  {"a command gives up when others never rest", a_command_gives_up_when_others_never_rest})
