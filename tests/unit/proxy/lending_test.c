// SPDX-License-Identifier: Apache-2.0
// An object that a record points into is given back when the record is sealed, not before, as often
// as was asked; one that is not lent, at once. The connection and the cache are fakes.
#include "proxy_priv.h"
#include "unit.h"

static struct {
	struct proxy proxy;
	struct downstream down;
	struct exchange exchange;
	bool is_taken; // what http_lend says
	uint32_t released[GAPS_MAX + 1];
	char objects[GAPS_MAX + 1]; // only their addresses matter
} rig;

static struct cache_object *object_at(uint32_t i)
{
	return (struct cache_object *)&rig.objects[i];
}

bool http_lend(struct http_conn *, size_t)
{
	return rig.is_taken;
}

void cache_release(struct cache *, struct cache_object *object)
{
	rig.released[(char *)object - rig.objects]++;
}

static void start(void)
{
	memset(&rig, 0, sizeof(rig));
	rig.is_taken = true;
	rig.exchange.proxy = &rig.proxy;
	rig.exchange.down = &rig.down;
}

static void lend(uint32_t i)
{
	lending_lend(&rig.exchange, object_at(i), SLICE("run"));
}

static void what_is_not_lent_is_released_at_once(void)
{
	start();
	lend(0);
	lending_release(&rig.proxy, object_at(1));
	CU_ASSERT_EQUAL(rig.released[1], 1);
	rig.is_taken = false;
	lend(2);
	lending_release(&rig.proxy, object_at(2));
	CU_ASSERT_EQUAL(rig.released[2], 1);
	rig.is_taken = true;
	rig.exchange.down = NULL; // the client is gone
	lend(3);
	lending_release(&rig.proxy, object_at(3));
	CU_ASSERT_EQUAL(rig.released[3], 1);
}

static void what_is_lent_stays_until_the_record_is_sealed(void)
{
	start();
	for (unsigned run = 0; run < 3; run++)
		lend(0);
	lend(1);
	lending_release(&rig.proxy, object_at(0));
	lending_release(&rig.proxy, object_at(0)); // of two exchanges
	CU_ASSERT_EQUAL(rig.released[0], 0);
	lending_end(&rig.proxy);
	CU_ASSERT_EQUAL(rig.released[0], 2);
	CU_ASSERT_EQUAL(rig.released[1], 0); // nobody asked
	lending_release(&rig.proxy, object_at(1));
	CU_ASSERT_EQUAL(rig.released[1], 1);
	lending_end(&rig.proxy);
	CU_ASSERT_EQUAL(rig.released[0], 2);
}

static void as_many_objects_as_gaps_can_be_lent(void)
{
	start();
	for (unsigned record = 1; record <= 2; record++) {
		for (uint32_t i = 0; i < GAPS_MAX; i++)
			lend(i);
		for (uint32_t i = 0; i < GAPS_MAX; i++)
			lending_release(&rig.proxy, object_at(i));
		CU_ASSERT_EQUAL(rig.released[GAPS_MAX - 1], record - 1);
		lending_end(&rig.proxy);
		for (uint32_t i = 0; i < GAPS_MAX; i++)
			CU_ASSERT_EQUAL(rig.released[i], record);
	}
}

UNIT_MAIN("lending", {"what is not lent is released at once", what_is_not_lent_is_released_at_once},
	  {"what is lent stays until the record is sealed",
	   what_is_lent_stays_until_the_record_is_sealed},
	  {"as many objects as gaps can be lent", as_many_objects_as_gaps_can_be_lent})
