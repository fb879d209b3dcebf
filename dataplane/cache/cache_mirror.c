// SPDX-License-Identifier: Apache-2.0
// Objects that grow on another worker. Who reads one here reads its memory, which never changes
// where it is written; how much is written, and how it ended, only its owner knows. So a borrower
// keeps a mirror of each such object, one for all its readers: the head, and how much may be read.
// A mirror whose readers want more asks for it, and is answered once there is: one message each way
// at a time.
#include "cache_priv.h"

#include "check.h"

#include <errno.h>

static uint64_t object_hash(const struct cache *cache, const struct cache_object *object)
{
	return siphash(&cache->limits.key_secret, &object, sizeof(object));
}

int cache_mirror_init(struct cache *cache)
{
	uint32_t watches = CACHE_MIRRORS * (cache->limits.worker_count - 1);
	return pool_init(&cache->mirrors, CACHE_MIRRORS, sizeof(struct cache_object)) ||
			       hash_index_init(&cache->mirror_by_object, CACHE_MIRRORS) ||
			       pool_init(&cache->watches, watches, sizeof(struct cache_watch))
		       ? ENOMEM
		       : 0;
}

void cache_mirror_fini(struct cache *cache)
{
	pool_fini(&cache->mirrors);
	hash_index_fini(&cache->mirror_by_object);
	pool_fini(&cache->watches);
}

void cache_mirror_tell(const struct cache_object *object, struct cache_message *message)
{
	message->growth = (uint8_t)object->growth;
	message->body_bytes = object->body_bytes;
	message->content_length = object->head.content_length;
}

// The borrower's side.

static struct cache_object *find(const struct cache *cache, const struct cache_object *object)
{
	uint32_t row = hash_index_first(&cache->mirror_by_object, object_hash(cache, object));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&cache->mirror_by_object, row)) {
		struct cache_object *mirror = pool_at(&cache->mirrors, row);
		if (mirror->mirror_of == object)
			return mirror;
	}
	return NULL;
}

static void give_back(struct cache *cache, uint32_t owner, struct cache_object *object)
{
	struct cache_message message = {.kind = CACHE_MESSAGE_RELEASE, .object = object};
	cache_channel_send(cache, owner, &message);
}

// settle takes over what the owner has told.
static void settle(struct cache_object *mirror, const struct cache_message *message)
{
	mirror->growth = message->growth;
	mirror->body_bytes = message->body_bytes;
	mirror->head.content_length = message->content_length;
}

static struct cache_object *mirror_new(struct cache *cache, uint32_t owner,
				       struct cache_object *object)
{
	struct pool_id id;
	struct cache_object *mirror = pool_new(&cache->mirrors, &id);
	if (!mirror)
		return NULL;
	list_init(&mirror->link);
	list_init(&mirror->readers);
	mirror->mirror_of = object;
	mirror->owner = owner;
	mirror->body_start = object->body_start;
	// Not all of the head: its owner writes the length at the end.
	mirror->head.status = object->head.status;
	mirror->head.version = object->head.version;
	mirror->head.fields = object->head.fields;
	mirror->head.field_count = object->head.field_count;
	mirror->freshness.received_s = object->freshness.received_s;
	mirror->terms.has_validator = object->terms.has_validator;
	hash_index_add(&cache->mirror_by_object, id.index, object_hash(cache, object));
	cache->foreign_loans++;
	return mirror;
}

struct cache_object *cache_mirror_take(struct cache *cache, uint32_t owner,
				       const struct cache_message *message,
				       struct cache_object *object)
{
	struct cache_object *mirror = find(cache, object);
	if (mirror) {
		give_back(cache, owner, object); // one reference does for all
	} else {
		mirror = mirror_new(cache, owner, object);
		if (!mirror) {
			give_back(cache, owner, object);
			return NULL;
		}
		settle(mirror, message);
	}
	mirror->references++;
	return mirror;
}

void cache_mirror_unref(struct cache *cache, struct cache_object *mirror)
{
	CHECK(mirror->references > 0);
	if (--mirror->references > 0 || mirror->is_asking)
		return;
	struct cache_object *object = mirror->mirror_of;
	hash_index_remove(&cache->mirror_by_object, pool_id_of(&cache->mirrors, mirror).index);
	cache->foreign_loans--;
	give_back(cache, mirror->owner, object);
	pool_free(&cache->mirrors, mirror);
}

void cache_mirror_ask(struct cache *cache, struct cache_object *mirror)
{
	struct cache_message message = {.kind = CACHE_MESSAGE_MORE,
					.object = mirror->mirror_of,
					.mirror = mirror,
					.body_bytes = mirror->body_bytes};
	if (mirror->is_asking)
		return;
	mirror->is_asking = true;
	cache_channel_send(cache, mirror->owner, &message);
}

void cache_mirror_grown(struct cache *cache, const struct cache_message *message)
{
	struct cache_object *mirror = message->mirror;
	mirror->references++; // whatever its readers do
	mirror->is_asking = false;
	settle(mirror, message);
	cache_store_tell(mirror);
	cache_mirror_unref(cache, mirror);
}

// The owner's side.

static void answer(struct cache *cache, uint32_t to_worker, const struct cache_object *object,
		   struct cache_object *mirror)
{
	struct cache_message message = {.kind = CACHE_MESSAGE_GROWN, .mirror = mirror};
	cache_mirror_tell(object, &message);
	cache_channel_send(cache, to_worker, &message);
}

static void on_grown(struct cache_reader *reader)
{
	struct cache_watch *watch = container_of(reader, struct cache_watch, reader);
	struct cache *cache = watch->cache;
	answer(cache, watch->worker, watch->object, watch->mirror);
	pool_free(&cache->watches, watch);
}

void cache_mirror_more(struct cache *cache, uint32_t from_worker,
		       const struct cache_message *message)
{
	struct cache_object *object = message->object;
	if (object->growth != CACHE_GROWING || object->body_bytes > message->body_bytes) {
		answer(cache, from_worker, object, message->mirror);
		return;
	}
	struct cache_watch *watch = pool_new(&cache->watches, NULL);
	CHECK(watch); // each mirror asks once
	watch->cache = cache;
	watch->worker = from_worker;
	watch->object = object;
	watch->mirror = message->mirror;
	cache_reader_init(&watch->reader, on_grown);
	cache_object_await(cache, object, &watch->reader);
}
