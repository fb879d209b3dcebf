// SPDX-License-Identifier: Apache-2.0
// Ethernet frames of the scripts' peer, made and read byte by byte without the stack's own code, so
// that the two cannot agree on a mistake: IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293 3.1) with
// any options, ICMP errors (RFC 792, RFC 4443), answers to ARP (RFC 826) and neighbour
// solicitations (RFC 4861).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_FRAME_BYTES 66000u
#define SEGMENT_OPTIONS     16u // a header
#define SEGMENT_VALUES      8u  // an option

#define SEGMENT_FIN 0x01u
#define SEGMENT_SYN 0x02u
#define SEGMENT_RST 0x04u
#define SEGMENT_PSH 0x08u
#define SEGMENT_ACK 0x10u
#define SEGMENT_URG 0x20u
#define SEGMENT_ECE 0x40u
#define SEGMENT_CWR 0x80u

enum segment_kind {
	SEGMENT_EOL = 0,
	SEGMENT_NOP = 1,
	SEGMENT_MSS = 2,
	SEGMENT_SCALE = 3,
	SEGMENT_SACK_PERMITTED = 4,
	SEGMENT_SACK = 5,
	SEGMENT_TIMESTAMPS = 8,
	SEGMENT_RAW = 256, // bytes as they are, not read back
};

// One TCP option. SACK: start, end, start, end ...; timestamps: value, echo; RAW: a byte each.
struct segment_option {
	uint16_t kind; // enum segment_kind, or another number that was read
	uint8_t count;
	uint32_t value[SEGMENT_VALUES];
	bool is_any[SEGMENT_VALUES]; // expected: whatever it is
};

// Addresses of both ends of the wire, and which family a script runs on.
struct segment_ends {
	bool is_v6;
	uint8_t peer_mac[6], our_mac[6];
	uint8_t peer_v4[4], our_v4[4];
	uint8_t peer_v6[16], our_v6[16];
};

struct segment_frame {
	uint16_t source_port, destination_port; // host order
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window, urgent;
	uint8_t ttl, ecn; // ecn: the two bits of IP
	bool has_df, is_checksum_good;
	const char *icmp; // name of an ICMP error, which is no segment; NULL: it is one
	struct segment_option option[SEGMENT_OPTIONS];
	unsigned option_count;
	const uint8_t *payload;
	uint32_t payload_bytes;
	// written only
	uint8_t header_words; // 0: what it is; else the data offset to lie about
	bool is_checksum_wrong;
};

// What an ICMP error says, and about which segment of ours.
struct segment_icmp {
	const char *error; // net host protocol port admin too-big time reassembly parameter ...
	uint32_t mtu;
	uint32_t seq;
	uint16_t our_port, peer_port;
};

// segment_frame_write makes a frame from the peer to us at out (SEGMENT_FRAME_BYTES); returns its
// length.
uint32_t segment_frame_write(const struct segment_ends *ends, const struct segment_frame *frame,
			     uint8_t *out);

// segment_frame_read takes a frame of ours apart; false when it is no TCP segment of the family.
// payload points into at.
bool segment_frame_read(const struct segment_ends *ends, const uint8_t *at, uint32_t bytes,
			struct segment_frame *frame);

// segment_frame_icmp makes an ICMP error from the peer; returns its length, 0 when the family has
// no such error.
uint32_t segment_frame_icmp(const struct segment_ends *ends, const struct segment_icmp *icmp,
			    uint8_t *out);

// segment_frame_icmp_read takes an ICMP error of ours apart, which is right when it quotes a packet
// of the peer and its checksum is good; false when it is none.
bool segment_frame_icmp_read(const struct segment_ends *ends, const uint8_t *at, uint32_t bytes,
			     struct segment_frame *frame);

// segment_frame_resolve answers an ARP request or a neighbour solicitation for the peer; returns
// the answer's length at out, 0 when at is none.
uint32_t segment_frame_resolve(const struct segment_ends *ends, const uint8_t *at, uint32_t bytes,
			       uint8_t *out);
