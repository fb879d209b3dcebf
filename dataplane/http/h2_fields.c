// SPDX-License-Identifier: Apache-2.0
// Fields of a response's head, written by us. nghttp2 gets the status alone and makes the frame of
// it, with all that it does for the stream; the fields, HPACK's literals, are put behind it as it
// leaves. Literals neither use nor change the dynamic table, so nghttp2's is what the peer has.
// Its own way costs 300 instructions a field, for tables in which a busy server's answers, of many
// objects, find little: nginx and HAProxy write theirs without, too.
//
//   nghttp2: | head 9, length + ... | sizes of the table, :status |    ours: | fields |
//
// A head waits in h2_text until its frame is made; what does not fit there is nghttp2's to write.
#include "h2_priv.h"

#include "hpack_write.h"
#include "http_field.h"

#define LENGTH_DIGITS 20u

// A head that waits. nghttp2 hands the address of its status back.
struct waiting {
	uint8_t bytes[2]; // of the block, little endian: it lies anywhere
	uint8_t status[3];
	uint8_t block[];
};

// The name of the field that nghttp2 gets: a frame whose only field has it, here, is one of ours.
static const uint8_t status_name[] = ":status";

bool h2_field_is_said(const struct http_field *field)
{
	enum http_field_kind kind = http_field_kind_of(field->name);
	return kind == HTTP_FIELD_PLAIN ||
	       (kind == HTTP_FIELD_TE && slice_equal_nocase(field->value, SLICE("trailers")));
}

size_t h2_literals_max(const struct http_field *fields, uint32_t count)
{
	size_t bytes = sizeof("content-length") + LENGTH_DIGITS + HPACK_FIELD_EXTRA;
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
	char digits[LENGTH_DIGITS];
	return hpack_write(to, SLICE("content-length"), h2_length_text(content_length, digits));
}

// write_fields writes all that is said beside the status; written is what of it is there already.
static uint8_t *write_fields(uint8_t *at, const struct http_message *m, bool has_length,
			     const struct http_written *written)
{
	uint32_t first = written ? written->field_count : 0;
	if (written)
		at = mempcpy(at, written->literals.at, written->literals.bytes);
	at = h2_write_literals(at, m->fields + first, m->field_count - first);
	return has_length && !written ? h2_write_length(at, m->content_length) : at;
}

bool h2_fields_wait(struct h2_conn *c, const struct http_message *m, bool has_length,
		    nghttp2_nv *status)
{
	const struct http_written *written = has_length ? m->written : NULL;
	uint32_t first = written ? written->field_count : 0;
	size_t room = sizeof(struct waiting) + (written ? written->literals.bytes : 0) +
		      h2_literals_max(m->fields + first, m->field_count - first);
	struct waiting *head = room <= H2_TEXT_BYTES_MAX ? (void *)h2_text_take(c, room) : NULL;
	if (!head)
		return false;
	size_t bytes = (size_t)(write_fields(head->block, m, has_length, written) - head->block);
	h2_text_shorten(c, room - sizeof(*head) - bytes);
	head->bytes[0] = (uint8_t)bytes;
	head->bytes[1] = (uint8_t)(bytes >> 8);
	h2_status_text(m->status, head->status);
	*status = (nghttp2_nv){
		(uint8_t *)(uintptr_t)status_name, // nghttp2 does not write
		head->status,
		sizeof(status_name) - 1,
		sizeof(head->status),
		NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
	};
	return true;
}

int h2_fields_due(nghttp2_session *, const nghttp2_frame *frame, void *user)
{
	struct h2_conn *c = user;
	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.nvlen != 1 ||
	    frame->headers.nva[0].name != status_name)
		return 0;
	struct waiting *head = container_of(frame->headers.nva[0].value, struct waiting, status);
	c->fields = slice_of(head->block, head->bytes[0] | (size_t)head->bytes[1] << 8);
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
