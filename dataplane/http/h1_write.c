// SPDX-License-Identifier: Apache-2.0
// Heads of HTTP/1.1 out; see h1_write.h.
#include "h1_write.h"

#include "check.h"
#include "http_field.h"

#include <errno.h>

#define OUT_BYTES_FIRST 512u

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

static bool make_room(struct h1_out *out, size_t bytes)
{
	if (out->is_broken)
		return false;
	if (out->capacity - out->used >= bytes)
		return true;
	size_t capacity = MAX(out->capacity * 2, out->used + bytes);
	uint8_t *grown = realloc(out->at, MAX(capacity, OUT_BYTES_FIRST));
	if (!grown) {
		out->is_broken = true;
		return false;
	}
	out->at = grown;
	out->capacity = MAX(capacity, OUT_BYTES_FIRST);
	return true;
}

// append copies where there is room.
static void append(struct h1_out *out, struct slice bytes)
{
	if (bytes.bytes == 0)
		return;
	memcpy(out->at + out->used, bytes.at, bytes.bytes);
	out->used += bytes.bytes;
}

static void put(struct h1_out *out, struct slice bytes)
{
	if (make_room(out, bytes.bytes))
		append(out, bytes);
}

static void put_number(struct h1_out *out, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	put(out, slice_of(digits + at, sizeof(digits) - at));
}

static void put_field(struct h1_out *out, struct slice name, struct slice value)
{
	if (!make_room(out, name.bytes + value.bytes + 4))
		return;
	append(out, name);
	append(out, SLICE(": "));
	append(out, value);
	append(out, SLICE("\r\n"));
}

// Plain fields only: what belongs to the hop is ours to say.
static void put_fields(struct h1_out *out, const struct http_field *fields, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (http_field_kind_of(fields[i].name) == HTTP_FIELD_PLAIN)
			put_field(out, fields[i].name, fields[i].value);
}

static void put_frame(struct h1_out *out, const struct h1_frame *frame)
{
	if (frame->framing == H1_CHUNKED) {
		put_field(out, SLICE("transfer-encoding"), SLICE("chunked"));
	} else if (frame->content_length != HTTP_LENGTH_NONE) {
		put(out, SLICE("content-length: "));
		put_number(out, frame->content_length);
		put(out, SLICE("\r\n"));
	}
	if (frame->connection == H1_CONNECTION_CLOSE)
		put_field(out, SLICE("connection"), SLICE("close"));
	if (frame->connection == H1_CONNECTION_KEEP_ALIVE)
		put_field(out, SLICE("connection"), SLICE("keep-alive"));
}

// RFC 6455 4.1, 4.2.2
static void put_websocket(struct h1_out *out, struct slice name, struct slice value)
{
	put_field(out, SLICE("upgrade"), SLICE("websocket"));
	put_field(out, SLICE("connection"), SLICE("Upgrade"));
	put_field(out, name, value);
}

int h1_write_request(struct h1_out *out, const struct http_message *message,
		     const struct h1_frame *frame)
{
	bool is_tunnel = frame->websocket.bytes > 0;
	put(out, is_tunnel ? SLICE("GET") : message->method_text);
	put(out, SLICE(" "));
	put(out, message->target);
	put(out, SLICE(" HTTP/1.1\r\n"));
	put_field(out, SLICE("host"), message->authority);
	put_fields(out, message->fields, message->field_count);
	if (message->expects_continue)
		put_field(out, SLICE("expect"), SLICE("100-continue"));
	if (is_tunnel && !http_field_find(message, SLICE("sec-websocket-version")).at)
		put_field(out, SLICE("sec-websocket-version"), SLICE("13"));
	if (is_tunnel)
		put_websocket(out, SLICE("sec-websocket-key"), frame->websocket);
	put_frame(out, frame);
	put(out, SLICE("\r\n"));
	return out->is_broken ? ENOMEM : 0;
}

int h1_write_response(struct h1_out *out, const struct http_message *message,
		      const struct h1_frame *frame)
{
	bool is_tunnel = frame->websocket.bytes > 0;
	uint16_t status = is_tunnel ? 101 : message->status;
	put(out, SLICE("HTTP/1.1 "));
	put_number(out, status);
	put(out, SLICE(" "));
	put(out, slice_str(reason_of(status)));
	put(out, SLICE("\r\n"));
	if (is_tunnel)
		put_websocket(out, SLICE("sec-websocket-accept"), frame->websocket);
	put_fields(out, message->fields, message->field_count);
	put_frame(out, frame);
	put(out, SLICE("\r\n"));
	return out->is_broken ? ENOMEM : 0;
}

int h1_write_last_chunk(struct h1_out *out, const struct http_field *trailers, uint32_t count)
{
	put(out, SLICE("0\r\n"));
	put_fields(out, trailers, count);
	put(out, SLICE("\r\n"));
	return out->is_broken ? ENOMEM : 0;
}

size_t h1_out_take(struct h1_out *out, uint8_t *to, size_t room)
{
	size_t taken = MIN(room, h1_out_pending(out));
	if (taken == 0)
		return 0;
	memcpy(to, out->at + out->sent, taken);
	out->sent += taken;
	if (out->sent == out->used)
		out->sent = out->used = 0;
	return taken;
}

void h1_out_clear(struct h1_out *out)
{
	free(out->at);
	*out = (struct h1_out){0};
}
