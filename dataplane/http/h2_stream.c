// SPDX-License-Identifier: Apache-2.0
// The exchanges of an HTTP/2 connection: found by nghttp2's user data, freed exactly once.
#include "h2_priv.h"

struct h2_stream *h2_stream_get(struct h2_conn *c, uint32_t id)
{
	if (id && c->recent && c->recent->id == id)
		return c->recent;
	struct h2_stream *stream = nghttp2_session_get_stream_user_data(c->session, (int32_t)id);
	if (stream) {
		c->recent = stream;
		return stream;
	}
	// A request that was not sent yet is no stream of nghttp2's.
	struct list *link;
	list_for_each (link, &c->streams) {
		if (!id || c->base.is_server)
			break;
		if (h2_stream_at(link)->id == id)
			return h2_stream_at(link);
	}
	return NULL;
}

struct h2_stream *h2_stream_new(struct h2_conn *c, uint32_t id)
{
	if (c->stream_count == c->base.limits->stream_count)
		return NULL;
	struct h2_stream *stream = h2_memory_take(c, sizeof(*stream));
	if (!stream)
		return NULL;
	c->stream_count++;
	c->recent = stream;
	*stream = (struct h2_stream){
		.id = id,
		.content_length = HTTP_LENGTH_NONE,
		.window_bytes = c->base.limits->stream_window_bytes,
		.rest_bytes = c->base.limits->stream_window_bytes / 2,
	};
	h2_crumb_joins(c, stream);
	list_append(&c->streams, &stream->link);
	return stream;
}

void h2_stream_free(struct h2_conn *c, struct h2_stream *stream)
{
	nghttp2_session_set_stream_user_data(c->session, (int32_t)stream->id, NULL);
	h2_stream_closed(c, stream);
}

void h2_stream_closed(struct h2_conn *c, struct h2_stream *stream)
{
	if (stream->unconsumed_bytes && !c->is_broken)
		nghttp2_session_consume_connection(c->session, stream->unconsumed_bytes);
	h2_window_release(c, stream);
	list_remove(&stream->link);
	c->recent = NULL;
	h2_memory_give(c, stream);
	c->stream_count--;
}

void h2_stream_fail(struct h2_conn *c, struct h2_stream *stream, struct http_fault fault)
{
	uint32_t id = stream->id;
	void *user = stream->user;
	h2_stream_free(c, stream);
	c->base.events->reset(c->base.user, id, user, fault);
}

void h2_note_unwanted(struct h2_conn *c, uint32_t window_bytes)
{
	c->junk_bytes = MIN(c->junk_bytes + window_bytes,
			    (uint64_t)c->base.limits->conn_window_bytes + c->grown_bytes);
}

void h2_refuse(struct h2_conn *c, int32_t id, int counter)
{
	struct http_fault fault = http_fault_of(counter, false);
	uint8_t status[H2_STATUS_BYTES];
	h2_status_text(fault.status, status);
	nghttp2_nv fields[] = {
		{(uint8_t *)":status", status, 7, sizeof(status), NGHTTP2_NV_FLAG_NO_INDEX},
		{(uint8_t *)"content-length", (uint8_t *)"0", 14, 1, NGHTTP2_NV_FLAG_NO_INDEX},
	};
	nghttp2_submit_response(c->session, id, fields, ARRAY_LEN(fields), NULL);
	if (c->base.limits->counters)
		counter_inc(c->base.limits->counters, (enum counter)counter);
	h2_note_unwanted(c, c->base.limits->stream_window_bytes);
	h2_note_reset(c);
}
