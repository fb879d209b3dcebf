// SPDX-License-Identifier: Apache-2.0
// Service to endpoint: locations, the 1.4 rule, power of two choices, ejection, panic.
#include "route_fixture.h"

static const char *endpoint_with(struct fixture *f, uint32_t id, uint32_t weight, bool is_healthy,
				 bool is_draining)
{
	struct record_endpoint row = endpoint_row(id, 1, 0);
	row.weight = weight;
	row.is_healthy = is_healthy;
	row.is_draining = is_draining;
	return apply(f, RECORD_ENDPOINT, &row, sizeof(row));
}

static void fail(struct fixture *f, uint32_t id, int times)
{
	for (int i = 0; i < times; i++) {
		route_begin(f->table, id, f->now_us);
		route_finish(f->table, id, ROUTE_TRY_FAILED, f->now_us);
	}
}

static void a_target_tells_all_of_an_endpoint(void)
{
	struct fixture *f = fixture_new(4, 1);
	struct route_target target;
	service(f, 1, "orders");
	location(f, 3, 10);
	endpoint(f, 8, 1, 3);
	CU_ASSERT(route_pick(f->table, 1, (struct route_tried){0}, f->now_us, &target));
	CU_ASSERT_EQUAL(target.endpoint_id, 8);
	CU_ASSERT_EQUAL(target.to.port, 8);
	CU_ASSERT_EQUAL(target.hop, RECORD_HOP_SIDECAR);
	CU_ASSERT_STRING_EQUAL(target.peer, "spiffe://m/svc/1");
	CU_ASSERT_STRING_EQUAL(target.service, "orders");
	CU_ASSERT_STRING_EQUAL(target.location, "loc3");
	CU_ASSERT(!route_pick(f->table, 2, (struct route_tried){0}, f->now_us, &target));
	CU_ASSERT(!route_pick(f->table, 0, (struct route_tried){0}, f->now_us, &target));
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_no_endpoint], 2);
	fixture_free(f);
}

static void the_14_rule_spills_by_cost(void)
{
	static const struct {
		uint32_t near_healthy, far_healthy; // of 100 each
		double near_share;
	} cases[] = {{100, 100, 1.0}, {72, 100, 1.0},  {71, 100, 0.99},
		     {50, 100, 0.70}, {10, 100, 0.14}, {0, 100, 0.0},
		     {10, 10, 0.5},   {30, 10, 0.75},  {0, 0, 1.0}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fixture_new(8, i);
		service(f, 1, "s");
		location(f, 1, 9000);
		location(f, 2, 500);
		presence(f, 1, 1, cases[i].far_healthy, 100);
		presence(f, 1, 2, cases[i].near_healthy, 100);
		endpoint(f, 11, 0, 1);
		endpoint(f, 12, 0, 2);
		int near = 0;
		for (int draw = 0; draw < 4000; draw++)
			near += pick_id(f, 1, NULL, 0) == 12;
		CU_ASSERT_DOUBLE_EQUAL(near / 4000.0, cases[i].near_share, 0.03);
		fixture_free(f);
	}
}

static void tried_endpoints_are_never_chosen_again_and_other_locations_follow_by_cost(void)
{
	struct fixture *f = fixture_new(8, 1);
	service(f, 1, "s");
	for (uint32_t loc = 1; loc <= 3; loc++) {
		location(f, loc, loc * 100);
		presence(f, 1, loc, 5, 5);
		endpoint(f, loc, 0, loc);
	}
	uint32_t tried[3] = {0};
	for (uint32_t n = 0; n < 3; n++) {
		tried[n] = pick_id(f, 1, tried, n);
		CU_ASSERT_EQUAL(tried[n], n + 1);
	}
	CU_ASSERT_EQUAL(pick_id(f, 1, tried, 3), 0);
	fixture_free(f);
}

static void a_location_without_gateway_or_instances_is_passed_over(void)
{
	struct fixture *f = fixture_new(8, 1);
	service(f, 1, "s");
	location(f, 1, 1);
	location(f, 2, 2);
	location(f, 3, 3);
	presence(f, 1, 1, 5, 5);
	presence(f, 1, 2, 0, 0);
	presence(f, 1, 3, 5, 5);
	endpoint(f, 2, 0, 2);
	endpoint(f, 3, 0, 3);
	CU_ASSERT_EQUAL(pick_id(f, 1, NULL, 0), 3);
	removal(f, RECORD_PRESENCE, 1ull << 32 | 3);
	CU_ASSERT_EQUAL(pick_id(f, 1, NULL, 0), 0);
	fixture_free(f);
}

static void endpoints_here_need_no_presence(void)
{
	struct fixture *f = fixture_new(8, 1);
	service(f, 1, "s");
	service(f, 2, "t");
	endpoint(f, 5, 1, 0);
	endpoint(f, 6, 0, 0); // every service, here
	CU_ASSERT_EQUAL(pick_id(f, 1, NULL, 0), 5);
	CU_ASSERT_EQUAL(pick_id(f, 2, NULL, 0), 6);
	fixture_free(f);
}

static void requests_in_flight_balance_within_one_of_each_other(void)
{
	enum { COUNT = 10 };
	struct fixture *f = fixture_new(64, 1);
	uint32_t in_flight[COUNT + 1] = {0};
	service(f, 1, "s");
	for (uint32_t id = 1; id <= COUNT; id++)
		endpoint(f, id, 1, 0);
	for (int i = 0; i < 1000; i++) {
		uint32_t id = pick_id(f, 1, NULL, 0);
		in_flight[id]++;
		route_begin(f->table, id, f->now_us);
	}
	for (uint32_t id = 1; id <= COUNT; id++)
		CU_ASSERT(in_flight[id] >= 97 && in_flight[id] <= 103);
	fixture_free(f);
}

static void weights_share_an_idle_and_a_busy_service(void)
{
	struct fixture *f = fixture_new(64, 1);
	service(f, 1, "s");
	endpoint_with(f, 1, 100, true, false);
	endpoint_with(f, 2, 300, true, false);
	int heavy = 0;
	for (int i = 0; i < 4000; i++)
		heavy += pick_id(f, 1, NULL, 0) == 2;
	CU_ASSERT_DOUBLE_EQUAL(heavy / 4000.0, 0.75, 0.03);
	heavy = 0;
	for (int i = 0; i < 4000; i++) {
		uint32_t id = pick_id(f, 1, NULL, 0);
		heavy += id == 2;
		route_begin(f->table, id, f->now_us);
	}
	CU_ASSERT_DOUBLE_EQUAL(heavy / 4000.0, 0.75, 0.01);
	fixture_free(f);
}

static void a_large_group_is_balanced_and_its_last_good_one_is_found(void)
{
	enum { COUNT = 300 };
	struct fixture *f = fixture_new(COUNT, 1);
	uint32_t seen[COUNT + 1] = {0};
	service(f, 1, "s");
	for (uint32_t id = 1; id <= COUNT; id++)
		endpoint(f, id, 1, 0);
	for (int i = 0; i < 30 * COUNT; i++) {
		uint32_t id = pick_id(f, 1, NULL, 0);
		seen[id]++;
		route_begin(f->table, id, f->now_us);
	}
	for (uint32_t id = 1; id <= COUNT; id++)
		CU_ASSERT(seen[id] >= 24 && seen[id] <= 36);
	for (uint32_t id = 1; id < COUNT; id++)
		endpoint_with(f, id, 1, true, true);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(pick_id(f, 1, NULL, 0), COUNT);
	fixture_free(f);
}

// of_three is a service of the endpoints 1 to 3, all alike.
static struct fixture *of_three(void)
{
	struct fixture *f = fixture_new(8, 1);
	service(f, 1, "s");
	for (uint32_t id = 1; id <= 3; id++)
		endpoint(f, id, 1, 0);
	return f;
}

static void five_failures_eject_for_a_second_doubling_to_thirty(void)
{
	static const uint32_t seconds[] = {1, 2, 4, 8, 16, 30, 30, 30};
	struct fixture *f = of_three();
	fail(f, 2, 4);
	route_begin(f->table, 2, f->now_us);
	CU_ASSERT_EQUAL(route_finish(f->table, 2, ROUTE_TRY_ANSWERED, f->now_us), 0);
	fail(f, 2, 4);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_ejected], 0);
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		fail(f, 2, 1); // the fifth, then each first one after the return
		CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_ejected], i + 1);
		f->now_us += seconds[i] * 1000000ull - 1;
		for (int draw = 0; draw < 50; draw++)
			CU_ASSERT_NOT_EQUAL(pick_id(f, 1, NULL, 0), 2);
		f->now_us += 1;
		bool is_back = false;
		for (int draw = 0; draw < 100; draw++)
			is_back |= pick_id(f, 1, NULL, 0) == 2;
		CU_ASSERT(is_back);
	}
	route_finish(f->table, 2, ROUTE_TRY_ANSWERED, f->now_us);
	fail(f, 2, 4);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_ejected], 8);
	fixture_free(f);
}

// begin_many begins count tries of service 1 and returns how many of them went to endpoint id.
static int begin_many(struct fixture *f, int count, uint32_t id)
{
	int found = 0;
	for (int i = 0; i < count; i++) {
		uint32_t picked = pick_id(f, 1, NULL, 0);
		found += picked == id;
		route_begin(f->table, picked, f->now_us);
	}
	return found;
}

static void one_try_at_a_time_finds_out_whether_an_endpoint_is_back(void)
{
	static const uint32_t seconds[] = {1, 2, 4, 8, 16, 30, 30, 30};
	struct fixture *f = of_three();
	fail(f, 2, 5);
	for (size_t i = 0; i + 1 < sizeof(seconds) / sizeof(seconds[0]); i++) {
		f->now_us += seconds[i] * 1000000ull;
		CU_ASSERT_EQUAL(begin_many(f, 100, 2), 1);
		// No answer yet: the next one tries as late as if it had failed.
		f->now_us += seconds[i + 1] * 1000000ull - 1;
		CU_ASSERT_EQUAL(begin_many(f, 100, 2), 0);
		CU_ASSERT_EQUAL(route_finish(f->table, 2, ROUTE_TRY_FAILED, f->now_us), 6 + i);
		CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_ejected], 2 + i);
		CU_ASSERT_EQUAL(begin_many(f, 100, 2), 0);
	}
	f->now_us += 30 * 1000000ull;
	CU_ASSERT_EQUAL(begin_many(f, 100, 2), 1);
	CU_ASSERT_EQUAL(begin_many(f, 100, 2), 0);
	CU_ASSERT_EQUAL(route_finish(f->table, 2, ROUTE_TRY_ANSWERED, f->now_us), 0);
	CU_ASSERT(begin_many(f, 100, 2) > 50); // it has fewer in flight than the others
	fixture_free(f);
}

static void a_try_without_answer_does_not_keep_others_from_trying(void)
{
	struct fixture *f = of_three();
	fail(f, 2, 5);
	f->now_us += 1000000;
	CU_ASSERT_EQUAL(begin_many(f, 100, 2), 1);
	f->now_us += 2000000;
	CU_ASSERT_EQUAL(begin_many(f, 100, 2), 1);
	fixture_free(f);
}

static void a_try_whose_client_left_says_nothing_of_the_endpoint(void)
{
	struct fixture *f = of_three();
	fail(f, 2, 4);
	route_begin(f->table, 2, f->now_us);
	CU_ASSERT_EQUAL(route_finish(f->table, 2, ROUTE_TRY_UNTOLD, f->now_us), 4);
	fail(f, 2, 1);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_ejected], 1);
	f->now_us += 1000000;
	CU_ASSERT_EQUAL(begin_many(f, 100, 2), 1);
	CU_ASSERT_EQUAL(route_finish(f->table, 2, ROUTE_TRY_UNTOLD, f->now_us), 5);
	CU_ASSERT_EQUAL(begin_many(f, 100, 2), 0);
	f->now_us += 2000000;
	CU_ASSERT_EQUAL(begin_many(f, 100, 2), 1);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_ejected], 1);
	fixture_free(f);
}

static void below_half_healthy_all_are_used(void)
{
	struct fixture *f = fixture_new(8, 1);
	service(f, 1, "s");
	for (uint32_t id = 1; id <= 5; id++)
		endpoint_with(f, id, 1, id <= 3, false);
	for (int i = 0; i < 200; i++)
		CU_ASSERT(pick_id(f, 1, NULL, 0) <= 3);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_panic], 0);
	endpoint_with(f, 3, 1, false, false);
	uint32_t seen = 0;
	for (int i = 0; i < 400; i++)
		seen |= 1u << pick_id(f, 1, NULL, 0);
	CU_ASSERT_EQUAL(seen, 0x3e);
	CU_ASSERT(f->counters.value[COUNTER_route_panic] > 0);
	fixture_free(f);
}

static void draining_and_ejected_come_last(void)
{
	struct fixture *f = fixture_new(8, 1);
	service(f, 1, "s");
	endpoint_with(f, 1, 1, true, false);
	endpoint_with(f, 2, 1, true, true);
	endpoint_with(f, 3, 1, true, false);
	fail(f, 3, 5);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(pick_id(f, 1, NULL, 0), 1);
	CU_ASSERT_EQUAL(pick_id(f, 1, (uint32_t[]){1}, 1), 2);
	CU_ASSERT_EQUAL(pick_id(f, 1, (uint32_t[]){1, 2}, 2), 3);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_last_resort], 1);
	CU_ASSERT_EQUAL(pick_id(f, 1, (uint32_t[]){1, 2, 3}, 3), 0);
	fixture_free(f);
}

static void a_good_gateway_elsewhere_goes_before_an_ejected_one_near(void)
{
	struct fixture *f = fixture_new(8, 1);
	service(f, 1, "s");
	for (uint32_t loc = 1; loc <= 2; loc++) {
		location(f, loc, loc * 100);
		presence(f, 1, loc, 5, 5);
		endpoint(f, loc, 0, loc);
	}
	fail(f, 1, 5);
	CU_ASSERT_EQUAL(pick_id(f, 1, NULL, 0), 2);
	fail(f, 2, 5);
	CU_ASSERT_EQUAL(pick_id(f, 1, NULL, 0), 1);
	f->now_us += 1000000;
	CU_ASSERT_EQUAL(pick_id(f, 1, NULL, 0), 1);
	fixture_free(f);
}

// Rows of every kind come and go at random while tries are in flight. Whatever is picked must exist
// in the model, be untried and belong to the service.
static void rows_may_go_while_tries_are_in_flight(void)
{
	enum { IDS = 40, SERVICES = 3 };
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct fixture *f = fixture_new(IDS, seed);
		struct random_source random;
		random_init(&random, (struct siphash_key){{seed, 5}});
		uint32_t service_of[IDS + 1] = {0}; // 0: not there
		uint32_t flying[64] = {0};
		for (uint32_t id = 1; id <= SERVICES; id++)
			service(f, id, "s");
		for (int step = 0; step < 2000; step++) {
			uint32_t id = 1 + random_below(&random, IDS);
			uint32_t of = 1 + random_below(&random, SERVICES);
			uint32_t slot = random_below(&random, 64);
			f->now_us += random_below(&random, 20000);
			switch (random_below(&random, 4)) {
			case 0:
				CU_ASSERT_PTR_NULL(endpoint(f, id, of, 0));
				service_of[id] = of;
				break;
			case 1:
				removal(f, RECORD_ENDPOINT, id);
				service_of[id] = 0;
				break;
			default:
				route_finish(f->table, flying[slot],
					     (enum route_outcome)random_below(&random, 3),
					     f->now_us);
				flying[slot] = pick_id(f, of, &id, 1);
				route_begin(f->table, flying[slot], f->now_us);
				uint32_t others = 0;
				for (uint32_t i = 1; i <= IDS; i++)
					others += service_of[i] == of && i != id;
				CU_ASSERT_EQUAL(flying[slot] != 0, others > 0);
				CU_ASSERT(!flying[slot] || service_of[flying[slot]] == of);
				CU_ASSERT(!flying[slot] || flying[slot] != id);
			}
		}
		fixture_free(f);
	}
}

UNIT_MAIN("route_pick", {"a target tells all of an endpoint", a_target_tells_all_of_an_endpoint},
	  {"the 1.4 rule spills by cost", the_14_rule_spills_by_cost},
	  {"tried endpoints are never chosen again, other locations follow by cost",
	   tried_endpoints_are_never_chosen_again_and_other_locations_follow_by_cost},
	  {"a location without gateway or instances is passed over",
	   a_location_without_gateway_or_instances_is_passed_over},
	  {"endpoints here need no presence", endpoints_here_need_no_presence},
	  {"requests in flight balance within a few of each other",
	   requests_in_flight_balance_within_one_of_each_other},
	  {"weights share an idle and a busy service", weights_share_an_idle_and_a_busy_service},
	  {"a large group is balanced and its last good one is found",
	   a_large_group_is_balanced_and_its_last_good_one_is_found},
	  {"five failures eject for a second, doubling to thirty",
	   five_failures_eject_for_a_second_doubling_to_thirty},
	  {"one try at a time finds out whether an endpoint is back",
	   one_try_at_a_time_finds_out_whether_an_endpoint_is_back},
	  {"a try without answer does not keep others from trying",
	   a_try_without_answer_does_not_keep_others_from_trying},
	  {"a try whose client left says nothing of the endpoint",
	   a_try_whose_client_left_says_nothing_of_the_endpoint},
	  {"below half healthy all are used", below_half_healthy_all_are_used},
	  {"draining and ejected come last", draining_and_ejected_come_last},
	  {"a good gateway elsewhere goes before an ejected one near",
	   a_good_gateway_elsewhere_goes_before_an_ejected_one_near},
	  {"rows may go while tries are in flight", rows_may_go_while_tries_are_in_flight})
