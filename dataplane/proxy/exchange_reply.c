// SPDX-License-Identifier: Apache-2.0
// Answers of our own (errors, redirects) and from the cache; see exchange.h. An error's body is one
// line for a person; its reason is the counter's name.
#include "exchange.h"

#include "forward.h"
#include "proxy_priv.h"
#include "relay.h"

#include "check.h"

uint16_t exchange_status_of(enum counter reason)
{
	switch (reason) {
	case COUNTER_exchange_forwards_ended: return 200;
	case COUNTER_exchange_redirected: return 308;
	case COUNTER_exchange_bad_host: return 400;
	case COUNTER_exchange_no_route: return 404;
	case COUNTER_exchange_bad_method: return 405;
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

void exchange_reply(struct exchange *exchange, enum counter reason)
{
	struct proxy *proxy = exchange->proxy;
	struct http_message message;
	uint16_t status = exchange_status_of(reason);
	counter_inc(proxy->counters, reason);
	exchange->reason = reason;
	exchange_leave_upstream(exchange);
	exchange->state = EXCHANGE_REPLY;
	exchange->object_offset = 0;
	exchange->reply_body = slice_str(counter_info[reason].text);
	struct slice location = status == 308 ? redirect_location(exchange) : (struct slice){0};
	if (forward_reply(exchange, status, location, &message) != 0) {
		exchange_break(exchange, COUNTER_exchange_head_too_large);
		return;
	}
	send_head(exchange, &message, exchange->request.method != HTTP_HEAD);
}

void exchange_reply_object(struct exchange *exchange)
{
	struct http_message message;
	exchange->state = EXCHANGE_REPLY;
	if (forward_object(exchange, &message) != 0) {
		exchange_break(exchange, COUNTER_exchange_head_too_large);
		return;
	}
	bool has_body = exchange->answer.verdict == CACHE_HIT &&
			exchange->request.method != HTTP_HEAD && message.content_length > 0;
	send_head(exchange, &message, has_body);
}
