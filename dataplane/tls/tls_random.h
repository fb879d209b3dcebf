// SPDX-License-Identifier: Apache-2.0
// Random bytes that are no secret (RFC 8446 4.1.2's random, salts, ticket_age_add), fetched from
// OpenSSL's generator many at a time: a call of it costs 1.3 us for 32 bytes and 1.4 for 512. Keys
// are not made of these. A process that forks must not go on with both halves.
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#define TLS_RANDOM_BYTES 512u // fetched at once, and the most that one call gives

struct tls_random {        // zero, with lib, is empty
	OSSL_LIB_CTX *lib; // borrowed
	uint32_t left;
	uint8_t bytes[TLS_RANDOM_BYTES]; // the first left of them are to be given
};

// tls_random_take writes count bytes to out, each given once. False: the generator fails.
bool tls_random_take(struct tls_random *random, void *out, uint32_t count);
