// SPDX-License-Identifier: Apache-2.0
// The key schedule's arithmetic of TLS 1.3 (RFC 8446 7.1): HMAC (RFC 2104), HKDF-Extract and
// HKDF-Expand (RFC 5869) on a hash whose context is kept. OpenSSL's own way fetches and allocates
// for each secret and costs three times as much.
#pragma once

#include "slice.h"

#include <openssl/evp.h>

#define TLS_HASH_MAX  48u // bytes of SHA-384
#define TLS_LABEL_MAX 12u // without "tls13 ": the longest of RFC 8446

enum { TLS_HASH_SHA256, TLS_HASH_SHA384, TLS_HASH_COUNT };

struct tls_hash {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
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

// tls_hmac writes the hash->bytes of HMAC(key, text) to out. key has at most a block. As
// HKDF-Extract (RFC 5869 2.2) key is the salt, text the input. False when OpenSSL refuses.
bool tls_hmac(struct tls_hash *hash, struct slice key, struct slice text, uint8_t *out);

// tls_expand_label writes bytes (<= hash->bytes) bytes of HKDF-Expand-Label(secret, label) to out
// (RFC 8446 7.1); secret is hash->bytes long. False when OpenSSL refuses.
bool tls_expand_label(struct tls_hash *hash, const uint8_t *secret, struct tls_label label,
		      uint8_t *out, size_t bytes);
