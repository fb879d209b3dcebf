// SPDX-License-Identifier: Apache-2.0
// A TCP header and its options as a value (RFC 9293 3.1, 3.2; RFC 7323; RFC 2018). Pure: bytes in,
// struct out, and the reverse.
#pragma once

#include "tcp_seq.h"

#include <stddef.h>

#define TCP_FIN 0x01u
#define TCP_SYN 0x02u
#define TCP_RST 0x04u
#define TCP_PSH 0x08u
#define TCP_ACK 0x10u
#define TCP_URG 0x20u
#define TCP_ECE 0x40u // RFC 3168
#define TCP_CWR 0x80u

#define TCP_HEADER_BYTES     20u // without options
#define TCP_HEADER_MAX_BYTES 60u
#define TCP_SACK_BLOCKS      4u
#define TCP_SCALE_MAX        14u // RFC 7323 2.3

struct tcp_segment {
	uint16_t source_port; // host order
	uint16_t destination_port;
	struct tcp_seq seq;
	struct tcp_seq ack;
	uint16_t window; // as in the header, unscaled
	uint16_t mss;
	uint8_t flags; // TCP_FIN ...
	uint8_t header_bytes;
	uint8_t scale; // <= TCP_SCALE_MAX
	uint8_t sack_count;
	bool has_mss;
	bool has_scale;
	bool has_timestamps;
	bool is_sack_permitted;
	uint32_t ts_value;
	uint32_t ts_echo;
	uint32_t payload_bytes; // not of the header: the caller sets it
	uint32_t piece_bytes; // nor this, nor the next two: longest payload of those it is made of
	uint8_t piece_count;  // segments that it is made of, see tcp_gro.h
	uint8_t ip_ecn;       // ECN bits of the IP header
	struct tcp_range sack[TCP_SACK_BLOCKS];
};

// tcp_segment_parse reads the header in the first bytes bytes at at into segment; options that we
// do not know are skipped, what follows End of Options ignored. False when the header is short or
// an option's length is wrong (RFC 9293 MUST-7: never trust it).
bool tcp_segment_parse(const uint8_t *at, size_t bytes, struct tcp_segment *segment);

// tcp_segment_write writes the header with its options, padded to four bytes, checksum zero, into
// out; sets and returns segment->header_bytes.
uint8_t tcp_segment_write(struct tcp_segment *segment, uint8_t out[TCP_HEADER_MAX_BYTES]);

// tcp_segment_option_bytes is the size of the options that tcp_segment_write would write.
uint8_t tcp_segment_option_bytes(const struct tcp_segment *segment);

// tcp_segment_length is SEG.LEN: payload, and one each for SYN and FIN.
static inline uint32_t tcp_segment_length(const struct tcp_segment *segment)
{
	return segment->payload_bytes + !!(segment->flags & TCP_SYN) + !!(segment->flags & TCP_FIN);
}

// tcp_segment_end is the sequence number after the segment.
static inline struct tcp_seq tcp_segment_end(const struct tcp_segment *segment)
{
	return seq_plus(segment->seq, tcp_segment_length(segment));
}
