// SPDX-License-Identifier: Apache-2.0
// What two programs say to each other over one TCP connection to show that every byte arrived:
// pure, so that the kernel's sockets (tcp_peer) and our stack (tcp_host) speak the same.
//
//   client: request, `up` bytes of the pattern, end         server: `down` bytes of the pattern,
//                                                            how many of the client's were right,
//                                                            end
//
// Both directions run at once, unless a flag says who waits for the other's end (half-close).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSFER_REQUEST_BYTES 24u
#define TRANSFER_VERDICT_BYTES 8u

enum transfer_order {
	TRANSFER_BOTH,      // at once
	TRANSFER_UP_FIRST,  // the server sends after the client's end
	TRANSFER_DOWN_FIRST // the client sends after the server's end: no verdict comes
};

struct transfer_request {
	uint64_t up;
	uint64_t down;
	uint64_t order; // enum transfer_order
};

struct transfer {
	struct transfer_request request;
	uint64_t in;    // bytes of the stream taken
	uint64_t out;   // bytes of the stream given
	uint64_t right; // of in, those of the pattern that were right
	uint8_t head[TRANSFER_REQUEST_BYTES];
	uint8_t verdict[TRANSFER_VERDICT_BYTES];
	bool is_client;
	bool is_wrong; // a byte that should not be, or too many
	bool is_at_end;
};

// transfer_ask begins the client's side, transfer_serve the server's.
void transfer_ask(struct transfer *transfer, const struct transfer_request *request);
void transfer_serve(struct transfer *transfer);

// transfer_take judges bytes bytes that came; transfer_take_end notes the peer's end behind them.
void transfer_take(struct transfer *transfer, const uint8_t *at, size_t bytes);
void transfer_take_end(struct transfer *transfer);

// transfer_give writes at most room of the bytes to send next and returns how many; 0 when there
// are none now.
size_t transfer_give(struct transfer *transfer, uint8_t *at, size_t room);

// transfer_has_given is true when everything was given: end the direction.
bool transfer_has_given(const struct transfer *transfer);

// transfer_is_good is true when all bytes of both directions, and the peer's end, came and were
// right.
bool transfer_is_good(const struct transfer *transfer);
