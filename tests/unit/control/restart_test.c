// SPDX-License-Identifier: Apache-2.0
// The control process ended, killed, started twice, started on broken files; and what it must not
// pile up meanwhile.
#include "fake_node.h"
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 50u

// count_fds counts the descriptors of a process.
static unsigned count_fds(pid_t pid)
{
	char path[64];
	unsigned count = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

// run_control starts control, which must end by itself, and keeps what it says in node_reply.
// Returns its exit status.
static int run_control(const struct node *node)
{
	char line[256];
	snprintf(line, sizeof(line), "timeout 20 %s --conf %s 2>&1", CONTROL_PROGRAM, node->conf);
	FILE *out = popen(line, "r");
	size_t bytes = fread(node_reply, 1, NODE_REPLY_BYTES - 1, out);
	node_reply[bytes] = 0;
	int status = pclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool was_given_a_new_set(struct plane *plane)
{
	return plane->full_count >= 2;
}

static void fifty_ends_by_term_and_kill_change_nothing(void)
{
	static struct node node;
	char dir[64];
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	node_command(&node, NODE_SET_SHOP);
	CU_ASSERT(plane_until(&node.plane, node_has_shop, 3000) >= 0);
	struct record_route before = *plane_route(&node.plane, "shop.example");
	unsigned rows = node.plane.row_count;
	unsigned own_fds = count_fds(getpid());
	unsigned control_fds = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		node.plane.full_count = 1;
		int status = node_stop(&node, round % 2 ? SIGKILL : SIGTERM);
		CU_ASSERT(round % 2 || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
		node_start(&node);
		CU_ASSERT(plane_until(&node.plane, was_given_a_new_set, 5000) >= 0);
		const struct record_route *after = plane_route(&node.plane, "shop.example");
		CU_ASSERT_PTR_NOT_NULL_FATAL(after);
		CU_ASSERT_EQUAL(memcmp(&before, after, sizeof(before)), 0);
		CU_ASSERT_EQUAL(node.plane.row_count, rows);
		if (round == 0)
			control_fds = count_fds(node.pid);
	}
	CU_ASSERT_EQUAL(node.plane.swept_routes, 0);
	CU_ASSERT_EQUAL(count_fds(getpid()), own_fds);
	CU_ASSERT(count_fds(node.pid) <= control_fds);
	node_close(&node);
	node_remove_dir(dir);
}

static void killed_at_any_moment_of_its_start_it_starts_the_next_time(void)
{
	static struct node node;
	char dir[64];
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	node_stop(&node, SIGKILL);
	plane_close(&node.plane); // nobody listens: each start is cut somewhere on its way
	for (unsigned round = 0; round < ROUNDS; round++) {
		node.pid = plane_control(CONTROL_PROGRAM, node.conf);
		usleep(round * 2000);
		node_stop(&node, SIGKILL);
	}
	CU_ASSERT_FATAL(plane_open(&node.plane, node.run_dir));
	node_start(&node);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	node_command(&node, NODE_SET_SHOP);
	CU_ASSERT(plane_until(&node.plane, node_has_shop, 3000) >= 0);
	node_close(&node);
	node_remove_dir(dir);
}

static void data_planes_and_operators_that_come_and_go_leave_nothing_open(void)
{
	static struct node node;
	char dir[64];
	char line[128];
	unsigned fds[2];
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	for (unsigned half = 0; half < 2; half++) {
		for (unsigned round = 0; round < 5; round++) {
			node.plane.full_count = 0;
			plane_close(&node.plane);
			node.plane.listener = -1;
			CU_ASSERT_FATAL(plane_open(&node.plane, node.run_dir));
			CU_ASSERT_FATAL(plane_accept(&node.plane, 5000));
			CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
		}
		for (unsigned i = 0; i < 50; i++) {
			snprintf(line, sizeof(line),
				 "{\"command\":\"why\",\"host\":\"h%u.example\"}", i);
			node_command(&node, line);
		}
		usleep(200000); // the last connection is closed behind its answer
		fds[half] = count_fds(node.pid);
	}
	printf("# %u descriptors\n", fds[1]);
	CU_ASSERT_EQUAL(fds[0], fds[1]);
	node_close(&node);
	node_remove_dir(dir);
}

static void a_second_control_process_of_a_node_is_refused(void)
{
	static struct node node;
	char dir[64];
	char owner[64];
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	snprintf(owner, sizeof(owner), "process %d is this node's control already", (int)node.pid);
	CU_ASSERT_EQUAL(run_control(&node), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, owner));
	CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, "run_dir"));
	// The first one goes on.
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	node_command(&node, NODE_SET_SHOP);
	CU_ASSERT(plane_until(&node.plane, node_has_shop, 3000) >= 0);
	node_close(&node);
	node_remove_dir(dir);
}

static void its_files_and_sockets_are_for_its_user_only(void)
{
	static struct node node;
	static const char *const names[] = {"run-gw/control.sock",  "run-gw/control.run-lock",
					    "state-gw/state.db",    "state-gw/ca-key.pem",
					    "state-gw/join-secret", "registry.db"};
	char dir[64];
	char path[128];
	struct stat stat_;
	node_make_dir(dir);
	node_open(&node, dir, "gw", "gateway", true);
	CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		CU_ASSERT_EQUAL(stat(path, &stat_), 0);
		if ((stat_.st_mode & 0777) != 0600)
			printf("# %s has mode %o\n", names[i], stat_.st_mode & 0777u);
		CU_ASSERT_EQUAL(stat_.st_mode & 0777, 0600);
	}
	snprintf(path, sizeof(path), "%s/state-gw", dir);
	CU_ASSERT_EQUAL(stat(path, &stat_), 0);
	CU_ASSERT_EQUAL(stat_.st_mode & 0777, 0700);
	node_close(&node);
	node_remove_dir(dir);
}

// spoil writes noise over a file from byte first on.
static void spoil(const char *path, long first, unsigned bytes)
{
	FILE *file = fopen(path, "r+");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fseek(file, first, SEEK_SET);
	for (unsigned i = 0; i < bytes; i++)
		fputc((int)(i * 167 + 13) & 255, file);
	fclose(file);
}

static void a_broken_file_is_told_with_its_cure(void)
{
	static struct node node;
	static const struct {
		const char *name;
		long first;
		const char *cure;
	} cases[] = {
		{"state-gw/state.db", 0, "move it away"},
		{"state-gw/state.db", 4096, "move it away"}, // the head is whole, a table is not
		{"registry.db", 0, "registry.path"},
		{"registry.db", 4096, "registry.path"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char dir[64];
		char path[128];
		node_make_dir(dir);
		node_open(&node, dir, "gw", "gateway", true);
		CU_ASSERT(plane_until(&node.plane, node_has_identity, 5000) >= 0);
		node_close(&node);
		snprintf(path, sizeof(path), "%s/%s", dir, cases[i].name);
		spoil(path, cases[i].first, 4096);
		CU_ASSERT_EQUAL(run_control(&node), 1);
		if (!strstr(node_reply, cases[i].name) || !strstr(node_reply, cases[i].cure))
			printf("# %s at %ld: %s\n", cases[i].name, cases[i].first, node_reply);
		CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, cases[i].name));
		CU_ASSERT_PTR_NOT_NULL(strstr(node_reply, cases[i].cure));
		node_remove_dir(dir);
	}
}

UNIT_MAIN("restart",
	  {"fifty ends by TERM and KILL change nothing",
	   fifty_ends_by_term_and_kill_change_nothing},
	  {"killed at any moment of its start, it starts the next time",
	   killed_at_any_moment_of_its_start_it_starts_the_next_time},
	  {"data planes and operators that come and go leave nothing open",
	   data_planes_and_operators_that_come_and_go_leave_nothing_open},
	  {"a second control process of a node is refused",
	   a_second_control_process_of_a_node_is_refused},
	  {"its files and sockets are for its user only",
	   its_files_and_sockets_are_for_its_user_only},
	  {"a broken file is told with its cure", a_broken_file_is_told_with_its_cure})
