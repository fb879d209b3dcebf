// SPDX-License-Identifier: Apache-2.0
// The key schedule's arithmetic of TLS 1.3 (RFC 8446 7.1): HMAC (RFC 2104), HKDF-Extract and
// HKDF-Expand (RFC 5869) on a hash whose context is kept; and the transcript's hash (4.4.1).
// OpenSSL's own way fetches and allocates for each secret and costs three times as much.
#pragma once

#include "slice.h"

#include <openssl/evp.h>

#define TLS_HASH_MAX  48u // bytes of SHA-384
#define TLS_LABEL_MAX 12u // without "tls13 ": the longest of RFC 8446

enum { TLS_HASH_SHA256, TLS_HASH_SHA384, TLS_HASH_COUNT };

struct tls_hash {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
	EVP_MD_CTX *transcript;      // of the one handshake that is being done
	uint8_t empty[TLS_HASH_MAX]; // the hash of nothing
	uint32_t bytes;
	uint32_t block_bytes;
};

// What a secret is expanded for: label without "tls13 ", context mostly a transcript's hash.
struct tls_label {
	struct slice text;    // at most TLS_LABEL_MAX
	struct slice context; // at most TLS_HASH_MAX
};

// tls_hash_init fetches the hash by OpenSSL's name from lib. False: not there, or no memory;
// tls_hash_fini in any case.
bool tls_hash_init(struct tls_hash *hash, OSSL_LIB_CTX *lib, const char *name);

// tls_hash_fini gives the hash back; all zero is nothing to give back.
void tls_hash_fini(struct tls_hash *hash);

// tls_digest writes the hash of text to out. False when OpenSSL refuses.
bool tls_digest(struct tls_hash *hash, struct slice text, uint8_t *out);

// tls_hmac writes the hash->bytes of HMAC(key, text) to out. key has at most a block. As
// HKDF-Extract (RFC 5869 2.2) key is the salt, text the input. False when OpenSSL refuses.
bool tls_hmac(struct tls_hash *hash, struct slice key, struct slice text, uint8_t *out);

// tls_expand_label writes bytes (<= hash->bytes) bytes of HKDF-Expand-Label(secret, label) to out
// (RFC 8446 7.1); secret is hash->bytes long. False when OpenSSL refuses.
bool tls_expand_label(struct tls_hash *hash, const uint8_t *secret, struct tls_label label,
		      uint8_t *out, size_t bytes);

// tls_next_secret writes the secret of the next stage (RFC 8446 7.1: early, handshake, master) from
// the one before (NULL: none yet) and input (empty: zeros); out may be before. False when OpenSSL
// refuses.
bool tls_next_secret(struct tls_hash *hash, const uint8_t *before, struct slice input,
		     uint8_t *out);

// tls_finished_mac writes the hash->bytes of a Finished or a PSK's binder (RFC 8446 4.4.4) of a
// transcript's hash under base, a secret. False when OpenSSL refuses.
bool tls_finished_mac(struct tls_hash *hash, const uint8_t *base, const uint8_t *transcript,
		      uint8_t *out);

// tls_transcript_begin starts hash->transcript anew; tls_transcript_add goes on with text;
// tls_transcript_tell writes the hash so far to out, and more may be added. False when OpenSSL
// refuses.
bool tls_transcript_begin(struct tls_hash *hash);
bool tls_transcript_add(struct tls_hash *hash, struct slice text);
bool tls_transcript_tell(struct tls_hash *hash, uint8_t *out);
