// SPDX-License-Identifier: Apache-2.0
// Rows as structs and as JSON; see row.h. A field table a kind, made from row.def, drives both
// ways.
#include "row.h"

#include <jansson.h>

#include <string.h>

enum row_field_type { ROW_FIELD_TEXT, ROW_FIELD_NUMBER, ROW_FIELD_FLAG };

struct row_field {
	const char *name; // NULL ends the table
	enum row_field_type type;
	size_t offset;
	size_t bytes;
};

#define ROW_BEGIN(kind) static const struct row_field kind##_fields[] = {
#define ROW_TEXT(kind, field, bytes)                                                               \
	{#field, ROW_FIELD_TEXT, offsetof(struct row_##kind, field), bytes},
#define ROW_NUMBER(kind, field)                                                                    \
	{#field, ROW_FIELD_NUMBER, offsetof(struct row_##kind, field), sizeof(uint64_t)},
#define ROW_FLAG(kind, field)                                                                      \
	{#field, ROW_FIELD_FLAG, offsetof(struct row_##kind, field), sizeof(bool)},
#define ROW_END(kind)                                                                              \
	{                                                                                          \
		NULL, ROW_FIELD_TEXT, 0, 0                                                         \
	}                                                                                          \
	}                                                                                          \
	;
#include "row.def"
#undef ROW_BEGIN
#undef ROW_TEXT
#undef ROW_NUMBER
#undef ROW_FLAG
#undef ROW_END

struct row_schema {
	const char *name;
	const struct row_field *fields;
	size_t bytes;
};

#define ROW_BEGIN(kind) {#kind, kind##_fields, sizeof(struct row_##kind)},
#define ROW_TEXT(kind, field, bytes)
#define ROW_NUMBER(kind, field)
#define ROW_FLAG(kind, field)
#define ROW_END(kind)
static const struct row_schema row_schemas[STORE_KIND_COUNT] = {
#include "row.def"
};

const char *row_kind_name(enum store_kind kind)
{
	return kind < STORE_KIND_COUNT ? row_schemas[kind].name : "?";
}

enum store_kind row_kind_of(const char *name)
{
	for (unsigned kind = 0; kind < STORE_KIND_COUNT; kind++)
		if (strcmp(row_schemas[kind].name, name) == 0)
			return (enum store_kind)kind;
	return STORE_KIND_COUNT;
}

size_t row_bytes(enum store_kind kind)
{
	return row_schemas[kind].bytes;
}

// field_json makes the JSON value of one field.
static json_t *field_json(const struct row_field *field, const void *at)
{
	switch (field->type) {
	case ROW_FIELD_TEXT: return json_string(at);
	case ROW_FIELD_NUMBER: return json_integer((json_int_t) * (const uint64_t *)at);
	case ROW_FIELD_FLAG: return json_boolean(*(const bool *)at);
	}
	return NULL;
}

char *row_encode(enum store_kind kind, const void *row)
{
	json_t *object = json_object();
	bool is_whole = object != NULL;
	for (const struct row_field *f = row_schemas[kind].fields; f->name; f++)
		if (json_object_set_new(object, f->name,
					field_json(f, (const char *)row + f->offset)))
			is_whole = false;
	char *text = is_whole ? json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
	json_decref(object);
	return text;
}

// field_read fills one field. Returns NULL, or what is wrong.
static const char *field_read(const struct row_field *field, const json_t *value, void *at)
{
	if (field->type == ROW_FIELD_TEXT) {
		if (!json_is_string(value))
			return "a field is not a text";
		return row_copy_text(at, field->bytes, json_string_value(value))
			       ? NULL
			       : "a text is too long";
	}
	if (field->type == ROW_FIELD_NUMBER) {
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return "a field is not a number";
		*(uint64_t *)at = (uint64_t)json_integer_value(value);
		return NULL;
	}
	if (!json_is_boolean(value))
		return "a field is not true or false";
	*(bool *)at = json_is_true(value);
	return NULL;
}

const char *row_decode(enum store_kind kind, const char *json, void *row)
{
	memset(row, 0, row_schemas[kind].bytes);
	json_t *object = json_loads(json, 0, NULL);
	const char *wrong = json_is_object(object) ? NULL : "not a JSON object";
	for (const struct row_field *f = row_schemas[kind].fields; f->name && !wrong; f++) {
		const json_t *value = json_object_get(object, f->name);
		if (value)
			wrong = field_read(f, value, (char *)row + f->offset);
	}
	json_decref(object);
	if (wrong)
		memset(row, 0, row_schemas[kind].bytes);
	return wrong;
}

bool row_copy_text(char *out, size_t bytes, const char *text)
{
	size_t length = strlen(text);
	out[0] = 0;
	if (length >= bytes)
		return false;
	memcpy(out, text, length + 1);
	return true;
}
