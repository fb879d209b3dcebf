// SPDX-License-Identifier: Apache-2.0
// X25519; see tls_x25519.h.
#include "tls_x25519.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <string.h>

// is_x25519 looks at an algorithm's names, which are parted by colons.
static bool is_x25519(const OSSL_ALGORITHM *algorithm)
{
	const char *names = algorithm->algorithm_names;
	return strcspn(names, ":") == 6 && strncmp(names, "X25519", 6) == 0;
}

// find returns the functions of X25519 for operation, or NULL.
static const OSSL_DISPATCH *find(const OSSL_PROVIDER *provider, int operation)
{
	int no_cache = 0;
	const OSSL_ALGORITHM *each = OSSL_PROVIDER_query_operation(provider, operation, &no_cache);
	for (; each && each->algorithm_names; each++)
		if (is_x25519(each))
			return each->implementation;
	return NULL;
}

static void note_key(struct tls_x25519 *x, const OSSL_DISPATCH *f)
{
	for (; f && f->function_id; f++)
		switch (f->function_id) {
		case OSSL_FUNC_KEYMGMT_NEW: x->new_key = OSSL_FUNC_keymgmt_new(f); break;
		case OSSL_FUNC_KEYMGMT_IMPORT: x->import = OSSL_FUNC_keymgmt_import(f); break;
		case OSSL_FUNC_KEYMGMT_FREE: x->free_key = OSSL_FUNC_keymgmt_free(f); break;
		default: break;
		}
}

static void note_exchange(struct tls_x25519 *x, const OSSL_DISPATCH *f)
{
	for (; f && f->function_id; f++)
		switch (f->function_id) {
		case OSSL_FUNC_KEYEXCH_NEWCTX: x->new_exchange = OSSL_FUNC_keyexch_newctx(f); break;
		case OSSL_FUNC_KEYEXCH_INIT: x->init = OSSL_FUNC_keyexch_init(f); break;
		case OSSL_FUNC_KEYEXCH_SET_PEER: x->set_peer = OSSL_FUNC_keyexch_set_peer(f); break;
		case OSSL_FUNC_KEYEXCH_DERIVE: x->derive = OSSL_FUNC_keyexch_derive(f); break;
		case OSSL_FUNC_KEYEXCH_FREECTX:
			x->free_exchange = OSSL_FUNC_keyexch_freectx(f);
			break;
		default: break;
		}
}

bool tls_x25519_init(struct tls_x25519 *x, OSSL_PROVIDER *provider)
{
	*x = (struct tls_x25519){.provider = OSSL_PROVIDER_get0_provider_ctx(provider)};
	note_key(x, find(provider, OSSL_OP_KEYMGMT));
	note_exchange(x, find(provider, OSSL_OP_KEYEXCH));
	return x->new_key && x->import && x->free_key && x->new_exchange && x->init &&
	       x->set_peer && x->derive && x->free_exchange;
}

// import makes a key of its public and, unless NULL, its private bytes. NULL: no memory.
static void *import(const struct tls_x25519 *x, const uint8_t *public, const uint8_t *private)
{
	OSSL_PARAM params[3], *at = params;
	int what = OSSL_KEYMGMT_SELECT_PUBLIC_KEY;
	*at++ = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
						  (void *)(uintptr_t) public, TLS_X25519_BYTES);
	if (private) {
		*at++ = OSSL_PARAM_construct_octet_string(
			OSSL_PKEY_PARAM_PRIV_KEY, (void *)(uintptr_t) private, TLS_X25519_BYTES);
		what |= OSSL_KEYMGMT_SELECT_PRIVATE_KEY;
	}
	*at = OSSL_PARAM_construct_end();
	void *key = x->new_key(x->provider);
	if (key && x->import(key, what, params) == 1)
		return key;
	if (key)
		x->free_key(key);
	return NULL;
}

bool tls_x25519_agree(const struct tls_x25519 *x, const uint8_t private[TLS_X25519_BYTES],
		      const uint8_t public[TLS_X25519_BYTES], uint8_t out[TLS_X25519_BYTES])
{
	static const uint8_t unknown[TLS_X25519_BYTES]; // our own public key is not needed
	void *ours = import(x, unknown, private);
	void *theirs = import(x, public, NULL);
	void *exchange = x->new_exchange(x->provider);
	size_t bytes = TLS_X25519_BYTES;
	bool ok = ours && theirs && exchange && x->init(exchange, ours, NULL) == 1 &&
		  x->set_peer(exchange, theirs) == 1 &&
		  x->derive(exchange, out, &bytes, bytes) == 1 && bytes == TLS_X25519_BYTES;
	if (exchange)
		x->free_exchange(exchange);
	if (theirs)
		x->free_key(theirs);
	if (ours)
		x->free_key(ours);
	return ok;
}

bool tls_x25519_publish(const struct tls_x25519 *x, const uint8_t private[TLS_X25519_BYTES],
			uint8_t out[TLS_X25519_BYTES])
{
	static const uint8_t base[TLS_X25519_BYTES] = {9};
	return tls_x25519_agree(x, private, base, out);
}
