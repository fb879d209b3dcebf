// SPDX-License-Identifier: Apache-2.0
// Step 5 of RFC 9293 3.10.7.4, check the ACK field: what it acknowledges, SACK (RFC 2018, RFC
// 2883), round trip, window, and the states that wait for our FIN's ACK. tcp_recover.c finds the
// losses.
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
	if (window > 0) {
		if (tcp_timer_is_set(conn, TCP_TIMER_PERSIST)) // what it backed off was no loss
			conn->rtt.backoff = 0;
		tcp_timer_clear(conn, TCP_TIMER_PERSIST);
	}
	if (window == 0 && !conn->is_orphan) // it lives: wait as long as it likes (3.8.6.1)
		conn->retries = 0;
	return has_changed;
}

// sample takes a round trip once a flight (RFC 6298 3): our own clock for what was sent once, else
// the peer's echo, which Karn does not forbid (RFC 7323 4). After a timeout the first will do: it
// ends the back-off.
static void sample(struct tcp_conn *conn, const struct tcp_news *news)
{
	const struct tcp_sent_news *sent = &news->sent;
	bool is_due = seq_at_or_before(conn->timed_end, conn->una) || conn->rtt.backoff > 0;
	if (!is_due || !sent->delivered_bytes)
		return;
	if (sent->has_once && !sent->has_again) {
		tcp_rtt_sample(&conn->rtt, (uint32_t)(sent->now_us - sent->once_us));
	} else if (sent->has_echo && news->acked_bytes) {
		uint32_t sample_ms = (uint32_t)(sent->now_us / 1000) - sent->echo_ms;
		if (sample_ms >= TCP_RTO_MAX_US / 1000)
			return;
		tcp_rtt_sample(&conn->rtt, MAX(sample_ms, 1u) * 1000);
	}
	conn->timed_end = conn->nxt;
}

// confirm_hop tells net now and then that what we send arrives (RFC 4861 7.3.1).
static void confirm_hop(struct tcp_conn *conn)
{
	if (conn->tcp->now_us < conn->confirm_us)
		return;
	conn->confirm_us = conn->tcp->now_us + TCP_CONFIRM_US;
	net_confirm(conn->tcp->net, &conn->tuple.local, &conn->tuple.remote);
}

// advance takes a new cumulative acknowledgement.
static void advance(struct tcp_conn *conn, const struct tcp_segment *segment, struct tcp_news *news)
{
	news->acked_bytes = seq_distance(conn->una, segment->ack);
	conn->una = segment->ack;
	conn->nxt = seq_later(conn->nxt, conn->una);
	conn->retries = 0;
	conn->is_tail_stale = true;
	tcp_sent_acked(&conn->sent, conn->una, &news->sent);
	tcp_snd_acked(conn);
	tcp_mtu_acked(conn);
	confirm_hop(conn);
	tcp_timer_clear(conn, TCP_TIMER_RTO); // restarted by output (RFC 6298 5.3)
}

// offer_room tells an owner who had found no room that there is some: bytes were acknowledged, or
// the peer's window opened.
static void offer_room(struct tcp_conn *conn)
{
	if (tcp_send_room(conn->tcp, pool_id_of(&conn->tcp->conns, conn)) < BUF_BYTES)
		return;
	conn->is_room_low = false;
	tcp_conn_notify(conn, TCP_PENDING_WRITABLE);
}

// take_dsack notes what the first block says the peer received twice (RFC 2883 4): bytes below the
// cumulative acknowledgement, or within the second block.
static void take_dsack(struct tcp_conn *conn, const struct tcp_segment *segment,
		       struct tcp_news *news)
{
	struct tcp_range first = segment->sack[0];
	struct tcp_range second = segment->sack[1];
	struct tcp_seq oldest = seq_minus(conn->una, conn->window_max);
	if (!seq_before(first.start, first.end) || seq_before(first.start, oldest))
		return;
	bool is_below = seq_at_or_before(first.end, segment->ack);
	bool is_within = segment->sack_count > 1 && seq_at_or_before(second.start, first.start) &&
			 seq_at_or_before(first.end, second.end);
	if (!is_below && !is_within)
		return;
	tcp_count(conn->tcp, COUNTER_tcp_dsacks_in);
	news->has_dsack = true;
	news->dsack = first;
}

// take_sack takes the SACK blocks; what lies outside of what was sent is ignored.
static void take_sack(struct tcp_conn *conn, const struct tcp_segment *segment,
		      struct tcp_news *news)
{
	if (!conn->agreed.has_sack || segment->sack_count == 0)
		return;
	take_dsack(conn, segment, news);
	for (unsigned i = 0; i < segment->sack_count; i++) {
		struct tcp_range block = segment->sack[i];
		if (seq_before(block.start, block.end) && seq_before(conn->una, block.start) &&
		    seq_at_or_before(block.end, conn->nxt))
			tcp_sent_sacked(&conn->sent, block, &news->sent);
	}
	if (news->sent.is_walk_over)
		tcp_count(conn->tcp, COUNTER_tcp_sack_walk_limited);
}

// is_dup tells a duplicate ACK: with SACK one that reports something new (RFC 6675 2).
static bool is_dup(const struct tcp_conn *conn, const struct tcp_segment *segment,
		   const struct tcp_news *news, bool has_window_changed)
{
	if (news->acked_bytes || !seq_before(conn->una, conn->max))
		return false;
	if (conn->agreed.has_sack)
		return news->sent.delivered_bytes > 0;
	return tcp_segment_length(segment) == 0 && !has_window_changed;
}

// count_events counts what congestion control did since the last ACK.
static void count_events(struct tcp_conn *conn)
{
#define X(name, counter) COUNTER_tcp_##counter,
	static const enum counter counters[] = {TCP_CC_EVENTS(X)};
#undef X
	for (; conn->cc.events; conn->cc.events &= (uint16_t)(conn->cc.events - 1))
		tcp_count(conn->tcp, counters[rte_bsf32(conn->cc.events)]);
}

// inform tells congestion control what the ACK did.
static void inform(struct tcp_conn *conn, const struct tcp_news *news, bool may_grow)
{
	struct tcp_cc *cc = &conn->cc;
	struct tcp_cc_ack ack = {
		.now_us = conn->tcp->now_us,
		.acked_bytes = news->acked_bytes,
		.delivered_bytes = news->sent.delivered_bytes,
		.lost_bytes = news->lost_bytes + cc->late_lost_bytes,
		.in_flight_bytes = tcp_snd_in_flight(conn),
		.prior_in_flight_bytes = news->in_flight_bytes,
		.srtt_us = conn->rtt.srtt_us,
		.rtt_us = news->sent.has_rack ? conn->rack.rtt_us : 0,
		.is_limited = conn->is_used,
		.is_in_recovery = conn->recovery != TCP_RECOVERY_NONE,
	};
	conn->is_used &= seq_before(conn->una, conn->used_end);
	ack.is_round_start = tcp_rate_sample(&conn->rate, &news->sent, &ack.rate);
	cc->late_lost_bytes = 0;
	if (cc->ops->wants_all_acks || (may_grow && ack.acked_bytes))
		cc->ops->acked(cc, &ack);
	if (!cc->ops->wants_all_acks)
		tcp_cc_pace(cc, &ack);
	count_events(conn);
}

// take_ack is what an acceptable ACK does to the send side.
static void take_ack(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp_news news = {
		.sent.now_us = conn->tcp->now_us,
		.sent.min_rtt_us = conn->rack.min_rtt_us,
		.sent.has_echo = conn->agreed.has_timestamps && segment->ts_echo != 0,
		.sent.echo_ms = segment->ts_echo - conn->agreed.ts_offset,
		.in_flight_bytes = tcp_snd_in_flight(conn),
		.is_bare = segment->payload_bytes == 0 && segment->sack_count == 0,
	};
	bool has_window_changed = update_window(conn, segment);
	if (seq_before(conn->una, segment->ack))
		advance(conn, segment, &news);
	if (conn->is_room_low && (news.acked_bytes || has_window_changed))
		offer_room(conn);
	take_sack(conn, segment, &news);
	news.is_dup = is_dup(conn, segment, &news, has_window_changed);
	tcp_rack_delivered(&conn->rack, &news.sent);
	sample(conn, &news);
	inform(conn, &news, tcp_recover_input(conn, &news));
	tcp_recover_rate(conn, &news);
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
			tcp_timer_set(conn, TCP_TIMER_ORPHAN,
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
	tcp_ecn_acked(conn, segment);
	take_ack(conn, segment);
	tcp_conn_notify(conn, 0);
	return check_fin(conn);
}
