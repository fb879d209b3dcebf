// SPDX-License-Identifier: Apache-2.0
// Body bytes in both directions; see relay.h.
#include "relay.h"

#include "proxy_priv.h"

#include "check.h"

// RFC 9113 6.9.2: what a peer may send of a stream before it has seen our SETTINGS.
#define H2_FIRST_WINDOW_BYTES 65535u

void relay_init(struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	// Windows bound bodies; the queues must take what windows allow, and what comes before
	// them.
	uint32_t bytes = MAX(proxy->limits.http.stream_window_max_bytes, H2_FIRST_WINDOW_BYTES);
	fifo_init(&exchange->request_body, proxy->bufs, bytes);
	fifo_init(&exchange->response_body, proxy->bufs, bytes);
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

bool relay_response(struct exchange *exchange, struct slice bytes)
{
	struct cache_answer *answer = &exchange->answer;
	// What is compressed is stored as it comes out of the coder.
	if (answer->fill && !exchange->compress && !cache_fill_write(answer->fill, bytes))
		answer->fill = NULL;
	if (!exchange->down) { // only the cache wants it
		http_consume(exchange->up->transport.http, exchange->up_stream, bytes.bytes);
		exchange_set_deadline(exchange, exchange->proxy->limits.body_idle_timeout_ms);
		return exchange->compress ? compress_store(exchange, bytes, false)
					  : answer->fill != NULL;
	}
	if (fifo_write(&exchange->response_body, bytes) < bytes.bytes)
		return false;
	relay_wake_client(exchange);
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
	if (exchange->up && exchange->up_stream) {
		http_consume(exchange->up->transport.http, exchange->up_stream, bytes);
		transport_touch(&exchange->up->transport);
	}
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
	if (exchange->compress)
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
	return run;
}

struct slice relay_pull_response(struct exchange *exchange, size_t max, bool *is_end,
				 const struct http_field **trailers, uint32_t *trailer_count)
{
	struct slice run;
	return_response_credit(exchange);
	if (exchange->slicing.step == SLICING_SENDING) {
		return slicing_pull(exchange, max, is_end);
	} else if (exchange->compress) {
		run = compress_pull(exchange, max, is_end);
	} else if (exchange->state == EXCHANGE_REPLY) {
		return pull_reply(exchange, max, is_end);
	} else {
		run = fifo_peek(&exchange->response_body, max);
		exchange->response_lent = run.bytes;
		*is_end = exchange->is_response_ended &&
			  run.bytes == exchange->response_body.queued_bytes;
	}
	if (*is_end) {
		*trailers = exchange->response_trailers;
		*trailer_count = exchange->response_trailer_count;
	}
	return run;
}
