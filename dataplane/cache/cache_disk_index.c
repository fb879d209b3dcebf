// SPDX-License-Identifier: Apache-2.0
// Where the responses on the disk are: an entry a variant, found by the key's hash and told apart
// by a second one over key and variant. Entries go in the order of their places, as the records do.
#include "cache_disk_priv.h"

#include "check.h"

#include <errno.h>

uint64_t cache_disk_row_bytes(uint32_t entries)
{
	return entries * (sizeof(struct cache_disk_entry) + 24ull) +
	       (CACHE_DISK_READS + CACHE_DISK_WRITES) * (uint64_t)DISK_HEAD_BYTES;
}

int cache_disk_index_init(struct cache_disk *disk)
{
	list_init(&disk->old);
	list_init(&disk->live);
	if (pool_init(&disk->entries, disk->limits.entries, sizeof(struct cache_disk_entry)) ||
	    hash_index_init(&disk->by_key, disk->limits.entries))
		return ENOMEM;
	return 0;
}

void cache_disk_index_fini(struct cache_disk *disk)
{
	pool_fini(&disk->entries);
	hash_index_fini(&disk->by_key);
}

static uint64_t hash_of(const struct cache *cache, struct slice text)
{
	struct siphash_key key = cache->limits.key_secret;
	key.half[1] ^= 0xd15cull << 32; // apart from the key's own hash, and from labels
	return siphash(&key, text.at, text.bytes);
}

static uint64_t add_hash(const struct cache *cache, uint64_t check, struct slice text)
{
	uint64_t both[3] = {check, hash_of(cache, text), text.at != NULL};
	return hash_of(cache, slice_of(both, sizeof(both)));
}

uint64_t cache_disk_check(const struct cache *cache, const struct cache_key *key,
			  const struct cache_vary *vary)
{
	uint64_t check = hash_of(cache, key->text);
	for (uint32_t i = 0; i < vary->count; i++) {
		check = add_hash(cache, check, vary->fields[i].name);
		check = add_hash(cache, check, vary->fields[i].value);
	}
	return check;
}

uint32_t cache_disk_vary_row(struct cache_disk *disk, const char *names)
{
	for (uint32_t i = 0; i < disk->vary_count; i++)
		if (strcmp(disk->varies[i], names) == 0)
			return i;
	if (disk->vary_count == CACHE_DISK_VARIES)
		return CACHE_NONE;
	memcpy(disk->varies[disk->vary_count], names, CACHE_DISK_VARY_BYTES);
	return disk->vary_count++;
}

static struct cache_disk_entry *oldest_of(const struct list *list)
{
	return list_is_empty(list) ? NULL : container_of(list->next, struct cache_disk_entry, link);
}

static struct cache_disk_entry *oldest(const struct cache_disk *disk)
{
	struct cache_disk_entry *entry = oldest_of(&disk->old);
	return entry ? entry : oldest_of(&disk->live);
}

void cache_disk_raise_floor(struct cache *cache, uint64_t position)
{
	if (position > cache_disk_number(cache, CACHE_DISK_FLOOR))
		cache_disk_set_number(cache, CACHE_DISK_FLOOR, position);
}

struct cache_disk_entry *cache_disk_entry_add(struct cache *cache, uint64_t hash,
					      const struct cache_disk_entry *entry, bool is_old)
{
	struct cache_disk *disk = cache->disk;
	struct pool_id id;
	if (disk->entries.free_count == 0) {
		// Without its mark a walk could find what is gone: then it finds nothing.
		if (oldest(disk)->is_gone && disk->is_walking)
			disk->oldest = MAX(disk->oldest, disk->begin);
		cache_disk_raise_floor(cache, oldest(disk)->position + 1);
		cache_disk_entry_remove(disk, oldest(disk));
		counter_inc(cache->counters, COUNTER_cache_disk_overwritten);
	}
	struct cache_disk_entry *new = pool_new(&disk->entries, &id);
	*new = *entry;
	list_init(&new->link);
	list_append(is_old ? &disk->old : &disk->live, &new->link);
	hash_index_add(&disk->by_key, id.index, hash);
	return new;
}

void cache_disk_entry_remove(struct cache_disk *disk, struct cache_disk_entry *entry)
{
	list_remove(&entry->link);
	hash_index_remove(&disk->by_key, pool_id_of(&disk->entries, entry).index);
	pool_free(&disk->entries, entry);
}

struct cache_disk_entry *cache_disk_entry_exact(const struct cache_disk *disk, uint64_t hash,
						uint64_t check)
{
	uint32_t row = hash_index_first(&disk->by_key, hash);
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&disk->by_key, row)) {
		struct cache_disk_entry *entry = pool_at(&disk->entries, row);
		if (entry->check == check)
			return entry;
	}
	return NULL;
}

struct cache_disk_entry *cache_disk_entry_at(const struct cache_disk *disk, uint64_t hash,
					     uint64_t position)
{
	uint32_t row = hash_index_first(&disk->by_key, hash);
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&disk->by_key, row)) {
		struct cache_disk_entry *entry = pool_at(&disk->entries, row);
		if (entry->position == position)
			return entry;
	}
	return NULL;
}

// may_read tells whether an entry may be used now.
static bool may_read(const struct cache_disk *disk, const struct cache_disk_entry *entry)
{
	bool is_of_now = entry->position >= disk->begin;
	return !entry->is_gone && entry->position >= disk->oldest &&
	       (is_of_now || (disk->is_known && !disk->is_walking));
}

// check_of_request names the variant that a request selects of those with a list of names in Vary;
// false when it selects none.
static bool check_of_request(const struct cache *cache, const struct cache_question *question,
			     const char *names, uint64_t *check)
{
	_Alignas(8) uint8_t room[CACHE_CHUNK_BYTES];
	struct http_field field = {SLICE("vary"), slice_str(names)};
	struct http_message response = {.fields = &field, .field_count = 1};
	struct cache_vary vary;
	struct arena arena;
	enum counter why;
	arena_init(&arena, room, sizeof(room));
	if (!cache_vary_gather(question->request, &response, &arena, &vary, &why))
		return false;
	*check = cache_disk_check(cache, &question->key, &vary);
	return true;
}

struct cache_disk_entry *cache_disk_entry_of(const struct cache *cache,
					     const struct cache_question *question)
{
	const struct cache_disk *disk = cache->disk;
	uint32_t row = hash_index_first(&disk->by_key, question->key.hash);
	uint32_t vary = CACHE_NONE;
	uint64_t check = 0;
	bool is_selected = false;
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&disk->by_key, row)) {
		struct cache_disk_entry *entry = pool_at(&disk->entries, row);
		if (!may_read(disk, entry))
			continue;
		if (entry->vary != vary) {
			vary = entry->vary;
			is_selected = check_of_request(cache, question, disk->varies[vary], &check);
		}
		if (is_selected && entry->check == check)
			return entry;
	}
	return NULL;
}

void cache_disk_expire(struct cache *cache)
{
	struct cache_disk *disk = cache->disk;
	for (uint32_t i = 0; i < CACHE_DISK_EXPIRE; i++) {
		struct cache_disk_entry *entry = oldest(disk);
		if (!entry || entry->position >= disk->oldest)
			return;
		counter_inc(cache->counters, COUNTER_cache_disk_overwritten);
		cache_disk_entry_remove(disk, entry);
	}
}
