// SPDX-License-Identifier: Apache-2.0
// TIME-WAIT (RFC 9293 3.6.1) in a slab of its own: what is needed to answer a late FIN and to judge
// a new SYN (RFC 6191). All wait equally long, so one list and one timer do.
#include "tcp_priv.h"

#define REUSE_AFTER_US 1000000u // our own timestamps have gone on by then

static void arm(struct tcp *tcp)
{
	if (list_is_empty(&tcp->time_waits_due) || wheel_is_armed(&tcp->time_wait_timer))
		return;
	struct tcp_time_wait *first =
		container_of(tcp->time_waits_due.next, struct tcp_time_wait, link);
	wheel_arm(tcp->wheel, &tcp->time_wait_timer, first->due_us);
}

static void forget(struct tcp *tcp, struct tcp_time_wait *wait)
{
	list_remove(&wait->link);
	tcp_table_remove(tcp, &wait->tuple);
	pool_free(&tcp->time_waits, wait);
	counter_set(tcp->counters, COUNTER_tcp_time_wait, tcp->time_waits.in_use);
}

static void expire(struct wheel_timer *timer, uint64_t now_us)
{
	struct tcp *tcp = container_of(timer, struct tcp, time_wait_timer);
	while (!list_is_empty(&tcp->time_waits_due)) {
		struct tcp_time_wait *first =
			container_of(tcp->time_waits_due.next, struct tcp_time_wait, link);
		if (first->due_us > now_us)
			break;
		forget(tcp, first);
	}
	arm(tcp);
}

void tcp_time_wait_start(struct tcp *tcp)
{
	list_init(&tcp->time_waits_due);
	wheel_timer_init(&tcp->time_wait_timer, expire);
}

void tcp_time_wait_stop(struct tcp *tcp)
{
	wheel_disarm(tcp->wheel, &tcp->time_wait_timer);
}

static void wait_again(struct tcp *tcp, struct tcp_time_wait *wait)
{
	wait->due_us = tcp->now_us + tcp->limits.time_wait_ms * 1000ull;
	list_remove(&wait->link);
	list_append(&tcp->time_waits_due, &wait->link);
	arm(tcp);
}

// take returns an entry, the oldest one's when none is free; NULL when the bound is 0.
static struct tcp_time_wait *take(struct tcp *tcp)
{
	struct tcp_time_wait *wait = pool_new(&tcp->time_waits, NULL);
	if (wait || tcp->limits.time_wait_count == 0)
		return wait;
	tcp_count(tcp, COUNTER_tcp_time_wait_evicted);
	forget(tcp, container_of(tcp->time_waits_due.next, struct tcp_time_wait, link));
	return pool_new(&tcp->time_waits, NULL);
}

void tcp_time_wait_enter(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	if (conn->is_ack_due) // not from CLOSING: what came is an ACK
		tcp_output_ack(conn);
	struct tcp_time_wait *wait = take(tcp);
	if (wait) {
		list_init(&wait->link);
		wait->tuple = conn->tuple;
		wait->snd_nxt = conn->max;
		wait->rcv_nxt = conn->rcv_nxt;
		wait->window = tcp_rcv_window(conn);
		wait->has_timestamps = conn->agreed.has_timestamps;
		wait->ts_offset = conn->agreed.ts_offset;
		wait->ts_recent = conn->agreed.ts_recent;
		tcp_table_set(tcp, &wait->tuple, (struct tcp_found){TCP_KIND_TIME_WAIT, wait});
		conn->is_in_table = false;
		wait_again(tcp, wait);
		counter_set(tcp->counters, COUNTER_tcp_time_wait, tcp->time_waits.in_use);
	}
	tcp_conn_end(conn, COUNTER_tcp_closed);
}

bool tcp_time_wait_is_reusable(const struct tcp *tcp, const struct tcp_time_wait *wait)
{
	uint64_t entered_us = wait->due_us - tcp->limits.time_wait_ms * 1000ull;
	return wait->has_timestamps && tcp->now_us >= entered_us + REUSE_AFTER_US;
}

struct tcp_seq tcp_time_wait_reuse(struct tcp *tcp, struct tcp_time_wait *wait)
{
	struct tcp_seq iss_min = seq_plus(wait->snd_nxt, 65537);
	forget(tcp, wait);
	return iss_min;
}

static void acknowledge(struct tcp *tcp, struct tcp_time_wait *wait)
{
	struct tcp_segment ack = {
		.seq = wait->snd_nxt,
		.ack = wait->rcv_nxt,
		.flags = TCP_ACK,
		.window = wait->window,
		.has_timestamps = wait->has_timestamps,
		.ts_value = tcp_ts_now(tcp, wait->ts_offset),
		.ts_echo = wait->ts_recent,
	};
	if (tcp_is_soon(tcp, &wait->answered_us) || !tcp_budget_take(tcp, &tcp->challenge_budget)) {
		tcp_count(tcp, COUNTER_tcp_challenge_limited);
		return;
	}
	tcp_output_bare(tcp, &wait->tuple, &ack);
}

// is_newer is RFC 6191 2: by timestamps where both have them, else by sequence number.
static bool is_newer(const struct tcp_time_wait *wait, const struct tcp_segment *syn)
{
	if (wait->has_timestamps && syn->has_timestamps &&
	    seq_before(seq_of(wait->ts_recent), seq_of(syn->ts_value)))
		return true;
	return seq_before(wait->rcv_nxt, syn->seq);
}

bool tcp_time_wait_input(struct tcp *tcp, struct tcp_time_wait *wait,
			 const struct tcp_segment *segment, struct tcp_seq *iss_min)
{
	unsigned kind = segment->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
	if (kind == TCP_SYN && is_newer(wait, segment)) {
		tcp_count(tcp, COUNTER_tcp_time_wait_reused);
		*iss_min = tcp_time_wait_reuse(tcp, wait);
		return true;
	}
	tcp_count(tcp, COUNTER_tcp_time_wait_segment);
	if (kind & TCP_RST) // RFC 1337: no assassination
		return false;
	bool is_late_fin = kind & TCP_FIN && seq_equal(tcp_segment_end(segment), wait->rcv_nxt);
	if (is_late_fin)
		wait_again(tcp, wait);
	if (is_late_fin || tcp_segment_length(segment) > 0)
		acknowledge(tcp, wait);
	return false;
}
