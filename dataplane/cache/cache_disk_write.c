// SPDX-License-Identifier: Apache-2.0
// What goes to the disk: responses that were asked for more than once, as long as the rate and the
// queue allow it; and what has to be known of them at the next start: purges, and newer variants.
#include "cache_disk_priv.h"

#include "check.h"

// set_head moves the log's head over a record that was given to the thread, and the end of what is
// not overwritten with it.
static void set_head(struct cache_disk *disk, uint64_t head)
{
	disk->head = head;
	disk->oldest = MAX(disk->oldest, disk_tail(&disk->limits.geometry, head));
}

static bool send(struct cache *cache, const struct cache_disk_job *job)
{
	return cache->disk->limits.send(cache->owner, job);
}

// Notes.

static void place_note(struct cache_disk *disk, struct cache_disk_job *job)
{
	uint64_t head = disk->head;
	if (job->kind == CACHE_DISK_TOLD)
		return;
	job->position =
		disk_place(&disk->limits.geometry, &head, disk_record_bytes(sizeof(job->note), 0));
	set_head(disk, head);
}

// intend holds a note until it is written: we may be killed before. Where that cannot be, all will
// be doubted then.
static void intend(struct cache *cache, struct cache_disk_job *job)
{
	struct disk_intents *intents = cache->disk->limits.intents;
	uint32_t index = cache->limits.worker_index;
	if (job->kind == CACHE_DISK_TOLD || job->intent || job->doubted)
		return;
	job->intent = disk_intent_add(intents, index, index, job->kind,
				      slice_of(&job->note, sizeof(job->note)));
	if (!job->intent)
		disk_intents_doubt(intents, index);
}

// give_up_notes: too much waits. All that is on the disk goes, and the places of these notes stay
// empty, which is a hole.
static void give_up_notes(struct cache *cache, struct cache_disk_job *job)
{
	struct cache_disk *disk = cache->disk;
	struct disk_intents *intents = disk->limits.intents;
	uint32_t index = cache->limits.worker_index;
	disk_intents_doubt(intents, index); // before what is held is let go
	disk_intent_end(intents, job->intent);
	for (uint32_t i = 0; i < disk->note_count; i++)
		disk_intent_end(intents, disk->notes[i].intent);
	disk->note_count = 0;
	disk->oldest = disk->head;
	counter_inc(cache->counters, COUNTER_cache_disk_lost);
	*job = (struct cache_disk_job){.kind = CACHE_DISK_PURGE,
				       .note = {.is_all = 1, .number = cache->purge_number},
				       .doubted = disk_intents_doubted(intents, index)};
}

void cache_disk_note(struct cache *cache, struct cache_disk_job *job)
{
	struct cache_disk *disk = cache->disk;
	if (disk->is_broken)
		return;
	intend(cache, job);
	if (disk->note_count == CACHE_DISK_NOTES)
		give_up_notes(cache, job);
	place_note(disk, job);
	if (disk->note_count == 0 && send(cache, job))
		return;
	disk->notes[disk->note_count++] = *job;
}

void cache_disk_note_purge(struct cache *cache, const struct cache_disk_note *note, uint32_t intent)
{
	struct cache_disk_job job = {.kind = CACHE_DISK_PURGE, .note = *note, .intent = intent};
	if (!cache->disk)
		return;
	// It is about all that can be doubted yet.
	if (note->is_all && !note->is_soft && note->number == cache->purge_number)
		job.doubted = disk_intents_doubted(cache->disk->limits.intents,
						   cache->limits.worker_index);
	cache_disk_note(cache, &job);
}

uint32_t cache_disk_intend_forget(struct cache *cache, uint32_t owner, uint64_t key_hash)
{
	struct cache_disk_note note = {.label = key_hash};
	if (!cache->disk)
		return 0;
	uint32_t intent = disk_intent_add(cache->disk->limits.intents, cache->limits.worker_index,
					  owner, CACHE_DISK_PURGE, slice_of(&note, sizeof(note)));
	if (!intent)
		disk_intents_doubt(cache->disk->limits.intents, owner);
	return intent;
}

void cache_disk_unintend(struct cache *cache, uint32_t owner, uint32_t intent)
{
	if (!cache->disk)
		return;
	disk_intents_doubt(cache->disk->limits.intents, owner);
	disk_intent_end(cache->disk->limits.intents, intent);
}

void cache_disk_forget(struct cache *cache, uint64_t key_hash, uint32_t intent)
{
	struct cache_disk *disk = cache->disk;
	uint32_t row, count = 0;
	if (!disk)
		return;
	while ((row = hash_index_first(&disk->by_key, key_hash)) != HASH_INDEX_NONE) {
		cache_disk_entry_remove(disk, pool_at(&disk->entries, row));
		count++;
	}
	counter_add(cache->counters, COUNTER_cache_disk_purged, count);
	if (count || disk->is_walking)
		cache_label_purge_hash(cache, key_hash, intent);
	else
		disk_intent_end(disk->limits.intents, intent);
}

void cache_disk_drop(struct cache *cache, uint64_t hash, uint64_t check)
{
	struct cache_disk *disk = cache->disk;
	struct cache_disk_job job = {.kind = CACHE_DISK_DROP,
				     .note = {.label = hash, .check = check}};
	struct cache_disk_entry gone = {.check = check, .position = disk->head, .is_gone = true};
	cache_disk_note(cache, &job);
	if (disk->is_walking)
		cache_disk_entry_add(cache, hash, &gone, false);
}

void cache_disk_replaced(struct cache *cache, const struct cache_object *object)
{
	struct cache_disk *disk = cache->disk;
	if (!disk || object->is_on_disk)
		return;
	if (hash_index_first(&disk->by_key, object->key.hash) == HASH_INDEX_NONE &&
	    !disk->is_walking)
		return;
	uint64_t check = cache_disk_check(cache, &object->key, &object->vary);
	struct cache_disk_entry *entry = cache_disk_entry_exact(disk, object->key.hash, check);
	if (entry)
		cache_disk_entry_remove(disk, entry);
	if (entry || disk->is_walking)
		cache_disk_drop(cache, object->key.hash, check);
}

// Responses.

// is_worth: what was asked for again and will be of use.
static bool is_worth(struct cache *cache, struct cache_object *object)
{
	bool is_lasting = object->terms.has_validator ||
			  cache_ttl_s(&object->freshness, cache->wall_s) >= CACHE_DISK_TTL_MIN_S;
	return is_lasting && cache_object_bytes(object) >= CACHE_DISK_BODY_MIN &&
	       cache_sketch_estimate(&cache->sketch, object->key.hash) >= CACHE_DISK_ASKED_MIN &&
	       cache_label_settle(cache, object);
}

// has_room: neither the rate, nor the queue, nor memory that is kept for it is used up.
static bool has_room(struct cache *cache, uint64_t bytes)
{
	struct cache_disk *disk = cache->disk;
	uint64_t kept_max = cache->limits.memory_bytes / CACHE_DISK_WRITE_PART;
	if (disk->budget_bytes <= 0) {
		counter_inc(cache->counters, COUNTER_cache_disk_not_written_rate);
		return false;
	}
	if (disk->note_count || disk->writes.free_count == 0 ||
	    disk->kept_bytes + bytes > kept_max) {
		counter_inc(cache->counters, COUNTER_cache_disk_not_written_busy);
		return false;
	}
	return true;
}

// is_there: it is on the disk, and not where it will be overwritten next; or cannot be there.
static bool is_there(const struct cache_disk *disk, const struct cache_object *object)
{
	const struct disk_geometry *geometry = &disk->limits.geometry;
	uint64_t log_bytes = geometry->segment_bytes * geometry->segment_count;
	if (!object->is_on_disk || object->disk_position == 0)
		return object->is_on_disk;
	return disk->head - object->disk_position <= log_bytes / 4 * 3 &&
	       cache_disk_entry_at(disk, object->key.hash, object->disk_position);
}

// write gives an object to the thread; false when it is too large (names NULL: its Vary) or the
// ring full.
static bool write(struct cache *cache, struct cache_object *object, const char *names,
		  uint64_t check)
{
	struct cache_disk *disk = cache->disk;
	const struct disk_geometry *geometry = &disk->limits.geometry;
	struct pool_id id;
	struct cache_disk_slot *slot = pool_new(&disk->writes, &id);
	struct cache_disk_job job = {
		.kind = CACHE_DISK_WRITE,
		.slot = id.index,
		.body_bytes = cache_object_bytes(object),
		.object = object,
		.head = disk->heads + (size_t)(CACHE_DISK_READS + id.index) * DISK_HEAD_BYTES,
	};
	uint64_t head = disk->head;
	job.head_bytes = names ? cache_disk_pack(object, check, names, job.head) : 0;
	uint64_t bytes = disk_record_bytes(job.head_bytes, job.body_bytes);
	bool is_large = job.head_bytes == 0 || bytes > disk_record_bytes_max(geometry);
	if (!is_large)
		job.position = disk_place(geometry, &head, bytes);
	if (is_large || !send(cache, &job)) {
		counter_inc(cache->counters, is_large ? COUNTER_cache_disk_not_written_large
						      : COUNTER_cache_disk_not_written_busy);
		object->is_on_disk |= is_large; // nor will it ever be
		pool_free(&disk->writes, slot);
		return false;
	}
	set_head(disk, head);
	*slot = (struct cache_disk_slot){
		.object = object, .position = job.position, .chunk_bytes = bytes};
	object->references++;
	object->is_on_disk = true;
	object->disk_position = job.position;
	disk->kept_bytes += bytes;
	disk->budget_bytes -= (int64_t)bytes;
	return true;
}

// row_of finds the row of the object's names in Vary; CACHE_NONE when it cannot have one.
static uint32_t row_of(struct cache_disk *disk, const struct cache_object *object,
		       char names[CACHE_DISK_VARY_BYTES])
{
	return cache_disk_vary_names(object, names) ? cache_disk_vary_row(disk, names) : CACHE_NONE;
}

void cache_disk_offer(struct cache *cache, struct cache_object *object)
{
	struct cache_disk *disk = cache->disk;
	char names[CACHE_DISK_VARY_BYTES];
	if (!disk || disk->is_broken || !is_worth(cache, object) || is_there(disk, object) ||
	    !has_room(cache, cache_object_bytes(object)))
		return;
	struct cache_disk_entry new = {
		.check = cache_disk_check(cache, &object->key, &object->vary),
		.born = object->seen,
		.body_bytes = cache_object_bytes(object),
		.vary = row_of(disk, object, names),
	};
	if (!write(cache, object, new.vary == CACHE_NONE ? NULL : names, new.check))
		return;
	struct cache_disk_entry *old = cache_disk_entry_exact(disk, object->key.hash, new.check);
	if (old)
		cache_disk_entry_remove(disk, old);
	new.position = object->disk_position;
	cache_disk_entry_add(cache, object->key.hash, &new, false);
}
