// SPDX-License-Identifier: Apache-2.0
// Pacing: data leaves at cc.pacing_bytes_per_s instead of in bursts of a window. What was sent is
// paid for by conn->paced_us, before which nothing more leaves; ACKs send when it has passed, and
// TCP_TIMER_OUTPUT when none comes. The wheel turns once a millisecond, so a burst is a
// millisecond's worth, and a timer that fires late finds up to two of them due.
#include "tcp_priv.h"

#define CREDIT_US (2 * WHEEL_TICK_US)

// is_paced is false for the initial window: it may leave at once, or small answers would wait.
static bool is_paced(const struct tcp_conn *conn)
{
	return conn->cc.pacing_bytes_per_s && conn->bytes_sent >= tcp_cc_initial_bytes(&conn->cc);
}

void tcp_pace_cut(const struct tcp_conn *conn, struct tcp_room *room)
{
	if (!is_paced(conn))
		return;
	uint64_t tick_bytes = conn->cc.pacing_bytes_per_s * WHEEL_TICK_US / 1000000;
	uint64_t segments = MAX(tick_bytes / room->segment_bytes, (uint64_t)1);
	uint64_t burst_bytes = segments * room->segment_bytes;
	room->burst_bytes = (uint32_t)MIN((uint64_t)room->burst_bytes, burst_bytes);
}

// early_us is how long before its time a segment may leave: the second of a pair goes with the
// first, since the peer acknowledges pairs.
static uint64_t early_us(const struct tcp_conn *conn)
{
	return conn->cc.mss * 1000000ull / conn->cc.pacing_bytes_per_s;
}

bool tcp_pace_is_due(struct tcp_conn *conn)
{
	uint64_t now_us = conn->tcp->now_us;
	if (conn->paced_us <= now_us || !is_paced(conn) ||
	    conn->paced_us <= now_us + early_us(conn))
		return true;
	if (tcp_snd_has_more(conn) || tcp_sent_first_lost(&conn->sent)) {
		tcp_count(conn->tcp, COUNTER_tcp_paced);
		tcp_timer_set(conn, TCP_TIMER_OUTPUT, conn->paced_us);
	}
	return false;
}

void tcp_pace_sent(struct tcp_conn *conn, uint32_t bytes)
{
	if (!is_paced(conn))
		return;
	uint64_t now_us = conn->tcp->now_us;
	uint64_t from_us = MAX(conn->paced_us, now_us - MIN(now_us, (uint64_t)CREDIT_US));
	conn->paced_us = from_us + bytes * 1000000ull / conn->cc.pacing_bytes_per_s;
}
