// SPDX-License-Identifier: Apache-2.0
// Key shares; see tls_share.h. OpenSSL 3.0 makes an X25519 key by slower code than it derives with
// one, so ours is random bytes whose public key is derived with the base point (RFC 7748 6.1). The
// context that did so holds the key until its one use.
#include "tls_share.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#define X25519_BYTES 32u
#define P256_BYTES   65u

bool tls_shares_init(struct tls_shares *shares, OSSL_LIB_CTX *lib)
{
	static const uint8_t base[X25519_BYTES] = {9};
	*shares = (struct tls_shares){
		.lib = lib,
		.import = EVP_PKEY_CTX_new_from_name(lib, "X25519", NULL),
		.base = EVP_PKEY_new_raw_public_key_ex(lib, "X25519", NULL, base, sizeof(base)),
		.generate = EVP_PKEY_CTX_new_from_name(lib, "EC", NULL),
		.p256 = EVP_PKEY_Q_keygen(lib, NULL, "EC", "P-256"),
	};
	return shares->import && shares->base && shares->generate && shares->p256 &&
	       EVP_PKEY_fromdata_init(shares->import) == 1 &&
	       EVP_PKEY_keygen_init(shares->generate) == 1 &&
	       EVP_PKEY_CTX_set_group_name(shares->generate, "P-256") == 1;
}

// forget frees a share; OpenSSL wipes the private key.
static void forget(struct tls_share *share)
{
	EVP_PKEY_CTX_free(share->ctx);
	*share = (struct tls_share){0};
}

void tls_shares_fini(struct tls_shares *shares)
{
	while (shares->ahead_count > 0)
		forget(&shares->ahead[--shares->ahead_count]);
	EVP_PKEY_CTX_free(shares->import);
	EVP_PKEY_free(shares->base);
	EVP_PKEY_CTX_free(shares->generate);
	EVP_PKEY_free(shares->p256);
	*shares = (struct tls_shares){0};
}

// import makes a key of X25519 from its public and, unless NULL, its private bytes.
static EVP_PKEY *import(struct tls_shares *shares, const char *public, uint8_t *private)
{
	EVP_PKEY *key = NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (char *)public,
						  X25519_BYTES),
		private ? OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, private,
							    X25519_BYTES)
			: OSSL_PARAM_construct_end(),
		OSSL_PARAM_construct_end(),
	};
	if (EVP_PKEY_fromdata(shares->import, &key,
			      private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) == 1)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

// derive writes what ctx's key and peer's have in common.
static bool derive(EVP_PKEY_CTX *ctx, EVP_PKEY *peer, uint8_t out[TLS_SHARED_BYTES])
{
	size_t bytes = TLS_SHARED_BYTES;
	return EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) == 1 &&
	       EVP_PKEY_derive(ctx, out, &bytes) == 1 && bytes == TLS_SHARED_BYTES;
}

// hold makes a share's context of key, which it takes over. False: no key, or OpenSSL refuses.
static bool hold(struct tls_shares *shares, EVP_PKEY *key, struct tls_share *share)
{
	*share = (struct tls_share){0};
	if (key)
		share->ctx = EVP_PKEY_CTX_new_from_pkey(shares->lib, key, NULL);
	EVP_PKEY_free(key); // the context has its own reference
	return share->ctx && EVP_PKEY_derive_init(share->ctx) == 1;
}

static bool make_x25519(struct tls_shares *shares, struct tls_share *share)
{
	static const char unknown[X25519_BYTES]; // OpenSSL derives without its own public key
	uint8_t private[X25519_BYTES];
	bool ok = RAND_priv_bytes_ex(shares->lib, private, sizeof(private), 0) == 1 &&
		  hold(shares, import(shares, unknown, private), share) &&
		  derive(share->ctx, shares->base, share->open);
	OPENSSL_cleanse(private, sizeof(private));
	share->bytes = X25519_BYTES;
	return ok;
}

static bool make_p256(struct tls_shares *shares, struct tls_share *share)
{
	EVP_PKEY *key = NULL;
	uint8_t open[P256_BYTES];
	size_t bytes = 0;
	bool ok = EVP_PKEY_generate(shares->generate, &key) == 1 &&
		  EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, open, sizeof(open),
						  &bytes) == 1 &&
		  bytes == P256_BYTES;
	if (!hold(shares, key, share) || !ok)
		return false;
	memcpy(share->open, open, sizeof(open));
	share->bytes = P256_BYTES;
	return true;
}

// peer_key makes OpenSSL's key of a peer's share; NULL when it is none.
static EVP_PKEY *peer_key(struct tls_shares *shares, enum tls_group group, struct slice peer)
{
	if (group == TLS_GROUP_X25519)
		return peer.bytes == X25519_BYTES ? import(shares, peer.at, NULL) : NULL;
	EVP_PKEY *key = EVP_PKEY_new();
	if (key && EVP_PKEY_copy_parameters(key, shares->p256) == 1 &&
	    EVP_PKEY_set1_encoded_public_key(key, (const uint8_t *)peer.at, peer.bytes) == 1)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

bool tls_shares_prepare(struct tls_shares *shares)
{
	if (!shares->is_wanted || shares->ahead_count == TLS_SHARE_AHEAD)
		return false;
	struct tls_share *share = &shares->ahead[shares->ahead_count];
	if (make_x25519(shares, share)) {
		shares->ahead_count++;
		return true;
	}
	forget(share);
	return false;
}

bool tls_shares_agree(struct tls_shares *shares, enum tls_group group, struct slice peer,
		      struct tls_agreed *agreed)
{
	struct tls_share share = {0};
	EVP_PKEY *theirs = peer_key(shares, group, peer);
	bool ok = theirs != NULL;
	shares->is_wanted |= group == TLS_GROUP_X25519;
	agreed->was_ahead = ok && group == TLS_GROUP_X25519 && shares->ahead_count > 0;
	if (agreed->was_ahead) {
		struct tls_share *last = &shares->ahead[--shares->ahead_count];
		share = *last;
		*last = (struct tls_share){0};
	} else if (ok) {
		ok = group == TLS_GROUP_X25519 ? make_x25519(shares, &share)
					       : make_p256(shares, &share);
	}
	ok = ok && derive(share.ctx, theirs, agreed->secret);
	memcpy(agreed->open, share.open, share.bytes);
	agreed->open_bytes = share.bytes;
	forget(&share);
	EVP_PKEY_free(theirs);
	return ok;
}
