// SPDX-License-Identifier: Apache-2.0
// IP headers of the scripts' peer, both families behind one struct.
#pragma once

#include "segment_frame.h"

struct segment_ip {
	uint8_t protocol, ttl, ecn;
	bool has_df;
	uint32_t bytes; // behind the IP header
};

// segment_put and segment_get write and read bytes (<= 4) bytes in network order.
void segment_put(uint8_t *at, uint32_t value, unsigned bytes);
uint32_t segment_get(const uint8_t *at, unsigned bytes);

// segment_ip_offset is where a frame of the family has its transport header.
uint32_t segment_ip_offset(const struct segment_ends *ends);

// segment_ip_put writes Ethernet and IP header from the peer to us at out; returns the frame's
// length.
uint32_t segment_ip_put(const struct segment_ends *ends, const struct segment_ip *ip, uint8_t *out);

// segment_ip_get reads the headers of a frame from us; false when it is not of the family, or cut.
bool segment_ip_get(const struct segment_ends *ends, const uint8_t *at, uint32_t bytes,
		    struct segment_ip *ip);

// segment_ip_checksum is the transport checksum of ip->bytes at at with its pseudo header, as it
// stands in the header; 0 when the header's own field was right. The direction does not matter to
// the sum, except that is_from_peer names whose addresses come first.
uint16_t segment_ip_checksum(const struct segment_ends *ends, const struct segment_ip *ip,
			     const uint8_t *at, bool is_from_peer);

// segment_ip_add adds bytes bytes (<= 1024) at at to an Internet checksum's sum (RFC 1071);
// segment_ip_fold makes the checksum of it.
uint32_t segment_ip_add(uint32_t sum, const uint8_t *at, uint32_t bytes);
uint16_t segment_ip_fold(uint32_t sum);
