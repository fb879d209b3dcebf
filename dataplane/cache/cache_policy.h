// SPDX-License-Identifier: Apache-2.0
// The decisions of RFC 9111 as pure functions of heads and times: may a request use the cache, may
// a response be stored, how long is it fresh, which variant is meant, does a condition hold.
#pragma once

#include "arena.h"
#include "counter.h"
#include "http.h"

#include "cache.h"

#define CACHE_SECONDS_MAX 2147483648ull // RFC 9111 1.2.2: 2^31 stands for all that is larger
#define CACHE_VARY_MAX    8u            // field names of one Vary

// Cache-Control of a request or a response (RFC 9111 5.2); seconds are -1 when absent.
struct cache_directives {
	bool is_present; // there was a Cache-Control field
	bool no_store, no_cache, is_private, is_public;
	bool must_revalidate, must_understand, only_if_cached;
	int64_t max_age_s, s_maxage_s, min_fresh_s;
};

// cache_directives_clear makes directives that say nothing.
void cache_directives_clear(struct cache_directives *directives);

// cache_directives_add reads one field value. Unknown directives are ignored, an unreadable number
// of seconds is 0 (stale), of several the smallest stands; qualified no-cache and private count as
// whole.
void cache_directives_add(struct cache_directives *directives, struct slice value);

// cache_directives_of reads all Cache-Control fields of a message.
void cache_directives_of(const struct http_message *message, struct cache_directives *directives);

// What a request allows.
struct cache_request_policy {
	bool is_usable;     // a stored response may answer it
	bool can_fill;      // its response may be stored and may serve others that wait
	bool is_reload;     // no-cache: the answer must be new
	bool is_authorized; // has Authorization
	bool only_if_cached;
	int64_t max_age_s, min_fresh_s; // -1: none
	enum cache_forward forward;     // why not, when it is not usable
	enum counter why;
};

// cache_policy_request judges a request head.
void cache_policy_request(const struct http_message *request, struct cache_request_policy *policy);

// How old a stored response is and may become (RFC 9111 4.2).
struct cache_freshness {
	uint64_t lifetime_s;
	uint64_t initial_age_s; // corrected_initial_age, when it was received
	uint64_t received_s;    // Unix time
};

struct cache_response_policy {
	bool is_storable;
	bool is_shared;   // said public, s-maxage or must-revalidate: also for Authorization (3.5)
	bool is_personal; // not storable because of this request only: others may still be served
	enum counter why; // when it is not storable
	struct cache_freshness freshness;
};

// cache_policy_response judges a response. asked_s is when its request was sent, now_s when it
// came, both Unix time.
void cache_policy_response(const struct http_message *request, const struct http_message *response,
			   uint64_t asked_s, uint64_t now_s, struct cache_response_policy *policy);

// cache_age_s is current_age (RFC 9111 4.2.3) at now_s.
uint64_t cache_age_s(const struct cache_freshness *freshness, uint64_t now_s);

// cache_ttl_s is the freshness left at now_s; fresh while positive.
int64_t cache_ttl_s(const struct cache_freshness *freshness, uint64_t now_s);

// The secondary key (RFC 9111 4.1): each name in Vary, with the request's values joined by ", ". A
// field that the request lacks has a value whose at is NULL.
struct cache_vary {
	uint32_t count;
	struct http_field fields[CACHE_VARY_MAX];
};

// cache_vary_gather makes the secondary key of a response; new text comes from arena. Returns true,
// or false and *why: Vary is "*", or too large.
bool cache_vary_gather(const struct http_message *request, const struct http_message *response,
		       struct arena *arena, struct cache_vary *vary, enum counter *why);

// cache_vary_matches is true when the request selects the variant with this key.
bool cache_vary_matches(const struct cache_vary *vary, const struct http_message *request);

// cache_condition_holds is true when If-None-Match (weak comparison) or, without it,
// If-Modified-Since says that the client has this response (RFC 9110 13.1.2, 13.1.3, RFC
// 9111 4.3.2). received_s stands for dates the stored head lacks.
bool cache_condition_holds(const struct http_message *request, const struct http_message *stored,
			   uint64_t received_s);
