// SPDX-License-Identifier: Apache-2.0
// The control process itself, beside a data plane made of config/wire: full sets, deltas, lookups,
// certificates, purges, kills.
#include "fake_node.h"
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool has_no_shop(struct plane *plane)
{
	return !plane_route(plane, "shop.example") && plane_count(plane, RECORD_ENDPOINT) == 0;
}

static bool has_cert(struct plane *plane)
{
	return plane_count(plane, RECORD_CERT) == 1;
}

static bool has_no_cert(struct plane *plane)
{
	return plane->last_cert_absent[0] != 0;
}

static bool was_told_absent(struct plane *plane)
{
	return plane->last_absent[0] != 0;
}

static bool never(struct plane *)
{
	return false;
}

static bool was_purged(struct plane *plane)
{
	return plane->last_purge[0] != 0;
}

static bool has_two_full_sets(struct plane *plane)
{
	return plane->full_count >= 2;
}

static void a_gateway_gets_a_full_set_and_then_what_changes(void)
{
	static struct node node;
	char dir[64];
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	CU_ASSERT_EQUAL(node.plane.full_count, 1);
	node_command(&node, NODE_SET_SHOP);
	CU_ASSERT(plane_until(&node.plane, node_has_shop, 3000) >= 0);
	node_command(&node, "{\"command\":\"service-remove\",\"name\":\"shop\"}");
	CU_ASSERT(plane_until(&node.plane, has_no_shop, 3000) >= 0);
	CU_ASSERT_EQUAL(node.plane.full_count, 1); // all of it by deltas
	node_close(&node);
	node_remove_dir(dir);
}

static void an_edge_is_told_of_a_host_once_it_asked(void)
{
	static struct node node;
	char dir[64];
	node_make_dir(dir);
	node_open(&node, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	node_command(&node, NODE_SET_SHOP);
	plane_turn(&node.plane, 200);
	CU_ASSERT_PTR_NULL(plane_route(&node.plane, "shop.example"));
	plane_ask(&node.plane, EVENT_LOOKUP, "shop.example");
	int took_ms = plane_until(&node.plane, node_has_shop, 3000);
	CU_ASSERT(took_ms >= 0);
	printf("# lookup answered in %d ms\n", took_ms);
	CU_ASSERT_STRING_EQUAL(node.plane.last_absent, "");
	plane_ask(&node.plane, EVENT_LOOKUP, "nobody.example");
	CU_ASSERT(plane_until(&node.plane, was_told_absent, 3000) >= 0);
	CU_ASSERT_STRING_EQUAL(node.plane.last_absent, "nobody.example");
	node_close(&node);
	node_remove_dir(dir);
}

static void a_host_that_was_absent_is_pushed_when_it_appears(void)
{
	static struct node node;
	char dir[64];
	node_make_dir(dir);
	node_open(&node, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	plane_ask(&node.plane, EVENT_LOOKUP, "shop.example");
	CU_ASSERT(plane_until(&node.plane, was_told_absent, 3000) >= 0);
	node_command(&node, NODE_SET_SHOP);
	CU_ASSERT(plane_until(&node.plane, node_has_shop, 3000) >= 0);
	node_close(&node);
	node_remove_dir(dir);
}

static void an_edge_gets_certificates_for_served_hosts_only(void)
{
	static struct node node;
	char dir[64];
	node_make_dir(dir);
	node_open(&node, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	node_command(&node, NODE_SET_SHOP);
	plane_ask(&node.plane, EVENT_CERT_WANTED, "shop.example");
	CU_ASSERT(plane_until(&node.plane, has_cert, 3000) >= 0);
	plane_ask(&node.plane, EVENT_CERT_WANTED, "bank.example");
	CU_ASSERT(plane_until(&node.plane, has_no_cert, 3000) >= 0);
	CU_ASSERT_STRING_EQUAL(node.plane.last_cert_absent, "bank.example");
	node_close(&node);
	node_remove_dir(dir);
}

static void nothing_in_use_is_swept_when_control_is_killed_and_started_again(void)
{
	static struct node node;
	char dir[64];
	node_make_dir(dir);
	node_open(&node, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	node_command(&node, NODE_SET_SHOP);
	plane_ask(&node.plane, EVENT_LOOKUP, "shop.example");
	plane_ask(&node.plane, EVENT_CERT_WANTED, "shop.example");
	CU_ASSERT(plane_until(&node.plane, node_has_shop, 3000) >= 0);
	CU_ASSERT(plane_until(&node.plane, has_cert, 3000) >= 0);
	for (unsigned round = 0; round < 3; round++) {
		struct record_route before = *plane_route(&node.plane, "shop.example");
		unsigned rows = node.plane.row_count;
		node.plane.full_count = 1;
		node_stop(&node, SIGKILL);
		node_start(&node);
		CU_ASSERT(plane_until(&node.plane, has_two_full_sets, 5000) >= 0);
		const struct record_route *after = plane_route(&node.plane, "shop.example");
		CU_ASSERT_PTR_NOT_NULL_FATAL(after);
		CU_ASSERT_EQUAL(memcmp(&before, after, sizeof(before)), 0);
		CU_ASSERT_EQUAL(node.plane.swept_routes, 0);
		CU_ASSERT_EQUAL(node.plane.row_count, rows);
	}
	node_close(&node);
	node_remove_dir(dir);
}

static void a_change_by_another_control_process_arrives_in_time(void)
{
	static struct node core;
	static struct node edge;
	char dir[64];
	node_make_dir(dir);
	node_open(&core, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&core.plane, node_has_identity, 5000) >= 0);
	node_join(&edge, &core, "edge", "edge");
	CU_ASSERT(plane_until(&edge.plane, node_has_identity, 5000) >= 0);
	plane_ask(&edge.plane, EVENT_LOOKUP, "shop.example");
	CU_ASSERT(plane_until(&edge.plane, was_told_absent, 3000) >= 0);
	node_command(&core, NODE_SET_SHOP);
	int took_ms = plane_until(&edge.plane, node_has_shop, 300);
	printf("# the other node's data plane knew after %d ms\n", took_ms);
	CU_ASSERT(took_ms >= 0);
	node_command(&edge, "{\"command\":\"purge\",\"url\":\"https://shop.example/a\"}");
	CU_ASSERT(plane_until(&core.plane, was_purged, 3000) >= 0);
	CU_ASSERT_STRING_EQUAL(core.plane.last_purge, "https://shop.example/a");
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "\"sequence\":1"));
	CU_ASSERT(plane_until(&edge.plane, was_purged, 3000) >= 0);
	int turns = 0;
	do { // the edge's data plane says that it has applied it
		plane_until(&edge.plane, never, 20);
		node_command(&core, "{\"command\":\"purge-status\",\"sequence\":1}");
	} while (++turns < 100 && !strstr(node_reply, "\"applied\":1"));
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "\"edges\":1,\"applied\":1,\"waiting\":[]"));
	node_command(&core, "{\"command\":\"purge-status\",\"sequence\":2}");
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "\"waiting\":[{\"node\":\"edge\""));
	node_command(&core, "{\"command\":\"purge\",\"service\":\"shop\",\"soft\":true}");
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "\"sequence\":2"));
	node_close(&edge);
	node_close(&core);
	node_remove_dir(dir);
}

static bool knows_purges(struct plane *plane)
{
	return plane->known_purge != 0;
}

// until_applied turns the plane until the registry knows that it has done the purge.
static bool until_applied(struct node *node, unsigned sequence)
{
	char line[64];
	snprintf(line, sizeof(line), "{\"command\":\"purge-status\",\"sequence\":%u}", sequence);
	for (unsigned i = 0; i < 100; i++) {
		plane_until(&node->plane, never, 20);
		node_command(node, line);
		if (strstr(node_reply, "\"applied\":1"))
			return true;
	}
	return false;
}

// A data plane that dies with purges on their way is told so, and gets them again.
static void purges_that_may_not_have_come_are_sent_again(void)
{
	static struct node edge;
	char dir[64];
	node_make_dir(dir);
	node_open(&edge, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&edge.plane, node_has_identity, 5000) >= 0);
	node_command(&edge, "{\"command\":\"purge\",\"tag\":\"done\"}");
	CU_ASSERT(until_applied(&edge, 1));
	node_command(&edge, "{\"command\":\"purge\",\"tag\":\"sent\"}");
	node_command(&edge, "{\"command\":\"purge\",\"tag\":\"last\"}");
	usleep(200000); // they are on their way
	edge.plane.last_purge[0] = 0;
	edge.plane.known_purge = 0;
	plane_hang_up(&edge.plane);
	CU_ASSERT(plane_accept(&edge.plane, 5000));
	CU_ASSERT(plane_until(&edge.plane, knows_purges, 3000) >= 0);
	CU_ASSERT_EQUAL(edge.plane.known_purge, 3);
	CU_ASSERT_EQUAL(edge.plane.unsure_purges, 2);
	CU_ASSERT(plane_until(&edge.plane, was_purged, 3000) >= 0);
	CU_ASSERT(until_applied(&edge, 3));
	CU_ASSERT_STRING_EQUAL(edge.plane.last_purge, "last");
	plane_hang_up(&edge.plane);
	edge.plane.known_purge = 0;
	CU_ASSERT(plane_accept(&edge.plane, 5000));
	CU_ASSERT(plane_until(&edge.plane, knows_purges, 3000) >= 0);
	CU_ASSERT_EQUAL(edge.plane.known_purge, 3);
	CU_ASSERT_EQUAL(edge.plane.unsure_purges, 0);
	node_close(&edge);
	node_remove_dir(dir);
}

// bundle_of copies the trust bundle that the plane holds and returns its epoch; 0: none.
static uint64_t bundle_of(struct plane *plane, char out[8192])
{
	out[0] = 0;
	for (unsigned i = 0; i < plane->row_count; i++)
		if (plane->rows[i].type == RECORD_TRUST) {
			const struct record_trust *row = (const void *)plane->rows[i].payload;
			memcpy(out, plane->rows[i].payload + sizeof(*row), row->bundle_bytes);
			out[row->bundle_bytes] = 0;
			return row->epoch;
		}
	return 0;
}

static bool is_bundle_of_two(struct plane *plane)
{
	char bundle[8192];
	bundle_of(plane, bundle);
	const char *first = strstr(bundle, "BEGIN CERTIFICATE");
	return first && strstr(first + 1, "BEGIN CERTIFICATE");
}

// is_rotated: announced, renewing and stable again are three epochs.
static bool is_rotated(struct plane *plane)
{
	char bundle[8192];
	return bundle_of(plane, bundle) == 4 && !is_bundle_of_two(plane);
}

static void the_ca_is_replaced_when_every_node_has_followed(void)
{
	static struct node core;
	static struct node edge;
	char dir[64];
	char before[8192];
	char after[8192];
	node_make_dir(dir);
	node_open(&core, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&core.plane, node_has_identity, 5000) >= 0);
	node_join(&edge, &core, "edge", "edge");
	CU_ASSERT(plane_until(&edge.plane, node_has_identity, 5000) >= 0);
	CU_ASSERT_EQUAL(bundle_of(&core.plane, before), 1);
	node_stop(&edge, SIGKILL); // one that does not follow holds it up
	CU_ASSERT_EQUAL(node_tool(&core, "trust rotate"), 0);
	CU_ASSERT(plane_until(&core.plane, is_bundle_of_two, 3000) >= 0);
	for (unsigned i = 0; i < 25; i++)
		plane_turn(&core.plane, 100);
	CU_ASSERT_EQUAL(bundle_of(&core.plane, after), 2);
	CU_ASSERT_EQUAL(node_tool(&core, "trust rotate"), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "waits for node 'edge'"));
	node_stop(&core, SIGKILL); // and the CA goes on where it was
	node_start(&core);
	node_start(&edge);
	for (unsigned i = 0; i < 100 && !(is_rotated(&core.plane) && is_rotated(&edge.plane));
	     i++) {
		plane_turn(&core.plane, 50);
		plane_turn(&edge.plane, 50);
	}
	CU_ASSERT(is_rotated(&core.plane));
	CU_ASSERT(is_rotated(&edge.plane));
	bundle_of(&core.plane, after);
	CU_ASSERT_STRING_NOT_EQUAL(after, before);
	CU_ASSERT_EQUAL(node_tool(&edge, "trust rotate"), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "identity.ca = true"));
	node_close(&edge);
	node_close(&core);
	node_remove_dir(dir);
}

static void a_worker_that_lost_track_gets_everything_again(void)
{
	static struct node node;
	char dir[64];
	struct event_resync resync = {.last_sequence = 3};
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	plane_tell(&node.plane, EVENT_RESYNC, &resync, sizeof(resync));
	CU_ASSERT(plane_until(&node.plane, has_two_full_sets, 3000) >= 0);
	node_command(&node, "{\"command\":\"status\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "\"attached\":true"));
	node_close(&node);
	node_remove_dir(dir);
}

static void events_that_make_no_sense_are_counted(void)
{
	static struct node node;
	char dir[64];
	char junk[300];
	node_make_dir(dir);
	node_open(&node, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	memset(junk, 'A', sizeof(junk));
	plane_tell(&node.plane, EVENT_LOOKUP, junk,
		   sizeof(struct event_lookup)); // no end, capitals
	plane_tell(&node.plane, EVENT_LOOKUP, junk, 5);
	plane_tell(&node.plane, (enum event_type)200, junk, sizeof(junk));
	plane_ask(&node.plane, EVENT_LOOKUP, "nobody.example");
	CU_ASSERT(plane_until(&node.plane, was_told_absent, 3000) >= 0);
	node_command(&node, "{\"command\":\"status\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "\"events_refused\":3"));
	node_close(&node);
	node_remove_dir(dir);
}

static void commands_that_make_no_sense_are_told_why(void)
{
	static struct node node;
	static const char *const bad[][2] = {
		{"hello", "not a JSON object"},
		{"{\"command\":\"dance\"}", "no command 'dance'"},
		{"{\"command\":\"service-set\",\"name\":\"Shop\"}", "lower-case"},
		{"{\"command\":\"service-set\",\"name\":\"a\",\"to\":[\"10.0.0.1:80\"]}", "--host"},
		{"{\"command\":\"service-set\",\"name\":\"a\",\"hosts\":[\"a.example\"]}", "--to"},
		{"{\"command\":\"service-set\",\"name\":\"a\",\"hosts\":[\"a.example\"],"
		 "\"to\":[\"10.0.0.1\"]}",
		 "192.0.2.1:8080"},
		{"{\"command\":\"service-set\",\"name\":\"a\",\"hosts\":[\"shop.example\"],"
		 "\"to\":[\"10.0.0.1:80\"]}",
		 "served by 'shop'"},
		{"{\"command\":\"service-remove\",\"name\":\"a\"}", "no service 'a'"},
		{"{\"command\":\"purge\",\"url\":\"shop.example/a\"}", "https://host/path"},
		{"{\"command\":\"purge\"}", "one of them is wanted"},
		{"{\"command\":\"purge\",\"all\":true,\"tag\":\"a\"}", "one of them is wanted"},
		{"{\"command\":\"purge\",\"prefix\":\"https://a/b\"}", "ends in '/'"},
		{"{\"command\":\"purge\",\"prefix\":\"https://a/?b/\"}", "ends in '/'"},
		{"{\"command\":\"purge\",\"prefix\":\"a/b/\"}", "https://host/path/"},
		{"{\"command\":\"purge\",\"prefix\":\"https://a/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/"
		 "\"}",
		 "at most 16"},
		{"{\"command\":\"purge\",\"tag\":\"a b\"}", "no blank"},
		{"{\"command\":\"purge\",\"service\":\"nobody\"}", "no service 'nobody'"},
		{"{\"command\":\"node-token\",\"node\":\"n\",\"role\":\"king\",\"location\":"
		 "\"par\"}",
		 "edge, gateway or sidecar"},
	};
	char dir[64];
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	node_command(&node, NODE_SET_SHOP);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT(plane_command(node.run_dir, bad[i][0], node_reply, sizeof(node_reply)));
		CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "\"ok\":false"));
		if (!strstr(node_reply, bad[i][1]))
			printf("# %s -> %s\n", bad[i][0], node_reply);
		CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, bad[i][1]));
	}
	node_close(&node);
	node_remove_dir(dir);
}

static void the_operators_tool_speaks_for_people_and_for_programs(void)
{
	static struct node node;
	char dir[64];
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	CU_ASSERT_EQUAL(node_tool(&node,
				  "service set shop --host shop.example --host '*.shop.example' "
				  "--to 10.0.0.9:8080,10.0.0.10:8080 --path /"),
			0);
	CU_ASSERT_EQUAL(node_tool(&node, "service list"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "*.shop.example/"));
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "-> 10.0.0.10:8080 in par"));
	CU_ASSERT_EQUAL(node_tool(&node, "--json service list"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "\"ok\": true"));
	CU_ASSERT_EQUAL(node_tool(&node, "why a.shop.example /cart"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "matches *.shop.example"));
	CU_ASSERT_EQUAL(node_tool(&node, "location set fra --cost 12ms"), 0);
	CU_ASSERT_EQUAL(node_tool(&node, "location list"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "12000"));
	CU_ASSERT_EQUAL(node_tool(&node, "node drain gw"), 0);
	CU_ASSERT_EQUAL(node_tool(&node, "service set shop --to nowhere"), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "192.0.2.1:8080"));
	CU_ASSERT_EQUAL(node_tool(&node, "service set"), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "NAME is missing"));
	CU_ASSERT_EQUAL(node_tool(&node, "serve"), 2);
	CU_ASSERT_EQUAL(node_tool(&node, "--help"), 0);
	CU_ASSERT_EQUAL(node_tool(&node, "counters"), 1); // this data plane has no telemetry
	node_close(&node);
	node_remove_dir(dir);
}

static void others_are_told_the_address_that_a_node_advertises(void)
{
	static const char *const cases[][2] = {
		{NULL, "\"mesh_address\":\"192.0.2.1:8443\""},
		{"advertise = \"203.0.113.7\";", "\"mesh_address\":\"203.0.113.7:8443\""},
		{"advertise = \"2001:db8::7\";", "\"mesh_address\":\"[2001:db8::7]:8443\""},
	};
	for (unsigned i = 0; i < 3; i++) {
		static struct node node;
		char dir[64];
		node_make_dir(dir);
		node.node_keys = cases[i][0];
		node_open(&node, dir, "gw", "gateway", true);
		CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
		node_command(&node, "{\"command\":\"node-list\"}");
		CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, cases[i][1]));
		node_close(&node);
		node_remove_dir(dir);
	}
}

// workload finds the endpoint to an address, or NULL.
static const struct record_endpoint *workload(struct plane *plane, const char *address)
{
	struct endpoint_addr at;
	CU_ASSERT_EQUAL(endpoint_addr_parse(address, &at), 0);
	for (unsigned i = 0; i < plane->row_count; i++) {
		const struct record_endpoint *row = (const void *)plane->rows[i].payload;
		if (plane->rows[i].type == RECORD_ENDPOINT &&
		    memcmp(&row->to, &at, sizeof(at)) == 0)
			return row;
	}
	return NULL;
}

static bool has_two(struct plane *plane)
{
	return plane_count(plane, RECORD_ENDPOINT) == 2;
}

static bool is_first_draining(struct plane *plane)
{
	return workload(plane, "10.0.0.9:8080")->is_draining;
}

static bool is_second_unhealthy(struct plane *plane)
{
	return !workload(plane, "10.0.0.10:8080")->is_healthy;
}

static bool are_both_whole(struct plane *plane)
{
	return !is_first_draining(plane) && !is_second_unhealthy(plane);
}

static void an_instance_is_drained_and_told_unhealthy_and_comes_back(void)
{
	static struct node node;
	char dir[64];
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	CU_ASSERT_EQUAL(node_tool(&node, "service set shop --host shop.example "
					 "--to 10.0.0.9:8080,10.0.0.10:8080"),
			0);
	CU_ASSERT_FATAL(plane_until(&node.plane, has_two, 3000) >= 0);
	CU_ASSERT(are_both_whole(&node.plane));
	CU_ASSERT_EQUAL(node_tool(&node, "service drain shop 10.0.0.9:8080"), 0);
	CU_ASSERT(plane_until(&node.plane, is_first_draining, 3000) >= 0);
	CU_ASSERT_EQUAL(node_tool(&node, "service unhealthy shop 10.0.0.10:8080"), 0);
	CU_ASSERT(plane_until(&node.plane, is_second_unhealthy, 3000) >= 0);
	// Setting the service again does not bring a drained instance back.
	CU_ASSERT_EQUAL(node_tool(&node, "service set shop --to 10.0.0.9:8080,10.0.0.10:8080"), 0);
	plane_turn(&node.plane, 200);
	CU_ASSERT(is_first_draining(&node.plane));
	CU_ASSERT_EQUAL(node_tool(&node, "service list"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "10.0.0.9:8080 in par (draining)"));
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "10.0.0.10:8080 in par (unhealthy)"));
	CU_ASSERT_EQUAL(node_tool(&node, "service drain shop 10.0.0.9:8080 --off"), 0);
	CU_ASSERT_EQUAL(node_tool(&node, "service unhealthy shop 10.0.0.10:8080 --off"), 0);
	CU_ASSERT(plane_until(&node.plane, are_both_whole, 3000) >= 0);
	CU_ASSERT_EQUAL(node_tool(&node, "service drain shop 10.0.0.11:8080"), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "has no instance 10.0.0.11:8080"));
	CU_ASSERT_EQUAL(node_tool(&node, "service remove shop 10.0.0.11:8080"), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "has no instance 10.0.0.11:8080"));
	CU_ASSERT_EQUAL(node_tool(&node, "service remove shop 10.0.0.9:8080"), 0);
	CU_ASSERT(plane_until(&node.plane, node_has_shop, 3000) >= 0);
	CU_ASSERT_PTR_NOT_NULL(workload(&node.plane, "10.0.0.10:8080"));
	node_close(&node);
	node_remove_dir(dir);
}

static char wanted_workload[32];

static bool has_wanted_workload(struct plane *plane)
{
	return workload(plane, wanted_workload) && plane_count(plane, RECORD_ENDPOINT) == 1;
}

// What a command writes is in the ring before the command is answered, which waits for the disk.
// Not when the last set is only just out: control rests for as long as that took to compile.
static void a_command_is_published_before_it_is_answered(void)
{
	enum { CHANGES = 20 };
	static struct node node;
	unsigned before_count = 0;
	char dir[64], command[128];
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	node_command(&node, NODE_SET_SHOP);
	CU_ASSERT(plane_until(&node.plane, node_has_shop, 3000) >= 0);
	for (unsigned i = 1; i <= CHANGES; i++) {
		snprintf(wanted_workload, sizeof(wanted_workload), "10.0.0.9:%u", 8080 + i);
		snprintf(command, sizeof(command),
			 "{\"command\":\"service-set\",\"name\":\"shop\",\"to\":[\"%s\"]}",
			 wanted_workload);
		node_command(&node, command);
		plane_turn(&node.plane, 0);
		before_count += has_wanted_workload(&node.plane);
		CU_ASSERT(plane_until(&node.plane, has_wanted_workload, 3000) >= 0);
	}
	printf("# %u of %u changes were there before the answer\n", before_count, CHANGES);
	CU_ASSERT(before_count >= CHANGES / 2);
	node_close(&node);
	node_remove_dir(dir);
}

static void failures_of_an_endpoint_are_shown_with_it(void)
{
	static struct node node;
	char dir[64];
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	node_command(&node, NODE_SET_SHOP);
	CU_ASSERT_FATAL(plane_until(&node.plane, node_has_shop, 3000) >= 0);
	node_command(&node, "{\"command\":\"routes\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "\"failures\":0"));
	struct event_endpoint_failed failed = {workload(&node.plane, "10.0.0.9:8080")->id, 5};
	plane_tell(&node.plane, EVENT_ENDPOINT_FAILED, &failed, sizeof(failed));
	plane_tell(&node.plane, EVENT_ENDPOINT_FAILED, &failed, sizeof(failed));
	plane_turn(&node.plane, 200);
	node_command(&node, "{\"command\":\"routes\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "\"failures\":2"));
	node_close(&node);
	node_remove_dir(dir);
}

UNIT_MAIN("process",
	  {"the CA is replaced when every node has followed",
	   the_ca_is_replaced_when_every_node_has_followed},
	  {"an instance is drained and told unhealthy, and comes back",
	   an_instance_is_drained_and_told_unhealthy_and_comes_back},
	  {"a command is published before it is answered",
	   a_command_is_published_before_it_is_answered},
	  {"failures of an endpoint are shown with it", failures_of_an_endpoint_are_shown_with_it},
	  {"others are told the address that a node advertises",
	   others_are_told_the_address_that_a_node_advertises},
	  {"the operator's tool speaks for people and for programs",
	   the_operators_tool_speaks_for_people_and_for_programs},
	  {"a gateway gets a full set and then what changes",
	   a_gateway_gets_a_full_set_and_then_what_changes},
	  {"an edge is told of a host once it asked", an_edge_is_told_of_a_host_once_it_asked},
	  {"a host that was absent is pushed when it appears",
	   a_host_that_was_absent_is_pushed_when_it_appears},
	  {"an edge gets certificates for served hosts only",
	   an_edge_gets_certificates_for_served_hosts_only},
	  {"nothing in use is swept when control is killed and started again",
	   nothing_in_use_is_swept_when_control_is_killed_and_started_again},
	  {"a change by another control process arrives in time",
	   a_change_by_another_control_process_arrives_in_time},
	  {"purges that may not have come are sent again",
	   purges_that_may_not_have_come_are_sent_again},
	  {"a worker that lost track gets everything again",
	   a_worker_that_lost_track_gets_everything_again},
	  {"events that make no sense are counted", events_that_make_no_sense_are_counted},
	  {"commands that make no sense are told why", commands_that_make_no_sense_are_told_why})
