// SPDX-License-Identifier: Apache-2.0
// The server's key shares (RFC 8446 4.2.8, 7.4) for our own handshake: X25519 (RFC 7748) and P-256,
// by OpenSSL. Shares of X25519 are made ahead while there is nothing else to do, each used once.
#pragma once

#include "slice.h"
#include "tls_x25519.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#define TLS_SHARE_AHEAD  64u // shares of X25519 made ahead
#define TLS_SHARE_MAX    65u // bytes of one: an uncompressed point of P-256
#define TLS_SHARED_BYTES 32u // of what both sides know then, in either group

enum tls_group { TLS_GROUP_X25519, TLS_GROUP_P256 };

// A key of X25519, to be used once.
struct tls_share {
	uint8_t private[TLS_X25519_BYTES];
	uint8_t open[TLS_X25519_BYTES];
};

struct tls_shares {
	OSSL_LIB_CTX *lib; // borrowed
	struct tls_x25519 x25519;
	EVP_PKEY_CTX *generate; // makes keys of P-256
	EVP_PKEY *p256;         // any key of P-256, for the parameters of peers'
	bool is_wanted;         // a peer has agreed: who never has peers makes nothing ahead
	uint32_t ahead_count;
	struct tls_share ahead[TLS_SHARE_AHEAD];
};

// What two sides agreed upon. Wipe it.
struct tls_agreed {
	uint8_t open[TLS_SHARE_MAX]; // our share, for the peer
	uint8_t open_bytes;
	bool was_ahead; // ours was made ahead
	uint8_t secret[TLS_SHARED_BYTES];
};

// tls_shares_init fetches the algorithms; provider is lib's default one. False: OpenSSL refuses;
// tls_shares_fini then too.
bool tls_shares_init(struct tls_shares *shares, OSSL_LIB_CTX *lib, OSSL_PROVIDER *provider);

// tls_shares_fini wipes the keys and gives all back; all zero is nothing to give back.
void tls_shares_fini(struct tls_shares *shares);

// tls_shares_prepare makes one share ahead (some 40 us), once a first was needed. False: there are
// as many as may be, or OpenSSL refuses.
bool tls_shares_prepare(struct tls_shares *shares);

// tls_shares_wanted is how many shares may be made ahead, once a first was needed.
uint32_t tls_shares_wanted(const struct tls_shares *shares);

// tls_shares_make makes a share of X25519. False: OpenSSL refuses.
bool tls_shares_make(struct tls_shares *shares, struct tls_share *share);

// tls_shares_add puts a share that was made elsewhere to those ahead, copied. False: there are as
// many as may be.
bool tls_shares_add(struct tls_shares *shares, const struct tls_share *share);

// tls_shares_take gives a share of X25519 away, made ahead or made now. False: OpenSSL refuses.
bool tls_shares_take(struct tls_shares *shares, struct tls_share *share, bool *was_ahead);

// tls_shares_agree takes a share of ours, made ahead or made now, and agrees with the peer's.
// False: the peer's is no point of the group or of small order, or OpenSSL refuses.
bool tls_shares_agree(struct tls_shares *shares, enum tls_group group, struct slice peer,
		      struct tls_agreed *agreed);
