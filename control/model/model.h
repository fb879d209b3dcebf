// SPDX-License-Identifier: Apache-2.0
// A store's rows in memory, decoded, in the order of their keys. Follows the store by its log.
#pragma once

#include "store.h"

struct model;

// A row as the model holds it; borrowed until the model is changed.
struct model_row {
	uint64_t id;
	uint64_t revision;
	char *key;
	void *row; // struct row_<kind>
};

// A run of rows of one kind, ascending by key. Borrowed until the model is changed.
struct model_rows {
	const struct model_row *const *rows;
	size_t count;
};

// model_new makes an empty model; NULL when memory is short.
struct model *model_new(void);

// model_free ends it; NULL is fine.
void model_free(struct model *model);

// model_apply takes one row, or one removal (value NULL). Returns NULL, or why the row cannot be
// used (a literal); what was known of it before stays.
const char *model_apply(struct model *model, const struct store_row *row);

// model_follow takes what changed in the store since the last call; the first call, and one after
// STORE_COMPACTED, list everything. *changed gets a bit (1 << kind) for each kind that changed.
// On STORE_BROKEN the model stays as it was.
enum store_result model_follow(struct model *model, struct store *store, uint32_t *changed);

// model_all returns every row of kind.
struct model_rows model_all(const struct model *model, enum store_kind kind);

// model_range returns the rows of kind whose keys begin with prefix.
struct model_rows model_range(const struct model *model, enum store_kind kind, const char *prefix);

// model_find returns one row, or NULL.
const struct model_row *model_find(const struct model *model, enum store_kind kind,
				   const char *key);

// model_get returns the struct row_<kind> of one row, or NULL.
const void *model_get(const struct model *model, enum store_kind kind, const char *key);
