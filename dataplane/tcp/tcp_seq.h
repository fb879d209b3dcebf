// SPDX-License-Identifier: Apache-2.0
// Sequence numbers: 32 bits that wrap (RFC 9293 3.4). A type of their own, so that nobody compares
// them with a bare <.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct tcp_seq {
	uint32_t value;
};

// A half-open run of sequence space: start <= x < end.
struct tcp_range {
	struct tcp_seq start;
	struct tcp_seq end;
};

// seq_of makes a sequence number of 32 bits.
static inline struct tcp_seq seq_of(uint32_t value)
{
	return (struct tcp_seq){value};
}

// seq_plus and seq_minus move a sequence number by bytes.
static inline struct tcp_seq seq_plus(struct tcp_seq a, uint32_t bytes)
{
	return (struct tcp_seq){a.value + bytes};
}

static inline struct tcp_seq seq_minus(struct tcp_seq a, uint32_t bytes)
{
	return (struct tcp_seq){a.value - bytes};
}

// seq_distance is how many bytes lie from from to to; from must not be after to.
static inline uint32_t seq_distance(struct tcp_seq from, struct tcp_seq to)
{
	return to.value - from.value;
}

// seq_before is a < b modulo 2^32; seq_at_or_before is a <= b.
static inline bool seq_before(struct tcp_seq a, struct tcp_seq b)
{
	return (int32_t)(a.value - b.value) < 0;
}

static inline bool seq_at_or_before(struct tcp_seq a, struct tcp_seq b)
{
	return (int32_t)(a.value - b.value) <= 0;
}

// seq_equal compares.
static inline bool seq_equal(struct tcp_seq a, struct tcp_seq b)
{
	return a.value == b.value;
}

// seq_later and seq_earlier choose one of two.
static inline struct tcp_seq seq_later(struct tcp_seq a, struct tcp_seq b)
{
	return seq_before(a, b) ? b : a;
}

static inline struct tcp_seq seq_earlier(struct tcp_seq a, struct tcp_seq b)
{
	return seq_before(a, b) ? a : b;
}

// seq_within is true when range.start <= a < range.end.
static inline bool seq_within(struct tcp_seq a, struct tcp_range range)
{
	return seq_distance(range.start, a) < seq_distance(range.start, range.end);
}
