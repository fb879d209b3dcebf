// SPDX-License-Identifier: Apache-2.0
// A connection's timers on one wheel entry. Setting a later deadline leaves the entry where it is:
// it fires early for the wheel, finds nothing due and moves on, which costs less than moving it
// with every ACK.
#include "tcp_priv.h"

// give_up ends conn when retries reached the bound R2 (RFC 9293 3.8.3).
static bool give_up(struct tcp_conn *conn, uint32_t retries_max, enum counter reason)
{
	if (conn->retries++ < retries_max)
		return false;
	if (conn->state >= TCP_ESTABLISHED)
		tcp_conn_reset(conn);
	tcp_conn_end(conn, reason);
	return true;
}

// give_up_stalled ends conn when nothing was acknowledged for limit_ms, whatever the peer said
// meanwhile: a retry count does not hold one that answers and takes nothing.
static bool give_up_stalled(struct tcp_conn *conn, uint32_t limit_ms, enum counter reason)
{
	if (limit_ms == 0 || conn->tcp->now_us < conn->progress_us + limit_ms * 1000ull)
		return false;
	tcp_conn_reset(conn);
	tcp_conn_end(conn, reason);
	return true;
}

static void resend_syn(struct tcp_conn *conn)
{
	if (give_up(conn, conn->tcp->limits.syn_retries, COUNTER_tcp_connect_timed_out))
		return;
	tcp_rtt_back_off(&conn->rtt);
	tcp_count(conn->tcp, COUNTER_tcp_retransmits);
	tcp_connect_send(conn);
}

// expire_rto is RFC 6298 5.4 to 5.6: back to slow start, over what is lost.
static void expire_rto(struct tcp_conn *conn)
{
	if (conn->state < TCP_ESTABLISHED) {
		resend_syn(conn);
		return;
	}
	if (give_up(conn, conn->tcp->limits.retries, COUNTER_tcp_timed_out))
		return;
	tcp_count(conn->tcp, COUNTER_tcp_rto_expiries);
	tcp_mtu_expired(conn);
	tcp_recover_expired(conn);
	tcp_rtt_back_off(&conn->rtt);
	tcp_conn_notify(conn, 0);
}

// watch_user sets the clock of what is in flight; it is moved on lazily, by expire_user.
static void watch_user(struct tcp_conn *conn)
{
	uint32_t limit_ms = conn->tcp->limits.user_timeout_ms;
	if (limit_ms)
		tcp_timer_set(conn, TCP_TIMER_USER, conn->progress_us + limit_ms * 1000ull);
}

static void expire_user(struct tcp_conn *conn)
{
	uint32_t limit_ms = conn->tcp->limits.user_timeout_ms;
	if (!give_up_stalled(conn, limit_ms, COUNTER_tcp_user_timed_out))
		watch_user(conn);
}

static void expire_persist(struct tcp_conn *conn)
{
	if (conn->tcp->limits.persist_ms == 0) // no time that user_timeout could count
		conn->progress_us = conn->tcp->now_us;
	if (give_up_stalled(conn, conn->tcp->limits.persist_ms, COUNTER_tcp_persist_timed_out))
		return;
	if (give_up(conn, conn->tcp->limits.retries, COUNTER_tcp_timed_out))
		return;
	tcp_rtt_back_off(&conn->rtt);
	tcp_output_probe(conn);
	tcp_timer_update(conn);
}

static void expire_keepalive(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	const struct tcp_limits *limits = &tcp->limits;
	uint64_t idle_us = limits->keepalive_idle_ms * 1000ull;
	uint64_t due_us = conn->heard_us + idle_us;
	bool is_busy = seq_before(conn->una, conn->max); // the RTO watches over it
	if (tcp->now_us < due_us || is_busy) {
		tcp_timer_set(conn, TCP_TIMER_KEEPALIVE, is_busy ? tcp->now_us + idle_us : due_us);
		return;
	}
	if (conn->probes >= limits->keepalive_probes) {
		tcp_conn_reset(conn);
		tcp_conn_end(conn, COUNTER_tcp_keepalive_timed_out);
		return;
	}
	conn->probes++;
	tcp_count(tcp, COUNTER_tcp_keepalive_probes);
	tcp_output_keepalive(conn);
	tcp_timer_set(conn, TCP_TIMER_KEEPALIVE,
		      tcp->now_us + limits->keepalive_interval_ms * 1000ull);
}

static void expire_orphan(struct tcp_conn *conn)
{
	bool is_last = conn->state == TCP_FIN_WAIT_2;
	tcp_conn_reset(conn);
	tcp_conn_end(conn,
		     is_last ? COUNTER_tcp_fin_wait_2_timed_out : COUNTER_tcp_orphan_timed_out);
}

static void expire_delayed_ack(struct tcp_conn *conn)
{
	conn->is_ack_due = true;
	tcp_conn_notify(conn, 0);
}

static void expire_output(struct tcp_conn *conn)
{
	tcp_conn_notify(conn, 0);
}

static void (*const expire[TCP_TIMER_COUNT])(struct tcp_conn *conn) = {
	[TCP_TIMER_REORDER] = tcp_recover_reorder,
	[TCP_TIMER_TAIL] = tcp_tail_expired,
	[TCP_TIMER_USER] = expire_user,
	[TCP_TIMER_RTO] = expire_rto,
	[TCP_TIMER_PERSIST] = expire_persist,
	[TCP_TIMER_DELAYED_ACK] = expire_delayed_ack,
	[TCP_TIMER_KEEPALIVE] = expire_keepalive,
	[TCP_TIMER_ORPHAN] = expire_orphan,
	[TCP_TIMER_OUTPUT] = expire_output,
};

// arm sees to it that the entry fires at due_us or before: armed_us is never after a deadline.
static void arm(struct tcp_conn *conn, uint64_t due_us)
{
	if (due_us >= conn->armed_us)
		return;
	conn->armed_us = due_us;
	wheel_arm(conn->tcp->wheel, &conn->timer, due_us);
}

static void fire(struct wheel_timer *entry, uint64_t)
{
	struct tcp_conn *conn = container_of(entry, struct tcp_conn, timer);
	struct tcp *tcp = conn->tcp;
	struct pool_id id = pool_id_of(&tcp->conns, conn);
	conn->armed_us = 0; // deadlines set meanwhile wait for arm below
	for (unsigned timer = 0; timer < TCP_TIMER_COUNT; timer++) {
		if (conn->deadline_us[timer] > tcp->now_us)
			continue;
		conn->deadline_us[timer] = TCP_NEVER;
		expire[timer](conn);
		if (pool_get(&tcp->conns, id) != conn || conn->is_ended)
			return;
	}
	uint64_t first_us = TCP_NEVER;
	for (unsigned timer = 0; timer < TCP_TIMER_COUNT; timer++)
		first_us = MIN(first_us, conn->deadline_us[timer]);
	conn->armed_us = TCP_NEVER;
	arm(conn, first_us);
}

void tcp_timer_start(struct tcp_conn *conn)
{
	wheel_timer_init(&conn->timer, fire);
	conn->armed_us = TCP_NEVER;
	for (unsigned timer = 0; timer < TCP_TIMER_COUNT; timer++)
		conn->deadline_us[timer] = TCP_NEVER;
}

void tcp_timer_stop(struct tcp_conn *conn)
{
	wheel_disarm(conn->tcp->wheel, &conn->timer);
	tcp_timer_start(conn);
}

void tcp_timer_set(struct tcp_conn *conn, enum tcp_timer timer, uint64_t due_us)
{
	conn->deadline_us[timer] = due_us;
	arm(conn, due_us);
}

void tcp_timer_clear(struct tcp_conn *conn, enum tcp_timer timer)
{
	conn->deadline_us[timer] = TCP_NEVER;
}

// patience_end_us is when a closed window has been closed for too long.
static uint64_t patience_end_us(const struct tcp_conn *conn)
{
	uint32_t persist_ms = conn->tcp->limits.persist_ms;
	return persist_ms ? conn->progress_us + persist_ms * 1000ull : TCP_NEVER;
}

void tcp_timer_update(struct tcp_conn *conn)
{
	uint64_t due_us = conn->tcp->now_us + tcp_rtt_timeout_us(&conn->rtt);
	if (seq_before(conn->una, conn->nxt)) {
		tcp_timer_clear(conn, TCP_TIMER_PERSIST);
		if (!tcp_timer_is_set(conn, TCP_TIMER_RTO))
			tcp_timer_set(conn, TCP_TIMER_RTO, due_us);
		if (!tcp_timer_is_set(conn, TCP_TIMER_USER))
			watch_user(conn);
		tcp_tail_update(conn);
		return;
	}
	tcp_timer_clear(conn, TCP_TIMER_USER);
	tcp_timer_clear(conn, TCP_TIMER_RTO);
	tcp_timer_clear(conn, TCP_TIMER_TAIL);
	if (!tcp_snd_has_more(conn))
		tcp_timer_clear(conn, TCP_TIMER_PERSIST);
	else if (!tcp_timer_is_set(conn, TCP_TIMER_PERSIST))
		tcp_timer_set(conn, TCP_TIMER_PERSIST, MIN(due_us, patience_end_us(conn)));
}
