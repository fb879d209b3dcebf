// SPDX-License-Identifier: Apache-2.0
// Tail loss probes (RFC 8985 7): when the last segments of a flight stay unanswered for two round
// trips, one more segment asks for an ACK, so that RACK rather than the timeout repairs what is
// lost. One probe an episode.
#include "tcp_priv.h"

#define ACK_DELAY_US 200000u // TLP.max_ack_delay: a peer may sit on the ACK of a lone segment
#define SLACK_US     2000u   // the wheel's ticks

// may_probe is 7.2: nothing else watches over what is in flight.
static bool may_probe(const struct tcp_conn *conn)
{
	return conn->agreed.has_sack && conn->recovery == TCP_RECOVERY_NONE && !conn->has_tail &&
	       conn->sent.sacked_bytes == 0 && conn->sent.flying_bytes > 0;
}

// timeout_us is TLP_calc_PTO.
static uint64_t timeout_us(const struct tcp_conn *conn)
{
	if (conn->rtt.srtt_us == 0)
		return TCP_RTO_INITIAL_US;
	uint64_t timeout = 2ull * conn->rtt.srtt_us + SLACK_US;
	if (conn->sent.flying_bytes <= conn->cc.mss)
		timeout += ACK_DELAY_US;
	return timeout;
}

void tcp_tail_update(struct tcp_conn *conn)
{
	bool is_set = tcp_timer_is_set(conn, TCP_TIMER_TAIL);
	if (!may_probe(conn)) {
		tcp_timer_clear(conn, TCP_TIMER_TAIL);
		return;
	}
	if (is_set && !conn->is_tail_stale)
		return;
	uint64_t due_us = conn->tcp->now_us + timeout_us(conn);
	conn->is_tail_stale = false;
	tcp_timer_set(conn, TCP_TIMER_TAIL, MIN(due_us, conn->deadline_us[TCP_TIMER_RTO]));
}

void tcp_tail_expired(struct tcp_conn *conn)
{
	if (!may_probe(conn))
		return;
	conn->is_tail_due = true;
	tcp_timer_clear(conn, TCP_TIMER_RTO); // counts from the probe on
	tcp_conn_notify(conn, 0);
}

bool tcp_tail_pick(struct tcp_conn *conn, uint32_t segment_bytes, struct tcp_pick *pick)
{
	conn->is_tail_due = false;
	if (!may_probe(conn))
		return false;
	struct tcp_seq right = seq_plus(conn->una, conn->window);
	uint32_t queued =
		seq_before(conn->nxt, conn->tail) ? seq_distance(conn->nxt, conn->tail) : 0;
	uint32_t room = seq_before(conn->nxt, right) ? seq_distance(conn->nxt, right) : 0;
	uint32_t bytes = MIN(queued, segment_bytes);
	*pick = (struct tcp_pick){.seq = conn->nxt,
				  .bytes = bytes,
				  .segment_bytes = segment_bytes,
				  .is_tail = true,
				  .is_again = seq_before(conn->nxt, conn->max)};
	if (bytes > 0 && bytes <= room && tcp_sent_has_room(&conn->sent)) {
		pick->is_fin = conn->is_fin_queued && bytes == queued;
		return true;
	}
	pick->record = tcp_sent_tail(&conn->sent);
	pick->seq = pick->record->range.start;
	pick->is_again = true;
	tcp_snd_cut(conn, pick, segment_bytes);
	return true;
}

void tcp_tail_sent(struct tcp_conn *conn, const struct tcp_pick *pick)
{
	tcp_count(conn->tcp, COUNTER_tcp_tail_probes);
	conn->has_tail = true;
	conn->is_tail_again = pick->record != NULL;
	conn->tail_end = conn->nxt;
	tcp_timer_clear(conn, TCP_TIMER_RTO); // set anew by output
}

bool tcp_tail_acked(struct tcp_conn *conn, const struct tcp_news *news)
{
	if (!conn->has_tail || seq_before(conn->una, conn->tail_end))
		return false;
	bool is_twice = news->has_dsack && seq_equal(news->dsack.end, conn->tail_end);
	bool is_bare_dup = news->acked_bytes == 0 && news->is_bare;
	bool is_over = !conn->is_tail_again || is_twice || is_bare_dup;
	bool is_repaired = !is_over && seq_before(conn->tail_end, conn->una);
	conn->has_tail = !is_over && !is_repaired;
	return is_repaired;
}
