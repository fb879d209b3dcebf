// SPDX-License-Identifier: Apache-2.0
// Explicit congestion notification (RFC 3168): routers mark what they would have dropped, the
// receiver echoes the mark until it hears that the window was reduced. New data is ECT(0);
// retransmissions, window probes and bare ACKs are not (6.1.4 to 6.1.6).
#include "tcp_priv.h"

#define IP_ECT_0 2u
#define IP_CE    3u

uint8_t tcp_ecn_syn_flags(const struct tcp *tcp, uint32_t retries)
{
	bool is_asking = tcp->limits.ecn == TCP_ECN_ON && retries == 0;
	return is_asking ? TCP_ECE | TCP_CWR : 0;
}

uint8_t tcp_ecn_answer_flags(const struct tcp_agreed *agreed)
{
	return agreed->has_ecn ? TCP_ECE : 0;
}

bool tcp_ecn_agree(const struct tcp *tcp, uint8_t flags)
{
	unsigned answer = flags & (TCP_ECE | TCP_CWR);
	if (flags & TCP_ACK)
		return tcp->limits.ecn == TCP_ECN_ON && answer == TCP_ECE;
	return tcp->limits.ecn != TCP_ECN_OFF && answer == (TCP_ECE | TCP_CWR);
}

void tcp_ecn_received(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (!conn->agreed.has_ecn || segment->payload_bytes == 0)
		return;
	if (segment->flags & TCP_CWR)
		conn->is_echo_due = false;
	if (segment->ip_ecn != IP_CE)
		return;
	counter_add(conn->tcp->counters, COUNTER_tcp_ecn_marks_in, segment->piece_count);
	conn->is_ack_due |= !conn->is_echo_due; // the first mark is told at once
	conn->is_echo_due = true;
	tcp_conn_notify(conn, 0);
}

void tcp_ecn_acked(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	bool is_told = segment->flags & TCP_ECE && conn->agreed.has_ecn;
	if (!seq_before(segment->ack, conn->ecn_end))
		conn->is_reducing = false;
	if (!is_told || conn->is_reducing)
		return;
	conn->is_reducing = true;                           // once a round trip
	conn->ecn_end = seq_later(conn->nxt, segment->ack); // a window probe is beyond SND.NXT
	conn->is_reduction_due = true;
	if (conn->recovery != TCP_RECOVERY_NONE) // a loss has reduced it
		return;
	tcp_count(conn->tcp, COUNTER_tcp_ecn_reductions);
	conn->cc.ops->marked(&conn->cc, seq_distance(conn->una, conn->nxt), conn->tcp->now_us);
}

uint8_t tcp_ecn_stamp(struct tcp_conn *conn, const struct tcp_pick *pick,
		      struct tcp_segment *segment)
{
	bool is_fresh = pick->bytes > 0 && !pick->is_again && !pick->is_probe;
	if (!conn->agreed.has_ecn || !is_fresh)
		return 0;
	if (conn->is_reduction_due)
		segment->flags |= TCP_CWR;
	conn->is_reduction_due = false;
	return IP_ECT_0;
}
