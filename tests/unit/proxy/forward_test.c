// SPDX-License-Identifier: Apache-2.0
// Fields that a node adds, joins and takes away on the way to the workload and back.
#include "forward.h"

#include "proxy_priv.h"

#include "check.h"
#include "unit.h"

#include <string.h>

// What a test sends through a node.
struct world {
	struct downstream down;
	struct exchange exchange;
	struct http_field fields[8];
	struct http_message out;
};

static struct proxy proxy;
static struct random_source random_source;

static void start(struct world *world, enum proxy_role role, const char *client)
{
	memset(world, 0, sizeof(*world));
	memset(&proxy, 0, sizeof(proxy));
	proxy.role = role_of(role);
	proxy.random = &random_source;
	strcpy(proxy.node, "n1");
	proxy.cache_name = cache_status_name(proxy.node, proxy.cache_text);
	proxy.wall_s = 784111777;
	arena_init(&proxy.scratch, proxy.scratch_memory, sizeof(proxy.scratch_memory));
	CU_ASSERT_EQUAL_FATAL(addr_parse(client, &world->exchange.client), 0);
	world->down.tuple.remote = world->exchange.client;
	world->down.transport.proxy = &proxy;
	world->exchange.proxy = &proxy;
	world->exchange.down = &world->down;
	world->exchange.request = (struct http_message){.method = HTTP_GET,
							.method_text = SLICE("GET"),
							.scheme = SLICE("https"),
							.authority = SLICE("shop.test:8443"),
							.target = SLICE("/a"),
							.version = 11,
							.content_length = HTTP_LENGTH_NONE,
							.fields = world->fields};
}

// trust makes a proxy of this prefix one that is believed.
static void trust(const char *prefix)
{
	static struct prefix trusted[8];
	CU_ASSERT_EQUAL_FATAL(prefix_parse(prefix, &trusted[proxy.limits.trusted_count]), 0);
	proxy.limits.trusted = trusted;
	proxy.limits.trusted_count++;
}

static void give(struct world *world, const char *name, const char *value)
{
	struct http_message *request = &world->exchange.request;
	request->fields[request->field_count++] =
		(struct http_field){slice_str(name), slice_str(value)};
}

// is_field tells whether out has exactly one such field, with this value; NULL: none.
static bool is_field(const struct world *world, const char *name, const char *value)
{
	unsigned count = 0;
	bool is_same = !value;
	for (uint32_t i = 0; i < world->out.field_count; i++) {
		if (!slice_equal(world->out.fields[i].name, slice_str(name)))
			continue;
		count++;
		is_same = value && slice_equal(world->out.fields[i].value, slice_str(value));
	}
	return is_same && count == (value ? 1 : 0);
}

static void edge_tells_who_the_client_is(void)
{
	struct world world;
	start(&world, PROXY_EDGE, "192.0.2.7");
	give(&world, "accept", "*/*");
	CU_ASSERT_EQUAL_FATAL(forward_request(&world.exchange, &world.out), 0);
	CU_ASSERT(is_field(&world, "accept", "*/*"));
	CU_ASSERT(is_field(&world, "x-forwarded-for", "192.0.2.7"));
	CU_ASSERT(is_field(&world, "x-forwarded-proto", "https"));
	CU_ASSERT(
		is_field(&world, "forwarded", "for=192.0.2.7;host=\"shop.test:8443\";proto=https"));
	CU_ASSERT(is_field(&world, "via", "1.1 n1"));
}

static void edge_quotes_an_address_of_ipv6(void)
{
	struct world world;
	start(&world, PROXY_EDGE, "2001:db8::7");
	CU_ASSERT_EQUAL_FATAL(forward_request(&world.exchange, &world.out), 0);
	CU_ASSERT(is_field(&world, "x-forwarded-for", "2001:db8::7"));
	CU_ASSERT(is_field(&world, "forwarded",
			   "for=\"[2001:db8::7]\";host=\"shop.test:8443\";proto=https"));
}

static void chains_over_several_fields_are_joined(void)
{
	struct world world;
	start(&world, PROXY_EDGE, "192.0.2.7");
	give(&world, "x-forwarded-for", "10.9.9.9");
	give(&world, "via", "1.0 a, 1.1 b");
	give(&world, "x-forwarded-for", "10.8.8.8");
	give(&world, "via", "2 c");
	give(&world, "forwarded", "for=_x");
	give(&world, "x-forwarded-proto", "gopher");
	CU_ASSERT_EQUAL_FATAL(forward_request(&world.exchange, &world.out), 0);
	CU_ASSERT(
		is_field(&world, "x-forwarded-for", "192.0.2.7")); // whoever it says it speaks for
	CU_ASSERT(
		is_field(&world, "forwarded", "for=192.0.2.7;host=\"shop.test:8443\";proto=https"));
	trust("192.0.2.0/24");
	CU_ASSERT_EQUAL_FATAL(forward_request(&world.exchange, &world.out), 0);
	CU_ASSERT(is_field(&world, "x-forwarded-for", "10.9.9.9, 10.8.8.8, 192.0.2.7"));
	CU_ASSERT(is_field(&world, "via", "1.0 a, 1.1 b, 2 c, 1.1 n1"));
	CU_ASSERT(is_field(&world, "forwarded",
			   "for=_x, for=192.0.2.7;host=\"shop.test:8443\";proto=https"));
	CU_ASSERT(is_field(&world, "x-forwarded-proto", "https"));
}

static void a_client_is_who_the_last_trusted_proxy_has_seen(void)
{
	static const struct {
		const char *forwarded, *client;
	} cases[] = {
		{"203.0.113.9", "203.0.113.9"},
		{"198.51.100.1, 203.0.113.9", "203.0.113.9"},
		{"203.0.113.9, 10.0.0.1,10.0.0.2", "203.0.113.9"},
		{"2001:db8::1", "2001:db8::1"},
		{"10.0.0.1", "10.0.0.1"},
		{"203.0.113.9, unknown", "10.0.0.7"},
		{"", "10.0.0.7"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world world;
		struct addr wanted, client;
		start(&world, PROXY_EDGE, "10.0.0.7");
		trust("10.0.0.0/8");
		give(&world, "x-forwarded-for", cases[i].forwarded);
		CU_ASSERT_EQUAL_FATAL(addr_parse(cases[i].client, &wanted), 0);
		client = forward_client(&world.down, &world.exchange.request);
		CU_ASSERT(addr_equal(&client, &wanted));
		proxy.limits.trusted_count = 0;
		client = forward_client(&world.down, &world.exchange.request);
		CU_ASSERT(addr_equal(&client, &world.down.tuple.remote));
	}
}

static void nodes_behind_leave_the_client_alone(void)
{
	for (enum proxy_role role = PROXY_GATEWAY; role <= PROXY_SIDECAR; role++) {
		struct world world;
		start(&world, role, "10.1.0.1");
		world.exchange.request.version = 20;
		world.exchange.request.expects_continue = true;
		give(&world, "x-forwarded-for", "192.0.2.7");
		give(&world, "forwarded", "for=192.0.2.7");
		give(&world, "via", "1.1 edge");
		give(&world, "expect", "100-continue");
		CU_ASSERT_EQUAL_FATAL(forward_request(&world.exchange, &world.out), 0);
		CU_ASSERT(is_field(&world, "x-forwarded-for", "192.0.2.7"));
		CU_ASSERT(is_field(&world, "forwarded", "for=192.0.2.7"));
		CU_ASSERT(is_field(&world, "x-forwarded-proto", NULL));
		CU_ASSERT(is_field(&world, "via", "1.1 edge, 2 n1"));
		CU_ASSERT(is_field(&world, "expect", NULL)); // the codec writes it
		CU_ASSERT(world.out.expects_continue);
	}
}

static void responses_get_via_date_and_cache_status(void)
{
	struct world world;
	start(&world, PROXY_EDGE, "192.0.2.7");
	give(&world, "via", "1.1 sidecar");
	give(&world, "via", "2 gateway");
	give(&world, "cache-status", "origin; hit");
	struct http_message response = world.exchange.request;
	response.status = 200;
	response.version = 20;
	world.exchange.state = EXCHANGE_RESPONSE;
	world.exchange.forward_status = 200;
	world.exchange.is_cache_answered = true;
	world.exchange.is_stored = true;
	world.exchange.answer =
		(struct cache_answer){.verdict = CACHE_FETCH, .forward = CACHE_FORWARD_URI_MISS};
	CU_ASSERT_EQUAL_FATAL(forward_response(&world.exchange, &response, &world.out), 0);
	CU_ASSERT(is_field(&world, "via", "1.1 sidecar, 2 gateway, 2 n1"));
	CU_ASSERT(is_field(&world, "date", "Sun, 06 Nov 1994 08:49:37 GMT"));
	CU_ASSERT(is_field(&world, "cache-status",
			   "origin; hit, millrace-n1; fwd=uri-miss; fwd-status=200; stored; "
			   "key=\"https://shop.test:8443/a\""));
}

static void a_date_is_kept_and_only_an_edge_speaks_of_a_cache(void)
{
	struct world world;
	start(&world, PROXY_GATEWAY, "192.0.2.7");
	give(&world, "date", "Sun, 06 Nov 1994 00:00:00 GMT");
	struct http_message response = world.exchange.request;
	response.status = 200;
	CU_ASSERT_EQUAL_FATAL(forward_response(&world.exchange, &response, &world.out), 0);
	CU_ASSERT(is_field(&world, "date", "Sun, 06 Nov 1994 00:00:00 GMT"));
	CU_ASSERT(is_field(&world, "cache-status", NULL));
}

static void answers_of_our_own_are_not_stored(void)
{
	struct world world;
	start(&world, PROXY_SIDECAR, "192.0.2.7");
	world.exchange.reply_body = SLICE("why");
	CU_ASSERT_EQUAL_FATAL(
		forward_reply(&world.exchange, &(struct forward_reply){.status = 405}, &world.out),
		0);
	CU_ASSERT_EQUAL(world.out.status, 405);
	CU_ASSERT_EQUAL(world.out.content_length, 3);
	CU_ASSERT(is_field(&world, "cache-control", "no-store"));
	CU_ASSERT(is_field(&world, "allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"));
	CU_ASSERT(is_field(&world, "location", NULL));
	CU_ASSERT_EQUAL_FATAL(
		forward_reply(&world.exchange,
			      &(struct forward_reply){308, false, SLICE("https://shop.test/a")},
			      &world.out),
		0);
	CU_ASSERT(is_field(&world, "location", "https://shop.test/a"));
	CU_ASSERT(is_field(&world, "allow", NULL));
}

static void trace_is_handed_on_under_our_span(void)
{
	struct world world;
	start(&world, PROXY_GATEWAY, "192.0.2.7");
	give(&world, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	give(&world, "tracestate", "a=1");
	world.exchange.trace = (struct trace){.id = {1}, .span = {2}, .flags = 1, .is_taken = true};
	CU_ASSERT_EQUAL_FATAL(forward_request(&world.exchange, &world.out), 0);
	CU_ASSERT(is_field(&world, "tracestate", "a=1"));
	CU_ASSERT(is_field(&world, "traceparent",
			   "00-01000000000000000000000000000000-0200000000000000-01"));
	world.exchange.trace.is_taken = false;
	CU_ASSERT_EQUAL_FATAL(forward_request(&world.exchange, &world.out), 0);
	CU_ASSERT(is_field(&world, "tracestate", NULL));
}

static void server_timing_is_told_where_it_is_asked_for(void)
{
	struct world world;
	start(&world, PROXY_EDGE, "192.0.2.7");
	give(&world, "server-timing", "db;dur=3");
	proxy.now_us = 12345;
	CU_ASSERT_EQUAL_FATAL(
		forward_reply(&world.exchange, &(struct forward_reply){.status = 404}, &world.out),
		0);
	CU_ASSERT(is_field(&world, "server-timing", NULL));
	proxy.limits.has_server_timing = true;
	CU_ASSERT_EQUAL_FATAL(
		forward_reply(&world.exchange, &(struct forward_reply){.status = 404}, &world.out),
		0);
	CU_ASSERT(is_field(&world, "server-timing", "n1;dur=12.345"));
}

// How often a stored field of this name is in an answer of this verdict.
static unsigned count_of_stored(const char *name, enum cache_verdict verdict)
{
	struct world world;
	struct http_field fields[] = {{SLICE("date"), SLICE("Sun, 06 Nov 1994 00:00:00 GMT")},
				      {SLICE("etag"), SLICE("\"a\"")},
				      {slice_str(name), SLICE("stored")}};
	const struct http_message stored = {.status = 200, .fields = fields, .field_count = 3};
	start(&world, PROXY_EDGE, "192.0.2.7");
	world.exchange.slicing.total = 3;
	world.exchange.is_cache_answered = true;
	world.exchange.answer = (struct cache_answer){
		.verdict = verdict, .age_s = 7, .ttl_s = 9, .part_first = 1, .part_bytes = 1};
	CU_ASSERT_EQUAL_FATAL(forward_object(&world.exchange, &stored, &world.out), 0);
	CU_ASSERT(is_field(&world, "etag", "\"a\""));
	CU_ASSERT(is_field(&world, "date", "Sun, 06 Nov 1994 00:00:00 GMT"));
	CU_ASSERT(is_field(&world, "age", "7"));
	unsigned count = 0;
	for (uint32_t i = 0; i < world.out.field_count; i++)
		count += slice_equal(world.out.fields[i].name, slice_str(name)) &&
			 slice_equal(world.out.fields[i].value, SLICE("stored"));
	return count;
}

static void stored_fields_go_with_the_body_or_not_at_all(void)
{
	static const char *const ours[] = {"age", "cache-tag", "surrogate-key",
					   "surrogate-control"};
	static const char *const of_body[] = {"content-type",     "content-encoding",
					      "content-language", "content-length",
					      "content-range",    "last-modified"};
	// As long as those.
	static const char *const others[] = {"sts",
					     "vary",
					     "alternate",
					     "content-info",
					     "cache-control",
					     "cross-origin-x",
					     "accept-encodings",
					     "x-content-locatio",
					     "l",
					     ""};
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		for (int verdict = CACHE_HIT; verdict <= CACHE_UNSATISFIABLE; verdict++)
			CU_ASSERT_EQUAL(count_of_stored(ours[i], (enum cache_verdict)verdict), 0);
	for (size_t i = 0; i < ARRAY_LEN(of_body); i++) {
		CU_ASSERT_EQUAL(count_of_stored(of_body[i], CACHE_HIT), 1);
		CU_ASSERT_EQUAL(count_of_stored(of_body[i], CACHE_PARTIAL), 1);
		CU_ASSERT_EQUAL(count_of_stored(of_body[i], CACHE_NOT_MODIFIED), 0);
		CU_ASSERT_EQUAL(count_of_stored(of_body[i], CACHE_UNSATISFIABLE), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		for (int verdict = CACHE_HIT; verdict <= CACHE_UNSATISFIABLE; verdict++)
			CU_ASSERT_EQUAL(count_of_stored(others[i], (enum cache_verdict)verdict), 1);
}

static void a_stored_cache_status_is_joined(void)
{
	struct world world;
	struct http_field fields[] = {{SLICE("date"), SLICE("Sun, 06 Nov 1994 00:00:00 GMT")},
				      {SLICE("cache-status"), SLICE("origin; hit")}};
	struct http_message stored = {.status = 200, .fields = fields, .field_count = 2};
	start(&world, PROXY_EDGE, "192.0.2.7");
	world.exchange.slicing.total = 3;
	world.exchange.is_cache_answered = true;
	world.exchange.answer = (struct cache_answer){.verdict = CACHE_HIT, .ttl_s = 9};
	CU_ASSERT_EQUAL_FATAL(forward_object(&world.exchange, &stored, &world.out), 0);
	CU_ASSERT(is_field(&world, "cache-status",
			   "origin; hit, millrace-n1; hit; ttl=9; "
			   "key=\"https://shop.test:8443/a\""));
}

UNIT_MAIN("forward", {"a trace is handed on under our span", trace_is_handed_on_under_our_span},
	  {"Server-Timing is told where it is asked for",
	   server_timing_is_told_where_it_is_asked_for},
	  {"an edge tells who the client is", edge_tells_who_the_client_is},
	  {"an edge quotes an address of IPv6", edge_quotes_an_address_of_ipv6},
	  {"chains over several fields are joined", chains_over_several_fields_are_joined},
	  {"a client is who the last trusted proxy has seen",
	   a_client_is_who_the_last_trusted_proxy_has_seen},
	  {"nodes behind the edge leave what is said of the client alone",
	   nodes_behind_leave_the_client_alone},
	  {"responses get Via, Date and Cache-Status", responses_get_via_date_and_cache_status},
	  {"a Date is kept, and only an edge speaks of a cache",
	   a_date_is_kept_and_only_an_edge_speaks_of_a_cache},
	  {"stored fields go with the body or not at all",
	   stored_fields_go_with_the_body_or_not_at_all},
	  {"a stored Cache-Status is joined", a_stored_cache_status_is_joined},
	  {"answers of our own are not stored", answers_of_our_own_are_not_stored})
