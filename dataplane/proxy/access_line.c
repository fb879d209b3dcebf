// SPDX-License-Identifier: Apache-2.0
// An entry of the access log as one line of JSON; see access_line.h.
#include "access_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static const struct {
	const char *key;
	uint16_t most;
} text_kinds[] = {
#define X(name, key, most) {key, most},
	ACCESS_TEXTS(X)
#undef X
};

struct out {
	char *at;
	size_t bytes;
};

// put appends formatted text; ACCESS_LINE_BYTES has room for all that access_line_format puts.
__attribute__((format(printf, 2, 3))) static void put(struct out *out, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int bytes =
		vsnprintf(out->at + out->bytes, ACCESS_LINE_BYTES - out->bytes, format, arguments);
	va_end(arguments);
	if (bytes > 0)
		out->bytes += (size_t)bytes;
}

static void put_text(struct out *out, const char *key, const char *text, size_t bytes)
{
	put(out, ",\"%s\":\"", key);
	for (size_t i = 0; i < bytes; i++) {
		unsigned char byte = (unsigned char)text[i];
		if (byte == '"' || byte == '\\') {
			out->at[out->bytes++] = '\\';
			out->at[out->bytes++] = (char)byte;
		} else if (byte < 0x20 || byte > 0x7e) {
			put(out, "\\u%04x", byte);
		} else {
			out->at[out->bytes++] = (char)byte;
		}
	}
	out->at[out->bytes++] = '"';
}

static void put_time(struct out *out, uint64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm parts;
	gmtime_r(&seconds, &parts);
	out->bytes += strftime(out->at + out->bytes, 64, "{\"time\":\"%Y-%m-%dT%H:%M:%S", &parts);
	put(out, ".%06uZ\"", (unsigned)(wall_us % 1000000));
}

static void put_hex(struct out *out, const char *key, const uint8_t *bytes, size_t count)
{
	put(out, ",\"%s\":\"", key);
	for (size_t i = 0; i < count; i++)
		put(out, "%02x", bytes[i]);
	put(out, "\"");
}

static void put_trace(struct out *out, const struct trace *trace)
{
	put_hex(out, "trace", trace->id, sizeof(trace->id));
	put_hex(out, "span", trace->span, sizeof(trace->span));
	if (trace->is_taken)
		put_hex(out, "parent", trace->parent, sizeof(trace->parent));
}

static void put_result(struct out *out, const struct access_entry *entry)
{
	char address[ADDR_TEXT_BYTES];
	put(out, ",\"status\":%u", entry->status);
	if (entry->reason < COUNTER_COUNT)
		put(out, ",\"reason\":\"%s_%s\"", counter_info[entry->reason].module,
		    counter_info[entry->reason].name);
	if (entry->endpoint.port)
		put(out, ",\"endpoint\":\"%s\",\"tries\":%u",
		    endpoint_addr_text(&entry->endpoint, address), entry->try_count);
	put(out, ",\"request_bytes\":%" PRIu64 ",\"response_bytes\":%" PRIu64, entry->request_bytes,
	    entry->response_bytes);
	if (entry->sent_us)
		put(out, ",\"sent_us\":%" PRIu32, entry->sent_us);
	if (entry->answered_us)
		put(out, ",\"answered_us\":%" PRIu32, entry->answered_us);
	put(out, ",\"total_us\":%" PRIu32, entry->total_us);
}

static const char *version_text(uint8_t version)
{
	return version == 20 ? "2" : version == 10 ? "1.0" : "1.1";
}

size_t access_line_format(const struct access_line *line, const struct access_entry *entry,
			  const char *texts, char *at)
{
	struct out out = {at, 0};
	char address[ADDR_TEXT_BYTES];
	put_time(&out, line->wall_us);
	put(&out,
	    ",\"node\":\"%s\",\"worker\":%u,\"client\":\"%s\",\"client_port\":%u,\"http\":\"%s\"",
	    line->node, entry->worker, addr_text(&entry->client.addr, address), entry->client.port,
	    version_text(entry->version));
	for (unsigned i = 0; i < ACCESS_TEXT_COUNT; i++) {
		if (entry->text_bytes[i])
			put_text(&out, text_kinds[i].key, texts, entry->text_bytes[i]);
		texts += entry->text_bytes[i];
	}
	put_result(&out, entry);
	put_trace(&out, &entry->trace);
	put(&out, "}\n");
	return out.bytes;
}

bool access_entry_is_good(const struct access_entry *entry, size_t bytes)
{
	size_t needed = sizeof(*entry);
	for (unsigned i = 0; i < ACCESS_TEXT_COUNT; i++) {
		if (entry->text_bytes[i] > text_kinds[i].most)
			return false;
		needed += entry->text_bytes[i];
	}
	return needed == bytes && entry->reason <= COUNTER_COUNT;
}
