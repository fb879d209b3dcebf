// SPDX-License-Identifier: Apache-2.0
// What a data plane should know: a sorted, reference-counted, immutable set of wire rows. The
// difference of two sets is a delta, one set alone is a full one.
#pragma once

#include "record.h"

#include <stdbool.h>

struct rowset_row {
	enum record_type type;
	uint64_t id;         // unique in its type; PRESENCE: service << 32 | location
	uint32_t bytes;      // of the payload
	const void *payload; // struct of the type, and its tail
};

struct rowset {
	struct rowset_row *rows; // after rowset_seal: by sending order, then id
	uint32_t count;
	uint32_t room;
	uint32_t reference_count;
	bool is_short; // memory ran out; the set must not be used
};

// rowset_new makes an empty set with one reference; NULL when memory is short.
struct rowset *rowset_new(void);

// rowset_hold takes a reference and returns set; rowset_drop gives one back, wiping at the last
// one.
struct rowset *rowset_hold(struct rowset *set);
void rowset_drop(struct rowset *set);

// rowset_add copies a row (payload of bytes bytes, then the pieces of its tail, either may be
// NULL).
void rowset_add(struct rowset *set, const struct rowset_row *row, const char *tail,
		const char *second_tail);

// rowset_seal sorts; of rows with one type and id the first is kept. False when memory ran out.
bool rowset_seal(struct rowset *set);

// rowset_find returns a row of a sealed set, or NULL.
const struct rowset_row *rowset_find(const struct rowset *set, enum record_type type, uint64_t id);

// rowset_compare orders rows as they are sent: trust and names first, routes last.
int rowset_compare(const struct rowset_row *a, const struct rowset_row *b);

// rowset_equal is true when two rows carry the same bytes.
bool rowset_equal(const struct rowset_row *a, const struct rowset_row *b);
