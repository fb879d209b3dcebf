// SPDX-License-Identifier: Apache-2.0
// The proxy of one worker: birth, the busy list, the end; see proxy.h.
#include "proxy.h"

#include "policy_table.h"
#include "proxy_priv.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

static int take_memory(struct proxy *proxy)
{
	const struct proxy_limits *limits = &proxy->limits;
	return pool_init(&proxy->downstreams, limits->downstream_count,
			 sizeof(struct downstream)) ||
	       !(proxy->frame_room.bytes = malloc(HTTP_FRAME_ROOM)) ||
	       slab_init(&proxy->h2_slab, limits->h2_memory_bytes) ||
	       compressor_init(&proxy->compressor, &limits->compress) ||
	       pool_init(&proxy->upstream_pool, limits->upstream_count, sizeof(struct upstream)) ||
	       pool_init(&proxy->lines, limits->waiting_count, sizeof(struct upstream_line)) ||
	       pool_init(&proxy->exchanges, limits->exchange_count, sizeof(struct exchange));
}

void proxy_spans(const struct proxy *proxy, struct spans *spans)
{
	pool_spans(&proxy->downstreams, spans);
	pool_spans(&proxy->upstream_pool, spans);
	pool_spans(&proxy->exchanges, spans);
	pool_spans(&proxy->lines, spans);
}

static void take_config(struct proxy *proxy, const struct proxy_config *config)
{
	proxy->role = role_of(config->role);
	snprintf(proxy->node, sizeof(proxy->node), "%s", config->node);
	proxy->cache_name = cache_status_name(proxy->node, proxy->cache_text);
	snprintf(proxy->location, sizeof(proxy->location), "%s", config->location);
	snprintf(proxy->mesh, sizeof(proxy->mesh), "%s", config->mesh);
	proxy->limits = config->limits;
	proxy->callbacks = config->callbacks;
	proxy->tcp = config->tcp;
	proxy->tls = config->tls;
	proxy->routes = config->routes;
	proxy->rates = config->rates;
	proxy->bufs = config->bufs;
	proxy->wheel = config->wheel;
	proxy->random = config->random;
	proxy->counters = config->counters;
	proxy->journal = config->journal;
	proxy->hash_key = random_key(config->random);
	proxy->share.key = random_key(config->random);
	proxy->limits.http.counters = config->counters;
	proxy->limits.http.now_us = &proxy->now_us;
	if (!proxy->role->is_first)
		proxy->limits.compress.contexts = 0;
	// A peer may send no more than its body's queue takes.
	uint32_t body = proxy->limits.body_buffer_bytes;
	struct http_limits *http = &proxy->limits.http;
	http->stream_window_bytes = MIN(http->stream_window_bytes, body);
	// One reader that does not read must not stop the others of its connection: streams have
	// windows for that, the connection's is never the narrow one.
	uint64_t all = (uint64_t)http->stream_window_bytes * http->stream_count;
	http->stream_window_max_bytes =
		MAX(http->stream_window_max_bytes, http->stream_window_bytes);
	http->window_budget = &proxy->window_budget;
	http->spare = &proxy->http_spare;
	http->slab = &proxy->h2_slab;
	http->frame_room = &proxy->frame_room;
	proxy->window_budget.max_bytes = proxy->limits.window_memory_bytes;
	http->conn_window_bytes =
		(uint32_t)MAX(http->conn_window_bytes, MIN(all, (uint64_t)INT32_MAX));
	proxy->mesh_http = *http;
	proxy->mesh_http.is_shared = true;
}

// listen starts all listeners. Returns NULL, or why one cannot.
static const char *start_listening(struct proxy *proxy, const struct proxy_config *config)
{
	if (config->listener_count > PROXY_LISTENERS_MAX)
		return "too many listeners: 32 at most";
	for (uint32_t i = 0; i < config->listener_count; i++) {
		proxy->listeners[i] = config->listeners[i];
		proxy->listener_users[i] = (struct listener_user){proxy, &proxy->listeners[i]};
		struct tcp_listener listener = {.local = proxy->listeners[i].addr,
						.port = proxy->listeners[i].port,
						.congestion = proxy->listeners[i].congestion,
						.events = &transport_tcp_events,
						.accepted = downstream_accepted,
						.user = &proxy->listener_users[i]};
		if (tcp_listen_on(proxy->tcp, &listener) != 0)
			return "a listener's address and port are taken, or tcp.listeners is too "
			       "small";
		proxy->listener_count++;
	}
	return NULL;
}

static bool make_policies(struct proxy *proxy)
{
	proxy->policies = policy_table_new(MAX(proxy->limits.policy_count, 1u));
	return proxy->policies != NULL;
}

const char *proxy_policy_apply(struct proxy *proxy, const struct record *record)
{
	return proxy->policies ? policy_table_apply(proxy->policies, record) : NULL;
}

void proxy_policy_mark(struct proxy *proxy)
{
	if (proxy->policies)
		policy_table_mark(proxy->policies);
}

void proxy_policy_sweep(struct proxy *proxy)
{
	if (proxy->policies)
		policy_table_sweep(proxy->policies);
}

struct proxy *proxy_new(const struct proxy_config *config, const char **why)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	*why = "memory is short";
	if (!proxy)
		return NULL;
	list_init(&proxy->compressor.later);
	list_init(&proxy->busy);
	list_init(&proxy->idle);
	list_init(&proxy->starved);
	list_init(&proxy->lookups);
	list_init(&proxy->queue);
	list_init(&proxy->stirred);
	for (unsigned i = 0; i < PROXY_UPSTREAM_BUCKETS; i++) {
		list_init(&proxy->upstreams[i].connections);
		list_init(&proxy->upstreams[i].lines);
	}
	arena_init(&proxy->scratch, proxy->scratch_memory, sizeof(proxy->scratch_memory));
	proxy->retry_tokens = PROXY_RETRIES_SAVED * PROXY_RETRY_COST;
	take_config(proxy, config);
	bool has_policies = !proxy->role->is_first || make_policies(proxy);
	if (has_policies && take_memory(proxy) == 0)
		*why = start_listening(proxy, config);
	if (*why) {
		proxy_free(proxy);
		return NULL;
	}
	return proxy;
}

void proxy_set_cache(struct proxy *proxy, struct cache *cache)
{
	proxy->cache = proxy->role->is_caching ? cache : NULL;
}

// free_behind ends the exchanges that no connection of a client ends.
static void free_behind(struct proxy *proxy)
{
	for (uint32_t i = 0; i < proxy->exchanges.capacity; i++) {
		struct exchange *exchange = pool_at(&proxy->exchanges, i);
		if (exchange && !exchange->down)
			exchange_finish(exchange);
	}
}

void proxy_free(struct proxy *proxy)
{
	proxy->is_closing = true;
	proxy->callbacks.access = NULL; // nobody reads any more
	free_behind(proxy);
	for (uint32_t i = 0; i < proxy->downstreams.capacity; i++) {
		struct downstream *down = pool_at(&proxy->downstreams, i);
		if (down)
			down->transport.events->gone(&down->transport, COUNTER_tcp_closed);
	}
	for (uint32_t i = 0; i < proxy->upstream_pool.capacity; i++) {
		struct upstream *up = pool_at(&proxy->upstream_pool, i);
		if (up)
			up->transport.events->gone(&up->transport, COUNTER_tcp_closed);
	}
	CHECK(proxy->exchanges.in_use == 0);
	pool_fini(&proxy->downstreams);
	CHECK(proxy->lines.in_use == 0);
	pool_fini(&proxy->lines);
	pool_fini(&proxy->upstream_pool);
	pool_fini(&proxy->exchanges);
	compressor_fini(&proxy->compressor);
	policy_table_free(proxy->policies);
	http_spare_fini(&proxy->http_spare);
	free(proxy->frame_room.bytes);
	slab_fini(&proxy->h2_slab);
	free(proxy);
}

void proxy_set_time(struct proxy *proxy, uint64_t now_us, uint64_t wall_s)
{
	proxy->now_us = now_us;
	proxy->wall_s = wall_s;
}

void proxy_route_changed(struct proxy *proxy)
{
	struct list *node, *after;
	list_for_each_safe (node, after, &proxy->lookups)
		exchange_route(container_of(node, struct exchange, wait_link));
}

// feed lets those go on that waited for a buffer.
static void feed(struct proxy *proxy)
{
	while (proxy->bufs->large_free > 0 && !list_is_empty(&proxy->starved))
		transport_touch(container_of(proxy->starved.next, struct transport, busy));
}

static bool serve_busy(struct proxy *proxy, uint32_t budget)
{
	for (uint32_t i = 0; i < budget; i++) {
		struct list *node = list_pop(&proxy->busy);
		if (!node)
			return false;
		transport_service(container_of(node, struct transport, busy));
	}
	return !list_is_empty(&proxy->busy);
}

bool proxy_run(struct proxy *proxy, uint32_t budget)
{
	proxy_shed(proxy);
	proxy_shed_places(proxy);
	feed(proxy);
	compress_run(proxy);
	bool is_left = serve_busy(proxy, budget) || compress_is_left(proxy);
	// After the others: what they finished leaves places.
	if (list_is_empty(&proxy->queue))
		return is_left;
	upstream_serve_queue(proxy);
	return is_left || !list_is_empty(&proxy->busy);
}

static void for_each_downstream(struct proxy *proxy, void (*act)(struct downstream *down))
{
	for (uint32_t i = 0; i < proxy->downstreams.capacity; i++) {
		struct downstream *down = pool_at(&proxy->downstreams, i);
		if (down && !down->transport.is_doomed)
			act(down);
	}
}

static void leave_upstreams(struct proxy *proxy)
{
	for (uint32_t i = 0; i < proxy->upstream_pool.capacity; i++) {
		struct upstream *up = pool_at(&proxy->upstream_pool, i);
		if (up && up->state == UPSTREAM_OPEN && up->exchange_count == 0)
			upstream_close(up);
	}
}

void proxy_drain(struct proxy *proxy, enum proxy_drain step)
{
	proxy->is_draining = true;
	switch (step) {
	case PROXY_DRAIN_NOTICE: for_each_downstream(proxy, downstream_drain); break;
	case PROXY_DRAIN_FINISH:
		tcp_listen_end(proxy->tcp);
		for_each_downstream(proxy, downstream_finish);
		break;
	case PROXY_DRAIN_CUT:
		proxy->is_closing = true;
		for_each_downstream(proxy, downstream_cut);
		free_behind(proxy);
		break;
	case PROXY_DRAIN_LEAVE: leave_upstreams(proxy); break;
	}
}

struct proxy_in_use proxy_in_use(const struct proxy *proxy)
{
	return (struct proxy_in_use){
		.downstream_count = proxy->downstreams.in_use,
		.upstream_count = proxy->upstream_pool.in_use,
		.exchange_count = proxy->exchanges.in_use,
	};
}
