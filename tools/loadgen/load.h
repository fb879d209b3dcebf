// SPDX-License-Identifier: Apache-2.0
// One run of the load generator: its connections, what is under way on them, what is due next.
//
//   opening: all connections come up -> warming -> measuring -> draining: what is due is answered
//
// A connection is a session: TCP, TLS over it, HTTP over that, pumped inside TCP's events. Sessions
// wait on one of four lists: free (no connection), willing (may begin a request), starved (wants a
// buffer, or has only just shaken hands), over (ended inside an event, taken apart after it).
#pragma once

#include "host_stack.h"
#include "http.h"
#include "load_options.h"
#include "load_schedule.h"
#include "load_tally.h"
#include "tls.h"

#define LOAD_TICKETS 4096u // kept to resume by, each used once

enum load_phase { LOAD_OPENING, LOAD_WARMING, LOAD_MEASURING, LOAD_DRAINING, LOAD_OVER };

struct load {
	struct load_options *options;
	struct host_stack *stack; // borrowed
	struct tls *tls;
	struct http_limits http_limits;
	struct load_schedule schedule; // of requests, or of connections (per_connection)
	struct load_schedule fresh;    // of requests on connections of their own (fresh_share)
	struct load_tally tally;
	struct random_source random;
	struct load_session *sessions;
	struct load_exchange *exchanges;
	struct list free, willing, starved, over; // of sessions
	struct list idle;                         // exchanges not in use
	struct ssl_session_st *tickets[LOAD_TICKETS];
	uint32_t ticket_count;
	uint32_t session_count; // with a connection
	uint32_t fresh_count;   // of these, for one request of load.fresh
	uint32_t opening_count; // of these, not up yet
	uint32_t under_way;     // exchanges
	uint32_t opened;        // sessions ever: whose turn it is
	uint32_t told_tenths;   // of the connections that are up, on standard error
	uint32_t sample_left;   // to be asked after the hold
	enum load_phase phase;
	uint64_t phase_end_ns;
	uint64_t turn_ns; // when this turn began
	uint64_t busy_ns; // of turns while measuring that found something, or asked
	bool is_busy;     // this turn did
};

struct load_session {
	struct load *load;
	struct list link;
	struct pool_id tcp;     // null once the connection is gone
	struct tls_conn *tls;   // owned; NULL: plain, or not there yet
	struct http_conn *http; // owned; NULL until there is something to ask
	uint64_t due_ns;        // when this connection was due
	uint64_t begun;         // requests on it
	uint32_t under_way;     // exchanges
	bool is_fresh;          // for one request of load.fresh, due with the connection
	bool is_ready;
	bool is_h2;
	bool is_shut;   // our end is queued
	bool is_ending; // takes no more requests
	bool is_over;
};

// One request and its answer.
struct load_exchange {
	struct list link; // load.idle
	const struct load_item *item;
	uint64_t due_ns;
	uint64_t bytes;    // of the answer's body so far
	uint64_t uploaded; // of the request's
	uint32_t stream;
	uint16_t status;
	bool is_wrong; // bytes that differ
};

// load_clock_ns is the time that latencies are measured by.
uint64_t load_clock_ns(void);

// load_new makes a run that has done nothing; both are borrowed. Ends the program with a message
// when it cannot.
struct load *load_new(struct load_options *options, struct host_stack *stack);

// load_run does all of it, until it is over or *is_stopped.
void load_run(struct load *load, volatile const bool *is_stopped);

// load_free ends every connection and gives all back. What peers are told of it waits for the
// stack's next turn.
void load_free(struct load *load);

// load_session_open begins a connection that was due at due_ns on a free session; is_fresh: for one
// request of load.fresh.
void load_session_open(struct load *load, uint64_t due_ns, bool is_fresh);

// load_session_ask begins one request, due at due_ns, on a willing session; load_session_flush must
// follow.
void load_session_ask(struct load_session *session, uint64_t due_ns);

// load_session_fill begins what is due on a session while it takes more.
void load_session_fill(struct load_session *session);

// load_session_flush sends what the session has to say, and notes whether it takes more requests.
void load_session_flush(struct load_session *session);

// load_session_shut ends it politely.
void load_session_shut(struct load_session *session);

// load_session_end takes a session that is over apart, and makes it free.
void load_session_end(struct load_session *session);

// load_exchange_begin puts a request to http. False: it does not take one now.
bool load_exchange_begin(struct load_session *session, uint64_t due_ns);

// The events of a session's HTTP, whose user is the session and whose stream's is the exchange.
extern const struct http_events load_exchange_events;
