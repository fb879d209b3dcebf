// SPDX-License-Identifier: Apache-2.0
// Responses compressed on the fly, on the first node only. The head is changed before the cache and
// the client see it (compress_head.c), so that what is stored is one variant of the URL, made once
// and served as it lies. The body goes through a coder as the client takes it (compress.c):
//
//   response_body or stored object -> coder -> out -> client, and the cache
//
// Bounds: contexts (one a response, taken at start), a share of the core (over it new responses are
// sent as they are), bytes a loop and response (the rest follows in the next loop).
#pragma once

#include "coding.h"
#include "coding_accept.h"
#include "http.h"
#include "list.h"
#include "pool.h"
#include "wheel.h"

struct exchange;
struct proxy;

#define COMPRESS_OUT_BYTES   16384u
#define COMPRESS_PAUSE_US    5000u // an upstream that pauses longer has its bytes flushed
#define COMPRESS_TYPES_MAX   85u   // of two letters at least, with commas between
#define COMPRESS_TYPES_BYTES 256u
#define COMPRESS_ETAG_BYTES  256u // longer strong ones leave the response as it is

struct compress_limits {
	uint32_t contexts; // 0: off
	// Media types, separated by commas: "text/html", "text/*" (but event streams), "+json".
	char types[COMPRESS_TYPES_BYTES];
	uint64_t minimum_bytes;
	uint32_t cpu_percent; // of the core
	uint32_t slice_bytes; // of one response in one loop
	struct coding_levels levels;
	uint64_t (*clock_ns)(void); // what work costs; NULL: nothing
};

// A response under way.
struct compress {
	struct exchange *exchange;
	struct coder *coder;
	struct wheel_timer pause;
	struct list later; // compressor.later
	uint64_t loop_us;  // when loop_bytes was begun
	uint32_t loop_bytes;
	bool is_holding; // the coder may have bytes that the client has not
	bool is_flushing, is_done, has_failed;
	uint32_t start, end; // in out: not yet taken
	uint8_t out[COMPRESS_OUT_BYTES];
};

struct compressor {
	struct slice types[COMPRESS_TYPES_MAX]; // the members of limits.types
	uint32_t type_count;
	struct compress_limits limits;
	struct pool contexts;
	struct coder *coders; // owned: one a context
	uint8_t *memory;      // owned: theirs
	struct list later;    // compress.later: go on in the next loop
	int64_t budget_ns;    // may be overdrawn by what is under way
	uint64_t budget_us;   // when it was last filled
};

// compressor_init takes all memory; 0 or ENOMEM. compressor_fini gives it back.
int compressor_init(struct compressor *compressor, const struct compress_limits *limits);
void compressor_fini(struct compressor *compressor);

// compress_run fills the budget and lets those go on that had used up their slice; once a loop.
// compress_is_left is true when some wait for the next.
void compress_run(struct proxy *proxy);
bool compress_is_left(const struct proxy *proxy);

// A response head as it is sent, when it differs; its slices are of the response, of literals and
// of etag.
struct compress_head {
	struct http_message message;
	struct http_field fields[HTTP_FIELDS_MAX + 2];
	char etag[COMPRESS_ETAG_BYTES];
};

// compress_request puts the Accept-Encoding of a request, whose service is known, into its normal
// form, which the origin chooses by and the cache varies on. One without it, or for a range, gets
// "identity".
void compress_request(struct exchange *exchange);

// compress_response decides about a final response and begins; has_body: one follows. Returns the
// head to go on with: response itself, or in *head with Vary, and where it is compressed (also a
// HEAD's) Content-Encoding, a weak ETag, no length and no Accept-Ranges (RFC 9110 8.8.1, 12.5.5).
// A 304 gets the validator that the response had, which it confirms.
const struct http_message *compress_response(struct exchange *exchange,
					     const struct http_message *response, bool has_body,
					     struct compress_head *head);

// compress_object does the same with the head of a stored response that is to be sent; what still
// arrives goes as it is.
const struct http_message *compress_object(struct exchange *exchange,
					   const struct http_message *stored,
					   struct compress_head *head);

// compress_begin takes a context; bytes is the body's size or 0. False: none is free, or the
// core's share is used up, which is counted.
bool compress_begin(struct exchange *exchange, enum coding coding, uint64_t bytes);

// compress_end gives it back; harmless without one.
void compress_end(struct exchange *exchange);

// compress_pull is what relay_pull_response returns; compress_taken: the client has taken so much
// of it.
struct slice compress_pull(struct exchange *exchange, size_t max, bool *is_end);
void compress_taken(struct exchange *exchange, size_t bytes);

// compress_pump goes on with a response that is stored, whether its client reads or not; harmless
// without one.
void compress_pump(struct exchange *exchange);

// compress_leave: the client is gone. What waits for the coder is stored; false when that fails.
bool compress_leave(struct exchange *exchange);

// compress_store takes body bytes that only the cache wants; is_end: the last. False when it does
// not want them any more.
bool compress_store(struct exchange *exchange, struct slice bytes, bool is_end);
