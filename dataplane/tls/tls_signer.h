// SPDX-License-Identifier: Apache-2.0
// What a public certificate says in our own handshake: its chain as a Certificate message (RFC 8446
// 4.4.2), encoded once, and its key's signatures (CertificateVerify, 4.4.3) by contexts made once.
#pragma once

#include "tls_hello.h"
#include "tls_hkdf.h"

#include <openssl/ssl.h>

#define TLS_SIGNATURE_MAX   512u         // bytes: RSA of 4,096 bits
#define TLS_CERTIFICATE_MAX (14u * 1024) // of a Certificate message: the flight is one record

struct tls_signer {
	OSSL_LIB_CTX *lib; // borrowed
	EVP_PKEY *key;     // owned; NULL: nothing that we can use, the handshakes are OpenSSL's
	uint8_t *message;  // owned: Certificate
	uint32_t bytes;    // of message
	EVP_PKEY_CTX *ctx[TLS_SCHEME_COUNT]; // owned; NULL: not this scheme, or Ed25519
	EVP_MD_CTX *whole;                   // owned: Ed25519, which hashes by itself
};

// tls_signer_init makes what is needed of the certificate and key in ctx; hashes are TLS_HASH_COUNT
// of the worker's. With a key or a chain that is not for our handshake signer->key is NULL.
void tls_signer_init(struct tls_signer *signer, OSSL_LIB_CTX *lib, struct tls_hash *hashes,
		     SSL_CTX *ctx);

// tls_signer_fini gives all back; all zero is nothing to give back.
void tls_signer_fini(struct tls_signer *signer);

// tls_signer_choose returns the best of schemes (bits 1 << TLS_SCHEME_*) that the key signs with,
// TLS_SCHEME_COUNT when there is none.
enum tls_scheme tls_signer_choose(const struct tls_signer *signer, uint32_t schemes);

// tls_signer_sign signs the hash of a server's transcript (RFC 8446 4.4.3) and returns the
// signature's bytes, 0 when OpenSSL refuses.
uint32_t tls_signer_sign(struct tls_signer *signer, struct tls_hash *hashes, enum tls_scheme scheme,
			 struct slice transcript, uint8_t out[TLS_SIGNATURE_MAX]);

// tls_signer_id is a scheme's number on the wire.
uint16_t tls_signer_id(enum tls_scheme scheme);
