// SPDX-License-Identifier: Apache-2.0
// The Cache-Status field (RFC 9211): what the cache did with a request, in its own words.
#pragma once

#include "cache.h"

#define CACHE_STATUS_BYTES      384u // room that always suffices
#define CACHE_STATUS_NAME_BYTES 73u

struct cache_status {
	struct slice name;                  // of the cache, see cache_status_name
	const struct cache_answer *answer;  // what cache_answered said; used when is_answered
	bool is_answered;                   // false: the cache was not asked
	bool is_stored;                     // the response was stored
	bool is_collapsed;                  // or answer->is_collapsed
	bool is_survived;                   // a stale object was used because the fetch failed
	const struct http_message *request; // for the key; NULL: none is told
	uint16_t forward_status; // status of the next node's response, 0 when there was none
};

// cache_status_name writes what a node's cache is called, millrace-<node>, as a token (RFC 8941
// 3.3.4), and returns it; what is longer than name is cut.
struct slice cache_status_name(const char *node, char name[CACHE_STATUS_NAME_BYTES]);

// cache_status_format writes the field's value, e.g. "millrace-edge-1; hit; ttl=376" or
// "millrace-edge-1; fwd=uri-miss; fwd-status=200; stored", without a NUL, into at most room bytes;
// returns its length, 0 when it does not fit.
size_t cache_status_format(const struct cache_status *status, char *out, size_t room);
