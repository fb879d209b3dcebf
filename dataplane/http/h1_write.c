// SPDX-License-Identifier: Apache-2.0
// Heads of HTTP/1.1 out; see h1_write.h.
#include "h1_write.h"

#include "check.h"
#include "decimal.h"
#include "http_field.h"
#include "http_priv.h"

#include <errno.h>

#define OUT_BYTES_FIRST 512u

// What is ours in a head, at most: its first line without method and target (46), frame and
// Connection (62), a tunnel's fields but their values (100), Host's name, Expect, the last line.
#define OWN_BYTES_MAX 256u

#define CONNECTION_BYTES_MAX 32u // of that, Connection and the last line

static const struct {
	uint16_t status;
	const char *reason;
} reasons[] = {
	{100, "Continue"},
	{101, "Switching Protocols"},
	{102, "Processing"},
	{103, "Early Hints"},
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{203, "Non-Authoritative Information"},
	{204, "No Content"},
	{205, "Reset Content"},
	{206, "Partial Content"},
	{300, "Multiple Choices"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{411, "Length Required"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{421, "Misdirected Request"},
	{422, "Unprocessable Content"},
	{425, "Too Early"},
	{426, "Upgrade Required"},
	{428, "Precondition Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{451, "Unavailable For Legal Reasons"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
	{511, "Network Authentication Required"},
};

static const char *reason_of(uint16_t status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return ""; // RFC 9112 4: may be empty
}

// begin takes memory as long as most heads, which one before may have left.
static bool begin(struct h1_out *out)
{
	struct http_spare *spare = out->spare;
	out->at = spare ? http_chain_take(&spare->outs) : NULL;
	if (!out->at)
		out->at = malloc(OUT_BYTES_FIRST);
	out->capacity = out->at ? OUT_BYTES_FIRST : 0;
	return out->at;
}

// room_for returns where bytes bytes more may be written; NULL: memory is short.
static uint8_t *room_for(struct h1_out *out, size_t bytes)
{
	if (out->is_broken)
		return NULL;
	bool has_memory = out->at || begin(out);
	if (has_memory && out->capacity - out->used >= bytes)
		return out->at + out->used;
	size_t capacity = MAX((size_t)out->capacity * 2, out->used + bytes);
	uint8_t *grown = has_memory && capacity <= UINT32_MAX ? realloc(out->at, capacity) : NULL;
	if (!grown) {
		out->is_broken = true;
		return NULL;
	}
	out->at = grown;
	out->capacity = (uint32_t)capacity;
	return out->at + out->used;
}

static void end(struct h1_out *out, const uint8_t *at)
{
	out->used = (uint32_t)(at - out->at);
	CHECK(out->used <= out->capacity);
}

// put and what follows write where room_for made room, and return where they ended. put is inline:
// of most parts the length is known.
static inline __attribute__((always_inline)) uint8_t *put(uint8_t *to, struct slice bytes)
{
	if (bytes.bytes)
		memcpy(to, bytes.at, bytes.bytes);
	return to + bytes.bytes;
}

static uint8_t *put_number(uint8_t *to, uint64_t number)
{
	return (uint8_t *)decimal_write((char *)to, number);
}

static uint8_t *put_field(uint8_t *to, struct slice name, struct slice value)
{
	to = put(put(to, name), SLICE(": "));
	return put(put(to, value), SLICE("\r\n"));
}

static size_t fields_bytes(const struct http_field *fields, uint32_t count)
{
	size_t bytes = 0;
	for (uint32_t i = 0; i < count; i++)
		bytes += fields[i].name.bytes + fields[i].value.bytes + 4;
	return bytes;
}

// Plain fields only: what belongs to the hop is ours to say.
static uint8_t *put_fields(uint8_t *to, const struct http_field *fields, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (http_field_kind_of(fields[i].name) == HTTP_FIELD_PLAIN)
			to = put_field(to, fields[i].name, fields[i].value);
	return to;
}

static uint8_t *put_length(uint8_t *to, uint64_t content_length)
{
	to = put(to, SLICE("content-length: "));
	return put(put_number(to, content_length), SLICE("\r\n"));
}

static uint8_t *put_connection(uint8_t *to, enum h1_connection connection)
{
	if (connection == H1_CONNECTION_CLOSE)
		return put(to, SLICE("connection: close\r\n"));
	return connection == H1_CONNECTION_KEEP_ALIVE ? put(to, SLICE("connection: keep-alive\r\n"))
						      : to;
}

static uint8_t *put_frame(uint8_t *to, const struct h1_frame *frame)
{
	if (frame->framing == H1_CHUNKED)
		to = put(to, SLICE("transfer-encoding: chunked\r\n"));
	else if (frame->content_length != HTTP_LENGTH_NONE)
		to = put_length(to, frame->content_length);
	return put_connection(to, frame->connection);
}

// RFC 6455 4.1, 4.2.2
static uint8_t *put_websocket(uint8_t *to, struct slice name, struct slice value)
{
	to = put(to, SLICE("upgrade: websocket\r\nconnection: Upgrade\r\n"));
	return put_field(to, name, value);
}

int h1_write_request(struct h1_out *out, const struct http_message *message,
		     const struct h1_frame *frame)
{
	bool is_tunnel = frame->websocket.bytes > 0;
	struct slice method = is_tunnel ? SLICE("GET") : message->method_text;
	uint8_t *at = room_for(out, OWN_BYTES_MAX + method.bytes + message->target.bytes +
					    message->authority.bytes + frame->websocket.bytes +
					    fields_bytes(message->fields, message->field_count));
	if (!at)
		return ENOMEM;
	at = put(put(at, method), SLICE(" "));
	at = put(put(at, message->target), SLICE(" HTTP/1.1\r\n"));
	at = put_field(at, SLICE("host"), message->authority);
	at = put_fields(at, message->fields, message->field_count);
	if (message->expects_continue)
		at = put(at, SLICE("expect: 100-continue\r\n"));
	if (is_tunnel && !http_field_find(message, SLICE("sec-websocket-version")).at)
		at = put(at, SLICE("sec-websocket-version: 13\r\n"));
	if (is_tunnel)
		at = put_websocket(at, SLICE("sec-websocket-key"), frame->websocket);
	at = put(put_frame(at, frame), SLICE("\r\n"));
	end(out, at);
	return 0;
}

static uint8_t *put_status(uint8_t *to, uint16_t status)
{
	to = put_number(put(to, SLICE("HTTP/1.1 ")), status);
	to = put(put(to, SLICE(" ")), slice_str(reason_of(status)));
	return put(to, SLICE("\r\n"));
}

size_t h1_lines_max(const struct http_message *message)
{
	return OWN_BYTES_MAX + fields_bytes(message->fields, message->field_count);
}

uint8_t *h1_write_lines(uint8_t *to, const struct http_message *message)
{
	to = put_fields(put_status(to, message->status), message->fields, message->field_count);
	return put_length(to, message->content_length);
}

// write_rest appends a head whose beginning is written ahead.
static int write_rest(struct h1_out *out, const struct http_message *message,
		      enum h1_connection connection)
{
	const struct http_written *written = message->written;
	const struct http_field *fields = message->fields + written->field_count;
	uint32_t count = message->field_count - written->field_count;
	uint8_t *at = room_for(out, written->lines.bytes + fields_bytes(fields, count) +
					    CONNECTION_BYTES_MAX);
	if (!at)
		return ENOMEM;
	at = put_fields(put(at, written->lines), fields, count);
	end(out, put(put_connection(at, connection), SLICE("\r\n")));
	return 0;
}

int h1_write_response(struct h1_out *out, const struct http_message *message,
		      const struct h1_frame *frame)
{
	bool is_tunnel = frame->websocket.bytes > 0;
	if (message->written && frame->content_length == message->written->content_length)
		return write_rest(out, message, frame->connection);
	uint16_t status = is_tunnel ? 101 : message->status;
	uint8_t *at = room_for(out, OWN_BYTES_MAX + frame->websocket.bytes +
					    fields_bytes(message->fields, message->field_count));
	if (!at)
		return ENOMEM;
	at = put_status(at, status);
	if (is_tunnel)
		at = put_websocket(at, SLICE("sec-websocket-accept"), frame->websocket);
	at = put_fields(at, message->fields, message->field_count);
	at = put(put_frame(at, frame), SLICE("\r\n"));
	end(out, at);
	return 0;
}

int h1_write_last_chunk(struct h1_out *out, const struct http_field *trailers, uint32_t count)
{
	uint8_t *at = room_for(out, OWN_BYTES_MAX + fields_bytes(trailers, count));
	if (!at)
		return ENOMEM;
	at = put(at, SLICE("0\r\n"));
	at = put(put_fields(at, trailers, count), SLICE("\r\n"));
	end(out, at);
	return 0;
}

size_t h1_out_take(struct h1_out *out, uint8_t *to, size_t room)
{
	size_t taken = MIN(room, h1_out_pending(out));
	if (taken == 0)
		return 0;
	memcpy(to, out->at + out->sent, taken);
	out->sent += (uint32_t)taken;
	if (out->sent == out->used)
		out->sent = out->used = 0;
	return taken;
}

void h1_out_clear(struct h1_out *out)
{
	struct http_spare *spare = out->spare;
	if (out->capacity == OUT_BYTES_FIRST && spare)
		http_chain_give(&spare->outs, out->at);
	else
		free(out->at);
	*out = (struct h1_out){.spare = spare};
}
