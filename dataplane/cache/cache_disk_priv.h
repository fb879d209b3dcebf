// SPDX-License-Identifier: Apache-2.0
// The disk tier of one shard (cache_disk.h): its index, what is under way, and the hooks that the
// rest of the room calls, which do nothing without a disk.
#pragma once

#include "cache_disk.h"
#include "cache_priv.h"

#define CACHE_DISK_READS      64u      // under way
#define CACHE_DISK_WRITES     32u      // their objects' memory is kept meanwhile
#define CACHE_DISK_WRITE_PART 8u       // at most this part of the memory, together
#define CACHE_DISK_NOTES      64u      // that wait for the thread
#define CACHE_DISK_WAIT_US    500000u  // for a read; then the origin is asked
#define CACHE_DISK_STALL_US   5000000u // for more of what is read already; then its readers are cut
#define CACHE_DISK_BODY_MIN   1024u    // smaller ones are not worth a block
#define CACHE_DISK_TTL_MIN_S  10       // of what cannot be validated
#define CACHE_DISK_ASKED_MIN  2u       // requests, by the sketch
#define CACHE_DISK_VARIES     64u      // different lists of names in Vary
#define CACHE_DISK_EXPIRE     64u      // entries looked at in one cache_run
#define CACHE_DISK_CLOCK_S    60u      // a response from farther in the future is not used

// Where a response is. One that is gone stands for "not on the disk", while a walk might find it.
struct cache_disk_entry {
	struct list link; // old or live, in the order of positions
	uint64_t check;   // of the variant, beside the key's hash
	uint64_t position;
	uint64_t born;
	uint64_t body_bytes;
	uint32_t vary; // row of disk.varies
	bool is_gone;
};

struct cache_disk_slot {
	struct cache_object *object; // referenced
	struct cache_fill *fill;     // READ: NULL when nobody waits any more
	uint64_t position;
	uint64_t body_bytes;  // READ
	uint64_t chunk_bytes; // WRITE: memory that is kept
	uint64_t due_us;      // READ
	struct list order;    // READ: disk.waiting or disk.arriving, by due_us
};

struct cache_disk {
	struct cache_disk_limits limits;
	uint64_t begin;  // positions of this life
	uint64_t head;   // where the next record goes
	uint64_t oldest; // nothing before it is used
	bool is_known;   // no purge was missed before this life
	bool is_walking; // records of earlier lives are still being found
	bool is_broken;
	int64_t budget_bytes;
	uint64_t budget_us; // when it was counted last
	struct pool entries;
	struct hash_index by_key;
	struct list old, live; // of earlier lives, of this one
	char varies[CACHE_DISK_VARIES][CACHE_DISK_VARY_BYTES];
	uint32_t vary_count;
	struct pool reads, writes; // of slots
	struct list waiting;       // slots of which nothing has arrived, oldest first
	struct list arriving;      // of which something has, that which waits longest first
	uint8_t *heads;            // owned: DISK_HEAD_BYTES a slot, reads first
	uint64_t kept_bytes;       // of slots that write
	struct cache_disk_job notes[CACHE_DISK_NOTES];
	uint32_t note_count;
};

// cache_disk_init takes memory where there is a disk; 0 or ENOMEM. cache_disk_fini gives it back.
int cache_disk_init(struct cache *cache);
void cache_disk_fini(struct cache *cache);

// cache_disk_run gives what waits to the thread, ends late reads, forgets what is overwritten.
void cache_disk_run(struct cache *cache);

// cache_disk_in_flight counts reads and writes under way.
uint32_t cache_disk_in_flight(const struct cache *cache);

// cache_disk_fetch returns the fetch from the disk that question may wait for, begun if need be, or
// NULL: it is not there, or cannot be read now.
struct cache_fill *cache_disk_fetch(struct cache *cache, const struct cache_question *question);

// cache_disk_end_late_reads lets those go who wait for a read that takes too long. Its memory stays
// where it is until the thread is done with it.
void cache_disk_end_late_reads(struct cache *cache);

// cache_disk_offer writes an object that was used, or has to go, if it is worth it and not there.
void cache_disk_offer(struct cache *cache, struct cache_object *object);

// cache_disk_replaced forgets the variant on the disk that a new object takes the place of.
void cache_disk_replaced(struct cache *cache, const struct cache_object *object);

// cache_disk_intend_forget intends what cache_disk_forget does on another worker, which is told by
// message: its intent, or 0.
uint32_t cache_disk_intend_forget(struct cache *cache, uint32_t owner, uint64_t key_hash);

// cache_disk_unintend: that worker is to forget everything instead.
void cache_disk_unintend(struct cache *cache, uint32_t owner, uint32_t intent);

// cache_disk_forget purges what is on the disk under a hash, and ends or takes over the intent.
void cache_disk_forget(struct cache *cache, uint64_t key_hash, uint32_t intent);

// cache_disk_note_purge remembers a purge for the next life, even if we are killed when it returns.
// intent: there is one of it; 0 is none.
void cache_disk_note_purge(struct cache *cache, const struct cache_disk_note *note,
			   uint32_t intent);

// cache_disk_note sends a PURGE, DROP or TOLD, and holds it as an intent until it is written. What
// finds no room waits, and too many become a purge of everything.
void cache_disk_note(struct cache *cache, struct cache_disk_job *job);

// cache_disk_drop remembers that a variant whose entry is gone is not to be found again.
void cache_disk_drop(struct cache *cache, uint64_t hash, uint64_t check);

// cache_disk_number and cache_disk_set_number are about what lasts of our log.
uint64_t cache_disk_number(const struct cache *cache, enum cache_disk_number which);
void cache_disk_set_number(struct cache *cache, enum cache_disk_number which, uint64_t value);

// The index.

// cache_disk_index_init takes its memory; 0 or ENOMEM. cache_disk_index_fini gives it back.
int cache_disk_index_init(struct cache_disk *disk);
void cache_disk_index_fini(struct cache_disk *disk);

// cache_disk_check names a variant of a key.
uint64_t cache_disk_check(const struct cache *cache, const struct cache_key *key,
			  const struct cache_vary *vary);

// cache_disk_vary_row returns the row of a list of names, CACHE_NONE when there is no room.
uint32_t cache_disk_vary_row(struct cache_disk *disk, const char *names);

// cache_disk_entry_add makes an entry at the end of its list, instead of the oldest if need be.
struct cache_disk_entry *cache_disk_entry_add(struct cache *cache, uint64_t hash,
					      const struct cache_disk_entry *entry, bool is_old);

// cache_disk_raise_floor: records before position have no entry for want of rows, so what forgets
// them later is not remembered: no life is to find them.
void cache_disk_raise_floor(struct cache *cache, uint64_t position);

// cache_disk_entry_remove forgets one.
void cache_disk_entry_remove(struct cache_disk *disk, struct cache_disk_entry *entry);

// cache_disk_entry_exact returns the entry of a variant, also one that is gone, or NULL.
struct cache_disk_entry *cache_disk_entry_exact(const struct cache_disk *disk, uint64_t hash,
						uint64_t check);

// cache_disk_entry_at returns the entry of the record at position, or NULL.
struct cache_disk_entry *cache_disk_entry_at(const struct cache_disk *disk, uint64_t hash,
					     uint64_t position);

// cache_disk_entry_of returns the entry that a request selects and that may be read, or NULL.
struct cache_disk_entry *cache_disk_entry_of(const struct cache *cache,
					     const struct cache_question *question);

// cache_disk_expire forgets entries whose records are overwritten or of no use, a bounded step.
void cache_disk_expire(struct cache *cache);

// Records.

// cache_disk_vary_names joins an object's names in Vary; false when they are too long.
bool cache_disk_vary_names(const struct cache_object *object, char names[CACHE_DISK_VARY_BYTES]);

// cache_disk_pack writes an object's head at out, DISK_HEAD_BYTES long; returns how many bytes, 0
// when it is too large.
uint32_t cache_disk_pack(const struct cache_object *object, uint64_t check, const char *names,
			 uint8_t *out);

// cache_disk_body lends the body of a WRITE.
struct disk_body cache_disk_body(const struct cache_disk_job *job);

// cache_disk_found_of reads what a record says; false when it is none of ours.
bool cache_disk_found_of(const struct disk_record *record, struct cache_disk_found *found);

// What cache_disk_pack wrote. Slices lie in the bytes it was read from.
struct cache_disk_content {
	struct cache_head head;
	struct slice key;
	uint64_t service;
	bool is_softened;
	struct http_field fields[HTTP_FIELDS_MAX];
};

// cache_disk_unpack reads a head; false when it is none.
bool cache_disk_unpack(struct slice bytes, struct cache_disk_content *content);
