// SPDX-License-Identifier: Apache-2.0
// What comes from the disk: a fetch like one from the origin, but the thread is the fetcher. Who
// asks meanwhile waits for it. What cannot be read in time, or is not what it should be, is
// forgotten, and all are decided anew.
#include "cache_disk_priv.h"

#include "check.h"

// begin_read gives a read to the thread, into the fill's object; false when there is no room.
static bool begin_read(struct cache *cache, struct cache_fill *fill,
		       const struct cache_disk_entry *entry)
{
	struct cache_disk *disk = cache->disk;
	struct cache_object *object = fill->object;
	struct pool_id id;
	if (!cache_store_reserve(cache, object, entry->body_bytes))
		return false;
	struct cache_disk_slot *slot = pool_new(&disk->reads, &id);
	struct cache_disk_job job = {
		.kind = CACHE_DISK_READ,
		.slot = id.index,
		.position = entry->position,
		.body_bytes = entry->body_bytes,
		.body_start = object->body_start,
		.object = object,
		.head = disk->heads + (size_t)id.index * DISK_HEAD_BYTES,
	};
	if (!disk->limits.send(cache->owner, &job)) {
		pool_free(&disk->reads, slot);
		return false;
	}
	object->references++;
	object->born = object->seen = entry->born;
	object->disk_position = entry->position;
	*slot = (struct cache_disk_slot){.object = object,
					 .fill = fill,
					 .position = entry->position,
					 .body_bytes = entry->body_bytes,
					 .due_us = cache->now_us + CACHE_DISK_WAIT_US};
	list_init(&slot->order);
	list_append(&disk->waiting, &slot->order);
	fill->is_from_disk = true;
	fill->is_lent = true; // to the slot
	return true;
}

struct cache_fill *cache_disk_fetch(struct cache *cache, const struct cache_question *question)
{
	struct cache_disk *disk = cache->disk;
	struct cache_question own = *question;
	if (!disk || disk->is_broken || question->policy.is_reload ||
	    hash_index_first(&disk->by_key, question->key.hash) == HASH_INDEX_NONE)
		return NULL;
	struct cache_fill *fill = cache_fill_find(cache, &question->key, question->request);
	if (fill)
		return fill->is_from_disk ? fill : NULL;
	struct cache_disk_entry *found = cache_disk_entry_of(cache, question);
	if (!found)
		return NULL;
	struct cache_disk_entry entry = *found; // memory that is freed for it may cost the row
	if (cache_label_key_is_purged(cache, &question->key,
				      cache_question_service(cache, question), entry.born)) {
		counter_inc(cache->counters, COUNTER_cache_disk_purged);
		cache_disk_entry_remove(disk, found);
		return NULL;
	}
	own.from_worker = cache->limits.worker_index;
	fill = disk->reads.free_count && !disk->note_count ? cache_fill_new(cache, &own) : NULL;
	if (fill && entry.position >= disk->oldest && begin_read(cache, fill, &entry))
		return fill;
	counter_inc(cache->counters, COUNTER_cache_disk_read_busy);
	if (fill)
		cache_fill_drop(cache, fill);
	return NULL;
}

// forget removes the entry of a record that is of no use. Without it nothing later that forgets the
// URL is remembered, so the record must not be found by the next life either.
static void forget(struct cache *cache, const struct cache_disk_slot *slot)
{
	uint64_t hash = slot->object->key.hash;
	struct cache_disk_entry *entry = cache_disk_entry_at(cache->disk, hash, slot->position);
	if (!entry)
		return;
	uint64_t check = entry->check;
	cache_disk_entry_remove(cache->disk, entry);
	cache_disk_drop(cache, hash, check);
}

// give_up lets go of a read whose record is of no use, or does not come; its memory stays where it
// is until the thread is done.
static void give_up(struct cache *cache, struct cache_disk_slot *slot, enum counter why)
{
	struct cache_fill *fill = slot->fill;
	slot->fill = NULL;
	list_remove(&slot->order);
	counter_inc(cache->counters, why);
	forget(cache, slot);
	cache_fill_drop(cache, fill);
}

static void end_late(struct cache *cache, struct list *list)
{
	while (!list_is_empty(list)) {
		struct cache_disk_slot *slot =
			container_of(list->next, struct cache_disk_slot, order);
		if (cache->now_us < slot->due_us)
			return;
		give_up(cache, slot, COUNTER_cache_disk_read_late);
	}
}

void cache_disk_end_late_reads(struct cache *cache)
{
	end_late(cache, &cache->disk->waiting);
	end_late(cache, &cache->disk->arriving);
}

// take makes the slot's object of what was read; false: it is none, or purged, as *why tells.
static bool take(struct cache *cache, struct cache_disk_slot *slot, struct slice head,
		 enum counter *why)
{
	struct cache_disk_content content;
	struct cache_object *object = slot->object;
	uint64_t body_start = object->body_start;
	enum counter store_why;
	*why = COUNTER_cache_disk_read_failed;
	if (!cache_disk_unpack(head, &content) || !slice_equal(content.key, object->key.text) ||
	    content.head.freshness.received_s > cache->wall_s + CACHE_DISK_CLOCK_S ||
	    !cache_store_head(cache, object, &content.head, content.service, &store_why))
		return false;
	object->body_start = body_start;
	object->is_softened = content.is_softened;
	object->is_on_disk = true;
	*why = COUNTER_cache_disk_purged;
	return cache_label_settle(cache, object);
}

// head_of is what was read of a record's head.
static struct slice head_of(const struct cache_disk *disk, const struct cache_disk_result *result)
{
	return slice_of(disk->heads + (size_t)result->slot * DISK_HEAD_BYTES, result->head_bytes);
}

// grow tells how much of the body is there, and lets those in who wait for it.
static void grow(struct cache *cache, struct cache_fill *fill, uint64_t bytes)
{
	struct cache_object *object = fill->object;
	bool is_first = fill->body_bytes == 0;
	fill->body_bytes = object->body_bytes = bytes;
	cache_store_tell(object);
	if (is_first)
		cache_fill_let_in(cache, fill);
}

// begin makes a fill of what is known of a record: from now on it can be read.
static bool begin(struct cache *cache, struct cache_disk_slot *slot, struct slice head,
		  enum counter *why)
{
	struct cache_fill *fill = slot->fill;
	if (fill->is_begun)
		return true;
	if (!take(cache, slot, head, why))
		return false;
	slot->object->head.content_length = slot->body_bytes;
	fill->content_length = slot->body_bytes;
	fill->is_begun = true;
	return true;
}

static void take_arrived(struct cache *cache, const struct cache_disk_result *result)
{
	struct cache_disk *disk = cache->disk;
	struct cache_disk_slot *slot = pool_at(&disk->reads, result->slot);
	enum counter why;
	CHECK(slot);
	struct cache_fill *fill = slot->fill;
	if (!fill || !fill->object)
		return;
	slot->due_us = cache->now_us + CACHE_DISK_STALL_US;
	list_remove(&slot->order);
	list_append(&disk->arriving, &slot->order);
	if (begin(cache, slot, head_of(disk, result), &why))
		grow(cache, fill, result->body_bytes);
	else
		give_up(cache, slot, why);
}

static void take_read(struct cache *cache, const struct cache_disk_result *result)
{
	struct cache_disk *disk = cache->disk;
	struct cache_disk_slot *slot = pool_at(&disk->reads, result->slot);
	struct cache_object *object = slot ? slot->object : NULL;
	enum counter why = COUNTER_cache_disk_read_failed;
	CHECK(slot);
	struct cache_fill *fill = slot->fill;
	bool has_object = fill && fill->object; // else it was purged meanwhile, and nobody reads it
	bool is_good =
		has_object && result->is_good && begin(cache, slot, head_of(disk, result), &why);
	if (is_good)
		fill->body_bytes = object->body_bytes = slot->body_bytes;
	counter_add(cache->counters, COUNTER_cache_disk_read, is_good && !fill->is_doomed);
	if (has_object && !is_good) {
		give_up(cache, slot, why);
		fill = NULL;
	}
	list_remove(&slot->order);
	pool_free(&disk->reads, slot);
	cache_store_unref(cache, object);
	if (!fill)
		return;
	fill->is_lent = false;
	cache_fill_finish(fill);
}

static void take_written(struct cache *cache, const struct cache_disk_result *result)
{
	struct cache_disk *disk = cache->disk;
	struct cache_disk_slot *slot = pool_at(&disk->writes, result->slot);
	CHECK(slot);
	disk->kept_bytes -= slot->chunk_bytes;
	counter_add(cache->counters, COUNTER_cache_disk_written, result->is_good);
	if (!result->is_good)
		forget(cache, slot);
	cache_store_unref(cache, slot->object);
	pool_free(&disk->writes, slot);
}

// note_again writes what an earlier life intended or doubted.
static void note_again(struct cache *cache, const struct cache_disk_found *found,
		       const struct cache_disk_note *note)
{
	struct cache_disk_job job = {.kind = found->kind,
				     .note = *note,
				     .intent = found->intent,
				     .doubted = found->doubted};
	cache_disk_note(cache, &job);
}

// recall makes a purge known.
static void recall(struct cache *cache, const struct cache_disk_found *found)
{
	struct cache_disk *disk = cache->disk;
	struct cache_disk_note note = found->note;
	if (note.number == 0)
		note.number = disk->limits.life << 32;
	cache_label_recall(cache, &note);
	if (found->doubted) {
		disk->oldest = MAX(disk->oldest, disk->begin);
		counter_inc(cache->counters, COUNTER_cache_disk_lost);
	}
	if (found->intent || found->doubted)
		note_again(cache, found, &note);
}

// take_found keeps what an earlier life wrote, unless something newer is known.
static void take_found(struct cache *cache, const struct cache_disk_result *result)
{
	struct cache_disk *disk = cache->disk;
	const struct cache_disk_found *found = &result->found;
	bool is_drop = found->kind == CACHE_DISK_DROP;
	if (found->kind == CACHE_DISK_PURGE) {
		recall(cache, found);
		return;
	}
	uint64_t hash = is_drop ? found->note.label : found->hash;
	struct cache_disk_entry entry = {.check = is_drop ? found->note.check : found->check,
					 .position = result->position,
					 .born = found->born,
					 .body_bytes = found->body_bytes};
	struct cache_disk_entry *known = cache_disk_entry_exact(disk, hash, entry.check);
	if (found->intent)
		note_again(cache, found, &found->note);
	if (known && known->position > entry.position)
		return;
	if (known)
		cache_disk_entry_remove(disk, known);
	entry.vary = is_drop ? CACHE_NONE : cache_disk_vary_row(disk, found->vary);
	bool has_room = disk->entries.free_count || !list_is_empty(&disk->old);
	if (!is_drop && entry.vary == CACHE_NONE)
		cache_disk_drop(cache, hash, entry.check);
	else if (!has_room)
		cache_disk_raise_floor(cache, entry.position + 1);
	if (entry.vary == CACHE_NONE || !has_room || entry.position < disk->oldest)
		return;
	cache_disk_entry_add(cache, hash, &entry, true);
	counter_inc(cache->counters, COUNTER_cache_disk_found);
}

static void take_hole(struct cache *cache, uint64_t position)
{
	cache->disk->oldest = MAX(cache->disk->oldest, position);
	counter_inc(cache->counters, COUNTER_cache_disk_lost);
}

static void take_breakdown(struct cache *cache)
{
	cache->disk->is_broken = true;
	cache->disk->note_count = 0;
	counter_inc(cache->counters, COUNTER_cache_disk_broken);
}

void cache_disk_received(struct cache *cache, const struct cache_disk_result *result)
{
	switch (result->done) {
	case CACHE_DISK_WROTE: take_written(cache, result); break;
	case CACHE_DISK_ARRIVED: take_arrived(cache, result); break;
	case CACHE_DISK_WAS_READ: take_read(cache, result); break;
	case CACHE_DISK_FOUND: take_found(cache, result); break;
	case CACHE_DISK_HOLE: take_hole(cache, result->position); break;
	case CACHE_DISK_WALKED: cache->disk->is_walking = false; break;
	case CACHE_DISK_BROKEN: take_breakdown(cache); break;
	}
}
