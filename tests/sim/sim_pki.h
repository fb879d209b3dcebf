// SPDX-License-Identifier: Apache-2.0
// The simulated mesh's keys: one CA, SPIFFE identities and a public certificate, made by OpenSSL at
// start. PEM texts are owned by the caller (free).
#pragma once

#include <openssl/ssl.h>

#include <stdbool.h>
#include <stdint.h>

struct sim_pki {
	EVP_PKEY *ca_key;
	X509 *ca;
	char *ca_pem;
	uint64_t wall_s; // certificates are valid a day around it
};

struct sim_credentials {
	char *chain_pem;
	char *key_pem;
};

// sim_pki_init makes the CA.
void sim_pki_init(struct sim_pki *pki, uint64_t wall_s);

// sim_pki_issue makes a key and a certificate for one SAN: "URI:spiffe://..." or "DNS:host".
struct sim_credentials sim_pki_issue(struct sim_pki *pki, const char *san);

// sim_pki_client_context makes a public client's context, trusting the CA, offering h2 or http/1.1.
SSL_CTX *sim_pki_client_context(struct sim_pki *pki, bool is_h2);

// sim_pki_caller_context makes the context of a caller between nodes with a certificate for san,
// offering no protocol by ALPN and verifying nobody.
SSL_CTX *sim_pki_caller_context(struct sim_pki *pki, const char *san);

// sim_credentials_free frees the texts; sim_pki_fini the CA.
void sim_credentials_free(struct sim_credentials *credentials);
void sim_pki_fini(struct sim_pki *pki);

// sim_pki_seed_random makes all of OpenSSL's randomness a function of seed, for the whole process.
void sim_pki_seed_random(uint64_t seed);
