// SPDX-License-Identifier: Apache-2.0
// The object pool against its contract: bounded, cleared objects, and handles that go stale.
#include "pool.h"
#include "random.h"
#include "unit.h"

#include <string.h>

static void a_stale_handle_finds_nothing(void)
{
	struct pool pool;
	struct pool_id first, second;
	CU_ASSERT_FATAL(pool_init(&pool, 4, 100) == 0);
	void *object = pool_new(&pool, &first);
	CU_ASSERT_PTR_EQUAL(pool_get(&pool, first), object);
	pool_free(&pool, object);
	CU_ASSERT_PTR_NULL(pool_get(&pool, first));
	CU_ASSERT_PTR_EQUAL(pool_new(&pool, &second), object);
	CU_ASSERT_PTR_NULL(pool_get(&pool, first));
	CU_ASSERT_PTR_EQUAL(pool_get(&pool, second), object);
	CU_ASSERT(!pool_id_equal(first, second));
	pool_fini(&pool);
}

static void no_made_up_handle_finds_anything(void)
{
	struct pool pool;
	CU_ASSERT_FATAL(pool_init(&pool, 4, 8) == 0);
	CU_ASSERT_PTR_NOT_NULL(pool_new(&pool, NULL));
	CU_ASSERT(pool_id_is_null((struct pool_id){0}));
	CU_ASSERT_PTR_NULL(pool_get(&pool, (struct pool_id){0}));
	CU_ASSERT_PTR_NULL(pool_get(&pool, (struct pool_id){.index = 4, .generation = 1}));
	CU_ASSERT_PTR_NULL(pool_get(&pool, (struct pool_id){.index = 1, .generation = 1}));
	CU_ASSERT_PTR_NULL(pool_get(&pool, (struct pool_id){.index = 0, .generation = 2}));
	pool_fini(&pool);
}

static void a_full_pool_gives_nothing_and_recovers(void)
{
	enum { CAPACITY = 50, STEPS = 20000 };
	static void *held[CAPACITY];
	struct pool pool;
	struct random_source random;
	uint32_t count = 0;
	random_init(&random, (struct siphash_key){{1, 2}});
	CU_ASSERT_FATAL(pool_init(&pool, CAPACITY, 24) == 0);
	for (unsigned step = 0; step < STEPS; step++) {
		if (count > 0 && random_below(&random, 2)) {
			uint32_t which = random_below(&random, count);
			pool_free(&pool, held[which]);
			held[which] = held[--count];
			continue;
		}
		char *object = pool_new(&pool, NULL);
		CU_ASSERT_FATAL((object == NULL) == (count == CAPACITY));
		if (!object)
			continue;
		for (unsigned i = 0; i < 24; i++)
			CU_ASSERT_EQUAL(object[i], 0);
		memset(object, 0xff, 24);
		held[count++] = object;
		CU_ASSERT_EQUAL(pool.in_use, count);
	}
	pool_fini(&pool);
}

UNIT_MAIN("pool", {"a stale handle finds nothing", a_stale_handle_finds_nothing},
	  {"no made-up handle finds anything", no_made_up_handle_finds_anything},
	  {"a full pool gives nothing, and recovers", a_full_pool_gives_nothing_and_recovers})
