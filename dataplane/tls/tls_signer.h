// SPDX-License-Identifier: Apache-2.0
// What a public certificate says in our own handshake: its chain as a Certificate message (RFC 8446
// 4.4.2), encoded once, and its key's signatures (CertificateVerify, 4.4.3) by contexts made once.
// Helpers (tls_job.h) sign with copies of the key that each has parsed for itself: no object of
// OpenSSL is used by two threads. Who lends a signer to them holds a reference until they gave it
// back.
#pragma once

#include "tls.h"
#include "tls_hello.h"
#include "tls_hkdf.h"

#include <openssl/ssl.h>

#define TLS_SIGNATURE_MAX   512u         // bytes: RSA of 4,096 bits
#define TLS_CERTIFICATE_MAX (14u * 1024) // of a Certificate message: the flight is one record

// A key and what signs with it, of one thread.
struct tls_signing {
	OSSL_LIB_CTX *lib;                   // borrowed
	EVP_PKEY *key;                       // owned; NULL: nothing that we can use
	EVP_PKEY_CTX *ctx[TLS_SCHEME_COUNT]; // owned; NULL: not this scheme, or Ed25519
	EVP_MD_CTX *whole;                   // owned: Ed25519, which hashes by itself
};

struct tls_signer {
	uint32_t ref_count;     // the worker's alone
	struct tls_signing own; // the worker's
	uint8_t *message;       // owned: Certificate
	uint32_t bytes;         // of message
	uint8_t *der;           // owned: the key for helpers, or NULL
	uint32_t der_bytes;
	// owned; number i is the helper's of that number alone, while jobs are out
	struct tls_signing copies[TLS_OFFLOADS_MAX];
};

// tls_signer_new makes what is needed of the certificate and key in ctx; hashes are TLS_HASH_COUNT
// of the worker's; is_lent: helpers may sign. NULL: no memory, or a key or a chain that is not for
// our handshake. The caller holds the one reference.
struct tls_signer *tls_signer_new(OSSL_LIB_CTX *lib, struct tls_hash *hashes, SSL_CTX *ctx,
				  bool is_lent);

// tls_signer_ref and tls_signer_unref count who holds it (NULL: nobody); the last gives all back.
void tls_signer_ref(struct tls_signer *signer);
void tls_signer_unref(struct tls_signer *signer);

// tls_signer_copy returns the key's copy of helper number offload, made in lib the first time, or
// NULL when OpenSSL refuses. For the helper's thread.
struct tls_signing *tls_signer_copy(struct tls_signer *signer, uint32_t offload, OSSL_LIB_CTX *lib,
				    struct tls_hash *hashes);

// tls_signer_choose returns the best of schemes (bits 1 << TLS_SCHEME_*) that the key signs with,
// TLS_SCHEME_COUNT when there is none.
enum tls_scheme tls_signer_choose(const struct tls_signer *signer, uint32_t schemes);

// tls_signing_sign signs the hash of a server's transcript (RFC 8446 4.4.3), hashes being those of
// the thread, and returns the signature's bytes, 0 when OpenSSL refuses.
uint32_t tls_signing_sign(struct tls_signing *signing, const struct tls_hash *hashes,
			  enum tls_scheme scheme, struct slice transcript,
			  uint8_t out[TLS_SIGNATURE_MAX]);

// tls_signer_id is a scheme's number on the wire.
uint16_t tls_signer_id(enum tls_scheme scheme);
