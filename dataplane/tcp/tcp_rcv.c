// SPDX-License-Identifier: Apache-2.0
// Steps 7 and 8 of RFC 9293 3.10.7.4: text and FIN; our window (3.8.6.2.2) and when to acknowledge
// (3.8.6.3, RFC 5681 4.2).
#include "tcp_priv.h"

// acknowledge notes that in-order text came: every second segment, or what filled a gap, at once.
static void acknowledge(struct tcp_conn *conn, uint32_t segment_count, bool is_now)
{
	struct tcp *tcp = conn->tcp;
	conn->ack_segments = (uint8_t)MIN(conn->ack_segments + segment_count, 255u);
	if (is_now || conn->ack_segments >= 2 || tcp->limits.delayed_ack_ms == 0) {
		conn->is_ack_due = true;
		tcp_conn_notify(conn, 0);
		return;
	}
	if (!tcp_timer_is_set(conn, TCP_TIMER_DELAYED_ACK))
		tcp_timer_set(conn, TCP_TIMER_DELAYED_ACK,
			      tcp->now_us + tcp->limits.delayed_ack_ms * 1000ull);
}

// acknowledge_gap asks for an immediate ACK. One per loop carries the SACK blocks, more only where
// it could not tell of all that began; a peer without SACK counts ACKs, so it gets each.
static void acknowledge_gap(struct tcp_conn *conn)
{
	conn->is_ack_due = true;
	tcp_conn_notify(conn, 0);
	if (!conn->agreed.has_sack || conn->reass.untold_count >= TCP_SACK_BLOCKS - 1)
		tcp_output_ack(conn);
}

// may_take refuses text that nobody can read or that would pin too much memory.
static bool may_take(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp *tcp = conn->tcp;
	bool is_open = conn->state == TCP_ESTABLISHED || conn->state == TCP_FIN_WAIT_1 ||
		       conn->state == TCP_FIN_WAIT_2;
	struct tcp_seq end = seq_plus(segment->seq, segment->payload_bytes);
	if (!is_open || (conn->has_fin_seq && seq_before(conn->fin_seq, end))) {
		tcp_count(tcp, COUNTER_tcp_after_end);
		return false;
	}
	if (tcp_memory_may_hold(conn, seq_at_or_before(segment->seq, conn->rcv_nxt)))
		return true;
	tcp_count(tcp, COUNTER_tcp_receive_memory_low);
	return false;
}

// measure takes the round trip as the receiver sees it, for the size of our window.
static void measure(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp_rightsize *size = &conn->rightsize;
	uint64_t now_us = conn->tcp->now_us;
	if (!conn->agreed.has_timestamps) {
		tcp_rightsize_turn(size, conn->rcv_nxt, conn->rcv_edge, now_us);
		return;
	}
	uint32_t echo_ms = tcp_ts_now(conn->tcp, conn->agreed.ts_offset) - segment->ts_echo;
	if (segment->piece_bytes >= tcp_conn_mss(conn) && echo_ms < TCP_RTO_MAX_US / 1000)
		tcp_rightsize_echo(size, segment->ts_echo, MAX(echo_ms, 1u) * 1000);
}

void tcp_rcv_text(struct tcp_conn *conn, const struct tcp_segment *segment, struct rte_mbuf *mbuf)
{
	struct tcp *tcp = conn->tcp;
	if (!may_take(conn, segment)) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	if (conn->is_orphan) { // nobody will read it (RFC 9293 3.6.1, RFC 2525 2.17)
		rte_pktmbuf_free(mbuf);
		tcp_conn_reset(conn);
		tcp_conn_end(conn, COUNTER_tcp_orphan_data);
		return;
	}
	struct tcp_seq before = conn->rcv_nxt;
	uint32_t held = conn->reass.mbuf_count;
	bool has_gap = conn->reass.early_count > 0;
	enum tcp_reass_result result =
		tcp_reass_add(&conn->reass, &conn->rcv_nxt, segment->seq, mbuf);
	tcp->held_mbufs += conn->reass.mbuf_count - held;
	if (result == TCP_REASS_IN_ORDER) {
		uint32_t bytes = seq_distance(before, conn->rcv_nxt);
		conn->bytes_received += bytes;
		counter_add(tcp->counters, COUNTER_tcp_bytes_in, bytes);
		tcp_conn_notify(conn, TCP_PENDING_READABLE);
		measure(conn, segment);
		acknowledge(conn, segment->piece_count, has_gap);
		return;
	}
	enum counter outcome = COUNTER_tcp_duplicates;
	if (result == TCP_REASS_EARLY)
		outcome = COUNTER_tcp_out_of_order;
	else if (result == TCP_REASS_FULL)
		outcome = COUNTER_tcp_reassembly_full;
	counter_add(tcp->counters, outcome, segment->piece_count);
	acknowledge_gap(conn);
}

void tcp_rcv_forget_early(struct tcp_conn *conn)
{
	uint32_t held = conn->reass.mbuf_count;
	tcp_reass_drop_early(&conn->reass);
	conn->tcp->held_mbufs -= held - conn->reass.mbuf_count;
}

bool tcp_rcv_fin(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp_seq fin_seq = seq_plus(segment->seq, segment->payload_bytes);
	if (segment->flags & TCP_FIN && !conn->has_fin_seq && !seq_before(fin_seq, conn->rcv_nxt)) {
		conn->has_fin_seq = true;
		conn->fin_seq = fin_seq;
		if (tcp_reass_reaches(&conn->reass, fin_seq)) // text behind a FIN is none
			tcp_rcv_forget_early(conn);
		if (!seq_equal(fin_seq, conn->rcv_nxt))
			acknowledge_gap(conn);
	}
	if (!conn->has_fin_seq || conn->is_fin_received || !seq_equal(conn->fin_seq, conn->rcv_nxt))
		return true;
	conn->is_fin_received = true;
	conn->rcv_nxt = seq_plus(conn->rcv_nxt, 1);
	conn->is_ack_due = true;
	tcp_conn_notify(conn, conn->is_orphan ? 0 : TCP_PENDING_READABLE);
	switch (conn->state) {
	case TCP_ESTABLISHED: conn->state = TCP_CLOSE_WAIT; return true;
	case TCP_FIN_WAIT_1: // its ACK of our FIN was looked at in step 5
		conn->state = TCP_CLOSING;
		return true;
	case TCP_FIN_WAIT_2: tcp_time_wait_enter(conn); return false;
	default: return true;
	}
}

// new_edge is where our window may end: as far as there is room, never back, and only in steps that
// are worth a packet.
static struct tcp_seq new_edge(const struct tcp_conn *conn)
{
	struct tcp_seq edge = tcp_memory_edge(conn);
	if (seq_before(edge, conn->rcv_edge))
		return conn->rcv_edge;
	uint32_t step = MIN(conn->rightsize.buffer_bytes / 2, tcp_conn_mss(conn));
	return seq_distance(conn->rcv_edge, edge) >= step ? edge : conn->rcv_edge;
}

uint16_t tcp_rcv_window(struct tcp_conn *conn)
{
	uint8_t scale = conn->agreed.receive_scale;
	struct tcp_seq edge = seq_later(new_edge(conn), conn->rcv_nxt);
	uint32_t window = seq_distance(conn->rcv_nxt, edge);
	// Rounded up, or the edge would move back by the bits that scaling drops; but beyond the
	// room by one rounding only, or each ACK of a byte would move it on (RFC 7323 2.4: what was
	// offered before is still taken).
	uint32_t buffer_bytes = conn->rightsize.buffer_bytes;
	uint32_t room = buffer_bytes - MIN(conn->reass.queued_bytes, buffer_bytes);
	uint32_t field = MIN((window + (1u << scale) - 1) >> scale, 65535u);
	if (field << scale >= room + (1u << scale))
		field = MIN(window >> scale, 65535u);
	conn->rcv_edge = seq_later(conn->rcv_edge, seq_plus(conn->rcv_nxt, field << scale));
	return (uint16_t)field;
}

// resize lets the window follow what the owner takes in a round trip.
static void resize(struct tcp_conn *conn, uint32_t bytes)
{
	struct tcp *tcp = conn->tcp;
	struct tcp_rightsize_bounds bounds = {
		.max_bytes = tcp->limits.receive_buffer_bytes,
		.segment_bytes = tcp_conn_mss(conn),
		.is_memory_low = tcp_memory_is_low(tcp),
	};
	switch (tcp_rightsize_consumed(&conn->rightsize, bytes, tcp->now_us, &bounds)) {
	case TCP_RIGHTSIZE_GROWN: tcp_count(tcp, COUNTER_tcp_windows_grown); return;
	case TCP_RIGHTSIZE_DENIED: tcp_count(tcp, COUNTER_tcp_window_denied); return;
	case TCP_RIGHTSIZE_SHRUNK: tcp_count(tcp, COUNTER_tcp_window_reclaimed); return;
	case TCP_RIGHTSIZE_SAME: return;
	}
}

void tcp_rcv_consumed(struct tcp_conn *conn, uint32_t bytes)
{
	if (conn->is_ended || conn->is_fin_received)
		return;
	resize(conn, bytes);
	uint32_t mss = tcp_conn_mss(conn);
	struct tcp_seq edge = new_edge(conn);
	uint32_t growth = seq_distance(conn->rcv_edge, edge);
	bool is_nearly_closed = seq_distance(conn->rcv_nxt, conn->rcv_edge) < 2 * mss;
	uint32_t worth = is_nearly_closed ? 1 : MAX(conn->rightsize.buffer_bytes / 4, 2 * mss);
	if (growth < worth)
		return;
	conn->is_ack_due = true;
	tcp_conn_notify(conn, 0);
}
