// SPDX-License-Identifier: Apache-2.0
// Keys, PEM, signatures; see pki.h. Certificates are built in pki_cert.c.
#include "pki.h"

#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

EVP_PKEY *pki_key_new(void)
{
	return EVP_EC_gen("P-256");
}

// text_of copies what a memory BIO holds and frees the BIO.
static char *text_of(BIO *bio, bool is_whole)
{
	char *data = NULL;
	long bytes = bio ? BIO_get_mem_data(bio, &data) : 0;
	char *text = is_whole && bytes > 0 ? strndup(data, (size_t)bytes) : NULL;
	BIO_free(bio);
	return text;
}

char *pki_key_text(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	return text_of(bio, bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL,
								 NULL) == 1);
}

char *pki_cert_text(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	return text_of(bio, bio && PEM_write_bio_X509(bio, cert) == 1);
}

// no_password answers that there is none: a PEM with a password is refused, nobody is asked.
static int no_password(char *, int, int, void *)
{
	return -1;
}

EVP_PKEY *pki_key_read(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	BIO_free(bio);
	return key;
}

X509 *pki_cert_read(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
	BIO_free(bio);
	return cert;
}

char *pki_csr_text(EVP_PKEY *key)
{
	X509_REQ *request = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	bool is_whole = request && bio && X509_REQ_set_pubkey(request, key) == 1 &&
			X509_REQ_sign(request, key, EVP_sha256()) > 0 &&
			PEM_write_bio_X509_REQ(bio, request) == 1;
	X509_REQ_free(request);
	return text_of(bio, is_whole);
}

EVP_PKEY *pki_csr_key(const char *csr_pem)
{
	BIO *bio = BIO_new_mem_buf(csr_pem, -1);
	X509_REQ *request = bio ? PEM_read_bio_X509_REQ(bio, NULL, no_password, NULL) : NULL;
	EVP_PKEY *key = request ? X509_REQ_get_pubkey(request) : NULL;
	char group[32] = "";
	bool is_good = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
		       EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
		       strcmp(group, "prime256v1") == 0 && X509_REQ_verify(request, key) == 1;
	if (!is_good) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	X509_REQ_free(request);
	BIO_free(bio);
	return key;
}

static void write_hex(char *out, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	out[2 * count] = 0;
}

bool pki_random_hex(char *out, size_t bytes)
{
	uint8_t random[64];
	if (bytes > sizeof(random) || RAND_priv_bytes(random, (int)bytes) != 1)
		return false;
	write_hex(out, random, bytes);
	OPENSSL_cleanse(random, sizeof(random));
	return true;
}

bool pki_sign(EVP_PKEY *key, const char *text, char out[PKI_PROOF_BYTES])
{
	uint8_t signature[(PKI_PROOF_BYTES - 1) / 2];
	size_t bytes = sizeof(signature);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool is_done = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		       EVP_DigestSign(context, signature, &bytes, (const uint8_t *)text,
				      strlen(text)) == 1;
	EVP_MD_CTX_free(context);
	write_hex(out, signature, is_done ? bytes : 0);
	return is_done;
}

bool pki_check(X509 *cert, const char *text, const char *proof)
{
	long bytes = 0;
	uint8_t *signature = OPENSSL_hexstr2buf(proof, &bytes);
	EVP_PKEY *key = X509_get0_pubkey(cert);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool is_good = context && signature && key && bytes > 0 &&
		       EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		       EVP_DigestVerify(context, signature, (size_t)bytes, (const uint8_t *)text,
					strlen(text)) == 1;
	EVP_MD_CTX_free(context);
	OPENSSL_free(signature);
	return is_good;
}

void pki_hmac(const char *key, const char *text, char out[PKI_PROOF_BYTES])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned bytes = 0;
	HMAC(EVP_sha256(), key, (int)strlen(key), (const uint8_t *)text, strlen(text), digest,
	     &bytes);
	write_hex(out, digest, bytes);
}
