// SPDX-License-Identifier: Apache-2.0
// TCP (RFC 9293) of one worker: listen, connect, send, receive, close. Connections are named by
// handle. Nothing here reads a clock, draws system randomness or allocates after tcp_new.
//
// Input only notes what happened; the owner hears of it from tcp_run_ready, once a connection per
// loop, in this order: opened, readable, writable, closed. After `closed` the handle is dead.
#pragma once

#include "addr.h"
#include "buf.h"
#include "counter.h"
#include "net.h"
#include "pool.h"
#include "random.h"
#include "slice.h"
#include "wheel.h"

#include <stdbool.h>
#include <stdint.h>

struct tcp; // one a worker; defined in tcp_priv.h

// What is done about explicit congestion notification (RFC 3168).
enum tcp_ecn {
	TCP_ECN_OFF,
	TCP_ECN_ACCEPT, // when a peer that connects to us asks for it
	TCP_ECN_ON,     // and ask for it when we connect
};

// Congestion control of a connection.
enum tcp_congestion {
	TCP_CONGESTION_CUBIC, // RFC 9438
	TCP_CONGESTION_BBR,   // draft-ietf-ccwg-bbr
	TCP_CONGESTION_COUNT
};

struct tcp_limits {
	uint32_t conn_count;      // connections, all states but TIME-WAIT and half-open
	uint32_t half_open_count; // SYN-RECEIVED of listeners
	uint32_t time_wait_count;
	uint32_t listener_count;
	uint32_t sent_count;           // records of what is in flight, shared; 0 = by conn_count
	uint32_t send_buffer_bytes;    // queued and unacknowledged at most, per connection
	uint32_t receive_buffer_bytes; // largest window we offer, per connection
	uint64_t send_memory_bytes; // queued by all before connections get the least; 0 = no bound
	uint64_t receive_memory_bytes; // packet buffers that unread bytes pin; 0 = half of all
	uint32_t syn_retries;
	uint32_t retries;           // RTO expiries before giving up (R2)
	uint32_t keepalive_idle_ms; // 0 = off
	uint32_t keepalive_interval_ms;
	uint32_t keepalive_probes;
	uint32_t time_wait_ms;
	uint32_t fin_wait_2_ms; // orphan limit
	uint32_t delayed_ack_ms;
	uint32_t syn_rate_per_prefix; // SYNs a second kept of a /24 or /56; 0 = no bound
	uint32_t cookies_per_s;       // SYN cookies made at most; 0 = no bound
	uint32_t persist_ms;          // at a closed window without progress; 0 = for ever
	uint32_t user_timeout_ms;     // sent and not acknowledged (RFC 9293 3.8.3); 0 = by retries
	uint32_t orphan_count;        // released and not yet over; 0 = no bound
	uint32_t orphan_ms;           // an orphan's life before FIN-WAIT-2; 0 = no bound
	enum tcp_ecn ecn;
	enum tcp_congestion congestion; // of connections that we open
	bool is_coalescing;             // segments that arrive together are taken as one (GRO)
	bool is_paced;                  // slow start too: what follows a model always is
	uint16_t port_first;            // ephemeral range, inclusive
	uint16_t port_last;
};

struct tcp_tuple {
	struct addr local;
	struct addr remote;
	uint16_t local_port; // host order
	uint16_t remote_port;
};

// Why a connection ended: a counter of tcp.def with kind REASON, e.g. COUNTER_tcp_closed,
// COUNTER_tcp_reset_by_peer, COUNTER_tcp_timed_out, COUNTER_tcp_refused, COUNTER_tcp_unreachable,
// COUNTER_tcp_aborted.

// Events of a connection. No member may be NULL. Inside an event any tcp_ call is allowed.
struct tcp_events {
	// opened: the three-way handshake of tcp_connect is done.
	void (*opened)(void *user, struct pool_id conn);
	// readable: in-order bytes, or the peer's FIN behind them, wait (tcp_peek, tcp_at_end).
	void (*readable)(void *user, struct pool_id conn);
	// writable: tcp_send_room grew after it had been less than one record (BUF_BYTES).
	void (*writable)(void *user, struct pool_id conn);
	// closed: the connection is gone, for this reason; sent once, also after a graceful end of
	// both directions, never after tcp_abort or tcp_release. When the peer had sent its FIN
	// (and the end is graceful, or its reset), only after all it sent was consumed.
	void (*closed)(void *user, struct pool_id conn, enum counter reason);
};

struct tcp_listener {
	struct addr local; // zero = any of our addresses of either family
	uint16_t port;
	uint16_t backlog;               // connections half-open at most; 0 = limits.half_open_count
	enum tcp_congestion congestion; // of its connections
	const struct tcp_events *events;
	// accepted: a peer's handshake is done. Returns the new connection's user pointer, or NULL
	// to refuse it (reset, COUNTER_tcp_accept_refused).
	void *(*accepted)(void *user, struct pool_id conn, const struct tcp_tuple *tuple);
	void *user;
};

struct tcp_connect {
	struct addr remote;
	uint16_t remote_port;
	struct addr local; // zero = choose by route
	const struct tcp_events *events;
	void *user;
};

// What an operator asks of a connection (as ss -ti).
struct tcp_info {
	struct tcp_tuple tuple;
	const char *state;    // name
	const char *cc;       // congestion control's name; "" before a handshake agreed on it
	const char *cc_state; // what it does now, as "slow-start"
	bool is_passive;      // the peer opened it
	bool is_orphan;       // its owner is gone, what it left is still delivered
	uint32_t srtt_us, rttvar_us, rto_us, cwnd_bytes, ssthresh_bytes;
	uint64_t pacing_bytes_per_s; // 0 = not paced
	uint32_t mss, send_window, receive_window;
	uint32_t queued_bytes, unacked_bytes;  // to send: not yet sent; sent, not acknowledged
	uint32_t unread_bytes, early_segments; // received: in order, and out of order
	uint64_t bytes_sent, bytes_received, retransmits;
	uint64_t opened_us;
};

// Which flows tcp_flow_at tells of: all that these agree with.
struct tcp_filter {
	struct prefix host; // of either end; bits 0 = any
	uint16_t port;      // of either end; 0 = any
	const char *state;  // name as in tcp_info; NULL = any
};

// A slab, as tcp_slab_at tells of it.
struct tcp_slab {
	const char *name;
	uint32_t in_use, capacity;
	uint64_t bytes; // of the whole slab, taken at start
};

// What is left of a worker's budgets.
struct tcp_budgets {
	uint32_t held_mbufs, held_mbufs_max; // by receive queues
	uint32_t challenge_acks, resets;     // this second
};

// What a worker gives its TCP. Everything behind a pointer is borrowed for tcp's life.
struct tcp_config {
	struct tcp_limits limits; // copied
	struct net *net;
	struct rte_mempool *mbufs; // for what we send; private area >= sizeof(struct packet)
	struct wheel *wheel;
	struct random_source *random;
	struct counters *counters;
	uint32_t worker_index; // whose source ports tcp_connect_to draws, see net_owner
};

// tcp_new takes all memory for the limits and registers as net's protocol 6. Returns NULL when
// memory is short or a limit is senseless.
struct tcp *tcp_new(const struct tcp_config *config);

// tcp_free drops every connection without a word to peers and gives all memory back.
void tcp_free(struct tcp *tcp);

// tcp_spans adds the memory of its slabs to spans.
void tcp_spans(const struct tcp *tcp, struct spans *spans);

// tcp_listen_on starts accepting. Returns 0, EADDRINUSE or ENOSPC.
int tcp_listen_on(struct tcp *tcp, const struct tcp_listener *listener);

// tcp_listen_end stops accepting: who connects is reset; handshakes under way go on.
void tcp_listen_end(struct tcp *tcp);

// tcp_connect_to starts an active open; the source port is chosen so that answers reach this worker
// (RFC 6056, net_owner). `opened` or `closed` follows. Returns 0, ENOSPC (connections or ports at
// their bound) or EHOSTUNREACH (no route).
int tcp_connect_to(struct tcp *tcp, const struct tcp_connect *connect, struct pool_id *conn);

// tcp_send_room is how many bytes tcp_send takes now; 0 for a dead handle or after tcp_shutdown.
size_t tcp_send_room(const struct tcp *tcp, struct pool_id conn);

// tcp_send queues bytes bytes at offset of buf and takes the caller's reference in every case. The
// bytes must not change until the reference is returned. More than tcp_send_room is queued all the
// same when it is at most one buf over. Returns 0, or ENOTCONN (dead, shut down).
int tcp_send(struct tcp *tcp, struct pool_id conn, struct buf *buf, uint32_t offset,
	     uint32_t bytes);

// tcp_push sends what the windows allow of what is queued now, not only when tcp_run_ready comes to
// the connection: for who queues a lot, so that it leaves while it is still in the core's cache. A
// dead handle is ignored.
void tcp_push(struct tcp *tcp, struct pool_id conn);

// tcp_ack_within acknowledges what came within so many us, not tcp_limits.delayed_ack_ms (RFC 9293
// 3.8.6.3): for who knows that no answer follows by itself. A dead handle is ignored.
void tcp_ack_within(struct tcp *tcp, struct pool_id conn, uint64_t us);

// tcp_peek borrows the first run of in-order received bytes, writable (records are opened in
// place); empty when none wait. Valid until tcp_consume or the end of the event.
struct slice tcp_peek(struct tcp *tcp, struct pool_id conn);

// tcp_received is how many in-order bytes wait.
size_t tcp_received(const struct tcp *tcp, struct pool_id conn);

// tcp_consume drops the first bytes bytes, over runs, and opens the window by as much.
void tcp_consume(struct tcp *tcp, struct pool_id conn, size_t bytes);

// tcp_at_end is true when the peer's FIN was received and every byte before it consumed.
bool tcp_at_end(const struct tcp *tcp, struct pool_id conn);

// tcp_shutdown sends FIN after what is queued.
void tcp_shutdown(struct tcp *tcp, struct pool_id conn);

// tcp_abort sends RST and ends the connection now; no event follows.
void tcp_abort(struct tcp *tcp, struct pool_id conn);

// tcp_release ends the owner's interest: what is queued is still delivered, FIN follows, received
// bytes are answered with RST (RFC 9293 3.10.4, RFC 1122 4.2.2.13); no event follows.
void tcp_release(struct tcp *tcp, struct pool_id conn);

// tcp_set_user changes the pointer given to events.
void tcp_set_user(struct tcp *tcp, struct pool_id conn, void *user);

// tcp_tuple_of fills the connection's addresses; false for a dead handle.
bool tcp_tuple_of(const struct tcp *tcp, struct pool_id conn, struct tcp_tuple *tuple);

// tcp_info_of fills what an operator asks; false for a dead handle.
bool tcp_info_of(const struct tcp *tcp, struct pool_id conn, struct tcp_info *info);

// tcp_flow_slots is how many places flows may have: connections, half-open ones and TIME-WAIT
// entries. tcp_flow_at tells of the one at slot; false when nothing lives there or filter leaves it
// out. A flow keeps its slot for its life in one of the three.
uint32_t tcp_flow_slots(const struct tcp *tcp);
bool tcp_flow_at(const struct tcp *tcp, uint32_t slot, const struct tcp_filter *filter,
		 struct tcp_info *info);

// tcp_slab_at tells of slab index (0, 1, ...); false behind the last. tcp_budgets_of tells what is
// left.
bool tcp_slab_at(const struct tcp *tcp, uint32_t index, struct tcp_slab *slab);
struct tcp_budgets tcp_budgets_of(const struct tcp *tcp);

// tcp_set_time tells the time; call at the start of each loop, before anything else of tcp or net.
void tcp_set_time(struct tcp *tcp, uint64_t now_us);

// tcp_run_events delivers the events of connections on the ready list, at most budget of them, and
// leaves it to tcp_run_ready to send: for an owner that acts on events in between, whose answers
// then carry the ACKs that are due (RFC 9293 3.8.6.3).
void tcp_run_events(struct tcp *tcp, uint32_t budget);

// tcp_run_ready delivers events and sends what may be sent for connections on the ready list, at
// most budget of them. Returns how many remain ready.
uint32_t tcp_run_ready(struct tcp *tcp, uint32_t budget);

// tcp_in_use counts what a clean end must bring back to zero.
struct tcp_in_use {
	uint32_t conn_count, half_open_count, time_wait_count, ready_count;
};
struct tcp_in_use tcp_in_use(const struct tcp *tcp);
