// SPDX-License-Identifier: Apache-2.0
// Objects and their memory: fixed-size chunks of one block, a stack of free ones; so there is no
// fragmentation and no allocation after start. An index by key finds all variants of a URL.
#include "cache_disk_priv.h"

#include "check.h"
#include "http_field.h"

#include <errno.h>
#include <stdlib.h>

uint64_t cache_row_bytes(uint32_t object_count)
{
	return (uint64_t)object_count * sizeof(struct cache_object) +
	       cache_sketch_bytes(object_count);
}

int cache_store_init(struct cache *cache)
{
	uint64_t rows = cache_row_bytes(cache->limits.object_count);
	uint64_t left = cache->limits.memory_bytes > rows ? cache->limits.memory_bytes - rows : 0;
	uint64_t count = left / CACHE_CHUNK_BYTES;
	if (count == 0 || count >= CACHE_NONE)
		return ENOMEM;
	cache->chunk_count = cache->free_count = (uint32_t)count;
	cache->chunks = aligned_alloc(CACHE_CHUNK_BYTES, count * CACHE_CHUNK_BYTES);
	cache->free_chunks = malloc(count * sizeof(uint32_t));
	for (unsigned i = 0; i < CACHE_SEGMENTS; i++)
		list_init(&cache->segments[i].objects);
	if (!cache->chunks || !cache->free_chunks ||
	    cache_sketch_init(&cache->sketch, cache->limits.object_count) ||
	    pool_init(&cache->objects, cache->limits.object_count, sizeof(struct cache_object)) ||
	    hash_index_init(&cache->by_key, cache->limits.object_count))
		return ENOMEM;
	for (uint32_t i = 0; i < cache->chunk_count; i++)
		cache->free_chunks[i] = cache->chunk_count - 1 - i;
	return 0;
}

void cache_spans(const struct cache *cache, struct spans *spans)
{
	pool_spans(&cache->objects, spans);
	hash_index_spans(&cache->by_key, spans);
	spans_add(spans, cache->chunks, (size_t)cache->chunk_count * CACHE_CHUNK_BYTES);
}

void cache_store_fini(struct cache *cache)
{
	free(cache->chunks);
	free(cache->free_chunks);
	cache_sketch_fini(&cache->sketch);
	pool_fini(&cache->objects);
	hash_index_fini(&cache->by_key);
}

static uint8_t *chunk(uint8_t *base, uint32_t number)
{
	return base + (size_t)number * CACHE_CHUNK_BYTES;
}

static uint32_t *table_row(const struct cache_object *object, uint32_t index)
{
	uint32_t row = index - CACHE_DIRECT;
	void *table = chunk(object->base, object->tables[row / CACHE_TABLE_ROWS]);
	return (uint32_t *)table + row % CACHE_TABLE_ROWS;
}

static uint32_t chunk_number(const struct cache_object *object, uint32_t index)
{
	return index < CACHE_DIRECT ? object->direct[index] : *table_row(object, index);
}

static uint8_t *byte_at(const struct cache_object *object, uint64_t offset)
{
	uint32_t index = (uint32_t)(offset / CACHE_CHUNK_BYTES);
	return chunk(object->base, chunk_number(object, index)) + offset % CACHE_CHUNK_BYTES;
}

static uint32_t take_chunk(struct cache *cache)
{
	while (cache->free_count == 0)
		if (!cache_evict_one(cache))
			return CACHE_NONE;
	return cache->free_chunks[--cache->free_count];
}

static void give_chunk(struct cache *cache, uint32_t number)
{
	cache->free_chunks[cache->free_count++] = number;
}

static bool add_table(struct cache *cache, struct cache_object *object)
{
	uint32_t number = take_chunk(cache);
	if (number == CACHE_NONE)
		return false;
	object->tables[object->table_count++] = number;
	return true;
}

static bool add_chunk(struct cache *cache, struct cache_object *object)
{
	uint32_t index = object->chunk_count;
	if (index == CACHE_CHUNKS_MAX)
		return false;
	bool needs_table = index >= CACHE_DIRECT &&
			   (index - CACHE_DIRECT) / CACHE_TABLE_ROWS == object->table_count;
	if (needs_table && !add_table(cache, object))
		return false;
	uint32_t number = take_chunk(cache);
	if (number == CACHE_NONE)
		return false;
	if (index < CACHE_DIRECT)
		object->direct[index] = number;
	else
		*table_row(object, index) = number;
	object->chunk_count++;
	return true;
}

// drop_chunks keeps the first kept chunks and no table that is not needed for them.
static void drop_chunks(struct cache *cache, struct cache_object *object, uint32_t kept)
{
	while (object->chunk_count > kept)
		give_chunk(cache, chunk_number(object, --object->chunk_count));
	uint32_t beyond = kept > CACHE_DIRECT ? kept - CACHE_DIRECT : 0;
	while (object->table_count > (beyond + CACHE_TABLE_ROWS - 1) / CACHE_TABLE_ROWS)
		give_chunk(cache, object->tables[--object->table_count]);
}

// place finds room for bytes (<= a chunk) in one piece, aligned to 8; NULL when there is no memory.
static void *place(struct cache *cache, struct cache_object *object, size_t bytes)
{
	uint64_t offset = (object->used_bytes + 7) & ~7ull;
	uint64_t left = CACHE_CHUNK_BYTES - offset % CACHE_CHUNK_BYTES;
	if (bytes > CACHE_CHUNK_BYTES)
		return NULL;
	if (bytes > left)
		offset += left;
	while (offset + bytes > (uint64_t)object->chunk_count * CACHE_CHUNK_BYTES)
		if (!add_chunk(cache, object))
			return NULL;
	object->used_bytes = offset + bytes;
	return byte_at(object, offset);
}

// place_copy copies a slice; one whose at is NULL stays so.
static bool place_copy(struct cache *cache, struct cache_object *object, struct slice *slice)
{
	if (!slice->at)
		return true;
	char *copy = place(cache, object, slice->bytes ? slice->bytes : 1);
	if (!copy)
		return false;
	if (slice->bytes)
		memcpy(copy, slice->at, slice->bytes);
	slice->at = copy;
	return true;
}

struct cache_object *cache_store_new(struct cache *cache, const struct cache_key *key)
{
	while (cache->objects.free_count == 0) // the disk may keep a row for a moment
		if (!cache_evict_one(cache))
			return NULL;
	struct cache_object *object = pool_new(&cache->objects, NULL);
	if (!object)
		return NULL;
	list_init(&object->link);
	list_init(&object->readers);
	object->base = cache->chunks;
	object->owner = cache->limits.worker_index;
	object->references = 1;
	object->born = object->seen = cache->purge_number;
	object->key = *key;
	if (place_copy(cache, object, &object->key.text))
		return object;
	cache_store_unref(cache, object);
	return NULL;
}

// drop_body gives the body of another object back.
static void drop_body(struct cache *cache, struct cache_object *object)
{
	if (object->body_of)
		cache_store_unref(cache, object->body_of);
	object->body_of = NULL;
}

void cache_store_reset(struct cache *cache, struct cache_object *object)
{
	drop_chunks(cache, object, 1);
	object->used_bytes = object->key.text.bytes;
	object->body_bytes = object->body_start = 0;
	drop_body(cache, object);
	object->head = (struct http_message){0};
	object->written = NULL;
	object->has_tried_writing = false;
	object->vary.count = 0;
	object->labels = NULL;
	object->label_count = 0;
	object->born = object->seen = cache->purge_number;
	object->is_purged = object->is_softened = false;
}

// Fields of the hop to the origin (RFC 9111 3.1), and those that we write anew.
static bool is_of_hop(struct slice name)
{
	static const struct slice hop[] = {
		SLICE("age"),
		SLICE("cache-status"),
		SLICE("proxy-authenticate"),
		SLICE("proxy-authentication-info"),
		SLICE("proxy-authorization"),
	};
	for (size_t i = 0; i < ARRAY_LEN(hop); i++)
		if (slice_equal(name, hop[i]))
			return true;
	return false;
}

static bool is_listed(struct slice list, struct slice name)
{
	struct slice item;
	while (http_next_item(&list, &item))
		if (slice_equal_nocase(item, name))
			return true;
	return false;
}

static bool is_kept(const struct cache_head *head, struct slice name)
{
	return !is_of_hop(name) && !is_listed(head->no_cache_fields, name) &&
	       !is_listed(head->private_fields, name);
}

static bool copy_fields(struct cache *cache, struct cache_object *object,
			const struct cache_head *given)
{
	struct http_message *head = &object->head;
	const struct http_field *from = head->fields;
	uint32_t kept = 0;
	head->fields = NULL;
	if (head->field_count == 0)
		return true;
	struct http_field *fields =
		place(cache, object, head->field_count * sizeof(struct http_field));
	if (!fields)
		return false;
	for (uint32_t i = 0; i < head->field_count; i++)
		if (is_kept(given, from[i].name))
			fields[kept++] = from[i];
	head->fields = fields;
	head->field_count = kept;
	for (uint32_t i = 0; i < kept; i++)
		if (!place_copy(cache, object, &fields[i].name) ||
		    !place_copy(cache, object, &fields[i].value))
			return false;
	return true;
}

static bool copy_vary(struct cache *cache, struct cache_object *object)
{
	for (uint32_t i = 0; i < object->vary.count; i++)
		if (!place_copy(cache, object, &object->vary.fields[i].name) ||
		    !place_copy(cache, object, &object->vary.fields[i].value))
			return false;
	return true;
}

// copy_labels leaves the object to be judged anew: purges may have come since it was born.
static bool copy_labels(struct cache *cache, struct cache_object *object,
			const struct cache_labels *labels)
{
	size_t bytes = labels->count * sizeof(labels->at[0]);
	uint64_t *copy = place(cache, object, bytes);
	if (!copy)
		return false;
	memcpy(copy, labels->at, bytes);
	object->labels = copy;
	object->label_count = labels->count;
	object->seen = object->born;
	return true;
}

static bool has_large_part(const struct cache_head *head)
{
	if (head->message.field_count * sizeof(struct http_field) > CACHE_CHUNK_BYTES)
		return true;
	for (uint32_t i = 0; i < head->message.field_count; i++)
		if (head->message.fields[i].name.bytes > CACHE_CHUNK_BYTES ||
		    head->message.fields[i].value.bytes > CACHE_CHUNK_BYTES)
			return true;
	for (uint32_t i = 0; i < head->vary.count; i++)
		if (head->vary.fields[i].name.bytes > CACHE_CHUNK_BYTES ||
		    head->vary.fields[i].value.bytes > CACHE_CHUNK_BYTES)
			return true;
	return false;
}

bool cache_store_head(struct cache *cache, struct cache_object *object,
		      const struct cache_head *head, uint64_t service, enum counter *why)
{
	struct cache_labels labels;
	*why = COUNTER_cache_not_stored_head_large;
	if (has_large_part(head))
		return false;
	*why = COUNTER_cache_not_stored_tags;
	cache_label_key(cache, &object->key, service, &labels);
	if (!cache_label_tags(cache, &head->message, &labels))
		return false;
	object->head = (struct http_message){
		.status = head->message.status,
		.version = 11,
		.content_length = head->message.content_length,
		.fields = head->message.fields,
		.field_count = head->message.field_count,
	};
	object->vary = head->vary;
	object->freshness = head->freshness;
	object->terms = head->terms;
	*why = COUNTER_cache_not_stored_memory;
	if (!copy_fields(cache, object, head) || !copy_vary(cache, object) ||
	    !copy_labels(cache, object, &labels))
		return false;
	object->body_start = object->used_bytes;
	return true;
}

void cache_store_tell(struct cache_object *object)
{
	struct list told, *node;
	list_init(&told);
	while ((node = list_pop(&object->readers)))
		list_append(&told, node);
	while ((node = list_pop(&told))) {
		struct cache_reader *reader = container_of(node, struct cache_reader, link);
		reader->grown(reader);
	}
}

void cache_store_end(struct cache_object *object, enum cache_growth growth)
{
	const struct cache_object *body = object->body_of ? object->body_of : object;
	object->growth = (uint8_t)growth;
	if (growth == CACHE_WHOLE)
		object->head.content_length = body->body_bytes;
	cache_store_tell(object);
}

bool cache_store_append(struct cache *cache, struct cache_object *object, struct slice bytes)
{
	while (bytes.bytes) {
		uint64_t room =
			(uint64_t)object->chunk_count * CACHE_CHUNK_BYTES - object->used_bytes;
		if (room == 0) {
			if (!add_chunk(cache, object))
				return false;
			continue;
		}
		uint64_t left = CACHE_CHUNK_BYTES - object->used_bytes % CACHE_CHUNK_BYTES;
		struct slice run = slice_head(bytes, MIN(left, room));
		memcpy(byte_at(object, object->used_bytes), run.at, run.bytes);
		object->used_bytes += run.bytes;
		object->body_bytes += run.bytes;
		bytes = slice_skip(bytes, run.bytes);
	}
	cache_store_tell(object);
	return true;
}

bool cache_store_reserve(struct cache *cache, struct cache_object *object, uint64_t bytes)
{
	object->body_start = object->used_bytes;
	while (object->body_start + bytes > (uint64_t)object->chunk_count * CACHE_CHUNK_BYTES)
		if (!add_chunk(cache, object))
			return false;
	object->used_bytes += bytes;
	return true;
}

void *cache_store_run(const struct cache_object *object, uint64_t offset, size_t *bytes)
{
	*bytes = MIN(*bytes, CACHE_CHUNK_BYTES - offset % CACHE_CHUNK_BYTES);
	return byte_at(object, offset);
}

void *cache_store_spare(const struct cache_object *object, size_t *bytes)
{
	uint64_t offset = (object->used_bytes + 7) & ~7ull;
	uint64_t end = (uint64_t)object->chunk_count * CACHE_CHUNK_BYTES;
	*bytes = offset < end ? (size_t)(end - offset) : 0;
	CHECK(*bytes < CACHE_CHUNK_BYTES);
	return *bytes ? byte_at(object, offset) : NULL;
}

void cache_store_use(struct cache_object *object, const void *spare, size_t bytes)
{
	size_t room;
	CHECK(spare == cache_store_spare(object, &room) && bytes <= room);
	object->used_bytes = ((object->used_bytes + 7) & ~7ull) + bytes;
}

static bool is_same_variant(const struct cache_vary *a, const struct cache_vary *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		const struct http_field *x = &a->fields[i], *y = &b->fields[i];
		if (!slice_equal(x->name, y->name) || !slice_equal(x->value, y->value) ||
		    (x->value.at == NULL) != (y->value.at == NULL))
			return false;
	}
	return true;
}

static bool has_key(const struct cache_object *object, const struct cache_key *key)
{
	return slice_equal(object->key.text, key->text);
}

// make_way forgets the variant that object replaces, and the oldest when the key has too many.
static void make_way(struct cache *cache, const struct cache_object *object)
{
	struct cache_object *last = NULL;
	uint32_t count = 0;
	uint32_t row = hash_index_first(&cache->by_key, object->key.hash);
	while (row != HASH_INDEX_NONE) {
		struct cache_object *other = pool_at(&cache->objects, row);
		row = hash_index_next(&cache->by_key, row);
		if (!has_key(other, &object->key))
			continue;
		if (is_same_variant(&other->vary, &object->vary)) {
			counter_inc(cache->counters, COUNTER_cache_replaced);
			cache_store_forget(cache, other);
			continue;
		}
		last = other;
		count++;
	}
	if (count >= CACHE_VARIANTS) {
		counter_inc(cache->counters, COUNTER_cache_evicted);
		cache_store_forget(cache, last);
	}
}

void cache_store_insert(struct cache *cache, struct cache_object *object)
{
	make_way(cache, object);
	cache_disk_replaced(cache, object);
	object->is_indexed = true;
	hash_index_add(&cache->by_key, pool_id_of(&cache->objects, object).index, object->key.hash);
	cache_evict_link(cache, object);
	counter_inc(cache->counters, COUNTER_cache_stored);
}

struct cache_object *cache_store_find(struct cache *cache, const struct cache_key *key,
				      const struct http_message *request, bool *is_other)
{
	*is_other = false;
	cache_sketch_add(&cache->sketch, key->hash);
	uint32_t row = hash_index_first(&cache->by_key, key->hash);
	while (row != HASH_INDEX_NONE) {
		struct cache_object *object = pool_at(&cache->objects, row);
		row = hash_index_next(&cache->by_key, row);
		if (!cache_label_settle(cache, object)) {
			counter_inc(cache->counters, COUNTER_cache_purged);
			cache_store_forget(cache, object);
			continue;
		}
		if (!has_key(object, key))
			continue;
		if (cache_vary_matches(&object->vary, request))
			return object;
		*is_other = true;
	}
	return NULL;
}

void cache_store_forget(struct cache *cache, struct cache_object *object)
{
	CHECK(object->is_indexed);
	object->is_indexed = false;
	hash_index_remove(&cache->by_key, pool_id_of(&cache->objects, object).index);
	cache_evict_unlink(cache, object);
	cache_store_unref(cache, object);
}

void cache_store_unref(struct cache *cache, struct cache_object *object)
{
	CHECK(object->references > 0);
	if (--object->references > 0)
		return;
	drop_chunks(cache, object, 0);
	struct cache_object *body = object->body_of;
	pool_free(&cache->objects, object);
	if (body) // one step: bodies are of objects that have their own
		cache_store_unref(cache, body);
}

void cache_store_share_body(struct cache_object *object, struct cache_object *from)
{
	CHECK(!object->body_of && object->body_bytes == 0);
	object->body_of = from->body_of ? from->body_of : from;
	object->body_of->references++;
}

const struct http_message *cache_object_head(const struct cache_object *object)
{
	return &object->head;
}

uint64_t cache_object_received_s(const struct cache_object *object)
{
	return object->freshness.received_s;
}

bool cache_object_can_confirm(const struct cache_object *object)
{
	return object->terms.has_validator;
}

uint64_t cache_object_bytes(const struct cache_object *object)
{
	return object->head.content_length;
}

enum cache_growth cache_object_growth(const struct cache_object *object)
{
	return object->growth;
}

void cache_reader_init(struct cache_reader *reader, void (*grown)(struct cache_reader *reader))
{
	list_init(&reader->link);
	reader->grown = grown;
}

void cache_object_await(struct cache *cache, struct cache_object *object,
			struct cache_reader *reader)
{
	CHECK(object->growth == CACHE_GROWING);
	list_remove(&reader->link);
	list_append(&object->readers, &reader->link);
	if (object->mirror_of)
		cache_mirror_ask(cache, object);
}

void cache_reader_leave(struct cache_reader *reader)
{
	list_remove(&reader->link);
}

struct slice cache_object_read(const struct cache_object *object, uint64_t offset, size_t max)
{
	if (object->body_of)
		object = object->body_of;
	if (offset >= object->body_bytes)
		return SLICE("");
	uint64_t at = object->body_start + offset;
	uint64_t run = CACHE_CHUNK_BYTES - at % CACHE_CHUNK_BYTES;
	run = MIN(run, object->body_bytes - offset);
	const struct cache_object *holder = object->mirror_of ? object->mirror_of : object;
	return slice_of(byte_at(holder, at), MIN(run, max));
}
