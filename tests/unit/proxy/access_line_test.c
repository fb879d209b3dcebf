// SPDX-License-Identifier: Apache-2.0
// A line of the access log: what it says, and that nothing a stranger sends breaks out of it.
#include "access_line.h"

#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define HEAD                                                                                       \
	"{\"time\":\"2023-11-14T22:13:20.000042Z\",\"node\":\"n1\",\"worker\":3,"                  \
	"\"client\":\"192.0.2.7\",\"client_port\":4711,\"http\":\"2\""
#define TAIL ",\"trace\":\"01000000000000000000000000000000\",\"span\":\"0200000000000000\"}\n"

static char out[ACCESS_LINE_BYTES];

static struct access_entry entry_of(void)
{
	struct access_entry entry = {
		.trace = {.id = {1}, .span = {2}},
		.client = {.port = 4711},
		.total_us = 1,
		.reason = COUNTER_COUNT,
		.status = 200,
		.version = 20,
		.worker = 3,
	};
	addr_parse("192.0.2.7", &entry.client.addr);
	return entry;
}

static const char *line_of(const struct access_entry *entry, const char *texts)
{
	struct access_line line = {"n1", 1700000000000042};
	size_t bytes = access_line_format(&line, entry, texts, out);
	CU_ASSERT_FATAL(bytes < sizeof(out));
	out[bytes] = 0;
	return out;
}

static void what_is_not_known_is_left_out(void)
{
	struct access_entry entry = entry_of();
	CU_ASSERT_STRING_EQUAL(line_of(&entry, ""),
			       HEAD ",\"status\":200,\"request_bytes\":0,\"response_bytes\":0,"
				    "\"total_us\":1" TAIL);
}

static void whole_exchange_is_told(void)
{
	struct access_entry entry = entry_of();
	entry.text_bytes[ACCESS_METHOD] = 3;
	entry.text_bytes[ACCESS_HOST] = 4;
	entry.text_bytes[ACCESS_REFERER] = 1;
	entry.reason = COUNTER_exchange_connect_failed;
	entry.status = 502;
	entry.try_count = 2;
	endpoint_addr_parse("[2001:db8::1]:443", &entry.endpoint);
	entry.request_bytes = 5000000000;
	entry.sent_us = 7;
	entry.answered_us = 8;
	CU_ASSERT_STRING_EQUAL(
		line_of(&entry, "GEThostr"),
		HEAD ",\"method\":\"GET\",\"host\":\"host\",\"referer\":\"r\",\"status\":502,"
		     "\"reason\":\"exchange_connect_failed\",\"endpoint\":\"[2001:db8::1]:443\","
		     "\"tries\":2,\"request_bytes\":5000000000,\"response_bytes\":0,\"sent_us\":7,"
		     "\"answered_us\":8,\"total_us\":1" TAIL);
}

static void text_cannot_leave_its_quotes(void)
{
	struct access_entry entry = entry_of();
	static const char text[] = "a\"b\\c\nd\x7f\xc3\xa4\x01";
	entry.text_bytes[ACCESS_USER_AGENT] = sizeof(text) - 1;
	CU_ASSERT_PTR_NOT_NULL(strstr(line_of(&entry, text),
				      "\"user_agent\":\"a\\\"b\\\\c\\u000ad\\u007f\\u00c3\\u00a4"
				      "\\u0001\","));
	CU_ASSERT_PTR_EQUAL(strchr(out, '\n'), out + strlen(out) - 1);
}

// fill makes every text as long as it may be, of bytes that need most room.
static size_t fill(struct access_entry *entry, char *texts)
{
	static const uint16_t most[] = {
#define X(name, key, most) most,
		ACCESS_TEXTS(X)
#undef X
	};
	size_t bytes = 0;
	for (unsigned i = 0; i < ACCESS_TEXT_COUNT; i++)
		bytes += entry->text_bytes[i] = most[i];
	memset(texts, 1, bytes);
	return bytes;
}

static void largest_line_fits(void)
{
	static char texts[8192];
	struct access_entry entry = entry_of();
	fill(&entry, texts);
	memset(&entry.client.addr, 0xfe, sizeof(entry.client.addr));
	memset(&entry.endpoint, 0xfe, sizeof(entry.endpoint));
	entry.trace.is_taken = true;
	entry.request_bytes = entry.response_bytes = UINT64_MAX;
	entry.sent_us = entry.answered_us = entry.total_us = UINT32_MAX;
	entry.reason = 0;
	static char name[64];
	memset(name, 'n', 63);
	struct access_line line = {name, UINT64_MAX / 4096};
	CU_ASSERT(access_line_format(&line, &entry, texts, out) < sizeof(out));
}

static void entry_that_lies_about_its_texts_is_refused(void)
{
	static char texts[8192];
	struct access_entry entry = entry_of();
	size_t bytes = sizeof(entry) + fill(&entry, texts);
	CU_ASSERT(access_entry_is_good(&entry, bytes));
	CU_ASSERT(!access_entry_is_good(&entry, bytes - 1));
	CU_ASSERT(!access_entry_is_good(&entry, bytes + 1));
	entry.text_bytes[ACCESS_METHOD]++;
	CU_ASSERT(!access_entry_is_good(&entry, bytes + 1));
	entry.text_bytes[ACCESS_METHOD]--;
	entry.reason = COUNTER_COUNT + 1;
	CU_ASSERT(!access_entry_is_good(&entry, bytes));
}

UNIT_MAIN("access_line", {"what is not known is left out", what_is_not_known_is_left_out},
	  {"a whole exchange is told", whole_exchange_is_told},
	  {"a text cannot leave its quotes", text_cannot_leave_its_quotes},
	  {"the largest line fits", largest_line_fits},
	  {"an entry that lies about its texts is refused",
	   entry_that_lies_about_its_texts_is_refused})
