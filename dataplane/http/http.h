// SPDX-License-Identifier: Apache-2.0
// One message model for HTTP/1.1 (RFC 9112) and HTTP/2 (RFC 9113), and one connection facade for
// both, client and server side: bytes in, events out; bytes out are produced when asked for. Pure:
// no clock, no sockets, no DPDK.
//
//   http_receive(bytes) -> head, body, end, reset       http_produce(room) <- pull
#pragma once

#include "arena.h"
#include "gaps.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_FIELDS_MAX  128u
#define HTTP_HEAD_BYTES  32768u // all names and values of one head, see http_limits
#define HTTP_LENGTH_NONE UINT64_MAX

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_CONNECT,
	HTTP_OPTIONS,
	HTTP_TRACE,
	HTTP_PATCH,
	HTTP_PURGE,
	HTTP_OTHER,
	HTTP_METHOD_COUNT
};

struct http_field {
	struct slice name;  // lower case
	struct slice value; // without surrounding blanks
};

// A head: of a request when status is 0, else of a response. All slices live in memory that the
// giver names (an arena, or the parser's for the length of the event).
struct http_message {
	enum http_method method;
	struct slice method_text;
	struct slice scheme;     // "http" or "https"
	struct slice authority;  // host[:port], lower case host
	struct slice target;     // path and query as received: "/a?b", "*" for OPTIONS
	uint16_t status;         // 100..599 in a response
	uint8_t version;         // 10, 11 or 20
	bool is_chunked;         // HTTP/1.1 framing; a body of unknown length
	bool has_upgrade;        // to whatever; only a WebSocket's is more than noted
	bool expects_continue;   // Expect: 100-continue
	uint64_t content_length; // HTTP_LENGTH_NONE when not given
	// A request for a tunnel (RFC 8441; RFC 6455 in HTTP/1.1, where it is written as GET):
	// "websocket", else empty. Its method is CONNECT, its target a path; a 2xx answer makes the
	// tunnel, and the bodies of both messages are its two directions.
	struct slice protocol;
	uint64_t nonce[2];         // random, by whoever sends such a request
	struct http_field *fields; // without Host, pseudo fields, framing and hop-by-hop fields
	uint32_t field_count;
	const struct http_written *written; // borrowed, of a response: some of it; NULL: nothing
};

// What of a final response's head is the same each time it is sent, as connections write it: its
// status, the first field_count of its fields, its content_length.
struct http_written {
	struct slice lines; // HTTP/1.1: from the status line on, without the empty line at the end
	struct slice literals; // HTTP/2: the fields and the length (hpack_write.h)
	uint64_t content_length;
	uint32_t field_count;
};

// What HTTP/2 windows may grow by, of all connections that share it (one a worker).
struct http_window_budget {
	uint64_t max_bytes;
	uint64_t granted_bytes;
	bool is_low; // memory is short: nobody grows, who has grown gives back
};

// Pieces of memory of one size; the first bytes of each are the address of the next one.
struct http_chain {
	void *first;
	unsigned count;
};

// What connections without a request lend each other: memory for heads that arrive, and for those
// that HTTP/1.1 writes, HTTP_SPARE_MAX of each. Empty at first; http_spare_fini frees both.
#define HTTP_SPARE_MAX 16u
struct http_spare {
	struct http_chain heads, outs;
	size_t head_bytes; // of those in heads
};
void http_spare_fini(struct http_spare *spare);

// Where HTTP/2 servers write a frame before it is sent, one at a time: of a worker, and not each
// connection's, since nothing is in it between two calls. Its owner free()s bytes.
#define HTTP_FRAME_ROOM 16640u
struct http_frame_room {
	uint8_t *bytes; // HTTP_FRAME_ROOM
	bool is_used;   // inside http_produce
};

struct http_limits {
	uint32_t head_bytes; // whole head; more: 431 / REFUSED
	uint32_t field_count;
	uint32_t target_bytes;        // more: 414
	uint32_t stream_count;        // h2 streams at once
	uint32_t stream_window_bytes; // that a peer may send of a body unconsumed; h2: per stream
	uint32_t conn_window_bytes;   // h2, per connection
	uint32_t stream_window_max_bytes;         // h2: what a stream's window may grow to
	uint32_t window_growth_bytes;             // h2: what all of a connection's may grow by
	struct http_window_budget *window_budget; // borrowed; NULL: none grows
	struct http_spare *spare;                 // borrowed; NULL: none
	struct slab *slab; // borrowed, h2: for frames, streams and fields; NULL: malloc
	struct http_frame_room *frame_room; // borrowed, h2 server; NULL: each has its own
	bool is_shared; // h2 server: the streams are many users', and share alike whatever they ask
	uint32_t reset_budget;  // streams a peer may reset per connection before
				// GOAWAY(ENHANCE_YOUR_CALM)
	const uint64_t *now_us; // borrowed; budgets of h2 grow back with it; NULL: they do not
	struct counters
		*counters; // borrowed; refusals that no event tells are counted here; NULL: nowhere
};

struct http_conn;
struct counters;
struct slab;

// Why a message or a connection ended badly: a counter of http.def with kind REASON. status is what
// a server answers (400, 413, 414, 431, 501, 505 ...), 0 when there is nothing to answer.
// error is the code with which an HTTP/2 peer reset the stream (RFC 9113 7), 0 where it did not.
struct http_fault {
	int counter; // enum counter
	uint16_t status;
	uint32_t error;
};

// Codes that mean something beyond the connection they were said on.
enum http_error {
	HTTP_ERROR_NONE = 0,
	HTTP_ERROR_INTERNAL = 0x2,
	HTTP_ERROR_REFUSED = 0x7, // nothing was processed: safe to try again
	HTTP_ERROR_CANCEL = 0x8,
	HTTP_ERROR_CONNECT = 0xa, // of a tunnel's other end
	HTTP_ERROR_CALM = 0xb,
	HTTP_ERROR_SECURITY = 0xc,
};

// Events. No member may be NULL. stream is the connection's name of the exchange; stream_user is
// what http_set_stream_user last said (NULL before). Inside an event any http_ call is allowed but
// http_free.
struct http_events {
	// head: a request (server), or a response (client; status 1xx too). With is_end there is
	// neither body nor trailers.
	void (*head)(void *user, uint32_t stream, void *stream_user,
		     const struct http_message *message, bool is_end);
	// body lends a run of body bytes; all of it is taken. It must be given back to the peer's
	// window by http_consume when it has been passed on.
	void (*body)(void *user, uint32_t stream, void *stream_user, struct slice bytes);
	// end: the message is complete, with trailers (field_count may be 0).
	void (*end)(void *user, uint32_t stream, void *stream_user,
		    const struct http_field *trailers, uint32_t trailer_count);
	// reset: the exchange is over, by the peer or by its fault; the stream is gone for the
	// owner.
	void (*reset)(void *user, uint32_t stream, void *stream_user, struct http_fault fault);
	// pull asks for the next body bytes to send, at most max. Returns a run borrowed until the
	// next call into the owner, empty for "later" (http_resume). *is_end: the body ends with
	// it; *trailers may be set then.
	struct slice (*pull)(void *user, uint32_t stream, void *stream_user, size_t max,
			     bool *is_end, const struct http_field **trailers,
			     uint32_t *trailer_count);
	// sent: a stream's message has been produced to its end; with the other direction's end too
	// the stream is gone.
	void (*sent)(void *user, uint32_t stream, void *stream_user);
	// closed: no more exchanges on this connection (goaway, `close`, protocol error). Streams
	// that still live go on when fault.counter is 0.
	void (*closed)(void *user, struct http_fault fault);
};

enum http_version { HTTP_VERSION_1, HTTP_VERSION_2 };

// http_conn_new makes a connection of either version and side. limits and events are borrowed.
// Returns NULL when memory is short.
struct http_conn *http_conn_new(enum http_version version, bool is_server,
				const struct http_limits *limits, const struct http_events *events,
				void *user);

// http_conn_free ends it without a word to the peer; no event follows.
void http_conn_free(struct http_conn *conn);

// http_receive takes bytes from the peer and returns how many it took: fewer than all when an
// earlier exchange must finish first (HTTP/1.1 pipelining) or after a fault.
size_t http_receive(struct http_conn *conn, struct slice bytes);

// http_receive_end: the peer will send no more (FIN, close_notify). A body delimited by the end of
// the connection ends well; everything else unfinished is reset.
void http_receive_end(struct http_conn *conn);

// http_produce writes at most room bytes to send at out and returns how many: 0 when there is
// nothing to send now.
size_t http_produce(struct http_conn *conn, uint8_t *out, size_t room);

// http_produce_gaps does the same, but leaves gaps (empty before) in out for the runs that
// http_lend was called for: they belong there.
size_t http_produce_gaps(struct http_conn *conn, uint8_t *out, size_t room, struct gaps *gaps);

// http_lend, inside pull: the bytes bytes that pull returns stay what and where they are until
// whoever called http_produce_gaps has done with its gaps. False when they will be copied now, as
// other runs are.
bool http_lend(struct http_conn *conn, size_t bytes);

// http_wants_to_send is true when http_produce would (probably) write something.
bool http_wants_to_send(const struct http_conn *conn);

// http_produce_most is how many bytes the next http_produce may write at most, room or not;
// SIZE_MAX: it cannot be told.
size_t http_produce_most(const struct http_conn *conn);

// http_request starts an exchange (client). The message is copied. has_body: pull is asked for it,
// a tunnel's when the answer has made it. Returns 0 and the stream, EBUSY (no more streams at
// once), EPIPE (closed), or EPROTONOSUPPORT (a tunnel, and the peer has said that it makes none).
int http_request(struct http_conn *conn, const struct http_message *message, bool has_body,
		 void *stream_user, uint32_t *stream);

// http_respond answers a stream (server); 1xx may come before the final one. The message is copied.
// Framing follows content_length and has_body. Returns 0 or ESRCH (stream gone).
int http_respond(struct http_conn *conn, uint32_t stream, const struct http_message *message,
		 bool has_body);

// http_resume: pull has something again.
void http_resume(struct http_conn *conn, uint32_t stream);

// http_consume gives bytes of body back to the peer's window (HTTP/2), or lets http_receive go on.
void http_consume(struct http_conn *conn, uint32_t stream, size_t bytes);

// http_reset gives up one exchange: RST_STREAM, or the end of an HTTP/1.1 connection. No event
// follows for the stream.
void http_reset(struct http_conn *conn, uint32_t stream);

// http_reset_as does it with this code; HTTP_ERROR_NONE: with the one that fits.
void http_reset_as(struct http_conn *conn, uint32_t stream, enum http_error error);

// http_set_stream_user sets the pointer given to events of the stream.
void http_set_stream_user(struct http_conn *conn, uint32_t stream, void *stream_user);

// http_ping asks the peer for a sign of life (RFC 9113 6.7); its answer is no event. HTTP/1.1
// cannot.
void http_ping(struct http_conn *conn);

// http_drain gives notice of http_shutdown (server), and loses nothing that is on its way: HTTP/1.1
// ends after the next response, which says so; HTTP/2 says GOAWAY without a last stream and, when
// the peer has seen it, the true one (RFC 9113 6.8).
void http_drain(struct http_conn *conn);

// http_shutdown: no new exchanges. HTTP/1.1 ends now, or after the exchange that lives; HTTP/2 says
// GOAWAY with the last stream taken.
void http_shutdown(struct http_conn *conn);

// http_is_done is true when the connection can be closed: after a shutdown or fault, with nothing
// left to produce and no stream alive.
bool http_is_done(const struct http_conn *conn);

// http_has_said_all is true when nothing will be sent any more while the peer still may: one
// direction of an HTTP/1.1 connection that became a tunnel has ended. The owner half-closes.
bool http_has_said_all(const struct http_conn *conn);

// http_is_reading is true while an HTTP/1.1 connection is in the middle of a message: behind its
// first byte, before its end.
bool http_is_reading(const struct http_conn *conn);

// http_stream_count counts live streams; http_can_request tells whether http_request would take
// one.
uint32_t http_stream_count(const struct http_conn *conn);
bool http_can_request(const struct http_conn *conn);

// HTTP/1.1: when body bytes not yet consumed reach this bound, or limits.stream_window_bytes when
// that is less, http_receive takes no more until http_consume.
#define HTTP1_BODY_WINDOW_BYTES 65536u

// http_version_of tells the version of the connection.
enum http_version http_version_of(const struct http_conn *conn);

// http_field_find returns the value of the first field called name (lower case), or an empty slice
// with at NULL.
struct slice http_field_find(const struct http_message *message, struct slice name);

// http_message_copy copies message and everything it points to into arena. Returns 0 or ENOMEM.
int http_message_copy(struct http_message *to, const struct http_message *from,
		      struct arena *arena);

// http_method_of finds the enum of a method's text (HTTP_OTHER when it has none).
enum http_method http_method_of(struct slice text);

// http_write_ahead writes all of a final response's head into memory (aligned to 8, room bytes): a
// struct http_written, and behind it what that leads to. Returns how many bytes it took; 0: it does
// not fit.
size_t http_write_ahead(const struct http_message *message, void *memory, size_t room);

// http_date writes an IMF-fixdate (RFC 9110 5.6.7) of wall_s into out (30 bytes with NUL) and
// returns out. http_date_parse reads any of the three forms; false when it is none.
char *http_date(uint64_t wall_s, char out[30]);
bool http_date_parse(struct slice text, uint64_t *wall_s);
