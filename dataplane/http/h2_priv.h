// SPDX-License-Identifier: Apache-2.0
// An HTTP/2 connection (RFC 9113) over nghttp2, which keeps frames, HPACK and stream states; ours
// are the bounds, the message rules, back-pressure and the streams' names and owners.
//
//   receive -> nghttp2_session_mem_recv -> callbacks (h2_read.c) -> events
//   produce <- nghttp2_session_mem_send <- read callback (h2_send.c) <- pull
#pragma once

#include "arena.h"
#include "decimal.h"
#include "h2_check.h"
#include "hpack_index.h"
#include "hpack_read.h"
#include "http_priv.h"
#include "http_rules.h"
#include "list.h"
#include "slab.h"

#include <nghttp2/nghttp2.h>

// RFC 9218 4: what a field or a frame says; -1: it does not.
struct h2_priority {
	int8_t urgency; // 0..7, 0 first
	int8_t is_incremental;
};

#define H2_FRAME_BYTES      16384u // largest payload: nghttp2 makes no larger frame
#define H2_FRAME_HEAD_BYTES 9u

#define H2_PRIORITY_NONE        ((struct h2_priority){-1, -1})
#define H2_PRIORITY_BYTES_MAX   128u // of a Priority Field Value
#define H2_PRIORITIES_EARLY_MAX 16u  // of streams that have not begun
#define H2_PRIORITY_UPDATE      0x10 // the frame's type

// PRIORITY_UPDATE frames.
struct h2_updates {
	uint8_t bytes[4 + H2_PRIORITY_BYTES_MAX]; // payload of the one that arrives
	uint32_t used;                            // it may be longer
	struct {
		uint32_t stream; // 0: free
		struct h2_priority priority;
	} early[H2_PRIORITIES_EARLY_MAX]; // a ring
	unsigned early_count;
};

// One exchange, a piece of the worker's slab. nghttp2's stream points at it until it is freed.
struct h2_stream {
	struct list link; // h2_conn.streams
	void *user;
	uint32_t id;
	uint32_t unconsumed_bytes; // given by body, not yet consumed
	uint32_t window_bytes;     // that the peer may send unconsumed
	uint32_t turn;             // the last one in which bytes were consumed
	uint64_t turn_bytes;       // so many
	uint32_t pause_bytes; // to be consumed between turns: more after each that told nothing
	uint32_t rest_bytes;  // of that
	uint64_t received_bytes;
	uint32_t head_bytes;         // of the HEADERS frame that began it
	uint64_t content_length;     // of the message received
	uint64_t finish_tag;         // of its last DATA, see h2_crumb.c
	struct h2_priority wanted;   // by the client
	struct h2_priority answered; // by the response: it has the last word
	bool is_head_request;
	bool is_head_received; // the request's, or the final response's: what follows is no head
	bool is_tunnel;
	bool is_recv_ended;
	bool is_answered; // server: the final response was submitted
	bool is_sent;     // the sent event was given
	bool is_deferred; // nghttp2 waits for http_resume
	bool is_spent;    // its last DATA took all that the peer's windows had
	bool is_held;     // nghttp2 waits for more of them, see h2_crumb.c
	bool is_reset_by_peer;
};

// A head or trailers that arrive: HEADERS and CONTINUATION come in one piece, so one a connection.
struct h2_head {
	int32_t stream; // 0: none
	struct h2_seen seen;
	struct arena arena;
	struct http_field *fields; // borrowed from head_memory: limits->field_count
	struct http_field *cookie; // of fields, NULL: none yet
	uint32_t list_bytes;       // RFC 9113 6.5.2: names + values + 32 each
	struct http_message message;
	int fault;  // first rule broken, 0: none
	int broken; // that of RFC 9113 8 for which the stream is reset, 0: none
};

// What is remembered of streams that are no more (server), and of the windows before a SETTINGS.
#define H2_PAST_ENDED   32u
#define H2_PAST_SKIPPED 4u

struct h2_past {
	uint32_t last;                 // highest number opened
	uint32_t ended[H2_PAST_ENDED]; // a ring: ended or reset by the peer
	unsigned ended_count;
	struct h2_gap {
		uint32_t first, last; // numbers passed over, RFC 9113 5.1.1
	} skipped[H2_PAST_SKIPPED];
	unsigned skipped_count;
	uint32_t initial_window;
	int64_t widest_window;
};

// A round trip of the connection, see h2_window.c.
struct h2_turn {
	uint32_t number;
	bool is_open;  // our PING is not answered yet
	bool is_again; // it follows another one at once
};

// DATA that waits for windows, see h2_crumb.c.
#define H2_CRUMB_BYTES 1024u

struct h2_crumb {
	uint64_t owed_bytes;   // sent, and not given back to the connection's window
	uint64_t virtual_time; // start tag of the DATA served last
	bool is_asked;         // our PING is not answered yet
};

// Names and values of heads that nghttp2 has and has not written, see h2_text.c.
#define H2_TEXT_PIECES_MAX 8u
#define H2_TEXT_BYTES_MAX  (SLAB_PIECE_MAX - sizeof(uint8_t *)) // of one name and value, or head

struct h2_text {
	uint8_t *piece; // of the slab; its first bytes are the address of the piece before it
	uint8_t *next;  // free from here
	size_t room;    // bytes
	uint32_t piece_count;
};

// Where in the frames the received bytes are; see h2_scan.c.
struct h2_scan {
	size_t skip_bytes; // of the preface, or of the frame's payload
	uint8_t head[9];   // of the frame; then the dependency, the first 4 bytes of a PRIORITY
	uint32_t head_bytes;
	uint32_t dependent;          // whose PRIORITY is read, or 0
	uint32_t frame_bytes;        // payload of the frame begun last; of a block, of its first
	uint32_t continuation_count; // since the last HEADERS
};

// A header block that arrives, see h2_block.c.
struct h2_block {
	uint8_t next[9]; // head of the frame that begins, as far as it is here
	uint8_t head[9]; // of the frame that arrives
	bool is_open;    // a frame of it came, the last one did not
	bool is_trailer;
	uint32_t stream;
	uint32_t left;  // payload of the frame that is not here yet
	uint8_t *bytes; // owned: fragments of a block in several pieces; NULL: none
	size_t used, room;
	size_t whole; // of used: fragments of whole frames
};

struct h2_conn {
	struct http_conn base;
	nghttp2_session *session;
	struct list streams; // oldest first; those that h2_crumb.c holds in the order of their tags
	uint32_t stream_count;
	struct h2_stream *recent; // found or begun last: most calls come several to a stream
	struct h2_head head;
	void *head_memory; // owned, while a head arrives or streams live
	struct h2_block block;
	struct hpack_reader reader;
	struct hpack_writer *writer; // owned; NULL: what is written uses no table
	// produce
	struct h2_text text;
	const uint8_t *rest; // of a frame that did not fit, nghttp2's until the next mem_send
	size_t rest_bytes;
	struct slice fields;    // to follow the frame that is being made, see h2_fields.c
	void *kept_rest;        // owned: the memory it was moved to; else NULL
	uint8_t last_words[17]; // a GOAWAY, when nghttp2 can write none
	uint8_t *out;           // inside produce
	size_t out_room;
	size_t out_used;
	struct slice pulled; // between the read and the send callback
	bool is_dribble;     // the peer's window cut that short
	// bounds
	uint32_t resets; // streams ended by the peer's fault or wish, less those that ended well
	uint64_t idle_frames; // frames that carried nothing, less what was useful
	uint64_t junk_bytes;  // of bodies that may still come after our own resets
	uint64_t refilled_us; // until then time has paid for both
	struct h2_scan scan;
	struct h2_past past;
	struct h2_updates updates;
	// windows
	struct h2_turn turn;
	struct h2_crumb crumb;
	uint32_t grown_bytes; // of all streams' windows together
	// the connection
	bool is_inside;     // nghttp2 is working: no receive, no produce
	bool is_settled;    // the peer's first SETTINGS came
	bool is_draining;   // notice was given
	bool is_shutdown;   // no more streams
	bool is_goaway_due; // the last one, by the next produce: it names the last stream taken
	bool is_goaway_received;
	bool is_dead;   // no stream lives, nothing is read
	bool is_broken; // nor anything sent: nghttp2 has given up
};

// h2_of is the connection behind the facade.
static inline struct h2_conn *h2_of(struct http_conn *conn)
{
	return (struct h2_conn *)conn;
}

// h2_stream_at is the stream of a link of h2_conn.streams.
static inline struct h2_stream *h2_stream_at(struct list *link)
{
	return container_of(link, struct h2_stream, link);
}

// h2_stream_get finds a live stream, or NULL.
struct h2_stream *h2_stream_get(struct h2_conn *c, uint32_t id);

// h2_stream_new makes a stream of id; NULL at the bound, or without memory. h2_stream_free gives it
// back with the connection window that its unconsumed bytes hold; nothing of it is told to the
// owner. h2_stream_closed is h2_stream_free of one that nghttp2 is forgetting.
struct h2_stream *h2_stream_new(struct h2_conn *c, uint32_t id);
void h2_stream_free(struct h2_conn *c, struct h2_stream *stream);
void h2_stream_closed(struct h2_conn *c, struct h2_stream *stream);

// h2_stream_fail tells the owner reset, and frees the stream.
void h2_stream_fail(struct h2_conn *c, struct h2_stream *stream, struct http_fault fault);

// h2_refuse answers a request that has no owner by its fault, and counts it.
void h2_refuse(struct h2_conn *c, int32_t id, int counter);

// h2_note_unwanted: a stream ends by us before its body's end; a window of it may be on its way.
void h2_note_unwanted(struct h2_conn *c, uint32_t window_bytes);

// h2_end begins the end of the connection: GOAWAY with error, every stream reset, closed told.
void h2_end(struct h2_conn *c, int counter, uint32_t error);

// h2_end_streams is h2_end after GOAWAY: every stream hears reset, the owner closed.
void h2_end_streams(struct h2_conn *c, struct http_fault fault);

// h2_notice_seen takes the answer to a PING: the peer may have seen that the connection ends.
void h2_notice_seen(struct h2_conn *c, const uint8_t words[8]);

// h2_say_last submits the last GOAWAY when it is due, just before what is said next is written.
void h2_say_last(struct h2_conn *c);

// h2_past_opened and h2_past_ended (h2_past.c) note a stream's first frame and the peer's last one.
void h2_past_opened(struct h2_conn *c, uint32_t id);
void h2_past_ended(struct h2_conn *c, uint32_t id);

// h2_past_check ends the connection when a frame that begins is one that its stream's end forbids;
// nghttp2 does not know the stream any more.
void h2_past_check(struct h2_conn *c, const nghttp2_frame_hd *hd);

// h2_priority_begin (h2_priority.c) gives a request's stream its place among those that send, from
// its Priority field and a PRIORITY_UPDATE that came before it; h2_priority_answer merges the
// response's field (RFC 9218 8). h2_priority_chunk and h2_priority_update take a PRIORITY_UPDATE.
void h2_priority_begin(struct h2_conn *c, struct h2_stream *stream,
		       const struct http_message *request);
void h2_priority_answer(struct h2_conn *c, struct h2_stream *stream,
			const struct http_message *response);
void h2_priority_chunk(struct h2_conn *c, struct slice bytes);
void h2_priority_update(struct h2_conn *c, const nghttp2_frame_hd *hd);

// h2_window_consumed (h2_window.c) notes what a stream's owner took; h2_window_turned is the answer
// to h2_window_ping: windows of those that keep up grow. h2_window_release gives back what a stream
// that ends has grown by, h2_window_fini what a connection has.
extern const uint8_t h2_window_ping[8];
void h2_window_consumed(struct h2_conn *c, struct h2_stream *stream, size_t bytes);
void h2_window_turned(struct h2_conn *c);
void h2_window_release(struct h2_conn *c, struct h2_stream *stream);
void h2_window_fini(struct h2_conn *c);

// h2_crumb_waits (h2_crumb.c) tells whether the stream's next DATA, for which the peer's windows
// have so many bytes, waits for more of them. It is resumed by h2_crumb_window, called for each
// WINDOW_UPDATE, or by h2_crumb_turned, the answer to h2_crumb_ping. h2_crumb_sent counts DATA.
// h2_crumb_served notes whom DATA was pulled for, h2_crumb_joins that a stream has some from now
// on.
extern const uint8_t h2_crumb_ping[8];
bool h2_crumb_waits(struct h2_conn *c, struct h2_stream *stream, size_t window);
void h2_crumb_sent(struct h2_conn *c, size_t bytes);
void h2_crumb_served(struct h2_conn *c, struct h2_stream *stream, size_t bytes);
void h2_crumb_joins(const struct h2_conn *c, struct h2_stream *stream);
void h2_crumb_window(struct h2_conn *c, int32_t stream, uint32_t bytes);
void h2_crumb_turned(struct h2_conn *c);

// h2_scan (h2_scan.c) looks at the frame heads in bytes before nghttp2 does, counts those without
// use, and returns how many bytes to give to nghttp2 before it is asked again.
size_t h2_scan(struct h2_conn *c, struct slice bytes);

// h2_block_receive (h2_block.c) takes bytes of the peer, as far as the end of a frame, and
// returns how many: 0 when the connection is over. h2_block_fini forgets a block that arrives.
size_t h2_block_receive(struct h2_conn *c, struct slice bytes);
void h2_block_fini(struct h2_conn *c);

// h2_head_begin (h2_head.c) begins the head of a stream, h2_header takes its next field.
void h2_head_begin(struct h2_conn *c, int32_t stream);
void h2_header(struct h2_conn *c, bool is_trailer, const struct hpack_field *field);

// h2_count_unheard counts a refusal that no event tells.
void h2_count_unheard(struct h2_conn *c, int counter);

// h2_give_up ends the connection by an error of nghttp2's that it does not survive.
void h2_give_up(struct h2_conn *c, ssize_t error);

// h2_past_settings_begin and h2_past_settings_end, around a SETTINGS of the peer: one that makes a
// stream's window larger than 2^31-1 ends the connection (RFC 9113 6.9.2); nghttp2 only resets the
// stream.
void h2_past_settings_begin(struct h2_conn *c);
void h2_past_settings_end(struct h2_conn *c);

// h2_note_reset counts a stream that ended badly by the peer's doing, and the frame that did it;
// h2_note_frame a frame without use, with as many bytes; h2_note_waste only bytes; h2_note_moved
// bytes of a body. Beyond the budget the connection ends.
void h2_note_reset(struct h2_conn *c);
void h2_note_frame(struct h2_conn *c, size_t bytes);
void h2_note_waste(struct h2_conn *c, size_t bytes);
void h2_note_moved(struct h2_conn *c, size_t bytes);

// h2_head_memory_bytes (h2_head.c) is the size of the block that heads of these limits need.
size_t h2_head_memory_bytes(const struct http_limits *limits);

// h2_drop_idle_memory gives the head's memory back when nothing lives.
void h2_drop_idle_memory(struct h2_conn *c);

// h2_memory_of (h2_memory.c) is the memory of c's session: the worker's slab, once c->session is
// set. h2_memory_take and h2_memory_give are pieces of it for ourselves; NULL: there is none.
// h2_hpack_memory is the same for our reader of header blocks.
nghttp2_mem h2_memory_of(struct h2_conn *c);
void *h2_memory_take(struct h2_conn *c, size_t bytes);
void h2_memory_give(struct h2_conn *c, void *piece);
struct hpack_memory h2_hpack_memory(struct h2_conn *c);

// h2_text_take returns room for a name and a value that stays until the head that is submitted with
// them is written; NULL where there is none. h2_text_more (h2_text.c) is its rare part.
// h2_text_written gives all of it back unless a head still waits, h2_text_fini when none will.
uint8_t *h2_text_more(struct h2_conn *c, size_t bytes);
static inline uint8_t *h2_text_take(struct h2_conn *c, size_t bytes)
{
	struct h2_text *text = &c->text;
	if (bytes > text->room)
		return h2_text_more(c, bytes);
	uint8_t *at = text->next;
	text->next += bytes;
	text->room -= bytes;
	return at;
}
void h2_text_written(struct h2_conn *c);
void h2_text_fini(struct h2_conn *c);

// h2_text_shorten gives back the last bytes of what was taken last.
static inline void h2_text_shorten(struct h2_conn *c, size_t bytes)
{
	c->text.next -= bytes;
	c->text.room += bytes;
}

// h2_field_is_said (h2_fields.c) is true of a field that HTTP/2 may have (RFC 9113 8.2.2).
bool h2_field_is_said(const struct http_field *field);

// h2_fields_wait (h2_fields.c) keeps the fields of a final response, and its content_length when
// has_length, until its frame is made; nghttp2 is to be given status alone. False: there is no
// room, and it writes them all. h2_fields_wait_request does so with a request. h2_fields_due, told
// before each frame, finds those of a frame; h2_fields_join writes that frame, whole in c->rest,
// and then them to `to`.
bool h2_fields_wait(struct h2_conn *c, const struct http_message *m, bool has_length,
		    nghttp2_nv *status);
bool h2_fields_wait_request(struct h2_conn *c, const struct http_message *m, bool has_length,
			    nghttp2_nv *method);
int h2_fields_due(nghttp2_session *session, const nghttp2_frame *frame, void *user);
void h2_fields_join(struct h2_conn *c, uint8_t *to);

// h2_write_literals (h2_fields.c) writes fields to `to` as HPACK's literals, h2_write_length a
// content-length, and return the end. h2_literals_max is what both take at most.
size_t h2_literals_max(const struct http_field *fields, uint32_t count);
uint8_t *h2_write_literals(uint8_t *to, const struct http_field *fields, uint32_t count);
uint8_t *h2_write_length(uint8_t *to, uint64_t content_length);

// h2_status_text and h2_length_text (h2_send.c) write numbers as fields' values.
#define H2_STATUS_BYTES 3u
void h2_status_text(uint16_t status, uint8_t text[H2_STATUS_BYTES]);
struct slice h2_length_text(uint64_t length, char digits[DECIMAL_BYTES_MAX]);

// h2_set_read_callbacks (h2_read.c) and h2_set_send_callbacks (h2_send.c) tell nghttp2 of ours.
void h2_set_read_callbacks(nghttp2_session_callbacks *callbacks);
void h2_set_send_callbacks(nghttp2_session_callbacks *callbacks);

// h2_produce, h2_request, h2_respond (h2_send.c): see http.h.
size_t h2_produce(struct http_conn *conn, uint8_t *out, size_t room);
int h2_request(struct http_conn *conn, const struct http_message *message, bool has_body,
	       void *stream_user, uint32_t *stream);
int h2_respond(struct http_conn *conn, uint32_t stream, const struct http_message *message,
	       bool has_body);
