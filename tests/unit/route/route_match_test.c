// SPDX-License-Identifier: Apache-2.0
// Host and path to service, lifetimes, negative answers, full sets.
#include "route_fixture.h"

static void the_longest_host_then_the_longest_path_wins(void)
{
	static const struct {
		const char *host, *path;
		uint32_t service_id; // 0: unknown
	} cases[] = {
		{"shop.example", "/", 1},
		{"shop.example", "/cart", 1},
		{"shop.example", "/api", 2},
		{"shop.example", "/api/v1?x=1", 2},
		{"shop.example", "/api?x", 2},
		{"shop.example", "/apix", 1},
		{"shop.example", "/api/v2/", 3},
		{"shop.example", "/api/v2", 2}, // the prefix is "/api/v2/"
		{"a.shop.example", "/", 4},
		{"a.b.shop.example", "/", 6}, // the star is one label
		{".shop.example", "/", 6},
		{"only.example", "/x", 5},
		{"only.example", "/y", 6}, // no path of the host matches: the next longest host
		{"other.test", "/", 6},
		{"*.shop.example", "/", 4},
		{"", "/", 6},
	};
	struct fixture *f = fixture_new(16, 1);
	for (uint32_t id = 1; id <= 6; id++)
		CU_ASSERT_PTR_NULL(service(f, id, "s"));
	CU_ASSERT_PTR_NULL(route_for(f, 1, 1, "shop.example", "/"));
	CU_ASSERT_PTR_NULL(route_for(f, 2, 2, "shop.example", "/api"));
	CU_ASSERT_PTR_NULL(route_for(f, 3, 3, "shop.example", "/api/v2/"));
	CU_ASSERT_PTR_NULL(route_for(f, 4, 4, "*.shop.example", "/"));
	CU_ASSERT_PTR_NULL(route_for(f, 5, 5, "only.example", "/x"));
	CU_ASSERT_PTR_NULL(route_for(f, 6, 6, "*", "/"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t id;
		bool is_stale;
		CU_ASSERT_EQUAL(find(f, cases[i].host, cases[i].path, &id, &is_stale), ROUTE_FOUND);
		CU_ASSERT_EQUAL(id, cases[i].service_id);
	}
	fixture_free(f);
}

static void a_route_past_its_lifetime_answers_and_says_stale(void)
{
	struct fixture *f = fixture_new(4, 1);
	uint32_t id;
	bool is_stale;
	f->lifetime_ms = 100;
	service(f, 1, "s");
	route_for(f, 1, 1, "a.example", "/");
	CU_ASSERT_EQUAL(find(f, "a.example", "/", &id, &is_stale), ROUTE_FOUND);
	CU_ASSERT(!is_stale);
	f->now_us += 100000;
	CU_ASSERT_EQUAL(find(f, "a.example", "/", &id, &is_stale), ROUTE_FOUND);
	CU_ASSERT(is_stale && id == 1);
	route_for(f, 1, 1, "a.example", "/");
	find(f, "a.example", "/", &id, &is_stale);
	CU_ASSERT(!is_stale);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_stale], 1);
	fixture_free(f);
}

static void a_negative_answer_lasts_its_lifetime_or_until_a_route_comes(void)
{
	struct fixture *f = fixture_new(4, 1);
	uint32_t id;
	bool is_stale;
	service(f, 1, "s");
	CU_ASSERT_EQUAL(find(f, "a.example", "/", &id, &is_stale), ROUTE_UNKNOWN);
	absent(f, "a.example", 50);
	absent(f, "b.example", 50000);
	CU_ASSERT_EQUAL(find(f, "a.example", "/", &id, &is_stale), ROUTE_ABSENT);
	f->now_us += 50000;
	CU_ASSERT_EQUAL(find(f, "a.example", "/", &id, &is_stale), ROUTE_UNKNOWN);
	route_for(f, 1, 1, "b.example", "/x");
	CU_ASSERT_EQUAL(find(f, "b.example", "/x", &id, &is_stale), ROUTE_FOUND);
	CU_ASSERT_EQUAL(find(f, "b.example", "/y", &id, &is_stale), ROUTE_ABSENT);
	CU_ASSERT_EQUAL(find(f, "c.example", "/y", &id, &is_stale), ROUTE_UNKNOWN);
	fixture_free(f);
}

static void strangers_hosts_push_out_only_negative_answers(void)
{
	struct fixture *f = fixture_new(8, 1);
	uint32_t id;
	bool is_stale;
	char host[32];
	service(f, 1, "s");
	route_for(f, 1, 1, "real.example", "/");
	absent(f, "kept.example", 1000000);
	for (int i = 0; i < 1000; i++) {
		snprintf(host, sizeof(host), "x%d.example", i);
		CU_ASSERT_PTR_NULL(absent(f, host, 1000000));
		// Used again and again: the least recently used go, not this one.
		CU_ASSERT_EQUAL(find(f, "kept.example", "/", &id, &is_stale), ROUTE_ABSENT);
	}
	CU_ASSERT_EQUAL(find(f, "real.example", "/", &id, &is_stale), ROUTE_FOUND);
	CU_ASSERT_EQUAL(find(f, "x999.example", "/", &id, &is_stale), ROUTE_ABSENT);
	CU_ASSERT_EQUAL(find(f, "x900.example", "/", &id, &is_stale), ROUTE_UNKNOWN);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_absents], 8);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_absent_evicted], 1001 - 8);
	fixture_free(f);
}

static void rows_at_a_bound_or_with_unknown_ids_are_refused_with_a_reason(void)
{
	struct fixture *f = fixture_new(2, 1);
	CU_ASSERT_PTR_NOT_NULL(route_for(f, 1, 9, "a.example", "/"));
	CU_ASSERT_PTR_NOT_NULL(endpoint(f, 1, 9, 0));
	CU_ASSERT_PTR_NOT_NULL(presence(f, 9, 0, 1, 1));
	service(f, 1, "s");
	CU_ASSERT_PTR_NULL(service(f, 2, "t"));
	CU_ASSERT_PTR_NOT_NULL(service(f, 3, "u"));
	CU_ASSERT_PTR_NULL(service(f, 2, "t2"));
	CU_ASSERT_STRING_EQUAL(route_service_name(f->table, 2), "t2");
	CU_ASSERT_STRING_EQUAL(route_service_name(f->table, 3), "");
	CU_ASSERT_PTR_NOT_NULL(endpoint(f, 1, 1, 5));
	CU_ASSERT_PTR_NOT_NULL(presence(f, 1, 5, 1, 1));
	CU_ASSERT_PTR_NOT_NULL(route_for(f, 1, 1, "a.example", "x"));
	for (uint32_t id = 1; id <= 3; id++) {
		CU_ASSERT_EQUAL(endpoint(f, id, 1, 0) != NULL, id == 3);
		CU_ASSERT_EQUAL(route_for(f, id, 1, "a.example", "/") != NULL, id == 3);
		CU_ASSERT_EQUAL(location(f, id, 1) != NULL, id == 3);
	}
	CU_ASSERT_PTR_NULL(presence(f, 1, 1, 1, 1));
	CU_ASSERT_PTR_NULL(presence(f, 1, 2, 1, 1));
	CU_ASSERT_PTR_NOT_NULL(presence(f, 2, 2, 1, 1));
	CU_ASSERT_PTR_NULL(presence(f, 1, 2, 2, 2));
	CU_ASSERT_PTR_NOT_NULL(removal(f, RECORD_CERT, 1));
	CU_ASSERT_PTR_NOT_NULL(removal(f, RECORD_ROUTE, 1ull << 33));
	CU_ASSERT_PTR_NULL(removal(f, RECORD_ROUTE, 77));
	CU_ASSERT_PTR_NOT_NULL(apply(f, RECORD_COMMIT, &(struct record_commit){0}, 16));
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_row_refused], 14);
	fixture_free(f);
}

static void a_full_set_forgets_what_it_does_not_name(void)
{
	struct fixture *f = fixture_new(8, 1);
	uint32_t id;
	bool is_stale;
	for (uint32_t i = 1; i <= 4; i++) {
		char host[32];
		snprintf(host, sizeof(host), "h%u.example", i);
		service(f, i, host);
		location(f, i, i);
		presence(f, i, i, 1, 1);
		endpoint(f, i, i, i);
		route_for(f, i, i, host, "/");
	}
	route_mark(f->table);
	service(f, 2, "h2.example");
	location(f, 2, 2);
	presence(f, 2, 2, 1, 1);
	endpoint(f, 2, 2, 2);
	route_for(f, 2, 2, "h2.example", "/");
	// Until the sweep everything still answers.
	CU_ASSERT_EQUAL(find(f, "h3.example", "/", &id, &is_stale), ROUTE_FOUND);
	CU_ASSERT_EQUAL(pick_id(f, 3, NULL, 0), 3);
	// Piece by piece, and what is applied meanwhile stays: h4's route after it was forgotten.
	unsigned pieces = 1;
	while (route_sweep(f->table, ROUTE_SWEEP_ROW))
		if (pieces++ == 7)
			route_for(f, 4, 2, "h4.example", "/");
	CU_ASSERT(pieces > 12);
	CU_ASSERT(!route_sweep(f->table, 1));
	CU_ASSERT_EQUAL(find(f, "h3.example", "/", &id, &is_stale), ROUTE_UNKNOWN);
	CU_ASSERT_EQUAL(pick_id(f, 3, NULL, 0), 0);
	CU_ASSERT_EQUAL(find(f, "h2.example", "/", &id, &is_stale), ROUTE_FOUND);
	CU_ASSERT_EQUAL(find(f, "h4.example", "/", &id, &is_stale), ROUTE_FOUND);
	CU_ASSERT_EQUAL(pick_id(f, 2, NULL, 0), 2);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_services], 1);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_routes], 2);
	CU_ASSERT_EQUAL(f->counters.value[COUNTER_route_endpoints], 1);
	fixture_free(f);
}

// A plain array of routes is the model; random rows come and go, both must agree.
static void random_routes_agree_with_a_plain_list(void)
{
	enum { ROUTES = 24 };
	static const char *const hosts[] = {"a.x", "b.x", "*.x", "*", "c.y"};
	static const char *const paths[] = {"/", "/p", "/p/q", "/p/q/r"};
	static const char *const asked[] = {"a.x", "z.x", "c.y", "d.y", "q.x"};
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct fixture *f = fixture_new(ROUTES, seed);
		struct random_source random;
		random_init(&random, (struct siphash_key){{seed, 3}});
		int host_of[ROUTES], path_of[ROUTES];
		for (int i = 0; i < ROUTES; i++)
			host_of[i] = -1;
		for (uint32_t id = 1; id <= ROUTES; id++)
			service(f, id, "s");
		for (int step = 0; step < 200; step++) {
			uint32_t id = random_below(&random, ROUTES);
			if (random_below(&random, 2)) {
				removal(f, RECORD_ROUTE, id + 1);
				host_of[id] = -1;
			} else {
				host_of[id] = (int)random_below(&random, 5);
				path_of[id] = (int)random_below(&random, 4);
				route_for(f, id + 1, id + 1, hosts[host_of[id]],
					  paths[path_of[id]]);
			}
			uint32_t h = random_below(&random, 5), p = random_below(&random, 4);
			int best_host = -1, best_path = -1;
			for (int i = 0; i < ROUTES; i++) {
				if (host_of[i] < 0 || path_of[i] > (int)p)
					continue;
				const char *host = hosts[host_of[i]];
				int rank = strcmp(host, asked[h]) == 0 ? 3 : 0;
				if (strcmp(host, "*.x") == 0 && strstr(asked[h], ".x"))
					rank = 2;
				if (strcmp(host, "*") == 0)
					rank = 1;
				if (rank && (rank > best_host ||
					     (rank == best_host && path_of[i] > best_path)))
					best_host = rank, best_path = path_of[i];
			}
			uint32_t got;
			bool is_stale;
			enum route_answer answer = find(f, asked[h], paths[p], &got, &is_stale);
			CU_ASSERT_EQUAL(answer == ROUTE_FOUND, best_host > 0);
			if (answer == ROUTE_FOUND)
				CU_ASSERT_EQUAL(path_of[got - 1], best_path);
		}
		fixture_free(f);
	}
}

UNIT_MAIN("route_match",
	  {"the longest host, then the longest path wins",
	   the_longest_host_then_the_longest_path_wins},
	  {"a route past its lifetime answers and says stale",
	   a_route_past_its_lifetime_answers_and_says_stale},
	  {"a negative answer lasts its lifetime, or until a route comes",
	   a_negative_answer_lasts_its_lifetime_or_until_a_route_comes},
	  {"strangers' hosts push out only negative answers",
	   strangers_hosts_push_out_only_negative_answers},
	  {"rows at a bound or with unknown ids are refused with a reason",
	   rows_at_a_bound_or_with_unknown_ids_are_refused_with_a_reason},
	  {"a full set forgets what it does not name", a_full_set_forgets_what_it_does_not_name},
	  {"random routes agree with a plain list", random_routes_agree_with_a_plain_list})
