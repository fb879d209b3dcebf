// SPDX-License-Identifier: Apache-2.0
// Floods of HTTP/2 (RFC 9113 10.5), frame by frame: each ends the connection while it is cheap, and
// what honest peers do now and then does not. End to end: tests/e2e/http_flood.sh.
#include "counter.h"
#include "http_side.h"

#include <nghttp2/nghttp2.h>

#define FRAME_MAX 16384u
#define CUT_BYTES 600000u // a flood of large frames is cut before

// GET https://a/
#define BLOCK "\x82\x87\x84\1\1a"
#define FOOT  (NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS)

// Feeds one frame, lets the connection speak, and returns the frame's bytes.
static size_t feed_frame(struct side *side, uint8_t type, int flags, unsigned stream,
			 struct slice payload)
{
	static uint8_t frame[9 + FRAME_MAX];
	CHECK(payload.bytes <= FRAME_MAX);
	const uint8_t head[9] = {
		0, (uint8_t)(payload.bytes >> 8), (uint8_t)payload.bytes, type, (uint8_t)flags, 0,
		0, (uint8_t)(stream >> 8),        (uint8_t)stream};
	memcpy(frame, head, sizeof(head));
	if (payload.bytes)
		memcpy(frame + sizeof(head), payload.at, payload.bytes);
	side_feed(side, slice_of(frame, sizeof(head) + payload.bytes), SIZE_MAX);
	side_drain(side, 4096);
	return sizeof(head) + payload.bytes;
}

static struct side *side_settled(const struct http_limits *limits)
{
	struct side *side = side_new(HTTP_VERSION_2, true, limits);
	side_feed(side, slice_of(NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN), SIZE_MAX);
	feed_frame(side, NGHTTP2_SETTINGS, 0, 0, SLICE(""));
	return side;
}

struct flood {
	uint8_t type, flags;
	unsigned stream;
	const char *payload;
	size_t bytes;
};

static void frames_without_use_end_the_connection(void)
{
	static const struct flood floods[] = {
		{NGHTTP2_PING, 0, 0, "ABCDEFGH", 8},
		{NGHTTP2_SETTINGS, 0, 0, "", 0},
		{NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4},
		{NGHTTP2_PRIORITY, 0, 3, "\0\0\0\1\1", 5},
		{0x7f, 0, 0, "ABCD", 4},
		{NGHTTP2_DATA, 0, 1, "", 0},
		{NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, "\3\0\0\0", 4},
	};
	for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
		const struct flood *flood = &floods[i];
		struct side *side = side_settled(NULL);
		unsigned sent = 0;
		feed_frame(side, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, SLICE(BLOCK));
		while (sent < 5000 && side->closed_count == 0) {
			feed_frame(side, flood->type, flood->flags, flood->stream,
				   slice_of(flood->payload, flood->bytes));
			sent++;
		}
		CU_ASSERT(sent > 1000 && sent < 1100);
		CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_flooded);
		CU_ASSERT(http_is_done(side->conn));
		side_free(side);
	}
}

static void large_frames_without_use_count_by_their_bytes(void)
{
	static const char junk[FRAME_MAX];
	struct side *side = side_settled(NULL);
	size_t sent = 0;
	while (sent < 10 * CUT_BYTES && side->closed_count == 0)
		sent += feed_frame(side, 0x7f, 0, 0, slice_of(junk, sizeof(junk)));
	CU_ASSERT(sent > CUT_BYTES / 2 && sent < CUT_BYTES);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_flooded);
	side_free(side);
}

static void answers_that_nobody_reads_are_bounded(void)
{
	struct side *side = side_settled(NULL);
	unsigned sent = 0;
	while (sent < 1000 && side->closed_count == 0) {
		side_feed(side, SLICE("\0\0\10\6\0\0\0\0\0ABCDEFGH"), SIZE_MAX);
		sent++;
	}
	CU_ASSERT(sent < 100);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_flooded);
	uint8_t out[64];
	static const uint8_t goaway[17] = {0, 0, 8, 7, [16] = NGHTTP2_ENHANCE_YOUR_CALM};
	CU_ASSERT_EQUAL(http_produce(side->conn, out, sizeof(out)), sizeof(goaway));
	CU_ASSERT_EQUAL(memcmp(out, goaway, sizeof(goaway)), 0);
	CU_ASSERT(http_is_done(side->conn));
	side_free(side);
}

static void a_block_without_an_end_is_a_flood(void)
{
	struct side *side = side_settled(NULL);
	unsigned sent = 0;
	feed_frame(side, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, SLICE("\x82"));
	while (sent < 100 && side->closed_count == 0) {
		feed_frame(side, NGHTTP2_CONTINUATION, 0, 1, SLICE(""));
		sent++;
	}
	CU_ASSERT_EQUAL(sent, 9);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_flooded);
	side_free(side);
}

// Requests of large heads, reset at once, over as many frames a block; how many bytes were sent.
static size_t reset_large_heads(struct side *side, bool is_continued)
{
	// x: 127 + 0x65 + (0x5c << 7) bytes
	static char block[6 + 6 + 12004] = BLOCK "\0\1x\x7f\xe5\x5c";
	memset(block + 12, 'y', sizeof(block) - 12);
	int flags = is_continued ? NGHTTP2_FLAG_END_STREAM : FOOT;
	size_t sent = 0;
	for (unsigned stream = 1; stream < 400 && side->closed_count == 0; stream += 2) {
		sent += feed_frame(side, NGHTTP2_HEADERS, flags, stream,
				   slice_of(block, sizeof(block)));
		if (is_continued)
			sent += feed_frame(side, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS,
					   stream, SLICE(""));
		sent += feed_frame(side, NGHTTP2_RST_STREAM, 0, stream, SLICE("\0\0\0\10"));
	}
	return sent;
}

static void large_heads_that_are_reset_count_by_their_bytes(void)
{
	for (int is_continued = 0; is_continued < 2; is_continued++) {
		struct http_limits limits = side_limits;
		limits.head_bytes = 16384;
		limits.reset_budget = 1000;
		struct side *side = side_settled(&limits);
		size_t sent = reset_large_heads(side, is_continued);
		CU_ASSERT(side->call_count > 10);
		CU_ASSERT(sent > CUT_BYTES / 2 && sent < CUT_BYTES);
		CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_flooded);
		side_free(side);
	}
}

static void answer_small(struct side *side, struct call *call)
{
	side_respond(side, call, 200, 9, true);
}

// RFC 7541 4.2: any number of table sizes may begin a block. Each is work, and none a field.
static void a_block_of_table_sizes_counts_by_its_bytes(void)
{
	static char block[16000];
	memset(block, 0x3e, sizeof(block)); // 30
	memcpy(block + sizeof(block) - 6, BLOCK, 6);
	struct side *side = side_settled(NULL);
	side->answer = answer_small;
	size_t sent = 0;
	for (unsigned stream = 1; stream < 1000 && side->closed_count == 0; stream += 2)
		sent += feed_frame(side, NGHTTP2_HEADERS, FOOT, stream,
				   slice_of(block, sizeof(block)));
	CU_ASSERT(side->call_count > 5 && side->calls[0].has_sent);
	CU_ASSERT(sent < CUT_BYTES / 2);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_flooded);
	side_free(side);
}

// Two sizes (RFC 7541 4.2) and all the padding that there may be.
static void an_honest_encoders_sizes_and_padding_are_free(void)
{
	static const char block[1 + 4 + 6 + 255] = "\xff\x20\x3f\xe1\x1f" BLOCK;
	struct side *side = side_settled(NULL);
	side->answer = answer_small;
	for (unsigned stream = 1; stream < 1000; stream += 2)
		feed_frame(side, NGHTTP2_HEADERS, FOOT | NGHTTP2_FLAG_PADDED, stream,
			   slice_of(block, sizeof(block)));
	CU_ASSERT_EQUAL(side->call_count, 500);
	CU_ASSERT_EQUAL(side->closed_count, 0);
	for (unsigned i = 0; i < 1000; i++) // no credit was lost
		feed_frame(side, NGHTTP2_PING, 0, 0, SLICE("12345678"));
	CU_ASSERT_EQUAL(side->closed_count, 0);
	side_free(side);
}

// One stream's frames (their stream is the next one), and the end that comes of them.
struct offence {
	struct flood head, more;
	unsigned streams; // that it takes; 0: one beyond the budget of resets
};

// CVE-2025-8671: what RFC 9113 makes us reset. Some of it ends the connection at once.
static void who_makes_us_reset_spends_the_same_budget(void)
{
	const struct flood open = {NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 0, BLOCK, 6};
	const struct offence offences[] = {
		// a name in capitals; trailers that are not the end; more than content-length
		{{NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 0, BLOCK "\0\1X\1y", 11}, {0}, 0},
		{open, {NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 0, "\0\1x\1y", 5}, 0},
		{{NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 0, BLOCK "\x0f\x0d\0011", 10},
		 {NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 0, "ab", 2},
		 0},
		// a window beyond 2^31; by nothing; DATA behind the end
		{open, {NGHTTP2_WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff", 4}, 0},
		{open, {NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\0", 4}, 1},
		{{NGHTTP2_HEADERS, FOOT, 0, BLOCK, 6},
		 {NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 0, "x", 1},
		 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(offences); i++) {
		const struct flood *head = &offences[i].head, *more = &offences[i].more;
		struct side *side = side_settled(NULL);
		unsigned wanted = offences[i].streams, streams = 0;
		while (streams < 500 && side->closed_count == 0) {
			unsigned stream = 2 * streams++ + 1;
			feed_frame(side, head->type, head->flags, stream,
				   slice_of(head->payload, head->bytes));
			if (more->bytes)
				feed_frame(side, more->type, more->flags, stream,
					   slice_of(more->payload, more->bytes));
		}
		CU_ASSERT_EQUAL(streams, wanted ? wanted : side_limits.reset_budget + 1);
		CU_ASSERT_EQUAL(side->closed_fault.counter,
				wanted ? COUNTER_http_h2_protocol : COUNTER_http_h2_resets_many);
		side_free(side);
	}
}

static void a_block_that_decodes_to_many_heads_is_reset_and_soon_the_connection(void)
{
	// x: 127 + 1 + (0x17 << 7) bytes into the dynamic table, then named 16,000 times a block
	static char entry[6 + 6 + 3072] = BLOCK "\x40\1x\x7f\x81\x17", bomb[16000] = BLOCK;
	struct counters counters = {0};
	struct http_limits limits = side_limits;
	limits.counters = &counters;
	memset(entry + 12, 'y', sizeof(entry) - 12);
	memset(bomb + 6, 0xbe, sizeof(bomb) - 6);
	struct side *side = side_settled(&limits);
	size_t sent = 0;
	feed_frame(side, NGHTTP2_HEADERS, FOOT, 1, slice_of(entry, sizeof(entry)));
	for (unsigned stream = 3; stream < 400 && side->closed_count == 0; stream += 2)
		sent += feed_frame(side, NGHTTP2_HEADERS, FOOT, stream,
				   slice_of(bomb, sizeof(bomb)));
	CU_ASSERT(counters.value[COUNTER_http_head_too_large] > 10);
	CU_ASSERT(sent > CUT_BYTES / 2 && sent < CUT_BYTES);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_flooded);
	side_free(side);
}

static void heads_of_forgotten_streams_are_a_flood(void)
{
	struct http_limits limits = side_limits;
	limits.reset_budget = 1000;
	struct side *side = side_settled(&limits);
	unsigned sent = 0;
	for (unsigned stream = 1; stream < 100; stream += 2) { // more than are remembered
		feed_frame(side, NGHTTP2_HEADERS, FOOT, stream, SLICE(BLOCK));
		feed_frame(side, NGHTTP2_RST_STREAM, 0, stream, SLICE("\0\0\0\10"));
	}
	while (sent < 5000 && side->closed_count == 0) {
		feed_frame(side, NGHTTP2_HEADERS, FOOT, 1, SLICE(BLOCK));
		sent++;
	}
	CU_ASSERT(sent > 900 && sent < 1100);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_flooded);
	side_free(side);
}

static void answer_large(struct side *side, struct call *call)
{
	side_respond(side, call, 200, 1000000, true);
}

static void windows_of_a_byte_are_a_flood(void)
{
	struct side *side = side_settled(NULL);
	unsigned sent = 0;
	side->answer = answer_large;
	feed_frame(side, NGHTTP2_SETTINGS, 0, 0, SLICE("\0\4\0\0\0\0"));
	feed_frame(side, NGHTTP2_HEADERS, FOOT, 1, SLICE(BLOCK));
	while (sent < 5000 && side->closed_count == 0) {
		feed_frame(side, NGHTTP2_WINDOW_UPDATE, 0, 1, SLICE("\0\0\0\1"));
		sent++;
	}
	CU_ASSERT(sent > 1000 && sent < 1100);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_flooded);
	side_free(side);
}

static void keepalives_may_go_on_for_ever(void)
{
	uint64_t now_us = 77;
	struct http_limits limits = side_limits;
	limits.now_us = &now_us;
	struct side *side = side_settled(&limits);
	for (unsigned i = 0; i < 5000; i++) {
		feed_frame(side, NGHTTP2_PING, 0, 0, SLICE("12345678"));
		now_us += 100000;
	}
	CU_ASSERT_EQUAL(side->closed_count, 0);
	for (unsigned i = 0; i < 1100; i++)
		feed_frame(side, NGHTTP2_PING, 0, 0, SLICE("12345678"));
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_flooded);
	side_free(side);
}

UNIT_MAIN("h2_flood",
	  {"frames without use end the connection", frames_without_use_end_the_connection},
	  {"large frames without use count by their bytes",
	   large_frames_without_use_count_by_their_bytes},
	  {"answers that nobody reads are bounded", answers_that_nobody_reads_are_bounded},
	  {"a block without an end is a flood", a_block_without_an_end_is_a_flood},
	  {"large heads that are reset count by their bytes",
	   large_heads_that_are_reset_count_by_their_bytes},
	  {"a block of table sizes counts by its bytes",
	   a_block_of_table_sizes_counts_by_its_bytes},
	  {"an honest encoder's sizes and padding are free",
	   an_honest_encoders_sizes_and_padding_are_free},
	  {"who makes us reset spends the same budget", who_makes_us_reset_spends_the_same_budget},
	  {"a block that decodes to many heads is reset, and soon the connection",
	   a_block_that_decodes_to_many_heads_is_reset_and_soon_the_connection},
	  {"heads of forgotten streams are a flood", heads_of_forgotten_streams_are_a_flood},
	  {"windows of a byte are a flood", windows_of_a_byte_are_a_flood},
	  {"keepalives may go on for ever", keepalives_may_go_on_for_ever})
