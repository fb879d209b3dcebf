// SPDX-License-Identifier: Apache-2.0
// One worker asks another's shard; see cache_channel.h. With one worker nothing here runs.
//
// Nothing is lost and nothing grows: an ASK is not sent while messages to that worker wait for room
// (the asker is passed on), so what can wait is bounded by what was out before: answers by the
// other's errands, releases by loans, fills by proxies and parcels, news of objects that grow by
// mirrors and fills. The outboxes have room for all of it.
#include "cache_disk_priv.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>

int cache_channel_init(struct cache *cache)
{
	uint32_t workers = cache->limits.worker_count;
	uint32_t capacity = 2 * cache->errands.capacity + 2 * cache->fills.capacity +
			    2 * CACHE_PARCELS + CACHE_LOANS + 3 * CACHE_MIRRORS;
	if (workers == 1)
		return 0;
	cache->outboxes = calloc(workers, sizeof(struct cache_outbox));
	if (!cache->outboxes || cache_mirror_init(cache) ||
	    pool_init(&cache->parcels, CACHE_PARCELS, sizeof(struct cache_parcel)))
		return ENOMEM;
	for (uint32_t i = 0; i < workers; i++) {
		struct cache_outbox *outbox = &cache->outboxes[i];
		outbox->capacity = i == cache->limits.worker_index ? 1 : capacity;
		outbox->messages = malloc(outbox->capacity * sizeof(struct cache_message));
		if (!outbox->messages)
			return ENOMEM;
	}
	return 0;
}

void cache_channel_fini(struct cache *cache)
{
	for (uint32_t i = 0; cache->outboxes && i < cache->limits.worker_count; i++)
		free(cache->outboxes[i].messages);
	free(cache->outboxes);
	pool_fini(&cache->parcels);
	cache_mirror_fini(cache);
}

static bool carry(struct cache *cache, uint32_t to_worker, const struct cache_message *message)
{
	return cache->limits.send(cache->owner, to_worker, message);
}

bool cache_channel_try(struct cache *cache, uint32_t to_worker, const struct cache_message *message)
{
	return cache->outboxes[to_worker].count == 0 && carry(cache, to_worker, message);
}

void cache_channel_send(struct cache *cache, uint32_t to_worker,
			const struct cache_message *message)
{
	struct cache_outbox *outbox = &cache->outboxes[to_worker];
	if (cache_channel_try(cache, to_worker, message))
		return;
	CHECK(outbox->count < outbox->capacity);
	uint32_t last = (outbox->first + outbox->count++) % outbox->capacity;
	outbox->messages[last] = *message;
	counter_inc(cache->counters, COUNTER_cache_channel_full);
}

static void run_outbox(struct cache *cache, uint32_t to_worker)
{
	struct cache_outbox *outbox = &cache->outboxes[to_worker];
	while (outbox->count && carry(cache, to_worker, &outbox->messages[outbox->first])) {
		outbox->first = (outbox->first + 1) % outbox->capacity;
		outbox->count--;
	}
	struct cache_message all = {.kind = CACHE_MESSAGE_INVALIDATE_ALL};
	if (outbox->wants_invalidate_all && cache_channel_try(cache, to_worker, &all))
		outbox->wants_invalidate_all = false;
}

void cache_channel_run(struct cache *cache)
{
	for (uint32_t i = 0; cache->outboxes && i < cache->limits.worker_count; i++)
		run_outbox(cache, i);
}

static void pass(struct cache *cache, struct pool_id asker, bool only_if_cached, enum counter why)
{
	struct cache_answer answer = {.verdict = CACHE_PASS, .forward = CACHE_FORWARD_BYPASS};
	if (only_if_cached)
		answer.forward = CACHE_FORWARD_NONE;
	counter_inc(cache->counters, why);
	cache_ask_tell(cache, asker, &answer);
}

void cache_channel_ask(struct cache *cache, const struct cache_question *question)
{
	uint32_t owner = cache_key_owner(cache, question->key.hash);
	bool only_if_cached = question->policy.only_if_cached;
	struct cache_errand *errand = NULL;
	// An answer may lend two objects.
	if (cache->foreign_loans + 2 * cache->errands.in_use + 2 <= CACHE_LOANS)
		errand = cache_errand_new(cache, question, owner);
	if (!errand) {
		pass(cache, question->asker, only_if_cached, COUNTER_cache_pass_waiters);
		return;
	}
	struct cache_message message = {.kind = CACHE_MESSAGE_ASK, .errand = errand};
	if (!cache_channel_try(cache, owner, &message)) {
		cache_errand_free(cache, errand);
		pass(cache, question->asker, only_if_cached, COUNTER_cache_pass_channel);
	}
}

// A hash is all that is needed, so no memory is. When there is no room even for that, everything of
// that shard is forgotten as soon as there is: too much, never too little.
void cache_channel_invalidate(struct cache *cache, uint32_t to_worker, uint64_t key_hash)
{
	struct cache_message message = {
		.kind = CACHE_MESSAGE_INVALIDATE,
		.key_hash = key_hash,
		.intent = cache_disk_intend_forget(cache, to_worker, key_hash),
	};
	if (cache_channel_try(cache, to_worker, &message))
		return;
	cache_disk_unintend(cache, to_worker, message.intent);
	cache->outboxes[to_worker].wants_invalidate_all = true;
}

void cache_release(struct cache *cache, struct cache_object *object)
{
	CHECK(cache->loans > 0);
	cache->loans--;
	if (object->owner == cache->limits.worker_index) {
		cache_store_unref(cache, object);
		return;
	}
	if (object->mirror_of) {
		cache_mirror_unref(cache, object);
		return;
	}
	cache->foreign_loans--;
	struct cache_message message = {.kind = CACHE_MESSAGE_RELEASE, .object = object};
	cache_channel_send(cache, object->owner, &message);
}

// The asker's side: fills.

static void send_fill(struct cache_fill *proxy, enum cache_message_kind kind, bool is_marked)
{
	struct cache_message message = {
		.kind = kind, .fill = proxy->remote, .is_marked = is_marked};
	cache_channel_send(proxy->cache, proxy->worker, &message);
}

static void proxy_free(struct cache_fill *proxy)
{
	if (proxy->parcel)
		pool_free(&proxy->cache->parcels, proxy->parcel);
	if (proxy->object)
		cache_mirror_unref(proxy->cache, proxy->object);
	while (!list_is_empty(&proxy->joined))
		list_pop(&proxy->joined);
	pool_free(&proxy->cache->fills, proxy);
}

static void send_parcel(struct cache_fill *proxy, enum cache_message_kind kind,
			struct cache_parcel *parcel, uint32_t bytes)
{
	struct cache_message message = {
		.kind = kind,
		.bytes = bytes,
		.parcel = parcel,
		.fill = proxy->remote,
		.filler = pool_id_of(&proxy->cache->fills, proxy),
	};
	proxy->parcels_out++;
	cache_channel_send(proxy->cache, proxy->worker, &message);
}

static void flush(struct cache_fill *proxy)
{
	if (!proxy->parcel)
		return;
	send_parcel(proxy, CACHE_MESSAGE_DATA, proxy->parcel, proxy->parcel_bytes);
	proxy->parcel = NULL;
	proxy->parcel_bytes = 0;
}

static void proxy_refuse(struct cache_fill *proxy, enum cache_refusal refusal)
{
	if (proxy->object)
		flush(proxy);                  // its fetcher reads there what was written
	if (refusal == CACHE_REFUSAL_PERSONAL) // one waiter fetches
		send_fill(proxy, CACHE_MESSAGE_ABANDON, false);
	else
		send_fill(proxy, CACHE_MESSAGE_REFUSE, refusal == CACHE_REFUSAL_KEY);
	proxy_free(proxy);
}

// pack copies a judged head into the parcel, whose arena already holds the variant.
static bool pack(struct cache_parcel *parcel, struct arena *arena,
		 const struct cache_judgement *judgement)
{
	parcel->head = judgement->head;
	struct cache_head *head = &parcel->head;
	parcel->content_length = judgement->head.message.content_length;
	head->no_cache_fields = arena_copy(arena, head->no_cache_fields);
	head->private_fields = arena_copy(arena, head->private_fields);
	return http_message_copy(&head->message, &judgement->head.message, arena) == 0 &&
	       head->no_cache_fields.at && head->private_fields.at;
}

// begin sends the head of a response, or of a refreshed object; false: the proxy is gone.
static bool begin(struct cache_fill *proxy, const struct http_message *request,
		  const struct http_message *response, bool is_refresh, enum counter *why)
{
	struct arena arena;
	struct cache_judgement judgement = {.why = COUNTER_cache_not_stored_channel,
					    .refusal = CACHE_REFUSAL_ONCE};
	struct cache_parcel *parcel = pool_new(&proxy->cache->parcels, NULL);
	if (parcel) {
		arena_init(&arena, parcel->bytes, sizeof(parcel->bytes));
		if (cache_fill_judge(proxy, request, response, &arena, &judgement)) {
			judgement.why = COUNTER_cache_not_stored_head_large;
			judgement.head.is_refresh = is_refresh;
			if (pack(parcel, &arena, &judgement)) {
				send_parcel(proxy, CACHE_MESSAGE_BEGIN, parcel, 0);
				return true;
			}
		}
		pool_free(&proxy->cache->parcels, parcel);
	}
	*why = judgement.why;
	counter_inc(proxy->cache->counters, *why);
	proxy_refuse(proxy, judgement.refusal);
	return false;
}

bool cache_proxy_begin(struct cache_fill *proxy, const struct http_message *request,
		       const struct http_message *response, enum counter *why)
{
	return begin(proxy, request, response, false, why);
}

bool cache_proxy_refresh(struct cache_fill *proxy, const struct http_message *request,
			 const struct http_message *head)
{
	enum counter why;
	if (!begin(proxy, request, head, true, &why))
		return false;
	cache_proxy_end(proxy);
	return true;
}

// fill_parcel copies a run of body into the parcel and returns how much; 0 without a parcel.
static size_t fill_parcel(struct cache_fill *proxy, struct slice bytes)
{
	if (!proxy->parcel)
		proxy->parcel = pool_new(&proxy->cache->parcels, NULL);
	if (!proxy->parcel)
		return 0;
	struct slice run = slice_head(bytes, CACHE_PARCEL_BYTES - proxy->parcel_bytes);
	memcpy(proxy->parcel->bytes + proxy->parcel_bytes, run.at, run.bytes);
	proxy->parcel_bytes += (uint32_t)run.bytes;
	if (proxy->parcel_bytes == CACHE_PARCEL_BYTES)
		flush(proxy);
	return run.bytes;
}

static bool give_up(struct cache_fill *proxy, enum counter why, enum cache_refusal refusal)
{
	counter_inc(proxy->cache->counters, why);
	proxy_refuse(proxy, refusal);
	return false;
}

bool cache_proxy_write(struct cache_fill *proxy, struct slice bytes)
{
	if (proxy->is_doomed) { // counted by the owner
		proxy_refuse(proxy, CACHE_REFUSAL_ONCE);
		return false;
	}
	if (bytes.bytes > proxy->cache->limits.object_bytes - proxy->body_bytes)
		return give_up(proxy, COUNTER_cache_not_stored_body_large, CACHE_REFUSAL_KEY);
	while (bytes.bytes) {
		size_t taken = fill_parcel(proxy, bytes);
		if (taken == 0)
			return give_up(proxy, COUNTER_cache_not_stored_channel, CACHE_REFUSAL_ONCE);
		proxy->body_bytes += taken;
		bytes = slice_skip(bytes, taken);
	}
	if (proxy->parcels_out == 0) // else it goes when that is back, or full
		flush(proxy);
	return true;
}

void cache_proxy_end(struct cache_fill *proxy)
{
	flush(proxy);
	send_fill(proxy, CACHE_MESSAGE_END, false);
	proxy_free(proxy);
}

void cache_proxy_abandon(struct cache_fill *proxy, bool is_failing)
{
	send_fill(proxy, CACHE_MESSAGE_ABANDON, is_failing);
	proxy_free(proxy);
}

// The asker's side: answers.

static struct cache_fill *proxy_new(struct cache *cache, uint32_t owner, void *remote)
{
	struct cache_fill *proxy = pool_new(&cache->fills, NULL);
	if (!proxy)
		return NULL;
	proxy->cache = cache;
	proxy->is_proxy = true;
	proxy->worker = owner;
	proxy->remote = remote;
	proxy->asked_us = cache->now_us;
	list_init(&proxy->joined);
	return proxy;
}

// give_back returns what an answer brought that nobody wants.
static void give_back(struct cache *cache, uint32_t owner, const struct cache_answer *answer)
{
	struct cache_message release = {.kind = CACHE_MESSAGE_RELEASE, .object = answer->object};
	struct cache_message stale = {.kind = CACHE_MESSAGE_RELEASE, .object = answer->stale};
	struct cache_message abandon = {.kind = CACHE_MESSAGE_ABANDON, .fill = answer->fill};
	if (answer->object)
		cache_channel_send(cache, owner, &release);
	if (answer->stale)
		cache_channel_send(cache, owner, &stale);
	if (answer->fill)
		cache_channel_send(cache, owner, &abandon);
}

static void take_answer(struct cache *cache, uint32_t owner, const struct cache_message *message)
{
	struct cache_errand *errand = message->errand;
	struct cache_answer answer = message->answer;
	struct pool_id asker = errand->asker;
	bool is_cancelled = errand->is_cancelled;
	cache_errand_free(cache, errand);
	if (is_cancelled) {
		give_back(cache, owner, &answer);
		return;
	}
	if (answer.fill) {
		answer.fill = proxy_new(cache, owner, message->answer.fill);
		if (!answer.fill) {
			give_back(cache, owner, &message->answer);
			pass(cache, asker, false, COUNTER_cache_pass_memory);
			return;
		}
	}
	if (answer.object && message->growth == CACHE_GROWING) {
		answer.object = cache_mirror_take(cache, owner, message, answer.object);
		if (!answer.object) {
			give_back(cache, owner, &answer);
			pass(cache, asker, false, COUNTER_cache_pass_memory);
			return;
		}
		cache->foreign_loans--; // the mirror's
	}
	cache->foreign_loans += cache_answer_loans(&answer);
	cache_ask_tell(cache, asker, &answer);
}

static void take_joined(struct cache *cache, uint32_t owner, const struct cache_message *message)
{
	struct cache_fill *proxy = pool_get(&cache->fills, message->filler);
	struct cache_object *mirror = cache_mirror_take(cache, owner, message, message->object);
	if (!proxy) {
		if (mirror)
			cache_mirror_unref(cache, mirror);
		return;
	}
	struct list *node;
	proxy->is_joined = true;
	proxy->object = mirror;
	while ((node = list_pop(&proxy->joined))) {
		struct cache_reader *reader = container_of(node, struct cache_reader, link);
		reader->grown(reader);
	}
}

static void take_parcel_back(struct cache *cache, const struct cache_message *message)
{
	struct cache_fill *proxy = pool_get(&cache->fills, message->filler);
	pool_free(&cache->parcels, message->parcel);
	if (!proxy)
		return;
	proxy->is_doomed |= message->is_marked;
	if (--proxy->parcels_out == 0 && !proxy->is_doomed)
		flush(proxy);
}

// The owner's side.

static void take_ask(struct cache *cache, uint32_t from_worker, const struct cache_message *message)
{
	struct cache_question question = cache_errand_question(cache, from_worker, message->errand);
	cache_ask_decide(cache, &question);
}

static void take_cancel(struct cache *cache, uint32_t from_worker,
			const struct cache_message *message)
{
	struct cache_waiter *waiter = cache_waiter_find(cache, from_worker, message->errand);
	if (!waiter) // its answer is on the way
		return;
	struct list one;
	list_init(&one);
	list_remove(&waiter->link);
	list_append(&one, &waiter->link);
	cache_ask_pass(cache, &one);
}

static void take_filling(struct cache *cache, uint32_t from_worker,
			 const struct cache_message *message)
{
	struct cache_fill *fill = message->fill;
	struct cache_parcel *parcel = message->parcel;
	enum counter why;
	fill->filler = message->filler;
	bool is_taken =
		message->kind == CACHE_MESSAGE_BEGIN
			? cache_fill_take_head(fill, &parcel->head, parcel->content_length, &why)
			: cache_fill_take_body(fill, slice_of(parcel->bytes, message->bytes), &why);
	struct cache_message back = {
		.kind = CACHE_MESSAGE_PARCEL_BACK,
		.is_marked = !is_taken,
		.parcel = parcel,
		.filler = message->filler,
	};
	cache_channel_send(cache, from_worker, &back);
	if (is_taken)
		return;
	counter_add(cache->counters, why, !fill->is_doomed);
	if (fill->object)
		cache_fill_refuse(cache, fill, CACHE_REFUSAL_ONCE);
}

// take_refusal ends a record that another worker let go of: now it may be freed as if it were
// local.
static void take_refusal(struct cache *cache, const struct cache_message *message)
{
	struct cache_fill *fill = message->fill;
	fill->worker = cache->limits.worker_index;
	cache_fill_refuse(cache, fill, message->is_marked ? CACHE_REFUSAL_KEY : CACHE_REFUSAL_ONCE);
}

void cache_message_received(struct cache *cache, uint32_t from_worker,
			    const struct cache_message *message)
{
	switch (message->kind) {
	case CACHE_MESSAGE_ASK: take_ask(cache, from_worker, message); break;
	case CACHE_MESSAGE_ANSWER: take_answer(cache, from_worker, message); break;
	case CACHE_MESSAGE_CANCEL: take_cancel(cache, from_worker, message); break;
	case CACHE_MESSAGE_RELEASE: cache_store_unref(cache, message->object); break;
	case CACHE_MESSAGE_BEGIN:
	case CACHE_MESSAGE_DATA: take_filling(cache, from_worker, message); break;
	case CACHE_MESSAGE_PARCEL_BACK: take_parcel_back(cache, message); break;
	case CACHE_MESSAGE_END: cache_fill_finish(message->fill); break;
	case CACHE_MESSAGE_REFUSE: take_refusal(cache, message); break;
	case CACHE_MESSAGE_ABANDON: cache_fill_lost(message->fill, message->is_marked); break;
	case CACHE_MESSAGE_MORE: cache_mirror_more(cache, from_worker, message); break;
	case CACHE_MESSAGE_GROWN: cache_mirror_grown(cache, message); break;
	case CACHE_MESSAGE_JOINED: take_joined(cache, from_worker, message); break;
	case CACHE_MESSAGE_INVALIDATE:
		cache_purge_hash(cache, message->key_hash, message->intent);
		break;
	case CACHE_MESSAGE_INVALIDATE_ALL: cache_purge_all(cache); break;
	default: CHECK(message->kind < CACHE_MESSAGE_KIND_COUNT);
	}
}
