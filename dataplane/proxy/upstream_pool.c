// SPDX-License-Identifier: Apache-2.0
// Which exchange gets which connection: an open one with a free place, else one that is being made,
// else a new one, else a place in the endpoint's line. HTTP/2 connections carry many exchanges,
// HTTP/1.1 ones one at a time.
#include "upstream.h"

#include "proxy_priv.h"
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

static struct upstream_bucket *bucket_of(struct proxy *proxy, const struct upstream_key *key)
{
	uint64_t hash = siphash13(&proxy->hash_key, key, sizeof(*key));
	return &proxy->upstreams[hash % PROXY_UPSTREAM_BUCKETS];
}

// What a bucket has to offer for a key. The others are not known when there is an open one.
struct offer {
	struct upstream *open;       // has a free place
	struct upstream *connecting; // may be waited for
	uint32_t connection_count;
};

static struct offer look(const struct proxy *proxy, const struct upstream_bucket *bucket,
			 const struct upstream_key *key)
{
	struct offer offer = {0};
	struct list *node;
	uint32_t waiting_max = is_multiplexed(key) ? proxy->limits.http.stream_count : 1;
	list_for_each (node, &bucket->connections) {
		struct upstream *up = container_of(node, struct upstream, link);
		if (memcmp(&up->key, key, sizeof(*key)) != 0 || up->transport.is_doomed ||
		    up->state == UPSTREAM_CLOSING)
			continue;
		if (up->state == UPSTREAM_OPEN && http_can_request(up->transport.http)) {
			offer.open = up;
			break;
		}
		offer.connection_count++;
		if (up->state == UPSTREAM_CONNECTING && up->waiting_count < waiting_max)
			offer.connecting = up;
	}
	return offer;
}

// make_way puts a connection that carries one exchange behind those that are free, or before them:
// then a free one is found without a look at each that is not, and it is the one used last.
static void make_way(struct upstream *up, bool is_free)
{
	if (is_multiplexed(&up->key))
		return;
	list_remove(&up->link);
	if (is_free)
		list_prepend(&up->bucket->connections, &up->link);
	else
		list_append(&up->bucket->connections, &up->link);
}

static void serve(struct upstream *up, struct exchange *exchange)
{
	make_way(up, false);
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

static bool has_upload(const struct list *exchanges)
{
	return !list_is_empty(exchanges) &&
	       exchange_owes_body(container_of(exchanges->next, const struct exchange, up_link));
}

static uint32_t count_uploads(const struct upstream_bucket *bucket, const struct upstream_key *key)
{
	uint32_t count = 0;
	struct list *node;
	list_for_each (node, &bucket->connections) {
		const struct upstream *up = container_of(node, struct upstream, link);
		bool is_of_key = memcmp(&up->key, key, sizeof(*key)) == 0;
		count += is_of_key && (has_upload(&up->exchanges) || has_upload(&up->waiting));
	}
	return count;
}

// is_upload: who sends slowly, or means to, keeps an HTTP/1.1 connection to itself meanwhile.
static bool is_upload(const struct exchange *exchange, const struct upstream_key *key)
{
	return !is_multiplexed(key) && exchange_owes_body(exchange);
}

// Three quarters of an endpoint's places are for uploads, so that there are some for everybody
// else.
bool upstream_must_hold(const struct upstream_bucket *bucket, const struct upstream_key *key,
			struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	uint32_t places = proxy->limits.upstream_per_endpoint;
	if (!is_upload(exchange, key) || count_uploads(bucket, key) < places - places / 4)
		return false;
	counter_add(proxy->counters, COUNTER_exchange_uploads_held, !exchange->is_held);
	exchange->is_held = true;
	return true;
}

// take_new begins a connection for the exchange. Where there is room for none, an idle one goes.
static int take_new(struct upstream_bucket *bucket, const struct upstream_key *key,
		    struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	int error;
	if (proxy->is_short)
		return ENOBUFS;
	struct upstream *up = upstream_open(proxy, key, &exchange->target, &error);
	if (!up && error == ENOBUFS)
		shed_idle(proxy);
	if (!up)
		return error;
	up->bucket = bucket;
	list_append(&bucket->connections, &up->link);
	exchange_stop_waiting(exchange);
	wait_for(up, exchange);
	return 0;
}

int upstream_take(struct upstream_bucket *bucket, const struct upstream_key *key,
		  struct exchange *exchange)
{
	struct proxy *proxy = exchange->proxy;
	struct offer offer = look(proxy, bucket, key);
	if (offer.open) {
		exchange_stop_waiting(exchange);
		serve(offer.open, exchange);
		return 0;
	}
	if (offer.connecting) {
		exchange_stop_waiting(exchange);
		wait_for(offer.connecting, exchange);
		return 0;
	}
	if (offer.connection_count >= proxy->limits.upstream_per_endpoint)
		return EAGAIN;
	return take_new(bucket, key, exchange);
}

// must_stand tells whether others of its kind wait for the endpoint, once those were served for
// whom there is a place.
static bool must_stand(struct upstream_bucket *bucket, const struct upstream_key *key,
		       const struct exchange *exchange)
{
	struct upstream_line *line = upstream_line_find(bucket, key);
	if (!line)
		return false;
	if (line->is_serving)
		return true;
	upstream_line_serve(exchange->proxy, bucket, line);
	line = upstream_line_find(bucket, key);
	return line && !list_is_empty(is_upload(exchange, key) ? &line->uploads : &line->others);
}

int upstream_attach(struct proxy *proxy, struct exchange *exchange)
{
	struct upstream_key key = key_of(&exchange->target);
	struct upstream_bucket *bucket = bucket_of(proxy, &key);
	int error = EAGAIN;
	if (!upstream_must_hold(bucket, &key, exchange) && !must_stand(bucket, &key, exchange))
		error = upstream_take(bucket, &key, exchange);
	if (error != EAGAIN && error != ENOBUFS)
		return error;
	bool is_short = error == ENOBUFS;
	error = upstream_line_join(bucket, &key, exchange, is_upload(exchange, &key));
	if (!error && is_short)
		upstream_line_stir(proxy, exchange->line);
	return error;
}

void upstream_stir(struct upstream *up)
{
	struct proxy *proxy = up->transport.proxy;
	if (list_is_empty(&proxy->queue))
		return;
	struct upstream_line *line = upstream_line_find(up->bucket, &up->key);
	if (line)
		upstream_line_stir(proxy, line);
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
	for (struct list *node; (node = list_pop(&up->waiting));) {
		struct exchange *exchange = container_of(node, struct exchange, up_link);
		up->waiting_count--;
		exchange->up = NULL;
		exchange->is_waiting_up = false;
		if (upstream_line_join(up->bucket, &up->key, exchange,
				       is_upload(exchange, &up->key)) != 0)
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
		make_way(up, true);
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
	for (struct list *node; (node = list_pop(&proxy->stirred));)
		list_append(&round, node);
	for (struct list *node; (node = list_pop(&round));) {
		struct upstream_line *line = container_of(node, struct upstream_line, stirred);
		proxy->is_short |= !upstream_line_serve(proxy, bucket_of(proxy, &line->key), line);
	}
	proxy->is_short = false;
}
