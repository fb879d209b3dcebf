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
#define CACHE_VARY_BYTES  2048u         // of one normalised value
#define CACHE_HEURISTIC_S 86400u        // at most this without an explicit lifetime
#define CACHE_LOST_S      3600          // stale that a disconnected cache still uses

// Cache-Control of a request or a response (RFC 9111 5.2); seconds are -1 when absent.
struct cache_directives {
	bool is_present;  // there was such a field
	bool is_targeted; // it was CDN-Cache-Control: Expires does not count either (RFC 9213 2.2)
	bool no_store, no_cache, is_private, is_public, is_immutable;
	bool must_revalidate, proxy_revalidate, must_understand, only_if_cached;
	int64_t max_age_s, s_maxage_s, min_fresh_s, max_stale_s;
	int64_t stale_while_s, stale_error_s;         // RFC 5861
	struct slice no_cache_fields, private_fields; // what no-cache="..", private=".." name
};

// cache_directives_clear makes directives that say nothing.
void cache_directives_clear(struct cache_directives *directives);

// cache_directives_add reads one field value. Unknown directives are ignored, an unreadable number
// of seconds is 0 (stale), of several the smallest stands; a second qualified no-cache or private
// counts as whole.
void cache_directives_add(struct cache_directives *directives, struct slice value);

// cache_directives_of reads all Cache-Control fields of a message.
void cache_directives_of(const struct http_message *message, struct cache_directives *directives);

// cache_directives_of_response reads CDN-Cache-Control (RFC 9213, a structured field) where it is
// valid and not empty, else Cache-Control.
void cache_directives_of_response(const struct http_message *response,
				  struct cache_directives *directives);

// What a request allows.
struct cache_request_policy {
	bool is_usable;     // a stored response may answer it
	bool can_fill;      // its response may be stored and may serve others that wait
	bool is_reload;     // no-cache: the answer must be new
	bool is_authorized; // has Authorization
	bool only_if_cached;
	int64_t max_age_s, min_fresh_s, max_stale_s, stale_error_s; // -1: none
	enum cache_forward forward; // why not, when it is not usable
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

struct cache_times {
	uint64_t delay_s; // whole seconds between request and response: not between their clocks'
	uint64_t now_s;   // when the response came, Unix time
};

// cache_freshness_of sets the age (4.2.3) and the lifetime: s-maxage, max-age, Expires, or a tenth
// of the time since Last-Modified, at most a day, where that is allowed (4.2.1, 4.2.2). False:
// there is no lifetime.
bool cache_freshness_of(const struct http_message *request, const struct http_message *response,
			const struct cache_directives *directives, struct cache_times times,
			struct cache_freshness *freshness);

// cache_status_is_heuristic is true for a status that may be stored without being told (RFC 9110
// 15.1).
bool cache_status_is_heuristic(uint16_t status);

// cache_date_parse reads a date in any of the three forms, whatever its case (RFC 9111 4.2).
bool cache_date_parse(struct slice text, uint64_t *wall_s);

// cache_age_s is current_age (RFC 9111 4.2.3) at now_s.
uint64_t cache_age_s(const struct cache_freshness *freshness, uint64_t now_s);

// cache_ttl_s is the freshness left at now_s; fresh while positive.
int64_t cache_ttl_s(const struct cache_freshness *freshness, uint64_t now_s);

// On what terms a stored response may be used.
struct cache_terms {
	bool is_shared;                       // also for requests with Authorization (RFC 9111 3.5)
	bool is_always_validated;             // no-cache (5.2.2.4)
	bool is_never_stale;                  // must-revalidate, proxy-revalidate, s-maxage (4.2.4)
	bool is_immutable;                    // RFC 8246
	bool has_validator;                   // ETag or Last-Modified
	int64_t stale_while_s, stale_error_s; // RFC 5861; -1: none
};

struct cache_response_policy {
	bool is_storable;
	bool is_personal; // not storable because of this request only: others may still be served
	enum counter why; // when it is not storable
	struct cache_terms terms;
	struct cache_freshness freshness;
	struct slice no_cache_fields, private_fields; // not to be stored
};

// cache_policy_response judges a response, which came at these times.
void cache_policy_response(const struct http_message *request, const struct http_message *response,
			   struct cache_times times, struct cache_response_policy *policy);

// What a stored response is good for.
enum cache_use {
	CACHE_USE_AS_IS,     // fresh, or stale with the client's leave (max-stale)
	CACHE_USE_MEANWHILE, // stale; may be used while it is validated (RFC 5861 3)
	CACHE_USE_VALIDATED, // only when the origin says so
	CACHE_USE_NEVER,     // by this request
};

// cache_policy_use decides by age and freshness left (RFC 9111 4, 4.2.4, 5.2.1). *forward is why it
// is not used as it is.
enum cache_use cache_policy_use(const struct cache_terms *terms,
				const struct cache_request_policy *request, uint64_t age_s,
				int64_t ttl_s, enum cache_forward *forward);

// How a fetch may fail.
enum cache_failure {
	CACHE_FAILURE_NONE,
	CACHE_FAILURE_ERROR, // the origin answered 500, 502, 503 or 504 (RFC 5861 4)
	CACHE_FAILURE_LOST,  // there was no answer: we are disconnected (RFC 9111 4.2.4)
};

// cache_policy_may_survive is true when a stale response may be used because the fetch failed.
bool cache_policy_may_survive(const struct cache_terms *terms,
			      const struct cache_request_policy *request, int64_t ttl_s,
			      enum cache_failure failure);

// The secondary key (RFC 9111 4.1): each name in Vary, with the request's values joined and
// normalised: no blanks around commas; lists of languages, codings and charsets in lower case and
// in order. A field that the request lacks has a value whose at is NULL.
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

// Which bytes of a stored response answer a request.
struct cache_part {
	enum cache_verdict verdict; // HIT, NOT_MODIFIED, PARTIAL or UNSATISFIABLE
	uint64_t first, bytes;      // of the body
};

// cache_part_of chooses them by the request's conditions and Range (RFC 9110 13.2.2, 14.2): one
// range is answered; several, or what is not understood, get the whole.
struct cache_part cache_part_of(const struct http_message *request,
				const struct http_message *stored, uint64_t body_bytes,
				uint64_t received_s);

// cache_refresh_agrees is true when a 304, or a 200 to HEAD, is about this stored response (RFC
// 9111 4.3.3, 4.3.5).
bool cache_refresh_agrees(const struct http_message *stored, const struct http_message *update);

// cache_refresh merges: all fields of update but those that describe the stored body stand in
// place of the stored ones (RFC 9111 3.2). Slices are borrowed from both. False when there are too
// many fields.
bool cache_refresh(const struct http_message *stored, const struct http_message *update,
		   uint64_t now_s, struct cache_refreshed *refreshed);
