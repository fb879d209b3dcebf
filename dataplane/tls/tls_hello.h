// SPDX-License-Identifier: Apache-2.0
// An ordinary ClientHello (RFC 8446 4.1.2) in TLS records (5.1), for our own handshake. A pure
// function of bytes: it allocates nothing and never answers. What is not ordinary, malformed or
// merely rare is OpenSSL's, which gets the very same bytes and says what must be said.
#pragma once

#include "slice.h"

#include <stdbool.h>

#define TLS_HELLO_ROOM 8192u // a longer ClientHello is OpenSSL's

enum tls_hello_verdict {
	TLS_HELLO_MORE,    // so far it may be ours; bytes are missing
	TLS_HELLO_OURS,    // whole and ordinary
	TLS_HELLO_OPENSSL, // anything else, told as soon as it is seen
};

// RFC 8446 4.2.3, those that our certificates' keys may sign with.
enum tls_scheme {
	TLS_SCHEME_ECDSA_P256_SHA256,
	TLS_SCHEME_ECDSA_P384_SHA384,
	TLS_SCHEME_ED25519,
	TLS_SCHEME_RSA_PSS_SHA256,
	TLS_SCHEME_RSA_PSS_SHA384,
	TLS_SCHEME_RSA_PSS_SHA512,
	TLS_SCHEME_COUNT
};

// What a ClientHello says. Slices lie in the bytes that were read, or in room when the message was
// cut into several records; empty slices: not there.
struct tls_hello {
	struct slice message;    // whole, with its head of 4 bytes
	struct slice random;     // 32 bytes
	struct slice session_id; // 0 to 32 bytes, to be echoed
	uint8_t suites;          // bits 1 << TLS_SUITE_*, at least one
	bool is_chacha_first;    // of our suites the client names ChaCha20 first
	bool has_server_name;
	bool has_psk_dhe;          // psk_key_exchange_modes has psk_dhe_ke
	struct slice server_name;  // as sent, 1 to 255 bytes without NUL, or empty
	struct slice alpn;         // ProtocolName entries, each a length and 1 to 255 bytes
	struct slice share_x25519; // one of these two: the client's first share of a group
	struct slice share_p256;   // that we know, as OpenSSL would take it; 32 or 65 bytes
	uint32_t schemes;          // bits 1 << TLS_SCHEME_*, at least one
	struct slice identity;     // the one PSK that is offered (more than one are OpenSSL's)
	uint32_t obfuscated_age;   // its obfuscated_ticket_age
	struct slice binder;       // 32 or 48 bytes
	uint32_t truncated_bytes;  // the beginning of message that the binder covers (4.2.11.2)
};

// tls_hello_read reads a connection's first bytes. wire holds all that came since its start: with
// TLS_HELLO_MORE call again with more behind the same bytes. room is TLS_HELLO_ROOM bytes for a
// message in several records; without (NULL) such a message is OpenSSL's. *hello and *wire_bytes,
// how many bytes the records of the ClientHello took, are written only with TLS_HELLO_OURS.
enum tls_hello_verdict tls_hello_read(struct slice wire, uint8_t *room, struct tls_hello *hello,
				      size_t *wire_bytes);
