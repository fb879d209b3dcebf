// SPDX-License-Identifier: Apache-2.0
// An exchange and its upstream: choosing an endpoint, sending, the response, second tries; see
// exchange.h. A try is repeated on another endpoint only when that is safe: nothing of the body was
// given away, and the request was not processed or may be processed twice (RFC 9110 9.2.2).
#include "exchange.h"

#include "compress.h"
#include "exchange_policy.h"
#include "forward.h"
#include "proxy_priv.h"
#include "relay.h"

#include "check.h"

#include <errno.h>

enum { RETRY_TOKENS_MAX = 100 * PROXY_RETRY_COST };

void exchange_finish_try(struct exchange *exchange, enum route_outcome outcome)
{
	struct proxy *proxy = exchange->proxy;
	if (!exchange->is_try_open)
		return;
	exchange->is_try_open = false;
	uint32_t failures =
		route_finish(proxy->routes, exchange->target.endpoint_id, outcome, proxy->now_us);
	if (outcome == ROUTE_TRY_FAILED)
		proxy->callbacks.endpoint_failed(proxy->callbacks.user,
						 exchange->target.endpoint_id, failures);
}

void exchange_finish_answered(struct exchange *exchange, uint16_t status)
{
	exchange_finish_try(exchange,
			    status >= 500 && status != 501 ? ROUTE_TRY_FAILED : ROUTE_TRY_ANSWERED);
}

void exchange_leave_upstream(struct exchange *exchange)
{
	exchange_stop_waiting(exchange);
	exchange_finish_try(exchange, ROUTE_TRY_UNTOLD);
	upstream_detach(exchange);
	compress_end(exchange);
	fifo_clear(&exchange->response_body);
	if (exchange->answer.fill)
		cache_fill_abandon(exchange->answer.fill);
	exchange->answer.fill = NULL;
}

// give_up tells the client that no try has succeeded. Where the upstream has reset the stream, that
// is said on to who has more of it than of a status: to gRPC's clients, and to the node before us
// that the request may be tried elsewhere (RFC 9113 8.7).
static void give_up(struct exchange *exchange, enum counter reason)
{
	bool is_refused = exchange->reset_error == HTTP_ERROR_REFUSED;
	bool is_wanted =
		exchange_is_grpc(exchange) || (is_refused && !exchange->proxy->role->is_first);
	if (is_wanted && exchange->reset_error && exchange->down &&
	    http_version_of(exchange->down->transport.http) == HTTP_VERSION_2)
		exchange_break(exchange, reason);
	else
		exchange_reply(exchange, reason);
}

void exchange_connect(struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	if (exchange->try_count == 0 && proxy->retry_tokens < RETRY_TOKENS_MAX)
		proxy->retry_tokens++;
	struct route_tried tried = {exchange->tried, exchange->tried_count};
	if (!route_pick(proxy->routes, exchange->service_id, tried, proxy->now_us,
			&exchange->target)) {
		enum counter reason = exchange->reason == COUNTER_COUNT
					      ? COUNTER_exchange_no_endpoint
					      : exchange->reason;
		give_up(exchange, reason);
		return;
	}
	exchange->reset_error = 0;
	exchange->is_continue_due = false;
	exchange->tried[exchange->tried_count++] = exchange->target.endpoint_id;
	exchange->try_count++;
	route_begin(proxy->routes, exchange->target.endpoint_id, proxy->now_us);
	exchange->is_try_open = true;
	exchange->state = EXCHANGE_CONNECT;
	exchange_set_deadline(exchange, proxy->limits.connect_timeout_ms);
	int error = upstream_attach(proxy, exchange);
	if (error == EHOSTUNREACH)
		exchange_try_failed(exchange, COUNTER_exchange_connect_failed, true);
	else if (error == ENOBUFS)
		exchange_reply(exchange, COUNTER_exchange_overloaded);
}

// set_response_deadline waits for the response. A new plain connection is looked at sooner: its
// peer's kernel may have answered our SYN and then have had no room for it.
static void set_response_deadline(struct exchange *exchange)
{
	const struct proxy_limits *limits = &exchange->proxy->limits;
	exchange_set_deadline(exchange, exchange->is_first_look ? limits->connect_timeout_ms
								: limits->response_timeout_ms);
}

void exchange_body_begins(struct exchange *exchange)
{
	if (!exchange->request.expects_continue)
		return;
	exchange->request.expects_continue = false;
	if (exchange->is_continue_due)
		set_response_deadline(exchange);
	exchange->is_continue_due = false;
}

// say_continue lets a client that waits for it send its body.
static void say_continue(struct exchange *exchange, enum counter counter)
{
	struct http_message interim = {
		.status = 100, .version = 11, .content_length = HTTP_LENGTH_NONE};
	if (!exchange->request.expects_continue || !exchange->down)
		return;
	counter_inc(exchange->proxy->counters, counter);
	http_respond(exchange->down->transport.http, exchange->down_stream, &interim, false);
	transport_touch(&exchange->down->transport);
	exchange_body_begins(exchange);
}

// await_continue: whether a body is wanted is the service's to say (RFC 9110 10.1.1). One that says
// nothing for a while may know nothing of it: then its first node lets the client go on.
static void await_continue(struct exchange *exchange)
{
	uint32_t timeout_ms = exchange->proxy->limits.continue_timeout_ms;
	if (!exchange->request.expects_continue || !exchange->proxy->role->is_first)
		return;
	if (timeout_ms == 0) {
		say_continue(exchange, COUNTER_exchange_continues_late);
		return;
	}
	exchange->is_continue_due = true;
	exchange_set_deadline(exchange, timeout_ms);
}

void exchange_send(struct exchange *exchange)
{
	struct upstream *up = exchange->up;
	struct http_message request;
	if (forward_request(exchange, &request) != 0) {
		exchange_reply(exchange, COUNTER_exchange_head_too_large);
		return;
	}
	int error = http_request(up->transport.http, &request, exchange->has_request_body, exchange,
				 &exchange->up_stream);
	if (error == EPROTONOSUPPORT) {
		exchange_reply(exchange, COUNTER_http_upgrade_unsupported);
		return;
	}
	if (error) {
		exchange_try_failed(exchange, COUNTER_exchange_upstream_gone, true);
		return;
	}
	struct proxy_limits *limits = &exchange->proxy->limits;
	exchange->is_first_look = up->served_count == 1 && !up->transport.tls &&
				  limits->connect_timeout_ms < limits->response_timeout_ms;
	exchange->state = EXCHANGE_RESPONSE;
	exchange->sent_us = exchange_age_us(exchange);
	set_response_deadline(exchange);
	transport_touch(&up->transport);
	await_continue(exchange);
}

// is_client_late tells whether the response is not there because the request is not.
static bool is_client_late(const struct exchange *exchange)
{
	return exchange_owes_body(exchange) && !exchange->request.expects_continue &&
	       exchange->request_body.queued_bytes == exchange->request_lent;
}

void exchange_response_late(struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	struct tcp_info info;
	if (exchange->is_continue_due) {
		say_continue(exchange, COUNTER_exchange_continues_late);
		return;
	}
	if (!exchange->is_first_look) {
		if (is_client_late(exchange))
			exchange_break(exchange, COUNTER_exchange_body_stalled);
		else
			exchange_try_failed(exchange, COUNTER_exchange_upstream_timeout, false);
		return;
	}
	exchange->is_first_look = false;
	bool is_unheard = tcp_info_of(proxy->tcp, exchange->up->transport.tcp, &info) &&
			  info.bytes_received == 0 && info.unacked_bytes > 0;
	if (is_unheard) {
		exchange->tried_count--; // another connection to the same endpoint may do
		exchange_try_failed(exchange, COUNTER_exchange_connect_timeout, false);
		return;
	}
	exchange_set_deadline(exchange,
			      proxy->limits.response_timeout_ms - proxy->limits.connect_timeout_ms);
}

void exchange_request_sent(struct exchange *exchange)
{
	exchange->is_request_sent = true;
	relay_request_sent(exchange);
	bool is_due = exchange->state == EXCHANGE_RESPONSE && exchange->has_request_body;
	if (is_due && !exchange->is_first_look)
		exchange_set_deadline(exchange, exchange->proxy->limits.response_timeout_ms);
}

// may_try_again tells whether a second try is safe, allowed and within the budget.
static bool may_try_again(struct exchange *exchange, bool is_unprocessed)
{
	struct proxy *proxy = exchange->proxy;
	enum http_method method = exchange->request.method;
	bool is_idempotent = method == HTTP_GET || method == HTTP_HEAD || method == HTTP_PUT ||
			     method == HTTP_DELETE || method == HTTP_OPTIONS;
	uint32_t tries = MIN(proxy->limits.tries, EXCHANGE_TRIES_MAX);
	if (exchange->is_response_begun || exchange->is_request_begun ||
	    exchange->try_count >= tries || proxy->retry_tokens < PROXY_RETRY_COST)
		return false;
	return is_idempotent || is_unprocessed;
}

void exchange_try_failed(struct exchange *exchange, enum counter reason, bool is_unprocessed)
{
	struct proxy *proxy = exchange->proxy;
	exchange->reason = reason;
	exchange_stop_waiting(exchange);
	// A bound of ours says nothing about the endpoint.
	exchange_finish_try(exchange, reason == COUNTER_exchange_overloaded ? ROUTE_TRY_UNTOLD
									    : ROUTE_TRY_FAILED);
	upstream_detach(exchange);
	if (!may_try_again(exchange, is_unprocessed)) {
		give_up(exchange, reason);
		return;
	}
	relay_replay_request(exchange);
	proxy->retry_tokens -= PROXY_RETRY_COST;
	counter_inc(proxy->counters, COUNTER_exchange_retries);
	journal_add(proxy->journal, proxy->now_us, "exchange tried again", (uint64_t)reason,
		    exchange->target.endpoint_id);
	exchange_connect(exchange);
}

// begin_fill offers the response to the cache.
static void begin_fill(struct exchange *exchange, const struct http_message *response)
{
	enum counter why;
	struct exchange_stored_text room;
	if (!exchange->answer.fill)
		return;
	struct http_message seen = exchange_policy_stored(exchange, response, &room);
	exchange->is_stored =
		cache_fill_begin(exchange->answer.fill, &exchange->request, &seen, &why);
	if (exchange->is_stored) {
		cache_fill_await(exchange->answer.fill, &exchange->reader);
		return;
	}
	exchange->answer.fill = NULL;
}

// invalidate forgets what a successful unsafe request has changed (RFC 9111 4.4).
static void invalidate(struct exchange *exchange, const struct http_message *response)
{
	enum http_method method = exchange->request.method;
	bool is_safe = method == HTTP_GET || method == HTTP_HEAD || method == HTTP_OPTIONS;
	if (exchange->proxy->cache && !is_safe && response->status < 400)
		cache_invalidate(exchange->proxy->cache, &exchange->request, response);
}

// pass_interim passes a 1xx on, 100 to who waits for it; 101 cannot be asked for.
static void pass_interim(struct exchange *exchange, const struct http_message *response)
{
	struct http_message out;
	if (response->status == 100)
		say_continue(exchange, COUNTER_exchange_continues);
	if (response->status <= 101 || !exchange->down ||
	    forward_response(exchange, response, &out) != 0)
		return;
	counter_inc(exchange->proxy->counters, COUNTER_exchange_responses_1xx);
	http_respond(exchange->down->transport.http, exchange->down_stream, &out, false);
	transport_touch(&exchange->down->transport);
}

// is_failure: RFC 5861 4. A 502 or 504 says that the origin was not reached.
static bool is_failure(uint16_t status)
{
	return status == 500 || (status >= 502 && status <= 504);
}

// keep_behind goes on with a response that no client waits for.
static void keep_behind(struct exchange *exchange, bool is_end)
{
	exchange->state = EXCHANGE_RELAY;
	exchange->answered_us = exchange_age_us(exchange);
	exchange->is_response_begun = true;
	exchange_set_deadline(exchange, exchange->proxy->limits.body_idle_timeout_ms);
	if (!exchange->answer.fill)
		exchange_finish(exchange);
	else if (is_end)
		exchange_response_end(exchange);
}

void exchange_response(struct exchange *exchange, const struct http_message *response, bool is_end)
{
	struct http_message out;
	struct compress_head head;
	if (response->status < 200) {
		pass_interim(exchange, response);
		return;
	}
	if (slicing_is_fetch(exchange)) {
		slicing_response(exchange, response, is_end);
		return;
	}
	exchange->is_tunnel = exchange->request.protocol.bytes && response->status < 300;
	if (exchange->is_tunnel)
		counter_inc(exchange->proxy->counters, COUNTER_exchange_tunnels);
	relay_drop_request(exchange);
	exchange->forward_status = response->status;
	exchange->is_response_ended = is_end;
	exchange_finish_answered(exchange, response->status);
	if (is_failure(response->status) &&
	    exchange_survive(exchange, response->status == 502 || response->status == 504))
		return;
	response = compress_response(exchange, response, !is_end, &head);
	if (exchange_confirmed(exchange, response))
		return;
	slicing_note(exchange, response);
	begin_fill(exchange, response);
	invalidate(exchange, response);
	if (!exchange->down) {
		keep_behind(exchange, is_end);
		return;
	}
	if (forward_response(exchange, response, &out) != 0) {
		exchange_reply(exchange, COUNTER_exchange_upstream_garbage);
		return;
	}
	exchange->state = EXCHANGE_RELAY;
	exchange->answered_us = exchange_age_us(exchange);
	exchange->status = response->status;
	exchange->is_response_begun = true;
	if (http_respond(exchange->down->transport.http, exchange->down_stream, &out, !is_end) !=
	    0) {
		exchange_client_gone(exchange, COUNTER_exchange_client_gone);
		return;
	}
	exchange_set_idle_deadline(exchange);
	transport_touch(&exchange->down->transport);
	if (is_end)
		exchange_response_end(exchange);
}

void exchange_response_end(struct exchange *exchange)
{
	exchange->is_response_ended = true;
	if (exchange->compress && !exchange->down)
		compress_store(exchange, SLICE(""), true);
	if (exchange->answer.fill && !exchange->compress) {
		cache_fill_end(exchange->answer.fill);
		exchange->answer.fill = NULL;
	}
	upstream_detach(exchange);
	if (!exchange->down) {
		exchange_finish(exchange);
		return;
	}
	compress_pump(exchange);
	relay_wake_client(exchange);
}
