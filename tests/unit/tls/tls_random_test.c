// SPDX-License-Identifier: Apache-2.0
// Random bytes fetched many at a time: each is given once, and forgotten then.
#include "check.h"
#include "tls_random.h"
#include "unit.h"

static struct tls_random fresh;

static void each_is_given_once(void)
{
	static uint8_t all[200][32];
	struct tls_random random = fresh;
	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		CU_ASSERT(tls_random_take(&random, all[i], sizeof(all[i])));
		for (unsigned j = 0; j < i; j++)
			CU_ASSERT(memcmp(all[i], all[j], sizeof(all[i])) != 0);
	}
}

static void what_was_given_is_forgotten(void)
{
	static const uint8_t zeros[TLS_RANDOM_BYTES];
	struct tls_random random = fresh;
	uint8_t out[TLS_RANDOM_BYTES];
	CU_ASSERT(tls_random_take(&random, out, 100));
	CU_ASSERT_EQUAL(random.left, TLS_RANDOM_BYTES - 100);
	CU_ASSERT(memcmp(random.bytes + random.left, zeros, 100) == 0);
	CU_ASSERT(memcmp(out, zeros, 100) != 0);
}

static void what_is_left_is_not_stretched(void)
{
	struct tls_random random = fresh;
	uint8_t out[TLS_RANDOM_BYTES];
	CU_ASSERT(tls_random_take(&random, out, TLS_RANDOM_BYTES));
	CU_ASSERT_EQUAL(random.left, 0);
	CU_ASSERT(tls_random_take(&random, out, 500));
	CU_ASSERT(tls_random_take(&random, out, 13)); // more than is left
	CU_ASSERT_EQUAL(random.left, TLS_RANDOM_BYTES - 13);
}

UNIT_MAIN("tls_random", {"each is given once", each_is_given_once},
	  {"what was given is forgotten", what_was_given_is_forgotten},
	  {"what is left is not stretched", what_is_left_is_not_stretched})
