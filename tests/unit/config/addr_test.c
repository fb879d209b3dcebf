// SPDX-License-Identifier: Apache-2.0
// Prefixes against the bits that they are made of.
#include "addr.h"

#include "unit.h"

static void a_prefix_contains_what_has_its_bits(void)
{
	struct prefix prefix;
	CU_ASSERT_EQUAL_FATAL(prefix_parse("2001:db8:1234:5678:9abc:def0:1122:3344/128", &prefix),
			      0);
	for (unsigned bits = 0; bits <= 128; bits++) {
		prefix.bits = (uint8_t)bits;
		CU_ASSERT(prefix_contains(&prefix, &prefix.addr));
		for (unsigned bit = 0; bit < 128; bit++) {
			struct addr other = prefix.addr;
			other.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			CU_ASSERT_EQUAL(prefix_contains(&prefix, &other), bit >= bits);
		}
	}
}

UNIT_MAIN("config/addr",
	  {"a prefix contains what has its bits", a_prefix_contains_what_has_its_bits})
