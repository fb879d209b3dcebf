// SPDX-License-Identifier: Apache-2.0
// Body bytes in both directions: the only place where back-pressure crosses from one side to the
// other. A side's window is opened (http_consume) only when the other side has taken the bytes.
//
//   client -> request_body  -> upstream      fifo full = window closed = the sender waits
//   client <- response_body <- upstream
//
// What is being stored by this worker waits in the cache's memory instead, at the upstream's pace:
// others read it there, and the slowest of them holds nobody up.
#pragma once

#include "exchange.h"

// relay_init makes both queues empty, bounded by the widest window of a stream.
void relay_init(struct exchange *exchange);

// relay_clear returns all buffers.
void relay_clear(struct exchange *exchange);

// relay_request takes body bytes of the client; false when buffers are at their bound.
bool relay_request(struct exchange *exchange, struct slice bytes);

// relay_response takes body bytes of the upstream; false when buffers are at their bound, or
// without a client when they are not stored any more.
bool relay_response(struct exchange *exchange, struct slice bytes);

// relay_keep stores a run of the response. True: the client reads it from there; false: it is not
// stored, or by another worker.
bool relay_keep(struct exchange *exchange, struct slice bytes);

// relay_leave: the client is gone, what waited for it is of the cache only; false when that fails.
bool relay_leave(struct exchange *exchange);

// relay_pull_request is http_events.pull of the upstream side.
struct slice relay_pull_request(struct exchange *exchange, size_t max, bool *is_end,
				const struct http_field **trailers, uint32_t *trailer_count);

// relay_pull_response is http_events.pull of the client's side: an upstream's body, a cached
// object, or our own text.
struct slice relay_pull_response(struct exchange *exchange, size_t max, bool *is_end,
				 const struct http_field **trailers, uint32_t *trailer_count);

// relay_drop_response forgets bytes of the upstream's body that were passed on, and lets it send as
// many.
void relay_drop_response(struct exchange *exchange, size_t bytes);

// relay_request_sent: the upstream has taken what the last pull lent, the end of the request. A
// body that was one run is kept until the response comes, and while buffers last: another try needs
// it. relay_drop_request lets go of it, relay_replay_request begins it again.
void relay_request_sent(struct exchange *exchange);
void relay_drop_request(struct exchange *exchange);
void relay_replay_request(struct exchange *exchange);

// relay_wake_client and relay_wake_upstream tell a side that its pull has something again.
void relay_wake_client(struct exchange *exchange);
void relay_wake_upstream(struct exchange *exchange);
