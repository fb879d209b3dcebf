// SPDX-License-Identifier: Apache-2.0
// One end of an HTTP connection for tests: it notes what every exchange saw, sends bodies of a
// known pattern, and two ends are joined by pipes that split bytes as the test likes.
#pragma once

#include "check.h"
#include "counters.h"
#include "http.h"
#include "slab.h"
#include "unit.h"

#define SIDE_CALLS 512u
#define PIPE_BYTES 131072u

// What one exchange saw, and what it is to send.
struct call {
	uint32_t stream;
	bool is_live;
	// received
	uint16_t status; // of a response
	unsigned interim_count;
	enum http_method method;
	char target[128], authority[128], scheme[8];
	char fields[1024]; // "name=value;" each
	uint64_t content_length;
	bool has_head, is_head_end, has_ended, has_sent, is_reset, expects_continue, has_upgrade;
	uint64_t body_bytes;
	uint64_t body_wrong; // bytes that are not the pattern's
	char body_text[64];  // its first bytes
	char trailers[256];
	struct http_fault fault;
	// to send
	uint64_t send_bytes, sent_bytes;
	struct http_field send_trailers[2];
	uint32_t send_trailer_count;
	bool is_stalled;    // pull says later
	bool is_end_silent; // the end comes with an empty run
	uint64_t unconsumed;
};

struct side {
	struct http_conn *conn;
	struct http_limits limits;
	struct slab slab; // HTTP/2's memory, unless the limits had one
	struct call calls[SIDE_CALLS];
	uint32_t call_count;
	unsigned closed_count;
	struct http_fault closed_fault;
	bool keeps_body; // does not consume by itself
	// A server's answer to a head; NULL: the test answers.
	void (*answer)(struct side *side, struct call *call);
	// A client's or server's wish at the end of a message; may be NULL.
	void (*on_end)(struct side *side, struct call *call);
	uint64_t pull_max;   // a pull ends at multiples of it; 0: gives as many as asked
	bool lends;          // bodies' runs, where they may be gaps
	uint32_t lent_count; // in the call of http_produce_gaps that is made
	uint64_t lent_bytes; // in all
	char lent[GAPS_MAX][16384];
	void *peer; // for tests' own use
};

// side_limits are the limits of an end that was given none.
extern const struct http_limits side_limits;

// side_new makes an end with a copy of limits, side_limits when NULL. Aborts without memory.
struct side *side_new(enum http_version version, bool is_server, const struct http_limits *limits);

// side_free frees the end and its connection.
void side_free(struct side *side);

// side_feed gives text to the connection, in runs of at most step bytes; returns what was taken.
size_t side_feed(struct side *side, struct slice text, size_t step);

// side_drain returns what the connection wants to send, room bytes at a time, as a string valid
// until the next call.
const char *side_drain(struct side *side, size_t room);

// side_try_request asks for target with a body of bytes (UINT64_MAX: none) and returns the call, or
// NULL when the connection takes none now. side_request is for tests where it must.
struct call *side_try_request(struct side *side, enum http_method method, const char *target,
			      uint64_t bytes, bool is_length_told);
struct call *side_request(struct side *side, enum http_method method, const char *target,
			  uint64_t bytes, bool is_length_told);

// side_respond answers call with status and a body of bytes (UINT64_MAX: none). Returns what
// http_respond does.
int side_respond(struct side *side, struct call *call, uint16_t status, uint64_t bytes,
		 bool is_length_told);

// Bytes on their way from one end to the other.
struct pipe {
	uint8_t bytes[PIPE_BYTES];
	size_t used;
};

// pipe_move produces from one end (room at a time) and feeds the other (split at a time); returns
// how many bytes moved.
size_t pipe_move(struct pipe *pipe, struct side *from, struct side *to, size_t room, size_t split);

// A client and a server joined by two pipes.
struct pair {
	struct side *client;
	struct side *server;
	struct pipe up;
	struct pipe down;
	size_t room;
	size_t split;
};

// pair_new makes a client and a server with the same limits (side_limits when NULL); pair_free
// frees both.
struct pair *pair_new(enum http_version version, const struct http_limits *limits);
void pair_free(struct pair *pair);

// pair_run moves bytes until nothing moves any more; a test that never comes to rest fails.
void pair_run(struct pair *pair);
