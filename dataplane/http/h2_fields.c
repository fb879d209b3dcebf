// SPDX-License-Identifier: Apache-2.0
// Fields of heads, written by us. nghttp2 gets the status, or the method, alone and makes the frame
// of it, with all that it does for the stream; the fields are put behind it as it leaves. Its own
// way costs 300 instructions a field.
//
//   nghttp2: | head 9, length + ... | sizes of the table, :status or :method |    ours: | fields |
//
// To clients they are HPACK's literals, which neither use nor change the dynamic table: in those of
// a busy server's answers, of many objects, little is found; nginx and HAProxy write theirs
// without, too. Between nodes one connection has many requests that are alike: there a table of
// ours is used (hpack_index.h), of which the peer has the like, since nghttp2, here as there,
// enters nothing.
//
// A head waits in h2_text until its frame is made; what does not fit there is nghttp2's to write.
// One for a table waits as it is, and is written where it lies when its frame is made, in the order
// in which frames leave: by then a request may have been given up.
#include "h2_priv.h"

#include "hpack_write.h"
#include "http_field.h"

#include <assert.h>

#define WAITING_EXTRA 7u  // of a field that waits as it is: lengths, and room for what is written
#define PSEUDO_FIELDS 4u  // of a request, beside its method
#define PSEUDO_BYTES  64u // their names, and what we add: "https", "expect: 100-continue"

static_assert(WAITING_EXTRA <= HPACK_FIELD_EXTRA, "h2_literals_max counts the larger one");

// A head that waits. nghttp2 hands the address of its status or method back; the block is behind.
struct waiting {
	uint8_t bytes[2]; // of the block, little endian: it lies anywhere
	uint8_t value[];
};

// The names of the field that nghttp2 gets: a frame whose only field has it, here, is one of ours.
static const uint8_t status_name[] = ":status", method_name[] = ":method";

bool h2_field_is_said(const struct http_field *field)
{
	enum http_field_kind kind = http_field_kind_of(field->name);
	return kind == HTTP_FIELD_PLAIN ||
	       (kind == HTTP_FIELD_TE && slice_equal_nocase(field->value, SLICE("trailers")));
}

size_t h2_literals_max(const struct http_field *fields, uint32_t count)
{
	size_t bytes = sizeof("content-length") + DECIMAL_BYTES_MAX + HPACK_FIELD_EXTRA;
	for (uint32_t i = 0; i < count; i++)
		bytes += fields[i].name.bytes + fields[i].value.bytes + HPACK_FIELD_EXTRA;
	return bytes;
}

uint8_t *h2_write_literals(uint8_t *to, const struct http_field *fields, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (h2_field_is_said(&fields[i]))
			to = hpack_write(to, fields[i].name, fields[i].value);
	return to;
}

uint8_t *h2_write_length(uint8_t *to, uint64_t content_length)
{
	char digits[DECIMAL_BYTES_MAX];
	return hpack_write(to, SLICE("content-length"), h2_length_text(content_length, digits));
}

// put_as_is lets a field wait behind its lengths.
static uint8_t *put_as_is(uint8_t *at, struct slice name, struct slice value)
{
	const uint16_t lengths[2] = {(uint16_t)name.bytes, (uint16_t)value.bytes};
	memcpy(at, lengths, sizeof(lengths));
	at = mempcpy(at + WAITING_EXTRA, name.at, name.bytes);
	return value.bytes ? mempcpy(at, value.at, value.bytes) : at;
}

static uint8_t *put(const struct h2_conn *c, uint8_t *at, struct slice name, struct slice value)
{
	return (c->writer ? put_as_is : hpack_write)(at, name, value);
}

// fields_behind is where the fields of a message go on behind the first ones; it may have none.
static const struct http_field *fields_behind(const struct http_message *m, uint32_t first)
{
	return first ? m->fields + first : m->fields;
}

// put_fields lets a message's fields wait; written is what of them is there already as literals.
static uint8_t *put_fields(const struct h2_conn *c, uint8_t *at, const struct http_message *m,
			   bool has_length, const struct http_written *written)
{
	char digits[DECIMAL_BYTES_MAX];
	uint32_t first = written ? written->field_count : 0;
	if (written)
		at = mempcpy(at, written->literals.at, written->literals.bytes);
	if (!c->writer) {
		at = h2_write_literals(at, fields_behind(m, first), m->field_count - first);
		return has_length && !written ? h2_write_length(at, m->content_length) : at;
	}
	for (uint32_t i = 0; i < m->field_count; i++)
		if (h2_field_is_said(&m->fields[i]))
			at = put_as_is(at, m->fields[i].name, m->fields[i].value);
	if (!has_length)
		return at;
	return put_as_is(at, SLICE("content-length"), h2_length_text(m->content_length, digits));
}

static struct waiting *take(struct h2_conn *c, size_t room)
{
	return room <= H2_TEXT_BYTES_MAX ? (void *)h2_text_take(c, room) : NULL;
}

// keep notes where the block of a head ends, and gives the rest of its room back.
static void keep(struct h2_conn *c, struct waiting *head, size_t room, const struct slice value,
		 const uint8_t *end)
{
	size_t bytes = (size_t)(end - head->value) - value.bytes;
	h2_text_shorten(c, room - (size_t)(end - head->bytes));
	head->bytes[0] = (uint8_t)bytes;
	head->bytes[1] = (uint8_t)(bytes >> 8);
}

static nghttp2_nv only_field(const uint8_t name[8], struct waiting *head, size_t value_bytes,
			     bool is_static)
{
	return (nghttp2_nv){
		(uint8_t *)(uintptr_t)name, // nghttp2 does not write
		head->value,
		sizeof(status_name) - 1,
		value_bytes,
		(is_static ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX) |
			NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
	};
}

// is_static_status: RFC 7541's table has it, so nghttp2 does not enter it.
static bool is_static_status(uint16_t status)
{
	return status == 200 || status == 204 || status == 206 || status == 304 || status == 400 ||
	       status == 404 || status == 500;
}

bool h2_fields_wait(struct h2_conn *c, const struct http_message *m, bool has_length,
		    nghttp2_nv *status)
{
	const struct http_written *written = has_length && !c->writer ? m->written : NULL;
	uint32_t first = written ? written->field_count : 0;
	size_t room = sizeof(struct waiting) + H2_STATUS_BYTES +
		      (written ? written->literals.bytes : 0) +
		      h2_literals_max(fields_behind(m, first), m->field_count - first);
	struct waiting *head = take(c, room);
	if (!head)
		return false;
	h2_status_text(m->status, head->value);
	uint8_t *end = put_fields(c, head->value + H2_STATUS_BYTES, m, has_length, written);
	keep(c, head, room, slice_of(head->value, H2_STATUS_BYTES), end);
	*status = only_field(status_name, head, H2_STATUS_BYTES, is_static_status(m->status));
	return true;
}

bool h2_fields_wait_request(struct h2_conn *c, const struct http_message *m, bool has_length,
			    nghttp2_nv *method)
{
	struct slice name = m->method_text;
	bool is_tunnel = m->protocol.bytes > 0;
	size_t room = sizeof(struct waiting) + h2_literals_max(m->fields, m->field_count) +
		      name.bytes + m->protocol.bytes + m->scheme.bytes + m->target.bytes +
		      m->authority.bytes + PSEUDO_BYTES + (PSEUDO_FIELDS + 1) * HPACK_FIELD_EXTRA;
	struct waiting *head = take(c, room);
	if (!head)
		return false;
	uint8_t *at = mempcpy(head->value, name.at, name.bytes);
	if (is_tunnel)
		at = put(c, at, SLICE(":protocol"), m->protocol);
	if (m->method != HTTP_CONNECT || is_tunnel) {
		at = put(c, at, SLICE(":scheme"), m->scheme.bytes ? m->scheme : SLICE("https"));
		at = put(c, at, SLICE(":path"), m->target);
	}
	at = put(c, at, SLICE(":authority"), m->authority);
	if (m->expects_continue)
		at = put(c, at, SLICE("expect"), SLICE("100-continue"));
	at = put_fields(c, at, m, has_length, NULL);
	keep(c, head, room, name, at);
	bool is_static = m->method == HTTP_GET || m->method == HTTP_POST;
	*method = only_field(method_name, head, name.bytes, is_static);
	return true;
}

// write_waiting writes a block's fields, which wait as they are, where they lie.
static size_t write_waiting(struct h2_conn *c, uint8_t *block, size_t bytes)
{
	const uint8_t *from = block, *end = block + bytes;
	uint8_t *at = block;
	while (from < end) {
		uint16_t lengths[2];
		memcpy(lengths, from, sizeof(lengths));
		from += WAITING_EXTRA;
		struct slice name = slice_of(from, lengths[0]);
		struct slice value = slice_of(from + lengths[0], lengths[1]);
		from += lengths[0] + lengths[1];
		at = hpack_write_indexed(c->writer, at, name, value);
	}
	return (size_t)(at - block);
}

int h2_fields_due(nghttp2_session *, const nghttp2_frame *frame, void *user)
{
	struct h2_conn *c = user;
	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.nvlen != 1)
		return 0;
	const nghttp2_nv *only = &frame->headers.nva[0];
	if (only->name != status_name && only->name != method_name)
		return 0;
	struct waiting *head = (void *)(only->value - offsetof(struct waiting, value));
	uint8_t *block = head->value + only->valuelen;
	size_t bytes = head->bytes[0] | (size_t)head->bytes[1] << 8;
	c->fields = slice_of(block, c->writer ? write_waiting(c, block, bytes) : bytes);
	return 0;
}

void h2_fields_join(struct h2_conn *c, uint8_t *to)
{
	size_t bytes = c->rest_bytes - H2_FRAME_HEAD_BYTES + c->fields.bytes;
	CHECK(c->rest[3] == NGHTTP2_HEADERS && bytes <= H2_FRAME_BYTES);
	memcpy(to, c->rest, c->rest_bytes);
	to[0] = (uint8_t)(bytes >> 16);
	to[1] = (uint8_t)(bytes >> 8);
	to[2] = (uint8_t)bytes;
	memcpy(to + c->rest_bytes, c->fields.at, c->fields.bytes);
	c->fields = (struct slice){0};
}
