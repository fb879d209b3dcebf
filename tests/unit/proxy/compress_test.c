// SPDX-License-Identifier: Apache-2.0
// Compression on the fly in an exchange: which responses, what their heads become, what bounds the
// work, and bodies in random pieces, pauses and pulls.
#include "compress.h"

#include "proxy_priv.h"
#include "relay.h"

#include "check.h"
#include "unit.h"

#include <brotli/decode.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { BODY = 400000, BUFS = 64 };

static struct proxy proxy;
static struct downstream down;
static struct exchange exchange;
static struct counters counts;
static struct buf_pool bufs;
static struct wheel wheel;
static void *buf_memory;
static uint64_t work_ns; // what the clock adds a reading
static uint8_t arena_memory[4096], body[BODY], coded[BODY * 2], plain[BODY];

static uint64_t clock_ns(void)
{
	static uint64_t now_ns;
	return now_ns += work_ns;
}

static void tick(uint64_t us)
{
	proxy.now_us += us;
	wheel_advance(&wheel, proxy.now_us, 100);
	compress_run(&proxy);
}

static void on_deadline(struct wheel_timer *, uint64_t) {}

static void start(uint32_t contexts)
{
	struct compress_limits limits = {.contexts = contexts,
					 .types = "text/*, +json,application/wasm",
					 .minimum_bytes = 1000,
					 .cpu_percent = 10,
					 .slice_bytes = 32768,
					 .levels = {4, 3, 3},
					 .clock_ns = clock_ns};
	memset(&proxy, 0, sizeof(proxy));
	memset(&exchange, 0, sizeof(exchange));
	memset(&counts, 0, sizeof(counts));
	work_ns = 0;
	buf_memory = aligned_alloc(64, (buf_pool_bytes(BUFS, BUFS) + 63) & ~63ull);
	CU_ASSERT_EQUAL_FATAL(buf_pool_init(&bufs, buf_memory, 0, BUFS, BUFS), 0);
	wheel_init(&wheel, 0);
	proxy.role = role_of(PROXY_EDGE);
	proxy.counters = &counts;
	proxy.bufs = &bufs;
	proxy.wheel = &wheel;
	proxy.limits.body_buffer_bytes = 65536;
	CU_ASSERT_EQUAL_FATAL(compressor_init(&proxy.compressor, &limits), 0);
	exchange.proxy = &proxy;
	exchange.down = &down;
	exchange.request.method = HTTP_GET;
	exchange.state = EXCHANGE_RELAY;
	wheel_timer_init(&exchange.timer, on_deadline);
	arena_init(&exchange.arena, arena_memory, sizeof(arena_memory));
	relay_init(&exchange);
	tick(1000000);
}

static void stop(void)
{
	compress_end(&exchange);
	relay_clear(&exchange);
	wheel_disarm(&wheel, &exchange.timer);
	CU_ASSERT_EQUAL(proxy.compressor.contexts.in_use, 0);
	CU_ASSERT_EQUAL(buf_pool_in_use(&bufs), 0);
	compressor_fini(&proxy.compressor);
	buf_pool_fini(&bufs);
	free(buf_memory);
}

// A message whose fields come from "name: value\n" lines.
struct message {
	struct http_message head;
	struct http_field fields[16];
};

static struct http_message *message_of(struct message *message, const char *text)
{
	message->head.fields = message->fields;
	message->head.field_count = 0;
	for (struct slice rest = slice_str(text); rest.bytes;) {
		size_t end = slice_find(rest, '\n'), colon = slice_find(rest, ':');
		message->fields[message->head.field_count++] = (struct http_field){
			slice_head(rest, colon),
			slice_trim(slice_skip(slice_head(rest, end), colon + 1))};
		rest = slice_skip(rest, end + 1);
	}
	return &message->head;
}

// answer asks with these fields and answers with those; returns the head that goes on.
static const struct http_message *answer(const char *request, uint16_t status, uint64_t length,
					 const char *response)
{
	static struct message asked, got;
	static struct compress_head head;
	compress_end(&exchange);
	arena_reset(&exchange.arena);
	message_of(&asked, request);
	exchange.request.fields = asked.head.fields;
	exchange.request.field_count = asked.head.field_count;
	compress_request(&exchange);
	got = (struct message){.head = {.status = status, .content_length = length}};
	return compress_response(&exchange, message_of(&got, response), length > 0, &head);
}

static bool is_value(const struct http_message *head, const char *name, const char *value)
{
	struct slice found = http_field_find(head, slice_str(name));
	return value ? slice_equal(found, slice_str(value)) : !found.at;
}

static bool is_coded(const char *request, uint16_t status, uint64_t length, const char *response)
{
	const struct http_message *head = answer(request, status, length, response);
	bool has_context = exchange.compress != NULL;
	CU_ASSERT(!has_context || !is_value(head, "content-encoding", NULL));
	return has_context;
}

#define HTML   "content-type: text/html; charset=utf-8\n"
#define ACCEPT "accept-encoding: gzip, deflate, br\n"

static void heads_tell_what_was_done(void)
{
	start(2);
	const struct http_message *head =
		answer(ACCEPT, 200, 5000, HTML "etag: \"x\"\naccept-ranges: bytes\nvary: origin");
	CU_ASSERT(is_value(head, "content-encoding", "br"));
	CU_ASSERT(is_value(head, "etag", "W/\"x\""));
	CU_ASSERT(is_value(head, "accept-ranges", NULL));
	CU_ASSERT_EQUAL(head->content_length, HTTP_LENGTH_NONE);
	CU_ASSERT(slice_equal(head->fields[head->field_count - 2].value, SLICE("accept-encoding")));
	head = answer("", 200, 5000, HTML "etag: \"x\"\naccept-ranges: bytes");
	CU_ASSERT(is_value(head, "content-encoding", NULL));
	CU_ASSERT(is_value(head, "etag", "\"x\""));
	CU_ASSERT(is_value(head, "vary", "accept-encoding"));
	CU_ASSERT_EQUAL(head->content_length, 5000);
	CU_ASSERT(is_value(&exchange.request, "accept-encoding", "identity"));
	head = answer(ACCEPT, 200, 5000, HTML "etag: W/\"x\"\nvary: Accept-Encoding, a");
	CU_ASSERT(is_value(head, "etag", "W/\"x\""));
	CU_ASSERT(is_value(head, "vary", "Accept-Encoding, a"));
	CU_ASSERT(is_value(&exchange.request, "accept-encoding", "br, gzip"));
	exchange.request.method = HTTP_HEAD;
	head = answer(ACCEPT, 200, 5000, HTML);
	CU_ASSERT(is_value(head, "content-encoding", "br") && !exchange.compress);
	stop();
}

static void what_must_stay_as_it_is_does(void)
{
	static const struct {
		uint16_t status;
		uint64_t length;
		const char *request, *response;
	} rows[] = {
		{200, 999, ACCEPT, HTML},
		{206, 5000, ACCEPT, HTML "content-range: bytes 0-4999/9000"},
		{500, 5000, ACCEPT, HTML},
		{200, 5000, ACCEPT, HTML "content-encoding: deflate"},
		{200, 5000, ACCEPT, HTML "cache-control: max-age=5, No-Transform"},
		{200, 5000, ACCEPT "cache-control: no-transform", HTML},
		{200, 5000, ACCEPT, HTML "repr-digest: sha-256=:x:"},
		{200, 5000, ACCEPT, "content-type: text/event-stream"},
		{200, 5000, ACCEPT, "content-type: application/grpc"},
		{200, 5000, ACCEPT, "content-type: image/png"},
		{200, 5000, ACCEPT, ""},
		{200, 5000, ACCEPT "range: bytes=0-9", HTML},
		{200, 5000, "accept-encoding: deflate", HTML},
		{200, 0, ACCEPT, HTML},
	};
	start(1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT(!is_coded(rows[i].request, rows[i].status, rows[i].length,
				    rows[i].response));
	CU_ASSERT(is_coded(ACCEPT, 404, 1000, HTML));
	CU_ASSERT(is_coded(ACCEPT, 200, HTTP_LENGTH_NONE, "content-type: application/ld+JSON"));
	CU_ASSERT(is_coded(ACCEPT, 200, 5000, "content-type: Application/WASM"));
	exchange.request.protocol = SLICE("websocket");
	CU_ASSERT(!is_coded(ACCEPT, 200, 5000, HTML));
	exchange.request.protocol = (struct slice){0};
	proxy.role = role_of(PROXY_GATEWAY);
	CU_ASSERT(!is_coded(ACCEPT, 200, 5000, HTML));
	stop();
}

static void a_304_confirms_what_the_client_has(void)
{
	start(1);
	const char *has_weak = ACCEPT "if-none-match: \"a\", W/\"x\"";
	CU_ASSERT(is_value(answer(has_weak, 304, HTTP_LENGTH_NONE, "etag: \"x\""), "etag",
			   "W/\"x\""));
	CU_ASSERT(
		is_value(answer(has_weak, 304, HTTP_LENGTH_NONE, "etag: \"a\""), "etag", "\"a\""));
	CU_ASSERT(is_value(answer("if-none-match: W/\"x\"", 304, HTTP_LENGTH_NONE, "etag: \"x\""),
			   "etag", "\"x\""));
	stop();
}

static void bounds_are_counted_and_the_response_is_sent_as_it_is(void)
{
	struct exchange first;
	start(1);
	CU_ASSERT(is_coded(ACCEPT, 200, 5000, HTML));
	first = exchange;
	exchange.compress = NULL;
	CU_ASSERT(!is_coded(ACCEPT, 200, 5000, HTML));
	CU_ASSERT_EQUAL(counts.value[COUNTER_compress_no_context], 1);
	exchange = first;
	// A tenth of the core: a step that takes 30 ms is paid for after 300 ms. The budget starts
	// with 10 ms.
	work_ns = 30000000;
	fifo_write(&exchange.response_body, slice_of(body, 1000));
	bool is_end;
	exchange.is_response_ended = true;
	compress_pull(&exchange, 16384, &is_end);
	work_ns = 0;
	tick(1000);
	CU_ASSERT(!is_coded(ACCEPT, 200, 5000, HTML));
	CU_ASSERT_EQUAL(counts.value[COUNTER_compress_over_budget], 1);
	tick(100000);
	CU_ASSERT(!is_coded(ACCEPT, 200, 5000, HTML));
	tick(100000);
	tick(100000);
	CU_ASSERT(is_coded(ACCEPT, 200, 5000, HTML));
	compress_end(&exchange);
	coding_memory_init(&proxy.compressor.coders[0].memory, proxy.compressor.memory, 8192);
	CU_ASSERT(!is_coded("accept-encoding: zstd", 200, 5000, HTML));
	CU_ASSERT_EQUAL(counts.value[COUNTER_compress_failed], 1);
	stop();
}

static void one_loop_codes_a_slice_and_the_next_goes_on(void)
{
	bool is_end = false;
	start(1);
	memset(body, 'a', sizeof(body));
	CU_ASSERT_FATAL(is_coded("accept-encoding: zstd", 200, HTTP_LENGTH_NONE, HTML));
	CU_ASSERT_EQUAL(fifo_write(&exchange.response_body, slice_of(body, 60000)), 60000);
	exchange.is_response_ended = true;
	CU_ASSERT_EQUAL(compress_pull(&exchange, 16384, &is_end).bytes, 0);
	CU_ASSERT(!is_end && compress_is_left(&proxy));
	CU_ASSERT_EQUAL(exchange.response_body.queued_bytes, 60000 - 32768);
	compress_pull(&exchange, 16384, &is_end);
	CU_ASSERT_EQUAL(exchange.response_body.queued_bytes, 60000 - 32768);
	tick(10);
	CU_ASSERT(!compress_is_left(&proxy));
	CU_ASSERT(compress_pull(&exchange, 16384, &is_end).bytes > 0);
	CU_ASSERT(is_end);
	stop();
}

static size_t decode(enum coding coding, size_t bytes)
{
	size_t room = BODY;
	if (coding == CODING_BR) {
		CU_ASSERT_EQUAL(BrotliDecoderDecompress(bytes, coded, &room, plain),
				BROTLI_DECODER_RESULT_SUCCESS);
		return room;
	}
	if (coding == CODING_ZSTD) {
		ZSTD_DCtx *state = ZSTD_createDCtx();
		ZSTD_inBuffer in = {coded, bytes, 0};
		ZSTD_outBuffer out = {plain, BODY, 0};
		CU_ASSERT_EQUAL(ZSTD_decompressStream(state, &out, &in), 0);
		ZSTD_freeDCtx(state);
		return out.pos;
	}
	z_stream stream = {.next_in = coded, .avail_in = (uInt)bytes, .next_out = plain};
	stream.avail_out = BODY;
	inflateInit2(&stream, 15 + 16);
	CU_ASSERT_EQUAL(inflate(&stream, Z_FINISH), Z_STREAM_END);
	inflateEnd(&stream);
	return BODY - stream.avail_out;
}

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

// pull takes what there is, some bytes of it or all.
static size_t pull(uint32_t *seed, size_t at, bool *is_end)
{
	const struct http_field *trailers;
	uint32_t count;
	struct slice run =
		relay_pull_response(&exchange, 1 + draw(seed) % 20000, is_end, &trailers, &count);
	if (run.bytes)
		memcpy(coded + at, run.at, run.bytes);
	return at + run.bytes;
}

// run_seed sends one body; pauses of the upstream must not hold back what it sent before.
static void run_seed(uint32_t seed)
{
	static const char *const accepts[] = {"", "accept-encoding: gzip", "accept-encoding: br",
					      "accept-encoding: zstd"};
	enum coding coding = CODING_GZIP + draw(&seed) % 3;
	size_t length = draw(&seed) % (1u << draw(&seed) % 18), given = 0, got = 0;
	bool is_noise = draw(&seed) % 4 == 0, is_end = false;
	for (size_t i = 0; i < length; i++)
		body[i] = (uint8_t)(is_noise ? draw(&seed) : 'a' + draw(&seed) % 3);
	CU_ASSERT_FATAL(is_coded(accepts[coding], 200, HTTP_LENGTH_NONE, HTML));
	for (unsigned turn = 0; !is_end && turn < 100000; turn++) {
		size_t piece = MIN(draw(&seed) % 6000, length - given);
		given += fifo_write(&exchange.response_body, slice_of(body + given, piece));
		exchange.is_response_ended = given == length && draw(&seed) % 3 == 0;
		for (unsigned i = draw(&seed) % 4; i > 0 && !is_end; i--)
			got = pull(&seed, got, &is_end);
		tick(draw(&seed) % 4000);
	}
	CU_ASSERT(is_end);
	CU_ASSERT_EQUAL(decode(coding, got), length);
	CU_ASSERT_EQUAL(memcmp(plain, body, length), 0);
	exchange.is_response_ended = false;
	exchange.response_lent = 0;
}

static void random_pieces_pauses_and_pulls_decode(void)
{
	start(1);
	for (uint32_t seed = 1; seed <= 300; seed++)
		run_seed(seed);
	stop();
}

static void what_was_sent_before_a_pause_arrives(void)
{
	for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++) {
		bool is_end = false;
		uint32_t seed = 1;
		char accept[64];
		snprintf(accept, sizeof(accept), "accept-encoding: %s", coding_name(coding).at);
		start(1);
		CU_ASSERT_FATAL(is_coded(accept, 200, HTTP_LENGTH_NONE, HTML));
		fifo_write(&exchange.response_body, SLICE("data before the pause"));
		size_t got = pull(&seed, 0, &is_end);
		tick(COMPRESS_PAUSE_US / 2);
		got = pull(&seed, got, &is_end);
		size_t early = got;
		tick(2 * COMPRESS_PAUSE_US);
		for (unsigned i = 0; i < 5; i++)
			got = pull(&seed, got, &is_end);
		CU_ASSERT(got > early && got >= SLICE("data before").bytes && !is_end);
		exchange.is_response_ended = true;
		for (unsigned i = 0; i < 5 && !is_end; i++)
			got = pull(&seed, got, &is_end);
		CU_ASSERT_EQUAL(decode(coding, got), SLICE("data before the pause").bytes);
		stop();
	}
}

UNIT_MAIN("compress", {"heads tell what was done", heads_tell_what_was_done},
	  {"what must stay as it is does", what_must_stay_as_it_is_does},
	  {"a 304 confirms what the client has", a_304_confirms_what_the_client_has},
	  {"bounds are counted and the response is sent as it is",
	   bounds_are_counted_and_the_response_is_sent_as_it_is},
	  {"one loop codes a slice and the next goes on",
	   one_loop_codes_a_slice_and_the_next_goes_on},
	  {"random pieces, pauses and pulls decode", random_pieces_pauses_and_pulls_decode},
	  {"what was sent before a pause arrives", what_was_sent_before_a_pause_arrives})
