// SPDX-License-Identifier: Apache-2.0
// Coalescing of received segments (GRO): which segments of a burst are text that one longer segment
// could have carried, so that RFC 9293 3.10.7 need run only once for them. They differ in nothing
// but where their text lies and PSH: the same ACK, window, timestamps and ECN field (RFC 3168: a
// mark is neither spread nor lost), no SACK blocks, and of the flags ACK and ECE alone. Pure.
#pragma once

#include "tcp_segment.h"

#define TCP_GRO_BYTES_MAX 65535u // payload of a run, as of the longest IP packet

// A run of segments, each of which begins where the one before it ends.
struct tcp_gro {
	uint32_t bytes;         // payload of all
	uint32_t longest_bytes; // of one
	uint8_t count;
};

// tcp_gro_begin makes a run of segment alone.
static inline struct tcp_gro tcp_gro_begin(const struct tcp_segment *segment)
{
	return (struct tcp_gro){segment->payload_bytes, segment->payload_bytes, 1};
}

// tcp_gro_add takes next into the run that began with first; false when it must begin its own.
bool tcp_gro_add(struct tcp_gro *gro, const struct tcp_segment *first,
		 const struct tcp_segment *next);

// tcp_gro_whole is the segment that stands for the run that began with first.
struct tcp_segment tcp_gro_whole(const struct tcp_gro *gro, const struct tcp_segment *first);
