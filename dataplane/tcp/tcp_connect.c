// SPDX-License-Identifier: Apache-2.0
// Active open (RFC 9293 3.10.1, 3.10.7.3), simultaneous open, and source ports: random by RFC 6056
// algorithm 4, and such that answers reach this worker.
#include "tcp_priv.h"

#include <errno.h>

#define PORT_TRIES_MAX 4096u // bounds one call; more than enough for 64 workers

void tcp_syn_segment(const struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_segment *syn)
{
	*syn = (struct tcp_segment){
		.flags = TCP_SYN,
		.window = (uint16_t)MIN(tcp->limits.receive_buffer_bytes, 65535u),
		.has_mss = true,
		.mss = tcp_local_mss(tcp, &tuple->remote),
		.has_scale = true,
		.scale = tcp_local_scale(tcp),
		.is_sack_permitted = true,
		.has_timestamps = true,
		.ts_value = tcp_ts_now(tcp, tcp_ts_offset(tcp, tuple)),
	};
}

// may_reuse tells whether a port's tuple, in use, is only remembered (RFC 6191).
static bool may_reuse(const struct tcp *tcp, const struct tcp_found *found)
{
	return found->kind == TCP_KIND_TIME_WAIT && tcp_time_wait_is_reusable(tcp, found->object);
}

// choose_port fills tuple->local_port with a free one, else with one in TIME-WAIT that may be used
// again; false when the tries of one call found neither.
static bool choose_port(struct tcp *tcp, struct tcp_tuple *tuple)
{
	uint16_t second_best = 0;
	uint32_t range = (uint32_t)tcp->limits.port_last - tcp->limits.port_first + 1;
	tuple->local_port = 0;
	uint64_t hash = siphash(&tcp->port_key, tuple, sizeof(*tuple));
	uint16_t *step = &tcp->port_steps[(hash >> 56) % TCP_PORT_STEPS];
	for (uint32_t tries = 0; tries < MIN(range, PORT_TRIES_MAX); tries++) {
		uint32_t offset = (uint32_t)(hash + ++*step) % range;
		tuple->local_port = (uint16_t)(tcp->limits.port_first + offset);
		if (net_owner(tcp->net, &tuple->local, tuple->local_port, &tuple->remote,
			      tuple->remote_port) != tcp->worker_index)
			continue;
		struct tcp_found found = tcp_table_find(tcp, tuple);
		if (found.kind == TCP_KIND_NONE)
			return true;
		if (may_reuse(tcp, &found))
			second_best = tuple->local_port;
	}
	tuple->local_port = second_best;
	return second_best != 0;
}

// choose_iss takes tuple out of TIME-WAIT when it is there: our numbers go on from there.
static struct tcp_seq choose_iss(struct tcp *tcp, const struct tcp_tuple *tuple)
{
	struct tcp_seq iss = tcp_initial_seq(tcp, tuple);
	struct tcp_found found = tcp_table_find(tcp, tuple);
	if (found.kind != TCP_KIND_TIME_WAIT)
		return iss;
	tcp_count(tcp, COUNTER_tcp_time_wait_recycled);
	return seq_later(iss, tcp_time_wait_reuse(tcp, found.object));
}

int tcp_connect_to(struct tcp *tcp, const struct tcp_connect *connect, struct pool_id *id)
{
	struct tcp_tuple tuple = {
		.local = connect->local,
		.remote = connect->remote,
		.remote_port = connect->remote_port,
	};
	struct addr source;
	if (!net_source_for(tcp->net, &connect->remote, &source)) {
		tcp_count(tcp, COUNTER_tcp_connect_no_route);
		return EHOSTUNREACH;
	}
	if (addr_is_zero(&tuple.local))
		tuple.local = source;
	if (tcp->conns.free_count == 0) {
		tcp_count(tcp, COUNTER_tcp_connect_full);
		return ENOSPC;
	}
	if (!choose_port(tcp, &tuple)) {
		tcp_count(tcp, COUNTER_tcp_ports_exhausted);
		return ENOSPC;
	}
	struct tcp_seq iss = choose_iss(tcp, &tuple);
	struct tcp_conn *conn = tcp_conn_new(tcp, &tuple);
	conn->state = TCP_SYN_SENT;
	conn->events = connect->events;
	conn->user = connect->user;
	conn->iss = conn->una = iss;
	conn->nxt = conn->max = conn->tail = seq_plus(conn->iss, 1);
	conn->recover = conn->timed_end = conn->nxt;
	tcp_rack_init(&conn->rack, conn->nxt);
	conn->agreed.ts_offset = tcp_ts_offset(tcp, &tuple);
	*id = pool_id_of(&tcp->conns, conn);
	tcp_connect_send(conn);
	return 0;
}

void tcp_connect_send(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	struct tcp_segment syn;
	tcp_syn_segment(tcp, &conn->tuple, &syn);
	syn.seq = conn->iss;
	syn.flags |= tcp_ecn_syn_flags(tcp, conn->retries);
	if (conn->state == TCP_SYN_RECEIVED) {
		syn.flags = TCP_SYN | TCP_ACK | tcp_ecn_answer_flags(&conn->agreed);
		syn.ack = conn->rcv_nxt;
		syn.has_scale = conn->agreed.has_scale;
		syn.is_sack_permitted = conn->agreed.has_sack;
		syn.has_timestamps = conn->agreed.has_timestamps;
		syn.ts_echo = conn->agreed.ts_recent;
	}
	tcp_output_bare(tcp, &conn->tuple, &syn);
	tcp_timer_set(conn, TCP_TIMER_RTO, tcp->now_us + tcp_rtt_timeout_us(&conn->rtt));
}

// learn takes over the peer's SYN.
static void learn(struct tcp_conn *conn, const struct tcp_segment *syn)
{
	struct tcp *tcp = conn->tcp;
	struct tcp_agreed agreed = tcp_agree(tcp, &conn->tuple, syn);
	tcp_conn_agree(conn, &agreed);
	conn->irs = syn->seq;
	conn->rcv_nxt = conn->last_ack = seq_plus(syn->seq, 1);
	conn->rcv_edge = seq_plus(conn->rcv_nxt, MIN(tcp->limits.receive_buffer_bytes, 65535u));
	conn->window = conn->window_max = syn->window;
	conn->wl1 = syn->seq;
}

void tcp_connect_input(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp *tcp = conn->tcp;
	bool has_ack = segment->flags & TCP_ACK;
	if (has_ack && !seq_equal(segment->ack, conn->nxt)) { // first: check the ACK bit
		tcp_count(tcp, COUNTER_tcp_bad_ack);
		if (!(segment->flags & TCP_RST))
			tcp_output_reset(tcp, &conn->tuple, segment);
		return;
	}
	if (segment->flags & TCP_RST) { // second: RST counts only with an ACK of our SYN
		if (has_ack)
			tcp_conn_end(conn, COUNTER_tcp_refused);
		else
			tcp_count(tcp, COUNTER_tcp_bad_reset);
		return;
	}
	if (!(segment->flags & TCP_SYN)) {
		tcp_count(tcp, COUNTER_tcp_half_open_bad);
		return;
	}
	learn(conn, segment); // fourth: SYN
	if (!has_ack) {       // simultaneous open
		conn->state = TCP_SYN_RECEIVED;
		tcp_connect_send(conn);
		return;
	}
	tcp_conn_measure(conn, segment, conn->opened_us);
	conn->una = conn->wl2 = segment->ack;
	conn->is_ack_due = true;
	tcp_conn_establish(conn, TCP_PENDING_OPENED);
}
