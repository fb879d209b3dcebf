// SPDX-License-Identifier: Apache-2.0
// Maglev's table over thousands of random sets of endpoints: everybody has his share, and little
// moves when one leaves.
#include "l4_pick.h"

#include "random.h"
#include "unit.h"

#include <string.h>

#define SEEDS 3000u

static struct l4_pick before, after;

static void draw(struct random_source *random, struct l4_endpoint *endpoints, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint8_t bytes[4] = {10, (uint8_t)random_below(random, 256),
				    (uint8_t)random_below(random, 256), (uint8_t)i};
		endpoints[i] = (struct l4_endpoint){
			.addr = addr_v4(bytes), .port = (uint16_t)(80 + i % 3), .weight = 1};
	}
}

static void count_slots(const struct l4_pick *pick, uint32_t *counts)
{
	memset(counts, 0, L4_ENDPOINTS_MAX * sizeof(*counts));
	for (uint32_t i = 0; i < L4_PICK_SLOTS; i++) {
		CU_ASSERT_FATAL(pick->slots[i] < L4_ENDPOINTS_MAX);
		counts[pick->slots[i]]++;
	}
}

static void equal_weights_have_equal_shares(void)
{
	struct random_source random;
	struct l4_endpoint endpoints[L4_ENDPOINTS_MAX];
	uint32_t counts[L4_ENDPOINTS_MAX];
	random_init(&random, (struct siphash_key){{7, 1}});
	for (uint32_t seed = 0; seed < SEEDS; seed++) {
		uint32_t count = 1 + random_below(&random, L4_ENDPOINTS_MAX);
		draw(&random, endpoints, count);
		l4_pick_build(&before, endpoints, count);
		count_slots(&before, counts);
		for (uint32_t i = 0; i < count; i++)
			CU_ASSERT(counts[i] == L4_PICK_SLOTS / count ||
				  counts[i] == L4_PICK_SLOTS / count + 1);
	}
}

static void weights_are_shares(void)
{
	struct random_source random;
	struct l4_endpoint endpoints[L4_ENDPOINTS_MAX];
	uint32_t counts[L4_ENDPOINTS_MAX];
	random_init(&random, (struct siphash_key){{7, 2}});
	for (uint32_t seed = 0; seed < SEEDS; seed++) {
		uint32_t count = 2 + random_below(&random, L4_ENDPOINTS_MAX - 1), sum = 0;
		draw(&random, endpoints, count);
		for (uint32_t i = 0; i < count; i++) {
			endpoints[i].weight = (uint16_t)random_below(&random, L4_WEIGHT_MAX + 1);
			sum += endpoints[i].weight;
		}
		if (sum == 0)
			continue;
		l4_pick_build(&before, endpoints, count);
		count_slots(&before, counts);
		for (uint32_t i = 0; i < count; i++) {
			double wanted = (double)L4_PICK_SLOTS * endpoints[i].weight / sum;
			// What others' last round leaves of a turn, up to one each, is shared too.
			double off = 2 + (double)count * endpoints[i].weight / sum;
			CU_ASSERT(counts[i] + off > wanted && counts[i] < wanted + off);
		}
	}
}

// moved counts slots that changed from one endpoint that stays to another.
static uint32_t moved(uint32_t left)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < L4_PICK_SLOTS; i++)
		count += before.slots[i] != left && before.slots[i] != after.slots[i];
	return count;
}

static void little_moves_when_an_endpoint_leaves_and_all_returns_with_it(void)
{
	struct random_source random;
	struct l4_endpoint endpoints[L4_ENDPOINTS_MAX];
	uint32_t most = 0;
	uint64_t sum = 0;
	random_init(&random, (struct siphash_key){{7, 3}});
	for (uint32_t seed = 0; seed < SEEDS; seed++) {
		uint32_t count = 2 + random_below(&random, L4_ENDPOINTS_MAX - 1);
		uint32_t left = random_below(&random, count);
		draw(&random, endpoints, count);
		l4_pick_build(&before, endpoints, count);
		endpoints[left].weight = 0;
		l4_pick_build(&after, endpoints, count);
		for (uint32_t i = 0; i < L4_PICK_SLOTS; i++)
			CU_ASSERT_FATAL(after.slots[i] != left);
		uint32_t now = moved(left);
		most = now > most ? now : most;
		sum += now;
		struct l4_pick again;
		endpoints[left].weight = 1;
		l4_pick_build(&again, endpoints, count);
		CU_ASSERT_EQUAL_FATAL(memcmp(&again, &before, sizeof(again)), 0);
	}
	printf("# moved of %u slots: %.1f in the mean, %u at most\n", L4_PICK_SLOTS,
	       (double)sum / SEEDS, most);
	CU_ASSERT(sum / SEEDS < L4_PICK_SLOTS / 25); // the paper's figure 12: a few in a hundred
	CU_ASSERT(most < L4_PICK_SLOTS / 8);
}

static void the_order_of_endpoints_does_not_matter(void)
{
	struct random_source random;
	struct l4_endpoint endpoints[L4_ENDPOINTS_MAX], reversed[L4_ENDPOINTS_MAX];
	random_init(&random, (struct siphash_key){{7, 4}});
	for (uint32_t seed = 0; seed < SEEDS; seed++) {
		uint32_t count = 1 + random_below(&random, L4_ENDPOINTS_MAX);
		draw(&random, endpoints, count);
		for (uint32_t i = 0; i < count; i++)
			reversed[i] = endpoints[count - 1 - i];
		l4_pick_build(&before, endpoints, count);
		l4_pick_build(&after, reversed, count);
		for (uint32_t i = 0; i < L4_PICK_SLOTS; i++)
			CU_ASSERT_EQUAL_FATAL(before.slots[i], count - 1 - after.slots[i]);
	}
}

static void all_drained_is_nobody(void)
{
	struct l4_endpoint endpoints[2] = {{.port = 1}, {.port = 2}};
	struct addr client = addr_v4((const uint8_t[]){10, 0, 0, 1});
	l4_pick_build(&before, endpoints, 2);
	CU_ASSERT_EQUAL(l4_pick_of(&before, &client, 77), L4_PICK_NONE);
	l4_pick_build(&before, endpoints, 0);
	CU_ASSERT_EQUAL(l4_pick_of(&before, &client, 77), L4_PICK_NONE);
}

static void a_client_s_ports_are_spread(void)
{
	struct l4_endpoint endpoints[4];
	struct random_source random;
	struct addr client = addr_v4((const uint8_t[]){10, 0, 0, 1});
	uint32_t counts[4] = {0};
	random_init(&random, (struct siphash_key){{7, 5}});
	draw(&random, endpoints, 4);
	l4_pick_build(&before, endpoints, 4);
	for (uint32_t port = 0; port < 40000; port++)
		counts[l4_pick_of(&before, &client, (uint16_t)port)]++;
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT(counts[i] > 9500 && counts[i] < 10500);
}

UNIT_MAIN("l4_pick", {"equal weights have equal shares", equal_weights_have_equal_shares},
	  {"weights are shares", weights_are_shares},
	  {"little moves when an endpoint leaves, and all returns with it",
	   little_moves_when_an_endpoint_leaves_and_all_returns_with_it},
	  {"the order of endpoints does not matter", the_order_of_endpoints_does_not_matter},
	  {"all drained is nobody", all_drained_is_nobody},
	  {"a client's ports are spread", a_client_s_ports_are_spread})
