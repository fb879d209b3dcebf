// SPDX-License-Identifier: Apache-2.0
// A TCP header and its options as a value; see tcp_segment.h.
#include "tcp_segment.h"

#include "bytes.h"
#include "check.h"

enum option {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_SCALE = 3,
	OPTION_SACK_PERMITTED = 4,
	OPTION_SACK = 5,
	OPTION_TIMESTAMPS = 8,
};

static bool parse_sack(struct bytes_reader *body, size_t bytes, struct tcp_segment *segment)
{
	if (bytes == 0 || bytes % 8 != 0)
		return false;
	segment->sack_count = 0; // a second option replaces the first
	memset(segment->sack, 0, sizeof(segment->sack));
	for (size_t i = 0; i < bytes / 8 && i < TCP_SACK_BLOCKS; i++) {
		struct tcp_range *block = &segment->sack[segment->sack_count++];
		block->start = seq_of(bytes_u32(body));
		block->end = seq_of(bytes_u32(body));
	}
	return true;
}

// parse_option reads one option's body of bytes bytes; false when that is not its length.
static bool parse_option(uint8_t kind, const uint8_t *at, size_t bytes, struct tcp_segment *segment)
{
	struct bytes_reader body = bytes_read_from(at, bytes);
	switch (kind) {
	case OPTION_MSS:
		segment->has_mss = true;
		segment->mss = bytes_u16(&body);
		return bytes == 2;
	case OPTION_SCALE:
		segment->has_scale = true;
		segment->scale = (uint8_t)MIN((unsigned)bytes_u8(&body), TCP_SCALE_MAX);
		return bytes == 1;
	case OPTION_SACK_PERMITTED: segment->is_sack_permitted = true; return bytes == 0;
	case OPTION_SACK: return parse_sack(&body, bytes, segment);
	case OPTION_TIMESTAMPS:
		segment->has_timestamps = true;
		segment->ts_value = bytes_u32(&body);
		segment->ts_echo = bytes_u32(&body);
		return bytes == 8;
	default: return true;
	}
}

static bool parse_options(const uint8_t *at, size_t bytes, struct tcp_segment *segment)
{
	// All that nearly every segment has (RFC 7323 appendix A).
	static const uint8_t usual[] = {OPTION_NOP, OPTION_NOP, OPTION_TIMESTAMPS, 10};
	struct bytes_reader options = bytes_read_from(at, bytes);
	if (bytes == 12 && memcmp(at, usual, sizeof(usual)) == 0)
		return parse_option(OPTION_TIMESTAMPS, at + sizeof(usual), 8, segment);
	while (options.left > 0) {
		uint8_t kind = bytes_u8(&options);
		if (kind == OPTION_END)
			return true;
		if (kind == OPTION_NOP)
			continue;
		uint8_t option_bytes = bytes_u8(&options);
		if (!options.ok || option_bytes < 2)
			return false;
		const uint8_t *body = bytes_take(&options, option_bytes - 2u);
		if (!body || !parse_option(kind, body, option_bytes - 2u, segment))
			return false;
	}
	return true;
}

bool tcp_segment_parse(const uint8_t *at, size_t bytes, struct tcp_segment *segment)
{
	*segment = (struct tcp_segment){0};
	struct bytes_reader header = bytes_read_from(at, bytes);
	segment->source_port = bytes_u16(&header);
	segment->destination_port = bytes_u16(&header);
	segment->seq = seq_of(bytes_u32(&header));
	segment->ack = seq_of(bytes_u32(&header));
	segment->header_bytes = (uint8_t)((bytes_u8(&header) >> 4) * 4);
	segment->flags = bytes_u8(&header);
	segment->window = bytes_u16(&header);
	bytes_take(&header, 4); // checksum: net's; urgent pointer: ignored (RFC 6093)
	if (!header.ok || segment->header_bytes < TCP_HEADER_BYTES || segment->header_bytes > bytes)
		return false;
	if (segment->header_bytes == TCP_HEADER_BYTES)
		return true;
	return parse_options(at + TCP_HEADER_BYTES, segment->header_bytes - TCP_HEADER_BYTES,
			     segment);
}

uint8_t tcp_segment_option_bytes(const struct tcp_segment *segment)
{
	unsigned bytes = 0;
	if (segment->has_mss)
		bytes += 4;
	if (segment->has_scale)
		bytes += 4;
	if (segment->has_timestamps)
		bytes += 12;
	if (segment->is_sack_permitted)
		bytes += 4;
	if (segment->sack_count)
		bytes += 4 + 8u * segment->sack_count;
	return (uint8_t)bytes;
}

static void write_options(struct bytes_writer *out, const struct tcp_segment *segment)
{
	if (segment->has_mss) {
		bytes_put_u16(out, OPTION_MSS << 8 | 4);
		bytes_put_u16(out, segment->mss);
	}
	if (segment->is_sack_permitted)
		bytes_put_u32(out,
			      OPTION_NOP << 24 | OPTION_NOP << 16 | OPTION_SACK_PERMITTED << 8 | 2);
	if (segment->has_timestamps) {
		bytes_put_u32(out,
			      OPTION_NOP << 24 | OPTION_NOP << 16 | OPTION_TIMESTAMPS << 8 | 10);
		bytes_put_u32(out, segment->ts_value);
		bytes_put_u32(out, segment->ts_echo);
	}
	if (segment->has_scale)
		bytes_put_u32(out, OPTION_NOP << 24 | OPTION_SCALE << 16 | 3 << 8 | segment->scale);
	if (segment->sack_count) {
		bytes_put_u16(out, OPTION_NOP << 8 | OPTION_NOP);
		bytes_put_u16(out, (uint16_t)(OPTION_SACK << 8 | (2 + 8 * segment->sack_count)));
	}
	for (unsigned i = 0; i < segment->sack_count; i++) {
		bytes_put_u32(out, segment->sack[i].start.value);
		bytes_put_u32(out, segment->sack[i].end.value);
	}
}

uint8_t tcp_segment_write(struct tcp_segment *segment, uint8_t out[TCP_HEADER_MAX_BYTES])
{
	unsigned header_bytes = TCP_HEADER_BYTES + tcp_segment_option_bytes(segment);
	CHECK(header_bytes <= TCP_HEADER_MAX_BYTES);
	segment->header_bytes = (uint8_t)header_bytes;
	struct bytes_writer writer = bytes_write_to(out, TCP_HEADER_MAX_BYTES);
	bytes_put_u16(&writer, segment->source_port);
	bytes_put_u16(&writer, segment->destination_port);
	bytes_put_u32(&writer, segment->seq.value);
	bytes_put_u32(&writer, segment->ack.value);
	bytes_put_u8(&writer, (uint8_t)(header_bytes / 4 << 4));
	bytes_put_u8(&writer, segment->flags);
	bytes_put_u16(&writer, segment->window);
	bytes_put_u32(&writer, 0);
	write_options(&writer, segment);
	CHECK(writer.ok && writer.written == header_bytes);
	return segment->header_bytes;
}
