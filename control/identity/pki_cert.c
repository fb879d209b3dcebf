// SPDX-License-Identifier: Apache-2.0
// Building and judging certificates; see pki.h. RFC 5280 4.2 names the extensions.
#include "pki.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

// add_extension adds one extension given in OpenSSL's text form.
static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *text)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, text);
	bool is_done = extension && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_done;
}

// add_name adds the one subject alternative name. Built by hand: the text form would read commas in
// it as further names.
static bool add_name(X509 *cert, int type, const char *name, bool is_critical)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *one = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	bool is_done = names && one && text && ASN1_STRING_set(text, name, -1) == 1;
	if (is_done) {
		GENERAL_NAME_set0_value(one, type, text);
		text = NULL;
		is_done = sk_GENERAL_NAME_push(names, one) > 0;
	}
	if (is_done) {
		one = NULL;
		is_done = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, is_critical, 0) == 1;
	}
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(one);
	GENERAL_NAMES_free(names);
	return is_done;
}

// begin makes an X.509 v3 certificate with a random serial (128 bits, positive) and its validity.
static X509 *begin(EVP_PKEY *subject, uint64_t now_s, uint64_t life_s)
{
	uint8_t serial[16];
	X509 *cert = X509_new();
	BIGNUM *number = NULL;
	bool is_done = cert && RAND_bytes(serial, sizeof(serial)) == 1;
	if (is_done) {
		serial[0] = (serial[0] & 0x7f) | 0x40;
		number = BN_bin2bn(serial, sizeof(serial), NULL);
		is_done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) &&
			  X509_set_version(cert, X509_VERSION_3) == 1 &&
			  ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(now_s - PKI_SKEW_S)) &&
			  ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(now_s + life_s)) &&
			  X509_set_pubkey(cert, subject) == 1;
	}
	BN_free(number);
	if (is_done)
		return cert;
	X509_free(cert);
	return NULL;
}

static bool set_common_name(X509 *cert, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(cert);
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)common_name,
					  -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1;
}

bool pki_ca_new(struct pki_ca *ca, const char *common_name, const char *uri, uint64_t now_s,
		uint64_t life_s)
{
	*ca = (struct pki_ca){.key = pki_key_new()};
	ca->cert = ca->key ? begin(ca->key, now_s, life_s) : NULL;
	bool is_done =
		ca->cert && set_common_name(ca->cert, common_name) &&
		add_extension(ca->cert, ca->cert, NID_basic_constraints,
			      "critical,CA:TRUE,pathlen:0") &&
		add_extension(ca->cert, ca->cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
		add_extension(ca->cert, ca->cert, NID_subject_key_identifier, "hash") &&
		(!uri || add_name(ca->cert, GEN_URI, uri, false)) &&
		X509_sign(ca->cert, ca->key, EVP_sha256()) > 0;
	if (!is_done)
		pki_ca_free(ca);
	return is_done;
}

void pki_ca_free(struct pki_ca *ca)
{
	EVP_PKEY_free(ca->key);
	X509_free(ca->cert);
	*ca = (struct pki_ca){0};
}

X509 *pki_issue(const struct pki_ca *ca, EVP_PKEY *subject, const struct pki_leaf *leaf)
{
	X509 *cert = begin(subject, leaf->now_s, leaf->life_s);
	// The subject stays empty, so the alternative name is critical (RFC 5280 4.2.1.6).
	bool is_done =
		cert && X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) == 1 &&
		add_extension(cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
		add_extension(cert, ca->cert, NID_key_usage, "critical,digitalSignature") &&
		add_extension(cert, ca->cert, NID_ext_key_usage,
			      leaf->uri ? "serverAuth,clientAuth" : "serverAuth") &&
		add_extension(cert, ca->cert, NID_authority_key_identifier, "keyid:always") &&
		add_name(cert, leaf->uri ? GEN_URI : GEN_DNS, leaf->uri ? leaf->uri : leaf->dns,
			 true) &&
		X509_sign(cert, ca->key, EVP_sha256()) > 0;
	if (is_done)
		return cert;
	X509_free(cert);
	return NULL;
}

static uint64_t seconds_of(const ASN1_TIME *time)
{
	struct tm parts;
	if (ASN1_TIME_to_tm(time, &parts) != 1)
		return 0;
	time_t seconds = timegm(&parts);
	return seconds > 0 ? (uint64_t)seconds : 0;
}

uint64_t pki_end_s(const X509 *cert)
{
	return seconds_of(X509_get0_notAfter(cert));
}

uint64_t pki_begin_s(const X509 *cert)
{
	return seconds_of(X509_get0_notBefore(cert));
}

bool pki_uri(X509 *cert, char out[PKI_NAME_BYTES])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const GENERAL_NAME *name = NULL;
	out[0] = 0;
	if (sk_GENERAL_NAME_num(names) == 1)
		name = sk_GENERAL_NAME_value(names, 0);
	if (name && name->type == GEN_URI) {
		const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
		size_t bytes = (size_t)ASN1_STRING_length(uri);
		const char *text = (const char *)ASN1_STRING_get0_data(uri);
		if (bytes < PKI_NAME_BYTES && !memchr(text, 0, bytes)) {
			memcpy(out, text, bytes);
			out[bytes] = 0;
		}
	}
	GENERAL_NAMES_free(names);
	return out[0] != 0;
}

// read_bundle makes a store of the certificates in PEM.
static X509_STORE *read_bundle(const char *pem)
{
	X509_STORE *store = X509_STORE_new();
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert;
	while (store && bio && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		X509_STORE_add_cert(store, cert);
		X509_free(cert);
	}
	ERR_clear_error(); // the end of the file is one
	BIO_free(bio);
	return store;
}

const char *pki_verify(const char *chain_pem, const char *bundle_pem, uint64_t now_s)
{
	X509_STORE *store = read_bundle(bundle_pem);
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	X509 *leaf = pki_cert_read(chain_pem);
	const char *why = "not a certificate";
	if (store && context && leaf && X509_STORE_CTX_init(context, store, leaf, NULL) == 1) {
		X509_STORE_CTX_set_time(context, 0, (time_t)now_s);
		why = X509_verify_cert(context) == 1
			      ? NULL
			      : X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
	}
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	X509_free(leaf);
	return why;
}

bool pki_is_by_first(const char *chain_pem, const char *bundle_pem, uint64_t now_s)
{
	X509 *first = pki_cert_read(bundle_pem);
	char *text = first ? pki_cert_text(first) : NULL;
	bool is_by_first = text && pki_verify(chain_pem, text, now_s) == NULL;
	free(text);
	X509_free(first);
	return is_by_first;
}

bool pki_key_fits(const X509 *cert, EVP_PKEY *key)
{
	return X509_check_private_key((X509 *)(uintptr_t)cert, key) == 1;
}
