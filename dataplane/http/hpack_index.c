// SPDX-License-Identifier: Apache-2.0
// Fields with a dynamic table; see hpack_index.h. A hash leads to one entry at most, which is
// compared with the field: who makes fields of equal hashes drives his own out, no more.
#include "hpack_index.h"

#include "check.h"
#include "hpack_write.h"

#define ENTRY_SHARE 4u // an entry is no more than this part of the table

void hpack_writer_init(struct hpack_writer *writer, struct hpack_memory memory)
{
	*writer = (struct hpack_writer){0};
	hpack_table_init(&writer->table, memory);
}

void hpack_writer_fini(struct hpack_writer *writer)
{
	hpack_table_fini(&writer->table);
}

static inline uint64_t eight_at(const char *at)
{
	uint64_t eight;
	memcpy(&eight, at, sizeof(eight));
	return eight;
}

static uint64_t all_of(struct slice text)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < text.bytes; i++)
		sum = sum << 8 | (uint8_t)text.at[i];
	return sum;
}

// hash_of is of a value's ends and middle: two that differ elsewhere share a place in seen.
static uint32_t hash_of(struct slice name, struct slice value)
{
	uint64_t sum = name.bytes << 8 | value.bytes << 16;
	if (name.bytes)
		sum |= (uint64_t)(uint8_t)name.at[0] << 48 |
		       (uint64_t)(uint8_t)name.at[name.bytes - 1] << 56;
	sum *= 0xff51afd7ed558ccdu;
	if (value.bytes < 8)
		return (uint32_t)(((sum ^ all_of(value)) * 0xc4ceb9fe1a85ec53u) >> 32);
	size_t last = value.bytes - 8;
	sum ^= eight_at(value.at) * 0x9e3779b97f4a7c15u;
	sum ^= eight_at(value.at + last / 2) * 0xc2b2ae3d27d4eb4fu;
	sum ^= eight_at(value.at + last);
	return (uint32_t)((sum * 0xc4ceb9fe1a85ec53u) >> 32);
}

// is_secret: RFC 7541 7.1.3. A table that many users' requests share shall not have it, nor shall
// whoever writes it on.
static bool is_secret(struct slice name)
{
	switch (name.bytes) {
	case 6: return slice_equal(name, SLICE("cookie"));
	case 10: return slice_equal(name, SLICE("set-cookie"));
	case 13: return slice_equal(name, SLICE("authorization"));
	case 19: return slice_equal(name, SLICE("proxy-authorization"));
	default: return false;
	}
}

// find is the index of the entry that seen leads to, when it is the field; else 0.
static uint32_t find(const struct hpack_table *table, const struct hpack_seen *seen,
		     struct slice name, struct slice value)
{
	uint32_t age = table->first + table->count - 1 - seen->number;
	if (age >= table->count)
		return 0;
	struct hpack_field entry = hpack_table_field(table, seen->number);
	bool is_same = slice_equal(entry.value, value) && slice_equal(entry.name, name);
	return is_same ? HPACK_STATIC_COUNT + 1 + age : 0;
}

static bool enter(struct hpack_writer *writer, struct hpack_seen *seen, struct slice name,
		  struct slice value)
{
	struct hpack_table *table = &writer->table;
	struct hpack_field field = {.name = name, .value = value};
	size_t bytes = name.bytes + value.bytes + HPACK_ENTRY_BYTES;
	if (bytes > table->most / ENTRY_SHARE || !hpack_table_enter(table, &field))
		return false;
	seen->number = table->first + table->count - 1;
	return true;
}

uint8_t *hpack_write_indexed(struct hpack_writer *writer, uint8_t *at, struct slice name,
			     struct slice value)
{
	if (is_secret(name))
		return hpack_write_as(at, HPACK_NEVER, name, value);
	uint32_t hash = hash_of(name, value);
	struct hpack_seen *seen = &writer->seen[hash % HPACK_SEEN_COUNT];
	uint32_t index = find(&writer->table, seen, name, value);
	if (index)
		return hpack_write_index(at, index);
	bool is_again = seen->hash == hash;
	seen->hash = hash;
	bool is_entered = is_again && enter(writer, seen, name, value);
	return hpack_write_as(at, is_entered ? HPACK_ENTER : HPACK_PASS, name, value);
}
