// SPDX-License-Identifier: Apache-2.0
// Forgetting: by URL and by label (cache_label.c), and what an unsafe request has changed (RFC
// 9111 4.4). A purge also takes the right to be stored from fetches that began before it: their
// response may be the old one.
#include "cache_disk_priv.h"

#include "check.h"

#define SWEEP_ROWS 64u // looked at in one cache_run

uint32_t cache_purge_hash(struct cache *cache, uint64_t key_hash, uint32_t intent)
{
	uint32_t count = 0;
	uint32_t row;
	while ((row = hash_index_first(&cache->by_key, key_hash)) != HASH_INDEX_NONE) {
		cache_store_forget(cache, pool_at(&cache->objects, row));
		count++;
	}
	counter_add(cache->counters, COUNTER_cache_purged, count);
	cache_pass_clear(cache, key_hash);
	cache_disk_forget(cache, key_hash, intent);
	// Their waiters may start another, which is newer than the purge.
	struct list waiters;
	list_init(&waiters);
	while ((row = hash_index_first(&cache->fill_by_key, key_hash)) != HASH_INDEX_NONE)
		cache_fill_doom(cache, pool_at(&cache->fills, row), &waiters);
	cache_ask_again(cache, &waiters);
	return count;
}

uint32_t cache_purge_url(struct cache *cache, struct slice url)
{
	struct cache_key key;
	return cache_key_parse(cache, url, &key) ? cache_purge_hash(cache, key.hash, 0) : 0;
}

static bool is_outdated(const struct cache_fill *fill, uint64_t number)
{
	return fill && !fill->is_proxy && !fill->is_doomed && fill->object->born < number;
}

void cache_purge_all(struct cache *cache)
{
	cache_label_purge_all(cache, false);
	uint64_t number = cache->purge_number;
	struct list waiters;
	list_init(&waiters);
	memset(cache->passes, 0, CACHE_PASS_MARKS * sizeof(cache->passes[0]));
	for (uint32_t i = 0; i < cache->fills.capacity; i++) {
		struct cache_fill *fill = pool_at(&cache->fills, i);
		if (is_outdated(fill, number))
			cache_fill_doom(cache, fill, &waiters);
	}
	cache_ask_again(cache, &waiters);
}

static bool purge_url(struct cache *cache, struct slice url, bool is_soft)
{
	struct cache_key key;
	if (!cache_key_parse(cache, url, &key))
		return false;
	if (is_soft)
		cache_label_purge(cache, key.hash, true);
	else
		cache_purge_hash(cache, key.hash, 0);
	return true;
}

static bool purge_prefix(struct cache *cache, struct slice url, bool is_soft)
{
	struct cache_key key;
	if (!cache_key_parse(cache, url, &key))
		return false;
	cache_label_purge(cache, cache_label(cache, CACHE_PURGE_PREFIX, key.text), is_soft);
	return true;
}

bool cache_purge(struct cache *cache, enum cache_purge_kind kind, struct slice text, bool is_soft)
{
	counter_inc(cache->counters, COUNTER_cache_purges);
	switch (kind) {
	case CACHE_PURGE_URL: return purge_url(cache, text, is_soft);
	case CACHE_PURGE_PREFIX: return purge_prefix(cache, text, is_soft);
	case CACHE_PURGE_ALL:
		if (is_soft)
			cache_label_purge_all(cache, true);
		else
			cache_purge_all(cache);
		return true;
	default: cache_label_purge(cache, cache_label(cache, kind, text), is_soft); return true;
	}
}

void cache_purge_sweep(struct cache *cache)
{
	for (uint32_t i = 0; i < SWEEP_ROWS && cache->sweep_left; i++) {
		struct cache_object *object = pool_at(&cache->objects, --cache->sweep_left);
		if (!object || !object->is_indexed || cache_label_settle(cache, object))
			continue;
		counter_inc(cache->counters, COUNTER_cache_purged);
		cache_store_forget(cache, object);
	}
}

static void invalidate(struct cache *cache, const struct http_message *request)
{
	struct cache_key key;
	if (!cache_key_make(cache, request, &key))
		return;
	uint32_t owner = cache_key_owner(cache, key.hash);
	counter_inc(cache->counters, COUNTER_cache_invalidated);
	if (owner == cache->limits.worker_index)
		cache_purge_hash(cache, key.hash, 0);
	else
		cache_channel_invalidate(cache, owner, key.hash);
}

// same_origin_path takes what is behind the request's own scheme and authority; at is NULL when
// the reference is to another origin.
static struct slice same_origin_path(const struct http_message *request, struct slice reference)
{
	size_t colon = slice_find(reference, ':');
	struct slice rest = slice_skip(reference, colon);
	if (!slice_starts(rest, SLICE("://")) ||
	    !slice_equal_nocase(slice_head(reference, colon), request->scheme))
		return (struct slice){0};
	rest = slice_skip(rest, 3);
	size_t slash = slice_find(rest, '/');
	if (!slice_equal_nocase(slice_head(rest, slash), request->authority))
		return (struct slice){0};
	return slash < rest.bytes ? slice_skip(rest, slash) : SLICE("/");
}

// resolve makes the target of a reference of the same origin (RFC 3986 5.2) in room; at is NULL
// when it is of another one, or has dot segments.
static struct slice resolve(const struct http_message *request, struct slice reference, char *room,
			    size_t room_bytes)
{
	reference = slice_head(reference, slice_find(reference, '#'));
	if (slice_find(reference, ':') < slice_find(reference, '/'))
		return same_origin_path(request, reference);
	if (slice_starts(reference, SLICE("//")) || slice_starts(reference, SLICE(".")))
		return (struct slice){0};
	if (slice_starts(reference, SLICE("/")))
		return reference;
	// Beside the request's own last segment.
	struct slice base = slice_head(request->target, slice_find(request->target, '?'));
	while (base.bytes && base.at[base.bytes - 1] != '/')
		base.bytes--;
	if (base.bytes == 0 || base.bytes + reference.bytes > room_bytes)
		return (struct slice){0};
	memcpy(room, base.at, base.bytes);
	if (reference.bytes)
		memcpy(room + base.bytes, reference.at, reference.bytes);
	return slice_of(room, base.bytes + reference.bytes);
}

void cache_invalidate(struct cache *cache, const struct http_message *request,
		      const struct http_message *response)
{
	static const struct slice names[] = {SLICE("location"), SLICE("content-location")};
	invalidate(cache, request);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char room[sizeof(cache->key_text)];
		struct http_message named = *request;
		struct slice reference = http_field_find(response, names[i]);
		if (!reference.bytes)
			continue;
		named.target = resolve(request, reference, room, sizeof(room));
		if (named.target.at)
			invalidate(cache, &named);
	}
}
