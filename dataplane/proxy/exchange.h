// SPDX-License-Identifier: Apache-2.0
// An exchange is one request and its response: a state machine, one function per state.
//
//   IDENTIFY -> LOOKUP -> CACHE -> CONNECT -> RESPONSE -> RELAY -> (freed)
//      |          |         |         |          |  retry: back to CONNECT
//      +----------+---------+---------+----------+--> REPLY -> (freed)     answers of our own, hits
#pragma once

#include "addr.h"
#include "arena.h"
#include "cache.h"
#include "coding_accept.h"
#include "fifo.h"
#include "http.h"
#include "list.h"
#include "pool.h"
#include "route.h"
#include "slicing.h"
#include "trace.h"
#include "wheel.h"

struct proxy;
struct downstream;
struct upstream;
struct upstream_line;
struct compress;

#define EXCHANGE_TRIES_MAX 4u

#define EXCHANGE_STATES(X)                                                                         \
	X(IDENTIFY, "reads who is asked for")                                                      \
	X(LOOKUP, "waits for control's answer about the host")                                     \
	X(CACHE, "waits for the cache's answer")                                                   \
	X(CONNECT, "waits for a connection to an endpoint")                                        \
	X(RESPONSE, "sent its request, waits for the response")                                    \
	X(RELAY, "passes the response on")                                                         \
	X(REPLY, "sends an answer of our own, or one from the cache")

enum exchange_state {
#define X(name, text) EXCHANGE_##name,
	EXCHANGE_STATES(X)
#undef X
		EXCHANGE_STATE_COUNT
};

struct exchange {
	struct proxy *proxy;
	struct pool_id id;
	enum exchange_state state;
	struct downstream *down; // NULL behind the client's back: a stale object is validated
	struct addr client;
	uint32_t down_stream;
	struct list down_link;
	struct upstream *up;   // NULL while none is assigned
	uint32_t up_stream;    // 0 while it only waits for the connection
	struct list up_link;   // up->exchanges or ->waiting; while it waits for a place, its line
	struct list wait_link; // proxy->lookups or proxy->queue
	struct upstream_line *line; // NULL unless it waits for a place at an endpoint ...
	uint64_t ticket;            // ... since when: a number that grows
	struct wheel_timer timer;
	uint64_t started_us;
	uint64_t moved_us; // state changed, or bytes of a body passed
	struct trace trace;
	uint32_t sent_us, answered_us; // since started_us, 0: never; see access.h
	uint64_t request_bytes, response_bytes;
	uint64_t paced_request, paced_response; // these when the client's rate was looked at last
	uint64_t paced_waiting;                 // of the answer, for HTTP/2's window; 0: none did
	bool is_paced;                          // it has been looked at

	struct buf *head_buf; // memory of the request and of trailers
	struct arena arena;   // in head_buf
	struct http_message request;
	struct slice host; // of request.authority, without port
	struct slice path; // of request.target, without query
	uint32_t service_id;

	struct fifo request_body;  // client to upstream
	struct fifo response_body; // upstream to client
	size_t request_lent;       // bytes given to the upstream codec by the last pull
	size_t response_lent;      // bytes given to the downstream codec by the last pull
	const struct http_field *request_trailers, *response_trailers;
	uint32_t request_trailer_count, response_trailer_count;

	struct route_target target;
	uint32_t tried[EXCHANGE_TRIES_MAX];
	uint32_t tried_count;
	uint32_t try_count; // tries so far; tried_count may be less

	struct cache_answer answer; // verdict, forward; objects lent while we send or validate them
	bool is_cache_asked, is_cache_answered;
	bool is_stored, is_collapsed;
	bool is_validating; // the request that was sent is conditional on answer.stale
	bool is_left;       // its client is gone, others read what it fetches
	bool is_survived;   // a stale object answers because the upstream failed
	uint64_t object_offset, object_end;
	struct cache_object *own; // the response as it is stored, lent: its client reads it there
	uint64_t own_offset, own_bytes; // read, written
	struct cache_reader reader;     // of what another fetches, while it waits for more
	uint16_t forward_status;        // of the upstream's response, 0 before

	struct coding_accept accepts; // codings, on a node that compresses
	struct compress *compress;    // the response's body goes through it; NULL: as it is

	struct slicing slicing; // of a large object

	struct buf *page_buf;    // of a policy's page, or NULL
	struct slice reply_body; // of an answer of our own: static text
	uint32_t reset_error;    // with which the upstream has just reset it, 0: it has not
	enum counter reason;     // why it ended as it did; COUNTER_COUNT while all is well
	uint16_t status;         // of the final response, 0 before

	bool is_continue_due; // the deadline is that of the upstream's 100
	bool is_first_look;   // the deadline is that of a new connection's first answer
	bool is_waiting_up;   // up is still being connected for it
	bool is_held;         // it waited, since as many clients as may were sending bodies
	bool has_request_body;
	bool is_request_ended;  // the client's message is complete
	bool is_request_sent;   // the upstream codec has produced the whole request
	bool is_request_begun;  // body bytes are gone to the upstream: no second try
	bool is_response_begun; // the final head went to the client
	bool is_response_ended; // the upstream's message is complete
	bool is_tunnel;         // the upstream has made it: both bodies are its directions
	bool is_try_open;       // route_begin was called and route_finish was not
};

// exchange_owes_body tells whether the client has not sent all of its request. What goes through a
// tunnel, or will, is no body: who waits for one to be made owes nothing.
static inline bool exchange_owes_body(const struct exchange *exchange)
{
	return exchange->has_request_body && !exchange->is_request_ended &&
	       !exchange->request.protocol.bytes;
}

// exchange_is_grpc tells calls of gRPC, whose clients read HTTP/2's errors and not a gateway's
// pages.
static inline bool exchange_is_grpc(const struct exchange *exchange)
{
	struct slice type = http_field_find(&exchange->request, SLICE("content-type"));
	return slice_equal(slice_head(type, 16), SLICE("application/grpc"));
}

// exchange_new starts an exchange for a request of downstream's stream. The head is copied. When
// there is no room for it the stream is answered at once, and NULL is returned.
struct exchange *exchange_new(struct downstream *down, uint32_t stream,
			      const struct http_message *request, bool is_end);

// exchange_start walks on from IDENTIFY.
void exchange_start(struct exchange *exchange);

// exchange_route looks the host up and goes on: cache, connect, reply, or waits.
void exchange_route(struct exchange *exchange);

// exchange_connect chooses an endpoint and a connection to it, or replies why not.
void exchange_connect(struct exchange *exchange);

// exchange_send sends the request on exchange->up, which is open and has room.
void exchange_send(struct exchange *exchange);

// exchange_try_failed: this try is over for reason (exchange.def) before a response came; another
// endpoint is tried when that is safe, else the client hears of it.
void exchange_try_failed(struct exchange *exchange, enum counter reason, bool is_unprocessed);

// exchange_response_late: the deadline for the response's head has passed.
void exchange_response_late(struct exchange *exchange);

// exchange_finish_try tells the balancer how the open try ended, if there is one;
// exchange_finish_answered, what a response of this status says of it.
void exchange_finish_try(struct exchange *exchange, enum route_outcome outcome);
void exchange_finish_answered(struct exchange *exchange, uint16_t status);

// exchange_reply answers with the status of reason (exchange.def) and its text.
void exchange_reply(struct exchange *exchange, enum counter reason);

// exchange_stop_waiting takes the exchange off the lists of those that wait for control or a place.
void exchange_stop_waiting(struct exchange *exchange);

// exchange_keep_trailers copies trailers of the request or the response; those that do not fit are
// dropped.
void exchange_keep_trailers(struct exchange *exchange, bool is_request,
			    const struct http_field *trailers, uint32_t count);

// exchange_reply_object answers from the object that the cache lent, by this head of it.
void exchange_reply_object(struct exchange *exchange, const struct http_message *head);

// exchange_validate starts an exchange without a client for the fill and the stale object that came
// with exchange's answer; they are no longer exchange's.
void exchange_validate(struct exchange *exchange);

// exchange_new_behind makes an exchange without a client for the same request, with a copy of its
// head; NULL when there is no room.
struct exchange *exchange_new_behind(struct exchange *exchange);

// exchange_service_name is the name of the service that a struct exchange asks (cache_scope).
struct slice exchange_service_name(void *exchange);

// exchange_ask_cache asks the cache; its answer, maybe at once, goes on.
void exchange_ask_cache(struct exchange *exchange);

// exchange_survive answers with the stale object instead of the upstream's failure, if it may.
bool exchange_survive(struct exchange *exchange, bool is_lost);

// exchange_confirmed takes the response to a request that validates. True: answered from the cache,
// or on its way again; false: it is a response like others.
bool exchange_confirmed(struct exchange *exchange, const struct http_message *response);

// exchange_leave_upstream ends the tie to an upstream, and what was being stored, before a reply.
void exchange_leave_upstream(struct exchange *exchange);

// exchange_response takes the upstream's final response head.
void exchange_response(struct exchange *exchange, const struct http_message *response, bool is_end);

// exchange_body_begins: the client sends its body; it does not wait (any more) for leave to.
void exchange_body_begins(struct exchange *exchange);

// exchange_response_end: the upstream's message is complete.
void exchange_response_end(struct exchange *exchange);

// exchange_request_sent: the upstream has taken the whole request; the response is due.
void exchange_request_sent(struct exchange *exchange);

// exchange_break: the response cannot be completed; the client's stream is reset, with the
// upstream's own error where it said one (reset_error), and the exchange freed.
void exchange_break(struct exchange *exchange, enum counter reason);

// exchange_drop_client: the client does not take the response. As exchange_break, but a fetch that
// others read goes on.
void exchange_drop_client(struct exchange *exchange, enum counter reason);

// exchange_finish frees an exchange without a client that has done its work.
void exchange_finish(struct exchange *exchange);

// exchange_client_gone: the client's stream is over before its response was; the exchange is freed,
// or goes on without it.
void exchange_client_gone(struct exchange *exchange, enum counter reason);

// exchange_sent: the whole response went to the client; the exchange is freed.
void exchange_sent(struct exchange *exchange);

// exchange_set_idle_deadline ends a body or a tunnel that stands still from now on.
void exchange_set_idle_deadline(struct exchange *exchange);

// exchange_set_deadline ends the exchange's present state after ms.
void exchange_set_deadline(struct exchange *exchange, uint32_t ms);

// exchange_age_us is how long the exchange has lived: at least 1, at most UINT32_MAX µs.
uint32_t exchange_age_us(const struct exchange *exchange);

// exchange_status_of is the status with which a reason (exchange.def) is answered.
uint16_t exchange_status_of(enum counter reason);

// exchange_state_text names a state.
const char *exchange_state_text(enum exchange_state state);
