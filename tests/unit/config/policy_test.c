// SPDX-License-Identifier: Apache-2.0
// Rules of a policy: what each of them says, and what is no rule, with its cure.
#include "policy.h"

#include "unit.h"

#include <string.h>

static char text[2 * POLICY_TEXT_BYTES];
static struct policy policy;
static char why[POLICY_WHY_BYTES];

static bool parse(const char *rules)
{
	snprintf(text, sizeof(text), "%s", rules);
	why[0] = 0;
	return policy_parse(text, strlen(text), &policy, why);
}

static bool is_text(struct policy_span span, const char *wanted)
{
	return span.bytes == strlen(wanted) && memcmp(text + span.at, wanted, span.bytes) == 0;
}

static void no_rule_allows_everything(void)
{
	CU_ASSERT(parse(""));
	CU_ASSERT_EQUAL(policy.methods | policy.rate | policy.client_rate | policy.hsts_s, 0);
	CU_ASSERT_EQUAL(policy.body_bytes, POLICY_BODY_NONE);
	CU_ASSERT(!policy.is_in_maintenance && policy.rule_count == 0 && policy.cors.bytes == 0);
}

static void single_rules_are_read(void)
{
	CU_ASSERT(parse("methods=GET, HEAD\nmax-body=10MiB\nrate=1000\n\nclient-rate=20\n"
			"hsts=31536000\nmaintenance=\ncors=https://app.example"));
	CU_ASSERT_EQUAL(policy.methods, 3);
	CU_ASSERT_EQUAL(policy.body_bytes, 10u << 20);
	CU_ASSERT_EQUAL(policy.rate, 1000);
	CU_ASSERT_EQUAL(policy.client_rate, 20);
	CU_ASSERT_EQUAL(policy.hsts_s, 31536000);
	CU_ASSERT(policy.is_in_maintenance && policy.maintenance.bytes == 0);
	CU_ASSERT(is_text(policy.cors, "https://app.example"));
	CU_ASSERT(parse("max-body=0B\ncors=*\nmaintenance=back at noon"));
	CU_ASSERT_EQUAL(policy.body_bytes, 0);
	CU_ASSERT(is_text(policy.maintenance, "back at noon"));
}

static void repeated_rules_keep_their_order(void)
{
	CU_ASSERT_FATAL(
		parse("allow=192.0.2.0/24\ndeny=2001:db8::/32\nredirect=/old https://n.example/\n"
		      "redirect=/docs/* /manual/\nrequest-set=X-One:  1 \n"
		      "response-remove=Server\nerror-page=503 <h1>soon</h1>"));
	CU_ASSERT_EQUAL_FATAL(policy.rule_count, 7);
	CU_ASSERT(policy.rules[0].kind == POLICY_ALLOW && policy.rules[0].prefix.bits == 120);
	CU_ASSERT(policy.rules[1].kind == POLICY_DENY && policy.rules[1].prefix.bits == 32);
	CU_ASSERT(policy.rules[2].kind == POLICY_REDIRECT && is_text(policy.rules[2].name, "/old"));
	CU_ASSERT(is_text(policy.rules[2].value, "https://n.example/"));
	CU_ASSERT(policy.rules[3].kind == POLICY_REDIRECT_PREFIX &&
		  is_text(policy.rules[3].name, "/docs/"));
	CU_ASSERT(policy.rules[4].kind == POLICY_REQUEST_SET &&
		  is_text(policy.rules[4].name, "x-one") && is_text(policy.rules[4].value, "1"));
	CU_ASSERT(policy.rules[5].kind == POLICY_RESPONSE_REMOVE &&
		  is_text(policy.rules[5].name, "server"));
	CU_ASSERT(policy.rules[6].kind == POLICY_ERROR_PAGE && policy.rules[6].status == 503 &&
		  is_text(policy.rules[6].value, "<h1>soon</h1>"));
}

static void rules_of_the_key_are_read(void)
{
	CU_ASSERT_FATAL(parse("query-sort=on\ncookies=ignore\nkey-device=on\n"
			      "key-cookie=region, ab*\nkey-field=Accept-Language,X-B"));
	CU_ASSERT(policy.is_query_sorted && policy.is_cookie_ignored && policy.is_device_keyed);
	CU_ASSERT_EQUAL(policy.rule_count, 4);
	CU_ASSERT(policy.rules[1].kind == POLICY_KEY_COOKIE &&
		  is_text(policy.rules[1].name, "ab") && is_text(policy.rules[1].value, "*"));
	CU_ASSERT(policy.rules[2].kind == POLICY_KEY_FIELD &&
		  is_text(policy.rules[2].name, "accept-language"));
	CU_ASSERT(is_text(policy.rules[3].name, "x-b"));
	CU_ASSERT_FATAL(parse("query-sort=off\ncookies=pass\nkey-device=off"));
	CU_ASSERT(!policy.is_query_sorted && !policy.is_cookie_ignored && !policy.is_device_keyed);
}

static void rules_of_the_cache_are_read(void)
{
	CU_ASSERT_FATAL(parse("query-drop=utm_*, fbclid\nquery-keep=*\ncache=off\ncache-ttl=60\n"
			      "cache-error-ttl=5"));
	CU_ASSERT_EQUAL(policy.rule_count, 3);
	CU_ASSERT(policy.rules[0].kind == POLICY_QUERY_DROP &&
		  is_text(policy.rules[0].name, "utm_") && is_text(policy.rules[0].value, "*"));
	CU_ASSERT(policy.rules[1].kind == POLICY_QUERY_DROP &&
		  is_text(policy.rules[1].name, "fbclid") && is_text(policy.rules[1].value, ""));
	CU_ASSERT(policy.rules[2].kind == POLICY_QUERY_KEEP && is_text(policy.rules[2].name, ""));
	CU_ASSERT(policy.is_cache_off);
	CU_ASSERT_EQUAL(policy.cache_ttl_s, 60);
	CU_ASSERT_EQUAL(policy.cache_error_ttl_s, 5);
}

static void what_is_no_rule_is_told_with_its_cure(void)
{
	static const struct {
		const char *rules, *why;
	} bad[] = {
		{"metods=GET",
		 "rule 1: no rule is called 'metods'; methods, max-body, rate ... are"},
		{"rate", "rule 1: 'rate' has no value; key=value is wanted"},
		{"rate=5\nrate=0", "rule 2: a number from 1 to 1000000000 is wanted"},
		{"rate=1000000001", "rule 1: a number from 1 to 1000000000 is wanted"},
		{"rate=99999999999999999999999", "rule 1: a number from 1 to 1000000000 is wanted"},
		{"rate=5/s", "rule 1: a number from 1 to 1000000000 is wanted"},
		{"client-rate=", "rule 1: a number from 1 to 1000000000 is wanted"},
		{"methods=GET,get", "rule 1: no method 'get'; GET,HEAD,POST ... are"},
		{"methods=", "rule 1: no method ''; GET,HEAD,POST ... are"},
		{"max-body=10", "rule 1: a size is wanted; 10MiB is one"},
		{"max-body=9999999999999GiB", "rule 1: a size is wanted; 10MiB is one"},
		{"allow=192.0.2.0/33",
		 "rule 1: an address or prefix is wanted; 192.0.2.0/24 is one"},
		{"deny=everybody", "rule 1: an address or prefix is wanted; 192.0.2.0/24 is one"},
		{"redirect=/old",
		 "rule 1: a path and where it went are wanted; '/old https://new/' is"},
		{"redirect=old https://new/",
		 "rule 1: a path and where it went are wanted; '/old https://new/' is"},
		{"redirect=/old https://new /",
		 "rule 1: a path and where it went are wanted; '/old https://new/' is"},
		{"request-set=X-One", "rule 1: a name and a value are wanted; 'X-Name: value' is"},
		{"request-set=: 1", "rule 1: '' is no field that a policy may change"},
		{"request-set=X One: 1", "rule 1: 'x One' is no field that a policy may change"},
		{"request-set=Host: a", "rule 1: 'host' is no field that a policy may change"},
		{"response-remove=Content-Length",
		 "rule 1: 'content-length' is no field that a policy may change"},
		{"response-set=:status: 200", "rule 1: '' is no field that a policy may change"},
		{"response-set=X: a\rSet-Cookie: b", "rule 1: a control character; leave it out"},
		{"cors=", "rule 1: an origin is wanted; https://app.example, or *"},
		{"query-drop=", "rule 1: a parameter is wanted; utm_* is one"},
		{"query-drop=a,,b", "rule 1: a parameter is wanted; utm_* is one"},
		{"query-keep=a*b", "rule 1: 'a*b' is no name of a parameter; utm_* is one"},
		{"query-keep=a=b", "rule 1: 'a=b' is no name of a parameter; utm_* is one"},
		{"query-sort=1", "rule 1: on or off is wanted"},
		{"cookies=no", "rule 1: ignore or pass is wanted"},
		{"key-field=Host", "rule 1: 'host' is no field that a policy may change"},
		{"key-field=a,,b", "rule 1: '' is no field that a policy may change"},
		{"cache=maybe", "rule 1: on or off is wanted"},
		{"cache-ttl=0", "rule 1: a number from 1 to 1000000000 is wanted"},
		{"error-page=200 fine",
		 "rule 1: a status and its text are wanted; '503 Back soon' is"},
		{"error-page=503", "rule 1: a status and its text are wanted; '503 Back soon' is"},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT(!parse(bad[i].rules));
		CU_ASSERT_STRING_EQUAL(why, bad[i].why);
	}
}

static void bounds_hold(void)
{
	char rules[2 * POLICY_TEXT_BYTES] = "";
	for (unsigned i = 0; i < POLICY_RULES_MAX; i++)
		strcat(rules, "deny=192.0.2.1\n");
	CU_ASSERT(parse(rules));
	strcat(rules, "deny=192.0.2.2");
	CU_ASSERT(!parse(rules));
	CU_ASSERT_STRING_EQUAL(why, "rule 65: more than 64 rules; leave some out");
	memset(rules, '\n', POLICY_TEXT_BYTES + 1);
	rules[POLICY_TEXT_BYTES + 1] = 0;
	CU_ASSERT(!parse(rules));
	CU_ASSERT_STRING_EQUAL(why, "rule 0: more than 16384 bytes; leave some out");
}

UNIT_MAIN("config_policy", {"no rule allows everything", no_rule_allows_everything},
	  {"single rules are read", single_rules_are_read},
	  {"repeated rules keep their order", repeated_rules_keep_their_order},
	  {"rules of the key are read", rules_of_the_key_are_read},
	  {"rules of the cache are read", rules_of_the_cache_are_read},
	  {"what is no rule is told, with its cure", what_is_no_rule_is_told_with_its_cure},
	  {"bounds hold", bounds_hold})
