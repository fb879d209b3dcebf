// SPDX-License-Identifier: Apache-2.0
// What a request gets: a stored response, a fetch of its own, a place among those who wait for one,
// or nothing of the cache (RFC 9111 4). Decided on the worker that owns the key.
#include "cache_disk_priv.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>

int cache_ask_init(struct cache *cache)
{
	// Twice: requests that wait here, and requests that wait for other workers.
	uint32_t errands = cache->limits.waiter_count * 2;
	uint32_t waiters = cache->limits.waiter_count * cache->limits.worker_count;
	uint32_t fills = errands + waiters;
	list_init(&cache->waiting);
	cache->errand_bytes = malloc((size_t)MAX(errands, 1u) * CACHE_ERRAND_BYTES);
	cache->passes = calloc(CACHE_PASS_MARKS, sizeof(struct cache_pass_mark));
	if (!cache->errand_bytes || !cache->passes)
		return ENOMEM;
	if (pool_init(&cache->errands, errands, sizeof(struct cache_errand)) ||
	    hash_index_init(&cache->errand_by_asker, errands) ||
	    pool_init(&cache->waiters, waiters, sizeof(struct cache_waiter)) ||
	    hash_index_init(&cache->waiter_by_errand, waiters))
		return ENOMEM;
	if (pool_init(&cache->fills, fills, sizeof(struct cache_fill)) ||
	    hash_index_init(&cache->fill_by_key, fills))
		return ENOMEM;
	return 0;
}

void cache_ask_fini(struct cache *cache)
{
	free(cache->errand_bytes);
	free(cache->passes);
	pool_fini(&cache->errands);
	hash_index_fini(&cache->errand_by_asker);
	pool_fini(&cache->waiters);
	hash_index_fini(&cache->waiter_by_errand);
	pool_fini(&cache->fills);
	hash_index_fini(&cache->fill_by_key);
}

uint64_t cache_question_service(const struct cache *cache, const struct cache_question *question)
{
	const struct cache_scope *scope = question->scope;
	return scope ? cache_label(cache, CACHE_PURGE_SERVICE, scope->service(scope->user))
		     : question->service;
}

// Errands.

static uint64_t asker_hash(const struct cache *cache, struct pool_id asker)
{
	return siphash(&cache->limits.key_secret, &asker, sizeof(asker));
}

struct cache_errand *cache_errand_new(struct cache *cache, const struct cache_question *question,
				      uint32_t to_worker)
{
	struct pool_id id;
	struct arena arena;
	struct cache_errand *errand = pool_new(&cache->errands, &id);
	if (!errand)
		return NULL;
	errand->asker = question->asker;
	errand->service = cache_question_service(cache, question);
	errand->to_worker = to_worker;
	arena_init(&arena, cache->errand_bytes + (size_t)id.index * CACHE_ERRAND_BYTES,
		   CACHE_ERRAND_BYTES);
	if (http_message_copy(&errand->request, question->request, &arena) != 0) {
		pool_free(&cache->errands, errand);
		return NULL;
	}
	hash_index_add(&cache->errand_by_asker, id.index, asker_hash(cache, errand->asker));
	return errand;
}

void cache_errand_hide(struct cache *cache, struct cache_errand *errand)
{
	errand->is_cancelled = true;
	hash_index_remove(&cache->errand_by_asker, pool_id_of(&cache->errands, errand).index);
}

void cache_errand_free(struct cache *cache, struct cache_errand *errand)
{
	if (!errand->is_cancelled)
		cache_errand_hide(cache, errand);
	pool_free(&cache->errands, errand);
}

static struct cache_errand *find_errand(const struct cache *cache, struct pool_id asker)
{
	uint32_t row = hash_index_first(&cache->errand_by_asker, asker_hash(cache, asker));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&cache->errand_by_asker, row)) {
		struct cache_errand *errand = pool_at(&cache->errands, row);
		if (pool_id_equal(errand->asker, asker))
			return errand;
	}
	return NULL;
}

// Waiters.

static uint64_t errand_hash(const struct cache *cache, const void *errand)
{
	return siphash(&cache->limits.key_secret, &errand, sizeof(errand));
}

struct cache_waiter *cache_waiter_find(const struct cache *cache, uint32_t from_worker,
				       const void *errand)
{
	uint32_t row = hash_index_first(&cache->waiter_by_errand, errand_hash(cache, errand));
	for (; row != HASH_INDEX_NONE; row = hash_index_next(&cache->waiter_by_errand, row)) {
		struct cache_waiter *waiter = pool_at(&cache->waiters, row);
		if (waiter->errand == errand && waiter->from_worker == from_worker)
			return waiter;
	}
	return NULL;
}

static struct cache_waiter *waiter_new(struct cache *cache, const struct cache_question *question)
{
	struct pool_id id;
	struct cache_waiter *waiter = pool_new(&cache->waiters, &id);
	if (!waiter)
		return NULL;
	waiter->from_worker = question->from_worker;
	waiter->errand = question->errand;
	waiter->due_us = cache->now_us + cache->limits.wait_ms * 1000ull;
	list_init(&waiter->link);
	list_init(&waiter->order);
	list_append(&cache->waiting, &waiter->order);
	hash_index_add(&cache->waiter_by_errand, id.index, errand_hash(cache, waiter->errand));
	return waiter;
}

void cache_waiter_drop(struct cache *cache, struct cache_waiter *waiter)
{
	list_remove(&waiter->link);
	list_remove(&waiter->order);
	hash_index_remove(&cache->waiter_by_errand, pool_id_of(&cache->waiters, waiter).index);
	pool_free(&cache->waiters, waiter);
}

// Answers.

void cache_ask_tell(struct cache *cache, struct pool_id asker, const struct cache_answer *answer)
{
	static const enum counter counted[CACHE_VERDICT_COUNT] = {
		[CACHE_HIT] = COUNTER_cache_hit,
		[CACHE_NOT_MODIFIED] = COUNTER_cache_not_modified,
		[CACHE_PARTIAL] = COUNTER_cache_partial,
		[CACHE_UNSATISFIABLE] = COUNTER_cache_unsatisfiable,
		[CACHE_FETCH] = COUNTER_cache_fetch,
		[CACHE_PASS] = COUNTER_cache_pass,
	};
	counter_inc(cache->counters, counted[answer->verdict]);
	counter_add(cache->counters, COUNTER_cache_collapsed, answer->is_collapsed);
	counter_add(cache->counters, COUNTER_cache_stale, answer->object && answer->ttl_s <= 0);
	cache->loans += cache_answer_loans(answer);
	cache->answered(cache->owner, asker, answer);
}

void cache_ask_tell_errand(struct cache *cache, uint32_t from_worker, void *errand,
			   const struct cache_answer *answer)
{
	if (from_worker != cache->limits.worker_index) {
		struct cache_message message = {
			.kind = CACHE_MESSAGE_ANSWER, .errand = errand, .answer = *answer};
		message.growth = CACHE_WHOLE;
		if (answer->object)
			cache_mirror_tell(answer->object, &message);
		cache_channel_send(cache, from_worker, &message);
		return;
	}
	struct cache_errand *own = errand;
	struct pool_id asker = own->asker;
	cache_errand_free(cache, own);
	cache_ask_tell(cache, asker, answer);
}

static void tell(struct cache *cache, const struct cache_question *question,
		 struct cache_answer *answer)
{
	answer->is_collapsed =
		question->is_collapsed && answer->verdict != CACHE_FETCH && answer->object;
	answer->is_from_disk = question->is_from_disk && answer->object;
	if (question->errand)
		cache_ask_tell_errand(cache, question->from_worker, question->errand, answer);
	else
		cache_ask_tell(cache, question->asker, answer);
}

// tell_alone answers PASS: the asker goes to the origin for itself, with what it may validate.
static void tell_alone(struct cache *cache, const struct cache_question *question,
		       struct cache_answer *answer, enum counter why)
{
	if (question->policy.only_if_cached)
		answer->forward = CACHE_FORWARD_NONE;
	if (answer->stale && question->policy.only_if_cached) {
		cache_store_unref(cache, answer->stale);
		answer->stale = NULL;
	}
	answer->verdict = CACHE_PASS;
	counter_inc(cache->counters, why);
	tell(cache, question, answer);
}

static void tell_pass(struct cache *cache, const struct cache_question *question,
		      enum cache_forward forward, enum counter why)
{
	struct cache_answer answer = {.forward = forward};
	tell_alone(cache, question, &answer, why);
}

struct cache_object *cache_ask_lend(struct cache *cache, struct cache_object *object)
{
	object->references++;
	cache_evict_touch(cache, object);
	return object;
}

// set_times tells how old object is, and what it is good for when the fetch fails.
static void set_times(const struct cache *cache, const struct cache_object *object,
		      const struct cache_request_policy *policy, struct cache_answer *answer)
{
	answer->age_s = cache_age_s(&object->freshness, cache->wall_s);
	answer->ttl_s = (int64_t)object->freshness.lifetime_s - (int64_t)answer->age_s;
	answer->survives_error = cache_policy_may_survive(&object->terms, policy, answer->ttl_s,
							  CACHE_FAILURE_ERROR);
	answer->survives_loss =
		cache_policy_may_survive(&object->terms, policy, answer->ttl_s, CACHE_FAILURE_LOST);
}

// is_failing: the origin failed a moment ago, when it was asked about this object.
static bool is_failing(const struct cache *cache, const struct cache_object *object,
		       const struct cache_answer *answer)
{
	return cache->now_us < object->failing_until_us && answer->survives_loss;
}

// choose_part sets which bytes are the answer: all, where there is neither condition nor range.
static void choose_part(const struct cache_question *question, const struct cache_object *object,
			struct cache_answer *answer)
{
	uint64_t bytes = cache_object_bytes(object);
	struct cache_part part = {.verdict = CACHE_HIT, .bytes = bytes};
	if (!question->policy.can_fill)
		part = cache_part_of(question->request, &object->head, bytes,
				     object->freshness.received_s);
	answer->verdict = part.verdict;
	answer->part_first = part.first;
	answer->part_bytes = part.bytes;
}

// Stored is what the store has for a question.
struct stored {
	struct cache_object *object; // NULL: nothing
	enum cache_use use;
};

// look finds what is stored and how it may be used; answer gets its times, and why it is not used.
static struct stored look(struct cache *cache, const struct cache_question *question,
			  struct cache_answer *answer)
{
	bool is_other;
	struct stored stored = {.use = CACHE_USE_NEVER};
	stored.object = cache_store_find(cache, &question->key, question->request, &is_other);
	*answer = (struct cache_answer){.forward = is_other ? CACHE_FORWARD_VARY_MISS
							    : CACHE_FORWARD_URI_MISS};
	if (!stored.object)
		return stored;
	set_times(cache, stored.object, &question->policy, answer);
	stored.use = cache_policy_use(&stored.object->terms, &question->policy, answer->age_s,
				      answer->ttl_s, &answer->forward);
	if (stored.use == CACHE_USE_VALIDATED && is_failing(cache, stored.object, answer))
		stored.use = CACHE_USE_AS_IS;
	return stored;
}

// lend_to_validate lends a stale object that the origin may confirm, or that may survive its
// failure.
static void lend_to_validate(struct cache *cache, const struct stored *stored,
			     struct cache_answer *answer)
{
	if (stored->use != CACHE_USE_VALIDATED)
		return;
	if (stored->object->terms.has_validator || answer->survives_loss)
		answer->stale = cache_ask_lend(cache, stored->object);
}

void cache_ask_attach(struct cache *cache, struct cache_fill *fill,
		      const struct http_message *request, struct cache_answer *answer)
{
	struct cache_question question = {.request = request, .key = fill->object->key};
	struct cache_answer found;
	cache_policy_request(request, &question.policy);
	struct stored stored = look(cache, &question, &found);
	if (fill->stale)
		cache_store_unref(cache, fill->stale);
	fill->stale = NULL;
	if (stored.use != CACHE_USE_VALIDATED)
		return;
	lend_to_validate(cache, &stored, &found);
	answer->stale = found.stale;
	answer->age_s = found.age_s;
	answer->ttl_s = found.ttl_s;
	answer->survives_error = found.survives_error;
	answer->survives_loss = found.survives_loss;
	fill->stale = found.stale ? cache_ask_lend(cache, found.stale) : NULL;
}

// use answers with what is stored.
static void use(struct cache *cache, const struct cache_question *question, struct stored *stored,
		struct cache_answer *answer)
{
	struct cache_object *object = stored->object;
	answer->forward = question->is_collapsed ? CACHE_FORWARD_URI_MISS : CACHE_FORWARD_NONE;
	answer->object = cache_ask_lend(cache, object);
	choose_part(question, object, answer);
	if (answer->verdict == CACHE_HIT)
		cache_written_make(object);
	bool is_fetching = stored->use == CACHE_USE_MEANWHILE &&
			   (cache_fill_find(cache, &question->key, question->request) != NULL ||
			    is_failing(cache, object, answer));
	if (stored->use == CACHE_USE_MEANWHILE && question->request->method == HTTP_GET &&
	    !is_fetching)
		answer->fill = cache_fill_new(cache, question);
	if (answer->fill) {
		answer->stale = cache_ask_lend(cache, object);
		answer->fill->stale = cache_ask_lend(cache, object);
	}
	tell(cache, question, answer);
}

// fetch makes the asker the one who fetches.
static void fetch(struct cache *cache, struct cache_question *question, struct cache_answer *answer)
{
	answer->fill = cache_fill_new(cache, question);
	if (!answer->fill) {
		tell_alone(cache, question, answer, COUNTER_cache_pass_memory);
		return;
	}
	if (answer->stale)
		answer->fill->stale = cache_ask_lend(cache, answer->stale);
	answer->verdict = CACHE_FETCH;
	tell(cache, question, answer);
}

// wait puts the asker into the queue of a running fetch. A local one is copied into an errand
// first.
static void wait(struct cache *cache, struct cache_question *question, struct cache_fill *fill,
		 struct cache_answer *answer)
{
	if (!question->errand) {
		struct cache_errand *errand =
			cache_errand_new(cache, question, cache->limits.worker_index);
		if (!errand) {
			tell_alone(cache, question, answer, COUNTER_cache_pass_waiters);
			return;
		}
		question->errand = errand;
		question->request = &errand->request;
	}
	struct cache_waiter *waiter = waiter_new(cache, question);
	if (!waiter) {
		tell_alone(cache, question, answer, COUNTER_cache_pass_waiters);
		return;
	}
	waiter->is_for_disk = fill->is_from_disk;
	list_append(&fill->waiters, &waiter->link);
	if (answer->stale)
		cache_store_unref(cache, answer->stale);
}

// is_there tells whether the part that is asked for can be read of an object that grows: where
// a part begins is known and has come. What is far ahead is had sooner from the origin.
static bool is_there(const struct cache_fill *fill, const struct cache_answer *answer)
{
	bool is_whole = answer->verdict == CACHE_HIT || answer->verdict == CACHE_NOT_MODIFIED;
	return is_whole ||
	       (fill->content_length != HTTP_LENGTH_NONE && answer->part_first < fill->body_bytes);
}

// join answers with what a running fetch has brought so far, and the rest as it arrives. False: it
// would not do, or has brought nothing yet.
static bool join(struct cache *cache, struct cache_question *question, struct cache_fill *fill,
		 enum cache_forward forward)
{
	struct cache_answer answer;
	struct cache_object *object = fill->object;
	if (fill->body_bytes == 0 || !cache_fill_is_for_all(fill))
		return false;
	answer = (struct cache_answer){.object = object};
	set_times(cache, object, &question->policy, &answer);
	if (cache_policy_use(&object->terms, &question->policy, answer.age_s, answer.ttl_s,
			     &answer.forward) != CACHE_USE_AS_IS)
		return false;
	choose_part(question, object, &answer);
	if (!is_there(fill, &answer))
		return false;
	answer.forward = forward;
	object->references++;
	object->is_used = true;
	question->is_from_disk |= fill->is_from_disk;
	question->is_collapsed |= !fill->is_from_disk;
	counter_add(cache->counters, COUNTER_cache_streamed, !fill->is_from_disk);
	cache_fill_tell_joined(fill);
	tell(cache, question, &answer);
	return true;
}

// is_for_itself: the running fetch would not do for this one. It began before a reload asked, its
// response may not be for one with Authorization, and what must always be validated is each one's
// own affair.
static bool is_for_itself(const struct cache_question *question, const struct stored *stored)
{
	const struct cache_object *object = stored->object;
	bool has_no_life = object && object->freshness.lifetime_s == 0 && !object->is_softened;
	bool is_each_ones = object && (object->terms.is_always_validated || has_no_life ||
				       question->is_collapsed);
	return question->policy.is_reload || question->policy.is_authorized || is_each_ones;
}

// is_promising tells whether waiting for a running fetch is of use: what it brings is not known, or
// cannot be read yet.
static bool is_promising(const struct cache_fill *fill)
{
	return !fill->is_begun || (cache_fill_is_for_all(fill) && fill->body_bytes == 0);
}

// go lets the asker go to the origin, alone or for others, or wait for who is there.
static void go(struct cache *cache, struct cache_question *question, const struct stored *stored,
	       struct cache_answer *answer)
{
	struct cache_fill *fill = cache_fill_find(cache, &question->key, question->request);
	const struct cache_request_policy *policy = &question->policy;
	if (fill && join(cache, question, fill, answer->forward))
		return;
	lend_to_validate(cache, stored, answer);
	bool is_confirming = answer->stale && stored->object->terms.has_validator;
	if (!policy->can_fill && !is_confirming)
		tell_alone(cache, question, answer, COUNTER_cache_pass_cannot_fill);
	else if (!answer->stale && cache_pass_is_marked(cache, question->key.hash))
		tell_alone(cache, question, answer, COUNTER_cache_pass_marked);
	else if (!fill)
		fetch(cache, question, answer);
	else if (is_for_itself(question, stored) || !is_promising(fill))
		tell_alone(cache, question, answer, COUNTER_cache_pass_alone);
	else
		wait(cache, question, fill, answer);
}

void cache_ask_decide(struct cache *cache, struct cache_question *question)
{
	struct cache_answer answer;
	struct stored stored = look(cache, question, &answer);
	struct cache_fill *reading = stored.object ? NULL : cache_disk_fetch(cache, question);
	if (reading && join(cache, question, reading, CACHE_FORWARD_NONE))
		return;
	if (reading)
		wait(cache, question, reading, &answer);
	else if (stored.use == CACHE_USE_AS_IS || stored.use == CACHE_USE_MEANWHILE)
		use(cache, question, &stored, &answer);
	else if (question->policy.only_if_cached)
		tell_pass(cache, question, CACHE_FORWARD_NONE, COUNTER_cache_only_if_cached);
	else
		go(cache, question, &stored, &answer);
}

static struct slice no_name(void *)
{
	return SLICE("");
}

void cache_ask(struct cache *cache, const struct http_message *request,
	       const struct cache_scope *scope, struct pool_id asker)
{
	static const struct cache_scope nowhere = {no_name, NULL};
	struct cache_question question = {
		.request = request,
		.scope = scope ? scope : &nowhere,
		.from_worker = cache->limits.worker_index,
		.asker = asker,
	};
	cache_policy_request(request, &question.policy);
	if (!question.policy.is_usable)
		tell_pass(cache, &question, question.policy.forward, question.policy.why);
	else if (!cache_key_make(cache, request, &question.key))
		tell_pass(cache, &question, CACHE_FORWARD_BYPASS, COUNTER_cache_pass_key_large);
	else if (cache_key_owner(cache, question.key.hash) == cache->limits.worker_index)
		cache_ask_decide(cache, &question);
	else
		cache_channel_ask(cache, &question);
}

struct cache_question cache_errand_question(struct cache *cache, uint32_t from_worker,
					    struct cache_errand *errand)
{
	struct cache_question question = {.request = &errand->request,
					  .service = errand->service,
					  .from_worker = from_worker,
					  .errand = errand};
	cache_policy_request(question.request, &question.policy);
	bool is_made = cache_key_make(cache, question.request, &question.key);
	CHECK(is_made); // it was, by its asker
	return question;
}

// question_of makes the question of a waiter, which is forgotten; its errand lives on.
static struct cache_question question_of(struct cache *cache, struct cache_waiter *waiter)
{
	struct cache_errand *errand = waiter->errand;
	struct cache_question question = cache_errand_question(cache, waiter->from_worker, errand);
	question.is_collapsed = !waiter->is_for_disk;
	question.is_from_disk = waiter->is_for_disk;
	cache_waiter_drop(cache, waiter);
	return question;
}

void cache_ask_again(struct cache *cache, struct list *waiters)
{
	while (!list_is_empty(waiters)) {
		struct cache_question question =
			question_of(cache, container_of(waiters->next, struct cache_waiter, link));
		cache_ask_decide(cache, &question);
	}
}

void cache_ask_pass(struct cache *cache, struct list *waiters)
{
	while (!list_is_empty(waiters)) {
		struct cache_question question =
			question_of(cache, container_of(waiters->next, struct cache_waiter, link));
		tell_pass(cache, &question, CACHE_FORWARD_URI_MISS, COUNTER_cache_pass_released);
	}
}

void cache_cancel(struct cache *cache, struct pool_id asker)
{
	struct cache_errand *errand = find_errand(cache, asker);
	if (!errand)
		return;
	if (errand->to_worker != cache->limits.worker_index) {
		cache_errand_hide(cache, errand);
		// Only a hint: its answer comes in any case.
		struct cache_message message = {.kind = CACHE_MESSAGE_CANCEL, .errand = errand};
		cache_channel_try(cache, errand->to_worker, &message);
		return;
	}
	struct cache_waiter *waiter = cache_waiter_find(cache, cache->limits.worker_index, errand);
	CHECK(waiter);
	cache_waiter_drop(cache, waiter);
	cache_errand_free(cache, errand);
}
