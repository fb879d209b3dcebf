// SPDX-License-Identifier: Apache-2.0
// Rates: a burst of one second, then the rate; one client's costs no other; workers share.
#include "rate.h"

#include "unit.h"

#include <pthread.h>
#include <string.h>

static struct rate_table table;
static struct addr client, other, neighbour;

static void start(void)
{
	memset(&table, 0, sizeof(table));
	table.key = (struct siphash_key){{1, 2}};
	addr_parse("192.0.2.7", &client);
	addr_parse("192.0.2.99", &neighbour);
	addr_parse("2001:db8::1", &other);
}

static unsigned taken(uint64_t now_us, unsigned tries, uint32_t per_s)
{
	unsigned count = 0;
	for (unsigned i = 0; i < tries; i++)
		count += rate_take_client(&table, 1, &client, now_us, per_s);
	return count;
}

static void burst_of_a_second_passes_then_the_rate(void)
{
	start();
	CU_ASSERT_EQUAL(taken(5000000, 100, 10), 10);
	CU_ASSERT_EQUAL(taken(5000000, 100, 10), 0);
	CU_ASSERT_EQUAL(taken(5300000, 100, 10), 3);
	CU_ASSERT_EQUAL(taken(9000000, 100, 10), 10);
	CU_ASSERT_EQUAL(taken(9000000, 5, 1), 0);
}

static void one_client_costs_no_other_and_no_other_service(void)
{
	start();
	CU_ASSERT_EQUAL(taken(1000000, 100, 5), 5);
	CU_ASSERT(!rate_take_client(&table, 1, &neighbour, 1000000, 5)); // the same /24
	CU_ASSERT(rate_take_client(&table, 1, &other, 1000000, 5));
	CU_ASSERT(rate_take_client(&table, 2, &client, 1000000, 5));
	CU_ASSERT(rate_take_service(&table, 1, 1000000, 5));
}

static void *worker(void *count)
{
	for (unsigned i = 0; i < 20000; i++)
		*(unsigned *)count += rate_take_service(&table, 3, 1000000, 1000);
	return NULL;
}

static void workers_share_one_rate(void)
{
	pthread_t threads[4];
	unsigned counts[4] = {0}, sum = 0;
	start();
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, worker, &counts[i]), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		sum += counts[i];
	}
	// A request passes that lost RATE_TRIES races in a row; hardly one in a thousand does.
	CU_ASSERT(sum >= 1000 && sum < 1050);
}

UNIT_MAIN("rate",
	  {"a burst of a second passes, then the rate", burst_of_a_second_passes_then_the_rate},
	  {"one client costs no other, and no other service",
	   one_client_costs_no_other_and_no_other_service},
	  {"workers share one rate", workers_share_one_rate})
