// SPDX-License-Identifier: Apache-2.0
// Bodies that go through a coder, and what bounds the work; see compress.h.
#include "compress.h"

#include "proxy_priv.h"
#include "http_field.h"
#include "relay.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>

#define BUDGET_MAX_US 100000u // of the core's time that may be saved up

static void split_types(struct compressor *compressor)
{
	struct slice list = slice_str(compressor->limits.types), member;
	while (compressor->type_count < COMPRESS_TYPES_MAX && http_next_item(&list, &member))
		compressor->types[compressor->type_count++] = member;
}

int compressor_init(struct compressor *compressor, const struct compress_limits *limits)
{
	size_t count = limits->contexts;
	*compressor = (struct compressor){.limits = *limits};
	split_types(compressor);
	list_init(&compressor->later);
	if (count == 0)
		return 0;
	compressor->coders = calloc(count, sizeof(struct coder));
	compressor->memory = aligned_alloc(64, count * CODING_MEMORY_BYTES);
	if (!compressor->coders || !compressor->memory ||
	    pool_init(&compressor->contexts, limits->contexts, sizeof(struct compress)) != 0)
		return ENOMEM;
	for (size_t i = 0; i < count; i++)
		coder_init(&compressor->coders[i], compressor->memory + i * CODING_MEMORY_BYTES);
	return 0;
}

void compressor_fini(struct compressor *compressor)
{
	free(compressor->coders);
	free(compressor->memory);
	pool_fini(&compressor->contexts);
}

static void fill_budget(struct compressor *compressor, uint64_t now_us)
{
	uint64_t passed_us = MIN(now_us - compressor->budget_us, (uint64_t)BUDGET_MAX_US);
	int64_t most = (int64_t)BUDGET_MAX_US * compressor->limits.cpu_percent * 10;
	compressor->budget_us = now_us;
	compressor->budget_ns += (int64_t)passed_us * compressor->limits.cpu_percent * 10;
	compressor->budget_ns = MIN(compressor->budget_ns, most);
}

void compress_run(struct proxy *proxy)
{
	struct compressor *compressor = &proxy->compressor;
	struct list ready, *node;
	fill_budget(compressor, proxy->now_us);
	counter_set(proxy->counters, COUNTER_compress_active, compressor->contexts.in_use);
	list_init(&ready);
	while ((node = list_pop(&compressor->later)))
		list_append(&ready, node);
	while ((node = list_pop(&ready))) {
		struct compress *compress = container_of(node, struct compress, later);
		if (compress->has_failed) {
			exchange_break(compress->exchange, COUNTER_compress_failed);
			continue;
		}
		compress_pump(compress->exchange);
		relay_wake_client(compress->exchange);
	}
}

bool compress_is_left(const struct proxy *proxy)
{
	return !list_is_empty(&proxy->compressor.later);
}

static void on_pause(struct wheel_timer *timer, uint64_t)
{
	struct compress *compress = container_of(timer, struct compress, pause);
	compress->is_flushing = compress->is_holding;
	compress_pump(compress->exchange);
	relay_wake_client(compress->exchange);
}

bool compress_begin(struct exchange *exchange, enum coding coding, uint64_t bytes)
{
	struct proxy *proxy = exchange->proxy;
	struct compressor *compressor = &proxy->compressor;
	struct pool_id id;
	CHECK(!exchange->compress);
	if (compressor->limits.clock_ns && compressor->budget_ns <= 0) {
		counter_inc(proxy->counters, COUNTER_compress_over_budget);
		return false;
	}
	struct compress *compress = pool_new(&compressor->contexts, &id);
	if (!compress) {
		counter_inc(proxy->counters, COUNTER_compress_no_context);
		return false;
	}
	compress->exchange = exchange;
	compress->coder = &compressor->coders[id.index];
	list_init(&compress->later);
	wheel_timer_init(&compress->pause, on_pause);
	exchange->compress = compress;
	if (!coder_begin(compress->coder, coding, &compressor->limits.levels, bytes)) {
		counter_inc(proxy->counters, COUNTER_compress_failed);
		compress_end(exchange);
		return false;
	}
	counter_inc(proxy->counters, COUNTER_compress_responses);
	return true;
}

void compress_end(struct exchange *exchange)
{
	struct compress *compress = exchange->compress;
	struct proxy *proxy = exchange->proxy;
	if (!compress)
		return;
	coder_end(compress->coder);
	list_remove(&compress->later);
	wheel_disarm(proxy->wheel, &compress->pause);
	pool_free(&proxy->compressor.contexts, compress);
	exchange->compress = NULL;
}

// go_on_later has the next loop come back to the response.
static void go_on_later(struct compress *compress)
{
	list_remove(&compress->later);
	list_append(&compress->exchange->proxy->compressor.later, &compress->later);
}

// step lets the coder work once, and pays for it.
static bool step(struct compress *compress, struct coding_step *step)
{
	struct proxy *proxy = compress->exchange->proxy;
	struct compressor *compressor = &proxy->compressor;
	uint64_t (*clock_ns)(void) = compressor->limits.clock_ns;
	uint64_t begun_ns = clock_ns ? clock_ns() : 0;
	size_t given = step->in.bytes;
	bool is_done = coder_step(compress->coder, step);
	if (clock_ns)
		compressor->budget_ns -= (int64_t)(clock_ns() - begun_ns);
	counter_add(proxy->counters, COUNTER_compress_bytes_in, given - step->in.bytes);
	counter_add(proxy->counters, COUNTER_compress_bytes_out, step->bytes);
	compress->is_holding |= given > 0;
	compress->has_failed = !is_done;
	return is_done;
}

// next_run is what the coder takes next, of the object or of what the upstream has sent.
static struct slice next_run(const struct exchange *exchange, size_t max, bool *is_last)
{
	struct slice run;
	if (exchange->state == EXCHANGE_REPLY) {
		uint64_t left = exchange->object_end - exchange->object_offset;
		run = cache_object_read(exchange->answer.object, exchange->object_offset,
					MIN(max, left));
		*is_last = run.bytes == left;
		return run;
	}
	run = fifo_peek(&exchange->response_body, max);
	*is_last = exchange->is_response_ended && run.bytes == exchange->response_body.queued_bytes;
	return run;
}

static void drop_run(struct exchange *exchange, size_t bytes)
{
	exchange->compress->loop_bytes += (uint32_t)bytes;
	if (exchange->state == EXCHANGE_REPLY)
		exchange->object_offset += bytes;
	else if (bytes)
		relay_drop_response(exchange, bytes);
}

// store gives the cache what the coder has written; with the last of it the fill ends.
static void store(struct exchange *exchange, struct compress *compress)
{
	struct cache_answer *answer = &exchange->answer;
	struct slice run = slice_of(compress->out, compress->end);
	if (exchange->state == EXCHANGE_REPLY || !answer->fill)
		return;
	if (run.bytes && relay_keep(exchange, run))
		compress->end = 0; // the client has it from there
	if (!answer->fill || !compress->is_done)
		return;
	cache_fill_end(answer->fill);
	answer->fill = NULL;
}

// code_once fills out by one step. False: there is nothing to do now.
static bool code_once(struct exchange *exchange, struct compress *compress)
{
	struct proxy *proxy = exchange->proxy;
	bool is_last;
	size_t slice = proxy->compressor.limits.slice_bytes;
	if (compress->loop_us != proxy->now_us)
		compress->loop_bytes = 0;
	compress->loop_us = proxy->now_us;
	if (compress->loop_bytes >= slice) {
		go_on_later(compress);
		return false;
	}
	struct slice run = next_run(exchange, slice - compress->loop_bytes, &is_last);
	if (run.bytes == 0 && !is_last && !compress->is_flushing) {
		if (compress->is_holding && !wheel_is_armed(&compress->pause))
			wheel_arm(proxy->wheel, &compress->pause,
				  proxy->now_us + COMPRESS_PAUSE_US);
		return false;
	}
	wheel_disarm(proxy->wheel, &compress->pause);
	struct coding_step work = {.out = compress->out, .room = COMPRESS_OUT_BYTES};
	work.in = compress->is_flushing ? slice_of(run.at, 0) : run;
	work.flush = compress->is_flushing ? CODING_FLUSH : is_last ? CODING_END : CODING_FLOW;
	size_t given = work.in.bytes;
	if (!step(compress, &work)) {
		go_on_later(compress);
		return false;
	}
	compress->end = (uint32_t)work.bytes;
	compress->is_done = work.flush == CODING_END && work.is_done;
	if (work.flush == CODING_FLUSH && work.is_done)
		compress->is_flushing = compress->is_holding = false;
	drop_run(exchange, given - work.in.bytes);
	store(exchange, compress);
	return true;
}

// work fills out, or stores what comes out, as far as it may now.
static void work(struct exchange *exchange, struct compress *compress)
{
	while (compress->end == 0 && !compress->is_done && !compress->has_failed)
		if (!code_once(exchange, compress))
			return;
}

void compress_pump(struct exchange *exchange)
{
	struct compress *compress = exchange->compress;
	if (compress && exchange->down && exchange->answer.fill)
		work(exchange, compress);
}

bool compress_leave(struct exchange *exchange)
{
	struct compress *compress = exchange->compress;
	struct slice run;
	list_remove(&compress->later);
	wheel_disarm(exchange->proxy->wheel, &compress->pause);
	compress->is_flushing = false;
	compress->start = compress->end = 0; // stored already
	while ((run = fifo_peek(&exchange->response_body, BUF_BYTES)).bytes) {
		if (!compress_store(exchange, run, false))
			return false;
		relay_drop_response(exchange, run.bytes);
	}
	return !exchange->is_response_ended || compress_store(exchange, SLICE(""), true);
}

struct slice compress_pull(struct exchange *exchange, size_t max, bool *is_end)
{
	struct compress *compress = exchange->compress;
	if (compress->start == compress->end)
		compress->start = compress->end = 0;
	work(exchange, compress);
	size_t bytes = MIN(max, compress->end - compress->start);
	exchange->response_lent = bytes;
	*is_end = compress->is_done && compress->start + bytes == compress->end;
	return slice_of(compress->out + compress->start, bytes);
}

void compress_taken(struct exchange *exchange, size_t bytes)
{
	CHECK(bytes <= exchange->compress->end - exchange->compress->start);
	exchange->compress->start += (uint32_t)bytes;
}

bool compress_store(struct exchange *exchange, struct slice bytes, bool is_end)
{
	struct compress *compress = exchange->compress;
	struct coding_step work = {.in = bytes, .flush = is_end ? CODING_END : CODING_FLOW};
	while (exchange->answer.fill && (work.in.bytes || (is_end && !compress->is_done))) {
		work.out = compress->out;
		work.room = COMPRESS_OUT_BYTES;
		if (!step(compress, &work))
			return false;
		compress->end = (uint32_t)work.bytes;
		compress->is_done = is_end && work.is_done;
		store(exchange, compress);
	}
	return is_end || exchange->answer.fill;
}
