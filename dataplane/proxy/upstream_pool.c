// SPDX-License-Identifier: Apache-2.0
// Which exchange gets which connection: an open one with a free place, else one that is being made,
// else a new one, else the queue. HTTP/2 connections carry many exchanges, HTTP/1.1 ones one at a
// time.
#include "upstream.h"

#include "proxy_priv.h"
#include "relay.h"

#include "check.h"

#include <errno.h>

static struct upstream_key key_of(const struct route_target *target)
{
	struct upstream_key key;
	memset(&key, 0, sizeof(key));
	key.to = target->to;
	key.hop = (uint8_t)target->hop;
	key.protocol = (uint8_t)target->protocol;
	key.service_id = target->hop == RECORD_HOP_SIDECAR ? target->service_id : 0;
	return key;
}

static bool is_multiplexed(const struct upstream_key *key)
{
	return key->hop != RECORD_HOP_WORKLOAD || key->protocol == RECORD_PROTOCOL_H2C;
}

static struct list *bucket_of(struct proxy *proxy, const struct upstream_key *key)
{
	uint64_t hash = siphash13(&proxy->hash_key, key, sizeof(*key));
	return &proxy->upstreams[hash % PROXY_UPSTREAM_BUCKETS];
}

// What a bucket has to offer for a key.
struct offer {
	struct upstream *open;       // has a free place
	struct upstream *connecting; // may be waited for
	uint32_t connection_count;
};

static struct offer look(struct proxy *proxy, const struct upstream_key *key)
{
	struct offer offer = {0};
	struct list *head = bucket_of(proxy, key);
	struct list *node;
	uint32_t waiting_max = is_multiplexed(key) ? proxy->limits.http.stream_count : 1;
	list_for_each (node, head) {
		struct upstream *up = container_of(node, struct upstream, link);
		if (memcmp(&up->key, key, sizeof(*key)) != 0 || up->transport.is_doomed ||
		    up->state == UPSTREAM_CLOSING)
			continue;
		offer.connection_count++;
		if (up->state == UPSTREAM_OPEN && !offer.open &&
		    http_can_request(up->transport.http))
			offer.open = up;
		else if (up->state == UPSTREAM_CONNECTING && up->waiting_count < waiting_max)
			offer.connecting = up;
	}
	return offer;
}

static void serve(struct upstream *up, struct exchange *exchange)
{
	exchange->up = up;
	exchange->is_waiting_up = false;
	exchange->is_request_sent = false;
	list_append(&up->exchanges, &exchange->up_link);
	up->served_count++;
	if (up->exchange_count++ == 0)
		upstream_watch(up);
	exchange_send(exchange);
}

static void wait_for(struct upstream *up, struct exchange *exchange)
{
	exchange->up = up;
	exchange->is_waiting_up = true;
	list_append(&up->waiting, &exchange->up_link);
	up->waiting_count++;
}

// shed_idle closes one connection that serves nobody, to make room for another endpoint's.
static void shed_idle(struct proxy *proxy)
{
	for (uint32_t i = 0; i < proxy->upstream_pool.capacity; i++) {
		struct upstream *up = pool_at(&proxy->upstream_pool, i);
		if (!up || up->state != UPSTREAM_OPEN || up->transport.is_doomed ||
		    up->exchange_count || up->waiting_count)
			continue;
		counter_inc(proxy->counters, COUNTER_exchange_upstreams_shed);
		transport_doom(&up->transport, COUNTER_exchange_upstreams_shed);
		return;
	}
}

static int enqueue(struct proxy *proxy, struct exchange *exchange)
{
	if (!list_is_empty(&exchange->wait_link))
		return 0;
	if (proxy->waiting_count >= proxy->limits.waiting_count)
		return ENOBUFS;
	list_append(&proxy->queue, &exchange->wait_link);
	proxy->waiting_count++;
	return 0;
}

static bool has_upload(const struct list *exchanges)
{
	return !list_is_empty(exchanges) &&
	       exchange_owes_body(container_of(exchanges->next, const struct exchange, up_link));
}

static uint32_t count_uploads(struct proxy *proxy, const struct upstream_key *key)
{
	uint32_t count = 0;
	struct list *head = bucket_of(proxy, key);
	struct list *node;
	list_for_each (node, head) {
		const struct upstream *up = container_of(node, struct upstream, link);
		bool is_of_key = memcmp(&up->key, key, sizeof(*key)) == 0;
		count += is_of_key && (has_upload(&up->exchanges) || has_upload(&up->waiting));
	}
	return count;
}

// must_hold: who sends slowly, or means to, keeps an HTTP/1.1 connection to itself meanwhile. Three
// quarters of an endpoint's places are for such, so that there are some for everybody else.
static bool must_hold(struct exchange *exchange, const struct upstream_key *key)
{
	struct proxy *proxy = exchange->proxy;
	uint32_t places = proxy->limits.upstream_per_endpoint;
	if (is_multiplexed(key) || !exchange_owes_body(exchange) ||
	    count_uploads(proxy, key) < places - places / 4)
		return false;
	counter_add(proxy->counters, COUNTER_exchange_uploads_held, !exchange->is_held);
	exchange->is_held = true;
	return true;
}

int upstream_attach(struct proxy *proxy, struct exchange *exchange)
{
	struct upstream_key key = key_of(&exchange->target);
	if (must_hold(exchange, &key))
		return enqueue(proxy, exchange);
	struct offer offer = look(proxy, &key);
	if (offer.open) {
		serve(offer.open, exchange);
		return 0;
	}
	if (offer.connecting) {
		wait_for(offer.connecting, exchange);
		return 0;
	}
	if (offer.connection_count >= proxy->limits.upstream_per_endpoint)
		return enqueue(proxy, exchange);
	int error;
	struct upstream *up = upstream_open(proxy, &key, &exchange->target, &error);
	if (!up && error == ENOBUFS) {
		shed_idle(proxy);
		return enqueue(proxy, exchange);
	}
	if (!up)
		return error;
	list_append(bucket_of(proxy, &key), &up->link);
	wait_for(up, exchange);
	return 0;
}

void upstream_serve_waiting(struct upstream *up)
{
	while (up->state == UPSTREAM_OPEN && !list_is_empty(&up->waiting) &&
	       http_can_request(up->transport.http)) {
		struct list *node = list_pop(&up->waiting);
		up->waiting_count--;
		serve(up, container_of(node, struct exchange, up_link));
	}
	// The peer allows fewer streams at once than we hoped: the rest looks elsewhere.
	struct proxy *proxy = up->transport.proxy;
	for (struct list *node; (node = list_pop(&up->waiting));) {
		struct exchange *exchange = container_of(node, struct exchange, up_link);
		up->waiting_count--;
		exchange->up = NULL;
		exchange->is_waiting_up = false;
		if (enqueue(proxy, exchange) != 0)
			exchange_reply(exchange, COUNTER_exchange_overloaded);
	}
}

// give_up_stream resets what still lives of the exchange's stream and returns its unread bytes to
// the connection's window.
static void give_up_stream(struct exchange *exchange)
{
	struct http_conn *http = exchange->up->transport.http;
	size_t unread = exchange->response_body.queued_bytes;
	if (!exchange->is_response_ended || !exchange->is_request_sent) {
		if (unread)
			http_consume(http, exchange->up_stream, unread);
		http_reset(http, exchange->up_stream);
	} else {
		if (unread)
			http_consume(http, exchange->up_stream, unread);
		http_set_stream_user(http, exchange->up_stream, NULL);
	}
}

void upstream_detach(struct exchange *exchange)
{
	struct upstream *up = exchange->up;
	if (!up)
		return;
	list_remove(&exchange->up_link);
	if (exchange->is_waiting_up) {
		up->waiting_count--;
	} else {
		if (exchange->up_stream)
			give_up_stream(exchange);
		up->exchange_count--;
	}
	exchange->up = NULL;
	exchange->up_stream = 0;
	upstream_note_idle(up);
	transport_touch(&up->transport);
}

void upstream_serve_queue(struct proxy *proxy)
{
	struct list round;
	list_init(&round);
	for (struct list *node; (node = list_pop(&proxy->queue));)
		list_append(&round, node);
	for (struct list *node; (node = list_pop(&round));) {
		struct exchange *exchange = container_of(node, struct exchange, wait_link);
		proxy->waiting_count--;
		int error = upstream_attach(proxy, exchange);
		if (error == ENOBUFS)
			exchange_reply(exchange, COUNTER_exchange_overloaded);
		else if (error)
			exchange_try_failed(exchange, COUNTER_exchange_connect_failed, true);
	}
}
