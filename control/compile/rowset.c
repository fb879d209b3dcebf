// SPDX-License-Identifier: Apache-2.0
// Sets of wire rows; see rowset.h.
#include "rowset.h"

#include <stdlib.h>
#include <string.h>

// A row is sent after what it needs: a route after its service and endpoints, a hop after its
// names.
static const uint8_t sending_order[RECORD_TYPE_COUNT] = {
	[RECORD_TRUST] = 1,   [RECORD_TICKET_KEY] = 2, [RECORD_IDENTITY] = 3, [RECORD_CERT] = 4,
	[RECORD_SERVICE] = 5, [RECORD_LOCATION] = 6,   [RECORD_PRESENCE] = 7, [RECORD_ENDPOINT] = 8,
	[RECORD_POLICY] = 9,  [RECORD_ROUTE] = 10,
};

struct rowset *rowset_new(void)
{
	struct rowset *set = calloc(1, sizeof(*set));
	if (set)
		set->reference_count = 1;
	return set;
}

struct rowset *rowset_hold(struct rowset *set)
{
	set->reference_count++;
	return set;
}

static void row_drop(struct rowset_row *row)
{
	// Payloads may hold private keys.
	explicit_bzero((void *)(uintptr_t)row->payload, row->bytes);
	free((void *)(uintptr_t)row->payload);
}

void rowset_drop(struct rowset *set)
{
	if (!set || --set->reference_count > 0)
		return;
	for (uint32_t i = 0; i < set->count; i++)
		row_drop(&set->rows[i]);
	free(set->rows);
	free(set);
}

static bool make_room(struct rowset *set)
{
	if (set->count < set->room)
		return true;
	uint32_t room = set->room ? set->room * 2 : 64;
	struct rowset_row *rows = realloc(set->rows, room * sizeof(*rows));
	if (!rows)
		return false;
	set->rows = rows;
	set->room = room;
	return true;
}

void rowset_add(struct rowset *set, const struct rowset_row *row, const char *tail,
		const char *second_tail)
{
	size_t first = tail ? strlen(tail) : 0;
	size_t second = second_tail ? strlen(second_tail) : 0;
	char *payload = malloc(row->bytes + first + second);
	if (!payload || !make_room(set)) {
		free(payload);
		set->is_short = true;
		return;
	}
	memcpy(payload, row->payload, row->bytes);
	if (first)
		memcpy(payload + row->bytes, tail, first);
	if (second)
		memcpy(payload + row->bytes + first, second_tail, second);
	set->rows[set->count++] = (struct rowset_row){
		.type = row->type,
		.id = row->id,
		.bytes = row->bytes + (uint32_t)first + (uint32_t)second,
		.payload = payload,
	};
}

int rowset_compare(const struct rowset_row *a, const struct rowset_row *b)
{
	if (sending_order[a->type] != sending_order[b->type])
		return sending_order[a->type] < sending_order[b->type] ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return 0;
}

static int compare_for_qsort(const void *a, const void *b)
{
	return rowset_compare(a, b);
}

bool rowset_seal(struct rowset *set)
{
	uint32_t kept = 0;
	if (set->count)
		qsort(set->rows, set->count, sizeof(*set->rows), compare_for_qsort);
	for (uint32_t i = 0; i < set->count; i++) {
		if (kept && rowset_compare(&set->rows[kept - 1], &set->rows[i]) == 0)
			row_drop(&set->rows[i]);
		else
			set->rows[kept++] = set->rows[i];
	}
	set->count = kept;
	return !set->is_short;
}

const struct rowset_row *rowset_find(const struct rowset *set, enum record_type type, uint64_t id)
{
	struct rowset_row wanted = {.type = type, .id = id};
	if (!set->count)
		return NULL;
	return bsearch(&wanted, set->rows, set->count, sizeof(*set->rows), compare_for_qsort);
}

bool rowset_equal(const struct rowset_row *a, const struct rowset_row *b)
{
	return a->bytes == b->bytes && memcmp(a->payload, b->payload, a->bytes) == 0;
}
