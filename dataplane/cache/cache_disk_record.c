// SPDX-License-Identifier: Apache-2.0
// What a record on the disk says: an object's head in one piece, without pointers.
//
//   struct packed | key | per field: lengths, name, value | per name in Vary: the same
#include "cache_disk_priv.h"

#include "check.h"

#define ABSENT UINT32_MAX // a value that the request did not have

enum {
	TERM_SHARED = 1,
	TERM_VALIDATED = 2,
	TERM_NEVER_STALE = 4,
	TERM_IMMUTABLE = 8,
	TERM_VALIDATOR = 16,
	TERM_SOFTENED = 32
};

struct packed {
	uint64_t hash, check, born;
	uint64_t service; // its label
	struct cache_freshness freshness;
	int64_t stale_while_s, stale_error_s;
	uint32_t terms;
	uint32_t status;
	uint32_t key_bytes, field_count, vary_count;
	uint32_t reserved;
	char vary[CACHE_DISK_VARY_BYTES];
};

// Bytes that are written or read.
struct room {
	uint8_t *at;
	size_t left;
	bool is_good;
};

static void put(struct room *room, const void *at, size_t bytes)
{
	room->is_good &= bytes <= room->left;
	if (!room->is_good)
		return;
	if (bytes)
		memcpy(room->at, at, bytes);
	room->at += bytes;
	room->left -= bytes;
}

static void put_field(struct room *room, const struct http_field *field)
{
	uint32_t lengths[2] = {(uint32_t)field->name.bytes,
			       field->value.at ? (uint32_t)field->value.bytes : ABSENT};
	put(room, lengths, sizeof(lengths));
	put(room, field->name.at, field->name.bytes);
	put(room, field->value.at, field->value.bytes);
}

static uint32_t terms_of(const struct cache_object *object)
{
	const struct cache_terms *terms = &object->terms;
	return (terms->is_shared ? TERM_SHARED : 0u) |
	       (terms->is_always_validated ? TERM_VALIDATED : 0u) |
	       (terms->is_never_stale ? TERM_NEVER_STALE : 0u) |
	       (terms->is_immutable ? TERM_IMMUTABLE : 0u) |
	       (terms->has_validator ? TERM_VALIDATOR : 0u) |
	       (object->is_softened ? TERM_SOFTENED : 0u);
}

bool cache_disk_vary_names(const struct cache_object *object, char names[CACHE_DISK_VARY_BYTES])
{
	size_t bytes = 0;
	memset(names, 0, CACHE_DISK_VARY_BYTES);
	for (uint32_t i = 0; i < object->vary.count; i++) {
		struct slice name = object->vary.fields[i].name;
		if (bytes + name.bytes + 2 > CACHE_DISK_VARY_BYTES)
			return false;
		if (bytes)
			names[bytes++] = ',';
		memcpy(names + bytes, name.at, name.bytes);
		bytes += name.bytes;
	}
	return true;
}

uint32_t cache_disk_pack(const struct cache_object *object, uint64_t check, const char *names,
			 uint8_t *out)
{
	// The log's own header comes before it.
	struct room room = {out, DISK_HEAD_BYTES - 128, true};
	struct packed packed = {
		.hash = object->key.hash,
		.check = check,
		.born = object->seen,
		.service = object->labels[1],
		.freshness = object->freshness,
		.stale_while_s = object->terms.stale_while_s,
		.stale_error_s = object->terms.stale_error_s,
		.terms = terms_of(object),
		.status = object->head.status,
		.key_bytes = (uint32_t)object->key.text.bytes,
		.field_count = object->head.field_count,
		.vary_count = object->vary.count,
	};
	memcpy(packed.vary, names, sizeof(packed.vary));
	put(&room, &packed, sizeof(packed));
	put(&room, object->key.text.at, object->key.text.bytes);
	for (uint32_t i = 0; i < object->head.field_count; i++)
		put_field(&room, &object->head.fields[i]);
	for (uint32_t i = 0; i < object->vary.count; i++)
		put_field(&room, &object->vary.fields[i]);
	return room.is_good ? (uint32_t)(room.at - out) : 0;
}

static bool take(struct slice *rest, uint64_t bytes, struct slice *taken)
{
	if (bytes > rest->bytes)
		return false;
	*taken = slice_head(*rest, (size_t)bytes);
	*rest = slice_skip(*rest, (size_t)bytes);
	return true;
}

static bool take_field(struct slice *rest, struct http_field *field)
{
	uint32_t lengths[2];
	struct slice raw;
	if (!take(rest, sizeof(lengths), &raw))
		return false;
	memcpy(lengths, raw.at, sizeof(lengths));
	if (!take(rest, lengths[0], &field->name))
		return false;
	field->value = (struct slice){0};
	return lengths[1] == ABSENT || take(rest, lengths[1], &field->value);
}

static bool take_fields(struct slice *rest, struct http_field *fields, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!take_field(rest, &fields[i]))
			return false;
	return true;
}

// take_packed reads the fixed part; false when it cannot be one.
static bool take_packed(struct slice *rest, struct packed *packed)
{
	struct slice raw;
	if (!take(rest, sizeof(*packed), &raw))
		return false;
	memcpy(packed, raw.at, sizeof(*packed));
	return packed->status >= 200 && packed->status <= 599 &&
	       packed->field_count <= HTTP_FIELDS_MAX && packed->vary_count <= CACHE_VARY_MAX &&
	       packed->key_bytes <= CACHE_CHUNK_BYTES &&
	       memchr(packed->vary, 0, sizeof(packed->vary));
}

bool cache_disk_unpack(struct slice bytes, struct cache_disk_content *content)
{
	struct packed packed;
	struct cache_head *head = &content->head;
	if (!take_packed(&bytes, &packed))
		return false;
	*head = (struct cache_head){
		.message = {.status = (uint16_t)packed.status,
			    .version = 11,
			    .content_length = HTTP_LENGTH_NONE,
			    .fields = content->fields,
			    .field_count = packed.field_count},
		.vary.count = packed.vary_count,
		.freshness = packed.freshness,
		.terms = {.is_shared = packed.terms & TERM_SHARED,
			  .is_always_validated = packed.terms & TERM_VALIDATED,
			  .is_never_stale = packed.terms & TERM_NEVER_STALE,
			  .is_immutable = packed.terms & TERM_IMMUTABLE,
			  .has_validator = packed.terms & TERM_VALIDATOR,
			  .stale_while_s = packed.stale_while_s,
			  .stale_error_s = packed.stale_error_s},
	};
	content->service = packed.service;
	content->is_softened = packed.terms & TERM_SOFTENED;
	return take(&bytes, packed.key_bytes, &content->key) &&
	       take_fields(&bytes, content->fields, packed.field_count) &&
	       take_fields(&bytes, head->vary.fields, packed.vary_count) && bytes.bytes == 0;
}

bool cache_disk_found_of(const struct disk_record *record, struct cache_disk_found *found)
{
	struct slice rest = record->head;
	struct packed packed;
	*found = (struct cache_disk_found){.kind = record->kind};
	if (record->kind == CACHE_DISK_PURGE || record->kind == CACHE_DISK_DROP) {
		if (rest.bytes != sizeof(found->note))
			return false;
		memcpy(&found->note, rest.at, sizeof(found->note));
		return true;
	}
	if (record->kind != CACHE_DISK_WRITE || !take_packed(&rest, &packed))
		return false;
	found->hash = packed.hash;
	found->check = packed.check;
	found->born = packed.born;
	found->body_bytes = record->body.bytes;
	memcpy(found->vary, packed.vary, sizeof(found->vary));
	return true;
}

// Bodies.

static void *run_of(void *user, uint64_t offset, size_t *bytes)
{
	struct slice run = cache_object_read(user, offset, *bytes);
	*bytes = run.bytes;
	return (void *)run.at; // it is only read
}

struct disk_body cache_disk_body(const struct cache_disk_job *job)
{
	return (struct disk_body){.run = run_of, .user = job->object, .bytes = job->body_bytes};
}
