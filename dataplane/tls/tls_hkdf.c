// SPDX-License-Identifier: Apache-2.0
// HMAC and HKDF; see tls_hkdf.h. libcrypto's SHA-2 is deprecated in OpenSSL 3 in favour of EVP, but
// there, and takes the processor's instructions as EVP does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tls_hkdf.h"

#include "bytes.h"
#include "check.h"

#define BLOCK_MAX  128u                  // of SHA-384
#define INNER_PAD  0x3636363636363636ull // of eight bytes
#define OUTER_PAD  0x5c5c5c5c5c5c5c5cull
#define INFO_BYTES (2u + 1u + 6u + TLS_LABEL_MAX + 1u + TLS_HASH_MAX + 1u)

static void begin(const struct tls_hash *hash, union tls_sha *sha)
{
	if (hash->is_384)
		SHA384_Init(&sha->sha512);
	else
		SHA256_Init(&sha->sha256);
}

static void add(const struct tls_hash *hash, union tls_sha *sha, const void *at, size_t bytes)
{
	if (hash->is_384)
		SHA384_Update(&sha->sha512, at, bytes);
	else
		SHA256_Update(&sha->sha256, at, bytes);
}

static void end(const struct tls_hash *hash, union tls_sha *sha, uint8_t *out)
{
	if (hash->is_384)
		SHA384_Final(out, &sha->sha512);
	else
		SHA256_Final(out, &sha->sha256);
}

bool tls_hash_init(struct tls_hash *hash, OSSL_LIB_CTX *lib, unsigned kind)
{
	uint8_t early[TLS_HASH_MAX];
	bool is_384 = kind == TLS_HASH_SHA384;
	*hash = (struct tls_hash){.is_384 = is_384,
				  .bytes = is_384 ? 48 : 32,
				  .block_bytes = is_384 ? 128 : 64,
				  .md = EVP_MD_fetch(lib, is_384 ? "SHA2-384" : "SHA2-256", NULL)};
	tls_digest(hash, SLICE(""), hash->empty);
	tls_secret_set(hash, &hash->zero, SLICE(""));
	tls_next_secret(hash, NULL, SLICE(""), early);
	tls_secret_set(hash, &hash->no_psk, slice_of(early, hash->bytes));
	tls_secret_salt(hash, &hash->no_psk);
	return hash->md != NULL;
}

void tls_hash_fini(struct tls_hash *hash)
{
	EVP_MD_free(hash->md);
	*hash = (struct tls_hash){0};
}

void tls_digest(const struct tls_hash *hash, struct slice text, uint8_t *out)
{
	union tls_sha sha;
	begin(hash, &sha);
	add(hash, &sha, text.at, text.bytes);
	end(hash, &sha, out);
}

void tls_secret_set(const struct tls_hash *hash, struct tls_secret *secret, struct slice key)
{
	uint64_t block[BLOCK_MAX / 8] = {0};
	uint32_t words = hash->block_bytes / 8;
	CHECK(key.bytes <= hash->block_bytes);
	memcpy(block, key.at, key.bytes);
	for (uint32_t i = 0; i < words; i++)
		block[i] ^= INNER_PAD;
	begin(hash, &secret->inner);
	add(hash, &secret->inner, block, hash->block_bytes);
	for (uint32_t i = 0; i < words; i++)
		block[i] ^= INNER_PAD ^ OUTER_PAD;
	begin(hash, &secret->outer);
	add(hash, &secret->outer, block, hash->block_bytes);
	explicit_bzero(block, sizeof(block));
}

void tls_secret_mac(const struct tls_hash *hash, const struct tls_secret *secret, struct slice text,
		    uint8_t *out)
{
	struct tls_secret work = *secret;
	uint8_t inner[TLS_HASH_MAX];
	add(hash, &work.inner, text.at, text.bytes);
	end(hash, &work.inner, inner);
	add(hash, &work.outer, inner, hash->bytes);
	end(hash, &work.outer, out);
	explicit_bzero(&work, sizeof(work));
	explicit_bzero(inner, sizeof(inner));
}

void tls_secret_expand(const struct tls_hash *hash, const struct tls_secret *secret,
		       struct tls_label label, uint8_t *out, size_t bytes)
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
	tls_secret_mac(hash, secret, slice_of(info, w.written), block);
	memcpy(out, block, bytes);
	explicit_bzero(block, sizeof(block));
}

// extract is HKDF-Extract; no input is zeros.
static void extract(const struct tls_hash *hash, const struct tls_secret *salt, struct slice input,
		    uint8_t *out)
{
	static const uint8_t zeros[TLS_HASH_MAX];
	tls_secret_mac(hash, salt, input.bytes ? input : slice_of(zeros, hash->bytes), out);
}

void tls_secret_salt(const struct tls_hash *hash, struct tls_secret *secret)
{
	const struct tls_label label = {SLICE("derived"), slice_of(hash->empty, hash->bytes)};
	uint8_t salt[TLS_HASH_MAX];
	tls_secret_expand(hash, secret, label, salt, hash->bytes);
	tls_secret_set(hash, secret, slice_of(salt, hash->bytes));
	explicit_bzero(salt, sizeof(salt));
}

void tls_secret_next(const struct tls_hash *hash, struct tls_secret *secret, struct slice input)
{
	uint8_t next[TLS_HASH_MAX];
	extract(hash, secret, input, next);
	tls_secret_set(hash, secret, slice_of(next, hash->bytes));
	explicit_bzero(next, sizeof(next));
}

void tls_hmac(const struct tls_hash *hash, struct slice key, struct slice text, uint8_t *out)
{
	struct tls_secret secret;
	tls_secret_set(hash, &secret, key);
	tls_secret_mac(hash, &secret, text, out);
	explicit_bzero(&secret, sizeof(secret));
}

void tls_expand_label(const struct tls_hash *hash, const uint8_t *key, struct tls_label label,
		      uint8_t *out, size_t bytes)
{
	struct tls_secret secret;
	tls_secret_set(hash, &secret, slice_of(key, hash->bytes));
	tls_secret_expand(hash, &secret, label, out, bytes);
	explicit_bzero(&secret, sizeof(secret));
}

void tls_next_secret(const struct tls_hash *hash, const uint8_t *before, struct slice input,
		     uint8_t *out)
{
	struct tls_secret secret;
	if (!before) {
		extract(hash, &hash->zero, input, out);
		return;
	}
	tls_secret_set(hash, &secret, slice_of(before, hash->bytes));
	tls_secret_salt(hash, &secret);
	extract(hash, &secret, input, out);
	explicit_bzero(&secret, sizeof(secret));
}

void tls_finished_mac(const struct tls_hash *hash, const struct tls_secret *base,
		      const uint8_t *transcript, uint8_t *out)
{
	uint8_t key[TLS_HASH_MAX];
	const struct tls_label label = {.text = SLICE("finished")};
	tls_secret_expand(hash, base, label, key, hash->bytes);
	tls_hmac(hash, slice_of(key, hash->bytes), slice_of(transcript, hash->bytes), out);
	explicit_bzero(key, sizeof(key));
}

void tls_transcript_begin(struct tls_hash *hash)
{
	begin(hash, &hash->transcript);
}

void tls_transcript_add(struct tls_hash *hash, struct slice text)
{
	add(hash, &hash->transcript, text.at, text.bytes);
}

void tls_transcript_tell(const struct tls_hash *hash, uint8_t *out)
{
	union tls_sha sha = hash->transcript;
	end(hash, &sha, out);
}
