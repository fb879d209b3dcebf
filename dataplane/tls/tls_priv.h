// SPDX-License-Identifier: Apache-2.0
// What the files of this room share. A connection is small (its keys and a few marks); what only a
// handshake needs is in struct tls_handshake, which comes from a pool of its own and is given back.
#pragma once

#include "list.h"
#include "pool.h"
#include "siphash.h"
#include "tls.h"
#include "tls_gcm.h"
#include "tls_hello.h"
#include "tls_hkdf.h"
#include "tls_random.h"
#include "tls_share.h"
#include "tls_signer.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#define TLS_SECRET_MAX        48u // SHA-384
#define TLS_KEY_MAX           32u
#define TLS_IV_BYTES          12u
#define TLS_TAG_BYTES         16u
#define TLS_PLAIN_AT          (TLS_RECORD_HEAD + TLS_NONCE_ROOM)
#define TLS_CIPHERTEXT_MAX    (TLS_PLAINTEXT_MAX + 256u) // RFC 8446 5.2
#define TLS_OUT_PARTS         4u                         // buffers one flight may fill
#define TLS_IDENTITIES_MAX    1024u
#define TLS_TICKET_KEYS       8u
#define TLS_TICKET_NAME_BYTES 16u
#define TLS_ABSENT_MAX        1024u
#define TLS_EMPTY_MAX         32u        // empty records in a row
#define TLS_UPDATES_MAX       32u        // KeyUpdates in a row without data
#define TLS_REKEY_RECORDS     (1u << 24) // RFC 8446 5.5: at most 2^24.5 records under one AES-GCM key
#define TLS_TICKET_LIFE_S     7200
#define TLS_NO_REASON         COUNTER_COUNT
#define TLS_SCHEDULE_NAME     "millrace" // of our provider

static_assert(TLS_NONCE_ROOM >= 8 && TLS_RECORD_TAIL >= 1 + TLS_TAG_BYTES);
static_assert(BUF_BYTES >= TLS_RECORD_HEAD + TLS_CIPHERTEXT_MAX);
static_assert(BUF_BYTES >= TLS_PLAIN_AT + TLS_PLAINTEXT_MAX + TLS_RECORD_TAIL);

enum tls_content { // RFC 8446 5.1
	TLS_CONTENT_ALERT = 21,
	TLS_CONTENT_HANDSHAKE = 22,
	TLS_CONTENT_DATA = 23,
};

enum tls_state {
	TLS_STATE_HANDSHAKE, // our own (is_own) or OpenSSL's
	TLS_STATE_RECORD,    // TLS 1.3, our record layer
	TLS_STATE_LEGACY,    // inside OpenSSL: TLS 1.2, and clients that want tickets
	TLS_STATE_SENDING,   // TLS 1.3, the peer has said all: what it says more is not read
	TLS_STATE_CLOSED,    // waits for tls_free
};

enum tls_wait { TLS_WAIT_NONE, TLS_WAIT_BUDGET, TLS_WAIT_CERT, TLS_WAIT_JOB };

// The cipher suites of TLS 1.3 that we speak, by index into tls_suites.
enum { TLS_SUITE_AES_128, TLS_SUITE_AES_256, TLS_SUITE_CHACHA20, TLS_SUITE_COUNT };
struct tls_suite {
	uint16_t id; // RFC 8446 B.4
	uint8_t key_bytes;
	uint8_t secret_bytes; // of its hash
	const char *cipher;   // OpenSSL's name
	const char *name;     // RFC 8446 B.4's
	uint8_t hash;         // TLS_HASH_SHA256 or TLS_HASH_SHA384
};
extern const struct tls_suite tls_suites[TLS_SUITE_COUNT];

// One direction's traffic key (RFC 8446 7.3).
struct tls_key {
	uint8_t secret[TLS_SECRET_MAX];
	uint8_t key[TLS_KEY_MAX];
	uint8_t iv[TLS_IV_BYTES];
	uint8_t suite;
	uint64_t sequence; // of the next record
	uint64_t serial;   // names this key among all ever installed; 0 = none
};

// A cipher context shared by all connections: it holds the key whose serial it remembers, so that
// only a change of connection pays for keying it.
struct tls_aead {
	EVP_CIPHER_CTX *ctx;
	uint64_t serial;
};

// The context of our provider (tls_schedule.c).
struct tls_schedule {
	struct tls_hash *hashes;         // borrowed: tls_crypto's
	struct tls_handshake *handshake; // whose SSL object OpenSSL is in, or NULL
};

struct tls_crypto {
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *provider;          // OpenSSL's default
	OSSL_PROVIDER *schedule_provider; // ours
	struct tls_schedule *schedule;    // its context
	struct tls_random random;
	struct tls_hash hashes[TLS_HASH_COUNT];
	EVP_CIPHER *ciphers[TLS_SUITE_COUNT];
	EVP_CIPHER *ticket_cipher; // AES-256-CBC
	struct tls_aead seal[TLS_SUITE_COUNT];
	struct tls_aead open[TLS_SUITE_COUNT];
	struct tls_gcm *gcm; // owned; NULL: AES-GCM by EVP too
	uint64_t last_serial;
};

// A name of a certificate, or (cert NULL) a name that control said has none.
struct tls_name {
	struct tls_name *next_in_bucket;
	struct tls_name *next_of_cert;
	struct tls_cert *cert;
	struct list absent_link; // tls.absents, oldest first
	uint64_t until_us;       // an absence's end
	uint64_t mark;
	char text[]; // lower case; "*.example.com" covers one label
};

struct tls_cert { // a public certificate
	uint32_t id;
	bool is_default;
	uint64_t mark;
	SSL_CTX *ctx;              // owned; handshakes that use it hold their own reference
	struct tls_signer *signer; // NULL: its handshakes are OpenSSL's
	struct tls_name *names;
	struct list used_link; // tls.certs_by_use, least recently used first
};

struct tls_identity { // our own name between nodes
	uint32_t id;
	uint64_t mark;
	SSL_CTX *ctx;
	char name[RECORD_PEER_BYTES];        // spiffe://...
	char server_name[RECORD_HOST_BYTES]; // the SNI that selects it, "" for none
};

struct tls_ticket_key {
	struct record_ticket_key row;
	uint64_t mark;
	uint8_t own_name[TLS_TICKET_NAME_BYTES]; // derived, for our own handshake's tickets
	struct tls_secret own;                   // their keys are made of it
};

struct tls_trust {
	X509_STORE *store; // NULL before the first TRUST record
	uint64_t epoch;
	uint64_t mark;
	char mesh[RECORD_NAME_BYTES];
};

struct tls_held { // bytes we keep: buf->data + start .. end
	struct buf *buf;
	uint32_t start;
	uint32_t end;
};

// What OpenSSL reads and writes during one call into it.
struct tls_io {
	const uint8_t *in;
	size_t in_left;
	struct tls_held out[TLS_OUT_PARTS];
	uint32_t out_count;
	bool is_short;    // a write found no buffer
	uint8_t *seal_at; // TLS 1.2: the next write goes here instead
	size_t seal_room;
	size_t seal_bytes;
};

struct tls_handshake {
	struct tls_conn *conn;
	struct list start_link; // tls.handshakes_by_start
	struct list wait_link;  // tls.runnable or tls.cert_waiting
	uint64_t deadline_us;
	uint64_t wait_until_us;
	enum tls_wait wait;
	bool is_wait_over; // waited long enough, or may not: the default certificate, or none
	bool is_mesh;
	bool is_kept; // stays inside OpenSSL after it
	bool is_h2_offered;
	bool is_http1_offered;
	bool has_secret[2];
	uint8_t secret[2][TLS_SECRET_MAX]; // client's, server's application traffic secret
	uint32_t sent_record_count;        // under our application traffic key: tickets
	unsigned peer_roles;
	bool is_left;        // ours no more: OpenSSL refused what a job was for
	struct tls_job *job; // the flight's, at a helper or back again; else NULL
	uint32_t skip_bytes; // of the ClientHello, answered before it was kept
	bool is_own; // ours: the flight is sent, the client's Finished is to come; then also:
	bool is_resumed;
	uint8_t alpn;                       // enum tls_alpn
	uint8_t finished[4 + TLS_HASH_MAX]; // the client's Finished as it must be
	uint8_t received[4 + TLS_HASH_MAX]; // as it is
	uint32_t received_bytes;
	enum counter refusal; // why we refuse the peer; TLS_NO_REASON
	uint8_t refusal_alert;
	char server_name[RECORD_HOST_BYTES];
	char wanted_peer[RECORD_PEER_BYTES]; // client side: who must answer
	char peer[RECORD_PEER_BYTES];        // who did
};

struct tls_conn {
	struct tls *tls;
	const struct tls_events *events;
	void *user;
	SSL *ssl;                        // handshake, from a first byte on, and TLS 1.2; else NULL
	struct tls_handshake *handshake; // NULL when done
	uint8_t state;                   // enum tls_state
	bool is_server;
	bool is_busy;         // inside tls_receive, tls_resume or tls_run of this connection
	bool is_write_closed; // close_notify was sent
	bool is_held_plain;   // held is opened plaintext not taken; else a record being gathered
	uint8_t empty_count;
	uint8_t update_count;
	uint8_t message_have;    // bytes of message_head read
	uint8_t message_head[4]; // of the post-handshake message being read
	uint32_t message_left;   // bytes of its body still to come
	struct tls_held held;
	struct tls_held raw; // wire bytes taken while the handshake waited
	struct tls_key read;
	struct tls_key write;
};

struct tls {
	struct tls_limits limits;
	struct tls_callbacks callbacks;
	struct buf_pool *bufs;
	struct counters *counters;
	struct tls_crypto crypto;
	struct tls_shares shares;
	struct pool jobs;                   // out or back; none without helpers
	uint32_t share_jobs;                // of them, those for shares
	struct list jobs_out;               // of handshakes in time, oldest first
	uint8_t hello_room[TLS_HELLO_ROOM]; // for a ClientHello in several records, during a call
	BIO_METHOD *bio_method;
	SSL_CTX *public_ctx; // without certificate; tickets
	SSL_CTX *client_ctx; // of tls_client_new, made by the first; else NULL
	struct tls_io io;
	struct buf *spare; // for plaintext that is not taken; only during a call
	uint64_t now_us;
	uint64_t wall_s;
	uint32_t steps_left; // handshake steps until the next tls_run
	struct pool conns;
	struct pool handshakes;
	struct list handshakes_by_start;
	struct list runnable;
	struct list cert_waiting;
	uint32_t cert_waiting_count;
	bool has_cert_news; // a CERT or CERT_ABSENT came since tls_run
	uint64_t mark;      // of the set being applied
	struct pool certs;
	struct list certs_by_use;
	struct tls_cert *default_cert;
	struct siphash_key name_key;
	struct tls_name **buckets;
	uint32_t bucket_mask;
	struct list absents;
	uint32_t absent_count;
	struct pool identities;
	struct tls_trust trust;
	struct tls_ticket_key ticket_keys[TLS_TICKET_KEYS]; // newest first
	uint32_t ticket_key_count;
};

// tls_keys.c: RFC 8446 7.1, 7.3, 5.2, 5.3

// tls_crypto_init fetches every algorithm once. False when OpenSSL refuses; fini then too.
bool tls_crypto_init(struct tls_crypto *crypto);

// tls_crypto_fini gives all back and wipes.
void tls_crypto_fini(struct tls_crypto *crypto);

// tls_key_install makes suite's key and iv from a traffic secret; the sequence starts at 0.
void tls_key_install(struct tls_crypto *crypto, struct tls_key *key, unsigned suite,
		     const uint8_t *secret);

// tls_key_set does so with a secret as HMAC's key, for a key that has no successor: a handshake's.
void tls_key_set(struct tls_crypto *crypto, struct tls_key *key, unsigned suite,
		 const struct tls_secret *secret);

// tls_key_update replaces a key by its successor (RFC 8446 7.2).
void tls_key_update(struct tls_crypto *crypto, struct tls_key *key);

// tls_key_seal encrypts in place the record at record: head (written here), then bytes bytes of
// inner plaintext, which may have gaps (NULL: none); the tag follows. Returns false when OpenSSL
// refuses.
bool tls_key_seal(struct tls_crypto *crypto, struct tls_key *key, uint8_t *record, uint32_t bytes,
		  const struct gaps *gaps);

// tls_key_open decrypts in place the record at record, whose body is bytes (>= TLS_TAG_BYTES) long
// with its tag. False when it is not what the peer sealed.
bool tls_key_open(struct tls_crypto *crypto, struct tls_key *key, uint8_t *record, uint32_t bytes);

// tls_once_seal and tls_once_open encrypt and decrypt bytes bytes at text in place by AES-256-GCM
// under a key that seals nothing else, with head as additional data; the tag (TLS_TAG_BYTES) lies
// behind text. False: OpenSSL refuses, or it is not what was sealed.
bool tls_once_seal(struct tls_crypto *crypto, const uint8_t key[TLS_KEY_MAX], struct slice head,
		   uint8_t *text, uint32_t bytes);
bool tls_once_open(struct tls_crypto *crypto, const uint8_t key[TLS_KEY_MAX], struct slice head,
		   uint8_t *text, uint32_t bytes);

// tls_key_wipe forgets a key and what was made of it.
void tls_key_wipe(struct tls_crypto *crypto, struct tls_key *key);

// tls_bio.c

// tls_bio_method_new makes the BIO type through which OpenSSL sees tls->io. NULL: no memory.
BIO_METHOD *tls_bio_method_new(void);

// tls_bio_attach gives ssl a BIO of tls. False: no memory.
bool tls_bio_attach(struct tls *tls, SSL *ssl);

// tls_bio_begin lends count bytes at bytes to the next call into OpenSSL.
void tls_bio_begin(struct tls *tls, const uint8_t *bytes, size_t count);

// tls_bio_flush hands what OpenSSL wrote to the connection's send event.
void tls_bio_flush(struct tls_conn *conn);

// tls_conn.c

// tls_conn_make takes a connection and a handshake from their pools; NULL, counted, at a bound.
struct tls_conn *tls_conn_make(struct tls *tls, const struct tls_events *events, void *user);

// tls_conn_refuse ends a connection that never began; returns NULL.
struct tls_conn *tls_conn_refuse(struct tls_conn *conn);

// tls_conn_close counts reason, forgets keys, buffers and handshake, and tells the owner.
void tls_conn_close(struct tls_conn *conn, enum counter reason);

// tls_conn_deliver offers count opened bytes; what is not taken is kept in held_plain, copied from
// where it lies unless bytes points into held. Needs tls->spare when it does not.
void tls_conn_deliver(struct tls_conn *conn, uint8_t *bytes, uint32_t count);

// tls_conn_take_spare makes sure that tls->spare holds a buffer; false (counted) when there is
// none.
bool tls_conn_take_spare(struct tls *tls);

// tls_conn_continue goes on with a handshake that waited.
void tls_conn_continue(struct tls_conn *conn);

// tls_held_append copies as much of count bytes behind held as fits into a buffer of at most total
// bytes; returns how many were copied, 0 when there is no buffer.
size_t tls_held_append(struct tls *tls, struct tls_held *held, const uint8_t *bytes, size_t count,
		       size_t total);

// tls_held_drop gives held's buffer back.
void tls_held_drop(struct tls_held *held);

// tls_schedule.c

// tls_schedule_load makes crypto->lib do TLS 1.3's key schedule by us, and loads OpenSSL's default
// provider behind; crypto->hashes may be made later, before the first handshake. False: OpenSSL
// refuses.
bool tls_schedule_load(struct tls_crypto *crypto);

// tls_handshake.c

// tls_handshake_observe makes ctx tell us the records sent.
void tls_handshake_observe(SSL_CTX *ctx);

// tls_handshake_begin starts conn's handshake, its time and its count; nothing of OpenSSL's is
// made.
void tls_handshake_begin(struct tls_conn *conn);

// tls_handshake_start makes OpenSSL's object of it: a client's at once, a server's by the first
// tls_handshake_step. False: openssl_refused.
bool tls_handshake_start(struct tls_conn *conn, SSL_CTX *ctx);

// tls_handshake_step lends count wire bytes to OpenSSL and goes on; returns how many it took.
size_t tls_handshake_step(struct tls_conn *conn, const uint8_t *bytes, size_t count);

// tls_handshake_end gives the handshake's half of conn back, wiped.
void tls_handshake_end(struct tls_conn *conn);

// tls_handshake_of returns the handshake that ssl belongs to; NULL after it.
struct tls_handshake *tls_handshake_of(const SSL *ssl);

// tls_handshake_wait puts a handshake on the list of its kind of wait.
void tls_handshake_wait(struct tls_handshake *handshake, enum tls_wait wait);

// tls_handshake_refuse notes why the peer is refused, and the alert to tell it.
void tls_handshake_refuse(struct tls_handshake *handshake, enum counter reason, uint8_t alert);

// tls_handshake_last_reason tells which counter the error of the last call into OpenSSL is, and
// empties OpenSSL's queue of errors.
enum counter tls_handshake_last_reason(void);

// tls_handshake_reason_of_alert tells which counter a received alert is.
enum counter tls_handshake_reason_of_alert(int alert);

// tls_record.c

// tls_record_receive opens the records in count wire bytes; returns how many bytes it took.
size_t tls_record_receive(struct tls_conn *conn, uint8_t *bytes, size_t count);

// tls_record_seal makes the record of type from text, at TLS_PLAIN_AT in its buf; it begins at
// TLS_NONCE_ROOM. Returns its length, 0 when OpenSSL refuses.
uint32_t tls_record_seal(struct tls_conn *conn, const struct tls_text *text, enum tls_content type);

// tls_control.c: RFC 8446 4.6, 6

// tls_control_receive acts on an opened alert or handshake record.
void tls_control_receive(struct tls_conn *conn, uint8_t type, const uint8_t *bytes, uint32_t count);

// tls_control_alert sends an alert in a record of its own, sealed when keys are there.
void tls_control_alert(struct tls_conn *conn, uint8_t alert);

// tls_control_fail sends alert and closes for reason.
void tls_control_fail(struct tls_conn *conn, enum counter reason, uint8_t alert);

// tls_control_update_write tells the peer that we change our key, and changes it. False: closed.
bool tls_control_update_write(struct tls_conn *conn);

// tls_legacy.c: TLS 1.2

// tls_legacy_receive lets OpenSSL open what count wire bytes hold; returns how many it took.
size_t tls_legacy_receive(struct tls_conn *conn, const uint8_t *bytes, size_t count);

// tls_legacy_seal is tls_seal.
int tls_legacy_seal(struct tls_conn *conn, struct buf *buf, uint32_t bytes, uint32_t *offset,
		    uint32_t *wire_bytes);

// tls_legacy_close_notify sends the closing alert.
void tls_legacy_close_notify(struct tls_conn *conn);

// tls_identity.c

// tls_identity_suites are the cipher suites of TLS 1.3 that we offer and take, the best first.
extern const char *const tls_identity_suites;

// tls_identity_ctx_new makes a context with everything but a certificate. NULL: refused.
SSL_CTX *tls_identity_ctx_new(struct tls *tls, bool is_mesh);

// tls_identity_apply_cert, tls_identity_apply_identity and tls_identity_apply_trust take a record
// of their type; NULL, or why not (a literal).
const char *tls_identity_apply_cert(struct tls *tls, const struct record *record);
const char *tls_identity_apply_identity(struct tls *tls, const struct record *record);
const char *tls_identity_apply_trust(struct tls *tls, const struct record *record);

// tls_identity_find returns the identity of a SPIFFE name (NULL: the one with the lowest id), or
// NULL.
struct tls_identity *tls_identity_find(struct tls *tls, const char *name);

// tls_identity_for_hop is tls_identity_find once there is a trust bundle; before, NULL.
struct tls_identity *tls_identity_for_hop(struct tls *tls, const char *name);

// tls_identity_find_sni returns the identity a client asks for by SNI, else the first, or NULL.
struct tls_identity *tls_identity_find_sni(struct tls *tls, const char *server_name);

// tls_identity_remove forgets the certificate or identity of id.
void tls_identity_remove(struct tls *tls, enum record_type type, uint64_t id);

// tls_identity_sweep forgets what was not applied since the mark; with all, everything.
void tls_identity_sweep(struct tls *tls, bool all);

// tls_select.c

enum tls_found { TLS_FOUND_CERT, TLS_FOUND_ABSENT, TLS_FOUND_NOTHING };

// tls_select_init takes memory for the table of names. False: no memory.
bool tls_select_init(struct tls *tls);

// tls_select_install sets the SNI, certificate and ALPN callbacks of ctx.
void tls_select_install(struct tls *tls, SSL_CTX *ctx);

// tls_select_find looks a lower-case name up: exact, one-label wildcard, known absence.
enum tls_found tls_select_find(struct tls *tls, const char *name, struct tls_cert **cert);

enum tls_choice { TLS_CHOICE_CERT, TLS_CHOICE_WAITS, TLS_CHOICE_NONE };

// tls_select_read_name copies an SNI in lower case; false, and "", when it is no host name.
bool tls_select_read_name(struct slice name, char out[RECORD_HOST_BYTES]);

// tls_select_choose finds the certificate of a public handshake by its server_name ("": none was
// said), or makes it wait for control's answer.
enum tls_choice tls_select_choose(struct tls *tls, struct tls_handshake *handshake,
				  struct tls_cert **cert);

// tls_select_protocol picks what both speak of a client's ALPN list (RFC 7301 3.1: entries with
// their lengths), ours first; a static name, "" when there is nothing in common.
struct slice tls_select_protocol(const struct tls_handshake *handshake, struct slice list);

// tls_select_add makes name one of cert's names. False: no memory.
bool tls_select_add(struct tls *tls, struct tls_cert *cert, struct slice name);

// tls_select_remove_all forgets cert's names.
void tls_select_remove_all(struct tls *tls, struct tls_cert *cert);

// tls_select_add_absent notes that name has no certificate until until_us.
void tls_select_add_absent(struct tls *tls, const char *name, uint64_t until_us);

// tls_select_sweep forgets absences that were not applied since the mark; with all, every one.
void tls_select_sweep(struct tls *tls, bool all);

// tls_select_wake moves handshakes whose certificate came, or whose wait is over, to runnable.
void tls_select_wake(struct tls *tls);

// tls_peer.c

// tls_peer_install makes ctx demand and check a certificate between nodes.
void tls_peer_install(SSL_CTX *ctx);

// tls_ticket.c

// tls_ticket_install makes ctx issue and take stateless tickets under tls->ticket_keys.
void tls_ticket_install(SSL_CTX *ctx);

// tls_ticket_apply adds or replaces a key; NULL, or why not (a literal).
const char *tls_ticket_apply(struct tls *tls, const struct record_ticket_key *row);

// tls_ticket_remove forgets the key of id, wiped.
void tls_ticket_remove(struct tls *tls, uint64_t id);

// tls_ticket_sweep forgets keys that were not applied since the mark; with all, every one.
void tls_ticket_sweep(struct tls *tls, bool all);
