// SPDX-License-Identifier: Apache-2.0
// An exchange is one request and its response; see exchange.h. This file is its birth, its walk up
// to the upstream, and its end; what happens with the upstream is in exchange_upstream.c, answers
// of our own in exchange_reply.c.
#include "exchange.h"

#include "access.h"
#include "compress.h"
#include "exchange_key.h"
#include "exchange_policy.h"
#include "forward.h"
#include "http_field.h"
#include "proxy_priv.h"
#include "relay.h"

#include "check.h"
#include "decimal.h"

const char *exchange_state_text(enum exchange_state state)
{
	static const char *const texts[] = {
#define X(name, text) text,
		EXCHANGE_STATES(X)
#undef X
	};
	return state < EXCHANGE_STATE_COUNT ? texts[state] : "?";
}

uint32_t exchange_age_us(const struct exchange *exchange)
{
	uint64_t age_us = exchange->proxy->now_us - exchange->started_us;
	return (uint32_t)MIN(MAX(age_us, 1u), UINT32_MAX);
}

void exchange_set_deadline(struct exchange *exchange, uint32_t ms)
{
	exchange->moved_us = exchange->proxy->now_us;
	wheel_arm(exchange->proxy->wheel, &exchange->timer, exchange->proxy->now_us + ms * 1000ull);
}

void exchange_set_idle_deadline(struct exchange *exchange)
{
	const struct proxy_limits *limits = &exchange->proxy->limits;
	exchange_set_deadline(exchange, exchange->is_tunnel ? limits->tunnel_idle_ms
							    : limits->body_idle_timeout_ms);
}

// find_no_place ends who waited for a place at an endpoint in vain.
static void find_no_place(struct exchange *exchange)
{
	if (exchange->down && exchange_owes_body(exchange))
		downstream_note_slow(exchange->down);
	exchange_reply(exchange, COUNTER_exchange_overloaded);
}

// is_broken: what the client reads next will not come.
static bool is_broken(const struct exchange *exchange)
{
	const struct cache_object *own = exchange->own, *object = exchange->answer.object;
	if (own && exchange->own_offset < exchange->own_bytes)
		return cache_object_growth(own) == CACHE_BROKEN &&
		       cache_object_read(own, exchange->own_offset, 1).bytes == 0;
	return object && cache_object_growth(object) == CACHE_BROKEN;
}

// stand_still ends a body that has stood still, or cannot be completed.
static void stand_still(struct exchange *exchange)
{
	if (exchange->slicing.has_failed)
		exchange_break(exchange, COUNTER_cache_slicing_failed);
	else if (is_broken(exchange))
		exchange_break(exchange, COUNTER_cache_streams_broken);
	else if (exchange->is_tunnel)
		exchange_break(exchange, COUNTER_exchange_tunnel_idle);
	else if (exchange->own_offset < exchange->own_bytes)
		exchange_drop_client(exchange, COUNTER_exchange_body_stalled);
	else
		exchange_break(exchange, COUNTER_exchange_body_stalled);
}

static void on_deadline(struct wheel_timer *timer, uint64_t)
{
	struct exchange *exchange = container_of(timer, struct exchange, timer);
	switch (exchange->state) {
	case EXCHANGE_LOOKUP: exchange_reply(exchange, COUNTER_exchange_lookup_timeout); break;
	case EXCHANGE_CONNECT:
		if (exchange->up)
			exchange_try_failed(exchange, COUNTER_exchange_connect_timeout, true);
		else
			find_no_place(exchange);
		break;
	case EXCHANGE_RESPONSE: exchange_response_late(exchange); break;
	default: stand_still(exchange); break;
	}
}

// head_bytes is the memory that a copy of a head needs, at most.
static size_t head_bytes(const struct http_message *message)
{
	size_t bytes = 512 + message->method_text.bytes + message->scheme.bytes +
		       message->authority.bytes + message->target.bytes;
	for (uint32_t i = 0; i < message->field_count; i++)
		bytes += sizeof(struct http_field) + 16 + message->fields[i].name.bytes +
			 message->fields[i].value.bytes;
	return bytes;
}

// refuse answers a request for which there is no exchange.
static struct exchange *refuse(struct downstream *down, uint32_t stream, enum counter reason)
{
	struct http_message answer = {
		.status = exchange_status_of(reason), .version = 11, .content_length = 0};
	counter_inc(down->transport.proxy->counters, reason);
	http_respond(down->transport.http, stream, &answer, false);
	return NULL;
}

// take_head copies the request into a buffer of the exchange. False when it does not fit.
static bool take_head(struct exchange *exchange, const struct http_message *request)
{
	size_t bytes = head_bytes(request);
	if (bytes > BUF_BYTES)
		return false;
	exchange->head_buf = buf_new(exchange->proxy->bufs, bytes);
	if (!exchange->head_buf)
		return false;
	arena_init(&exchange->arena, exchange->head_buf->data, exchange->head_buf->bytes);
	return http_message_copy(&exchange->request, request, &exchange->arena) == 0;
}

static void release_memory(struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	relay_clear(exchange);
	if (exchange->head_buf)
		buf_unref(exchange->head_buf);
	if (exchange->page_buf)
		buf_unref(exchange->page_buf);
	pool_free(&proxy->exchanges, exchange);
	counter_set(proxy->counters, COUNTER_exchange_active, proxy->exchanges.in_use);
}

// take takes an exchange of the pool; NULL when there is no room, *why says for what.
static struct exchange *take(struct proxy *proxy, const struct http_message *request,
			     enum counter *why)
{
	struct pool_id id;
	*why = COUNTER_exchange_overloaded;
	struct exchange *exchange =
		buf_pool_is_low(proxy->bufs) ? NULL : pool_new(&proxy->exchanges, &id);
	if (!exchange)
		return NULL;
	exchange->proxy = proxy;
	exchange->id = id;
	exchange->reason = COUNTER_COUNT;
	exchange->started_us = exchange->moved_us = proxy->now_us;
	list_init(&exchange->up_link);
	list_init(&exchange->wait_link);
	list_init(&exchange->down_link);
	wheel_timer_init(&exchange->timer, on_deadline);
	relay_init(exchange);
	*why = COUNTER_exchange_head_too_large;
	counter_set(proxy->counters, COUNTER_exchange_active, proxy->exchanges.in_use);
	if (take_head(exchange, request))
		return exchange;
	release_memory(exchange);
	return NULL;
}

struct exchange *exchange_new(struct downstream *down, uint32_t stream,
			      const struct http_message *request, bool is_end)
{
	struct proxy *proxy = down->transport.proxy;
	enum counter why;
	counter_inc(proxy->counters, COUNTER_exchange_requests);
	struct exchange *exchange = take(proxy, request, &why);
	if (!exchange)
		return refuse(down, stream, why);
	exchange->down = down;
	exchange->client = forward_client(down, request);
	exchange->down_stream = stream;
	exchange->has_request_body = !is_end;
	exchange->is_request_ended = is_end;
	exchange->request.expects_continue &= !is_end;
	list_append(&down->exchanges, &exchange->down_link);
	down->exchange_count++;
	return exchange;
}

void exchange_stop_waiting(struct exchange *exchange)
{
	if (list_is_empty(&exchange->wait_link))
		return;
	upstream_line_leave(exchange);
	list_remove(&exchange->wait_link);
	exchange->proxy->waiting_count--;
}

// leave_cache gives back what the cache lent, or the right to fill it.
static void leave_cache(struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	slicing_leave(exchange);
	cache_reader_leave(&exchange->reader);
	if (exchange->is_cache_asked && !exchange->is_cache_answered)
		cache_cancel(proxy->cache, exchange->id);
	if (exchange->answer.object)
		lending_release(proxy, exchange->answer.object);
	if (exchange->answer.stale)
		cache_release(proxy->cache, exchange->answer.stale);
	if (exchange->answer.fill)
		cache_fill_abandon(exchange->answer.fill);
	if (exchange->own)
		lending_release(proxy, exchange->own);
	exchange->answer.object = exchange->answer.stale = exchange->own = NULL;
	exchange->answer.fill = NULL;
}

// leave_client ends the tie to the client's stream.
static void leave_client(struct exchange *exchange)
{
	struct downstream *down = exchange->down;
	if (!down)
		return;
	exchange->down = NULL;
	http_set_stream_user(down->transport.http, exchange->down_stream, NULL);
	list_remove(&exchange->down_link);
	downstream_exchange_done(down);
}

// exchange_free ends the exchange; both streams are gone or end here.
static void exchange_free(struct exchange *exchange)
{
	exchange_stop_waiting(exchange);
	wheel_disarm(exchange->proxy->wheel, &exchange->timer);
	exchange_finish_try(exchange, ROUTE_TRY_UNTOLD);
	upstream_detach(exchange);
	compress_end(exchange);
	leave_cache(exchange);
	leave_client(exchange);
	release_memory(exchange);
}

// lose_client ends the exchange, or lets its fetch go on for others who read what it brings.
static void lose_client(struct exchange *exchange)
{
	struct cache_fill *fill = exchange->answer.fill;
	if (exchange->state != EXCHANGE_RELAY || !fill || exchange->proxy->is_closing ||
	    !cache_fill_is_read(fill)) {
		exchange_free(exchange);
		return;
	}
	leave_client(exchange);
	exchange->is_left = true;
	if (exchange->own)
		cache_fill_return(fill, exchange->own);
	exchange->own = NULL;
	exchange->own_offset = exchange->own_bytes = 0;
	exchange_set_idle_deadline(exchange);
	if (!relay_leave(exchange))
		exchange_break(exchange, COUNTER_compress_failed);
	else if (exchange->is_response_ended)
		exchange_finish(exchange);
}

static void count_status(struct exchange *exchange)
{
	static const enum counter by_class[] = {
		COUNTER_exchange_responses_1xx, COUNTER_exchange_responses_1xx,
		COUNTER_exchange_responses_2xx, COUNTER_exchange_responses_3xx,
		COUNTER_exchange_responses_4xx, COUNTER_exchange_responses_5xx};
	unsigned class = exchange->status / 100;
	counter_inc(exchange->proxy->counters, by_class[class < 6 ? class : 5]);
}

void exchange_sent(struct exchange *exchange)
{
	struct downstream *down = exchange->down;
	count_status(exchange);
	// What the last pull lent has gone, too.
	counter_add(exchange->proxy->counters, COUNTER_exchange_response_bytes,
		    exchange->response_lent);
	exchange->response_bytes += exchange->response_lent;
	access_note(exchange, exchange->state == EXCHANGE_REPLY ? exchange->reason : COUNTER_COUNT);
	// An answer before the end of its request: the rest of the request is of no use.
	if (!exchange->is_request_ended)
		http_reset(down->transport.http, exchange->down_stream);
	transport_touch(&down->transport);
	exchange_free(exchange);
}

// relayed is what of an upstream's error is said on: errors of its own connection stay there, and
// who has heard of a response knows that the request was not refused.
static enum http_error relayed(const struct exchange *exchange)
{
	if (!exchange->down || http_version_of(exchange->down->transport.http) == HTTP_VERSION_1)
		return HTTP_ERROR_NONE;
	switch (exchange->reset_error) {
	case HTTP_ERROR_CANCEL:
	case HTTP_ERROR_CALM:
	case HTTP_ERROR_CONNECT:
	case HTTP_ERROR_SECURITY: return exchange->reset_error;
	case HTTP_ERROR_REFUSED:
		return exchange->is_response_begun ? HTTP_ERROR_INTERNAL : HTTP_ERROR_REFUSED;
	default: return exchange->reset_error ? HTTP_ERROR_INTERNAL : HTTP_ERROR_NONE;
	}
}

// give_up_client counts why and resets the client's stream.
static void give_up_client(struct exchange *exchange, enum counter reason)
{
	enum http_error error = relayed(exchange);
	counter_inc(exchange->proxy->counters, reason);
	counter_add(exchange->proxy->counters, COUNTER_exchange_resets_relayed, error != 0);
	journal_add(exchange->proxy->journal, exchange->proxy->now_us, "exchange broken",
		    (uint64_t)reason, exchange->state);
	access_note(exchange, reason);
	if (!exchange->down)
		return;
	exchange->down->has_broken = true;
	http_reset_as(exchange->down->transport.http, exchange->down_stream, error);
	transport_touch(&exchange->down->transport);
	// The end of a connection of HTTP/1.0 may be the end of a body: this one must not look so.
	if (exchange->request.version == 10 && exchange->is_response_begun)
		transport_doom(&exchange->down->transport, reason);
}

void exchange_break(struct exchange *exchange, enum counter reason)
{
	give_up_client(exchange, reason);
	exchange_free(exchange);
}

void exchange_drop_client(struct exchange *exchange, enum counter reason)
{
	give_up_client(exchange, reason);
	if (exchange->down)
		lose_client(exchange);
	else
		exchange_free(exchange);
}

void exchange_finish(struct exchange *exchange)
{
	CHECK(!exchange->down);
	access_note(exchange, COUNTER_COUNT);
	exchange_free(exchange);
}

void exchange_client_gone(struct exchange *exchange, enum counter reason)
{
	counter_inc(exchange->proxy->counters, reason);
	access_note(exchange, reason);
	lose_client(exchange);
}

// host_of drops the port of an authority; the brackets of an IPv6 literal stay.
static struct slice host_of(struct slice authority)
{
	size_t from = slice_starts(authority, SLICE("[")) ? slice_find(authority, ']') : 0;
	return slice_head(authority, from + slice_find(slice_skip(authority, from), ':'));
}

// spend_forward takes one off the Max-Forwards of an OPTIONS, in our own copy of its digits; false
// when there is none left: the answer is ours (RFC 9110 7.6.2).
static bool spend_forward(struct http_message *request)
{
	struct slice *value = NULL;
	for (uint32_t i = 0; i < request->field_count && !value; i++)
		if (slice_equal(request->fields[i].name, SLICE("max-forwards")))
			value = &request->fields[i].value;
	uint64_t left;
	if (request->method != HTTP_OPTIONS || !value || !http_number(*value, &left))
		return true;
	if (left-- == 0)
		return false;
	char *digits = (char *)(uintptr_t)value->at;
	*value = slice_of(digits, (size_t)(decimal_write(digits, left) - digits));
	return true;
}

void exchange_start(struct exchange *exchange)
{
	struct http_message *request = &exchange->request;
	enum proxy_protocol protocol = exchange->down->listener->protocol;
	if (protocol != PROXY_LISTEN_MESH)
		request->scheme = protocol == PROXY_LISTEN_HTTPS ? SLICE("https") : SLICE("http");
	exchange->host = host_of(request->authority);
	exchange->path = slice_head(request->target, slice_find(request->target, '?'));
	trace_begin(&exchange->trace, request);
	if (exchange->host.bytes == 0 || exchange->host.bytes >= RECORD_HOST_BYTES)
		exchange_reply(exchange, COUNTER_exchange_bad_host);
	else if (protocol == PROXY_LISTEN_REDIRECT)
		exchange_reply(exchange, COUNTER_exchange_redirected);
	else if ((request->method == HTTP_CONNECT && !request->protocol.bytes) ||
		 request->method == HTTP_TRACE)
		exchange_reply(exchange, COUNTER_exchange_bad_method);
	else if (!spend_forward(request))
		exchange_reply(exchange, COUNTER_exchange_forwards_ended);
	else
		exchange_route(exchange);
}

// wait_for_lookup asks control about the host, once for all exchanges that wait for it.
static void wait_for_lookup(struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	struct list *node;
	bool is_asked = false;
	if (proxy->waiting_count >= proxy->limits.waiting_count) {
		exchange_reply(exchange, COUNTER_exchange_overloaded);
		return;
	}
	list_for_each (node, &proxy->lookups) {
		struct exchange *other = container_of(node, struct exchange, wait_link);
		if ((is_asked = slice_equal(other->host, exchange->host)))
			break;
	}
	if (!is_asked && !proxy->callbacks.lookup(proxy->callbacks.user, exchange->host)) {
		exchange_reply(exchange, COUNTER_exchange_lookup_unavailable);
		return;
	}
	if (!is_asked)
		counter_inc(proxy->counters, COUNTER_exchange_lookups);
	exchange->state = EXCHANGE_LOOKUP;
	list_append(&proxy->lookups, &exchange->wait_link);
	proxy->waiting_count++;
	exchange_set_deadline(exchange, proxy->limits.lookup_timeout_ms);
}

// refresh asks control again about a host whose answer is past its lifetime, at most once a second.
static void refresh(struct proxy *proxy, struct slice host)
{
	uint64_t hash = siphash(&proxy->hash_key, host.at, host.bytes);
	unsigned slot = (unsigned)(hash % PROXY_REFRESH_SLOTS);
	if (proxy->refreshed[slot].host_hash == hash &&
	    proxy->now_us - proxy->refreshed[slot].asked_us < 1000000)
		return;
	proxy->refreshed[slot].host_hash = hash;
	proxy->refreshed[slot].asked_us = proxy->now_us;
	if (proxy->callbacks.lookup(proxy->callbacks.user, host))
		counter_inc(proxy->counters, COUNTER_exchange_lookups);
}

struct slice exchange_service_name(void *exchange)
{
	const struct exchange *of = exchange;
	return slice_str(route_service_name(of->proxy->routes, of->service_id));
}

void exchange_ask_cache(struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	exchange->state = EXCHANGE_CACHE;
	exchange->is_cache_asked = true;
	const struct cache_scope scope = {exchange_service_name, exchange};
	cache_ask(proxy->cache, &exchange->request, &scope, exchange->id);
}

void exchange_route(struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	struct route_found found =
		route_find(proxy->routes, exchange->host, exchange->path, proxy->now_us);
	exchange->service_id = found.service_id;
	if (found.answer == ROUTE_UNKNOWN && proxy->role->is_looking_up) {
		if (exchange->state != EXCHANGE_LOOKUP)
			wait_for_lookup(exchange);
		return;
	}
	exchange_stop_waiting(exchange);
	wheel_disarm(proxy->wheel, &exchange->timer);
	if (found.is_stale && proxy->role->is_looking_up)
		refresh(proxy, exchange->host);
	if (found.answer != ROUTE_FOUND) {
		exchange_reply(exchange, COUNTER_exchange_no_route);
		return;
	}
	if (!exchange_police(exchange))
		return;
	exchange_key_apply(exchange);
	compress_request(exchange);
	bool is_cached = exchange_is_cached(exchange);
	bool is_whole = is_cached && !http_field_find(&exchange->request, SLICE("range")).at;
	if (is_whole && slicing_begin(exchange))
		return;
	if (is_cached)
		exchange_ask_cache(exchange);
	else
		exchange_connect(exchange);
}

struct exchange *exchange_new_behind(struct exchange *exchange)
{
	enum counter why;
	if (exchange->proxy->is_closing)
		return NULL;
	struct exchange *behind = take(exchange->proxy, &exchange->request, &why);
	if (!behind)
		return NULL;
	counter_inc(exchange->proxy->counters, COUNTER_exchange_behind);
	behind->client = exchange->client;
	trace_begin(&behind->trace, &behind->request);
	behind->host = host_of(behind->request.authority);
	behind->path = slice_head(behind->request.target, slice_find(behind->request.target, '?'));
	behind->service_id = exchange->service_id;
	behind->accepts = exchange->accepts;
	behind->is_request_ended = true;
	return behind;
}

void exchange_validate(struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	struct cache_answer *answer = &exchange->answer;
	struct exchange *behind = exchange_new_behind(exchange);
	if (!behind) {
		counter_inc(proxy->counters, COUNTER_cache_background_busy);
		cache_fill_abandon(answer->fill);
		cache_release(proxy->cache, answer->stale);
	} else {
		counter_inc(proxy->counters, COUNTER_cache_background);
		behind->is_cache_asked = behind->is_cache_answered = true;
		behind->answer = (struct cache_answer){.verdict = CACHE_FETCH,
						       .forward = CACHE_FORWARD_STALE,
						       .stale = answer->stale,
						       .fill = answer->fill};
	}
	answer->fill = NULL;
	answer->stale = NULL;
	if (behind)
		exchange_connect(behind);
}

void proxy_cache_answered(void *owner, struct pool_id asker, const struct cache_answer *answer)
{
	struct proxy *proxy = owner;
	struct exchange *exchange = pool_get(&proxy->exchanges, asker);
	CHECK(exchange);
	if (exchange->slicing.step != SLICING_NONE) {
		slicing_answered(exchange, answer);
		return;
	}
	CHECK(exchange->state == EXCHANGE_CACHE);
	exchange->answer = *answer;
	exchange->is_cache_answered = true;
	if (answer->object && answer->fill)
		exchange_validate(exchange);
	if (answer->object)
		exchange_reply_object(exchange, cache_object_head(answer->object));
	else if (answer->verdict == CACHE_PASS && answer->forward == CACHE_FORWARD_NONE)
		exchange_reply(exchange, COUNTER_exchange_only_if_cached);
	else if (answer->verdict != CACHE_PASS || answer->stale || !slicing_begin(exchange))
		exchange_connect(exchange);
}
