// SPDX-License-Identifier: Apache-2.0
// One connection to an endpoint: connecting, TLS with the peer that must be there, HTTP events of
// the exchanges it carries, idle end. Which exchange gets which connection is upstream_pool.c.
#include "upstream.h"

#include "proxy_priv.h"
#include "relay.h"

#include "check.h"

#include <errno.h>
#include <stdio.h>

static struct upstream *of_transport(struct transport *transport)
{
	return container_of(transport, struct upstream, transport);
}

static void arm(struct upstream *up, uint32_t ms)
{
	struct proxy *proxy = up->transport.proxy;
	wheel_arm(proxy->wheel, &up->timer, proxy->now_us + ms * 1000ull);
}

// The first silent look asks, the last gives up: with what came before, silence_timeout. A clock
// that jumps because we were stopped ourselves is one look.
enum { SILENT_LOOKS = 3 };

static bool is_watched(const struct upstream *up)
{
	return up->key.hop != RECORD_HOP_WORKLOAD &&
	       up->transport.proxy->limits.silence_timeout_ms > 0;
}

void upstream_watch(struct upstream *up)
{
	struct proxy *proxy = up->transport.proxy;
	up->silent_looks = 0;
	if (is_watched(up))
		arm(up, MAX(proxy->limits.silence_timeout_ms / SILENT_LOOKS, 1u));
	else
		wheel_disarm(proxy->wheel, &up->timer);
}

// is_heard tells whether the peer has said or acknowledged something since the last look, or cannot
// be judged: what it said waits here, or it keeps its window closed, which is TCP's to judge.
static bool is_heard(struct upstream *up, const struct tcp_info *info)
{
	uint64_t before = up->heard_bytes;
	up->heard_bytes = info->bytes_received + info->bytes_sent -
			  MIN(info->unacked_bytes, info->bytes_sent);
	return up->heard_bytes != before || info->unread_bytes > 0 ||
	       (info->queued_bytes > 0 && info->unacked_bytes == 0);
}

static void look(struct upstream *up)
{
	struct transport *transport = &up->transport;
	struct proxy *proxy = transport->proxy;
	struct tcp_info info;
	if (!is_watched(up) || !tcp_info_of(proxy->tcp, transport->tcp, &info))
		return;
	uint32_t looks = is_heard(up, &info) ? 0 : up->silent_looks + 1;
	if (looks == SILENT_LOOKS) {
		counter_inc(proxy->counters, COUNTER_exchange_upstream_silent);
		transport_doom(transport, COUNTER_exchange_upstream_silent);
		return;
	}
	upstream_watch(up);
	up->silent_looks = looks;
	if (looks == 1) {
		http_ping(transport->http);
		transport_touch(transport);
	}
}

static void on_deadline(struct wheel_timer *timer, uint64_t)
{
	struct upstream *up = container_of(timer, struct upstream, timer);
	struct transport *transport = &up->transport;
	if (up->state == UPSTREAM_OPEN && up->exchange_count == 0) {
		counter_inc(transport->proxy->counters, COUNTER_exchange_upstream_idle);
		upstream_close(up);
	} else if (up->state == UPSTREAM_CONNECTING) {
		transport_doom(transport, COUNTER_exchange_connect_timeout);
	} else if (up->state == UPSTREAM_CLOSING && up->exchange_count == 0) {
		transport->is_shut = false; // a reset, now
		transport_doom(transport, (enum counter)transport->reason);
	} else if (!transport->is_doomed) {
		look(up);
	}
}

void upstream_close(struct upstream *up)
{
	up->state = UPSTREAM_CLOSING;
	if (up->transport.http)
		http_shutdown(up->transport.http);
	transport_shut(&up->transport);
}

void upstream_note_idle(struct upstream *up)
{
	if (up->exchange_count > 0 || up->waiting_count > 0 || up->state == UPSTREAM_CONNECTING)
		return;
	struct proxy_limits *limits = &up->transport.proxy->limits;
	arm(up, up->state == UPSTREAM_OPEN ? limits->upstream_idle_ms : limits->linger_ms);
}

static void on_head(void *, uint32_t, void *stream_user, const struct http_message *message,
		    bool is_end)
{
	if (stream_user)
		exchange_response(stream_user, message, is_end);
}

static void on_body(void *user, uint32_t stream, void *stream_user, struct slice bytes)
{
	struct upstream *up = user;
	struct exchange *exchange = stream_user;
	if (!exchange)
		http_consume(up->transport.http, stream, bytes.bytes);
	else if (!relay_response(exchange, bytes))
		exchange_break(exchange, exchange->down ? COUNTER_exchange_overloaded
							: COUNTER_exchange_client_gone);
}

static void on_end(void *, uint32_t, void *stream_user, const struct http_field *trailers,
		   uint32_t trailer_count)
{
	struct exchange *exchange = stream_user;
	if (!exchange)
		return;
	exchange_keep_trailers(exchange, false, trailers, trailer_count);
	exchange_response_end(exchange);
}

// is_lost is true for faults that say nothing about the bytes received: the other side went away.
static bool is_lost(struct http_fault fault)
{
	switch (fault.counter) {
	case 0:
	case COUNTER_http_conn_lost:
	case COUNTER_http_truncated:
	case COUNTER_http_h2_reset_by_peer:
	case COUNTER_http_h2_refused_by_peer:
	case COUNTER_http_h2_goaway_by_peer: return true;
	default: return false;
	}
}

// forgive_stale lets the same endpoint be tried again: a connection that has served before may have
// been closed by the peer just when the request was sent.
static void forgive_stale(struct upstream *up, struct exchange *exchange)
{
	if (up->served_count > 1 && exchange->tried_count > 0)
		exchange->tried_count--;
}

static void on_reset(void *user, uint32_t, void *stream_user, struct http_fault fault)
{
	struct upstream *up = user;
	struct exchange *exchange = stream_user;
	if (fault.counter)
		counter_inc(up->transport.proxy->counters, (enum counter)fault.counter);
	if (!exchange)
		return;
	exchange->reset_error = fault.error;
	bool is_unprocessed = fault.counter == COUNTER_http_h2_refused_by_peer;
	enum counter reason =
		is_lost(fault) ? COUNTER_exchange_upstream_gone : COUNTER_exchange_upstream_garbage;
	if (exchange->is_response_begun) {
		exchange_break(exchange, COUNTER_exchange_response_broken);
		return;
	}
	if (is_lost(fault))
		forgive_stale(up, exchange);
	exchange_try_failed(exchange, reason, is_unprocessed);
}

static struct slice on_pull(void *, uint32_t, void *stream_user, size_t max, bool *is_end,
			    const struct http_field **trailers, uint32_t *trailer_count)
{
	if (!stream_user) {
		*is_end = true;
		return (struct slice){0};
	}
	return relay_pull_request(stream_user, max, is_end, trailers, trailer_count);
}

static void on_sent(void *, uint32_t, void *stream_user)
{
	struct exchange *exchange = stream_user;
	if (exchange)
		exchange_request_sent(exchange);
}

static void on_http_closed(void *user, struct http_fault fault)
{
	struct upstream *up = user;
	if (fault.counter)
		counter_inc(up->transport.proxy->counters, (enum counter)fault.counter);
	if (up->state == UPSTREAM_OPEN)
		up->state = UPSTREAM_CLOSING;
	upstream_note_idle(up);
	transport_touch(&up->transport);
}

static const struct http_events http_events = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.reset = on_reset,
	.pull = on_pull,
	.sent = on_sent,
	.closed = on_http_closed,
};

static void on_ready(struct transport *transport, const struct tls_info *info)
{
	struct upstream *up = of_transport(transport);
	struct proxy *proxy = transport->proxy;
	bool is_h2 = info ? info->alpn == TLS_ALPN_H2 : up->key.protocol == RECORD_PROTOCOL_H2C;
	if (info && !is_h2) {
		counter_inc(proxy->counters, COUNTER_exchange_protocol_mismatch);
		transport_doom(transport, COUNTER_exchange_protocol_mismatch);
		return;
	}
	transport->http = http_conn_new(is_h2 ? HTTP_VERSION_2 : HTTP_VERSION_1, false,
					&proxy->limits.http, &http_events, up);
	if (!transport->http) {
		transport_doom(transport, COUNTER_exchange_overloaded);
		return;
	}
	up->state = UPSTREAM_OPEN;
	wheel_disarm(proxy->wheel, &up->timer);
	transport_touch(transport);
	upstream_serve_waiting(up);
	upstream_note_idle(up);
}

static void on_received(struct transport *) {}

static void on_serviced(struct transport *transport)
{
	upstream_stir(of_transport(transport));
}

static void on_shut(struct transport *transport)
{
	struct upstream *up = of_transport(transport);
	up->state = UPSTREAM_CLOSING;
	arm(up, transport->proxy->limits.linger_ms);
}

// fail tells every exchange of the connection that it is gone; is_silent: so is its node.
static void fail(struct upstream *up, enum counter reason, bool is_silent)
{
	struct list *node;
	bool was_connecting = !up->transport.is_ready;
	up->state = UPSTREAM_CLOSING;
	while ((node = up->waiting.next) != &up->waiting)
		exchange_try_failed(container_of(node, struct exchange, up_link), reason, true);
	while ((node = up->exchanges.next) != &up->exchanges) {
		struct exchange *exchange = container_of(node, struct exchange, up_link);
		if (exchange->is_response_begun) {
			exchange_break(exchange, COUNTER_exchange_response_broken);
			continue;
		}
		if (!is_silent)
			forgive_stale(up, exchange);
		exchange_try_failed(exchange, reason, was_connecting);
	}
}

// reason_of turns the connection's end into what the client is told.
static enum counter reason_of(const struct upstream *up, enum counter reason)
{
	if (reason == COUNTER_exchange_connect_timeout || reason == COUNTER_exchange_overloaded)
		return reason;
	if (reason == COUNTER_tls_no_buffers)
		return COUNTER_exchange_overloaded;
	if (up->transport.is_ready)
		return COUNTER_exchange_upstream_gone;
	return up->transport.tls ? COUNTER_exchange_upstream_refused_us
				 : COUNTER_exchange_connect_failed;
}

static void on_gone(struct transport *transport, enum counter reason)
{
	struct upstream *up = of_transport(transport);
	struct proxy *proxy = transport->proxy;
	fail(up, reason_of(up, reason), reason == COUNTER_exchange_upstream_silent);
	wheel_disarm(proxy->wheel, &up->timer);
	list_remove(&transport->busy);
	list_remove(&up->link);
	upstream_stir(up);
	if (transport->http)
		http_conn_free(transport->http);
	if (transport->tls)
		tls_free(transport->tls);
	pool_free(&proxy->upstream_pool, up);
	counter_set(proxy->counters, COUNTER_exchange_upstreams_active,
		    proxy->upstream_pool.in_use);
}

static const struct transport_events transport_events = {
	.ready = on_ready,
	.received = on_received,
	.serviced = on_serviced,
	.shut = on_shut,
	.gone = on_gone,
};

void upstream_tcp_opened(struct transport *transport)
{
	struct upstream *up = of_transport(transport);
	struct proxy *proxy = transport->proxy;
	const struct route_target *target = &up->target;
	char name[RECORD_HOST_BYTES];
	bool is_gateway = target->hop == RECORD_HOP_GATEWAY;
	int bytes = snprintf(name, sizeof(name), is_gateway ? "%s.gateway.%s" : "%s.svc.%s",
			     is_gateway ? target->location : target->service, proxy->mesh);
	struct tls_connect connect = {.server_name = name, .peer = target->peer};
	bool is_tls = target->hop != RECORD_HOP_WORKLOAD;
	if (bytes < 0 || (size_t)bytes >= sizeof(name) ||
	    transport_connect(transport, is_tls ? &connect : NULL) != 0)
		transport_doom(transport, COUNTER_exchange_overloaded);
}

struct upstream *upstream_open(struct proxy *proxy, const struct upstream_key *key,
			       const struct route_target *target, int *error)
{
	struct upstream *up = pool_new(&proxy->upstream_pool, NULL);
	*error = ENOBUFS;
	if (!up)
		return NULL;
	up->key = *key;
	up->target = *target;
	list_init(&up->link);
	list_init(&up->exchanges);
	list_init(&up->waiting);
	wheel_timer_init(&up->timer, on_deadline);
	transport_init(&up->transport, proxy, &transport_events, (struct pool_id){0});
	struct tcp_connect connect = {.remote = target->to.addr,
				      .remote_port = target->to.port,
				      .events = &transport_tcp_events,
				      .user = &up->transport};
	*error = tcp_connect_to(proxy->tcp, &connect, &up->transport.tcp);
	if (*error) {
		*error = *error == ENOSPC ? ENOBUFS : EHOSTUNREACH;
		pool_free(&proxy->upstream_pool, up);
		return NULL;
	}
	arm(up, proxy->limits.connect_timeout_ms);
	counter_inc(proxy->counters, COUNTER_exchange_upstreams);
	counter_set(proxy->counters, COUNTER_exchange_upstreams_active,
		    proxy->upstream_pool.in_use);
	return up;
}
