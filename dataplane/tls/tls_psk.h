// SPDX-License-Identifier: Apache-2.0
// Resumption in our own handshake (RFC 8446 2.2, 4.2.11, 4.6.1): stateless tickets sealed by
// AES-256-GCM under keys derived from control's ticket keys, which all workers and edges share.
// The derived keys have names of their own: to OpenSSL's side (tls_ticket.c) our tickets are
// unknown, as its are to us, and what is unknown is a full handshake.
#pragma once

#include "tls_hello.h"
#include "tls_priv.h"

#define TLS_PSK_NONCE_BYTES 8u // of a ticket_nonce: one ticket a handshake, so it is all zero
#define TLS_PSK_MESSAGE_MAX 512u
#define TLS_PSK_LIFE_MAX_S  (7u * 86400) // from the full handshake on, however often resumed

// What a ticket remembers. Wipe it.
struct tls_psk {
	uint8_t hash;     // TLS_HASH_SHA256 or TLS_HASH_SHA384
	uint64_t began_s; // Unix time of the full handshake
	uint8_t secret[TLS_HASH_MAX];
};

// tls_psk_derive makes key's part for us of its row.
void tls_psk_derive(const struct tls_crypto *crypto, struct tls_ticket_key *key);

// tls_psk_open reads a ticket that a client of server_name offers. False: unknown, expired,
// altered, or of another name.
bool tls_psk_open(struct tls *tls, struct slice ticket, const char *server_name,
		  struct tls_psk *psk);

// tls_psk_verify checks hello's binder (RFC 8446 4.2.11.2), begins hash's transcript with the
// hello->truncated_bytes that it is of, and makes the salt behind the early secret. False: it does
// not fit, which must end the handshake.
bool tls_psk_verify(struct tls_hash *hash, const struct tls_psk *psk, const struct tls_hello *hello,
		    struct tls_secret *salt);

// tls_psk_write writes a NewSessionTicket for psk, whose secret is the resumption master secret
// here, with our newest key. Returns its bytes, 0 when OpenSSL refuses.
uint32_t tls_psk_write(struct tls *tls, const struct tls_psk *psk, const char *server_name,
		       uint8_t out[TLS_PSK_MESSAGE_MAX]);
