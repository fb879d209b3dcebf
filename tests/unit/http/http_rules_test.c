// SPDX-License-Identifier: Apache-2.0
// What a strict HTTP/1.1 end refuses, and why: every shape with its counter and status, fed whole,
// byte by byte and in every two parts. What is accepted must give the same message for every split.
#include "http_side.h"

#include "http_uri.h"

struct shape {
	const char *text;
	size_t bytes;
	int counter;     // of the fault
	uint16_t status; // answered by a server
};

#define BAD(text, counter, status)                                                                 \
	{                                                                                          \
		text, sizeof(text) - 1, counter, status                                            \
	}
#define HEAD(line)                    line "\r\nHost: a.example\r\n"
#define FIELD(field, counter, status) BAD(HEAD("GET / HTTP/1.1") field "\r\n\r\n", counter, status)
#define TARGET(target, counter, status)                                                            \
	BAD("GET " target " HTTP/1.1\r\nHost: a.example\r\n\r\n", counter, status)
#define HOST(host, counter) BAD("GET / HTTP/1.1\r\nHost: " host "\r\n\r\n", counter, 400)
#define CHUNK(body, counter)                                                                       \
	BAD(HEAD("POST / HTTP/1.1") "Transfer-Encoding: chunked\r\n\r\n" body, counter, 400)

static const struct shape bad_requests[] = {
	// the first line
	BAD("GET / HTTP/1.1 \r\n", COUNTER_http_start_line_bad, 400),
	BAD("GET  / HTTP/1.1\r\n", COUNTER_http_start_line_bad, 400),
	BAD("GET / a HTTP/1.1\r\n", COUNTER_http_start_line_bad, 400),
	BAD("GET\t/ HTTP/1.1\r\n", COUNTER_http_start_line_bad, 400),
	BAD("GET /\r\n", COUNTER_http_start_line_bad, 400),
	BAD(" GET / HTTP/1.1\r\n", COUNTER_http_method_bad, 400),
	BAD("\r\n\r\nGET / HTTP/1.1\r\n", COUNTER_http_start_line_bad, 400),
	BAD("G(T / HTTP/1.1\r\n", COUNTER_http_method_bad, 400),
	BAD("GET / http/1.1\r\n", COUNTER_http_start_line_bad, 400),
	BAD("GET / HTTP/11\r\n", COUNTER_http_start_line_bad, 400),
	BAD("GET / HTTP/1.10\r\n", COUNTER_http_start_line_bad, 400),
	BAD("GET / HTTP/1.2\r\n", COUNTER_http_version_unsupported, 505),
	BAD("GET / HTTP/0.9\r\n", COUNTER_http_version_unsupported, 505),
	BAD("PRI * HTTP/2.0\r\n", COUNTER_http_version_unsupported, 505),
	BAD("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", COUNTER_http_method_bad, 400),
	BAD("GET / HTTP/1.1\nHost: a\r\n", COUNTER_http_bare_line_feed, 400),
	BAD("GET / HTTP/1.1\rHost: a\r\n", COUNTER_http_bare_carriage_return, 400),
	BAD("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \n", COUNTER_http_bare_line_feed, 400),
	// the target
	TARGET("a.example", COUNTER_http_target_bad, 400),
	TARGET("*", COUNTER_http_target_bad, 400),
	TARGET("/a#b", COUNTER_http_target_bad, 400),
	TARGET("/a\tb", COUNTER_http_target_bad, 400),
	TARGET("/a\x01", COUNTER_http_target_bad, 400),
	TARGET("/a\x7f", COUNTER_http_target_bad, 400),
	TARGET("/\xc3\xbc", COUNTER_http_target_bad, 400),
	TARGET("ftp://a.example/", COUNTER_http_target_bad, 400),
	TARGET("http:/a.example/", COUNTER_http_target_bad, 400),
	TARGET("http://", COUNTER_http_target_bad, 400),
	TARGET("http://u@a.example/", COUNTER_http_target_bad, 400),
	TARGET("http://a.example:x/", COUNTER_http_target_bad, 400),
	BAD("CONNECT a.example HTTP/1.1\r\n", COUNTER_http_target_bad, 400),
	BAD("CONNECT / HTTP/1.1\r\n", COUNTER_http_target_bad, 400),
	// whom it is for
	BAD("GET / HTTP/1.1\r\nA: b\r\n\r\n", COUNTER_http_host_missing, 400),
	BAD("GET http://a.example/ HTTP/1.1\r\n\r\n", COUNTER_http_host_missing, 400),
	FIELD("Host: a.example\r\n", COUNTER_http_host_repeated, 400),
	FIELD("hOsT: b.example\r\n", COUNTER_http_host_repeated, 400),
	TARGET("http://b.example/", COUNTER_http_host_differs, 400),
	TARGET("http://a.example:81/", COUNTER_http_host_differs, 400),
	HOST("", COUNTER_http_host_bad),
	HOST("a b", COUNTER_http_host_bad),
	HOST("a,b", COUNTER_http_host_bad),
	HOST("a/b", COUNTER_http_host_bad),
	HOST("u@a", COUNTER_http_host_bad),
	HOST("a:", COUNTER_http_host_bad),
	HOST("a:0", COUNTER_http_host_bad),
	HOST("a:65536", COUNTER_http_host_bad),
	HOST("a:80:80", COUNTER_http_host_bad),
	HOST("a..b", COUNTER_http_host_bad),
	HOST(".a", COUNTER_http_host_bad),
	HOST("a%00b", COUNTER_http_host_bad),
	HOST("[::1", COUNTER_http_host_bad),
	HOST("[::g]", COUNTER_http_host_bad),
	HOST("[1.2.3.4]", COUNTER_http_host_bad),
	HOST("[::1]x", COUNTER_http_host_bad),
	// field lines
	FIELD("A : b", COUNTER_http_space_before_colon, 400),
	FIELD("Content-Length : 1", COUNTER_http_space_before_colon, 400),
	FIELD("Transfer-Encoding\t: chunked", COUNTER_http_space_before_colon, 400),
	FIELD("A", COUNTER_http_field_name_bad, 400),
	FIELD(": b", COUNTER_http_field_name_bad, 400),
	FIELD("A B: c", COUNTER_http_field_name_bad, 400),
	FIELD("A\x00: c", COUNTER_http_field_name_bad, 400),
	FIELD("A\x0b: c", COUNTER_http_field_name_bad, 400),
	FIELD("(A): c", COUNTER_http_field_name_bad, 400),
	FIELD("A: b\r\n c", COUNTER_http_field_folded, 400),
	FIELD("A: b\r\n\tc", COUNTER_http_field_folded, 400),
	FIELD(" A: b", COUNTER_http_field_folded, 400),
	FIELD("A: b\nC: d", COUNTER_http_bare_line_feed, 400),
	FIELD("A: b\n\r\nC: d", COUNTER_http_bare_line_feed, 400),
	FIELD("A: b\rC: d", COUNTER_http_bare_carriage_return, 400),
	FIELD("A: b\r\r", COUNTER_http_bare_carriage_return, 400),
	FIELD("A: b\x00"
	      "c",
	      COUNTER_http_field_value_bad, 400),
	FIELD("A: \x01", COUNTER_http_field_value_bad, 400),
	FIELD("Content-Length:\t1", COUNTER_http_field_value_bad, 400),
	FIELD("transfer-encoding: chunked\t", COUNTER_http_field_value_bad, 400),
	FIELD("Transfer-Encoding: chunked \t ", COUNTER_http_field_value_bad, 400),
	FIELD("A: b\x0b", COUNTER_http_field_value_bad, 400),
	FIELD("A: b\x7f", COUNTER_http_field_value_bad, 400),
	BAD("GET / HTTP/1.1\r\n\n", COUNTER_http_bare_line_feed, 400),
	// where it ends
	FIELD("Content-Length: 1\r\nTransfer-Encoding: chunked", COUNTER_http_length_and_coding,
	      400),
	FIELD("Transfer-Encoding: chunked\r\nContent-Length: 0", COUNTER_http_length_and_coding,
	      400),
	FIELD("Content-Length: 1\r\nContent-Length: 1", COUNTER_http_length_repeated, 400),
	FIELD("Content-Length: 1\r\nContent-Length: 2", COUNTER_http_length_repeated, 400),
	FIELD("Content-Length: 1, 1", COUNTER_http_length_bad, 400),
	FIELD("Content-Length: +1", COUNTER_http_length_bad, 400),
	FIELD("Content-Length: -1", COUNTER_http_length_bad, 400),
	FIELD("Content-Length: 0x1", COUNTER_http_length_bad, 400),
	FIELD("Content-Length: 1 1", COUNTER_http_length_bad, 400),
	FIELD("Content-Length: 1e1", COUNTER_http_length_bad, 400),
	FIELD("Content-Length:", COUNTER_http_length_bad, 400),
	FIELD("Content-Length: 010", COUNTER_http_length_bad, 400),
	FIELD("Content_Length: 1", COUNTER_http_field_name_bad, 400),
	FIELD("Transfer_Encoding: chunked", COUNTER_http_field_name_bad, 400),
	FIELD("Content-Length: 9223372036854775808", COUNTER_http_length_bad, 400),
	FIELD("Content-Length: 18446744073709551617", COUNTER_http_length_bad, 400),
	FIELD("Transfer-Encoding: gzip", COUNTER_http_coding_unknown, 501),
	FIELD("Transfer-Encoding: gzip, chunked", COUNTER_http_coding_unknown, 501),
	FIELD("Transfer-Encoding: chunked, identity", COUNTER_http_coding_unknown, 501),
	FIELD("Transfer-Encoding: xchunked", COUNTER_http_coding_unknown, 501),
	FIELD("Transfer-Encoding: chunked;a=b", COUNTER_http_coding_unknown, 501),
	FIELD("Transfer-Encoding: \"chunked\"", COUNTER_http_coding_unknown, 501),
	FIELD("Transfer-Encoding:", COUNTER_http_coding_bad, 400),
	FIELD("Transfer-Encoding: ,chunked", COUNTER_http_coding_bad, 400),
	FIELD("Transfer-Encoding: chunked, chunked", COUNTER_http_coding_bad, 400),
	FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", COUNTER_http_coding_bad,
	      400),
	FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", COUNTER_http_coding_bad, 400),
	BAD(HEAD("POST / HTTP/1.0") "Transfer-Encoding: chunked\r\n\r\n",
	    COUNTER_http_coding_in_http10, 400),
	FIELD("Expect: 200-maybe", COUNTER_http_expect_unknown, 417),
	FIELD("Connection: a,b,c,d,e,f,g,h,i\r\nConnection: j,k,l,m,n,o,p,q",
	      COUNTER_http_connection_options_many, 400),
	// chunks
	CHUNK("g\r\n", COUNTER_http_chunk_bad),
	CHUNK("\r\n", COUNTER_http_chunk_bad),
	CHUNK(" 1\r\n", COUNTER_http_chunk_bad),
	CHUNK("1 \r\n", COUNTER_http_chunk_bad),
	CHUNK("0x1\r\n", COUNTER_http_chunk_bad),
	CHUNK("-1\r\n", COUNTER_http_chunk_bad),
	CHUNK("1\n", COUNTER_http_chunk_bad),
	CHUNK("1\r\r", COUNTER_http_chunk_bad),
	CHUNK("1;a\n", COUNTER_http_chunk_bad),
	CHUNK("1;a\x00", COUNTER_http_chunk_bad),
	CHUNK("1;\r", COUNTER_http_chunk_bad),
	CHUNK("1\r\nAB", COUNTER_http_chunk_bad),
	CHUNK("1\r\nA\n", COUNTER_http_chunk_bad),
	CHUNK("1\r\nA\rB", COUNTER_http_chunk_bad),
	CHUNK("1000000000000000\r\n", COUNTER_http_chunk_bad),
	CHUNK("0\r\nA b: c\r\n", COUNTER_http_field_name_bad),
	CHUNK("0\r\n b\r\n", COUNTER_http_field_folded),
	CHUNK("0\r\n\n", COUNTER_http_bare_line_feed),
	CHUNK("0\r\nContent-Length: 1\r\n\r\n", COUNTER_http_length_and_coding),
	CHUNK("0\r\ntransfer-encoding: chunked\r\n\r\n", COUNTER_http_coding_bad),
	CHUNK("0\r\nHost: a.example\r\n\r\n", COUNTER_http_host_repeated),
};

static const struct shape bad_responses[] = {
	BAD("HTTP/1.1 99 a\r\n", COUNTER_http_start_line_bad, 502),
	BAD("HTTP/1.1 099 a\r\n", COUNTER_http_status_bad, 502),
	BAD("HTTP/1.1 600 a\r\n", COUNTER_http_status_bad, 502),
	BAD("HTTP/1.1 2000 a\r\n", COUNTER_http_start_line_bad, 502),
	BAD("HTTP/1.1  200 a\r\n", COUNTER_http_start_line_bad, 502),
	BAD("HTTP/1.1 200 a\x01\r\n", COUNTER_http_start_line_bad, 502),
	BAD("HTTP/2.0 200 a\r\n", COUNTER_http_version_unsupported, 502),
	BAD("ICY 200 OK\r\n", COUNTER_http_start_line_bad, 502),
	BAD("\r\nHTTP/1.1 200 OK\r\n", COUNTER_http_start_line_bad, 502),
	BAD("HTTP/1.1 101 a\r\n\r\n", COUNTER_http_upgrade_refused, 502),
	BAD("HTTP/1.1 200 a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	    COUNTER_http_length_and_coding, 502),
	BAD("HTTP/1.1 200 a\r\nTransfer-Encoding: gzip\r\n\r\n", COUNTER_http_coding_unknown, 502),
	BAD("HTTP/1.0 200 a\r\nTransfer-Encoding: chunked\r\n\r\n", COUNTER_http_coding_in_http10,
	    502),
	BAD("HTTP/1.1 200 a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
	    COUNTER_http_length_repeated, 502),
	BAD("HTTP/1.1 200 a\r\nA: b\r\n c\r\n\r\n", COUNTER_http_field_folded, 502),
	BAD("HTTP/1.1 200 a\nA: b\r\n\r\n", COUNTER_http_bare_line_feed, 502),
};

static struct http_fault fault_of(struct side *side)
{
	CU_ASSERT_EQUAL(side->closed_count, 1);
	for (uint32_t i = 0; i < side->call_count; i++)
		if (side->calls[i].is_reset)
			return side->calls[i].fault;
	return side->closed_fault;
}

static void check_fault(const struct shape *shape, struct side *side)
{
	struct http_fault fault = fault_of(side);
	bool is_right = fault.counter == shape->counter && fault.status == shape->status;
	if (!is_right)
		printf("# %s\n# gives %s %u\n", shape->text,
		       fault.counter > 0 ? counter_info[fault.counter].name : "none", fault.status);
	CU_ASSERT(is_right);
	CU_ASSERT_EQUAL(http_receive(side->conn, SLICE("x")), 0);
}

static void check_bad_request(const struct shape *shape, size_t first, size_t step)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	struct slice text = slice_of(shape->text, shape->bytes);
	size_t taken = http_receive(side->conn, slice_head(text, first));
	if (taken == first)
		side_feed(side, slice_skip(text, first), step);
	check_fault(shape, side);
	char start[32];
	snprintf(start, sizeof(start), "HTTP/1.1 %u ", shape->status);
	const char *answer = side_drain(side, 64);
	CU_ASSERT_NSTRING_EQUAL(answer, start, strlen(start));
	CU_ASSERT(strstr(answer, "\r\nconnection: close\r\n") != NULL);
	CU_ASSERT(http_is_done(side->conn));
	side_free(side);
}

static void every_malformed_request_is_refused_for_its_reason(void)
{
	CU_ASSERT(ARRAY_LEN(bad_requests) >= 100);
	for (size_t i = 0; i < ARRAY_LEN(bad_requests); i++) {
		const struct shape *shape = &bad_requests[i];
		check_bad_request(shape, 0, 1);
		for (size_t first = 0; first <= shape->bytes; first++)
			check_bad_request(shape, first, SIZE_MAX);
	}
}

static void every_malformed_response_is_refused_for_its_reason(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_responses); i++) {
		const struct shape *shape = &bad_responses[i];
		for (size_t first = 0; first <= shape->bytes; first++) {
			struct side *side = side_new(HTTP_VERSION_1, false, NULL);
			CU_ASSERT(side_request(side, HTTP_GET, "/", UINT64_MAX, true) != NULL);
			struct slice text = slice_of(shape->text, shape->bytes);
			if (http_receive(side->conn, slice_head(text, first)) == first)
				side_feed(side, slice_skip(text, first), first ? SIZE_MAX : 1);
			check_fault(shape, side);
			side_drain(side, 64);
			CU_ASSERT(http_is_done(side->conn));
			side_free(side);
		}
	}
}

struct good {
	const char *text;
	const char *method_target; // authority and target
	const char *fields;
	const char *body;
	const char *trailers;
	bool is_upgrade;
};

static const struct good good_requests[] = {
	{"GET / HTTP/1.1\r\nHost: A.Example:80\r\n\r\n", "a.example:80 /", "", "", ""},
	{"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "a /", "", "", ""},
	{"GET / HTTP/1.0\r\n\r\n", " /", "", "", ""},
	{"GET / HTTP/1.1\r\nHost: [2001:DB8::1]:8443\r\n\r\n", "[2001:db8::1]:8443 /", "", "", ""},
	{"GET HTTP://A.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example /x", "", "", ""},
	{"GET https://a.example HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example /", "", "", ""},
	{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "a *", "", "", ""},
	{"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "a *", "", "", ""},
	{"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "a:443 ", "", "", ""},
	{"GET /%2e%2E/{}|^\"?a=[b] HTTP/1.1\r\nHost: a.\r\n\r\n", "a. /%2e%2E/{}|^\"?a=[b]", "", "",
	 ""},
	{"GET / HTTP/1.1\r\nHost: a\r\nA:b\r\nC: \t d e \t\r\nF:\r\nG: \xff\r\n\r\n", "a /",
	 "a=b;c=d e;f=;g=\xff;", "", ""},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nConnection: close, x ,,Y\r\ny: 2\r\nz: 3\r\n"
	 "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: a\r\n\r\n",
	 "a /", "z=3;", "", ""},
	{"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nConnection: "
	 "upgrade\r\n\r\n",
	 "a /", "", "", "", true},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nABC", "a /", "", "ABC", ""},
	{"POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length, host\r\nContent-Length: "
	 "3\r\n\r\nABC",
	 "a /", "", "ABC", ""},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ChunKed\r\n\r\n"
	 "2;a=b;c=\"d\"\r\nAB\r\n00a\r\nCDEFGHIJKL\r\n0;x\r\nT-1: a\r\nKeep-Alive: 7\r\n"
	 "Authorization: x\r\nCookie: x\r\nProxy-X: x\r\nContent-Type: x\r\nT-2: b\r\n\r\n",
	 "a /", "", "ABCDEFGHIJKL", "t-1=a;t-2=b;"},
};

static void check_good(const struct good *good, size_t first, size_t step)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	struct slice text = slice_str(good->text);
	CU_ASSERT_EQUAL(http_receive(side->conn, slice_head(text, first)), first);
	struct slice rest = slice_skip(text, first);
	CU_ASSERT_EQUAL(side_feed(side, rest, step), rest.bytes);
	CU_ASSERT_EQUAL(side->closed_count, 0);
	CU_ASSERT_EQUAL_FATAL(side->call_count, 1);
	const struct call *call = &side->calls[0];
	char method_target[256];
	snprintf(method_target, sizeof(method_target), "%s %s", call->authority, call->target);
	CU_ASSERT_STRING_EQUAL(method_target, good->method_target);
	CU_ASSERT_STRING_EQUAL(call->fields, good->fields);
	CU_ASSERT_STRING_EQUAL(call->body_text, good->body);
	CU_ASSERT_STRING_EQUAL(call->trailers, good->trailers);
	CU_ASSERT_EQUAL(call->has_upgrade, good->is_upgrade);
	CU_ASSERT(call->is_head_end || call->has_ended);
	side_free(side);
}

static void a_request_is_the_same_however_it_is_split(void)
{
	for (size_t i = 0; i < ARRAY_LEN(good_requests); i++) {
		check_good(&good_requests[i], 0, 1);
		for (size_t first = 0; first <= strlen(good_requests[i].text); first++)
			check_good(&good_requests[i], first, SIZE_MAX);
	}
}

static void feed_many(struct side *side, const char *run, unsigned count)
{
	for (unsigned i = 0; i < count && side->closed_count == 0; i++)
		side_feed(side, slice_str(run), SIZE_MAX);
}

static int refused_by(const char *start, const char *run, unsigned count)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	side_feed(side, slice_str(start), SIZE_MAX);
	feed_many(side, run, count);
	CU_ASSERT_EQUAL(side->closed_count, 1);
	int counter = fault_of(side).counter;
	side_free(side);
	return counter;
}

static void what_grows_without_end_is_refused_at_its_bound(void)
{
	CU_ASSERT_EQUAL(refused_by("GET /", "aaaaaaaaaaaaaaaa", 100), COUNTER_http_target_too_long);
	CU_ASSERT_EQUAL(refused_by(HEAD("GET / HTTP/1.1"), "a: bbbbb\r\n", 100),
			COUNTER_http_fields_too_many);
	CU_ASSERT_EQUAL(refused_by(HEAD("GET / HTTP/1.1") "a: ", "bbbbbbbbbbbbbbbb", 1000),
			COUNTER_http_head_too_large);
	CU_ASSERT_EQUAL(refused_by(HEAD("POST / HTTP/1.1") "Transfer-Encoding: chunked\r\n\r\n1;",
				   "aaaaaaaaaaaaaaaa", 1000),
			COUNTER_http_chunk_extensions_long);
	CU_ASSERT_EQUAL(refused_by(HEAD("POST / HTTP/1.1") "Transfer-Encoding: chunked\r\n\r\n",
				   "1;aaaaaaaaaaaaaaaaa\r\nA\r\n", 1000),
			COUNTER_http_chunk_extensions_long);
	CU_ASSERT_EQUAL(
		refused_by(HEAD("POST / HTTP/1.1") "Transfer-Encoding: chunked\r\n\r\n0\r\n",
			   "a: bbbbbbbbbbbb\r\n", 1000),
		COUNTER_http_fields_too_many);
}

static void a_target_is_visible_ascii_without_a_fragment(void)
{
	struct http_uri uri;
	char text[20];
	for (size_t at = 1; at < sizeof(text); at++)
		for (unsigned byte = 0; byte < 256; byte++) {
			memset(text, '/', sizeof(text));
			text[at] = (char)byte;
			bool is_good = byte > 0x20 && byte < 0x7f && byte != '#';
			CU_ASSERT_EQUAL(
				http_uri_parse(slice_of(text, sizeof(text)), HTTP_GET, &uri),
				is_good);
			memset(text + at, (int)byte, sizeof(text) - at);
			CU_ASSERT_EQUAL(
				http_uri_parse(slice_of(text, sizeof(text)), HTTP_GET, &uri),
				is_good);
		}
}

UNIT_MAIN("http_rules",
	  {"every malformed request is refused for its reason",
	   every_malformed_request_is_refused_for_its_reason},
	  {"every malformed response is refused for its reason",
	   every_malformed_response_is_refused_for_its_reason},
	  {"a target is visible ASCII without a fragment",
	   a_target_is_visible_ascii_without_a_fragment},
	  {"a request is the same however it is split", a_request_is_the_same_however_it_is_split},
	  {"what grows without end is refused at its bound",
	   what_grows_without_end_is_refused_at_its_bound})
