// SPDX-License-Identifier: Apache-2.0
// Our own server side of TLS 1.3's handshake (RFC 8446 4) on libcrypto, for ordinary ClientHellos
// on public listeners: two steps, the answer to a ClientHello and the client's Finished. Everything
// else, and whatever we would have to refuse, is OpenSSL's, which gets the same bytes.
#pragma once

#include "bytes.h"
#include "tls_psk.h"

// What answers a ClientHello, while it is made. Wipe it.
struct tls_answer {
	const struct tls_hello *hello;
	struct tls_hash *hash; // the suite's
	uint8_t suite;
	bool is_resumed;
	enum tls_group group;
	struct tls_signer *signer; // borrowed: the certificate's; NULL: resumed
	enum tls_scheme scheme;
	bool has_psk_dhe;      // the client can use a ticket
	struct slice protocol; // ALPN; "": the client asked for none
	struct tls_psk psk;    // is_resumed; else only when it began
	struct tls_agreed agreed;
	struct tls_secret stage; // of the schedule: the handshake secret's salt, then the secrets
};

// A flight while it is written.
struct tls_flight {
	struct tls_conn *conn;
	struct tls_answer *answer;
	struct buf *buf; // owned, until it is sent
	struct bytes_writer w;
	uint8_t *record;                  // the encrypted one's head
	uint8_t hello_hash[TLS_HASH_MAX]; // the transcript's, ServerHello last
	struct tls_key write;             // the server's handshake traffic key
	bool ok;                          // OpenSSL has not refused
};

// tls_server_is_hearing: conn is a server's that may become ours: its ClientHello is not whole yet,
// or waits for its certificate.
bool tls_server_is_hearing(const struct tls_conn *conn);

// tls_server_hear reads all bytes since the connection's start. False: they are OpenSSL's. Else
// *taken of them were answered, 0 when more are needed or the handshake waits.
bool tls_server_hear(struct tls_conn *conn, const uint8_t *bytes, size_t count, size_t *taken);

// tls_server_go_on sends the rest of a flight whose job is done; *taken of the count bytes at hand
// were the ClientHello's. False: they are OpenSSL's.
bool tls_server_go_on(struct tls_conn *conn, size_t count, size_t *taken);

// tls_server_receive acts on an opened record behind our flight.
void tls_server_receive(struct tls_conn *conn, uint8_t type, const uint8_t *bytes, uint32_t count);

// tls_server_receive_open acts on a record that is not encrypted, behind our flight; count is at
// least 1. RFC 8446 5, D.4.
void tls_server_receive_open(struct tls_conn *conn, uint8_t type, const uint8_t *bytes,
			     uint32_t count);

// tls_server_fail ends a handshake of ours whose client breaks the protocol.
void tls_server_fail(struct tls_conn *conn, uint8_t alert);

// tls_flight.c

// tls_flight_begin writes what needs no secret of our flight, ServerHello to Certificate, of which
// answer (borrowed) tells all but agreed.secret. tls_flight_sign signs it; tls_flight_send writes
// what follows, Finished and a ticket last, with the signature (empty: resumed) and answer's
// secret, installs the keys and sends it. False, and nothing sent nor changed: there is no buffer,
// or OpenSSL refuses; then tls_flight_drop, which a flight that was sent may have too.
bool tls_flight_begin(struct tls_flight *flight, struct tls_conn *conn, struct tls_answer *answer);
bool tls_flight_sign(struct tls_flight *flight, uint8_t signature[TLS_SIGNATURE_MAX],
		     uint32_t *bytes);
bool tls_flight_send(struct tls_flight *flight, struct slice signature);
void tls_flight_drop(struct tls_flight *flight);
