// SPDX-License-Identifier: Apache-2.0
// The simulated mesh's keys; see sim_pki.h.
#define OPENSSL_SUPPRESS_DEPRECATED // RAND_METHOD: the way to seed every library context at once
#include "sim_pki.h"

#include "check.h"
#include "random.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <string.h>

static char *pem_text(BIO *bio)
{
	char *data;
	long bytes = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)bytes);
	CHECK(text);
	BIO_free(bio);
	return text;
}

static char *certificate_pem(X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());
	CHECK(bio && PEM_write_bio_X509(bio, certificate));
	return pem_text(bio);
}

static void add_extension(struct sim_pki *pki, X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, pki->ca ? pki->ca : certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	CHECK(extension && X509_add_ext(certificate, extension, -1));
	X509_EXTENSION_free(extension);
}

static X509 *new_certificate(struct sim_pki *pki, EVP_PKEY *key, const char *common_name)
{
	X509 *certificate = X509_new();
	uint64_t serial = 0;
	CHECK(certificate && RAND_bytes((unsigned char *)&serial, 7));
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial);
	ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)pki->wall_s - 3600);
	ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)pki->wall_s + 86400);
	X509_set_pubkey(certificate, key);
	X509_NAME *name = X509_get_subject_name(certificate);
	if (common_name)
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)common_name,
					   -1, -1, 0);
	return certificate;
}

void sim_pki_init(struct sim_pki *pki, uint64_t wall_s)
{
	*pki = (struct sim_pki){.ca_key = EVP_EC_gen("P-256"), .wall_s = wall_s};
	CHECK(pki->ca_key);
	X509 *ca = new_certificate(pki, pki->ca_key, "simulated mesh CA");
	X509_set_issuer_name(ca, X509_get_subject_name(ca));
	add_extension(pki, ca, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(pki, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
	add_extension(pki, ca, NID_subject_key_identifier, "hash");
	CHECK(X509_sign(ca, pki->ca_key, EVP_sha256()));
	pki->ca = ca;
	pki->ca_pem = certificate_pem(ca);
}

struct sim_credentials sim_pki_issue(struct sim_pki *pki, const char *san)
{
	struct sim_credentials credentials;
	char value[300];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	CHECK(key);
	X509 *certificate = new_certificate(pki, key, NULL);
	X509_set_issuer_name(certificate, X509_get_subject_name(pki->ca));
	snprintf(value, sizeof(value), "critical,%s", san);
	add_extension(pki, certificate, NID_subject_alt_name, value);
	add_extension(pki, certificate, NID_basic_constraints, "critical,CA:FALSE");
	add_extension(pki, certificate, NID_key_usage, "critical,digitalSignature");
	add_extension(pki, certificate, NID_ext_key_usage, "serverAuth,clientAuth");
	CHECK(X509_sign(certificate, pki->ca_key, EVP_sha256()));
	credentials.chain_pem = certificate_pem(certificate);
	BIO *bio = BIO_new(BIO_s_mem());
	CHECK(bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
	credentials.key_pem = pem_text(bio);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return credentials;
}

static int on_verify(X509_STORE_CTX *context, void *wall_s)
{
	X509_STORE_CTX_set_time(context, 0, (time_t) * (uint64_t *)wall_s);
	return X509_verify_cert(context);
}

SSL_CTX *sim_pki_client_context(struct sim_pki *pki, bool is_h2)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	CHECK(context);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(context), pki->ca);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(context, on_verify, &pki->wall_s);
	if (is_h2)
		SSL_CTX_set_alpn_protos(context, (const uint8_t *)"\x02h2\x08http/1.1", 12);
	else
		SSL_CTX_set_alpn_protos(context, (const uint8_t *)"\x08http/1.1", 9);
	return context;
}

SSL_CTX *sim_pki_caller_context(struct sim_pki *pki, const char *san)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	struct sim_credentials credentials = sim_pki_issue(pki, san);
	BIO *chain = BIO_new_mem_buf(credentials.chain_pem, -1);
	BIO *key = BIO_new_mem_buf(credentials.key_pem, -1);
	CHECK(context && chain && key);
	X509 *certificate = PEM_read_bio_X509(chain, NULL, NULL, NULL);
	EVP_PKEY *private_key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	CHECK(SSL_CTX_use_certificate(context, certificate) == 1);
	CHECK(SSL_CTX_use_PrivateKey(context, private_key) == 1);
	X509_free(certificate);
	EVP_PKEY_free(private_key);
	BIO_free(chain);
	BIO_free(key);
	sim_credentials_free(&credentials);
	return context;
}

void sim_credentials_free(struct sim_credentials *credentials)
{
	free(credentials->chain_pem);
	free(credentials->key_pem);
	*credentials = (struct sim_credentials){0};
}

void sim_pki_fini(struct sim_pki *pki)
{
	X509_free(pki->ca);
	EVP_PKEY_free(pki->ca_key);
	free(pki->ca_pem);
}

// RAND_METHOD has no context: the one source of the process.
static struct random_source openssl_random;

static int seeded_bytes(unsigned char *at, int count)
{
	for (int i = 0; i < count; i++)
		at[i] = (unsigned char)random_u64(&openssl_random);
	return 1;
}

static int seeded_status(void)
{
	return 1;
}

void sim_pki_seed_random(uint64_t seed)
{
	static const RAND_METHOD method = {
		.bytes = seeded_bytes, .pseudorand = seeded_bytes, .status = seeded_status};
	random_init(&openssl_random, (struct siphash_key){{seed, 4242}});
	RAND_set_rand_method(&method);
}
