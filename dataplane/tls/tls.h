// SPDX-License-Identifier: Apache-2.0
// TLS 1.3 (RFC 8446) and 1.2 (RFC 5246) of one worker: bytes in, bytes out, no sockets, no packets.
// Ordinary TLS 1.3 clients get a handshake of our own on libcrypto (tls_server), others libssl's,
// in a library context of the worker's own. After either, the traffic secrets drive our record
// layer (tls_record), and no SSL object is left.
//
//   wire bytes -> tls_receive -> events.plaintext        tls_seal(buf) -> wire bytes in place
#pragma once

#include "buf.h"
#include "counter.h"
#include "gaps.h"
#include "random.h"
#include "record.h"
#include "slice.h"
#include "spans.h"

#include <stdbool.h>
#include <stdint.h>

struct tls;            // one a worker
struct tls_conn;       // one a connection
struct tls_job;        // public-key work of a handshake
struct tls_offload;    // who does it, one a thread
struct ssl_session_st; // OpenSSL's SSL_SESSION: what a client resumes by

#define TLS_RECORD_HEAD   5u     // plaintext starts this far into the buffer given to tls_seal
#define TLS_RECORD_TAIL   64u    // room behind it for content type, tag, TLS 1.2's explicit nonce
#define TLS_PLAINTEXT_MAX 16384u // RFC 8446 5.1
#define TLS_NONCE_ROOM    16u
#define TLS_OFFLOADS_MAX  16u
#define TLS_SHARE_JOBS    4u // shares asked for at once: who is behind them waits 40 us for each

enum tls_alpn { TLS_ALPN_NONE, TLS_ALPN_HTTP1, TLS_ALPN_H2, TLS_ALPN_COUNT };

// Who may be at the other end of a hop between nodes.
enum tls_peer_role {
	TLS_PEER_EDGE = 1 << 0,    // spiffe://<mesh>/edge/...
	TLS_PEER_GATEWAY = 1 << 1, // spiffe://<mesh>/gateway/...
	TLS_PEER_SERVICE = 1 << 2, // spiffe://<mesh>/svc/...
};

struct tls_limits {
	uint32_t conn_count;
	uint32_t
		handshakes_at_once; // half-done; more are refused (COUNTER_tls_handshakes_at_bound)
	uint32_t handshake_timeout_ms;
	uint32_t certificate_count; // public certificates held (LRU)
	uint32_t cert_wait_count;   // handshakes that wait for a certificate from control
	uint32_t cert_wait_ms;
	bool is_tls12_allowed;       // on public listeners; never between nodes
	bool is_own_handshake;       // ordinary TLS 1.3 clients are not left to OpenSSL
	uint32_t job_count;          // handshakes whose work helpers have
	uint32_t job_time_ms;        // how long one waits for it, before the worker does it
	uint32_t rekey_record_count; // records sealed under one key; 0 = 2^24 (RFC 8446 5.5)
};

struct tls_info {
	bool is_resumed;
	bool is_tls13;
	enum tls_alpn alpn;
	const char *cipher;
	uint32_t text_max; // of a tls_seal, as the client asked (RFC 6066 4); 0: TLS_PLAINTEXT_MAX
	char server_name[RECORD_HOST_BYTES]; // SNI, lower case, "" without
	char peer[RECORD_PEER_BYTES];        // SPIFFE name of the peer, "" on public listeners
};

// Events of a connection. No member may be NULL. Inside an event every tls_ call is allowed but
// tls_free of the same connection, tls_run and tls_free_all. Inside cert_wanted none is.
struct tls_events {
	// send carries handshake bytes, tickets, alerts: it takes the reference to buf.
	void (*send)(void *user, struct buf *buf, uint32_t offset, uint32_t bytes);
	// ready: the handshake is done and the peer is who it must be.
	void (*ready)(void *user, const struct tls_info *info);
	// plaintext lends opened bytes; returns how many were taken. What was not taken is offered
	// again by tls_resume; until then tls_receive takes nothing.
	size_t (*plaintext)(void *user, struct slice bytes);
	// closed: close_notify (COUNTER_tls_closed), or a reason of tls.def; alerts were sent.
	// Nothing is read any more. Behind a close_notify of TLS 1.3 (RFC 8446 6.1) tls_seal and
	// tls_close_notify still work, and a failure there is told once more; else no event
	// follows.
	void (*closed)(void *user, enum counter reason);
};

struct tls_callbacks {
	// cert_wanted: no certificate matches this SNI; control should be asked. False: cannot ask.
	bool (*cert_wanted)(void *user, const char *server_name);
	void *user;
	// session: a client that wanted it, of conn_user, was given a ticket; session is the
	// taker's (tls_session_free). May be NULL.
	void (*session)(void *conn_user, struct ssl_session_st *session);
	// job hands the public-key work of a handshake to a helper, who does it by tls_offload_do
	// in any thread; it comes back by tls_job_done. False: no helper has room. NULL: no
	// helpers.
	bool (*job)(void *user, struct tls_job *job);
};

struct tls_accept {
	bool is_mesh;        // mutual TLS between nodes; else a public listener
	unsigned peer_roles; // is_mesh: enum tls_peer_role bits that may call
	bool is_h2_offered;
	bool is_http1_offered;
	const struct tls_events *events;
	void *user;
};

struct tls_connect {
	const char *server_name; // SNI
	const char *peer;        // the SPIFFE name that must answer; a prefix when it ends in '/'
	const char *identity;    // which of our identities to show; NULL = the first
	const struct tls_events *events;
	void *user;
};

// The client of a public server.
struct tls_client {
	const char *server_name; // SNI, and a name of the certificate when one is asked for
	bool is_h2_offered;
	bool is_http1_offered;
	bool wants_session;             // tickets are told; the connection stays inside OpenSSL
	struct ssl_session_st *session; // to resume, borrowed; NULL: a full handshake
	const struct tls_events *events;
	void *user;
};

// tls_new makes the worker's context; random seeds nothing of OpenSSL. counters and bufs are
// borrowed. Returns NULL when OpenSSL refuses or memory is short.
struct tls *tls_new(const struct tls_limits *limits, const struct tls_callbacks *callbacks,
		    struct buf_pool *bufs, struct counters *counters);

// tls_free_all ends everything, wiping keys. Helpers do not work any more, and live on.
void tls_free_all(struct tls *tls);

// tls_apply takes a CERT, CERT_ABSENT, IDENTITY, TRUST, TICKET_KEY or REMOVE record that passed
// record_check. Connections live on. Returns NULL, or why it was refused (a literal).
const char *tls_apply(struct tls *tls, const struct record *record, uint64_t now_us);

// tls_mark and tls_sweep bracket a full set: what was not applied in between is forgotten.
void tls_mark(struct tls *tls);
void tls_sweep(struct tls *tls);

// tls_set_time tells the time; wall_s is the Unix time that certificates are checked against.
void tls_set_time(struct tls *tls, uint64_t now_us, uint64_t wall_s);

// tls_accept_new starts a server side; NULL at a bound or, between nodes, without identity or trust
// bundle (each counted). tls_connect_new starts a client side, between nodes only, offers h2 and
// sends its first flight by `send`; NULL likewise. With no buffers its closed event comes before it
// returns. In TLS 1.3 a client is ready before the server has judged its certificate: a refusal
// arrives afterwards as closed(COUNTER_tls_alert_certificate), so the first answer belongs to the
// handshake.
struct tls_conn *tls_accept_new(struct tls *tls, const struct tls_accept *accept);
struct tls_conn *tls_connect_new(struct tls *tls, const struct tls_connect *connect);

// tls_client_new starts the client side towards a public server and sends its first flight by
// `send`. NULL at a bound or when OpenSSL refuses (counted).
struct tls_conn *tls_client_new(struct tls *tls, const struct tls_client *client);

// tls_client_trust makes clients refuse servers that no certificate of the PEM file at path
// vouches for; without it they take anybody. False: no such certificates.
bool tls_client_trust(struct tls *tls, const char *path);

// tls_session_free gives a session back.
void tls_session_free(struct ssl_session_st *session);

// tls_receive takes wire bytes, which it may decrypt in place, and returns how many it took: less
// than all while the peer's bytes must wait (plaintext not taken, no buffer; a handshake that waits
// for a certificate or its budget keeps up to BUF_BYTES). Call again with the rest after tls_resume
// or in a later loop. After closed it takes everything and does nothing.
size_t tls_receive(struct tls_conn *conn, uint8_t *bytes, size_t count);

// tls_resume offers plaintext that was not taken again. True when all of it was taken.
bool tls_resume(struct tls_conn *conn);

// tls_seal turns bytes (1..TLS_PLAINTEXT_MAX, or info.text_max) of plaintext, at TLS_RECORD_HEAD +
// TLS_NONCE_ROOM into buf, into one record in place: *offset and *wire_bytes tell where it lies.
// buf has TLS_RECORD_TAIL more bytes behind the plaintext. Records must reach the wire in the order
// of the calls; when a key has served its bound, a KeyUpdate goes out by `send` before this
// returns. Returns 0, or EPIPE (not ready, closed).
int tls_seal(struct tls_conn *conn, struct buf *buf, uint32_t bytes, uint32_t *offset,
	     uint32_t *wire_bytes);

// Plaintext as for tls_seal. gaps count from its beginning; NULL: none.
struct tls_text {
	struct buf *buf;
	uint32_t bytes;
	const struct gaps *gaps;
};

// tls_seal_text is tls_seal of text that may have gaps: what belongs there is sealed from where it
// lies, in one pass, and need not stay after this returns.
int tls_seal_text(struct tls_conn *conn, const struct tls_text *text, uint32_t *offset,
		  uint32_t *wire_bytes);

// tls_close_notify sends the closing alert.
void tls_close_notify(struct tls_conn *conn);

// tls_free ends the connection's state without a word to the peer, wiping its keys.
void tls_free(struct tls_conn *conn);

// tls_spans adds the memory of its connections to spans.
void tls_spans(const struct tls *tls, struct spans *spans);

// tls_run continues handshakes that waited (certificates, budget) and ends those that took too
// long. budget is the number of handshake steps. Call once a loop.
void tls_run(struct tls *tls, uint32_t budget);

// tls_prepare makes one key share for a handshake to come (some 40 us): for a turn that found
// nothing to do. False: there is nothing to prepare, or helpers do it.
bool tls_prepare(struct tls *tls);

// tls_offload_new makes a helper, with a library context of its own; index < TLS_OFFLOADS_MAX is
// unlike others'. NULL: OpenSSL refuses, or memory is short. tls_offload_free outlives every tls
// whose jobs it did; NULL is nobody.
struct tls_offload *tls_offload_new(uint32_t index);
void tls_offload_free(struct tls_offload *offload);

// tls_offload_do does a job (some 40 to 120 us; milliseconds for RSA of 4,096 bits), which is the
// caller's until it goes back.
void tls_offload_do(struct tls_offload *offload, struct tls_job *job);

// tls_job_done takes a job back, in the worker's thread; its handshake goes on in tls_run.
void tls_job_done(struct tls *tls, struct tls_job *job);

// tls_jobs_count counts jobs that are out or not yet looked at.
uint32_t tls_jobs_count(const struct tls *tls);

// tls_has_waiting is true when tls_run has something to continue at once.
bool tls_has_waiting(const struct tls *tls);

// tls_conn_count counts connections alive.
uint32_t tls_conn_count(const struct tls *tls);
