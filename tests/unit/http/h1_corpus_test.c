// SPDX-License-Identifier: Apache-2.0
// What the public lists of request smuggling do to framing fields, for every byte: one or two of it
// around a name and its value, in the place of the hyphen, in a length, in a chunk's size and in
// its extension (RFC 9112 5.1, 6.1, 6.2, 7.1). Nothing but blanks may get through, and these
// unchanged.
#include "http_side.h"

#include "http_field.h"

#define START "POST / HTTP/1.1\r\nHost: a\r\n"
#define AT    '@' // in a pattern: where the byte is

// write puts c for each AT of pattern; returns the bytes.
static size_t write(char *text, const char *pattern, char c)
{
	size_t bytes = strlen(pattern);
	for (size_t i = 0; i < bytes; i++)
		text[i] = pattern[i] == AT ? c : pattern[i];
	return bytes;
}

// is_refused: the connection ends with a fault, and no body was seen to its end.
static bool is_refused(const char *pattern, char c)
{
	char text[256];
	struct side *side = side_new(HTTP_VERSION_1, true, NULL);
	side_feed(side, slice_of(text, write(text, pattern, c)), SIZE_MAX);
	bool has_ended = side->call_count && side->calls[0].has_ended;
	bool is_right = side->closed_count == 1 && !has_ended;
	side_free(side);
	return is_right;
}

// only_passes tries pattern with all bytes; those of allowed must pass, all others not.
static void only_passes(const char *pattern, const char *allowed)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		bool is_allowed = byte && strchr(allowed, (int)byte);
		bool is_right = is_refused(pattern, (char)byte) != is_allowed;
		if (!is_right)
			printf("# %s with %02x\n", pattern, byte);
		CU_ASSERT(is_right);
	}
}

// mangle tries what is around name and value, where bytes of a token make another name.
static void mangle(const char *pattern)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		const char c = (char)byte;
		bool is_other = http_is_token(slice_of(&c, 1)) || c == ' ' || c == ':';
		bool is_right = is_other || is_refused(pattern, c);
		if (!is_right)
			printf("# %s with %02x\n", pattern, byte);
		CU_ASSERT(is_right);
	}
}

static void no_byte_hides_a_transfer_coding(void)
{
	static const char *const lines[] = {
		"@Transfer-Encoding: chunked",  "Transfer-Encoding@: chunked",
		"Transfer-Encoding:@chunked",   "Transfer-Encoding: chunked@",
		"@Transfer-Encoding@: chunked", "@Transfer-Encoding:@chunked",
		"@Transfer-Encoding: chunked@", "Transfer-Encoding@:@chunked",
		"Transfer-Encoding@: chunked@", "Transfer-Encoding:@chunked@",
	};
	char text[256];
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		snprintf(text, sizeof(text), START "%s\r\n\r\n0\r\n\r\n", lines[i]);
		mangle(text);
		snprintf(text, sizeof(text), START "%s\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
			 lines[i]);
		mangle(text);
	}
	only_passes(START "Transfer-Encoding:@chunked\r\n\r\n0\r\n\r\n", " ");
	only_passes(START "Transfer-Encoding: chunked@\r\n\r\n0\r\n\r\n", " ");
}

static void no_byte_stands_for_the_hyphen(void)
{
	// With a colon it is a field named "transfer" or "content".
	only_passes(START "Transfer@Encoding: chunked\r\n\r\n0\r\n\r\n", "-:");
	only_passes(START "Content@Length: 3\r\n\r\nABC", "-:");
}

static void a_length_is_digits_and_not_octal(void)
{
	only_passes(START "Content-Length: 3@\r\n\r\nABC", " 0123456789");
	only_passes(START "Content-Length:@3\r\n\r\nABC", " 123456789");
	only_passes(START "Content-Length: @0\r\n\r\n", " 123456789");
}

static void a_chunk_size_is_hexadecimal_alone(void)
{
	const char *const coded = START "Transfer-Encoding: chunked\r\n\r\n";
	static const char *const chunks[] = {"3@\r\nABC\r\n0\r\n\r\n", "@3\r\nABC\r\n0\r\n\r\n",
					     "0@\r\n\r\n"};
	char text[256];
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		snprintf(text, sizeof(text), "%s%s", coded, chunks[i]);
		for (unsigned byte = 0; byte < 256; byte++) {
			bool is_digit = byte && strchr("0123456789abcdefABCDEF", (int)byte);
			CU_ASSERT(is_digit || is_refused(text, (char)byte));
		}
	}
}

static void a_chunk_extension_is_a_name_and_a_value(void)
{
	static const struct {
		const char *text;
		bool is_right;
	} extensions[] = {
		{";a", true},
		{";a=b", true},
		{"; a = b", true},
		{";a ;b", true},
		{";a=\"\"", true},
		{";a=\"\\\"\"", true},
		{";a=\"b;=\" ;c", true},
		{";a=b;c=d", true},
		{";", false},
		{";;a", false},
		{";a;", false},
		{";a=", false},
		{";=b", false},
		{";a b", false},
		{";a=b c", false},
		{";a=b=c", false},
		{";a=\"b", false},
		{";a=\"b\"c", false},
		{";a=b\"c\"", false},
		{";a ", false},
		{";a=b\t", false},
		{";[", false},
		{";a=\xff", false},
		{";a=\"\\", false},
		{";\xff=a", false},
		{";a=\"b\" ", false},
		{" ;a", false},
		{";a=(b)", false},
	};
	char text[256];
	for (size_t i = 0; i < ARRAY_LEN(extensions); i++) {
		snprintf(text, sizeof(text),
			 START "Transfer-Encoding: chunked\r\n\r\n3%s\r\nABC\r\n0\r\n\r\n",
			 extensions[i].text);
		bool is_as_told = is_refused(text, AT) != extensions[i].is_right;
		if (!is_as_told)
			printf("# %s\n", extensions[i].text);
		CU_ASSERT(is_as_told);
	}
}

UNIT_MAIN("h1_corpus", {"no byte hides a transfer coding", no_byte_hides_a_transfer_coding},
	  {"no byte stands for the hyphen", no_byte_stands_for_the_hyphen},
	  {"a length is digits and not octal", a_length_is_digits_and_not_octal},
	  {"a chunk size is hexadecimal alone", a_chunk_size_is_hexadecimal_alone},
	  {"a chunk extension is a name and a value", a_chunk_extension_is_a_name_and_a_value})
