// SPDX-License-Identifier: Apache-2.0
// A node is offered to others for a name once its data plane can show it, and not withdrawn because
// its control process ends.
#include "fake_node.h"
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SET_SHOP_BEHIND_SIDE                                                                       \
	"{\"command\":\"service-set\",\"name\":\"shop\",\"hosts\":[\"shop.example\"],"             \
	"\"to\":[\"10.0.0.9:8080\"],\"node\":\"side\"}"

// A gateway that is the CA, and a sidecar beside it; neither service nor instance yet.
struct pair {
	struct node core;
	struct node side;
	char dir[64];
};

static struct pair pair;

static bool has_service_name(struct plane *plane)
{
	return plane_count(plane, RECORD_IDENTITY) == 2;
}

static bool has_only_its_own_name(struct plane *plane)
{
	return plane_count(plane, RECORD_IDENTITY) == 1;
}

static bool has_endpoint(struct plane *plane)
{
	return plane_count(plane, RECORD_ENDPOINT) == 1;
}

static bool has_no_endpoint(struct plane *plane)
{
	return plane_count(plane, RECORD_ENDPOINT) == 0;
}

static bool has_endpoint_that_is_down(struct plane *plane)
{
	for (unsigned i = 0; i < plane->row_count; i++) {
		const struct record_endpoint *row = (const void *)plane->rows[i].payload;
		if (plane->rows[i].type == RECORD_ENDPOINT)
			return !row->is_healthy;
	}
	return false;
}

static bool has_full_set(struct plane *plane)
{
	return plane->full_count > 0;
}

static void pair_open(void)
{
	node_make_dir(pair.dir);
	node_open(&pair.core, pair.dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&pair.core.plane, node_has_identity, 5000) >= 0);
	node_join(&pair.side, &pair.core, "side", "sidecar");
	CU_ASSERT(plane_until(&pair.side.plane, node_has_identity, 5000) >= 0);
}

static void pair_close(void)
{
	node_close(&pair.side);
	node_close(&pair.core);
	node_remove_dir(pair.dir);
}

// is_offered_only_after_showing waits for what must not come, then lets the sidecar's data plane
// take its names.
static void is_offered_only_after_showing(void)
{
	CU_ASSERT_EQUAL(plane_until(&pair.core.plane, has_endpoint, 700), -1);
	CU_ASSERT(node_tool(&pair.core, "why shop.example") == 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "NOT reached: side cannot show"));
	CU_ASSERT(plane_until(&pair.side.plane, has_service_name, 3000) >= 0);
	CU_ASSERT(plane_until(&pair.core.plane, has_endpoint, 3000) >= 0);
	CU_ASSERT(node_tool(&pair.core, "why shop.example") == 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "reached through its sidecar"));
}

static void an_instance_is_offered_once_its_sidecar_can_show_the_name(void)
{
	pair_open();
	node_command(&pair.core, SET_SHOP_BEHIND_SIDE);
	is_offered_only_after_showing();
	// What it can show it has to learn again when the service was somewhere else meanwhile.
	node_command(&pair.core, "{\"command\":\"service-remove\",\"name\":\"shop\"}");
	CU_ASSERT(plane_until(&pair.core.plane, has_no_endpoint, 3000) >= 0);
	CU_ASSERT(plane_until(&pair.side.plane, has_only_its_own_name, 3000) >= 0);
	node_command(&pair.core, SET_SHOP_BEHIND_SIDE);
	is_offered_only_after_showing();
	pair_close();
}

static void a_control_process_that_ends_withdraws_nothing(void)
{
	pair_open();
	node_command(&pair.core, SET_SHOP_BEHIND_SIDE);
	CU_ASSERT(plane_until(&pair.side.plane, has_service_name, 3000) >= 0);
	CU_ASSERT(plane_until(&pair.core.plane, has_endpoint, 3000) >= 0);
	for (unsigned round = 0; round < 4; round++) {
		node_stop(&pair.side, round % 2 ? SIGTERM : SIGKILL);
		CU_ASSERT_EQUAL(plane_until(&pair.core.plane, has_no_endpoint, 200), -1);
		pair.side.plane.full_count = 0;
		node_start(&pair.side); // its data plane takes nothing, as if it were busy
		CU_ASSERT_EQUAL(plane_until(&pair.core.plane, has_no_endpoint, 300), -1);
		CU_ASSERT(plane_until(&pair.side.plane, has_full_set, 3000) >= 0);
		node_stop(&pair.core, SIGKILL);
		node_start(&pair.core);
		CU_ASSERT(plane_until(&pair.core.plane, has_endpoint, 3000) >= 0);
	}
	pair_close();
}

static void a_sidecar_that_lost_its_names_is_withdrawn_until_it_has_them_again(void)
{
	char path[128];
	pair_open();
	node_command(&pair.core, SET_SHOP_BEHIND_SIDE);
	CU_ASSERT(plane_until(&pair.side.plane, has_service_name, 3000) >= 0);
	CU_ASSERT(plane_until(&pair.core.plane, has_endpoint, 3000) >= 0);
	node_stop(&pair.side, SIGKILL);
	plane_close(&pair.side.plane);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const tails[] = {"", "-wal", "-shm"};
		snprintf(path, sizeof(path), "%s/state-side/state.db%s", pair.dir, tails[i]);
		remove(path);
	}
	node_join(&pair.side, &pair.core, "side", "sidecar");
	CU_ASSERT(plane_until(&pair.core.plane, has_no_endpoint, 3000) >= 0);
	is_offered_only_after_showing();
	pair_close();
}

static void a_node_that_is_removed_is_forgotten_with_its_names(void)
{
	pair_open();
	node_command(&pair.core, SET_SHOP_BEHIND_SIDE);
	CU_ASSERT(plane_until(&pair.side.plane, has_service_name, 3000) >= 0);
	CU_ASSERT(plane_until(&pair.core.plane, has_endpoint, 3000) >= 0);
	node_stop(&pair.side, SIGKILL);
	node_command(&pair.core, "{\"command\":\"node-remove\",\"node\":\"side\"}");
	CU_ASSERT(plane_until(&pair.core.plane, has_no_endpoint, 3000) >= 0);
	pair.side.plane.full_count = 0;
	node_start(&pair.side); // an operator's mistake
	CU_ASSERT_EQUAL(plane_until(&pair.core.plane, has_endpoint, 700), -1);
	CU_ASSERT(plane_until(&pair.side.plane, has_full_set, 3000) >= 0);
	CU_ASSERT(has_service_name(&pair.side.plane));
	CU_ASSERT(plane_until(&pair.core.plane, has_endpoint, 3000) >= 0);
	pair_close();
}

static void a_gateway_is_offered_to_edges_once_it_can_show_its_name(void)
{
	static struct node edge;
	static struct node gateway;
	char dir[64];
	node_make_dir(dir);
	node_open(&edge, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&edge.plane, node_has_identity, 5000) >= 0);
	plane_ask(&edge.plane, EVENT_LOOKUP, "shop.example");
	node_command(&edge, NODE_SET_SHOP);
	CU_ASSERT(plane_until(&edge.plane, node_has_shop, 3000) >= 0);
	node_join(&gateway, &edge, "gw", "gateway");
	// The workload itself, until there is a gateway that can.
	CU_ASSERT_EQUAL(plane_until(&edge.plane, has_endpoint_that_is_down, 700), -1);
	CU_ASSERT_EQUAL(plane_count(&edge.plane, RECORD_LOCATION), 0);
	CU_ASSERT(plane_until(&gateway.plane, node_has_identity, 5000) >= 0);
	for (unsigned i = 0; i < 60 && plane_count(&edge.plane, RECORD_LOCATION) == 0; i++)
		plane_turn(&edge.plane, 50);
	CU_ASSERT_EQUAL(plane_count(&edge.plane, RECORD_LOCATION), 1);
	CU_ASSERT(has_endpoint(&edge.plane));
	node_stop(&gateway, SIGKILL);
	CU_ASSERT_EQUAL(plane_until(&edge.plane, has_no_endpoint, 500), -1);
	node_start(&gateway);
	CU_ASSERT_EQUAL(plane_until(&edge.plane, has_no_endpoint, 500), -1);
	CU_ASSERT_EQUAL(plane_count(&edge.plane, RECORD_LOCATION), 1);
	node_close(&gateway);
	node_close(&edge);
	node_remove_dir(dir);
}

UNIT_MAIN("names",
	  {"an instance is offered once its sidecar can show the name",
	   an_instance_is_offered_once_its_sidecar_can_show_the_name},
	  {"a control process that ends withdraws nothing",
	   a_control_process_that_ends_withdraws_nothing},
	  {"a sidecar that lost its names is withdrawn until it has them again",
	   a_sidecar_that_lost_its_names_is_withdrawn_until_it_has_them_again},
	  {"a node that is removed is forgotten with its names",
	   a_node_that_is_removed_is_forgotten_with_its_names},
	  {"a gateway is offered to edges once it can show its name",
	   a_gateway_is_offered_to_edges_once_it_can_show_its_name})
