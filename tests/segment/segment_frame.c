// SPDX-License-Identifier: Apache-2.0
// TCP segments as frames and back; see segment_frame.h.
#include "segment_frame.h"

#include "check.h"
#include "segment_ip.h"

#include <string.h>

static uint8_t *put_option(uint8_t *at, const struct segment_option *option)
{
	switch (option->kind) {
	case SEGMENT_EOL:
	case SEGMENT_NOP: *at = (uint8_t)option->kind; return at + 1;
	case SEGMENT_RAW:
		for (unsigned i = 0; i < option->count; i++)
			*at++ = (uint8_t)option->value[i];
		return at;
	case SEGMENT_MSS:
		segment_put(at, 2 << 8 | 4, 2);
		segment_put(at + 2, option->value[0], 2);
		return at + 4;
	case SEGMENT_SCALE: segment_put(at, 3 << 16 | 3 << 8 | option->value[0], 3); return at + 3;
	default: // whole words
		at[0] = (uint8_t)option->kind;
		at[1] = (uint8_t)(2 + 4 * option->count);
		for (unsigned i = 0; i < option->count; i++)
			segment_put(at + 2 + 4 * i, option->value[i], 4);
		return at + 2 + 4 * option->count;
	}
}

// put_header writes the TCP header without its checksum; returns its length.
static uint32_t put_header(uint8_t *at, const struct segment_frame *frame)
{
	uint8_t *end = at + 20;
	for (unsigned i = 0; i < frame->option_count; i++)
		end = put_option(end, &frame->option[i]);
	while ((end - at) % 4)
		*end++ = SEGMENT_EOL;
	CHECK(end - at <= 60);
	uint32_t words = (uint32_t)(end - at) / 4;
	segment_put(at, frame->source_port, 2);
	segment_put(at + 2, frame->destination_port, 2);
	segment_put(at + 4, frame->seq, 4);
	segment_put(at + 8, frame->ack, 4);
	at[12] = (uint8_t)((frame->header_words ? frame->header_words : words) << 4);
	at[13] = frame->flags;
	segment_put(at + 14, frame->window, 2);
	segment_put(at + 16, 0, 2);
	segment_put(at + 18, frame->urgent, 2);
	return words * 4;
}

uint32_t segment_frame_write(const struct segment_ends *ends, const struct segment_frame *frame,
			     uint8_t *out)
{
	struct segment_ip ip = {.protocol = 6, .ttl = frame->ttl, .ecn = frame->ecn};
	uint8_t *tcp = out + segment_ip_offset(ends);
	memset(tcp, 0, 60);
	uint32_t header_bytes = put_header(tcp, frame);
	if (frame->payload_bytes)
		memcpy(tcp + header_bytes, frame->payload, frame->payload_bytes);
	ip.bytes = header_bytes + frame->payload_bytes;
	segment_put(tcp + 16, segment_ip_checksum(ends, &ip, tcp, true), 2);
	if (frame->is_checksum_wrong)
		tcp[16] ^= 0x55;
	return segment_ip_put(ends, &ip, out);
}

// read_option takes the option at at, bytes long with its head, apart.
static void read_option(const uint8_t *at, uint32_t bytes, struct segment_option *option)
{
	*option = (struct segment_option){.kind = at[0]};
	if (at[0] == SEGMENT_MSS && bytes == 4) {
		option->count = 1;
		option->value[0] = segment_get(at + 2, 2);
	} else if (at[0] == SEGMENT_SCALE && bytes == 3) {
		option->count = 1;
		option->value[0] = at[2];
	} else if ((bytes - 2) % 4 == 0) {
		option->count = (uint8_t)((bytes - 2) / 4);
		for (unsigned i = 0; i < option->count; i++)
			option->value[i] = segment_get(at + 2 + 4 * i, 4);
	}
}

// read_options fills frame's options, without padding; false when a length is wrong.
static bool read_options(const uint8_t *at, uint32_t bytes, struct segment_frame *frame)
{
	for (uint32_t i = 0; i < bytes && at[i] != SEGMENT_EOL;) {
		if (at[i] == SEGMENT_NOP) {
			i++;
			continue;
		}
		if (i + 1 == bytes || at[i + 1] < 2 || i + at[i + 1] > bytes ||
		    frame->option_count == SEGMENT_OPTIONS)
			return false;
		read_option(at + i, at[i + 1], &frame->option[frame->option_count++]);
		i += at[i + 1];
	}
	return true;
}

bool segment_frame_read(const struct segment_ends *ends, const uint8_t *at, uint32_t bytes,
			struct segment_frame *frame)
{
	struct segment_ip ip;
	*frame = (struct segment_frame){0};
	if (!segment_ip_get(ends, at, bytes, &ip) || ip.protocol != 6 || ip.bytes < 20)
		return false;
	const uint8_t *tcp = at + segment_ip_offset(ends);
	uint32_t header_bytes = (tcp[12] >> 4) * 4u;
	if (header_bytes < 20 || header_bytes > ip.bytes)
		return false;
	*frame = (struct segment_frame){
		.source_port = (uint16_t)segment_get(tcp, 2),
		.destination_port = (uint16_t)segment_get(tcp + 2, 2),
		.seq = segment_get(tcp + 4, 4),
		.ack = segment_get(tcp + 8, 4),
		.flags = tcp[13],
		.window = (uint16_t)segment_get(tcp + 14, 2),
		.urgent = (uint16_t)segment_get(tcp + 18, 2),
		.ttl = ip.ttl,
		.ecn = ip.ecn,
		.has_df = ip.has_df,
		.is_checksum_good = segment_ip_checksum(ends, &ip, tcp, false) == 0,
		.payload = tcp + header_bytes,
		.payload_bytes = ip.bytes - header_bytes,
	};
	return read_options(tcp + 20, header_bytes - 20, frame);
}
