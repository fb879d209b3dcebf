// SPDX-License-Identifier: Apache-2.0
// Step 5 of RFC 9293 3.10.7.4, check the ACK field: what it acknowledges, round trip, window, loss
// recovery (RFC 6675 at the rate of RFC 6937, RFC 6582 without SACK) and the states that wait for
// our FIN's ACK.
#include "tcp_priv.h"

// finish_handshake is the SYN-RECEIVED part.
static bool finish_handshake(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (!seq_before(conn->una, segment->ack) || seq_before(conn->max, segment->ack)) {
		tcp_count(conn->tcp, COUNTER_tcp_bad_ack);
		tcp_output_reset(conn->tcp, &conn->tuple, segment);
		return false;
	}
	conn->una = seq_plus(conn->iss, 1);
	conn->window = conn->window_max = (uint32_t)segment->window << conn->agreed.send_scale;
	conn->wl1 = segment->seq;
	conn->wl2 = segment->ack;
	tcp_conn_establish(conn, conn->is_passive ? TCP_PENDING_ACCEPTED : TCP_PENDING_OPENED);
	return true;
}

// check_range is RFC 5961 5.2.
static bool check_range(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp_seq oldest = seq_minus(conn->una, MAX(conn->window_max, 65535u));
	if (seq_at_or_before(segment->ack, conn->max) && seq_at_or_before(oldest, segment->ack))
		return true;
	tcp_count(conn->tcp, COUNTER_tcp_bad_ack);
	tcp_challenge(conn);
	return false;
}

// update_window returns true when the peer's window changed.
static bool update_window(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	bool is_newer =
		seq_before(conn->wl1, segment->seq) ||
		(seq_equal(conn->wl1, segment->seq) && seq_at_or_before(conn->wl2, segment->ack));
	uint32_t window = (uint32_t)segment->window << conn->agreed.send_scale;
	bool has_changed = is_newer && window != conn->window;
	if (!is_newer)
		return false;
	conn->window = window;
	conn->window_max = MAX(conn->window_max, window);
	conn->wl1 = segment->seq;
	conn->wl2 = segment->ack;
	if (window > 0)
		tcp_timer_clear(conn, TCP_TIMER_PERSIST);
	if (window == 0 && !conn->is_orphan) // it lives: wait as long as it likes (3.8.6.1)
		conn->retries = 0;
	return has_changed;
}

// sample takes a round trip: our own clock for a segment sent once, else the peer's echo, which
// Karn does not forbid (RFC 7323 4).
static void sample(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp *tcp = conn->tcp;
	if (conn->is_timing && seq_at_or_before(conn->timed_end, segment->ack)) {
		tcp_rtt_sample(&conn->rtt, (uint32_t)(tcp->now_us - conn->timed_us));
		conn->is_timing = false;
		return;
	}
	if (conn->is_timing || !conn->agreed.has_timestamps || segment->ts_echo == 0)
		return;
	uint32_t sample_ms = tcp_ts_now(tcp, conn->agreed.ts_offset) - segment->ts_echo;
	if (sample_ms < TCP_RTO_MAX_US / 1000)
		tcp_rtt_sample(&conn->rtt, MAX(sample_ms, 1u) * 1000);
}

// recover_step moves recovery on after acked_bytes were acknowledged; true when the window may
// grow.
static bool recover_step(struct tcp_conn *conn, uint32_t acked_bytes)
{
	uint32_t acked_segments = acked_bytes / conn->cc.mss;
	if (conn->recovery == TCP_RECOVERY_NONE) {
		conn->dup_acks = 0;
		return true;
	}
	if (seq_at_or_before(conn->recover, conn->una)) {
		bool was_rto = conn->recovery == TCP_RECOVERY_RTO;
		tcp_ack_end_rate(conn);
		conn->recovery = TCP_RECOVERY_NONE;
		conn->dup_acks = 0;
		return was_rto;
	}
	if (conn->recovery == TCP_RECOVERY_RTO)
		return true;
	conn->dup_acks -= MIN(conn->dup_acks, acked_segments);
	if (!conn->agreed.has_sack)
		conn->is_rexmit_due = true; // RFC 6582: partial ACK, the next hole
	return false;
}

// advance takes a new cumulative acknowledgement.
static void advance(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	uint32_t in_flight = tcp_snd_in_flight(conn);
	struct tcp_cc_ack ack = {
		.now_us = conn->tcp->now_us,
		.acked_bytes = seq_distance(conn->una, segment->ack),
		.is_limited = conn->cc.cwnd_bytes < conn->cc.ssthresh_bytes
				      ? in_flight >= conn->cc.cwnd_bytes / 2
				      : in_flight + 2 * conn->cc.mss >= conn->cc.cwnd_bytes,
	};
	sample(conn, segment);
	ack.srtt_us = conn->rtt.srtt_us;
	conn->una = segment->ack;
	conn->nxt = seq_later(conn->nxt, conn->una);
	conn->retransmitted = seq_later(conn->retransmitted, conn->una);
	conn->retries = 0;
	tcp_sack_acked(&conn->board, conn->una);
	tcp_snd_acked(conn);
	tcp_timer_clear(conn, TCP_TIMER_RTO); // restarted by output (RFC 6298 5.3)
	if (recover_step(conn, ack.acked_bytes))
		conn->cc.ops->acked(&conn->cc, &ack);
	bool has_room = tcp_send_room(conn->tcp, pool_id_of(&conn->tcp->conns, conn)) >= BUF_BYTES;
	if (conn->is_room_low && has_room) {
		conn->is_room_low = false;
		tcp_conn_notify(conn, TCP_PENDING_WRITABLE);
	}
}

static bool take_sack(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	bool is_news = false;
	if (!conn->agreed.has_sack)
		return false;
	struct tcp_range sent = {seq_later(conn->una, segment->ack), conn->max};
	for (unsigned i = 0; i < segment->sack_count; i++)
		is_news |= tcp_sack_add(&conn->board, sent, segment->sack[i]);
	return is_news;
}

// held_bytes is what the peer holds above the cumulative acknowledgement.
static uint32_t held_bytes(const struct tcp_conn *conn)
{
	return tcp_sack_held_bytes(&conn->board, (struct tcp_range){conn->una, conn->max});
}

// keep_rate is RFC 6937 3.1: while we recover, what leaves is in proportion to what arrived at the
// peer, so that a queue that just overflowed is not met with a burst. delivered_bytes is
// DeliveredData of this ACK; is_safe that it moved SND.UNA, so that nothing newly lost shows.
static void keep_rate(struct tcp_conn *conn, uint32_t delivered_bytes, bool is_safe)
{
	if (conn->recovery != TCP_RECOVERY_FAST || !conn->agreed.has_sack)
		return;
	uint32_t pipe = tcp_snd_in_flight(conn);
	uint32_t ssthresh = conn->cc.ssthresh_bytes;
	conn->delivered_bytes += delivered_bytes;
	int64_t ahead = (int64_t)conn->delivered_bytes - conn->recovered_bytes;
	int64_t may_send = 0;
	if (pipe > ssthresh) {
		uint64_t share = (uint64_t)conn->delivered_bytes * ssthresh;
		share = (share + conn->recover_bytes - 1) / conn->recover_bytes;
		may_send = (int64_t)share - conn->recovered_bytes;
	} else { // slow start reduction bound
		may_send = MAX(ahead, (int64_t)delivered_bytes) + (is_safe ? conn->cc.mss : 0);
		may_send = MIN(may_send, (int64_t)ssthresh - pipe);
	}
	conn->cc.cwnd_bytes = pipe + (uint32_t)MAX(may_send, (int64_t)0);
}

void tcp_ack_end_rate(struct tcp_conn *conn)
{
	if (conn->recovery == TCP_RECOVERY_FAST && conn->agreed.has_sack)
		conn->cc.cwnd_bytes = conn->cc.ssthresh_bytes;
}

// detect_loss enters fast recovery (RFC 6675 5 (4), RFC 6582 3.2 step 2).
static void detect_loss(struct tcp_conn *conn)
{
	if (conn->recovery != TCP_RECOVERY_NONE || !seq_before(conn->una, conn->nxt))
		return;
	bool is_lost = conn->dup_acks >= TCP_DUP_THRESH;
	if (conn->agreed.has_sack)
		is_lost |= tcp_sack_is_lost(&conn->board, conn->una, conn->cc.mss);
	if (!is_lost)
		return;
	tcp_count(conn->tcp, COUNTER_tcp_recoveries);
	conn->cc.ops->lost(&conn->cc, tcp_snd_in_flight(conn), conn->tcp->now_us);
	conn->recovery = TCP_RECOVERY_FAST;
	conn->recover_bytes = seq_distance(conn->una, conn->nxt);
	conn->delivered_bytes = conn->recovered_bytes = 0;
	conn->recover = conn->max;
	conn->retransmitted = conn->una;
	conn->is_rexmit_due = true;
	tcp_timer_clear(conn, TCP_TIMER_RTO);
}

// check_fin acts on the ACK of our FIN; false when conn ended.
static bool check_fin(struct tcp_conn *conn)
{
	if (!conn->is_fin_queued || !seq_equal(conn->una, seq_plus(conn->tail, 1)))
		return true;
	struct tcp *tcp = conn->tcp;
	switch (conn->state) {
	case TCP_FIN_WAIT_1:
		conn->state = TCP_FIN_WAIT_2;
		if (conn->is_orphan)
			tcp_timer_set(conn, TCP_TIMER_FIN_WAIT_2,
				      tcp->now_us + tcp->limits.fin_wait_2_ms * 1000ull);
		return true;
	case TCP_CLOSING: tcp_time_wait_enter(conn); return false;
	case TCP_LAST_ACK: tcp_conn_end(conn, COUNTER_tcp_closed); return false;
	default: return true;
	}
}

bool tcp_ack_input(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (!(segment->flags & TCP_ACK)) {
		tcp_count(conn->tcp, COUNTER_tcp_no_ack);
		return false;
	}
	if (conn->state == TCP_SYN_RECEIVED && !finish_handshake(conn, segment))
		return false;
	if (!check_range(conn, segment))
		return false;
	if (seq_before(segment->ack, conn->una))
		return true; // overtaken by a later ACK: only its text may be new
	uint32_t held_before = held_bytes(conn);
	uint32_t acked_bytes = seq_distance(conn->una, segment->ack);
	bool is_sack_news = take_sack(conn, segment);
	bool has_window_changed = update_window(conn, segment);
	if (seq_before(conn->una, segment->ack)) {
		advance(conn, segment);
	} else if (seq_before(conn->una, conn->max) && tcp_segment_length(segment) == 0) {
		bool is_dup = conn->agreed.has_sack ? is_sack_news : !has_window_changed;
		conn->dup_acks += is_dup; // RFC 5681 2
	}
	detect_loss(conn);
	keep_rate(conn, acked_bytes + held_bytes(conn) - held_before, acked_bytes > 0);
	tcp_conn_notify(conn, 0);
	return check_fin(conn);
}
