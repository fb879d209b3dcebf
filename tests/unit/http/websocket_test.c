// SPDX-License-Identifier: Apache-2.0
// Tunnels (RFC 6455 over HTTP/1.1, RFC 8441 over HTTP/2): the handshake, what breaks it, and the
// bytes of both directions.
#include "http_side.h"
#include "websocket.h"

#define HANDSHAKE                                                                                  \
	"GET /chat?x HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, "        \
	"Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define SWITCH "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" // RFC 6455 1.3

static void the_key_of_the_rfc_is_answered_as_it_says(void)
{
	char accept[WEBSOCKET_ACCEPT_BYTES];
	websocket_accept_of(SLICE("dGhlIHNhbXBsZSBub25jZQ=="), accept);
	CU_ASSERT_EQUAL(memcmp(accept, ACCEPT, sizeof(accept)), 0);
}

static void a_key_is_base64_of_16_bytes(void)
{
	char key[WEBSOCKET_KEY_BYTES];
	websocket_key_of((const uint64_t[]){0, UINT64_MAX}, key);
	CU_ASSERT_EQUAL(memcmp(key, "AAAAAAAAAAD//////////w==", sizeof(key)), 0);
	CU_ASSERT(websocket_key_is_valid(slice_of(key, sizeof(key))));
	static const char *const bad[] = {"", "short==", "dGhlIHNhbXBsZSBub25jZQ=A",
					  "dGhlIHNhbXBsZSBub25j*Q==", "dGhlIHNhbXBsZSBub25jZQ==x"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CU_ASSERT_FALSE(websocket_key_is_valid(slice_str(bad[i])));
}

static void a_handshake_becomes_a_tunnels_request(void)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	size_t head = side_feed(side, SLICE(HANDSHAKE "\r\nABC"), 7);
	struct call *call = &side->calls[0];
	CU_ASSERT_EQUAL(head, sizeof(HANDSHAKE "\r\n") - 1); // its bytes wait for the answer
	CU_ASSERT_EQUAL(call->method, HTTP_CONNECT);
	CU_ASSERT_STRING_EQUAL(call->target, "/chat?x");
	CU_ASSERT_STRING_EQUAL(call->fields, "sec-websocket-version=13;");
	CU_ASSERT(!call->is_head_end);
	CU_ASSERT_EQUAL(side_respond(side, call, 200, 3, false), 0);
	const char *text = side_drain(side, 4096);
	CU_ASSERT_EQUAL(strncmp(text, "HTTP/1.1 101 ", 13), 0);
	CU_ASSERT(strstr(text, "sec-websocket-accept: " ACCEPT "\r\n") != NULL);
	CU_ASSERT(!strstr(text, "content-length") && !strstr(text, "chunked"));
	CU_ASSERT(call->has_sent && http_has_said_all(side->conn));
	CU_ASSERT_EQUAL(side_feed(side, SLICE("ABC"), 1), 3);
	CU_ASSERT_STRING_EQUAL(call->body_text, "ABC");
	http_receive_end(side->conn);
	CU_ASSERT(call->has_ended && http_is_done(side->conn));
	side_free(side);
}

static void a_refused_handshake_is_answered_and_closed(void)
{
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	side_feed(side, SLICE(HANDSHAKE "\r\n"), SIZE_MAX);
	CU_ASSERT_EQUAL(side_respond(side, &side->calls[0], 403, UINT64_MAX, false), 0);
	const char *text = side_drain(side, 4096);
	CU_ASSERT_EQUAL(strncmp(text, "HTTP/1.1 403 ", 13), 0);
	CU_ASSERT(strstr(text, "connection: close\r\n") && !strstr(text, "upgrade"));
	CU_ASSERT(http_is_done(side->conn));
	side_free(side);
}

static void what_is_no_handshake_is_refused_or_passed_over(void)
{
	static const struct {
		const char *head;
		int counter; // 0: an ordinary request
	} heads[] = {
		{"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
		 COUNTER_http_upgrade_bad},
		{HANDSHAKE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		 COUNTER_http_upgrade_bad},
		{"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", 0},
		{"GET / HTTP/1.0\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
		 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct side *side = side_new(HTTP_VERSION_1, true, NULL);
		side_feed(side, slice_str(heads[i].head), SIZE_MAX);
		CU_ASSERT_EQUAL(side->closed_fault.counter, heads[i].counter);
		if (!heads[i].counter)
			CU_ASSERT(side->call_count == 1 && side->calls[0].method == HTTP_GET);
		side_free(side);
	}
}

static struct side *asked(void)
{
	static const struct http_message ask = {.method = HTTP_CONNECT,
						.method_text = {"CONNECT", 7},
						.scheme = {"https", 5},
						.authority = {"a", 1},
						.target = {"/chat", 5},
						.content_length = HTTP_LENGTH_NONE,
						.protocol = {"websocket", 9},
						.nonce = {0, UINT64_MAX}};
	struct side *side = side_new(HTTP_VERSION_1, false, NULL);
	uint32_t stream;
	CU_ASSERT_EQUAL(http_request(side->conn, &ask, true, NULL, &stream), 0);
	side->calls[0] = (struct call){.stream = stream, .is_live = true, .send_bytes = 3};
	side->call_count = 1;
	const char *text = side_drain(side, 4096);
	CU_ASSERT_EQUAL(strncmp(text, "GET /chat HTTP/1.1\r\nhost: a\r\n", 29), 0);
	CU_ASSERT(strstr(text, "sec-websocket-key: AAAAAAAAAAD//////////w==\r\n") != NULL);
	CU_ASSERT(strstr(text, "sec-websocket-version: 13\r\n") != NULL);
	return side;
}

static void a_client_believes_only_the_right_answer(void)
{
	char good[256], accept[WEBSOCKET_ACCEPT_BYTES];
	websocket_accept_of(SLICE("AAAAAAAAAAD//////////w=="), accept);
	snprintf(good, sizeof(good), SWITCH "Sec-WebSocket-Accept: %.28s\r\n\r\nABC", accept);
	struct side *side = asked();
	side_feed(side, slice_str(good), 5);
	CU_ASSERT_EQUAL(side->calls[0].status, 200);
	CU_ASSERT_STRING_EQUAL(side->calls[0].body_text, "ABC");
	CU_ASSERT_EQUAL(strlen(side_drain(side, 4096)), 3); // not a byte before the answer
	http_receive_end(side->conn);
	CU_ASSERT(side->calls[0].has_ended);
	side_free(side);
	static const char *const bad[] = {SWITCH "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
					  "HTTP/1.1 101 X\r\n\r\n",
					  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		side = asked();
		side_feed(side, slice_str(bad[i]), SIZE_MAX);
		CU_ASSERT_EQUAL(side->calls[0].fault.counter, COUNTER_http_upgrade_refused);
		side_free(side);
	}
	side = asked();
	side_feed(side, SLICE("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), SIZE_MAX);
	CU_ASSERT_EQUAL(side->calls[0].status, 403);
	side_free(side);
}

UNIT_MAIN("websocket",
	  {"the key of the RFC is answered as it says", the_key_of_the_rfc_is_answered_as_it_says},
	  {"a key is base64 of 16 bytes", a_key_is_base64_of_16_bytes},
	  {"a handshake becomes a tunnel's request", a_handshake_becomes_a_tunnels_request},
	  {"a refused handshake is answered and closed",
	   a_refused_handshake_is_answered_and_closed},
	  {"what is no handshake is refused or passed over",
	   what_is_no_handshake_is_refused_or_passed_over},
	  {"a client believes only the right answer", a_client_believes_only_the_right_answer})
