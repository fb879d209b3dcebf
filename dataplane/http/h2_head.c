// SPDX-License-Identifier: Apache-2.0
// A head that is read, field by field, into the connection's block of memory: our bounds, what
// h2_check.c asks of each field, cookies that come in crumbs.
#include "h2_priv.h"

#include "http_field.h"

#define BOMB_HEADS 4u // times head_bytes, decoded: no answer, but a reset

static size_t text_bytes(const struct http_limits *limits)
{
	return ((size_t)limits->head_bytes + 7) & ~(size_t)7;
}

size_t h2_head_memory_bytes(const struct http_limits *limits)
{
	return HTTP_HEAD_OWN_BYTES + text_bytes(limits) +
	       limits->field_count * sizeof(struct http_field);
}

void h2_head_begin(struct h2_conn *c, int32_t stream)
{
	const struct http_limits *limits = c->base.limits;
	if (!c->head_memory)
		c->head_memory = http_head_take(limits, h2_head_memory_bytes(limits));
	c->head.stream = 0;
	if (!c->head_memory)
		return;
	c->head = (struct h2_head){
		.stream = stream,
		.seen.content_length = HTTP_LENGTH_NONE,
		.fields = (void *)((char *)c->head_memory + text_bytes(limits)),
	};
	arena_init(&c->head.arena, c->head_memory, text_bytes(limits));
	c->head.message.version = 20;
	c->head.message.fields = c->head.fields;
}

// These come through: to a request all but :status, to a response that alone. So their lengths and
// a letter tell them apart.
static void add_pseudo(struct http_message *m, struct slice name, struct slice value)
{
	uint64_t status = 0;
	switch (name.bytes) {
	case 5: m->target = value; break;
	case 9: m->protocol = value; break;
	case 10:
		http_lower((char *)(uintptr_t)value.at, value.bytes); // ours, in the arena
		m->authority = value;
		break;
	default:
		if (name.at[1] == 'm') {
			m->method_text = value;
			m->method = http_method_of(value);
		} else if (name.at[2] == 'c') {
			m->scheme = value;
		} else if (http_number(value, &status)) {
			m->status = (uint16_t)status; // h2_check.c let three digits through
		}
	}
}

// keep copies a name, if any, and a value behind it; list_bytes counts 32 more a field than the
// arena needs.
static char *keep(struct h2_head *head, struct slice name, struct slice value)
{
	char *at = arena_alloc(&head->arena, name.bytes + value.bytes + 1);
	CHECK(at);
	if (name.bytes)
		memcpy(at, name.at, name.bytes);
	if (value.bytes)
		memcpy(at + name.bytes, value.at, value.bytes);
	return at;
}

// room_for_crumb makes a cookie's memory longer, to bytes: where it is, or as a copy, which counts
// as part of the head. NULL: the head would be too large.
static char *room_for_crumb(struct h2_conn *c, size_t bytes)
{
	struct h2_head *head = &c->head;
	const struct http_field *cookie = head->cookie;
	size_t used = cookie->name.bytes + cookie->value.bytes + 1;
	if (arena_grow(&head->arena, cookie->name.at, used, bytes))
		return (char *)(uintptr_t)cookie->name.at;
	if (head->list_bytes + bytes > c->base.limits->head_bytes)
		return NULL;
	char *at = arena_alloc(&head->arena, bytes);
	head->list_bytes += (uint32_t)bytes;
	return at ? memcpy(at, cookie->name.at, used) : NULL;
}

// RFC 9113 8.2.3: a cookie comes in crumbs, for the tables' sake; HTTP/1.1 has one field of it.
static void add_crumb(struct h2_conn *c, struct slice crumb)
{
	struct http_field *cookie = c->head.cookie;
	size_t name_bytes = cookie->name.bytes, used = name_bytes + cookie->value.bytes;
	char *at = room_for_crumb(c, used + 2 + crumb.bytes + 1);
	if (!at) {
		c->head.fault = COUNTER_http_head_too_large;
		return;
	}
	memcpy(at + used, "; ", 2);
	if (crumb.bytes)
		memcpy(at + used + 2, crumb.at, crumb.bytes);
	*cookie = (struct http_field){
		slice_of(at, name_bytes),
		slice_of(at + name_bytes, cookie->value.bytes + 2 + crumb.bytes),
	};
}

static void add_field(struct h2_conn *c, struct slice name, struct slice value)
{
	struct h2_head *head = &c->head;
	if (name.bytes && name.at[0] == ':') {
		char *at = keep(head, SLICE(""), value);
		add_pseudo(&head->message, name, slice_of(at, value.bytes));
		return;
	}
	bool is_cookie = c->base.is_server && slice_equal(name, SLICE("cookie"));
	if (is_cookie && head->cookie) {
		add_crumb(c, value);
		return;
	}
	char *at = keep(head, name, value);
	struct slice kept = slice_of(at + name.bytes, value.bytes);
	if (slice_equal(name, SLICE("host")))
		http_lower(at + name.bytes, value.bytes);
	if (head->message.field_count == c->base.limits->field_count)
		head->fault = COUNTER_http_fields_too_many;
	else
		head->fields[head->message.field_count++] =
			(struct http_field){slice_of(at, name.bytes), kept};
	if (is_cookie && !head->fault)
		head->cookie = &head->fields[head->message.field_count - 1];
}

// A block that decodes to several times what a head may have (CVE-2016-6581): the rest is skipped,
// and the stream reset, which nghttp2 may not know yet.
static void refuse_bomb(struct h2_conn *c)
{
	int32_t id = c->head.stream;
	c->head.stream = 0;
	h2_count_unheard(c, COUNTER_http_head_too_large);
	h2_note_reset(c);
	if (nghttp2_session_find_stream(c->session, id))
		nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, id,
					  NGHTTP2_INTERNAL_ERROR);
}

void h2_header(struct h2_conn *c, bool is_trailer, const struct hpack_field *field)
{
	struct h2_head *head = &c->head;
	size_t bytes = head->list_bytes + field->name.bytes + field->value.bytes + 32;
	if (!head->stream)
		return;
	if (bytes > (size_t)c->base.limits->head_bytes * BOMB_HEADS) {
		refuse_bomb(c);
		return;
	}
	head->list_bytes = (uint32_t)bytes;
	if (!head->broken)
		head->broken = (c->base.is_server ? h2_check_field : h2_check_answer_field)(
			&head->seen, is_trailer, field);
	if (!head->fault && bytes > c->base.limits->head_bytes)
		head->fault = COUNTER_http_head_too_large;
	if (!head->fault && !head->broken)
		add_field(c, field->name, field->value);
}
