// SPDX-License-Identifier: Apache-2.0
// Requests and responses made of fields that are right, wrong and in the wrong places, seeded: an
// end of ours resets those that nghttp2's own checks of RFC 9113 8 refuse, and no others.
#include "http_side.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum { FIELDS_MAX = 8, CASES = 6000 };

struct piece {
	const char *name;
	const char *values[12];
};

static const struct piece pieces[] = {
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

static const struct piece answer_pieces[] = {
	{":status",
	 {"200", "100", "103", "101", "204", "304", "404", "", "20", "2000", "2x0", " 20"}},
	{":path", {"/"}},
	{":other", {"1"}},
	{"", {"1"}},
	{"host", {"a", "", "a b", " a"}},
	{"content-length",
	 {"0", "5", "", "-1", "05", "00", "5 ", "5,5", "9223372036854775807",
	  "9223372036854775808"}},
	{"connection", {"close", ""}},
	{"keep-alive", {"1"}},
	{"proxy-connection", {"1"}},
	{"transfer-encoding", {"chunked"}},
	{"upgrade", {"websocket"}},
	{"te", {"trailers", "Trailers", "gzip", ""}},
	{"a", {"b", "", " b", "b ", "\tb", "b\t", "b\x01", "b\nc", "b\tc", "\x80", "\x7f"}},
	{"a b", {"c"}},
	{"A", {"b"}},
	{"aB", {"b"}},
	{"a\x80", {"b"}},
	{"a:", {"b"}},
	{"date", {"now", " now", "\x01"}},
};

static nghttp2_nv field_in(const struct piece *piece, size_t value)
{
	const char *name = piece->name, *text = piece->values[value];
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)text, strlen(name),
			    strlen(text), NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

static nghttp2_nv field_of(size_t piece, size_t value)
{
	return field_in(&pieces[piece], value);
}

static nghttp2_nv any_value(const struct piece *piece)
{
	size_t count = 0;
	while (count < ARRAY_LEN(piece->values) && piece->values[count])
		count++;
	return field_in(piece, draw(count));
}

static nghttp2_nv any_field(void)
{
	return any_value(&pieces[draw(ARRAY_LEN(pieces))]);
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

static nghttp2_session *checking_session_of(bool is_server, struct seen *seen, bool is_checking)
{
	nghttp2_session *session;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	nghttp2_settings_entry tunnels = {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_bad_header);
	nghttp2_option_new(&option);
	nghttp2_option_set_no_http_messaging(option, !is_checking);
	if (is_server)
		nghttp2_session_server_new2(&session, callbacks, seen, option);
	else
		nghttp2_session_client_new2(&session, callbacks, seen, option);
	nghttp2_submit_settings(session, 0, &tunnels, is_server);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
	return session;
}

// session_of is a client that checks nothing, or a server that checks all.
static nghttp2_session *session_of(bool is_server, struct seen *seen)
{
	return checking_session_of(is_server, seen, is_server);
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

// pass gives all that one end has to say to the other.
static void pass(nghttp2_session *from, nghttp2_session *to)
{
	const uint8_t *bytes;
	ssize_t count;
	while ((count = nghttp2_session_mem_send(from, &bytes)) > 0)
		nghttp2_session_mem_recv(to, bytes, (size_t)count);
}

static void pass_to_us(nghttp2_session *from, struct side *side)
{
	const uint8_t *bytes;
	ssize_t count;
	while ((count = nghttp2_session_mem_send(from, &bytes)) > 0)
		side_feed(side, slice_of(bytes, (size_t)count), SIZE_MAX);
}

static void pass_from_us(struct side *side, nghttp2_session *to)
{
	uint8_t out[4096];
	size_t produced;
	while ((produced = http_produce(side->conn, out, sizeof(out))) > 0)
		nghttp2_session_mem_recv(to, out, produced);
}

// talk lets two ends say what they have, and ends them.
static void talk(nghttp2_session *client, nghttp2_session *server)
{
	for (unsigned i = 0; i < 8; i++) {
		pass(client, server);
		pass(server, client);
	}
	nghttp2_session_del(client);
	nghttp2_session_del(server);
}

// talk_to_us does so with ours, which lives on.
static void talk_to_us(nghttp2_session *session, struct side *side)
{
	for (unsigned i = 0; i < 8; i++) {
		pass_to_us(session, side);
		pass_from_us(side, session);
	}
	nghttp2_session_del(session);
	CU_ASSERT_EQUAL(side->closed_count, 0);
}

// is_reset_by_nghttp2 asks a server of nghttp2's.
static bool is_reset_by_nghttp2(struct request request)
{
	struct seen seen = {0}, served = {0};
	nghttp2_session *client = session_of(false, &seen), *server = session_of(true, &served);
	submit(client, &request);
	talk(client, server);
	return seen.resets > 0;
}

// is_reset_by_us asks a server of ours; what it hears of is not answered.
static bool is_reset_by_us(struct request request)
{
	struct seen seen = {0};
	struct side *side = side_new(HTTP_VERSION_2, true, NULL);
	nghttp2_session *client = session_of(false, &seen);
	submit(client, &request);
	talk_to_us(client, side);
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

// What is answered to a request: heads, the last of which may have a body and trailers behind it.
struct answer {
	struct request heads[3];
	size_t head_count;
	const char *method;
};

static void draw_head(struct request *head, bool is_first)
{
	head->count = 0;
	head->fields[head->count++] = draw(9) ? field_in(&answer_pieces[0], is_first  ? 1
									    : draw(3) ? 0
										      : draw(7))
					      : any_value(&answer_pieces[draw(3)]);
	if (!is_first && draw(3) == 0)
		head->fields[head->count++] = field_in(&answer_pieces[5], draw(3) ? 1 : 0);
	while (head->count < 4 && draw(4) == 0)
		head->fields[head->count++] =
			any_value(&answer_pieces[draw(ARRAY_LEN(answer_pieces))]);
	if (draw(8) == 0) {
		nghttp2_nv last = head->fields[head->count - 1];
		head->fields[head->count - 1] = head->fields[0];
		head->fields[0] = last;
	}
}

static struct answer draw_answer(void)
{
	static const char *const methods[] = {"GET", "GET", "HEAD", "CONNECT"};
	struct answer answer = {.head_count = 1 + (draw(3) == 0), .method = methods[draw(4)]};
	for (size_t i = 0; i < answer.head_count; i++)
		draw_head(&answer.heads[i], i + 1 < answer.head_count);
	struct request *last = &answer.heads[answer.head_count - 1];
	last->has_body = draw(2);
	last->body_bytes = last->has_body ? draw(3) * 5 : 0;
	if (last->has_body && draw(3) == 0)
		last->trailers[last->trailer_count++] =
			any_value(&answer_pieces[draw(ARRAY_LEN(answer_pieces))]);
	return answer;
}

// say answers the only request; heads before the last do not end the stream, unless trailers do
// not either.
static void say(nghttp2_session *server, struct answer *answer)
{
	for (size_t i = 0; i < answer->head_count; i++) {
		struct request *head = &answer->heads[i];
		nghttp2_data_provider body = {.source.ptr = head, .read_callback = read_body};
		if (i + 1 < answer->head_count)
			nghttp2_submit_headers(server, 0, 1, NULL, head->fields, head->count, NULL);
		else
			nghttp2_submit_response(server, 1, head->fields, head->count,
						head->has_body ? &body : NULL);
	}
}

static bool is_answer_reset_by_nghttp2(struct answer answer)
{
	struct seen seen = {0}, served = {0};
	nghttp2_session *client = checking_session_of(false, &seen, true);
	nghttp2_session *server = checking_session_of(true, &served, false);
	nghttp2_nv fields[] = {field_of(0, 0), field_of(1, 0), field_of(3, 0), field_of(2, 0),
			       field_of(4, 0)};
	fields[0].value = (uint8_t *)(uintptr_t)answer.method;
	fields[0].valuelen = strlen(answer.method);
	nghttp2_submit_request(client, NULL, fields, answer.method[0] == 'C' ? 5 : 4, NULL, NULL);
	pass(client, server);
	say(server, &answer);
	talk(client, server);
	return served.resets > 0;
}

// is_answer_reset_by_us is what the owner hears. A request that is a tunnel's, or not, ends here.
static bool is_answer_reset_by_us(struct answer answer)
{
	struct seen served = {0};
	struct side *side = side_new(HTTP_VERSION_2, false, NULL);
	nghttp2_session *server = checking_session_of(true, &served, false);
	bool is_tunnel = answer.method[0] == 'C', is_head = answer.method[0] == 'H';
	struct http_message m = {
		.method = is_tunnel ? HTTP_CONNECT
			  : is_head ? HTTP_HEAD
				    : HTTP_GET,
		.method_text = slice_str(answer.method),
		.protocol = is_tunnel ? SLICE("websocket") : SLICE(""),
		.scheme = SLICE("https"),
		.authority = SLICE("a"),
		.target = SLICE("/"),
		.content_length = HTTP_LENGTH_NONE,
	};
	uint32_t stream;
	CHECK(http_request(side->conn, &m, false, NULL, &stream) == 0);
	pass_from_us(side, server);
	say(server, &answer);
	talk_to_us(server, side);
	CU_ASSERT_EQUAL(side->call_count, 1);
	bool is_reset = side->calls[0].is_reset;
	CU_ASSERT_NOT_EQUAL(is_reset, side->calls[0].has_ended || side->calls[0].is_head_end);
	side_free(side);
	return is_reset;
}

static void answers_are_judged_as_nghttp2_does(void)
{
	unsigned wrong = 0, resets = 0;
	state = 3;
	for (unsigned i = 0; i < CASES; i++) {
		struct answer answer = draw_answer();
		const struct request *last = &answer.heads[answer.head_count - 1];
		bool is_wanted = is_answer_reset_by_nghttp2(answer);
		bool is_reset = is_answer_reset_by_us(answer);
		resets += is_wanted;
		if (is_reset == is_wanted || (is_reset && last->trailer_count) || wrong++ >= 10)
			continue;
		printf("# %s, %zu heads, the last:\n", answer.method, answer.head_count);
		complain(last, is_wanted);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(resets > CASES / 5 && resets < CASES * 4 / 5);
}

// Fields that come again are the table's, and what was found out of them at first holds still.
static void a_bad_field_of_the_table_is_bad_each_time(void)
{
	const nghttp2_nv fields[] = {field_in(&answer_pieces[0], 0),
				     field_in(&answer_pieces[12], 0),
				     field_in(&answer_pieces[12], 6)};
	struct seen served = {0};
	struct side *side = side_new(HTTP_VERSION_2, false, NULL);
	nghttp2_session *server = checking_session_of(true, &served, false);
	const uint8_t *bytes;
	uint8_t out[4096];
	ssize_t count;
	for (unsigned i = 0; i < 6; i++) {
		struct call *call = side_request(side, HTTP_GET, "/", UINT64_MAX, true);
		for (unsigned j = 0; j < 8; j++) {
			size_t produced = http_produce(side->conn, out, sizeof(out));
			nghttp2_session_mem_recv(server, out, produced);
			if (j == 0)
				nghttp2_submit_response(server, (int32_t)call->stream, fields,
							2 + i % 2, NULL);
			while ((count = nghttp2_session_mem_send(server, &bytes)) > 0)
				side_feed(side, slice_of(bytes, (size_t)count), SIZE_MAX);
		}
		CU_ASSERT_EQUAL(call->is_reset, i % 2 == 1);
		CU_ASSERT_EQUAL(call->fault.counter, i % 2 ? COUNTER_http_h2_field_bad : 0);
		CU_ASSERT(i % 2 || strcmp(call->fields, "a=b;") == 0);
	}
	nghttp2_session_del(server);
	side_free(side);
}

// Even before our SETTINGS are acknowledged: they forbid it.
static void a_push_ends_the_connection(void)
{
	struct side *side = side_new(HTTP_VERSION_2, false, NULL);
	struct call *call = side_request(side, HTTP_GET, "/", UINT64_MAX, true);
	side_drain(side, 4096);
	side_feed(side, SLICE("\0\0\0\4\0\0\0\0\0"), SIZE_MAX);
	side_feed(side, SLICE("\0\0\5\5\4\0\0\0\1\0\0\0\2\x82"), SIZE_MAX);
	CU_ASSERT(call->is_reset);
	CU_ASSERT_EQUAL(side->closed_count, 1);
	CU_ASSERT_EQUAL(side->closed_fault.counter, COUNTER_http_h2_protocol);
	side_free(side);
}

UNIT_MAIN("h2_check", {"heads are judged as nghttp2 does", heads_are_judged_as_nghttp2_does},
	  {"each value alone is judged as nghttp2 does",
	   each_value_alone_is_judged_as_nghttp2_does},
	  {"bodies and trailers are judged as nghttp2 does",
	   bodies_and_trailers_are_judged_as_nghttp2_does},
	  {"answers are judged as nghttp2 does", answers_are_judged_as_nghttp2_does},
	  {"a bad field of the table is bad each time", a_bad_field_of_the_table_is_bad_each_time},
	  {"a push ends the connection", a_push_ends_the_connection})
