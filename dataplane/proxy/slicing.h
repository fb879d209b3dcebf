// SPDX-License-Identifier: Apache-2.0
// Large objects in slices (RFC 9110 14, RFC 9111 3.3, 3.4): a request for a range that the cache
// has nothing for is answered from slices of the whole, fetched one by one and stored.
//
//   client: plain ask -> PASS -> manifest? -> slice n -> slice n + 1 .. -> end
//                                  | none        | none
//                      behind: bytes=0-0    behind: bytes=first-last, If-Match
//
// The manifest is a variant of the URL (purged like any other): the head of the whole, its size and
// a generation. Slices are objects of their own under (generation, index), so they belong to one
// strong ETag: what another version of the file brought is never found. An origin that answers
// otherwise than 206 with a strong ETag is left alone for a while.
#pragma once

#include "http.h"

#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct cache_answer;
struct cache_object;

#define SLICING_TRIES_MAX  2u         // fetches of one slice or manifest for one client
#define SLICING_MARKS      1024u      // URLs known to be in slices, or not to be; a power of two
#define SLICING_PLAIN_US   5000000u   // how long one is left alone
#define SLICING_SLICED_US  600000000u // how long whole GETs ask for slices first
#define SLICING_NAME_BYTES 512u       // authority of a slice's key

enum slicing_step {
	SLICING_NONE,
	SLICING_MANIFEST, // the client's exchange waits for the manifest
	SLICING_FIRST,    // and for the slice that its range begins in
	SLICING_SENDING,  // its head is sent, slices follow
	SLICING_PROBE,    // an exchange behind: fetches a manifest
	SLICING_FETCH,    // fetches a slice
	SLICING_AHEAD,    // asks for the next slice, and fetches it when it is not there
};

struct slicing {
	enum slicing_step step;
	struct cache_object *piece; // lent: the slice being sent
	struct slice etag;          // in the exchange's arena
	uint64_t generation;
	uint64_t total;         // bytes of the whole; 0: not in slices
	uint64_t offset, end;   // what is sent next, and where that ends
	uint64_t index;         // of the slice asked for, held, or fetched
	uint32_t tries, breaks; // of its fetch
	bool is_asked;          // its answer is to come
	bool has_failed;
};

struct slicing_mark {
	uint64_t url_hash;
	uint64_t until_us;
	bool is_sliced;
};

// slicing_begin takes over a request that the plain cache has nothing for, or a whole GET of a URL
// known to be in slices before the plain cache is asked. False: not one for slices.
bool slicing_begin(struct exchange *exchange);

// slicing_note looks at a plain response: whole GETs of what is too large to be kept, and could be
// had in slices, ask for those from now on.
void slicing_note(struct exchange *exchange, const struct http_message *response);

// slicing_answered takes the cache's answer to an exchange that slices; it may be gone.
void slicing_answered(struct exchange *exchange, const struct cache_answer *answer);

// slicing_response takes the upstream's response to a PROBE or FETCH; the exchange may be gone.
void slicing_response(struct exchange *exchange, const struct http_message *response, bool is_end);

// slicing_is_fetch is true for the exchanges that fetch manifests and slices.
bool slicing_is_fetch(const struct exchange *exchange);

// slicing_request names the part to be fetched in a request that is being built, whose client's own
// range and conditions are gone; fields come from the proxy's scratch memory. At most three.
uint32_t slicing_request(struct exchange *exchange, struct http_field fields[3]);

// slicing_pull is what relay_pull_response returns while slices are sent.
struct slice slicing_pull(struct exchange *exchange, size_t max, bool *is_end);

// slicing_leave gives back what it holds.
void slicing_leave(struct exchange *exchange);
