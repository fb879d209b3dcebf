// SPDX-License-Identifier: Apache-2.0
// See h1_alike.h.
#include "h1_alike.h"

#include "check.h"
#include "h1_other.h"
#include "http.h"

#include <stdlib.h>

// What we understood.
struct ours {
	struct h1_other *other; // to compare with, in the events
	const char *why;        // what differed, NULL: nothing
	size_t body_bytes;
	unsigned head_count;
	unsigned fields_seen; // of the other's
	bool is_complete;
	bool is_refused;
	bool is_foreign; // the other has no word for it, or reads it by other rules
};

static void differ(struct ours *ours, bool is_alike, const char *why)
{
	if (!is_alike && !ours->why)
		ours->why = why;
}

// Each of our fields must be one of theirs, in the same order; theirs that we take out (framing,
// hop by hop) are passed over.
static void compare_fields(struct ours *ours, const struct http_field *fields, uint32_t count)
{
	const struct h1_other *other = ours->other;
	for (uint32_t i = 0; i < count; i++) {
		unsigned at = ours->fields_seen;
		while (at < other->field_count &&
		       !(slice_equal_nocase(other->fields[at].name, fields[i].name) &&
			 slice_equal(other->fields[at].value, fields[i].value)))
			at++;
		differ(ours, at < other->field_count, "a field");
		ours->fields_seen = at + 1;
	}
}

static bool ends_with(struct slice text, struct slice end)
{
	return text.bytes >= end.bytes &&
	       slice_equal(slice_skip(text, text.bytes - end.bytes), end);
}

// The other keeps absolute targets, of which we keep the path; it knows no method but some.
static void compare_request(struct ours *ours, const struct http_message *m)
{
	const struct h1_other *other = ours->other;
	bool has_path = slice_equal(m->target, SLICE("/")) || ends_with(other->target, m->target);
	ours->is_foreign |= m->method == HTTP_OTHER || m->method == HTTP_CONNECT || m->has_upgrade;
	differ(ours, slice_equal(m->method_text, slice_str(other->method)), "the method");
	differ(ours, has_path, "the target");
}

static void on_head(void *user, uint32_t, void *, const struct http_message *m, bool is_end)
{
	struct ours *ours = user;
	ours->head_count++;
	ours->is_complete = is_end;
	ours->is_foreign |= m->status && m->status < 200;
	if (m->status == 0)
		compare_request(ours, m);
	else
		differ(ours, m->status == ours->other->status, "the status");
	compare_fields(ours, m->fields, m->field_count);
}

static void on_body(void *user, uint32_t, void *, struct slice bytes)
{
	struct ours *ours = user;
	struct slice theirs =
		slice_skip(slice_of(ours->other->body, ours->other->body_bytes), ours->body_bytes);
	differ(ours, slice_starts(theirs, bytes), "the body");
	ours->body_bytes += bytes.bytes;
}

static void on_end(void *user, uint32_t, void *, const struct http_field *trailers, uint32_t count)
{
	struct ours *ours = user;
	ours->is_complete = true;
	compare_fields(ours, trailers, count);
}

static void on_reset(void *user, uint32_t, void *, struct http_fault)
{
	((struct ours *)user)->is_refused = true;
}

static struct slice on_pull(void *, uint32_t, void *, size_t, bool *is_end,
			    const struct http_field **, uint32_t *)
{
	*is_end = true;
	return SLICE("");
}

static void on_sent(void *, uint32_t, void *) {}

static void on_closed(void *user, struct http_fault fault)
{
	struct ours *ours = user;
	ours->is_refused |= fault.counter != 0 && !ours->is_complete;
}

static const struct http_events events = {on_head, on_body, on_end,   on_reset,
					  on_pull, on_sent, on_closed};
static const struct http_limits limits = {.head_bytes = H1_OTHER_BYTES,
					  .field_count = H1_OTHER_FIELDS / 2,
					  .target_bytes = H1_OTHER_BYTES,
					  .stream_count = 1,
					  .stream_window_bytes = HTTP1_BODY_WINDOW_BYTES};

static void ask(struct http_conn *conn)
{
	struct http_message get = {.method_text = SLICE("GET"),
				   .target = SLICE("/"),
				   .authority = SLICE("a"),
				   .content_length = HTTP_LENGTH_NONE};
	uint8_t out[256];
	uint32_t stream;
	CHECK(http_request(conn, &get, false, NULL, &stream) == 0);
	while (http_produce(conn, out, sizeof(out)) > 0) {
	}
}

// reads text as we do; returns how many bytes the message took. Where the other has its end and we
// wait, the end of a line shows whether we will refuse: it takes a bare CR for one, we judge whole
// lines.
static size_t read_ours(struct ours *ours, struct slice text, bool is_request)
{
	struct http_conn *conn = http_conn_new(HTTP_VERSION_1, is_request, &limits, &events, ours);
	CHECK(conn);
	if (!is_request)
		ask(conn);
	size_t taken = http_receive(conn, text);
	if (ours->other->is_complete && !ours->is_complete)
		http_receive(conn, SLICE("\n"));
	http_conn_free(conn);
	return taken;
}

// Where the other is wrong by its own age: it takes a longer name that begins like
// Transfer-Encoding for it.
static bool has_known_defect(struct slice text)
{
	static const char name[] = "transfer-encoding";
	for (size_t i = 0; i + sizeof(name) <= text.bytes; i++)
		if (strncasecmp(text.at + i, name, sizeof(name) - 1) == 0 &&
		    text.at[i + sizeof(name) - 1] != ':')
			return true;
	return false;
}

static void compare_ends(struct ours *ours, size_t taken)
{
	const struct h1_other *other = ours->other;
	differ(ours, other->is_head_whole, "the end of the head");
	differ(ours, ours->is_complete == other->is_complete, "whether there is more");
	differ(ours, ours->body_bytes == other->body_bytes, "the body's length");
	differ(ours, !ours->is_complete || taken == other->message_bytes, "the message's length");
}

enum h1_verdict h1_alike_judge(struct slice text, bool is_request, const char **why)
{
	if (text.bytes == 0 || text.bytes > H1_OTHER_BYTES || has_known_defect(text))
		return H1_UNDECIDED;
	struct h1_other *other = malloc(sizeof(*other));
	CHECK(other);
	h1_other_parse(other, text, is_request);
	struct ours ours = {.other = other};
	size_t taken = read_ours(&ours, text, is_request);
	compare_ends(&ours, taken);
	free(other);
	*why = ours.why;
	if (ours.is_refused)
		return H1_REFUSED;
	if (ours.head_count != 1 || ours.is_foreign)
		return H1_UNDECIDED;
	return ours.why ? H1_DIFFERENT : H1_ALIKE;
}
