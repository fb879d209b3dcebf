// SPDX-License-Identifier: Apache-2.0
// What gives way when buffers are short. New requests are refused first (exchange_new); this makes
// room for those under way, so that users that do not read, or workloads that do not, cannot stop
// everybody else: bodies that have stood still for a second while they hold memory are given up.
#include "proxy_priv.h"

enum { SHED_EVERY_US = 20000, SHED_STALLED_US = 1000000 };

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
	exchange_break(exchange, COUNTER_exchange_shed);
	if (down && down->listener->protocol != PROXY_LISTEN_MESH && is_stuck(down))
		transport_doom(&down->transport, COUNTER_exchange_shed);
}

// has_room tells whether enough is free again: twice of what new requests need.
static bool has_room(const struct buf_pool *bufs)
{
	return bufs->large_free >= bufs->large_count / 4;
}

void proxy_shed(struct proxy *proxy)
{
	proxy->window_budget.is_low = !has_room(proxy->bufs);
	if (!buf_pool_is_low(proxy->bufs) || proxy->now_us - proxy->shed_us < SHED_EVERY_US)
		return;
	proxy->shed_us = proxy->now_us;
	for (uint32_t i = 0; i < proxy->exchanges.capacity && !has_room(proxy->bufs); i++) {
		struct exchange *exchange = pool_at(&proxy->exchanges, i);
		if (exchange && is_standing(exchange))
			give_up(exchange);
	}
}
