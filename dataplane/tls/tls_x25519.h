// SPDX-License-Identifier: Apache-2.0
// X25519 (RFC 7748 5) as a function of bytes, by OpenSSL's default provider, whose own functions
// are called: EVP around them makes, names and frees four objects a call, a fifth of its time.
#pragma once

#include <openssl/core_dispatch.h>
#include <openssl/provider.h>
#include <stdbool.h>
#include <stdint.h>

#define TLS_X25519_BYTES 32u // of a private key, a public one, and what two of them agree upon

// The provider's functions (provider-keymgmt(7), provider-keyexch(7)).
struct tls_x25519 {
	void *provider; // borrowed: its context
	OSSL_FUNC_keymgmt_new_fn *new_key;
	OSSL_FUNC_keymgmt_import_fn *import;
	OSSL_FUNC_keymgmt_free_fn *free_key;
	OSSL_FUNC_keyexch_newctx_fn *new_exchange;
	OSSL_FUNC_keyexch_init_fn *init;
	OSSL_FUNC_keyexch_set_peer_fn *set_peer;
	OSSL_FUNC_keyexch_derive_fn *derive;
	OSSL_FUNC_keyexch_freectx_fn *free_exchange;
};

// tls_x25519_init finds the functions in provider, which outlives x. False: it lacks one.
bool tls_x25519_init(struct tls_x25519 *x, OSSL_PROVIDER *provider);

// tls_x25519_agree writes what private and public agree upon (RFC 7748 6.1); OpenSSL wipes its copy
// of private. False: public is of small order (RFC 8446 7.4.2), or memory is short.
bool tls_x25519_agree(const struct tls_x25519 *x, const uint8_t private[TLS_X25519_BYTES],
		      const uint8_t public[TLS_X25519_BYTES], uint8_t out[TLS_X25519_BYTES]);

// tls_x25519_publish writes private's public key. False as above.
bool tls_x25519_publish(const struct tls_x25519 *x, const uint8_t private[TLS_X25519_BYTES],
			uint8_t out[TLS_X25519_BYTES]);
