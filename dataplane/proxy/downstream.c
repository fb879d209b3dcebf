// SPDX-License-Identifier: Apache-2.0
// Connections from clients and other nodes: each HTTP request on one becomes an exchange.
// Deadlines: for a first or next request's head, for an idle connection, for the peer's FIN after
// ours.
#include "exchange_policy.h"
#include "forward.h"
#include "proxy_priv.h"
#include "relay.h"

#include "check.h"

enum {
	EVICT_PART = 8,        // of all places: kept free by who is idle
	EVICT_IDLE_US = 10000, // who is idle for less stays
	EVICT_LOOKS = 64,      // idle ones looked at for one of a prefix
	// A client with Nagle's algorithm keeps its request until its Finished is acknowledged;
	// others' comes before that, mostly, and has the ACK on its answer.
	ACK_FINISHED_US = 250,
	FRESH_MS = 50, // after its first packet a client's first request may be on its way
};

static struct downstream *of_transport(struct transport *transport)
{
	return container_of(transport, struct downstream, transport);
}

static void arm(struct downstream *down, uint32_t ms)
{
	struct proxy *proxy = down->transport.proxy;
	wheel_arm(proxy->wheel, &down->timer, proxy->now_us + ms * 1000ull);
}

// is_taking tells whether the peer still takes what was queued before our FIN: a slow reader has as
// long as it has for a body, unless buffers are short.
static bool is_taking(struct downstream *down)
{
	struct proxy *proxy = down->transport.proxy;
	struct tcp_info info;
	if (down->has_broken || down->transport.is_faulty || buf_pool_is_low(proxy->bufs) ||
	    !tcp_info_of(proxy->tcp, down->transport.tcp, &info))
		return false;
	uint32_t left = info.queued_bytes + info.unacked_bytes;
	if (left != down->tail_bytes)
		down->since_us = proxy->now_us;
	down->tail_bytes = left;
	uint64_t idle_us = proxy->limits.body_idle_timeout_ms * 1000ull;
	return left > 1 && proxy->now_us - down->since_us < idle_us; // 1 is the FIN
}

static void begin_idle(struct downstream *down)
{
	struct proxy *proxy = down->transport.proxy;
	list_remove(&down->idle_link);
	if (down->listener->protocol == PROXY_LISTEN_MESH)
		return;
	down->since_us = proxy->now_us;
	list_append(&proxy->idle, &down->idle_link);
}

static bool is_evictable(const struct downstream *down)
{
	return down->transport.proxy->now_us - down->since_us >= EVICT_IDLE_US;
}

static void leave_share(struct downstream *down)
{
	if (down->share_row < SHARE_ROWS)
		down->transport.proxy->share.counts[down->share_row]--;
	down->share_row = SHARE_ROWS;
}

static void evict(struct downstream *down)
{
	list_remove(&down->idle_link);
	leave_share(down);
	counter_inc(down->transport.proxy->counters, COUNTER_exchange_downstream_evicted);
	transport_doom(&down->transport, COUNTER_exchange_downstream_evicted);
}

// make_room resets the connection that has been idle for longest when places run short, so that
// those who only hold connections keep nobody out.
static void make_room(struct proxy *proxy)
{
	struct pool *pool = &proxy->downstreams;
	if (pool->in_use < pool->capacity - pool->capacity / EVICT_PART ||
	    list_is_empty(&proxy->idle))
		return;
	struct downstream *oldest = container_of(proxy->idle.next, struct downstream, idle_link);
	if (is_evictable(oldest))
		evict(oldest);
}

// may_come: the prefix of this row has not all of its share; or gives up one of its own connections
// that have been idle for longest. It looks at a few: who has all of a share may ask often.
static bool may_come(struct proxy *proxy, uint32_t row)
{
	struct list *node;
	uint32_t most = proxy->limits.per_prefix_count, looks = EVICT_LOOKS;
	if (row == SHARE_ROWS || most >= proxy->downstreams.capacity ||
	    proxy->share.counts[row] < most)
		return true;
	list_for_each (node, &proxy->idle) {
		struct downstream *down = container_of(node, struct downstream, idle_link);
		if (!is_evictable(down) || looks-- == 0)
			return false;
		if (down->share_row == row) {
			evict(down);
			return true;
		}
	}
	return false;
}

// say_last ends an idle connection: GOAWAY in HTTP/2, then FIN (transport_service).
static void say_last(struct downstream *down)
{
	down->is_ending = true;
	http_shutdown(down->transport.http);
	arm(down, down->transport.proxy->limits.linger_ms);
	transport_touch(&down->transport);
}

static void on_deadline(struct wheel_timer *timer, uint64_t)
{
	struct downstream *down = container_of(timer, struct downstream, timer);
	struct transport *transport = &down->transport;
	struct proxy *proxy = transport->proxy;
	// A timer of before this request, which has its own (on_head).
	if (!transport->is_shut && down->exchange_count > 0)
		return;
	if (transport->is_shut && is_taking(down)) {
		arm(down, proxy->limits.linger_ms);
		return;
	}
	if (transport->is_shut) {
		counter_inc(proxy->counters, COUNTER_exchange_downstream_lingered);
		transport->is_shut = false; // a reset, now
		transport_doom(transport, COUNTER_exchange_downstream_lingered);
		return;
	}
	if (!down->is_ending)
		counter_inc(proxy->counters, down->is_reading_head
						     ? COUNTER_exchange_downstream_head_timeout
						     : COUNTER_exchange_downstream_idle);
	if (transport->http && !down->is_reading_head && !down->is_ending)
		say_last(down);
	else
		transport_shut(transport);
}

static void on_head(void *user, uint32_t stream, void *, const struct http_message *message,
		    bool is_end)
{
	struct downstream *down = user;
	struct exchange *exchange = exchange_new(down, stream, message, is_end);
	// The timer runs on: to put it off at the end costs less than to set it anew.
	down->is_reading_head = false;
	transport_touch(&down->transport);
	if (!exchange) { // refused: the connection is as idle as after an answer
		if (down->exchange_count == 0)
			arm(down, down->transport.proxy->limits.keepalive_timeout_ms);
		return;
	}
	list_remove(&down->idle_link);
	http_set_stream_user(down->transport.http, stream, exchange);
	exchange_start(exchange);
}

static void on_body(void *user, uint32_t stream, void *stream_user, struct slice bytes)
{
	struct downstream *down = user;
	struct exchange *exchange = stream_user;
	// A refused or answered request: its body is read and forgotten.
	if (!exchange || exchange->state == EXCHANGE_REPLY) {
		http_consume(down->transport.http, stream, bytes.bytes);
		transport_touch(&down->transport);
		return;
	}
	exchange_body_begins(exchange);
	if (!relay_request(exchange, bytes))
		exchange_break(exchange, COUNTER_exchange_overloaded);
	else
		exchange_police_body(exchange);
}

// keep_trailers copies trailers into the exchange's arena; those that do not fit are dropped.
static void keep_trailers(struct exchange *exchange, const struct http_field *trailers,
			  uint32_t count, const struct http_field **kept, uint32_t *kept_count)
{
	struct http_field *fields = arena_alloc(&exchange->arena, count * sizeof(*fields));
	if (count == 0 || !fields)
		return;
	for (uint32_t i = 0; i < count; i++) {
		fields[i].name = arena_copy(&exchange->arena, trailers[i].name);
		fields[i].value = arena_copy(&exchange->arena, trailers[i].value);
		if (!fields[i].name.at || !fields[i].value.at)
			return;
	}
	*kept = fields;
	*kept_count = count;
}

void exchange_keep_trailers(struct exchange *exchange, bool is_request,
			    const struct http_field *trailers, uint32_t count)
{
	if (is_request)
		keep_trailers(exchange, trailers, count, &exchange->request_trailers,
			      &exchange->request_trailer_count);
	else
		keep_trailers(exchange, trailers, count, &exchange->response_trailers,
			      &exchange->response_trailer_count);
}

static void on_end(void *, uint32_t, void *stream_user, const struct http_field *trailers,
		   uint32_t trailer_count)
{
	struct exchange *exchange = stream_user;
	if (!exchange)
		return;
	exchange->is_request_ended = true;
	upstream_line_note_ended(exchange);
	exchange_body_begins(exchange);
	exchange_keep_trailers(exchange, true, trailers, trailer_count);
	relay_wake_upstream(exchange);
}

static void on_reset(void *user, uint32_t, void *stream_user, struct http_fault fault)
{
	struct downstream *down = user;
	struct exchange *exchange = stream_user;
	if (fault.counter)
		counter_inc(down->transport.proxy->counters, (enum counter)fault.counter);
	// HTTP/1.1 does not survive a fault; `closed` tells it only where no exchange lived.
	if (fault.counter && http_version_of(down->transport.http) == HTTP_VERSION_1)
		down->transport.is_faulty = true;
	if (exchange)
		exchange_client_gone(exchange, COUNTER_exchange_client_gone);
}

static struct slice on_pull(void *, uint32_t, void *stream_user, size_t max, bool *is_end,
			    const struct http_field **trailers, uint32_t *trailer_count)
{
	if (!stream_user) {
		*is_end = true;
		return (struct slice){0};
	}
	return relay_pull_response(stream_user, max, is_end, trailers, trailer_count);
}

static void on_sent(void *, uint32_t, void *stream_user)
{
	if (stream_user)
		exchange_sent(stream_user);
}

static void on_http_closed(void *user, struct http_fault fault)
{
	struct downstream *down = user;
	if (fault.counter) {
		counter_inc(down->transport.proxy->counters, (enum counter)fault.counter);
		down->transport.is_discarding = true;
		down->transport.is_faulty = true;
	}
	if (down->exchange_count == 0)
		arm(down, down->transport.proxy->limits.linger_ms);
	transport_touch(&down->transport);
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
	struct downstream *down = of_transport(transport);
	struct proxy *proxy = transport->proxy;
	bool is_h2 = info && info->alpn == TLS_ALPN_H2;
	bool is_mesh = down->listener->protocol == PROXY_LISTEN_MESH;
	if (is_mesh && !is_h2) {
		counter_inc(proxy->counters, COUNTER_exchange_protocol_mismatch);
		transport_doom(transport, COUNTER_exchange_protocol_mismatch);
		return;
	}
	transport->http = http_conn_new(is_h2 ? HTTP_VERSION_2 : HTTP_VERSION_1, true,
					is_mesh ? &proxy->mesh_http : &proxy->limits.http,
					&http_events, down);
	if (!transport->http) {
		transport_doom(transport, COUNTER_exchange_downstream_at_bound);
		return;
	}
	if (proxy->is_draining)
		http_drain(transport->http);
	arm(down, proxy->limits.head_timeout_ms);
	tcp_ack_within(proxy->tcp, transport->tcp, ACK_FINISHED_US);
	transport_touch(transport);
}

static void on_received(struct transport *transport)
{
	struct downstream *down = of_transport(transport);
	pace_go_on(down);
	// Most heads have come as a whole. Frames of HTTP/2 are not always a head.
	if (down->exchange_count > 0 || down->is_reading_head || !http_is_reading(transport->http))
		return;
	down->is_reading_head = true;
	if (!transport->is_discarding) // a fault: `closed` has set the timer
		arm(down, transport->proxy->limits.head_timeout_ms);
}

static void on_shut(struct transport *transport)
{
	struct downstream *down = of_transport(transport);
	list_remove(&down->idle_link);
	arm(down, transport->proxy->limits.linger_ms);
}

static void on_gone(struct transport *transport, enum counter)
{
	struct downstream *down = of_transport(transport);
	struct proxy *proxy = transport->proxy;
	struct list *node;
	while ((node = down->exchanges.next) != &down->exchanges)
		exchange_client_gone(container_of(node, struct exchange, down_link),
				     COUNTER_exchange_client_gone);
	wheel_disarm(proxy->wheel, &down->timer);
	pace_stop(down);
	leave_share(down);
	list_remove(&down->idle_link);
	list_remove(&transport->busy);
	if (transport->http)
		http_conn_free(transport->http);
	if (transport->tls)
		tls_free(transport->tls);
	pool_free(&proxy->downstreams, down);
	counter_set(proxy->counters, COUNTER_exchange_downstreams_active,
		    proxy->downstreams.in_use);
}

static void on_serviced(struct transport *) {}

static const struct transport_events transport_events = {
	.ready = on_ready,
	.received = on_received,
	.serviced = on_serviced,
	.shut = on_shut,
	.gone = on_gone,
};

void downstream_note_slow(struct downstream *down)
{
	down->is_slow |= down->listener->protocol != PROXY_LISTEN_MESH;
}

void downstream_exchange_done(struct downstream *down)
{
	struct proxy *proxy = down->transport.proxy;
	CHECK(down->exchange_count > 0);
	if (--down->exchange_count > 0 || down->transport.is_doomed)
		return;
	if (!down->transport.is_shut)
		begin_idle(down);
	bool is_ending = down->transport.is_shut || down->is_slow;
	arm(down, is_ending ? proxy->limits.linger_ms : proxy->limits.keepalive_timeout_ms);
}

void downstream_drain(struct downstream *down)
{
	if (down->transport.http)
		http_drain(down->transport.http);
	transport_touch(&down->transport);
}

// is_fresh: it has only just come, or been answered.
static bool is_fresh(const struct downstream *down)
{
	return down->exchange_count == 0 && !down->is_reading_head &&
	       down->transport.proxy->now_us - down->since_us < FRESH_MS * 1000ull;
}

void downstream_finish(struct downstream *down)
{
	if (!down->transport.http || down->transport.is_shut) // a handshake goes on
		return;
	if (is_fresh(down))
		arm(down, FRESH_MS);
	else if (down->exchange_count == 0 && !down->is_reading_head)
		say_last(down);
	else
		http_shutdown(down->transport.http);
	transport_touch(&down->transport);
}

void downstream_cut(struct downstream *down)
{
	enum counter reason = COUNTER_exchange_downstream_cut;
	counter_add(down->transport.proxy->counters, reason, !down->transport.is_shut);
	transport_doom(&down->transport, reason);
}

// row_of is where a client counts: not a node, nor a proxy that stands for many clients.
static uint32_t row_of(const struct proxy *proxy, enum proxy_protocol protocol,
		       const struct tcp_tuple *tuple)
{
	bool is_one = protocol != PROXY_LISTEN_MESH && !forward_is_trusted(proxy, &tuple->remote);
	return is_one ? share_row(&proxy->share, &tuple->remote) : SHARE_ROWS;
}

void *downstream_accepted(void *user, struct pool_id tcp, const struct tcp_tuple *tuple)
{
	struct listener_user *listener_user = user;
	struct proxy *proxy = listener_user->proxy;
	enum proxy_protocol protocol = listener_user->listener->protocol;
	bool is_mesh = protocol == PROXY_LISTEN_MESH;
	struct tls_accept accept = {.is_mesh = is_mesh,
				    .peer_roles = proxy->role->accepts,
				    .is_h2_offered = true,
				    .is_http1_offered = !is_mesh};
	if (proxy->is_closing) {
		counter_inc(proxy->counters, COUNTER_exchange_downstream_cut);
		return NULL;
	}
	uint32_t row = row_of(proxy, protocol, tuple);
	if (!may_come(proxy, row)) {
		counter_inc(proxy->counters, COUNTER_exchange_downstream_prefix_full);
		return NULL;
	}
	make_room(proxy);
	struct downstream *down = pool_new(&proxy->downstreams, NULL);
	if (!down) {
		counter_inc(proxy->counters, COUNTER_exchange_downstream_at_bound);
		return NULL;
	}
	down->listener = listener_user->listener;
	down->tuple = *tuple;
	list_init(&down->exchanges);
	list_init(&down->idle_link);
	wheel_timer_init(&down->timer, on_deadline);
	transport_init(&down->transport, proxy, &transport_events, tcp);
	arm(down, proxy->limits.head_timeout_ms); // of the TLS handshake, too
	pace_start(down);
	bool is_tls = is_mesh || protocol == PROXY_LISTEN_HTTPS;
	if (transport_accept(&down->transport, is_tls ? &accept : NULL) != 0) {
		wheel_disarm(proxy->wheel, &down->timer);
		pace_stop(down);
		list_remove(&down->transport.busy);
		pool_free(&proxy->downstreams, down);
		return NULL;
	}
	down->share_row = row;
	if (row < SHARE_ROWS)
		proxy->share.counts[row]++;
	begin_idle(down);
	counter_inc(proxy->counters, COUNTER_exchange_downstreams);
	counter_set(proxy->counters, COUNTER_exchange_downstreams_active,
		    proxy->downstreams.in_use);
	return &down->transport;
}
