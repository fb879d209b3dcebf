// SPDX-License-Identifier: Apache-2.0
// Rows in memory; see model.h. One sorted array of pointers a kind: a list comes sorted, so loading
// appends; a single change moves at most the pointers behind it.
#include "model.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>

struct shelf {
	struct model_row **rows;
	size_t count;
	size_t room;
};

struct model {
	struct shelf shelves[STORE_KIND_COUNT];
	uint64_t revision; // of the store's log, up to which this model knows
	uint32_t changed;
	bool has_listed;
};

struct model *model_new(void)
{
	return calloc(1, sizeof(struct model));
}

static void row_free(struct model_row *row)
{
	free(row->key);
	free(row->row);
	free(row);
}

static void shelf_clear(struct shelf *shelf)
{
	for (size_t i = 0; i < shelf->count; i++)
		row_free(shelf->rows[i]);
	free(shelf->rows);
	*shelf = (struct shelf){0};
}

void model_free(struct model *model)
{
	if (!model)
		return;
	for (unsigned kind = 0; kind < STORE_KIND_COUNT; kind++)
		shelf_clear(&model->shelves[kind]);
	free(model);
}

// place finds the index of the first row whose key is not below key.
static size_t place(const struct shelf *shelf, const char *key)
{
	size_t low = 0;
	size_t high = shelf->count;
	if (high && strcmp(shelf->rows[high - 1]->key, key) < 0)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(shelf->rows[middle]->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct shelf *shelf, size_t index, const char *key)
{
	return index < shelf->count && strcmp(shelf->rows[index]->key, key) == 0;
}

static void shelf_remove(struct shelf *shelf, size_t index)
{
	row_free(shelf->rows[index]);
	shelf->count--;
	memmove(shelf->rows + index, shelf->rows + index + 1,
		(shelf->count - index) * sizeof(struct model_row *));
}

// shelf_insert puts row at index. False when memory is short.
static bool shelf_insert(struct shelf *shelf, size_t index, struct model_row *row)
{
	if (shelf->count == shelf->room) {
		size_t room = shelf->room ? shelf->room * 2 : 16;
		struct model_row **rows = realloc(shelf->rows, room * sizeof(struct model_row *));
		if (!rows)
			return false;
		shelf->rows = rows;
		shelf->room = room;
	}
	memmove(shelf->rows + index + 1, shelf->rows + index,
		(shelf->count - index) * sizeof(struct model_row *));
	shelf->rows[index] = row;
	shelf->count++;
	return true;
}

// row_new decodes a store row. NULL: *wrong says why.
static struct model_row *row_new(const struct store_row *from, const char **wrong)
{
	struct model_row *row = calloc(1, sizeof(*row));
	if (!row)
		return NULL;
	row->id = from->id;
	row->revision = from->revision;
	row->key = strdup(from->key);
	row->row = malloc(row_bytes(from->kind));
	*wrong = row->key && row->row ? row_decode(from->kind, from->value, row->row)
				      : "out of memory";
	if (!*wrong)
		return row;
	row_free(row);
	return NULL;
}

const char *model_apply(struct model *model, const struct store_row *from)
{
	struct shelf *shelf = &model->shelves[from->kind];
	size_t index = place(shelf, from->key);
	bool is_known = is_at(shelf, index, from->key);
	if (!from->value) {
		if (is_known)
			shelf_remove(shelf, index);
		return NULL;
	}
	const char *wrong = "out of memory";
	struct model_row *row = row_new(from, &wrong);
	if (!row)
		return wrong;
	if (is_known) {
		row_free(shelf->rows[index]);
		shelf->rows[index] = row;
		return NULL;
	}
	if (shelf_insert(shelf, index, row))
		return NULL;
	row_free(row);
	return "out of memory";
}

static void take(void *user, const struct store_row *row)
{
	struct model *model = user;
	const char *wrong = model_apply(model, row);
	if (wrong)
		log_warning("registry row %s %s is passed over: %s", row_kind_name(row->kind),
			    row->key, wrong);
	model->changed |= 1u << row->kind;
}

// list_anew reads everything into fresh shelves, and swaps only when that went well.
static enum store_result list_anew(struct model *model, struct store *store)
{
	struct model fresh = {.has_listed = true};
	enum store_result result =
		store_list(store, STORE_KIND_COUNT, take, &fresh, &fresh.revision);
	struct model *dropped = result == STORE_OK ? model : &fresh;
	for (unsigned kind = 0; kind < STORE_KIND_COUNT; kind++)
		shelf_clear(&dropped->shelves[kind]);
	if (result != STORE_OK)
		return result;
	*model = fresh;
	model->changed = UINT32_MAX;
	return STORE_OK;
}

enum store_result model_follow(struct model *model, struct store *store, uint32_t *changed)
{
	*changed = 0;
	if (!store_has_changed(store) && model->has_listed)
		return STORE_OK;
	model->changed = 0;
	enum store_result result = STORE_COMPACTED;
	if (model->has_listed)
		result = store_changes(store, &model->revision, take, model);
	if (result == STORE_COMPACTED)
		result = list_anew(model, store);
	*changed = model->changed;
	return result;
}

struct model_rows model_all(const struct model *model, enum store_kind kind)
{
	const struct shelf *shelf = &model->shelves[kind];
	return (struct model_rows){(const struct model_row *const *)shelf->rows, shelf->count};
}

struct model_rows model_range(const struct model *model, enum store_kind kind, const char *prefix)
{
	const struct shelf *shelf = &model->shelves[kind];
	size_t first = place(shelf, prefix);
	size_t end = first;
	while (end < shelf->count && strncmp(shelf->rows[end]->key, prefix, strlen(prefix)) == 0)
		end++;
	if (first == end)
		return (struct model_rows){0};
	return (struct model_rows){(const struct model_row *const *)shelf->rows + first,
				   end - first};
}

const struct model_row *model_find(const struct model *model, enum store_kind kind, const char *key)
{
	const struct shelf *shelf = &model->shelves[kind];
	size_t index = place(shelf, key);
	return is_at(shelf, index, key) ? shelf->rows[index] : NULL;
}

const void *model_get(const struct model *model, enum store_kind kind, const char *key)
{
	const struct model_row *row = model_find(model, kind, key);
	return row ? row->row : NULL;
}
