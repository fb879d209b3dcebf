// SPDX-License-Identifier: Apache-2.0
// The key schedule's arithmetic of TLS 1.3 (RFC 8446 7.1): HMAC (RFC 2104), HKDF-Extract and
// HKDF-Expand (RFC 5869), and the transcript's hash (4.4.1), on libcrypto's SHA-2 itself: none of
// it can fail or allocates. EVP around it costs more than hashing the one or two blocks that a
// secret is, and has no states to be copied, which save an HMAC half of its work.
#pragma once

#include "slice.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#define TLS_HASH_MAX  48u // bytes of SHA-384
#define TLS_LABEL_MAX 12u // without "tls13 ": the longest of RFC 8446

enum { TLS_HASH_SHA256, TLS_HASH_SHA384, TLS_HASH_COUNT };

// A hash while it is made; to be copied freely.
union tls_sha {
	SHA256_CTX sha256;
	SHA512_CTX sha512; // SHA-384 too
};

// A secret as HMAC's key: the hash behind each of the two padded keys. Wipe it.
struct tls_secret {
	union tls_sha inner;
	union tls_sha outer;
};

struct tls_hash {
	bool is_384;
	uint32_t bytes;
	uint32_t block_bytes;
	EVP_MD *md;                  // for who must name it to OpenSSL
	union tls_sha transcript;    // of the one handshake that is being done
	uint8_t empty[TLS_HASH_MAX]; // the hash of nothing
	struct tls_secret zero;      // HKDF-Extract's salt where there is none
	struct tls_secret no_psk;    // the salt behind the early secret without a PSK
};

// What a secret is expanded for: label without "tls13 ", context mostly a transcript's hash.
struct tls_label {
	struct slice text;    // at most TLS_LABEL_MAX
	struct slice context; // at most TLS_HASH_MAX
};

// tls_hash_init makes SHA-256 or SHA-384 (TLS_HASH_*), whose name for OpenSSL is fetched from lib.
// False: not there; tls_hash_fini in any case.
bool tls_hash_init(struct tls_hash *hash, OSSL_LIB_CTX *lib, unsigned kind);

// tls_hash_fini gives the hash back; all zero is nothing to give back.
void tls_hash_fini(struct tls_hash *hash);

// tls_digest writes the hash of text to out.
void tls_digest(const struct tls_hash *hash, struct slice text, uint8_t *out);

// tls_secret_set makes HMAC's key of key, at most a block.
void tls_secret_set(const struct tls_hash *hash, struct tls_secret *secret, struct slice key);

// tls_secret_mac writes the hash->bytes of HMAC(secret, text) to out. As HKDF-Extract (RFC 5869
// 2.2) secret is the salt, text the input.
void tls_secret_mac(const struct tls_hash *hash, const struct tls_secret *secret, struct slice text,
		    uint8_t *out);

// tls_secret_expand writes bytes (<= hash->bytes) bytes of HKDF-Expand-Label(secret, label) to out
// (RFC 8446 7.1).
void tls_secret_expand(const struct tls_hash *hash, const struct tls_secret *secret,
		       struct tls_label label, uint8_t *out, size_t bytes);

// tls_secret_salt makes of the secret of a stage (RFC 8446 7.1: early, handshake, master) the salt
// of the next one, and tls_secret_next of that salt the next stage's secret; input is what it adds
// (empty: zeros).
void tls_secret_salt(const struct tls_hash *hash, struct tls_secret *secret);
void tls_secret_next(const struct tls_hash *hash, struct tls_secret *secret, struct slice input);

// tls_hmac and tls_expand_label do it at once with a secret for one use; for tls_expand_label it is
// hash->bytes long.
void tls_hmac(const struct tls_hash *hash, struct slice key, struct slice text, uint8_t *out);
void tls_expand_label(const struct tls_hash *hash, const uint8_t *secret, struct tls_label label,
		      uint8_t *out, size_t bytes);

// tls_next_secret writes the secret of the next stage from the one before (NULL: none yet) and
// input (empty: zeros); out may be before.
void tls_next_secret(const struct tls_hash *hash, const uint8_t *before, struct slice input,
		     uint8_t *out);

// tls_finished_mac writes the hash->bytes of a Finished or a PSK's binder (RFC 8446 4.4.4) of a
// transcript's hash under base.
void tls_finished_mac(const struct tls_hash *hash, const struct tls_secret *base,
		      const uint8_t *transcript, uint8_t *out);

// tls_transcript_begin starts hash->transcript anew; tls_transcript_add goes on with text;
// tls_transcript_tell writes the hash so far to out, and more may be added.
void tls_transcript_begin(struct tls_hash *hash);
void tls_transcript_add(struct tls_hash *hash, struct slice text);
void tls_transcript_tell(const struct tls_hash *hash, uint8_t *out);
