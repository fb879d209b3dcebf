// SPDX-License-Identifier: Apache-2.0
// The handshake of WebSocket over HTTP/1.1 (RFC 6455 4): its key and the answer to it. What passes
// afterwards is bytes of a tunnel to us.
#pragma once

#include "slice.h"

#include <stdint.h>

#define WEBSOCKET_KEY_BYTES    24u
#define WEBSOCKET_ACCEPT_BYTES 28u

// websocket_key_of writes the Sec-WebSocket-Key of a nonce.
void websocket_key_of(const uint64_t nonce[2], char key[static WEBSOCKET_KEY_BYTES]);

// websocket_key_is_valid is true for base64 of 16 bytes.
bool websocket_key_is_valid(struct slice key);

// websocket_accept_of writes the Sec-WebSocket-Accept that answers a valid key.
void websocket_accept_of(struct slice key, char accept[static WEBSOCKET_ACCEPT_BYTES]);
