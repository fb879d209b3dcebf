// SPDX-License-Identifier: Apache-2.0
// What the tests of tls share: certificates made on the spot, a worker's TLS with its records, ends
// of connections that remember what they were told, and OpenSSL peers over memory BIOs.
#pragma once

#include "tls.h"

#include <openssl/ssl.h>

#define RIG_WALL_S 1900000000u // the time of all tests
#define RIG_MESH   "mesh.test"

struct rig_pair { // a certificate and its key, owned
	X509 *certificate;
	EVP_PKEY *key;
	char *chain_pem;
	char *key_pem;
};

struct rig_wish {                      // what to put into a certificate; 0 means the usual
	const struct rig_pair *issuer; // NULL: signs itself
	bool is_ca;
	const char *names; // "DNS:a.test,URI:spiffe://..."
	int64_t from_s;    // default RIG_WALL_S - 3600
	int64_t to_s;      // default RIG_WALL_S + 3600
	const char *usage; // extended key usage, or NULL
	const char *key;   // "P-256" (also NULL), "P-384", "ED25519", "RSA"
};

struct rig { // a worker
	void *memory;
	struct buf_pool bufs;
	struct counters counters;
	struct tls *tls;
	char wanted[RECORD_HOST_BYTES]; // the last name asked of control
	unsigned wanted_count;
	bool cannot_ask;
	struct tls_job *jobs[64];       // out, oldest first
	unsigned job_count, job_room;   // no more than job_room are taken
	struct ssl_session_st *session; // the last ticket of a client, owned
	unsigned session_count;
};

struct rig_end { // one of our connections
	struct rig *rig;
	struct tls_conn *conn;
	uint8_t *out; // what was sent, owned; out_start .. out_end
	size_t out_start;
	size_t out_end;
	uint8_t *plain; // what was opened, owned
	size_t plain_bytes;
	size_t take_max; // plaintext takes at most this much a call; SIZE_MAX at first
	bool is_deaf;    // plaintext is taken and forgotten
	unsigned event_count;
	unsigned ready_count;
	struct tls_info info;
	unsigned closed_count;
	enum counter reason;
};

struct rig_peer { // OpenSSL at the other end
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in;
	BIO *out;
	int last;           // SSL_do_handshake's last result
	uint8_t secret[48]; // a client's traffic secret, for forging its records
	uint8_t handshake_secret[48];
};

struct rig_forger { // writes a client's records by itself (TLS_AES_128_GCM_SHA256 only)
	uint8_t key[16];
	uint8_t iv[12];
	uint64_t sequence;
};

// rig_issue makes a certificate as wished; rig_pair_free frees it.
struct rig_pair rig_issue(struct rig_wish wish);
void rig_pair_free(struct rig_pair *pair);

// rig_is_own: ordinary handshakes are our own here; false with RIG_LIBSSL in the environment, and
// the tests are run both ways.
bool rig_is_own(void);

// rig_init makes a worker within limits, rig_init_usual one within limits that no test meets by
// accident, rig_init_jobs such a one with helpers, whose jobs (rig->jobs) are the caller's to do;
// rig_fini ends it and asserts that no buffer leaks.
void rig_init(struct rig *rig, struct tls_limits limits);
void rig_init_usual(struct rig *rig);
void rig_init_jobs(struct rig *rig);
void rig_fini(struct rig *rig);

// rig_site is a usual worker with a.test's certificate, made by the first call and
// never ended: for fuzzing.
struct rig *rig_site(void);

// rig_count reads a counter.
uint64_t rig_count(const struct rig *rig, enum counter counter);

// rig_apply_cert, rig_apply_identity, rig_apply_trust, rig_apply_absent, rig_apply_ticket_key and
// rig_remove hand the worker a record; NULL, or why it was refused.
const char *rig_apply_cert(struct rig *rig, uint32_t id, bool is_default,
			   const struct rig_pair *pair);
const char *rig_apply_identity(struct rig *rig, uint32_t id, const char *name,
			       const struct rig_pair *pair);
const char *rig_apply_trust(struct rig *rig, uint64_t epoch, const struct rig_pair *ca);
void rig_apply_absent(struct rig *rig, const char *host, uint32_t lifetime_ms);
void rig_apply_ticket_key(struct rig *rig, uint64_t id);
void rig_remove(struct rig *rig, enum record_type type, uint64_t id);

// rig_accept, rig_connect and rig_client start a connection (end->conn NULL at a bound),
// rig_end_free ends it. rig_receive gives it count wire bytes, chunk at a time, and returns how
// many it took; rig_write seals count bytes into end->out and returns tls_seal's error.
void rig_accept(struct rig_end *end, struct rig *rig, struct tls_accept accept);
void rig_connect(struct rig_end *end, struct rig *rig, struct tls_connect connect);
void rig_client(struct rig_end *end, struct rig *rig, struct tls_client client);
void rig_end_free(struct rig_end *end);
size_t rig_receive(struct rig_end *end, const void *bytes, size_t count, size_t chunk);
int rig_write(struct rig_end *end, const void *bytes, uint32_t count);

// rig_peer_init makes an OpenSSL peer of one version, rig_peer_certify gives it a certificate,
// rig_peer_start begins its handshake (server_name NULL: no SNI), rig_peer_resume as a client that
// offers session (borrowed; NULL: none), rig_peer_free ends it.
void rig_peer_init(struct rig_peer *peer, bool is_server, int version);
void rig_peer_certify(struct rig_peer *peer, const struct rig_pair *pair);
void rig_peer_start(struct rig_peer *peer, const char *server_name);
void rig_peer_resume(struct rig_peer *peer, const char *server_name, SSL_SESSION *session);
void rig_peer_free(struct rig_peer *peer);

// rig_forger_init takes over what peer sends from now on; it must have sent nothing since the
// handshake.
void rig_forger_init(struct rig_forger *forger, const struct rig_peer *peer);
// rig_forge feeds end a record of count bytes and pad zeros with that inner type; returns what was
// taken.
size_t rig_forge(struct rig_forger *forger, struct rig_end *end, uint8_t type, struct slice bytes,
		 size_t pad);

// rig_pump moves bytes between end and peer, chunk at a time, until both are silent.
void rig_pump(struct rig_end *end, struct rig_peer *peer, size_t chunk);
// rig_pump_both does so between two of ours.
void rig_pump_both(struct rig_end *a, struct rig_end *b);
