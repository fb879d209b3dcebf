// SPDX-License-Identifier: Apache-2.0
// Answers of our own (errors, redirects) and from the cache; see exchange.h. An error's body is one
// line for a person; its reason is the counter's name.
#include "exchange.h"

#include "compress.h"
#include "exchange_policy.h"
#include "forward.h"
#include "proxy_priv.h"
#include "relay.h"

#include "check.h"

uint16_t exchange_status_of(enum counter reason)
{
	switch (reason) {
	case COUNTER_exchange_forwards_ended: return 200;
	case COUNTER_exchange_preflight: return 204;
	case COUNTER_exchange_redirected:
	case COUNTER_exchange_moved: return 308;
	case COUNTER_exchange_bad_host: return 400;
	case COUNTER_exchange_denied: return 403;
	case COUNTER_exchange_no_route: return 404;
	case COUNTER_exchange_bad_method:
	case COUNTER_exchange_method_not_allowed: return 405;
	case COUNTER_exchange_body_slow: return 408;
	case COUNTER_exchange_body_too_large: return 413;
	case COUNTER_exchange_client_rate:
	case COUNTER_exchange_service_rate: return 429;
	case COUNTER_http_upgrade_unsupported: return 501;
	case COUNTER_exchange_head_too_large: return 431;
	case COUNTER_exchange_connect_failed:
	case COUNTER_exchange_upstream_refused_us:
	case COUNTER_exchange_upstream_gone:
	case COUNTER_exchange_upstream_garbage: return 502;
	case COUNTER_exchange_connect_timeout:
	case COUNTER_exchange_upstream_timeout:
	case COUNTER_exchange_only_if_cached: return 504;
	default: return 503;
	}
}

// send_head gives the client the head in message; the body follows by relay_pull_response.
static void send_head(struct exchange *exchange, const struct http_message *message, bool has_body)
{
	struct downstream *down = exchange->down;
	exchange->status = message->status;
	exchange->answered_us = exchange_age_us(exchange);
	exchange->is_response_begun = true;
	exchange->is_response_ended = true;
	if (http_respond(down->transport.http, exchange->down_stream, message, has_body) != 0) {
		exchange_client_gone(exchange, COUNTER_exchange_client_gone);
		return;
	}
	exchange_set_idle_deadline(exchange);
	transport_touch(&down->transport);
}

// redirect_location builds the https URL of the request in the exchange's arena.
static struct slice redirect_location(struct exchange *exchange)
{
	struct slice parts[] = {SLICE("https://"), exchange->host, exchange->request.target};
	size_t bytes = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		bytes += parts[i].bytes;
	char *at = arena_alloc(&exchange->arena, bytes);
	if (!at)
		return (struct slice){0};
	char *end = at;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		memcpy(end, parts[i].at, parts[i].bytes);
		end += parts[i].bytes;
	}
	return slice_of(at, bytes);
}

// reply_of fills what differs between answers of our own: the body, its type, where else to go.
static struct forward_reply reply_of(struct exchange *exchange, enum counter reason)
{
	struct forward_reply reply = {.status = exchange_status_of(reason)};
	exchange->reply_body = exchange_policy_page(exchange, reply.status, &reply.is_html);
	if (exchange->reply_body.bytes == 0 && reply.status != 204)
		exchange->reply_body = slice_str(counter_info[reason].text);
	if (reason == COUNTER_exchange_redirected)
		reply.location = redirect_location(exchange);
	else if (reason == COUNTER_exchange_moved)
		reply.location = exchange_policy_location(exchange);
	return reply;
}

void exchange_reply(struct exchange *exchange, enum counter reason)
{
	struct http_message message;
	uint16_t status = exchange_status_of(reason);
	if (status >= 502 && exchange_survive(exchange, true))
		return;
	if (!exchange->down) {
		exchange_break(exchange, reason);
		return;
	}
	counter_inc(exchange->proxy->counters, reason);
	exchange->reason = reason;
	exchange->reset_error = 0;
	exchange_leave_upstream(exchange);
	exchange->state = EXCHANGE_REPLY;
	exchange->object_offset = 0;
	struct forward_reply reply = reply_of(exchange, reason);
	if (forward_reply(exchange, &reply, &message) != 0) {
		exchange_break(exchange, COUNTER_exchange_head_too_large);
		return;
	}
	send_head(exchange, &message,
		  exchange->request.method != HTTP_HEAD && exchange->reply_body.bytes > 0);
}

void exchange_reply_object(struct exchange *exchange, const struct http_message *head)
{
	struct http_message message;
	struct compress_head changed;
	struct cache_answer *answer = &exchange->answer;
	exchange->state = EXCHANGE_REPLY;
	// What is stored says by itself what it depends on.
	if (exchange->accepts.codings && !exchange->slicing.total)
		head = compress_object(exchange, head, &changed);
	if (forward_object(exchange, head, &message) != 0) {
		exchange_break(exchange, COUNTER_exchange_head_too_large);
		return;
	}
	if (head->content_length == HTTP_LENGTH_NONE) // compressed, or would be
		message.content_length = HTTP_LENGTH_NONE;
	exchange->object_offset = answer->part_first;
	exchange->object_end = answer->part_first + answer->part_bytes;
	bool has_body = (answer->verdict == CACHE_HIT || answer->verdict == CACHE_PARTIAL) &&
			exchange->request.method != HTTP_HEAD && message.content_length > 0;
	send_head(exchange, &message, has_body);
}

bool exchange_survive(struct exchange *exchange, bool is_lost)
{
	struct cache_answer *answer = &exchange->answer;
	if (!answer->stale)
		return false;
	// Nobody waits for an answer: all that is to be learnt is that the upstream fails.
	if (!exchange->down && answer->fill) {
		cache_fill_fail(answer->fill);
		answer->fill = NULL;
	}
	if (!exchange->down || !(is_lost ? answer->survives_loss : answer->survives_error))
		return false;
	cache_survive(exchange->proxy->cache, &exchange->request, answer);
	exchange->is_survived = true;
	exchange_leave_upstream(exchange);
	exchange_reply_object(exchange, cache_object_head(answer->object));
	return true;
}

// ask_again sends the request without its condition: the 304 was about something else.
static void ask_again(struct exchange *exchange)
{
	cache_release(exchange->proxy->cache, exchange->answer.stale);
	exchange->answer.stale = NULL;
	exchange_finish_try(exchange, ROUTE_TRY_UNTOLD);
	upstream_detach(exchange);
	exchange->tried_count = 0;
	exchange->is_response_ended = exchange->is_request_sent = false;
	exchange_connect(exchange);
}

bool exchange_confirmed(struct exchange *exchange, const struct http_message *response)
{
	struct proxy *proxy = exchange->proxy;
	struct cache_answer *answer = &exchange->answer;
	struct cache_refreshed refreshed;
	bool is_head = exchange->request.method == HTTP_HEAD && response->status == 200;
	if (!exchange->is_validating || (response->status != 304 && !is_head))
		return false;
	struct exchange_stored_text room;
	struct http_message seen = exchange_policy_stored(exchange, response, &room);
	if (cache_validated(proxy->cache, &exchange->request, &seen, answer, &refreshed)) {
		exchange->is_stored = refreshed.is_stored;
		exchange_leave_upstream(exchange);
		if (exchange->down)
			exchange_reply_object(exchange, &refreshed.head);
		else
			exchange_finish(exchange);
		return true;
	}
	if (is_head) // what is stored is of another time (RFC 9111 4.3.5)
		cache_invalidate(proxy->cache, &exchange->request, response);
	else
		ask_again(exchange);
	return !is_head;
}
