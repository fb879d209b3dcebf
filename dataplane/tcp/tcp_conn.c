// SPDX-License-Identifier: Apache-2.0
// Life of a connection, what a handshake agrees on, and the numbers nobody may guess (RFC 6528,
// RFC 7323 5.4).
#include "tcp_priv.h"

// Whole cache lines, as a pool gives: with as many idle ones as memory holds, each line counts.
static_assert(sizeof(struct tcp_conn) <= 14 * 64);
static_assert((unsigned)COUNTER_COUNT <= UINT16_MAX, "end_reason holds one");

struct tcp_conn *tcp_conn_new(struct tcp *tcp, const struct tcp_tuple *tuple)
{
	struct tcp_conn *conn = pool_new(&tcp->conns, NULL);
	if (!conn)
		return NULL;
	conn->tcp = tcp;
	conn->tuple = *tuple;
	conn->opened_us = conn->heard_us = conn->progress_us = tcp->now_us;
	list_init(&conn->ready);
	tcp_timer_start(conn);
	tcp_rtt_init(&conn->rtt);
	tcp_sent_init(&conn->sent, &tcp->sents);
	tcp_table_set(tcp, tuple, (struct tcp_found){TCP_KIND_CONN, conn});
	conn->is_in_table = true;
	counter_set(tcp->counters, COUNTER_tcp_conns, tcp->conns.in_use);
	return conn;
}

static const struct tcp_cc_ops *const algorithms[TCP_CONGESTION_COUNT] = {
	[TCP_CONGESTION_CUBIC] = &tcp_cc_cubic,
	[TCP_CONGESTION_BBR] = &tcp_cc_bbr,
};

void tcp_conn_agree(struct tcp_conn *conn, const struct tcp_agreed *agreed)
{
	const struct tcp *tcp = conn->tcp;
	enum tcp_congestion congestion = tcp->limits.congestion;
	if (conn->is_passive)
		congestion = tcp->listenings[conn->listener_index].listener.congestion;
	conn->agreed = *agreed;
	tcp_mtu_start(conn);
	conn->cc.is_paced = tcp->limits.is_paced;
	tcp_cc_init(&conn->cc, algorithms[congestion], tcp_conn_mss(conn));
}

void tcp_conn_measure(struct tcp_conn *conn, const struct tcp_segment *answer, uint64_t sent_us)
{
	const struct tcp *tcp = conn->tcp;
	uint64_t trip_us = tcp->now_us - sent_us;
	if (conn->retries > 0) {
		if (!conn->agreed.has_timestamps || !answer->has_timestamps)
			return;
		uint32_t trip_ms = tcp_ts_now(tcp, conn->agreed.ts_offset) - answer->ts_echo;
		if (trip_ms * 1000ull > trip_us) // no echo of ours
			return;
		trip_us = trip_ms * 1000ull;
	}
	tcp_rtt_sample(&conn->rtt, (uint32_t)trip_us);
}

// begin_after_loss is for a handshake whose SYN was sent again: a longer first timeout, since
// nothing was measured (RFC 6298 5.7), and after more than one such loss a single segment (RFC 6928
// 2).
static void begin_after_loss(struct tcp_conn *conn)
{
	if (conn->rtt.srtt_us == 0)
		conn->rtt.rto_us = TCP_RTO_AFTER_SYN_US;
	if (conn->retries > 1)
		conn->cc.cwnd_bytes = conn->cc.mss;
}

void tcp_conn_establish(struct tcp_conn *conn, enum tcp_pending pending)
{
	struct tcp *tcp = conn->tcp;
	conn->state = conn->is_fin_queued ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
	if (conn->retries > 0)
		begin_after_loss(conn);
	conn->retries = 0;
	conn->progress_us = tcp->now_us;
	tcp_rightsize_init(&conn->rightsize, tcp->limits.receive_buffer_bytes, conn->rtt.srtt_us);
	conn->rtt.backoff = 0;
	tcp_timer_clear(conn, TCP_TIMER_RTO);
	tcp_count(tcp, conn->is_passive ? COUNTER_tcp_opened_passive : COUNTER_tcp_opened_active);
	if (tcp->limits.keepalive_idle_ms)
		tcp_timer_set(conn, TCP_TIMER_KEEPALIVE,
			      tcp->now_us + tcp->limits.keepalive_idle_ms * 1000ull);
	tcp_conn_notify(conn, conn->is_orphan ? 0 : pending);
}

// leave drops everything but what the owner may still read.
static void leave(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	conn->state = TCP_CLOSED;
	if (conn->is_in_table)
		tcp_table_remove(tcp, &conn->tuple);
	conn->is_in_table = false;
	tcp_timer_stop(conn);
	tcp_snd_clear(conn);
	tcp_sent_clear(&conn->sent);
	tcp_rcv_forget_early(conn);
}

void tcp_conn_end(struct tcp_conn *conn, enum counter reason)
{
	CHECK(!conn->is_ended);
	tcp_count(conn->tcp, reason);
	leave(conn);
	conn->is_ended = true;
	conn->end_reason = (uint16_t)reason;
	if (conn->is_orphan)
		tcp_conn_free(conn);
	else
		tcp_conn_notify(conn, 0);
}

bool tcp_conn_orphan(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	const struct tcp_limits *limits = &tcp->limits;
	if (limits->orphan_count && tcp->orphan_count == limits->orphan_count) {
		tcp_conn_reset(conn);
		tcp_count(tcp, COUNTER_tcp_orphans_full);
		tcp_conn_free(conn);
		return false;
	}
	conn->is_orphan = true;
	conn->pending = 0;
	counter_set(tcp->counters, COUNTER_tcp_orphans, ++tcp->orphan_count);
	if (conn->state == TCP_FIN_WAIT_2)
		tcp_timer_set(conn, TCP_TIMER_ORPHAN,
			      tcp->now_us + limits->fin_wait_2_ms * 1000ull);
	else if (limits->orphan_ms)
		tcp_timer_set(conn, TCP_TIMER_ORPHAN, tcp->now_us + limits->orphan_ms * 1000ull);
	return true;
}

void tcp_conn_free(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	if (conn->is_orphan)
		counter_set(tcp->counters, COUNTER_tcp_orphans, --tcp->orphan_count);
	leave(conn);
	tcp->held_mbufs -= conn->reass.mbuf_count;
	tcp_reass_clear(&conn->reass);
	if (!list_is_empty(&conn->ready)) {
		list_remove(&conn->ready);
		tcp->ready_count--;
	}
	pool_free(&tcp->conns, conn);
	counter_set(tcp->counters, COUNTER_tcp_conns, tcp->conns.in_use);
}

void tcp_conn_notify(struct tcp_conn *conn, unsigned pending)
{
	struct tcp *tcp = conn->tcp;
	conn->pending = (uint8_t)(conn->pending | pending);
	if (!list_is_empty(&conn->ready))
		return;
	list_append(&tcp->ready, &conn->ready);
	tcp->ready_count++;
}

uint32_t tcp_conn_mss(const struct tcp_conn *conn)
{
	return conn->agreed.send_mss - (conn->agreed.has_timestamps ? 12u : 0u);
}

struct tcp_seq tcp_conn_sent_end(const struct tcp_conn *conn)
{
	struct tcp_seq right = seq_plus(conn->una, conn->window);
	return seq_later(conn->nxt, seq_earlier(conn->max, right));
}

void tcp_conn_reset(struct tcp_conn *conn)
{
	struct tcp_segment reset = {
		.seq = tcp_conn_sent_end(conn), // expected next, when nothing was lost
		.ack = conn->rcv_nxt,
		.flags = TCP_RST | TCP_ACK,
	};
	tcp_count(conn->tcp, COUNTER_tcp_resets_out);
	tcp_output_bare(conn->tcp, &conn->tuple, &reset);
}

struct tcp_agreed tcp_agree(const struct tcp *tcp, const struct tcp_tuple *tuple,
			    const struct tcp_segment *syn)
{
	bool is_v4 = addr_is_v4(&tuple->remote);
	unsigned theirs = is_v4 ? TCP_MSS_DEFAULT4 : TCP_MSS_DEFAULT6;
	if (syn->has_mss)
		theirs = MAX((unsigned)syn->mss, TCP_MSS_MIN);
	unsigned ours = tcp_local_mss(tcp, &tuple->remote);
	return (struct tcp_agreed){
		.send_mss = (uint16_t)MIN(theirs, ours),
		.send_scale = syn->has_scale ? syn->scale : 0,
		.receive_scale = syn->has_scale ? tcp_local_scale(tcp) : 0,
		.has_timestamps = syn->has_timestamps,
		.has_sack = syn->is_sack_permitted,
		.has_scale = syn->has_scale,
		.has_ecn = tcp_ecn_agree(tcp, syn->flags),
		.ts_offset = tcp_ts_offset(tcp, tuple),
		.ts_recent = syn->ts_value,
	};
}

struct tcp_seq tcp_initial_seq(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	uint64_t hash = siphash(&tcp->isn_key, tuple, sizeof(*tuple));
	return seq_of((uint32_t)(hash + tcp->now_us / 4)); // RFC 6528 3: a 4 us clock
}

uint32_t tcp_ts_offset(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	return (uint32_t)siphash(&tcp->ts_key, tuple, sizeof(*tuple));
}

uint32_t tcp_ts_now(const struct tcp *tcp, uint32_t ts_offset)
{
	return (uint32_t)(tcp->now_us / 1000) + ts_offset;
}

uint16_t tcp_local_mss(const struct tcp *tcp, const struct addr *remote)
{
	uint32_t headers_bytes = addr_is_v4(remote) ? 40 : 60;
	uint32_t mtu = MIN(net_mtu(tcp->net, remote), 65535u);
	uint32_t clamp = net_mss_clamp(tcp->net, remote);
	uint32_t mss = mtu > headers_bytes ? mtu - headers_bytes : 0;
	return (uint16_t)MAX(clamp ? MIN(mss, clamp) : mss, TCP_MSS_MIN);
}

uint8_t tcp_local_scale(const struct tcp *tcp)
{
	uint8_t scale = 0;
	while (scale < TCP_SCALE_MAX && tcp->limits.receive_buffer_bytes >> scale > 65535)
		scale++;
	return scale;
}

bool tcp_is_soon(const struct tcp *tcp, uint64_t *answered_us)
{
	if (*answered_us && tcp->now_us < *answered_us + TCP_CHALLENGE_US)
		return true;
	*answered_us = tcp->now_us;
	return false;
}

bool tcp_budget_take(struct tcp *tcp, uint32_t *budget)
{
	uint64_t second = tcp->now_us / 1000000;
	if (tcp->budget_second != second) {
		tcp->budget_second = second;
		tcp->challenge_budget =
			TCP_BUDGET_PER_S / 2 + random_below(tcp->random, TCP_BUDGET_PER_S);
		tcp->reset_budget =
			TCP_BUDGET_PER_S / 2 + random_below(tcp->random, TCP_BUDGET_PER_S);
	}
	if (*budget == 0)
		return false;
	--*budget;
	return true;
}
