// SPDX-License-Identifier: Apache-2.0
// What each role is told about one small mesh: shop in fra behind two sidecars, blog in nyc
// without, gateways in both, edges in par.
#include "compile.h"
#include "control_fixture.h"

struct world {
	struct fixture registry;
	struct fixture local;
	struct compile_input input;
};

static uint32_t number(void *, const char *host, const char *path)
{
	return (uint32_t)(1000 + strlen(host) * 7 + strlen(path));
}

static void ask(struct world *w, const char *host)
{
	struct row_interest row = {0};
	row_copy_text(row.host, sizeof(row.host), host);
	store_put(w->local.store, STORE_interest, host, &row, STORE_ANY);
	fixture_follow(&w->local);
}

static void world_open(struct world *w, enum conf_role role, const char *node, const char *location)
{
	fixture_open(&w->registry);
	fixture_open(&w->local);
	fixture_service(&w->registry, "shop", "shop.example", "/");
	fixture_service(&w->registry, "blog", "*.blogs.example", "/");
	fixture_service(&w->registry, "api", "shop.example", "/api");
	fixture_service(&w->registry, "rest", "*", "/");
	fixture_instance(&w->registry, "shop", "10.1.0.1:80", "fra", "side-1");
	fixture_instance(&w->registry, "shop", "10.1.0.2:80", "fra", "side-1");
	fixture_instance(&w->registry, "shop", "10.1.0.3:80", "fra", "side-2");
	fixture_instance(&w->registry, "shop", "10.2.0.1:80", "nyc", "");
	fixture_instance(&w->registry, "blog", "10.2.0.2:80", "nyc", "");
	fixture_instance(&w->registry, "rest", "10.3.0.1:80", "par", "");
	fixture_node(&w->registry, "gw-fra", "gateway", "fra", "10.1.1.1:8443");
	fixture_node(&w->registry, "gw-nyc", "gateway", "nyc", "10.2.1.1:8443");
	fixture_node(&w->registry, "side-1", "sidecar", "fra", "10.1.2.1:8443");
	fixture_node(&w->registry, "side-2", "sidecar", "fra", "[2001:db8::2]:8443");
	fixture_follow(&w->registry);
	w->input = (struct compile_input){
		.self = {role, node, location, "mesh.example"},
		.registry = w->registry.model,
		.local = w->local.model,
		.number_route = number,
	};
}

static void world_close(struct world *w)
{
	fixture_close(&w->registry);
	fixture_close(&w->local);
}

// compile_checked compiles and lets record_check judge every row.
static struct rowset *compile_checked(struct world *w)
{
	struct rowset *set = compile_run(&w->input);
	CU_ASSERT_PTR_NOT_NULL_FATAL(set);
	for (uint32_t i = 0; i < set->count; i++) {
		struct record_header header = {.magic = RECORD_MAGIC,
					       .version = RECORD_VERSION,
					       .type = (uint8_t)set->rows[i].type,
					       .bytes = set->rows[i].bytes};
		const char *wrong = record_check(&header, set->rows[i].payload);
		if (wrong)
			printf("# %s\n", wrong);
		CU_ASSERT_PTR_NULL(wrong);
	}
	return set;
}

static unsigned count(const struct rowset *set, enum record_type type)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < set->count; i++)
		n += set->rows[i].type == type;
	return n;
}

static const struct record_endpoint *endpoint_to(const struct rowset *set, const char *address)
{
	struct endpoint_addr at;
	CU_ASSERT_EQUAL(endpoint_addr_parse(address, &at), 0);
	for (uint32_t i = 0; i < set->count; i++) {
		const struct record_endpoint *row = set->rows[i].payload;
		if (set->rows[i].type == RECORD_ENDPOINT && memcmp(&row->to, &at, sizeof(at)) == 0)
			return row;
	}
	return NULL;
}

static void an_edge_knows_nothing_that_nobody_asked_for(void)
{
	struct world w;
	world_open(&w, CONF_ROLE_EDGE, "edge-1", "par");
	struct rowset *set = compile_checked(&w);
	CU_ASSERT_EQUAL(set->count, 0);
	rowset_drop(set);
	world_close(&w);
}

static void an_edge_gets_services_presence_and_gateways_of_what_was_asked_for(void)
{
	struct world w;
	world_open(&w, CONF_ROLE_EDGE, "edge-1", "par");
	ask(&w, "shop.example");
	struct rowset *set = compile_checked(&w);
	CU_ASSERT_EQUAL(count(set, RECORD_ROUTE), 2); // "/" and "/api"
	CU_ASSERT_EQUAL(count(set, RECORD_SERVICE), 2);
	CU_ASSERT_EQUAL(count(set, RECORD_PRESENCE), 2);
	CU_ASSERT_EQUAL(count(set, RECORD_LOCATION), 2);
	CU_ASSERT_EQUAL(count(set, RECORD_ENDPOINT), 2);
	const struct record_endpoint *gateway = endpoint_to(set, "10.1.1.1:8443");
	CU_ASSERT_PTR_NOT_NULL_FATAL(gateway);
	CU_ASSERT_EQUAL(gateway->hop, RECORD_HOP_GATEWAY);
	CU_ASSERT_EQUAL(gateway->service_id, 0);
	CU_ASSERT_STRING_EQUAL(gateway->peer, "spiffe://mesh.example/gateway/fra/");
	CU_ASSERT_PTR_NULL(endpoint_to(set, "10.1.0.1:80"));
	rowset_drop(set);
	world_close(&w);
}

static void presence_counts_the_healthy_of_a_location(void)
{
	struct world w;
	struct row_instance row = {.service = "shop",
				   .address = "10.1.0.3:80",
				   .location = "fra",
				   .node = "side-2",
				   .is_unhealthy = true};
	world_open(&w, CONF_ROLE_EDGE, "edge-1", "par");
	store_put(w.registry.store, STORE_instance, "shop/10.1.0.3:80", &row, STORE_ANY);
	fixture_follow(&w.registry);
	ask(&w, "shop.example");
	struct rowset *set = compile_checked(&w);
	uint64_t id = store_id(w.registry.store, STORE_service, "shop") << 32 |
		      store_id(w.registry.store, STORE_location, "fra");
	const struct rowset_row *presence = rowset_find(set, RECORD_PRESENCE, id);
	CU_ASSERT_PTR_NOT_NULL_FATAL(presence);
	CU_ASSERT_EQUAL(((const struct record_presence *)presence->payload)->healthy_count, 2);
	CU_ASSERT_EQUAL(((const struct record_presence *)presence->payload)->total_count, 3);
	rowset_drop(set);
	world_close(&w);
}

static void a_wildcard_reaches_an_edge_under_the_host_that_was_asked_for(void)
{
	struct world w;
	world_open(&w, CONF_ROLE_EDGE, "edge-1", "par");
	ask(&w, "cats.blogs.example");
	ask(&w, "a.b.blogs.example"); // "*" is one label: this one falls to "*" alone
	struct rowset *set = compile_checked(&w);
	unsigned found = 0;
	for (uint32_t i = 0; i < set->count; i++) {
		const struct record_route *route = set->rows[i].payload;
		if (set->rows[i].type != RECORD_ROUTE)
			continue;
		uint64_t wanted = store_id(w.registry.store, STORE_service,
					   route->host[0] == 'c' ? "blog" : "rest");
		CU_ASSERT(route->host[0] != '*');
		CU_ASSERT_EQUAL(route->service_id, wanted);
		CU_ASSERT_EQUAL(route->lifetime_ms, COMPILE_ROUTE_LIFETIME_MS);
		found++;
	}
	CU_ASSERT_EQUAL(found, 2);
	rowset_drop(set);
	world_close(&w);
}

struct visited {
	char text[512];
};

static void visit(void *user, const struct model_row *row)
{
	struct visited *visited = user;
	const struct row_route *route = row->row;
	size_t used = strlen(visited->text);
	snprintf(visited->text + used, sizeof(visited->text) - used, "%s%s=%s;", route->host,
		 route->path, route->service);
}

static void a_more_exact_host_wins_where_its_paths_reach(void)
{
	struct world w;
	struct visited seen = {0};
	world_open(&w, CONF_ROLE_EDGE, "edge-1", "par");
	store_remove(w.registry.store, STORE_route, "shop.example /");
	fixture_service(&w.registry, "deep", "*", "/api/v2");
	fixture_follow(&w.registry);
	compile_each_route(w.registry.model, "shop.example", visit, &seen);
	// "*" serves the rest of the host, but nothing under /api, not even by a longer path.
	CU_ASSERT_STRING_EQUAL(seen.text, "shop.example/api=api;*/=rest;");
	CU_ASSERT(compile_path_matches("/api", "/api/v2"));
	CU_ASSERT(!compile_path_matches("/api", "/apix"));
	world_close(&w);
}

static void an_edge_without_a_gateway_beside_it_reaches_its_own_workloads(void)
{
	struct world w;
	world_open(&w, CONF_ROLE_EDGE, "edge-1", "par");
	ask(&w, "else.example");
	struct rowset *set = compile_checked(&w);
	const struct record_endpoint *workload = endpoint_to(set, "10.3.0.1:80");
	CU_ASSERT_PTR_NOT_NULL_FATAL(workload);
	CU_ASSERT_EQUAL(workload->hop, RECORD_HOP_WORKLOAD);
	CU_ASSERT_EQUAL(workload->location_id, 0);
	rowset_drop(set);
	world_close(&w);
}

static void a_gateway_gets_all_routes_and_the_sidecars_of_its_location(void)
{
	struct world w;
	world_open(&w, CONF_ROLE_GATEWAY, "gw-fra", "fra");
	struct rowset *set = compile_checked(&w);
	CU_ASSERT_EQUAL(count(set, RECORD_ROUTE), 4);
	CU_ASSERT_EQUAL(count(set, RECORD_ENDPOINT), 2); // one a sidecar, not one an instance
	const struct record_endpoint *sidecar = endpoint_to(set, "[2001:db8::2]:8443");
	CU_ASSERT_PTR_NOT_NULL_FATAL(sidecar);
	CU_ASSERT_EQUAL(sidecar->hop, RECORD_HOP_SIDECAR);
	CU_ASSERT_STRING_EQUAL(sidecar->peer, "spiffe://mesh.example/svc/shop");
	CU_ASSERT_PTR_NULL(endpoint_to(set, "10.2.0.1:80"));
	rowset_drop(set);
	world_close(&w);
}

static void a_gateway_reaches_instances_without_a_sidecar_itself(void)
{
	struct world w;
	world_open(&w, CONF_ROLE_GATEWAY, "gw-nyc", "nyc");
	struct rowset *set = compile_checked(&w);
	const struct record_endpoint *workload = endpoint_to(set, "10.2.0.1:80");
	CU_ASSERT_PTR_NOT_NULL_FATAL(workload);
	CU_ASSERT_EQUAL(workload->hop, RECORD_HOP_WORKLOAD);
	CU_ASSERT_STRING_EQUAL(workload->peer, "");
	rowset_drop(set);
	world_close(&w);
}

static void a_sidecar_gets_only_what_runs_on_it(void)
{
	struct world w;
	world_open(&w, CONF_ROLE_SIDECAR, "side-1", "fra");
	struct rowset *set = compile_checked(&w);
	CU_ASSERT_EQUAL(count(set, RECORD_ENDPOINT), 2);
	CU_ASSERT_EQUAL(count(set, RECORD_SERVICE), 1);
	CU_ASSERT_EQUAL(count(set, RECORD_ROUTE), 1);
	CU_ASSERT_PTR_NOT_NULL(endpoint_to(set, "10.1.0.1:80"));
	CU_ASSERT_PTR_NULL(endpoint_to(set, "10.1.0.3:80"));
	rowset_drop(set);
	world_close(&w);
}

static void a_gateway_whose_data_plane_left_is_told_unhealthy_and_draining(void)
{
	struct world w;
	struct row_node row = {.node = "gw-fra",
			       .role = "gateway",
			       .location = "fra",
			       .mesh_address = "10.1.1.1:8443",
			       .is_down = true,
			       .is_leaving = true,
			       .heartbeat_s = 1};
	world_open(&w, CONF_ROLE_EDGE, "edge-1", "par");
	ask(&w, "shop.example");
	store_put(w.registry.store, STORE_node, "gw-fra", &row, STORE_ANY);
	fixture_follow(&w.registry);
	struct rowset *set = compile_checked(&w);
	const struct record_endpoint *gateway = endpoint_to(set, "10.1.1.1:8443");
	CU_ASSERT_PTR_NOT_NULL_FATAL(gateway);
	CU_ASSERT_EQUAL(gateway->is_healthy, 0);
	CU_ASSERT_EQUAL(gateway->is_draining, 1);
	// A control process that is silent withdraws nothing: its heartbeat is 50 years old here.
	CU_ASSERT_PTR_NOT_NULL(endpoint_to(set, "10.2.1.1:8443"));
	CU_ASSERT_EQUAL(endpoint_to(set, "10.2.1.1:8443")->is_healthy, 1);
	rowset_drop(set);
	world_close(&w);
}

// mark says something about one instance of shop.
static void mark(struct world *w, const char *address, bool is_draining, bool is_unhealthy)
{
	struct row_instance row;
	char key[STORE_KEY_BYTES];
	snprintf(key, sizeof(key), "shop/%s", address);
	CU_ASSERT_EQUAL(store_read(w->registry.store, STORE_instance, key, &row, NULL), STORE_OK);
	row.is_draining = is_draining;
	row.is_unhealthy = is_unhealthy;
	CU_ASSERT_EQUAL(store_put(w->registry.store, STORE_instance, key, &row, STORE_ANY),
			STORE_OK);
	fixture_follow(&w->registry);
}

static void a_sidecar_is_out_of_service_when_all_its_instances_are(void)
{
	struct world w;
	world_open(&w, CONF_ROLE_GATEWAY, "gw-fra", "fra");
	for (unsigned drained = 0; drained <= 2; drained++) {
		mark(&w, "10.1.0.1:80", drained >= 1, drained >= 1);
		mark(&w, "10.1.0.2:80", drained >= 2, drained >= 2);
		struct rowset *set = compile_checked(&w);
		const struct record_endpoint *sidecar = endpoint_to(set, "10.1.2.1:8443");
		CU_ASSERT_PTR_NOT_NULL_FATAL(sidecar);
		CU_ASSERT_EQUAL(sidecar->is_draining, drained == 2);
		CU_ASSERT_EQUAL(sidecar->is_healthy, drained != 2);
		rowset_drop(set);
	}
	world_close(&w);
	world_open(&w, CONF_ROLE_SIDECAR, "side-1", "fra");
	mark(&w, "10.1.0.1:80", true, false);
	mark(&w, "10.1.0.2:80", false, true);
	struct rowset *set = compile_checked(&w);
	CU_ASSERT(endpoint_to(set, "10.1.0.1:80")->is_draining);
	CU_ASSERT(endpoint_to(set, "10.1.0.1:80")->is_healthy);
	CU_ASSERT(!endpoint_to(set, "10.1.0.2:80")->is_draining);
	CU_ASSERT(!endpoint_to(set, "10.1.0.2:80")->is_healthy);
	rowset_drop(set);
	world_close(&w);
}

static void only_a_sidecar_that_can_show_the_name_is_an_endpoint_of_the_service(void)
{
	struct world w;
	world_open(&w, CONF_ROLE_GATEWAY, "gw-fra", "fra");
	fixture_name(&w.registry, "side-1", "node");
	fixture_name(&w.registry, "side-1", "svc/shopping"); // another service
	fixture_follow(&w.registry);
	struct rowset *set = compile_checked(&w);
	CU_ASSERT_PTR_NULL(endpoint_to(set, "10.1.2.1:8443"));
	// side-2 is of a version that does not tell.
	CU_ASSERT_PTR_NOT_NULL(endpoint_to(set, "[2001:db8::2]:8443"));
	rowset_drop(set);
	fixture_name(&w.registry, "side-1", "svc/shop");
	fixture_follow(&w.registry);
	set = compile_checked(&w);
	CU_ASSERT_PTR_NOT_NULL(endpoint_to(set, "10.1.2.1:8443"));
	rowset_drop(set);
	world_close(&w);
}

static void an_edge_counts_only_instances_that_can_be_reached(void)
{
	struct world w;
	world_open(&w, CONF_ROLE_EDGE, "edge-1", "par");
	ask(&w, "shop.example");
	uint64_t id = store_id(w.registry.store, STORE_service, "shop") << 32 |
		      store_id(w.registry.store, STORE_location, "fra");
	fixture_name(&w.registry, "side-1", "node");
	for (uint32_t reached = 1; reached <= 3; reached += 2) {
		fixture_follow(&w.registry);
		struct rowset *set = compile_checked(&w);
		const struct rowset_row *presence = rowset_find(set, RECORD_PRESENCE, id);
		CU_ASSERT_PTR_NOT_NULL_FATAL(presence);
		const struct record_presence *row = presence->payload;
		CU_ASSERT_EQUAL(row->healthy_count, reached);
		CU_ASSERT_EQUAL(row->total_count, reached); // no reason to go elsewhere
		rowset_drop(set);
		fixture_name(&w.registry, "side-1", "svc/shop");
	}
	world_close(&w);
}

static void only_a_gateway_that_can_show_its_name_is_told_to_edges(void)
{
	struct world w;
	world_open(&w, CONF_ROLE_EDGE, "edge-1", "par");
	ask(&w, "shop.example");
	fixture_name(&w.registry, "gw-nyc", "svc/other");
	fixture_follow(&w.registry);
	struct rowset *set = compile_checked(&w);
	CU_ASSERT_PTR_NULL(endpoint_to(set, "10.2.1.1:8443"));
	CU_ASSERT_PTR_NOT_NULL(endpoint_to(set, "10.1.1.1:8443"));
	CU_ASSERT_EQUAL(count(set, RECORD_PRESENCE), 1); // nyc has no gateway yet
	rowset_drop(set);
	fixture_name(&w.registry, "gw-nyc", "node");
	fixture_follow(&w.registry);
	set = compile_checked(&w);
	CU_ASSERT_PTR_NOT_NULL(endpoint_to(set, "10.2.1.1:8443"));
	CU_ASSERT_EQUAL(count(set, RECORD_PRESENCE), 2);
	rowset_drop(set);
	world_close(&w);
}

UNIT_MAIN("compile",
	  {"only a sidecar that can show the name is an endpoint of the service",
	   only_a_sidecar_that_can_show_the_name_is_an_endpoint_of_the_service},
	  {"an edge counts only instances that can be reached",
	   an_edge_counts_only_instances_that_can_be_reached},
	  {"only a gateway that can show its name is told to edges",
	   only_a_gateway_that_can_show_its_name_is_told_to_edges},
	  {"a sidecar is out of service when all its instances are",
	   a_sidecar_is_out_of_service_when_all_its_instances_are},
	  {"an edge knows nothing that nobody asked for",
	   an_edge_knows_nothing_that_nobody_asked_for},
	  {"an edge gets services, presence and gateways of what was asked for",
	   an_edge_gets_services_presence_and_gateways_of_what_was_asked_for},
	  {"presence counts the healthy of a location", presence_counts_the_healthy_of_a_location},
	  {"a wildcard reaches an edge under the host that was asked for",
	   a_wildcard_reaches_an_edge_under_the_host_that_was_asked_for},
	  {"a more exact host wins where its paths reach",
	   a_more_exact_host_wins_where_its_paths_reach},
	  {"an edge without a gateway beside it reaches its own workloads",
	   an_edge_without_a_gateway_beside_it_reaches_its_own_workloads},
	  {"a gateway gets all routes and the sidecars of its location",
	   a_gateway_gets_all_routes_and_the_sidecars_of_its_location},
	  {"a gateway reaches instances without a sidecar itself",
	   a_gateway_reaches_instances_without_a_sidecar_itself},
	  {"a sidecar gets only what runs on it", a_sidecar_gets_only_what_runs_on_it},
	  {"a gateway whose data plane left is told unhealthy, and draining",
	   a_gateway_whose_data_plane_left_is_told_unhealthy_and_draining})
