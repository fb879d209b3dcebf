// SPDX-License-Identifier: Apache-2.0
// Which received segments may be one.
#include "tcp_gro.h"
#include "unit.h"

#define BYTES 1448u

// text is segment number of a row that differs in nothing else.
static struct tcp_segment text(uint32_t number)
{
	return (struct tcp_segment){
		.seq = seq_of(0xfffffc00u + number * BYTES), // they wrap
		.ack = seq_of(77),
		.window = 500,
		.flags = TCP_ACK,
		.header_bytes = 32,
		.has_timestamps = true,
		.ts_value = 9,
		.ts_echo = 4,
		.payload_bytes = BYTES,
		.ip_ecn = 2,
	};
}

// can_follow tells whether next, as it is, is coalesced with the segment before it, as that is.
static bool can_follow(const struct tcp_segment *first, const struct tcp_segment *next)
{
	struct tcp_gro gro = tcp_gro_begin(first);
	return tcp_gro_add(&gro, first, next);
}

static void a_row_is_one_segment(void)
{
	struct tcp_segment first = text(0), next;
	struct tcp_gro gro = tcp_gro_begin(&first);
	for (uint32_t i = 1; i < 32; i++) {
		next = text(i);
		next.flags |= i % 3 ? 0 : TCP_PSH;
		CU_ASSERT(tcp_gro_add(&gro, &first, &next));
	}
	next = text(32);
	next.payload_bytes = 10;
	CU_ASSERT(tcp_gro_add(&gro, &first, &next));
	struct tcp_segment whole = tcp_gro_whole(&gro, &first);
	CU_ASSERT_EQUAL(whole.payload_bytes, 32 * BYTES + 10);
	CU_ASSERT_EQUAL(whole.piece_bytes, BYTES);
	CU_ASSERT_EQUAL(whole.piece_count, 33);
	CU_ASSERT(seq_equal(whole.seq, first.seq));
}

static void a_row_ends_before_64_kib(void)
{
	struct tcp_segment first = text(0), next = text(0);
	struct tcp_gro gro = tcp_gro_begin(&first);
	uint32_t count = 1;
	for (; count < 100; count++) {
		next.seq = seq_plus(first.seq, gro.bytes);
		if (!tcp_gro_add(&gro, &first, &next))
			break;
	}
	CU_ASSERT_EQUAL(count, TCP_GRO_BYTES_MAX / BYTES);
	CU_ASSERT_EQUAL(gro.bytes, count * BYTES);
}

static void gaps_and_overlaps_end_it(void)
{
	struct tcp_segment first = text(0), next = text(2);
	CU_ASSERT_FALSE(can_follow(&first, &next));
	next = text(0);
	CU_ASSERT_FALSE(can_follow(&first, &next));
	next = text(1);
	next.seq = seq_minus(next.seq, 1);
	CU_ASSERT_FALSE(can_follow(&first, &next));
}

// An odd segment is one that input has to look at: neither it nor what is behind it may be one.
#define ODD(sentence, change)                                                                      \
	static void sentence(void)                                                                 \
	{                                                                                          \
		struct tcp_segment first = text(0), odd = text(1), last = text(2);                 \
		CU_ASSERT(can_follow(&first, &odd));                                               \
		CU_ASSERT(can_follow(&odd, &last));                                                \
		change;                                                                            \
		CU_ASSERT_FALSE(can_follow(&first, &odd));                                         \
		CU_ASSERT_FALSE(can_follow(&odd, &last));                                          \
	}

ODD(another_ack_ends_it, odd.ack = seq_of(78))
ODD(another_window_ends_it, odd.window = 501)
ODD(a_later_timestamp_ends_it, odd.ts_value++)
ODD(an_earlier_timestamp_ends_it, odd.ts_value--)
ODD(another_echo_ends_it, odd.ts_echo++)
ODD(no_timestamp_ends_it, odd.has_timestamps = false)
ODD(a_mark_ends_it, odd.ip_ecn = 3)
ODD(no_capability_ends_it, odd.ip_ecn = 0)
ODD(other_options_end_it, odd.header_bytes += 4)
ODD(sack_blocks_end_it, odd.sack_count = 1)
ODD(fin_ends_it, odd.flags |= TCP_FIN)
ODD(reset_ends_it, odd.flags |= TCP_RST)
ODD(syn_ends_it, odd.flags |= TCP_SYN)
ODD(urg_ends_it, odd.flags |= TCP_URG)
ODD(cwr_ends_it, odd.flags |= TCP_CWR)
ODD(ece_ends_it, odd.flags |= TCP_ECE)
ODD(no_ack_ends_it, odd.flags = 0)

static void bare_acks_are_never_one(void)
{
	struct tcp_segment first = text(0), next = text(0);
	first.payload_bytes = next.payload_bytes = 0;
	CU_ASSERT_FALSE(can_follow(&first, &next));
	first = text(0);
	next.seq = seq_plus(first.seq, BYTES);
	CU_ASSERT_FALSE(can_follow(&first, &next));
	first.payload_bytes = 0;
	next = text(0);
	CU_ASSERT_FALSE(can_follow(&first, &next));
}

static void echoes_alike_and_marks_alike_are_one(void)
{
	struct tcp_segment first = text(0), next = text(1);
	first.flags |= TCP_ECE;
	next.flags |= TCP_ECE;
	CU_ASSERT(can_follow(&first, &next));
	first.ip_ecn = next.ip_ecn = 3;
	CU_ASSERT(can_follow(&first, &next));
}

UNIT_MAIN("tcp_gro", {"a row is one segment", a_row_is_one_segment},
	  {"a row ends before 64 KiB", a_row_ends_before_64_kib},
	  {"gaps and overlaps end it", gaps_and_overlaps_end_it},
	  {"another ACK ends it", another_ack_ends_it},
	  {"another window ends it", another_window_ends_it},
	  {"a later timestamp ends it", a_later_timestamp_ends_it},
	  {"an earlier timestamp ends it", an_earlier_timestamp_ends_it},
	  {"another echo ends it", another_echo_ends_it},
	  {"no timestamp ends it", no_timestamp_ends_it}, {"a mark ends it", a_mark_ends_it},
	  {"no ECN capability ends it", no_capability_ends_it},
	  {"other options end it", other_options_end_it},
	  {"SACK blocks end it", sack_blocks_end_it}, {"FIN ends it", fin_ends_it},
	  {"RST ends it", reset_ends_it}, {"SYN ends it", syn_ends_it},
	  {"URG ends it", urg_ends_it}, {"CWR ends it", cwr_ends_it}, {"ECE ends it", ece_ends_it},
	  {"no ACK ends it", no_ack_ends_it}, {"bare ACKs are never one", bare_acks_are_never_one},
	  {"echoes alike and marks alike are one", echoes_alike_and_marks_alike_are_one})
