// SPDX-License-Identifier: Apache-2.0
// A segment, or a run of them (tcp_burst.c), arrives: RFC 9293 3.10.7 in its order, one function a
// step, with RFC 7323's PAWS and RFC 5961's rules for RST, SYN and ACK where they belong. Steps
// that return false have counted why.
#include "tcp_priv.h"

#define TS_RECENT_LIFE_US (24 * 86400 * 1000000ull) // RFC 7323 5.5

void tcp_challenge(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	if (tcp_is_soon(tcp, &conn->challenged_us) ||
	    !tcp_budget_take(tcp, &tcp->challenge_budget)) {
		tcp_count(tcp, COUNTER_tcp_challenge_limited);
		return;
	}
	tcp_count(tcp, COUNTER_tcp_challenge_acks);
	tcp_output_ack(conn);
}

// refuse answers an unacceptable segment with an ACK: freely when it carried something, since its
// sender needs to know, else not too often, or two confused ends never fall silent. The worker's
// challenge budget has no part in it: the keepalives of many peers would use it up.
static void refuse(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (segment->flags & TCP_RST)
		return;
	if (tcp_segment_length(segment) == 0 && tcp_is_soon(conn->tcp, &conn->challenged_us))
		tcp_count(conn->tcp, COUNTER_tcp_challenge_limited);
	else if (conn->state == TCP_SYN_RECEIVED)
		tcp_output_ack(conn);
	else {
		conn->is_ack_due = true;
		tcp_conn_notify(conn, 0);
	}
}

#define PAWS_IDLE_US (24ull * 24 * 3600 * 1000000) // RFC 7323 5.5: by then clocks may have wrapped

// check_timestamp is PAWS (RFC 7323 5.3 R1): an old duplicate from before the numbers wrapped.
static bool check_timestamp(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (!conn->agreed.has_timestamps || segment->flags & TCP_RST)
		return true;
	if (!segment->has_timestamps) {
		if (segment->flags & TCP_SYN) // of a peer that forgot us: step 4 challenges it
			return true;
		tcp_count(conn->tcp, COUNTER_tcp_no_timestamp);
		return false;
	}
	bool is_outdated = conn->tcp->now_us - conn->heard_us > PAWS_IDLE_US;
	if (is_outdated || !seq_before(seq_of(segment->ts_value), seq_of(conn->agreed.ts_recent)))
		return true;
	if (conn->tcp->now_us > conn->heard_us + TS_RECENT_LIFE_US) // 5.5: it may have wrapped
		return true;
	tcp_count(conn->tcp, COUNTER_tcp_paws);
	refuse(conn, segment);
	return false;
}

static bool is_acceptable(const struct tcp_conn *conn, const struct tcp_segment *segment)
{
	uint32_t length = tcp_segment_length(segment);
	if (length ==
	    0) // the edge itself too: a peer that filled the window acknowledges from there
		return seq_at_or_before(conn->rcv_nxt, segment->seq) &&
		       seq_at_or_before(segment->seq, conn->rcv_edge);
	return seq_before(segment->seq, conn->rcv_edge) &&
	       seq_before(conn->rcv_nxt, tcp_segment_end(segment));
}

// may_go_on is what an unacceptable segment may still do: at a closed window its ACK, RST and
// window count (3.4), and of an old one a newer ACK does, or two ends that both go back to their
// last acknowledged byte would refuse each other's ACKs for ever.
static bool may_go_on(const struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (seq_equal(segment->seq, conn->rcv_nxt) && seq_equal(conn->rcv_nxt, conn->rcv_edge))
		return true;
	return seq_before(segment->seq, conn->rcv_nxt) && seq_before(conn->una, segment->ack) &&
	       (segment->flags & (TCP_ACK | TCP_RST | TCP_SYN)) == TCP_ACK;
}

// cut_syn makes the SYN-ACK of a simultaneous open (3.5) the ACK that it is: its SYN was taken
// already, when it came without ACK.
static void cut_syn(const struct tcp_conn *conn, struct tcp_segment *segment)
{
	if (conn->state != TCP_SYN_RECEIVED || !seq_equal(segment->seq, conn->irs) ||
	    (segment->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != (TCP_SYN | TCP_ACK))
		return;
	segment->flags &= (uint8_t)~TCP_SYN;
	segment->seq = conn->rcv_nxt;
}

// check_sequence is step 1; it also cuts what lies outside of the window.
static bool check_sequence(struct tcp_conn *conn, struct tcp_segment *segment)
{
	cut_syn(conn, segment);
	if (!is_acceptable(conn, segment)) {
		bool is_old = seq_before(segment->seq, conn->rcv_nxt);
		tcp_count(conn->tcp, is_old ? COUNTER_tcp_duplicates : COUNTER_tcp_out_of_window);
		if (is_old)
			tcp_reass_note_twice(
				&conn->reass, segment->seq,
				seq_earlier(seq_plus(segment->seq, segment->payload_bytes),
					    conn->rcv_nxt));
		refuse(conn, segment);
		segment->payload_bytes = 0;
		segment->flags &= (uint8_t)~TCP_FIN;
		return may_go_on(conn, segment);
	}
	if (seq_before(conn->rcv_edge, tcp_segment_end(segment))) {
		uint32_t room = seq_distance(segment->seq, conn->rcv_edge);
		segment->payload_bytes = MIN(segment->payload_bytes, room);
		segment->flags &= (uint8_t)~TCP_FIN;
	}
	return true;
}

// check_reset is step 2 with RFC 5961 3.2: only the exact next byte resets.
static bool check_reset(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (!(segment->flags & TCP_RST))
		return true;
	if (!seq_equal(segment->seq, conn->rcv_nxt)) {
		tcp_count(conn->tcp, COUNTER_tcp_bad_reset);
		tcp_challenge(conn);
		return false;
	}
	bool is_refusal = conn->state == TCP_SYN_RECEIVED && !conn->is_passive;
	bool is_over =
		conn->is_fin_received && conn->is_fin_queued && seq_equal(conn->una, conn->tail);
	enum counter reason = is_refusal ? COUNTER_tcp_refused : COUNTER_tcp_reset_by_peer;
	// only the ACK of our FIN is missing, and a peer that left TIME-WAIT cannot send it
	tcp_conn_end(conn, is_over ? COUNTER_tcp_closed : reason);
	return false;
}

// check_syn is step 4 with RFC 5961 4.2: never acted upon, only challenged.
static bool check_syn(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (!(segment->flags & TCP_SYN))
		return true;
	tcp_count(conn->tcp, COUNTER_tcp_unexpected_syn);
	tcp_challenge(conn);
	return false;
}

// check_ack is step 5. TS.Recent (RFC 7323 4.3) moves only once the ACK is believed, or a forged
// segment with a large timestamp would make PAWS drop the peer's own.
static bool check_ack(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp_seq una = conn->una;
	if (!tcp_ack_input(conn, segment))
		return false;
	if (!seq_equal(una, conn->una))
		conn->progress_us = conn->tcp->now_us;
	if (segment->has_timestamps && conn->agreed.has_timestamps &&
	    seq_at_or_before(segment->seq, conn->last_ack))
		conn->agreed.ts_recent = segment->ts_value;
	return true;
}

// input_synchronized is 3.10.7.4: steps 1, 2, 4, 5, 7, 8. Step 3 (security) and 6 (urgent) do not
// exist here.
static void input_synchronized(struct tcp_conn *conn, struct tcp_segment *segment,
			       struct rte_mbuf *mbuf)
{
	if (!check_timestamp(conn, segment) || !check_sequence(conn, segment) ||
	    !check_reset(conn, segment) || !check_syn(conn, segment) || !check_ack(conn, segment)) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	conn->heard_us = conn->tcp->now_us;
	conn->probes = 0;
	struct tcp *tcp = conn->tcp;
	struct pool_id id = pool_id_of(&tcp->conns, conn);
	tcp_ecn_received(conn, segment);
	if (segment->payload_bytes > 0) {
		tcp_reass_trim_back(mbuf, segment->payload_bytes);
		tcp_rcv_text(conn, segment, mbuf);
	} else {
		rte_pktmbuf_free(mbuf);
	}
	if (pool_get(&tcp->conns, id) == conn && !conn->is_ended)
		tcp_rcv_fin(conn, segment);
}

static void input_conn(struct tcp_conn *conn, struct tcp_segment *segment, struct rte_mbuf *mbuf)
{
	if (conn->state == TCP_SYN_SENT) {
		tcp_connect_input(conn, segment);
		rte_pktmbuf_free(mbuf);
		return;
	}
	input_synchronized(conn, segment, mbuf);
}

// input_stranger is 3.10.7.1 and .2: a segment of no connection. Returns the connection that a SYN
// cookie made of it, or NULL.
static struct tcp_conn *input_stranger(struct tcp *tcp, const struct tcp_tuple *tuple,
				       const struct tcp_segment *segment,
				       const struct tcp_seq *iss_min)
{
	unsigned kind = segment->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
	bool is_answer = (kind & ~TCP_FIN) == TCP_ACK && tcp_cookie_is_sent(tcp);
	struct tcp_listening *listening = NULL;
	if ((kind == TCP_SYN || is_answer) && !tcp->has_stopped_listening)
		listening = tcp_table_listener(tcp, &tuple->local, tuple->local_port);
	if (listening && is_answer)
		return tcp_cookie_open(tcp, listening, tuple, segment);
	if (listening) {
		tcp_listen_syn(tcp, listening, tuple, segment, iss_min);
		return NULL;
	}
	tcp_count(tcp, kind == TCP_SYN ? COUNTER_tcp_no_listener : COUNTER_tcp_no_connection);
	if (!(kind & TCP_RST))
		tcp_output_reset(tcp, tuple, segment);
	return NULL;
}

void tcp_input_segment(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_found found,
		       struct tcp_segment *segment, struct rte_mbuf *mbuf)
{
	struct tcp_conn *conn = NULL;
	struct tcp_seq iss_min;
	if (found.kind == TCP_KIND_CONN)
		conn = found.object;
	else if (found.kind == TCP_KIND_HALF)
		conn = tcp_half_input(found.object, segment);
	else if (found.kind == TCP_KIND_NONE)
		conn = input_stranger(tcp, tuple, segment, NULL);
	else if (tcp_time_wait_input(tcp, found.object, segment, &iss_min))
		conn = input_stranger(tcp, tuple, segment, &iss_min);
	if (conn)
		input_conn(conn, segment, mbuf);
	else
		rte_pktmbuf_free(mbuf);
}
