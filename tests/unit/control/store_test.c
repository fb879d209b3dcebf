// SPDX-License-Identifier: Apache-2.0
// The store and the model that follows it, on real files.
#include "control_fixture.h"

#include <errno.h>
#include <unistd.h>

static unsigned synced_count;
static bool is_disk_broken;

// fdatasync, counted, on a disk that may break.
int fdatasync(int fd)
{
	if (is_disk_broken) {
		errno = EIO;
		return -1;
	}
	synced_count++;
	return fsync(fd);
}

struct seen {
	unsigned count;
	unsigned removed_count;
	char last_key[STORE_KEY_BYTES];
	uint64_t id;
	uint64_t revision;
};

static void see(void *user, const struct store_row *row)
{
	struct seen *seen = user;
	seen->count++;
	seen->removed_count += row->value == NULL;
	seen->id = row->id;
	seen->revision = row->revision;
	row_copy_text(seen->last_key, sizeof(seen->last_key), row->key);
}

static void put_location(struct store *store, const char *name, uint64_t cost_us, uint64_t expect,
			 enum store_result wanted)
{
	struct row_location row = {.cost_us = cost_us};
	row_copy_text(row.name, sizeof(row.name), name);
	CU_ASSERT_EQUAL(store_put(store, STORE_location, name, &row, expect), wanted);
}

static void a_row_comes_back_as_it_was_written(void)
{
	struct fixture f;
	struct row_instance in = {
		.service = "shop", .address = "10.0.0.1:80", .weight = 7, .is_draining = true};
	struct row_instance out;
	fixture_open(&f);
	CU_ASSERT_EQUAL(store_put(f.store, STORE_instance, "k", &in, STORE_ANY), STORE_OK);
	CU_ASSERT_EQUAL(store_read(f.store, STORE_instance, "k", &out, NULL), STORE_OK);
	CU_ASSERT_EQUAL(memcmp(&in, &out, sizeof(in)), 0);
	CU_ASSERT_EQUAL(store_read(f.store, STORE_instance, "other", &out, NULL), STORE_ABSENT);
	fixture_close(&f);
}

static void the_file_is_private(void)
{
	struct fixture f;
	char command[256];
	fixture_open(&f);
	snprintf(command, sizeof(command), "test \"$(stat -c %%a %s/registry.db)\" = 600", f.dir);
	CU_ASSERT_EQUAL(system(command), 0);
	fixture_close(&f);
}

static void an_id_lasts_while_the_row_lives(void)
{
	struct fixture f;
	fixture_open(&f);
	put_location(f.store, "par", 1, STORE_ANY, STORE_OK);
	uint64_t id = store_id(f.store, STORE_location, "par");
	put_location(f.store, "par", 2, STORE_ANY, STORE_OK);
	CU_ASSERT(id != 0);
	CU_ASSERT_EQUAL(store_id(f.store, STORE_location, "par"), id);
	store_remove(f.store, STORE_location, "par");
	CU_ASSERT_EQUAL(store_id(f.store, STORE_location, "par"), 0);
	put_location(f.store, "par", 3, STORE_ANY, STORE_OK);
	CU_ASSERT(store_id(f.store, STORE_location, "par") > id);
	fixture_close(&f);
}

static void a_write_of_what_somebody_changed_is_refused(void)
{
	struct fixture f;
	struct row_location row;
	uint64_t revision;
	fixture_open(&f);
	put_location(f.store, "par", 1, STORE_NONE, STORE_OK);
	put_location(f.store, "par", 1, STORE_NONE, STORE_CONFLICT);
	store_read(f.store, STORE_location, "par", &row, &revision);
	put_location(f.store, "par", 2, revision, STORE_OK);
	put_location(f.store, "par", 3, revision, STORE_CONFLICT);
	store_read(f.store, STORE_location, "par", &row, NULL);
	CU_ASSERT_EQUAL(row.cost_us, 2);
	fixture_close(&f);
}

static void of_several_writes_all_happen_or_none(void)
{
	struct fixture f;
	struct row_location row;
	fixture_open(&f);
	put_location(f.store, "old", 1, STORE_ANY, STORE_OK);
	struct store_write writes[] = {
		{STORE_location, "a", "{\"name\":\"a\"}", STORE_NONE},
		{STORE_location, "old", "{\"name\":\"old\"}", STORE_NONE},
	};
	CU_ASSERT_EQUAL(store_write(f.store, writes, 2), STORE_CONFLICT);
	CU_ASSERT_EQUAL(store_read(f.store, STORE_location, "a", &row, NULL), STORE_ABSENT);
	fixture_close(&f);
}

static void changes_tell_each_row_once_in_the_order_of_writing(void)
{
	struct fixture f;
	struct seen seen = {0};
	uint64_t revision = 0;
	fixture_open(&f);
	put_location(f.store, "a", 1, STORE_ANY, STORE_OK);
	put_location(f.store, "b", 1, STORE_ANY, STORE_OK);
	put_location(f.store, "a", 2, STORE_ANY, STORE_OK);
	CU_ASSERT_EQUAL(store_changes(f.store, &revision, see, &seen), STORE_OK);
	CU_ASSERT_EQUAL(seen.count, 2);
	CU_ASSERT_STRING_EQUAL(seen.last_key, "a");
	CU_ASSERT_EQUAL(revision, 3);
	store_remove(f.store, STORE_location, "b");
	store_remove(f.store, STORE_location, "never there");
	CU_ASSERT_EQUAL(store_changes(f.store, &revision, see, &seen), STORE_OK);
	CU_ASSERT_EQUAL(seen.count, 3);
	CU_ASSERT_EQUAL(seen.removed_count, 1);
	CU_ASSERT_EQUAL(revision, 4);
	fixture_close(&f);
}

static void another_connection_notices_a_change(void)
{
	struct fixture f;
	fixture_open(&f);
	struct store *other = fixture_store(&f, "registry.db");
	store_has_changed(other);
	CU_ASSERT(!store_has_changed(other));
	put_location(f.store, "par", 1, STORE_ANY, STORE_OK);
	CU_ASSERT(store_has_changed(other));
	CU_ASSERT(!store_has_changed(other));
	store_close(other);
	fixture_close(&f);
}

static void a_log_that_was_trimmed_asks_for_a_new_list(void)
{
	struct fixture f;
	struct seen seen = {0};
	uint64_t revision = 1;
	fixture_open(&f);
	for (unsigned i = 0; i < 10; i++)
		put_location(f.store, "par", i, STORE_ANY, STORE_OK);
	CU_ASSERT_EQUAL(store_trim(f.store, 3), STORE_OK);
	CU_ASSERT_EQUAL(store_changes(f.store, &revision, see, &seen), STORE_COMPACTED);
	revision = 7;
	CU_ASSERT_EQUAL(store_changes(f.store, &revision, see, &seen), STORE_OK);
	revision = 99; // of another file
	CU_ASSERT_EQUAL(store_changes(f.store, &revision, see, &seen), STORE_COMPACTED);
	CU_ASSERT_EQUAL(seen.count, 1);
	fixture_close(&f);
}

static void a_schema_of_the_future_is_refused(void)
{
	struct fixture f;
	char path[128];
	char command[256];
	char error[STORE_ERROR_BYTES];
	fixture_open(&f);
	fixture_path(&f, "registry.db", path);
	// The version lies at byte 60 of the file (SQLite file format 1.3), after a checkpoint.
	store_close(f.store);
	f.store = NULL;
	snprintf(command, sizeof(command),
		 "printf '\\000\\000\\000\\143' | dd of=%s bs=1 seek=60 conv=notrunc 2>/dev/null",
		 path);
	CU_ASSERT_EQUAL(system(command), 0);
	CU_ASSERT_PTR_NULL(store_open(&(struct store_options){.path = path}, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "version 99"));
	fixture_close(&f);
}

static void a_file_that_is_no_database_is_told(void)
{
	struct fixture f;
	char path[128];
	char error[STORE_ERROR_BYTES] = "";
	fixture_open(&f);
	fixture_path(&f, "text", path);
	FILE *file = fopen(path, "w");
	for (unsigned i = 0; i < 200; i++)
		fputs("this is not a database, ", file);
	fclose(file);
	CU_ASSERT_PTR_NULL(store_open(&(struct store_options){.path = path}, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "not a database"));
	fixture_close(&f);
}

static void the_model_follows_and_survives_a_row_it_cannot_read(void)
{
	struct fixture f;
	fixture_open(&f);
	put_location(f.store, "a", 1, STORE_ANY, STORE_OK);
	put_location(f.store, "b", 1, STORE_ANY, STORE_OK);
	fixture_follow(&f);
	CU_ASSERT_EQUAL(model_all(f.model, STORE_location).count, 2);
	struct store_write bad = {STORE_location, "a", "{\"cost_us\":\"near\"}", STORE_ANY};
	store_write(f.store, &bad, 1);
	put_location(f.store, "c", 5, STORE_ANY, STORE_OK);
	store_remove(f.store, STORE_location, "b");
	fixture_follow(&f);
	const struct row_location *a = model_get(f.model, STORE_location, "a");
	const struct row_location *c = model_get(f.model, STORE_location, "c");
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(a->cost_us, 1);
	CU_ASSERT_EQUAL(c->cost_us, 5);
	CU_ASSERT_PTR_NULL(model_find(f.model, STORE_location, "b"));
	fixture_close(&f);
}

static void the_model_lists_anew_after_a_trim(void)
{
	struct fixture f;
	fixture_open(&f);
	put_location(f.store, "gone", 1, STORE_ANY, STORE_OK);
	fixture_follow(&f);
	store_remove(f.store, STORE_location, "gone");
	for (unsigned i = 0; i < 10; i++)
		put_location(f.store, "par", i, STORE_ANY, STORE_OK);
	store_trim(f.store, 1);
	fixture_follow(&f);
	CU_ASSERT_EQUAL(model_all(f.model, STORE_location).count, 1);
	CU_ASSERT_PTR_NULL(model_find(f.model, STORE_location, "gone"));
	fixture_close(&f);
}

static void a_range_holds_exactly_the_keys_with_the_prefix(void)
{
	struct fixture f;
	fixture_open(&f);
	fixture_instance(&f, "a", "10.0.0.1:80", "par", "");
	fixture_instance(&f, "a-b", "10.0.0.2:80", "par", "");
	fixture_instance(&f, "a.b", "10.0.0.3:80", "par", "");
	fixture_instance(&f, "a", "10.0.0.4:80", "par", "");
	fixture_follow(&f);
	CU_ASSERT_EQUAL(model_range(f.model, STORE_instance, "a/").count, 2);
	CU_ASSERT_EQUAL(model_range(f.model, STORE_instance, "a-b/").count, 1);
	CU_ASSERT_EQUAL(model_range(f.model, STORE_instance, "b/").count, 0);
	fixture_close(&f);
}

// What is deferred is seen by others at once; a disk that fails is told to who wrote, once, and not
// to who writes nothing.
static void a_deferred_write_is_seen_before_it_is_on_the_disk(void)
{
	struct fixture f;
	fixture_open(&f);
	struct store *others = fixture_store(&f, "registry.db");
	put_location(f.store, "par", 1, STORE_ANY, STORE_OK); // SQLite begins its log
	unsigned before = synced_count;
	put_location(f.store, "par", 2, STORE_ANY, STORE_OK);
	CU_ASSERT_EQUAL(synced_count, before + 1);
	store_defer(f.store);
	put_location(f.store, "fra", 1, STORE_ANY, STORE_OK);
	put_location(f.store, "nyc", 1, STORE_ANY, STORE_OK);
	CU_ASSERT_EQUAL(synced_count, before + 1);
	CU_ASSERT(store_id(others, STORE_location, "nyc") != 0);
	is_disk_broken = true;
	CU_ASSERT_EQUAL(store_sync(f.store), STORE_BROKEN);
	CU_ASSERT_PTR_NOT_NULL(strstr(store_error(f.store), "Input/output error"));
	store_defer(f.store);
	CU_ASSERT_EQUAL(store_sync(f.store), STORE_OK); // nothing new was written
	put_location(f.store, "par", 3, STORE_ANY, STORE_BROKEN);
	is_disk_broken = false;
	put_location(f.store, "par", 4, STORE_ANY, STORE_OK);
	CU_ASSERT_EQUAL(synced_count, before + 2);
	store_close(others);
	fixture_close(&f);
}

UNIT_MAIN("store", {"a row comes back as it was written", a_row_comes_back_as_it_was_written},
	  {"the file is private", the_file_is_private},
	  {"an id lasts while the row lives", an_id_lasts_while_the_row_lives},
	  {"a write of what somebody changed is refused",
	   a_write_of_what_somebody_changed_is_refused},
	  {"of several writes all happen or none", of_several_writes_all_happen_or_none},
	  {"changes tell each row once, in the order of writing",
	   changes_tell_each_row_once_in_the_order_of_writing},
	  {"another connection notices a change", another_connection_notices_a_change},
	  {"a log that was trimmed asks for a new list",
	   a_log_that_was_trimmed_asks_for_a_new_list},
	  {"a deferred write is seen before it is on the disk",
	   a_deferred_write_is_seen_before_it_is_on_the_disk},
	  {"a schema of the future is refused", a_schema_of_the_future_is_refused},
	  {"a file that is no database is told", a_file_that_is_no_database_is_told},
	  {"the model follows, and survives a row it cannot read",
	   the_model_follows_and_survives_a_row_it_cannot_read},
	  {"the model lists anew after a trim", the_model_lists_anew_after_a_trim},
	  {"a range holds exactly the keys with the prefix",
	   a_range_holds_exactly_the_keys_with_the_prefix})
