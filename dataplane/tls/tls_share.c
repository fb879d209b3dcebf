// SPDX-License-Identifier: Apache-2.0
// Key shares; see tls_share.h. OpenSSL 3.0 makes an X25519 key by slower code than it derives with
// one, so ours is random bytes whose public key is derived with the base point (RFC 7748 6.1).
#include "tls_share.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#define P256_BYTES 65u

bool tls_shares_init(struct tls_shares *shares, OSSL_LIB_CTX *lib, OSSL_PROVIDER *provider)
{
	*shares = (struct tls_shares){
		.lib = lib,
		.generate = EVP_PKEY_CTX_new_from_name(lib, "EC", NULL),
		.p256 = EVP_PKEY_Q_keygen(lib, NULL, "EC", "P-256"),
	};
	return tls_x25519_init(&shares->x25519, provider) && shares->generate && shares->p256 &&
	       EVP_PKEY_keygen_init(shares->generate) == 1 &&
	       EVP_PKEY_CTX_set_group_name(shares->generate, "P-256") == 1;
}

void tls_shares_fini(struct tls_shares *shares)
{
	EVP_PKEY_CTX_free(shares->generate);
	EVP_PKEY_free(shares->p256);
	OPENSSL_cleanse(shares, sizeof(*shares));
}

bool tls_shares_make(struct tls_shares *shares, struct tls_share *share)
{
	return RAND_priv_bytes_ex(shares->lib, share->private, sizeof(share->private), 0) == 1 &&
	       tls_x25519_publish(&shares->x25519, share->private, share->open);
}

uint32_t tls_shares_wanted(const struct tls_shares *shares)
{
	return shares->is_wanted ? TLS_SHARE_AHEAD - shares->ahead_count : 0;
}

bool tls_shares_add(struct tls_shares *shares, const struct tls_share *share)
{
	if (shares->ahead_count == TLS_SHARE_AHEAD)
		return false;
	shares->ahead[shares->ahead_count++] = *share;
	return true;
}

bool tls_shares_prepare(struct tls_shares *shares)
{
	if (tls_shares_wanted(shares) == 0)
		return false;
	struct tls_share *share = &shares->ahead[shares->ahead_count];
	if (tls_shares_make(shares, share)) {
		shares->ahead_count++;
		return true;
	}
	OPENSSL_cleanse(share, sizeof(*share));
	return false;
}

bool tls_shares_take(struct tls_shares *shares, struct tls_share *share, bool *was_ahead)
{
	shares->is_wanted = true;
	*was_ahead = shares->ahead_count > 0;
	if (!*was_ahead)
		return tls_shares_make(shares, share);
	struct tls_share *last = &shares->ahead[--shares->ahead_count];
	*share = *last;
	OPENSSL_cleanse(last, sizeof(*last));
	return true;
}

static bool agree_x25519(struct tls_shares *shares, struct slice peer, struct tls_agreed *agreed)
{
	struct tls_share share;
	bool ok = peer.bytes == TLS_X25519_BYTES &&
		  tls_shares_take(shares, &share, &agreed->was_ahead) &&
		  tls_x25519_agree(&shares->x25519, share.private, (const uint8_t *)peer.at,
				   agreed->secret);
	if (ok)
		memcpy(agreed->open, share.open, sizeof(share.open));
	agreed->open_bytes = sizeof(share.open);
	OPENSSL_cleanse(&share, sizeof(share));
	return ok;
}

// peer_key makes OpenSSL's key of a peer's point of P-256; NULL when it is none.
static EVP_PKEY *peer_key(const struct tls_shares *shares, struct slice peer)
{
	EVP_PKEY *key = EVP_PKEY_new();
	if (key && EVP_PKEY_copy_parameters(key, shares->p256) == 1 &&
	    EVP_PKEY_set1_encoded_public_key(key, (const uint8_t *)peer.at, peer.bytes) == 1)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

// make_p256 makes a key, and its share. NULL: OpenSSL refuses.
static EVP_PKEY *make_p256(struct tls_shares *shares, uint8_t share[P256_BYTES])
{
	EVP_PKEY *key = NULL;
	size_t bytes = 0;
	if (EVP_PKEY_generate(shares->generate, &key) == 1 &&
	    EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, share, P256_BYTES,
					    &bytes) == 1 &&
	    bytes == P256_BYTES)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static bool agree_p256(struct tls_shares *shares, struct slice peer, struct tls_agreed *agreed)
{
	size_t bytes = TLS_SHARED_BYTES;
	EVP_PKEY *theirs = peer_key(shares, peer);
	EVP_PKEY *ours = theirs ? make_p256(shares, agreed->open) : NULL;
	EVP_PKEY_CTX *ctx = ours ? EVP_PKEY_CTX_new_from_pkey(shares->lib, ours, NULL) : NULL;
	bool ok = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
		  EVP_PKEY_derive_set_peer_ex(ctx, theirs, 0) == 1 &&
		  EVP_PKEY_derive(ctx, agreed->secret, &bytes) == 1 && bytes == TLS_SHARED_BYTES;
	agreed->open_bytes = P256_BYTES;
	agreed->was_ahead = false;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(ours);
	EVP_PKEY_free(theirs);
	return ok;
}

bool tls_shares_agree(struct tls_shares *shares, enum tls_group group, struct slice peer,
		      struct tls_agreed *agreed)
{
	return group == TLS_GROUP_X25519 ? agree_x25519(shares, peer, agreed)
					 : agree_p256(shares, peer, agreed);
}
