// SPDX-License-Identifier: Apache-2.0
// The policy of a service: what an edge allows, answers and changes before the service is asked.
// Operators write it as rules, one a line; control and the data plane read it with this parser, so
// that what the one took the other understands.
//
//   methods=GET,HEAD          others are answered 405
//   max-body=10MiB            larger request bodies: 413
//   rate=1000                 requests a second of the whole service, on each edge: 429
//   client-rate=20            the same, of one client: IPv4 /24, IPv6 /56
//   allow=192.0.2.0/24        with any: clients of no such prefix are answered 403
//   deny=198.51.100.7         clients of such a prefix are answered 403
//   maintenance=back at noon  everything is answered 503, with this text
//   redirect=/old https://new.example/  this path: 308; "/old/*" with what follows appended
//   request-set=Name: value   a field of the request is replaced
//   request-remove=Name       or removed
//   response-set=Name: value  the same of responses
//   response-remove=Name
//   hsts=31536000             Strict-Transport-Security (RFC 6797) for so many seconds
//   cors=https://app.example  or "*": preflights are answered here, responses allowed (Fetch 3.2)
//   query-drop=utm_*,fbclid   parameters of the query that the cache and the service do not see;
//   "*"
//                             at the end stands for the rest of a name
//   query-keep=page,lang      with any: only these are seen
//   query-sort=on             parameters are put in the order of their names: one key for all
//   orders cookies=ignore            GET and HEAD reach cache and service without cookies
//   key-cookie=region,ab*     GET and HEAD reach both with these only, and they are part of the key
//   key-field=Accept-Language fields of requests that are part of the key, as if responses had Vary
//   key-device=on             X-Device (mobile, tablet or desktop by User-Agent) is added, and part
//                             of the key
//   cache=off                 nothing of the service is stored or served from the cache
//   cache-ttl=60              responses below 400 are fresh for so many seconds whatever they say,
//                             but for private, no-store, Set-Cookie, and requests with
//                             Authorization
//   cache-error-ttl=5         the same of 404, 410, 500 and the others from 400
//   compression=off           nothing is compressed on the fly (BREACH: where a secret and words
//                             of a stranger share a response, its length tells the secret)
//   error-page=503 text       the body of our own answers with this status; HTML when it begins
//                             with <; "\n" in it, and in a maintenance text, is a new line
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_TEXT_BYTES 16384u // all rules of a service, with newlines
#define POLICY_RULES_MAX  64u    // of those that may be repeated
#define POLICY_WHY_BYTES  160u
#define POLICY_BODY_NONE  UINT64_MAX
#define POLICY_METHODS    9u

// Methods that a policy can name, in the order of its bits.
extern const char *const policy_methods[POLICY_METHODS];

// Bytes of the rules' own text.
struct policy_span {
	uint16_t at;
	uint16_t bytes;
};

enum policy_rule_kind {
	POLICY_ALLOW,
	POLICY_DENY,
	POLICY_REDIRECT,        // name: path, value: location
	POLICY_REDIRECT_PREFIX, // name: path without its "*"
	POLICY_REQUEST_SET,     // names of fields are in lower case in the text
	POLICY_REQUEST_REMOVE,
	POLICY_RESPONSE_SET,
	POLICY_RESPONSE_REMOVE,
	POLICY_ERROR_PAGE, // value: the body
	POLICY_QUERY_DROP, // name: of a parameter; value: "*" when others begin so
	POLICY_QUERY_KEEP,
	POLICY_KEY_COOKIE, // as QUERY_DROP
	POLICY_KEY_FIELD,
	POLICY_RULE_KIND_COUNT
};

struct policy_rule {
	enum policy_rule_kind kind;
	uint16_t status; // of an ERROR_PAGE
	struct policy_span name;
	struct policy_span value;
	struct prefix prefix; // of ALLOW and DENY
};

struct policy {
	uint32_t methods; // bits of policy_methods; 0: all
	uint32_t rate;    // a second; 0: no bound
	uint32_t client_rate;
	uint32_t hsts_s;
	uint32_t cache_ttl_s, cache_error_ttl_s; // 0: as the response says
	bool is_cache_off;
	bool is_query_sorted, is_cookie_ignored, is_device_keyed;
	uint64_t body_bytes; // POLICY_BODY_NONE: no bound
	bool is_in_maintenance;
	bool is_uncompressed;
	struct policy_span maintenance;
	struct policy_span cors; // the origin allowed; no bytes: none
	uint32_t rule_count;
	struct policy_rule rules[POLICY_RULES_MAX];
};

// policy_parse reads rules into policy; names of fields in text are made lower case. Returns true;
// else why holds "rule 3: reason; cure" (POLICY_WHY_BYTES) and policy is undefined.
bool policy_parse(char *text, size_t bytes, struct policy *policy, char why[POLICY_WHY_BYTES]);
