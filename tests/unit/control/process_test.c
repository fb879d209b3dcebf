// SPDX-License-Identifier: Apache-2.0
// The control process itself, beside a data plane made of config/wire: full sets, deltas, lookups,
// certificates, purges, kills.
#include "fake_plane.h"
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CONTROL_PROGRAM
#error "the program under test is named by the build"
#endif

// One node: a data plane and a control process.
struct node {
	char dir[64];
	char run_dir[64];
	char conf[128];
	pid_t pid;
	struct plane plane;
};

static char reply[65536];

static void write_conf(struct node *node, const char *id, const char *role, bool is_ca)
{
	snprintf(node->run_dir, sizeof(node->run_dir), "%.40s/run-%.16s", node->dir, id);
	snprintf(node->conf, sizeof(node->conf), "%s/%s.conf", node->dir, id);
	FILE *file = fopen(node->conf, "w");
	fprintf(file,
		"version = 1;\nrun_dir = \"%s\";\ndevelopment_ca = true;\n"
		"node = { id = \"%s\"; role = \"%s\"; location = \"par\"; mesh = \"mesh.test\"; "
		"};\n"
		"dataplane = { ports = ( { name = \"p0\"; device = \"net_null0\"; "
		"addresses = [\"192.0.2.1/24\"]; } ); };\n"
		"listen = ( { port = 8443; protocol = \"mesh\"; } );\n"
		"registry = { path = \"%s/registry.db\"; };\n"
		"identity = { ca = %s; join_token = \"%s/token\"; state_dir = \"%s/state-%s\"; "
		"};\n",
		node->run_dir, id, role, node->dir, is_ca ? "true" : "false", node->dir, node->dir,
		id);
	fclose(file);
}

static void node_start(struct node *node)
{
	node->pid = plane_control(CONTROL_PROGRAM, node->conf);
	CU_ASSERT_FATAL(node->pid > 0);
	CU_ASSERT_FATAL(plane_accept(&node->plane, 5000));
}

static void node_open(struct node *node, const char *dir, const char *id, const char *role,
		      bool is_ca)
{
	snprintf(node->dir, sizeof(node->dir), "%s", dir);
	write_conf(node, id, role, is_ca);
	CU_ASSERT_FATAL(plane_open(&node->plane, node->run_dir));
	node_start(node);
}

// node_stop ends control and returns its exit status.
static int node_stop(struct node *node, int signal)
{
	int status = -1;
	kill(node->pid, signal);
	waitpid(node->pid, &status, 0);
	return status;
}

static void node_close(struct node *node)
{
	int status = node_stop(node, SIGTERM);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CU_ASSERT_EQUAL(node->plane.wrong_count, 0);
	plane_close(&node->plane);
}

static void make_dir(char dir[64])
{
	strcpy(dir, "/tmp/millrace-control-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static void remove_dir(const char *dir)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	CU_ASSERT_EQUAL(system(command), 0);
}

static void command(struct node *node, const char *line)
{
	bool is_done = plane_command(node->run_dir, line, reply, sizeof(reply));
	if (!is_done || !strstr(reply, "\"ok\":true"))
		printf("# %s -> %s\n", line, reply);
	CU_ASSERT(is_done && strstr(reply, "\"ok\":true"));
}

static bool has_identity(struct plane *plane)
{
	return plane_count(plane, RECORD_IDENTITY) >= 1 && plane_count(plane, RECORD_TRUST) == 1 &&
	       plane_count(plane, RECORD_TICKET_KEY) >= 1;
}

static bool has_shop(struct plane *plane)
{
	return plane_route(plane, "shop.example") && plane_count(plane, RECORD_ENDPOINT) == 1;
}

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

static bool was_purged(struct plane *plane)
{
	return plane->last_purge[0] != 0;
}

static bool has_two_full_sets(struct plane *plane)
{
	return plane->full_count >= 2;
}

#define SET_SHOP                                                                                   \
	"{\"command\":\"service-set\",\"name\":\"shop\",\"hosts\":[\"shop.example\"],"             \
	"\"to\":[\"10.0.0.9:8080\"]}"

static void a_gateway_gets_a_full_set_and_then_what_changes(void)
{
	static struct node node;
	char dir[64];
	make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, has_identity, 5000) >= 0);
	CU_ASSERT_EQUAL(node.plane.full_count, 1);
	command(&node, SET_SHOP);
	CU_ASSERT(plane_until(&node.plane, has_shop, 3000) >= 0);
	command(&node, "{\"command\":\"service-remove\",\"name\":\"shop\"}");
	CU_ASSERT(plane_until(&node.plane, has_no_shop, 3000) >= 0);
	CU_ASSERT_EQUAL(node.plane.full_count, 1); // all of it by deltas
	node_close(&node);
	remove_dir(dir);
}

static void an_edge_is_told_of_a_host_once_it_asked(void)
{
	static struct node node;
	char dir[64];
	make_dir(dir);
	node_open(&node, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&node.plane, has_identity, 5000) >= 0);
	command(&node, SET_SHOP);
	plane_turn(&node.plane, 200);
	CU_ASSERT_PTR_NULL(plane_route(&node.plane, "shop.example"));
	plane_ask(&node.plane, EVENT_LOOKUP, "shop.example");
	int took_ms = plane_until(&node.plane, has_shop, 3000);
	CU_ASSERT(took_ms >= 0);
	printf("# lookup answered in %d ms\n", took_ms);
	CU_ASSERT_STRING_EQUAL(node.plane.last_absent, "");
	plane_ask(&node.plane, EVENT_LOOKUP, "nobody.example");
	CU_ASSERT(plane_until(&node.plane, was_told_absent, 3000) >= 0);
	CU_ASSERT_STRING_EQUAL(node.plane.last_absent, "nobody.example");
	node_close(&node);
	remove_dir(dir);
}

static void a_host_that_was_absent_is_pushed_when_it_appears(void)
{
	static struct node node;
	char dir[64];
	make_dir(dir);
	node_open(&node, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&node.plane, has_identity, 5000) >= 0);
	plane_ask(&node.plane, EVENT_LOOKUP, "shop.example");
	CU_ASSERT(plane_until(&node.plane, was_told_absent, 3000) >= 0);
	command(&node, SET_SHOP);
	CU_ASSERT(plane_until(&node.plane, has_shop, 3000) >= 0);
	node_close(&node);
	remove_dir(dir);
}

static void an_edge_gets_certificates_for_served_hosts_only(void)
{
	static struct node node;
	char dir[64];
	make_dir(dir);
	node_open(&node, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&node.plane, has_identity, 5000) >= 0);
	command(&node, SET_SHOP);
	plane_ask(&node.plane, EVENT_CERT_WANTED, "shop.example");
	CU_ASSERT(plane_until(&node.plane, has_cert, 3000) >= 0);
	plane_ask(&node.plane, EVENT_CERT_WANTED, "bank.example");
	CU_ASSERT(plane_until(&node.plane, has_no_cert, 3000) >= 0);
	CU_ASSERT_STRING_EQUAL(node.plane.last_cert_absent, "bank.example");
	node_close(&node);
	remove_dir(dir);
}

static void nothing_in_use_is_swept_when_control_is_killed_and_started_again(void)
{
	static struct node node;
	char dir[64];
	make_dir(dir);
	node_open(&node, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&node.plane, has_identity, 5000) >= 0);
	command(&node, SET_SHOP);
	plane_ask(&node.plane, EVENT_LOOKUP, "shop.example");
	plane_ask(&node.plane, EVENT_CERT_WANTED, "shop.example");
	CU_ASSERT(plane_until(&node.plane, has_shop, 3000) >= 0);
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
	remove_dir(dir);
}

static void a_change_by_another_control_process_arrives_in_time(void)
{
	static struct node core;
	static struct node edge;
	char dir[64];
	char token[256];
	make_dir(dir);
	node_open(&core, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&core.plane, has_identity, 5000) >= 0);
	command(&core, "{\"command\":\"node-token\",\"node\":\"edge\",\"role\":\"edge\","
		       "\"location\":\"par\"}");
	char *text = strstr(reply, "\"token\":\"");
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	text += strlen("\"token\":\"");
	snprintf(token, sizeof(token), "%s/token", dir);
	FILE *file = fopen(token, "w");
	fprintf(file, "%.*s\n", (int)strcspn(text, "\""), text);
	fclose(file);
	node_open(&edge, dir, "edge", "edge", false);
	CU_ASSERT(plane_until(&edge.plane, has_identity, 5000) >= 0);
	plane_ask(&edge.plane, EVENT_LOOKUP, "shop.example");
	CU_ASSERT(plane_until(&edge.plane, was_told_absent, 3000) >= 0);
	command(&core, SET_SHOP);
	int took_ms = plane_until(&edge.plane, has_shop, 300);
	printf("# the other node's data plane knew after %d ms\n", took_ms);
	CU_ASSERT(took_ms >= 0);
	command(&edge, "{\"command\":\"purge\",\"url\":\"https://shop.example/a\"}");
	CU_ASSERT(plane_until(&core.plane, was_purged, 3000) >= 0);
	CU_ASSERT_STRING_EQUAL(core.plane.last_purge, "https://shop.example/a");
	node_close(&edge);
	node_close(&core);
	remove_dir(dir);
}

static void a_worker_that_lost_track_gets_everything_again(void)
{
	static struct node node;
	char dir[64];
	struct event_resync resync = {.last_sequence = 3};
	make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, has_identity, 5000) >= 0);
	plane_tell(&node.plane, EVENT_RESYNC, &resync, sizeof(resync));
	CU_ASSERT(plane_until(&node.plane, has_two_full_sets, 3000) >= 0);
	command(&node, "{\"command\":\"status\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"attached\":true"));
	node_close(&node);
	remove_dir(dir);
}

static void events_that_make_no_sense_are_counted(void)
{
	static struct node node;
	char dir[64];
	char junk[300];
	make_dir(dir);
	node_open(&node, dir, "edge", "edge", true);
	CU_ASSERT(plane_until(&node.plane, has_identity, 5000) >= 0);
	memset(junk, 'A', sizeof(junk));
	plane_tell(&node.plane, EVENT_LOOKUP, junk,
		   sizeof(struct event_lookup)); // no end, capitals
	plane_tell(&node.plane, EVENT_LOOKUP, junk, 5);
	plane_tell(&node.plane, (enum event_type)200, junk, sizeof(junk));
	plane_ask(&node.plane, EVENT_LOOKUP, "nobody.example");
	CU_ASSERT(plane_until(&node.plane, was_told_absent, 3000) >= 0);
	command(&node, "{\"command\":\"status\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"events_refused\":3"));
	node_close(&node);
	remove_dir(dir);
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
		{"{\"command\":\"node-token\",\"node\":\"n\",\"role\":\"king\",\"location\":"
		 "\"par\"}",
		 "edge, gateway or sidecar"},
	};
	char dir[64];
	make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	command(&node, SET_SHOP);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT(plane_command(node.run_dir, bad[i][0], reply, sizeof(reply)));
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"ok\":false"));
		if (!strstr(reply, bad[i][1]))
			printf("# %s -> %s\n", bad[i][0], reply);
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, bad[i][1]));
	}
	node_close(&node);
	remove_dir(dir);
}

// tool runs the operator's tool against the node and keeps what it prints. Returns its exit status.
static int tool(struct node *node, const char *words)
{
	char line[512];
	snprintf(line, sizeof(line), "%s --socket %s/control.sock %s 2>&1", MILLRACE_PROGRAM,
		 node->run_dir, words);
	FILE *out = popen(line, "r");
	size_t bytes = fread(reply, 1, sizeof(reply) - 1, out);
	reply[bytes] = 0;
	int status = pclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void the_operators_tool_speaks_for_people_and_for_programs(void)
{
	static struct node node;
	char dir[64];
	make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, has_identity, 5000) >= 0);
	CU_ASSERT_EQUAL(tool(&node, "service set shop --host shop.example --host '*.shop.example' "
				    "--to 10.0.0.9:8080,10.0.0.10:8080 --path /"),
			0);
	CU_ASSERT_EQUAL(tool(&node, "service list"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "*.shop.example/"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "-> 10.0.0.10:8080 in par"));
	CU_ASSERT_EQUAL(tool(&node, "--json service list"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"ok\": true"));
	CU_ASSERT_EQUAL(tool(&node, "why a.shop.example /cart"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "matches *.shop.example"));
	CU_ASSERT_EQUAL(tool(&node, "location set fra --cost 12ms"), 0);
	CU_ASSERT_EQUAL(tool(&node, "location list"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "12000"));
	CU_ASSERT_EQUAL(tool(&node, "node drain gw"), 0);
	CU_ASSERT_EQUAL(tool(&node, "service set shop --to nowhere"), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "192.0.2.1:8080"));
	CU_ASSERT_EQUAL(tool(&node, "service set"), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "NAME is missing"));
	CU_ASSERT_EQUAL(tool(&node, "serve"), 2);
	CU_ASSERT_EQUAL(tool(&node, "--help"), 0);
	CU_ASSERT_EQUAL(tool(&node, "counters"), 1); // this data plane has no telemetry
	node_close(&node);
	remove_dir(dir);
}

UNIT_MAIN("process",
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
	  {"a worker that lost track gets everything again",
	   a_worker_that_lost_track_gets_everything_again},
	  {"events that make no sense are counted", events_that_make_no_sense_are_counted},
	  {"commands that make no sense are told why", commands_that_make_no_sense_are_told_why})
