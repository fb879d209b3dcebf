// SPDX-License-Identifier: Apache-2.0
// One HTTP connection of a simulated client or workload: our TCP and HTTP, and on the client's side
// OpenSSL's own TLS (an implementation that is not ours judges our records). No clock of its own.
#pragma once

#include "buf.h"
#include "http.h"
#include "list.h"
#include "pool.h"
#include "tcp.h"

#include <openssl/ssl.h>

struct sim_conn;

struct sim_conn_owner {
	// ready: conn->http may be made (is_h2 by ALPN; always false on a plain connection).
	void (*ready)(struct sim_conn *conn, bool is_h2);
	// gone: the connection is over; the owner forgets it after sim_conn_fini.
	void (*gone)(struct sim_conn *conn, enum counter reason);
	// raw: plaintext bytes of a connection whose http is NULL.
	void (*raw)(struct sim_conn *conn, struct slice bytes);
};

struct sim_conn {
	struct tcp *tcp;
	struct buf_pool *bufs;
	struct pool_id id;
	SSL *ssl;               // owned; NULL on a plain connection
	BIO *in, *out;          // owned by ssl
	struct http_conn *http; // owned
	const struct sim_conn_owner *owner;
	struct list link; // on the owner's list of connections to step
	bool is_ready, is_gone, is_end_told, is_shut;
	bool is_deaf;        // reads nothing: its window closes
	uint8_t held[16384]; // plaintext that HTTP did not take yet
	size_t held_bytes;
};

// tcp events whose user is a struct sim_conn.
extern const struct tcp_events sim_conn_events;

struct sim_conn_plan {
	struct tcp *tcp; // borrowed, as all of these
	struct buf_pool *bufs;
	const struct sim_conn_owner *owner;
	SSL_CTX *ssl_context;    // a client's side of TLS; NULL: plain
	const char *server_name; // with ssl_context
};

// sim_conn_init prepares a connection.
void sim_conn_init(struct sim_conn *conn, const struct sim_conn_plan *plan);

// sim_conn_step moves bytes both ways; call once a loop.
void sim_conn_step(struct sim_conn *conn);

// sim_conn_send queues raw plaintext (at most 16 KiB) on a ready connection without http.
void sim_conn_send(struct sim_conn *conn, struct slice bytes);

// sim_conn_shut sends FIN (and close_notify) after what is queued.
void sim_conn_shut(struct sim_conn *conn);

// sim_conn_fini frees TLS and HTTP; the TCP connection is aborted when it still lives.
void sim_conn_fini(struct sim_conn *conn);
