// SPDX-License-Identifier: Apache-2.0
// What a policy leaves of a request for the cache's key, and for the service: the query, cookies,
// the class of device; and which fields are part of the key.
#include "exchange_key.h"

#include "policy_put.h"
#include "proxy_priv.h"

#include "check.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct proxy proxy;

// A request of a service with these rules.
struct world {
	struct exchange exchange;
	struct http_field fields[HTTP_FIELDS_MAX];
	uint64_t memory[2048];
};

static void start(struct world *world, const char *rules, const char *target)
{
	memset(world, 0, sizeof(*world));
	policy_table_free(proxy.policies);
	proxy.policies = policy_table_new(1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(proxy.policies);
	if (rules)
		CU_ASSERT_PTR_NULL_FATAL(policy_put(proxy.policies, 7, rules));
	arena_init(&world->exchange.arena, world->memory, sizeof(world->memory));
	world->exchange.proxy = &proxy;
	world->exchange.service_id = 7;
	world->exchange.request = (struct http_message){
		.method = HTTP_GET, .target = slice_str(target), .fields = world->fields};
}

static void end(void)
{
	policy_table_free(proxy.policies);
	proxy.policies = NULL;
}

static void give(struct world *world, const char *name, const char *value)
{
	struct http_message *request = &world->exchange.request;
	request->fields[request->field_count++] =
		(struct http_field){slice_str(name), slice_str(value)};
}

// is_field tells whether the request has exactly one such field, with this value; NULL: none.
static bool is_field(const struct world *world, const char *name, const char *value)
{
	const struct http_message *request = &world->exchange.request;
	unsigned count = 0;
	for (uint32_t i = 0; i < request->field_count; i++) {
		if (!slice_equal(request->fields[i].name, slice_str(name)))
			continue;
		if (!value || !slice_equal(request->fields[i].value, slice_str(value)))
			return false;
		count++;
	}
	return count == (value ? 1 : 0);
}

static void a_query_has_what_the_policy_leaves(void)
{
	static const struct {
		const char *rules, *target, *left;
	} cases[] = {
		{NULL, "/a?b=1&a=2&", "/a?b=1&a=2&"}, // no policy: byte for byte
		{"rate=1", "/a?b=1&a=2&", "/a?b=1&a=2&"},
		{"query-drop=utm_*,id", "/a?utm_x=1&p=2&id=3&utm=4", "/a?p=2&utm=4"},
		{"query-drop=utm_*", "/a?utm_=1", "/a"}, // nothing left: no question mark
		{"query-drop=id", "/a", "/a"},
		{"query-drop=id", "/a?", "/a"},
		{"query-drop=id", "/a?id&ids&=x&&id=", "/a?ids&=x"}, // without "=", without a name
		{"query-drop=id", "/a?ID=1&%69d=2", "/a?ID=1&%69d=2"}, // compared byte for byte
		{"query-keep=p,l*", "/a?x=1&p=2&lang=de&p=3", "/a?p=2&lang=de&p=3"},
		{"query-keep=p", "/a?x=1", "/a"},
		{"query-keep=p\nquery-drop=p", "/a?p=1&x=2", "/a"},
		{"query-sort=on", "/a?b=1&a=2&b=0&ab&",
		 "/a?a=2&ab&b=1&b=0"}, // one name's keep theirs
		{"query-sort=on", "/a?", "/a"},
		{"query-sort=on\nquery-drop=x", "/a?x=1&c&b&x", "/a?b&c"},
		{"query-keep=p", "/a?p=1?x=2", "/a?p=1?x=2"}, // the first "?" begins the query
	};
	struct world world;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		start(&world, cases[i].rules, cases[i].target);
		exchange_key_apply(&world.exchange);
		struct slice target = world.exchange.request.target;
		if (!slice_equal(target, slice_str(cases[i].left)))
			printf("# %s: %.*s\n", cases[i].target, (int)target.bytes, target.at);
		CU_ASSERT(slice_equal(target, slice_str(cases[i].left)));
	}
	end();
}

// many writes a target of count parameters whose names fall.
static const char *many(char *text, unsigned count)
{
	size_t bytes = 0;
	for (unsigned i = count; i-- > 0;)
		bytes += (size_t)sprintf(text + bytes, "%c%02u=", i + 1 == count ? '?' : '&', i);
	return text;
}

static void a_query_is_sorted_up_to_its_bound(void)
{
	struct world world;
	char text[600] = "";
	for (unsigned count = 64; count <= 65; count++) {
		start(&world, "query-sort=on", many(text, count));
		exchange_key_apply(&world.exchange);
		struct slice target = world.exchange.request.target;
		CU_ASSERT_EQUAL(target.bytes, strlen(text));
		bool is_sorted = slice_starts(target, SLICE("?00=&01=&02="));
		CU_ASSERT_EQUAL(is_sorted, count == 64); // more: left as they are
	}
	end();
}

static void without_memory_the_request_stays_as_it_is(void)
{
	struct world world;
	static const char target[] = "/a?b=1&a=2&x=3";
	start(&world, "query-drop=x\nquery-sort=on\ncookies=ignore\nkey-device=on", target);
	give(&world, "cookie", "a=1");
	arena_init(&world.exchange.arena, world.memory, 0);
	exchange_key_apply(&world.exchange);
	CU_ASSERT(slice_equal(world.exchange.request.target, SLICE(target)));
	CU_ASSERT(is_field(&world, "cookie", "a=1") && is_field(&world, "x-device", NULL));
	end();
}

static void cookies_are_those_that_the_policy_names(void)
{
	static const struct {
		const char *rules, *cookie, *left;
	} cases[] = {
		{"rate=1", "a=1; b=2", "a=1; b=2"},
		{"cookies=ignore", "a=1; b=2", NULL},
		{"key-cookie=b", "a=1; b=2; c=3", "b=2"},
		{"key-cookie=a,c*", "c1=x;a=1;  cc=y ;b", "c1=x; a=1; cc=y "},
		{"key-cookie=b", "bb=1; B=2", NULL},
		{"key-cookie=b", "", NULL},
		{"key-cookie=b", ";;; b", "b"},
	};
	struct world world;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		start(&world, cases[i].rules, "/");
		give(&world, "accept", "*/*");
		give(&world, "cookie", cases[i].cookie);
		exchange_key_apply(&world.exchange);
		CU_ASSERT(is_field(&world, "cookie", cases[i].left));
		CU_ASSERT(is_field(&world, "accept", "*/*"));
	}
	// Several fields (HTTP/2 cuts them up, RFC 9113 8.2.3) are one.
	start(&world, "key-cookie=a,b", "/");
	give(&world, "cookie", "a=1; x=0");
	give(&world, "cookie", "b=2");
	exchange_key_apply(&world.exchange);
	CU_ASSERT(is_field(&world, "cookie", "a=1; b=2"));
	end();
}

static void what_is_never_cached_keeps_its_cookies(void)
{
	struct world world;
	for (unsigned i = 0; i < 3; i++) {
		start(&world, "cookies=ignore", "/");
		give(&world, "cookie", "session=1");
		world.exchange.request.method = i == 0 ? HTTP_POST : i == 1 ? HTTP_HEAD : HTTP_GET;
		if (i == 2)
			world.exchange.request.protocol = SLICE("websocket");
		exchange_key_apply(&world.exchange);
		CU_ASSERT(is_field(&world, "cookie", i == 1 ? NULL : "session=1"));
	}
	end();
}

static void a_device_is_told_by_us_alone(void)
{
	static const struct {
		const char *agent, *device;
	} cases[] = {
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148", "mobile"},
		{"Mozilla/5.0 (Linux; Android 14) Chrome/120.0 Mobile Safari/537.36", "mobile"},
		{"Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) Mobile/15E148", "tablet"},
		{"Mozilla/5.0 (Android 13; Tablet; rv:121.0) Gecko/121.0", "tablet"},
		{"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/121.0", "desktop"},
		{"Mob", "desktop"},
		{NULL, "desktop"},
	};
	struct world world;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		start(&world, "key-device=on", "/");
		give(&world, "x-device", "a client's word");
		if (cases[i].agent)
			give(&world, "user-agent", cases[i].agent);
		exchange_key_apply(&world.exchange);
		CU_ASSERT(is_field(&world, "x-device", cases[i].device));
	}
	end();
}

static bool is_vary(const char *rules, const char *wanted)
{
	struct world world;
	char text[EXCHANGE_KEY_VARY_BYTES];
	start(&world, rules, "/");
	CU_ASSERT_EQUAL(exchange_key_has_fields(&world.exchange), wanted[0] != 0);
	return slice_equal(exchange_key_vary(&world.exchange, text), slice_str(wanted));
}

static void fields_of_the_key_are_a_vary(void)
{
	CU_ASSERT(is_vary(NULL, ""));
	CU_ASSERT(is_vary("query-keep=a\ncookies=ignore", ""));
	CU_ASSERT(is_vary("key-cookie=a,b", "cookie"));
	CU_ASSERT(is_vary("key-device=on", "x-device"));
	CU_ASSERT(is_vary("key-field=Accept-Language", "accept-language"));
	CU_ASSERT(is_vary("key-field=B,A\nkey-device=on\nkey-cookie=c", "cookie, x-device, b, a"));
	end();
}

// Names that do not fit would leave two requests with one key: nothing is stored then.
static void too_many_fields_are_a_star(void)
{
	char rules[2048], wanted[2048];
	for (unsigned count = 4; count <= 5; count++) { // 4 x (126 + 2) bytes are all that fits
		size_t bytes = 0, wanted_bytes = 0;
		for (unsigned i = 0; i < count; i++) {
			bytes += (size_t)sprintf(rules + bytes, "key-field=x%0125u\n", i);
			wanted_bytes += (size_t)sprintf(wanted + wanted_bytes, "%sx%0125u",
							i ? ", " : "", i);
		}
		rules[bytes - 1] = 0;
		CU_ASSERT(is_vary(rules, count == 4 ? wanted : "*"));
	}
	end();
}

UNIT_MAIN("exchange_key",
	  {"a query has what the policy leaves", a_query_has_what_the_policy_leaves},
	  {"a query is sorted up to its bound", a_query_is_sorted_up_to_its_bound},
	  {"without memory the request stays as it is", without_memory_the_request_stays_as_it_is},
	  {"cookies are those that the policy names", cookies_are_those_that_the_policy_names},
	  {"what is never cached keeps its cookies", what_is_never_cached_keeps_its_cookies},
	  {"a device is told by us alone", a_device_is_told_by_us_alone},
	  {"fields of the key are a Vary", fields_of_the_key_are_a_vary},
	  {"too many fields are a star", too_many_fields_are_a_star})
