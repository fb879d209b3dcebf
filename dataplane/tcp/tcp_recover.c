// SPDX-License-Identifier: Apache-2.0
// Loss recovery of a connection: RACK (RFC 8985) with SACK, NewReno (RFC 6582) without; what leaves
// meanwhile is in proportion to what arrives (RFC 6937, RFC 9937); and taking it all back when
// nothing had been lost: F-RTO (RFC 5682), Eifel (RFC 3522, RFC 4015), D-SACK (RFC 3708).
#include "tcp_priv.h"

// begin starts an episode that may turn out spurious.
static void begin(struct tcp_conn *conn, enum tcp_recovery recovery)
{
	conn->recovery = (uint8_t)recovery;
	conn->recover = conn->nxt;
	conn->undo_start = conn->una;
	conn->undo_count = 0;
	conn->has_again = false;
	conn->is_undoable = true;
	conn->is_rexmit_due = true;
	conn->has_tail = conn->is_tail_due = false;
	tcp_timer_clear(conn, TCP_TIMER_RTO);
}

// end_rate ends the pacing of RFC 6937: the window is what the loss left of it.
static void end_rate(struct tcp_conn *conn)
{
	if (conn->recovery == TCP_RECOVERY_FAST && conn->agreed.has_sack &&
	    !conn->cc.ops->wants_all_acks)
		conn->cc.cwnd_bytes = conn->cc.ssthresh_bytes;
}

// begin_fast enters fast recovery. RecoverFS of RFC 9937 6 is what this ACK and later ones may
// deliver: not what was SACKed before.
static void begin_fast(struct tcp_conn *conn, const struct tcp_news *news)
{
	uint32_t flight_bytes = seq_distance(conn->una, conn->nxt);
	uint32_t left_bytes = flight_bytes - conn->sent.sacked_bytes + news->sent.delivered_bytes;
	tcp_count(conn->tcp, COUNTER_tcp_recoveries);
	conn->cc.ops->lost(&conn->cc, flight_bytes, conn->tcp->now_us);
	conn->recover_bytes = MAX(left_bytes, conn->cc.mss);
	conn->delivered_bytes = conn->recovered_bytes = 0;
	begin(conn, TCP_RECOVERY_FAST);
}

// end leaves recovery when everything that was outstanding at its start arrived.
static void end(struct tcp_conn *conn)
{
	end_rate(conn);
	tcp_rack_recovered(&conn->rack);
	conn->recovery = TCP_RECOVERY_NONE;
	conn->frto = TCP_FRTO_OFF;
	conn->dup_acks = 0;
}

// -- what was not lost

// undo takes back what the newest loss did to the window, and the losses not yet sent again.
static void undo(struct tcp_conn *conn)
{
	tcp_count(conn->tcp, COUNTER_tcp_spurious_undone);
	if (conn->recovery != TCP_RECOVERY_RTO)
		tcp_rack_reordered(&conn->rack);
	conn->recovery = TCP_RECOVERY_NONE;
	conn->frto = TCP_FRTO_OFF;
	conn->is_undoable = conn->is_rexmit_due = false;
	conn->dup_acks = 0;
	conn->cc.ops->undo(&conn->cc);
	tcp_sent_unlose(&conn->sent);
}

// is_eifel is RFC 3522: what was sent again first is acknowledged, by the echo of a segment that
// had left before.
static bool is_eifel(const struct tcp_conn *conn, const struct tcp_news *news)
{
	return conn->recovery != TCP_RECOVERY_NONE && conn->is_undoable && conn->has_again &&
	       news->acked_bytes > 0 && news->sent.has_again && news->sent.has_echo &&
	       seq_before(conn->again_start, conn->una) &&
	       seq_before(seq_of(news->sent.echo_ms), seq_of(conn->again_ms));
}

// step_frto is the sender's part of RFC 5682 3.1: after the timeout's segment is acknowledged, new
// data tells whether the rest still arrives.
static void step_frto(struct tcp_conn *conn, const struct tcp_news *news)
{
	bool is_first = conn->frto == TCP_FRTO_SENT;
	struct tcp_seq right = seq_plus(conn->una, conn->window);
	bool may_send = tcp_snd_has_more(conn) && seq_before(conn->nxt, right);
	if (news->acked_bytes == 0)
		conn->frto = news->is_dup ? TCP_FRTO_OFF : conn->frto;
	else
		conn->frto = is_first && may_send && !news->sent.has_echo ? TCP_FRTO_FRESH
									  : TCP_FRTO_OFF;
}

// is_spurious_timeout is RFC 5682: something arrived that left before the timeout and was not sent
// again. An echo of a timestamp knows better.
static bool is_spurious_timeout(struct tcp_conn *conn, const struct tcp_news *news)
{
	const struct tcp_sent_news *sent = &news->sent;
	if (conn->recovery != TCP_RECOVERY_RTO || conn->frto == TCP_FRTO_OFF)
		return false;
	bool is_old = sent->has_once && seq_before(sent->once_start, conn->recover);
	if (!conn->agreed.has_sack && sent->has_again)
		is_old = false; // what was sent again filled a hole before it
	if (is_old && !(news->acked_bytes && sent->has_echo))
		return true;
	step_frto(conn, news);
	return false;
}

// take_duplicate counts a D-SACK block against what was sent again; true when all of it was
// received twice (RFC 3708).
static bool take_duplicate(struct tcp_conn *conn, const struct tcp_news *news)
{
	struct tcp_range episode = {conn->undo_start, conn->recover};
	if (!news->has_dsack || !conn->is_undoable || !conn->has_again ||
	    !seq_within(news->dsack.start, episode))
		return false;
	uint32_t bytes = seq_distance(news->dsack.start, news->dsack.end);
	uint32_t segments = (bytes + conn->cc.mss - 1) / conn->cc.mss;
	conn->undo_count -= MIN(conn->undo_count, segments);
	return conn->undo_count == 0;
}

// is_spurious tells whether this ACK shows that nothing had been lost.
static bool is_spurious(struct tcp_conn *conn, const struct tcp_news *news)
{
	bool is_duplicate = take_duplicate(conn, news);
	return is_spurious_timeout(conn, news) || is_duplicate || is_eifel(conn, news);
}

// -- what is lost

// detect runs RACK at this time; news is of the ACK, if that is why.
static uint32_t detect(struct tcp_conn *conn, const struct tcp_news *news)
{
	struct tcp *tcp = conn->tcp;
	bool is_eager = conn->recovery != TCP_RECOVERY_NONE || conn->dup_acks >= TCP_DUP_THRESH ||
			conn->sent.sacked_bytes >= TCP_DUP_THRESH * conn->cc.mss;
	uint32_t window_us = tcp_rack_window_us(&conn->rack, conn->rtt.srtt_us, is_eager);
	struct tcp_rack_losses losses =
		tcp_rack_detect(&conn->rack, &conn->sent, tcp->now_us, window_us);
	counter_add(tcp->counters, COUNTER_tcp_rack_losses, losses.count);
	counter_add(tcp->counters, COUNTER_tcp_lost_retransmits, losses.again_count);
	if (losses.due_us)
		tcp_timer_set(conn, TCP_TIMER_REORDER, losses.due_us);
	else
		tcp_timer_clear(conn, TCP_TIMER_REORDER);
	if (conn->sent.lost_bytes && conn->recovery == TCP_RECOVERY_NONE && !tcp_mtu_excuses(conn))
		begin_fast(conn, news);
	return losses.bytes;
}

// detect_reno is RFC 6582 3.2: three duplicates lose the first segment, a partial ACK the next.
static uint32_t detect_reno(struct tcp_conn *conn, const struct tcp_news *news)
{
	bool is_first = conn->recovery == TCP_RECOVERY_NONE && conn->dup_acks >= TCP_DUP_THRESH;
	bool is_partial = conn->recovery == TCP_RECOVERY_FAST && news->acked_bytes > 0;
	uint32_t before = conn->sent.lost_bytes;
	if (!is_first && !is_partial)
		return 0;
	tcp_sent_lose_first(&conn->sent);
	if (is_first && conn->sent.lost_bytes > before)
		begin_fast(conn, news);
	conn->is_rexmit_due |= is_partial;
	return conn->sent.lost_bytes - before;
}

// count_dup keeps the number of duplicate ACKs (RFC 5681 2), which inflate the window without SACK
// (RFC 6582 3.2 step 3).
static void count_dup(struct tcp_conn *conn, const struct tcp_news *news)
{
	if (news->acked_bytes == 0)
		conn->dup_acks += news->is_dup;
	else if (conn->recovery == TCP_RECOVERY_NONE)
		conn->dup_acks = 0;
	else
		conn->dup_acks -= MIN(conn->dup_acks, news->acked_bytes / conn->cc.mss);
}

// repair_tail is RFC 8985 7.4.2: a probe repaired a loss that nothing else showed, so the window
// shrinks as for any.
static void repair_tail(struct tcp_conn *conn)
{
	tcp_count(conn->tcp, COUNTER_tcp_tail_repairs);
	conn->is_undoable = false;
	conn->cc.ops->lost(&conn->cc, seq_distance(conn->una, conn->nxt), conn->tcp->now_us);
	conn->cc.cwnd_bytes = MIN(conn->cc.cwnd_bytes, conn->cc.ssthresh_bytes);
}

// is_our_doing is false for a duplicate that a tail loss probe made, or the path: there are more of
// them than segments that we sent again.
static bool is_our_doing(struct tcp_conn *conn, const struct tcp_news *news)
{
	bool is_tail = conn->has_tail && seq_equal(news->dsack.end, conn->tail_end);
	conn->duplicates++;
	return !is_tail && conn->duplicates <= conn->retransmits;
}

bool tcp_recover_input(struct tcp_conn *conn, struct tcp_news *news)
{
	bool was_fast = conn->recovery == TCP_RECOVERY_FAST;
	if (news->has_dsack && is_our_doing(conn, news))
		tcp_rack_dsack(&conn->rack, conn->una, conn->nxt);
	bool is_repaired = tcp_tail_acked(conn, news);
	count_dup(conn, news);
	if (is_spurious(conn, news)) {
		undo(conn);
		return true;
	}
	if (conn->recovery != TCP_RECOVERY_NONE && seq_at_or_before(conn->recover, conn->una))
		end(conn);
	if (is_repaired && conn->recovery == TCP_RECOVERY_NONE)
		repair_tail(conn);
	if (seq_before(conn->una, conn->nxt))
		news->lost_bytes =
			conn->agreed.has_sack ? detect(conn, news) : detect_reno(conn, news);
	return !was_fast && conn->recovery != TCP_RECOVERY_FAST;
}

void tcp_recover_rate(struct tcp_conn *conn, const struct tcp_news *news)
{
	if (conn->recovery != TCP_RECOVERY_FAST || !conn->agreed.has_sack ||
	    conn->cc.ops->wants_all_acks)
		return;
	uint32_t pipe = tcp_snd_in_flight(conn);
	uint32_t ssthresh = conn->cc.ssthresh_bytes;
	uint32_t arrived = news->sent.delivered_bytes;
	bool is_safe = news->acked_bytes > 0 && news->lost_bytes == 0;
	conn->delivered_bytes += arrived;
	int64_t ahead = (int64_t)conn->delivered_bytes - conn->recovered_bytes;
	int64_t may_send = 0;
	if (pipe > ssthresh) {
		uint64_t share = (uint64_t)conn->delivered_bytes * ssthresh;
		share = (share + conn->recover_bytes - 1) / conn->recover_bytes;
		may_send = (int64_t)share - conn->recovered_bytes;
	} else { // conservative reduction bound, slow start's when nothing more was lost
		may_send = MAX(ahead, (int64_t)arrived) + (is_safe ? conn->cc.mss : 0);
		may_send = MIN(may_send, (int64_t)ssthresh - pipe);
	}
	conn->cc.cwnd_bytes = pipe + (uint32_t)MAX(may_send, (int64_t)0);
}

void tcp_recover_reorder(struct tcp_conn *conn)
{
	struct tcp_news news = {0};
	news.lost_bytes = detect(conn, &news);
	if (news.lost_bytes == 0)
		return;
	conn->cc.late_lost_bytes += news.lost_bytes;
	tcp_recover_rate(conn, &news);
	tcp_conn_notify(conn, 0);
}

// lose_expired marks what a timeout says is lost (RFC 8985 6.3). What was SACKed is lost too when
// SND.UNA stopped at it, or the timeout comes again: the peer may drop it (RFC 2018 8).
static void lose_expired(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	const struct tcp_sent *first = tcp_sent_first(&conn->sent);
	bool is_reneged = first && first->state == TCP_SENT_SACKED;
	uint64_t due_us = tcp->now_us;
	if (is_reneged)
		tcp_count(tcp, COUNTER_tcp_reneged);
	if (is_reneged || conn->retries > 1)
		tcp_sent_renege(&conn->sent);
	else if (conn->agreed.has_sack && conn->rack.has_delivered)
		due_us -= MIN(due_us,
			      (uint64_t)conn->rack.rtt_us +
				      tcp_rack_window_us(&conn->rack, conn->rtt.srtt_us, true));
	tcp_sent_lose_due(&conn->sent, due_us);
}

void tcp_recover_expired(struct tcp_conn *conn)
{
	uint32_t in_flight_bytes = tcp_snd_in_flight(conn);
	bool is_first = conn->recovery != TCP_RECOVERY_RTO;
	bool is_clean = conn->recovery == TCP_RECOVERY_NONE || conn->frto != TCP_FRTO_OFF;
	lose_expired(conn);
	end_rate(conn);
	if (is_first)
		conn->cc.ops->expired(&conn->cc, in_flight_bytes, conn->tcp->now_us);
	else
		conn->cc.cwnd_bytes = conn->cc.mss;
	if (is_clean && !is_first) { // again and again: the episode began with the first
		conn->recover = conn->nxt;
		conn->is_rexmit_due = true;
		conn->frto = TCP_FRTO_SENT;
	} else {
		begin(conn, TCP_RECOVERY_RTO);
		conn->frto = is_clean ? TCP_FRTO_SENT : TCP_FRTO_OFF;
		conn->is_undoable = is_clean;
	}
	conn->dup_acks = 0;
	tcp_timer_clear(conn, TCP_TIMER_REORDER);
}

void tcp_recover_resend(struct tcp_conn *conn)
{
	if (tcp_sent_first(&conn->sent) == NULL)
		return;
	tcp_sent_lose_due(&conn->sent, conn->tcp->now_us);
	if (conn->recovery == TCP_RECOVERY_FAST)
		end_rate(conn);
	begin(conn, TCP_RECOVERY_RTO);
	conn->is_undoable = false;
	conn->frto = TCP_FRTO_OFF;
	tcp_conn_notify(conn, 0);
}
