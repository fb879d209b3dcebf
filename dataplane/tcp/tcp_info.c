// SPDX-License-Identifier: Apache-2.0
// What an operator asks of a connection.
#include "tcp_priv.h"

#define X(name, text) [TCP_##name] = text,
static const char *const state_names[TCP_STATE_COUNT] = {TCP_STATES(X)};
#undef X

static void fill(const struct tcp_conn *conn, struct tcp_info *info)
{
	bool has_agreed = conn->agreed.send_mss > 0;
	*info = (struct tcp_info){
		.tuple = conn->tuple,
		.state = state_names[conn->state],
		.srtt_us = conn->rtt.srtt_us,
		.rto_us = tcp_rtt_timeout_us(&conn->rtt),
		.cwnd_bytes = conn->cc.cwnd_bytes,
		.ssthresh_bytes = conn->cc.ssthresh_bytes,
		.mss = has_agreed ? tcp_conn_mss(conn) : 0,
		.send_window = conn->window,
		.receive_window = seq_distance(conn->rcv_nxt, conn->rcv_edge),
		.queued_bytes =
			seq_before(conn->nxt, conn->tail) ? seq_distance(conn->nxt, conn->tail) : 0,
		.unacked_bytes = seq_distance(conn->una, conn->nxt),
		.bytes_sent = conn->bytes_sent,
		.bytes_received = conn->bytes_received,
		.retransmits = conn->retransmits,
		.opened_us = conn->opened_us,
	};
}

bool tcp_info_of(const struct tcp *tcp, struct pool_id id, struct tcp_info *info)
{
	const struct tcp_conn *conn = pool_get(&tcp->conns, id);
	if (conn && !conn->is_orphan)
		fill(conn, info);
	return conn && !conn->is_orphan;
}

bool tcp_info_at(const struct tcp *tcp, uint32_t index, struct tcp_info *info)
{
	const struct tcp_conn *conn = pool_at(&tcp->conns, index);
	if (conn)
		fill(conn, info);
	return conn != NULL;
}
