// SPDX-License-Identifier: Apache-2.0
// A node for tests: the real control process beside a data plane of rings; see fake_node.h.
#include "fake_node.h"
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CONTROL_PROGRAM
#error "the program under test is named by the build"
#endif

char node_reply[NODE_REPLY_BYTES];

static void write_conf(struct node *node, const char *id, const char *role, bool is_ca)
{
	snprintf(node->run_dir, sizeof(node->run_dir), "%.40s/run-%.16s", node->dir, id);
	snprintf(node->conf, sizeof(node->conf), "%s/%s.conf", node->dir, id);
	FILE *file = fopen(node->conf, "w");
	fprintf(file,
		"version = 1;\nrun_dir = \"%s\";\ndevelopment_ca = true;\n"
		"node = { id = \"%s\"; role = \"%s\"; location = \"par\"; mesh = \"mesh.test\"; "
		"%s };\n"
		"dataplane = { ports = ( { name = \"p0\"; device = \"net_null0\"; "
		"addresses = [\"192.0.2.1/24\"]; } ); };\n"
		"listen = ( { port = 8443; protocol = \"mesh\"; } );\n"
		"registry = { path = \"%s/registry.db\"; };\n"
		"identity = { ca = %s; join_token = \"%s/token\"; state_dir = \"%s/state-%s\"; "
		"};\n",
		node->run_dir, id, role, node->node_keys ? node->node_keys : "", node->dir,
		is_ca ? "true" : "false", node->dir, node->dir, id);
	fclose(file);
}

void node_start(struct node *node)
{
	node->pid = plane_control(CONTROL_PROGRAM, node->conf);
	CU_ASSERT_FATAL(node->pid > 0);
	CU_ASSERT_FATAL(plane_accept(&node->plane, 5000));
}

void node_open(struct node *node, const char *dir, const char *id, const char *role, bool is_ca)
{
	snprintf(node->dir, sizeof(node->dir), "%s", dir);
	write_conf(node, id, role, is_ca);
	CU_ASSERT_FATAL(plane_open(&node->plane, node->run_dir));
	node_start(node);
}

void node_join(struct node *node, struct node *core, const char *id, const char *role)
{
	char text[256];
	snprintf(text, sizeof(text),
		 "{\"command\":\"node-token\",\"node\":\"%s\",\"role\":\"%s\","
		 "\"location\":\"par\"}",
		 id, role);
	node_command(core, text);
	char *token = strstr(node_reply, "\"token\":\"");
	CU_ASSERT_PTR_NOT_NULL_FATAL(token);
	token += strlen("\"token\":\"");
	snprintf(text, sizeof(text), "%s/token", core->dir);
	FILE *file = fopen(text, "w");
	fprintf(file, "%.*s\n", (int)strcspn(token, "\""), token);
	fclose(file);
	node_open(node, core->dir, id, role, false);
}

int node_stop(struct node *node, int signal)
{
	int status = -1;
	kill(node->pid, signal);
	waitpid(node->pid, &status, 0);
	return status;
}

void node_close(struct node *node)
{
	int status = node_stop(node, SIGTERM);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CU_ASSERT_EQUAL(node->plane.wrong_count, 0);
	plane_close(&node->plane);
}

void node_make_dir(char dir[64])
{
	strcpy(dir, "/tmp/millrace-control-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

void node_remove_dir(const char *dir)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	CU_ASSERT_EQUAL(system(command), 0);
}

void node_command(struct node *node, const char *line)
{
	bool is_done = plane_command(node->run_dir, line, node_reply, sizeof(node_reply));
	if (!is_done || !strstr(node_reply, "\"ok\":true"))
		printf("# %s -> %s\n", line, node_reply);
	CU_ASSERT(is_done && strstr(node_reply, "\"ok\":true"));
}

bool node_has_identity(struct plane *plane)
{
	return plane_count(plane, RECORD_IDENTITY) >= 1 && plane_count(plane, RECORD_TRUST) == 1 &&
	       plane_count(plane, RECORD_TICKET_KEY) >= 1;
}

bool node_has_shop(struct plane *plane)
{
	return plane_route(plane, "shop.example") && plane_count(plane, RECORD_ENDPOINT) == 1;
}

int node_tool(struct node *node, const char *words)
{
	char line[512];
	snprintf(line, sizeof(line), "%s --socket %s/control.sock %s 2>&1", MILLRACE_PROGRAM,
		 node->run_dir, words);
	FILE *out = popen(line, "r");
	size_t bytes = fread(node_reply, 1, sizeof(node_reply) - 1, out);
	node_reply[bytes] = 0;
	int status = pclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
