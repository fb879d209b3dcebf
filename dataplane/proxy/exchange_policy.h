// SPDX-License-Identifier: Apache-2.0
// Where a service's policy (config/wire/policy.h) meets an exchange: on the first node only.
#pragma once

#include "policy_table.h"

#include "exchange.h"
#include "exchange_key.h"

// exchange_policy borrows the policy of the exchange's service; NULL: none, or not the first node.
const struct policy_entry *exchange_policy(const struct exchange *exchange);

// exchange_police judges a request whose service is known. False: it was answered.
bool exchange_police(struct exchange *exchange);

// exchange_is_cached is false when the policy keeps the cache out of it.
bool exchange_is_cached(const struct exchange *exchange);

// What exchange_policy_stored writes.
struct exchange_stored_text {
	struct http_field fields[HTTP_FIELDS_MAX + 2];
	char lifetime[32];
	char vary[EXCHANGE_KEY_VARY_BYTES];
};

// exchange_policy_stored makes the response as the cache is to see it: with the lifetime that the
// policy gives it, and with Vary for the fields that it puts into the key; in room, or as it is.
struct http_message exchange_policy_stored(const struct exchange *exchange,
					   const struct http_message *response,
					   struct exchange_stored_text *room);

// exchange_police_body judges the request's body so far. False: it is too large, and the client has
// been answered or its stream reset; the exchange may be gone.
bool exchange_police_body(struct exchange *exchange);

// exchange_policy_request changes the fields of a request on its way to the service, and
// exchange_policy_response those of a response on its way to the client. Both have room for
// EXCHANGE_POLICY_FIELDS more.
#define EXCHANGE_POLICY_FIELDS (POLICY_RULES_MAX + 4u)
void exchange_policy_request(const struct exchange *exchange, struct http_message *out);
void exchange_policy_response(const struct exchange *exchange, struct http_message *out);

// exchange_policy_page is the body of our own answer with status, in a buffer of the exchange's;
// empty when the policy names none. is_html tells its type.
struct slice exchange_policy_page(struct exchange *exchange, uint16_t status, bool *is_html);

// exchange_policy_location is where the request's path went, in the exchange's arena; empty when no
// rule says so.
struct slice exchange_policy_location(struct exchange *exchange);

// exchange_policy_methods writes the methods that are allowed as a list into out (64 bytes) and
// borrows it; empty when all are.
struct slice exchange_policy_methods(const struct exchange *exchange, char out[64]);
