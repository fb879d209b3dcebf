// SPDX-License-Identifier: Apache-2.0
// The send queue and what may leave now: what is lost, then new data, within the windows and with
// sender SWS avoidance (RFC 9293 3.8.6.2.1). No Nagle: the layers above write whole records.
#include "tcp_priv.h"

bool tcp_snd_queue(struct tcp_conn *conn, struct buf *buf, uint32_t offset, uint32_t bytes)
{
	struct tcp_slice *last = conn->send_last;
	if (last && last->buf == buf && last->offset + last->bytes == offset) {
		last->bytes += bytes;
		conn->tcp->queued_bytes += bytes;
		conn->tail = seq_plus(conn->tail, bytes);
		buf_unref(buf);
		return true;
	}
	struct tcp_slice *slice = pool_new(&conn->tcp->slices, NULL);
	if (!slice)
		return false;
	*slice = (struct tcp_slice){NULL, buf, offset, bytes, conn->tail};
	conn->tcp->queued_bytes += bytes;
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
	conn->tcp->queued_bytes -= slice->bytes;
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
	uint32_t flying_bytes = conn->sent.flying_bytes;
	if (conn->agreed.has_sack)
		return flying_bytes;
	return flying_bytes - MIN(flying_bytes, conn->dup_acks * conn->cc.mss);
}

bool tcp_snd_has_more(const struct tcp_conn *conn)
{
	return seq_before(conn->nxt, seq_plus(conn->tail, conn->is_fin_queued));
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
	uint32_t bytes = MIN(MIN(want, cwnd_room), window_room);
	if (bytes > segment_bytes && bytes < want)
		bytes -= bytes % segment_bytes;
	return bytes;
}

void tcp_snd_cut(const struct tcp_conn *conn, struct tcp_pick *pick, uint32_t max_bytes)
{
	uint32_t length = seq_distance(pick->seq, pick->record->range.end);
	uint32_t queued =
		seq_before(pick->seq, conn->tail) ? seq_distance(pick->seq, conn->tail) : 0;
	pick->bytes = MIN(MIN(queued, length), max_bytes);
	pick->is_fin = pick->bytes == queued && pick->bytes < length;
}

// pick_lost takes what was found lost first; is_due: one segment of it whatever the windows.
static bool pick_lost(const struct tcp_conn *conn, const struct tcp_room *room, bool is_due,
		      struct tcp_pick *pick)
{
	struct tcp_sent *record = tcp_sent_first_lost(&conn->sent);
	if (!record)
		return false;
	*pick = (struct tcp_pick){
		.seq = record->range.start,
		.record = record,
		.segment_bytes = room->segment_bytes,
		.is_again = true,
	};
	tcp_snd_cut(conn, pick, is_due ? room->segment_bytes : room->burst_bytes);
	if (is_due || pick->bytes == 0)
		return true;
	uint32_t bytes = fit(conn, pick->seq, pick->bytes, room->segment_bytes);
	tcp_snd_cut(conn, pick, bytes);
	return bytes > 0;
}

// pick_next takes what follows SND.NXT, when there is a record to remember it by.
static bool pick_next(struct tcp_conn *conn, const struct tcp_room *room, struct tcp_pick *pick)
{
	struct tcp_seq seq = conn->nxt;
	if (!tcp_snd_has_more(conn)) {
		if (tcp_snd_in_flight(conn) < conn->cc.cwnd_bytes)
			tcp_rate_limit(&conn->rate, conn->sent.flying_bytes);
		return false;
	}
	uint32_t queued = seq_distance(seq, conn->tail);
	uint32_t bytes = MIN(queued, room->burst_bytes);
	if (bytes > 0)
		bytes = fit(conn, seq, bytes, room->segment_bytes);
	if (bytes == 0 && queued > 0)
		return false;
	if (!tcp_sent_has_room(&conn->sent)) {
		tcp_count(conn->tcp, COUNTER_tcp_sent_records_full);
		tcp_timer_set(conn, TCP_TIMER_OUTPUT, conn->tcp->now_us + WHEEL_TICK_US);
		return false;
	}
	*pick = (struct tcp_pick){
		.seq = seq,
		.bytes = bytes,
		.segment_bytes = room->segment_bytes,
		.is_fin = conn->is_fin_queued && bytes == queued,
		.is_again = seq_before(seq, conn->max), // a probe went there
	};
	return true;
}

bool tcp_snd_next(struct tcp_conn *conn, const struct tcp_room *room, struct tcp_pick *pick)
{
	if (conn->is_rexmit_due && pick_lost(conn, room, true, pick))
		return true;
	conn->is_rexmit_due = false;
	if (conn->is_tail_due && tcp_tail_pick(conn, room->segment_bytes, pick))
		return true;
	if (conn->frto != TCP_FRTO_FRESH && tcp_sent_first_lost(&conn->sent))
		return pick_lost(conn, room, false, pick);
	return pick_next(conn, room, pick);
}

// note_again counts what is sent again in an episode, so that it can turn out to have been in vain.
static void note_again(struct tcp_conn *conn, const struct tcp_pick *pick)
{
	uint32_t segments = MAX((pick->bytes + conn->cc.mss - 1) / conn->cc.mss, 1u);
	conn->retransmits += segments;
	counter_add(conn->tcp->counters, COUNTER_tcp_retransmits, segments);
	if (conn->recovery == TCP_RECOVERY_NONE)
		return;
	if (!conn->has_again) {
		conn->again_ms = (uint32_t)(conn->tcp->now_us / 1000);
		conn->again_start = pick->seq;
	}
	conn->has_again = true;
	conn->undo_count += segments;
}

// note_record makes a record of what left.
static void note_record(struct tcp_conn *conn, const struct tcp_pick *pick)
{
	uint32_t length = pick->bytes + pick->is_fin;
	struct tcp_sent fresh = {
		.range = {pick->seq, seq_plus(pick->seq, length)},
		.segment_bytes = (uint16_t)pick->segment_bytes,
		.is_again = pick->is_again,
	};
	bool is_exact;
	tcp_rate_stamp(&conn->rate, &fresh, conn->tcp->now_us, conn->sent.flying_bytes);
	if (pick->record)
		is_exact = tcp_sent_again(&conn->sent, pick->record, length, &fresh);
	else
		is_exact = tcp_sent_add(&conn->sent, &fresh);
	if (!is_exact)
		tcp_count(conn->tcp, COUNTER_tcp_sent_records_merged);
}

// note_used remembers that what is in flight fills the window, or half of one that doubles: what is
// acknowledged up to here makes it grow (RFC 7661 4.3, RFC 9438 5.8).
static void note_used(struct tcp_conn *conn)
{
	const struct tcp_cc *cc = &conn->cc;
	uint32_t in_flight = tcp_snd_in_flight(conn);
	bool is_slow_start = cc->cwnd_bytes < cc->ssthresh_bytes;
	if (in_flight < cc->cwnd_bytes / 2)
		return;
	if (!is_slow_start && in_flight + 2 * cc->mss < cc->cwnd_bytes)
		return;
	conn->is_used = true;
	conn->used_end = conn->nxt;
}

void tcp_snd_sent(struct tcp_conn *conn, const struct tcp_pick *pick)
{
	struct tcp *tcp = conn->tcp;
	struct tcp_seq end = seq_plus(pick->seq, pick->bytes + pick->is_fin);
	uint32_t fresh =
		seq_before(conn->max, end) ? seq_distance(conn->max, end) - pick->is_fin : 0;
	conn->sent_us = tcp->now_us;
	if (conn->recovery == TCP_RECOVERY_FAST)
		conn->recovered_bytes += pick->bytes;
	if (!pick->is_probe) {
		note_record(conn, pick);
		conn->nxt = seq_later(conn->nxt, end);
		conn->is_tail_stale |= !pick->record;
		note_used(conn);
	}
	conn->max = seq_later(conn->max, end);
	conn->bytes_sent += fresh;
	counter_add(tcp->counters, COUNTER_tcp_bytes_out, fresh);
	if (pick->record) {
		conn->is_rexmit_due = false;
		if (seq_equal(pick->seq, conn->una)) // its answer takes a round trip from now on
			tcp_timer_clear(conn, TCP_TIMER_RTO);
	}
	if (pick->is_again)
		note_again(conn, pick);
	if (pick->is_tail)
		tcp_tail_sent(conn, pick);
}
