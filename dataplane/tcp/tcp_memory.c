// SPDX-License-Identifier: Apache-2.0
// What the connections of a worker may hold together. Received bytes pin packets: at half of the
// budget no window grows any more, at three quarters windows stop opening, at all of it text is
// dropped, and the connection that pins most while its owner reads nothing is ended, or loses what
// it holds early when nothing waits for its owner. Those that hold next to nothing may go on a
// little longer. Bytes queued for sending are the owner's buffers: at three quarters of the budget
// every connection gets the least.
#include "tcp_priv.h"

#define RELIEVE_EVERY_US 10000u
#define RELIEVE_SLOTS    512u     // looked at each time
#define UNREAD_US        5000000u // an owner that slow is not waiting for its turn
#define WORST_MBUFS_MIN  8u

bool tcp_memory_is_low(const struct tcp *tcp)
{
	return tcp->held_mbufs >= tcp->held_mbufs_max / 2;
}

bool tcp_memory_is_send_low(const struct tcp *tcp)
{
	uint64_t budget_bytes = tcp->limits.send_memory_bytes;
	return budget_bytes && tcp->queued_bytes >= budget_bytes / 4 * 3;
}

// is_modest tells whether the connection holds next to nothing: it is not the one that pins memory.
static bool is_modest(const struct tcp_conn *conn)
{
	return conn->reass.queued_bytes < 2u * tcp_conn_mss(conn) && conn->reass.mbuf_count <= 8;
}

// prune drops what conn holds early: its peer keeps it until it is acknowledged (RFC 2018 8).
static void prune(struct tcp_conn *conn)
{
	uint32_t held = conn->reass.mbuf_count;
	tcp_reass_drop_early(&conn->reass);
	conn->tcp->held_mbufs -= held - conn->reass.mbuf_count;
	tcp_count(conn->tcp, COUNTER_tcp_early_pruned);
}

bool tcp_memory_may_hold(struct tcp_conn *conn, bool is_next)
{
	struct tcp *tcp = conn->tcp;
	uint32_t max = tcp->held_mbufs_max;
	if (tcp->held_mbufs < max)
		return true;
	// Owners that do not read must not stop those that do: a quarter is kept for the latter.
	if (is_next && is_modest(conn) && tcp->held_mbufs < max + max / 4)
		return true;
	if (is_next && conn->reass.early_count > 0) { // or the hole would never be filled
		prune(conn);
		return true;
	}
	tcp_memory_relieve(tcp);
	return false;
}

// window_max is the largest window that the field can say: without scaling less than the buffer.
static uint32_t window_max(const struct tcp_conn *conn)
{
	return MIN(conn->rightsize.buffer_bytes, 65535u << conn->agreed.receive_scale);
}

struct tcp_seq tcp_memory_edge(const struct tcp_conn *conn)
{
	const struct tcp *tcp = conn->tcp;
	uint32_t buffer_bytes = conn->rightsize.buffer_bytes;
	uint32_t room_bytes = buffer_bytes - MIN(conn->reass.queued_bytes, buffer_bytes);
	room_bytes = MIN(room_bytes, window_max(conn));
	bool is_short = tcp->held_mbufs >= tcp->held_mbufs_max / 4 * 3;
	if (is_short && !is_modest(conn))
		return conn->rcv_edge;
	if (is_short)
		room_bytes = MIN(room_bytes, 4u * tcp_conn_mss(conn));
	return seq_plus(conn->rcv_nxt, room_bytes);
}

// is_unread is true when packets wait for an owner that takes none, or for a hole to be filled.
static bool is_unread(const struct tcp_conn *conn)
{
	uint64_t read_us = MAX(conn->rightsize.began_us, conn->opened_us);
	return conn->reass.mbuf_count >= WORST_MBUFS_MIN && !conn->is_orphan &&
	       conn->tcp->now_us >= read_us + UNREAD_US;
}

// end_worst ends the connection that a whole round found, if it is still as bad.
static void end_worst(struct tcp *tcp)
{
	struct tcp_conn *worst = pool_get(&tcp->conns, tcp->worst);
	tcp->worst = (struct pool_id){0};
	if (!worst || worst->is_ended || !is_unread(worst))
		return;
	if (worst->reass.queued_bytes == 0) { // not its owner's fault
		prune(worst);
		return;
	}
	tcp_conn_reset(worst);
	tcp->held_mbufs -= worst->reass.mbuf_count;
	tcp_reass_clear(&worst->reass);
	tcp_conn_end(worst, COUNTER_tcp_receive_memory_evicted);
}

void tcp_memory_relieve(struct tcp *tcp)
{
	if (tcp->now_us < tcp->relieved_us + RELIEVE_EVERY_US)
		return;
	tcp->relieved_us = tcp->now_us;
	const struct tcp_conn *worst = pool_get(&tcp->conns, tcp->worst);
	for (uint32_t i = 0; i < RELIEVE_SLOTS && tcp->relieve_cursor < tcp->limits.conn_count;
	     i++) {
		const struct tcp_conn *conn = pool_at(&tcp->conns, tcp->relieve_cursor++);
		if (!conn || !is_unread(conn))
			continue;
		if (!worst || conn->reass.mbuf_count > worst->reass.mbuf_count)
			worst = conn;
	}
	if (worst)
		tcp->worst = pool_id_of(&tcp->conns, worst);
	if (tcp->relieve_cursor < tcp->limits.conn_count)
		return;
	tcp->relieve_cursor = 0;
	end_worst(tcp);
}
