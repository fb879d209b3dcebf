// SPDX-License-Identifier: Apache-2.0
// What makes a head a message: where it ends, whom it is for, and which fields stay on this hop
// (RFC 9112 3.2, 6.3, 9.6; RFC 9110 7.6.1; RFC 9113 8.2, 8.3). Everything ambiguous is refused;
// where an RFC lets a recipient repair, we refuse too, because the next hop might repair
// differently.
#pragma once

#include "http.h"

#define HTTP_CONNECTION_OPTIONS_MAX 16u

// What a head says about its connection.
struct http_hop {
	bool is_close;      // Connection: close
	bool is_keep_alive; // Connection: keep-alive
	bool is_websocket;  // Connection: upgrade and Upgrade: websocket
	struct slice key;   // Sec-WebSocket-Key of a request that asks for a tunnel
	struct slice accept;
};

// http_rules_apply looks at message, whose fields are all that came (names lower case), checks
// them, sets authority (when only Host gave it), content_length, is_chunked, has_upgrade and
// expects_continue, makes a tunnel's request of a WebSocket handshake (RFC 6455 4.2.1), and takes
// Host, framing and hop-by-hop fields out. Returns 0, or the counter (REASON) of the first rule
// broken.
int http_rules_apply(struct http_message *message, struct http_hop *hop);

// http_rules_trailers takes out of *count trailer fields those that only a head may hold (RFC 9110
// 6.5.1). Returns 0, or the counter (REASON) of one that frames or routes a message: a recipient
// that merged it into the head would see another message than we do.
int http_rules_trailers(struct http_field *fields, uint32_t *count);

// http_fault_of is a counter with the status that a server answers to it: 502 when the message was
// a response.
struct http_fault http_fault_of(int counter, bool is_response);
