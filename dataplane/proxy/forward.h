// SPDX-License-Identifier: Apache-2.0
// Fields that a proxy adds and removes on the way: X-Forwarded-For and -Proto, Forwarded (RFC
// 7239), Via (RFC 9110 7.6.3), Cache-Status (RFC 9211), Age, Date. Heads are built in the proxy's
// scratch memory: valid until the next one is built.
#pragma once

#include "cache_status.h"
#include "exchange.h"

// forward_is_trusted: the proxy of this address is one that is believed (limits.trusted).
bool forward_is_trusted(const struct proxy *proxy, const struct addr *addr);

// forward_client tells whose request it is: the other end of the connection, or, as far as trusted
// proxies have told of it in X-Forwarded-For, the last one before them.
struct addr forward_client(const struct downstream *down, const struct http_message *request);

// forward_request builds the request for the next node. Returns 0, or ENOMEM when it does not fit.
int forward_request(struct exchange *exchange, struct http_message *out);

// forward_response builds the response for the client out of the upstream's. Returns 0 or ENOMEM.
int forward_response(struct exchange *exchange, const struct http_message *response,
		     struct http_message *out);

// forward_object builds the response for the client out of the object in exchange->answer, by this
// head of it: 200, 206, 304 or 416 as the verdict says.
int forward_object(struct exchange *exchange, const struct http_message *head,
		   struct http_message *out);

// forward_cache_status writes the words of Cache-Status (RFC 9211) about the exchange into out.
// Returns their length; 0 where there is no cache, or room bytes do not suffice.
size_t forward_cache_status(const struct exchange *exchange, char *out, size_t room);

// What differs between answers of our own; their body is exchange->reply_body.
struct forward_reply {
	uint16_t status;
	bool is_html;
	struct slice location; // empty: none
};

// forward_reply builds an answer of our own.
int forward_reply(struct exchange *exchange, const struct forward_reply *reply,
		  struct http_message *out);
