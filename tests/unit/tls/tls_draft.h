// SPDX-License-Identifier: Apache-2.0
// ClientHellos written field by field, for the tests of tls_hello: a good one (RFC 8446 4.1.2), and
// what one change makes of it.
#pragma once

#include "bytes.h"

#define DRAFT_WIRE_MAX 16384u

// A ClientHello to be written. Numbers are hex; an extension's body NULL leaves it out.
struct draft {
	const char *version;
	const char *session_id; // with its length
	const char *suites;     // as all below: without their length
	const char *compression;
	const char *tail; // behind the extensions
	struct draft_extension {
		const char *type;
		const char *body;
	} extensions[24];
};

#define X25519_SHARE                                                                               \
	"001d0020"                                                                                 \
	"1111111111111111111111111111111111111111111111111111111111111111"
#define P256_POINT                                                                                 \
	"2222222222222222222222222222222222222222222222222222222222222222"                         \
	"3333333333333333333333333333333333333333333333333333333333333333"
#define P256_SHARE "0017004104" P256_POINT
#define P384_SHARE "0018000201ff"
#define GREASE     "1a1a000100"
#define BINDER     "4444444444444444444444444444444444444444444444444444444444444444"
#define PSK        "000a0004aabbccdd01020304002120" BINDER

struct draft_wire {
	uint8_t wire[DRAFT_WIRE_MAX];
	size_t bytes;
};

extern const struct draft draft_good;

// draft_with gives base with one extension put in, replaced or (body NULL) left out.
struct draft draft_with(const struct draft *base, const char *type, const char *body);

// draft_put_hex writes the bytes that hex digits name.
void draft_put_hex(struct bytes_writer *w, const char *hex);

// draft_frame puts a handshake message into records of at most most bytes.
void draft_frame(struct draft_wire *out, const uint8_t *message, size_t bytes, size_t most);

// draft_write makes the records of a draft.
void draft_write(struct draft_wire *out, const struct draft *draft, size_t most);
