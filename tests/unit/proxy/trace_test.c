// SPDX-License-Identifier: Apache-2.0
// W3C Trace Context: a caller's trace goes on, nonsense begins a new one.
#include "trace.h"

#include "unit.h"

#include <string.h>

#define GOOD "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct random_source source = {{{1, 2}}, 0};

static struct trace begin(const char *const *values, uint32_t count)
{
	struct http_field fields[3];
	struct trace trace;
	for (uint32_t i = 0; i < count; i++)
		fields[i] = (struct http_field){SLICE("traceparent"), slice_str(values[i])};
	struct http_message request = {.fields = fields, .field_count = count};
	trace_begin(&trace, &request);
	trace_draw(&trace, &source);
	return trace;
}

static bool is_format(const struct trace *trace, const char *first, const char *last)
{
	char text[TRACE_PARENT_BYTES];
	trace_format(trace, text);
	return memcmp(text, first, strlen(first)) == 0 &&
	       memcmp(text + sizeof(text) - strlen(last), last, strlen(last)) == 0;
}

static void callers_trace_goes_on_under_a_span_of_ours(void)
{
	struct trace trace = begin((const char *const[]){GOOD}, 1);
	CU_ASSERT(trace.is_taken);
	CU_ASSERT_EQUAL(trace.parent[0], 0xb7);
	CU_ASSERT(is_format(&trace, "00-0af7651916cd43dd8448eb211c80319c-", "-01"));
	CU_ASSERT_NOT_EQUAL(memcmp(trace.span, trace.parent, 8), 0);
}

static void flags_that_we_do_not_know_are_cleared(void)
{
	struct trace trace = begin(
		(const char *const[]){"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff"},
		1);
	CU_ASSERT(trace.is_taken && is_format(&trace, "00-0af7", "-01"));
}

static void later_version_is_read_as_the_one_we_know(void)
{
	const char *const longer[] = {
		"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"};
	struct trace trace = begin(longer, 1);
	CU_ASSERT(trace.is_taken &&
		  is_format(&trace, "00-0af7651916cd43dd8448eb211c80319c-", "-01"));
}

static void malformed_parent_begins_a_new_trace(void)
{
	static const char *const bad[] = {
		"",
		"00",
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
		"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x",
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
		"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct trace trace = begin(&bad[i], 1);
		CU_ASSERT(!trace.is_taken);
		CU_ASSERT(is_format(&trace, "00-", "-00"));
		CU_ASSERT(!is_format(&trace, "00-0af7651916cd43dd8448eb211c8031", "-00"));
	}
}

static void two_parents_are_nobodys_trace(void)
{
	CU_ASSERT(!begin((const char *const[]){GOOD, GOOD}, 2).is_taken);
	CU_ASSERT(!begin(NULL, 0).is_taken);
}

static void traces_that_begin_here_differ(void)
{
	struct trace one = begin(NULL, 0), other = begin(NULL, 0);
	CU_ASSERT_NOT_EQUAL(memcmp(one.id, other.id, sizeof(one.id)), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(one.span, other.span, sizeof(one.span)), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(one.span, one.id, sizeof(one.span)), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(one.span, one.id + 8, sizeof(one.span)), 0);
}

static void sample_is_the_same_on_every_hop_and_of_the_right_size(void)
{
	unsigned sampled = 0;
	for (unsigned i = 0; i < 4000; i++) {
		struct trace here = begin(NULL, 0);
		char parent[TRACE_PARENT_BYTES + 1] = "";
		trace_format(&here, parent);
		struct trace there = begin((const char *const[]){parent}, 1);
		CU_ASSERT_EQUAL(trace_is_sampled(&here, 10), trace_is_sampled(&there, 10));
		CU_ASSERT(trace_is_sampled(&here, 1));
		sampled += trace_is_sampled(&here, 10);
	}
	CU_ASSERT(sampled > 320 && sampled < 480);
}

UNIT_MAIN("trace",
	  {"a caller's trace goes on under a span of ours",
	   callers_trace_goes_on_under_a_span_of_ours},
	  {"flags that we do not know are cleared", flags_that_we_do_not_know_are_cleared},
	  {"a later version is read as the one we know", later_version_is_read_as_the_one_we_know},
	  {"a malformed traceparent begins a new trace", malformed_parent_begins_a_new_trace},
	  {"two of them are nobody's trace", two_parents_are_nobodys_trace},
	  {"traces that begin here differ", traces_that_begin_here_differ},
	  {"the sample is the same on every hop, and of the right size",
	   sample_is_the_same_on_every_hop_and_of_the_right_size})
