// SPDX-License-Identifier: Apache-2.0
// The store in one SQLite file, write-ahead logged, shared by the control processes of one machine.
// Each write adds its line to `log` in the same transaction; others notice by data_version.
#include "store.h"

#include <sqlite3.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STORE_SCHEMA_VERSION 1
#define STORE_BUSY_MS        2000

enum statement {
	STATEMENT_GET,
	STATEMENT_LIST,
	STATEMENT_LIST_ALL,
	STATEMENT_UPSERT,
	STATEMENT_REMOVE,
	STATEMENT_LOG,
	STATEMENT_POSITION,
	STATEMENT_OLDEST,
	STATEMENT_CHANGES,
	STATEMENT_DATA_VERSION,
	STATEMENT_TRIM,
	STATEMENT_BEGIN,
	STATEMENT_BEGIN_READ,
	STATEMENT_COMMIT,
	STATEMENT_ROLLBACK,
	STATEMENT_COUNT
};

static const char *const statement_text[STATEMENT_COUNT] = {
	[STATEMENT_GET] =
		"SELECT kind, id, revision, key, value FROM row WHERE kind = ? AND key = ?",
	[STATEMENT_LIST] =
		"SELECT kind, id, revision, key, value FROM row WHERE kind = ? ORDER BY key",
	[STATEMENT_LIST_ALL] = "SELECT kind, id, revision, key, value FROM row ORDER BY kind, key",
	[STATEMENT_UPSERT] = "INSERT INTO row(kind, key, value, revision) VALUES(?1, ?2, ?3, ?4) "
			     "ON CONFLICT(kind, key) DO UPDATE SET value = ?3, revision = ?4",
	[STATEMENT_REMOVE] = "DELETE FROM row WHERE kind = ? AND key = ?",
	[STATEMENT_LOG] = "INSERT INTO log(kind, key) VALUES(?, ?)",
	[STATEMENT_POSITION] =
		"SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'log'",
	[STATEMENT_OLDEST] = "SELECT coalesce(min(revision), 0) FROM log",
	[STATEMENT_CHANGES] =
		"SELECT l.kind, coalesce(r.id, 0), max(l.revision), l.key, r.value FROM log l "
		"LEFT JOIN row r ON r.kind = l.kind AND r.key = l.key "
		"WHERE l.revision > ? GROUP BY l.kind, l.key ORDER BY 3",
	[STATEMENT_DATA_VERSION] = "PRAGMA data_version",
	[STATEMENT_TRIM] = "DELETE FROM log WHERE revision <= "
			   "(SELECT coalesce(max(revision), 0) FROM log) - ?",
	[STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
	[STATEMENT_BEGIN_READ] = "BEGIN",
	[STATEMENT_COMMIT] = "COMMIT",
	[STATEMENT_ROLLBACK] = "ROLLBACK",
};

static const char store_schema[] =
	"CREATE TABLE row(id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,"
	" key TEXT NOT NULL, value TEXT NOT NULL, revision INTEGER NOT NULL, UNIQUE(kind, key));"
	"CREATE TABLE log(revision INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,"
	" key TEXT NOT NULL);";

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT];
	int64_t data_version; // of the last look
	bool has_written;     // since the last look
	int log_fd;           // owned: the write-ahead log's file; -1: nobody waits for the disk
	bool is_deferring;
	bool is_unsynced;
	char error[STORE_ERROR_BYTES];
};

// broken keeps the engine's error text.
static enum store_result broken(struct store *store)
{
	snprintf(store->error, sizeof(store->error), "%s", sqlite3_errmsg(store->db));
	return STORE_BROKEN;
}

// use readies a statement for new bindings.
static sqlite3_stmt *use(struct store *store, enum statement which)
{
	sqlite3_reset(store->statements[which]);
	sqlite3_clear_bindings(store->statements[which]);
	return store->statements[which];
}

// run executes a statement that yields no rows. True when it was done.
static bool run(struct store *store, sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement);
	if (result != SQLITE_DONE)
		broken(store);
	sqlite3_reset(statement);
	return result == SQLITE_DONE;
}

// number runs a statement that yields one number.
static int64_t number(struct store *store, enum statement which)
{
	sqlite3_stmt *statement = use(store, which);
	int64_t value =
		sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
	if (value < 0)
		broken(store);
	sqlite3_reset(statement);
	return value;
}

// bind_name binds kind and key as the first two parameters.
static sqlite3_stmt *bind_name(sqlite3_stmt *statement, enum store_kind kind, const char *key)
{
	sqlite3_bind_text(statement, 1, row_kind_name(kind), -1, SQLITE_STATIC);
	if (key)
		sqlite3_bind_text(statement, 2, key, -1, SQLITE_STATIC);
	return statement;
}

// execute runs plain SQL; used while opening only.
static bool execute(struct store *store, const char *sql)
{
	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	broken(store);
	return false;
}

// read_version reads the schema's version of the file; -1 when it cannot.
static int read_version(struct store *store)
{
	sqlite3_stmt *statement;
	int version = -1;
	if (sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(statement) == SQLITE_ROW)
		version = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return version;
}

// make_schema creates the tables of a new file; several processes may come at once.
static bool make_schema(struct store *store, uint32_t id_base)
{
	char sql[256];
	if (!execute(store, "BEGIN IMMEDIATE"))
		return false;
	int version = read_version(store);
	if (version == STORE_SCHEMA_VERSION)
		return execute(store, "COMMIT");
	if (version != 0) {
		execute(store, "ROLLBACK");
		snprintf(store->error, sizeof(store->error),
			 "its schema is version %d, this program knows %d", version,
			 STORE_SCHEMA_VERSION);
		return false;
	}
	snprintf(sql, sizeof(sql),
		 "INSERT INTO sqlite_sequence(name, seq) VALUES('row', %u);"
		 "PRAGMA user_version = %d; COMMIT",
		 id_base, STORE_SCHEMA_VERSION);
	return execute(store, store_schema) && execute(store, sql);
}

// prepare_all compiles the statements.
static bool prepare_all(struct store *store)
{
	for (unsigned i = 0; i < STATEMENT_COUNT; i++)
		if (sqlite3_prepare_v3(store->db, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &store->statements[i], NULL) != SQLITE_OK) {
			broken(store);
			return false;
		}
	return true;
}

// use_wal turns write-ahead logging on. Others that open a new file at the same moment hold a lock
// that the busy timeout does not wait for.
static bool use_wal(struct store *store)
{
	for (unsigned try = 0; try < 100; try++) {
		if (execute(store, "PRAGMA journal_mode = WAL"))
			return true;
		if (sqlite3_errcode(store->db) != SQLITE_BUSY)
			return false;
		usleep(10000);
	}
	return false;
}

// open_log opens the write-ahead log's file, which is there while anybody has the database open.
// SQLite waits for the disk before it takes over what is in the log (synchronous = NORMAL); that a
// commit is on the disk is for us to wait for (store_sync), so that others may use it before.
static bool open_log(struct store *store, const char *path)
{
	char log_path[4096];
	int bytes = snprintf(log_path, sizeof(log_path), "%s-wal", path);
	if (bytes < (int)sizeof(log_path))
		store->log_fd = open(log_path, O_RDONLY | O_CLOEXEC);
	else
		errno = ENAMETOOLONG;
	if (store->log_fd < 0)
		snprintf(store->error, sizeof(store->error), "its log: %s", strerror(errno));
	return store->log_fd >= 0;
}

// open_file opens path and readies it.
static bool open_file(struct store *store, const struct store_options *options)
{
	int fd = open(options->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		snprintf(store->error, sizeof(store->error), "%s", strerror(errno));
		return false;
	}
	close(fd);
	if (sqlite3_open_v2(options->path, &store->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
		broken(store);
		return false;
	}
	sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
	return use_wal(store) &&
	       execute(store, options->is_local ? "PRAGMA synchronous = OFF"
						: "PRAGMA synchronous = NORMAL") &&
	       make_schema(store, options->id_base) && prepare_all(store) &&
	       (options->is_local || open_log(store, options->path));
}

struct store *store_open(const struct store_options *options, char *error)
{
	struct store *store = calloc(1, sizeof(*store));
	if (!store) {
		snprintf(error, STORE_ERROR_BYTES, "out of memory");
		return NULL;
	}
	store->data_version = -1;
	store->log_fd = -1;
	if (open_file(store, options))
		return store;
	snprintf(error, STORE_ERROR_BYTES, "%.120s: %.120s", options->path, store->error);
	store_close(store);
	return NULL;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (unsigned i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->db);
	if (store->log_fd >= 0)
		close(store->log_fd);
	free(store);
}

// visit_all lends every row a statement yields; kinds of a newer program are passed over.
// *revision, unless NULL, becomes that of the last row.
static enum store_result visit_all(struct store *store, sqlite3_stmt *statement, store_visit *visit,
				   void *user, uint64_t *revision)
{
	int result;
	while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_row row = {
			.kind = row_kind_of((const char *)sqlite3_column_text(statement, 0)),
			.id = (uint64_t)sqlite3_column_int64(statement, 1),
			.revision = (uint64_t)sqlite3_column_int64(statement, 2),
			.key = (const char *)sqlite3_column_text(statement, 3),
			.value = (const char *)sqlite3_column_text(statement, 4),
		};
		if (row.kind != STORE_KIND_COUNT && row.key)
			visit(user, &row);
		if (revision)
			*revision = row.revision;
	}
	if (result != SQLITE_DONE)
		broken(store);
	sqlite3_reset(statement);
	return result == SQLITE_DONE ? STORE_OK : STORE_BROKEN;
}

struct counting_visit {
	store_visit *visit;
	void *user;
	unsigned count;
};

static void count_and_visit(void *user, const struct store_row *row)
{
	struct counting_visit *counting = user;
	counting->count++;
	if (counting->visit)
		counting->visit(counting->user, row);
}

enum store_result store_get(struct store *store, enum store_kind kind, const char *key,
			    store_visit *visit, void *user)
{
	struct counting_visit counting = {visit, user, 0};
	sqlite3_stmt *statement = bind_name(use(store, STATEMENT_GET), kind, key);
	enum store_result result = visit_all(store, statement, count_and_visit, &counting, NULL);
	if (result == STORE_OK && counting.count == 0)
		return STORE_ABSENT;
	return result;
}

struct reading {
	void *row;
	uint64_t id;
	uint64_t revision;
	const char *wrong;
};

static void read_row(void *user, const struct store_row *row)
{
	struct reading *reading = user;
	reading->id = row->id;
	reading->revision = row->revision;
	if (reading->row)
		reading->wrong = row_decode(row->kind, row->value, reading->row);
}

enum store_result store_read(struct store *store, enum store_kind kind, const char *key, void *row,
			     uint64_t *revision)
{
	struct reading reading = {.row = row};
	memset(row, 0, row_bytes(kind));
	enum store_result result = store_get(store, kind, key, read_row, &reading);
	if (result == STORE_OK && reading.wrong) {
		snprintf(store->error, sizeof(store->error), "row %s %.100s: %s",
			 row_kind_name(kind), key, reading.wrong);
		return STORE_BROKEN;
	}
	if (revision)
		*revision = reading.revision;
	return result;
}

uint64_t store_id(struct store *store, enum store_kind kind, const char *key)
{
	struct reading reading = {0};
	store_get(store, kind, key, read_row, &reading);
	return reading.id;
}

enum store_result store_list(struct store *store, enum store_kind kind, store_visit *visit,
			     void *user, uint64_t *revision)
{
	if (!run(store, use(store, STATEMENT_BEGIN_READ)))
		return STORE_BROKEN;
	if (revision)
		*revision = (uint64_t)number(store, STATEMENT_POSITION);
	sqlite3_stmt *statement = kind == STORE_KIND_COUNT
					  ? use(store, STATEMENT_LIST_ALL)
					  : bind_name(use(store, STATEMENT_LIST), kind, NULL);
	enum store_result result = visit_all(store, statement, visit, user, NULL);
	run(store, use(store, STATEMENT_COMMIT));
	return result;
}

// check_expected compares a row's revision with what the writer expects.
static enum store_result check_expected(struct store *store, const struct store_write *write)
{
	struct reading reading = {0};
	if (write->expect == STORE_ANY)
		return STORE_OK;
	enum store_result result = store_get(store, write->kind, write->key, read_row, &reading);
	if (result == STORE_BROKEN)
		return result;
	return reading.revision == write->expect ? STORE_OK : STORE_CONFLICT;
}

// write_one applies one write inside a transaction.
static enum store_result write_one(struct store *store, const struct store_write *write)
{
	enum store_result result = check_expected(store, write);
	if (result != STORE_OK)
		return result;
	if (!write->value) {
		if (!run(store, bind_name(use(store, STATEMENT_REMOVE), write->kind, write->key)))
			return STORE_BROKEN;
		if (sqlite3_changes(store->db) == 0)
			return STORE_OK;
	}
	if (!run(store, bind_name(use(store, STATEMENT_LOG), write->kind, write->key)))
		return STORE_BROKEN;
	if (!write->value)
		return STORE_OK;
	int64_t revision = sqlite3_last_insert_rowid(store->db);
	sqlite3_stmt *statement = bind_name(use(store, STATEMENT_UPSERT), write->kind, write->key);
	sqlite3_bind_text(statement, 3, write->value, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 4, revision);
	return run(store, statement) ? STORE_OK : STORE_BROKEN;
}

enum store_result store_write(struct store *store, const struct store_write *writes, size_t count)
{
	if (!run(store, use(store, STATEMENT_BEGIN)))
		return STORE_BROKEN;
	enum store_result result = STORE_OK;
	for (size_t i = 0; i < count && result == STORE_OK; i++)
		result = write_one(store, &writes[i]);
	if (result == STORE_OK && !run(store, use(store, STATEMENT_COMMIT)))
		result = STORE_BROKEN;
	if (result != STORE_OK) {
		sqlite3_step(use(store, STATEMENT_ROLLBACK));
		return result;
	}
	store->has_written = store->is_unsynced = true;
	return store->is_deferring ? STORE_OK : store_sync(store);
}

void store_defer(struct store *store)
{
	store->is_deferring = true;
}

enum store_result store_sync(struct store *store)
{
	bool is_needed = store->is_unsynced && store->log_fd >= 0;
	store->is_deferring = store->is_unsynced = false;
	if (is_needed && fdatasync(store->log_fd) != 0) {
		snprintf(store->error, sizeof(store->error), "fdatasync: %s", strerror(errno));
		return STORE_BROKEN;
	}
	return STORE_OK;
}

enum store_result store_put(struct store *store, enum store_kind kind, const char *key,
			    const void *row, uint64_t expect)
{
	char *value = row_encode(kind, row);
	if (!value) {
		snprintf(store->error, sizeof(store->error), "row %s %.100s is not UTF-8",
			 row_kind_name(kind), key);
		return STORE_BROKEN;
	}
	struct store_write write = {kind, key, value, expect};
	enum store_result result = store_write(store, &write, 1);
	free(value);
	return result;
}

enum store_result store_remove(struct store *store, enum store_kind kind, const char *key)
{
	struct store_write write = {kind, key, NULL, STORE_ANY};
	return store_write(store, &write, 1);
}

bool store_has_changed(struct store *store)
{
	int64_t version = number(store, STATEMENT_DATA_VERSION);
	bool has_changed = store->has_written || version != store->data_version;
	store->has_written = false;
	store->data_version = version;
	return has_changed;
}

enum store_result store_changes(struct store *store, uint64_t *revision, store_visit *visit,
				void *user)
{
	if (!run(store, use(store, STATEMENT_BEGIN_READ)))
		return STORE_BROKEN;
	int64_t position = number(store, STATEMENT_POSITION);
	int64_t oldest = number(store, STATEMENT_OLDEST);
	enum store_result result = STORE_OK;
	if (position < 0 || oldest < 0)
		result = STORE_BROKEN;
	else if (*revision > (uint64_t)position ||
		 (*revision < (uint64_t)position && *revision + 1 < (uint64_t)oldest))
		result = STORE_COMPACTED;
	if (result == STORE_OK && *revision < (uint64_t)position) {
		sqlite3_stmt *statement = use(store, STATEMENT_CHANGES);
		sqlite3_bind_int64(statement, 1, (int64_t)*revision);
		result = visit_all(store, statement, visit, user, revision);
	}
	run(store, use(store, STATEMENT_COMMIT));
	return result;
}

enum store_result store_trim(struct store *store, uint64_t keep_count)
{
	sqlite3_stmt *statement = use(store, STATEMENT_TRIM);
	sqlite3_bind_int64(statement, 1, (int64_t)keep_count);
	return run(store, statement) ? STORE_OK : STORE_BROKEN;
}

const char *store_error(const struct store *store)
{
	return store->error;
}
