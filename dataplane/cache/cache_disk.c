// SPDX-License-Identifier: Apache-2.0
// The disk tier as a whole: its memory, what is done once a loop, and which of the operators'
// purges it knows; see cache_disk.h.
#include "cache_disk_priv.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>

int cache_disk_init(struct cache *cache)
{
	const struct cache_disk_limits *limits = &cache->limits.disk;
	if (limits->entries == 0)
		return 0;
	struct cache_disk *disk = cache->disk = calloc(1, sizeof(*disk));
	if (!disk)
		return ENOMEM;
	disk->limits = *limits;
	disk->begin = disk->head = limits->head;
	disk->oldest = MAX(disk_tail(&limits->geometry, limits->head + 1),
			   cache_disk_number(cache, CACHE_DISK_FLOOR));
	disk->is_walking = true;
	// Above those of all earlier lives.
	cache->purge_number = limits->life << 32;
	list_init(&disk->waiting);
	list_init(&disk->arriving);
	disk->heads = malloc((CACHE_DISK_READS + CACHE_DISK_WRITES) * (size_t)DISK_HEAD_BYTES);
	if (!disk->heads || cache_disk_index_init(disk) ||
	    pool_init(&disk->reads, CACHE_DISK_READS, sizeof(struct cache_disk_slot)) ||
	    pool_init(&disk->writes, CACHE_DISK_WRITES, sizeof(struct cache_disk_slot)))
		return ENOMEM;
	return 0;
}

void cache_disk_fini(struct cache *cache)
{
	struct cache_disk *disk = cache->disk;
	if (!disk)
		return;
	cache_disk_index_fini(disk);
	pool_fini(&disk->reads);
	pool_fini(&disk->writes);
	free(disk->heads);
	free(disk);
}

static void send_notes(struct cache *cache)
{
	struct cache_disk *disk = cache->disk;
	uint32_t sent = 0;
	while (sent < disk->note_count && disk->limits.send(cache->owner, &disk->notes[sent]))
		sent++;
	disk->note_count -= sent;
	if (sent && disk->note_count)
		memmove(disk->notes, disk->notes + sent, disk->note_count * sizeof(disk->notes[0]));
}

bool cache_disk_flush(struct cache *cache)
{
	if (cache->disk)
		send_notes(cache);
	return !cache->disk || cache->disk->note_count == 0;
}

// earn lets the budget grow with time, to a second's worth.
static void earn(struct cache *cache)
{
	struct cache_disk *disk = cache->disk;
	uint64_t rate = disk->limits.rate_bytes;
	uint64_t passed_us = MIN(cache->now_us - disk->budget_us, 1000000ull);
	uint64_t earned = passed_us * rate / 1000000;
	if (earned == 0)
		return;
	disk->budget_us = cache->now_us;
	disk->budget_bytes = MIN(disk->budget_bytes + (int64_t)earned, (int64_t)rate);
}

void cache_disk_run(struct cache *cache)
{
	struct cache_disk *disk = cache->disk;
	if (!disk)
		return;
	if (disk->note_count)
		send_notes(cache);
	cache_disk_end_late_reads(cache);
	cache_disk_expire(cache);
	earn(cache);
	counter_set(cache->counters, COUNTER_cache_disk_objects, disk->entries.in_use);
	counter_set(cache->counters, COUNTER_cache_disk_walking, disk->is_walking);
}

uint32_t cache_disk_in_flight(const struct cache *cache)
{
	const struct cache_disk *disk = cache->disk;
	return disk ? disk->reads.in_use + disk->writes.in_use + disk->note_count : 0;
}

uint64_t cache_disk_number(const struct cache *cache, enum cache_disk_number which)
{
	return disk_intents_number(cache->limits.disk.intents, cache->limits.worker_index, which);
}

void cache_disk_set_number(struct cache *cache, enum cache_disk_number which, uint64_t value)
{
	disk_intents_set_number(cache->limits.disk.intents, cache->limits.worker_index, which,
				value);
}

static void tell(struct cache *cache, uint64_t sequence)
{
	struct cache_disk_job job = {.kind = CACHE_DISK_TOLD};
	cache_disk_set_number(cache, CACHE_DISK_SEQUENCE, sequence);
	cache_disk_note(cache, &job);
}

void cache_disk_purged(struct cache *cache, uint64_t sequence)
{
	if (cache->disk && sequence > cache_disk_number(cache, CACHE_DISK_SEQUENCE))
		tell(cache, sequence);
}

// discard makes all of earlier lives useless, in this one and in those to come.
static void discard(struct cache *cache)
{
	struct cache_disk *disk = cache->disk;
	struct cache_disk_note all = {.is_all = 1, .number = cache->limits.disk.life << 32};
	counter_inc(cache->counters, COUNTER_cache_disk_lost);
	disk->oldest = MAX(disk->oldest, disk->begin);
	cache_label_recall(cache, &all);
	cache_disk_note_purge(cache, &all, 0);
}

void cache_disk_known(struct cache *cache, uint64_t sequence, uint32_t unsure)
{
	struct cache_disk *disk = cache->disk;
	if (!disk || disk->is_known)
		return;
	disk->is_known = true;
	uint64_t done = cache_disk_number(cache, CACHE_DISK_SEQUENCE);
	if (done <= sequence && sequence - done <= unsure)
		return;
	// Also when there are fewer than we know of: it is not the registry that we knew.
	discard(cache);
	tell(cache, sequence);
}
