// SPDX-License-Identifier: Apache-2.0
// The store: rows by kind and key, each a JSON text, with one ordered log of changes. All nodes of
// a mesh read and write the same one; SQLite is the engine of one machine (store_sqlite.c). The
// calls are those a distributed store can answer too: read, list, compare-and-write, changes since.
#pragma once

#include "row.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

#define STORE_ANY         UINT64_MAX // write whatever is there
#define STORE_NONE        0u         // write only when there is no such row
#define STORE_KEY_BYTES   640u
#define STORE_ERROR_BYTES 256u

enum store_result {
	STORE_OK,
	STORE_ABSENT,    // no such row
	STORE_CONFLICT,  // the row is not at the expected revision; nothing was written
	STORE_COMPACTED, // the log no longer reaches back that far: list everything again
	STORE_BROKEN,    // the engine failed; store_error tells
	STORE_RESULT_COUNT
};

struct store_options {
	const char *path;
	bool is_local;    // one process only: no waiting for the disk (survives a kill, not a power
			  // cut)
	uint32_t id_base; // ids of a new file begin after this
};

// A row as it is now. Borrowed for the call that lends it.
struct store_row {
	enum store_kind kind;
	uint64_t id;       // given at creation, kept by updates; never 0, unique over all kinds
	uint64_t revision; // of its last write
	const char *key;
	const char *value; // NULL: removed (in changes only; id is 0 then)
};

struct store_write {
	enum store_kind kind;
	const char *key;
	const char *value; // NULL removes; removing what is absent is no error
	uint64_t expect;   // STORE_ANY, STORE_NONE, or the revision it must have
};

typedef void store_visit(void *user, const struct store_row *row);

// store_open opens or creates (mode 0600) the file and its schema. NULL: error (STORE_ERROR_BYTES)
// says why.
struct store *store_open(const struct store_options *options, char *error);

// store_close closes; NULL is fine.
void store_close(struct store *store);

// store_get visits one row. STORE_ABSENT when there is none.
enum store_result store_get(struct store *store, enum store_kind kind, const char *key,
			    store_visit *visit, void *user);

// store_read decodes one row into row (row_bytes of kind); revision and id may be NULL.
enum store_result store_read(struct store *store, enum store_kind kind, const char *key, void *row,
			     uint64_t *revision);

// store_id returns the id of a row, or 0 when there is none.
uint64_t store_id(struct store *store, enum store_kind kind, const char *key);

// store_list visits all rows of kind in the order of their keys; STORE_KIND_COUNT: of every kind.
// *revision (may be NULL) is the log's position they are from. Do not write in visit.
enum store_result store_list(struct store *store, enum store_kind kind, store_visit *visit,
			     void *user, uint64_t *revision);

// store_write applies all writes, or none, and logs them; they are on the disk when it returns,
// unless the store defers that (or is local). STORE_BROKEN may also mean that they are applied, but
// not on the disk.
enum store_result store_write(struct store *store, const struct store_write *writes, size_t count);

// store_put encodes and writes one row.
enum store_result store_put(struct store *store, enum store_kind kind, const char *key,
			    const void *row, uint64_t expect);

// store_remove removes one row; absent is fine.
enum store_result store_remove(struct store *store, enum store_kind kind, const char *key);

// store_defer: writes from here on are seen by everybody at once, and outlive this process, but are
// on the disk, safe from a power cut, with store_sync only.
void store_defer(struct store *store);

// store_sync waits until all that was written is on the disk, and ends what store_defer began.
// STORE_BROKEN: it may not be; told once, since the kernel does not try again either.
enum store_result store_sync(struct store *store);

// store_has_changed is cheap: true when another connection wrote since the last call, or this one
// did. False alarms are possible, misses are not.
bool store_has_changed(struct store *store);

// store_changes visits, once each, the rows written or removed after *revision, in the order of
// their last write, and moves *revision on. STORE_COMPACTED: visit nothing.
enum store_result store_changes(struct store *store, uint64_t *revision, store_visit *visit,
				void *user);

// store_trim forgets all but the last keep_count lines of the log.
enum store_result store_trim(struct store *store, uint64_t keep_count);

// store_error borrows the text of the last STORE_BROKEN.
const char *store_error(const struct store *store);
