// SPDX-License-Identifier: Apache-2.0
// Modular arithmetic of sequence numbers.
#include "tcp_seq.h"
#include "unit.h"

static void order_survives_the_wrap(void)
{
	struct tcp_seq before = seq_of(0xfffffff0), after = seq_of(0x10);
	CU_ASSERT(seq_before(before, after));
	CU_ASSERT(!seq_before(after, before));
	CU_ASSERT_EQUAL(seq_distance(before, after), 0x20);
	CU_ASSERT(seq_equal(seq_plus(before, 0x20), after));
	CU_ASSERT(seq_equal(seq_minus(after, 0x20), before));
	CU_ASSERT(seq_equal(seq_later(before, after), after));
	CU_ASSERT(seq_equal(seq_earlier(before, after), before));
}

static void equal_numbers_are_not_before_each_other(void)
{
	struct tcp_seq a = seq_of(77);
	CU_ASSERT(!seq_before(a, a));
	CU_ASSERT(seq_at_or_before(a, a));
}

static void a_range_holds_its_start_and_not_its_end(void)
{
	struct tcp_range range = {seq_of(0xfffffffe), seq_of(2)};
	CU_ASSERT(seq_within(seq_of(0xfffffffe), range));
	CU_ASSERT(seq_within(seq_of(1), range));
	CU_ASSERT(!seq_within(seq_of(2), range));
	CU_ASSERT(!seq_within(seq_of(0xfffffffd), range));
}

UNIT_MAIN("tcp_seq", {"order survives the wrap", order_survives_the_wrap},
	  {"equal numbers are not before each other", equal_numbers_are_not_before_each_other},
	  {"a range holds its start and not its end", a_range_holds_its_start_and_not_its_end})
