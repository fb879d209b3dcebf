// SPDX-License-Identifier: Apache-2.0
// Extension headers and fragments of the scripts' peer; see segment_cut.h.
#include "segment_cut.h"

#include "check.h"
#include "segment_ip.h"

#include <string.h>

#define ETHERNET       14u
#define FRAGMENT_BYTES 8u
#define OPTION_BYTES   6u // that the first header has room for

// An extension header: its number, its length, what stands behind its first two bytes.
static const struct header {
	const char *name;
	uint8_t number;
	uint16_t bytes;
	uint8_t option[OPTION_BYTES];
} headers[] = {
	{"hop", 0, 8, {1, 4}},          // padding
	{"dest", 60, 8, {1, 4}},        //
	{"route", 43, 8, {4, 0}},       // at its end: passed over
	{"route-left", 43, 24, {0, 1}}, // a node is left to visit
	{"atomic", 44, 8, {0}},         // a fragment that is the whole
	{"skip", 60, 8, {0x1e, 4}},     // an unknown option, by its action bits
	{"drop", 60, 8, {0x5e, 4}},     //
	{"tell", 60, 8, {0x9e, 4}},     //
	{"long", 60, 520, {0x1e, 4}},   // more than anyone sends
	{"beyond", 60, 8, {0x1e, 200}}, // an option longer than its header
};

static bool read_headers(struct segment_run *run, struct segment_words *words,
			 struct segment_cut *cut)
{
	for (;;) {
		size_t i = 0;
		while (i < ARRAY_LEN(headers) &&
		       strcmp(headers[i].name, segment_words_peek(words)) != 0)
			i++;
		if (i == ARRAY_LEN(headers))
			return cut->header_count || segment_fail(run, "ext: no such header");
		if (cut->header_count == SEGMENT_HEADERS)
			return segment_fail(run, "too many headers");
		segment_words_take(words);
		cut->header[cut->header_count++] = (uint8_t)i;
	}
}

// read_bound takes one side of FIRST:END.
static bool read_bound(struct segment_run *run, const char *word, int64_t *value)
{
	struct segment_words one = {.word = {word}, .count = 1};
	return segment_number(run, &one, value);
}

static bool read_part(struct segment_run *run, struct segment_words *words, struct segment_cut *cut)
{
	char range[SEGMENT_LINE_BYTES];
	strcpy(range, segment_words_take(words));
	char *end = strchr(range, ':');
	if (!end)
		return segment_fail(run, "part: FIRST:END is missing");
	*end++ = '\0';
	cut->end = -1;
	cut->id = 1;
	if (!read_bound(run, range, &cut->first) ||
	    (strcmp(end, "end") != 0 && !read_bound(run, end, &cut->end)))
		return false;
	if (segment_words_accept(words, "id") && !segment_number(run, words, &cut->id))
		return false;
	cut->is_part = true;
	cut->is_more = segment_words_accept(words, "more");
	cut->has_more = cut->is_more || segment_words_accept(words, "last");
	return true;
}

bool segment_cut_read(struct segment_run *run, struct segment_words *words, struct segment_cut *cut)
{
	*cut = (struct segment_cut){0};
	if (segment_words_accept(words, "ext") && !read_headers(run, words, cut))
		return false;
	return !segment_words_accept(words, "part") || read_part(run, words, cut);
}

// insert makes room of bytes zeros behind the IPv6 header and links it as a header of this number;
// returns it.
static uint8_t *insert(uint8_t *frame, uint32_t *length, uint8_t number, uint32_t bytes)
{
	uint8_t *ip = frame + ETHERNET;
	uint8_t *at = ip + 40;
	CHECK(*length + bytes <= SEGMENT_FRAME_BYTES);
	memmove(at + bytes, at, *length - ETHERNET - 40);
	memset(at, 0, bytes);
	at[0] = ip[6];
	ip[6] = number;
	segment_put(ip + 4, segment_get(ip + 4, 2) + bytes, 2);
	*length += bytes;
	return at;
}

static void put_header(const struct header *header, uint8_t *frame, uint32_t *length)
{
	uint8_t *at = insert(frame, length, header->number, header->bytes);
	at[1] = header->number == 44 ? 0 : (uint8_t)(header->bytes / 8 - 1);
	memcpy(at + 2, header->option, OPTION_BYTES);
}

// cut_v6 leaves payload bytes [first, end) and puts a fragment header before them.
static void cut_v6(const struct segment_cut *cut, bool is_more, uint8_t *frame, uint32_t *length)
{
	uint8_t *at = insert(frame, length, 44, FRAGMENT_BYTES);
	segment_put(at + 2, (uint32_t)cut->first | is_more, 2);
	segment_put(at + 4, (uint32_t)cut->id, 4);
}

static void cut_v4(const struct segment_cut *cut, bool is_more, uint8_t *frame, uint32_t length)
{
	uint8_t *ip = frame + ETHERNET;
	segment_put(ip + 2, length - ETHERNET, 2);
	segment_put(ip + 4, (uint32_t)cut->id, 2);
	segment_put(ip + 6, (uint32_t)cut->first / 8 | (is_more ? 0x2000u : 0), 2);
	segment_put(ip + 10, 0, 2);
	segment_put(ip + 10, segment_ip_fold(segment_ip_add(0, ip, 20)), 2);
}

static uint32_t cut_out(struct segment_run *run, const struct segment_cut *cut, uint8_t *frame,
			uint32_t length)
{
	bool is_v6 = run->bed->ends.is_v6;
	uint32_t offset = segment_ip_offset(&run->bed->ends);
	int64_t whole = length - offset;
	int64_t end = cut->end < 0 ? whole : cut->end;
	bool is_more = cut->has_more ? cut->is_more : end < whole;
	if (cut->first % 8 || cut->first > end || end > whole) {
		segment_fail(run, "no such part of %lld bytes", (long long)whole);
		return 0;
	}
	memmove(frame + offset, frame + offset + cut->first, (size_t)(end - cut->first));
	length = offset + (uint32_t)(end - cut->first);
	if (is_v6) {
		segment_put(frame + ETHERNET + 4, length - offset, 2);
		cut_v6(cut, is_more, frame, &length);
	} else {
		cut_v4(cut, is_more, frame, length);
	}
	return length;
}

uint32_t segment_cut_apply(struct segment_run *run, const struct segment_cut *cut, uint8_t *frame,
			   uint32_t bytes)
{
	if (cut->header_count && !run->bed->ends.is_v6) {
		segment_fail(run, "IPv4 has no extension headers");
		return 0;
	}
	for (unsigned i = cut->header_count; i > 0; i--)
		put_header(&headers[cut->header[i - 1]], frame, &bytes);
	return cut->is_part ? cut_out(run, cut, frame, bytes) : bytes;
}
