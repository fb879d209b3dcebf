// SPDX-License-Identifier: Apache-2.0
// Traffic keys of TLS 1.3 (RFC 8446 7.2, 7.3) and the AEAD over one record
// (5.2, 5.3). Everything is fetched once: a fetch by name costs more than sealing a small record.
#include "tls_priv.h"

#include "check.h"

#include <openssl/crypto.h>
#include <openssl/provider.h>

const struct tls_suite tls_suites[TLS_SUITE_COUNT] = {
	{0x1301, 16, 32, "AES-128-GCM", "TLS_AES_128_GCM_SHA256", TLS_HASH_SHA256},
	{0x1302, 32, 48, "AES-256-GCM", "TLS_AES_256_GCM_SHA384", TLS_HASH_SHA384},
	{0x1303, 32, 32, "ChaCha20-Poly1305", "TLS_CHACHA20_POLY1305_SHA256", TLS_HASH_SHA256},
};

static bool init_suite(struct tls_crypto *crypto, unsigned n)
{
	const struct tls_suite *suite = &tls_suites[n];
	crypto->ciphers[n] = EVP_CIPHER_fetch(crypto->lib, suite->cipher, NULL);
	crypto->seal[n].ctx = EVP_CIPHER_CTX_new();
	crypto->open[n].ctx = EVP_CIPHER_CTX_new();
	return crypto->ciphers[n] && crypto->seal[n].ctx && crypto->open[n].ctx &&
	       EVP_EncryptInit_ex2(crypto->seal[n].ctx, crypto->ciphers[n], NULL, NULL, NULL) &&
	       EVP_DecryptInit_ex2(crypto->open[n].ctx, crypto->ciphers[n], NULL, NULL, NULL);
}

bool tls_crypto_init(struct tls_crypto *crypto)
{
	crypto->lib = OSSL_LIB_CTX_new();
	if (!crypto->lib || !tls_schedule_load(crypto))
		return false;
	crypto->random.lib = crypto->lib;
	crypto->gcm = tls_gcm_new();
	crypto->ticket_cipher = EVP_CIPHER_fetch(crypto->lib, "AES-256-CBC", NULL);
	bool ok = crypto->ticket_cipher &&
		  tls_hash_init(&crypto->hashes[TLS_HASH_SHA256], crypto->lib, TLS_HASH_SHA256) &&
		  tls_hash_init(&crypto->hashes[TLS_HASH_SHA384], crypto->lib, TLS_HASH_SHA384);
	for (unsigned i = 0; ok && i < TLS_SUITE_COUNT; i++)
		ok = init_suite(crypto, i);
	return ok;
}

void tls_crypto_fini(struct tls_crypto *crypto)
{
	for (unsigned i = 0; i < TLS_SUITE_COUNT; i++) {
		EVP_CIPHER_CTX_free(crypto->seal[i].ctx);
		EVP_CIPHER_CTX_free(crypto->open[i].ctx);
		EVP_CIPHER_free(crypto->ciphers[i]);
	}
	for (unsigned i = 0; i < TLS_HASH_COUNT; i++)
		tls_hash_fini(&crypto->hashes[i]);
	tls_gcm_free(crypto->gcm);
	EVP_CIPHER_free(crypto->ticket_cipher);
	if (crypto->provider)
		OSSL_PROVIDER_unload(crypto->provider);
	if (crypto->schedule_provider)
		OSSL_PROVIDER_unload(crypto->schedule_provider);
	OSSL_LIB_CTX_free(crypto->lib);
	*crypto = (struct tls_crypto){0};
}

static const struct tls_hash *hash_of(const struct tls_crypto *crypto, const struct tls_key *key)
{
	return &crypto->hashes[tls_suites[key->suite].hash];
}

void tls_key_set(struct tls_crypto *crypto, struct tls_key *key, unsigned suite,
		 const struct tls_secret *secret)
{
	const struct tls_label of_key = {.text = SLICE("key")}, of_iv = {.text = SLICE("iv")};
	CHECK(suite < TLS_SUITE_COUNT);
	tls_gcm_forget(crypto->gcm, key->serial);
	key->suite = (uint8_t)suite;
	key->sequence = 0;
	key->serial = ++crypto->last_serial;
	const struct tls_hash *hash = hash_of(crypto, key);
	tls_secret_expand(hash, secret, of_key, key->key, tls_suites[suite].key_bytes);
	tls_secret_expand(hash, secret, of_iv, key->iv, TLS_IV_BYTES);
}

// derive makes key and iv of key->secret.
static void derive(struct tls_crypto *crypto, struct tls_key *key, unsigned suite)
{
	const struct tls_hash *hash = &crypto->hashes[tls_suites[suite].hash];
	struct tls_secret secret;
	tls_secret_set(hash, &secret, slice_of(key->secret, hash->bytes));
	tls_key_set(crypto, key, suite, &secret);
	explicit_bzero(&secret, sizeof(secret));
}

void tls_key_install(struct tls_crypto *crypto, struct tls_key *key, unsigned suite,
		     const uint8_t *secret)
{
	CHECK(suite < TLS_SUITE_COUNT);
	memcpy(key->secret, secret, tls_suites[suite].secret_bytes);
	derive(crypto, key, suite);
}

void tls_key_update(struct tls_crypto *crypto, struct tls_key *key)
{
	const struct tls_hash *hash = hash_of(crypto, key);
	const struct tls_label label = {.text = SLICE("traffic upd")};
	tls_expand_label(hash, key->secret, label, key->secret, hash->bytes);
	derive(crypto, key, key->suite);
}

// nonce_of is the iv with the sequence number laid over its end (RFC 8446 5.3).
static void nonce_of(const struct tls_key *key, uint8_t nonce[TLS_IV_BYTES])
{
	memcpy(nonce, key->iv, TLS_IV_BYTES);
	for (unsigned i = 0; i < 8; i++)
		nonce[TLS_IV_BYTES - 1 - i] ^= (uint8_t)(key->sequence >> (8 * i));
}

// record_of is what AES-GCM by libipsec-mb works on.
static struct tls_gcm_record record_of(const struct tls_key *key, const uint8_t *nonce,
				       uint8_t *record, uint32_t bytes)
{
	return (struct tls_gcm_record){.serial = key->serial,
				       .key = key->key,
				       .is_256 = key->suite == TLS_SUITE_AES_256,
				       .nonce = nonce,
				       .head = record,
				       .head_bytes = TLS_RECORD_HEAD,
				       .body = record + TLS_RECORD_HEAD,
				       .bytes = bytes};
}

static bool seal_by_evp(struct tls_aead *aead, const struct tls_gcm_record *work)
{
	uint8_t *body = work->body;
	int done = 0;
	bool is_keyed = work->serial && aead->serial == work->serial;
	bool ok = EVP_EncryptInit_ex2(aead->ctx, NULL, is_keyed ? NULL : work->key, work->nonce,
				      NULL) &&
		  EVP_EncryptUpdate(aead->ctx, NULL, &done, work->head, (int)work->head_bytes) &&
		  EVP_EncryptUpdate(aead->ctx, body, &done, body, (int)work->bytes) &&
		  EVP_EncryptFinal_ex(aead->ctx, body + done, &done) &&
		  EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_GET_TAG, TLS_TAG_BYTES,
				      body + work->bytes);
	aead->serial = ok ? work->serial : 0;
	return ok;
}

static bool open_by_evp(struct tls_aead *aead, const struct tls_gcm_record *work)
{
	uint8_t *body = work->body;
	int done = 0;
	bool is_keyed = work->serial && aead->serial == work->serial;
	bool ok = EVP_DecryptInit_ex2(aead->ctx, NULL, is_keyed ? NULL : work->key, work->nonce,
				      NULL) &&
		  EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_SET_TAG, TLS_TAG_BYTES,
				      body + work->bytes) &&
		  EVP_DecryptUpdate(aead->ctx, NULL, &done, work->head, (int)work->head_bytes) &&
		  EVP_DecryptUpdate(aead->ctx, body, &done, body, (int)work->bytes) &&
		  EVP_DecryptFinal_ex(aead->ctx, body + done, &done) > 0;
	aead->serial = ok ? work->serial : 0;
	return ok;
}

static bool is_by_gcm(const struct tls_crypto *crypto, unsigned suite)
{
	return crypto->gcm && suite != TLS_SUITE_CHACHA20;
}

static bool seal(struct tls_crypto *crypto, unsigned suite, const struct tls_gcm_record *work)
{
	if (!is_by_gcm(crypto, suite)) {
		gaps_fill(work->gaps, work->body);
		return seal_by_evp(&crypto->seal[suite], work);
	}
	tls_gcm_seal(crypto->gcm, work);
	return true;
}

static bool unseal(struct tls_crypto *crypto, unsigned suite, const struct tls_gcm_record *work)
{
	return is_by_gcm(crypto, suite) ? tls_gcm_open(crypto->gcm, work)
					: open_by_evp(&crypto->open[suite], work);
}

bool tls_key_seal(struct tls_crypto *crypto, struct tls_key *key, uint8_t *record, uint32_t bytes,
		  const struct gaps *gaps)
{
	uint8_t nonce[TLS_IV_BYTES];
	uint32_t sealed_bytes = bytes + TLS_TAG_BYTES;
	const uint8_t head[TLS_RECORD_HEAD] = {TLS_CONTENT_DATA, 3, 3, (uint8_t)(sealed_bytes >> 8),
					       (uint8_t)sealed_bytes};
	memcpy(record, head, sizeof(head));
	nonce_of(key, nonce);
	key->sequence++;
	struct tls_gcm_record work = record_of(key, nonce, record, bytes);
	work.gaps = gaps;
	return seal(crypto, key->suite, &work);
}

bool tls_key_open(struct tls_crypto *crypto, struct tls_key *key, uint8_t *record, uint32_t bytes)
{
	CHECK(bytes >= TLS_TAG_BYTES);
	uint8_t nonce[TLS_IV_BYTES];
	uint32_t text_bytes = bytes - TLS_TAG_BYTES;
	nonce_of(key, nonce);
	key->sequence++;
	const struct tls_gcm_record work = record_of(key, nonce, record, text_bytes);
	return unseal(crypto, key->suite, &work);
}

// once_of is what AES-256-GCM works on under a key of one use, whose nonce is zero.
static struct tls_gcm_record once_of(const uint8_t *key, struct slice head, uint8_t *text,
				     uint32_t bytes)
{
	static const uint8_t nonce[TLS_IV_BYTES];
	return (struct tls_gcm_record){.key = key,
				       .is_256 = true,
				       .nonce = nonce,
				       .head = (const uint8_t *)head.at,
				       .head_bytes = (uint32_t)head.bytes,
				       .body = text,
				       .bytes = bytes};
}

bool tls_once_seal(struct tls_crypto *crypto, const uint8_t key[TLS_KEY_MAX], struct slice head,
		   uint8_t *text, uint32_t bytes)
{
	const struct tls_gcm_record work = once_of(key, head, text, bytes);
	return seal(crypto, TLS_SUITE_AES_256, &work);
}

bool tls_once_open(struct tls_crypto *crypto, const uint8_t key[TLS_KEY_MAX], struct slice head,
		   uint8_t *text, uint32_t bytes)
{
	const struct tls_gcm_record work = once_of(key, head, text, bytes);
	return unseal(crypto, TLS_SUITE_AES_256, &work);
}

void tls_key_wipe(struct tls_crypto *crypto, struct tls_key *key)
{
	tls_gcm_forget(crypto->gcm, key->serial);
	explicit_bzero(key, sizeof(*key));
}
