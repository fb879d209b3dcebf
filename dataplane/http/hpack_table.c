// SPDX-License-Identifier: Apache-2.0
// HPACK's dynamic table; see hpack_table.h.
#include "hpack_table.h"

#include "check.h"

#define TEXTS_BYTES_MIN 512u
#define TEXTS_BYTES_MAX 8192u // the entries, and one more before the old ones go

void hpack_table_init(struct hpack_table *table, struct hpack_memory memory)
{
	*table = (struct hpack_table){.memory = memory, .most = HPACK_TABLE_BYTES};
}

void hpack_table_fini(struct hpack_table *table)
{
	if (table->texts)
		table->memory.give(table->memory.user, table->texts);
	table->texts = NULL;
}

// evict drops the oldest entries until there are at most so many bytes (RFC 7541 4.3, 4.4).
static void evict(struct hpack_table *table, uint32_t most)
{
	while (table->count && table->bytes > most) {
		struct hpack_field oldest = hpack_table_field(table, table->first);
		uint32_t text_bytes = (uint32_t)(oldest.name.bytes + oldest.value.bytes);
		table->bytes -= text_bytes + HPACK_ENTRY_BYTES;
		table->start += text_bytes + HPACK_ENTRY_HEAD;
		table->first++;
		table->count--;
	}
}

// move_texts moves the entries to the front of to.
static void move_texts(struct hpack_table *table, uint8_t *to)
{
	uint32_t start = table->start;
	if (table->end > start)
		memmove(to, table->texts + start, table->end - start);
	for (uint32_t i = 0; i < table->count; i++)
		table->at[(table->first + i) % HPACK_ENTRIES_MAX] -= (uint16_t)start;
	table->start = 0;
	table->end -= start;
}

// make_room makes room for bytes behind the last entry; false without memory. Where entries are
// moved half of the memory is free then, but for the largest: it is rare.
static bool make_room(struct hpack_table *table, uint32_t bytes)
{
	if (table->end + bytes <= table->room)
		return true;
	uint32_t needed = table->end - table->start + bytes;
	if (needed <= table->room / 2 ||
	    (needed <= table->room && table->room == TEXTS_BYTES_MAX)) {
		move_texts(table, table->texts);
		return true;
	}
	uint32_t room = MIN(MAX(2 * needed, TEXTS_BYTES_MIN), TEXTS_BYTES_MAX);
	CHECK(needed <= room);
	uint8_t *texts = table->memory.take(table->memory.user, room);
	if (!texts)
		return false;
	move_texts(table, texts);
	if (table->texts)
		table->memory.give(table->memory.user, table->texts);
	table->texts = texts;
	table->room = room;
	return true;
}

static bool is_of_table(const struct hpack_table *table, struct slice text)
{
	const uint8_t *at = (const uint8_t *)text.at;
	return table->texts && at >= table->texts && at < table->texts + table->room;
}

bool hpack_table_enter(struct hpack_table *table, struct hpack_field *field)
{
	struct slice *name = &field->name, *value = &field->value;
	size_t text_bytes = name->bytes + value->bytes;
	if (text_bytes + HPACK_ENTRY_BYTES > table->most) {
		evict(table, 0); // what name is of stays where it is
		return true;
	}
	if (table->count == 0)
		table->start = table->end = 0;
	bool is_moving = is_of_table(table, *name);
	size_t offset = is_moving ? (size_t)((const uint8_t *)name->at - table->texts) : 0;
	offset -= table->start;
	if (!make_room(table, (uint32_t)text_bytes + HPACK_ENTRY_HEAD))
		return false;
	if (is_moving)
		name->at = (const char *)table->texts + table->start + offset;
	uint8_t *entry = table->texts + table->end;
	const uint16_t head[2] = {(uint16_t)name->bytes, (uint16_t)value->bytes};
	memcpy(entry, head, sizeof(head));
	entry[sizeof(head)] = 0;
	if (name->bytes)
		memcpy(entry + HPACK_ENTRY_HEAD, name->at, name->bytes);
	if (value->bytes)
		memcpy(entry + HPACK_ENTRY_HEAD + name->bytes, value->at, value->bytes);
	evict(table, table->most - (uint32_t)text_bytes - HPACK_ENTRY_BYTES);
	uint32_t number = table->first + table->count++;
	table->at[number % HPACK_ENTRIES_MAX] = (uint16_t)table->end;
	table->end += (uint32_t)text_bytes + HPACK_ENTRY_HEAD;
	table->bytes += (uint32_t)text_bytes + HPACK_ENTRY_BYTES;
	*field = hpack_table_field(table, number);
	return true;
}

void hpack_table_limit(struct hpack_table *table, uint32_t most)
{
	table->most = most;
	evict(table, most);
}
