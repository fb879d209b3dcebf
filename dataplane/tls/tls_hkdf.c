// SPDX-License-Identifier: Apache-2.0
// HMAC and HKDF; see tls_hkdf.h.
#include "tls_hkdf.h"

#include "bytes.h"
#include "check.h"

#include <openssl/crypto.h>

#define BLOCK_MAX  128u // of SHA-384
#define INNER_PAD  0x36u
#define OUTER_PAD  0x5cu
#define INFO_BYTES (2u + 1u + 6u + TLS_LABEL_MAX + 1u + TLS_HASH_MAX + 1u)

bool tls_hash_init(struct tls_hash *hash, OSSL_LIB_CTX *lib, const char *name)
{
	*hash = (struct tls_hash){.md = EVP_MD_fetch(lib, name, NULL),
				  .ctx = EVP_MD_CTX_new(),
				  .transcript = EVP_MD_CTX_new()};
	if (!hash->md || !hash->ctx || !hash->transcript)
		return false;
	hash->bytes = (uint32_t)EVP_MD_get_size(hash->md);
	hash->block_bytes = (uint32_t)EVP_MD_get_block_size(hash->md);
	CHECK(hash->bytes <= TLS_HASH_MAX && hash->block_bytes <= BLOCK_MAX);
	return EVP_DigestInit_ex2(hash->transcript, hash->md, NULL) &&
	       EVP_DigestInit_ex2(hash->ctx, hash->md, NULL) &&
	       EVP_DigestFinal_ex(hash->ctx, hash->empty, NULL);
}

void tls_hash_fini(struct tls_hash *hash)
{
	EVP_MD_CTX_free(hash->ctx);
	EVP_MD_CTX_free(hash->transcript);
	EVP_MD_free(hash->md);
	*hash = (struct tls_hash){0};
}

bool tls_digest(struct tls_hash *hash, struct slice text, uint8_t *out)
{
	return EVP_DigestInit_ex2(hash->ctx, NULL, NULL) &&
	       EVP_DigestUpdate(hash->ctx, text.at, text.bytes) &&
	       EVP_DigestFinal_ex(hash->ctx, out, NULL);
}

// hash_two hashes a block and what is behind it.
static bool hash_two(struct tls_hash *hash, const uint8_t *block, struct slice text, uint8_t *out)
{
	return EVP_DigestInit_ex2(hash->ctx, NULL, NULL) &&
	       EVP_DigestUpdate(hash->ctx, block, hash->block_bytes) &&
	       EVP_DigestUpdate(hash->ctx, text.at, text.bytes) &&
	       EVP_DigestFinal_ex(hash->ctx, out, NULL);
}

bool tls_hmac(struct tls_hash *hash, struct slice key, struct slice text, uint8_t *out)
{
	uint8_t block[BLOCK_MAX], inner[TLS_HASH_MAX];
	CHECK(key.bytes <= hash->block_bytes);
	memset(block, INNER_PAD, hash->block_bytes);
	for (size_t i = 0; i < key.bytes; i++)
		block[i] ^= (uint8_t)key.at[i];
	bool ok = hash_two(hash, block, text, inner);
	for (uint32_t i = 0; i < hash->block_bytes; i++)
		block[i] ^= INNER_PAD ^ OUTER_PAD;
	ok = ok && hash_two(hash, block, slice_of(inner, hash->bytes), out);
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(inner, sizeof(inner));
	return ok;
}

bool tls_expand_label(struct tls_hash *hash, const uint8_t *secret, struct tls_label label,
		      uint8_t *out, size_t bytes)
{
	uint8_t info[INFO_BYTES], block[TLS_HASH_MAX];
	struct bytes_writer w = bytes_write_to(info, sizeof(info));
	bytes_put_u16(&w, (uint16_t)bytes);
	bytes_put_u8(&w, (uint8_t)(6 + label.text.bytes));
	bytes_put(&w, "tls13 ", 6);
	bytes_put(&w, label.text.at, label.text.bytes);
	bytes_put_u8(&w, (uint8_t)label.context.bytes);
	bytes_put(&w, label.context.at, label.context.bytes);
	bytes_put_u8(&w, 1); // the first block of HKDF-Expand: none here needs more
	CHECK(w.ok && bytes <= hash->bytes);
	if (!tls_hmac(hash, slice_of(secret, hash->bytes), slice_of(info, w.written), block))
		return false;
	memcpy(out, block, bytes);
	OPENSSL_cleanse(block, sizeof(block));
	return true;
}

bool tls_next_secret(struct tls_hash *hash, const uint8_t *before, struct slice input, uint8_t *out)
{
	static const uint8_t zeros[TLS_HASH_MAX];
	uint8_t derived[TLS_HASH_MAX];
	struct slice salt = SLICE("");
	struct tls_label label = {SLICE("derived"), slice_of(hash->empty, hash->bytes)};
	if (before) {
		if (!tls_expand_label(hash, before, label, derived, hash->bytes))
			return false;
		salt = slice_of(derived, hash->bytes);
	}
	bool ok = tls_hmac(hash, salt, input.bytes ? input : slice_of(zeros, hash->bytes), out);
	OPENSSL_cleanse(derived, sizeof(derived));
	return ok;
}

bool tls_finished_mac(struct tls_hash *hash, const uint8_t *base, const uint8_t *transcript,
		      uint8_t *out)
{
	uint8_t key[TLS_HASH_MAX];
	const struct tls_label label = {.text = SLICE("finished")};
	bool ok =
		tls_expand_label(hash, base, label, key, hash->bytes) &&
		tls_hmac(hash, slice_of(key, hash->bytes), slice_of(transcript, hash->bytes), out);
	OPENSSL_cleanse(key, sizeof(key));
	return ok;
}

bool tls_transcript_begin(struct tls_hash *hash)
{
	return EVP_DigestInit_ex2(hash->transcript, NULL, NULL);
}

bool tls_transcript_add(struct tls_hash *hash, struct slice text)
{
	return EVP_DigestUpdate(hash->transcript, text.at, text.bytes);
}

bool tls_transcript_tell(struct tls_hash *hash, uint8_t *out)
{
	return EVP_MD_CTX_copy_ex(hash->ctx, hash->transcript) &&
	       EVP_DigestFinal_ex(hash->ctx, out, NULL);
}
