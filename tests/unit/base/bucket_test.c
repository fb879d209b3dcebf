// SPDX-License-Identifier: Apache-2.0
// Token buckets against their rates.
#include "bucket.h"

#include "unit.h"

static unsigned take(uint64_t *full_ns, uint64_t now_us, uint32_t per_s, unsigned tries)
{
	unsigned taken = 0;
	for (unsigned i = 0; i < tries; i++)
		taken += bucket_take(full_ns, now_us, per_s);
	return taken;
}

static void a_bucket_holds_a_second_and_fills_again(void)
{
	uint64_t full_ns = 0;
	uint64_t now_us = 1000000;
	CU_ASSERT_EQUAL(take(&full_ns, now_us, 10, 100), 10);
	CU_ASSERT_EQUAL(take(&full_ns, now_us + 99999, 10, 100), 0);
	CU_ASSERT_EQUAL(take(&full_ns, now_us + 100000, 10, 100), 1);
	CU_ASSERT_EQUAL(take(&full_ns, now_us + 600000, 10, 100), 5);
	CU_ASSERT_EQUAL(take(&full_ns, now_us + 9000000, 10, 100), 10); // never more than it holds
}

static void rates_that_do_not_divide_a_second_are_kept(void)
{
	uint64_t full_ns = 0;
	unsigned taken = 0;
	for (uint64_t now_us = 0; now_us < 10000000; now_us += 10)
		taken += bucket_take(&full_ns, now_us, 30000);
	CU_ASSERT(taken >= 10 * 30000 && taken <= 11 * 30000 + 11);
}

static void a_rate_of_none_is_no_bound(void)
{
	uint64_t full_ns = 0;
	CU_ASSERT_EQUAL(take(&full_ns, 0, 0, 1000), 1000);
	CU_ASSERT_EQUAL(full_ns, 0);
}

static void neighbours_share_a_bucket_and_strangers_do_not(void)
{
	static struct buckets table = {.key = {{1, 2}}};
	struct addr home = addr_v4((uint8_t[]){192, 0, 2, 1});
	struct addr next_door = addr_v4((uint8_t[]){192, 0, 2, 200});
	struct addr far = addr_v4((uint8_t[]){192, 0, 3, 1});
	CU_ASSERT(bucket_take_prefix(&table, &home, 0, 1));
	CU_ASSERT(!bucket_take_prefix(&table, &next_door, 0, 1));
	CU_ASSERT(bucket_take_prefix(&table, &far, 0, 1));
	struct addr site = addr_v6((uint8_t[16]){0x20, 1, 0xd, 0xb8, 0, 0, 1, 0, [15] = 1});
	struct addr same = addr_v6((uint8_t[16]){0x20, 1, 0xd, 0xb8, 0, 0, 1, 9, [15] = 2});
	struct addr other = addr_v6((uint8_t[16]){0x20, 1, 0xd, 0xb8, 0, 0, 2, 0, [15] = 1});
	CU_ASSERT(bucket_take_prefix(&table, &site, 0, 1));
	CU_ASSERT(!bucket_take_prefix(&table, &same, 0, 1));
	CU_ASSERT(bucket_take_prefix(&table, &other, 0, 1));
}

UNIT_MAIN("bucket",
	  {"a bucket holds a second and fills again", a_bucket_holds_a_second_and_fills_again},
	  {"rates that do not divide a second are kept",
	   rates_that_do_not_divide_a_second_are_kept},
	  {"a rate of none is no bound", a_rate_of_none_is_no_bound},
	  {"neighbours share a bucket and strangers do not",
	   neighbours_share_a_bucket_and_strangers_do_not})
