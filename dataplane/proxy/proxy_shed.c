// SPDX-License-Identifier: Apache-2.0
// What gives way when buffers, or an endpoint's places, are short. Buffers: new requests are
// refused first (exchange_new); this makes room for those under way, so that users that do not
// read, or workloads that do not, cannot stop everybody else: bodies that have stood still for a
// second while they hold memory are given up. Places: the same, of those whose client stands still,
// when others wait.
#include "proxy_priv.h"
#include "relay.h"

enum {
	SHED_EVERY_US = 20000,
	SHED_STALLED_US = 1000000,
	PLACE_WAIT_US = 250000, // for a place, before somebody gives way
	PLACES_AT_ONCE = 8,
};

// is_stuck tells whether the peer takes nothing of what TCP has for it.
static bool is_stuck(const struct downstream *down)
{
	return tcp_send_room(down->transport.proxy->tcp, down->transport.tcp) < BUF_BYTES;
}

static bool is_standing(const struct exchange *exchange)
{
	bool has_bytes =
		exchange->request_body.queued_bytes || exchange->response_body.queued_bytes;
	return exchange->proxy->now_us - exchange->moved_us >= SHED_STALLED_US &&
	       (has_bytes ||
		(exchange->down && exchange->is_response_begun && is_stuck(exchange->down)));
}

// give_up ends the exchange; its connection too when that is what holds the memory. Between nodes
// a connection carries other users' exchanges: there only the stream ends.
static void give_up(struct exchange *exchange)
{
	struct downstream *down = exchange->down;
	exchange_drop_client(exchange, COUNTER_exchange_shed);
	if (down && down->listener->protocol != PROXY_LISTEN_MESH && is_stuck(down))
		transport_doom(&down->transport, COUNTER_exchange_shed);
}

// is_short begins a little before new requests are refused (buf_pool_is_low): else those who stand
// still could hold all but that eighth for good.
static bool is_short(const struct buf_pool *bufs)
{
	return bufs->large_free < bufs->large_count / 8 + bufs->large_count / 32;
}

// has_room tells whether enough is free again: twice of what new requests need.
static bool has_room(const struct buf_pool *bufs)
{
	return bufs->large_free >= bufs->large_count / 4;
}

void proxy_shed(struct proxy *proxy)
{
	proxy->window_budget.is_low = !has_room(proxy->bufs);
	if (!is_short(proxy->bufs) || proxy->now_us - proxy->shed_us < SHED_EVERY_US)
		return;
	proxy->shed_us = proxy->now_us;
	// A connection returns its buffers, one at least, when it is destroyed, behind this loop.
	uint32_t owed = proxy->bufs->large_count / 4 - proxy->bufs->large_free;
	for (uint32_t i = 0; i < proxy->exchanges.capacity && owed > 0; i++) {
		struct exchange *exchange = pool_at(&proxy->exchanges, i);
		if (has_room(proxy->bufs))
			break;
		if (exchange)
			relay_drop_request(exchange);
		if (!exchange || !is_standing(exchange))
			continue;
		give_up(exchange);
		owed--;
	}
}

// waits_for_place finds who has waited for a place at an endpoint for too long, or NULL.
static struct exchange *waits_for_place(struct proxy *proxy)
{
	struct list *node;
	list_for_each (node, &proxy->queue) {
		struct exchange *exchange = container_of(node, struct exchange, wait_link);
		if (proxy->now_us - exchange->moved_us >= PLACE_WAIT_US)
			return exchange;
	}
	return NULL;
}

// is_dawdling: an HTTP/1.1 connection to the workload stands still, since its client neither sends
// the rest of its request nor takes the answer. Tunnels may be silent.
static bool is_dawdling(const struct exchange *exchange)
{
	if (!exchange->up || exchange->is_waiting_up || exchange->is_tunnel || !exchange->down ||
	    exchange->target.hop != RECORD_HOP_WORKLOAD)
		return false;
	bool is_late = exchange->state == EXCHANGE_RESPONSE && exchange_owes_body(exchange) &&
		       !exchange->request.expects_continue &&
		       exchange->request_body.queued_bytes == 0;
	return exchange->proxy->now_us - exchange->moved_us >= SHED_STALLED_US &&
	       (is_late || (exchange->state == EXCHANGE_RELAY && is_standing(exchange)));
}

void proxy_shed_places(struct proxy *proxy)
{
	if (list_is_empty(&proxy->queue) || proxy->now_us - proxy->place_shed_us < SHED_EVERY_US)
		return;
	proxy->place_shed_us = proxy->now_us;
	const struct exchange *waiting = waits_for_place(proxy);
	if (!waiting)
		return;
	struct endpoint_addr to = waiting->target.to;
	uint32_t shed_count = 0;
	for (uint32_t i = 0; i < proxy->exchanges.capacity && shed_count < PLACES_AT_ONCE; i++) {
		struct exchange *exchange = pool_at(&proxy->exchanges, i);
		if (!exchange || memcmp(&exchange->target.to, &to, sizeof(to)) != 0 ||
		    !is_dawdling(exchange))
			continue;
		downstream_note_slow(exchange->down);
		exchange_drop_client(exchange, COUNTER_exchange_place_shed);
		shed_count++;
	}
}
