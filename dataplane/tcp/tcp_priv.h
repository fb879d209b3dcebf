// SPDX-License-Identifier: Apache-2.0
// Inside of tcp/: the worker's TCP, a connection, a half-open connection, a TIME-WAIT entry, and
// what the files of this folder ask of each other. Nobody else includes it.
#pragma once

#include "check.h"
#include "list.h"
#include "net.h"
#include "siphash.h"
#include "tcp.h"
#include "tcp_autosize.h"
#include "bucket.h"
#include "tcp_cc.h"
#include "tcp_memory.h"
#include "tcp_mtu.h"
#include "tcp_open.h"
#include "tcp_rack.h"
#include "tcp_rate.h"
#include "tcp_reass.h"
#include "tcp_rtt.h"
#include "tcp_segment.h"
#include "tcp_sent.h"

#include <rte_hash.h>
#include <rte_mbuf.h>

#define TCP_NEVER        UINT64_MAX
#define TCP_MSS_MIN      216u // what we send at least, whatever a peer or an ICMP error says
#define TCP_MSS_DEFAULT4 536u // RFC 9293 3.7.1
#define TCP_MSS_DEFAULT6 1220u
#define TCP_CHALLENGE_US 100000u  // between two challenge ACKs of one connection
#define TCP_BUDGET_PER_S 1000u    // challenge ACKs and stray RSTs of the worker, each
#define TCP_PORT_STEPS   256u     // RFC 6056 algorithm 4
#define TCP_CONFIRM_US   5000000u // between two confirmations of the next hop
#define TCP_OUTPUT_BURST 64u      // segments after which a connection lets others send

// States that a connection can be in; LISTEN is struct tcp_listener, TIME-WAIT is struct
// tcp_time_wait, and a listener's SYN-RECEIVED is struct tcp_half.
#define TCP_STATES(X)                                                                              \
	X(CLOSED, "CLOSED")                                                                        \
	X(SYN_SENT, "SYN-SENT")                                                                    \
	X(SYN_RECEIVED, "SYN-RECEIVED") /* simultaneous open only */                               \
	X(ESTABLISHED, "ESTABLISHED")                                                              \
	X(CLOSE_WAIT, "CLOSE-WAIT")                                                                \
	X(FIN_WAIT_1, "FIN-WAIT-1")                                                                \
	X(FIN_WAIT_2, "FIN-WAIT-2")                                                                \
	X(CLOSING, "CLOSING")                                                                      \
	X(LAST_ACK, "LAST-ACK")
#define X(name, text) TCP_##name,
enum tcp_state { TCP_STATES(X) TCP_STATE_COUNT };
#undef X

enum tcp_timer {
	TCP_TIMER_REORDER, // RFC 8985 6.2: something may be lost by now
	TCP_TIMER_TAIL,    // RFC 8985 7: probe for a lost tail; before RTO, which it puts off
	TCP_TIMER_USER,    // nothing was acknowledged for limits.user_timeout_ms (RFC 9293 3.8.3)
	TCP_TIMER_RTO,
	TCP_TIMER_PERSIST,
	TCP_TIMER_DELAYED_ACK,
	TCP_TIMER_KEEPALIVE,
	TCP_TIMER_ORPHAN, // an orphan's life, in FIN-WAIT-2 its last part
	TCP_TIMER_OUTPUT, // send what lacked an mbuf, or waits for its pace
	TCP_TIMER_COUNT
};

enum tcp_recovery {
	TCP_RECOVERY_NONE,
	TCP_RECOVERY_FAST, // RFC 8985, or RFC 6582 when the peer has no SACK
	TCP_RECOVERY_RTO,  // after a timeout: slow start over what is lost
};

// F-RTO (RFC 5682): was the last timeout spurious?
enum tcp_frto {
	TCP_FRTO_OFF,
	TCP_FRTO_SENT,  // the first segment was sent again
	TCP_FRTO_FRESH, // its ACK came: new data was sent instead of what seems lost
};

// What tcp_run_ready has to tell the owner.
enum tcp_pending {
	TCP_PENDING_ACCEPTED = 1,
	TCP_PENDING_OPENED = 2,
	TCP_PENDING_READABLE = 4,
	TCP_PENDING_WRITABLE = 8,
};

// One piece of the send queue. Owns one reference of buf.
struct tcp_slice {
	struct tcp_slice *next;
	struct buf *buf;
	uint32_t offset;
	uint32_t bytes;
	struct tcp_seq seq; // of the first byte
};

// What a handshake agreed on, from both sides' SYN.
struct tcp_agreed {
	uint16_t send_mss;  // payload and options of what we send (RFC 6691)
	uint8_t send_scale; // of the peer's window field
	uint8_t receive_scale;
	bool has_timestamps;
	bool has_sack;
	bool has_scale;
	bool has_ecn;
	uint32_t ts_offset; // of our clock
	uint32_t ts_recent; // TS.Recent
};

struct tcp_conn {
	struct list ready;        // in tcp->ready or tcp->running
	struct wheel_timer timer; // armed for at most armed_us
	struct tcp *tcp;
	uint64_t armed_us;
	uint64_t deadline_us[TCP_TIMER_COUNT]; // TCP_NEVER = off
	struct tcp_tuple tuple;

	uint8_t state;       // enum tcp_state
	uint8_t recovery;    // enum tcp_recovery
	uint16_t end_reason; // enum counter
	uint8_t pending;     // enum tcp_pending bits
	bool is_in_table;
	bool is_orphan; // released: no events, no handle
	bool is_ended;  // protocol is over; end_reason waits for the owner
	bool is_passive;
	bool is_ack_due;       // send an ACK in the next output
	bool is_echo_due;      // RFC 3168: ECE on every segment, until the peer says CWR
	bool is_reduction_due; // and CWR on our next data
	bool is_reducing;      // ECE below ecn_end is of the same congestion
	bool is_fin_queued;    // FIN follows the last queued byte
	bool is_fin_received;  // in order
	bool is_room_low;      // owed a writable event
	bool is_rexmit_due;    // send the first lost segment again, whatever the window
	bool is_tail_due;      // send a tail loss probe, whatever the window
	bool is_tail_stale;    // TCP_TIMER_TAIL has to be set anew
	bool is_used;          // the congestion window, by what was in flight up to used_end
	bool has_tail;         // a tail loss probe went up to tail_end; this episode has no other
	bool is_tail_again;    // and it was a retransmission
	bool is_undoable;      // this recovery, or the last one, may turn out spurious
	bool has_again;        // something was sent again in it, first at again_ms
	uint8_t frto;          // enum tcp_frto

	// send (RFC 9293 3.3.1)
	struct tcp_seq iss;
	struct tcp_seq una;
	struct tcp_seq nxt;  // next to send
	struct tcp_seq max;  // highest ever sent: a window probe goes beyond nxt
	struct tcp_seq tail; // after the last queued byte; FIN's number when queued
	struct tcp_seq wl1, wl2;
	struct tcp_seq recover;     // recovery ends here
	struct tcp_seq undo_start;  // and began here
	struct tcp_seq again_start; // of what was sent again first in it
	struct tcp_seq tail_end;    // TLP.end_seq
	struct tcp_seq ecn_end;     // see is_reducing
	struct tcp_seq used_end;    // see is_used
	struct tcp_seq timed_end;   // of the round trip that is measured next
	uint32_t again_ms;          // low 32 bits of now_us / 1000
	uint32_t duplicates;        // times that the peer reported one
	uint32_t undo_count;        // segments sent again, less those the peer had twice
	uint32_t recover_bytes;     // RecoverFS of RFC 6937: what was outstanding at its start
	uint32_t delivered_bytes;   // prr_delivered: reached the peer since
	uint32_t recovered_bytes;   // prr_out: sent since
	uint64_t sent_us;           // last time data left
	uint64_t paced_us;          // no data leaves before this
	uint32_t window;            // SND.WND in bytes
	uint32_t window_max;        // largest the peer ever offered
	uint32_t dup_acks;
	uint32_t retries; // expiries in a row
	struct tcp_slice *send_first;
	struct tcp_slice *send_last;
	struct tcp_slice *send_hint; // where the last segment began

	// receive
	struct tcp_seq irs;
	struct tcp_seq rcv_nxt;
	struct tcp_seq rcv_edge; // right edge we offered; never moves back
	struct tcp_seq last_ack; // Last.ACK.sent of RFC 7323
	struct tcp_seq fin_seq;  // of a FIN seen but not yet in order
	bool has_fin_seq;
	uint8_t ack_segments; // data segments not yet acknowledged
	uint16_t probes;      // keepalive probes unanswered
	uint64_t heard_us;
	uint64_t progress_us; // SND.UNA moved, or the queue ceased to be empty
	uint64_t challenged_us;
	struct tcp_reass reass;
	struct tcp_rightsize rightsize;

	struct tcp_agreed agreed;
	struct tcp_rtt rtt;
	struct tcp_cc cc;
	struct tcp_sent_queue sent;
	struct tcp_rack rack;
	struct tcp_rate_clock rate;
	struct tcp_mtu mtu;
	uint64_t confirm_us; // when to tell net next that the next hop works

	const struct tcp_events *events;
	void *user;
	uint32_t listener_index, retransmits;
	uint64_t opened_us;
	uint64_t bytes_sent, bytes_received;
};

// A listener's SYN-RECEIVED.
struct tcp_half {
	struct wheel_timer timer;
	struct tcp *tcp;
	struct tcp_tuple tuple;
	struct tcp_agreed agreed;
	struct tcp_seq iss;
	struct tcp_seq irs;
	uint32_t window; // of the SYN
	uint32_t listener_index;
	uint32_t retries;
	uint64_t sent_us;     // of the first SYN-ACK: a round-trip sample when sent once
	uint64_t answered_us; // of the newest that the peer asked for
};

struct tcp_time_wait {
	struct list link; // in tcp->time_waits_due, oldest first
	uint64_t due_us;
	uint64_t answered_us;
	struct tcp_tuple tuple;
	struct tcp_seq snd_nxt;
	struct tcp_seq rcv_nxt;
	uint16_t window;
	bool has_timestamps;
	uint32_t ts_offset;
	uint32_t ts_recent;
};

struct tcp_listening {
	struct tcp_listener listener;
	uint32_t half_count;
};

// A secret of SYN cookies, drawn for the first cookie of its generation; 0: never drawn.
struct tcp_cookie_secret {
	struct siphash_key key;
	uint64_t generation;
};

struct tcp {
	struct tcp_limits limits;
	struct net *net;
	struct rte_mempool *mbufs;
	struct wheel *wheel;
	struct random_source *random;
	struct counters *counters;
	uint32_t worker_index;
	uint64_t now_us;
	struct pool conns;
	struct pool halves;
	struct pool time_waits;
	struct pool slices;
	struct pool sents;
	struct rte_hash *table;
	uint64_t table_changes;           // entries set or removed so far
	struct tcp_listening *listenings; // limits.listener_count
	uint32_t listening_count;
	bool has_stopped_listening;

	struct list ready;   // connections with something to tell or send
	struct list running; // those of the running tcp_run_ready
	uint32_t ready_count;
	struct list time_waits_due;
	struct wheel_timer time_wait_timer;

	struct siphash_key table_key, isn_key, ts_key, port_key;
	struct tcp_cookie_secret cookie_secrets[2]; // by generation modulo 2
	uint16_t port_steps[TCP_PORT_STEPS];
	struct siphash_key mtu_key;
	struct tcp_mtu_known *mtus; // TCP_MTU_CACHE
	uint64_t budget_second;     // the second that the budgets are of
	uint32_t challenge_budget;
	uint32_t reset_budget;
	struct buckets *syn_rates; // owned
	uint64_t cookies_full_ns;  // bucket of limits.cookies_per_s
	uint32_t orphan_count;
	uint32_t held_mbufs; // by receive queues
	uint32_t held_mbufs_max;
	uint64_t queued_bytes;   // by send queues
	uint32_t relieve_cursor; // see tcp_memory.c
	uint64_t relieved_us;
	struct pool_id worst;
};

enum tcp_kind {
	TCP_KIND_NONE,
	TCP_KIND_CONN,
	TCP_KIND_HALF,
	TCP_KIND_TIME_WAIT,
};

// What the four-tuple table knows.
struct tcp_found {
	enum tcp_kind kind;
	void *object; // struct tcp_conn, tcp_half or tcp_time_wait
};

// -- tcp_table.c: four-tuple to object, listeners

// tcp_table_new takes the table's memory; false when short. tcp_table_free gives it back.
bool tcp_table_new(struct tcp *tcp);
void tcp_table_free(struct tcp *tcp);

// tcp_table_find looks tuple up.
struct tcp_found tcp_table_find(const struct tcp *tcp, const struct tcp_tuple *tuple);

// tcp_table_find_burst looks count tuples up at once, at most PORT_BURST: their misses overlap.
// What it found stands while tcp->table_changes does.
void tcp_table_find_burst(const struct tcp *tcp, const struct tcp_tuple *const *tuples,
			  uint32_t count, struct tcp_found *found);

// tcp_table_set makes tuple lead to found, replacing what was there. It never runs full: it is as
// large as the slabs together.
void tcp_table_set(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_found found);

// tcp_table_remove forgets tuple.
void tcp_table_remove(struct tcp *tcp, const struct tcp_tuple *tuple);

// tcp_table_listener finds who listens at local: the exact address first; NULL for nobody.
struct tcp_listening *tcp_table_listener(struct tcp *tcp, const struct addr *local, uint16_t port);

// -- tcp_conn.c: life of a connection

// tcp_conn_new makes a closed connection for tuple, in the table; NULL at the bound, which the
// caller counts.
struct tcp_conn *tcp_conn_new(struct tcp *tcp, const struct tcp_tuple *tuple);

// tcp_conn_agree takes over what the handshake agreed on: segment size, congestion control.
void tcp_conn_agree(struct tcp_conn *conn, const struct tcp_agreed *agreed);

// tcp_conn_measure takes the handshake's round trip from the answer to our SYN, first sent at
// sent_us; when it was sent again, only by the timestamp that came back (Karn, RFC 6298 3).
void tcp_conn_measure(struct tcp_conn *conn, const struct tcp_segment *answer, uint64_t sent_us);

// tcp_conn_establish enters ESTABLISHED, or what a queued FIN makes of it, and tells the owner.
void tcp_conn_establish(struct tcp_conn *conn, enum tcp_pending pending);

// tcp_conn_end ends the protocol for reason: table, timers and send queue are left, the owner hears
// of it in tcp_run_ready. An orphan is freed now: do not touch conn afterwards.
void tcp_conn_end(struct tcp_conn *conn, enum counter reason);

// tcp_conn_waits_for_reader: conn has ended and `closed` comes when everything was read, since all
// of it is there: after a graceful end, and when a peer resets behind its own FIN, as one does that
// closed and is still sent to.
static inline bool tcp_conn_waits_for_reader(const struct tcp_conn *conn)
{
	bool is_whole = conn->end_reason == COUNTER_tcp_closed ||
			(conn->end_reason == COUNTER_tcp_reset_by_peer && conn->is_fin_received);
	return conn->is_ended && is_whole && conn->reass.queued_bytes > 0;
}

// tcp_conn_free ends conn without a word.
void tcp_conn_free(struct tcp_conn *conn);

// tcp_conn_notify puts conn on the ready list with these pending events (0: only to send).
void tcp_conn_notify(struct tcp_conn *conn, unsigned pending);

// tcp_conn_orphan is for a released connection: what is queued leaves within the orphan's life.
// False when there are too many: it was reset and is gone.
bool tcp_conn_orphan(struct tcp_conn *conn);

// tcp_conn_mss is the payload of a full segment without SACK blocks.
uint32_t tcp_conn_mss(const struct tcp_conn *conn);

// tcp_conn_sent_end is the sequence number of a segment without text: after the highest byte ever
// sent, since what lies before it may be old to the peer, but not beyond its window, where a probe
// went.
struct tcp_seq tcp_conn_sent_end(const struct tcp_conn *conn);

// tcp_conn_reset sends RST for conn.
void tcp_conn_reset(struct tcp_conn *conn);

// tcp_agree compares a SYN's options with what we offer; local_mss is what our route allows.
struct tcp_agreed tcp_agree(const struct tcp *tcp, const struct tcp_tuple *tuple,
			    const struct tcp_segment *syn);

// tcp_initial_seq is ISN of RFC 6528; tcp_ts_offset the offset of our timestamp clock (RFC 7323
// 5.4), tcp_ts_now that clock: 1 ms.
struct tcp_seq tcp_initial_seq(const struct tcp *tcp, const struct tcp_tuple *tuple);
uint32_t tcp_ts_offset(const struct tcp *tcp, const struct tcp_tuple *tuple);
uint32_t tcp_ts_now(const struct tcp *tcp, uint32_t ts_offset);

// tcp_local_mss is the MSS option we send towards remote; tcp_local_scale our window scale.
uint16_t tcp_local_mss(const struct tcp *tcp, const struct addr *remote);
uint8_t tcp_local_scale(const struct tcp *tcp);

// -- tcp_burst.c, tcp_input.c, tcp_ack.c, tcp_rcv.c, tcp_error.c

// tcp_input is net_upper.input.
void tcp_input(void *user, struct rte_mbuf *const *mbufs, uint32_t count);

// tcp_input_segment hands a parsed segment to what its tuple led to; it takes mbuf, payload only.
void tcp_input_segment(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_found found,
		       struct tcp_segment *segment, struct rte_mbuf *mbuf);

// tcp_icmp_error is net_upper.icmp_error.
void tcp_icmp_error(void *user, const struct addr *local, const struct addr *remote,
		    const uint8_t *quoted, size_t quoted_bytes, bool is_hard, uint32_t mtu);

// tcp_ack_input is step 5 of RFC 9293 3.10.7.4. False when the segment must be dropped.
bool tcp_ack_input(struct tcp_conn *conn, const struct tcp_segment *segment);

// tcp_rcv_text is step 7: it takes mbuf, trimmed to the window, payload only.
void tcp_rcv_text(struct tcp_conn *conn, const struct tcp_segment *segment, struct rte_mbuf *mbuf);

// tcp_rcv_fin is step 8: notes a FIN and acts on it once it is in order. False when conn ended.
bool tcp_rcv_fin(struct tcp_conn *conn, const struct tcp_segment *segment);

// tcp_rcv_forget_early drops the segments that came too early.
void tcp_rcv_forget_early(struct tcp_conn *conn);

// tcp_rcv_window is the window field to send now; it moves the edge that we offered.
uint16_t tcp_rcv_window(struct tcp_conn *conn);

// tcp_rcv_consumed is for bytes that the owner took: it sizes the window and tells the peer of one
// that grew enough (RFC 9293 3.8.6.2.2).
void tcp_rcv_consumed(struct tcp_conn *conn, uint32_t bytes);

// tcp_challenge sends a challenge ACK within the budgets of RFC 5961 section 7.
void tcp_challenge(struct tcp_conn *conn);

// -- tcp_snd.c: the send queue and what may leave now

// What to send next.
struct tcp_pick {
	struct tcp_seq seq;
	uint32_t bytes;          // payload
	uint32_t segment_bytes;  // of a full segment
	struct tcp_sent *record; // of what is sent again, NULL for new data
	bool is_fin;
	bool is_again; // a retransmission
	bool is_probe; // beyond the window: does not move SND.NXT
	bool is_tail;  // a tail loss probe
};

// tcp_snd_queue appends a piece, taking its reference; false when the slab is full.
bool tcp_snd_queue(struct tcp_conn *conn, struct buf *buf, uint32_t offset, uint32_t bytes);

// tcp_snd_acked drops what lies before una from the queue.
void tcp_snd_acked(struct tcp_conn *conn);

// tcp_snd_clear drops the whole queue.
void tcp_snd_clear(struct tcp_conn *conn);

// tcp_snd_find returns the piece that holds seq.
struct tcp_slice *tcp_snd_find(struct tcp_conn *conn, struct tcp_seq seq);

// tcp_snd_in_flight is what we think is in the network, in bytes (pipe of RFC 6675).
uint32_t tcp_snd_in_flight(const struct tcp_conn *conn);

// How much one packet may carry: burst_bytes is more than segment_bytes where net may cut it.
struct tcp_room {
	uint32_t segment_bytes; // payload of one segment
	uint32_t burst_bytes;   // a multiple of it
};

// tcp_snd_cut sets how much of pick->record from pick->seq on is sent: max_bytes of payload at
// most, with FIN when it left before.
void tcp_snd_cut(const struct tcp_conn *conn, struct tcp_pick *pick, uint32_t max_bytes);

// tcp_snd_next picks the next segment that recovery and windows allow; false for none.
bool tcp_snd_next(struct tcp_conn *conn, const struct tcp_room *room, struct tcp_pick *pick);

// tcp_snd_sent notes that pick left.
void tcp_snd_sent(struct tcp_conn *conn, const struct tcp_pick *pick);

// tcp_snd_has_more is true when something waits to be sent for the first time.
bool tcp_snd_has_more(const struct tcp_conn *conn);

// -- tcp_recover.c: loss recovery

// What an ACK told the connection.
struct tcp_news {
	struct tcp_sent_news sent;
	struct tcp_range dsack;   // when has_dsack: what the peer received twice (RFC 2883)
	uint32_t acked_bytes;     // cumulatively
	uint32_t lost_bytes;      // newly marked
	uint32_t in_flight_bytes; // before the ACK
	bool has_dsack;
	bool is_bare; // neither payload nor SACK blocks
	bool is_dup;  // a duplicate ACK (RFC 5681 2), with SACK one that reports something new
};

// tcp_recover_input finds what news, of an ACK that is taken over already, says is lost, or was
// not, and begins and ends recovery. Returns true when the window may grow.
bool tcp_recover_input(struct tcp_conn *conn, struct tcp_news *news);

// tcp_recover_rate is RFC 6937: while we recover, what leaves is in proportion to what arrived.
void tcp_recover_rate(struct tcp_conn *conn, const struct tcp_news *news);

// tcp_recover_reorder looks for losses when the reordering window is over.
void tcp_recover_reorder(struct tcp_conn *conn);

// tcp_recover_expired begins recovery after a retransmission timeout.
void tcp_recover_expired(struct tcp_conn *conn);

// tcp_recover_resend counts everything in flight as lost without a word to congestion control: the
// path did not take it for its size.
void tcp_recover_resend(struct tcp_conn *conn);

// -- tcp_tail.c: tail loss probes (RFC 8985 7)

// tcp_tail_update arms or disarms the probe's timer; tcp_tail_expired asks for the probe.
void tcp_tail_update(struct tcp_conn *conn);
void tcp_tail_expired(struct tcp_conn *conn);

// tcp_tail_pick picks the probe; false when there is no longer any need for it.
bool tcp_tail_pick(struct tcp_conn *conn, uint32_t segment_bytes, struct tcp_pick *pick);

// tcp_tail_sent notes that the probe left; tcp_tail_acked ends its episode when news says so, true
// when it repaired a loss.
void tcp_tail_sent(struct tcp_conn *conn, const struct tcp_pick *pick);
bool tcp_tail_acked(struct tcp_conn *conn, const struct tcp_news *news);

// -- tcp_ecn.c

// tcp_ecn_syn_flags is what our SYN, sent again retries times, asks for: only the first does, since
// some paths lose those that do (RFC 3168 6.1.1.1). tcp_ecn_answer_flags is what our SYN-ACK says.
uint8_t tcp_ecn_syn_flags(const struct tcp *tcp, uint32_t retries);
uint8_t tcp_ecn_answer_flags(const struct tcp_agreed *agreed);

// tcp_ecn_agree tells whether a SYN or SYN-ACK with these flags makes ECN agreed upon.
bool tcp_ecn_agree(const struct tcp *tcp, uint8_t flags);

// tcp_ecn_received notes marks of an acceptable segment (6.1.3), tcp_ecn_acked what an acceptable
// ACK, not yet taken, says of ours (6.1.2).
void tcp_ecn_received(struct tcp_conn *conn, const struct tcp_segment *segment);
void tcp_ecn_acked(struct tcp_conn *conn, const struct tcp_segment *segment);

// tcp_ecn_stamp sets CWR in segment when it is due and returns the IP ECN bits for pick.
uint8_t tcp_ecn_stamp(struct tcp_conn *conn, const struct tcp_pick *pick,
		      struct tcp_segment *segment);

// -- tcp_output.c: segments to packets

// tcp_output sends what may be sent, then an ACK when one is due and did not ride along.
void tcp_output(struct tcp_conn *conn);

// tcp_output_ack sends a bare ACK now; tcp_output_keepalive one with an old sequence number, which
// asks for an ACK (RFC 9293 3.8.4).
void tcp_output_ack(struct tcp_conn *conn);
void tcp_output_keepalive(struct tcp_conn *conn);

// tcp_output_probe sends the first byte beyond a closed window.
void tcp_output_probe(struct tcp_conn *conn);

// tcp_output_bare sends a segment without payload; ports come from tuple.
void tcp_output_bare(struct tcp *tcp, const struct tcp_tuple *tuple, struct tcp_segment *segment);

// tcp_output_reset answers a segment of no connection with RST (RFC 9293 3.10.7.1).
void tcp_output_reset(struct tcp *tcp, const struct tcp_tuple *tuple,
		      const struct tcp_segment *segment);

// -- tcp_pace.c: not faster than congestion control says

// tcp_pace_cut makes room's bursts no larger than a timer tick's worth.
void tcp_pace_cut(const struct tcp_conn *conn, struct tcp_room *room);

// tcp_pace_is_due is true when data may leave now; when some waits and may not,
// TCP_TIMER_OUTPUT is set.
bool tcp_pace_is_due(struct tcp_conn *conn);

// tcp_pace_sent accounts for bytes that left.
void tcp_pace_sent(struct tcp_conn *conn, uint32_t bytes);

// -- tcp_timer.c

// tcp_timer_start readies conn's wheel entry; tcp_timer_stop disarms it.
void tcp_timer_start(struct tcp_conn *conn);
void tcp_timer_stop(struct tcp_conn *conn);

// tcp_timer_set sets a deadline, tcp_timer_clear takes it back; the wheel entry moves lazily.
void tcp_timer_set(struct tcp_conn *conn, enum tcp_timer timer, uint64_t due_us);
void tcp_timer_clear(struct tcp_conn *conn, enum tcp_timer timer);

// tcp_timer_is_set is true between setting and expiry.
static inline bool tcp_timer_is_set(const struct tcp_conn *conn, enum tcp_timer timer)
{
	return conn->deadline_us[timer] != TCP_NEVER;
}

// tcp_timer_update arms RTO or persist as what is in flight and what waits ask for.
void tcp_timer_update(struct tcp_conn *conn);

// -- small things

// tcp_count adds one to a counter.
static inline void tcp_count(struct tcp *tcp, enum counter counter)
{
	counter_inc(tcp->counters, counter);
}

// tcp_is_soon is true within TCP_CHALLENGE_US of *answered_us, which it sets to now otherwise:
// nobody is answered more often than that.
bool tcp_is_soon(const struct tcp *tcp, uint64_t *answered_us);

// tcp_budget_take draws from a per-second budget whose size nobody outside can know (RFC 5961 7).
bool tcp_budget_take(struct tcp *tcp, uint32_t *budget);
