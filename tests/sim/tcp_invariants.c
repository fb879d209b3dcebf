// SPDX-License-Identifier: Apache-2.0
// What must hold of a tcp between any two events; see tcp_invariants.h. One rule a line, each in
// words; the only file outside of dataplane/tcp that looks inside of it.
#include "tcp_invariants.h"

#include "tcp_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PACE_SEGMENTS 5u  // see check_pace
#define TABLE_EVERY   16u // looks between two that walk the hash table and what is not a connection

// What one connection had reached when we last looked.
struct reached {
	uint32_t generation;
	bool is_known;
	struct tcp_seq una, max, tail, rcv_nxt, rcv_edge;
	uint64_t paced_us, pacing_bytes_per_s, bytes_sent;
};

// What the connections hold together.
struct sums {
	uint32_t conns, in_table, ready, slices, records, held_mbufs;
};

struct tcp_invariants {
	const struct tcp *tcp;
	struct reached *reached; // by index
	uint32_t looks;
	char text[320];
};

// RULE returns the sentence when it does not hold.
#define RULE(condition, sentence)                                                                  \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return sentence;                                                           \
	} while (0)

struct tcp_invariants *tcp_invariants_new(const struct tcp *tcp)
{
	struct tcp_invariants *invariants = calloc(1, sizeof(*invariants));
	CHECK(invariants);
	invariants->tcp = tcp;
	invariants->reached = calloc(tcp->limits.conn_count, sizeof(*invariants->reached));
	CHECK(invariants->reached);
	return invariants;
}

void tcp_invariants_free(struct tcp_invariants *invariants)
{
	if (!invariants)
		return;
	free(invariants->reached);
	free(invariants);
}

static bool is_synchronized(const struct tcp_conn *conn)
{
	return conn->state >= TCP_ESTABLISHED;
}

// end_of is where everything that the owner wants sent ends.
static struct tcp_seq end_of(const struct tcp_conn *conn)
{
	return seq_plus(conn->tail, conn->is_fin_queued);
}

static const char *check_sent(const struct tcp_conn *conn)
{
	RULE(seq_at_or_before(conn->iss, conn->una), "ISS is after SND.UNA");
	RULE(seq_at_or_before(conn->una, conn->nxt), "SND.UNA is after SND.NXT");
	RULE(seq_at_or_before(conn->nxt, conn->max), "SND.NXT is after what was ever sent");
	if (!is_synchronized(conn)) {
		RULE(seq_equal(conn->una, conn->iss), "SYN acknowledged before the handshake");
		RULE(seq_equal(conn->max, seq_plus(conn->iss, 1)), "data sent with SYN");
		return NULL;
	}
	RULE(seq_at_or_before(conn->max, end_of(conn)), "sent more than was queued");
	RULE(conn->window <= conn->window_max, "window is larger than the largest");
	RULE(conn->cc.mss == tcp_conn_mss(conn), "congestion control has another segment size");
	RULE(conn->recovery != TCP_RECOVERY_NONE || conn->cc.cwnd_bytes >= conn->cc.mss,
	     "congestion window is below a segment");
	RULE(conn->rtt.rto_us >= TCP_RTO_MIN_US && conn->rtt.rto_us <= TCP_RTO_MAX_US,
	     "RTO is outside of its bounds");
	return NULL;
}

// check_queue walks the send queue: contiguous pieces that hold everything from SND.UNA to tail.
static const char *check_queue(const struct tcp_conn *conn, struct sums *sums)
{
	const struct tcp_slice *last = NULL;
	bool has_hint = conn->send_hint == NULL;
	for (const struct tcp_slice *at = conn->send_first; at; at = at->next) {
		RULE(at->bytes > 0, "empty piece in the send queue");
		RULE((uint64_t)at->offset + at->bytes <= at->buf->bytes, "piece beyond its buffer");
		RULE(at->buf->references > 0, "piece of a buffer that was freed");
		RULE(!last || seq_equal(seq_plus(last->seq, last->bytes), at->seq),
		     "gap in the send queue");
		has_hint |= at == conn->send_hint;
		sums->slices++;
		last = at;
	}
	RULE(last == conn->send_last, "send queue has another end");
	RULE(has_hint, "hint leads out of the send queue");
	if (!last) {
		bool is_empty = seq_at_or_before(conn->tail, conn->una) || !is_synchronized(conn);
		RULE(is_empty, "send queue lost bytes");
		return NULL;
	}
	const struct tcp_slice *first = conn->send_first;
	struct tcp_seq data = seq_later(conn->una, seq_plus(conn->iss, 1));
	RULE(seq_equal(seq_plus(last->seq, last->bytes), conn->tail), "send queue ends elsewhere");
	RULE(seq_at_or_before(first->seq, data), "send queue begins after SND.UNA");
	RULE(seq_before(data, seq_plus(first->seq, first->bytes)), "acknowledged piece kept");
	return NULL;
}

// check_records walks what is in flight: one run after the other from SND.UNA to SND.NXT.
static const char *check_records(const struct tcp_conn *conn, struct sums *sums)
{
	const struct tcp_sent_queue *queue = &conn->sent;
	uint32_t count = 0, bytes[3] = {0};
	struct tcp_seq end = conn->una;
	struct list *node;
	list_for_each (node, &queue->by_seq) {
		const struct tcp_sent *sent = container_of(node, struct tcp_sent, by_seq);
		RULE(seq_equal(sent->range.start, end), "gap in the records of what was sent");
		RULE(seq_before(end, sent->range.end), "empty record of what was sent");
		RULE(sent->state <= TCP_SENT_SACKED, "record in no state");
		RULE((sent->state == TCP_SENT_SACKED) == list_is_empty(&sent->by_time),
		     "record in a list that its state does not fit");
		RULE(sent->sent_us <= conn->tcp->now_us, "record of what is sent in the future");
		end = sent->range.end;
		bytes[sent->state] += seq_distance(sent->range.start, end);
		sums->records++;
		count++;
	}
	bool is_covered = count == 0 || seq_equal(end, conn->nxt);
	RULE(is_covered, "records end elsewhere than SND.NXT");
	RULE(count > 0 || !is_synchronized(conn) || seq_equal(conn->una, conn->nxt),
	     "in flight without a record");
	RULE(count == queue->count && count <= TCP_SENT_MAX, "records are counted wrong");
	RULE(bytes[TCP_SENT_FLYING] == queue->flying_bytes, "flying bytes are counted wrong");
	RULE(bytes[TCP_SENT_LOST] == queue->lost_bytes, "lost bytes are counted wrong");
	RULE(bytes[TCP_SENT_SACKED] == queue->sacked_bytes, "SACKed bytes are counted wrong");
	return NULL;
}

// check_times walks the records in the order of sending and in that of sending again.
static const char *check_times(const struct tcp_conn *conn)
{
	uint32_t bytes = 0;
	uint64_t sent_us = 0;
	struct list *node;
	list_for_each (node, &conn->sent.flying) {
		const struct tcp_sent *sent = container_of(node, struct tcp_sent, by_time);
		RULE(sent->state == TCP_SENT_FLYING, "record among the flying that does not");
		RULE(sent->sent_us >= sent_us, "flying records are not in the order of sending");
		sent_us = sent->sent_us;
		bytes += seq_distance(sent->range.start, sent->range.end);
	}
	RULE(bytes == conn->sent.flying_bytes, "flying records are missing in their list");
	bytes = 0;
	list_for_each (node, &conn->sent.lost) {
		const struct tcp_sent *sent = container_of(node, struct tcp_sent, by_time);
		RULE(sent->state == TCP_SENT_LOST, "record among the lost that is not");
		bytes += seq_distance(sent->range.start, sent->range.end);
	}
	RULE(bytes == conn->sent.lost_bytes, "lost records are missing in their list");
	return NULL;
}

static const char *check_recovery(const struct tcp_conn *conn)
{
	if (conn->recovery == TCP_RECOVERY_NONE)
		return NULL;
	RULE(seq_at_or_before(conn->recover, conn->max), "recovery ends after what was ever sent");
	RULE(seq_before(conn->una, conn->recover), "recovery goes on after its end");
	return NULL;
}

static const char *check_received(const struct tcp_conn *conn)
{
	const struct tcp_reass *reass = &conn->reass;
	uint32_t bytes = 0, mbufs = 0;
	const struct rte_mbuf *last = NULL;
	for (const struct rte_mbuf *at = reass->first; at; at = at->next) {
		RULE(at->data_len > 0, "empty mbuf in the receive queue");
		bytes += at->data_len;
		mbufs++;
		last = at;
	}
	RULE(last == reass->last, "receive queue has another end");
	RULE(bytes == reass->queued_bytes, "receive queue holds another number of bytes");
	uint32_t early = 0;
	struct tcp_seq end = seq_plus(conn->rcv_nxt, 1);
	for (struct rte_mbuf *at = reass->early_first; at; at = tcp_run_of(at)->next) {
		const struct tcp_run *run = tcp_run_of(at);
		RULE(seq_at_or_before(end, run->seq), "runs touch or are in order");
		uint32_t run_bytes = 0;
		for (const struct rte_mbuf *part = at; part; part = part->next) {
			RULE(part->data_len > 0, "a run holds an empty mbuf");
			RULE((part == run->last) == !part->next, "a run has another end");
			run_bytes += part->data_len;
			mbufs++;
		}
		RULE(run_bytes == run->bytes, "a run holds another number of bytes");
		end = seq_plus(run->seq, run->bytes + 1);
		early++;
		RULE(at != reass->early_last || !run->next, "early list has another end");
	}
	end = seq_minus(end, early > 0);
	RULE(early == reass->early_count && early <= TCP_REASS_RUNS, "early count is wrong");
	RULE(early == 0 || seq_at_or_before(end, conn->rcv_edge),
	     "early segment beyond the window");
	RULE(mbufs == reass->mbuf_count, "pinned mbufs are counted wrong");
	return NULL;
}

static const char *check_window(const struct tcp_conn *conn)
{
	if (conn->state == TCP_SYN_SENT)
		return NULL;
	RULE(seq_before(conn->irs, conn->rcv_nxt), "RCV.NXT is not after IRS");
	RULE(seq_at_or_before(conn->rcv_nxt, conn->rcv_edge), "RCV.NXT is beyond the window");
	RULE(seq_at_or_before(conn->last_ack, conn->rcv_nxt), "acknowledged what never came");
	RULE(!conn->is_fin_received || seq_equal(seq_plus(conn->fin_seq, 1), conn->rcv_nxt),
	     "bytes after the peer's FIN");
	RULE(conn->is_fin_received || !conn->has_fin_seq ||
		     seq_at_or_before(conn->rcv_nxt, conn->fin_seq),
	     "RCV.NXT passed the peer's FIN");
	return NULL;
}

// check_offer: what we offered and what waits unread is no more than the bound of a connection. The
// field is rounded up to the scale; before it counts, the SYN had offered what 16 bits can say.
static const char *check_offer(const struct tcp_conn *conn)
{
	if (!is_synchronized(conn))
		return NULL;
	uint64_t bound = (uint64_t)conn->tcp->limits.receive_buffer_bytes +
			 (1u << conn->agreed.receive_scale);
	uint64_t offered = seq_distance(conn->rcv_nxt, conn->rcv_edge);
	RULE(conn->rightsize.buffer_bytes <= conn->tcp->limits.receive_buffer_bytes,
	     "the window may become larger than its bound");
	RULE(conn->is_fin_received || offered + conn->reass.queued_bytes <= bound,
	     "more is offered than the receive buffer holds");
	return NULL;
}

// check_marks: the state of RFC 3168 6.1 fits what was agreed and what is in flight.
static const char *check_marks(const struct tcp_conn *conn)
{
	bool is_active = conn->is_echo_due || conn->is_reduction_due || conn->is_reducing;
	RULE(conn->agreed.has_ecn || !is_active, "ECN goes on that was not agreed");
	RULE(!conn->is_reducing || seq_at_or_before(conn->ecn_end, conn->nxt),
	     "a window is reduced for what was not sent");
	RULE(!conn->is_reducing || !seq_before(conn->ecn_end, conn->una),
	     "a reduction outlives its round trip");
	return NULL;
}

static const char *check_state(const struct tcp_conn *conn)
{
	enum tcp_state state = conn->state;
	bool has_sent_fin = state == TCP_FIN_WAIT_1 || state == TCP_FIN_WAIT_2 ||
			    state == TCP_CLOSING || state == TCP_LAST_ACK;
	bool has_fin = state == TCP_CLOSE_WAIT || state == TCP_CLOSING || state == TCP_LAST_ACK;
	RULE(state != TCP_CLOSED, "a live connection is CLOSED");
	RULE(conn->is_in_table, "a live connection is not in the table");
	RULE(!is_synchronized(conn) || conn->is_fin_queued == has_sent_fin,
	     "state does not fit our FIN");
	RULE(!is_synchronized(conn) || conn->is_fin_received == has_fin,
	     "state does not fit the peer's FIN");
	RULE(state != TCP_FIN_WAIT_2 || seq_equal(conn->una, seq_plus(conn->tail, 1)),
	     "FIN-WAIT-2 before our FIN was acknowledged");
	return NULL;
}

// is_sending_watched is true when something will happen if no segment ever comes again.
static bool is_sending_watched(const struct tcp_conn *conn)
{
	for (unsigned timer = 0; timer < TCP_TIMER_COUNT; timer++) {
		bool is_of_output = timer != TCP_TIMER_DELAYED_ACK &&
				    timer != TCP_TIMER_KEEPALIVE && timer != TCP_TIMER_ORPHAN &&
				    timer != TCP_TIMER_USER;
		if (is_of_output && conn->deadline_us[timer] != TCP_NEVER)
			return true;
	}
	return false;
}

// check_stall: a connection that is not on the ready list moves on by its timers alone.
static const char *check_stall(const struct tcp_conn *conn)
{
	if (!list_is_empty(&conn->ready))
		return NULL;
	bool is_waiting = seq_before(conn->una, conn->max) ||
			  (is_synchronized(conn) && seq_before(conn->nxt, end_of(conn)));
	RULE(!is_waiting || is_sending_watched(conn), "something waits to be sent without a timer");
	RULE(!conn->is_ack_due || !is_synchronized(conn), "an ACK is due and nobody will send it");
	RULE(!conn->pending, "an event is pending and nobody will tell it");
	RULE(conn->ack_segments == 0 || tcp_timer_is_set(conn, TCP_TIMER_DELAYED_ACK),
	     "a delayed ACK has no timer");
	RULE(!conn->tcp->limits.user_timeout_ms || !is_synchronized(conn) ||
		     !seq_before(conn->una, conn->nxt) || tcp_timer_is_set(conn, TCP_TIMER_USER),
	     "what is in flight has no user timeout");
	RULE(conn->state != TCP_FIN_WAIT_2 || !conn->is_orphan ||
		     tcp_timer_is_set(conn, TCP_TIMER_ORPHAN),
	     "an orphan in FIN-WAIT-2 has no timer");
	return NULL;
}

// check_timers: the wheel calls before the earliest deadline has passed by more than a tick.
static const char *check_timers(const struct tcp_conn *conn)
{
	uint64_t first_us = TCP_NEVER;
	for (unsigned timer = 0; timer < TCP_TIMER_COUNT; timer++)
		first_us = MIN(first_us, conn->deadline_us[timer]);
	if (first_us == TCP_NEVER)
		return NULL;
	uint64_t tick = MAX(first_us / WHEEL_TICK_US + 1, conn->tcp->wheel->now_tick + 1);
	RULE(conn->armed_us <= first_us, "armed for after a deadline");
	RULE(wheel_is_armed(&conn->timer), "a deadline without a wheel entry");
	RULE(conn->timer.due_tick <= tick, "the wheel entry is late");
	return NULL;
}

// check_ended: nothing is left of the protocol but what the owner may still read.
static const char *check_ended(const struct tcp_conn *conn)
{
	RULE(conn->state == TCP_CLOSED && !conn->is_in_table,
	     "an ended connection is in the table");
	RULE(!conn->is_orphan, "an ended orphan was not freed");
	RULE(!conn->send_first && !conn->reass.early_first, "an ended connection keeps buffers");
	RULE(!wheel_is_armed(&conn->timer), "an ended connection has a timer");
	RULE(tcp_conn_waits_for_reader(conn) || !list_is_empty(&conn->ready),
	     "nobody will tell of the end");
	return NULL;
}

// check_pace: what was sent since the last look is paid for at the pace of then or now; a burst is
// a tick's worth or a segment, the second of a pair, and what repairs or probes ahead of its time.
static const char *check_pace(const struct reached *before, const struct tcp_conn *conn)
{
	uint64_t now_us = conn->tcp->now_us;
	uint64_t rate = MIN(conn->cc.pacing_bytes_per_s, before->pacing_bytes_per_s);
	if (rate == 0 || conn->paced_us == before->paced_us || conn->paced_us <= now_us)
		return NULL;
	if (before->bytes_sent < tcp_cc_initial_bytes(&conn->cc)) // leaves at once, in one burst
		return NULL;
	uint64_t segment = MAX((uint64_t)conn->cc.mss, (uint64_t)conn->mtu.limit);
	uint64_t burst_us = WHEEL_TICK_US + PACE_SEGMENTS * segment * 1000000 / rate;
	RULE(conn->paced_us - now_us <= burst_us, "sent further ahead than the pace allows");
	return NULL;
}

// check_progress compares with the last look: some numbers never move back.
static const char *check_progress(struct reached *reached, const struct tcp_conn *conn,
				  uint32_t generation)
{
	struct reached before = *reached;
	bool is_known = before.is_known && before.generation == generation;
	*reached = (struct reached){generation,
				    is_synchronized(conn),
				    conn->una,
				    conn->max,
				    conn->tail,
				    conn->rcv_nxt,
				    conn->rcv_edge,
				    conn->paced_us,
				    conn->cc.pacing_bytes_per_s,
				    conn->bytes_sent};
	if (!is_known || !reached->is_known)
		return NULL;
	RULE(seq_at_or_before(before.una, conn->una), "SND.UNA moved back");
	RULE(seq_at_or_before(before.max, conn->max), "the highest byte sent moved back");
	RULE(seq_at_or_before(before.tail, conn->tail), "the send queue's end moved back");
	RULE(seq_at_or_before(before.rcv_nxt, conn->rcv_nxt), "RCV.NXT moved back");
	RULE(seq_at_or_before(before.rcv_edge, conn->rcv_edge), "the offered window shrank");
	return check_pace(&before, conn);
}

static const char *check_conn(struct tcp_invariants *invariants, uint32_t index,
			      const struct tcp_conn *conn, struct sums *sums)
{
	struct reached *reached = &invariants->reached[index];
	const char *broken = check_received(conn);
	sums->conns++;
	sums->in_table += conn->is_in_table;
	sums->ready += !list_is_empty(&conn->ready);
	sums->held_mbufs += conn->reass.mbuf_count;
	if (conn->is_ended)
		return broken ? broken : check_ended(conn);
	const char *(*const checks[])(const struct tcp_conn *) = {
		check_sent,  check_times, check_recovery, check_window, check_offer,
		check_marks, check_state, check_stall,    check_timers};
	for (unsigned i = 0; i < ARRAY_LEN(checks) && !broken; i++)
		broken = checks[i](conn);
	if (!broken)
		broken = check_queue(conn, sums);
	if (!broken)
		broken = check_records(conn, sums);
	uint32_t generation = pool_id_of(&invariants->tcp->conns, conn).generation;
	return broken ? broken : check_progress(reached, conn, generation);
}

static const char *check_sums(const struct tcp *tcp, const struct sums *sums)
{
	RULE(sums->conns == tcp->conns.in_use, "connections are counted wrong");
	RULE(sums->slices == tcp->slices.in_use, "pieces of send queues leaked");
	RULE(sums->records == tcp->sents.in_use, "records of what was sent leaked");
	RULE(sums->held_mbufs == tcp->held_mbufs, "mbufs of receive queues are counted wrong");
	RULE(sums->ready == tcp->ready_count, "the ready list is counted wrong");
	RULE(list_is_empty(&tcp->running), "the running list was left filled");
	return NULL;
}

static const char *check_ready(const struct tcp *tcp)
{
	uint32_t count = 0;
	struct list *node;
	list_for_each (node, &tcp->ready) {
		const struct tcp_conn *conn = container_of(node, struct tcp_conn, ready);
		RULE(conn->tcp == tcp && pool_id_of(&tcp->conns, conn).generation % 2,
		     "a freed connection is on the ready list");
		count++;
	}
	RULE(count == tcp->ready_count, "the ready list has another length");
	return NULL;
}

static const char *check_halves(const struct tcp *tcp)
{
	uint32_t of_listeners = 0, count = 0;
	for (uint32_t i = 0; i < tcp->listening_count; i++)
		of_listeners += tcp->listenings[i].half_count;
	for (uint32_t i = 0; i < tcp->limits.half_open_count; i++) {
		const struct tcp_half *half = pool_at(&tcp->halves, i);
		RULE(!half || wheel_is_armed(&half->timer), "a half-open connection has no timer");
		RULE(!half || tcp_table_find(tcp, &half->tuple).object == half,
		     "the table does not know a half-open connection");
		count += half != NULL;
	}
	RULE(count == tcp->halves.in_use, "half-open connections are counted wrong");
	RULE(count == of_listeners, "listeners count other half-open connections");
	return NULL;
}

static const char *check_time_waits(const struct tcp *tcp)
{
	uint64_t due_us = 0;
	uint32_t count = 0;
	struct list *node;
	list_for_each (node, &tcp->time_waits_due) {
		struct tcp_time_wait *wait = container_of(node, struct tcp_time_wait, link);
		RULE(wait->due_us >= due_us, "TIME-WAIT list is not sorted");
		RULE(tcp_table_find(tcp, &wait->tuple).object == wait,
		     "the table does not know a TIME-WAIT entry");
		due_us = wait->due_us;
		count++;
	}
	RULE(count == tcp->time_waits.in_use, "TIME-WAIT entries are counted wrong");
	RULE(count == 0 || wheel_is_armed(&tcp->time_wait_timer), "TIME-WAIT has no timer");
	return NULL;
}

// check_table compares the four-tuple table with those who should be in it.
static const char *check_table(const struct tcp *tcp, const struct sums *sums)
{
	for (uint32_t i = 0; i < tcp->limits.conn_count; i++) {
		const struct tcp_conn *conn = pool_at(&tcp->conns, i);
		RULE(!conn || !conn->is_in_table ||
			     tcp_table_find(tcp, &conn->tuple).object == conn,
		     "the table leads to another connection");
	}
	uint32_t entries = sums->in_table + tcp->halves.in_use + tcp->time_waits.in_use;
	RULE(rte_hash_count(tcp->table) == (int32_t)entries, "the table has other entries");
	return NULL;
}

static const char *check_rest(const struct tcp *tcp, const struct sums *sums)
{
	const char *broken = check_ready(tcp);
	if (!broken)
		broken = check_halves(tcp);
	if (!broken)
		broken = check_time_waits(tcp);
	return broken ? broken : check_table(tcp, sums);
}

// describe tells which connection broke a rule.
static const char *describe(struct tcp_invariants *invariants, const char *broken, uint32_t index,
			    const struct tcp_conn *conn)
{
#define X(name, text) text,
	static const char *const states[TCP_STATE_COUNT] = {TCP_STATES(X)};
#undef X
	snprintf(invariants->text, sizeof(invariants->text),
		 "%s (connection %" PRIu32 " in %s: una %" PRIu32 " nxt +%" PRIu32 " max +%" PRIu32
		 " tail +%" PRIu32 " window %" PRIu32 " recovery %d, rcv_nxt %" PRIu32
		 " edge +%" PRIu32 " queued %" PRIu32 " of %" PRIu32 ")",
		 broken, index, states[conn->state], conn->una.value,
		 seq_distance(conn->una, conn->nxt), seq_distance(conn->una, conn->max),
		 seq_distance(conn->una, conn->tail), conn->window, conn->recovery,
		 conn->rcv_nxt.value, seq_distance(conn->rcv_nxt, conn->rcv_edge),
		 conn->reass.queued_bytes, conn->tcp->limits.receive_buffer_bytes);
	return invariants->text;
}

const char *tcp_invariants_broken(struct tcp_invariants *invariants)
{
	const struct tcp *tcp = invariants->tcp;
	struct sums sums = {0};
	uint32_t left = tcp->conns.in_use;
	for (uint32_t i = 0; left && i < tcp->limits.conn_count; i++) {
		const struct tcp_conn *conn = pool_at(&tcp->conns, i);
		if (!conn)
			continue;
		left--;
		const char *broken = check_conn(invariants, i, conn, &sums);
		if (broken)
			return describe(invariants, broken, i, conn);
	}
	const char *broken = check_sums(tcp, &sums);
	if (!broken && invariants->looks++ % TABLE_EVERY == 0)
		broken = check_rest(tcp, &sums);
	return broken;
}
