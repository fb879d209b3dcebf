// SPDX-License-Identifier: Apache-2.0
// Requests made of fields that are right, wrong and in the wrong places, seeded: a server of ours
// resets those that nghttp2's own checks of RFC 9113 8 refuse, and no others.
#include "http_side.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum { FIELDS_MAX = 8, CASES = 6000 };

static const struct {
	const char *name;
	const char *values[12];
} pieces[] = {
	{":method", {"GET", "OPTIONS", "CONNECT", "HEAD", "", "G T", "P@ST", "get", " GET"}},
	{":scheme", {"https", "http", "HTTP", "ftp", "", "1a", "a b", "h+.-1", "https "}},
	{":authority", {"a", "a:1", "u@a", "", "a b", "a/b", "[::1]", "a\x7f", "a,b", "A"}},
	{":path", {"/", "*", "/a?b", "", "a", "/a b", "/\x01", "/\x80", "/#", "\t/", "/\x7f"}},
	{":protocol", {"websocket", "", " x", "x ", "x\x01", "y"}},
	{":status", {"200", ""}},
	{":other", {"1"}},
	{":", {"1"}},
	{"", {"1"}},
	{"host", {"a", "", "b", "a b", "a\x01", "u@a", " a"}},
	{"content-length",
	 {"0", "5", "", "-1", "05", "00", "5 ", "5,5", "9223372036854775807", "9223372036854775808",
	  "99999999999999999999"}},
	{"connection", {"close", ""}},
	{"keep-alive", {"1"}},
	{"proxy-connection", {"1"}},
	{"transfer-encoding", {"chunked"}},
	{"upgrade", {"websocket"}},
	{"http2-settings", {"AA"}},
	{"te", {"trailers", "Trailers", "gzip", "", "trailers, gzip"}},
	{"expect", {"100-continue", "x"}},
	{"a", {"b", "", " b", "b ", "\tb", "b\t", "b\x01", "b\nc", "b\tc", "\x80", "\x7f"}},
	{"a b", {"c"}},
	{"A", {"b"}},
	{"aB", {"b"}},
	{"a\x80", {"b"}},
	{"a:", {"b"}},
	{"content_length", {"5"}},
	{"priority", {"u=1", "!"}},
	{"cookie", {"a", "b\x01", " c"}},
};

static uint64_t state;

static size_t draw(size_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(state >> 33) % below;
}

static nghttp2_nv field_of(size_t piece, size_t value)
{
	const char *name = pieces[piece].name, *text = pieces[piece].values[value];
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)text, strlen(name),
			    strlen(text), NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

static nghttp2_nv any_field(void)
{
	size_t piece = draw(ARRAY_LEN(pieces)), count = 0;
	while (count < ARRAY_LEN(pieces[piece].values) && pieces[piece].values[count])
		count++;
	return field_of(piece, draw(count));
}

// make draws a request: a right one, with fields taken out, replaced, added and moved.
static size_t make(nghttp2_nv fields[FIELDS_MAX])
{
	size_t count = 4;
	for (size_t i = 0; i < 4; i++)
		fields[i] = field_of(i, 0);
	if (draw(3) == 0)
		fields[draw(4)] = any_field();
	if (draw(4) == 0) {
		fields[draw(count)] = fields[count - 1];
		count--;
	}
	while (count < FIELDS_MAX && draw(2) == 0)
		fields[count++] = any_field();
	if (draw(6) == 0) {
		size_t from = draw(count), to = draw(count);
		nghttp2_nv moved = fields[from];
		fields[from] = fields[to];
		fields[to] = moved;
	}
	return count;
}

// What an end saw of the exchange.
struct seen {
	unsigned heads, resets;
};

static int on_frame(nghttp2_session *, const nghttp2_frame *frame, void *user)
{
	struct seen *seen = user;
	seen->heads += frame->hd.type == NGHTTP2_HEADERS;
	seen->resets += frame->hd.type == NGHTTP2_RST_STREAM;
	return 0;
}

static int on_bad_header(nghttp2_session *, const nghttp2_frame *, const uint8_t *, size_t,
			 const uint8_t *, size_t, uint8_t, void *)
{
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static nghttp2_session *session_of(bool is_server, struct seen *seen)
{
	nghttp2_session *session;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	nghttp2_settings_entry tunnels = {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_bad_header);
	nghttp2_option_new(&option);
	nghttp2_option_set_no_http_messaging(option, !is_server);
	if (is_server)
		nghttp2_session_server_new2(&session, callbacks, seen, option);
	else
		nghttp2_session_client_new2(&session, callbacks, seen, option);
	nghttp2_submit_settings(session, 0, &tunnels, is_server);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
	return session;
}

// A request, and maybe what follows its head: so many bytes of a body, and trailers.
struct request {
	nghttp2_nv fields[FIELDS_MAX], trailers[FIELDS_MAX];
	size_t count, trailer_count;
	size_t body_bytes;
	bool has_body;
};

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
			 uint32_t *flags, nghttp2_data_source *source, void *)
{
	struct request *request = source->ptr;
	size_t bytes = MIN(room, request->body_bytes);
	memset(out, 'A', bytes);
	request->body_bytes -= bytes;
	if (request->body_bytes == 0)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (request->trailer_count) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(session, id, request->trailers, request->trailer_count);
	}
	return (ssize_t)bytes;
}

static void submit(nghttp2_session *client, struct request *request)
{
	nghttp2_data_provider body = {.source.ptr = request, .read_callback = read_body};
	nghttp2_submit_request(client, NULL, request->fields, request->count,
			       request->has_body ? &body : NULL, NULL);
}

// is_reset_by_nghttp2 asks a server of nghttp2's.
static bool is_reset_by_nghttp2(struct request request)
{
	struct seen seen = {0}, served = {0};
	const uint8_t *bytes;
	ssize_t count;
	nghttp2_session *client = session_of(false, &seen), *server = session_of(true, &served);
	submit(client, &request);
	for (unsigned i = 0; i < 8; i++) {
		while ((count = nghttp2_session_mem_send(client, &bytes)) > 0)
			nghttp2_session_mem_recv(server, bytes, (size_t)count);
		while ((count = nghttp2_session_mem_send(server, &bytes)) > 0)
			nghttp2_session_mem_recv(client, bytes, (size_t)count);
	}
	nghttp2_session_del(client);
	nghttp2_session_del(server);
	return seen.resets > 0;
}

// is_reset_by_us asks a server of ours; what it hears of is not answered.
static bool is_reset_by_us(struct request request)
{
	struct seen seen = {0};
	const uint8_t *bytes;
	uint8_t out[4096];
	ssize_t count;
	size_t produced;
	struct side *side = side_new(HTTP_VERSION_2, true, NULL);
	nghttp2_session *client = session_of(false, &seen);
	submit(client, &request);
	for (unsigned i = 0; i < 8; i++) {
		while ((count = nghttp2_session_mem_send(client, &bytes)) > 0)
			side_feed(side, slice_of(bytes, (size_t)count), SIZE_MAX);
		while ((produced = http_produce(side->conn, out, sizeof(out))) > 0)
			nghttp2_session_mem_recv(client, out, produced);
	}
	CU_ASSERT_EQUAL(side->closed_count, 0);
	nghttp2_session_del(client);
	side_free(side);
	// A refusal that is an answer (400, 417 ...) stops the rest of the request without blame.
	return seen.resets > 0 && seen.heads == 0;
}

static void complain(const struct request *request, bool is_wanted)
{
	printf("# nghttp2 %s:", is_wanted ? "resets" : "does not reset");
	for (size_t i = 0; i < request->count; i++)
		printf(" [%s]=[%s]", request->fields[i].name, request->fields[i].value);
	printf(" body %d of %zu, trailers %zu\n", request->has_body, request->body_bytes,
	       request->trailer_count);
}

// compare lets us reset more where trailers have what both versions refuse (http_rules_trailers).
static void compare(const struct request *request, unsigned *wrong, unsigned *resets)
{
	bool is_wanted = is_reset_by_nghttp2(*request), is_reset = is_reset_by_us(*request);
	*resets += is_wanted;
	if (is_reset == is_wanted || (is_reset && request->trailer_count))
		return;
	if ((*wrong)++ < 10)
		complain(request, is_wanted);
}

static void heads_are_judged_as_nghttp2_does(void)
{
	unsigned wrong = 0, resets = 0;
	state = 1;
	for (unsigned i = 0; i < CASES; i++) {
		struct request request = {0};
		request.count = make(request.fields);
		compare(&request, &wrong, &resets);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(resets > CASES / 5 && resets < CASES * 4 / 5);
}

static void each_value_alone_is_judged_as_nghttp2_does(void)
{
	unsigned wrong = 0, resets = 0;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		for (size_t j = 0; j < ARRAY_LEN(pieces[i].values) && pieces[i].values[j]; j++) {
			struct request request = {.count = 4};
			for (size_t k = 0; k < 4; k++)
				request.fields[k] = field_of(k, 0);
			request.fields[i < 4 ? i : request.count++] = field_of(i, j);
			compare(&request, &wrong, &resets);
		}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void bodies_and_trailers_are_judged_as_nghttp2_does(void)
{
	unsigned wrong = 0, resets = 0;
	state = 2;
	for (unsigned i = 0; i < CASES / 4; i++) {
		struct request request = {.count = 4, .has_body = true, .body_bytes = draw(3) * 5};
		for (size_t k = 0; k < 4; k++)
			request.fields[k] = field_of(k, 0);
		if (draw(2))
			request.fields[request.count++] = field_of(10, draw(2)); // 0 or 5
		if (draw(2))
			request.trailers[request.trailer_count++] = any_field();
		if (draw(2) && request.trailer_count)
			request.trailers[request.trailer_count++] = any_field();
		compare(&request, &wrong, &resets);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(resets > CASES / 16);
}

UNIT_MAIN("h2_check", {"heads are judged as nghttp2 does", heads_are_judged_as_nghttp2_does},
	  {"each value alone is judged as nghttp2 does",
	   each_value_alone_is_judged_as_nghttp2_does},
	  {"bodies and trailers are judged as nghttp2 does",
	   bodies_and_trailers_are_judged_as_nghttp2_does})
