// SPDX-License-Identifier: Apache-2.0
// The HTTP cache of one worker (RFC 9111): one shard of the node's. A key belongs to one worker,
// which decides, lets one exchange fetch for many waiters, and lends immutable, reference-counted
// objects. Answers come by callback: at once when the shard is this worker's own, later by message
// when it is another's (cache_channel). Pure but for its own memory; time comes in. With several
// workers the owner of the loop carries messages: cache_send out, cache_message_received in.
#pragma once

#include "buf.h"
#include "cache_disk.h"
#include "counter.h"
#include "http.h"
#include "list.h"
#include "pool.h"
#include "siphash.h"
#include "spans.h"

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct cache_message; // cache_channel.h: fixed size, copied by value

// cache_send carries one message to another worker, in order. False: no room now, try later. It
// must not call into the cache.
typedef bool (*cache_send)(void *owner, uint32_t to_worker, const struct cache_message *message);

struct cache_limits {
	uint64_t memory_bytes; // of this shard's objects and their bodies, all of it taken at start
	uint32_t object_count;
	uint64_t object_bytes; // largest response stored; larger ones pass through
	uint32_t waiter_count; // requests that wait for another's fetch
	uint32_t wait_ms;      // then a waiter fetches for itself
	uint32_t worker_index, worker_count;
	struct siphash_key key_secret; // the same on all workers: who owns a key
	cache_send send; // may be NULL when worker_count is 1; its owner is cache_new's
	struct cache_disk_limits disk; // all zero: there is none
};

// What became of a request; the words of Cache-Status (RFC 9211).
enum cache_verdict {
	CACHE_HIT,           // object is lent, maybe while it grows; Age is in age_s
	CACHE_NOT_MODIFIED,  // the client's condition holds: answer 304 from object
	CACHE_PARTIAL,       // answer 206 with part_bytes at part_first of object
	CACHE_UNSATISFIABLE, // the range is beyond object's end: answer 416
	CACHE_FETCH,         // you fetch: fill is yours, begin or abandon it
	CACHE_PASS, // do not use the cache (fwd reason in forward); with CACHE_FORWARD_NONE the
		    // client wants nothing but a stored response: answer 504
	CACHE_VERDICT_COUNT
};

enum cache_forward { // RFC 9211 2.2 fwd=
	CACHE_FORWARD_NONE,
	CACHE_FORWARD_BYPASS,
	CACHE_FORWARD_METHOD,
	CACHE_FORWARD_URI_MISS,
	CACHE_FORWARD_VARY_MISS,
	CACHE_FORWARD_MISS,
	CACHE_FORWARD_REQUEST,
	CACHE_FORWARD_STALE,
	CACHE_FORWARD_COUNT
};

struct cache_object; // what is there of it never changes
struct cache_fill;   // a response being stored
struct cache_reader; // below

struct cache_answer {
	enum cache_verdict verdict;
	enum cache_forward forward;
	struct cache_object *object; // what answers the request: lent until cache_release
	// FETCH, PASS: what a conditional request may validate, lent. With an object too: the stale
	// object is used now and the fetch, with fill, goes on behind the client's back.
	struct cache_object *stale;
	struct cache_fill *fill; // yours
	uint64_t part_first, part_bytes;
	uint64_t age_s;
	int64_t ttl_s;       // freshness left
	bool survives_error; // stale may be used when the origin answers 500, 502, 503, 504
	bool survives_loss;  // stale may be used when there is no answer
	bool is_collapsed;   // it waited for another request's fetch (RFC 9211 2.6)
	bool is_from_disk;   // object was read for it
};

// cache_answer_has_object is true when the verdict is one that an object answers.
static inline bool cache_answer_has_object(const struct cache_answer *answer)
{
	return answer->verdict < CACHE_FETCH;
}

// cache_answered is how an answer reaches the asker; asker is what was given to cache_ask.
typedef void (*cache_answered)(void *owner, struct pool_id asker,
			       const struct cache_answer *answer);

// cache_new takes limits.memory_bytes; answered and owner are for all answers. NULL when short.
// cache_free gives it back; what is lent or in flight is forgotten.
struct cache *cache_new(const struct cache_limits *limits, cache_answered answered, void *owner,
			struct counters *counters);
void cache_free(struct cache *cache);

// cache_spans adds the memory of bodies and rows to spans.
void cache_spans(const struct cache *cache, struct spans *spans);

// cache_row_bytes is what of memory_bytes the rows of object_count objects take.
uint64_t cache_row_bytes(uint32_t object_count);

// cache_set_time tells the time; wall_s is Unix time.
void cache_set_time(struct cache *cache, uint64_t now_us, uint64_t wall_s);

// What the asker knows of a request beyond itself. Only who stores must know: it is asked for then.
struct cache_scope {
	struct slice (*service)(void *user); // name of the service that is asked
	void *user;
};

// cache_ask looks up a request, which is borrowed for the call as scope is (NULL: nothing is
// known). Exactly one answer follows, maybe before it returns. An asker asks one thing at a time.
void cache_ask(struct cache *cache, const struct http_message *request,
	       const struct cache_scope *scope, struct pool_id asker);

// cache_cancel: the asker is gone; a waiter is forgotten, and no answer follows.
void cache_cancel(struct cache *cache, struct pool_id asker);

// cache_fill_begin tells the response head of a fetch. True: it is stored, give the body with
// cache_fill_write. False: not storable, fill is gone, waiters were told to fetch for themselves;
// *why is a counter of cache.def: counted, but for a fetch that was purged, which counted then.
bool cache_fill_begin(struct cache_fill *fill, const struct http_message *request,
		      const struct http_message *response, enum counter *why);

// cache_fill_write adds body bytes (copied), which those who read the object meanwhile get. False:
// too large or memory short; fill is gone.
bool cache_fill_write(struct cache_fill *fill, struct slice bytes);

// cache_fill_lend lends the object to its own fetcher, who may read there what it has written, once
// that is something; NULL: another worker has it, and nobody else reads. cache_fill_return takes
// that loan back from a fetcher that goes on; else cache_release does when the fill is gone.
struct cache_object *cache_fill_lend(struct cache_fill *fill);
void cache_fill_return(struct cache_fill *fill, struct cache_object *object);

// cache_fill_is_read tells whether others read what is being stored, or have begun to on another
// worker. cache_fill_await has reader->grown called when they begin to there: then cache_fill_lend
// lends. cache_fill_bytes is how much was written.
bool cache_fill_is_read(const struct cache_fill *fill);
void cache_fill_await(struct cache_fill *fill, struct cache_reader *reader);
uint64_t cache_fill_bytes(const struct cache_fill *fill);

// cache_fill_end: the response is complete; it is stored, waiters get it, fill is gone. A body
// shorter than its content-length is not stored.
void cache_fill_end(struct cache_fill *fill);

// cache_fill_abandon: the fetch failed or was not begun; one waiter becomes the fetcher, who reads
// already finds the object broken. fill is gone.
void cache_fill_abandon(struct cache_fill *fill);

// cache_fill_fail: the origin failed; waiters that may get what is stale, others as abandoned. fill
// is gone.
void cache_fill_fail(struct cache_fill *fill);

// A stored head with newer fields.
struct cache_refreshed {
	struct http_message head;
	bool is_stored;
	char date[30];
	struct http_field fields[2 * HTTP_FIELDS_MAX];
};

// cache_validated tells that update, a 304 (or a 200 to HEAD), is about answer->stale: *refreshed
// is the newer head, answer->stale becomes answer->object, with verdict and age, and a fill stores
// it (refreshed->is_stored). False: it is about something else, or has too many fields; nothing
// changed.
bool cache_validated(struct cache *cache, const struct http_message *request,
		     const struct http_message *update, struct cache_answer *answer,
		     struct cache_refreshed *refreshed);

// cache_survive lets answer->stale answer the request although the fetch failed.
void cache_survive(struct cache *cache, const struct http_message *request,
		   struct cache_answer *answer);

// cache_object_head borrows the stored head, without Age and Cache-Status; cache_object_received_s
// is when it came, Unix time.
const struct http_message *cache_object_head(const struct cache_object *object);
uint64_t cache_object_received_s(const struct cache_object *object);

// cache_object_written borrows what connections may send of that head as it is, to a client that
// gets the whole body; NULL: nothing.
const struct http_written *cache_object_written(const struct cache_object *object);

// cache_object_can_confirm is true when a conditional request can validate it.
bool cache_object_can_confirm(const struct cache_object *object);

// cache_object_bytes is the body's size, HTTP_LENGTH_NONE while it grows and nobody has said;
// cache_object_read borrows a run of it at offset, at most max (shorter at the end of a chunk of
// memory; empty at the end of what is there).
uint64_t cache_object_bytes(const struct cache_object *object);
struct slice cache_object_read(const struct cache_object *object, uint64_t offset, size_t max);

enum cache_growth {
	CACHE_GROWING, // more of the body arrives
	CACHE_WHOLE,   // all of it is there
	CACHE_BROKEN,  // its fetch failed: what is there is all, and not the whole
};

// cache_object_growth tells what may be expected of a lent object.
enum cache_growth cache_object_growth(const struct cache_object *object);

// Who has read all that is there of an object that grows.
struct cache_reader {
	struct list link;
	void (*grown)(struct cache_reader *reader);
};

// cache_reader_init makes a reader that waits for nothing.
void cache_reader_init(struct cache_reader *reader, void (*grown)(struct cache_reader *reader));

// cache_object_await has reader->grown called once, when more of a lent object that grows is there,
// or its growth has ended. cache_reader_leave: not any more. Of the cache grown may only call what
// lends to a fetcher, or reads.
void cache_object_await(struct cache *cache, struct cache_object *object,
			struct cache_reader *reader);
void cache_reader_leave(struct cache_reader *reader);

// cache_release gives a lent object back.
void cache_release(struct cache *cache, struct cache_object *object);

#define CACHE_PREFIXES_MAX 16u // directories of a URL that it can be purged by

// What is purged. Hard: it is never used again, and fetches that run are not stored. Soft: it is
// stale from now on, and so are fetches that run. Any costs the same whatever is stored.
enum cache_purge_kind {
	CACHE_PURGE_URL,     // "scheme://authority/path?query", whatever its variants
	CACHE_PURGE_PREFIX,  // the same up to and including a '/' of the path, the 16th at most
	CACHE_PURGE_TAG,     // a member of Surrogate-Key or Cache-Tag
	CACHE_PURGE_SERVICE, // by name
	CACHE_PURGE_ALL,
	CACHE_PURGE_KIND_COUNT
};

// cache_purge purges; false when text is no URL. cache_purge_url purges one hard and returns how
// many objects that were; cache_purge_all everything.
bool cache_purge(struct cache *cache, enum cache_purge_kind kind, struct slice text, bool is_soft);
uint32_t cache_purge_url(struct cache *cache, struct slice url);
void cache_purge_all(struct cache *cache);

// cache_invalidate forgets the target of an unsafe request that response says succeeded, and what
// Location and Content-Location name of the same origin (RFC 9111 4.4).
void cache_invalidate(struct cache *cache, const struct http_message *request,
		      const struct http_message *response);

// cache_run ends waits that took too long, and eviction's leftover work; once a loop.
void cache_run(struct cache *cache);

// cache_message_received takes a message that another worker's cache sent to this one.
void cache_message_received(struct cache *cache, uint32_t from_worker,
			    const struct cache_message *message);

// cache_in_flight counts what is out: waits, fills, loans, messages that the channel had no room
// for. 0 when nothing leaks and every asker is done.
uint32_t cache_in_flight(const struct cache *cache);
