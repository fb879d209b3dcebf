// SPDX-License-Identifier: Apache-2.0
// Header blocks of requests in frames of every kind: padded, with a priority, cut by CONTINUATIONs,
// and received in pieces; and frames that are no part of one.
#include "http_side.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum { WIRE_MAX = 70000 };

static uint64_t state;

static size_t draw(size_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(state >> 33) % below;
}

// Frames on their way to a server.
struct wire {
	uint8_t bytes[WIRE_MAX];
	size_t used;
};

static void put(struct wire *wire, const void *bytes, size_t count)
{
	CU_ASSERT_FATAL(wire->used + count <= sizeof(wire->bytes));
	if (count)
		memcpy(wire->bytes + wire->used, bytes, count);
	wire->used += count;
}

static void put_head(struct wire *wire, size_t bytes, uint8_t type, unsigned flags, uint32_t stream)
{
	const uint8_t head[] = {(uint8_t)(bytes >> 16),
				(uint8_t)(bytes >> 8),
				(uint8_t)bytes,
				type,
				(uint8_t)flags,
				0,
				0,
				(uint8_t)(stream >> 8),
				(uint8_t)stream};
	put(wire, head, sizeof(head));
}

static void put_preface(struct wire *wire)
{
	put(wire, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	put_head(wire, 0, NGHTTP2_SETTINGS, 0, 0);
}

// put_headers writes a HEADERS frame with a fragment, wrapped as drawn.
static void put_headers(struct wire *wire, struct slice fragment, unsigned flags, uint32_t stream)
{
	static const uint8_t zeros[255];
	uint8_t pad = (uint8_t)draw(256), priority[5] = {0, 0, 0, 0, 200};
	flags |= draw(2) ? NGHTTP2_FLAG_PADDED : 0u;
	flags |= draw(2) ? NGHTTP2_FLAG_PRIORITY : 0u;
	size_t bytes = fragment.bytes + (flags & NGHTTP2_FLAG_PADDED ? 1u + pad : 0u) +
		       (flags & NGHTTP2_FLAG_PRIORITY ? 5u : 0u);
	put_head(wire, bytes, NGHTTP2_HEADERS, flags, stream);
	if (flags & NGHTTP2_FLAG_PADDED)
		put(wire, &pad, 1);
	if (flags & NGHTTP2_FLAG_PRIORITY)
		put(wire, priority, 5);
	put(wire, fragment.at, fragment.bytes);
	if (flags & NGHTTP2_FLAG_PADDED)
		put(wire, zeros, pad);
}

// put_block writes a block in as many frames as drawn.
static void put_block(struct wire *wire, struct slice block, uint32_t stream)
{
	size_t cuts = draw(2) ? 0 : draw(8);
	for (size_t i = 0; i <= cuts; i++) {
		size_t bytes = i == cuts ? block.bytes : draw(block.bytes + 1);
		unsigned last = i == cuts ? NGHTTP2_FLAG_END_HEADERS : 0u;
		struct slice fragment = slice_head(block, bytes);
		block = slice_skip(block, bytes);
		if (i == 0) {
			put_headers(wire, fragment, last | NGHTTP2_FLAG_END_STREAM, stream);
			continue;
		}
		put_head(wire, bytes, NGHTTP2_CONTINUATION, last, stream);
		put(wire, fragment.at, fragment.bytes);
	}
}

#define NV(n, v)                                                                                   \
	{                                                                                          \
		(uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, sizeof(v) - 1, 0                    \
	}

// put_request writes a request whose target and field tell its stream.
static void put_request(struct wire *wire, nghttp2_hd_deflater *deflater, uint32_t stream)
{
	static uint8_t block[4096];
	char target[32], value[400];
	size_t bytes = 1 + draw(sizeof(value) - 1);
	memset(value, 'v', bytes);
	nghttp2_nv fields[] = {NV(":method", "GET"),  NV(":scheme", "https"), NV(":path", ""),
			       NV(":authority", "a"), NV("x-value", ""),      NV("accept", "*/*")};
	fields[2].value = (uint8_t *)target;
	fields[2].valuelen = (size_t)snprintf(target, sizeof(target), "/%u", stream);
	fields[4].value = (uint8_t *)value;
	fields[4].valuelen = bytes;
	ssize_t written =
		nghttp2_hd_deflate_hd(deflater, block, sizeof(block), fields, ARRAY_LEN(fields));
	CU_ASSERT_FATAL(written > 0);
	put_block(wire, slice_of(block, (size_t)written), stream);
}

static void answer(struct side *side, struct call *call)
{
	CU_ASSERT(call->is_head_end);
	CU_ASSERT_EQUAL(strtoul(call->target + 1, NULL, 10), call->stream);
	CU_ASSERT(strstr(call->fields, "accept=*/*;") != NULL);
	CU_ASSERT_EQUAL(side_respond(side, call, 204, UINT64_MAX, true), 0);
}

static void blocks_in_frames_of_every_kind_are_read(void)
{
	static struct wire wire;
	for (unsigned round = 0; round < 300; round++) {
		nghttp2_hd_deflater *deflater;
		struct http_limits limits = side_limits;
		state = round;
		limits.head_bytes = 16384;
		limits.reset_budget = 1000;
		struct side *side = side_new(HTTP_VERSION_2, true, &limits);
		side->answer = answer;
		CU_ASSERT_FATAL(nghttp2_hd_deflate_new(&deflater, 4096) == 0);
		wire.used = 0;
		put_preface(&wire);
		for (uint32_t stream = 1; stream <= 41; stream += 2)
			put_request(&wire, deflater, stream);
		struct slice rest = slice_of(wire.bytes, wire.used);
		size_t most = draw(2) ? 1 + draw(40) : 1 + draw(3000);
		while (rest.bytes) {
			size_t step = MIN(rest.bytes, 1 + draw(most));
			CU_ASSERT_EQUAL_FATAL(side_feed(side, slice_head(rest, step), SIZE_MAX),
					      step);
			rest = slice_skip(rest, step);
			if (draw(2))
				side_drain(side, 16384);
		}
		CU_ASSERT_EQUAL(side->call_count, 21);
		CU_ASSERT_EQUAL(side->closed_count, 0);
		nghttp2_hd_deflate_del(deflater);
		side_free(side);
	}
}

// A frame that ends the connection behind a good request, or in the middle of a block.
static const struct {
	size_t bytes;
	uint8_t type;
	unsigned flags;
	uint32_t stream;
	const char *payload;
	uint8_t error; // of the GOAWAY
	bool is_in_block;
} faults[] = {
	{0, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, "", NGHTTP2_PROTOCOL_ERROR, false},
	{0, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 5, "", NGHTTP2_PROTOCOL_ERROR, true},
	{8, NGHTTP2_PING, 0, 0, "12345678", NGHTTP2_PROTOCOL_ERROR, true},
	{0, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 3, "", NGHTTP2_PROTOCOL_ERROR, true},
	{0, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 5, "", NGHTTP2_PROTOCOL_ERROR, true},
	{0, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 0, "", NGHTTP2_PROTOCOL_ERROR, false},
	{0, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2, "", NGHTTP2_PROTOCOL_ERROR, false},
	{1, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_PADDED, 3, "\1",
	 NGHTTP2_PROTOCOL_ERROR, false},
	{0, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_PADDED, 3, "",
	 NGHTTP2_PROTOCOL_ERROR, false},
	{4, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_PRIORITY, 3, "1234",
	 NGHTTP2_FRAME_SIZE_ERROR, false},
	{1, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 3, "\x80", NGHTTP2_COMPRESSION_ERROR, false},
	{1, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 3, "\xff", NGHTTP2_COMPRESSION_ERROR, false},
	{1, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 3, "\x40", NGHTTP2_COMPRESSION_ERROR,
	 true},
};

static void frames_that_are_no_part_of_a_block_end_the_connection(void)
{
	static struct wire wire;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct side *side = side_new(HTTP_VERSION_2, true, NULL);
		wire.used = 0;
		put_preface(&wire);
		put_head(&wire, 5, NGHTTP2_HEADERS,
			 NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1);
		put(&wire, "\x82\x84\x87\x01\0", 5);
		if (faults[i].is_in_block) {
			put_head(&wire, 3, NGHTTP2_HEADERS, 0, 3);
			put(&wire, "\x82\x84\x87", 3);
		}
		put_head(&wire, faults[i].bytes, faults[i].type, faults[i].flags, faults[i].stream);
		put(&wire, faults[i].payload, faults[i].bytes);
		side_feed(side, slice_of(wire.bytes, wire.used), SIZE_MAX);
		uint8_t out[512], error = 0;
		size_t bytes = http_produce(side->conn, out, sizeof(out));
		for (size_t at = 0; at + 9 <= bytes; at += 9u + out[at + 2])
			if (out[at + 3] == NGHTTP2_GOAWAY)
				error = out[at + 9 + 7];
		if (error != faults[i].error || side->closed_count != 1)
			printf("# fault %zu: error %u, closed %u\n", i, error, side->closed_count);
		CU_ASSERT_EQUAL(error, faults[i].error);
		CU_ASSERT_EQUAL(side->closed_count, 1);
		side_free(side);
	}
}

UNIT_MAIN("h2_block",
	  {"blocks in frames of every kind are read", blocks_in_frames_of_every_kind_are_read},
	  {"frames that are no part of a block end the connection",
	   frames_that_are_no_part_of_a_block_end_the_connection})
