// SPDX-License-Identifier: Apache-2.0
// Whose place counts where: clients of one network together, others apart.
#include "share.h"

#include "unit.h"

static struct share share = {.key = {{3, 4}}};

static uint32_t row(const char *text)
{
	struct addr addr;
	CU_ASSERT_EQUAL_FATAL(addr_parse(text, &addr), 0);
	uint32_t row = share_row(&share, &addr);
	CU_ASSERT(row < SHARE_ROWS);
	return row;
}

static void a_network_of_clients_is_one(void)
{
	CU_ASSERT_EQUAL(row("192.0.2.1"), row("192.0.2.254"));
	CU_ASSERT_NOT_EQUAL(row("192.0.2.1"), row("192.0.3.1"));
	CU_ASSERT_EQUAL(row("2001:db8::1"), row("2001:db8:0:ff:1:2:3:4"));
	CU_ASSERT_NOT_EQUAL(row("2001:db8::1"), row("2001:db8:0:100::1"));
}

// A client cannot tell whose row it shares.
static void rows_are_of_a_secret(void)
{
	uint32_t before[16], same = 0;
	char text[16];
	for (unsigned i = 0; i < 16; i++) {
		snprintf(text, sizeof(text), "10.0.%u.1", i);
		before[i] = row(text);
	}
	share.key.half[0]++;
	for (unsigned i = 0; i < 16; i++) {
		snprintf(text, sizeof(text), "10.0.%u.1", i);
		same += row(text) == before[i];
	}
	CU_ASSERT(same < 4);
}

UNIT_MAIN("share", {"a network of clients is one", a_network_of_clients_is_one},
	  {"rows are of a secret", rows_are_of_a_secret})
