// SPDX-License-Identifier: Apache-2.0
// One fetch for many. A fetch has one fetcher (an asker here or on another worker) and one record
// on the key's owner, in whose memory the object grows. Others wait until it is known what comes,
// and read it while it arrives; the index gets it when it is complete. A fetch that loses its right
// to be stored is doomed: its record stays, with the object for those who read it, until the
// fetcher lets go.
#include "cache_priv.h"

#include "check.h"

static struct cache_pass_mark *mark_of(const struct cache *cache, uint64_t key_hash)
{
	return &cache->passes[key_hash & (CACHE_PASS_MARKS - 1)];
}

bool cache_pass_is_marked(const struct cache *cache, uint64_t key_hash)
{
	const struct cache_pass_mark *mark = mark_of(cache, key_hash);
	return mark->key_hash == key_hash && cache->now_us < mark->until_us;
}

void cache_pass_clear(struct cache *cache, uint64_t key_hash)
{
	if (mark_of(cache, key_hash)->key_hash == key_hash)
		mark_of(cache, key_hash)->until_us = 0;
}

static void mark_pass(struct cache *cache, uint64_t key_hash)
{
	*mark_of(cache, key_hash) =
		(struct cache_pass_mark){key_hash, cache->now_us + CACHE_PASS_US};
}

struct cache_fill *cache_fill_new(struct cache *cache, const struct cache_question *question)
{
	struct pool_id id;
	const struct cache_key *key = &question->key;
	struct cache_object *object = cache_store_new(cache, key);
	if (!object)
		return NULL;
	struct cache_fill *fill = pool_new(&cache->fills, &id);
	if (!fill) {
		cache_store_unref(cache, object);
		return NULL;
	}
	fill->cache = cache;
	fill->worker = question->from_worker;
	fill->asked_us = cache->now_us;
	fill->key_hash = key->hash;
	fill->object = object;
	fill->service = cache_question_service(cache, question);
	list_init(&fill->waiters);
	hash_index_add(&cache->fill_by_key, id.index, key->hash);
	return fill;
}

// take_waiters moves the waiters to the end of a list.
static void take_waiters(struct cache_fill *fill, struct list *waiters)
{
	while (!list_is_empty(&fill->waiters))
		list_append(waiters, list_pop(&fill->waiters));
}

// detach makes the record unfindable and moves its waiters to the list.
static void detach(struct cache *cache, struct cache_fill *fill, struct list *waiters)
{
	if (fill->is_doomed)
		return;
	fill->is_doomed = true;
	hash_index_remove(&cache->fill_by_key, pool_id_of(&cache->fills, fill).index);
	take_waiters(fill, waiters);
}

static void drop_stale(struct cache *cache, struct cache_fill *fill)
{
	if (fill->stale)
		cache_store_unref(cache, fill->stale);
	fill->stale = NULL;
}

// drop_object gives up what has arrived; who reads it learns of it.
static void drop_object(struct cache *cache, struct cache_fill *fill)
{
	struct cache_object *object = fill->object;
	fill->object = NULL;
	drop_stale(cache, fill);
	if (!object)
		return;
	cache_store_end(object, CACHE_BROKEN);
	cache_store_unref(cache, object);
}

bool cache_fill_is_read(const struct cache_fill *fill)
{
	if (fill->is_proxy)
		return fill->is_joined;
	return fill->object && fill->object->references > 1u + fill->is_lent;
}

void cache_fill_doom(struct cache *cache, struct cache_fill *fill, struct list *waiters)
{
	detach(cache, fill, waiters);
	if (!cache_fill_is_read(fill))
		drop_object(cache, fill);
	counter_inc(cache->counters, COUNTER_cache_not_stored_purged);
}

struct cache_fill *cache_fill_find(struct cache *cache, const struct cache_key *key,
				   const struct http_message *request)
{
	struct cache_fill *not_begun = NULL;
	uint32_t row = hash_index_first(&cache->fill_by_key, key->hash);
	while (row != HASH_INDEX_NONE) {
		struct cache_fill *fill = pool_at(&cache->fills, row);
		row = hash_index_next(&cache->fill_by_key, row);
		if (!slice_equal(fill->object->key.text, key->text))
			continue;
		if (cache_label_is_purged(cache, fill)) {
			struct list waiters;
			list_init(&waiters);
			cache_fill_doom(cache, fill, &waiters);
			cache_ask_again(cache, &waiters); // they may begin another
			not_begun = NULL;
			row = hash_index_first(&cache->fill_by_key, key->hash);
		} else if (!fill->is_begun) {
			not_begun = fill;
		} else if (cache_vary_matches(&fill->object->vary, request)) {
			return fill;
		}
	}
	return not_begun;
}

// hand_on makes the first waiter the fetcher of the same record; false when nobody waits, or others
// have read of this response.
static bool hand_on(struct cache *cache, struct cache_fill *fill)
{
	if (fill->is_doomed || fill->body_bytes || list_is_empty(&fill->waiters))
		return false;
	struct cache_waiter *waiter = container_of(fill->waiters.next, struct cache_waiter, link);
	struct cache_answer answer = {
		.verdict = CACHE_FETCH, .forward = CACHE_FORWARD_URI_MISS, .fill = fill};
	uint32_t from_worker = waiter->from_worker;
	void *errand = waiter->errand;
	cache_store_reset(cache, fill->object);
	cache_ask_attach(cache, fill, &waiter->errand->request, &answer);
	cache_waiter_drop(cache, waiter);
	fill->worker = from_worker;
	fill->is_begun = false;
	fill->body_bytes = 0;
	fill->asked_us = cache->now_us;
	cache_ask_tell_errand(cache, from_worker, errand, &answer);
	return true;
}

void cache_fill_refuse(struct cache *cache, struct cache_fill *fill, enum cache_refusal refusal)
{
	struct list waiters;
	list_init(&waiters);
	bool is_local = fill->worker == cache->limits.worker_index;
	if (refusal == CACHE_REFUSAL_PERSONAL && hand_on(cache, fill))
		return;
	if (refusal == CACHE_REFUSAL_KEY && !fill->is_doomed)
		mark_pass(cache, fill->key_hash);
	detach(cache, fill, &waiters);
	drop_object(cache, fill);
	if (is_local)
		pool_free(&cache->fills, fill);
	cache_ask_pass(cache, &waiters);
}

struct cache_times cache_fill_times(const struct cache_fill *fill)
{
	const struct cache *cache = fill->cache;
	return (struct cache_times){(cache->now_us - fill->asked_us) / 1000000, cache->wall_s};
}

bool cache_fill_judge(const struct cache_fill *fill, const struct http_message *request,
		      const struct http_message *response, struct arena *arena,
		      struct cache_judgement *judgement)
{
	const struct cache *cache = fill->cache;
	struct cache_response_policy policy;
	cache_policy_response(request, response, cache_fill_times(fill), &policy);
	judgement->why = policy.why;
	judgement->refusal = policy.is_personal ? CACHE_REFUSAL_PERSONAL : CACHE_REFUSAL_KEY;
	if (!policy.is_storable)
		return false;
	judgement->why = COUNTER_cache_not_stored_body_large;
	if (response->content_length != HTTP_LENGTH_NONE &&
	    response->content_length > cache->limits.object_bytes) {
		// What can be had in parts is kept in parts: under the same key.
		if (http_field_find(response, SLICE("accept-ranges")).at)
			judgement->refusal = CACHE_REFUSAL_ONCE;
		return false;
	}
	judgement->head = (struct cache_head){
		.message = *response,
		.freshness = policy.freshness,
		.terms = policy.terms,
		.no_cache_fields = policy.no_cache_fields,
		.private_fields = policy.private_fields,
	};
	return cache_vary_gather(request, response, arena, &judgement->head.vary, &judgement->why);
}

bool cache_fill_is_for_all(const struct cache_fill *fill)
{
	const struct cache_object *object = fill->object;
	return !object->terms.is_always_validated &&
	       cache_ttl_s(&object->freshness, fill->cache->wall_s) > 0;
}

// let_go: what comes is of no use to those who wait.
static void let_go(struct cache *cache, struct cache_fill *fill)
{
	struct list waiters;
	list_init(&waiters);
	take_waiters(fill, &waiters);
	cache_ask_pass(cache, &waiters);
}

// Not at the head: a fetch that fails right behind it begins anew for one of those who wait.
void cache_fill_let_in(struct cache *cache, struct cache_fill *fill)
{
	struct list waiters;
	list_init(&waiters);
	take_waiters(fill, &waiters);
	cache_ask_again(cache, &waiters);
}

bool cache_fill_take_head(struct cache_fill *fill, const struct cache_head *head,
			  uint64_t content_length, enum counter *why)
{
	*why = COUNTER_cache_not_stored_purged;
	if (fill->is_doomed)
		return false;
	if (!cache_store_head(fill->cache, fill->object, head, fill->service, why))
		return false;
	if (!cache_label_settle(fill->cache, fill->object)) {
		struct list waiters;
		list_init(&waiters);
		*why = COUNTER_cache_not_stored_purged;
		cache_fill_doom(fill->cache, fill, &waiters);
		cache_ask_again(fill->cache, &waiters);
		return false;
	}
	if (head->is_refresh && fill->stale)
		cache_store_share_body(fill->object, fill->stale);
	fill->is_begun = true;
	fill->content_length = head->is_refresh ? 0 : content_length;
	if (!head->is_refresh && !cache_fill_is_for_all(fill))
		let_go(fill->cache, fill);
	return true;
}

bool cache_fill_take_body(struct cache_fill *fill, struct slice bytes, enum counter *why)
{
	*why = COUNTER_cache_not_stored_purged;
	if (fill->is_doomed && !cache_fill_is_read(fill))
		return false;
	*why = COUNTER_cache_not_stored_body_large;
	if (bytes.bytes > fill->cache->limits.object_bytes - fill->body_bytes)
		return false;
	*why = COUNTER_cache_not_stored_memory;
	if (!cache_store_append(fill->cache, fill->object, bytes))
		return false;
	bool is_first = fill->body_bytes == 0 && bytes.bytes > 0;
	fill->body_bytes += bytes.bytes;
	if (is_first)
		cache_fill_let_in(fill->cache, fill);
	return true;
}

struct cache_object *cache_fill_lend(struct cache_fill *fill)
{
	if (!fill->object || fill->body_bytes == 0)
		return NULL;
	CHECK(!fill->is_lent);
	fill->is_lent = true;
	fill->object->references++;
	fill->cache->loans++;
	return fill->object;
}

uint64_t cache_fill_bytes(const struct cache_fill *fill)
{
	return fill->body_bytes;
}

void cache_fill_await(struct cache_fill *fill, struct cache_reader *reader)
{
	if (fill->is_proxy)
		list_append(&fill->joined, &reader->link);
}

void cache_fill_tell_joined(struct cache_fill *fill)
{
	struct cache *cache = fill->cache;
	if (fill->worker == cache->limits.worker_index || fill->is_joined)
		return;
	struct cache_message message = {
		.kind = CACHE_MESSAGE_JOINED, .filler = fill->filler, .object = fill->object};
	fill->is_joined = true;
	fill->object->references++;
	cache_mirror_tell(fill->object, &message);
	cache_channel_send(cache, fill->worker, &message);
}

void cache_fill_return(struct cache_fill *fill, struct cache_object *object)
{
	CHECK(fill->object == object && fill->is_lent);
	fill->is_lent = false;
	cache_release(fill->cache, object);
}

// is_whole tells whether all of the response is there.
static bool is_whole(const struct cache_fill *fill)
{
	return fill->is_begun && (fill->content_length == HTTP_LENGTH_NONE ||
				  fill->content_length == fill->body_bytes);
}

// Stores a complete object, then decides for the waiters: they may want another variant of it.
void cache_fill_finish(struct cache_fill *fill)
{
	struct cache *cache = fill->cache;
	struct list waiters;
	struct cache_object *object = fill->object;
	if (object && !is_whole(fill)) {
		if (!fill->is_doomed)
			counter_inc(cache->counters, COUNTER_cache_not_stored_length);
		cache_fill_abandon(fill);
		return;
	}
	list_init(&waiters);
	if (!fill->is_doomed && !cache_label_settle(cache, object))
		cache_fill_doom(cache, fill, &waiters);
	bool is_stored = !fill->is_doomed;
	object = fill->object;
	detach(cache, fill, &waiters);
	drop_stale(cache, fill);
	pool_free(&cache->fills, fill);
	if (object)
		cache_store_end(object, CACHE_WHOLE);
	if (is_stored)
		cache_store_insert(cache, object);
	else if (object)
		cache_store_unref(cache, object);
	cache_ask_again(cache, &waiters);
}

// count_refusal counts why a response is not stored: once, and a doom was counted when it came.
static void count_refusal(const struct cache_fill *fill, enum counter why)
{
	counter_add(fill->cache->counters, why, !fill->is_doomed);
}

bool cache_fill_begin(struct cache_fill *fill, const struct http_message *request,
		      const struct http_message *response, enum counter *why)
{
	struct cache *cache = fill->cache;
	struct cache_judgement judgement;
	struct arena arena;
	if (fill->is_proxy)
		return cache_proxy_begin(fill, request, response, why);
	arena_init(&arena, cache->scratch, sizeof(cache->scratch));
	if (cache_fill_judge(fill, request, response, &arena, &judgement)) {
		judgement.refusal = CACHE_REFUSAL_ONCE;
		if (cache_fill_take_head(fill, &judgement.head, response->content_length,
					 &judgement.why))
			return true;
	}
	*why = judgement.why;
	count_refusal(fill, *why);
	cache_fill_refuse(cache, fill, judgement.refusal);
	return false;
}

bool cache_fill_write(struct cache_fill *fill, struct slice bytes)
{
	struct cache *cache = fill->cache;
	enum counter why;
	if (fill->is_proxy)
		return cache_proxy_write(fill, bytes);
	if (cache_fill_take_body(fill, bytes, &why))
		return true;
	count_refusal(fill, why);
	bool is_large = why == COUNTER_cache_not_stored_body_large;
	cache_fill_refuse(cache, fill, is_large ? CACHE_REFUSAL_KEY : CACHE_REFUSAL_ONCE);
	return false;
}

void cache_fill_end(struct cache_fill *fill)
{
	if (fill->is_proxy)
		cache_proxy_end(fill);
	else
		cache_fill_finish(fill);
}

void cache_fill_abandon(struct cache_fill *fill)
{
	if (fill->is_proxy)
		cache_proxy_abandon(fill, false);
	else
		cache_fill_lost(fill, false);
}

void cache_fill_fail(struct cache_fill *fill)
{
	if (fill->is_proxy)
		cache_proxy_abandon(fill, true);
	else
		cache_fill_lost(fill, true);
}

void cache_fill_drop(struct cache *cache, struct cache_fill *fill)
{
	struct list waiters;
	list_init(&waiters);
	detach(cache, fill, &waiters);
	drop_object(cache, fill);
	pool_free(&cache->fills, fill);
	cache_ask_again(cache, &waiters);
}

void cache_fill_lost(struct cache_fill *fill, bool is_failing)
{
	struct cache *cache = fill->cache;
	if (is_failing && fill->stale)
		fill->stale->failing_until_us = cache->now_us + CACHE_FAILING_US;
	else if (hand_on(cache, fill))
		return;
	cache_fill_drop(cache, fill);
}

bool cache_fill_refresh(struct cache_fill *fill, const struct http_message *request,
			const struct http_message *head)
{
	struct cache *cache = fill->cache;
	struct cache_judgement judgement;
	struct arena arena;
	if (fill->is_proxy)
		return cache_proxy_refresh(fill, request, head);
	arena_init(&arena, cache->scratch, sizeof(cache->scratch));
	bool is_kept = cache_fill_judge(fill, request, head, &arena, &judgement);
	judgement.head.is_refresh = true;
	if (!is_kept || !fill->stale ||
	    !cache_fill_take_head(fill, &judgement.head, 0, &judgement.why)) {
		count_refusal(fill, judgement.why);
		cache_fill_refuse(cache, fill, CACHE_REFUSAL_ONCE);
		return false;
	}
	cache_fill_finish(fill);
	return true;
}
