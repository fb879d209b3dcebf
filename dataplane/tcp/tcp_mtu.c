// SPDX-License-Identifier: Apache-2.0
// The path's MTU: what ICMP tells (RFC 1191, RFC 8201), a small cache of it by destination, and
// finding it without ICMP (RFC 4821, RFC 8899): long segments that time out again and again while
// the handshake passed mean a black hole, so fall to a base that passes nearly everywhere, then
// search upwards with segments of real data, one at a time, whose loss is no sign of congestion.
//
//           handshake, cache                      two timeouts in a row of long segments
//   (full) ------------------> send_mss = limit ------------------------------> base
//              "too big": lower, high = what it said                              |
//              10 min: high = limit again          <--- search between send_mss and high
#include "tcp_priv.h"

#define MTU_FLOOR4     552u
#define MTU_FLOOR6     1280u
#define BASE_MSS4      1024u // RFC 4821 7.2
#define BASE_MSS6      1220u // what every IPv6 link carries
#define LAST_MSS4      512u
#define RAISE_US       600000000u // RFC 1191 6.3, RFC 8899 5.1.1: PMTU_RAISE_TIMER
#define SEARCH_GAP_US  100000u    // between two probes
#define STEP_BYTES     16u        // a search ends when less can be gained
#define TRIES          2u         // of one size: the first loss may have been chance
#define BLACK_HOLE     2u         // timeouts in a row
#define BLACK_HOLE_LOW 4u
#define SEGMENTS_AFTER 3u // behind a probe, so that its loss shows (RFC 4821 7.4)

static uint32_t headers_bytes(const struct tcp_conn *conn)
{
	return addr_is_v4(&conn->tuple.remote) ? 40 : 60;
}

// -- the cache: two places for a destination, the one that ends first makes room

static struct tcp_mtu_known *places_of(struct tcp *tcp, const struct addr *remote)
{
	uint64_t hash = siphash(&tcp->mtu_key, remote, sizeof(*remote));
	return &tcp->mtus[hash % (TCP_MTU_CACHE / 2) * 2];
}

static struct tcp_mtu_known *find(struct tcp *tcp, const struct addr *remote)
{
	struct tcp_mtu_known *places = places_of(tcp, remote);
	for (unsigned i = 0; i < 2; i++)
		if (places[i].end_us > tcp->now_us && addr_equal(&places[i].remote, remote))
			return &places[i];
	return NULL;
}

static void remember(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	const struct addr *remote = &conn->tuple.remote;
	struct tcp_mtu_known *place = find(tcp, remote);
	struct tcp_mtu_known *places = places_of(tcp, remote);
	if (!place)
		place = places[0].end_us <= places[1].end_us ? &places[0] : &places[1];
	*place = (struct tcp_mtu_known){
		.remote = *remote,
		.mtu = (uint16_t)(conn->agreed.send_mss + headers_bytes(conn)),
		.end_us = tcp->now_us + RAISE_US,
	};
}

// -- sizes

static void set_mss(struct tcp_conn *conn, uint32_t mss)
{
	conn->agreed.send_mss = (uint16_t)mss;
	conn->cc.mss = tcp_conn_mss(conn);
}

void tcp_mtu_start(struct tcp_conn *conn)
{
	struct tcp_mtu *mtu = &conn->mtu;
	const struct tcp_mtu_known *known = find(conn->tcp, &conn->tuple.remote);
	mtu->limit = mtu->high = conn->agreed.send_mss;
	mtu->due_us = conn->tcp->now_us;
	if (!known || known->mtu - headers_bytes(conn) >= mtu->limit)
		return;
	tcp_count(conn->tcp, COUNTER_tcp_mtu_cached);
	conn->agreed.send_mss = (uint16_t)(known->mtu - headers_bytes(conn));
	mtu->high = conn->agreed.send_mss;
	mtu->due_us = known->end_us;
}

bool tcp_mtu_told(struct tcp_conn *conn, uint32_t told)
{
	struct tcp_mtu *mtu = &conn->mtu;
	bool is_v4 = addr_is_v4(&conn->tuple.remote);
	if (!is_v4 && told < MTU_FLOOR6) // RFC 8201 4: no IPv6 link is so small
		return false;
	uint32_t mss = MAX(told, MTU_FLOOR4) - headers_bytes(conn);
	if (mtu->probe_mss > mss && mss >= conn->agreed.send_mss) { // it was about the probe
		mtu->high = (uint16_t)mss; // and is what to try next (RFC 8899 4.6.2)
		mtu->is_top_tried = false;
		mtu->tries = 0;
		return true;
	}
	if (mss >= conn->agreed.send_mss)
		return false;
	tcp_count(conn->tcp, COUNTER_tcp_mtu_reduced);
	set_mss(conn, mss);
	mtu->high = (uint16_t)mss;
	mtu->probe_mss = 0;
	mtu->due_us = conn->tcp->now_us + RAISE_US;
	remember(conn);
	tcp_recover_resend(conn);
	return true;
}

// -- black holes

void tcp_mtu_expired(struct tcp_conn *conn)
{
	struct tcp_mtu *mtu = &conn->mtu;
	const struct tcp_sent *first = tcp_sent_first(&conn->sent);
	bool is_v4 = addr_is_v4(&conn->tuple.remote);
	uint32_t base = is_v4 ? BASE_MSS4 : BASE_MSS6;
	mtu->probe_mss = 0;
	if (is_v4 && conn->retries >= BLACK_HOLE_LOW)
		base = LAST_MSS4;
	uint32_t options_bytes = conn->agreed.send_mss - tcp_conn_mss(conn);
	uint32_t bytes = first ? MIN(seq_distance(first->range.start, first->range.end),
				     (uint32_t)first->segment_bytes)
			       : 0;
	bool is_small = bytes + options_bytes <= base; // and would pass where the base does
	if (conn->retries < BLACK_HOLE || is_small || conn->agreed.send_mss <= base)
		return;
	tcp_count(conn->tcp, COUNTER_tcp_mtu_black_holes);
	if (!mtu->is_fallen) // falling again: what passed before is still the aim
		mtu->high = conn->agreed.send_mss;
	mtu->is_top_tried = false;
	mtu->tries = 1; // this size is tried once more: the path may have been down altogether
	mtu->is_fallen = true;
	mtu->due_us = conn->tcp->now_us + SEARCH_GAP_US;
	set_mss(conn, base);
}

// -- the search

// next_mss is the size to try next: the top of what may pass first, then the middle.
static uint32_t next_mss(const struct tcp_conn *conn)
{
	const struct tcp_mtu *mtu = &conn->mtu;
	uint32_t low = conn->agreed.send_mss;
	if (mtu->high < low + STEP_BYTES)
		return 0;
	return mtu->is_top_tried ? (low + mtu->high + 1) / 2 : mtu->high;
}

// has_enough tells whether the data behind a probe shows its loss, and the windows allow all.
static bool has_enough(const struct tcp_conn *conn, uint32_t probe_bytes)
{
	uint32_t mss = tcp_conn_mss(conn);
	uint32_t want = probe_bytes + SEGMENTS_AFTER * mss;
	uint32_t queued = seq_distance(conn->nxt, conn->tail);
	uint32_t in_flight = tcp_snd_in_flight(conn);
	struct tcp_seq right = seq_plus(conn->una, conn->window);
	return queued >= want && conn->cc.cwnd_bytes >= in_flight + probe_bytes &&
	       conn->cc.cwnd_bytes >= want && seq_before(conn->nxt, right) &&
	       seq_distance(conn->nxt, right) >= want;
}

uint32_t tcp_mtu_probe_bytes(struct tcp_conn *conn)
{
	struct tcp_mtu *mtu = &conn->mtu;
	if (conn->tcp->now_us < mtu->due_us || mtu->probe_mss ||
	    conn->agreed.send_mss >= mtu->limit)
		return 0;
	if (mtu->high < conn->agreed.send_mss + STEP_BYTES) { // the raise timer is over
		mtu->high = mtu->limit;
		mtu->is_top_tried = false;
		mtu->tries = 0;
	}
	bool is_calm = conn->recovery == TCP_RECOVERY_NONE && conn->agreed.has_sack &&
		       !conn->sent.lost_bytes && !conn->is_tail_due &&
		       seq_equal(conn->nxt, conn->max);
	uint32_t mss = next_mss(conn);
	uint32_t options_bytes = conn->agreed.send_mss - tcp_conn_mss(conn);
	if (mss == 0 || !is_calm || !has_enough(conn, mss - options_bytes))
		return 0;
	return mss - options_bytes;
}

void tcp_mtu_probed(struct tcp_conn *conn, const struct tcp_pick *pick)
{
	struct tcp_mtu *mtu = &conn->mtu;
	uint32_t options_bytes = conn->agreed.send_mss - tcp_conn_mss(conn);
	if (pick->bytes <= tcp_conn_mss(conn))
		return;
	tcp_count(conn->tcp, COUNTER_tcp_mtu_probes);
	mtu->probe_mss = (uint16_t)(pick->bytes + options_bytes);
	mtu->probe = (struct tcp_range){pick->seq, seq_plus(pick->seq, pick->bytes)};
}

// rest ends a search, or waits for the next step of it.
static void rest(struct tcp_conn *conn)
{
	struct tcp_mtu *mtu = &conn->mtu;
	bool is_over = next_mss(conn) == 0;
	mtu->due_us = conn->tcp->now_us + (is_over ? RAISE_US : SEARCH_GAP_US);
	if (is_over)
		mtu->high = conn->agreed.send_mss;
}

void tcp_mtu_acked(struct tcp_conn *conn)
{
	struct tcp_mtu *mtu = &conn->mtu;
	mtu->is_excused &= conn->sent.lost_bytes > 0;
	if (mtu->is_fallen) { // the base passes
		mtu->is_fallen = false;
		remember(conn);
	}
	if (!mtu->probe_mss || seq_before(conn->una, mtu->probe.end))
		return;
	tcp_count(conn->tcp, COUNTER_tcp_mtu_raised);
	set_mss(conn, mtu->probe_mss);
	mtu->probe_mss = mtu->tries = 0;
	rest(conn);
	remember(conn);
}

bool tcp_mtu_excuses(struct tcp_conn *conn)
{
	struct tcp_mtu *mtu = &conn->mtu;
	const struct tcp_sent *lost = tcp_sent_first_lost(&conn->sent);
	if (!lost || !seq_within(lost->range.start, mtu->probe))
		return false;
	bool is_alone = conn->sent.lost_bytes <= seq_distance(mtu->probe.start, mtu->probe.end);
	if (!mtu->probe_mss)
		return mtu->is_excused && is_alone;
	tcp_count(conn->tcp, COUNTER_tcp_mtu_probes_lost);
	bool is_told = mtu->high < mtu->probe_mss; // by ICMP, why it was lost
	if (!is_told && ++mtu->tries >= TRIES) {
		mtu->high = mtu->probe_mss - 1;
		mtu->is_top_tried = true;
		mtu->tries = 0;
	}
	mtu->probe_mss = 0;
	mtu->is_excused = is_alone;
	rest(conn);
	return is_alone;
}
