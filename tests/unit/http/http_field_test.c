// SPDX-License-Identifier: Apache-2.0
// Dates, numbers, lists, targets, and the message model's copies.
#include "arena.h"
#include "check.h"
#include "http.h"
#include "http_field.h"
#include "http_uri.h"
#include "addr.h"
#include "unit.h"

#include <arpa/inet.h>

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static void a_date_is_read_in_all_three_forms(void)
{
	static const char *const forms[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
					    "Sunday, 06-Nov-94 08:49:37 GMT",
					    "Sun Nov  6 08:49:37 1994"};
	for (unsigned i = 0; i < 3; i++) {
		uint64_t wall_s = 0;
		CU_ASSERT(http_date_parse(slice_str(forms[i]), &wall_s));
		CU_ASSERT_EQUAL(wall_s, 784111777);
	}
}

static void a_date_that_is_none_is_refused(void)
{
	static const char *const texts[] = {"",
					    "0",
					    "-1",
					    "Sun",
					    "Sun,",
					    "Sun, 06 Nov 1994",
					    "Sun, 06 Nov 1994 08:49:37",
					    "Sun, 06 Nov 1994 08:49:37 CET",
					    "Sun, 06 Nov 1994 08:49:37 GMT ",
					    "Sun, 31 Feb 1994 08:49:37 GMT",
					    "Sun, 29 Feb 1995 08:49:37 GMT",
					    "Sun, 06 Nov 1994 24:49:37 GMT",
					    "Sun, 06 Nov 1994 08:60:37 GMT",
					    "Sun, 06 Nov 1969 08:49:37 GMT",
					    "Sun, 00 Nov 1994 08:49:37 GMT",
					    "Xyz, 06 Nov 1994 08:49:37 GMT",
					    "Sun, 06 Xyz 1994 08:49:37 GMT",
					    "Sun, 6 Nov 1994 08:49:37 GMT",
					    "Sunday, 06-Nov-1994 08:49:37 GMT",
					    "Sun Nov 6 08:49:37 1994",
					    "Sun Nov  6 08:49:37 1994 GMT"};
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		uint64_t wall_s;
		CU_ASSERT_FALSE(http_date_parse(slice_str(texts[i]), &wall_s));
	}
}

static void a_date_written_is_what_the_calendar_says_and_reads_back(void)
{
	for (uint64_t wall_s = 0; wall_s < 5000000000u; wall_s += 86400 * 7 + 3661) {
		char ours[30], libc[40];
		struct tm tm;
		uint64_t back = 0;
		time_t t = (time_t)wall_s;
		strftime(libc, sizeof(libc), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
		CU_ASSERT_STRING_EQUAL(http_date(wall_s, ours), libc);
		CU_ASSERT(http_date_parse(slice_str(ours), &back) && back == wall_s);
	}
	char out[30];
	CU_ASSERT_STRING_EQUAL(http_date(UINT64_MAX, out), "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void a_number_is_digits_and_nothing_else(void)
{
	uint64_t number = 0;
	CU_ASSERT(http_number(SLICE("0"), &number) && number == 0);
	CU_ASSERT(http_number(SLICE("9223372036854775807"), &number) && number == INT64_MAX);
	static const char *const bad[] = {"",
					  " 1",
					  "1 ",
					  "+1",
					  "-1",
					  "0x1",
					  "1.0",
					  "9223372036854775808",
					  "10000000000000000000",
					  "99999999999999999999"};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		CU_ASSERT_FALSE(http_number(slice_str(bad[i]), &number));
}

static void a_list_skips_empty_items(void)
{
	struct slice list = SLICE(" ,a , \tb,,c d,"), item;
	CU_ASSERT(http_next_item(&list, &item) && slice_equal(item, SLICE("a")));
	CU_ASSERT(http_next_item(&list, &item) && slice_equal(item, SLICE("b")));
	CU_ASSERT(http_next_item(&list, &item) && slice_equal(item, SLICE("c d")));
	CU_ASSERT_FALSE(http_next_item(&list, &item));
}

static void an_authority_is_host_and_port(void)
{
	static const char *const good[] = {
		"a", "a.b", "a.b.", "A-b_c~1", "127.0.0.1:1", "[::]", "[::ffff:1.2.3.4]:65535"};
	static const char *const bad[] = {
		"",  ":",  ":80",   "a:",     "a:b",    "a:080000", "a b", "a@b",  "a/",
		"[", "[]", "[::]:", "[::]80", "[::%1]", "a:-1",     "é",   "a:+80"};
	for (unsigned i = 0; i < ARRAY_LEN(good); i++)
		CU_ASSERT(http_authority_is_valid(slice_str(good[i])));
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		CU_ASSERT_FALSE(http_authority_is_valid(slice_str(bad[i])));
	char name[300];
	memset(name, 'a', sizeof(name));
	CU_ASSERT(http_authority_is_valid(slice_of(name, 255)));
	CU_ASSERT_FALSE(http_authority_is_valid(slice_of(name, 256)));
}

// is_name says byte by byte what a registered name is.
static bool is_name(const char *at, size_t bytes)
{
	bool is_good = bytes > 0 && at[0] != '.';
	for (size_t i = 0; i < bytes; i++) {
		bool is_byte = (at[i] >= 'a' && at[i] <= 'z') || (at[i] >= 'A' && at[i] <= 'Z') ||
			       (at[i] >= '0' && at[i] <= '9') || (at[i] && strchr("-._~", at[i]));
		is_good &= is_byte && !(i && at[i] == '.' && at[i - 1] == '.');
	}
	return is_good;
}

static void a_name_is_judged_byte_by_byte_wherever_it_lies(void)
{
	char name[41];
	for (size_t bytes = 1; bytes < sizeof(name); bytes++) {
		for (size_t place = 0; place < bytes; place++) {
			for (unsigned byte = 0; byte < 256; byte++) {
				memset(name, 'm', sizeof(name));
				name[place] = (char)byte;
				if (byte == ':' || byte == '[') // a port, an address
					continue;
				CU_ASSERT_EQUAL(http_authority_is_valid(slice_of(name, bytes)),
						is_name(name, bytes));
				name[(place + 1) % bytes] = '.';
				CU_ASSERT_EQUAL(http_authority_is_valid(slice_of(name, bytes)),
						is_name(name, bytes));
			}
		}
	}
}

static void methods_are_found_by_text(void)
{
	CU_ASSERT_EQUAL(http_method_of(SLICE("GET")), HTTP_GET);
	CU_ASSERT_EQUAL(http_method_of(SLICE("PURGE")), HTTP_PURGE);
	CU_ASSERT_EQUAL(http_method_of(SLICE("get")), HTTP_OTHER);
	CU_ASSERT_EQUAL(http_method_of(SLICE("")), HTTP_OTHER);
}

static void a_copy_stands_alone(void)
{
	char text[] = "name value /target host";
	struct http_field field = {slice_of(text, 4), slice_of(text + 5, 5)};
	struct http_message from = {.status = 0,
				    .method_text = SLICE("GET"),
				    .target = slice_of(text + 11, 7),
				    .authority = slice_of(text + 19, 4),
				    .fields = &field,
				    .field_count = 1};
	_Alignas(8) char memory[256];
	struct arena arena;
	struct http_message to;
	arena_init(&arena, memory, sizeof(memory));
	CU_ASSERT_EQUAL(http_message_copy(&to, &from, &arena), 0);
	memset(text, 'x', sizeof(text) - 1);
	CU_ASSERT(slice_equal(http_field_find(&to, SLICE("name")), SLICE("value")));
	CU_ASSERT(slice_equal(to.target, SLICE("/target")));
	CU_ASSERT(slice_equal(to.authority, SLICE("host")));
	CU_ASSERT(http_field_find(&to, SLICE("other")).at == NULL);
	for (size_t room = 0; room < arena.used; room += 8) {
		_Alignas(8) char other[256];
		struct http_message copy;
		struct arena small;
		arena_init(&small, other, room);
		CU_ASSERT_EQUAL(http_message_copy(&copy, &to, &small), ENOMEM);
	}
}

// RFC 9110 5.5: visible characters, blanks, tabs and bytes above 0x7f.
static bool is_value_byte(int c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static void a_value_is_judged_byte_by_byte_wherever_it_lies(void)
{
	char text[24];
	for (size_t bytes = 1; bytes <= sizeof(text); bytes++)
		for (size_t at = 0; at < bytes; at++)
			for (int c = 0; c < 256; c++)
				for (unsigned other = 0; other < 3; other++) {
					memset(text, "a\xff\t"[other], sizeof(text));
					text[at] = (char)c;
					bool is_value = http_is_value(slice_of(text, bytes));
					if (is_value != is_value_byte(c))
						CU_FAIL("a byte was judged wrongly");
				}
	CU_ASSERT(http_is_value(SLICE("")));
}

static void an_address_is_written_as_the_library_does(void)
{
	char ours[ADDR_TEXT_BYTES], theirs[INET_ADDRSTRLEN];
	for (unsigned i = 0; i < 65536; i++) {
		uint8_t v4[4] = {(uint8_t)(i >> 8), (uint8_t)i, (uint8_t)(i * 7),
				 (uint8_t)(i >> 4)};
		struct addr addr = {.bytes = {[10] = 0xff, [11] = 0xff}};
		memcpy(addr.bytes + 12, v4, 4);
		if (strcmp(addr_text(&addr, ours), inet_ntop(AF_INET, v4, theirs, sizeof(theirs))))
			CU_FAIL("an address was written wrongly");
	}
}

UNIT_MAIN("http_field", {"a date is read in all three forms", a_date_is_read_in_all_three_forms},
	  {"a date that is none is refused", a_date_that_is_none_is_refused},
	  {"a date written is what the calendar says and reads back",
	   a_date_written_is_what_the_calendar_says_and_reads_back},
	  {"a number is digits and nothing else", a_number_is_digits_and_nothing_else},
	  {"a list skips empty items", a_list_skips_empty_items},
	  {"an authority is host and port", an_authority_is_host_and_port},
	  {"a name is judged byte by byte wherever it lies",
	   a_name_is_judged_byte_by_byte_wherever_it_lies},
	  {"methods are found by text", methods_are_found_by_text},
	  {"a value is judged byte by byte wherever it lies",
	   a_value_is_judged_byte_by_byte_wherever_it_lies},
	  {"an address is written as the library does", an_address_is_written_as_the_library_does},
	  {"a copy stands alone", a_copy_stands_alone})
