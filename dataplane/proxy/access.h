// SPDX-License-Identifier: Apache-2.0
// The access log: what became of one exchange, told once at its end. The entry is plain data with
// its texts behind it, so that the packet loop only copies; who reads makes a line of JSON of it.
#pragma once

#include "addr.h"
#include "counter.h"
#include "slice.h"
#include "trace.h"

struct exchange;

// Texts of an entry: JSON key, most bytes kept of it.
#define ACCESS_TEXTS(X)                                                                            \
	X(METHOD, "method", 32)                                                                    \
	X(SCHEME, "scheme", 8)                                                                     \
	X(HOST, "host", 255)                                                                       \
	X(TARGET, "target", 2048)                                                                  \
	X(SERVICE, "service", 64)                                                                  \
	X(CACHE, "cache", 256)                                                                     \
	X(USER_AGENT, "user_agent", 256)                                                           \
	X(REFERER, "referer", 512)

enum access_text {
#define X(name, key, most) ACCESS_##name,
	ACCESS_TEXTS(X)
#undef X
		ACCESS_TEXT_COUNT
};

struct access_entry {
	uint64_t started_us; // the worker's clock
	struct trace trace;
	struct endpoint_addr client;   // port 0: behind its back, a stale object was validated
	struct endpoint_addr endpoint; // of the last try; port 0: none
	uint64_t request_bytes;        // of bodies
	uint64_t response_bytes;
	uint32_t sent_us;     // µs since the start, 0: never. The request left for the endpoint
	uint32_t answered_us; // the final head was there
	uint32_t total_us;
	uint16_t reason; // enum counter; COUNTER_COUNT: it went well
	uint16_t status; // 0: none was sent
	uint8_t version; // 10, 11, 20
	uint8_t try_count;
	uint8_t worker; // set by who writes the entry down
	uint8_t reserved;
	uint16_t text_bytes[ACCESS_TEXT_COUNT];
};

// access_note tells the proxy's access callback of an exchange that ends now for reason
// (COUNTER_COUNT: well). Those that went well are told one in limits.access_sample; others all.
void access_note(struct exchange *exchange, enum counter reason);
