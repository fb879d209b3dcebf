// SPDX-License-Identifier: Apache-2.0
// AES-GCM (NIST SP 800-38D) over one record by libipsec-mb: one call a record, with no parameters
// to look up, beside OpenSSL's EVP, which takes five calls and does. Keys are kept expanded in a
// table of fixed size, so that connections that take turns need not pay for it at each record.
#pragma once

#include "gaps.h"

#include <stdbool.h>
#include <stdint.h>

struct tls_gcm;

// One record's work. All is borrowed for the call.
struct tls_gcm_record {
	uint64_t serial;    // names the same key for ever; 0: a key for this one use, not kept
	const uint8_t *key; // 16 bytes, or 32 with is_256
	bool is_256;
	const uint8_t *nonce; // 12 bytes
	const uint8_t *head;  // the additional data
	uint32_t head_bytes;
	uint8_t *body;           // in place; the tag (16 bytes) lies behind it
	uint32_t bytes;          // of body without tag
	const struct gaps *gaps; // of body, to seal; NULL: none
};

// tls_gcm_new takes the table (1 MiB). NULL when the library is not there, the processor has no
// instructions for it, or memory is short: EVP does the work then.
struct tls_gcm *tls_gcm_new(void);

// tls_gcm_free wipes all keys. NULL is allowed.
void tls_gcm_free(struct tls_gcm *gcm);

// tls_gcm_seal encrypts and writes the tag; what belongs into gaps is read where it lies.
void tls_gcm_seal(struct tls_gcm *gcm, const struct tls_gcm_record *record);

// tls_gcm_open decrypts; false when the tag is not right: what is in body then must not be used.
bool tls_gcm_open(struct tls_gcm *gcm, const struct tls_gcm_record *record);

// tls_gcm_forget wipes the expansion of the key with this serial.
void tls_gcm_forget(struct tls_gcm *gcm, uint64_t serial);
