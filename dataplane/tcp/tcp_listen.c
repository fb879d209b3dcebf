// SPDX-License-Identifier: Apache-2.0
// Passive open: a SYN becomes a half-open connection in a small slab of its own, with the SYN-ACK's
// retransmission, and its ACK a connection (RFC 9293 3.10.7.2, 3.10.7.4 for SYN-RECEIVED).
#include "tcp_priv.h"

void tcp_half_answer(const struct tcp_half *half, struct tcp_segment *answer)
{
	tcp_syn_segment(half->tcp, &half->tuple, answer);
	answer->flags = TCP_SYN | TCP_ACK | tcp_ecn_answer_flags(&half->agreed);
	answer->seq = half->iss;
	answer->ack = seq_plus(half->irs, 1);
	answer->has_scale = half->agreed.has_scale;
	answer->is_sack_permitted = half->agreed.has_sack;
	answer->has_timestamps = half->agreed.has_timestamps;
	answer->ts_echo = half->agreed.ts_recent;
}

static void send_syn_ack(struct tcp_half *half)
{
	struct tcp_segment answer;
	tcp_half_answer(half, &answer);
	tcp_output_bare(half->tcp, &half->tuple, &answer);
}

static void arm(struct tcp_half *half)
{
	uint64_t timeout_us = (uint64_t)TCP_RTO_INITIAL_US << MIN(half->retries, 6u);
	wheel_arm(half->tcp->wheel, &half->timer, half->tcp->now_us + timeout_us);
}

// forget frees half; its tuple may lead elsewhere by now.
static void forget(struct tcp_half *half)
{
	struct tcp *tcp = half->tcp;
	wheel_disarm(tcp->wheel, &half->timer);
	tcp->listenings[half->listener_index].half_count--;
	pool_free(&tcp->halves, half);
	counter_set(tcp->counters, COUNTER_tcp_half_open, tcp->halves.in_use);
}

void tcp_half_free(struct tcp_half *half)
{
	tcp_table_remove(half->tcp, &half->tuple);
	forget(half);
}

static void expire(struct wheel_timer *timer, uint64_t)
{
	struct tcp_half *half = container_of(timer, struct tcp_half, timer);
	if (half->retries >= half->tcp->limits.syn_retries) {
		tcp_count(half->tcp, COUNTER_tcp_half_open_timed_out);
		tcp_half_free(half);
		return;
	}
	half->retries++;
	tcp_count(half->tcp, COUNTER_tcp_retransmits);
	send_syn_ack(half);
	arm(half);
}

void tcp_listen_syn(struct tcp *tcp, struct tcp_listening *listening, const struct tcp_tuple *tuple,
		    const struct tcp_segment *syn, const struct tcp_seq *iss_min)
{
	uint32_t backlog = listening->listener.backlog;
	struct tcp_half *half = NULL;
	bool is_fair = bucket_take_prefix(tcp->syn_rates, &tuple->remote, tcp->now_us,
					  tcp->limits.syn_rate_per_prefix);
	if (is_fair && (backlog == 0 || listening->half_count < backlog))
		half = pool_new(&tcp->halves, NULL);
	if (!half) {
		tcp_count(tcp, is_fair ? COUNTER_tcp_backlog_full : COUNTER_tcp_syn_prefix_rate);
		tcp_cookie_send(tcp, tuple, syn);
		return;
	}
	half->tcp = tcp;
	half->tuple = *tuple;
	half->agreed = tcp_agree(tcp, tuple, syn);
	half->irs = syn->seq;
	half->iss = tcp_initial_seq(tcp, tuple);
	if (iss_min && seq_before(half->iss, *iss_min))
		half->iss = *iss_min;
	half->window = syn->window;
	half->listener_index = (uint32_t)(listening - tcp->listenings);
	half->sent_us = tcp->now_us;
	listening->half_count++;
	wheel_timer_init(&half->timer, expire);
	tcp_table_set(tcp, tuple, (struct tcp_found){TCP_KIND_HALF, half});
	counter_set(tcp->counters, COUNTER_tcp_half_open, tcp->halves.in_use);
	send_syn_ack(half);
	arm(half);
}

struct tcp_conn *tcp_half_make_conn(const struct tcp_half *half)
{
	struct tcp *tcp = half->tcp;
	struct tcp_conn *conn = tcp_conn_new(tcp, &half->tuple);
	if (!conn) { // the peer will try again
		tcp_count(tcp, COUNTER_tcp_conns_full);
		return NULL;
	}
	conn->state = TCP_SYN_RECEIVED;
	conn->is_passive = true;
	conn->listener_index = half->listener_index;
	conn->events = tcp->listenings[half->listener_index].listener.events;
	conn->iss = conn->una = half->iss;
	conn->nxt = conn->max = conn->tail = seq_plus(half->iss, 1);
	conn->recover = conn->timed_end = conn->nxt;
	tcp_rack_init(&conn->rack, conn->nxt);
	conn->irs = half->irs;
	conn->rcv_nxt = conn->last_ack = seq_plus(half->irs, 1);
	conn->rcv_edge = seq_plus(conn->rcv_nxt, MIN(tcp->limits.receive_buffer_bytes, 65535u));
	tcp_conn_agree(conn, &half->agreed);
	return conn;
}

static struct tcp_conn *promote(struct tcp_half *half, const struct tcp_segment *ack)
{
	struct tcp_conn *conn = tcp_half_make_conn(half);
	if (!conn)
		return NULL;
	conn->retries = half->retries;
	tcp_conn_measure(conn, ack, half->sent_us);
	forget(half);
	return conn;
}

// answer_again sends the SYN-ACK that a peer asks for, not more often than challenge ACKs.
static void answer_again(struct tcp_half *half)
{
	if (tcp_is_soon(half->tcp, &half->answered_us))
		tcp_count(half->tcp, COUNTER_tcp_challenge_limited);
	else
		send_syn_ack(half);
}

// challenge sends it within the worker's budget too.
static void challenge(struct tcp_half *half)
{
	if (tcp_budget_take(half->tcp, &half->tcp->challenge_budget))
		answer_again(half);
	else
		tcp_count(half->tcp, COUNTER_tcp_challenge_limited);
}

// answer_bad replies to what does not fit: RST for a wrong ACK, an ACK for the rest.
static void answer_bad(struct tcp_half *half, const struct tcp_segment *segment, bool is_ack_wrong)
{
	struct tcp *tcp = half->tcp;
	tcp_count(tcp, COUNTER_tcp_half_open_bad);
	if (is_ack_wrong) {
		tcp_output_reset(tcp, &half->tuple, segment);
		return;
	}
	challenge(half);
}

// try_cookie is for a wrong ACK while cookies are about: the client may have taken a cookie's
// SYN-ACK before a copy of its SYN found room here. True when nothing else is to be done; *conn,
// when not NULL, is what the cookie made.
static bool try_cookie(struct tcp_half *half, const struct tcp_segment *ack, struct tcp_conn **conn)
{
	struct tcp *tcp = half->tcp;
	struct tcp_tuple tuple = half->tuple;
	struct tcp_listening *listening = &tcp->listenings[half->listener_index];
	if (!tcp_cookie_is_sent(tcp))
		return false;
	if (!tcp_cookie_is_ours(tcp, &tuple, ack)) {
		tcp_count(tcp, COUNTER_tcp_half_open_bad);
		return true;
	}
	tcp_half_free(half);
	*conn = tcp_cookie_open(tcp, listening, &tuple, ack);
	return true;
}

struct tcp_conn *tcp_half_input(struct tcp_half *half, const struct tcp_segment *segment)
{
	struct tcp *tcp = half->tcp;
	struct tcp_seq expected = seq_plus(half->irs, 1);
	uint32_t window_bytes = MIN(tcp->limits.receive_buffer_bytes, 65535u); // as was offered
	struct tcp_range window = {expected, seq_plus(expected, window_bytes)};
	if (segment->flags & TCP_RST) {
		if (!seq_equal(segment->seq, expected)) {
			tcp_count(tcp, COUNTER_tcp_bad_reset);
			if (seq_within(segment->seq, window)) // RFC 5961 3.2
				challenge(half);
			return NULL;
		}
		tcp_count(tcp, COUNTER_tcp_half_open_reset);
		tcp_half_free(half);
		return NULL;
	}
	if (segment->flags & TCP_SYN && seq_equal(segment->seq, half->irs)) { // SYN-ACK was lost
		tcp_count(tcp, COUNTER_tcp_duplicates);
		answer_again(half);
		return NULL;
	}
	bool is_ack_good =
		segment->flags & TCP_ACK && seq_equal(segment->ack, seq_plus(half->iss, 1));
	// What the connection would drop must not make it: nothing would watch over it.
	bool is_old = half->agreed.has_timestamps &&
		      (!segment->has_timestamps ||
		       seq_before(seq_of(segment->ts_value), seq_of(half->agreed.ts_recent)));
	if (segment->flags & TCP_SYN || !is_ack_good || is_old ||
	    !seq_within(segment->seq, window)) {
		bool is_ack_wrong = segment->flags & TCP_ACK && !is_ack_good;
		struct tcp_conn *conn = NULL;
		if (is_ack_wrong && !(segment->flags & TCP_SYN) && try_cookie(half, segment, &conn))
			return conn;
		answer_bad(half, segment, is_ack_wrong);
		return NULL;
	}
	return promote(half, segment);
}
