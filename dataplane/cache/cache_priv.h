// SPDX-License-Identifier: Apache-2.0
// One shard of the cache, and what the files of this room offer each other.
//
// An object's bytes live in chunks: key, then head (no string crosses a chunk), then body. Chunks
// are named by number; the first few in the object, the others in chunks full of numbers.
#pragma once

#include "cache.h"
#include "cache_channel.h"
#include "cache_policy.h"
#include "cache_sketch.h"
#include "hash_index.h"
#include "list.h"

#define CACHE_CHUNK_BYTES  4096u
#define CACHE_DIRECT       8u  // chunks named in the object itself
#define CACHE_TABLES       16u // chunks of numbers
#define CACHE_TABLE_ROWS   (CACHE_CHUNK_BYTES / 4u)
#define CACHE_CHUNKS_MAX   (CACHE_DIRECT + CACHE_TABLES * CACHE_TABLE_ROWS) // 64 MiB
#define CACHE_VARIANTS     16u                                              // objects of one key
#define CACHE_ERRAND_BYTES 8192u  // a request that waits or travels
#define CACHE_PARCEL_BYTES 16384u // a head, or a run of body, on its way to the owner
#define CACHE_PARCELS      128u
#define CACHE_LOANS        16384u   // of other shards' objects
#define CACHE_MIRRORS      256u     // of other shards' objects that grow
#define CACHE_PASS_MARKS   1024u    // a power of two
#define CACHE_PASS_US      2000000u // how long a key stays marked
#define CACHE_FAILING_US   1000000u // for which an origin that failed is not asked about an object
#define CACHE_NONE         UINT32_MAX
#define CACHE_TAGS_MAX     256u // of one response
#define CACHE_TAG_BYTES    256u
#define CACHE_LABELS_MAX   (CACHE_TAGS_MAX + CACHE_PREFIXES_MAX + 2u)
#define CACHE_PURGE_SETS   4096u // a power of two
#define CACHE_PURGE_WAYS   4u

// Where an object is in the order of use (cache_evict.c).
enum cache_segment_name { CACHE_WINDOW, CACHE_PROBATION, CACHE_PROTECTED, CACHE_SEGMENTS };

struct cache_segment {
	struct list objects; // oldest first
	uint64_t chunks;
};

struct cache_key {
	uint64_t hash;
	struct slice text; // scheme://authority/path?query
};

// What a response can be purged by (cache_label.c).
struct cache_labels {
	uint32_t count, tag_count;
	uint64_t at[CACHE_LABELS_MAX];
};

// When something was purged last, by purge_number; 0: never.
struct cache_purged {
	uint64_t label;
	uint64_t hard, soft;
	uint64_t soft_s; // Unix time of soft
};

struct cache_purge_set {
	struct cache_purged ways[CACHE_PURGE_WAYS];
	struct cache_purged others; // labels of this set that had to make way
};

struct cache_disk;
struct cache_disk_note;

struct cache_object {
	struct list link;    // its segment; unlinked unless indexed
	uint8_t *base;       // chunk 0 of the owner
	uint32_t owner;      // worker
	uint32_t references; // the index or the fill, and loans; only the owner's worker touches it
	bool is_indexed;
	uint8_t growth;      // enum cache_growth
	struct list readers; // cache_reader.link: wait for more
	uint8_t segment;     // enum cache_segment_name
	bool is_used;        // while it was in the window
	bool is_purged;      // the owner's, like all about purges; as of seen
	bool is_softened;    // a soft purge made it stale
	bool is_on_disk;     // was written there, at disk_position; 0: it cannot be
	uint64_t disk_position;
	uint32_t label_count;
	const uint64_t *labels;    // in its chunks
	uint64_t born, seen;       // purge_number when its fetch began, when it was last judged
	uint64_t failing_until_us; // the owner's: the origin failed when asked about it
	struct cache_object
		*mirror_of;           // of a mirror: what grows on another worker (cache_mirror.c)
	bool is_asking;               // a mirror: the owner is to tell when there is more
	struct cache_object *body_of; // a refreshed object: the one that holds the body, referenced
	struct cache_key key;
	struct cache_vary vary;
	struct cache_freshness freshness;
	struct cache_terms terms;
	struct http_message head;
	const struct http_written *written; // of head, in its chunks; see cache_written.c
	bool has_tried_writing;             // the owner's
	uint64_t used_bytes;                // of its chunks
	uint64_t body_start;                // in chunk bytes
	uint64_t body_bytes;
	uint32_t chunk_count;
	uint32_t table_count;
	uint32_t direct[CACHE_DIRECT];
	uint32_t tables[CACHE_TABLES];
};

// What is copied from a response into an object, wherever it lies.
struct cache_head {
	struct http_message message;
	struct cache_vary vary;
	struct cache_freshness freshness;
	struct cache_terms terms;
	struct slice no_cache_fields, private_fields; // names of fields that are not stored
	bool is_refresh;                              // the body is that of the fill's stale object
};

// A request that waits for another's fetch here, or for another worker's answer.
struct cache_errand {
	struct pool_id asker;
	uint32_t to_worker;
	bool is_cancelled; // only of another worker's: the answer is still to come
	uint64_t service;
	struct http_message request;
};

// A place in a fill's queue, on the worker that owns the key.
struct cache_waiter {
	struct list link;  // fill.waiters
	struct list order; // cache.waiting, by due_us
	uint64_t due_us;
	uint32_t from_worker;
	bool is_for_disk;            // what it waits for is its own, though others may wait too
	struct cache_errand *errand; // from_worker's
};

// A fetch. On the key's owner it is the record of it, whoever fetches; on another worker that
// fetches it is a proxy, which only speaks to the owner's.
struct cache_fill {
	struct cache *cache; // whose pool it is of
	bool is_proxy;
	bool is_begun;
	bool is_doomed;    // lost its right to be stored: not found, goes on for readers only
	bool is_lent;      // its object, to the fetcher itself
	bool is_from_disk; // the disk's thread is the fetcher
	bool is_joined;    // of another worker's fetch: others read, which was told
	uint32_t worker;   // who fetches; of a proxy: the owner
	uint64_t asked_us;
	uint64_t content_length; // HTTP_LENGTH_NONE when not given
	uint64_t body_bytes;
	// the owner's
	uint64_t key_hash;
	struct cache_object
		*object; // NULL when doomed and not read; a proxy's: its mirror, when joined
	struct cache_object *stale; // what the fetcher validates, referenced
	struct list waiters;
	uint64_t service;      // its label
	struct pool_id filler; // the fetcher's name of it, when that is on another worker
	// a proxy's
	void *remote;                // the owner's fill
	struct cache_parcel *parcel; // being filled with body
	uint32_t parcel_bytes;
	uint32_t parcels_out;
	struct list joined; // cache_reader.link: its fetcher, to be told
};

// A mirror of another worker that waits for an object of ours to grow.
struct cache_watch {
	struct cache_reader reader;
	struct cache *cache;
	struct cache_object *object;
	struct cache_object *mirror; // the other worker's
	uint32_t worker;
};

struct cache_parcel {
	struct cache_head head;
	uint64_t content_length;
	_Alignas(8) uint8_t bytes[CACHE_PARCEL_BYTES];
};

// Messages that the channel had no room for, in order.
struct cache_outbox {
	struct cache_message *messages; // owned: ring
	uint32_t first, count, capacity;
	bool wants_invalidate_all;
};

struct cache_pass_mark {
	uint64_t key_hash;
	uint64_t until_us;
};

// Who asks what, while it is being decided.
struct cache_question {
	const struct http_message *request;
	struct cache_request_policy policy;
	struct cache_key key;
	const struct cache_scope *scope; // of the asker; NULL: known by its label only
	uint64_t service;                // that label, of an errand
	uint32_t from_worker;
	void *errand;         // NULL: a local asker that does not wait yet
	struct pool_id asker; // when errand is NULL
	bool is_collapsed;
	bool is_from_disk;
};

struct cache {
	struct cache_limits limits;
	cache_answered answered;
	void *owner;
	struct counters *counters;
	uint64_t now_us;
	uint64_t wall_s;
	// cache_label.c
	uint64_t purge_number; // of the last purge
	uint32_t sweep_left;   // rows not yet looked at since the last hard one
	struct cache_purged purged_all;
	struct cache_purge_set *purge_sets; // owned
	// cache_store.c, cache_evict.c
	uint8_t *chunks;       // owned
	uint32_t *free_chunks; // owned: stack
	uint32_t chunk_count, free_count;
	struct pool objects;
	struct hash_index by_key;
	struct cache_segment segments[CACHE_SEGMENTS];
	struct cache_sketch sketch;
	struct cache_disk *disk; // owned; NULL: there is none
	// cache_ask.c, cache_fill.c
	struct pool errands;
	uint8_t *errand_bytes; // owned: CACHE_ERRAND_BYTES each
	struct hash_index errand_by_asker;
	struct pool waiters;
	struct hash_index waiter_by_errand;
	struct list waiting;
	struct pool fills; // records and proxies
	struct hash_index fill_by_key;
	struct cache_pass_mark *passes; // owned
	// cache_channel.c
	struct pool parcels;
	struct cache_outbox *outboxes; // owned: one a worker
	// cache_mirror.c
	struct pool mirrors;
	struct hash_index mirror_by_object;
	struct pool watches;
	uint32_t loans;         // objects lent to askers here
	uint32_t foreign_loans; // of these, other shards'
	char key_text[CACHE_CHUNK_BYTES];
	_Alignas(8) uint8_t scratch[CACHE_CHUNK_BYTES];
};

// cache_key_make makes the key of a request in cache->key_text; false when it is too long or has no
// path. The key is good until the next one is made.
bool cache_key_make(struct cache *cache, const struct http_message *request, struct cache_key *key);

// cache_key_parse makes the key of a URL; false when it is none or too long.
bool cache_key_parse(struct cache *cache, struct slice url, struct cache_key *key);

// cache_key_owner is the worker that a key belongs to.
uint32_t cache_key_owner(const struct cache *cache, uint64_t key_hash);

// cache_store_init takes the memory of objects and chunks; 0 or ENOMEM. cache_store_fini gives it
// back.
int cache_store_init(struct cache *cache);
void cache_store_fini(struct cache *cache);

// cache_store_new returns an empty object with its key and one reference, evicting as needed; NULL
// when there is no memory.
struct cache_object *cache_store_new(struct cache *cache, const struct cache_key *key);

// cache_store_reset forgets head and body.
void cache_store_reset(struct cache *cache, struct cache_object *object);

// cache_store_head copies a head in, without Age and Cache-Status, and labels it. False and *why
// when it does not fit, or has too many tags.
bool cache_store_head(struct cache *cache, struct cache_object *object,
		      const struct cache_head *head, uint64_t service, enum counter *why);

// cache_store_share_body makes the body of from, or of whom from has it, that of object.
void cache_store_share_body(struct cache_object *object, struct cache_object *from);

// cache_store_append copies body bytes in and tells readers; false when there is no memory.
bool cache_store_append(struct cache *cache, struct cache_object *object, struct slice bytes);

// cache_store_end ends the object's growth and tells readers; cache_store_tell tells them.
void cache_store_end(struct cache_object *object, enum cache_growth growth);
void cache_store_tell(struct cache_object *object);

// cache_store_reserve makes room for a body that is read into its place, none of which is there
// yet; false when there is no memory.
bool cache_store_reserve(struct cache *cache, struct cache_object *object, uint64_t bytes);

// cache_store_run lends the memory at offset of an object's own, *bytes of it at most, which is
// set. What is reserved stays where it is, so another thread may call this while the object's head
// and its use change.
void *cache_store_run(const struct cache_object *object, uint64_t offset, size_t *bytes);

// cache_store_spare lends the memory behind the last byte of a complete object, aligned to 8,
// *bytes of it: what its last chunk has left. cache_store_use makes the first bytes of it the
// object's.
void *cache_store_spare(const struct cache_object *object, size_t *bytes);
void cache_store_use(struct cache_object *object, const void *spare, size_t bytes);

// cache_written_make (cache_written.c) has a complete object's head written ahead, the first time
// it is used as it is; the owner's.
void cache_written_make(struct cache_object *object);

// cache_store_insert makes a complete object findable, in place of the same variant; the index
// takes over the reference.
void cache_store_insert(struct cache *cache, struct cache_object *object);

// cache_store_find returns the newest object of key whose variant request selects, or NULL;
// *has_key tells whether there is another variant.
struct cache_object *cache_store_find(struct cache *cache, const struct cache_key *key,
				      const struct http_message *request, bool *has_key);

// cache_store_forget takes an object out of the index; its memory goes with the last loan.
void cache_store_forget(struct cache *cache, struct cache_object *object);

// cache_store_unref gives one reference back.
void cache_store_unref(struct cache *cache, struct cache_object *object);

// cache_evict_touch tells that an object was used; cache_evict_link and cache_evict_unlink put it
// into the order of use and take it out.
void cache_evict_touch(struct cache *cache, struct cache_object *object);
void cache_evict_link(struct cache *cache, struct cache_object *object);
void cache_evict_unlink(struct cache *cache, struct cache_object *object);

// cache_evict_one forgets the least useful object that is not lent; false when there is none.
bool cache_evict_one(struct cache *cache);

// cache_ask_init takes memory for errands, waiters, fills; 0 or ENOMEM. cache_ask_fini gives it
// back.
int cache_ask_init(struct cache *cache);
void cache_ask_fini(struct cache *cache);

// cache_ask_decide answers a question on the key's owner, or lets it wait.
void cache_ask_decide(struct cache *cache, struct cache_question *question);

// cache_question_service is the label of the service that is asked. Only who stores needs it, so it
// is not made for every question.
uint64_t cache_question_service(const struct cache *cache, const struct cache_question *question);

// cache_ask_again decides for each waiter on the list anew; cache_ask_pass passes them all on. The
// list is empty afterwards.
void cache_ask_again(struct cache *cache, struct list *waiters);
void cache_ask_pass(struct cache *cache, struct list *waiters);

// cache_answer_loans counts the objects that an answer lends.
static inline uint32_t cache_answer_loans(const struct cache_answer *answer)
{
	return (answer->object ? 1u : 0u) + (answer->stale ? 1u : 0u);
}

// cache_ask_lend takes a reference of object for an answer.
struct cache_object *cache_ask_lend(struct cache *cache, struct cache_object *object);

// cache_ask_attach lets the fetcher, who asked request, validate what is stored for it: answer and
// fill refer to that, or to nothing.
void cache_ask_attach(struct cache *cache, struct cache_fill *fill,
		      const struct http_message *request, struct cache_answer *answer);

// cache_ask_tell gives an answer to an asker of this worker.
void cache_ask_tell(struct cache *cache, struct pool_id asker, const struct cache_answer *answer);

// cache_ask_tell_errand gives an answer to errand of from_worker: by call and the errand is gone,
// or by message.
void cache_ask_tell_errand(struct cache *cache, uint32_t from_worker, void *errand,
			   const struct cache_answer *answer);

// cache_errand_new copies a question; NULL when there is no room. cache_errand_free ends it.
struct cache_errand *cache_errand_new(struct cache *cache, const struct cache_question *question,
				      uint32_t to_worker);
void cache_errand_free(struct cache *cache, struct cache_errand *errand);

// cache_errand_question makes the question of an errand anew; its key is good until the next one is
// made.
struct cache_question cache_errand_question(struct cache *cache, uint32_t from_worker,
					    struct cache_errand *errand);

// cache_errand_hide: the asker is gone, the errand is not found by it any more.
void cache_errand_hide(struct cache *cache, struct cache_errand *errand);

// cache_waiter_drop forgets a waiter without an answer.
void cache_waiter_drop(struct cache *cache, struct cache_waiter *waiter);

// cache_waiter_find returns the waiter of from_worker's errand, or NULL.
struct cache_waiter *cache_waiter_find(const struct cache *cache, uint32_t from_worker,
				       const void *errand);

// cache_fill_new starts a fetch for a question; NULL when there is no memory.
struct cache_fill *cache_fill_new(struct cache *cache, const struct cache_question *question);

// cache_fill_find returns the running fetch of a key whose response is of the variant that request
// selects, else one whose variant is not known yet, or NULL. One whose response is purged already
// is doomed.
struct cache_fill *cache_fill_find(struct cache *cache, const struct cache_key *key,
				   const struct http_message *request);

// cache_fill_doom takes a running fetch's right to be stored. Its waiters are put at the end of the
// list, for cache_ask_again; who reads goes on.
void cache_fill_doom(struct cache *cache, struct cache_fill *fill, struct list *waiters);

// cache_fill_tell_joined tells a fetcher on another worker that others read what it brings.
void cache_fill_tell_joined(struct cache_fill *fill);

// cache_fill_is_for_all tells whether what a begun fetch brings answers others as it is.
bool cache_fill_is_for_all(const struct cache_fill *fill);

// How a fetch ends without being stored.
enum cache_refusal {
	CACHE_REFUSAL_KEY,      // nobody's response will be storable: mark the key for a while
	CACHE_REFUSAL_ONCE,     // no memory or room: waiters fetch for themselves
	CACHE_REFUSAL_PERSONAL, // only this request's response was not: one waiter fetches
};

// cache_fill_refuse ends the owner's record accordingly. A local one is gone; one that another
// worker fetches for is doomed until that one lets go.
void cache_fill_refuse(struct cache *cache, struct cache_fill *fill, enum cache_refusal refusal);

// cache_fill_drop ends a local one that brought nothing; its waiters are decided anew.
void cache_fill_drop(struct cache *cache, struct cache_fill *fill);

// cache_fill_times tells when the response that comes now came, and how long it took.
struct cache_times cache_fill_times(const struct cache_fill *fill);

// cache_fill_judge decides whether a response may be stored and gathers what is to be copied.
// False: *why and *refusal are set. The head's slices are the response's, the variant's lie in
// arena.
struct cache_judgement {
	struct cache_head head;
	enum counter why;
	enum cache_refusal refusal;
};
bool cache_fill_judge(const struct cache_fill *fill, const struct http_message *request,
		      const struct http_message *response, struct arena *arena,
		      struct cache_judgement *judgement);

// cache_fill_take_head and cache_fill_take_body and cache_fill_finish are the owner's half of
// begin, write and end. False: *why is set and nothing else has changed.
bool cache_fill_take_head(struct cache_fill *fill, const struct cache_head *head,
			  uint64_t content_length, enum counter *why);
bool cache_fill_take_body(struct cache_fill *fill, struct slice bytes, enum counter *why);
void cache_fill_finish(struct cache_fill *fill);

// cache_fill_let_in decides for those who wait when there is something to read.
void cache_fill_let_in(struct cache *cache, struct cache_fill *fill);

// cache_fill_lost ends a fetch that failed: is_failing when what is stale was good enough for the
// fetcher and so may be for others.
void cache_fill_lost(struct cache_fill *fill, bool is_failing);

// cache_pass_is_marked is true while a key is known not to be storable. cache_pass_clear forgets
// it.
bool cache_pass_is_marked(const struct cache *cache, uint64_t key_hash);
void cache_pass_clear(struct cache *cache, uint64_t key_hash);

// cache_label_init takes memory for what was purged; 0 or ENOMEM. cache_label_fini gives it back.
int cache_label_init(struct cache *cache);
void cache_label_fini(struct cache *cache);

// cache_label makes the label of a PREFIX, TAG or SERVICE; that of a URL is its key's hash.
uint64_t cache_label(const struct cache *cache, enum cache_purge_kind kind, struct slice text);

// cache_label_key sets the labels that follow from a key: URL, service, directories.
void cache_label_key(const struct cache *cache, const struct cache_key *key, uint64_t service,
		     struct cache_labels *labels);

// cache_label_tags adds those in Surrogate-Key and Cache-Tag. False: too many, or one too long.
bool cache_label_tags(const struct cache *cache, const struct http_message *head,
		      struct cache_labels *labels);

// cache_label_purge purges what has a label; cache_label_purge_all everything. Soft: it is stale
// from now on.
void cache_label_purge(struct cache *cache, uint64_t label, bool is_soft);
void cache_label_purge_all(struct cache *cache, bool is_soft);

// cache_label_purge_hash purges a URL hard; intent: the disk's of it, or 0.
void cache_label_purge_hash(struct cache *cache, uint64_t key_hash, uint32_t intent);

// cache_label_settle brings an object up to the purges since its fetch began: false when one was
// hard, its lifetime is over when one was soft.
bool cache_label_settle(const struct cache *cache, struct cache_object *object);

// cache_label_recall makes known a purge of an earlier life, maybe not in order.
void cache_label_recall(struct cache *cache, const struct cache_disk_note *note);

// cache_label_key_is_purged is true when a response of a service that was born then is known to be
// purged by its URL alone.
bool cache_label_key_is_purged(const struct cache *cache, const struct cache_key *key,
			       uint64_t service, uint64_t born);

// cache_label_is_purged is true for a running fetch whose response is known to be purged already.
bool cache_label_is_purged(const struct cache *cache, const struct cache_fill *fill);

// cache_purge_hash forgets all objects under a hash and dooms its fetch; returns how many objects.
// intent: the disk's of it, or 0.
uint32_t cache_purge_hash(struct cache *cache, uint64_t key_hash, uint32_t intent);

// cache_purge_sweep looks for what hard purges left, a bounded step.
void cache_purge_sweep(struct cache *cache);

// cache_channel_init takes memory for parcels and outboxes when there are several workers; 0 or
// ENOMEM. cache_channel_fini gives it back.
int cache_channel_init(struct cache *cache);
void cache_channel_fini(struct cache *cache);

// cache_channel_send sends a message, now or when there is room. cache_channel_try sends it now or
// not at all.
void cache_channel_send(struct cache *cache, uint32_t to_worker,
			const struct cache_message *message);
bool cache_channel_try(struct cache *cache, uint32_t to_worker,
		       const struct cache_message *message);

// cache_channel_run sends what waits.
void cache_channel_run(struct cache *cache);

// cache_channel_ask takes a question to the key's owner, or answers PASS.
void cache_channel_ask(struct cache *cache, const struct cache_question *question);

// cache_channel_invalidate has another worker forget a key.
void cache_channel_invalidate(struct cache *cache, uint32_t to_worker, uint64_t key_hash);

// cache_proxy_begin, cache_proxy_write, cache_proxy_end and cache_proxy_abandon are the halves of
// cache_fill_begin and the others on a worker that fetches for another's key.
bool cache_proxy_begin(struct cache_fill *fill, const struct http_message *request,
		       const struct http_message *response, enum counter *why);
bool cache_proxy_write(struct cache_fill *fill, struct slice bytes);
void cache_proxy_end(struct cache_fill *fill);
void cache_proxy_abandon(struct cache_fill *fill, bool is_failing);

// cache_proxy_refresh and cache_fill_refresh store a refreshed head whose body is the stale
// object's; the fill is gone. False: not stored.
bool cache_proxy_refresh(struct cache_fill *fill, const struct http_message *request,
			 const struct http_message *head);
bool cache_fill_refresh(struct cache_fill *fill, const struct http_message *request,
			const struct http_message *head);

// cache_mirror_init takes memory for mirrors and those that watch here; 0 or ENOMEM.
// cache_mirror_fini gives it back.
int cache_mirror_init(struct cache *cache);
void cache_mirror_fini(struct cache *cache);

// cache_mirror_tell writes into a message how far an object has grown.
void cache_mirror_tell(const struct cache_object *object, struct cache_message *message);

// cache_mirror_take returns a reference of the mirror of object, which owner has lent to this
// worker by message; that loan is the mirror's. NULL: too many, the loan was given back.
struct cache_object *cache_mirror_take(struct cache *cache, uint32_t owner,
				       const struct cache_message *message,
				       struct cache_object *object);

// cache_mirror_unref gives one reference back; with the last the owner has its loan back.
void cache_mirror_unref(struct cache *cache, struct cache_object *mirror);

// cache_mirror_ask has the mirror's readers told when there is more.
void cache_mirror_ask(struct cache *cache, struct cache_object *mirror);

// cache_mirror_more and cache_mirror_grown take these messages.
void cache_mirror_more(struct cache *cache, uint32_t from_worker,
		       const struct cache_message *message);
void cache_mirror_grown(struct cache *cache, const struct cache_message *message);
