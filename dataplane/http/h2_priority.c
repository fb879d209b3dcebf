// SPDX-License-Identifier: Apache-2.0
// Extensible priorities (RFC 9218): which stream's body is sent next. nghttp2 schedules: the most
// urgent streams first; of equal ones those that are not incremental one after another, as they
// began, incremental ones in turn. Here is what it goes by: the request's Priority field,
// PRIORITY_UPDATE frames, and the response's field, which wins. A connection that carries many
// users' requests (RFC 9218 11) does not follow any: its streams share alike.
#include "h2_priv.h"

#include "structured.h"

#include <arpa/inet.h>

#define URGENCY_DEFAULT 3

static void count(const struct h2_conn *c, int counter)
{
	if (c->base.limits->counters)
		counter_inc(c->base.limits->counters, (enum counter)counter);
}

// RFC 9218 4: members that are unknown, of another type or out of range say nothing.
static void take_member(struct h2_priority *priority, const struct structured_member *member)
{
	if (slice_equal(member->key, SLICE("u")) && member->type == STRUCTURED_INTEGER &&
	    member->integer >= 0 && member->integer <= 7)
		priority->urgency = (int8_t)member->integer;
	if (slice_equal(member->key, SLICE("i")) && member->type == STRUCTURED_BOOLEAN)
		priority->is_incremental = member->boolean;
}

// read_value reads a Priority Field Value; false when it is no dictionary, which then says nothing.
static bool read_value(struct slice text, struct h2_priority *priority)
{
	struct h2_priority said = *priority;
	struct structured_member member;
	enum structured_result result;
	while ((result = structured_next(&text, &member)) == STRUCTURED_MEMBER)
		take_member(&said, &member);
	if (result == STRUCTURED_INVALID)
		return false;
	*priority = said;
	return true;
}

// read_fields reads the message's Priority fields; false when it has none.
static bool read_fields(const struct h2_conn *c, const struct http_message *message,
			struct h2_priority *priority)
{
	bool has_any = false;
	*priority = H2_PRIORITY_NONE;
	for (uint32_t i = 0; i < message->field_count; i++) {
		if (!slice_equal(message->fields[i].name, SLICE("priority")))
			continue;
		has_any = true;
		if (!read_value(message->fields[i].value, priority))
			count(c, COUNTER_http_priorities_bad);
	}
	return has_any;
}

// apply tells nghttp2; the response's word goes before the client's.
static void apply(const struct h2_conn *c, const struct h2_stream *stream)
{
	const struct h2_priority *first = &stream->answered, *then = &stream->wanted;
	int urgency = first->urgency >= 0 ? first->urgency : then->urgency;
	int inc = first->is_incremental >= 0 ? first->is_incremental : then->is_incremental;
	nghttp2_extpri place = {urgency >= 0 ? (uint32_t)urgency : URGENCY_DEFAULT, inc == 1};
	if (c->base.limits->is_shared)
		place = (nghttp2_extpri){URGENCY_DEFAULT, 1};
	nghttp2_session_change_extpri_stream_priority(c->session, (int32_t)stream->id, &place, 1);
}

// take_early finds what a PRIORITY_UPDATE said of a stream before it began, and forgets it.
static struct h2_priority take_early(struct h2_conn *c, uint32_t id)
{
	struct h2_updates *updates = &c->updates;
	unsigned used = MIN(updates->early_count, H2_PRIORITIES_EARLY_MAX);
	for (unsigned i = 0; i < used; i++)
		if (updates->early[i].stream == id) {
			updates->early[i].stream = 0;
			return updates->early[i].priority;
		}
	return H2_PRIORITY_NONE;
}

void h2_priority_begin(struct h2_conn *c, struct h2_stream *stream,
		       const struct http_message *request)
{
	bool is_told = read_fields(c, request, &stream->wanted);
	stream->answered = H2_PRIORITY_NONE;
	struct h2_priority early = take_early(c, stream->id);
	if (early.urgency >= 0) // RFC 9218 7.1: complete, and newer than the field
		stream->wanted = early;
	// A stream of which nothing is said has its place already.
	if (is_told || early.urgency >= 0 || c->base.limits->is_shared)
		apply(c, stream);
}

void h2_priority_answer(struct h2_conn *c, struct h2_stream *stream,
			const struct http_message *response)
{
	struct h2_priority said;
	read_fields(c, response, &said);
	if (said.urgency < 0 && said.is_incremental < 0)
		return;
	stream->answered = said;
	apply(c, stream);
}

void h2_priority_chunk(struct h2_conn *c, struct slice bytes)
{
	struct h2_updates *updates = &c->updates;
	for (size_t i = 0; i < bytes.bytes && updates->used < sizeof(updates->bytes); i++)
		updates->bytes[updates->used++] = (uint8_t)bytes.at[i];
}

// keep_early remembers what is said of a stream that has not begun.
static void keep_early(struct h2_conn *c, uint32_t id, struct h2_priority priority)
{
	struct h2_updates *updates = &c->updates;
	take_early(c, id);
	unsigned at = updates->early_count++ % H2_PRIORITIES_EARLY_MAX;
	if (updates->early[at].stream)
		count(c, COUNTER_http_priorities_forgotten);
	updates->early[at].stream = id;
	updates->early[at].priority = priority;
}

// follow gives a stream, now or when it begins, the priority that text says.
static void follow(struct h2_conn *c, uint32_t id, struct slice text)
{
	struct h2_priority priority = {URGENCY_DEFAULT, 0};
	if (text.bytes == H2_PRIORITY_BYTES_MAX || !read_value(text, &priority)) {
		count(c, COUNTER_http_priorities_bad);
		return;
	}
	count(c, COUNTER_http_priority_updates);
	struct h2_stream *stream = h2_stream_get(c, id);
	if (stream) {
		stream->wanted = priority;
		apply(c, stream);
	} else if (id > c->past.last) {
		keep_early(c, id, priority);
	}
}

void h2_priority_update(struct h2_conn *c, const nghttp2_frame_hd *hd)
{
	struct slice payload = slice_of(c->updates.bytes, c->updates.used);
	c->updates.used = 0;
	uint32_t word = 0;
	memcpy(&word, payload.at, MIN(payload.bytes, sizeof(word)));
	uint32_t id = ntohl(word) & INT32_MAX;
	if (c->base.is_server && hd->stream_id == 0 && hd->length < 4)
		h2_end(c, COUNTER_http_h2_protocol, NGHTTP2_FRAME_SIZE_ERROR);
	else if (!c->base.is_server || hd->stream_id != 0 || id % 2 == 0) // 7.1; we push nothing
		h2_end(c, COUNTER_http_h2_protocol, NGHTTP2_PROTOCOL_ERROR);
	else
		follow(c, id, slice_skip(payload, 4));
}
