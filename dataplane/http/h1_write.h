// SPDX-License-Identifier: Apache-2.0
// Heads and trailers of HTTP/1.1 out (RFC 9112 2-7). Framing is always our own, never copied from
// what was received.
#pragma once

#include "http.h"

enum h1_framing {
	H1_NO_BODY, // and no word about one, unless content_length is set (HEAD, 304)
	H1_LENGTH,  // Content-Length
	H1_CHUNKED,
	H1_TO_END, // of the connection: to HTTP/1.0
};

enum h1_connection { H1_CONNECTION_UNSAID, H1_CONNECTION_CLOSE, H1_CONNECTION_KEEP_ALIVE };

// How a head is framed.
struct h1_frame {
	enum h1_framing framing;
	uint64_t content_length; // written when not HTTP_LENGTH_NONE
	enum h1_connection connection;
	struct slice websocket; // key of a request, accept of a response: of a tunnel; else empty
};

// Bytes that wait to be produced: heads, chunk ends, trailers. Bodies never pass through it.
struct h1_out {
	struct http_spare *spare; // borrowed: where memory comes from and goes to; NULL: malloc
	uint8_t *at;              // owned
	uint32_t capacity;
	uint32_t used;
	uint32_t sent;  // <= used
	bool is_broken; // memory was short; nothing is written after that
};

// h1_out_pending counts bytes not yet taken.
static inline size_t h1_out_pending(const struct h1_out *out)
{
	return out->used - out->sent;
}

// h1_out_take moves at most room bytes to to and returns how many.
size_t h1_out_take(struct h1_out *out, uint8_t *to, size_t room);

// h1_out_clear forgets everything and gives the memory back.
void h1_out_clear(struct h1_out *out);

// h1_write_request and h1_write_response append a head. Returns 0 or ENOMEM.
int h1_write_request(struct h1_out *out, const struct http_message *message,
		     const struct h1_frame *frame);
int h1_write_response(struct h1_out *out, const struct http_message *message,
		      const struct h1_frame *frame);

// h1_write_lines writes a response's first line, fields and Content-Length, as h1_write_response
// does, to `to`, which has room for h1_lines_max, and returns their end.
size_t h1_lines_max(const struct http_message *message);
uint8_t *h1_write_lines(uint8_t *to, const struct http_message *message);

// h1_write_last_chunk appends the chunk of size 0 and the trailers. Returns 0 or ENOMEM.
int h1_write_last_chunk(struct h1_out *out, const struct http_field *trailers, uint32_t count);
