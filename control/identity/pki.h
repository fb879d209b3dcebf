// SPDX-License-Identifier: Apache-2.0
// Keys, requests and certificates as this mesh makes them (RFC 5280, SPIFFE X509-SVID): EC P-256,
// one critical URI SAN, empty subject, serverAuth and clientAuth. PEM in, PEM out; nothing is kept.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKI_NAME_BYTES  256u
#define PKI_PROOF_BYTES 200u // hex of an ECDSA P-256 signature or an HMAC-SHA256, with NUL
#define PKI_SKEW_S      60u  // certificates begin that much in the past

// Where a rotation of the mesh's CA stands (`phase` of the trust row). The first certificate of the
// bundle is the one that signs.
enum trust_phase {
	TRUST_STABLE,
	TRUST_ANNOUNCED, // {old, new} is told; old signs
	TRUST_RENEWING,  // {new, old}: new signs, everybody renews
	TRUST_PHASE_COUNT
};

struct pki_leaf {
	const char *uri; // spiffe://... , or NULL
	const char *dns; // public host, or NULL. Exactly one of both.
	uint64_t now_s;
	uint64_t life_s;
};

struct pki_ca {
	EVP_PKEY *key;
	X509 *cert;
};

// pki_key_new makes a P-256 key; the caller frees it. NULL: OpenSSL failed.
EVP_PKEY *pki_key_new(void);

// pki_key_text and pki_cert_text return PEM (PKCS 8; X.509) that the caller frees; NULL: failed.
char *pki_key_text(EVP_PKEY *key);
char *pki_cert_text(X509 *cert);

// pki_key_read and pki_cert_read read the first key or certificate of PEM; the caller frees it with
// EVP_PKEY_free or X509_free. NULL: there is none.
EVP_PKEY *pki_key_read(const char *pem);
X509 *pki_cert_read(const char *pem);

// pki_csr_text returns a PKCS 10 request for key with an empty subject (PEM, the caller frees it).
char *pki_csr_text(EVP_PKEY *key);

// pki_csr_key returns the public key of a request whose own signature is right and which is P-256;
// names in the request are not looked at. The caller frees it. NULL: refuse.
EVP_PKEY *pki_csr_key(const char *csr_pem);

// pki_ca_new makes a self-signed CA (path length 0); uri may be NULL. False: failed, *ca empty.
bool pki_ca_new(struct pki_ca *ca, const char *common_name, const char *uri, uint64_t now_s,
		uint64_t life_s);

// pki_ca_free frees what it holds and empties it.
void pki_ca_free(struct pki_ca *ca);

// pki_issue signs a leaf for the public key; the caller frees it. NULL: failed.
X509 *pki_issue(const struct pki_ca *ca, EVP_PKEY *subject, const struct pki_leaf *leaf);

// pki_end_s and pki_begin_s tell a certificate's validity in Unix seconds; 0 when unreadable.
uint64_t pki_end_s(const X509 *cert);
uint64_t pki_begin_s(const X509 *cert);

// pki_uri copies the only URI SAN of cert. False: there is none, or more than one.
bool pki_uri(X509 *cert, char out[PKI_NAME_BYTES]);

// pki_verify checks a leaf (and its chain, PEM) against the PEM bundle at time now_s. NULL, or why
// not (a literal of OpenSSL).
const char *pki_verify(const char *chain_pem, const char *bundle_pem, uint64_t now_s);

// pki_is_by_first is true when a leaf is signed by the bundle's first certificate.
bool pki_is_by_first(const char *chain_pem, const char *bundle_pem, uint64_t now_s);

// pki_key_fits is true when cert is for key.
bool pki_key_fits(const X509 *cert, EVP_PKEY *key);

// pki_sign writes the hex of key's signature over text. pki_check is true when it is cert's.
bool pki_sign(EVP_PKEY *key, const char *text, char out[PKI_PROOF_BYTES]);
bool pki_check(X509 *cert, const char *text, const char *proof);

// pki_hmac writes the hex of HMAC-SHA256(key, text).
void pki_hmac(const char *key, const char *text, char out[PKI_PROOF_BYTES]);

// pki_random_hex writes bytes random bytes as hex (2 * bytes and a NUL). False: no randomness.
bool pki_random_hex(char *out, size_t bytes);
