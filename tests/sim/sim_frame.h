// SPDX-License-Identifier: Apache-2.0
// What stands between two ends may look into their frames: take options from SYNs, answer a packet
// that is too long (RFC 1191, RFC 8201), print a segment. Frames are Ethernet without a tag.
#pragma once

#include "tcp_segment.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// sim_frame_tcp finds the TCP header of a frame of bytes bytes, without IP options or extension
// headers; NULL for anything else. *segment_bytes, when not NULL, is the length from there.
uint8_t *sim_frame_tcp(uint8_t *frame, uint32_t bytes, uint32_t *segment_bytes);

// sim_frame_strip blanks options of these kinds in a SYN, as an old peer or a middlebox would, and
// mends the checksum; other frames stay.
void sim_frame_strip(uint8_t *frame, uint32_t bytes, const bool is_unwanted[256]);

#define SIM_FRAME_TOO_BIG_BYTES 200u // at most, of an answer

// sim_frame_too_big makes the answer of a router (10.0.0.254, fd00::fe) to a frame of bytes bytes
// that it cannot send on over mtu. Returns how many bytes answer has, 0 when there is none to give.
uint32_t sim_frame_too_big(const uint8_t *frame, uint32_t bytes, uint32_t mtu, uint8_t *answer);

// One fragment of a datagram that is too long.
struct sim_fragment {
	uint32_t mtu, index; // index from 0
	uint16_t id;         // tells the datagram from others
	uint8_t *frame;      // where it goes
};

// sim_frame_cut makes a fragment of an untagged IPv4 frame of bytes bytes, as a tunnel's end does
// that looks at no DF. Returns how many bytes it has (at most mtu and the Ethernet header), 0
// behind the last one and for what is not IPv4.
uint32_t sim_frame_cut(const uint8_t *frame, uint32_t bytes, const struct sim_fragment *fragment);

// sim_frame_print writes one line about a TCP segment, as tcpdump does, or nothing.
void sim_frame_print(FILE *out, uint8_t *frame, uint32_t bytes);

// sim_frame_mark sets CE (RFC 3168) in an untagged IP frame that is ECT; true when it did.
bool sim_frame_mark(uint8_t *frame);
