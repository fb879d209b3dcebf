// SPDX-License-Identifier: Apache-2.0
// The key schedule of TLS 1.3: HMAC and HKDF by the published vectors, and our provider beside
// OpenSSL's own, asked the same way as libssl asks.
#include "check.h"
#include "tls_priv.h"
#include "unit.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>

static struct tls_crypto crypto;

static void start(void)
{
	CHECK(tls_crypto_init(&crypto));
}

static void stop(void)
{
	tls_crypto_fini(&crypto);
}

static void unhex(const char *text, uint8_t *out)
{
	for (; text[0] && text[1]; text += 2) {
		const char pair[3] = {text[0], text[1], 0};
		*out++ = (uint8_t)strtoul(pair, NULL, 16);
	}
}

static bool is_hex(const uint8_t *bytes, const char *text)
{
	uint8_t wanted[TLS_HASH_MAX];
	CHECK(strlen(text) / 2 <= sizeof(wanted));
	unhex(text, wanted);
	return memcmp(bytes, wanted, strlen(text) / 2) == 0;
}

static void hmac_gives_what_rfc_4231_says(void)
{
	uint8_t out[TLS_HASH_MAX];
	struct slice text = SLICE("what do ya want for nothing?");
	start();
	tls_hmac(&crypto.hashes[TLS_HASH_SHA256], SLICE("Jefe"), text, out);
	CU_ASSERT(is_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
	tls_hmac(&crypto.hashes[TLS_HASH_SHA384], SLICE("Jefe"), text, out);
	CU_ASSERT(is_hex(out, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47"
			      "e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"));
	stop();
}

// RFC 8448 3: the early secret, what is derived of it, the handshake secret.
static void the_schedule_gives_what_rfc_8448_says(void)
{
	uint8_t out[TLS_HASH_MAX], shared[32], zeros[32] = {0};
	start();
	struct tls_hash *hash = &crypto.hashes[TLS_HASH_SHA256];
	struct tls_label derived = {SLICE("derived"), slice_of(hash->empty, hash->bytes)};
	tls_hmac(hash, SLICE(""), slice_of(zeros, sizeof(zeros)), out);
	CU_ASSERT(is_hex(out, "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"));
	tls_expand_label(hash, out, derived, out, hash->bytes);
	CU_ASSERT(is_hex(out, "6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba"));
	unhex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d", shared);
	tls_hmac(hash, slice_of(out, hash->bytes), slice_of(shared, 32), out);
	CU_ASSERT(is_hex(out, "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac"));
	tls_next_secret(hash, NULL, SLICE(""), out); // the same by stages
	tls_next_secret(hash, out, slice_of(shared, 32), out);
	CU_ASSERT(is_hex(out, "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac"));
	tls_next_secret(hash, out, SLICE(""), out);
	CU_ASSERT(is_hex(out, "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919"));
	struct tls_secret stage = hash->no_psk; // and with a secret that is kept
	uint8_t mac[TLS_HASH_MAX];
	tls_secret_next(hash, &stage, slice_of(shared, 32));
	tls_secret_salt(hash, &stage);
	tls_secret_next(hash, &stage, SLICE(""));
	tls_secret_mac(hash, &stage, SLICE("text"), mac);
	tls_hmac(hash, slice_of(out, hash->bytes), SLICE("text"), out);
	CU_ASSERT(memcmp(mac, out, hash->bytes) == 0);
	stop();
}

// What is asked of a provider; an empty slice is a parameter that is not given.
struct question {
	int mode;
	const char *digest;
	struct slice key, salt, label, data;
	size_t bytes;
};

static void put(OSSL_PARAM **at, const char *name, struct slice value)
{
	if (value.bytes)
		*(*at)++ = OSSL_PARAM_construct_octet_string(name, (void *)value.at, value.bytes);
}

// ask returns true when the provider that properties name answers.
static bool ask(const struct question *question, const char *properties, uint8_t *out)
{
	struct question q = *question;
	OSSL_PARAM params[8], *at = params;
	*at++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &q.mode);
	*at++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)q.digest, 0);
	put(&at, OSSL_KDF_PARAM_KEY, q.key);
	put(&at, OSSL_KDF_PARAM_SALT, q.salt);
	put(&at, OSSL_KDF_PARAM_PREFIX, SLICE("tls13 "));
	put(&at, OSSL_KDF_PARAM_LABEL, q.label);
	put(&at, OSSL_KDF_PARAM_DATA, q.data);
	*at = OSSL_PARAM_construct_end();
	EVP_KDF *kdf = EVP_KDF_fetch(crypto.lib, OSSL_KDF_NAME_TLS1_3_KDF, properties);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	CHECK(kdf && ctx);
	bool ok = EVP_KDF_derive(ctx, out, q.bytes, params) > 0;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok;
}

static bool is_alike(const struct question *question)
{
	uint8_t ours[TLS_HASH_MAX], theirs[TLS_HASH_MAX];
	return ask(question, "provider=" TLS_SCHEDULE_NAME, ours) &&
	       ask(question, "provider=default", theirs) &&
	       memcmp(ours, theirs, question->bytes) == 0;
}

static void our_provider_and_openssls_give_the_same(void)
{
	static const char secret[] = "a secret of forty-eight bytes, or of thirty-two.";
	static const char context[] = "the hash of all that was said, or nothing at all";
	static const char *const digests[] = {"SHA2-256", "SHA2-384"};
	static const struct slice labels[] = {{"key", 3}, {"c ap traffic", 12}, {"finished", 8}};
	start();
	for (unsigned i = 0; i < 2; i++) {
		size_t bytes = crypto.hashes[i].bytes;
		struct slice key = slice_of(secret, bytes), data = slice_of(context, bytes);
		for (size_t n = 0; n < ARRAY_LEN(labels) * 2; n++) {
			struct question expand = {EVP_KDF_HKDF_MODE_EXPAND_ONLY,
						  digests[i],
						  key,
						  SLICE(""),
						  labels[n / 2],
						  n % 2 ? data : SLICE(""),
						  n % 2 ? bytes : 12};
			CU_ASSERT(is_alike(&expand));
		}
		for (unsigned n = 0; n < 4; n++) {
			struct question extract = {EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
						   digests[i],
						   n & 1 ? key : SLICE(""),
						   n & 2 ? data : SLICE(""),
						   SLICE("derived"),
						   SLICE(""),
						   bytes};
			CU_ASSERT(is_alike(&extract));
		}
	}
	stop();
}

static void our_provider_refuses_what_tls_does_not_ask(void)
{
	uint8_t out[2 * TLS_HASH_MAX];
	static const char secret[48] = "secret";
	start();
	struct question good = {EVP_KDF_HKDF_MODE_EXPAND_ONLY,
				"SHA2-256",
				{secret, 32},
				SLICE(""),
				SLICE("key"),
				SLICE(""),
				16};
	CU_ASSERT(ask(&good, NULL, out));
	struct question bad[6];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = good;
	bad[0].mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
	bad[1].digest = "SHA2-512";
	bad[2].key.bytes = 31;
	bad[3].bytes = 33;
	bad[4].label = SLICE("thirteen byte");
	bad[5].mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY; // of half a hash
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CU_ASSERT(!ask(&bad[i], NULL, out));
	stop();
}

static void the_traffic_secrets_of_the_handshake_in_work_are_kept(void)
{
	uint8_t out[TLS_HASH_MAX];
	static const char secret[32] = "secret";
	struct tls_handshake handshake = {0};
	struct question question = {EVP_KDF_HKDF_MODE_EXPAND_ONLY,
				    "SHA2-256",
				    {secret, 32},
				    SLICE(""),
				    SLICE("s ap traffic"),
				    SLICE("transcript"),
				    32};
	start();
	CU_ASSERT(ask(&question, NULL, out)); // of nobody
	crypto.schedule->handshake = &handshake;
	CU_ASSERT(ask(&question, NULL, out));
	CU_ASSERT(handshake.has_secret[1] && !handshake.has_secret[0]);
	CU_ASSERT(memcmp(handshake.secret[1], out, 32) == 0);
	question.label = SLICE("c hs traffic");
	CU_ASSERT(ask(&question, NULL, out) && !handshake.has_secret[0]);
	question.label = SLICE("c ap traffic");
	CU_ASSERT(ask(&question, NULL, out) && handshake.has_secret[0]);
	CU_ASSERT(memcmp(handshake.secret[0], out, 32) == 0);
	stop();
}

UNIT_MAIN("tls_hkdf", {"HMAC gives what RFC 4231 says", hmac_gives_what_rfc_4231_says},
	  {"the schedule gives what RFC 8448 says", the_schedule_gives_what_rfc_8448_says},
	  {"our provider and OpenSSL's give the same", our_provider_and_openssls_give_the_same},
	  {"our provider refuses what TLS does not ask",
	   our_provider_refuses_what_tls_does_not_ask},
	  {"the traffic secrets of the handshake in work are kept",
	   the_traffic_secrets_of_the_handshake_in_work_are_kept})
