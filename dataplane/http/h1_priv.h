// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 connection: one exchange at a time, its two directions each with a state of its own.
//
//   reading:  HEAD -> LENGTH | CHUNKED -> TRAILERS | TO_END -> DONE
//   writing:  IDLE -> BODY -> DONE              both DONE: the next exchange may start
#pragma once

#include "h1_chunk.h"
#include "h1_parse.h"
#include "h1_write.h"
#include "http_priv.h"
#include "websocket.h"

#include <assert.h>

enum h1_reading {
	H1_READ_HEAD,
	H1_READ_LENGTH,
	H1_READ_CHUNKED,
	H1_READ_TRAILERS,
	H1_READ_TO_END,
	H1_READ_HELD, // server: a tunnel is asked for, its bytes wait for our answer
	H1_READ_DONE,
};

enum h1_writing {
	H1_WRITE_IDLE, // the head of the message has not been given yet
	H1_WRITE_HELD, // client: a tunnel is asked for, its bytes wait for the answer
	H1_WRITE_BODY, // the head is in out, the body is pulled
	H1_WRITE_DONE,
};

// What only an exchange needs: an idle connection has none.
struct h1_work {
	struct h1_head head;
	struct h1_chunks chunks;
	char accept[WEBSOCKET_ACCEPT_BYTES]; // the answer that makes a tunnel
	uint64_t head_memory[];              // h1_head_memory_bytes
};

static_assert(sizeof(struct h1_work) == HTTP_HEAD_OWN_BYTES);

struct h1_conn {
	struct http_conn base;
	struct h1_work *work; // owned; from a head's first byte, or a tunnel asked for, to the end
	// reading
	uint64_t body_left_bytes;  // H1_READ_LENGTH
	uint32_t unconsumed_bytes; // <= HTTP1_BODY_WINDOW_BYTES
	uint8_t reading;           // enum h1_reading
	uint8_t interim_count;     // 1xx responses before the final one
	bool has_head_begun;       // work->head is between its first byte and its end
	bool is_receiving;         // inside h1_receive: work stays
	// the exchange
	void *stream_user;
	uint32_t stream; // its name: counts exchanges
	bool is_live;
	bool is_head_request;
	bool is_peer_http10;
	bool awaits_continue; // peer waits for 100 before its body
	bool is_tunnel;       // asked for
	// writing
	uint8_t writing;   // enum h1_writing
	uint8_t framing;   // enum h1_framing, of the message being written
	bool is_waiting;   // pull had nothing; http_resume ends it
	bool is_body_over; // everything was pulled
	struct h1_out out;
	uint64_t send_left_bytes; // H1_LENGTH
	// the connection
	bool is_draining;    // the next response says that it is the last
	bool will_close;     // after this exchange
	bool is_input_ended; // peer sent FIN
	bool is_dead;        // nothing is read any more; done when out is empty
};

// h1_of is the connection behind the facade.
static inline struct h1_conn *h1_of(struct http_conn *conn)
{
	return (struct h1_conn *)conn;
}

// h1_try_finish ends the exchange when both directions are done; true when it did.
bool h1_try_finish(struct h1_conn *c);

// h1_take_work makes sure of the memory of an exchange, which is not cleared. False: there is none.
bool h1_take_work(struct h1_conn *c);

// h1_drop_idle_memory gives the exchange's memory away while there is none: an idle connection
// keeps none.
void h1_drop_idle_memory(struct h1_conn *c);

// h1_tell_end_of_conn gives the closed event when the connection has come to its end.
void h1_tell_end_of_conn(struct h1_conn *c);

// h1_fail ends the connection for a reason: the live exchange hears reset, else the owner closed. A
// server that has not begun to answer answers by the fault's status.
void h1_fail(struct h1_conn *c, struct http_fault fault);

// h1_receive and h1_receive_end (h1_read.c), h1_produce, h1_request and h1_respond (h1_send.c): see
// http.h.
size_t h1_receive(struct http_conn *conn, struct slice bytes);
void h1_receive_end(struct http_conn *conn);
size_t h1_produce(struct http_conn *conn, uint8_t *out, size_t room);
int h1_request(struct http_conn *conn, const struct http_message *message, bool has_body,
	       void *stream_user, uint32_t *stream);
int h1_respond(struct http_conn *conn, uint32_t stream, const struct http_message *message,
	       bool has_body);
