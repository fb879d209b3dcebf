// SPDX-License-Identifier: Apache-2.0
// What both versions of a connection share: the vtable behind http.h, and telling events once.
#pragma once

#include "check.h"
#include "counter.h"
#include "http.h"

// http_conn_ops is one version's side of http.h; same contracts.
struct http_conn_ops {
	void (*free)(struct http_conn *conn);
	size_t (*receive)(struct http_conn *conn, struct slice bytes);
	void (*receive_end)(struct http_conn *conn);
	size_t (*produce)(struct http_conn *conn, uint8_t *out, size_t room);
	bool (*wants_to_send)(const struct http_conn *conn);
	size_t (*produce_most)(const struct http_conn *conn); // NULL: it cannot be told
	int (*request)(struct http_conn *conn, const struct http_message *message, bool has_body,
		       void *stream_user, uint32_t *stream);
	int (*respond)(struct http_conn *conn, uint32_t stream, const struct http_message *message,
		       bool has_body);
	void (*resume)(struct http_conn *conn, uint32_t stream);
	void (*consume)(struct http_conn *conn, uint32_t stream, size_t bytes);
	void (*reset)(struct http_conn *conn, uint32_t stream, enum http_error error);
	void (*set_stream_user)(struct http_conn *conn, uint32_t stream, void *stream_user);
	void (*drain)(struct http_conn *conn);
	void (*ping)(struct http_conn *conn); // NULL: there is none
	void (*shutdown)(struct http_conn *conn);
	bool (*is_done)(const struct http_conn *conn);
	bool (*has_said_all)(const struct http_conn *conn);
	bool (*is_reading)(const struct http_conn *conn); // NULL: never
	uint32_t (*stream_count)(const struct http_conn *conn);
	bool (*can_request)(const struct http_conn *conn);
};

struct http_conn {
	const struct http_conn_ops *ops;
	const struct http_limits *limits; // borrowed
	const struct http_events *events; // borrowed
	void *user;
	enum http_version version;
	bool is_server;
	bool is_lent;        // the run that pull returned may be left out of the output
	const uint8_t *out;  // where gaps' places count from
	struct gaps *gaps;   // NULL: everything is copied
	bool is_closed_told; // the closed event was given, or is nobody's business any more
};

// http_tell_closed gives the closed event, the first time only.
static inline void http_tell_closed(struct http_conn *conn, struct http_fault fault)
{
	if (conn->is_closed_told)
		return;
	conn->is_closed_told = true;
	conn->events->closed(conn->user, fault);
}

// http_put_run puts the run that pull returned at to: a gap when it is lent, else a copy.
static inline void http_put_run(struct http_conn *conn, uint8_t *to, struct slice run)
{
	if (conn->is_lent)
		gaps_add(conn->gaps, (size_t)(to - conn->out), run);
	else if (run.bytes)
		memcpy(to, run.at, run.bytes);
	conn->is_lent = false;
}

// What HTTP/1.1 keeps in that block beside the head (struct h1_work): both versions take blocks of
// one size, so that the one that is left serves either.
#define HTTP_HEAD_OWN_BYTES 288u

// http_head_take takes the memory for a head, bytes large, that an idle connection left, or new
// memory; NULL: there is none. http_head_give leaves it to the next one, or frees it.
void *http_head_take(const struct http_limits *limits, size_t bytes);
void http_head_give(const struct http_limits *limits, void *memory, size_t bytes);

// http_chain_take takes a piece off a chain; NULL: it is empty. http_chain_give puts one of at
// least a pointer's size there, or frees it where there are HTTP_SPARE_MAX.
void *http_chain_take(struct http_chain *chain);
void http_chain_give(struct http_chain *chain, void *piece);

// h1_conn_new and h2_conn_new make a connection of their version; NULL when memory is short.
struct http_conn *h1_conn_new(const struct http_limits *limits);
struct http_conn *h2_conn_new(bool is_server, const struct http_limits *limits);
