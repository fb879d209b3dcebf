// SPDX-License-Identifier: Apache-2.0
// Body bytes in both directions; see relay.h.
#include "relay.h"

#include "compress.h"
#include "proxy_priv.h"

#include "check.h"

// RFC 9113 6.9.2: what a peer may send of a stream before it has seen our SETTINGS.
#define H2_FIRST_WINDOW_BYTES 65535u

static void return_response_credit(struct exchange *exchange);

// share moves a client to what others read, too: its fetch for another worker's key has been
// joined. What waits for it here is there, and holds nobody up.
static void share(struct exchange *exchange)
{
	struct compress *compress = exchange->compress;
	struct fifo *queue = &exchange->response_body;
	return_response_credit(exchange);
	exchange->own = cache_fill_lend(exchange->answer.fill);
	if (!exchange->own)
		return;
	uint64_t waiting = compress ? compress->end - compress->start : queue->queued_bytes;
	exchange->own_bytes = cache_fill_bytes(exchange->answer.fill);
	exchange->own_offset = exchange->own_bytes - waiting;
	if (!compress) {
		relay_drop_response(exchange, queue->queued_bytes);
		return;
	}
	compress->start = compress->end = 0;
	compress_pump(exchange);
}

static void on_grown(struct cache_reader *reader)
{
	struct exchange *exchange = container_of(reader, struct exchange, reader);
	bool is_fetching = exchange->state == EXCHANGE_RELAY && exchange->answer.fill;
	if (is_fetching && exchange->down && !exchange->own)
		share(exchange);
	relay_wake_client(exchange);
}

void relay_init(struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	// Windows bound bodies; the queues must take what windows allow, and what comes before
	// them.
	uint32_t bytes = MAX(proxy->limits.http.stream_window_max_bytes, H2_FIRST_WINDOW_BYTES);
	fifo_init(&exchange->request_body, proxy->bufs, bytes);
	fifo_init(&exchange->response_body, proxy->bufs, bytes);
	cache_reader_init(&exchange->reader, on_grown);
}

void relay_clear(struct exchange *exchange)
{
	fifo_clear(&exchange->request_body);
	fifo_clear(&exchange->response_body);
}

void relay_wake_client(struct exchange *exchange)
{
	if (!exchange->down || !exchange->is_response_begun)
		return;
	http_resume(exchange->down->transport.http, exchange->down_stream);
	transport_touch(&exchange->down->transport);
}

void relay_wake_upstream(struct exchange *exchange)
{
	if (!exchange->up || exchange->up_stream == 0)
		return;
	http_resume(exchange->up->transport.http, exchange->up_stream);
	transport_touch(&exchange->up->transport);
}

bool relay_request(struct exchange *exchange, struct slice bytes)
{
	counter_add(exchange->proxy->counters, COUNTER_exchange_request_bytes, bytes.bytes);
	exchange->request_bytes += bytes.bytes;
	if (fifo_write(&exchange->request_body, bytes) < bytes.bytes)
		return false;
	relay_wake_upstream(exchange);
	return true;
}

bool relay_keep(struct exchange *exchange, struct slice bytes)
{
	struct cache_answer *answer = &exchange->answer;
	if (!cache_fill_write(answer->fill, bytes)) {
		answer->fill = NULL;
		return false;
	}
	// From the first bytes on, or when others read (share).
	if (exchange->down && cache_fill_bytes(answer->fill) == bytes.bytes)
		exchange->own = cache_fill_lend(answer->fill);
	if (exchange->own)
		exchange->own_bytes += bytes.bytes;
	return exchange->own != NULL;
}

// let_upstream_go_on lets it send as many bytes as were taken.
static void let_upstream_go_on(struct exchange *exchange, size_t bytes)
{
	if (!exchange->up || !exchange->up_stream)
		return;
	http_consume(exchange->up->transport.http, exchange->up_stream, bytes);
	transport_touch(&exchange->up->transport);
}

// store_only takes body bytes that no client of this exchange wants; false when nobody does.
static bool store_only(struct exchange *exchange, struct slice bytes)
{
	struct cache_fill *fill = exchange->answer.fill;
	let_upstream_go_on(exchange, bytes.bytes);
	exchange_set_deadline(exchange, exchange->proxy->limits.body_idle_timeout_ms);
	if (!fill || (exchange->is_left && !cache_fill_is_read(fill)))
		return false;
	if (exchange->compress)
		return compress_store(exchange, bytes, false);
	relay_keep(exchange, bytes);
	return exchange->answer.fill != NULL;
}

bool relay_response(struct exchange *exchange, struct slice bytes)
{
	if (!exchange->down)
		return store_only(exchange, bytes);
	// What is compressed is stored as it comes out of the coder.
	bool is_kept = exchange->answer.fill && !exchange->compress && relay_keep(exchange, bytes);
	if (is_kept)
		let_upstream_go_on(exchange, bytes.bytes);
	else if (fifo_write(&exchange->response_body, bytes) < bytes.bytes)
		return false;
	compress_pump(exchange);
	relay_wake_client(exchange);
	return true;
}

bool relay_leave(struct exchange *exchange)
{
	struct fifo *queue = &exchange->response_body;
	exchange->response_lent = 0;
	if (exchange->compress)
		return compress_leave(exchange);
	relay_drop_response(exchange, queue->queued_bytes); // stored already
	return true;
}

// drop_lent drops what the upstream took last time and lets the client send as much; false when
// there is nothing.
static bool drop_lent(struct exchange *exchange)
{
	size_t bytes = exchange->request_lent;
	if (bytes == 0)
		return false;
	exchange->request_lent = 0;
	exchange->is_request_begun = true;
	fifo_drop(&exchange->request_body, bytes);
	if (exchange->down) {
		http_consume(exchange->down->transport.http, exchange->down_stream, bytes);
		transport_touch(&exchange->down->transport);
	}
	return true;
}

static void return_request_credit(struct exchange *exchange)
{
	if (drop_lent(exchange))
		exchange_set_idle_deadline(exchange);
}

// is_replayable: the whole body is in the last run, and may go to another upstream if this one
// takes nothing of it. The client sends no more, so it waits for no credit.
static bool is_replayable(const struct exchange *exchange)
{
	return exchange->is_request_ended && !exchange->is_request_begun &&
	       exchange->request_lent == exchange->request_body.queued_bytes &&
	       !buf_pool_is_low(exchange->proxy->bufs);
}

void relay_request_sent(struct exchange *exchange)
{
	if (exchange->is_response_begun || !is_replayable(exchange))
		return_request_credit(exchange);
}

void relay_drop_request(struct exchange *exchange)
{
	if (exchange->is_request_sent)
		drop_lent(exchange);
}

void relay_replay_request(struct exchange *exchange)
{
	exchange->request_lent = 0;
}

void relay_drop_response(struct exchange *exchange, size_t bytes)
{
	fifo_drop(&exchange->response_body, bytes);
	let_upstream_go_on(exchange, bytes);
}

// return_response_credit drops what the client took last time and lets the upstream send as much.
static void return_response_credit(struct exchange *exchange)
{
	if (exchange->response_lent == 0)
		return;
	size_t bytes = exchange->response_lent;
	exchange->response_lent = 0;
	counter_add(exchange->proxy->counters, COUNTER_exchange_response_bytes, bytes);
	exchange->response_bytes += bytes;
	exchange_set_idle_deadline(exchange);
	// Nothing else is lent while something of that is left.
	if (exchange->own_offset < exchange->own_bytes)
		exchange->own_offset += bytes;
	else if (exchange->compress)
		compress_taken(exchange, bytes);
	else if (exchange->state != EXCHANGE_REPLY)
		relay_drop_response(exchange, bytes);
}

struct slice relay_pull_request(struct exchange *exchange, size_t max, bool *is_end,
				const struct http_field **trailers, uint32_t *trailer_count)
{
	struct slice run = {0};
	if (exchange->request_lent == 0 || !is_replayable(exchange)) {
		return_request_credit(exchange);
		run = fifo_peek(&exchange->request_body, max);
		exchange->request_lent = run.bytes;
	}
	*is_end = exchange->is_request_ended &&
		  exchange->request_lent == exchange->request_body.queued_bytes;
	if (*is_end) {
		*trailers = exchange->request_trailers;
		*trailer_count = exchange->request_trailer_count;
	}
	return run;
}

// wait_for_more: all that is there of an object has been sent, and it is not the end that was
// announced.
static void wait_for_more(struct exchange *exchange, struct cache_object *object, bool *is_end)
{
	switch (cache_object_growth(object)) {
	case CACHE_GROWING:
		cache_object_await(exchange->proxy->cache, object, &exchange->reader);
		break;
	case CACHE_WHOLE: *is_end = exchange->object_offset == cache_object_bytes(object); break;
	default: exchange_set_deadline(exchange, 0); // in a moment: this is its connection's call
	}
}

static struct slice pull_reply(struct exchange *exchange, size_t max, bool *is_end)
{
	struct cache_object *object = exchange->answer.object;
	uint64_t total = object ? exchange->object_end : exchange->reply_body.bytes;
	uint64_t offset = exchange->object_offset;
	struct slice run = object ? cache_object_read(object, offset, MIN(max, total - offset))
				  : slice_head(slice_skip(exchange->reply_body, offset), max);
	if (object)
		lending_lend(exchange, object, run);
	exchange->object_offset += run.bytes;
	exchange->response_lent = run.bytes;
	*is_end = exchange->object_offset == total;
	if (run.bytes == 0 && object && !*is_end)
		wait_for_more(exchange, object, is_end);
	return run;
}

// wait_for_own: it must come, or the response cannot go on.
static void wait_for_own(struct exchange *exchange)
{
	if (cache_object_growth(exchange->own) == CACHE_GROWING)
		cache_object_await(exchange->proxy->cache, exchange->own, &exchange->reader);
	else
		exchange_set_deadline(exchange, 0);
}

// pull_own reads what this exchange has stored; the rest, if any, is elsewhere.
static struct slice pull_own(struct exchange *exchange, size_t max, bool *is_end)
{
	const struct compress *compress = exchange->compress;
	uint64_t left = exchange->own_bytes - exchange->own_offset;
	struct slice run = cache_object_read(exchange->own, exchange->own_offset, MIN(max, left));
	lending_lend(exchange, exchange->own, run);
	exchange->response_lent = run.bytes;
	bool is_all =
		compress ? compress->is_done && compress->start == compress->end
			 : exchange->is_response_ended && exchange->response_body.queued_bytes == 0;
	*is_end = is_all && run.bytes == left;
	if (run.bytes == 0) // written, but not yet on the worker that keeps it
		wait_for_own(exchange);
	return run;
}

static struct slice pull_relayed(struct exchange *exchange, size_t max, bool *is_end)
{
	struct slice run = {0};
	bool has_own = exchange->own_offset < exchange->own_bytes;
	if (!has_own && exchange->compress) {
		run = compress_pull(exchange, max, is_end); // it may store what it makes
		has_own = exchange->own_offset < exchange->own_bytes;
	} else if (!has_own) {
		run = fifo_peek(&exchange->response_body, max);
		exchange->response_lent = run.bytes;
		*is_end = exchange->is_response_ended &&
			  run.bytes == exchange->response_body.queued_bytes;
	}
	return has_own ? pull_own(exchange, max, is_end) : run;
}

struct slice relay_pull_response(struct exchange *exchange, size_t max, bool *is_end,
				 const struct http_field **trailers, uint32_t *trailer_count)
{
	return_response_credit(exchange);
	if (exchange->slicing.step == SLICING_SENDING)
		return slicing_pull(exchange, max, is_end);
	if (exchange->state == EXCHANGE_REPLY && !exchange->compress)
		return pull_reply(exchange, max, is_end);
	struct slice run = pull_relayed(exchange, max, is_end);
	if (*is_end) {
		*trailers = exchange->response_trailers;
		*trailer_count = exchange->response_trailer_count;
	}
	return run;
}
