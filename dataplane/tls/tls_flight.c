// SPDX-License-Identifier: Apache-2.0
// What our own handshake sends (RFC 8446 4.1.3, 4.3.1, 4.4, 4.6.1, 5, D.4), with the key schedule
// that goes along (7.1): one buffer, written once, encrypted where it lies.
//
//   | 5 ServerHello | 6 CCS, if the client wants it |
//   | 5 EncryptedExtensions .. Finished, type | tag | 5 NewSessionTicket, type | tag |
#include "tls_server.h"

#include "check.h"

enum {
	MESSAGE_SERVER_HELLO = 2,
	MESSAGE_ENCRYPTED_EXTENSIONS = 8,
	MESSAGE_CERTIFICATE_VERIFY = 15,
	MESSAGE_FINISHED = 20
};
enum { // RFC 8446 4.2
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_ALPN = 16,
	EXTENSION_PRE_SHARED_KEY = 41,
	EXTENSION_SUPPORTED_VERSIONS = 43,
	EXTENSION_KEY_SHARE = 51
};

#define RANDOM_BYTES 32u
#define TICKET_MAX   (TLS_RECORD_HEAD + TLS_PSK_MESSAGE_MAX + 1u + TLS_TAG_BYTES)
#define OTHERS_MAX   (320u + TLS_SIGNATURE_MAX) // of the flight without certificate and ticket

static_assert(OTHERS_MAX + TLS_CERTIFICATE_MAX <= TLS_PLAINTEXT_MAX);
static_assert(OTHERS_MAX + TLS_CERTIFICATE_MAX + TICKET_MAX <= BUF_BYTES);

static const uint16_t group_ids[] = {[TLS_GROUP_X25519] = 0x001d, [TLS_GROUP_P256] = 0x0017};

static void tell(const struct tls_flight *flight, uint8_t *transcript)
{
	tls_transcript_tell(flight->answer->hash, transcript);
}

// begin starts a message or a vector: its length, of bytes bytes, is written by end.
static uint8_t *begin(struct tls_flight *flight, unsigned bytes)
{
	uint8_t *at = flight->w.at;
	bytes_put(&flight->w, (uint8_t[3]){0}, bytes);
	return at;
}

static void end(struct tls_flight *flight, uint8_t *at, unsigned bytes)
{
	size_t count = flight->w.ok ? (size_t)(flight->w.at - at) - bytes : 0;
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(count >> 8 * (bytes - 1 - i));
}

// hash adds a message, from its head at at on, to the transcript.
static void hash(const struct tls_flight *flight, const uint8_t *at)
{
	tls_transcript_add(flight->answer->hash, slice_of(at, (size_t)(flight->w.at - at)));
}

static void put_server_hello(struct tls_flight *flight)
{
	struct bytes_writer *w = &flight->w;
	const struct tls_answer *answer = flight->answer;
	const struct tls_agreed *agreed = &answer->agreed;
	uint8_t random[RANDOM_BYTES];
	flight->ok = tls_random_take(&flight->conn->tls->crypto.random, random, sizeof(random));
	bytes_put_u8(w, TLS_CONTENT_HANDSHAKE);
	bytes_put_u16(w, 0x0303);
	uint8_t *record = begin(flight, 2);
	uint8_t *message = w->at;
	bytes_put_u8(w, MESSAGE_SERVER_HELLO);
	uint8_t *body = begin(flight, 3);
	bytes_put_u16(w, 0x0303);
	bytes_put(w, random, sizeof(random));
	bytes_put_u8(w, (uint8_t)answer->hello->session_id.bytes);
	bytes_put(w, answer->hello->session_id.at, answer->hello->session_id.bytes);
	bytes_put_u16(w, tls_suites[answer->suite].id);
	bytes_put_u8(w, 0); // no compression
	uint8_t *extensions = begin(flight, 2);
	bytes_put_u16(w, EXTENSION_SUPPORTED_VERSIONS);
	bytes_put_u16(w, 2);
	bytes_put_u16(w, 0x0304);
	bytes_put_u16(w, EXTENSION_KEY_SHARE);
	bytes_put_u16(w, (uint16_t)(4 + agreed->open_bytes));
	bytes_put_u16(w, group_ids[answer->group]);
	bytes_put_u16(w, agreed->open_bytes);
	bytes_put(w, agreed->open, agreed->open_bytes);
	if (answer->is_resumed) {
		bytes_put_u16(w, EXTENSION_PRE_SHARED_KEY);
		bytes_put_u16(w, 2);
		bytes_put_u16(w, 0); // the first, which alone is offered
	}
	end(flight, extensions, 2);
	end(flight, body, 3);
	end(flight, record, 2);
	hash(flight, message);
}

static void put_encrypted_extensions(struct tls_flight *flight)
{
	struct bytes_writer *w = &flight->w;
	struct slice protocol = flight->answer->protocol;
	uint8_t *message = w->at;
	bytes_put_u8(w, MESSAGE_ENCRYPTED_EXTENSIONS);
	uint8_t *body = begin(flight, 3);
	uint8_t *extensions = begin(flight, 2);
	if (flight->answer->hello->has_server_name) {
		bytes_put_u16(w, EXTENSION_SERVER_NAME);
		bytes_put_u16(w, 0);
	}
	if (protocol.bytes) {
		bytes_put_u16(w, EXTENSION_ALPN);
		bytes_put_u16(w, (uint16_t)(3 + protocol.bytes));
		bytes_put_u16(w, (uint16_t)(1 + protocol.bytes));
		bytes_put_u8(w, (uint8_t)protocol.bytes);
		bytes_put(w, protocol.at, protocol.bytes);
	}
	end(flight, extensions, 2);
	end(flight, body, 3);
	hash(flight, message);
}

static void put_certificate(struct tls_flight *flight)
{
	const struct tls_signer *signer = flight->answer->signer;
	uint8_t *message = flight->w.at;
	bytes_put(&flight->w, signer->message, signer->bytes);
	hash(flight, message);
}

static void put_certificate_verify(struct tls_flight *flight, struct slice signature)
{
	uint32_t bytes = (uint32_t)signature.bytes;
	uint8_t *message = flight->w.at;
	bytes_put_u32(&flight->w, MESSAGE_CERTIFICATE_VERIFY << 24 | (4 + bytes));
	bytes_put_u16(&flight->w, tls_signer_id(flight->answer->scheme));
	bytes_put_u16(&flight->w, (uint16_t)bytes);
	bytes_put(&flight->w, signature.at, bytes);
	hash(flight, message);
}

// write_finished writes the Finished of who has base as traffic secret.
static uint32_t write_finished(const struct tls_flight *flight, const struct tls_secret *base,
			       const uint8_t *transcript, uint8_t *out)
{
	const struct tls_hash *hash = flight->answer->hash;
	tls_finished_mac(hash, base, transcript, out + 4);
	memcpy(out, (uint8_t[]){MESSAGE_FINISHED, 0, 0, (uint8_t)hash->bytes}, 4);
	return 4 + hash->bytes;
}

static void derive(const struct tls_flight *flight, struct slice label, const uint8_t *transcript,
		   uint8_t *out)
{
	const struct tls_hash *hash = flight->answer->hash;
	const struct tls_label wanted = {label, slice_of(transcript, hash->bytes)};
	tls_secret_expand(hash, &flight->answer->stage, wanted, out, hash->bytes);
}

// derive_secret is derive of a secret of which several things are made.
static void derive_secret(const struct tls_flight *flight, struct slice label,
			  const uint8_t *transcript, struct tls_secret *out)
{
	const struct tls_hash *hash = flight->answer->hash;
	uint8_t secret[TLS_HASH_MAX];
	derive(flight, label, transcript, secret);
	tls_secret_set(hash, out, slice_of(secret, hash->bytes));
	OPENSSL_cleanse(secret, sizeof(secret));
}

// next goes on from the salt of the schedule's next stage to its secret.
static void next(const struct tls_flight *flight, struct slice input)
{
	tls_secret_next(flight->answer->hash, &flight->answer->stage, input);
}

// agree makes the handshake secrets (RFC 8446 7.1) of both shares and the transcript until
// ServerHello.
static void agree(struct tls_flight *flight, struct tls_secret *client, struct tls_secret *server)
{
	struct tls_answer *answer = flight->answer;
	struct tls_crypto *crypto = &flight->conn->tls->crypto;
	next(flight, slice_of(answer->agreed.secret, sizeof(answer->agreed.secret)));
	derive_secret(flight, SLICE("c hs traffic"), flight->hello_hash, client);
	derive_secret(flight, SLICE("s hs traffic"), flight->hello_hash, server);
	tls_key_set(crypto, &flight->write, answer->suite, server);
}

// expect writes the client's Finished, as it must be, and makes the application secret of the whole
// flight and the resumption secret of what answers it.
static void expect(struct tls_flight *flight, const struct tls_secret *client,
		   uint8_t *server_traffic, uint8_t *resumption)
{
	struct tls_handshake *handshake = flight->conn->handshake;
	struct tls_hash *hash = flight->answer->hash;
	uint8_t transcript[TLS_HASH_MAX];
	tell(flight, transcript);
	tls_secret_salt(hash, &flight->answer->stage);
	next(flight, SLICE(""));
	derive(flight, SLICE("c ap traffic"), transcript, handshake->secret[0]);
	derive(flight, SLICE("s ap traffic"), transcript, server_traffic);
	uint32_t bytes = write_finished(flight, client, transcript, handshake->finished);
	tls_transcript_add(hash, slice_of(handshake->finished, bytes));
	tell(flight, transcript);
	derive(flight, SLICE("res master"), transcript, resumption);
}

// pass goes on behind bytes that were written in place.
static void pass(struct tls_flight *flight, uint32_t bytes)
{
	flight->w.at += bytes;
	flight->w.left -= bytes;
	flight->w.written += bytes;
}

// seal makes the record of what lies at record (its head still empty) up to the writer.
static void seal(struct tls_flight *flight, struct tls_key *key, uint8_t *record)
{
	bytes_put_u8(&flight->w, TLS_CONTENT_HANDSHAKE);
	CHECK(flight->w.ok && flight->w.left >= TLS_TAG_BYTES);
	uint32_t bytes = (uint32_t)(flight->w.at - record) - TLS_RECORD_HEAD;
	flight->ok =
		flight->ok && tls_key_seal(&flight->conn->tls->crypto, key, record, bytes, NULL);
	pass(flight, TLS_TAG_BYTES);
}

// put_ticket adds a NewSessionTicket for a client that can use one. It may follow our Finished at
// once, since the client's is known beforehand (RFC 8446 4.6.1): so it takes no packet of its own.
static void put_ticket(struct tls_flight *flight, const uint8_t *resumption)
{
	struct tls_conn *conn = flight->conn;
	const struct tls_answer *answer = flight->answer;
	struct tls_psk psk = {.hash = tls_suites[answer->suite].hash,
			      .began_s = answer->psk.began_s};
	uint8_t *record = flight->w.at;
	if (!flight->ok || !answer->has_psk_dhe || conn->tls->ticket_key_count == 0)
		return;
	CHECK(flight->w.left >= TICKET_MAX);
	memcpy(psk.secret, resumption, sizeof(psk.secret));
	uint32_t bytes = tls_psk_write(conn->tls, &psk, conn->handshake->server_name,
				       record + TLS_RECORD_HEAD);
	OPENSSL_cleanse(&psk, sizeof(psk));
	flight->ok = bytes > 0;
	pass(flight, TLS_RECORD_HEAD + bytes);
	seal(flight, &conn->write, record);
}

static const uint8_t ccs[] = {20, 3, 3, 0, 1, 1};

// write_open writes what is known before there is a secret.
static void write_open(struct tls_flight *flight)
{
	const struct tls_answer *answer = flight->answer;
	put_server_hello(flight);
	tell(flight, flight->hello_hash);
	if (answer->hello->session_id.bytes)
		bytes_put(&flight->w, ccs, sizeof(ccs));
	flight->record = flight->w.at;
	bytes_put(&flight->w, ccs, TLS_RECORD_HEAD); // written by seal
	put_encrypted_extensions(flight);
	if (answer->signer)
		put_certificate(flight);
}

// write_secret writes the rest, and installs the keys behind the flight.
static void write_secret(struct tls_flight *flight, struct slice signature)
{
	struct tls_conn *conn = flight->conn;
	struct tls_crypto *crypto = &conn->tls->crypto;
	struct tls_secret client, server;
	uint8_t transcript[TLS_HASH_MAX], traffic[TLS_HASH_MAX], resumption[TLS_HASH_MAX];
	agree(flight, &client, &server);
	if (flight->answer->signer)
		put_certificate_verify(flight, signature);
	uint8_t finished[4 + TLS_HASH_MAX];
	uint8_t *message = flight->w.at;
	tell(flight, transcript);
	bytes_put(&flight->w, finished, write_finished(flight, &server, transcript, finished));
	hash(flight, message);
	expect(flight, &client, traffic, resumption);
	seal(flight, &flight->write, flight->record);
	tls_key_set(crypto, &conn->read, flight->answer->suite, &client);
	tls_key_install(crypto, &conn->write, flight->answer->suite, traffic);
	put_ticket(flight, resumption);
	OPENSSL_cleanse(&client, sizeof(client));
	OPENSSL_cleanse(&server, sizeof(server));
	OPENSSL_cleanse(traffic, sizeof(traffic));
	OPENSSL_cleanse(resumption, sizeof(resumption));
	tls_key_wipe(crypto, &flight->write);
}

bool tls_flight_begin(struct tls_flight *flight, struct tls_conn *conn, struct tls_answer *answer)
{
	uint32_t most = OTHERS_MAX + (answer->signer ? answer->signer->bytes : 0) + TICKET_MAX;
	// a resumed one's transcript was begun for the binder
	size_t heard = answer->is_resumed ? answer->hello->truncated_bytes : 0;
	*flight = (struct tls_flight){.conn = conn, .answer = answer};
	flight->buf = buf_new(conn->tls->bufs, most);
	if (!flight->buf)
		return false;
	flight->w = bytes_write_to(flight->buf->data, flight->buf->bytes);
	if (heard == 0)
		tls_transcript_begin(answer->hash);
	tls_transcript_add(answer->hash, slice_skip(answer->hello->message, heard));
	write_open(flight);
	return flight->ok;
}

bool tls_flight_sign(struct tls_flight *flight, uint8_t signature[TLS_SIGNATURE_MAX],
		     uint32_t *bytes)
{
	const struct tls_answer *answer = flight->answer;
	uint8_t transcript[TLS_HASH_MAX];
	tell(flight, transcript);
	*bytes = tls_signing_sign(&answer->signer->own, flight->conn->tls->crypto.hashes,
				  answer->scheme, slice_of(transcript, answer->hash->bytes),
				  signature);
	return *bytes > 0;
}

bool tls_flight_send(struct tls_flight *flight, struct slice signature)
{
	struct tls_conn *conn = flight->conn;
	struct buf *buf = flight->buf;
	write_secret(flight, signature);
	if (flight->ok) {
		flight->buf = NULL;
		conn->events->send(conn->user, buf, 0, (uint32_t)flight->w.written);
		return true;
	}
	tls_key_wipe(&conn->tls->crypto, &conn->read);
	tls_key_wipe(&conn->tls->crypto, &conn->write);
	return false;
}

void tls_flight_drop(struct tls_flight *flight)
{
	if (flight->buf)
		buf_unref(flight->buf);
	flight->buf = NULL;
}
