// SPDX-License-Identifier: Apache-2.0
// Coalescing of received segments; see tcp_gro.h.
#include "tcp_gro.h"

// is_text is true for a segment that does nothing but bring text and repeat an ACK.
static bool is_text(const struct tcp_segment *segment)
{
	return segment->payload_bytes > 0 && segment->sack_count == 0 &&
	       (segment->flags & ~(TCP_PSH | TCP_ECE)) == TCP_ACK;
}

// says_the_same is true when the headers differ in nothing that input looks at.
static bool says_the_same(const struct tcp_segment *first, const struct tcp_segment *next)
{
	return seq_equal(first->ack, next->ack) && first->window == next->window &&
	       ((first->flags ^ next->flags) & ~TCP_PSH) == 0 && first->ip_ecn == next->ip_ecn &&
	       first->header_bytes == next->header_bytes &&
	       first->has_timestamps == next->has_timestamps && first->ts_value == next->ts_value &&
	       first->ts_echo == next->ts_echo;
}

bool tcp_gro_add(struct tcp_gro *gro, const struct tcp_segment *first,
		 const struct tcp_segment *next)
{
	if (!seq_equal(next->seq, seq_plus(first->seq, gro->bytes)) || !is_text(first) ||
	    !is_text(next) || !says_the_same(first, next) ||
	    gro->bytes + next->payload_bytes > TCP_GRO_BYTES_MAX || gro->count == UINT8_MAX)
		return false;
	gro->bytes += next->payload_bytes;
	if (gro->longest_bytes < next->payload_bytes)
		gro->longest_bytes = next->payload_bytes;
	gro->count++;
	return true;
}

struct tcp_segment tcp_gro_whole(const struct tcp_gro *gro, const struct tcp_segment *first)
{
	struct tcp_segment whole = *first;
	whole.payload_bytes = gro->bytes;
	whole.piece_bytes = gro->longest_bytes;
	whole.piece_count = gro->count;
	return whole;
}
