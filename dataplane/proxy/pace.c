// SPDX-License-Identifier: Apache-2.0
// Clients that send or take so little at a time that they only hold a place: a connection is looked
// at every http.min_rate_time. It is reset when TCP still has what it had for the client then, by
// the client's own window, and less was taken than http.min_rate; a request whose body came slower
// is answered 408, an answer that waits for HTTP/2's window is given up. Not judged: the path (no
// acknowledgement is no closed window), who waits for the upstream, tunnels, gRPC (whose messages
// come when there are any), and who has its answer already. A connection that is idle and owed
// nothing is not looked at, until bytes of it come: a million of them cost nothing.
#include "proxy_priv.h"

#include "check.h"

static uint64_t least_bytes(const struct proxy *proxy)
{
	return (uint64_t)proxy->limits.min_rate * proxy->limits.min_rate_time_ms / 1000;
}

static void arm(struct downstream *down)
{
	struct proxy *proxy = down->transport.proxy;
	wheel_arm(proxy->wheel, &down->pace.timer,
		  proxy->now_us + proxy->limits.min_rate_time_ms * 1000ull);
}

// is_slow_reader looks at what TCP has for the client, and notes it for the next time.
static bool is_slow_reader(struct downstream *down)
{
	struct proxy *proxy = down->transport.proxy;
	struct downstream_pace *pace = &down->pace;
	struct tcp_info info;
	if (!tcp_info_of(proxy->tcp, down->transport.tcp, &info))
		return false;
	uint64_t before = pace->acked_bytes, due = before + pace->owed_bytes;
	pace->acked_bytes = info.bytes_sent - MIN(info.unacked_bytes, info.bytes_sent);
	pace->owed_bytes = info.unacked_bytes + info.queued_bytes;
	bool is_window_shut =
		info.queued_bytes > 0 && info.unacked_bytes + info.mss > info.send_window;
	return is_window_shut && pace->acked_bytes < due &&
	       pace->acked_bytes - before < least_bytes(proxy);
}

static bool has_tunnel(const struct downstream *down)
{
	const struct list *node = down->exchanges.next;
	for (; node != &down->exchanges; node = node->next)
		if (container_of(node, const struct exchange, down_link)->is_tunnel)
			return true;
	return false;
}

// is_sender tells whether the next byte is the client's to send.
static bool is_sender(const struct exchange *exchange)
{
	return exchange->state == EXCHANGE_RESPONSE && exchange_owes_body(exchange) &&
	       !exchange->request.expects_continue && exchange->request_body.queued_bytes == 0;
}

// waiting_bytes are those for the client that wait although TCP has none: for its HTTP/2 window.
static uint64_t waiting_bytes(const struct exchange *exchange)
{
	const struct downstream *down = exchange->down;
	if (!exchange->is_response_begun || down->pace.owed_bytes > 0 || down->transport.is_starved)
		return 0;
	if (exchange->slicing.step ==
	    SLICING_SENDING) // the next slice may be the workload's to give
		return 0;
	if (exchange->state != EXCHANGE_REPLY)
		return exchange->response_body.queued_bytes + exchange->own_bytes -
		       exchange->own_offset;
	return list_is_empty(&exchange->reader.link) ? UINT64_MAX : 0;
}

// judge looks at an exchange, and notes it for the next time.
static void judge(struct exchange *exchange)
{
	uint64_t least = least_bytes(exchange->proxy);
	uint64_t came = exchange->request_bytes - exchange->paced_request;
	uint64_t went = exchange->response_bytes - exchange->paced_response;
	uint64_t waited = exchange->paced_waiting;
	bool is_judged = exchange->is_paced && !exchange->is_tunnel && !exchange_is_grpc(exchange);
	exchange->paced_request = exchange->request_bytes;
	exchange->paced_response = exchange->response_bytes;
	exchange->paced_waiting = waiting_bytes(exchange);
	exchange->is_paced = true;
	if (is_judged && is_sender(exchange) && came < least) {
		exchange->down->is_slow = true;
		exchange_reply(exchange, COUNTER_exchange_body_slow);
	} else if (is_judged && exchange->paced_waiting > 0 && went < MIN(waited, least)) {
		exchange->down->is_slow = true;
		exchange_drop_client(exchange, COUNTER_exchange_body_stalled);
	}
}

static void judge_all(struct downstream *down)
{
	struct list *node = down->exchanges.next;
	while (node != &down->exchanges) {
		struct exchange *exchange = container_of(node, struct exchange, down_link);
		node = node->next;
		judge(exchange);
	}
}

static void on_pace(struct wheel_timer *timer, uint64_t)
{
	struct downstream *down = container_of(timer, struct downstream, pace.timer);
	struct proxy *proxy = down->transport.proxy;
	if (down->transport.is_doomed)
		return;
	if (is_slow_reader(down) && !has_tunnel(down)) {
		counter_inc(proxy->counters, COUNTER_exchange_downstream_slow);
		down->transport.is_shut = false; // a reset, now
		transport_doom(&down->transport, COUNTER_exchange_downstream_slow);
		return;
	}
	judge_all(down);
	if (down->exchange_count > 0 || down->pace.owed_bytes > 0)
		arm(down);
}

void pace_start(struct downstream *down)
{
	wheel_timer_init(&down->pace.timer, on_pace);
	pace_go_on(down);
}

void pace_go_on(struct downstream *down)
{
	bool is_judged = down->transport.proxy->limits.min_rate > 0 &&
			 down->listener->protocol != PROXY_LISTEN_MESH;
	if (is_judged && !wheel_is_armed(&down->pace.timer))
		arm(down);
}

void pace_stop(struct downstream *down)
{
	wheel_disarm(down->transport.proxy->wheel, &down->pace.timer);
}
