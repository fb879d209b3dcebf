// SPDX-License-Identifier: Apache-2.0
// Certificates in our own handshake; see tls_signer.h.
#include "tls_signer.h"

#include "bytes.h"
#include "check.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#define MESSAGE_CERTIFICATE 11u
#define HEAD_BYTES          (4u + 1u + 3u) // of the message, no context, of the list
#define ENTRY_BYTES         (3u + 2u)      // around a certificate: its length, no extensions
#define RSA_BITS_MIN        2048
#define PADDING_BYTES       64u
#define CONTENT_MAX         (PADDING_BYTES + 34u + TLS_HASH_MAX)

// RFC 8446 4.2.3, and OpenSSL's names of the keys.
static const struct {
	uint16_t id;
	uint8_t hash;      // TLS_HASH_COUNT: none, or one that we do not keep
	const char *key;   // its type
	const char *group; // its curve
} schemes[TLS_SCHEME_COUNT] = {
	[TLS_SCHEME_ECDSA_P256_SHA256] = {0x0403, TLS_HASH_SHA256, "EC", "prime256v1"},
	[TLS_SCHEME_ECDSA_P384_SHA384] = {0x0503, TLS_HASH_SHA384, "EC", "secp384r1"},
	[TLS_SCHEME_ED25519] = {0x0807, TLS_HASH_COUNT, "ED25519", ""},
	[TLS_SCHEME_RSA_PSS_SHA256] = {0x0804, TLS_HASH_SHA256, "RSA", ""},
	[TLS_SCHEME_RSA_PSS_SHA384] = {0x0805, TLS_HASH_SHA384, "RSA", ""},
	[TLS_SCHEME_RSA_PSS_SHA512] = {0x0806, TLS_HASH_COUNT, "RSA", ""},
};

uint16_t tls_signer_id(enum tls_scheme scheme)
{
	return schemes[scheme].id;
}

static bool put_certificate(struct bytes_writer *w, X509 *certificate)
{
	uint8_t *at = w->at + 3;
	int bytes = i2d_X509(certificate, NULL);
	if (bytes <= 0 || (size_t)bytes + ENTRY_BYTES > w->left)
		return false;
	bytes_put_u8(w, 0);
	bytes_put_u16(w, (uint16_t)bytes);
	i2d_X509(certificate, &at);
	*w = (struct bytes_writer){at, w->left - (size_t)bytes, w->written + (size_t)bytes, true};
	bytes_put_u16(w, 0);
	return w->ok;
}

// encode writes the Certificate message of ctx's chain. False: longer than we want, or no memory.
static bool encode(struct tls_signer *signer, SSL_CTX *ctx)
{
	uint8_t message[TLS_CERTIFICATE_MAX];
	struct bytes_writer w = bytes_write_to(message + HEAD_BYTES, sizeof(message) - HEAD_BYTES);
	STACK_OF(X509) *chain = NULL;
	SSL_CTX_get0_chain_certs(ctx, &chain);
	bool ok = put_certificate(&w, SSL_CTX_get0_certificate(ctx));
	for (int i = 0; ok && i < sk_X509_num(chain); i++)
		ok = put_certificate(&w, sk_X509_value(chain, i));
	if (!ok)
		return false;
	uint32_t list = (uint32_t)w.written;
	signer->bytes = HEAD_BYTES + list;
	w = bytes_write_to(message, HEAD_BYTES);
	bytes_put_u32(&w, MESSAGE_CERTIFICATE << 24 | (4 + list));
	bytes_put_u8(&w, 0); // no context: nobody asked
	bytes_put_u8(&w, 0);
	bytes_put_u16(&w, (uint16_t)list);
	signer->message = malloc(signer->bytes);
	if (signer->message)
		memcpy(signer->message, message, signer->bytes);
	return signer->message != NULL;
}

static bool is_for(const EVP_PKEY *key, enum tls_scheme scheme)
{
	char group[32] = "";
	size_t bytes = 0;
	if (!EVP_PKEY_is_a(key, schemes[scheme].key))
		return false;
	if (EVP_PKEY_is_a(key, "RSA"))
		return schemes[scheme].hash != TLS_HASH_COUNT &&
		       EVP_PKEY_get_bits(key) >= RSA_BITS_MIN &&
		       EVP_PKEY_get_size(key) <= (int)TLS_SIGNATURE_MAX;
	EVP_PKEY_get_group_name(key, group, sizeof(group), &bytes);
	return strcmp(group, schemes[scheme].group) == 0;
}

static bool prepare(struct tls_signing *signing, const struct tls_hash *hashes,
		    enum tls_scheme scheme)
{
	if (scheme == TLS_SCHEME_ED25519)
		return (signing->whole = EVP_MD_CTX_new());
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(signing->lib, signing->key, NULL);
	signing->ctx[scheme] = ctx;
	if (!ctx || EVP_PKEY_sign_init(ctx) != 1)
		return false;
	if (!EVP_PKEY_is_a(signing->key, "RSA"))
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_signature_md(ctx, hashes[schemes[scheme].hash].md) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static void signing_fini(struct tls_signing *signing)
{
	for (enum tls_scheme i = 0; i < TLS_SCHEME_COUNT; i++)
		EVP_PKEY_CTX_free(signing->ctx[i]);
	EVP_MD_CTX_free(signing->whole);
	EVP_PKEY_free(signing->key);
	*signing = (struct tls_signing){0};
}

// signing_init takes key over. False: it is none of ours.
static bool signing_init(struct tls_signing *signing, OSSL_LIB_CTX *lib,
			 const struct tls_hash *hashes, EVP_PKEY *key)
{
	*signing = (struct tls_signing){.lib = lib, .key = key};
	bool ok = key != NULL;
	uint32_t count = 0;
	for (enum tls_scheme i = 0; ok && i < TLS_SCHEME_COUNT; i++)
		if (is_for(key, i)) {
			ok = prepare(signing, hashes, i);
			count++;
		}
	if (ok && count > 0)
		return true;
	signing_fini(signing);
	return false;
}

// write_der writes the key as helpers read it.
static bool write_der(struct tls_signer *signer)
{
	int bytes = i2d_PrivateKey(signer->own.key, &signer->der);
	signer->der_bytes = bytes > 0 ? (uint32_t)bytes : 0;
	return bytes > 0;
}

struct tls_signer *tls_signer_new(OSSL_LIB_CTX *lib, struct tls_hash *hashes, SSL_CTX *ctx,
				  bool is_lent)
{
	EVP_PKEY *key = SSL_CTX_get0_privatekey(ctx);
	struct tls_signer *signer = calloc(1, sizeof(*signer));
	if (!signer)
		return NULL;
	signer->ref_count = 1;
	bool ok = key && EVP_PKEY_up_ref(key) && signing_init(&signer->own, lib, hashes, key) &&
		  encode(signer, ctx) && (!is_lent || write_der(signer));
	ERR_clear_error();
	if (ok)
		return signer;
	tls_signer_unref(signer);
	return NULL;
}

void tls_signer_ref(struct tls_signer *signer)
{
	if (signer)
		signer->ref_count++;
}

void tls_signer_unref(struct tls_signer *signer)
{
	if (!signer || --signer->ref_count > 0)
		return;
	signing_fini(&signer->own);
	for (uint32_t i = 0; i < TLS_OFFLOADS_MAX; i++)
		signing_fini(&signer->copies[i]);
	OPENSSL_clear_free(signer->der, signer->der_bytes);
	free(signer->message);
	free(signer);
}

struct tls_signing *tls_signer_copy(struct tls_signer *signer, uint32_t offload, OSSL_LIB_CTX *lib,
				    struct tls_hash *hashes)
{
	struct tls_signing *copy = &signer->copies[offload];
	const uint8_t *at = signer->der;
	if (copy->key)
		return copy;
	EVP_PKEY *key = d2i_AutoPrivateKey_ex(NULL, &at, signer->der_bytes, lib, NULL);
	bool ok = signing_init(copy, lib, hashes, key);
	ERR_clear_error();
	return ok ? copy : NULL;
}

enum tls_scheme tls_signer_choose(const struct tls_signer *signer, uint32_t offered)
{
	enum tls_scheme scheme = 0;
	while (scheme < TLS_SCHEME_COUNT &&
	       (!(offered & 1u << scheme) ||
		!(signer->own.ctx[scheme] || (scheme == TLS_SCHEME_ED25519 && signer->own.whole))))
		scheme++;
	return scheme;
}

// write_content writes what is signed (RFC 8446 4.4.3).
static struct slice write_content(struct slice transcript, uint8_t content[CONTENT_MAX])
{
	static const char context[34] = "TLS 1.3, server CertificateVerify"; // with its 0
	struct bytes_writer w = bytes_write_to(content, CONTENT_MAX);
	memset(content, ' ', PADDING_BYTES);
	w.at += PADDING_BYTES;
	w.left -= PADDING_BYTES;
	bytes_put(&w, context, sizeof(context));
	bytes_put(&w, transcript.at, transcript.bytes);
	CHECK(w.ok);
	return slice_of(content, PADDING_BYTES + w.written);
}

uint32_t tls_signing_sign(struct tls_signing *signing, const struct tls_hash *hashes,
			  enum tls_scheme scheme, struct slice transcript,
			  uint8_t out[TLS_SIGNATURE_MAX])
{
	uint8_t content[CONTENT_MAX], digest[TLS_HASH_MAX];
	struct slice text = write_content(transcript, content);
	size_t bytes = TLS_SIGNATURE_MAX;
	if (scheme == TLS_SCHEME_ED25519) {
		bool ok = EVP_DigestSignInit_ex(signing->whole, NULL, NULL, signing->lib, NULL,
						signing->key, NULL) == 1 &&
			  EVP_DigestSign(signing->whole, out, &bytes, (const uint8_t *)text.at,
					 text.bytes) == 1;
		return ok ? (uint32_t)bytes : 0;
	}
	const struct tls_hash *hash = &hashes[schemes[scheme].hash];
	tls_digest(hash, text, digest);
	if (EVP_PKEY_sign(signing->ctx[scheme], out, &bytes, digest, hash->bytes) != 1)
		return 0;
	return (uint32_t)bytes;
}
