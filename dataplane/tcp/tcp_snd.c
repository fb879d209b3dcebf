// SPDX-License-Identifier: Apache-2.0
// The send queue and what may leave now: windows, recovery (RFC 6675 NextSeg), sender SWS avoidance
// (RFC 9293 3.8.6.2.1). No Nagle: the layers above write whole records.
#include "tcp_priv.h"

bool tcp_snd_queue(struct tcp_conn *conn, struct buf *buf, uint32_t offset, uint32_t bytes)
{
	struct tcp_slice *last = conn->send_last;
	if (last && last->buf == buf && last->offset + last->bytes == offset) {
		last->bytes += bytes;
		conn->tail = seq_plus(conn->tail, bytes);
		buf_unref(buf);
		return true;
	}
	struct tcp_slice *slice = pool_new(&conn->tcp->slices, NULL);
	if (!slice)
		return false;
	*slice = (struct tcp_slice){NULL, buf, offset, bytes, conn->tail};
	if (last)
		last->next = slice;
	else
		conn->send_first = slice;
	conn->send_last = slice;
	conn->tail = seq_plus(conn->tail, bytes);
	return true;
}

static void drop_first(struct tcp_conn *conn)
{
	struct tcp_slice *slice = conn->send_first;
	conn->send_first = slice->next;
	if (!conn->send_first)
		conn->send_last = NULL;
	if (conn->send_hint == slice)
		conn->send_hint = NULL;
	buf_unref(slice->buf);
	pool_free(&conn->tcp->slices, slice);
}

void tcp_snd_acked(struct tcp_conn *conn)
{
	while (conn->send_first) {
		struct tcp_slice *slice = conn->send_first;
		if (seq_before(conn->una, seq_plus(slice->seq, slice->bytes)))
			return;
		drop_first(conn);
	}
}

void tcp_snd_clear(struct tcp_conn *conn)
{
	while (conn->send_first)
		drop_first(conn);
}

struct tcp_slice *tcp_snd_find(struct tcp_conn *conn, struct tcp_seq seq)
{
	struct tcp_slice *slice = conn->send_hint;
	if (!slice || seq_before(seq, slice->seq))
		slice = conn->send_first;
	while (!seq_before(seq, seq_plus(slice->seq, slice->bytes)))
		slice = slice->next;
	conn->send_hint = slice;
	return slice;
}

uint32_t tcp_snd_in_flight(const struct tcp_conn *conn)
{
	struct tcp_range sent = {conn->una, conn->nxt};
	uint32_t sent_bytes = seq_distance(conn->una, conn->nxt);
	if (!conn->agreed.has_sack)
		return sent_bytes - MIN(sent_bytes, conn->dup_acks * conn->cc.mss);
	if (conn->recovery == TCP_RECOVERY_FAST)
		return tcp_sack_pipe_bytes(&conn->board, sent, conn->retransmitted, conn->cc.mss);
	return sent_bytes - tcp_sack_held_bytes(&conn->board, sent);
}

bool tcp_snd_has_more(const struct tcp_conn *conn)
{
	return seq_before(conn->nxt, seq_plus(conn->tail, conn->is_fin_queued));
}

// pick_again retransmits one segment at seq.
static void pick_again(const struct tcp_conn *conn, struct tcp_seq seq, const struct tcp_room *room,
		       struct tcp_pick *pick)
{
	uint32_t queued = seq_before(seq, conn->tail) ? seq_distance(seq, conn->tail) : 0;
	uint32_t sent = seq_distance(seq, conn->max);
	uint32_t bytes = MIN(MIN(room->segment_bytes, queued), sent);
	bytes = tcp_sack_room(&conn->board, seq, bytes);
	*pick = (struct tcp_pick){
		.seq = seq,
		.bytes = bytes,
		.is_fin = conn->is_fin_queued && bytes == queued,
		.is_again = true,
	};
}

// fit cuts want bytes at seq to congestion window and the peer's window; 0: not now.
static uint32_t fit(const struct tcp_conn *conn, struct tcp_seq seq, uint32_t want,
		    uint32_t segment_bytes)
{
	uint32_t in_flight = tcp_snd_in_flight(conn);
	uint32_t cwnd = MAX(conn->cc.cwnd_bytes, segment_bytes);
	uint32_t cwnd_room = cwnd > in_flight ? cwnd - in_flight : 0;
	if (cwnd_room < MIN(want, segment_bytes))
		return 0;
	struct tcp_seq right = seq_plus(conn->una, conn->window);
	uint32_t window_room = seq_before(seq, right) ? seq_distance(seq, right) : 0;
	bool is_silly =
		window_room < MIN(want, segment_bytes) && window_room < conn->window_max / 2;
	if (is_silly)
		return 0;
	return MIN(MIN(want, cwnd_room), window_room);
}

// pick_next takes what follows SND.NXT: new bytes, or after an RTO old ones the peer misses.
static bool pick_next(const struct tcp_conn *conn, const struct tcp_room *room,
		      struct tcp_pick *pick)
{
	struct tcp_seq seq = tcp_sack_skip(&conn->board, conn->nxt);
	if (!seq_before(seq, seq_plus(conn->tail, conn->is_fin_queued)))
		return false;
	uint32_t queued = seq_distance(seq, conn->tail);
	uint32_t bytes = MIN(queued, room->burst_bytes);
	bytes = tcp_sack_room(&conn->board, seq, bytes);
	if (bytes > 0)
		bytes = fit(conn, seq, bytes, room->segment_bytes);
	if (bytes == 0 && queued > 0)
		return false;
	if (bytes > room->segment_bytes && bytes < queued)
		bytes -= bytes % room->segment_bytes;
	*pick = (struct tcp_pick){
		.seq = seq,
		.bytes = bytes,
		.is_fin = conn->is_fin_queued && bytes == queued,
		.is_again = seq_before(seq, conn->max),
	};
	return true;
}

// pick_recovery is NextSeg (RFC 6675 4): lost holes, then new data, then holes not lost yet.
static bool pick_recovery(const struct tcp_conn *conn, const struct tcp_room *room,
			  struct tcp_pick *pick)
{
	if (conn->cc.cwnd_bytes < tcp_snd_in_flight(conn) + conn->cc.mss)
		return false;
	struct tcp_seq hole;
	struct tcp_seq from = seq_later(conn->retransmitted, conn->una);
	bool has_hole =
		tcp_sack_next_hole(&conn->board, from, &hole) && seq_before(hole, conn->nxt);
	bool is_lost = has_hole && tcp_sack_is_lost(&conn->board, hole, conn->cc.mss);
	if (!is_lost && pick_next(conn, room, pick))
		return true;
	if (has_hole)
		pick_again(conn, hole, room, pick);
	return has_hole;
}

bool tcp_snd_next(struct tcp_conn *conn, const struct tcp_room *room, struct tcp_pick *pick)
{
	if (conn->is_rexmit_due && seq_before(conn->una, conn->nxt)) {
		pick_again(conn, conn->una, room, pick);
		return true;
	}
	if (conn->recovery == TCP_RECOVERY_FAST && conn->agreed.has_sack)
		return pick_recovery(conn, room, pick);
	return pick_next(conn, room, pick);
}

void tcp_snd_sent(struct tcp_conn *conn, const struct tcp_pick *pick)
{
	struct tcp *tcp = conn->tcp;
	struct tcp_seq end = seq_plus(pick->seq, pick->bytes + pick->is_fin);
	uint32_t fresh =
		seq_before(conn->max, end) ? seq_distance(conn->max, end) - pick->is_fin : 0;
	conn->is_rexmit_due = false;
	conn->sent_us = tcp->now_us;
	if (conn->recovery == TCP_RECOVERY_FAST && pick->is_again)
		conn->retransmitted = seq_later(conn->retransmitted, end);
	if (conn->recovery == TCP_RECOVERY_FAST)
		conn->recovered_bytes += pick->bytes;
	if (!pick->is_probe)
		conn->nxt = seq_later(conn->nxt, end);
	conn->max = seq_later(conn->max, end);
	conn->bytes_sent += fresh;
	counter_add(tcp->counters, COUNTER_tcp_bytes_out, fresh);
	if (pick->is_again) {
		conn->is_timing = false;
		conn->retransmits++;
		tcp_count(tcp, COUNTER_tcp_retransmits);
	} else if (!conn->is_timing && !pick->is_probe) {
		conn->is_timing = true;
		conn->timed_end = end;
		conn->timed_us = tcp->now_us;
	}
}
