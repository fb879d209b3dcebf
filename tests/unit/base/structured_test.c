// SPDX-License-Identifier: Apache-2.0
// Dictionaries of RFC 8941: what is one, and what is none.
#include "structured.h"
#include "unit.h"

#include <string.h>

// read takes all members; returns how many, or -1 when the text is invalid. *last is the last one.
static int read_all(const char *text, struct structured_member *last)
{
	struct slice rest = slice_str(text);
	struct structured_member member;
	for (int count = 0;; count++) {
		enum structured_result result = structured_next(&rest, &member);
		if (result == STRUCTURED_INVALID)
			return -1;
		if (result == STRUCTURED_END)
			return count;
		*last = member;
	}
}

static void valid_dictionaries_are_read(void)
{
	static const struct {
		const char *text;
		int count;
		enum structured_type type;
		int64_t integer;
		const char *value;
	} cases[] = {
		{"", 0, 0, 0, ""},
		{"  a  ", 1, STRUCTURED_BOOLEAN, 1, ""},
		{"a, b-1.*_ \t,\tc=?0", 3, STRUCTURED_BOOLEAN, 0, ""},
		{"*=1", 1, STRUCTURED_INTEGER, 1, ""},
		{"a=-999999999999999", 1, STRUCTURED_INTEGER, -999999999999999, ""},
		{"a=1.250", 1, STRUCTURED_DECIMAL, 1, ""},
		{"a=\"b, \\\" \\\\ c\"", 1, STRUCTURED_STRING, 0, "b, \\\" \\\\ c"},
		{"a=*t/o:k!", 1, STRUCTURED_TOKEN, 0, "*t/o:k!"},
		{"a=:YQ==:", 1, STRUCTURED_BYTES, 0, "YQ=="},
		{"a=( 1  b;x \"c\" )", 1, STRUCTURED_LIST, 0, " 1  b;x \"c\" "},
		{"a=();x=1; y=?1;z", 1, STRUCTURED_LIST, 0, ""},
		{"a=1;b=2, a=3", 2, STRUCTURED_INTEGER, 3, ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct structured_member last = {0};
		CU_ASSERT_EQUAL(read_all(cases[i].text, &last), cases[i].count);
		CU_ASSERT_EQUAL(last.type, cases[i].type);
		int64_t number = last.type == STRUCTURED_BOOLEAN ? last.boolean : last.integer;
		CU_ASSERT_EQUAL(number, cases[i].integer);
		CU_ASSERT(slice_equal(last.text, slice_str(cases[i].value)));
	}
}

static void everything_else_is_invalid(void)
{
	static const char *const cases[] = {
		"A",
		"1",
		"a,",
		"a,,b",
		",a",
		"a b",
		"a=",
		"a= 1",
		"a =1",
		"a=1 2",
		"&",
		"a=\"b",
		"a=\"\\b\"",
		"a=\"\x01\"",
		"a=1.",
		"a=1.2345",
		"a=1234567890123456",
		"a=-",
		"a=--1",
		"a=1234567890123.1",
		"a=?2",
		"a=?",
		"a=:Y",
		"a=:?:",
		"a=(",
		"a=(1",
		"a=(1,2)",
		"a=(1)2",
		"a=(\"b\"c)",
		"a;",
		"a;B",
		"a;b=",
		"\ta",
		"a=\xc3\xa4",
		"a=1\n",
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct structured_member last;
		CU_ASSERT_EQUAL(read_all(cases[i], &last), -1);
	}
}

UNIT_MAIN("structured", {"valid dictionaries are read", valid_dictionaries_are_read},
	  {"everything else is invalid", everything_else_is_invalid})
